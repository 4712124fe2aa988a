"""SPEC section 8, S4, S19, S20: what is missing: marks, quote volume, bars, symbols not yet or no longer listed."""

import numpy as np
import pytest

from qt_core.codes import EXPIRED, NOT_ELIGIBLE, SETTLED
from qt_core.errors import DataError
from qt_core.market import make_market
from tests.engine.asks import limit, market, stop
from tests.engine.chain import run_chain, same_trades
from tests.engine.tables import (
    GONE,
    HOUR_MS,
    QUIET,
    START_MS,
    Table,
    cancelled,
    check,
    fill,
    funded,
    liquidated,
    market_of,
    run_venue,
)

LOW = (90.0, 91.0, 89.5, 90.0)
IN = fill(1, 1, 1.0, 100.0)

TABLES = (
    Table(
        "nothing fills in a missing bar; the order waits for the next one",
        (QUIET, GONE, GONE, (103.0, 103.5, 102.5, 103.0)),
        [market(0, 1, 1.0)],
        [fill(3, 1, 1.0, 103.0)],
        held=1.0,
    ),
    Table(
        "an order's life goes on in missing bars",
        (QUIET, GONE, GONE, QUIET),
        [market(0, 1, 1.0, life=1)],
        [cancelled(2, 1, EXPIRED)],
    ),
    Table(
        "a stop passed during a hole fills at the first open after it",
        (QUIET, QUIET, GONE, GONE, (93.0, 94.0, 92.0, 93.0)),
        [market(0, 1, 1.0), stop(0, 2, -1.0, 95.0)],
        [IN, fill(4, 2, -1.0, 93.0, realised=-7.0)],
    ),
    Table(
        "a limit does not fill on a price that was only between two bars",
        (QUIET, QUIET, GONE, QUIET),
        [limit(0, 1, 1.0, 95.0)],
        [],
    ),
    Table(
        "funding during a hole is settled at the last known mark",
        (QUIET, (100.0, 101.0, 99.0, 101.0), GONE, QUIET),
        [market(0, 1, 1.0)],
        [IN, funded(2, -0.101, price=101.0)],
        market={"funding": [(2, "A", 0.001)]},
        held=1.0,
    ),
    Table(
        "a hole longer than halt_max_ms settles at the last mark, without a fee",
        (QUIET, (100.0, 101.0, 99.0, 101.0, 1e9, 100.0, 102.0, 99.0, 101.5), GONE, GONE, GONE, LOW),
        [market(0, 1, 1.0)],
        # last bar 1; bar 3 is 2 h later, not more than 2 h; bar 4 is
        [IN, fill(4, 0, -1.0, 101.5, realised=1.5, fee=0.0, reason=SETTLED)],
        venue={"halt_max_ms": 2 * HOUR_MS},
    ),
    Table(
        "a hole of exactly halt_max_ms is waited for",
        (QUIET, QUIET, GONE, GONE, LOW),
        [market(0, 1, 1.0, leverage=5.0)],
        [IN],
        venue={"halt_max_ms": 2 * HOUR_MS},
        held=1.0,
    ),
    Table(
        "a delisted symbol is settled at its delisting time",
        (QUIET, (100.0, 101.0, 99.0, 101.0), GONE, GONE, GONE),
        [market(0, 1, 1.0), stop(0, 2, -1.0, 95.0), limit(1, 3, 1.0, 90.0, life=2)],
        [IN, fill(3, 0, -1.0, 101.0, realised=1.0, reason=SETTLED), cancelled(4, 3, EXPIRED)],
        market={"delist_bar": 3},
    ),
    Table(
        "no liquidation in a hole, but at the first opening mark after it",
        (QUIET, QUIET, GONE, (85.0, 86.0, 84.0, 85.0)),
        [market(0, 1, 1.0)],
        [IN, liquidated(3, -1.0, 85.0, realised=-15.0, fee=0.0, insurance=5.0)],
    ),
    Table(
        "a listing: the order meets the first bar there is",
        (GONE, GONE, (50.0, 51.0, 49.0, 50.0)),
        [market(0, 1, 1.0)],
        [fill(2, 1, 1.0, 50.0)],
        held=1.0,
    ),
)


@pytest.mark.parametrize("table", TABLES, ids=lambda t: t.name)
def test_holes(table):
    check(table)


@pytest.mark.interpreted
@pytest.mark.boundscheck
@pytest.mark.parametrize("table", TABLES[::3], ids=lambda t: t.name)
def test_holes_in_other_modes(table):
    check(table)


def test_chain_in_a_hole():
    """A signal on a missing bar is not eligible; an entry that meets a hole expires; the next signal trades."""
    m = market_of((QUIET, GONE, GONE, QUIET, QUIET, (100.0, 104.0, 99.0, 104.0)))
    r = run_chain(m, {(0, "A"): 1, (1, "A"): 1, (3, "A"): 1})
    assert r.counters[:, NOT_ELIGIBLE].sum() == 1
    assert r.counters[:, EXPIRED].sum() == 1
    same_trades(r, m, [{"in": 4, "out": 5, "why": "target", "entry": 100.0, "exit": 104.0}])


def test_chain_has_its_position_settled():
    """Trade 3 x (101 - 100) less one fee of 0.15; stop and target go with it."""
    m = market_of((QUIET, (100.0, 101.0, 99.0, 101.0), GONE, GONE, LOW), delist_bar=3)
    r = run_chain(m, {(0, "A"): 1})
    same_trades(r, m, [{"in": 1, "out": 3, "exit": 101.0, "why": "settled", "pnl": 2.85}])
    assert r.venue.symbol["n_orders"][0] == 0


def test_equity_in_a_hole_uses_the_last_known_mark():
    """Never a made-up price: the account stands still while nothing is known."""
    rows = (QUIET, (100.0, 101.0, 99.0, 100.5, 1e9, 100.0, 102.0, 99.0, 101.0), GONE, GONE)
    assert run_venue(market_of(rows), [market(0, 1, 1.0)]).equity[1:] == pytest.approx([10_000.95] * 3)


def test_an_unknown_mark_is_the_last_price_flagged_and_countable():
    known, unknown = (100.0, 101.0, 99.0, 100.0, 5.0, 100.1, 101.1, 99.1, 100.1), (100.0, 101.0, 99.0, 100.0, 5.0)
    m = market_of((known, unknown, GONE, known))
    assert m.mark_known[:, 0].tolist() == [True, False, False, True]
    assert m.mark_high[:2, 0].tolist() == [101.1, 101.0]
    assert np.isnan(m.mark_high[2, 0])
    assert int((m.valid & ~m.mark_known).sum()) == 1


def test_missing_quote_volume_is_estimated_and_flagged():
    """Volume x (h + l + c) / 3 = 6 x (101 + 98 + 100.5) / 3 = 599."""
    columns = {"open": 100.0, "high": 101.0, "low": 98.0, "close": 100.5, "volume": 6.0}
    ohlcv = {k: np.full((3, 1), v) for k, v in columns.items()}
    for k in ohlcv:
        ohlcv[k][2] = np.nan
    time = START_MS + HOUR_MS * np.arange(3, dtype=np.int64)
    given = np.array([[700.0], [np.nan], [np.nan]])
    m = make_market(["A"], time, ohlcv, timeframe_ms=HOUR_MS, quote_volume=given)
    assert m.quote_volume[:2, 0].tolist() == [700.0, pytest.approx(599.0)]
    assert np.isnan(m.quote_volume[2, 0])
    assert m.quote_volume_estimated[:, 0].tolist() == [False, True, False]


def test_marks_must_be_possible_bars():
    with pytest.raises(DataError, match=r"A bar 1 .*: mark high below low; expected high >= low"):
        market_of((QUIET, (*QUIET, 1e9, 100.0, 99.0, 101.0, 100.0)))


def test_a_tick_as_large_as_the_price_is_refused():
    with pytest.raises(DataError, match=r"A: tick_size 100; expected less than its lowest price 99.5"):
        market_of((QUIET, QUIET), tick=100.0)
