"""The features as one would make them without kernels: TA-Lib in batch, numpy for the rest, pandas for the 30 days.

``bare_calls`` are TA-Lib's calls alone, their results kept and nothing made of them; ``columns`` goes on to the very
columns of the FeatureFrame.
"""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import talib

from qt_core.features.params import FeatureParams
from qt_core.market import Market

Column: TypeAlias = npt.NDArray[np.float64]
Table: TypeAlias = dict[str, Column]

NAN = float("nan")
INPUTS = ("open", "high", "low", "close", "volume", "quote_volume")


def inputs_of(market: Market) -> list[Table]:
    """Contiguous columns per symbol, made outside the time."""
    return [{k: np.ascontiguousarray(getattr(market, k)[:, i]) for k in INPUTS} for i in range(market.n_symbols)]


def lag(x: Column, n: int) -> Column:
    """``x`` of ``n`` bars ago."""
    out = np.full(len(x), NAN)
    out[n:] = x[:-n]
    return out


def bare_calls(p: FeatureParams, b: Table, typical_volume: Column, squares: Column) -> list[Column]:
    """The TA-Lib calls behind the columns, results in a fixed order (see ``columns``)."""
    high, low, close, volume = b["high"], b["low"], b["close"], b["volume"]
    return [
        talib.RSI(close, p.rsi_span),
        *talib.MACD(close, p.macd_fast, p.macd_slow, p.macd_signal),
        *talib.BBANDS(close, p.bollinger_span, p.bollinger_sigma, p.bollinger_sigma),
        talib.ATR(high, low, close, p.atr_span),
        talib.ADX(high, low, close, p.atr_span),
        talib.PLUS_DI(high, low, close, p.atr_span),
        talib.MINUS_DI(high, low, close, p.atr_span),
        *talib.STOCH(high, low, close, p.stoch_span, p.stoch_slow_k, 0, p.stoch_slow_d, 0),
        talib.CCI(high, low, close, p.cci_span),
        talib.WILLR(high, low, close, p.stoch_span),
        talib.MFI(high, low, close, volume, p.mfi_span),
        talib.OBV(close, volume),
        talib.SUM(volume, p.volume_span),
        talib.SUM(typical_volume, p.volume_span),
        *(talib.ROCP(close, n) for n in (p.roc_1, p.roc_2, p.roc_3, p.roc_4, p.roc_5, p.roc_6)),
        *(talib.EMA(close, n) for n in (p.ema_fast, p.ema_slow, p.ema_long)),
        *(talib.SUM(squares, n) for n in (p.vol_short, p.vol_mid, p.vol_long)),
        talib.MAX(high, p.range_span),
        talib.MIN(low, p.range_span),
        talib.MAX(high, p.donchian_span),
        talib.MIN(low, p.donchian_span),
        talib.SUM(b["quote_volume"], p.day_bars),
    ]


def prepared(b: Table) -> tuple[Column, Column]:
    """Two inputs of ``bare_calls`` that TA-Lib has no function for: typical price * volume, squared returns."""
    typical_volume = (b["high"] + b["low"] + b["close"]) / 3.0 * b["volume"]
    squares = np.zeros(len(typical_volume))
    squares[1:] = (b["close"][1:] / b["close"][:-1] - 1.0) ** 2
    return typical_volume, squares


def columns(p: FeatureParams, b: Table) -> list[Column]:
    """The FeatureFrame's columns in order, without hour, weekday and funding, the 30-day statistics last."""
    c = bare_calls(p, b, *prepared(b))
    rsi, line, signal, histogram, upper, middle, lower, atr, adx, plus, minus, slow_k, slow_d = c[:13]
    cci, williams, mfi, obv, volume, value = c[13:19]
    rates, averages, squares = c[19:25], c[25:28], c[28:31]
    top, bottom, channel_top, channel_bottom, day = c[31:36]
    close, spread = b["close"], b["high"] - b["low"]
    high, low = lag(channel_top, 1), lag(channel_bottom, 1)
    inverse = np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 0.0)
    per = (p.vol_short, p.vol_mid, p.vol_long)
    vols = [np.sqrt(np.maximum(s, 0.0) / n) for s, n in zip(squares, per, strict=True)]
    width = 2.0 * (high - low) / (high + low)
    return [
        rsi, line / close, signal / close, histogram / close,
        (close - lower) / (upper - lower), (upper - lower) / middle,
        atr / close, adx, plus, minus, slow_k, slow_d, cci, williams, mfi,
        (obv - lag(obv, p.volume_span)) / volume, b["volume"] * p.volume_span / volume, close * volume / value - 1.0,
        *rates,
        averages[0] / averages[1] - 1.0, *(close / a - 1.0 for a in averages),
        *vols, vols[0] / vols[2],
        (close - bottom) / (top - bottom), (close - low) / (high - low), width,
        (close - b["open"]) * inverse, (b["high"] - np.maximum(b["open"], close)) * inverse,
        (np.minimum(b["open"], close) - b["low"]) * inverse, spread / close, day,
        percentile(p, atr / close), percentile(p, width), day / median(p, day),
    ]  # fmt: skip


def percentile(p: FeatureParams, x: Column) -> Column:
    """Share of the ``month_samples`` values before each bar that are strictly below it."""
    window = pd.Series(x).rolling(p.month_samples + 1, min_periods=p.month_min_samples + 1)
    return np.asarray((window.rank(method="min") - 1.0) / (window.count() - 1.0))


def median(p: FeatureParams, x: Column) -> Column:
    """Median of the last ``month_samples`` values."""
    return np.asarray(pd.Series(x).rolling(p.month_samples, min_periods=p.month_min_samples).median())
