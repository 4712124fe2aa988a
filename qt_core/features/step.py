"""The pass over bars: tiles of one symbol at a time, the same machine code for a whole market and for one live row."""

from typing import Any, NamedTuple

import numpy as np

from qt_core._jit import entry, kernel
from qt_core.codes import (
    CTX_ADX,
    CTX_ATR_PCT,
    CTX_ATR_PCTILE,
    CTX_BOLLINGER_POSITION,
    CTX_COLUMNS,
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
from qt_core.features.oscillators import cci_run, macd_run, mfi_run, rsi_run, stoch_run
from qt_core.features.params import DAY_MS, HOUR_MS, FeatureParams
from qt_core.features.registry import (
    F_ADX,
    F_ATR_PCT,
    F_ATR_PCTILE,
    F_BOLLINGER_POSITION,
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
from qt_core.features.trend import average_run, change_run, directional_run
from qt_core.features.volatility import bollinger_run, candle_run, channel_run, range_run, rank_run, realised_run
from qt_core.features.volume import liquidity_run, volume_run
from qt_core.features.work import (
    N_OUTPUTS,
    R_CHANNEL_HIGH,
    R_CHANNEL_LOW,
    R_CLOSE,
    R_HIGH,
    R_INV_CLOSE,
    R_LOW,
    R_MOMENTUM,
    R_OPEN,
    R_PREV_CLOSE,
    R_PREV_HIGH,
    R_PREV_LOW,
    R_PREV_TYPICAL,
    R_QUOTE,
    R_TYPICAL,
    R_VOLUME,
    TILE,
    Work,
)
from qt_core.market import BoolArray, FloatArray, IntArray

NAN = np.nan
EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday

# Feature row of every context column.
CONTEXT_ROWS = np.zeros(CTX_COLUMNS, dtype=np.int64)
CONTEXT_ROWS[CTX_ATR_PCT] = F_ATR_PCT
CONTEXT_ROWS[CTX_ATR_PCTILE] = F_ATR_PCTILE
CONTEXT_ROWS[CTX_ADX] = F_ADX
CONTEXT_ROWS[CTX_PLUS_DI] = F_PLUS_DI
CONTEXT_ROWS[CTX_MINUS_DI] = F_MINUS_DI
CONTEXT_ROWS[CTX_DONCHIAN_HIGH] = R_CHANNEL_HIGH
CONTEXT_ROWS[CTX_DONCHIAN_LOW] = R_CHANNEL_LOW
CONTEXT_ROWS[CTX_DONCHIAN_WIDTH_PCTILE] = F_DONCHIAN_WIDTH_PCTILE
CONTEXT_ROWS[CTX_LIQUIDITY_RATIO] = F_LIQUIDITY_RATIO
CONTEXT_ROWS[CTX_QUOTE_VOLUME_24H] = F_QUOTE_VOLUME_24H
CONTEXT_ROWS[CTX_RSI] = F_RSI
CONTEXT_ROWS[CTX_EMA_RATIO] = F_EMA_RATIO
CONTEXT_ROWS[CTX_BOLLINGER_POSITION] = F_BOLLINGER_POSITION
CONTEXT_ROWS[CTX_RANGE_POSITION] = F_RANGE_POSITION
CONTEXT_ROWS[CTX_VOLUME_RATIO] = F_VOLUME_RATIO
CONTEXT_ROWS[CTX_MOMENTUM] = R_MOMENTUM


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


class Rows(NamedTuple):
    """Output rows; an array without rows (shape[0] == 0) is not wanted and not written."""

    features: FloatArray  # [T, N, N_FEATURES]
    context: FloatArray  # [T, N, CTX_COLUMNS]
    eligible: BoolArray  # [T, N]


@entry
def update(params: FeatureParams, state: FeatureState, work: Work, bars: Bars, out: Rows) -> None:
    """Advance ``state`` over ``bars`` and write their rows of ``out``. Live passes T = 1.

    Tile by tile, symbol by symbol: runs of valid bars go through the families, missing bars become NaN. One function, as
    every level of nesting would have the compiler optimise the same code once more.
    """
    n_bars, n_symbols = bars.close.shape
    longest, seeded = work.warm_up[N_OUTPUTS], work.warm_up[N_OUTPUTS + 1]
    settled = 0 * longest  # an int64: a literal 0 would compile a second calendar_rows
    p, rows, past = params, work.rows, work.past
    for start in range(0, n_bars, TILE):
        stop = min(start + TILE, n_bars)
        settled = calendar_rows(params, state.symbol, work, bars, start, stop, settled)
        for i in range(n_symbols):
            s, w, c = state.symbol[i], state.window[i], state.order[i]
            t = start
            while t < stop:
                if not bars.valid[t, i]:
                    s.gap += 1
                    write_missing(out, t, i)
                    t += 1
                    continue
                if s.gap > p.reset_gap_bars:
                    reset_symbol(s, w, c)
                s.gap = 0
                m = run_length(bars.valid, t, stop, i)
                load_run(work, s, bars, t, t - start, m, i)
                sampled, warm = work.sampled[t - start :], s.bars > seeded
                rsi_run(p, s, rows, m, warm)
                macd_run(p, s, rows, m, warm)
                directional_run(p, s, rows, m, warm)
                average_run(p, s, rows, m, warm)
                stoch_run(p, w, state.stoch[i], state.slow_k[i], state.slow_d[i], rows, m)
                cci_run(p, state.typical[i], past, rows, m)
                mfi_run(p, w, state.mfi[i], rows, m)
                change_run(p, state.inv_close[i], past, rows, m)
                bollinger_run(p, s, w, state.bollinger[i], rows, m)
                realised_run(p, w, state.vol_short[i], state.vol_mid[i], state.vol_long[i], rows, m)
                channel_run(s, w, state.donchian[i], rows, m)
                range_run(w, state.range[i], rows, m)
                rank_run(p, s, c, state.atr_month[i], state.width_month[i], sampled, rows, m)
                volume_run(p, w, state.volume[i], rows, m)
                liquidity_run(p, s, w, c, state.day[i], state.day_month[i], state.day_bits[i], sampled, rows, m)
                candle_run(rows, m)
                if s.bars < longest:
                    blank_warm_up(rows, work.warm_up, s.bars, m)
                write_run(out, rows, s.bars, 2 * p.atr_span, t, m, i)
                s.bars += m
                t += m


@kernel
def run_length(valid: BoolArray, t: int, stop: int, i: int) -> int:
    """Consecutive valid bars from ``t`` on, before ``stop``."""
    m = 1
    while t + m < stop and valid[t + m, i]:
        m += 1
    return m


@kernel
def calendar_rows(p: FeatureParams, symbol: Any, work: Work, bars: Bars, start: int, stop: int, settled: int) -> int:
    """Hour, weekday, sampling flag and funding of a tile; returns how many settlements have been used.

    A settlement is known at a bar's close if its time lies before it; one due at that very time is the next bar's.
    """
    for t in range(start, stop):
        k, time = t - start, bars.time[t]
        close_ms = time + p.timeframe_ms
        while settled < bars.funding_time_ms.shape[0] and bars.funding_time_ms[settled] < close_ms:
            symbol[bars.funding_symbol[settled]].funding_rate = bars.funding_rate[settled]
            settled += 1
        work.hour[k] = (time % DAY_MS) / HOUR_MS
        work.weekday[k] = (time // DAY_MS + EPOCH_WEEKDAY) % 7
        work.sampled[k] = 1 if (close_ms // p.timeframe_ms) % p.sample_bars == 0 else 0
        for i in range(bars.close.shape[1]):
            work.funding[k, i] = symbol[i].funding_rate
    return settled


@kernel
def load_run(work: Work, s: Any, bars: Bars, t: int, column: int, m: int, i: int) -> None:
    """Inputs of ``m`` bars from ``t`` on as contiguous rows, with the values of the bar before each.

    ``column`` is the run's place in the tile. The symbol's last bar is brought up to date.
    """
    rows = work.rows
    open_, high, low, close = rows[R_OPEN], rows[R_HIGH], rows[R_LOW], rows[R_CLOSE]
    volume, quote, typical, inv_close = rows[R_VOLUME], rows[R_QUOTE], rows[R_TYPICAL], rows[R_INV_CLOSE]
    for k in range(m):
        open_[k], high[k], low[k], close[k] = (
            bars.open[t + k, i],
            bars.high[t + k, i],
            bars.low[t + k, i],
            bars.close[t + k, i],
        )
        volume[k], quote[k] = bars.volume[t + k, i], bars.quote_volume[t + k, i]
        rows[F_HOUR, k], rows[F_WEEKDAY, k] = work.hour[column + k], work.weekday[column + k]
        rows[F_FUNDING_RATE, k] = work.funding[column + k, i]
    for k in range(m):
        inv_close[k] = 1.0 / close[k]
        typical[k] = (high[k] + low[k] + close[k]) / 3.0
        volume[k] = volume[k] if volume[k] == volume[k] else 0.0
        quote[k] = quote[k] if quote[k] == quote[k] else volume[k] * typical[k]
    if s.bars == 0:  # the first bar is its own predecessor: no change
        s.last_high, s.last_low, s.last_close, s.last_typical = high[0], low[0], close[0], typical[0]
    s.last_high = shift(high, rows[R_PREV_HIGH], s.last_high, m)
    s.last_low = shift(low, rows[R_PREV_LOW], s.last_low, m)
    s.last_close = shift(close, rows[R_PREV_CLOSE], s.last_close, m)
    s.last_typical = shift(typical, rows[R_PREV_TYPICAL], s.last_typical, m)


@kernel
def shift(x: FloatArray, previous: FloatArray, before: float, m: int) -> float:
    """``previous[k] = x[k - 1]``, with ``before`` at 0; returns the last of ``x``."""
    previous[0] = before
    following = previous[1:]
    for k in range(m - 1):
        following[k] = x[k]
    last: float = x[m - 1]
    return last


@kernel
def blank_warm_up(rows: FloatArray, warm_up: IntArray, bars_before: int, m: int) -> None:
    """NaN wherever a row is not known yet by the registry's warm-up."""
    for row in range(N_OUTPUTS):
        for k in range(min(m, warm_up[row] - 1 - bars_before)):
            rows[row, k] = NAN


@kernel
def write_run(out: Rows, rows: FloatArray, bars_before: int, warm: int, t: int, m: int, i: int) -> None:
    """Rows of the work into rows of the output, from bar ``t`` on; eligible from ``warm`` bars on."""
    if out.features.shape[0] > 0:
        for k in range(m):
            for column in range(N_FEATURES):
                out.features[t + k, i, column] = rows[column, k]
    if out.context.shape[0] > 0:
        for k in range(m):
            for column in range(CTX_COLUMNS):
                out.context[t + k, i, column] = rows[CONTEXT_ROWS[column], k]
            out.eligible[t + k, i] = bars_before + k + 1 >= warm


@kernel
def write_missing(out: Rows, t: int, i: int) -> None:
    """A missing bar: NaN and not eligible."""
    if out.features.shape[0] > 0:
        for column in range(N_FEATURES):
            out.features[t, i, column] = NAN
    if out.context.shape[0] > 0:
        for column in range(CTX_COLUMNS):
            out.context[t, i, column] = NAN
        out.eligible[t, i] = False


@kernel
def reset_symbol(s: Any, windows: Any, orders: Any) -> None:
    """Forget everything but the funding rate. Ring contents stay: the counters say that they are not to be read."""
    s.bars = 0
    for k in range(N_WINDOWS):
        w = windows[k]
        w.pos, w.a, w.b, w.c = 0, 0.0, 0.0, 0.0
        if k < N_EXTREMES:
            w.a, w.b = -np.inf, np.inf
    for k in range(N_ORDERS):
        c = orders[k]
        c.pos, c.count, c.below, c.equal = 0, 0, 0, 0
