"""SPEC section 8, S16 and S17: finer bars decide what a bar leaves open; hours with minutes are an hourly minute run."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qt_core.engine import backtest
from qt_core.engine.session import prepare_bars
from qt_core.errors import DataError
from qt_core.features.context import ChainContext, chain_context
from qt_core.io.load import load_market
from qt_core.market import Market
from qt_core.records import JE_STOP_MOVED
from qt_core.signal.rules import rule_tape
from qt_core.state import raw_bytes
from tests.engine.chain import config_of, context_of, run_chain, same_trades, tape_of
from tests.engine.tables import GONE, HOUR_MS, START_MS, Row, market_of
from tests.foundation import foundation

QUARTER_MS = HOUR_MS // 4
Q = (100.0, 100.5, 99.5, 100.0)
CALM = (Q, Q, Q, Q)
UP, DOWN = (101.0, 104.5, 101.0, 101.0), (99.0, 99.5, 97.5, 99.0)  # reach the target 104, the stop 98


def detailed(*hours: tuple[Row, ...], **more) -> tuple[Market, Market]:
    """(market of hours, the same with its quarters as finer bars); an hour is what its quarters add up to."""
    quarters = [row for hour in hours for row in hour]
    fine = market_of(quarters, step_ms=QUARTER_MS)
    coarse = []
    for hour in hours:
        rows = np.array([r[:4] for r in hour if r])
        volume = sum(r[4] if len(r) > 4 else 1e9 for r in hour if r)
        coarse.append((rows[0, 0], rows[:, 1].max(), rows[:, 2].min(), rows[-1, 3], volume))
    plain = market_of(coarse, **more)
    return plain, replace(plain, detail=fine)


def at(hour: int, quarter: int) -> int:
    return START_MS + hour * HOUR_MS + quarter * QUARTER_MS


BUY = {(0, "A"): 1}
CASES = {
    "the target came first": ((Q, UP, DOWN, Q), 1, "target", 104.0),
    "the stop came first": ((Q, DOWN, UP, Q), 1, "stop", 98.0),
    "the target came in the hour's first quarter": ((UP, DOWN, Q, Q), 0, "target", 104.0),
    "a gap between quarters fills at their open": ((Q, (105.0, 105.0, 103.0, 103.0), DOWN, Q), 1, "target", 105.0),
    "a missing quarter is passed over": ((Q, GONE, DOWN, UP), 2, "stop", 98.0),
}


@pytest.mark.parametrize("name", CASES)
def test_finer_bars_resolve_an_ambiguous_bar(name: str):
    hour, quarter, why, price = CASES[name]
    plain, fine = detailed(CALM, CALM, hour)
    same_trades(run_chain(plain, BUY), plain, [{"out": 2, "why": "stop", "exit": 98.0, "ambiguous": 1}])
    r = run_chain(fine, BUY)
    same_trades(r, fine, [{"in": 1, "why": why, "exit": price, "ambiguous": 0}])
    assert r.trades["exit_ms"][0] == at(2, quarter)
    assert r.metrics["ambiguous_bars"] == 0


def test_what_even_the_finest_bar_leaves_open_stays_counted():
    both = (100.0, 104.5, 97.5, 100.0)
    _, fine = detailed(CALM, CALM, (Q, both, Q, Q))
    for intrabar, price in (("pessimistic", 98.0), ("optimistic", 104.0)):
        r = run_chain(fine, BUY, venue={"intrabar": intrabar})
        same_trades(r, fine, [{"exit": price, "ambiguous": 1}])
        assert r.metrics["ambiguous_bars"] == 1


def test_the_entry_is_at_the_first_quarter_and_its_stop_works_in_it():
    _, fine = detailed(CALM, ((100.0, 100.5, 97.0, 98.0), Q, Q, Q))
    r = run_chain(fine, BUY)
    same_trades(r, fine, [{"entry": 100.0, "exit": 98.0, "why": "stop"}])
    assert r.trades["entry_ms"][0] == r.trades["exit_ms"][0] == at(1, 0)


def test_trailing_uses_the_extreme_known_before_the_finest_bar():
    """The stop follows each quarter (a guard may protect), but decisions stay hourly.

    Quarter 2.1 rises to 103: at its close 103 - 2 = 101. Quarter 2.2 falls to 100.5: out at 101. In hours alone the bar
    is one: its high moves the stop at its close only, and the fall in it is not seen.
    """
    hour = (Q, (101.0, 103.0, 101.0, 102.0), (102.0, 102.0, 100.5, 101.0), (101.0, 102.5, 101.0, 102.0))
    plain, fine = detailed(CALM, CALM, hour)
    trail = {"tpsl": {"mode": "enforced", "tp_anchor": 0.2, "trail_activation_roi": 0.03}}
    r = run_chain(fine, BUY, **trail)
    same_trades(r, fine, [{"exit": 101.0, "why": "trailing"}])
    assert r.trades["exit_ms"][0] == at(2, 2)
    assert r.events["value"][r.events["kind"] == JE_STOP_MOVED].tolist() == [101.0]
    assert len(run_chain(plain, BUY, **trail).trades) == 0


def test_participation_is_of_the_finest_bar():
    """3 units, a tenth of 10 in each quarter: three quarters of the hour."""
    thin = (*Q, 10.0)
    _, fine = detailed(CALM, (thin, thin, thin, thin), ((104.0, 104.0, 104.0, 104.0), Q, Q, Q))
    r = run_chain(fine, BUY, venue={"participation": 0.1})
    same_trades(r, fine, [{"qty": 3.0, "exit": 104.0, "fills": 4}])
    times = r.events["time_ms"][r.events["qty"] == 1.0]
    assert times.tolist() == [at(1, 0), at(1, 1), at(1, 2)]


def test_funding_inside_an_hour_is_due_at_its_own_quarter():
    """Due at 2:30: after the stop of 2:15 nothing is held; without the finer bars it would wait for 3:00 as well."""
    hour = (Q, DOWN, Q, Q)
    plain, fine = detailed(CALM, CALM, hour, CALM, funding=[(2.5, "A", 0.001), (2.0, "A", 0.002)])
    for m in (plain, fine):
        same_trades(run_chain(m, BUY), m, [{"why": "stop", "funding": -0.6}])  # 3 x 100 x 0.002
    late = detailed(CALM, CALM, (Q, Q, Q, DOWN), CALM, funding=[(2.5, "A", 0.001)])
    same_trades(run_chain(late[0], BUY), late[0], [{"why": "stop", "funding": 0.0}])
    same_trades(run_chain(late[1], BUY), late[1], [{"why": "stop", "funding": -0.3}])


def test_finer_bars_that_do_not_fit_are_refused():
    plain, fine = detailed(CALM, CALM, CALM)
    assert fine.detail is not None
    late = replace(plain, detail=fine.detail.window(START_MS + HOUR_MS, START_MS + 3 * HOUR_MS))
    for bad in (late, replace(plain, detail=fine.detail.head(8))):
        with pytest.raises(DataError, match="finer bars cover"):
            prepare_bars(bad)
    for every in (QUARTER_MS + 1, -HOUR_MS):
        with pytest.raises(DataError, match="decisions every"):
            prepare_bars(fine.detail, every)
    with pytest.raises(DataError, match="chain context has 12 rows, expected 3"):
        backtest(
            fine.detail, tape_of(fine.detail, {}), config_of(), context=context_of(fine.detail), decide_every_ms=HOUR_MS
        )


# --- real minutes ------------------------------------------------------------------------------------------------------
SYMBOLS = ["ADAUSDT", "AVAXUSDT", "BNBUSDT", "BTCUSDT", "ETHUSDT", "LINKUSDT", "SOLUSDT", "XRPUSDT"]
SPAN = ("2025-05-09T19:00", "2025-06-03T15:00")  # whole hours for which all eight have minutes


@pytest.fixture(scope="module")
def month(shared_data: Path):
    """(hours with minutes inside, minutes alone, context of the hours) over the same span."""
    hours = load_market(SYMBOLS, "1h", *SPAN, root=shared_data, detail_timeframe="1m")
    minutes = load_market(SYMBOLS, "1m", *SPAN, root=shared_data)
    minutes = replace(minutes, specs=hours.specs, brackets=hours.brackets)  # inferred ticks depend on the file
    long = load_market(SYMBOLS, "1h", "2025-05-01", SPAN[1], root=shared_data)  # so that the indicators are warm
    context = chain_context(long)
    rows = slice(long.n_bars - hours.n_bars, long.n_bars)
    cut = ChainContext(np.ascontiguousarray(context.values[rows]), np.ascontiguousarray(context.eligible[rows]))
    return hours, minutes, cut


RUNS = {
    "default": {},
    "cross, optimistic, thin": {
        "venue": {"margin_mode": "cross", "intrabar": "optimistic", "participation": 0.001},
        "chain": {"entry_work_bars": 2},
    },
    "protection from the next minute, mark": {"venue": {"stops_in_entry_bar": "off", "working_type": "mark"}},
}


@pytest.mark.parametrize("name", RUNS)
def test_hours_with_minutes_are_minutes_that_decide_hourly(month, name: str):
    """Trades, decisions, curve, digest and State, byte for byte."""
    from qt_core.config import load_config

    hours, minutes, context = month
    config = load_config(foundation({"risk": {"max_margin_usd": 1e4}, "ensemble": {"threshold": 0.35}, **RUNS[name]}))
    tape = rule_tape(hours, context)
    a = backtest(hours, tape, config, context=context)
    b = backtest(minutes, tape, config, context=context, decide_every_ms=HOUR_MS)
    assert len(a.trades) > 100
    for part in ("trades", "decisions", "events", "curve", "open_positions"):
        assert getattr(a, part).tobytes() == getattr(b, part).tobytes(), part
    assert a.digest() == b.digest()
    assert raw_bytes(a.state) == raw_bytes(b.state)
    assert raw_bytes(a.venue) == raw_bytes(b.venue)
    inside = a.trades["exit_ms"] % HOUR_MS
    assert (inside > 0).mean() > 0.5  # most exits lie inside an hour


def test_minutes_change_what_hours_alone_would_say(month):
    """The same hours without their minutes: other trades, and some bars ambiguous."""
    from qt_core.config import load_config

    hours, _, context = month
    config = load_config(foundation({"ensemble": {"threshold": 0.35}}))
    tape = rule_tape(hours, context)
    fine = backtest(hours, tape, config, context=context)
    coarse = backtest(replace(hours, detail=None), tape, config, context=context)
    assert fine.digest() != coarse.digest()
    assert fine.metrics["ambiguous_bars"] <= coarse.metrics["ambiguous_bars"]
