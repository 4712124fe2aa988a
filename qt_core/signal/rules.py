"""Four rule signals that stand in for models until models are trained: trend, mean reversion, breakout, range.

Nothing here is learned. A rule gives a signed strength in -1..1 from one row of the chain context; the probabilities are
that strength on a made-up scale, chosen so that with the ensemble's weights (0.33, 0.30, 0.20, 0.17) and threshold 0.45
no rule acts alone and two that agree firmly do. They say nothing about how often such a call is right.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from qt_core._jit import entry, kernel
from qt_core.codes import (
    CTX_ADX,
    CTX_ATR_PCT,
    CTX_BOLLINGER_POSITION,
    CTX_DONCHIAN_HIGH,
    CTX_DONCHIAN_LOW,
    CTX_DONCHIAN_WIDTH_PCTILE,
    CTX_EMA_RATIO,
    CTX_MINUS_DI,
    CTX_PLUS_DI,
    CTX_RANGE_POSITION,
    CTX_RSI,
    CTX_VOLUME_RATIO,
)
from qt_core.errors import ConfigError, DataError
from qt_core.features.context import ChainContext
from qt_core.market import BoolArray, FloatArray, Market
from qt_core.numerics import clip
from qt_core.signal.tape import BUY, HOLD, N_CLASSES, N_MODELS, SELL, SignalTape

NAN = np.nan
TREND, MEAN_REVERSION, BREAKOUT, RANGE = 0, 1, 2, 3
RULE_NAMES = ("trend", "mean_reversion", "breakout", "range")
VERSION = 1


class Params(NamedTuple):
    """Thresholds of the four rules; a strength rises linearly between a ``_from`` and a ``_full`` value."""

    side_neutral: float = 0.2  # probability of BUY and of SELL at strength 0; HOLD has the rest
    side_peak: float = 0.9  # probability of the side at strength 1
    trend_adx_from: float = 18.0
    trend_adx_full: float = 32.0
    trend_gap_full: float = 1.0  # |EMA fast / EMA slow - 1| in ATR / close
    revert_band_from: float = 0.15  # distance from the nearer band, in band widths; below 0 = outside
    revert_band_full: float = -0.05
    revert_rsi_from: float = 42.0  # RSI of a BUY; a SELL mirrors at 100 - RSI
    revert_rsi_full: float = 28.0
    revert_adx_max: float = 40.0  # no reversion is called against a stronger trend
    breakout_volume_from: float = 0.5  # volume ratio
    breakout_volume_full: float = 1.5
    breakout_squeeze: float = 0.2  # a width percentile below this counts as a squeeze
    breakout_squeeze_bonus: float = 0.3  # strength added after a squeeze
    range_adx_max: float = 30.0
    range_edge_from: float = 0.20  # distance of the close from the nearer end of the range, 0..0.5
    range_edge_full: float = 0.05


RAMPS = ("trend_adx", "revert_band", "revert_rsi", "breakout_volume", "range_edge")  # names before _from and _full


def check_params(params: Params) -> Params:
    """Return ``params``, or refuse what would not give probabilities.

    Raises
    ------
    ConfigError
        Naming the key, what it is and what was expected.
    """
    for name, value in params._asdict().items():
        if not math.isfinite(value):
            raise ConfigError(f"signals.rules.{name}: {value!r}; a finite number expected")
    if not 0.0 <= params.side_neutral <= 0.5:
        raise ConfigError(f"signals.rules.side_neutral: {params.side_neutral!r}; a probability of at most 0.5 expected")
    if not params.side_neutral <= params.side_peak <= 1.0:
        raise ConfigError(f"signals.rules.side_peak: {params.side_peak!r}; side_neutral to 1 expected")
    for name in RAMPS:
        start, full = getattr(params, f"{name}_from"), getattr(params, f"{name}_full")
        if start == full:
            raise ConfigError(f"signals.rules.{name}_full: {full!r}; another value than {name}_from expected")
    if params.trend_gap_full <= 0.0:
        raise ConfigError(f"signals.rules.trend_gap_full: {params.trend_gap_full!r}; above 0 expected")
    return params


@kernel
def ramp(x: float, start: float, full: float) -> float:
    """0 at ``start``, 1 at ``full``, linear between, flat outside; either order of the two; NaN passes through."""
    return clip((x - start) / (full - start), 0.0, 1.0)


@kernel
def trend_rule(p: Params, adx: float, plus_di: float, minus_di: float, ema_ratio: float, atr_pct: float) -> float:
    """With the trend: averages and directional movement must agree; as strong as ADX and the averages' gap."""
    inputs = adx + plus_di + minus_di + ema_ratio + atr_pct  # NaN as soon as one of them is
    if inputs != inputs:
        return NAN
    up = ema_ratio > 0.0 and plus_di > minus_di
    down = ema_ratio < 0.0 and plus_di < minus_di
    if not (up or down):
        return 0.0
    strength = ramp(adx, p.trend_adx_from, p.trend_adx_full) * ramp(abs(ema_ratio), 0.0, p.trend_gap_full * atr_pct)
    return strength if up else -strength


@kernel
def mean_reversion_rule(p: Params, position: float, rsi: float, adx: float) -> float:
    """Back to the middle of the Bollinger bands: as strong as the weaker of band distance and RSI."""
    inputs = position + rsi + adx  # NaN as soon as one of them is
    if inputs != inputs:
        return NAN
    if adx > p.revert_adx_max:
        return 0.0
    buy = min(ramp(position, p.revert_band_from, p.revert_band_full), ramp(rsi, p.revert_rsi_from, p.revert_rsi_full))
    sell = min(
        ramp(1.0 - position, p.revert_band_from, p.revert_band_full),
        ramp(100.0 - rsi, p.revert_rsi_from, p.revert_rsi_full),
    )
    return buy - sell


@kernel
def breakout_rule(p: Params, close: float, high: float, low: float, width_pctile: float, volume_ratio: float) -> float:
    """Out of the Donchian channel: as strong as the volume behind it, more so after a squeeze."""
    inputs = close + high + low + width_pctile + volume_ratio  # NaN as soon as one of them is
    if inputs != inputs:
        return NAN
    if low <= close <= high:
        return 0.0
    strength = ramp(volume_ratio, p.breakout_volume_from, p.breakout_volume_full)
    if width_pctile < p.breakout_squeeze:
        strength = min(1.0, strength + p.breakout_squeeze_bonus)
    return strength if close > high else -strength


@kernel
def range_rule(p: Params, position: float, adx: float) -> float:
    """Buy low and sell high within the 48-bar range, only without a trend."""
    inputs = position + adx  # NaN as soon as one of them is
    if inputs != inputs:
        return NAN
    if adx > p.range_adx_max:
        return 0.0
    buy = ramp(position, p.range_edge_from, p.range_edge_full)
    sell = ramp(1.0 - position, p.range_edge_from, p.range_edge_full)
    return buy - sell


@kernel
def class_probabilities(p: Params, strength: float) -> tuple[float, float, float]:
    """(SELL, HOLD, BUY) of a signed strength; they sum to 1, the other two share what the side leaves."""
    side = p.side_neutral + (p.side_peak - p.side_neutral) * abs(strength)
    other = (1.0 - side) * p.side_neutral / (1.0 - p.side_neutral)
    hold = 1.0 - side - other
    if strength < 0.0:
        return side, hold, other
    return other, hold, side


@kernel
def rule_row(
    p: Params,
    context: FloatArray,
    t: int,
    i: int,
    close: float,
    eligible: bool,
    proba: npt.NDArray[np.float32],
    available: BoolArray,
) -> None:
    """Write ``proba[t, i]`` and ``available[t, i]``; a rule with a NaN input, or any on an ineligible bar, abstains."""
    adx = context[t, i, CTX_ADX]
    strengths = (
        trend_rule(
            p,
            adx,
            context[t, i, CTX_PLUS_DI],
            context[t, i, CTX_MINUS_DI],
            context[t, i, CTX_EMA_RATIO],
            context[t, i, CTX_ATR_PCT],
        ),
        mean_reversion_rule(p, context[t, i, CTX_BOLLINGER_POSITION], context[t, i, CTX_RSI], adx),
        breakout_rule(
            p,
            close,
            context[t, i, CTX_DONCHIAN_HIGH],
            context[t, i, CTX_DONCHIAN_LOW],
            context[t, i, CTX_DONCHIAN_WIDTH_PCTILE],
            context[t, i, CTX_VOLUME_RATIO],
        ),
        range_rule(p, context[t, i, CTX_RANGE_POSITION], adx),
    )
    for m in range(N_MODELS):
        known = eligible and strengths[m] == strengths[m]
        sell, hold, buy = class_probabilities(p, strengths[m] if known else 0.0)
        available[t, i, m] = known
        proba[t, i, m, SELL] = sell
        proba[t, i, m, HOLD] = hold
        proba[t, i, m, BUY] = buy


@entry
def rule_rows(
    p: Params,
    context: FloatArray,
    eligible: BoolArray,
    close: FloatArray,
    proba: npt.NDArray[np.float32],
    available: BoolArray,
) -> None:
    """Every row of ``context`` ``[T, N, CTX_COLUMNS]`` into ``proba`` ``[T, N, 4, 3]``; live passes T = 1."""
    for t in range(close.shape[0]):
        for i in range(close.shape[1]):
            rule_row(p, context, t, i, close[t, i], eligible[t, i], proba, available)


def rule_tape(market: Market, context: ChainContext, params: Params | None = None) -> SignalTape:
    """The four rules as a SignalTape, slots in the order of RULE_NAMES.

    Parameters
    ----------
    market : gives the closes. context : of the same market. params : thresholds; None = the defaults.

    Raises
    ------
    ConfigError
        If the thresholds do not give probabilities.
    DataError
        If the context is not of this market's shape.
    """
    p = check_params(params or Params())
    if context.eligible.shape != market.close.shape:
        raise DataError(
            f"context of {context.eligible.shape} bars and symbols; {market.close.shape} of the market expected"
        )
    shape = (market.n_bars, market.n_symbols, N_MODELS)
    proba = np.empty((*shape, N_CLASSES), dtype=np.float32)
    available = np.empty(shape, dtype=np.bool_)
    rule_rows(p, context.values, context.eligible, market.close, proba, available)
    model_id = np.tile(np.arange(N_MODELS, dtype=np.int64), (market.n_bars, 1))
    models = tuple({"name": f"rule_{name}", "kind": "rule", "train_cutoff_ms": None} for name in RULE_NAMES)
    return SignalTape(proba, available, model_id, models)
