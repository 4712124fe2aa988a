"""Rows "growth": time is linear in bars, symbols and trials, and one compiled signature serves every N."""

from collections.abc import Callable
from typing import Any

from benchmarks import ours
from benchmarks.sweep_rows import THREADS, setups
from benchmarks.table import Row, say
from benchmarks.tape import Bench
from benchmarks.timing import interleaved

GROUP = "growth"
LIMIT = 1.35  # marginal cost of the second step over that of the first; 1 is linear, 2 quadratic (noise is about 0.2)


def _row(what: str, sizes: tuple[int, int, int], calls: dict[str, Callable[[], Any]], runs: int) -> Row:
    say(f"growth in {what}: {', '.join(map(str, sizes))}")
    times = interleaved(calls, runs)
    t = [times[str(size)].best_s for size in sizes]
    steps = [(t[k + 1] - t[k]) / (sizes[k + 1] - sizes[k]) for k in (0, 1)]
    facts: dict[str, Any] = {f"{size}": f"{seconds * 1e3:.2f} ms" for size, seconds in zip(sizes, t, strict=True)}
    facts |= {"us per unit, first step": steps[0] * 1e6, "second step": steps[1] * 1e6, "runs": runs}
    return Row(GROUP, f"in {what}: second step / first", steps[1] / steps[0], "x", LIMIT, None, False, facts)


def growth_rows(bench: Bench, sweep_bench: Bench, runs: int) -> list[Row]:
    """Three sizes each of T, N and trials, and the number of compiled signatures after four values of N."""
    n, bars = bench.market.n_symbols, bench.market.n_bars
    lengths = (bars // 4, bars // 2, bars)
    widths = (n // 4, n // 2, n)
    trials = (100, 200, 400)
    by_bars = {str(t): ours.Ours(bench.first(n, t), True).run for t in lengths}
    by_symbols = {str(k): ours.Ours(bench.first(k, bars), True).run for k in widths}
    by_trials = {str(k): ours.OursSweep(sweep_bench, setups(sweep_bench.setup, k), THREADS).run for k in trials}
    chain_bars = {str(t): ours.Chain(bench.first(n, t)).run for t in lengths}
    chain_symbols = {str(k): ours.Chain(bench.first(k, bars)).run for k in widths}
    rows = [
        _row("bars, full chain", lengths, chain_bars, runs),
        _row("symbols, full chain", widths, chain_symbols, runs),
        _row("bars", lengths, by_bars, runs),
        _row("symbols", widths, by_symbols, runs),
        _row("trials", trials, by_trials, runs),
    ]
    used = (1, *widths)
    ours.Ours(bench.first(1, lengths[0]), True).run()
    signatures = ours.signatures()
    facts = {"N": used, **signatures}
    rows.append(
        Row(GROUP, "signatures per entry for every N", float(max(signatures.values())), "", 1.0, None, False, facts)
    )
    return rows
