"""How far seeds lie apart, and how far a difference may be the market's accident."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from qt_core.metrics import DAYS_PER_YEAR
from research.statistics.block_length import stationary_block_length
from research.statistics.bootstrap import percentile_interval, stationary_index

LEVEL = 0.90
RESAMPLES = 2000
MIN_DAYS = 30
QUOTED_SEEDS = 5  # of fewer seeds no spread is quoted


class Spread(NamedTuple):
    """A figure over seeds: mean, extremes, and the t interval of the mean at 90 %. NaN where it cannot be given."""

    n: int
    mean: float
    low: float
    high: float
    least: float
    most: float


def spread(values: Sequence[float]) -> Spread:
    """Over the values that are finite; the interval needs two, Student's t with n - 1 degrees of freedom.

    It says how much the draws of exploration matter in this one window; nothing of what another window would have given.
    """
    x = np.array([v for v in values if np.isfinite(v)], dtype=np.float64)
    if len(x) == 0:
        return Spread(0, *(float("nan"),) * 5)
    mean, half = float(x.mean()), float("nan")
    if len(x) > 1:
        from scipy.stats import t

        half = float(t.ppf(0.5 + LEVEL / 2.0, len(x) - 1)) * float(x.std(ddof=1)) / float(np.sqrt(len(x)))
    return Spread(len(x), mean, mean - half, mean + half, float(x.min()), float(x.max()))


def yearly_difference(
    a: npt.NDArray[np.float64], b: npt.NDArray[np.float64], *, seed: int = 0, resamples: int = RESAMPLES
) -> tuple[float, float, float]:
    """Mean difference of paired daily returns ``[days]`` in fractions a year, and its 90 % interval.

    Stationary bootstrap (Politis and Romano 1994) of the differences: days are drawn in blocks, so what dependence there
    is between them stays. The interval is NaN below 30 days.
    """
    d = np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)
    n = len(d)
    mean = float(d.mean()) * DAYS_PER_YEAR if n else float("nan")
    if n < MIN_DAYS:
        return mean, float("nan"), float("nan")
    rng = np.random.Generator(np.random.PCG64(seed))
    index = stationary_index(n, stationary_block_length(d), resamples, rng)
    found = percentile_interval(d[index].mean(axis=0) * DAYS_PER_YEAR, LEVEL)
    return mean, found.low, found.high
