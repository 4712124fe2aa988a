"""``sweep`` gives what ``backtest`` gives, one row per configuration, and skipping quiet bars changes no byte."""

import dataclasses

import numpy as np
import pytest

from qt_core.config import Config, load_config
from qt_core.engine import backtest, sweep
from qt_core.engine.session import Session, advance, open_session
from qt_core.engine.sweeping import busy_bars
from qt_core.errors import QtError
from qt_core.features.context import ChainContext, chain_context
from qt_core.market import Market
from qt_core.signal.rules import rule_tape
from qt_core.signal.tape import SignalTape
from qt_core.state import N_TRADES
from research.data import simulate_market
from tests.foundation import foundation

BARE = {"risk": {"mode": "off"}, "governor": {"mode": "off"}, "tpsl": {"mode": "off"}}
FIXED = {"tpsl": {"trailing": "off"}}
CASES = {
    "bare": BARE,
    "chain, fixed stops": FIXED,
    "optimistic, working type mark": {**FIXED, "venue": {"intrabar": "optimistic", "working_type": "mark"}},
    "tight participation": {**BARE, "venue": {"participation": 0.0001}},
    "pauses": {**FIXED, "risk": {"max_day_drawdown": 0.002}, "governor": {"max_day_drawdown": 0.002}},
    "cross": {**BARE, "venue": {"margin_mode": "cross"}},
}
Inputs = tuple[Market, SignalTape, ChainContext]


@pytest.fixture(scope="module", params=[1, 4])
def inputs(request: pytest.FixtureRequest) -> Inputs:
    """A simulated market with funding, its context and rule tape."""
    market = simulate_market(request.param, 6000, seed=5)
    context = chain_context(market)
    return market, rule_tape(market, context), context


def run_once(inputs: Inputs, config: Config, skip: bool) -> Session:
    """One full run with or without the list of busy bars."""
    market, tape, context = inputs
    s = open_session(market, tape, config, context=context)
    if skip:
        s.bars = s.bars._replace(busy=busy_bars(s))
    advance(s)
    return s


@pytest.mark.parametrize("name", CASES)
def test_skipping_quiet_bars_changes_no_byte(inputs: Inputs, name: str) -> None:
    config = load_config(foundation(CASES[name]))
    full, quick = run_once(inputs, config, False), run_once(inputs, config, True)
    assert full.out.n[N_TRADES] > 20
    for a, b in zip(full.state, quick.state, strict=True):
        assert a.tobytes() == b.tobytes()
    for a, b in zip(full.venue, quick.venue, strict=True):
        assert a.tobytes() == b.tobytes()
    assert full.curve.tobytes() == quick.curve.tobytes()
    assert np.array_equal(full.out.counters, quick.out.counters)
    for rows in ("trades", "decisions", "events"):
        assert getattr(full.out, rows).tobytes() == getattr(quick.out, rows).tobytes()


def test_the_skip_is_taken(inputs: Inputs) -> None:
    s = run_once(inputs, load_config(foundation(BARE)), True)
    assert 0.0 < s.bars.busy.mean() < 0.6


def test_a_sweep_row_is_a_backtest(inputs: Inputs) -> None:
    market, tape, context = inputs
    base = load_config(foundation(BARE))
    grid = [{"tpsl.sl_anchor": sl, "tpsl.tp_anchor": tp} for sl in (0.01, 0.02) for tp in (0.02, 0.05)]
    configs = [base.with_values(g) for g in grid]
    configs += [base.with_values({"ensemble.threshold": 0.5}), base.with_values({"chain.initial_equity_usd": 5000.0})]
    configs += [load_config(foundation()), load_config(foundation({"ensemble": {"vote": "hard"}}))]
    rows = sweep(market, tape, configs, context=context, threads=2)
    for row, config in zip(rows, configs, strict=True):
        r = backtest(market, tape, config, context=context, journal=False)
        assert f"{row['digest']:016x}" == r.digest()
        assert row["trades"] == r.metrics["trades"]
        for name in ("total_return", "sharpe", "sortino", "fees_usd", "funding_usd", "slippage_usd", "end_equity_usd"):
            assert row[name] == r.metrics[name], name
        assert row["max_drawdown"] == pytest.approx(r.metrics["max_drawdown"], abs=1e-12)


def test_threads_and_order_do_not_matter(inputs: Inputs) -> None:
    market, tape, context = inputs
    configs = [load_config(foundation(BARE)).with_values({"tpsl.sl_anchor": 0.005 * k}) for k in range(1, 8)]
    one = sweep(market, tape, configs, context=context, threads=1)
    many = sweep(market, tape, configs[::-1], context=context, threads=3)
    assert one.tobytes() == many[::-1].tobytes()


def test_a_trial_keeps_daily_returns_only(inputs: Inputs) -> None:
    market, tape, context = inputs
    rows = sweep(market, tape, [load_config(foundation(BARE))] * 2, context=context)
    assert rows.dtype["daily"].shape[0] <= market.n_bars // 24 + 2
    assert rows.nbytes / len(rows) < 4 * (market.n_bars // 24 + 2) + 256
    assert np.all(np.isfinite(rows["daily"]))


def test_no_configuration_is_refused(inputs: Inputs) -> None:
    market, tape, context = inputs
    with pytest.raises(QtError, match="at least one"):
        sweep(market, tape, [], context=context)


def test_progress_counts_every_trial(inputs: Inputs) -> None:
    market, tape, context = inputs
    seen: list[int] = []
    sweep(
        market,
        tape,
        [load_config(foundation(BARE))] * 3,
        context=context,
        progress=lambda done, _all: seen.append(done),
    )
    assert sorted(seen) == [1, 2, 3]


def test_inputs_are_left_as_they_were(inputs: Inputs) -> None:
    market, tape, context = inputs
    before = tape.proba.tobytes(), context.values.tobytes(), market.close.tobytes()
    sweep(market, dataclasses.replace(tape), [load_config(foundation())], context=context)
    assert before == (tape.proba.tobytes(), context.values.tobytes(), market.close.tobytes())
