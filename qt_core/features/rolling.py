"""Sliding windows and recursive averages over a run of bars, O(1) per bar, without drift.

A window of span W is kept in blocks of W bars. Within a block the slots hold the block's raw values; when it is full they
are replaced by its *suffix* totals. The window at any bar is then "running total of the new block" (+) "suffix of the old
block that has not left yet": one combine per bar, nothing is ever subtracted, so there is no drift, and an extreme needs
no search (van Herk 1992; Gil and Werman 1993). Slot W stays neutral (0 for sums, -inf and +inf for high and low).

The first ``m`` values of ``x`` are read and of ``y`` written. Results before W bars are garbage: the pass blanks them by
the registry's warm-ups.
"""

from typing import Any

import numpy as np

from qt_core._jit import kernel
from qt_core.market import FloatArray


@kernel
def ema(previous: float, x: float, samples: int, span: int, warm: bool) -> float:
    """Exponential average, alpha 2 / (span + 1), seeded with the mean of the first ``span`` samples (TA-Lib EMA).

    ``samples`` counts ``x``; at 1 and below nothing of ``previous`` is kept. ``warm`` promises ``samples > span``.
    """
    if not warm:
        if samples <= 1:
            return x
        if samples < span:
            return previous + x
        if samples == span:
            return (previous + x) / span
    return (x - previous) * (2.0 / (span + 1.0)) + previous


@kernel
def wilder(previous: float, x: float, samples: int, span: int, warm: bool) -> float:
    """Wilder's average: a running sum, at ``span`` samples their mean, then ``prev + (x - prev) / span``."""
    if not warm:
        if samples <= 1:
            return x
        if samples < span:
            return previous + x
        if samples == span:
            return (previous + x) / span
    return (x - previous) * (1.0 / span) + previous


@kernel
def wilder_sum(previous: float, x: float, samples: int, span: int, warm: bool) -> float:
    """Wilder's decaying sum: plain over the first ``span - 1`` samples, then ``prev - prev / span + x``."""
    if not warm:
        if samples <= 1:
            return x
        if samples < span:
            return previous + x
    return previous - previous * (1.0 / span) + x


@kernel
def roll_sum(w: Any, ring: FloatArray, x: FloatArray, y: FloatArray, m: int) -> None:
    """Window sums of a row. ``w``: a WINDOW_DT row (pos, a = block total); ``ring``: ``[W + 1]``."""
    span, done = ring.shape[0] - 1, 0
    while done < m:
        n = min(m - done, span - w.pos)
        block, x_part, y_part = ring[w.pos :], x[done:], y[done:]
        total = w.a
        for k in range(n):
            value = x_part[k]
            total += value
            block[k] = value
            y_part[k] = total + block[k + 1]
        w.pos, w.a = w.pos + n, total
        done += n
        if w.pos == span:
            close_block(ring)
            w.pos, w.a = 0, 0.0


@kernel
def close_block(ring: FloatArray) -> None:
    """Replace a full block's values by their suffix sums."""
    for k in range(ring.shape[0] - 3, -1, -1):
        ring[k] += ring[k + 1]


@kernel
def roll_extremes(
    w: Any, ring: FloatArray, high: FloatArray, low: FloatArray, top: FloatArray, bottom: FloatArray, m: int
) -> None:
    """Highest high and lowest low of a window; ``ring``: ``[2, W + 1]``; a fresh ``w`` has a = -inf, b = inf."""
    span, done = ring.shape[1] - 1, 0
    while done < m:
        n = min(m - done, span - w.pos)
        highs, lows = ring[0, w.pos :], ring[1, w.pos :]
        high_part, low_part, top_part, bottom_part = high[done:], low[done:], top[done:], bottom[done:]
        above, below = w.a, w.b
        for k in range(n):
            above, below = max(above, high_part[k]), min(below, low_part[k])
            highs[k], lows[k] = high_part[k], low_part[k]
            top_part[k], bottom_part[k] = max(above, highs[k + 1]), min(below, lows[k + 1])
        w.pos, w.a, w.b = w.pos + n, above, below
        done += n
        if w.pos == span:
            for k in range(span - 2, -1, -1):
                ring[0, k] = max(ring[0, k], ring[0, k + 1])
                ring[1, k] = min(ring[1, k], ring[1, k + 1])
            w.pos, w.a, w.b = 0, -np.inf, np.inf


@kernel
def roll_moments(w: Any, ring: FloatArray, x: FloatArray, distance: FloatArray, variance: FloatArray, m: int) -> None:
    """Distance of ``x`` from its window mean, and the window's population variance; ``ring``: ``[2, W + 1]``.

    Sums are of ``x - anchor`` with an anchor (``w.c``) from the last two blocks: a mean of squares minus a squared mean
    of the prices themselves would lose every digit on a calm market.
    """
    span, done = ring.shape[1] - 1, 0
    inverse = 1.0 / span
    while done < m:
        n = min(m - done, span - w.pos)
        first, second = ring[0, w.pos :], ring[1, w.pos :]
        x_part, distance_part, variance_part = x[done:], distance[done:], variance[done:]
        total, squares, anchor = w.a, w.b, w.c
        for k in range(n):
            delta = x_part[k] - anchor
            total += delta
            squares += delta * delta
            first[k] = x_part[k]
            mean = (total + first[k + 1]) * inverse
            distance_part[k] = delta - mean
            variance_part[k] = max((squares + second[k + 1]) * inverse - mean * mean, 0.0)
        w.pos, w.a, w.b = w.pos + n, total, squares
        done += n
        if w.pos == span:
            w.pos, w.a, w.b, w.c = 0, 0.0, 0.0, x[done - 1]
            close_moments(ring, w.c)


@kernel
def close_moments(ring: FloatArray, anchor: float) -> None:
    """Replace a full block of values by suffix sums of their distance from a new anchor, and of its square."""
    total, squares = 0.0, 0.0
    for k in range(ring.shape[1] - 2, -1, -1):
        delta = ring[0, k] - anchor
        total += delta
        squares += delta * delta
        ring[0, k] = total
        ring[1, k] = squares


@kernel
def extend(past: FloatArray, history: FloatArray, x: FloatArray, m: int) -> None:
    """Lay ``history`` (oldest first) and the run ``x[:m]`` side by side in ``past``; keep the last values as history."""
    size = history.shape[0]
    fresh, last = past[size:], past[m:]
    for k in range(size):
        past[k] = history[k]
    for k in range(m):
        fresh[k] = x[k]
    for k in range(size):
        history[k] = last[k]
