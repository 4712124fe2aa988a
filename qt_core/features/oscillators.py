"""RSI, MACD, stochastic, Williams %R, CCI, MFI: momentum within a band. Seeds and zero rules are TA-Lib's.

Every kernel here and in the sister files advances one symbol's state over a run, the first ``m`` columns of ``rows``
(work.py), and writes its feature rows. ``s`` is the symbol's SYMBOL_DT row, ``s.bars`` the valid bars before the run;
``w`` its row of windows; rings are the symbol's own. ``warm``: every seed is over (rolling.ema).
"""

from typing import Any

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
from qt_core.features.rolling import ema, extend, roll_extremes, roll_sum, wilder
from qt_core.features.state import W_MFI_DOWN, W_MFI_UP, W_SLOW_D, W_SLOW_K, W_STOCH
from qt_core.features.work import (
    R_A,
    R_B,
    R_C,
    R_CLOSE,
    R_D,
    R_HIGH,
    R_INV_CLOSE,
    R_LOW,
    R_PREV_CLOSE,
    R_PREV_TYPICAL,
    R_TYPICAL,
    R_VOLUME,
)
from qt_core.market import FloatArray


@kernel
def rsi_run(p: FeatureParams, s: Any, rows: FloatArray, m: int, warm: bool) -> None:
    """RSI of Wilder; 0 where nothing moved (TA-Lib)."""
    close, previous, out = rows[R_CLOSE], rows[R_PREV_CLOSE], rows[F_RSI]
    gain, loss = s.rsi_gain, s.rsi_loss
    for k in range(m):
        samples = s.bars + k
        change = close[k] - previous[k]
        gain = wilder(gain, max(change, 0.0), samples, p.rsi_span, warm)
        loss = wilder(loss, max(-change, 0.0), samples, p.rsi_span, warm)
        total = gain + loss
        out[k] = 100.0 * gain / total if total > 0.0 else 0.0
    s.rsi_gain, s.rsi_loss = gain, loss


@kernel
def macd_run(p: FeatureParams, s: Any, rows: FloatArray, m: int, warm: bool) -> None:
    """MACD line, signal and histogram as fractions of the close.

    TA-Lib starts both averages on the bar where the slow one is known: the fast one's seed is the mean of the *last*
    ``macd_fast`` closes at that bar.
    """
    close, inv_close = rows[R_CLOSE], rows[R_INV_CLOSE]
    line, signal, histogram = rows[F_MACD], rows[F_MACD_SIGNAL], rows[F_MACD_HISTOGRAM]
    fast, slow, average = s.macd_fast, s.macd_slow, s.macd_signal
    for k in range(m):
        samples = s.bars + 1 + k
        fast = ema(fast, close[k], samples - (p.macd_slow - p.macd_fast), p.macd_fast, warm)
        slow = ema(slow, close[k], samples, p.macd_slow, warm)
        average = ema(average, fast - slow, samples - p.macd_slow + 1, p.macd_signal, warm)
        line[k] = (fast - slow) * inv_close[k]
        signal[k] = average * inv_close[k]
        histogram[k] = line[k] - signal[k]
    s.macd_fast, s.macd_slow, s.macd_signal = fast, slow, average


@kernel
def stoch_run(
    p: FeatureParams,
    w: Any,
    ring: FloatArray,
    slow_k_ring: FloatArray,
    slow_d_ring: FloatArray,
    rows: FloatArray,
    m: int,
) -> None:
    """Slow stochastic and Williams %R over the same high-low window; 0 where the window is flat (TA-Lib)."""
    close, top, bottom, fast_k = rows[R_CLOSE], rows[R_A], rows[R_B], rows[R_C]
    williams, slow_k, slow_d = rows[F_WILLIAMS_R], rows[F_STOCH_K], rows[F_STOCH_D]
    roll_extremes(w[W_STOCH], ring, rows[R_HIGH], rows[R_LOW], top, bottom, m)
    for k in range(m):
        width = top[k] - bottom[k]
        inverse = 100.0 / width if width > 0.0 else 0.0
        fast_k[k] = (close[k] - bottom[k]) * inverse
        williams[k] = (close[k] - top[k]) * inverse
    roll_sum(w[W_SLOW_K], slow_k_ring, fast_k, slow_k, m)
    inverse = 1.0 / p.stoch_slow_k
    for k in range(m):
        slow_k[k] *= inverse
    roll_sum(w[W_SLOW_D], slow_d_ring, slow_k, slow_d, m)
    inverse = 1.0 / p.stoch_slow_d
    for k in range(m):
        slow_d[k] *= inverse


@kernel
def cci_run(p: FeatureParams, history: FloatArray, past: FloatArray, rows: FloatArray, m: int) -> None:
    """CCI of Lambert: distance of the typical price from its mean in mean absolute deviations; 0 where flat (TA-Lib).

    A mean deviation needs every value of its window: O(span) per bar, with bars side by side so that they vectorise.
    """
    typical, mean, deviation, out = rows[R_TYPICAL], rows[R_A], rows[R_B], rows[F_CCI]
    extend(past, history, typical, m)
    for k in range(m):
        mean[k], deviation[k] = 0.0, 0.0
    for first in range(p.cci_span):
        lagged = past[first:]
        for k in range(m):
            mean[k] += lagged[k]
    inverse = 1.0 / p.cci_span
    for k in range(m):
        mean[k] *= inverse
    for first in range(p.cci_span):
        lagged = past[first:]
        for k in range(m):
            deviation[k] += abs(lagged[k] - mean[k])
    for k in range(m):
        scale = deviation[k] * inverse
        # Rounding leaves a flat window a deviation of some units in the last place, not zero.
        out[k] = (typical[k] - mean[k]) / (p.cci_scale * scale) if scale > p.flat_rel * typical[k] else 0.0


@kernel
def mfi_run(p: FeatureParams, w: Any, ring: FloatArray, rows: FloatArray, m: int) -> None:
    """Money flow index; 0 where nothing flowed in the window (TA-Lib)."""
    typical, previous, volume = rows[R_TYPICAL], rows[R_PREV_TYPICAL], rows[R_VOLUME]
    up, down, up_sum, down_sum, out = rows[R_A], rows[R_B], rows[R_C], rows[R_D], rows[F_MFI]
    for k in range(m):
        flow = typical[k] * volume[k]
        change, noise = typical[k] - previous[k], p.equal_rel * typical[k]
        up[k] = flow if change > noise else 0.0
        down[k] = flow if change < -noise else 0.0
    roll_sum(w[W_MFI_UP], ring[0], up, up_sum, m)
    roll_sum(w[W_MFI_DOWN], ring[1], down, down_sum, m)
    for k in range(m):
        total = up_sum[k] + down_sum[k]
        out[k] = 100.0 * up_sum[k] / total if total > 0.0 else 0.0
