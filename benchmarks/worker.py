"""Measurements that need a process of their own: ``python -m benchmarks.worker TASK JSON`` prints one JSON line."""

import json
import sys
import time
from collections.abc import Callable
from typing import Any


def start() -> dict[str, Any]:
    """Import the engine and run a small backtest twice; seconds of each part."""
    began = time.perf_counter()
    from benchmarks.ours import Ours
    from benchmarks.tape import small_bench

    ours = Ours(small_bench(), True)
    imported = time.perf_counter()
    ours.run()
    first = time.perf_counter()
    ours.run()
    second = time.perf_counter()
    parts = {"import_s": imported - began, "first_run_s": first - imported, "second_run_s": second - first}
    from qt_core._jit import CACHE_DIR

    return {**parts, "sources": CACHE_DIR.name}


def sweep_memory(trials: int, n_bars: int, simulated: bool, folder: "str | None") -> dict[str, float]:
    """Peak resident memory of a process that runs one sweep."""
    from benchmarks.ours import OursSweep
    from benchmarks.sweep_rows import THREADS, setups
    from benchmarks.tape import make_sweep_bench
    from research.crosscheck.harness import Setup

    bench = make_sweep_bench(Setup(), folder, simulated).first(1, n_bars)
    OursSweep(bench, setups(bench.setup, trials), THREADS).run()
    return {"peak_mb": _peak_mb()}


def _peak_mb() -> float:
    """Peak resident memory of this process; getrusage would count the parent's before the exec."""
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024.0


TASKS: dict[str, Callable[..., dict[str, Any]]] = {"start": start, "sweep_memory": sweep_memory}


def main(task: str, arguments: dict[str, Any]) -> None:
    """Run one task and print its answer."""
    print(json.dumps(TASKS[task](**arguments)))


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
