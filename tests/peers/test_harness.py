"""The cross-check itself: market, cases, report, command; our engine in place of the first peer."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from qt_core.errors import DataError, QtError
from qt_core.market import Market
from research.crosscheck import engine, harness
from research.crosscheck.case import Case, closed
from research.crosscheck.compare import compare
from research.crosscheck.harness import Run, Setup, crosscheck, frictionless, load_complete, make_cases
from research.crosscheck.reference import Rules, run_reference

from .tables import CASES, QUIET, TABLES, case_of, random_case


@pytest.fixture(scope="module")
def market() -> Market:
    return load_complete(None, None, 4, "", "", n_bars=2_000)


def market_of(cases: Sequence[Case]) -> Market:
    from qt_core.market import make_market

    columns = {k: np.column_stack([getattr(c, k) for c in cases]) for k in ("open", "high", "low", "close")}
    columns["volume"] = np.ones_like(columns["open"])
    step = int(cases[0].time[1] - cases[0].time[0])
    names = [f"{k:02d}" for k in range(len(cases))]  # the order of the cases is the order of the names
    return make_market(names, cases[0].time, columns, timeframe_ms=step)


@pytest.mark.parametrize("tested", [True, False])
def test_our_engine_on_the_literal_tables(tested: bool) -> None:
    setup = Setup(stop_fraction=0.02, target_fraction=0.04, fee_rate=0.001, notional_usd=300.0)
    market = frictionless(market_of(CASES))
    ours = engine.run(market, list(CASES), setup, entry_bar_tested=tested)
    for table, trades in zip(TABLES, ours, strict=True):
        expected = table.tested if tested else table.untested
        got = [(int(r["entry_bar"]), int(r["exit_bar"]), int(r["reason"])) for r in trades]
        assert got == [(entry, exit_, reason) for entry, exit_, _, reason in expected], table.name
        assert trades["exit_price"].tolist() == pytest.approx([price for _, _, price, _ in expected]), table.name


@pytest.mark.parametrize("tested", [True, False])
def test_our_engine_equals_the_reference_on_wild_bars(tested: bool) -> None:
    cases = [random_case(seed, gap=0.008, wick=0.015) for seed in range(3)]
    market = frictionless(market_of(cases))
    ours = engine.run(market, cases, Setup(), entry_bar_tested=tested)
    rules = Rules(entry_bar_tested=tested)
    result = compare("reference", "", cases, ours, run_reference(cases, rules), rules)
    assert result.by_name == {}
    assert result.equal > 700


def test_cases_are_deterministic_and_complete(market: Market) -> None:
    a, b = make_cases(market, Setup()), make_cases(market, Setup())
    assert all(np.array_equal(x.side, y.side) for x, y in zip(a, b, strict=True))
    assert [c.symbol for c in a] == list(market.symbols)
    assert np.allclose(a[0].quantity * a[0].close, Setup().notional_usd)
    sub = make_cases(market.select(market.symbols[2:]), Setup())
    assert np.array_equal(sub[0].side, a[2].side)


def test_frictionless_drops_everything_the_peers_do_not_model(market: Market) -> None:
    bare = frictionless(market)
    assert len(bare.funding_time_ms) == 0
    assert not bare.specs["tick_size"].any()
    assert np.array_equal(bare.mark_high, bare.high)
    assert np.array_equal(bare.close, market.close)


def test_a_crash_in_an_unprotected_entry_bar_does_not_liquidate() -> None:
    bars = (QUIET, (100.0, 101.0, 55.0, 60.0), (60.0, 61.0, 59.0, 60.0), QUIET, QUIET, QUIET)
    case = case_of("crash", bars, {0: 1})
    setup = Setup(stop_fraction=0.02, target_fraction=0.04, fee_rate=0.001, notional_usd=300.0)
    (trades,) = engine.run(frictionless(market_of([case])), [case], setup, entry_bar_tested=False)
    assert [(int(r["exit_bar"]), float(r["exit_price"])) for r in trades] == [(2, 60.0)]


def test_a_liquidation_would_not_be_compared(market: Market) -> None:
    class Fake:
        trades = np.zeros(1, dtype=[("exit_reason", "i8"), ("symbol", "i8")])
        open_positions = trades[:0]

    Fake.trades["exit_reason"] = 4
    with pytest.raises(QtError, match="stop and target expected"):
        engine.neutral(market, [], Fake())


def fake_runs(monkeypatch: pytest.MonkeyPatch, *answers: "Callable[[Sequence[Case]], list[Any]]") -> None:
    runs = tuple(Run(f"peer {k}", answer, True, "test", True) for k, answer in enumerate(answers))
    monkeypatch.setattr(harness, "RUNS", runs)


def test_report_fails_below_the_limits(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(cases: Sequence[Case]) -> list[Any]:
        out = run_reference(cases)
        out[0]["exit_price"][0] *= 1.001
        return out

    fake_runs(monkeypatch, run_reference, wrong)
    report = crosscheck(market, Setup())
    good, bad = (c for _, c, _ in report.rows)
    assert good.equal_percent == 100.0
    assert good.equal == sum(len(closed(t)) for t in run_reference(make_cases(market, Setup())))
    assert bad.unexplained == 1
    failures = report.failures(99.0, 10)
    assert len(failures) == 1
    assert "1 unexplained, first SIM01USDT" in failures[0]
    assert len(report.failures(99.0, 10**6)) == 3
    assert len(report.failures(100.0, 10)) == 2


def test_command_prints_json_and_exits_by_the_result(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    from research.crosscheck.cli import crosscheck as command

    fake_runs(monkeypatch, run_reference)
    monkeypatch.setattr(harness, "load_complete", lambda *args, **kwargs: market)
    done = CliRunner().invoke(command, ["--simulated", "--json", "--least-trades", "100"])
    assert done.exit_code == 0, done.output
    answer = json.loads(done.stdout)
    assert answer["rows"][0]["equal_percent"] == 100.0
    assert answer["simulated"] is True
    assert answer["failures"] == []
    done = CliRunner().invoke(command, ["--simulated", "--least-trades", "1000000"])
    assert done.exit_code == 1
    assert "SIMULATED" in done.stdout
    assert "FAILED peer 0 (test)" in done.stdout


def test_incomplete_symbols_are_left_out_or_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cases = [random_case(seed, n=50) for seed in range(3)]
    whole = market_of(cases)
    whole.valid[7, 1] = False
    monkeypatch.setattr("research.data.load_market", lambda *args, **kwargs: whole, raising=False)
    assert load_complete(tmp_path, None, 2, "2021", "2022").symbols == ("00", "02")
    with pytest.raises(DataError, match="2 symbols are complete"):
        load_complete(tmp_path, None, 3, "2021", "2022")
    with pytest.raises(DataError, match="bars missing in 01"):
        load_complete(tmp_path, ["00", "01"], 1, "2021", "2022")


def test_real_symbols_agree_with_every_peer(shared_data: Path) -> None:
    """Ten real symbols x 1 year: the requirement itself; backtrader on two of them, for its slowness."""
    for module in ("vectorbt", "backtesting", "backtrader"):
        pytest.importorskip(module)
    from research.crosscheck import peer_backtesting, peer_backtrader, peer_vectorbt

    market = frictionless(load_complete(shared_data, None, 10, "2022-01-01", "2023-01-01"))
    market = market.select(market.symbols[:10])
    cases = make_cases(market, Setup())
    ours = {tested: engine.run(market, cases, Setup(), entry_bar_tested=tested) for tested in (True, False)}
    for module, tested, n in ((peer_vectorbt, False, 10), (peer_backtesting, True, 10), (peer_backtrader, True, 2)):
        theirs = module.run(cases[:n], entry_bar_tested=tested)
        rules = Rules(entry_bar_tested=tested)
        result = compare(module.NAME, "", cases[:n], ours[tested][:n], theirs, rules)
        assert result.equal_percent >= 99.0, (module.NAME, result.by_name)
        assert result.unexplained == 0, (module.NAME, result.by_name)
        assert result.n_theirs >= 500
        assert result.largest_error <= 1e-9
