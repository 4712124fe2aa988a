"""Order statistics over the samples of the trailing 30 days: share below a value, median.

At most 720 samples (hourly) whatever the bar length, so the plain scans below have a fixed cost; they compile to vector
code, which beat a sorted list (75 ns against 31 ns per percentile at 720 values).
"""

from typing import Any

import numpy as np

from qt_core._jit import kernel
from qt_core.market import FloatArray, IntArray

HIGHEST = 0x7FF0000000000000  # bits of +inf: above every value
LOWEST = -1  # below every value
NAN = np.nan


@kernel
def share_below(ring: FloatArray, count: int, x: float) -> float:
    """Share of the first ``count`` values of ``ring`` that are strictly below ``x``, 0..1."""
    below = 0
    for k in range(count):
        if ring[k] < x:
            below += 1
    return below / count


@kernel
def push_ring(c: Any, ring: FloatArray, x: float) -> None:
    """Overwrite the oldest value; ``c``: an ORDER_DT row, ``ring``: ``[M]``."""
    ring[c.pos] = x
    c.pos = c.pos + 1 if c.pos + 1 < ring.shape[0] else 0
    c.count = min(c.count + 1, ring.shape[0])


@kernel
def percentile_run(
    c: Any, ring: FloatArray, least: int, sampled: IntArray, x: FloatArray, y: FloatArray, first: int, m: int
) -> None:
    """Share of the samples *before* each bar that were strictly below it, from column ``first`` on.

    NaN with fewer than ``least`` samples; a bar with ``sampled`` set becomes one.
    """
    for k in range(first, m):
        y[k] = share_below(ring, c.count, x[k]) if c.count >= least else NAN
        if sampled[k]:
            push_ring(c, ring, x[k])


@kernel
def push_median(c: Any, ring: FloatArray, bits: IntArray, x: float) -> float:
    """Median of the last M values after ``x`` >= 0; ``ring`` is ``[M + 3]``.

    The last three slots hold the middle value (rank (count - 1) // 2) and its neighbours below and above; ``c.below`` and
    ``c.equal`` count the values below the middle and equal to it. One value in and one out move the rank by at most one
    value, so a scan is needed only when the middle or a neighbour changes.

    ``bits`` is the same memory read as int64: bit patterns of non-negative doubles are ordered like the doubles, and a
    scan for the next integer compiles to vector code where one for the next double does not (NaN order).
    """
    size = ring.shape[0] - 3
    old = _replace(c, ring, bits, x)
    new, middle, lower, upper = bits[c.pos], bits[size], bits[size + 1], bits[size + 2]
    c.pos = c.pos + 1 if c.pos + 1 < size else 0
    if c.count == 1:
        middle, lower, upper, c.below, c.equal = new, LOWEST, HIGHEST, 0, 0
    c.below += 1 if new < middle else 0
    c.equal += 1 if new == middle else 0
    lower, upper = _neighbours(c, bits, middle, lower, upper, old, new)
    rank = (c.count - 1) // 2
    if c.below > rank:
        upper = middle if c.equal > 0 else upper
        middle = lower
        lower, c.equal = _scan_below(bits, c.count, middle)
        c.below -= c.equal
    elif c.below + c.equal <= rank:
        lower = middle if c.equal > 0 else lower
        middle = upper
        c.below += c.equal
        upper, c.equal = _scan_above(bits, c.count, middle)
    bits[size], bits[size + 1], bits[size + 2] = middle, lower, upper
    low: float = ring[size]
    high: float = ring[size + 2]
    return low if c.count % 2 == 1 or c.below + c.equal > rank + 1 else 0.5 * (low + high)


@kernel
def _replace(c: Any, ring: FloatArray, bits: IntArray, x: float) -> int:
    """Put ``x`` in the slot of the oldest value; returns that value's bits, -2 while the ring is not full."""
    size = ring.shape[0] - 3
    old = -2
    if c.count == size:
        old = bits[c.pos]
        c.below -= 1 if old < bits[size] else 0
        c.equal -= 1 if old == bits[size] else 0
    else:
        c.count += 1
    ring[c.pos] = x
    return old


@kernel
def _neighbours(c: Any, bits: IntArray, middle: int, lower: int, upper: int, old: int, new: int) -> tuple[int, int]:
    """Values next to ``middle`` after ``old`` went and ``new`` came; scans only where a neighbour went."""
    if old == lower:
        lower, _ = _scan_below(bits, c.count, middle)
    elif lower < new < middle:
        lower = new
    if old == upper:
        upper, _ = _scan_above(bits, c.count, middle)
    elif middle < new < upper:
        upper = new
    return lower, upper


@kernel
def _scan_above(bits: IntArray, count: int, x: int) -> tuple[int, int]:
    """Smallest of the first ``count`` values above ``x`` (HIGHEST if none), and how many equal ``x``."""
    best, equal = HIGHEST, 0
    for k in range(count):
        value = bits[k]
        best = min(best, value if value > x else HIGHEST)
        equal += 1 if value == x else 0
    return best, equal


@kernel
def _scan_below(bits: IntArray, count: int, x: int) -> tuple[int, int]:
    """Largest of the first ``count`` values below ``x`` (LOWEST if none), and how many equal ``x``."""
    best, equal = LOWEST, 0
    for k in range(count):
        value = bits[k]
        best = max(best, value if value < x else LOWEST)
        equal += 1 if value == x else 0
    return best, equal
