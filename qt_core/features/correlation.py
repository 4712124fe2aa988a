"""Correlations of bar returns, pair by pair, as module 8 reads them (SPEC section 3, "PBA").

Exponentially weighted with a half-life of 168 h, over the bars on which *both* symbols have a return; a return needs two
consecutive valid bars, so a hole costs two bars of the pair and invents no jump. Returns are not centred: the mean of an
hour is nothing beside its spread. Weights fall with time, not with the number of common bars. Every 24 h, at the first bar
close at or after 00:00 UTC, the correlations known by that close become a row that is in force until the next.

NaN: unknown, with fewer than 100 common bars or no movement. Known at the close of the bar; any cut into blocks gives the
same bytes, because each pair's sums are updated in the order of time by the same operations.
"""

import math
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from qt_core._jit import entry, kernel
from qt_core.errors import ConfigError
from qt_core.features.params import DAY_MS, HOUR_MS
from qt_core.market import BoolArray, FloatArray, IntArray

Float32Array: TypeAlias = npt.NDArray[np.float32]

NAN = np.nan
TILE = 64  # bars taken up at once, so that a symbol's sums stay in the nearest cache


class CorrelationParams(NamedTuple):
    """Made by :func:`correlation_params`."""

    timeframe_ms: int  # bar length, ms
    decay: float  # weight of a bar beside that of the next, 0..1
    min_common: int = 100  # common bars below which a correlation is unknown
    refresh_ms: int = DAY_MS  # between two rows, ms, counted from 00:00 UTC


class CorrelationState(NamedTuple):
    """Carried from bar to bar; N symbols, P = N (N - 1) / 2 pairs. Views into one buffer: see correlation_stream."""

    last_close: FloatArray  # [N] of the bar before; NaN where it was missing
    product: FloatArray  # [N, N] j < i: weighted sum of r_i * r_j over common bars
    power: FloatArray  # [N, N] weighted sum of r_i ** 2 over the bars common with j
    common: FloatArray  # [N, N] j < i: common bars
    latest: Float32Array  # [P] the row in force
    n_rows: IntArray  # [1] rows made so far


class CorrelationWork(NamedTuple):
    """Scratch of one call, caller-owned."""

    returns: FloatArray  # [TILE, N] 0 where there is none
    present: FloatArray  # [TILE, N] 1 where there is a return, else 0


def correlation_params(timeframe_ms: int, half_life_hours: float = 168.0, min_common: int = 100) -> CorrelationParams:
    """Params for a bar length.

    Raises
    ------
    ConfigError
        If the half-life or the number of common bars is not above 0.
    """
    if not 0.0 < half_life_hours < math.inf or min_common < 1 or timeframe_ms < 1:
        raise ConfigError(
            f"correlation: half-life {half_life_hours!r} h, {min_common!r} common bars, bars of {timeframe_ms!r} ms; "
            "numbers above 0 expected"
        )
    decay = 0.5 ** (timeframe_ms / HOUR_MS / half_life_hours)
    return CorrelationParams(int(timeframe_ms), float(decay), int(min_common))


def n_pairs(n_symbols: int) -> int:
    """Pairs of ``n_symbols``: the length of a row."""
    return n_symbols * (n_symbols - 1) // 2


def rows_made(p: CorrelationParams, time: IntArray) -> npt.NDArray[np.bool_]:
    """``[T]`` True for bars (open times ``time``) at whose close a row is made."""
    return np.asarray((time + p.timeframe_ms) // p.refresh_ms != time // p.refresh_ms)


@kernel
def packed_index(i: int, j: int) -> int:
    """Column of the pair ``i != j`` in a row: the lower triangle, row by row; either order of the two."""
    if i > j:
        return i * (i - 1) // 2 + j
    return j * (j - 1) // 2 + i


@kernel
def pair_correlation(correlation: Any, row: int, i: int, j: int) -> float:
    """Correlation of two symbols in row ``row`` of ``correlation`` ``[D, P]``; NaN before the first row (``row`` < 0)."""
    if i == j:
        return 1.0
    if row < 0:
        return NAN
    return float(correlation[row, packed_index(i, j)])


@kernel
def load_returns(
    s: CorrelationState, work: CorrelationWork, close: FloatArray, valid: BoolArray, t: int, m: int
) -> None:
    """Returns of ``m`` bars from ``t`` on into the work; brings ``last_close`` up to date."""
    for k in range(m):
        for i in range(close.shape[1]):
            x = close[t + k, i] if valid[t + k, i] else NAN
            r = x / s.last_close[i] - 1.0
            known = r == r
            work.returns[k, i] = r if known else 0.0
            work.present[k, i] = 1.0 if known else 0.0
            s.last_close[i] = x


@kernel
def add_symbol(p: CorrelationParams, s: CorrelationState, work: CorrelationWork, m: int, i: int) -> None:
    """Symbol ``i`` with every other over the ``m`` bars of the work. No branch in the inner loops: they are vector code."""
    product, power, common = s.product[i], s.power[i], s.common[i]
    for k in range(m):
        returns, present = work.returns[k], work.present[k]
        r = returns[i]
        square = r * r
        here = present[i]
        for j in range(power.shape[0]):
            power[j] = p.decay * power[j] + square * present[j]
        for j in range(i):
            product[j] = p.decay * product[j] + r * returns[j]
            common[j] += here * present[j]


@kernel
def make_row(p: CorrelationParams, s: CorrelationState) -> None:
    """The correlations as they are now into ``latest``."""
    for i in range(s.power.shape[0]):
        for j in range(i):
            spread = math.sqrt(s.power[i, j]) * math.sqrt(s.power[j, i])
            known = s.common[i, j] >= p.min_common and spread > 0.0
            s.latest[i * (i - 1) // 2 + j] = s.product[i, j] / spread if known else NAN
    s.n_rows[0] += 1


@entry
def update_correlation(
    p: CorrelationParams,
    s: CorrelationState,
    work: CorrelationWork,
    time: IntArray,
    close: FloatArray,
    valid: BoolArray,
    rows: Float32Array,
) -> None:
    """Advance the state over bars ``[T, N]`` and write the rows made at their closes; live passes T = 1.

    ``rows`` : ``[D, P]``, D = the number of True in :func:`rows_made`.
    """
    n_bars, n_symbols = close.shape
    made = 0
    t = 0
    while t < n_bars:
        m = 0
        due = False
        while m < TILE and t + m < n_bars and not due:
            due = (time[t + m] + p.timeframe_ms) // p.refresh_ms != time[t + m] // p.refresh_ms
            m += 1
        load_returns(s, work, close, valid, t, m)
        for i in range(n_symbols):
            add_symbol(p, s, work, m, i)
        if due:
            make_row(p, s)
            for k in range(s.latest.shape[0]):
                rows[made, k] = s.latest[k]
            made += 1
        t += m
