"""Compare a kernel with its plain twin: over inputs, and with one constant moved on one side."""

import math
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any

import numpy as np

Draw = np.random.Generator
Values = Sequence[float]
Side = Callable[[Any, Any], Values]  # (parameters, case) -> numbers


def pick(g: Draw, *choices: float) -> float:
    """One of ``choices``, each equally likely."""
    return float(choices[int(g.integers(len(choices)))])


def cases_of(make: Callable[[Draw], Any], seed: int, n: int) -> list[Any]:
    """``n`` random cases."""
    g = np.random.Generator(np.random.PCG64(seed))
    return [make(g) for _ in range(n)]


def near(a: float, b: float) -> bool:
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    return a == b or math.isclose(a, b, rel_tol=1e-11, abs_tol=1e-12)


def alike(a: Values, b: Values) -> bool:
    return len(a) == len(b) and all(map(near, a, b))


def moved(module: ModuleType, special: dict[str, float] | None = None) -> Iterator[tuple[str, Any]]:
    """(name, Params with that one field moved), for every field."""
    default = module.Params()
    for name, value in default._asdict().items():
        if special and name in special:
            new: Any = type(value)(special[name])
        elif name == "mode":
            new = 0
        elif name in module.CHOICES:
            new = (value + 1) % len(module.CHOICES[name])
        elif isinstance(value, int):
            new = value + 1
        else:
            low, high = module.BOUNDS[name]
            step = 0.1 * abs(value) or 0.01 * (high - low)
            new = value + step if value + step <= high else value - step
        yield name, default._replace(**{name: new})


def assert_twins(kernel: Side, naive: Side, params: Any, cases: Sequence[Any]) -> None:
    """Both sides say the same of every case."""
    names = params._asdict()
    for case in cases:
        got, want = kernel(params, case), naive(names, case)
        assert alike(got, want), (case, got, want)


def assert_every_constant_counts(
    module: ModuleType, kernel: Side, naive: Side, cases: Sequence[Any], special: dict[str, float] | None = None
) -> None:
    """A constant changed in the kernel alone, and in the plain version alone, is noticed by some case."""
    default = module.Params()
    for name, changed in moved(module, special):
        for a, b in ((changed, default), (default, changed)):
            noticed = any(not alike(kernel(a, case), naive(b._asdict(), case)) for case in cases)
            assert noticed, f"{module.__name__}: nobody notices another {name}"
