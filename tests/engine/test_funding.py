"""SPEC section 8, S3: funding at its true times on the quantity held before it; a real year against pandas alone."""

from pathlib import Path

import numpy as np
import pytest

from qt_core.codes import EV_FUNDING
from qt_core.io.load import load_market
from tests.engine.asks import market, stop
from tests.engine.chain import run_chain, trade_rows
from tests.engine.tables import (
    GONE,
    MINUTE_MS,
    QUIET,
    Table,
    check,
    fill,
    funded,
    liquidated,
    market_of,
    run_venue,
    same,
)

QUIET4 = (QUIET, QUIET, QUIET, QUIET)
MS = 1 / 3_600_000  # a millisecond in bars of an hour

TABLES = (
    Table(
        "longs pay a positive rate",
        QUIET4,
        [market(0, 1, 2.0)],
        [fill(1, 1, 2.0, 100.0), funded(2, -0.2, qty=2.0, price=100.0)],  # 2 x 100 x 0.001
        market={"funding": [(2, "A", 0.001)]},
        held=2.0,
        end={"funding_usd": -0.2, "free_usd": 10_000 - 20 - 0.1 - 0.2},
    ),
    Table(
        "longs receive a negative rate",
        QUIET4,
        [market(0, 1, 2.0)],
        [fill(1, 1, 2.0, 100.0), funded(2, 0.2)],
        market={"funding": [(2, "A", -0.001)]},
        held=2.0,
    ),
    Table(
        "shorts receive a positive rate",
        QUIET4,
        [market(0, 1, -2.0)],
        [fill(1, 1, -2.0, 100.0), funded(2, 0.2, qty=-2.0)],
        market={"funding": [(2, "A", 0.001)]},
        held=-2.0,
    ),
    Table(
        "the opening mark counts, not the last price",
        (QUIET, QUIET, (*QUIET, 1e9, 101.0, 102.0, 99.0, 100.0)),
        [market(0, 1, 2.0)],
        [fill(1, 1, 2.0, 100.0), funded(2, -0.202, price=101.0)],
        market={"funding": [(2, "A", 0.001)]},
        held=2.0,
    ),
    Table(
        "a settlement inside a bar is due at the next open, on what is held then",
        QUIET4,
        [market(0, 1, 2.0), market(1, 2, -1.0, reduce=True)],
        # due between the opens of bars 2 and 3: 1 is held
        [fill(1, 1, 2.0, 100.0), fill(2, 2, -1.0, 100.0), funded(3, -0.1, qty=1.0)],
        market={"funding": [(2.5, "A", 0.001)]},
        held=1.0,
    ),
    Table(
        "a few milliseconds off the hour are the hour",
        QUIET4,
        [market(0, 1, 2.0)],
        [fill(1, 1, 2.0, 100.0), funded(2, -0.2), funded(3, -0.4)],
        market={"funding": [(2 + 30 * MS, "A", 0.001), (3 - 30 * MS, "A", 0.002)]},
        held=2.0,
    ),
    Table(
        "on one-minute bars it is due at its own minute, neither before nor after",
        QUIET4,
        [market(0, 1, 2.0), market(1, 2, -1.0, reduce=True)],
        [fill(1, 1, 2.0, 100.0), funded(2, -0.2, qty=2.0), fill(2, 2, -1.0, 100.0)],
        market={"funding": [(2, "A", 0.001)], "step_ms": MINUTE_MS},
        held=1.0,
    ),
    Table(
        "two settlements within one bar are both paid",
        QUIET4,
        [market(0, 1, 2.0)],
        [fill(1, 1, 2.0, 100.0), funded(3, -0.2), funded(3, -0.4)],
        market={"funding": [(2.25, "A", 0.001), (2.75, "A", 0.002)]},
        held=2.0,
    ),
    Table(
        "nothing before the first bar, after the last, or without a position",
        QUIET4,
        [market(1, 1, 2.0), market(2, 2, -2.0, reduce=True)],
        [fill(2, 1, 2.0, 100.0), fill(3, 2, -2.0, 100.0)],
        market={
            "funding": [(-1, "A", 0.1), (0, "A", 0.1), (1, "A", 0.1), (2, "A", 0.1), (3.5, "A", 0.1), (9, "A", 0.1)]
        },
    ),
    Table(
        "free balance first, then the position's margin; its liquidation price moves into this very bar",
        (QUIET, QUIET, (100.0, 100.5, 91.5, 100.0)),
        [market(0, 1, 990.0)],
        # free 10,000 - 9900 - 49.5 = 50.5; paid 1980: margin 9900 - 1929.5 = 7970.5; (99,000 - 7970.5) / 980.1 = 92.88
        [
            fill(1, 1, 990.0, 100.0, margin=9900.0),
            funded(2, -1980.0, margin=7970.5),
            liquidated(2, -990.0, 91_029.5 / 980.1, margin=0.0),
        ],
        market={"funding": [(2, "A", 0.02)]},
    ),
    Table(
        "more than margin and balance together: the rest is insurance, the wallet ends at zero",
        (QUIET, QUIET, (100.0, 100.5, 99.5, 100.0)),
        [market(0, 1, 990.0)],
        # 99,000 x 0.2 = 19,800 asked, 9950.5 there; without margin it goes at the opening mark, the fee finds nothing
        [
            fill(1, 1, 990.0, 100.0),
            funded(2, -9950.5, margin=0.0, wallet=0.0),
            liquidated(2, -990.0, 100.0, realised=0.0, fee=0.0),
        ],
        market={"funding": [(2, "A", 0.2)]},
        end={"free_usd": 0.0, "funding_usd": -9950.5},
    ),
    Table(
        "cross: paid from the whole wallet, the margin of one position is not touched",
        {"A": QUIET4, "B": QUIET4},
        [market(0, 1, 990.0)],
        [fill(1, 1, 990.0, 100.0), funded(2, -1980.0, margin=9900.0, wallet=10_000 - 49.5 - 1980)],
        market={"funding": [(2, "A", 0.02)]},
        venue={"margin_mode": "cross"},
        held=990.0,
    ),
    Table(
        "a position stopped at the open still pays what was due there",
        (QUIET, QUIET, (90.0, 91.0, 89.5, 90.0)),
        [market(0, 1, 2.0, leverage=5.0), stop(0, 2, -2.0, 95.0)],
        [fill(1, 1, 2.0, 100.0), funded(2, -0.18), fill(2, 2, -2.0, 90.0)],
        market={"funding": [(2, "A", 0.001)]},
    ),
    Table(
        "in a hole the last known mark counts",
        (QUIET, (100.0, 101.0, 99.0, 101.0), GONE, QUIET),
        [market(0, 1, 2.0)],
        [fill(1, 1, 2.0, 100.0), funded(2, -0.202, price=101.0)],
        market={"funding": [(2, "A", 0.001)]},
        held=2.0,
    ),
)


@pytest.mark.parametrize("table", TABLES, ids=lambda t: t.name)
def test_funding(table):
    check(table)


@pytest.mark.interpreted
@pytest.mark.boundscheck
@pytest.mark.parametrize("table", TABLES[::3], ids=lambda t: t.name)
def test_funding_in_other_modes(table):
    check(table)


def test_cross_funding_with_the_wallet_bound_elsewhere_is_not_given_away():
    """A loss beyond A's share makes the free balance negative; what B then receives is what is due, no more.

    A's stop gaps to 40: 100 x -60 = -6000 (margin 1000); B's margin 8000 is bound: free -5098.5... B receives 800.
    """
    rows = {"A": (QUIET, QUIET, (40.0, 40.0, 40.0, 40.0), (40.0, 40.0, 40.0, 40.0)), "B": (QUIET, QUIET, QUIET, QUIET)}
    m = market_of(rows, funding=[(3, "B", 0.01)])
    script = [market(0, 1, 100.0, symbol="A"), market(0, 2, -800.0, symbol="B"), stop(0, 3, -100.0, 95.0, symbol="A")]
    played = run_venue(m, script, margin_mode="cross")
    wallet = 10_000 - 5 - 40 - 6000 - 100 * 40 * 0.0005  # entry fees, loss, exit fee
    same(
        played.events,
        [
            fill(1, 1, 100.0, 100.0),
            fill(1, 2, -800.0, 100.0),
            fill(2, 3, -100.0, 40.0, wallet=wallet),
            funded(3, 800.0, wallet=wallet + 800.0),
        ],
    )


# --- a real year -------------------------------------------------------------------------------------------------------
YEAR = ("2022-01-01", "2023-01-01")


@pytest.fixture(scope="module")
def btc(shared_data: Path):
    return load_market(["BTCUSDT"], "1h", *YEAR, root=shared_data)


def settlements(root: Path) -> np.ndarray:
    """(hour, rate, opening mark of that hour) of the year, by pandas from the files and nothing else."""
    import pandas as pd

    funding = pd.read_parquet(root / "um_funding" / "funding_rates.parquet")
    funding = funding[funding["symbol"] == "BTCUSDT"]
    funding = funding.assign(hour=(funding["funding_time"] / 3_600_000).round().astype("int64") * 3_600_000)
    mark = pd.read_parquet(root / "um_mark_1h" / "BTCUSDT.parquet")
    rows = funding.merge(mark, left_on="hour", right_on="open_time", how="inner")
    lo, hi = (int(pd.Timestamp(day, tz="UTC").value // 10**6) for day in YEAR)
    return rows[(rows["hour"] >= lo) & (rows["hour"] < hi)][["hour", "funding_rate", "open"]].to_numpy()


def test_a_real_year_through_the_chain(btc, shared_data: Path):
    """A short of 2022 held from 01:00 of the first day to the end; stop +50 %, target -90 %."""
    wide = {"mode": "off", "sl_anchor": 0.5, "tp_anchor": 0.9}
    r = run_chain(btc, {(0, "BTCUSDT"): -1}, tpsl=wide, chain={"base_margin_usd": 5000.0, "neutral_leverage": 1.0})
    assert trade_rows(r, btc) == []
    assert len(r.open_positions) == 1
    held = -float(r.open_positions["quantity"][0])
    assert held < 0.0
    paid = r.events[r.events["kind"] == EV_FUNDING]
    want = settlements(shared_data)[1:]  # the one at 00:00 of the first day is before the entry
    assert len(paid) == len(want) == 3 * 365 - 1
    assert paid["time_ms"].tolist() == want[:, 0].astype(np.int64).tolist()
    by_pandas = -held * want[:, 1] * want[:, 2]
    np.testing.assert_allclose(paid["value"], by_pandas, rtol=1e-9)
    assert r.open_positions["funding_usd"][0] == pytest.approx(by_pandas.sum(), rel=1e-9)
    assert r.metrics["funding_usd"] == pytest.approx(by_pandas.sum(), rel=1e-9)


def test_a_real_year_at_the_venue_alone(btc, shared_data: Path):
    """A long of 0.1 without any stop; it pays what the short would receive."""
    played = run_venue(btc, [market(0, 1, 0.1, leverage=1.0, symbol="BTCUSDT")], limit_events=2000)
    want = settlements(shared_data)[1:]
    paid = np.array([e["funding"] for e in played.events if e["kind"] == EV_FUNDING])
    by_pandas = -0.1 * want[:, 1] * want[:, 2]
    np.testing.assert_allclose(paid, by_pandas, rtol=1e-9)
    assert played.fund("funding_usd") == pytest.approx(by_pandas.sum(), rel=1e-9)
