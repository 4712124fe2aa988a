"""How uncertain a Sharpe ratio is: the stationary bootstrap of Politis and Romano (1994) on daily returns."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from qt_core.metrics import DAYS_PER_YEAR
from research.statistics.bootstrap import stationary_index

MIN_DAYS = 30
LEVEL = 0.95
RESAMPLES = 2000


class Interval(NamedTuple):
    """Central interval of the annualised Sharpe ratio; NaN where it cannot be given."""

    low: float
    high: float
    level: float
    resamples: int
    mean_block_days: float


def mean_block(n_days: int) -> float:
    """Mean block length in days: n^(1/3), the rate at which the bootstrap's error falls fastest."""
    return max(1.0, float(round(n_days ** (1.0 / 3.0))))


def sharpe_interval(returns: npt.NDArray[np.float64], *, seed: int = 0, resamples: int = RESAMPLES) -> Interval:
    """Bootstrap interval of the Sharpe ratio of daily simple returns ``[n]``.

    Blocks of geometric length keep what dependence there is between days; the same seed gives the same interval. NaN
    below 30 days or without variance.
    """
    n = len(returns)
    block = mean_block(n)
    if n < MIN_DAYS or float(np.std(returns)) == 0.0:
        return Interval(float("nan"), float("nan"), LEVEL, 0, block)
    drawn = returns[stationary_index(n, block, resamples, np.random.default_rng(seed))]
    total, squares = drawn.sum(axis=0), (drawn * drawn).sum(axis=0)
    mean = total / n
    variance = (squares - n * mean * mean) / (n - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = mean / np.sqrt(variance) * np.sqrt(DAYS_PER_YEAR)
    tail = (1.0 - LEVEL) / 2.0
    low, high = np.nanquantile(ratio, [tail, 1.0 - tail])
    return Interval(float(low), float(high), LEVEL, resamples, block)
