"""The one list of features: name, column, warm-up, unit, span, source, and what a hole does.

Columns are append-only: models and stored rows name them by index. Names carry the spans in use, so another span is
another feature.
"""

from typing import NamedTuple

from qt_core.features.params import FeatureParams

(
    F_RSI,
    F_MACD,
    F_MACD_SIGNAL,
    F_MACD_HISTOGRAM,
    F_BOLLINGER_POSITION,
    F_BOLLINGER_WIDTH,
    F_ATR_PCT,
    F_ADX,
    F_PLUS_DI,
    F_MINUS_DI,
    F_STOCH_K,
    F_STOCH_D,
    F_CCI,
    F_WILLIAMS_R,
    F_MFI,
    F_OBV_SLOPE,
    F_VOLUME_RATIO,
    F_VWAP_DISTANCE,
    F_ROC_1,
    F_ROC_2,
    F_ROC_3,
    F_ROC_4,
    F_ROC_5,
    F_ROC_6,
    F_EMA_RATIO,
    F_EMA_FAST,
    F_EMA_SLOW,
    F_EMA_LONG,
    F_VOL_SHORT,
    F_VOL_MID,
    F_VOL_LONG,
    F_VOL_RATIO,
    F_RANGE_POSITION,
    F_DONCHIAN_POSITION,
    F_DONCHIAN_WIDTH,
    F_BODY,
    F_UPPER_WICK,
    F_LOWER_WICK,
    F_BAR_RANGE,
    F_HOUR,
    F_WEEKDAY,
    F_FUNDING_RATE,
    F_ATR_PCTILE,
    F_DONCHIAN_WIDTH_PCTILE,
    F_LIQUIDITY_RATIO,
    F_QUOTE_VOLUME_24H,
) = range(46)
N_FEATURES = 46

CARRY = "the missing bar is NaN and skipped; spans count valid bars; a hole above reset_gap_bars starts over"
BAR = "the missing bar is NaN; nothing is remembered"
SETTLED = "the missing bar is NaN; settlements during the hole count"


class FeatureSpec(NamedTuple):
    """One column of a FeatureFrame."""

    name: str
    column: int
    warm_up: int  # valid bars after which the value is known, itself included: 1 = from the first bar
    unit: str
    span: int  # bars; 0 = none
    source: str  # TA-Lib function or formula
    hole: str


def registry(params: FeatureParams) -> tuple[FeatureSpec, ...]:
    """Every feature in column order."""
    p = params
    rows = _momentum(p) + _volatility_and_trend(p) + _volume(p) + _change(p) + _shape(p) + _market(p)
    rows.sort(key=lambda row: row.column)
    return tuple(rows)


def feature_names(params: FeatureParams) -> tuple[str, ...]:
    """Names in column order."""
    return tuple(spec.name for spec in registry(params))


def _momentum(p: FeatureParams) -> list[FeatureSpec]:
    slow = p.stoch_span + p.stoch_slow_k - 1
    macd = p.macd_slow + p.macd_signal - 1
    spans = f"{p.macd_fast}_{p.macd_slow}_{p.macd_signal}"
    return [
        FeatureSpec(f"rsi_{p.rsi_span}", F_RSI, p.rsi_span + 1, "0..100", p.rsi_span, "TA-Lib RSI", CARRY),
        FeatureSpec(f"macd_{spans}", F_MACD, macd, "of close", p.macd_slow, "TA-Lib MACD / close", CARRY),
        FeatureSpec("macd_signal", F_MACD_SIGNAL, macd, "of close", p.macd_slow, "TA-Lib MACD signal / close", CARRY),
        FeatureSpec(
            "macd_histogram", F_MACD_HISTOGRAM, macd, "of close", p.macd_slow, "TA-Lib MACD hist / close", CARRY
        ),
        FeatureSpec(f"stoch_k_{p.stoch_span}", F_STOCH_K, slow, "0..100", p.stoch_span, "TA-Lib STOCH slow %K", CARRY),
        FeatureSpec(
            "stoch_d", F_STOCH_D, slow + p.stoch_slow_d - 1, "0..100", p.stoch_span, "TA-Lib STOCH slow %D", CARRY
        ),
        FeatureSpec(f"cci_{p.cci_span}", F_CCI, p.cci_span, "mean deviations", p.cci_span, "TA-Lib CCI", CARRY),
        FeatureSpec(
            f"williams_r_{p.stoch_span}", F_WILLIAMS_R, p.stoch_span, "-100..0", p.stoch_span, "TA-Lib WILLR", CARRY
        ),
        FeatureSpec(f"mfi_{p.mfi_span}", F_MFI, p.mfi_span + 1, "0..100", p.mfi_span, "TA-Lib MFI", CARRY),
    ]


def _volatility_and_trend(p: FeatureParams) -> list[FeatureSpec]:
    b, a, d = p.bollinger_span, p.atr_span, p.donchian_span
    days_30 = p.month_samples * p.sample_bars
    month = p.month_min_samples * p.sample_bars
    return [
        FeatureSpec(
            f"bollinger_position_{b}", F_BOLLINGER_POSITION, b, "0 lower, 1 upper", b, "(close - lower) / width", CARRY
        ),
        FeatureSpec(
            f"bollinger_width_{b}",
            F_BOLLINGER_WIDTH,
            b,
            "of middle",
            b,
            "TA-Lib BBANDS (upper - lower) / middle",
            CARRY,
        ),
        FeatureSpec(f"atr_pct_{a}", F_ATR_PCT, a + 1, "of close", a, "TA-Lib ATR / close", CARRY),
        FeatureSpec(f"adx_{a}", F_ADX, 2 * a, "0..100", a, "TA-Lib ADX", CARRY),
        FeatureSpec(f"plus_di_{a}", F_PLUS_DI, a + 1, "0..100", a, "TA-Lib PLUS_DI", CARRY),
        FeatureSpec(f"minus_di_{a}", F_MINUS_DI, a + 1, "0..100", a, "TA-Lib MINUS_DI", CARRY),
        FeatureSpec(
            f"donchian_position_{d}",
            F_DONCHIAN_POSITION,
            d + 1,
            "0 low, 1 high",
            d,
            "channel of the bars before",
            CARRY,
        ),
        FeatureSpec(f"donchian_width_{d}", F_DONCHIAN_WIDTH, d + 1, "of middle", d, "(high - low) / middle", CARRY),
        FeatureSpec(
            "atr_pctile",
            F_ATR_PCTILE,
            a + 1 + month,
            "0..1",
            days_30,
            "share of 30 days below",
            CARRY,
        ),
        FeatureSpec(
            "donchian_width_pctile",
            F_DONCHIAN_WIDTH_PCTILE,
            d + 1 + month,
            "0..1",
            days_30,
            "share of 30 days below",
            CARRY,
        ),
    ]


def _volume(p: FeatureParams) -> list[FeatureSpec]:
    v = p.volume_span
    days_30, days_7 = p.month_samples * p.sample_bars, p.month_min_samples * p.sample_bars
    return [
        FeatureSpec(f"obv_slope_{v}", F_OBV_SLOPE, v + 1, "-1..1", v, "change of TA-Lib OBV / TA-Lib SUM(volume)", CARRY),
        FeatureSpec(f"volume_ratio_{v}", F_VOLUME_RATIO, v, "ratio", v, "volume / TA-Lib SMA(volume)", CARRY),
        FeatureSpec(f"vwap_distance_{v}", F_VWAP_DISTANCE, v, "fraction", v, "close / rolling VWAP - 1", CARRY),
        FeatureSpec(
            "liquidity_ratio", F_LIQUIDITY_RATIO, p.day_bars + days_7 - 1, "ratio", days_30,
            "24 h quote volume / its 30-day median", CARRY,
        ),
        FeatureSpec("quote_volume_24h", F_QUOTE_VOLUME_24H, p.day_bars, "USD", p.day_bars, "sum over 24 h", CARRY),
    ]  # fmt: skip


def _change(p: FeatureParams) -> list[FeatureSpec]:
    lags = (p.roc_1, p.roc_2, p.roc_3, p.roc_4, p.roc_5, p.roc_6)
    rates = [
        FeatureSpec(f"roc_{lag}", F_ROC_1 + k, lag + 1, "fraction", lag, "TA-Lib ROCP", CARRY)
        for k, lag in enumerate(lags)
    ]
    emas = [
        FeatureSpec(f"ema_distance_{span}", F_EMA_FAST + k, span, "fraction", span, "close / TA-Lib EMA - 1", CARRY)
        for k, span in enumerate((p.ema_fast, p.ema_slow, p.ema_long))
    ]
    vols = [
        FeatureSpec(
            f"realised_vol_{w}", F_VOL_SHORT + k, w + 1, "per bar", w, "root mean square of simple returns", CARRY
        )
        for k, w in enumerate((p.vol_short, p.vol_mid, p.vol_long))
    ]
    last = max(p.vol_short, p.vol_long)
    ratio = FeatureSpec(
        f"ema_ratio_{p.ema_fast}_{p.ema_slow}", F_EMA_RATIO, p.ema_slow, "fraction", p.ema_slow,
        "TA-Lib EMA(fast) / EMA(slow) - 1", CARRY,
    )  # fmt: skip
    return [
        *rates,
        *emas,
        *vols,
        ratio,
        FeatureSpec("realised_vol_ratio", F_VOL_RATIO, last + 1, "ratio", last, "realised vol short / long", CARRY),
    ]


def _shape(p: FeatureParams) -> list[FeatureSpec]:
    w = p.range_span
    return [
        FeatureSpec(
            f"range_position_{w}", F_RANGE_POSITION, w, "0 low, 1 high", w, "high-low range with this bar", CARRY
        ),
        FeatureSpec("body", F_BODY, 1, "of bar range", 0, "(close - open) / (high - low), 0 on a flat bar", BAR),
        FeatureSpec("upper_wick", F_UPPER_WICK, 1, "of bar range", 0, "(high - max(open, close)) / (high - low)", BAR),
        FeatureSpec("lower_wick", F_LOWER_WICK, 1, "of bar range", 0, "(min(open, close) - low) / (high - low)", BAR),
        FeatureSpec("bar_range", F_BAR_RANGE, 1, "of close", 0, "(high - low) / close", BAR),
    ]


def _market(p: FeatureParams) -> list[FeatureSpec]:
    return [
        FeatureSpec("hour", F_HOUR, 1, "hours UTC, 0..24", 0, "open time within the day", BAR),
        FeatureSpec("weekday", F_WEEKDAY, 1, "Monday 0 .. Sunday 6", 0, "day of the open time, UTC", BAR),
        FeatureSpec(
            "funding_rate", F_FUNDING_RATE, 1, "fraction", 0, "last rate settled before the bar's close", SETTLED
        ),
    ]
