"""The bench's own arithmetic: verdicts, timing, comparison before time, the command. No time is asserted."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks import cli, engine_rows, feature_rows, start, sweep_rows, table, timing
from benchmarks.ours import Ours, OursSweep, signatures
from benchmarks.table import Row
from benchmarks.tape import SWEEP_CASH_USD, Bench, average_open, counts, small_bench
from research.crosscheck import reference
from research.crosscheck.case import as_trades
from research.crosscheck.compare import compare


@pytest.fixture(scope="module")
def bench() -> Bench:
    return small_bench()


@pytest.mark.parametrize(
    ("value", "higher", "verdict"),
    [
        (2.9, True, "miss"),
        (3.0, True, "PASS"),
        (5.0, True, "PASS, aim too"),
        (3.1, False, "miss"),
        (3.0, False, "PASS"),
    ],
)
def test_verdict_is_about_floor_and_aim(value: float, higher: bool, verdict: str) -> None:
    row = Row("g", "w", value, "x", 3.0, 5.0 if higher else 1.0, higher)
    assert row.verdict == verdict
    assert row.as_dict()["verdict"] == verdict
    assert replace(row, floor=None).verdict == "-"


def test_a_value_that_is_no_number_misses() -> None:
    assert Row("g", "w", float("nan"), "x", 3.0).verdict == "miss"
    assert Row("g", "w", float("nan"), "x", 3.0, None, False).verdict == "miss"


@pytest.mark.parametrize(("value", "text"), [(None, "-"), (1234.5, "1,234 x"), (0.01234567, "0.01235 x")])
def test_numbers_are_short(value: "float | None", text: str) -> None:
    assert table.number(value, "x") == text


def test_timing_counts_the_first_run_apart_and_prepares_outside() -> None:
    calls: list[str] = []
    times = timing.interleaved(
        {"a": lambda made: calls.append(f"a{made}"), "b": lambda: calls.append("b")},
        runs=3,
        prepare={"a": lambda: len(calls)},
    )
    assert calls == ["a0", "b", "a2", "b", "a4", "b", "a6", "b"]
    assert times["a"].runs == 3
    assert times["a"].best_s <= times["a"].median_s


def test_average_open_positions() -> None:
    trades = [as_trades([(1, 4, 1, 1.0, 1.0, 1.0, 0.0, 0), (6, 6, 1, 1.0, 1.0, 1.0, 0.0, 0)])]
    assert average_open(trades, 10) == pytest.approx(0.3)
    assert counts(trades, 10) == {"trades": 2, "open positions": 0.3}


@pytest.mark.parametrize("tested", [True, False])
def test_the_bench_engine_makes_the_reference_trades(bench: Bench, tested: bool) -> None:
    rules = reference.Rules(entry_bar_tested=tested)
    ours = Ours(bench, tested)
    result = compare("", "", bench.cases, ours.trades(), reference.run_reference(bench.cases, rules), rules)
    assert result.by_name == {}
    assert result.equal > 20
    session = ours.opened()
    ours.loop(session)
    assert int(session.out.n[1]) == result.equal


def test_sweep_profits_equal_the_reference_and_signatures_stay_one(bench: Bench) -> None:
    one = bench.first(1, 500)
    combinations = sweep_rows.setups(one.setup, 12)
    profits = OursSweep(one, combinations, 2).profits()
    for setup, profit in zip(combinations, profits, strict=True):
        case = replace(one.cases[0], stop_fraction=setup.stop_fraction, target_fraction=setup.target_fraction)
        (trades,) = reference.run_reference([case], reference.Rules(entry_bar_tested=False))
        still_open = trades[trades["reason"] == 2]
        unpaid = case.fee_rate * float((still_open["size"] * still_open["exit_price"]).sum())
        assert profit == pytest.approx(float(trades["pnl"].sum()) + unpaid, abs=1e-6)
    Ours(bench, True).run()
    assert signatures() == {"run": 1}
    assert SWEEP_CASH_USD > 0.0


def test_profits_that_no_assumption_explains_stop_the_bench(bench: Bench) -> None:
    one = bench.first(1, 500)
    profits = np.zeros(400)
    assert sweep_rows.check_profits(one, profits, profits.copy())["equal profits"] == "400 of 400"
    wrong = profits.copy()
    wrong[3] = 1.0
    with pytest.raises(engine_rows.UnequalTradesError, match="combination 3 makes"):
        sweep_rows.check_profits(one, profits, wrong)


def test_unequal_trades_are_never_timed(bench: Bench) -> None:
    class Peer:
        NAME = "peer"

        @staticmethod
        def run(cases: "list[Any]", entry_bar_tested: bool) -> "list[Any]":
            return reference.run_reference(cases, reference.Rules(gap_fill_at_open=False, entry_bar_tested=False))

    mine = reference.run_reference(bench.cases)
    with pytest.raises(engine_rows.UnequalTradesError, match="before anything is timed"):
        engine_rows.compared(bench, Peer, mine, True)


def test_a_failing_worker_is_reported() -> None:
    with pytest.raises(RuntimeError, match="worker nothing failed"):
        start.worker("nothing")


def test_command_prints_the_table_or_json(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [Row("engine", "speed", 2.0, "x", 3.0), Row("start", "help", 0.1, "s", 0.3, None, False, {"runs": 3})]
    seen: list[Any] = []

    def measure(*arguments: Any) -> Any:
        seen.append(arguments)
        return rows, {"data": "SIMULATED"}

    monkeypatch.setattr(cli, "measure", measure)
    done = CliRunner().invoke(cli.bench, ["--quick", "--only", "engine"])
    assert done.exit_code == 0, done.output
    assert "1 of 2 floors missed" in done.stdout
    assert seen == [(("engine",), 3, None, False)]
    answer = json.loads(CliRunner().invoke(cli.bench, ["--json"]).stdout)
    assert [row["verdict"] for row in answer["rows"]] == ["miss", "PASS"]
    assert answer["data"] == "SIMULATED"


def test_feature_rows_come_from_their_own_module(monkeypatch: pytest.MonkeyPatch) -> None:
    def bench_features(runs: int, market: Any) -> "list[dict[str, Any]]":
        return [{"what": "times TA-Lib", "value": 1.5, "unit": "x", "floor": 1.0, "facts": {"runs": runs}}]

    monkeypatch.setattr(feature_rows, "bench_features", bench_features)
    (row,) = feature_rows.feature_rows(7, None)
    assert (row.group, row.verdict, row.facts) == (feature_rows.GROUP, "PASS", {"runs": 7})
