"""The four rules read off their descriptions: one context row as a dict in, (SELL, HOLD, BUY) or None per rule out."""

import math

from qt_core.signal.rules import Params

Row = dict[str, float]


def share(x: float, start: float, full: float) -> float:
    """How far ``x`` is on the way from ``start`` to ``full``."""
    return min(1.0, max(0.0, (x - start) / (full - start)))


def trend(p: Params, r: Row) -> "float | None":
    if any(math.isnan(r[k]) for k in ("adx", "plus_di", "minus_di", "ema_ratio", "atr_pct")):
        return None
    strength = share(r["adx"], p.trend_adx_from, p.trend_adx_full) * min(
        1.0, abs(r["ema_ratio"]) / (p.trend_gap_full * r["atr_pct"])
    )
    sides = {(True, True): 1.0, (False, False): -1.0}
    if r["ema_ratio"] == 0.0 or r["plus_di"] == r["minus_di"]:
        return 0.0
    return strength * sides.get((r["ema_ratio"] > 0.0, r["plus_di"] > r["minus_di"]), 0.0)


def mean_reversion(p: Params, r: Row) -> "float | None":
    if any(math.isnan(r[k]) for k in ("bollinger_position", "rsi", "adx")):
        return None
    if r["adx"] > p.revert_adx_max:
        return 0.0

    def side(position: float, rsi: float) -> float:
        band = share(position, p.revert_band_from, p.revert_band_full)
        return min(band, share(rsi, p.revert_rsi_from, p.revert_rsi_full))

    return side(r["bollinger_position"], r["rsi"]) - side(1.0 - r["bollinger_position"], 100.0 - r["rsi"])


def breakout(p: Params, r: Row) -> "float | None":
    needed = ("close", "donchian_high", "donchian_low", "donchian_width_pctile", "volume_ratio")
    if any(math.isnan(r[k]) for k in needed):
        return None
    strength = share(r["volume_ratio"], p.breakout_volume_from, p.breakout_volume_full)
    if r["donchian_width_pctile"] < p.breakout_squeeze:
        strength = min(1.0, strength + p.breakout_squeeze_bonus)
    if r["donchian_low"] <= r["close"] <= r["donchian_high"]:
        return 0.0
    return math.copysign(strength, r["close"] - r["donchian_high"])


def range_bound(p: Params, r: Row) -> "float | None":
    if any(math.isnan(r[k]) for k in ("range_position", "adx")):
        return None
    if r["adx"] > p.range_adx_max:
        return 0.0
    low = share(r["range_position"], p.range_edge_from, p.range_edge_full)
    high = share(1.0 - r["range_position"], p.range_edge_from, p.range_edge_full)
    return low - high


RULES = (trend, mean_reversion, breakout, range_bound)


def probabilities(p: Params, strength: float) -> tuple[float, float, float]:
    """The side takes its share between neutral and peak; the other two keep the proportion they have without a side."""
    side = p.side_neutral + abs(strength) * (p.side_peak - p.side_neutral)
    neutral_hold = 1.0 - 2.0 * p.side_neutral
    rest = 1.0 - side
    opposite = rest * p.side_neutral / (p.side_neutral + neutral_hold)
    hold = rest * neutral_hold / (p.side_neutral + neutral_hold)
    return (side, hold, opposite) if strength < 0.0 else (opposite, hold, side)


def rules_naive(p: Params, row: Row) -> "list[tuple[float, float, float] | None]":
    """Each rule's probabilities, None where it abstains."""
    strengths = [rule(p, row) for rule in RULES]
    return [None if s is None else probabilities(p, s) for s in strengths]
