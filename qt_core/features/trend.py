"""ADX and directional indicators, ATR, moving averages, rates of change: where the price goes."""

from typing import Any

import numpy as np

from qt_core._jit import kernel
from qt_core.features.oscillators import ema, wilder
from qt_core.features.params import FeatureParams
from qt_core.features.registry import (
    F_ADX,
    F_ATR_PCT,
    F_EMA_FAST,
    F_EMA_LONG,
    F_EMA_RATIO,
    F_EMA_SLOW,
    F_MINUS_DI,
    F_PLUS_DI,
    F_ROC_1,
)
from qt_core.features.state import FeatureState
from qt_core.market import FloatArray

NAN = np.nan


@kernel
def wilder_sum(previous: float, x: float, samples: int, span: int) -> float:
    """Wilder's decaying sum: plain over the first ``span - 1`` samples, then ``prev - prev / span + x``."""
    if samples < span:
        return previous + x
    return previous - previous * (1.0 / span) + x


@kernel
def directional_step(
    p: FeatureParams, s: Any, high: float, low: float, close: float, inv_close: float, out: FloatArray, t: int, i: int
) -> None:
    """ATR as a fraction of the close, DI+, DI- and ADX of Wilder, seeds as in TA-Lib."""
    atr_pct, plus_di, minus_di, adx = NAN, NAN, NAN, NAN
    samples, span = s.bars - 1, p.atr_span
    if samples > 0:
        true_range = max(high, s.last_close) - min(low, s.last_close)
        s.atr = wilder(s.atr, true_range, samples, span)
        rise, fall = high - s.last_high, s.last_low - low
        s.plus_dm = wilder_sum(s.plus_dm, rise if rise > 0.0 and rise > fall else 0.0, samples, span)
        s.minus_dm = wilder_sum(s.minus_dm, fall if fall > 0.0 and fall > rise else 0.0, samples, span)
        s.true_range = wilder_sum(s.true_range, true_range, samples, span)
        if samples >= span:
            atr_pct = s.atr * inv_close
            inverse = 100.0 / s.true_range if s.true_range > 0.0 else 0.0
            plus_di = s.plus_dm * inverse
            minus_di = s.minus_dm * inverse
            adx = _adx(s, plus_di, minus_di, samples - span + 1, span)
    out[t, i, F_ATR_PCT] = atr_pct
    out[t, i, F_PLUS_DI] = plus_di
    out[t, i, F_MINUS_DI] = minus_di
    out[t, i, F_ADX] = adx


@kernel
def _adx(s: Any, plus_di: float, minus_di: float, samples: int, span: int) -> float:
    """Wilder average of DX; a bar without direction keeps the last value (TA-Lib)."""
    total = plus_di + minus_di
    if total > 0.0:
        s.adx = wilder(s.adx, 100.0 * abs(plus_di - minus_di) / total, samples, span)
    elif samples == span:
        s.adx = s.adx / span
    return s.adx if samples >= span else NAN


@kernel
def average_step(p: FeatureParams, s: Any, close: float, out: FloatArray, t: int, i: int) -> None:
    """Distances of the close from three exponential averages, and fast over slow."""
    bars = s.bars
    s.ema_fast = ema(s.ema_fast, close, bars, p.ema_fast)
    s.ema_slow = ema(s.ema_slow, close, bars, p.ema_slow)
    s.ema_long = ema(s.ema_long, close, bars, p.ema_long)
    inv_slow = 1.0 / s.ema_slow
    out[t, i, F_EMA_FAST] = close / s.ema_fast - 1.0 if bars >= p.ema_fast else NAN
    out[t, i, F_EMA_SLOW] = close * inv_slow - 1.0 if bars >= p.ema_slow else NAN
    out[t, i, F_EMA_LONG] = close / s.ema_long - 1.0 if bars >= p.ema_long else NAN
    out[t, i, F_EMA_RATIO] = s.ema_fast * inv_slow - 1.0 if bars >= p.ema_slow else NAN


@kernel
def rate_of_change(ring: FloatArray, i: int, pos: int, bars: int, lag: int, close: float) -> float:
    """``close / close[lag bars ago] - 1``; ``ring`` holds reciprocals, ``pos`` is this bar's slot."""
    if bars <= lag:
        return NAN
    slot = pos - lag
    if slot < 0:
        slot += ring.shape[1]
    return close * ring[i, slot] - 1.0


@kernel
def change_step(
    p: FeatureParams, state: FeatureState, s: Any, close: float, inv_close: float, out: FloatArray, t: int, i: int
) -> float:
    """Six rates of change; returns the momentum of the chain context."""
    ring, pos, bars = state.inv_close, s.close_pos, s.bars
    ring[i, pos] = inv_close
    out[t, i, F_ROC_1] = rate_of_change(ring, i, pos, bars, p.roc_1, close)
    out[t, i, F_ROC_1 + 1] = rate_of_change(ring, i, pos, bars, p.roc_2, close)
    out[t, i, F_ROC_1 + 2] = rate_of_change(ring, i, pos, bars, p.roc_3, close)
    out[t, i, F_ROC_1 + 3] = rate_of_change(ring, i, pos, bars, p.roc_4, close)
    out[t, i, F_ROC_1 + 4] = rate_of_change(ring, i, pos, bars, p.roc_5, close)
    out[t, i, F_ROC_1 + 5] = rate_of_change(ring, i, pos, bars, p.roc_6, close)
    s.close_pos = pos + 1 if pos + 1 < ring.shape[1] else 0
    return rate_of_change(ring, i, pos, bars, p.momentum_span, close)
