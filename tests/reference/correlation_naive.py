"""Correlations from their definition: for every pair and day, the returns both have, weighted by age, summed exactly.

No state and no recursion; nothing is shared with qt_core.
"""

import math
from datetime import UTC, datetime, timedelta

import numpy as np

HOUR_MS = 3_600_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(ms: int) -> datetime:
    """A time of the market as a datetime."""
    return EPOCH + timedelta(milliseconds=int(ms))


def refreshes(time: np.ndarray, bar_ms: int) -> list[int]:
    """Bars whose close is the first at or after some midnight UTC."""
    closes = [moment(t + bar_ms) for t in time]
    before = [moment(t) for t in time]
    return [t for t, (a, b) in enumerate(zip(before, closes, strict=True)) if a.date() < b.date()]


def returns(close: np.ndarray, valid: np.ndarray, i: int) -> dict[int, float]:
    """Bar -> return, where this bar and the one before exist."""
    there = [t for t in range(1, len(close)) if valid[t, i] and valid[t - 1, i]]
    return {t: float(close[t, i]) / float(close[t - 1, i]) - 1.0 for t in there}


def correlation(
    a: dict[int, float], b: dict[int, float], last: int, decay_hours: float, bar_ms: int, least: int
) -> float:
    """Weighted correlation of two symbols' returns up to bar ``last``; NaN where unknown."""
    common = [t for t in sorted(a.keys() & b.keys()) if t <= last]
    if len(common) < least:
        return math.nan
    weight = {t: 2.0 ** (-(last - t) * bar_ms / HOUR_MS / decay_hours) for t in common}
    product, aa, bb = (math.fsum(weight[t] * x[t] * y[t] for t in common) for x, y in ((a, b), (a, a), (b, b)))
    return product / math.sqrt(aa * bb) if aa * bb > 0.0 else math.nan


def correlations(
    time: np.ndarray,
    close: np.ndarray,
    valid: np.ndarray,
    bar_ms: int,
    half_life_hours: float = 168.0,
    least: int = 100,
) -> dict[tuple[int, int, int], float]:
    """(bar of the refresh, i, j) -> correlation, for every i > j."""
    by_symbol = [returns(close, valid, i) for i in range(close.shape[1])]
    return {
        (t, i, j): correlation(by_symbol[i], by_symbol[j], t, half_life_hours, bar_ms, least)
        for t in refreshes(time, bar_ms)
        for i in range(close.shape[1])
        for j in range(i)
    }
