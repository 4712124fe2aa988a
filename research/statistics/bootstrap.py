"""The stationary bootstrap of Politis and Romano (1994), "The Stationary Bootstrap", JASA 89.

A resample is glued together from blocks of the series that begin anywhere and have geometric length, the end joined to the
beginning; so it keeps the dependence within about a block, and is stationary, which fixed blocks are not. Series that are
resampled with the same index stay paired: what happened on one day stays on one day.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

LEVEL = 0.95
MAX_UNDEFINED = 0.05  # share of resamples in which a figure may be undefined before no interval is given


class Interval(NamedTuple):
    """Central percentile interval; NaN where it cannot be given."""

    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """True where all of it lies on one side of 0; False where it is not known."""
        return self.low > 0.0 or self.high < 0.0


def stationary_index(n: int, mean_block: float, resamples: int, rng: np.random.Generator) -> IntArray:
    """Which observation stands at each place of each resample, ``[n, resamples]``; a column is one resample.

    Parameters
    ----------
    mean_block : expected length of a block, observations, >= 1; 1 is the bootstrap of independent observations.

    Raises
    ------
    ValueError
        For fewer than one observation or resample, or a block below 1.
    """
    if n < 1 or resamples < 1 or not mean_block >= 1.0:
        raise ValueError(f"stationary_index: n {n}, block {mean_block}, resamples {resamples}; expected all >= 1")
    index = np.empty((n, resamples), dtype=np.int64)
    index[0] = rng.integers(0, n, resamples)
    for t in range(1, n):
        jumps = rng.random(resamples) < 1.0 / mean_block
        index[t] = np.where(jumps, rng.integers(0, n, resamples), (index[t - 1] + 1) % n)
    return index


def percentile_interval(resampled: FloatArray, level: float = LEVEL) -> Interval:
    """Central interval of the figures of the resamples ``[B]``; resamples without the figure (NaN) are left out.

    NaN where more than ``MAX_UNDEFINED`` of them are, or where there are none.
    """
    known = resampled[np.isfinite(resampled)]
    if len(known) == 0 or len(known) < (1.0 - MAX_UNDEFINED) * len(resampled):
        return Interval(float("nan"), float("nan"))
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(known, [tail, 1.0 - tail])
    return Interval(float(low), float(high))


def sign_p_value(resampled: FloatArray) -> float:
    """Two-sided p-value of "the figure is 0": twice the share of resamples on the rarer side of 0.

    It belongs to the percentile interval: the interval of level ``1 - p`` is the one that just touches 0. One is added to
    both counts, so that it is never 0 (Davison and Hinkley 1997, section 4.2). NaN as for the interval.
    """
    known = resampled[np.isfinite(resampled)]
    if len(known) == 0 or len(known) < (1.0 - MAX_UNDEFINED) * len(resampled):
        return float("nan")
    below, above = int(np.sum(known <= 0.0)), int(np.sum(known >= 0.0))
    return min(1.0, 2.0 * (min(below, above) + 1) / (len(known) + 1))
