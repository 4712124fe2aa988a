"""Is there anything in a tape? The portfolio that holds what the models lean to, before costs, and an interval around it.

At every close it holds P(BUY) - P(SELL) of each symbol until the next close. No threshold, no chain, no costs: whatever the
models know of the next bars shows here first, and what does not show here no chain can earn.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from qt_core.market import BoolArray, FloatArray, Market
from qt_core.metrics import DAYS_PER_YEAR
from qt_core.signal.tape import BUY, SELL
from research.statistics.block_length import stationary_block_length
from research.statistics.bootstrap import percentile_interval, stationary_index

DAY_MS = 86_400_000
LEVEL = 0.99  # one-sided 0.5 % of false alarms: a hundred tapes are looked at before one is traded
RESAMPLES = 2000
FEWEST_DAYS = 60


class Verdict(NamedTuple):
    """What the leaning portfolio earned before costs; ratios are annual."""

    sharpe: float
    low: float  # of the central interval of LEVEL
    high: float
    days: int
    edge: bool  # the whole interval lies above 0


def leaning(
    proba: npt.NDArray[np.float32], available: BoolArray, weights: "npt.NDArray[np.float64] | None" = None
) -> FloatArray:
    """P(BUY) - P(SELL) of each bar and symbol, ``[T, N]``: weighted over the models' slots, silence counting as 0.

    Parameters
    ----------
    proba : ``[T, N, M, 3]``. available : ``[T, N, M]``. weights : ``[M]``, sum 1; None = equal.
    """
    m = available.shape[2]
    w = np.full(m, 1.0 / m) if weights is None else weights
    lean = proba[..., BUY].astype(np.float64) - proba[..., SELL]
    return (np.where(available, lean, 0.0) * w).sum(axis=2)


def daily_gross(position: FloatArray, market: Market) -> FloatArray:
    """Daily returns of holding ``position`` ``[T, N]`` from each close to the next, per unit; UTC days, from the
    first to the last on which anything was held.
    """
    returns = np.zeros_like(position)
    step = market.close[1:] / market.close[:-1] - 1.0
    returns[1:] = np.where(np.isfinite(step), step, 0.0) * position[:-1]
    day = market.time // DAY_MS
    held = np.flatnonzero((position != 0.0).any(axis=1))
    if len(held) == 0:
        return np.empty(0)
    total = np.bincount(day - day[0], weights=returns.sum(axis=1)).astype(np.float64)
    return total[day[held[0]] - day[0] : day[min(held[-1] + 1, len(day) - 1)] - day[0] + 1]


def judge(daily: FloatArray, seed: int = 0) -> Verdict:
    """The Sharpe ratio of daily returns with its stationary-bootstrap interval; no edge where there is too little."""
    n = len(daily)
    if n < FEWEST_DAYS or float(np.ptp(daily)) == 0.0:
        return Verdict(float("nan"), float("nan"), float("nan"), n, False)
    index = stationary_index(n, stationary_block_length(daily), RESAMPLES, np.random.default_rng(seed))
    drawn = daily[index]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = drawn.mean(axis=0) / drawn.std(axis=0, ddof=1) * np.sqrt(DAYS_PER_YEAR)
    low, high = percentile_interval(ratio, LEVEL)
    sharpe = float(np.mean(daily) / np.std(daily, ddof=1) * np.sqrt(DAYS_PER_YEAR))
    return Verdict(sharpe, low, high, n, low > 0.0)
