"""Bollinger bands, realised volatility, Donchian channel, high-low range, and 30-day percentiles."""

from typing import Any

import numpy as np

from qt_core._jit import kernel
from qt_core.features.params import FeatureParams
from qt_core.features.registry import (
    F_ATR_PCTILE,
    F_BOLLINGER_POSITION,
    F_BOLLINGER_WIDTH,
    F_DONCHIAN_POSITION,
    F_DONCHIAN_WIDTH,
    F_DONCHIAN_WIDTH_PCTILE,
    F_RANGE_POSITION,
    F_VOL_LONG,
    F_VOL_MID,
    F_VOL_RATIO,
    F_VOL_SHORT,
)
from qt_core.features.rolling import push_ring, roll_extremes, roll_sum, share_below
from qt_core.features.state import (
    O_ATR,
    O_WIDTH,
    W_BOLLINGER,
    W_DONCHIAN,
    W_RANGE,
    W_VOL_LONG,
    W_VOL_MID,
    W_VOL_SHORT,
    FeatureState,
)
from qt_core.market import FloatArray

NAN = np.nan


@kernel
def bollinger_step(
    p: FeatureParams, state: FeatureState, s: Any, close: float, out: FloatArray, t: int, i: int
) -> None:
    """Bollinger position and width, population deviation as in TA-Lib; NaN and 0 where the window is flat."""
    if s.bars == 1:
        s.bollinger_anchor = close
    delta = close - s.bollinger_anchor
    middle = s.bollinger_anchor
    total, squares = _roll_moments(state.window[i, W_BOLLINGER], state.bollinger, s, i, close)
    position, width = NAN, NAN
    if s.bars >= p.bollinger_span:
        mean = total * (1.0 / p.bollinger_span)
        deviation = np.sqrt(max(squares * (1.0 / p.bollinger_span) - mean * mean, 0.0))
        flat = deviation <= p.flat_rel * close
        half = p.bollinger_sigma * deviation
        position = NAN if flat else 0.5 + 0.5 * (delta - mean) / half
        width = 0.0 if flat else 2.0 * half / (middle + mean)
    out[t, i, F_BOLLINGER_POSITION] = position
    out[t, i, F_BOLLINGER_WIDTH] = width


@kernel
def _roll_moments(w: Any, ring: FloatArray, s: Any, i: int, close: float) -> tuple[float, float]:
    """Window sums of ``close - anchor`` and of its square; the anchor is a close of the last two blocks.

    A mean of squares minus a squared mean of the prices themselves would lose every digit on a calm market.
    """
    pos, delta = w.pos, close - s.bollinger_anchor
    w.a += delta
    w.b += delta * delta
    ring[i, pos, 0] = close
    total, squares = w.a + ring[i, pos + 1, 0], w.b + ring[i, pos + 1, 1]
    w.pos = pos + 1
    if pos + 2 == ring.shape[1]:
        w.pos, w.a, w.b = 0, 0.0, 0.0
        s.bollinger_anchor = close
        sum_1, sum_2 = 0.0, 0.0
        for k in range(pos, -1, -1):
            delta = ring[i, k, 0] - close
            sum_1 += delta
            sum_2 += delta * delta
            ring[i, k, 0] = sum_1
            ring[i, k, 1] = sum_2
    return total, squares


@kernel
def realised_step(p: FeatureParams, state: FeatureState, s: Any, close: float, out: FloatArray, t: int, i: int) -> None:
    """Root mean square of simple returns over three windows, per bar (not annualised)."""
    short, mid, long = NAN, NAN, NAN
    samples = s.bars - 1
    if samples > 0:
        change = close / s.last_close - 1.0
        square = change * change
        total = roll_sum(state.window[i, W_VOL_SHORT], state.vol_short, i, square)
        short = np.sqrt(total * (1.0 / p.vol_short)) if samples >= p.vol_short else NAN
        total = roll_sum(state.window[i, W_VOL_MID], state.vol_mid, i, square)
        mid = np.sqrt(total * (1.0 / p.vol_mid)) if samples >= p.vol_mid else NAN
        total = roll_sum(state.window[i, W_VOL_LONG], state.vol_long, i, square)
        long = np.sqrt(total * (1.0 / p.vol_long)) if samples >= p.vol_long else NAN
    out[t, i, F_VOL_SHORT] = short
    out[t, i, F_VOL_MID] = mid
    out[t, i, F_VOL_LONG] = long
    out[t, i, F_VOL_RATIO] = short / long if long > 0.0 else NAN


@kernel
def channel_step(
    p: FeatureParams,
    state: FeatureState,
    s: Any,
    high: float,
    low: float,
    close: float,
    out: FloatArray,
    t: int,
    i: int,
) -> tuple[float, float]:
    """Donchian channel of the bars *before* this one; returns its (high, low), NaN while unknown."""
    top, bottom, position, width = NAN, NAN, NAN, NAN
    if s.bars > p.donchian_span:
        top, bottom = s.channel_high, s.channel_low
        spread = top - bottom
        position = (close - bottom) / spread if spread > 0.0 else NAN
        width = 2.0 * spread / (top + bottom)
    out[t, i, F_DONCHIAN_POSITION] = position
    out[t, i, F_DONCHIAN_WIDTH] = width
    s.channel_high, s.channel_low = roll_extremes(state.window[i, W_DONCHIAN], state.donchian, i, high, low)
    return top, bottom


@kernel
def range_step(
    p: FeatureParams,
    state: FeatureState,
    s: Any,
    high: float,
    low: float,
    close: float,
    out: FloatArray,
    t: int,
    i: int,
) -> None:
    """Place of the close within the high-low range that includes this bar; NaN where flat."""
    top, bottom = roll_extremes(state.window[i, W_RANGE], state.range, i, high, low)
    known = s.bars >= p.range_span and top > bottom
    out[t, i, F_RANGE_POSITION] = (close - bottom) / (top - bottom) if known else NAN


@kernel
def percentile_step(
    p: FeatureParams, state: FeatureState, sampled: bool, atr_pct: float, width: float, out: FloatArray, t: int, i: int
) -> None:
    """Percentiles of ATR / close and of the Donchian width: share of the 30 days before that was strictly below."""
    out[t, i, F_ATR_PCTILE] = _percentile(p, state.order[i, O_ATR], state.atr_month, i, sampled, atr_pct)
    out[t, i, F_DONCHIAN_WIDTH_PCTILE] = _percentile(p, state.order[i, O_WIDTH], state.width_month, i, sampled, width)


@kernel
def _percentile(p: FeatureParams, c: Any, ring: FloatArray, i: int, sampled: bool, x: float) -> float:
    value = NAN
    if x == x:
        if c.count >= p.month_min_samples:
            value = share_below(ring, i, c.count, x)
        if sampled:
            push_ring(c, ring, i, x)
    return value
