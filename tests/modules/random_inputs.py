"""Random inputs for modules and their plain second versions: draws, comparison, and what a changed constant does."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from qt_core.codes import ADVISORY, ENFORCED, OBSERVE, OFF

Draw = np.random.Generator
TIMES = 2_000


def draws(seed: int, times: int = TIMES) -> Iterator[Draw]:
    g = np.random.Generator(np.random.PCG64(seed))
    for _ in range(times):
        yield g


def pick(g: Draw, *choices: float) -> float:
    return float(choices[int(g.integers(len(choices)))])


def whole(g: Draw, *choices: int) -> int:
    return int(choices[int(g.integers(len(choices)))])


def any_mode(g: Draw) -> int:
    """Mostly ENFORCED."""
    return whole(g, OFF, *[ENFORCED] * 9, OBSERVE, ADVISORY)


def near(a: float, b: float, rel: float = 1e-12) -> bool:
    return a == b or math.isclose(a, b, rel_tol=rel, abs_tol=1e-15) or (math.isnan(a) and math.isnan(b))


def same(a: Any, b: Any, rel: float = 1e-12) -> bool:
    """Numbers or tuples of numbers that agree; what is whole must agree exactly."""
    left, right = (x if isinstance(x, Sequence) else (x,) for x in (a, b))
    return len(left) == len(right) and all(
        int(x) == int(y) if isinstance(x, int | bool) and isinstance(y, int | bool) else near(float(x), float(y), rel)
        for x, y in zip(left, right, strict=True)
    )


def changed(value: float) -> list[Any]:
    """A constant somewhat smaller and somewhat larger; a whole number by one, or by a tenth where it is large."""
    if isinstance(value, int):
        step = max(1, value // 10)
        return [value - step, value + step]
    return [value * 0.9, value * 1.1]


def unnoticed(
    params: Any,
    cases: Sequence[tuple[Any, ...]],
    kernel: Callable[..., Any],
    naive: Callable[..., Any],
    fields: Sequence[str],
    rel: float = 1e-12,
) -> list[str]:
    """Fields of ``params`` that may be changed on one side without the other side's answers telling."""
    expected = [naive(params._asdict(), *c) for c in cases]
    missed = []
    for name in fields:
        for value in changed(getattr(params, name)):
            p = params._replace(**{name: value})
            if all(same(kernel(p, *c), want, rel) for c, want in zip(cases, expected, strict=True)):
                missed.append(f"{name}={value}")
    return missed
