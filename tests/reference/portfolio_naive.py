"""Modules 8 and 16 written a second time, plainly, from the rules and not from the kernels.

Tables, sorted lists, exact fractions and decimals. Imports nothing of qt_core but its codes. Parameters and inputs are
dicts with the names of the configuration.
"""

import bisect
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from qt_core.codes import (
    CORRELATED,
    EXCHANGE_BUSY,
    EXPOSURE_HEAVY,
    EXPOSURE_LIGHT,
    EXPOSURE_MAX,
    EXPOSURE_MODERATE,
    GROSS_LEVERAGE,
    IOC,
    LIMIT,
    MARKET,
    NO_PRICE,
    NON_FINITE,
    OFF,
    OK,
    POST_ONLY,
    SECTOR_LIMIT,
    SHRUNK,
    SIDE_BALANCE,
    SLIPPAGE_CAP,
    STYLE_AGGRESSIVE,
    STYLE_NORMAL,
    STYLE_PATIENT,
)
from tests.reference.modules_naive import in_steps

P = Mapping[str, Any]
LITTLE = 1e-9


# --- 8 portfolio balancer -------------------------------------------------------------------------------------------

EXPOSURES = (EXPOSURE_LIGHT, EXPOSURE_MODERATE, EXPOSURE_HEAVY, EXPOSURE_MAX)


def exposure_class(p: P, exposure: float) -> int:
    """Number of borders reached; unknown is the worst."""
    if math.isnan(exposure):
        return EXPOSURE_MAX
    return EXPOSURES[bisect.bisect_right([p["light"], p["moderate"], p["heavy"]], exposure)]


def exposure(margin: float, equity: float) -> float:
    """Share of equity that is bound."""
    return math.inf if math.isnan(equity) or equity <= 0.0 else margin / equity


def correlated(p: P, correlation: float) -> bool:
    """Unknown counts as correlated."""
    return math.isnan(correlation) or correlation > p["correlation_limit"]


def review(p: P, c: P, b: P) -> tuple[float, int]:
    """(scale, reason): objections first, then how much margin each limit leaves for this candidate."""
    if p["mode"] == OFF:
        return 1.0, OK
    numbers = [c["margin_usd"], c["notional_usd"], c["leverage"], b["equity_usd"], b["margin_usd"]]
    numbers += [b["gross_notional_usd"], b["sector_margin_usd"]]
    if not all(map(math.isfinite, numbers)) or min(c["margin_usd"], c["notional_usd"], b["equity_usd"]) <= 0.0:
        return 0.0, NON_FINITE
    if b["n_correlated_same_side"] >= p["max_correlated"]:
        return 0.0, CORRELATED
    sides = [1] * b["n_long"] + [-1] * b["n_short"]
    if len(sides) >= p["balance_positions"]:
        after = [*sides, c["side"]]
        if Fraction(after.count(c["side"]), len(after)) > Fraction(p["max_side_share"]):
            return 0.0, SIDE_BALANCE
    leverage = c["notional_usd"] / c["margin_usd"]
    rooms = {  # reason -> margin in USD that the limit leaves
        SECTOR_LIMIT: p["max_sector_share"] * (b["equity_usd"] * p["usable_margin"]) - b["sector_margin_usd"],
        GROSS_LEVERAGE: (p["max_gross_leverage"] * b["equity_usd"] - b["gross_notional_usd"]) / leverage,
    }
    binding = {why: room for why, room in rooms.items() if c["margin_usd"] > room + LITTLE * abs(room)}
    for why, room in binding.items():
        if room < p["min_margin_usd"] * (1.0 - LITTLE):
            return 0.0, why
    return (min(binding.values()) / c["margin_usd"], SHRUNK) if binding else (1.0, OK)


def trim_correlated(p: P, r: Sequence[float], group_size: Sequence[int]) -> int:
    """Position with the lowest known R among those in groups that are too large, the first of equals."""
    too_many = [
        (value, k)
        for k, (value, size) in enumerate(zip(r, group_size, strict=True))
        if size - 1 > p["max_correlated"] and math.isfinite(value)
    ]
    return min(too_many)[1] if too_many and p["mode"] != OFF else -1


def trim_sector(p: P, sector_margin: float, equity: float) -> float:
    """Share of the sector's margin that lies above its limit, once that is well exceeded."""
    limit = p["max_sector_share"] * (p["usable_margin"] * equity)
    if p["mode"] == OFF or not math.isfinite(sector_margin) or math.isnan(limit) or limit <= 0.0:
        return 0.0
    return (sector_margin - limit) / sector_margin if sector_margin / limit > p["trim_above"] else 0.0


def rebalance(p: P, longs: float, shorts: float, n: int, since_ms: int) -> tuple[int, float]:
    """(side, fraction) where the net share of the book is too large."""
    gross = longs + shorts
    due = p["mode"] != OFF and n >= p["balance_positions"] and since_ms >= p["rebalance_interval_ms"]
    if not due or not math.isfinite(gross) or gross <= 0.0:
        return 0, 0.0
    net_share = (longs - shorts) / gross
    if abs(net_share) <= p["max_net_share"]:
        return 0, 0.0
    return (1 if net_share > 0.0 else -1), p["rebalance_fraction"]


# --- 16 execution ---------------------------------------------------------------------------------------------------


def not_through(side: int, price: float, tick: float) -> float:
    """On the tick, on the side of the price that costs nothing more."""
    return in_steps(price, tick, up=side < 0)


def prices(p: P, side: int, close: float, tick: float) -> dict[str, float]:
    """The three prices at which an entry may stand."""
    touch = not_through(side, close, tick)
    better = not_through(side, touch - side * tick * p["patient_ticks"], tick)
    cap = not_through(side, close + side * close * p["slippage_cap"], tick)
    return {"touch": touch, "cap": cap, "better": better if better > 0.0 else touch}


TABLE = {  # (style, score is high, crosses too much) -> kind, price, life, reason
    (STYLE_AGGRESSIVE, True, False): (MARKET, None, "work_bars", OK),
    (STYLE_AGGRESSIVE, True, True): (LIMIT, "cap", "limit_bars", SLIPPAGE_CAP),
    (STYLE_AGGRESSIVE, False, False): (LIMIT, "touch", "limit_bars", OK),
    (STYLE_AGGRESSIVE, False, True): (LIMIT, "touch", "limit_bars", OK),
    **{(STYLE_NORMAL, high, far): (IOC, "cap", None, OK) for high in (True, False) for far in (True, False)},
    **{
        (STYLE_PATIENT, high, far): (POST_ONLY, "better", "limit_bars", OK)
        for high in (True, False)
        for far in (True, False)
    },
}


def order(p: P, style: int, score: float, side: int, close: float, slippage: float, tick: float) -> tuple:
    """(kind, price, bars, reason) by the table of the specification."""
    if p["mode"] == OFF:
        return MARKET, 0.0, p["work_bars"], OK
    if not math.isfinite(close) or close <= 0.0:
        return 0, 0.0, 0, NO_PRICE
    high = not math.isnan(score) and score >= p["market_score"]
    far = math.isnan(slippage) or slippage > p["slippage_cap"]
    kind, where, life, reason = TABLE[style, high, far]
    return kind, prices(p, side, close, tick)[where] if where else 0.0, p[life] if life else 1, reason


def expected_slippage(p: P, base: float, notional: float, volume: float, depth: float, spread: float) -> float:
    """Half the spread and the impact, from the book where it is known, else from the volume."""
    half = spread / 2.0 if math.isfinite(spread) and spread >= 0.0 else base
    per_minute = volume / 1440.0
    if math.isfinite(notional) and math.isfinite(depth) and depth > 0.0:
        return half + notional / depth * p["depth_band"]
    known = all(map(math.isfinite, (notional, volume))) and volume > 0.0 and not depth <= 0.0
    if not known:
        return half + p["slippage_cap"]
    return half + notional / (per_minute * p["impact_minutes"]) * p["impact_per_volume"]


def route(
    p: P, fee: Sequence[float], slip: Sequence[float], depth: Sequence[float], up: Sequence[bool], n: float
) -> int:
    """Venues that would do, sorted by cost and place."""
    if p["mode"] == OFF:
        return 0 if len(fee) else -1
    rows = zip(fee, slip, depth, up, strict=True)
    fit = [
        (f + s, k)
        for k, (f, s, d, is_up) in enumerate(rows)
        if is_up and math.isfinite(f + s) and d >= n * p["depth_cover"]
    ]
    return sorted(fit)[0][1] if fit else -1


def retry(p: P, retries: int, reason: int) -> bool:
    """Retryable, and not yet tried often enough."""
    return p["mode"] != OFF and reason in {EXCHANGE_BUSY} and retries in range(p["max_retries"])
