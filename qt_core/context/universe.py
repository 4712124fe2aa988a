"""Module 11, universe OS: which symbols may be traded now, and how many are worked on. Rules; SPEC section 3.

Tiers: MAIN by flag (BTC, ETH), L1 the top 20 by 30-day median quote volume (it stands in for market cap, which is not known
point in time), L2 the others with volume. Filters: deny list, history, 24 h quote volume, depth or its proxy, spread. The
hedge-fund OS (7) narrows or widens the active set. OFF: every symbol is valid and all are active.

NaN policy: an unknown volume vetoes with a reason (old candles lack it, which would silently empty a universe); an unknown
depth is estimated from volume; an unknown spread passes. Choices of ours: depth at the touch is about a thousandth of the
day's volume (the two thresholds then agree), 10 and 30 active symbols when narrowed and widened, a spread of at most 50 bps.
"""

from typing import NamedTuple

from qt_core._jit import kernel
from qt_core.codes import (
    DENIED,
    LOW_DEPTH,
    LOW_VOLUME,
    NOT_ELIGIBLE,
    OFF,
    OK,
    TIER_L1,
    TIER_L2,
    TIER_MAIN,
    TIER_NONE,
    UNIVERSE_AGGRESSIVE,
    UNIVERSE_NORMAL,
    VOLUME_UNKNOWN,
)
from qt_core.numerics import is_finite

VERSION = 1


class Params(NamedTuple):
    """Constants of this module; defaults are SPEC's where it speaks."""

    mode: int = 3  # codes.ENFORCED
    l1_size: int = 20  # symbols of tier L1, by 30-day median quote volume
    min_volume_usd: float = 500_000.0  # 24 h quote volume
    min_depth_usd: float = 500.0  # resting at the touch
    depth_per_volume: float = 0.001  # proxy: depth / 24 h quote volume
    max_spread: float = 0.005  # (ask - bid) / mid, fraction
    active_conservative: int = 10  # size of the active set by module 7's universe mode
    active_normal: int = 20
    active_aggressive: int = 30


BOUNDS = {
    "l1_size": (0, 10_000),
    "min_volume_usd": (0.0, 1e15),
    "min_depth_usd": (0.0, 1e12),
    "depth_per_volume": (0.0, 1.0),
    "max_spread": (0.0, 1.0),
    "active_conservative": (0, 10_000),
    "active_normal": (0, 10_000),
    "active_aggressive": (0, 10_000),
}
CHOICES: dict[str, tuple[str, ...]] = {}

NO_LIMIT = 1 << 30  # more symbols than any market has


@kernel
def median_volume(quote_volume_24h: float, liquidity_ratio: float) -> float:
    """30-day median of the 24 h quote volume, USD, from the volume and its ratio to it; NaN where unknown or 0."""
    if quote_volume_24h > 0.0 and liquidity_ratio > 0.0:
        return quote_volume_24h / liquidity_ratio
    return float("nan")


@kernel
def tier(p: Params, is_main: int, rank_by_volume: int, median_volume_usd: float) -> int:
    """Tier of a symbol; ``rank_by_volume`` 0 is the largest median volume. NONE where the volume is unknown or 0."""
    if is_main != 0:
        return TIER_MAIN
    if not median_volume_usd > 0.0:
        return TIER_NONE
    return TIER_L1 if rank_by_volume < p.l1_size else TIER_L2


@kernel
def admits(p: Params, denied: int, quote_volume_24h: float, depth_usd: float, eligible: int) -> int:
    """OK, or the first reason against trading a symbol now: DENIED, NOT_ELIGIBLE (too little history), volume, depth."""
    if p.mode == OFF:
        return OK
    if denied != 0:
        return DENIED
    if eligible == 0:
        return NOT_ELIGIBLE
    if not is_finite(quote_volume_24h):
        return VOLUME_UNKNOWN
    if quote_volume_24h < p.min_volume_usd:
        return LOW_VOLUME
    depth = depth_usd if is_finite(depth_usd) else quote_volume_24h * p.depth_per_volume
    return LOW_DEPTH if depth < p.min_depth_usd else OK


@kernel
def spread_ok(p: Params, spread_fraction: float) -> bool:
    """False where the spread is wider than the limit (reason LOW_DEPTH); an unknown one passes."""
    return p.mode == OFF or not spread_fraction > p.max_spread


@kernel
def active_count(p: Params, universe_mode: int) -> int:
    """Symbols taken from the top of the rankings; a code that is none of module 7's narrows. No limit while OFF."""
    if p.mode == OFF:
        return NO_LIMIT
    if universe_mode == UNIVERSE_NORMAL:
        return p.active_normal
    return p.active_aggressive if universe_mode == UNIVERSE_AGGRESSIVE else p.active_conservative


@kernel
def is_active(p: Params, universe_mode: int, symbol_tier: int, rank: int, held: int) -> bool:
    """True for the top of the rankings (rank 0 best), the MAIN tier, and what is held."""
    return symbol_tier == TIER_MAIN or held != 0 or rank < active_count(p, universe_mode)
