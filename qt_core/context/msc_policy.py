"""MSC AI: the fund's policy from the record of its strategies, every 30 minutes of event time. Rules; SPEC section 7.

``decide`` gives the mode and the limits that go with it, ``strategy_allowed`` bans a strategy that loses, ``check_row``
refuses a row from outside that is out of range. Limits only tighten: the smallest of all that speak holds. OFF: NORMAL with
limits that bind nothing, every strategy allowed.

The thresholds are ours: DEFENSIVE at four fifths of the 5 % drawdown at which everything stops, a mean R beyond -0.3 or
+0.2 is about one standard error from zero after 20 trades whose R scatters by 1.2 (SPEC calls a record good or bad at 0.1).

NaN policy: an unknown drawdown is DEFENSIVE, an unknown mean R decides and bans nothing.
"""

from typing import NamedTuple

from qt_core._jit import kernel
from qt_core.codes import (
    ENFORCED,
    OFF,
    OK,
    POLICY_AGGRESSIVE,
    POLICY_DEFENSIVE,
    POLICY_INVALID,
    POLICY_NORMAL,
    VOL_LOW,
    VOL_NORMAL,
)

VERSION = 1


class Params(NamedTuple):
    """Constants of this module; the interval is SPEC's."""

    mode: int = 3  # codes.ENFORCED
    interval_ms: int = 1_800_000
    ban_ms: int = 604_800_000  # a banned strategy stays away 7 days
    ban_min_trades: int = 20  # closed trades of the strategy since its last ban, before its record counts
    ban_mean_r: float = -0.30  # mean R of its last 20; below
    defensive_drawdown: float = 0.04  # fraction of the peak, from here on
    aggressive_drawdown: float = 0.02  # below
    min_recent: int = 10  # closed trades of the fund before their mean counts (SPEC section 1 "First bars")
    defensive_mean_r: float = -0.30  # mean R of the fund's recent trades; below
    aggressive_mean_r: float = 0.20  # above
    aggressive_when_high: int = 0  # 1 = AGGRESSIVE in HIGH volatility too (Moreira and Muir 2017 argue against)
    max_risk_defensive: float = 0.0075  # loss at stop incl. costs / equity, per trade
    max_risk_normal: float = 0.015
    max_risk_aggressive: float = 0.02
    max_positions_defensive: int = 10
    max_positions_normal: int = 30
    max_positions_aggressive: int = 50
    min_confidence_defensive: float = 0.50  # probability
    min_confidence_normal: float = 0.45
    min_confidence_aggressive: float = 0.45
    scale_defensive: float = 0.5  # factor on sizes
    scale_normal: float = 1.0
    scale_aggressive: float = 1.0  # the risk chain only reduces
    off_max_risk: float = 1.0  # while OFF, and the largest of a row from outside: binds nothing
    off_max_positions: int = 1000  # the same


BOUNDS = {
    "interval_ms": (1, 31_536_000_000),
    "ban_ms": (0, 31_536_000_000),
    "ban_min_trades": (1, 100_000),
    "ban_mean_r": (-10.0, 10.0),
    "defensive_drawdown": (0.0, 1.0),
    "aggressive_drawdown": (0.0, 1.0),
    "min_recent": (1, 100_000),
    "defensive_mean_r": (-10.0, 10.0),
    "aggressive_mean_r": (-10.0, 10.0),
    "max_risk_defensive": (0.0, 1.0),
    "max_risk_normal": (0.0, 1.0),
    "max_risk_aggressive": (0.0, 1.0),
    "max_positions_defensive": (0, 1000),
    "max_positions_normal": (0, 1000),
    "max_positions_aggressive": (0, 1000),
    "min_confidence_defensive": (0.0, 1.0),
    "min_confidence_normal": (0.0, 1.0),
    "min_confidence_aggressive": (0.0, 1.0),
    "scale_defensive": (0.0, 1.0),
    "scale_normal": (0.0, 1.0),
    "scale_aggressive": (0.0, 1.0),
    "off_max_risk": (0.0, 1.0),
    "off_max_positions": (0, 1000),
}
CHOICES = {"aggressive_when_high": ("off", "on")}

ALL_STRATEGIES = 15  # one bit per strategy of module 21, bit 0 = TREND_FOLLOW


class Permission(NamedTuple):
    """Whether a strategy may be chosen."""

    allowed: int  # 1 = yes
    banned_until_ms: int  # 0 = never banned
    banned_now: int  # 1 = this call banned it: the caller starts its record anew


class Policy(NamedTuple):
    """The fund's policy until the next decision."""

    mode: int  # POLICY_*
    max_risk: float  # loss at stop incl. costs / equity, per trade
    max_positions: int
    min_confidence: float  # probability
    size_scale: float  # factor on sizes


@kernel
def due(p: Params, last_ms: int, now_ms: int) -> bool:
    """True where an interval has passed; a ``last_ms`` of 0 (never) is always due."""
    return now_ms - last_ms >= p.interval_ms


@kernel
def strategy_allowed(p: Params, n: int, mean_r: float, now_ms: int, banned_until_ms: int) -> Permission:
    """A strategy whose last 20 trades lost more than 0.3 R on average is banned for 7 days.

    ``n`` and ``mean_r`` are of the trades closed since its last ban: a record that outlived the ban would renew it for ever.
    """
    if p.mode == OFF:
        return Permission(1, 0, 0)
    if now_ms < banned_until_ms:
        return Permission(0, banned_until_ms, 0)
    if n >= p.ban_min_trades and mean_r < p.ban_mean_r:
        return Permission(0, now_ms + p.ban_ms, 1)
    return Permission(1, banned_until_ms, 0)


@kernel
def mode_of(p: Params, drawdown: float, n_recent: int, mean_r_recent: float, market_vol: int) -> int:
    """DEFENSIVE on drawdown or losses; AGGRESSIVE near the peak, on gains, in a market that is not HIGH; else NORMAL."""
    enough = n_recent >= p.min_recent
    if not drawdown < p.defensive_drawdown or (enough and mean_r_recent < p.defensive_mean_r):
        return POLICY_DEFENSIVE
    calm = market_vol in (VOL_LOW, VOL_NORMAL) or p.aggressive_when_high != 0
    if calm and enough and drawdown < p.aggressive_drawdown and mean_r_recent > p.aggressive_mean_r:
        return POLICY_AGGRESSIVE
    return POLICY_NORMAL


@kernel
def limits(p: Params, mode: int) -> Policy:
    """The limits of a mode; a code that is none gets DEFENSIVE's."""
    if mode == POLICY_NORMAL:
        return Policy(mode, p.max_risk_normal, p.max_positions_normal, p.min_confidence_normal, p.scale_normal)
    if mode == POLICY_AGGRESSIVE:
        return Policy(
            mode, p.max_risk_aggressive, p.max_positions_aggressive, p.min_confidence_aggressive, p.scale_aggressive
        )
    return Policy(
        POLICY_DEFENSIVE,
        p.max_risk_defensive,
        p.max_positions_defensive,
        p.min_confidence_defensive,
        p.scale_defensive,
    )


@kernel
def unrestricted(p: Params) -> Policy:
    """What holds while this module is OFF or only observes."""
    return Policy(POLICY_NORMAL, p.off_max_risk, p.off_max_positions, 0.0, 1.0)


@kernel
def decide(p: Params, drawdown: float, n_recent: int, mean_r_recent: float, market_vol: int) -> Policy:
    """Mode and limits; computed unless OFF."""
    if p.mode == OFF:
        return unrestricted(p)
    return limits(p, mode_of(p, drawdown, n_recent, mean_r_recent, market_vol))


@kernel
def binding(p: Params, decided: Policy) -> Policy:
    """What binds the chain: the decision where ENFORCED, else no restriction."""
    return decided if p.mode == ENFORCED else unrestricted(p)


@kernel
def check_row(
    p: Params, mode: float, max_risk: float, max_positions: float, min_confidence: float, allowed_mask: float
) -> int:
    """OK, or POLICY_INVALID for a row from outside with a number that is not finite, whole or in range.

    Numbers are taken as they come, so that a fractional mode is refused and not rounded.
    """
    if mode not in (POLICY_DEFENSIVE, POLICY_NORMAL, POLICY_AGGRESSIVE):
        return POLICY_INVALID
    if not (0.0 <= max_risk <= p.off_max_risk and 0.0 <= min_confidence <= 1.0):
        return POLICY_INVALID
    if not (0.0 <= max_positions <= p.off_max_positions and max_positions == int(max_positions)):
        return POLICY_INVALID
    if not (0.0 <= allowed_mask <= ALL_STRATEGIES and allowed_mask == int(allowed_mask)):
        return POLICY_INVALID
    return OK
