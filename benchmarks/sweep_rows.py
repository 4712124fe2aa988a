"""Rows of the TP/SL sweep: 400 combinations x 35,040 bars of one symbol, return and Sharpe included, 2 threads."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks import ours, peers
from benchmarks.engine_rows import UnequalTradesError
from benchmarks.start import worker
from benchmarks.table import Row, say
from benchmarks.tape import Bench
from benchmarks.timing import interleaved
from research.crosscheck import peer_vectorbt
from research.crosscheck.harness import Setup
from research.crosscheck.reference import Rules, run_reference

GROUP = "TP/SL sweep"
THREADS = 2
PROFIT_TOL = 1e-6  # USD at 600 USD a trade; the sums run over hundreds of trades in different orders


def grid() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """20 stops x 20 targets as two ``[400]`` arrays of fractions."""
    stops, targets = np.meshgrid(np.linspace(0.005, 0.043, 20), np.linspace(0.01, 0.086, 20), indexing="ij")
    return stops.ravel(), targets.ravel()


def setups(base: Setup, count: int = 400) -> list[Setup]:
    """The first ``count`` combinations of the grid, repeating it where more are asked for."""
    stops, targets = grid()
    picks = np.arange(count) % len(stops)
    return [replace(base, stop_fraction=float(stops[k]), target_fraction=float(targets[k])) for k in picks]


def _gapped(bench: Bench, setup: Setup) -> bool:
    """True where the one assumption vectorbt does not share (a gapped target beside a stop) decides a trade."""
    spec = replace(Rules(), entry_bar_tested=False)
    case = [replace(bench.cases[0], stop_fraction=setup.stop_fraction, target_fraction=setup.target_fraction)]
    return not np.array_equal(run_reference(case, spec)[0], run_reference(case, peer_vectorbt.rules())[0])


def check_profits(bench: Bench, mine: npt.NDArray[np.float64], theirs: npt.NDArray[np.float64]) -> dict[str, Any]:
    """Compare the final profit of every combination before anything is timed.

    Raises
    ------
    UnequalTradesError
        If a combination differs that the gapped-target assumption does not explain.
    """
    differ = np.flatnonzero(np.abs(mine - theirs) > PROFIT_TOL)
    combinations = setups(bench.setup)
    for k in differ:
        if not _gapped(bench, combinations[k]):
            raise UnequalTradesError(f"sweep: combination {k} makes {mine[k]} USD here, {theirs[k]} USD in vectorbt")
    equal = f"{len(mine) - len(differ)} of {len(mine)}"
    return {"equal profits": equal, "others": f"{len(differ)} stop_before_gapped_target"}


def memory_per_trial(simulated: bool, folder: "str | None", n_bars: int) -> tuple[float, dict[str, Any]]:
    """MB of peak memory that one more trial costs: two processes, 100 and 1,100 trials."""
    few, many = 100, 1_100
    common: dict[str, Any] = {"simulated": simulated, "folder": folder, "n_bars": n_bars}
    worker("sweep_memory", trials=2, **common)  # a process that compiles would be charged the compiler's memory
    peak = {n: worker("sweep_memory", trials=n, **common)[0]["peak_mb"] for n in (few, many)}
    per_trial = (peak[many] - peak[few]) / (many - few)
    return per_trial, {"bars": n_bars, f"peak MB at {few}": peak[few], f"at {many}": peak[many]}


def sweep_rows(bench: Bench, runs: int, simulated: bool, folder: "str | None") -> list[Row]:
    """Ratio to vectorbt's broadcast sweep at steady state, and memory per extra trial at two lengths."""
    stops, targets = grid()
    engine = ours.OursSweep(bench, setups(bench.setup), THREADS)
    theirs = peers.vectorbt_sweep(bench, stops, targets)
    say(f"sweep: {len(stops)} combinations x {bench.market.n_bars} bars, profits first")
    facts = check_profits(bench, engine.profits(), theirs()[0])
    say(f"sweep: {runs} timed runs of each")
    times = interleaved({"ours": engine.run, "vectorbt": theirs}, runs)
    for name, t in times.items():
        facts |= {f"{name} median s": round(t.median_s, 4), f"{name} best s": round(t.best_s, 4)}
        facts[f"{name} first s"] = round(t.first_s, 2)
    facts |= {"trades": int(engine.run()["trades"].sum()), "threads": THREADS, "runs": runs}
    facts["ratio of the best runs"] = float(f"{times['vectorbt'].best_s / times['ours'].best_s:.4g}")
    ratio = times["vectorbt"].median_s / times["ours"].median_s
    rows = [Row(GROUP, "times vectorbt's broadcast sweep", ratio, "x", 30.0, 100.0, facts=facts)]
    say("sweep: memory per extra trial")
    for n_bars in (8_760, bench.market.n_bars):
        per_trial, facts = memory_per_trial(simulated, folder, n_bars)
        rows.append(Row(GROUP, "memory per extra trial", per_trial, "MB", 1.0, None, False, facts))
    return rows
