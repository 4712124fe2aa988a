"""ADX and directional indicators, ATR, moving averages, rates of change: where the price goes."""

from typing import Any

from qt_core._jit import kernel
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
from qt_core.features.rolling import ema, extend, wilder, wilder_sum
from qt_core.features.work import (
    R_CLOSE,
    R_HIGH,
    R_INV_CLOSE,
    R_LOW,
    R_MOMENTUM,
    R_PREV_CLOSE,
    R_PREV_HIGH,
    R_PREV_LOW,
)
from qt_core.market import FloatArray


@kernel
def directional_run(p: FeatureParams, s: Any, rows: FloatArray, m: int, warm: bool) -> None:
    """ATR as a fraction of the close, DI+, DI- and ADX of Wilder, seeds as in TA-Lib."""
    high, low, inv_close = rows[R_HIGH], rows[R_LOW], rows[R_INV_CLOSE]
    prev_high, prev_low, prev_close = rows[R_PREV_HIGH], rows[R_PREV_LOW], rows[R_PREV_CLOSE]
    atr_pct, plus_out, minus_out, adx_out = rows[F_ATR_PCT], rows[F_PLUS_DI], rows[F_MINUS_DI], rows[F_ADX]
    span, atr, adx = p.atr_span, s.atr, s.adx
    plus, minus, total = s.plus_dm, s.minus_dm, s.true_range
    for k in range(m):
        samples = s.bars + k
        true_range = max(high[k], prev_close[k]) - min(low[k], prev_close[k])
        rise, fall = high[k] - prev_high[k], prev_low[k] - low[k]
        atr = wilder(atr, true_range, samples, span, warm)
        plus = wilder_sum(plus, rise if rise > 0.0 and rise > fall else 0.0, samples, span, warm)
        minus = wilder_sum(minus, fall if fall > 0.0 and fall > rise else 0.0, samples, span, warm)
        total = wilder_sum(total, true_range, samples, span, warm)
        inverse = 100.0 / total if total > 0.0 else 0.0
        plus_di, minus_di = plus * inverse, minus * inverse
        adx = _adx(adx, plus_di, minus_di, samples - span + 1, span, warm)
        atr_pct[k] = atr * inv_close[k]
        plus_out[k], minus_out[k], adx_out[k] = plus_di, minus_di, adx
    s.atr, s.adx, s.plus_dm, s.minus_dm, s.true_range = atr, adx, plus, minus, total


@kernel
def _adx(previous: float, plus_di: float, minus_di: float, samples: int, span: int, warm: bool) -> float:
    """Wilder average of DX; a bar without direction keeps the last value (TA-Lib)."""
    total = plus_di + minus_di
    if total > 0.0:
        return wilder(previous, 100.0 * abs(plus_di - minus_di) / total, samples, span, warm)
    return wilder(previous, 0.0, samples, span, warm) if samples <= span else previous


@kernel
def average_run(p: FeatureParams, s: Any, rows: FloatArray, m: int, warm: bool) -> None:
    """Distances of the close from three exponential averages, and fast over slow."""
    close, ratio = rows[R_CLOSE], rows[F_EMA_RATIO]
    fast_out, slow_out, long_out = rows[F_EMA_FAST], rows[F_EMA_SLOW], rows[F_EMA_LONG]
    fast, slow, long = s.ema_fast, s.ema_slow, s.ema_long
    for k in range(m):
        samples = s.bars + 1 + k
        fast = ema(fast, close[k], samples, p.ema_fast, warm)
        slow = ema(slow, close[k], samples, p.ema_slow, warm)
        long = ema(long, close[k], samples, p.ema_long, warm)
        fast_out[k], slow_out[k], long_out[k] = fast, slow, long
    s.ema_fast, s.ema_slow, s.ema_long = fast, slow, long
    for k in range(m):
        inverse = 1.0 / slow_out[k]
        ratio[k] = fast_out[k] * inverse - 1.0
        fast_out[k] = close[k] / fast_out[k] - 1.0
        slow_out[k] = close[k] * inverse - 1.0
        long_out[k] = close[k] / long_out[k] - 1.0


@kernel
def change_run(p: FeatureParams, history: FloatArray, past: FloatArray, rows: FloatArray, m: int) -> None:
    """Six rates of change, and the momentum of the chain context."""
    close, size = rows[R_CLOSE], history.shape[0]
    extend(past, history, rows[R_INV_CLOSE], m)
    _rate_of_change(past[size - p.roc_1 :], close, rows[F_ROC_1], m)
    _rate_of_change(past[size - p.roc_2 :], close, rows[F_ROC_1 + 1], m)
    _rate_of_change(past[size - p.roc_3 :], close, rows[F_ROC_1 + 2], m)
    _rate_of_change(past[size - p.roc_4 :], close, rows[F_ROC_1 + 3], m)
    _rate_of_change(past[size - p.roc_5 :], close, rows[F_ROC_1 + 4], m)
    _rate_of_change(past[size - p.roc_6 :], close, rows[F_ROC_1 + 5], m)
    _rate_of_change(past[size - p.momentum_span :], close, rows[R_MOMENTUM], m)


@kernel
def _rate_of_change(lagged: FloatArray, close: FloatArray, out: FloatArray, m: int) -> None:
    """``close / close[lag] - 1``; ``lagged`` holds reciprocals."""
    for k in range(m):
        out[k] = close[k] * lagged[k] - 1.0
