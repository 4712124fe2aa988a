"""Every feature from its definition, one window at a time, in plain Python and numpy: slow, obvious, no state.

``features_naive`` takes the consecutive bars of one symbol. Sums use ``math.fsum``, windows are slices, averages follow
Wilder's and Appel's own words with TA-Lib's seeds. Nothing here is shared with qt_core.features but the params.
"""

import math
from collections.abc import Callable

import numpy as np

from qt_core.features.params import FeatureParams

NAN = float("nan")
Series = np.ndarray
FLAT = 1e-8  # a deviation below this fraction of the price is rounding


def ratio(a: float, b: float, otherwise: float = NAN) -> float:
    return a / b if b != 0.0 else otherwise


def windows(n: int, span: int, value: Callable[[int, int], float]) -> Series:
    """``value(first, last + 1)`` of the window that ends at each bar; NaN before there are ``span`` bars."""
    return np.array([value(t - span + 1, t + 1) if t + 1 >= span else NAN for t in range(n)])


def wilder_mean(x: Series, span: int, first: int) -> Series:
    """Wilder's average of ``x[first:]``, seeded with the mean of its first ``span`` values."""
    out = np.full(len(x), NAN)
    start = first + span - 1
    if start >= len(x):
        return out
    out[start] = math.fsum(x[first : start + 1]) / span
    for t in range(start + 1, len(x)):
        out[t] = (out[t - 1] * (span - 1) + x[t]) / span
    return out


def wilder_total(x: Series, span: int) -> Series:
    """Wilder's sum of ``x[1:]``: the first ``span - 1`` values plainly, then less a share of itself each bar."""
    out = np.full(len(x), NAN)
    total = math.fsum(x[1:span])
    for t in range(span, len(x)):
        total = total * (span - 1) / span + x[t]
        out[t] = total
    return out


def ema(x: Series, span: int, first: int = 0) -> Series:
    """Exponential average of ``x[first:]``, seeded with the mean of its first ``span`` values."""
    out = np.full(len(x), NAN)
    start = first + span - 1
    if start >= len(x):
        return out
    out[start] = math.fsum(x[first : start + 1]) / span
    keep = 1.0 - 2.0 / (span + 1)
    for t in range(start + 1, len(x)):
        out[t] = out[t - 1] * keep + x[t] * (1.0 - keep)
    return out


def change(x: Series) -> Series:
    """Difference to the bar before; 0 at the first."""
    return np.concatenate(([0.0], np.diff(x)))


def lagged(x: Series, lag: int) -> Series:
    return np.concatenate((np.full(min(lag, len(x)), NAN), x[: max(len(x) - lag, 0)]))


def momentum(p: FeatureParams, bars: dict[str, Series]) -> dict[str, Series]:
    high, low, close, volume = (bars[k] for k in ("high", "low", "close", "volume"))
    n, step = len(close), change(close)
    gain, loss = (wilder_mean(np.maximum(s, 0.0), p.rsi_span, 1) for s in (step, -step))
    rsi = [NAN if math.isnan(g) else 100.0 * ratio(g, g + x, 0.0) for g, x in zip(gain, loss, strict=True)]
    line = ema(close, p.macd_fast, p.macd_slow - p.macd_fast) - ema(close, p.macd_slow)
    signal = ema(line, p.macd_signal, p.macd_slow - 1)
    line = np.where(np.isnan(signal), NAN, line)
    top = windows(n, p.stoch_span, lambda a, b: max(high[a:b]))
    bottom = windows(n, p.stoch_span, lambda a, b: min(low[a:b]))
    fast_k = np.array([100.0 * ratio(c - lo, hi - lo, 0.0) for c, lo, hi in zip(close, bottom, top, strict=True)])
    slow_k = windows(n, p.stoch_slow_k, lambda a, b: math.fsum(fast_k[a:b]) / p.stoch_slow_k)
    slow_d = windows(n, p.stoch_slow_d, lambda a, b: math.fsum(slow_k[a:b]) / p.stoch_slow_d)
    williams = np.array([-100.0 * ratio(hi - c, hi - lo, 0.0) for c, lo, hi in zip(close, bottom, top, strict=True)])
    typical = (high + low + close) / 3.0
    return {
        f"rsi_{p.rsi_span}": np.array(rsi),
        f"macd_{p.macd_fast}_{p.macd_slow}_{p.macd_signal}": line / close,
        "macd_signal": signal / close,
        "macd_histogram": (line - signal) / close,
        f"stoch_k_{p.stoch_span}": slow_k,
        "stoch_d": slow_d,
        f"williams_r_{p.stoch_span}": williams,
        f"cci_{p.cci_span}": windows(n, p.cci_span, lambda a, b: commodity_channel(typical[a:b])),
        f"mfi_{p.mfi_span}": money_flow(p, typical, volume),
    }


def commodity_channel(x: Series) -> float:
    mean = math.fsum(x) / len(x)
    deviation = math.fsum(abs(x - mean)) / len(x)
    return (x[-1] - mean) / (0.015 * deviation) if deviation > FLAT * x[-1] else 0.0


def money_flow(p: FeatureParams, typical: Series, volume: Series) -> Series:
    step = change(typical)
    step[abs(step) <= 1e-12 * typical] = 0.0  # equal but for rounding
    up, down = (np.where(s > 0.0, typical * volume, 0.0) for s in (step, -step))
    out = windows(
        len(typical),
        p.mfi_span,
        lambda a, b: 100.0 * ratio(math.fsum(up[a:b]), math.fsum(up[a:b]) + math.fsum(down[a:b]), 0.0),
    )
    out[: p.mfi_span] = NAN  # the first bar has no direction
    return out


def trend(p: FeatureParams, bars: dict[str, Series]) -> dict[str, Series]:
    high, low, close = bars["high"], bars["low"], bars["close"]
    span, before = p.atr_span, lagged(close, 1)
    true_range = np.fmax(high, before) - np.fmin(low, before)
    rise, fall = change(high), -change(low)
    plus = wilder_total(np.where((rise > fall) & (rise > 0.0), rise, 0.0), span)
    minus = wilder_total(np.where((fall > rise) & (fall > 0.0), fall, 0.0), span)
    total = wilder_total(true_range, span)
    plus_di, minus_di = (
        np.array([NAN if math.isnan(b) else 100.0 * ratio(a, b, 0.0) for a, b in zip(dm, total, strict=True)])
        for dm in (plus, minus)
    )
    averages = {s: ema(close, s) for s in (p.ema_fast, p.ema_slow, p.ema_long)}
    rates = {f"roc_{s}": close / lagged(close, s) - 1.0 for s in (p.roc_1, p.roc_2, p.roc_3, p.roc_4, p.roc_5, p.roc_6)}
    return {
        f"atr_pct_{span}": wilder_mean(true_range, span, 1) / close,
        f"plus_di_{span}": plus_di,
        f"minus_di_{span}": minus_di,
        f"adx_{span}": directional_index(plus_di, minus_di, span),
        f"ema_ratio_{p.ema_fast}_{p.ema_slow}": averages[p.ema_fast] / averages[p.ema_slow] - 1.0,
        **{f"ema_distance_{s}": close / averages[s] - 1.0 for s in averages},
        **rates,
    }


def directional_index(plus_di: Series, minus_di: Series, span: int) -> Series:
    """Wilder's average of DX; a bar without direction repeats the average (and counts as 0 in its seed)."""
    out = np.full(len(plus_di), NAN)
    seed: list[float] = []
    for t in range(span, len(plus_di)):
        total = plus_di[t] + minus_di[t]
        dx = 100.0 * ratio(abs(plus_di[t] - minus_di[t]), total, 0.0)
        if len(seed) < span:
            seed.append(dx)
            if len(seed) == span:
                out[t] = math.fsum(seed) / span
        else:
            out[t] = (out[t - 1] * (span - 1) + dx) / span if total > 0.0 else out[t - 1]
    return out


def volatility(p: FeatureParams, bars: dict[str, Series]) -> dict[str, Series]:
    open_, high, low, close = (bars[k] for k in ("open", "high", "low", "close"))
    n, span = len(close), p.bollinger_span
    middle = windows(n, span, lambda a, b: math.fsum(close[a:b]) / span)
    sigma = np.array(
        [
            NAN if math.isnan(m) else math.sqrt(math.fsum((close[t - span + 1 : t + 1] - m) ** 2) / span)
            for t, m in enumerate(middle)
        ]
    )
    sigma[sigma <= FLAT * close] = 0.0
    half = p.bollinger_sigma * sigma
    returns = close / np.concatenate((close[:1], close[:-1])) - 1.0
    vols = {}
    for w in (p.vol_short, p.vol_mid, p.vol_long):
        vols[w] = windows(n, w, lambda a, b: math.sqrt(math.fsum(returns[a:b] ** 2) / (b - a)))
        vols[w][:w] = NAN
    top = lagged(windows(n, p.donchian_span, lambda a, b: max(high[a:b])), 1)
    bottom = lagged(windows(n, p.donchian_span, lambda a, b: min(low[a:b])), 1)
    width = (top - bottom) / ((top + bottom) / 2.0)
    high_w, low_w = (windows(n, p.range_span, f) for f in (lambda a, b: max(high[a:b]), lambda a, b: min(low[a:b])))
    spread = high - low
    shape = {
        "body": close - open_,
        "upper_wick": high - np.maximum(open_, close),
        "lower_wick": np.minimum(open_, close) - low,
    }
    return {
        f"bollinger_position_{span}": divided(close - (middle - half), 2.0 * half),
        f"bollinger_width_{span}": 2.0 * half / middle,
        **{f"realised_vol_{w}": vols[w] for w in vols},
        "realised_vol_ratio": divided(vols[p.vol_short], vols[p.vol_long]),
        f"donchian_position_{p.donchian_span}": divided(close - bottom, top - bottom),
        f"donchian_width_{p.donchian_span}": width,
        f"range_position_{p.range_span}": divided(close - low_w, high_w - low_w),
        **{name: divided(part, spread, 0.0) for name, part in shape.items()},
        "bar_range": spread / close,
        "channel_high": top,
        "channel_low": bottom,
        "donchian_width_pctile": percentile(p, width, bars["time"]),
    }


def divided(a: Series, b: Series, otherwise: float = NAN) -> Series:
    return np.array([ratio(x, y, otherwise) for x, y in zip(a, b, strict=True)])


def is_sample(p: FeatureParams, time: Series) -> Series:
    """Bars whose close lies on a whole number of sampling steps since 1970."""
    return ((time + p.timeframe_ms) % (p.sample_bars * p.timeframe_ms)) == 0


def percentile(p: FeatureParams, x: Series, time: Series) -> Series:
    """Share of the last ``month_samples`` sampled values before each bar that are strictly below its value.

    Given from the bar on that has the least number of samples before it wherever the sampling begins.
    """
    out = np.full(len(x), NAN)
    seen: list[float] = []
    taken = is_sample(p, time)
    first = int(np.argmax(~np.isnan(x))) + p.month_min_samples * p.sample_bars
    for t in range(len(x)):
        if math.isnan(x[t]):
            continue
        if t >= first:
            past = seen[-p.month_samples :]
            out[t] = sum(v < x[t] for v in past) / len(past)
        if taken[t]:
            seen.append(x[t])
    return out


def volume(p: FeatureParams, bars: dict[str, Series]) -> dict[str, Series]:
    close, volume = bars["close"], bars["volume"]
    n, w = len(close), p.volume_span
    typical = (bars["high"] + bars["low"] + close) / 3.0
    total = windows(n, w, lambda a, b: math.fsum(volume[a:b]))
    balance = np.cumsum(np.sign(change(close)) * volume)  # On Balance Volume
    slope = divided(balance - lagged(balance, w), total)
    vwap = divided(windows(n, w, lambda a, b: math.fsum(typical[a:b] * volume[a:b])), total)
    day = windows(n, p.day_bars, lambda a, b: math.fsum(bars["quote_volume"][a:b]))
    return {
        f"volume_ratio_{w}": divided(volume, total / w),
        f"obv_slope_{w}": slope,
        f"vwap_distance_{w}": close / vwap - 1.0,
        "quote_volume_24h": day,
        "liquidity_ratio": divided(day, monthly_median(p, day, bars["time"])),
    }


def monthly_median(p: FeatureParams, day: Series, time: Series) -> Series:
    out = np.full(len(day), NAN)
    seen: list[float] = []
    taken = is_sample(p, time)
    for t in range(len(day)):
        if not math.isnan(day[t]) and taken[t]:
            seen.append(day[t])
        if t >= p.day_bars - 2 + p.month_min_samples * p.sample_bars:
            out[t] = float(np.median(seen[-p.month_samples :]))
    return out


def calendar(bars: dict[str, Series]) -> dict[str, Series]:
    moments = bars["time"].astype("datetime64[ms]")
    days = moments.astype("datetime64[D]")
    hours = (moments - days).astype(np.int64) / 3_600_000
    return {"hour": hours, "weekday": np.array([d.isoweekday() - 1.0 for d in days.astype(object)])}


def features_naive(p: FeatureParams, bars: dict[str, Series]) -> dict[str, Series]:
    """Every feature of one symbol but the funding rate, by name; and ``channel_high``, ``channel_low``, ``momentum``.

    ``bars`` : time, open, high, low, close, volume, quote_volume of consecutive bars.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        out = {**momentum(p, bars), **trend(p, bars), **volatility(p, bars), **volume(p, bars), **calendar(bars)}
        out["atr_pctile"] = percentile(p, out[f"atr_pct_{p.atr_span}"], bars["time"])
        out["momentum"] = bars["close"] / lagged(bars["close"], p.momentum_span) - 1.0
    return out
