"""Finiteness, clipping and tolerant rounding to steps: the only place that names tolerances.

NaN policy: every comparison with NaN is False, every other function passes NaN through.
"""

import math

from qt_core._jit import kernel

REL_TOL = 1e-9  # relative tolerance of a step count: 0.3/0.1 = 2.9999999999999996 counts as 3


@kernel
def is_finite(x: float) -> bool:
    """True where ``x`` is neither NaN nor infinite."""
    return x - x == 0.0


@kernel
def clip(x: float, lo: float, hi: float) -> float:
    """``x`` limited to ``[lo, hi]``; NaN passes through."""
    if x < lo:
        return lo
    if x > hi:
        return hi
    return x


@kernel
def times_step(n: float, step: float) -> float:
    """``n`` steps as the double that the decimal number reads as: 57 x 0.01 is 0.57, not 0.5700000000000001.

    A trigger that lies a hair beside the price on the tape would miss a touch.
    """
    if 0.0 < step < 1.0:
        per_unit = math.floor(1.0 / step + 0.5)
        if abs(per_unit * step - 1.0) <= REL_TOL:
            return n / per_unit
    return n * step


@kernel
def floor_step(x: float, step: float) -> float:
    """Largest multiple of ``step`` not above ``x`` (tolerant); ``step <= 0`` means no rounding."""
    if step <= 0.0:
        return x
    n = x / step
    return times_step(math.floor(n + REL_TOL * (1.0 + abs(n))), step)


@kernel
def ceil_step(x: float, step: float) -> float:
    """Smallest multiple of ``step`` not below ``x`` (tolerant); ``step <= 0`` means no rounding."""
    if step <= 0.0:
        return x
    n = x / step
    return times_step(math.ceil(n - REL_TOL * (1.0 + abs(n))), step)
