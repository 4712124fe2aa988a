"""Full chain minus the chain with a module OFF: paired day by day, averaged over seeds, with intervals.

A difference is ON minus OFF throughout: a positive return or Sharpe ratio means that the module earned it, a negative
drawdown that it saved it. Days are resampled by the stationary bootstrap, the same days in both arms and every seed, and
each figure is made anew on them. The mean block is chosen per row from its own daily differences of return: Politis and
White's rule, but at least the cube root of the number of days, because that rule looks at the mean alone and does not see
that calm and stormy days come in spells, which the Sharpe ratio and the drawdown feel.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from qt_core.metrics import DAYS_PER_YEAR
from research.ablation.outcome import Outcome
from research.ablation.plan import Arm
from research.ablation.runs import Runs
from research.statistics.block_length import stationary_block_length
from research.statistics.bootstrap import LEVEL, percentile_interval, sign_p_value, stationary_index
from research.statistics.multiple import holm

FIGURES = ("total_return", "annual_return", "sharpe", "edge_bps", "max_drawdown", "turnover", "trades")
BPS = 1e4
RESAMPLES = 2000
ALPHA = 1.0 - LEVEL
BOOTSTRAP_SEED = 0
COMPARED, SAME_MONEY, NEVER_ACTED, OFF_ALREADY = "compared", "same money", "never acted", "off in the configuration"
TOO_RARE = "too rare to judge"
FEWEST_DAYS = 10.0  # days that carry a difference, below which resampling them says nothing

FloatArray = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]


class Days(NamedTuple):
    """Daily series of one arm, a column per seed, each ``[n, S]``."""

    returns: FloatArray
    turnover: FloatArray
    trades: FloatArray


class Difference(NamedTuple):
    """One figure of one row; ``on`` and ``off`` are means over seeds, ``seeds`` the difference with each seed."""

    on: float
    off: float
    difference: float
    low: float
    high: float
    p: float
    p_holm: float
    seeds: tuple[float, ...]


@dataclass(frozen=True)
class Row:
    """One module or group: what the full chain does with it that it does not do without."""

    arm: Arm
    status: str
    figures: dict[str, Difference]
    mean_block_days: float
    carrying_days: float  # how many days carry the difference of return
    equal_seeds: int  # seeds with which the run without it was the same to the last decision


def days_of(outcomes: Sequence[Outcome]) -> Days:
    """Columns by seed."""
    parts = ([getattr(o, name) for o in outcomes] for name in Days._fields)
    return Days(*(np.ascontiguousarray(np.stack(p, axis=1)) for p in parts))


def figures_of(days: Days, index: Index) -> dict[str, FloatArray]:
    """Every figure on the days that ``index`` ``[n, B]`` picks, ``[B, S]`` each; one day of every resample at a time.

    ``edge_bps`` is what was made per notional traded, in basis points: it tells trading better from trading less.
    """
    n, resamples = index.shape
    shape = (resamples, days.returns.shape[1])
    equity, peak = np.ones(shape), np.ones(shape)
    total, squares, worst, turnover, trades = (np.zeros(shape) for _ in range(5))
    for t in range(n):
        r = days.returns[index[t]]
        total += r
        squares += r * r
        equity *= 1.0 + r
        np.maximum(peak, equity, out=peak)
        np.maximum(worst, 1.0 - equity / peak, out=worst)
        turnover += days.turnover[index[t]]
        trades += days.trades[index[t]]
    return {
        "total_return": equity - 1.0,
        "annual_return": np.maximum(equity, 0.0) ** (DAYS_PER_YEAR / n) - 1.0,
        "sharpe": _sharpe(total, squares, n),
        "edge_bps": np.where(turnover > 0.0, BPS * total / np.where(turnover > 0.0, turnover, 1.0), np.nan),
        "max_drawdown": worst,
        "turnover": turnover / n,
        "trades": trades,
    }


def _sharpe(total: FloatArray, squares: FloatArray, n: int) -> FloatArray:
    """Annualised, from sums of daily returns; NaN without variance."""
    mean = total / n
    variance = (squares - n * mean * mean) / (n - 1)
    still = variance <= 1e-12 * squares / n  # what rounding leaves of a constant series
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio: FloatArray = np.where(still, np.nan, mean / np.sqrt(variance) * np.sqrt(DAYS_PER_YEAR))
    return ratio


def compare(
    runs: Runs,
    arms: Sequence[Arm],
    *,
    resamples: int = RESAMPLES,
    block_days: "float | None" = None,
    progress: "Callable[[int, int], None] | None" = None,
) -> list[Row]:
    """One row per arm, in order; p-values of all rows are adjusted together, figure by figure.

    Parameters
    ----------
    block_days : mean block length of every row; None = chosen row by row.
    """
    rows = []
    for k, arm in enumerate(arms):
        rows.append(_row(arm, runs.full, runs.off[arm.name], resamples, block_days))
        if progress is not None:
            progress(k + 1, len(arms))
    return _adjusted(rows)


def block_length(paired: FloatArray) -> float:
    """Mean block in days for the daily differences ``[n]`` of a row."""
    return max(stationary_block_length(paired), len(paired) ** (1.0 / 3.0))


def carrying_days(paired: FloatArray) -> float:
    """How many days carry the differences ``[n]``: n where all are alike, 1 where one outweighs all others; 0 for none.

    The participation ratio (sum |d|)^2 / sum d^2. After one different trade every later return differs in its last
    digits, so days that differ at all would be too many.
    """
    size = np.abs(paired)
    return float(size.sum() ** 2 / np.sum(size * size)) if size.any() else 0.0


def _status(arm: Arm, on: Sequence[Outcome], off: Sequence[Outcome], carrying: float) -> str:
    if arm.off_already:
        return OFF_ALREADY
    if all(a.digest == b.digest for a, b in zip(on, off, strict=True)):
        return NEVER_ACTED
    if all(np.array_equal(a.returns, b.returns) for a, b in zip(on, off, strict=True)):
        return SAME_MONEY
    return COMPARED if carrying >= FEWEST_DAYS else TOO_RARE


def _row(arm: Arm, on: Sequence[Outcome], off: Sequence[Outcome], resamples: int, block_days: "float | None") -> Row:
    a, b = days_of(on), days_of(off)
    paired = (a.returns - b.returns).mean(axis=1)
    carrying = carrying_days(paired)
    status = _status(arm, on, off, carrying)
    block = block_length(paired) if block_days is None else block_days
    once = np.arange(len(paired))[:, None]
    point = figures_of(a, once), figures_of(b, once)
    drawn = None
    if status == COMPARED:
        index = stationary_index(len(paired), block, resamples, np.random.default_rng(BOOTSTRAP_SEED))
        drawn = figures_of(a, index), figures_of(b, index)
    known = status != TOO_RARE
    figures = {name: _difference(name, point, drawn, known) for name in FIGURES}
    equal = sum(x.digest == y.digest for x, y in zip(on, off, strict=True))
    return Row(arm, status, figures, block, carrying, equal)


Pair = tuple[dict[str, FloatArray], dict[str, FloatArray]]


def _difference(name: str, point: Pair, drawn: "Pair | None", known: bool) -> Difference:
    """One figure with its interval. Without resamples: none where it is not ``known``, else exactly nothing (0, p 1)."""
    on, off = point[0][name][0], point[1][name][0]
    same = drawn is None and known
    each = tuple(float(x) for x in (np.zeros(len(on)) if same else on - off))
    low, high, p = (0.0, 0.0, 1.0) if known else (float("nan"), float("nan"), 1.0)
    if drawn is not None:
        resampled = (drawn[0][name] - drawn[1][name]).mean(axis=1)
        low, high = percentile_interval(resampled)
        p = sign_p_value(resampled)
    means = float(on.mean()), float(off.mean())
    return Difference(*means, float(np.mean(each)), low, high, p, p, each)


def _adjusted(rows: list[Row]) -> list[Row]:
    """The same rows with Holm's p-values; rows that never acted count as comparisons too."""
    for name in FIGURES:
        for row, p in zip(rows, holm(np.array([r.figures[name].p for r in rows])), strict=True):
            row.figures[name] = row.figures[name]._replace(p_holm=float(p))
    return rows
