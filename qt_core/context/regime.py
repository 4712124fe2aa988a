"""Regime: volatility, trend, liquidity and TP/SL class of one symbol at one bar. Rules; SPEC section 3 "Regime".

NaN policy: an unknown number gives the middle class (NORMAL, MODERATE, NORMAL) and no TP/SL class beyond what is known.
"""

from typing import Any, NamedTuple

from qt_core._jit import kernel
from qt_core.codes import (
    CTX_ADX,
    CTX_ATR_PCTILE,
    CTX_DONCHIAN_HIGH,
    CTX_DONCHIAN_LOW,
    CTX_DONCHIAN_WIDTH_PCTILE,
    CTX_LIQUIDITY_RATIO,
    LIQUIDITY_GOOD,
    LIQUIDITY_NORMAL,
    LIQUIDITY_POOR,
    TPSL_BREAKOUT,
    TPSL_NONE,
    TPSL_RANGING,
    TPSL_TRENDING,
    TREND_MODERATE,
    TREND_STRONG,
    TREND_WEAK,
    VOL_HIGH,
    VOL_LOW,
    VOL_NORMAL,
)

VERSION = 1

# the sizer's five classes
SIZER_LOW_VOL_RANGING, SIZER_LOW_VOL_TRENDING, SIZER_HIGH_VOL_RANGING, SIZER_HIGH_VOL_TRENDING, SIZER_NEUTRAL = range(5)
SIZER_NAMES = ("low_vol_ranging", "low_vol_trending", "high_vol_ranging", "high_vol_trending", "neutral")


class Params(NamedTuple):
    """Constants of this module; defaults are SPEC's."""

    vol_low: float = 0.33  # percentile of ATR% in the trailing 30 days
    vol_high: float = 0.67
    adx_weak: float = 20.0  # ADX14 points
    adx_strong: float = 25.0
    liquidity_poor: float = 0.5  # 24 h quote volume / its 30-day median
    liquidity_good: float = 1.5
    squeeze: float = 0.2  # Donchian width percentile below which leaving the band is a breakout


BOUNDS = {
    "vol_low": (0.0, 1.0),
    "vol_high": (0.0, 1.0),
    "adx_weak": (0.0, 100.0),
    "adx_strong": (0.0, 100.0),
    "liquidity_poor": (0.0, 100.0),
    "liquidity_good": (0.0, 100.0),
    "squeeze": (0.0, 1.0),
}
CHOICES: dict[str, tuple[str, ...]] = {}


class Classes(NamedTuple):
    """Codes of ``qt_core.codes``."""

    volatility: int
    trend: int
    liquidity: int
    tpsl: int


@kernel
def volatility_class(p: Params, atr_percentile: float) -> int:
    """LOW below 0.33, HIGH above 0.67, else NORMAL."""
    if atr_percentile < p.vol_low:
        return VOL_LOW
    if atr_percentile > p.vol_high:
        return VOL_HIGH
    return VOL_NORMAL


@kernel
def trend_class(p: Params, adx: float) -> int:
    """WEAK below ADX 20, STRONG above 25, else MODERATE."""
    if adx < p.adx_weak:
        return TREND_WEAK
    if adx > p.adx_strong:
        return TREND_STRONG
    return TREND_MODERATE


@kernel
def liquidity_class(p: Params, ratio: float) -> int:
    """POOR below 0.5, GOOD above 1.5, else NORMAL."""
    if ratio < p.liquidity_poor:
        return LIQUIDITY_POOR
    if ratio > p.liquidity_good:
        return LIQUIDITY_GOOD
    return LIQUIDITY_NORMAL


@kernel
def tpsl_class(p: Params, trend: int, close: float, band_high: float, band_low: float, width_percentile: float) -> int:
    """BREAKOUT where the close leaves a band that was narrow; else STRONG = TRENDING, WEAK = RANGING, otherwise none."""
    if width_percentile < p.squeeze and (close > band_high or close < band_low):
        return TPSL_BREAKOUT
    if trend == TREND_STRONG:
        return TPSL_TRENDING
    if trend == TREND_WEAK:
        return TPSL_RANGING
    return TPSL_NONE


@kernel
def sizer_class(volatility: int, trend: int) -> int:
    """The RL sizer's five classes: HIGH is high_vol, else low_vol; STRONG trending, WEAK ranging, MODERATE neutral."""
    if trend == TREND_MODERATE:
        return SIZER_NEUTRAL
    high = 2 if volatility == VOL_HIGH else 0
    return high + (1 if trend == TREND_STRONG else 0)


@kernel
def classify(p: Params, ctx: Any, t: int, i: int, close: float) -> Classes:
    """Classes of symbol ``i`` at row ``t`` of ``ctx[T, N, CTX_COLUMNS]``."""
    trend = trend_class(p, ctx[t, i, CTX_ADX])
    return Classes(
        volatility_class(p, ctx[t, i, CTX_ATR_PCTILE]),
        trend,
        liquidity_class(p, ctx[t, i, CTX_LIQUIDITY_RATIO]),
        tpsl_class(
            p,
            trend,
            close,
            ctx[t, i, CTX_DONCHIAN_HIGH],
            ctx[t, i, CTX_DONCHIAN_LOW],
            ctx[t, i, CTX_DONCHIAN_WIDTH_PCTILE],
        ),
    )
