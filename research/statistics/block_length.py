"""How long the blocks of a block bootstrap should be: the automatic rule of Politis and White (2004).

Politis and White, "Automatic Block-Length Selection for the Dependent Bootstrap", Econometric Reviews 23, with the
correction of Patton, Politis and White (2009), Econometric Reviews 28, to the constant of the stationary bootstrap.
"""

import math

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
CRITICAL = 2.0  # times sqrt(log10 n / n): an autocorrelation below it counts as none (their section 3.2)
LEAST_RUN = 5  # so many in a row must count as none, at least


def stationary_block_length(x: FloatArray) -> float:
    """Mean block length for the stationary bootstrap of the mean of ``x`` ``[n]``, in observations.

    It lies between 1 and min(3 sqrt n, n / 3). It is 1 where the series is too short (below 8) or constant: such a series
    tells nothing of its dependence.
    """
    n = len(x)
    if n < 8 or float(np.ptp(x)) == 0.0:
        return 1.0
    covariance = _autocovariances(x, _most_lags(n))
    bandwidth = _bandwidth(covariance / covariance[0], n)
    lag = np.arange(1, bandwidth + 1)
    weight = np.minimum(1.0, 2.0 * (1.0 - lag / bandwidth))  # the flat-top window of Politis and Romano (1995)
    covariance = covariance[1 : bandwidth + 1]
    g = 2.0 * float(np.sum(weight * lag * covariance))
    spectrum = float(np.var(x)) + 2.0 * float(np.sum(weight * covariance))  # at frequency 0, times 2 pi
    if spectrum == 0.0:
        return 1.0
    length = (g / spectrum) ** 2 * n  # 2 G^2 / D with D = 2 g(0)^2, the corrected constant
    return float(min(max(1.0, length ** (1.0 / 3.0)), longest_block(n)))


def longest_block(n: int) -> float:
    """Largest mean block the rule gives for ``n`` observations."""
    return max(1.0, float(math.ceil(min(3.0 * math.sqrt(n), n / 3.0))))


def _run_length(n: int) -> int:
    return max(LEAST_RUN, math.ceil(math.sqrt(math.log10(n))))


def _most_lags(n: int) -> int:
    return min(n - 1, math.ceil(math.sqrt(n)) + _run_length(n))


def _autocovariances(x: FloatArray, most: int) -> FloatArray:
    """Of lags 0 .. ``most``, each divided by n."""
    d = x - np.mean(x)
    return np.array([float(np.dot(d[k:], d[: len(d) - k])) for k in range(most + 1)]) / len(x)


def _bandwidth(correlation: FloatArray, n: int) -> int:
    """Twice the smallest lag after which a whole run of autocorrelations counts as none; at least 1."""
    limit = CRITICAL * math.sqrt(math.log10(n) / n)
    small = np.abs(correlation[1:]) < limit
    run = _run_length(n)
    for lag in range(len(small) - run + 1):
        if small[lag : lag + run].all():
            return min(max(1, 2 * lag), len(small))
    significant = np.flatnonzero(~small)
    last = int(significant[-1]) + 1 if len(significant) else 1
    return min(2 * last, len(small))
