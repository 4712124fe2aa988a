"""Module 17, risk OS: what binds on size, and the kill switch. Rules; SPEC section 3.

OFF (backtest only, stamped UNSAFE): the asked margin and leverage pass, rounded to the lot. It only ever reduces.
"""

from typing import NamedTuple

from qt_core._jit import kernel
from qt_core.codes import (
    DAY_DRAWDOWN,
    HALTED,
    LEVERAGE,
    MARGIN_USE,
    MAX_POSITIONS,
    MIN_NOTIONAL,
    NO_PRICE,
    OK,
    PAUSED,
    SIZE_BELOW_MIN,
    VOL_HIGH,
)
from qt_core.numerics import floor_step, is_finite

VERSION = 1


class Params(NamedTuple):
    """Constants of this module; defaults are SPEC's."""

    mode: int = 3  # codes.ENFORCED
    max_day_drawdown: float = 0.05  # fraction of the equity at 00:00 UTC
    min_margin_usd: float = 10.0  # margin of the position after the order
    max_margin_usd: float = 300.0
    max_margin_fraction: float = 0.0  # of equity; 0 = the USD limit alone, else the smaller of both
    min_leverage: float = 1.0  # the profile's range: asked leverage is raised to it, then the lowest cap wins
    max_leverage: float = 5.0
    leverage_cap_calm: float = 5.0  # volatility LOW or NORMAL
    leverage_cap_high: float = 3.0  # volatility HIGH
    leverage_cap_defensive: float = 2.0  # risk mode DEFENSIVE
    max_margin_use: float = 0.80  # margin in use and reserved / equity
    max_positions: int = 50
    max_risk_per_trade: float = 0.02  # loss at stop incl. costs / equity
    streak_limit: int = 5  # losing trades in a row beyond which sizes are scaled
    streak_scale: float = 0.5
    max_errors_per_min: int = 10  # system errors; beyond: HALT


BOUNDS = {
    "max_day_drawdown": (0.0, 1.0),
    "min_margin_usd": (0.0, 1e9),
    "max_margin_usd": (0.0, 1e12),
    "max_margin_fraction": (0.0, 1.0),
    "min_leverage": (1.0, 125.0),
    "max_leverage": (1.0, 125.0),
    "leverage_cap_calm": (1.0, 125.0),
    "leverage_cap_high": (1.0, 125.0),
    "leverage_cap_defensive": (1.0, 125.0),
    "max_margin_use": (0.0, 1.0),
    "max_positions": (0, 1000),
    "max_risk_per_trade": (0.0, 1.0),
    "streak_limit": (0, 1000),
    "streak_scale": (0.0, 1.0),
    "max_errors_per_min": (0, 127),
}
CHOICES: dict[str, tuple[str, ...]] = {}

HEADROOM = 1e-9  # a size solved to a cap stays this fraction below it, so that the governor's "<" holds


class Account(NamedTuple):
    """The account as one candidate sees it."""

    equity_usd: float
    free_usd: float  # wallet not bound as margin nor reserved
    margin_usd: float  # in use and reserved
    n_positions: int  # open and pending
    day_drawdown: float
    losing_streak: int
    paused: int
    halted: int


class Ask(NamedTuple):
    """What is asked for and who else speaks."""

    price: float
    stop_fraction: float
    margin_usd: float
    leverage: float
    size_scale: float  # product of 7 and policy
    risk_cap: float  # smallest risk fraction of those who speak beside this module (18, 24, policy)
    round_trip_cost: float  # 2 x taker fee + slippage, fraction of notional
    bracket_leverage: float  # the contract's highest leverage for the asked notional
    vol_class: int
    defensive: int


class Size(NamedTuple):
    """What is granted."""

    qty: float  # base units, unsigned, a multiple of the lot
    margin_usd: float
    leverage: float
    reason: int


@kernel
def gate(p: Params, a: Account) -> int:
    """Reason for which nothing may open now, or OK: kill switch and limits that do not depend on the candidate."""
    if a.halted != 0:
        return HALTED
    if a.paused != 0:
        return PAUSED
    if a.day_drawdown > p.max_day_drawdown:
        return DAY_DRAWDOWN
    if a.n_positions >= p.max_positions:
        return MAX_POSITIONS
    return OK


@kernel
def leverage_cap(p: Params, vol_class: int, defensive: int, bracket_leverage: float) -> float:
    """The smallest of profile, bracket, volatility and risk mode."""
    cap = min(p.max_leverage, bracket_leverage)
    cap = min(cap, p.leverage_cap_high if vol_class == VOL_HIGH else p.leverage_cap_calm)
    if defensive != 0:
        cap = min(cap, p.leverage_cap_defensive)
    return cap


@kernel
def streak_factor(p: Params, losing_streak: int) -> float:
    """Size scale after a losing streak."""
    return p.streak_scale if losing_streak > p.streak_limit else 1.0


@kernel
def max_margin(p: Params, equity_usd: float) -> float:
    """Largest margin of one position: USD limit, and the limit relative to equity where set."""
    if p.max_margin_fraction > 0.0:
        return min(p.max_margin_usd, p.max_margin_fraction * equity_usd)
    return p.max_margin_usd


@kernel
def unbound(q: Ask, lot_step: float, max_qty: float) -> Size:
    """The asked size rounded down to the lot: what passes while this module binds nothing."""
    if not is_finite(q.price) or q.price <= 0.0:
        return Size(0.0, 0.0, 0.0, NO_PRICE)
    qty = min(floor_step(q.margin_usd * q.leverage / q.price, lot_step), max_qty)
    return Size(qty, qty * q.price / q.leverage, q.leverage, OK if qty > 0.0 else SIZE_BELOW_MIN)


@kernel
def size(p: Params, a: Account, q: Ask, lot_step: float, max_qty: float, min_notional: float) -> Size:
    """Quantity, margin and leverage that every limit allows, or zero and the reason.

    A size below the minimum after scaling is a veto, never rounded up; every rounding is down.
    """
    if not is_finite(q.price) or q.price <= 0.0:
        return Size(0.0, 0.0, 0.0, NO_PRICE)
    lev = min(max(q.leverage, p.min_leverage), leverage_cap(p, q.vol_class, q.defensive, q.bracket_leverage))
    if lev < 1.0:
        return Size(0.0, 0.0, lev, LEVERAGE)
    room = min(p.max_margin_use * a.equity_usd - a.margin_usd, a.free_usd)
    margin = min(q.margin_usd * q.size_scale * streak_factor(p, a.losing_streak), max_margin(p, a.equity_usd))
    if room < p.min_margin_usd:
        return Size(0.0, 0.0, lev, MARGIN_USE)
    # the entry fee comes out of the same free balance as the margin
    margin = min(margin, room / (1.0 + lev * q.round_trip_cost))
    notional = margin * lev
    risk = min(p.max_risk_per_trade, q.risk_cap) * a.equity_usd * (1.0 - HEADROOM)
    notional = min(notional, risk / (q.stop_fraction + q.round_trip_cost))
    qty = min(floor_step(notional / q.price, lot_step), max_qty)
    notional = qty * q.price
    if qty <= 0.0 or notional / lev < p.min_margin_usd:
        return Size(0.0, 0.0, lev, SIZE_BELOW_MIN)
    if notional < min_notional:
        return Size(0.0, 0.0, lev, MIN_NOTIONAL)
    return Size(qty, notional / lev, lev, OK)


@kernel
def error_burst(p: Params, errors_in_window: int) -> bool:
    """True where system errors within a minute exceed the limit: HALT."""
    return errors_in_window > p.max_errors_per_min
