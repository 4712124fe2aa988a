"""Parity 2: look-ahead of one bar in one symbol, planted in every stage, is caught and named by the check."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qt_core.codes import CTX_ATR_PCT, EV_FILL, PX_NAMES, TAG_ENTRY
from qt_core.config import Config
from qt_core.engine.result import Result
from qt_core.engine.session import advance, open_session
from qt_core.errors import DataError
from qt_core.market import Market
from qt_core.records import JE_STOP_MOVED
from research.checks.lookahead import Inputs, LookaheadReport, build_inputs, check_lookahead, run_inputs
from research.data import load_market
from tests.parity.cases import (
    REAL_SYMBOLS,
    Case,
    case_of,
    config_of,
    real_case,
    simulated_case,
)


@dataclass(frozen=True)
class Leak:
    """Where it is planted, the hooks that plant it, and the name the check must give it."""

    stage: str
    bar: int
    symbol: int
    build: Callable[[Market], Inputs] = build_inputs
    run: Callable[[Inputs, Config, int], Result] = run_inputs
    says: str = ""


@dataclass(frozen=True)
class Ground:
    """Where leaks are planted: a small market and its honest run."""

    case: Case
    honest: Result

    @property
    def market(self) -> Market:
        return self.case.market


@cache
def ground_on(root: Path | None) -> Ground:
    """Three symbols: simulated, or the real ones over the crash of 2021-05-19."""
    if root is None:
        case = simulated_case(n_symbols=3, n_bars=260, detail=False, seed=5)
    else:
        case = case_of(load_market(REAL_SYMBOLS[:3], "1h", "2021-05-01", "2021-05-24", root=root))
    return Ground(case, run_inputs(build_inputs(case.market), config_of("foundation"), 0))


@pytest.fixture(params=["simulated", "real"])
def ground(request: pytest.FixtureRequest) -> Ground:
    return ground_on(None if request.param == "simulated" else request.getfixturevalue("shared_data"))


def _row(time_ms: Any, market: Market) -> int:
    return int((int(time_ms) - int(market.time[0])) // market.timeframe_ms)


def feature_leak(on: Ground) -> Leak:
    """A context row that decides shows the ATR of the bar after it."""
    d = on.honest.decisions[2]
    t, i = _row(d["time_ms"], on.market) - 1, int(d["symbol"])

    def build(market: Market) -> Inputs:
        inputs = build_inputs(market)
        if t + 1 < market.n_bars:
            inputs.context.values[t, i, CTX_ATR_PCT] = inputs.context.values[t + 1, i, CTX_ATR_PCT]
        return inputs

    return Leak("features", t, i, build, says="atr_pct")


def funding_feature_leak(on: Ground) -> Leak:
    """The rate of the next bar's settlement is known a bar before it is settled."""
    market = on.market
    k = len(market.funding_time_ms) // 2
    t, i = _row(market.funding_time_ms[k], market) - 1, int(market.funding_symbol[k])

    def build(market: Market) -> Inputs:
        inputs = build_inputs(market)
        column = inputs.features.names.index("funding_rate")
        if t + 1 < market.n_bars:
            inputs.features.values[t, i, column] = inputs.features.values[t + 1, i, column]
        return inputs

    return Leak("features", t, i, build, says="funding_rate")


def universe_leak(on: Ground) -> Leak:
    """A symbol is left out of a bar because the next bar's volume is low."""
    t, i = 150, 1

    def build(market: Market) -> Inputs:
        inputs = build_inputs(market)
        if t + 1 < market.n_bars:
            inputs.context.eligible[t, i] &= market.quote_volume[t + 1, i] < 0.0
        return inputs

    assert on.case.context.eligible[t, i]
    return Leak("eligibility", t, i, build, says="eligible")


def tape_leak(on: Ground) -> Leak:
    """A model's row is that of the bar after it."""
    i = 0
    proba = on.case.tape.proba[:, i, 0]
    t = 120 + int(np.flatnonzero((proba[120:-1] != proba[121:]).any(axis=1))[0])

    def build(market: Market) -> Inputs:
        inputs = build_inputs(market)
        if t + 1 < market.n_bars:
            inputs.tape.proba[t, i, 0] = inputs.tape.proba[t + 1, i, 0]
        return inputs

    return Leak("tape", t, i, build, says="trend p(")


def funding_leak(on: Ground) -> Leak:
    """A settlement is charged one bar early."""
    market = on.market
    k = len(market.funding_time_ms) // 2
    due, i = int(market.funding_time_ms[k]), int(market.funding_symbol[k])

    def build(market: Market) -> Inputs:
        inputs = build_inputs(market)
        early = market.funding_time_ms.copy()
        early[(early == due) & (market.funding_symbol == i)] -= market.timeframe_ms
        rank = np.lexsort((market.funding_symbol, early))
        moved = replace(
            market,
            funding_time_ms=early[rank],
            funding_symbol=market.funding_symbol[rank],
            funding_rate=market.funding_rate[rank],
        )
        return replace(inputs, market=moved)

    return Leak("funding", _row(due, market) - 1, i, build, says="settlement")


def _run_on(column: str, f: int, i: int) -> Callable[[Inputs, Config, int], Result]:
    """A run whose venue sees, in one bar of one symbol, the price of the bar after it."""

    def run(inputs: Inputs, config: Config, seed: int) -> Result:
        s = open_session(inputs.market, inputs.tape, config, seed=seed, context=inputs.context)
        px = s.bars.px.copy()
        k = PX_NAMES.index(column)
        if f + 1 < len(px):
            px[f, i, k] = px[f + 1, i, k]
        s.bars = s.bars._replace(px=px)
        advance(s)
        return Result.of(s, inputs.market, config, seed)

    return run


def fill_leak(on: Ground) -> Leak:
    """An entry fills at the open of the bar after the one it fills in."""
    events = on.honest.events
    e = events[(events["kind"] == EV_FILL) & (events["tag"] == TAG_ENTRY)][3]
    f, i = _row(e["time_ms"], on.market), int(e["symbol"])
    return Leak("fills", f, i, run=_run_on("open", f, i), says="event fill")


def trailing_leak(on: Ground) -> Leak:
    """A stop trails by the high of the bar after it: a decision at the close, not a fill."""
    market, events = on.market, on.honest.events
    for e in events[events["kind"] == JE_STOP_MOVED]:
        f, i = _row(e["time_ms"], market) - 1, int(e["symbol"])
        column = "high" if e["qty"] > 0 else "low"
        beyond = (getattr(market, column)[f + 1, i] - getattr(market, column)[f, i]) * np.sign(e["qty"])
        if 0 < beyond < 0.006 * market.close[f, i]:
            return Leak("decisions", f, i, run=_run_on(column, f, i), says="stop moved")
    raise AssertionError("no stop that would have moved further")


LEAKS = {
    "feature": feature_leak,
    "funding rate known early": funding_feature_leak,
    "universe": universe_leak,
    "tape": tape_leak,
    "funding charged early": funding_leak,
    "fill": fill_leak,
    "trailing": trailing_leak,
}


def assert_named(report: LookaheadReport, leak: Leak, market: Market) -> None:
    assert not report.ok
    cause = report.cause
    found = (cause.stage, cause.bar, cause.symbol)
    assert found == (leak.stage, leak.bar, market.symbols[leak.symbol]), report.text()
    assert leak.says in cause.what, report.text()
    line = report.text().splitlines()[1]
    assert line.strip().startswith(f"{leak.stage}: ")
    assert market.symbols[leak.symbol] in line


@pytest.mark.parametrize("name", LEAKS)
def test_one_bar_of_look_ahead_in_one_symbol_is_caught_and_named(ground: Ground, name: str):
    leak = LEAKS[name](ground)
    near = range(leak.bar - 2, leak.bar + 6)
    report = check_lookahead(ground.market, config_of("foundation"), list(near), build=leak.build, run=leak.run)
    assert_named(report, leak, ground.market)


@pytest.mark.parametrize("where", ["simulated", "real"])
def test_a_finer_bar_of_the_next_hour_is_caught_and_named(where: str, request: pytest.FixtureRequest):
    """The last finer bar of hour t takes the close of the first finer bar of hour t + 1."""
    if where == "simulated":
        market = simulated_case(n_symbols=2, n_bars=120, detail=True).market
    else:
        market = real_case(request.getfixturevalue("shared_data"), detail=True).market
    per_bar = market.detail.n_bars // market.n_bars
    i, close = 1, market.detail.close
    t = next(k for k in range(60, 100) if close[per_bar * (k + 1) - 1, 1] != close[per_bar * (k + 1), 1])
    row = per_bar * (t + 1) - 1

    def build(market: Market) -> Inputs:
        inputs = build_inputs(market)
        leaky = market.detail.close.copy()
        if row + 1 < len(leaky):
            leaky[row, i] = leaky[row + 1, i]
        return replace(inputs, market=replace(market, detail=replace(market.detail, close=leaky)))

    report = check_lookahead(market, config_of("foundation"), list(range(t - 3, t + 5)), build=build)
    assert_named(report, Leak("detail", t, i, says="close"), market)
    assert report.cause.time_ms == market.detail.time[row]


def test_every_cut_finds_what_a_few_cuts_may_miss():
    on = ground_on(None)
    leak = tape_leak(on)
    market = on.market
    every = check_lookahead(market, config_of("foundation"), "all", build=leak.build)
    assert_named(every, leak, market)
    assert every.cuts == tuple(range(1, market.n_bars))
    assert every.found_in["tape"] == 1, "one bar of look-ahead in one row shows at one cut"
    assert every.cause.cut == leak.bar + 1
    away = [c for c in range(20, market.n_bars, 40) if c != leak.bar + 1]
    assert check_lookahead(market, config_of("foundation"), away, build=leak.build).ok


def test_a_leak_in_every_row_is_found_by_the_default_cuts():
    def build(market: Market) -> Inputs:
        inputs = build_inputs(market)
        values = inputs.context.values
        values[:-1, 1, CTX_ATR_PCT] = values[1:, 1, CTX_ATR_PCT].copy()
        return inputs

    report = check_lookahead(ground_on(None).market, config_of("foundation"), build=build)
    assert report.cause.stage == "features"
    assert report.found_in["features"] >= 15
    assert report.as_dict()["ok"] is False


@pytest.mark.parametrize("cuts", [0, [0], [260], [], "some"])
def test_cuts_outside_the_market_are_refused(cuts: Any):
    with pytest.raises(DataError, match=r"cuts .* expected"):
        check_lookahead(ground_on(None).market, config_of("foundation"), cuts)
