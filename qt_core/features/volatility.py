"""Bollinger bands, realised volatility, Donchian channel, high-low range, candle shape, 30-day percentiles."""

from typing import Any

import numpy as np

from qt_core._jit import kernel
from qt_core.features.order import percentile_run
from qt_core.features.params import FeatureParams
from qt_core.features.registry import (
    F_ATR_PCT,
    F_ATR_PCTILE,
    F_BAR_RANGE,
    F_BODY,
    F_BOLLINGER_POSITION,
    F_BOLLINGER_WIDTH,
    F_DONCHIAN_POSITION,
    F_DONCHIAN_WIDTH,
    F_DONCHIAN_WIDTH_PCTILE,
    F_LOWER_WICK,
    F_RANGE_POSITION,
    F_UPPER_WICK,
    F_VOL_LONG,
    F_VOL_MID,
    F_VOL_RATIO,
    F_VOL_SHORT,
)
from qt_core.features.rolling import roll_extremes, roll_moments, roll_sum
from qt_core.features.state import (
    O_ATR,
    O_WIDTH,
    W_BOLLINGER,
    W_DONCHIAN,
    W_RANGE,
    W_VOL_LONG,
    W_VOL_MID,
    W_VOL_SHORT,
)
from qt_core.features.work import (
    R_A,
    R_B,
    R_CHANNEL_HIGH,
    R_CHANNEL_LOW,
    R_CLOSE,
    R_HIGH,
    R_INV_CLOSE,
    R_LOW,
    R_OPEN,
    R_PREV_CLOSE,
)
from qt_core.market import FloatArray, IntArray

NAN = np.nan


@kernel
def bollinger_run(p: FeatureParams, s: Any, w: Any, ring: FloatArray, rows: FloatArray, m: int) -> None:
    """Bollinger position and width, population deviation as in TA-Lib; NaN and 0 where the window is flat."""
    close, distance, variance = rows[R_CLOSE], rows[R_A], rows[R_B]
    position, width = rows[F_BOLLINGER_POSITION], rows[F_BOLLINGER_WIDTH]
    if s.bars == 0:
        w[W_BOLLINGER].c = close[0]
    roll_moments(w[W_BOLLINGER], ring, close, distance, variance, m)
    for k in range(m):
        deviation = np.sqrt(variance[k])
        half = p.bollinger_sigma * deviation
        flat = deviation <= p.flat_rel * close[k]
        position[k] = NAN if flat else 0.5 + 0.5 * distance[k] / half
        width[k] = 0.0 if flat else 2.0 * half / (close[k] - distance[k])


@kernel
def realised_run(
    p: FeatureParams,
    w: Any,
    short_ring: FloatArray,
    mid_ring: FloatArray,
    long_ring: FloatArray,
    rows: FloatArray,
    m: int,
) -> None:
    """Root mean square of simple returns over three windows, per bar (not annualised)."""
    close, previous, square = rows[R_CLOSE], rows[R_PREV_CLOSE], rows[R_A]
    short, mid, long, ratio = rows[F_VOL_SHORT], rows[F_VOL_MID], rows[F_VOL_LONG], rows[F_VOL_RATIO]
    for k in range(m):
        change = close[k] / previous[k] - 1.0
        square[k] = change * change
    roll_sum(w[W_VOL_SHORT], short_ring, square, short, m)
    roll_sum(w[W_VOL_MID], mid_ring, square, mid, m)
    roll_sum(w[W_VOL_LONG], long_ring, square, long, m)
    per_short, per_mid, per_long = 1.0 / p.vol_short, 1.0 / p.vol_mid, 1.0 / p.vol_long
    for k in range(m):
        short[k] = np.sqrt(short[k] * per_short)
        mid[k] = np.sqrt(mid[k] * per_mid)
        long[k] = np.sqrt(long[k] * per_long)
        ratio[k] = short[k] / long[k] if long[k] > 0.0 else NAN


@kernel
def channel_run(s: Any, w: Any, ring: FloatArray, rows: FloatArray, m: int) -> None:
    """Donchian channel of the bars *before* each one; position and width NaN where it is flat."""
    close, top, bottom = rows[R_CLOSE], rows[R_A], rows[R_B]
    high_out, low_out = rows[R_CHANNEL_HIGH], rows[R_CHANNEL_LOW]
    position, width = rows[F_DONCHIAN_POSITION], rows[F_DONCHIAN_WIDTH]
    roll_extremes(w[W_DONCHIAN], ring, rows[R_HIGH], rows[R_LOW], top, bottom, m)
    if s.bars == 0:  # no channel yet; any finite one will do until the warm-up is over
        s.channel_high, s.channel_low = rows[R_HIGH, 0], rows[R_LOW, 0]
    high_out[0], low_out[0] = s.channel_high, s.channel_low
    for k in range(m - 1):
        high_out[k + 1], low_out[k + 1] = top[k], bottom[k]
    s.channel_high, s.channel_low = top[m - 1], bottom[m - 1]
    for k in range(m):
        spread = high_out[k] - low_out[k]
        position[k] = (close[k] - low_out[k]) / spread if spread > 0.0 else NAN
        width[k] = 2.0 * spread / (high_out[k] + low_out[k])


@kernel
def range_run(w: Any, ring: FloatArray, rows: FloatArray, m: int) -> None:
    """Place of the close within the high-low range that includes its bar; NaN where flat."""
    close, top, bottom, out = rows[R_CLOSE], rows[R_A], rows[R_B], rows[F_RANGE_POSITION]
    roll_extremes(w[W_RANGE], ring, rows[R_HIGH], rows[R_LOW], top, bottom, m)
    for k in range(m):
        spread = top[k] - bottom[k]
        out[k] = (close[k] - bottom[k]) / spread if spread > 0.0 else NAN


@kernel
def candle_run(rows: FloatArray, m: int) -> None:
    """Body and wicks as shares of the bar's range, 0 on a flat bar, and the range as a fraction of the close."""
    open_, high, low, close, inv_close = rows[R_OPEN], rows[R_HIGH], rows[R_LOW], rows[R_CLOSE], rows[R_INV_CLOSE]
    body, upper, lower, size = rows[F_BODY], rows[F_UPPER_WICK], rows[F_LOWER_WICK], rows[F_BAR_RANGE]
    for k in range(m):
        spread = high[k] - low[k]
        inverse = 1.0 / spread if spread > 0.0 else 0.0
        body[k] = (close[k] - open_[k]) * inverse
        upper[k] = (high[k] - max(open_[k], close[k])) * inverse
        lower[k] = (min(open_[k], close[k]) - low[k]) * inverse
        size[k] = spread * inv_close[k]


@kernel
def rank_run(
    p: FeatureParams,
    s: Any,
    c: Any,
    atr_ring: FloatArray,
    width_ring: FloatArray,
    sampled: IntArray,
    rows: FloatArray,
    m: int,
) -> None:
    """Percentiles of ATR / close and of the Donchian width in the 30 days before each bar."""
    least = p.month_min_samples
    first = max(0, p.atr_span - s.bars)
    percentile_run(c[O_ATR], atr_ring, least, sampled, rows[F_ATR_PCT], rows[F_ATR_PCTILE], first, m)
    first = max(0, p.donchian_span - s.bars)
    percentile_run(
        c[O_WIDTH], width_ring, least, sampled, rows[F_DONCHIAN_WIDTH], rows[F_DONCHIAN_WIDTH_PCTILE], first, m
    )
