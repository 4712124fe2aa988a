"""Volume ratio, OBV slope, VWAP distance, 24 h quote volume and its ratio to the 30-day median."""

from typing import Any

import numpy as np

from qt_core._jit import kernel
from qt_core.features.order import push_median
from qt_core.features.params import FeatureParams
from qt_core.features.registry import (
    F_LIQUIDITY_RATIO,
    F_OBV_SLOPE,
    F_QUOTE_VOLUME_24H,
    F_VOLUME_RATIO,
    F_VWAP_DISTANCE,
)
from qt_core.features.rolling import roll_sum
from qt_core.features.state import O_DAY, W_BALANCE, W_DAY, W_VALUE, W_VOLUME
from qt_core.features.work import (
    R_A,
    R_B,
    R_C,
    R_CLOSE,
    R_D,
    R_E,
    R_PREV_CLOSE,
    R_QUOTE,
    R_TYPICAL,
    R_VOLUME,
)
from qt_core.market import FloatArray, IntArray

NAN = np.nan


@kernel
def volume_run(p: FeatureParams, w: Any, ring: FloatArray, rows: FloatArray, m: int) -> None:
    """Volume ratio, OBV slope and distance from the rolling VWAP; NaN where nothing traded in the window.

    The slope is the change of On Balance Volume over the window per unit of volume, so it needs no running OBV.
    """
    volume, close, previous, typical = rows[R_VOLUME], rows[R_CLOSE], rows[R_PREV_CLOSE], rows[R_TYPICAL]
    signed, traded, total, balance, value = rows[R_A], rows[R_B], rows[R_C], rows[R_D], rows[R_E]
    ratio, slope, distance = rows[F_VOLUME_RATIO], rows[F_OBV_SLOPE], rows[F_VWAP_DISTANCE]
    for k in range(m):
        up, down = close[k] > previous[k], close[k] < previous[k]
        signed[k] = volume[k] if up else (-volume[k] if down else 0.0)
        traded[k] = typical[k] * volume[k]
    roll_sum(w[W_VOLUME], ring[0], volume, total, m)
    roll_sum(w[W_BALANCE], ring[1], signed, balance, m)
    roll_sum(w[W_VALUE], ring[2], traded, value, m)
    for k in range(m):
        inverse = 1.0 / total[k] if total[k] > 0.0 else NAN
        ratio[k] = volume[k] * p.volume_span * inverse
        slope[k] = balance[k] * inverse
        distance[k] = close[k] * total[k] / value[k] - 1.0 if total[k] > 0.0 else NAN


@kernel
def liquidity_run(
    p: FeatureParams,
    s: Any,
    w: Any,
    c: Any,
    ring: FloatArray,
    month: FloatArray,
    bits: IntArray,
    sampled: IntArray,
    rows: FloatArray,
    m: int,
) -> None:
    """Quote volume of 24 h and its ratio to the median of itself over 30 days; NaN where that median is 0."""
    day, ratio = rows[F_QUOTE_VOLUME_24H], rows[F_LIQUIDITY_RATIO]
    roll_sum(w[W_DAY], ring, rows[R_QUOTE], day, m)
    for k in range(max(0, p.day_bars - 1 - s.bars), m):
        if sampled[k]:
            s.usual_volume = push_median(c[O_DAY], month, bits, day[k])
        known = c[O_DAY].count >= p.month_min_samples and s.usual_volume > 0.0
        ratio[k] = day[k] / s.usual_volume if known else NAN
