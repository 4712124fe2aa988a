"""Rows "modules OFF but TP/SL": our engine beside vectorbt, backtesting.py and backtrader, trades compared first."""

import time
from collections.abc import Callable
from dataclasses import dataclass
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
WIDE = (0.04, 0.08)  # stop, target: fewer trades, more open positions; shows what the cost hangs on


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


@dataclass(frozen=True)
class _Beside:
    """One peer on ``small`` beside our engine on ``big``: both linear in bars, so their rates are what is compared."""

    big: Bench
    small: Bench
    module: Any
    peer_run: Callable[[Bench], Callable[[], Any]]
    entry_bar_tested: bool

    def measure(self, runs: int) -> tuple[dict[str, float], dict[str, Any]]:
        """Speeds in M symbol-bars/s by name ("ours", "loop alone", the peer's), and the facts."""
        name, market = self.module.NAME, self.small.market
        say(f"{name}: trades of {market.n_symbols} symbols x {market.n_bars} bars, then {runs} timed runs")
        start = time.perf_counter()
        mine = ours.Ours(self.small, self.entry_bar_tested).trades()
        result = compared(self.small, self.module, mine, self.entry_bar_tested)
        first_s = time.perf_counter() - start
        engine = ours.Ours(self.big, self.entry_bar_tested)
        calls: dict[str, Callable[..., Any]] = {"ours": engine.run, "loop alone": engine.loop}
        times = interleaved({**calls, name: self.peer_run(self.small)}, runs, prepare={"loop alone": engine.opened})
        bars = {"ours": self.big.symbol_bars, "loop alone": self.big.symbol_bars, name: self.small.symbol_bars}
        speed = {k: bars[k] / t.median_s / 1e6 for k, t in times.items()}
        best = (bars["ours"] / times["ours"].best_s) / (bars[name] / times[name].best_s)
        facts = {"ratio of the best runs": float(f"{best:.4g}")}
        return speed, facts | self._facts(mine, result, times) | {"first call of both, compiling, s": round(first_s, 1)}

    def _facts(self, mine: list[Trades], result: Comparison, times: dict[str, Timing]) -> dict[str, Any]:
        market = self.small.market
        facts: dict[str, Any] = {"N": market.n_symbols, "bars": market.n_bars, "signal rate": self.small.setup.rate}
        facts |= counts(mine, market.n_bars) | {"equal %": round(result.equal_percent, 2), "others": result.by_name}
        for name, t in times.items():
            size = self.small if name == self.module.NAME else self.big
            facts[f"{name} M/s"] = float(f"{size.symbol_bars / t.median_s / 1e6:.4g}")
            facts[f"{name} best"] = float(f"{size.symbol_bars / t.best_s / 1e6:.4g}")
        return facts | {"journal": "off", "runs": min(t.runs for t in times.values())}


def engine_rows(bench: Bench, runs: int) -> list[Row]:
    """Our speed in symbol-bars per second, and the ratio to each peer."""
    speed, facts = _Beside(bench, bench, peer_vectorbt, peers.vectorbt_run, False).measure(runs)
    tape = {k: facts[k] for k in ("N", "bars", "trades", "open positions", "signal rate", "journal")}
    ratio = speed["ours"] / speed[peer_vectorbt.NAME]
    rows = [
        Row(GROUP, "our speed, whole backtest()", speed["ours"], "M symbol-bars/s", facts=tape),
        Row(GROUP, "our speed, loop alone", speed["loop alone"], "M symbol-bars/s", facts=tape),
        Row(GROUP, "times vectorbt, in its convention", ratio, "x", 3.0, 5.0, facts=facts),
    ]
    wide = bench.with_fractions(*WIDE)
    speed, facts = _Beside(wide, wide, peer_vectorbt, peers.vectorbt_run, False).measure(runs)
    what = f"the same with stop {WIDE[0]:.0%}, target {WIDE[1]:.0%}"
    rows.append(Row(GROUP, what, speed["ours"] / speed[peer_vectorbt.NAME], "x", facts=facts))
    slow = ((peer_backtesting, peers.backtesting_run, 50.0), (peer_backtrader, peers.backtrader_run, 1000.0))
    for module, run, floor in slow:
        small = bench.first(*SUBSETS[module.NAME])
        speed, facts = _Beside(bench, small, module, run, True).measure(runs)
        rows.append(Row(GROUP, f"times {module.NAME}", speed["ours"] / speed[module.NAME], "x", floor, facts=facts))
    return rows
