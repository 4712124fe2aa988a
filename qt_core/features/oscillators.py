"""RSI, MACD, stochastic, Williams %R, CCI, MFI: momentum within a band. Seeds and zero rules are TA-Lib's.

Every kernel here and in the sister files advances one symbol's row ``s`` (SYMBOL_DT) and windows by one valid bar and
writes its columns of ``out[t, i]``; NaN until the warm-up of the registry is over.
"""

from typing import Any

import numpy as np

from qt_core._jit import kernel
from qt_core.features.params import FeatureParams
from qt_core.features.registry import (
    F_CCI,
    F_MACD,
    F_MACD_HISTOGRAM,
    F_MACD_SIGNAL,
    F_MFI,
    F_RSI,
    F_STOCH_D,
    F_STOCH_K,
    F_WILLIAMS_R,
)
from qt_core.features.rolling import roll_extremes, roll_sum, roll_sum2
from qt_core.features.state import W_MFI, W_SLOW_D, W_SLOW_K, W_STOCH, FeatureState
from qt_core.market import FloatArray

NAN = np.nan


@kernel
def wilder(previous: float, x: float, samples: int, span: int) -> float:
    """Wilder's average: a running sum, at ``span`` samples their mean, then ``(prev * (span - 1) + x) / span``."""
    if samples < span:
        return previous + x
    if samples == span:
        return (previous + x) / span
    return previous + (x - previous) * (1.0 / span)


@kernel
def ema(previous: float, x: float, samples: int, span: int) -> float:
    """Exponential average, alpha 2 / (span + 1), seeded with the mean of the first ``span`` samples (TA-Lib EMA)."""
    if samples < span:
        return previous + x
    if samples == span:
        return (previous + x) / span
    return (x - previous) * (2.0 / (span + 1.0)) + previous


@kernel
def rsi_step(p: FeatureParams, s: Any, close: float, out: FloatArray, t: int, i: int) -> None:
    """RSI of Wilder; 0 where nothing moved (TA-Lib)."""
    value = NAN
    samples = s.bars - 1
    if samples > 0:
        change = close - s.last_close
        s.rsi_gain = wilder(s.rsi_gain, max(change, 0.0), samples, p.rsi_span)
        s.rsi_loss = wilder(s.rsi_loss, max(-change, 0.0), samples, p.rsi_span)
        if samples >= p.rsi_span:
            total = s.rsi_gain + s.rsi_loss
            value = 100.0 * s.rsi_gain / total if total > 0.0 else 0.0
    out[t, i, F_RSI] = value


@kernel
def macd_step(p: FeatureParams, s: Any, close: float, inv_close: float, out: FloatArray, t: int, i: int) -> None:
    """MACD line, signal and histogram as fractions of the close.

    TA-Lib starts both averages on the bar where the slow one is known: the fast one's seed is the mean of the *last*
    ``macd_fast`` closes at that bar.
    """
    line, signal, bars = NAN, NAN, s.bars
    if bars > p.macd_slow - p.macd_fast:
        s.macd_fast = ema(s.macd_fast, close, bars - (p.macd_slow - p.macd_fast), p.macd_fast)
    s.macd_slow = ema(s.macd_slow, close, bars, p.macd_slow)
    samples = bars - p.macd_slow + 1
    if samples > 0:
        difference = s.macd_fast - s.macd_slow
        s.macd_signal = ema(s.macd_signal, difference, samples, p.macd_signal)
        if samples >= p.macd_signal:
            line = difference * inv_close
            signal = s.macd_signal * inv_close
    out[t, i, F_MACD] = line
    out[t, i, F_MACD_SIGNAL] = signal
    out[t, i, F_MACD_HISTOGRAM] = line - signal


@kernel
def stoch_step(
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
    """Slow stochastic and Williams %R over the same high-low window; 0 where the window is flat (TA-Lib)."""
    top, bottom = roll_extremes(state.window[i, W_STOCH], state.stoch, i, high, low)
    slow_k, slow_d, williams = NAN, NAN, NAN
    samples = s.bars - p.stoch_span + 1
    if samples > 0:
        width = top - bottom
        inverse = 100.0 / width if width > 0.0 else 0.0
        fast_k = (close - bottom) * inverse
        williams = (close - top) * inverse
        slow_k, slow_d = _slow_lines(p, state, fast_k, samples, i)
    out[t, i, F_STOCH_K] = slow_k
    out[t, i, F_STOCH_D] = slow_d
    out[t, i, F_WILLIAMS_R] = williams


@kernel
def _slow_lines(p: FeatureParams, state: FeatureState, fast_k: float, samples: int, i: int) -> tuple[float, float]:
    """%K slow = SMA of fast %K, %D slow = SMA of that."""
    slow_k, slow_d = NAN, NAN
    total = roll_sum(state.window[i, W_SLOW_K], state.slow_k, i, fast_k)
    if samples >= p.stoch_slow_k:
        slow_k = total * (1.0 / p.stoch_slow_k)
        total = roll_sum(state.window[i, W_SLOW_D], state.slow_d, i, slow_k)
        if samples >= p.stoch_slow_k + p.stoch_slow_d - 1:
            slow_d = total * (1.0 / p.stoch_slow_d)
    return slow_k, slow_d


@kernel
def cci_step(p: FeatureParams, state: FeatureState, s: Any, typical: float, out: FloatArray, t: int, i: int) -> None:
    """CCI of Lambert: distance of the typical price from its mean in mean absolute deviations; 0 where flat (TA-Lib).

    The mean deviation needs every value of the window: O(span) per bar, in four chains so that the adds overlap.
    """
    ring = state.typical
    ring[i, s.typical_pos] = typical
    s.typical_pos = s.typical_pos + 1 if s.typical_pos + 1 < p.cci_span else 0
    value = NAN
    if s.bars >= p.cci_span:
        mean = _mean(ring, i, p.cci_span)
        deviation = _sum_of_deviations(ring, i, p.cci_span, mean) * (1.0 / p.cci_span)
        distance = typical - mean
        # Rounding leaves a flat window a deviation of some units in the last place, not zero.
        value = distance / (p.cci_scale * deviation) if deviation > p.flat_rel * typical else 0.0
    out[t, i, F_CCI] = value


@kernel
def _mean(ring: FloatArray, i: int, span: int) -> float:
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    whole = span - span % 4
    for k in range(0, whole, 4):
        a += ring[i, k]
        b += ring[i, k + 1]
        c += ring[i, k + 2]
        d += ring[i, k + 3]
    for k in range(whole, span):
        a += ring[i, k]
    return ((a + b) + (c + d)) * (1.0 / span)


@kernel
def _sum_of_deviations(ring: FloatArray, i: int, span: int, mean: float) -> float:
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    whole = span - span % 4
    for k in range(0, whole, 4):
        a += abs(ring[i, k] - mean)
        b += abs(ring[i, k + 1] - mean)
        c += abs(ring[i, k + 2] - mean)
        d += abs(ring[i, k + 3] - mean)
    for k in range(whole, span):
        a += abs(ring[i, k] - mean)
    return (a + b) + (c + d)


@kernel
def mfi_step(
    p: FeatureParams, state: FeatureState, s: Any, typical: float, volume: float, out: FloatArray, t: int, i: int
) -> None:
    """Money flow index; 0 where nothing flowed in the window (TA-Lib)."""
    value = NAN
    if s.bars > 1:
        flow = typical * volume
        change, noise = typical - s.last_typical, p.equal_rel * typical
        up = flow if change > noise else 0.0
        down = flow if change < -noise else 0.0
        up_sum, down_sum = roll_sum2(state.window[i, W_MFI], state.mfi, i, up, down)
        if s.bars > p.mfi_span:
            total = up_sum + down_sum
            value = 100.0 * up_sum / total if total > 0.0 else 0.0
    out[t, i, F_MFI] = value
