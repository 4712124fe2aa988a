"""Rows "full chain": every module on, tape and context given, beside vectorbt's bare ``from_signals``."""

from collections.abc import Callable
from typing import Any

from benchmarks import ours, peers
from benchmarks.table import Row, say
from benchmarks.tape import Bench
from benchmarks.timing import interleaved
from qt_core.codes import MODE_NAMES

GROUP = "full chain"
MIN_OPEN = 5.0


def modules_on(params: Any) -> str:
    """Names of the modules with a mode and what it is."""
    parts = params._asdict()
    return ", ".join(f"{name} {MODE_NAMES[part.mode]}" for name, part in parts.items() if hasattr(part, "mode"))


def chain_rows(bench: Bench, runs: int) -> list[Row]:
    """Symbol-bars per second with every module on, journal off and on: busy enough, and as configured by default."""
    say("full chain: context of the market")
    chain = ours.Chain(bench)
    result = chain.run()
    say(f"full chain: {runs} timed runs")
    with_journal = ours.Chain(bench, journal=True, context=chain.context)
    default = ours.Chain(bench, context=chain.context, config=ours.DEFAULT)
    by_default = default.run()
    calls: dict[str, Callable[..., Any]] = {
        "journal off": chain.run,
        "loop alone": chain.loop,
        "journal on": with_journal.run,
        "default": default.run,
        "vectorbt": peers.vectorbt_run(bench),
    }
    times = interleaved(calls, runs, prepare={"loop alone": chain.opened})
    speed = {name: bench.symbol_bars / t.median_s / 1e6 for name, t in times.items()}
    average_open = float(result.curve["n_open"].mean())
    facts: dict[str, Any] = {
        "modules": modules_on(chain.config.params()),
        "N": bench.market.n_symbols,
        "signal rate": bench.setup.rate,
        "trades": len(result.trades),
        "open positions": round(average_open, 2),
        "loop alone M/s": round(speed["loop alone"], 2),
        "journal on M/s": round(speed["journal on"], 2),
        "best M/s": round(bench.symbol_bars / times["journal off"].best_s / 1e6, 2),
        "vectorbt M/s": round(speed["vectorbt"], 2),
        "default configuration M/s": round(speed["default"], 2),
        "its trades": len(by_default.trades),
        "its open positions": round(float(by_default.curve["n_open"].mean()), 2),
        "runs": runs,
    }
    if average_open < MIN_OPEN:
        facts["note"] = f"fewer than {MIN_OPEN:g} open positions on average"
    ratio = times["vectorbt"].median_s / times["journal off"].median_s
    return [
        Row(GROUP, "speed, one core", speed["journal off"], "M symbol-bars/s", 10.0, 20.0, facts=facts),
        Row(GROUP, "times vectorbt's bare from_signals", ratio, "x", 1.5, 2.5, facts={"runs": runs}),
    ]
