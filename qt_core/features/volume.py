"""Volume ratio, OBV slope, VWAP distance, 24 h quote volume and its ratio to the 30-day median; candle shape."""

from typing import Any

import numpy as np

from qt_core._jit import kernel
from qt_core.features.params import FeatureParams
from qt_core.features.registry import (
    F_BAR_RANGE,
    F_BODY,
    F_LIQUIDITY_RATIO,
    F_LOWER_WICK,
    F_OBV_SLOPE,
    F_QUOTE_VOLUME_24H,
    F_UPPER_WICK,
    F_VOLUME_RATIO,
    F_VWAP_DISTANCE,
)
from qt_core.features.rolling import push_median, roll_sum, roll_sum3
from qt_core.features.state import O_DAY, W_DAY, W_VOLUME, FeatureState
from qt_core.market import FloatArray

NAN = np.nan


@kernel
def volume_step(
    p: FeatureParams,
    state: FeatureState,
    s: Any,
    close: float,
    typical: float,
    volume: float,
    out: FloatArray,
    t: int,
    i: int,
) -> None:
    """Volume ratio, OBV slope and distance from the rolling VWAP; NaN where nothing traded in the window.

    The slope is the change of On Balance Volume over the window per unit of volume, so it needs no running OBV.
    """
    signed = 0.0
    if s.bars > 1 and close > s.last_close:
        signed = volume
    if s.bars > 1 and close < s.last_close:
        signed = -volume
    total, balance, value = roll_sum3(state.window[i, W_VOLUME], state.volume, i, volume, signed, typical * volume)
    ratio, slope, distance = NAN, NAN, NAN
    if s.bars >= p.volume_span and total > 0.0:
        inverse = 1.0 / total
        ratio = volume * p.volume_span * inverse
        slope = balance * inverse if s.bars > p.volume_span else NAN
        distance = close * total / value - 1.0
    out[t, i, F_VOLUME_RATIO] = ratio
    out[t, i, F_OBV_SLOPE] = slope
    out[t, i, F_VWAP_DISTANCE] = distance


@kernel
def liquidity_step(
    p: FeatureParams, state: FeatureState, s: Any, sampled: bool, quote_volume: float, out: FloatArray, t: int, i: int
) -> None:
    """Quote volume of 24 h and its ratio to the median of itself over 30 days; NaN where that median is 0."""
    day, ratio = NAN, NAN
    total = roll_sum(state.window[i, W_DAY], state.day, i, quote_volume)
    if s.bars >= p.day_bars:
        day = total
        cursor = state.order[i, O_DAY]
        if sampled:
            s.usual_volume = push_median(cursor, state.day_month, state.day_bits, i, day)
        if cursor.count >= p.month_min_samples and s.usual_volume > 0.0:
            ratio = day / s.usual_volume
    out[t, i, F_QUOTE_VOLUME_24H] = day
    out[t, i, F_LIQUIDITY_RATIO] = ratio


@kernel
def candle_step(
    open_: float, high: float, low: float, close: float, inv_close: float, out: FloatArray, t: int, i: int
) -> None:
    """Body and wicks as shares of the bar's range, 0 on a flat bar, and the range as a fraction of the close."""
    spread = high - low
    inverse = 1.0 / spread if spread > 0.0 else 0.0
    out[t, i, F_BODY] = (close - open_) * inverse
    out[t, i, F_UPPER_WICK] = (high - max(open_, close)) * inverse
    out[t, i, F_LOWER_WICK] = (min(open_, close) - low) * inverse
    out[t, i, F_BAR_RANGE] = spread * inv_close
