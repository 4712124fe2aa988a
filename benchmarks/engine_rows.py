"""Rows "modules OFF but TP/SL": our engine beside vectorbt, backtesting.py and backtrader, trades compared first."""

from typing import Any

from benchmarks import ours, peers
from benchmarks.table import Row, say
from benchmarks.tape import Bench, counts
from benchmarks.timing import Timing, interleaved
from research.crosscheck import peer_backtesting, peer_backtrader, peer_vectorbt
from research.crosscheck.case import Trades
from research.crosscheck.compare import Comparison, compare
from research.crosscheck.reference import Rules

GROUP = "engine, modules OFF but TP/SL"
SUBSETS = {peer_backtesting.NAME: (3, 26_280), peer_backtrader.NAME: (1, 8_760)}  # symbols, bars: the peers are slow


class UnequalTradesError(RuntimeError):
    """The engines did not make the same trades, so their times may not be compared."""


def compared(bench: Bench, module: Any, mine: list[Trades], entry_bar_tested: bool) -> Comparison:
    """Compare a peer's trades with ours.

    Raises
    ------
    UnequalTradesError
        If fewer than 99 % are equal, or any is unexplained.
    """
    theirs = module.run(bench.cases, entry_bar_tested=entry_bar_tested)
    rules = Rules(entry_bar_tested=entry_bar_tested)
    result = compare(module.NAME, "", bench.cases, mine, theirs, rules)
    if result.equal_percent < 99.0 or result.unexplained:
        raise UnequalTradesError(
            f"{module.NAME}: {result.equal_percent:.2f} % of the trades equal, {result.unexplained} unexplained; "
            "at least 99 % and none expected before anything is timed"
        )
    return result


def _facts(bench: Bench, mine: list[Trades], comparison: Comparison, times: dict[str, Timing]) -> dict[str, Any]:
    bars = bench.symbol_bars
    facts: dict[str, Any] = {"symbols": bench.market.n_symbols, "bars": bench.market.n_bars}
    facts |= counts(mine, bench.market.n_bars) | {"signal rate": bench.setup.rate, "journal": "off"}
    facts["equal trades %"] = round(comparison.equal_percent, 2)
    for name, t in times.items():
        facts[f"{name} M/s"] = round(bars / t.median_s / 1e6, 4)
        facts[f"{name} median s"] = round(t.median_s, 4)
        facts[f"{name} best s"] = round(t.best_s, 4)
        facts[f"{name} first s"] = round(t.first_s, 2)
    facts["runs"] = min(t.runs for t in times.values())
    return facts


def _against(bench: Bench, module: Any, run: Any, tested: bool, runs: int) -> tuple[float, dict[str, Any]]:
    """Ratio of medians, their over ours, and the facts."""
    say(f"{module.NAME}: trades of {bench.market.n_symbols} symbols x {bench.market.n_bars} bars")
    engine = ours.Ours(bench, tested)
    mine = engine.trades()
    comparison = compared(bench, module, mine, tested)
    say(f"{module.NAME}: {runs} timed runs")
    calls = {"ours": engine.run, "ours, loop alone": engine.loop, module.NAME: run(bench)}
    times = interleaved(calls, runs, prepare={"ours, loop alone": engine.opened})
    return times[module.NAME].median_s / times["ours"].median_s, _facts(bench, mine, comparison, times)


def engine_rows(bench: Bench, runs: int) -> list[Row]:
    """Our speed in symbol-bars per second, and the ratio to each peer."""
    ratio, facts = _against(bench, peer_vectorbt, peers.vectorbt_run, False, runs)
    speed = facts["ours M/s"]
    tape = {k: facts[k] for k in ("symbols", "bars", "trades", "open positions", "signal rate")}
    rows = [
        Row(GROUP, "our speed, whole backtest()", speed, "M symbol-bars/s", facts=tape),
        Row(GROUP, "our speed, loop alone", facts["ours, loop alone M/s"], "M symbol-bars/s", facts=tape),
        Row(GROUP, "times vectorbt, in its convention", ratio, "x", 3.0, 5.0, facts=facts),
    ]
    limits = {peer_backtesting.NAME: 50.0, peer_backtrader.NAME: 1000.0}
    timed = {peer_backtesting.NAME: peers.backtesting_run, peer_backtrader.NAME: peers.backtrader_run}
    for module in (peer_backtesting, peer_backtrader):
        small = bench.first(*SUBSETS[module.NAME])
        _, facts = _against(small, module, timed[module.NAME], True, runs)
        ratio = speed / facts[f"{module.NAME} M/s"]
        facts["ratio on the same bars"] = round(facts["ours M/s"] / facts[f"{module.NAME} M/s"], 1)
        rows.append(Row(GROUP, f"times {module.NAME}", ratio, "x", limits[module.NAME], facts=facts))
    return rows
