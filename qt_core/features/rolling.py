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
from qt_core.market import FloatArray


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
def push_ordered(c: Any, nodes: Any, i: int, x: float) -> None:
    """Put ``x`` into a sorted ring of the last M values, M = ``nodes.shape[1] - 1`` >= 2; ``c``: an ORDER_DT row.

    The ring is a doubly linked list in ascending order, node M its end. Consecutive values of a smooth series are
    neighbours, so the place of the new one is found by walking from the previous one (``finger``), and the oldest is
    unlinked in O(1). A new value goes before its equals: ``rank`` counts the values strictly below it. ``middle`` is
    the node at rank (count - 1) // 2.
    """
    end = nodes.shape[1] - 1
    if c.count == 0:
        nodes[i, end].before = end
        nodes[i, end].after = end
        c.pos, c.finger, c.rank, c.middle, c.middle_rank = 0, end, 0, end, -1
    pos = c.pos
    if c.count == end:
        _unlink(c, nodes, i, pos)
    else:
        c.count += 1
    after, rank = _locate(nodes, i, c.finger, c.rank, x)
    before = nodes[i, after].before
    nodes[i, pos].value = x
    nodes[i, pos].before = before
    nodes[i, pos].after = after
    nodes[i, before].after = pos
    nodes[i, after].before = pos
    c.finger, c.rank = pos, rank
    c.pos = pos + 1 if pos + 1 < end else 0
    if rank <= c.middle_rank:  # x stands before the middle
        c.middle_rank += 1
    _centre(c, nodes, i)


@kernel
def _unlink(c: Any, nodes: Any, i: int, slot: int) -> None:
    """Take the oldest value out. The oldest of equal values stands last among them: equal means behind."""
    before, after, old = nodes[i, slot].before, nodes[i, slot].after, nodes[i, slot].value
    if old < nodes[i, c.finger].value:
        c.rank -= 1
    if slot == c.middle:
        c.middle = before
        c.middle_rank -= 1
    elif old < nodes[i, c.middle].value:
        c.middle_rank -= 1
    nodes[i, before].after = after
    nodes[i, after].before = before


@kernel
def _locate(nodes: Any, i: int, node: int, rank: int, x: float) -> tuple[int, int]:
    """First node whose value is not below ``x``, and how many are below; walks from ``node``."""
    end = nodes.shape[1] - 1
    while node != end and nodes[i, node].value < x:
        node = nodes[i, node].after
        rank += 1
    before = nodes[i, node].before
    while before != end and nodes[i, before].value >= x:
        node = before
        rank -= 1
        before = nodes[i, node].before
    return node, rank


@kernel
def _centre(c: Any, nodes: Any, i: int) -> None:
    """Move the middle to its rank, at most one step per insertion and one per removal."""
    target = (c.count - 1) // 2
    while c.middle_rank < target:
        c.middle = nodes[i, c.middle].after
        c.middle_rank += 1
    while c.middle_rank > target:
        c.middle = nodes[i, c.middle].before
        c.middle_rank -= 1


@kernel
def share_below(c: Any) -> float:
    """Share of the other values in a sorted ring that are strictly below the newest one, 0..1."""
    value: float = c.rank / (c.count - 1.0)
    return value


@kernel
def median(c: Any, nodes: Any, i: int) -> float:
    """Median of a sorted ring: the middle value, or the mean of the two middle ones."""
    low: float = nodes[i, c.middle].value
    if c.count % 2 == 1:
        return low
    return 0.5 * (low + nodes[i, nodes[i, c.middle].after].value)
