"""Spans and thresholds of every indicator, all in bars; day and month follow from the bar length."""

from typing import NamedTuple

from qt_core.errors import ConfigError

DAY_MS = 86_400_000
HOUR_MS = 3_600_000


class FeatureParams(NamedTuple):
    """Spans in bars unless the comment says otherwise. Make it with :func:`default_params`."""

    timeframe_ms: int  # bar length, ms
    day_bars: int  # bars in 24 h
    sample_bars: int  # bars between two samples of the 30-day statistics: 1 from hourly bars up, else an hour
    month_samples: int  # samples in 30 days: window of the percentiles and of the median volume
    month_min_samples: int  # samples from which percentile and median are given (7 days)
    reset_gap_bars: int = 24  # a hole longer than this forgets the symbol's past; a shorter one is stepped over
    rsi_span: int = 14
    macd_fast: int = 12
    macd_slow: int = 26
    macd_signal: int = 9
    bollinger_span: int = 20
    bollinger_sigma: float = 2.0  # half width in standard deviations
    flat_rel: float = 1e-8  # a standard deviation below this fraction of the price counts as none
    atr_span: int = 14  # also of ADX and the directional indicators
    stoch_span: int = 14  # high-low range of stochastic and Williams %R
    stoch_slow_k: int = 3
    stoch_slow_d: int = 3
    cci_span: int = 14
    cci_scale: float = 0.015  # Lambert's constant
    mfi_span: int = 14
    equal_rel: float = 1e-12  # typical prices closer than this fraction are equal (they are sums of three roundings)
    donchian_span: int = 20  # bars before the current one
    range_span: int = 48  # bars including the current one
    volume_span: int = 24  # volume ratio, OBV slope, VWAP
    ema_fast: int = 12
    ema_slow: int = 48
    ema_long: int = 168
    roc_1: int = 1  # bars back, six rates of change
    roc_2: int = 3
    roc_3: int = 6
    roc_4: int = 12
    roc_5: int = 24
    roc_6: int = 72
    momentum_span: int = 24  # of the chain context
    vol_short: int = 12  # realised volatility, three windows
    vol_mid: int = 24
    vol_long: int = 72


def default_params(timeframe_ms: int) -> FeatureParams:
    """Params for a bar length: 24 h and 30 days keep their meaning, the other spans stay bar counts.

    Raises
    ------
    ConfigError
        If the bar is no whole fraction of a day.
    """
    if timeframe_ms <= 0 or DAY_MS % timeframe_ms != 0:
        raise ConfigError(f"timeframe of {timeframe_ms} ms: a whole fraction of a day expected (86400000 ms)")
    day = DAY_MS // timeframe_ms
    every = max(1, HOUR_MS // timeframe_ms)
    return check_params(
        FeatureParams(timeframe_ms, day, every, 30 * day // every, 7 * day // every, reset_gap_bars=day)
    )


def check_params(params: FeatureParams) -> FeatureParams:
    """Return ``params`` with exact types, or refuse them.

    Raises
    ------
    ConfigError
        Naming the field, what it is and what was expected.
    """
    fixed = {name: type(default)(getattr(params, name)) for name, default in _TYPES.items()}
    for name, default in _TYPES.items():
        value, low = fixed[name], _LOWEST.get(name, 1)
        if value != getattr(params, name):
            raise ConfigError(f"features.{name} = {getattr(params, name)!r}: {type(default).__name__} expected")
        if not low <= value < float("inf"):
            raise ConfigError(f"features.{name} = {value}: at least {low} expected")
    for low_name, high_name in _ORDERED:
        if not fixed[low_name] < fixed[high_name]:
            raise ConfigError(
                f"features.{low_name} = {fixed[low_name]}: below {high_name} = {fixed[high_name]} expected"
            )
    return FeatureParams(**fixed)


_TYPES = {**dict.fromkeys(FeatureParams._fields, 0), **FeatureParams._field_defaults}
_LOWEST: dict[str, float] = {
    **dict.fromkeys((n for n in FeatureParams._fields if n.endswith("_span") or n.startswith("vol_")), 2),
    **{
        "month_samples": 2,
        "month_min_samples": 1,
        "reset_gap_bars": 0,
        "macd_fast": 2,
        "ema_fast": 2,
        "donchian_span": 1,
    },
    **{"bollinger_sigma": 1e-9, "flat_rel": 0.0, "cci_scale": 1e-9, "equal_rel": 0.0, "momentum_span": 1},
}
_ORDERED = (("macd_fast", "macd_slow"), ("ema_fast", "ema_slow"), ("ema_slow", "ema_long"))
