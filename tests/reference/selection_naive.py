"""Modules 11, 21 and 22 written a second time from SPEC.md: tables of conditions, sorting, sets.

Plain Python; imports nothing of qt_core but its codes. Parameters are dicts with the names of the configuration.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from qt_core.codes import (
    ALLOW_LONG,
    ALLOW_SHORT,
    BREAKOUT,
    DENIED,
    LOW_DEPTH,
    LOW_VOLUME,
    MEAN_REVERSION,
    NOT_ELIGIBLE,
    OFF,
    OK,
    PRIORITY_HIGH,
    PRIORITY_LOW,
    PRIORITY_MEDIUM,
    RANGE_BOUND,
    TIER_L1,
    TIER_L2,
    TIER_MAIN,
    TIER_NONE,
    TREND_FOLLOW,
    VOLUME_UNKNOWN,
)

P = Mapping[str, Any]
VOLATILITIES, TRENDS, LIQUIDITIES = (
    ("low", "normal", "high"),
    ("weak", "moderate", "strong"),
    ("poor", "normal", "good"),
)
STATES = {cell: k for k, cell in enumerate(itertools.product(range(3), range(3), range(3)))}
FITS = {
    (vol, trend): TREND_FOLLOW if trend == "strong" else BREAKOUT if vol == "low" else MEAN_REVERSION
    for vol in VOLATILITIES
    for trend in TRENDS
} | {("high", "weak"): RANGE_BOUND}


def fit(volatility: int, trend: int) -> int:
    """From the table of regimes."""
    return FITS[VOLATILITIES[volatility], TRENDS[trend]]


# --- 21 meta-strategy -----------------------------------------------------------------------------------------------


def mirrored(x: P) -> dict:
    """The market upside down: what is a BUY there is a SELL here."""
    return {
        "ema_ratio": -x["ema_ratio"], "plus_di": x["minus_di"], "minus_di": x["plus_di"],
        "bollinger_position": 1.0 - x["bollinger_position"], "rsi": 100.0 - x["rsi"],
        "donchian_high": -x["donchian_low"], "donchian_low": -x["donchian_high"], "close": -x["close"],
        "range_position": 1.0 - x["range_position"],
    }  # fmt: skip


def buys(p: P, strategy: int, x: P) -> bool:
    """Does the strategy allow a BUY in a market like this?"""
    if strategy == TREND_FOLLOW:
        return x["ema_ratio"] > p["trend_gap"] and x["plus_di"] > x["minus_di"] + p["trend_di_gap"]
    if strategy == MEAN_REVERSION:
        return x["bollinger_position"] <= p["revert_band"] and x["rsi"] <= p["revert_rsi"]
    if strategy == BREAKOUT:
        high, low = x["donchian_high"], x["donchian_low"]
        return high > low and x["close"] >= high - p["breakout_slack"] * (high - low)
    return strategy == RANGE_BOUND and x["range_position"] <= p["range_edge"]


def sides(p: P, strategy: int, x: P) -> int:
    """Bits of the sides allowed."""
    if p["mode"] == OFF:
        return ALLOW_LONG + ALLOW_SHORT
    return ALLOW_LONG * buys(p, strategy, x) + ALLOW_SHORT * buys(p, strategy, mirrored(x))


def choose(p: P, row: Sequence[float], fitting: int, allowed: set[int], epsilon: float, u1: float, u2: float) -> tuple:
    """(strategy, q, explored)."""
    if p["mode"] == OFF or not allowed:
        return -1, 0.0, 0
    q = [x if math.isfinite(x) else 0.0 for x in row]
    names = sorted(allowed)
    if u1 < epsilon and not math.isnan(u2):
        s = names[math.floor(u2 * len(names))]
        return s, q[s], 1
    best = max(names, key=lambda s: (q[s] + p["prior"] * (s == fitting), s == fitting, -s))
    return best, q[best], 0


def shape(p: P, strategy: int) -> tuple:
    names = {TREND_FOLLOW: "trend", MEAN_REVERSION: "revert", BREAKOUT: "breakout", RANGE_BOUND: "range"}
    if p["mode"] == OFF or strategy not in names:
        return 1.0, 1.0, 1, 1
    return tuple(p[f"{names[strategy]}_{what}"] for what in ("tp", "sl", "exit", "style"))


def clipped(p: P, r: float) -> float:
    return r if math.isnan(r) else sorted([p["r_low"], r, p["r_high"]])[1]


# --- 22 opportunity ranker ------------------------------------------------------------------------------------------


def part(x: float) -> float:
    """Limited to 0..1, nothing where unknown."""
    return 0.0 if math.isnan(x) else sorted([0.0, x, 1.0])[1]


def score(p: P, x: P) -> float:
    """Weighted mean of five shares."""
    if p["mode"] == OFF:
        return part(x["confidence"])
    recent = x["recent_r"] if math.isfinite(x["recent_r"]) else 0.0
    liquid, slip = part(x["liquidity_ratio"] / p["full_liquidity"]), part(1.0 - x["slippage"] / p["slippage_cap"])
    shares = {
        "w_confidence": part(x["confidence"] / p["full_confidence"]),
        "w_win_rate": part(x["win_rate"]),
        "w_liquidity": p["liquidity_share"] * liquid + (1.0 - p["liquidity_share"]) * slip,
        "w_correlation": part(1.0 - x["max_correlation"]),
        "w_recent": part(p["recent_neutral"] + p["recent_per_r"] * recent),
    }
    return part(math.fsum(p[name] * value for name, value in shares.items()))


def priority(p: P, value: float) -> int:
    steps = ((p["high"], PRIORITY_HIGH), (p["medium"], PRIORITY_MEDIUM))
    return next((name for at, name in steps if value >= at), PRIORITY_LOW)


# --- 11 universe ----------------------------------------------------------------------------------------------------


def median_volume(volume: float, ratio: float) -> float:
    known = not math.isnan(volume) and not math.isnan(ratio) and min(volume, ratio) > 0.0
    return volume / ratio if known else math.nan


def tier(p: P, is_main: bool, rank: int, median: float) -> int:
    if is_main:
        return TIER_MAIN
    if math.isnan(median) or median <= 0.0:
        return TIER_NONE
    return TIER_L1 if rank in range(p["l1_size"]) else TIER_L2


def admits(p: P, x: P) -> int:
    """First of the objections."""
    volume = x["volume"]
    depth = x["depth"] if math.isfinite(x["depth"]) else volume * p["depth_per_volume"]
    objections = (
        (DENIED, x["denied"]),
        (NOT_ELIGIBLE, not x["eligible"]),
        (VOLUME_UNKNOWN, not math.isfinite(volume)),
        (LOW_VOLUME, volume < p["min_volume_usd"]),
        (LOW_DEPTH, depth < p["min_depth_usd"]),
    )
    return OK if p["mode"] == OFF else next((reason for reason, hit in objections if hit), OK)


def spread_ok(p: P, spread: float) -> bool:
    return p["mode"] == OFF or math.isnan(spread) or spread <= p["max_spread"]


def active_count(p: P, universe_mode: int) -> int:
    counts = {1: p["active_normal"], 2: p["active_aggressive"]}
    return 2**30 if p["mode"] == OFF else counts.get(universe_mode, p["active_conservative"])


def active(p: P, universe_mode: int, tiers: Sequence[int], ranked: Sequence[int], held: set[int]) -> set[int]:
    """The active symbols of a whole market: top of the rankings, MAIN, held."""
    top = set(ranked[: active_count(p, universe_mode)])
    return top | {i for i, t in enumerate(tiers) if t == TIER_MAIN} | held
