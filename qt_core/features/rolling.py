"""Sliding windows and order statistics in O(1) per bar, without drift.

A window of span W is kept in blocks of W bars. Within a block the slots hold the block's raw values; when it is full they
are replaced by its *suffix* totals. The window at any bar is then "running total of the new block" (+) "suffix of the old
block that has not left yet": one combine per bar, nothing is ever subtracted, so there is no drift and an extreme needs
no search (van Herk 1992; Gil and Werman 1993). Slot W stays neutral (0 for sums, -inf and +inf for high and low).

Results before W bars are garbage; callers look at the bar count.
"""

from typing import Any

import numpy as np

from qt_core._jit import kernel
from qt_core.market import FloatArray, IntArray

HIGHEST = np.int64(0x7FF0000000000000)  # bits of +inf


@kernel
def roll_sum(w: Any, ring: FloatArray, i: int, x: float) -> float:
    """Window sum after ``x``. ``w``: a WINDOW_DT row; ``ring``: ``[N, W+1, 1]``."""
    pos = w.pos
    w.a += x
    ring[i, pos, 0] = x
    total: float = w.a + ring[i, pos + 1, 0]
    w.pos = pos + 1
    if pos + 2 == ring.shape[1]:
        _close_block(ring, i, 1)
        w.pos, w.a = 0, 0.0
    return total


@kernel
def roll_sum2(w: Any, ring: FloatArray, i: int, x: float, y: float) -> tuple[float, float]:
    """Two sums over one window; ``ring``: ``[N, W+1, 2]``."""
    pos = w.pos
    w.a += x
    w.b += y
    ring[i, pos, 0] = x
    ring[i, pos, 1] = y
    first, second = w.a + ring[i, pos + 1, 0], w.b + ring[i, pos + 1, 1]
    w.pos = pos + 1
    if pos + 2 == ring.shape[1]:
        _close_block(ring, i, 2)
        w.pos, w.a, w.b = 0, 0.0, 0.0
    return first, second


@kernel
def roll_sum3(w: Any, ring: FloatArray, i: int, x: float, y: float, z: float) -> tuple[float, float, float]:
    """Three sums over one window; ``ring``: ``[N, W+1, 3]``."""
    pos = w.pos
    w.a += x
    w.b += y
    w.c += z
    ring[i, pos, 0] = x
    ring[i, pos, 1] = y
    ring[i, pos, 2] = z
    first, second, third = w.a + ring[i, pos + 1, 0], w.b + ring[i, pos + 1, 1], w.c + ring[i, pos + 1, 2]
    w.pos = pos + 1
    if pos + 2 == ring.shape[1]:
        _close_block(ring, i, 3)
        w.pos, w.a, w.b, w.c = 0, 0.0, 0.0, 0.0
    return first, second, third


@kernel
def _close_block(ring: FloatArray, i: int, channels: int) -> None:
    """Replace a full block's values by their suffix sums."""
    for k in range(ring.shape[1] - 3, -1, -1):
        for channel in range(channels):
            ring[i, k, channel] += ring[i, k + 1, channel]


@kernel
def roll_extremes(w: Any, ring: FloatArray, i: int, high: float, low: float) -> tuple[float, float]:
    """Highest high and lowest low of the window; ``ring``: ``[N, W+1, 2]``; a fresh ``w`` has a = -inf, b = inf."""
    pos = w.pos
    w.a = max(w.a, high)
    w.b = min(w.b, low)
    ring[i, pos, 0] = high
    ring[i, pos, 1] = low
    top, bottom = max(w.a, ring[i, pos + 1, 0]), min(w.b, ring[i, pos + 1, 1])
    w.pos = pos + 1
    if pos + 2 == ring.shape[1]:
        for k in range(ring.shape[1] - 3, -1, -1):
            ring[i, k, 0] = max(ring[i, k, 0], ring[i, k + 1, 0])
            ring[i, k, 1] = min(ring[i, k, 1], ring[i, k + 1, 1])
        w.pos, w.a, w.b = 0, -np.inf, np.inf
    return top, bottom


@kernel
def share_below(ring: FloatArray, i: int, count: int, x: float) -> float:
    """Share of the first ``count`` values of ``ring[i]`` that are strictly below ``x``, 0..1.

    A plain count over the ring: it compiles to vector compares, which beats every sorted structure at 720 values.
    """
    below = 0
    for k in range(count):
        if ring[i, k] < x:
            below += 1
    return below / count


@kernel
def push_ring(c: Any, ring: FloatArray, i: int, x: float) -> None:
    """Overwrite the oldest value; ``c``: an ORDER_DT row, ``ring``: ``[N, M]``."""
    ring[i, c.pos] = x
    c.pos = c.pos + 1 if c.pos + 1 < ring.shape[1] else 0
    c.count = min(c.count + 1, ring.shape[1])


@kernel
def push_median(c: Any, ring: FloatArray, bits: IntArray, i: int, x: float) -> float:
    """Median of the last M values after ``x``; ``ring`` is ``[N, M + 2]``, the last two slots hold the middle values.

    ``bits`` is the same memory read as int64: the bit patterns of non-negative doubles are ordered like the doubles, and
    a scan for the next integer compiles to vector code where one for the next double may not (NaN order). The middle
    moves by at most a rank per bar, so a scan is needed only when a value crosses it.
    """
    size = ring.shape[1] - 2
    pos, old = c.pos, bits[i, c.pos]
    middle, upper = bits[i, size], bits[i, size + 1]
    if c.count == size:
        c.below -= 1 if old < middle else 0
        c.equal -= 1 if old == middle else 0
    else:
        c.count += 1
        old = -1
    ring[i, pos] = x
    new = bits[i, pos]
    c.pos = pos + 1 if pos + 1 < size else 0
    if c.count == 1:
        middle, c.below, c.equal = new, 0, 0
    c.below += 1 if new < middle else 0
    c.equal += 1 if new == middle else 0
    rank = (c.count - 1) // 2
    if c.below > rank or c.below + c.equal <= rank:
        middle = _move_middle(c, bits, i, middle, rank)
        upper = _next_above(bits, i, c.count, middle)
    elif old == upper or c.count == 1:
        upper = _next_above(bits, i, c.count, middle)
    elif middle < new < upper:
        upper = new
    bits[i, size], bits[i, size + 1] = middle, upper
    if c.count % 2 == 1 or c.below + c.equal > rank + 1:
        return ring[i, size]
    return 0.5 * (ring[i, size] + ring[i, size + 1])


@kernel
def _move_middle(c: Any, bits: IntArray, i: int, middle: int, rank: int) -> int:
    """Step from value to value until ``rank`` lies among the equals of the middle; at most two steps."""
    while c.below > rank:
        middle = _next_below(bits, i, c.count, middle)
        c.equal = _count_equal(bits, i, c.count, middle)
        c.below -= c.equal
    while c.below + c.equal <= rank:
        c.below += c.equal
        middle = _next_above(bits, i, c.count, middle)
        c.equal = _count_equal(bits, i, c.count, middle)
    return middle


@kernel
def _next_above(bits: IntArray, i: int, count: int, x: int) -> int:
    """Smallest of the first ``count`` values above ``x``; HIGHEST if there is none."""
    best = HIGHEST
    for k in range(count):
        value = bits[i, k]
        best = min(best, value if value > x else HIGHEST)
    return best


@kernel
def _next_below(bits: IntArray, i: int, count: int, x: int) -> int:
    """Largest of the first ``count`` values below ``x``; -1 if there is none."""
    best = np.int64(-1)
    for k in range(count):
        value = bits[i, k]
        best = max(best, value if value < x else np.int64(-1))
    return best


@kernel
def _count_equal(bits: IntArray, i: int, count: int, x: int) -> int:
    equal = 0
    for k in range(count):
        if bits[i, k] == x:
            equal += 1
    return equal
