"""The pass over bars: one symbol-bar at a time, the same machine code for a whole market and for one live row."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from qt_core._jit import entry, kernel
from qt_core.codes import (
    CTX_ADX,
    CTX_ATR_PCT,
    CTX_ATR_PCTILE,
    CTX_BOLLINGER_POSITION,
    CTX_DONCHIAN_HIGH,
    CTX_DONCHIAN_LOW,
    CTX_DONCHIAN_WIDTH_PCTILE,
    CTX_EMA_RATIO,
    CTX_LIQUIDITY_RATIO,
    CTX_MINUS_DI,
    CTX_MOMENTUM,
    CTX_PLUS_DI,
    CTX_QUOTE_VOLUME_24H,
    CTX_RANGE_POSITION,
    CTX_RSI,
    CTX_VOLUME_RATIO,
)
from qt_core.features.oscillators import cci_step, macd_step, mfi_step, rsi_step, stoch_step
from qt_core.features.params import DAY_MS, FeatureParams
from qt_core.features.registry import (
    F_ADX,
    F_ATR_PCT,
    F_ATR_PCTILE,
    F_BOLLINGER_POSITION,
    F_DONCHIAN_WIDTH,
    F_DONCHIAN_WIDTH_PCTILE,
    F_EMA_RATIO,
    F_FUNDING_RATE,
    F_HOUR,
    F_LIQUIDITY_RATIO,
    F_MINUS_DI,
    F_PLUS_DI,
    F_QUOTE_VOLUME_24H,
    F_RANGE_POSITION,
    F_RSI,
    F_VOLUME_RATIO,
    F_WEEKDAY,
    N_FEATURES,
)
from qt_core.features.state import N_EXTREMES, N_ORDERS, N_WINDOWS, FeatureState
from qt_core.features.trend import average_step, change_step, directional_step
from qt_core.features.volatility import bollinger_step, channel_step, percentile_step, range_step, realised_step
from qt_core.features.volume import candle_step, liquidity_step, volume_step
from qt_core.market import BoolArray, FloatArray, IntArray

NAN = np.nan
TILE = 64  # bars of one symbol done in a row, so that its state stays in the nearest cache
HOUR_MS = 3_600_000
EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday


class Bars(NamedTuple):
    """Input rows: ``[T, N]`` C-ordered columns, ``time`` ``[T]``, and the funding settled by the last bar's close."""

    time: IntArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    quote_volume: FloatArray
    valid: BoolArray
    funding_time_ms: IntArray  # [F] sorted; only settlements not passed before
    funding_symbol: IntArray  # [F]
    funding_rate: FloatArray  # [F]


@entry
def update(
    params: FeatureParams,
    state: FeatureState,
    bars: Bars,
    features: FloatArray,
    context: FloatArray,
    eligible: npt.NDArray[np.bool_],
) -> None:
    """Advance ``state`` over ``bars`` and write every row.

    ``features`` is ``[T, N, N_FEATURES]``, or ``[1, N, N_FEATURES]`` scratch where the rows are not kept;
    ``context`` ``[T, N, CTX_COLUMNS]`` and ``eligible`` ``[T, N]``, or both with no rows. Live passes T = 1.
    """
    n_bars, n_symbols = bars.close.shape
    settled = 0
    for start in range(0, n_bars, TILE):
        stop = min(start + TILE, n_bars)
        settled = calendar_rows(params, state, bars, start, stop, settled, features)
        for i in range(n_symbols):
            for t in range(start, stop):
                row = t if features.shape[0] == n_bars else 0
                feature_step(params, state, bars, t, i, features, row, context, eligible)


@kernel
def calendar_rows(
    params: FeatureParams, state: FeatureState, bars: Bars, start: int, stop: int, settled: int, features: FloatArray
) -> int:
    """Hour, weekday and funding of a tile of bars; returns how many settlements have been used.

    A settlement is known at a bar's close if its time lies before it; one due at that very time is the next bar's.
    """
    keep = features.shape[0] == bars.time.shape[0]
    for t in range(start, stop):
        time = bars.time[t]
        while settled < bars.funding_time_ms.shape[0] and bars.funding_time_ms[settled] < time + params.timeframe_ms:
            state.symbol[bars.funding_symbol[settled]].funding_rate = bars.funding_rate[settled]
            settled += 1
        hour = (time % DAY_MS) / HOUR_MS
        weekday = (time // DAY_MS + EPOCH_WEEKDAY) % 7
        if keep:
            for i in range(bars.close.shape[1]):
                features[t, i, F_HOUR] = hour
                features[t, i, F_WEEKDAY] = weekday
                features[t, i, F_FUNDING_RATE] = state.symbol[i].funding_rate
    return settled


@kernel
def feature_step(
    params: FeatureParams,
    state: FeatureState,
    bars: Bars,
    t: int,
    i: int,
    features: FloatArray,
    row: int,
    context: FloatArray,
    eligible: npt.NDArray[np.bool_],
) -> None:
    """Advance symbol ``i`` by bar ``t``; writes ``features[row, i]``, and ``context[t, i]`` if it has rows."""
    s = state.symbol[i]
    channel_high, channel_low, momentum = NAN, NAN, NAN
    valid = bars.valid[t, i]
    if valid:
        if s.gap > params.reset_gap_bars:
            reset_symbol(state, s, i)
        s.gap = 0
        s.bars += 1
        channel_high, channel_low, momentum = bar_step(params, state, s, bars, t, i, features, row)
    else:
        s.gap += 1
        for column in range(N_FEATURES):
            features[row, i, column] = NAN
    if context.shape[0] > 0:
        context_row(features, row, context, t, i)
        context[t, i, CTX_DONCHIAN_HIGH] = channel_high
        context[t, i, CTX_DONCHIAN_LOW] = channel_low
        context[t, i, CTX_MOMENTUM] = momentum
        eligible[t, i] = valid and s.bars >= 2 * params.atr_span


@kernel
def bar_step(
    params: FeatureParams,
    state: FeatureState,
    s: Any,
    bars: Bars,
    t: int,
    i: int,
    out: FloatArray,
    row: int,
) -> tuple[float, float, float]:
    """Every family, one valid bar; returns (Donchian high, Donchian low, momentum)."""
    open_, high, low, close = bars.open[t, i], bars.high[t, i], bars.low[t, i], bars.close[t, i]
    volume, quote_volume = bars.volume[t, i], bars.quote_volume[t, i]
    typical = (high + low + close) / 3.0
    if volume != volume:
        volume = 0.0
    if quote_volume != quote_volume:
        quote_volume = volume * typical
    inv_close = 1.0 / close
    sampled = params.sample_bars == 1 or (bars.time[t] // params.timeframe_ms + 1) % params.sample_bars == 0
    rsi_step(params, s, close, out, row, i)
    macd_step(params, s, close, inv_close, out, row, i)
    stoch_step(params, state, s, high, low, close, out, row, i)
    cci_step(params, state, s, typical, out, row, i)
    mfi_step(params, state, s, typical, volume, out, row, i)
    directional_step(params, s, high, low, close, inv_close, out, row, i)
    average_step(params, s, close, out, row, i)
    momentum = change_step(params, state, s, close, inv_close, out, row, i)
    bollinger_step(params, state, s, close, out, row, i)
    realised_step(params, state, s, close, out, row, i)
    channel_high, channel_low = channel_step(params, state, s, high, low, close, out, row, i)
    range_step(params, state, s, high, low, close, out, row, i)
    percentile_step(params, state, sampled, out[row, i, F_ATR_PCT], out[row, i, F_DONCHIAN_WIDTH], out, row, i)
    volume_step(params, state, s, close, typical, volume, out, row, i)
    liquidity_step(params, state, s, sampled, quote_volume, out, row, i)
    candle_step(open_, high, low, close, inv_close, out, row, i)
    s.last_close, s.last_high, s.last_low, s.last_typical = close, high, low, typical
    return channel_high, channel_low, momentum


@kernel
def context_row(features: FloatArray, row: int, context: FloatArray, t: int, i: int) -> None:
    """Copy the context's columns out of a feature row."""
    context[t, i, CTX_ATR_PCT] = features[row, i, F_ATR_PCT]
    context[t, i, CTX_ATR_PCTILE] = features[row, i, F_ATR_PCTILE]
    context[t, i, CTX_ADX] = features[row, i, F_ADX]
    context[t, i, CTX_PLUS_DI] = features[row, i, F_PLUS_DI]
    context[t, i, CTX_MINUS_DI] = features[row, i, F_MINUS_DI]
    context[t, i, CTX_DONCHIAN_WIDTH_PCTILE] = features[row, i, F_DONCHIAN_WIDTH_PCTILE]
    context[t, i, CTX_LIQUIDITY_RATIO] = features[row, i, F_LIQUIDITY_RATIO]
    context[t, i, CTX_QUOTE_VOLUME_24H] = features[row, i, F_QUOTE_VOLUME_24H]
    context[t, i, CTX_RSI] = features[row, i, F_RSI]
    context[t, i, CTX_EMA_RATIO] = features[row, i, F_EMA_RATIO]
    context[t, i, CTX_BOLLINGER_POSITION] = features[row, i, F_BOLLINGER_POSITION]
    context[t, i, CTX_RANGE_POSITION] = features[row, i, F_RANGE_POSITION]
    context[t, i, CTX_VOLUME_RATIO] = features[row, i, F_VOLUME_RATIO]


@kernel
def reset_symbol(state: FeatureState, s: Any, i: int) -> None:
    """Forget everything but the funding rate. Ring contents stay: the counters say that they are not to be read."""
    s.bars, s.gap, s.close_pos, s.typical_pos = 0, 0, 0, 0
    s.rsi_gain, s.rsi_loss = 0.0, 0.0
    s.macd_fast, s.macd_slow, s.macd_signal = 0.0, 0.0, 0.0
    s.ema_fast, s.ema_slow, s.ema_long = 0.0, 0.0, 0.0
    s.atr, s.true_range, s.plus_dm, s.minus_dm, s.adx = 0.0, 0.0, 0.0, 0.0, 0.0
    for k in range(N_WINDOWS):
        w = state.window[i, k]
        w.pos, w.a, w.b, w.c = 0, 0.0, 0.0, 0.0
        if k < N_EXTREMES:
            w.a, w.b = -np.inf, np.inf
    for k in range(N_ORDERS):
        c = state.order[i, k]
        c.pos, c.count, c.below, c.equal = 0, 0, 0, 0
