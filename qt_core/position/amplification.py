"""Module 9, position amplification (PAL): scale in, take profit in parts, let winners run. A rule; SPEC section 3.

Only LEADING positions with R > 0 are amplified. A scale-in never raises the loss at the stops above the initial risk; the
ladder's rungs are reduce-only targets like the resting TP, which covers what is not on rungs. OFF: none of it. OBSERVE
and ADVISORY: what would have been is journalled, the caller acts only where ENFORCED.

NaN policy: an unknown number adds nothing, places no rung and lets nothing run.
"""

from typing import NamedTuple

from qt_core._jit import kernel
from qt_core.codes import (
    AMPLIFY_HOLD,
    AMPLIFY_LADDER,
    AMPLIFY_LET_RUN,
    AMPLIFY_NONE,
    AMPLIFY_SCALE_IN,
    MIN_NOTIONAL,
    NON_FINITE,
    NOT_ELIGIBLE,
    OFF,
    OK,
    PIL_LEADING,
    QUICK_EXIT,
    RISK_BUDGET,
    SIZE_BELOW_MIN,
)
from qt_core.numerics import floor_step, is_finite
from qt_core.position.dynamic_tpsl import target_price

VERSION = 1


class Params(NamedTuple):
    """Constants of this module; defaults are SPEC's."""

    mode: int = 3  # codes.ENFORCED
    interval_ms: int = 300_000  # between two looks at a position, ms
    scale_in_r: float = 1.5  # R from which a position may grow
    max_scale_ins: int = 2  # per position
    scale_fraction: float = 0.5  # of the first size, at most, each time
    rung_1_roi: float = 0.08  # ROI (leverage x price move) of the first part taken, fraction
    rung_1_fraction: float = 0.25  # of the position
    rung_2_roi: float = 0.12  # ROI of the second part, fraction
    rung_2_fraction: float = 0.25  # of the position
    let_run_r: float = 1.5  # R from which the target is taken away while momentum is intact


BOUNDS = {
    "interval_ms": (0, 604_800_000),
    "scale_in_r": (0.0, 100.0),
    "max_scale_ins": (0, 100),
    "scale_fraction": (0.0, 1.0),
    "rung_1_roi": (0.0001, 10.0),
    "rung_1_fraction": (0.0, 1.0),
    "rung_2_roi": (0.0001, 10.0),
    "rung_2_fraction": (0.0, 1.0),
    "let_run_r": (0.0, 100.0),
}
CHOICES: dict[str, tuple[str, ...]] = {}

HEADROOM = 4e-9  # a size solved to the budget stays this fraction below it: more than rounding to the lot may add
AT_TARGET = 1e-9  # relative: a rung this close below the TP lies at it


class Inputs(NamedTuple):
    """One open position that might grow."""

    cls: int  # codes.PIL_*
    side: int
    r: float
    n_scaled: int  # scale-ins so far, working ones included
    first_qty: float  # first filled quantity, base units
    qty: float  # held now, unsigned
    avg_price: float
    stop_price: float  # the stop as it rests now
    price_cap: float  # worst price the scale-in may pay
    cost_fraction: float  # round-trip cost of the added part, fraction of its notional
    initial_risk_usd: float
    room_qty: float  # what the size limits of the whole position still allow (risk OS); inf where none speaks
    lot_step: float
    min_qty: float
    min_notional: float


class ScaleIn(NamedTuple):
    """Quantity to add (0 = none) and why not."""

    qty: float
    reason: int


@kernel
def risk_budget_qty(x: Inputs) -> float:
    """Quantity that may be added so that the sum of losses at the current stop stays within the initial risk.

    ``qty (avg - stop) side + add (cap - stop) side + add cap cost <= initial_risk``. Profit that the stop has locked
    in counts as room, a rebate does not. A stop at or beyond the price bounds nothing, so nothing may be added.
    """
    per_unit = (x.price_cap - x.stop_price) * x.side
    if not per_unit > 0.0:
        return 0.0
    cost = 0.0 if x.cost_fraction <= 0.0 else x.price_cap * x.cost_fraction
    room = x.initial_risk_usd - x.qty * (x.avg_price - x.stop_price) * x.side
    qty = room * (1.0 - HEADROOM) / (per_unit + cost)
    return qty if qty > 0.0 else 0.0


@kernel
def scale_in(p: Params, x: Inputs) -> ScaleIn:
    """Quantity to add, a multiple of the lot, or 0 and the reason; 0 and OK where the module is OFF."""
    if p.mode == OFF:
        return ScaleIn(0.0, OK)
    if x.cls != PIL_LEADING or not x.r >= p.scale_in_r or not x.r > 0.0 or x.n_scaled >= p.max_scale_ins:
        return ScaleIn(0.0, NOT_ELIGIBLE)
    total = x.r + x.first_qty + x.qty + x.avg_price + x.stop_price + x.price_cap + x.cost_fraction + x.initial_risk_usd
    least = min(x.first_qty, x.qty, x.avg_price, x.stop_price, x.price_cap, x.initial_risk_usd)
    if not is_finite(total) or not x.room_qty >= 0.0 or least <= 0.0:
        return ScaleIn(0.0, NON_FINITE)
    allowed = min(p.scale_fraction * x.first_qty, x.room_qty)
    budget = risk_budget_qty(x)
    qty = floor_step(min(allowed, budget), x.lot_step)
    if qty <= 0.0 or qty < x.min_qty:
        return ScaleIn(0.0, RISK_BUDGET if budget < allowed else SIZE_BELOW_MIN)
    if qty * x.price_cap < x.min_notional:
        return ScaleIn(0.0, MIN_NOTIONAL)
    return ScaleIn(qty, OK)


class Ladder(NamedTuple):
    """Rungs of the partial take-profit; quantity 0 = no rung."""

    qty_1: float
    price_1: float
    qty_2: float
    price_2: float
    dropped: int  # rungs at or beyond the resting TP: their share trails
    merged: int  # rungs that rounded to zero: the share went to the next one, the second's to the trail


@kernel
def rung_qty(share: float, lot: float, min_qty: float) -> float:
    """``share`` rounded down to the lot, 0 below the minimum quantity."""
    qty = floor_step(share, lot)
    return qty if qty > 0.0 and qty >= min_qty else 0.0


@kernel
def beyond_tp(side: int, price: float, tp_price: float) -> bool:
    """True where a rung lies at or beyond the resting TP; never where there is none (0 or unknown)."""
    return tp_price > 0.0 and side * (price - tp_price) >= -AT_TARGET * tp_price


@kernel
def ladder(
    p: Params,
    side: int,
    avg: float,
    tp_price: float,
    qty: float,
    leverage: float,
    lot: float,
    min_qty: float,
    tick: float,
) -> Ladder:
    """Rungs of a position of ``qty`` (unsigned) held at ``avg``, prices rounded as every target is: towards the entry.

    Parameters
    ----------
    tp_price : the resting TP, 0 = none (let-run): then no rung is dropped. leverage : turns an ROI into a price move.
    """
    if p.mode == OFF or not is_finite(avg + qty + leverage) or avg <= 0.0 or qty <= 0.0 or leverage <= 0.0:
        return Ladder(0.0, 0.0, 0.0, 0.0, 0, 0)
    price_1 = target_price(side, avg, p.rung_1_roi / leverage, tick)
    price_2 = target_price(side, avg, p.rung_2_roi / leverage, tick)
    qty_1 = 0.0
    carried = 0.0
    dropped = 0
    merged = 0
    if beyond_tp(side, price_1, tp_price):
        dropped = 1
    else:
        qty_1 = rung_qty(qty * p.rung_1_fraction, lot, min_qty)
        if qty_1 == 0.0:
            carried = qty * p.rung_1_fraction
            merged = 1
    qty_2 = 0.0
    if beyond_tp(side, price_2, tp_price):
        dropped += 1
    else:
        qty_2 = rung_qty(min(carried + qty * p.rung_2_fraction, qty - qty_1), lot, min_qty)
        if qty_2 == 0.0:
            merged += 1
    return Ladder(qty_1, price_1 if qty_1 > 0.0 else 0.0, qty_2, price_2 if qty_2 > 0.0 else 0.0, dropped, merged)


@kernel
def tp_qty(size: float, qty_1: float, qty_2: float, trailing: float) -> float:
    """What the resting TP covers: the part that stands neither on a rung nor on the trail alone."""
    return max(0.0, size - qty_1 - qty_2 - trailing)


@kernel
def let_run(p: Params, cls: int, r: float, momentum_side: float, exit_mode: int) -> bool:
    """True where the target is taken away and the trail alone decides; momentum must be known and with the position."""
    if p.mode == OFF or cls != PIL_LEADING or exit_mode == QUICK_EXIT:
        return False
    return r > 0.0 and r >= p.let_run_r and momentum_side > 0.0


@kernel
def action(p: Params, cls: int, r: float, scale_qty: float, runs: bool, rungs_placed: int) -> int:
    """What this look at a position did, for the journal: AMPLIFY_*; HOLD = could be amplified, nothing was due.

    Parameters
    ----------
    scale_qty : of ``scale_in``. runs : ``let_run`` took the target away now. rungs_placed : rungs set or fired now.
    """
    if p.mode == OFF or cls != PIL_LEADING or not r > 0.0:
        return AMPLIFY_NONE
    if scale_qty > 0.0:
        return AMPLIFY_SCALE_IN
    if runs:
        return AMPLIFY_LET_RUN
    return AMPLIFY_LADDER if rungs_placed > 0 else AMPLIFY_HOLD
