"""Emergency stop system: five evaluators, a latch, its reset. Rules; SPEC section 5.

Any evaluator latches: entries are cancelled, protection is kept or placed, nothing opens until a person resets with a
reason (live) or ``auto_reset_h`` has passed (backtest, journalled as scripted). The reset sets the peak the drawdown is
measured from. OFF (backtest only, stamped UNSAFE): never latches; OBSERVE and ADVISORY name the evaluator and latch nothing.

NaN policy: a stop that fails open is none. An unknown drawdown or feed age counts as beyond its limit.
"""

from typing import NamedTuple

from qt_core._jit import kernel
from qt_core.codes import (
    DEGRADED,
    ENFORCED,
    ESS_DRAWDOWN,
    ESS_ERRORS,
    ESS_FEED,
    ESS_HEALTH,
    ESS_MANUAL,
    ESS_NONE,
    HEALTHY,
    OFF,
)

VERSION = 1


class Params(NamedTuple):
    """Constants of this module; defaults are SPEC's, the error limit is module 17's."""

    mode: int = 3  # codes.ENFORCED
    max_drawdown: float = 0.05  # fraction of the peak since start or the last reset, from here on
    max_errors_per_min: int = 10  # execution errors within a minute; beyond
    missing_bars_limit: int = 1  # bars in a row without the feed, from here on
    max_missing_share: float = 0.5  # of the expected symbols; a bar with more of them missing has no feed (our choice)
    min_feed_age_ms: int = 120_000  # live: the feed is stale beyond the larger of this
    feed_grace_ms: int = 120_000  # and the bar's length plus this
    auto_reset_h: float = 24.0  # hours from the latch to the scripted reset of a backtest; 0 = never (live)
    close_on_latch: int = 0  # 1 = positions are closed at the latch, else their protection stays


BOUNDS = {
    "max_drawdown": (0.0, 1.0),
    "max_errors_per_min": (0, 127),
    "missing_bars_limit": (1, 10_000),
    "max_missing_share": (0.0, 1.0),
    "min_feed_age_ms": (0, 86_400_000),
    "feed_grace_ms": (0, 86_400_000),
    "auto_reset_h": (0.0, 8760.0),
}
CHOICES = {"close_on_latch": ("off", "on")}

HOUR_MS = 3_600_000


class Inputs(NamedTuple):
    """What the five evaluators look at."""

    drawdown_since_reset: float  # fraction
    health: int  # HEALTHY, DEGRADED, CRITICAL of module 15
    errors_last_min: int
    missing_bars: int  # bars in a row for which feed_missing held (live: 1 where feed_stale holds)
    crossed: int  # 1 = bid above ask, or a bar whose high lies below its low
    manual: int  # 1 = a person asks for it


class Latch(NamedTuple):
    """Who latched and when; (ESS_NONE, 0) = not latched."""

    by: int  # ESS_*
    since_ms: int


@kernel
def evaluate(p: Params, x: Inputs) -> int:
    """First evaluator that trips, in the order manual, drawdown, health, errors, feed; ESS_NONE where none does."""
    if p.mode == OFF:
        return ESS_NONE
    if x.manual != 0:
        return ESS_MANUAL
    if not x.drawdown_since_reset < p.max_drawdown:
        return ESS_DRAWDOWN
    if x.health != HEALTHY and x.health != DEGRADED:
        return ESS_HEALTH
    if x.errors_last_min > p.max_errors_per_min:
        return ESS_ERRORS
    if x.missing_bars >= p.missing_bars_limit or x.crossed != 0:
        return ESS_FEED
    return ESS_NONE


@kernel
def latch(p: Params, held: Latch, by: int, now_ms: int) -> Latch:
    """The latch after this evaluation: it closes on the first evaluator and keeps its name and time until reset."""
    if p.mode != ENFORCED:
        return Latch(ESS_NONE, 0)
    if held.by != ESS_NONE or by == ESS_NONE:
        return held
    return Latch(by, now_ms)


@kernel
def feed_missing(p: Params, n_valid: int, n_expected: int) -> bool:
    """True where too few of the symbols that should have a bar have one; nothing expected is nothing missing."""
    return n_expected > 0 and n_valid < (1.0 - p.max_missing_share) * n_expected


@kernel
def feed_stale(p: Params, age_ms: float, bar_ms: int) -> bool:
    """Live: True where the last price is older than max(2 min, bar + 2 min), or its age is unknown."""
    return not age_ms <= max(p.min_feed_age_ms, bar_ms + p.feed_grace_ms)


@kernel
def auto_reset_due(p: Params, latched_since_ms: int, now_ms: int) -> bool:
    """True where a backtest's scripted reset is due."""
    return p.auto_reset_h > 0.0 and now_ms - latched_since_ms >= p.auto_reset_h * HOUR_MS


@kernel
def closes(p: Params) -> bool:
    """True where a latch also closes positions."""
    return p.mode == ENFORCED and p.close_on_latch != 0
