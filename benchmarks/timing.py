"""Wall-clock timing of a callable: best and median of several runs, compile time apart."""

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Timing:
    """Seconds of repeated runs. ``first_s`` is the run before them, which pays for compilation and caches."""

    first_s: float
    best_s: float
    median_s: float
    runs: int


def _once(func: Callable[..., Any], prepare: Callable[[], Any] | None) -> float:
    arguments = () if prepare is None else (prepare(),)
    gc.collect()
    gc.disable()
    try:
        start = time.perf_counter()
        func(*arguments)
        return time.perf_counter() - start
    finally:
        gc.enable()


def interleaved(
    funcs: Mapping[str, Callable[..., Any]], runs: int = 7, prepare: Mapping[str, Callable[[], Any]] | None = None
) -> dict[str, Timing]:
    """Time callables in turn, round by round, so that noise of the machine falls on all alike.

    Parameters
    ----------
    prepare : by name, what makes the argument of a callable; outside the time.
    """
    before = prepare or {}
    seconds: dict[str, list[float]] = {name: [] for name in funcs}
    for _ in range(runs + 1):
        for name, func in funcs.items():
            seconds[name].append(_once(func, before.get(name)))
    return {n: Timing(s[0], min(s[1:]), statistics.median(s[1:]), runs) for n, s in seconds.items()}
