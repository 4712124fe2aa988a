"""Module 24, safety governor: the last word on every order that opens or enlarges. Rules; SPEC section 5.

It recomputes what the risk OS computed, from the order itself and its own limits. Its veto is final; a manual override is
a command, binds one order, and is journalled with reason OVERRIDE. OFF only in a backtest, stamped UNSAFE.
"""

from typing import NamedTuple

from qt_core._jit import kernel
from qt_core.codes import (
    CRITICAL,
    DAY_DRAWDOWN,
    DUPLICATE,
    HEALTH,
    LEVERAGE,
    LOSS_AT_STOP,
    MARGIN_LIMIT,
    NON_FINITE,
    OFF,
    OK,
    OVERRIDE,
    SIZE_BELOW_MIN,
)
from qt_core.numerics import is_finite

VERSION = 1


class Params(NamedTuple):
    """Constants of this module; defaults are SPEC's."""

    mode: int = 3  # codes.ENFORCED
    max_margin_usd: float = 300.0  # margin of the position after the order
    min_margin_usd: float = 10.0
    max_leverage: float = 5.0
    max_loss_at_stop: float = 0.015  # loss at the stop incl. costs / equity, strictly below
    max_day_drawdown: float = 0.05


BOUNDS = {
    "max_margin_usd": (0.0, 1e12),
    "min_margin_usd": (0.0, 1e9),
    "max_leverage": (1.0, 125.0),
    "max_loss_at_stop": (0.0, 1.0),
    "max_day_drawdown": (0.0, 1.0),
}
CHOICES: dict[str, tuple[str, ...]] = {}

TOLERANCE = 1e-9  # relative, on margin limits: 300.0000000001 is 300


class Order(NamedTuple):
    """The order as it would be sent."""

    side: int
    qty: float
    price: float
    leverage: float
    stop_fraction: float
    tp_fraction: float
    margin_after_usd: float  # of the position after this order
    notional_after_usd: float
    scale_in: int  # 1 = adds to a position of the same side: exempt from the duplicate check only
    held: int  # 1 = a position or a pending entry exists in the symbol
    override: int  # 1 = a person overrides the veto of this one order


class Review(NamedTuple):
    """The verdict."""

    reason: int
    loss_at_stop_usd: float


@kernel
def check(p: Params, o: Order, equity_usd: float, day_drawdown: float, health: int, loss_usd: float) -> int:
    """First reason against the order, or OK."""
    total = o.qty + o.price + o.leverage + o.stop_fraction + o.tp_fraction + o.margin_after_usd + equity_usd + loss_usd
    if not is_finite(total) or o.qty <= 0.0 or o.price <= 0.0 or o.stop_fraction <= 0.0 or equity_usd <= 0.0:
        return NON_FINITE
    if health == CRITICAL:
        return HEALTH
    if day_drawdown > p.max_day_drawdown:
        return DAY_DRAWDOWN
    if o.held != 0 and o.scale_in == 0:
        return DUPLICATE
    if o.leverage > p.max_leverage * (1.0 + TOLERANCE):
        return LEVERAGE
    if o.margin_after_usd > p.max_margin_usd * (1.0 + TOLERANCE):
        return MARGIN_LIMIT
    if o.margin_after_usd < p.min_margin_usd * (1.0 - TOLERANCE):
        return SIZE_BELOW_MIN
    if not loss_usd < p.max_loss_at_stop * equity_usd:
        return LOSS_AT_STOP
    return OK


@kernel
def review(p: Params, o: Order, equity_usd: float, day_drawdown: float, health: int, round_trip_cost: float) -> Review:
    """Verdict and loss at the stop, costs included, in USD. NON_FINITE cannot be overridden."""
    loss = o.notional_after_usd * (o.stop_fraction + round_trip_cost)
    if p.mode == OFF:
        return Review(OK, loss)
    reason = check(p, o, equity_usd, day_drawdown, health, loss)
    if reason != OK and reason != NON_FINITE and o.override != 0:
        return Review(OVERRIDE, loss)
    return Review(reason, loss)
