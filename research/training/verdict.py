"""Is there anything in a tape? What the models lean to, held before costs and without the chain, in four looks.

A model leans by P(BUY) - P(SELL). ``raw`` holds that of each symbol from its close to the next; ``neutral`` takes the mean
over the symbols out first, so that the market's own moves do not drown what is known of one symbol against another; both
are also averaged over the label's horizon, which is what the models were asked about. Four looks are four chances to be
lucky, so each is judged at a quarter of the level. A chain may still lose what is there to costs, and may find what no
look shows.
"""

from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from qt_core.market import BoolArray, FloatArray, Market
from qt_core.metrics import DAYS_PER_YEAR
from qt_core.signal.tape import BUY, SELL
from research.statistics.block_length import stationary_block_length
from research.statistics.bootstrap import percentile_interval, stationary_index

DAY_MS = 86_400_000
LEVEL = 0.99  # of all looks together: a hundred tapes are looked at before one is traded
BPS = 1e4
RESAMPLES = 2000
FEWEST_DAYS = 60


class Verdict(NamedTuple):
    """What a portfolio earned before costs; ratios are annual."""

    sharpe: float
    low: float  # of the central interval
    high: float
    days: int
    edge: bool  # the whole interval lies above 0
    bps: float = float("nan")  # earned per notional traded, basis points: what costs a side must stay below


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


def looks(lean: FloatArray, speaks: BoolArray, market: Market, horizon_bars: int) -> dict[str, Verdict]:
    """All four looks at a lean ``[T, N]``; together they raise a false alarm no more often than one at LEVEL.

    Parameters
    ----------
    speaks : ``[T, N]``, rows on which a model spoke. horizon_bars : of the labels.
    """
    apart = neutral(lean, speaks)
    long = f"over {horizon_bars} bars"
    positions = {"raw": lean, "neutral": apart}
    positions |= {f"{name} {long}": over_horizon(held, horizon_bars) for name, held in positions.items()}
    level = 1.0 - (1.0 - LEVEL) / len(positions)
    return {name: look(held, market, level) for name, held in positions.items()}


def look(position: FloatArray, market: Market, level: float = LEVEL) -> Verdict:
    """The verdict on holding ``position`` ``[T, N]`` from close to close."""
    daily = daily_gross(position, market)
    traded = float(np.abs(np.diff(position, axis=0, prepend=0.0)).sum())
    bps = BPS * float(daily.sum()) / traded if traded > 0.0 else float("nan")
    return judge(daily, level=level)._replace(bps=bps)


def neutral(lean: FloatArray, speaks: BoolArray) -> FloatArray:
    """The lean less its mean over the symbols spoken of at that close; 0 where fewer than two are."""
    n = speaks.sum(axis=1, keepdims=True)
    mean = np.where(speaks, lean, 0.0).sum(axis=1, keepdims=True) / np.maximum(n, 1)
    return np.where(speaks & (n > 1), lean - mean, 0.0)


def over_horizon(position: FloatArray, horizon_bars: int) -> FloatArray:
    """Mean of the last ``horizon_bars`` positions: every prediction is held for as long as it speaks of."""
    total = np.vstack([np.zeros((1, position.shape[1])), np.cumsum(position, axis=0)])
    first = np.maximum(np.arange(1, len(total)) - horizon_bars, 0)
    return (total[1:] - total[first]) / horizon_bars


def found_half_the_time(days: int, n_looks: int = 4) -> float:
    """The true gross Sharpe ratio that looks at so many days find half the time; smaller ones are missed more often."""
    return float(NormalDist().inv_cdf(1.0 - (1.0 - LEVEL) / n_looks / 2.0) / np.sqrt(days / DAYS_PER_YEAR))


def judge(daily: FloatArray, seed: int = 0, level: float = LEVEL) -> Verdict:
    """The Sharpe ratio of daily returns with its stationary-bootstrap interval; no edge where there is too little."""
    n = len(daily)
    if n < FEWEST_DAYS or float(np.ptp(daily)) == 0.0:
        return Verdict(float("nan"), float("nan"), float("nan"), n, False)
    index = stationary_index(n, stationary_block_length(daily), RESAMPLES, np.random.default_rng(seed))
    drawn = daily[index]
    mean = drawn.mean(axis=0)
    variance = (np.einsum("tb,tb->b", drawn, drawn) / n - mean**2) * n / (n - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = mean / np.sqrt(variance) * np.sqrt(DAYS_PER_YEAR)
    low, high = percentile_interval(ratio, level)
    sharpe = float(np.mean(daily) / np.std(daily, ddof=1) * np.sqrt(DAYS_PER_YEAR))
    return Verdict(sharpe, low, high, n, low > 0.0)
