"""What the chain asks, in the exchange's words: pure functions from an intent to the parameters of one call.

Prices and quantities come from the chain on the grid already. They are written as exact decimals, and a number that is
off the grid is an error of ours that must not reach the exchange rounded.
"""

from decimal import Decimal
from typing import Any, NamedTuple

from live.adapters.binance.session import CANCEL, CANCEL_ALGO, PLACE, PLACE_ALGO, Endpoint
from live.ports import Intent
from qt_core.codes import (
    BELOW_MIN_NOTIONAL,
    IOC,
    LIMIT,
    MARKET,
    MAX_QTY,
    NON_FINITE,
    NOT_APPROVED,
    OK,
    POST_ONLY,
    STOP,
    TAKE_PROFIT,
    TRAILING,
)
from qt_core.numerics import is_finite

GRID_TOLERANCE = 1e-6  # of a step: what binary arithmetic leaves of a decimal
CONDITIONAL = (STOP, TAKE_PROFIT, TRAILING)
RESTING = (LIMIT, POST_ONLY)
TYPES = {STOP: "STOP_MARKET", TAKE_PROFIT: "TAKE_PROFIT_MARKET", TRAILING: "TRAILING_STOP_MARKET", MARKET: "MARKET"}
IN_FORCE = {LIMIT: "GTC", IOC: "IOC", POST_ONLY: "GTX"}
WORKING = ("CONTRACT_PRICE", "MARK_PRICE")  # by venue.working_type
CALLBACK_STEP = 0.1  # percent points of a trailing order's distance
CALLBACK_MAX = 10.0
PERCENT = 100.0


class OffGridError(ValueError):
    """A price or quantity between two steps of its grid."""


class Request(NamedTuple):
    """One call."""

    endpoint: Endpoint
    params: dict[str, Any]


STEP_DIGITS = 12  # of a step: 9.999999999999999e-06 is 0.00001 that went through a power of ten


def on_grid(value: float, step: float, what: str) -> str:
    """``value`` as an exact decimal text.

    Raises
    ------
    OffGridError
        Where it is no multiple of ``step`` (0: any number goes).
    """
    if step <= 0.0:
        return f"{Decimal(repr(float(value))):f}"
    n = value / step
    if abs(n - round(n)) > GRID_TOLERANCE * max(1.0, abs(n) * 1e-6):
        raise OffGridError(f"{what} {value!r} is no multiple of {step!r}")
    return f"{Decimal(round(n)) * Decimal(f'{step:.{STEP_DIGITS}g}'):f}"


def refusal(intent: Intent, specs: Any, last_price: float) -> int:
    """Reason a new order is refused without asking the exchange, or OK: the simulated venue's own checks.

    Parameters
    ----------
    specs : the symbol's row of market.SPEC_DT. last_price : USD; NaN: a market order's notional is not checked here.
    """
    i = intent
    bad = not (is_finite(i.qty) and i.qty > 0.0 and is_finite(i.leverage) and i.leverage > 0.0)
    if i.kind in IN_FORCE:
        bad = bad or not (is_finite(i.price) and i.price > 0.0)
    elif i.kind in (STOP, TAKE_PROFIT):
        bad = bad or not (is_finite(i.trigger) and i.trigger > 0.0)
    elif i.kind == TRAILING:
        bad = bad or not (is_finite(i.callback) and i.callback > 0.0 and is_finite(i.activation))
    if bad:
        return NON_FINITE
    if i.reduce_only:
        return OK
    if not i.approved:
        return NOT_APPROVED
    if i.qty > specs["max_qty"]:
        return MAX_QTY
    price = i.price if i.kind in IN_FORCE else i.trigger if i.kind in (STOP, TAKE_PROFIT) else last_price
    if i.qty < specs["min_qty"] or i.qty * price < specs["min_notional"]:
        return BELOW_MIN_NOTIONAL
    return OK


def place(intent: Intent, name: str, specs: Any, working_type: int) -> Request:
    """The call that places an order, or that places the successor of a conditional one.

    Raises
    ------
    OffGridError
        See ``on_grid``.
    """
    qty = on_grid(intent.qty, float(specs["lot_step"]), "quantity")
    params: dict[str, Any] = {"symbol": name, "side": "BUY" if intent.side > 0 else "SELL", "quantity": qty}
    if intent.reduce_only:
        params["reduceOnly"] = "true"
    if intent.kind in CONDITIONAL:
        return Request(PLACE_ALGO, params | _conditional(intent, float(specs["tick_size"]), working_type))
    params |= {"type": TYPES.get(intent.kind, "LIMIT"), "newClientOrderId": intent.client_id}
    if intent.kind in IN_FORCE:
        params["price"] = on_grid(intent.price, float(specs["tick_size"]), "price")
        params["timeInForce"] = IN_FORCE[intent.kind]
    return Request(PLACE, params)


def _conditional(intent: Intent, tick: float, working_type: int) -> dict[str, Any]:
    params = {
        "algoType": "CONDITIONAL",
        "type": TYPES[intent.kind],
        "workingType": WORKING[working_type],
        "clientAlgoId": intent.client_id,
    }
    if intent.kind != TRAILING:
        return params | {"triggerPrice": on_grid(intent.trigger, tick, "trigger")}
    # rounded up to what the exchange takes: a trail nearer than asked would stop too early
    steps = -(-intent.callback * PERCENT // CALLBACK_STEP)
    params["callbackRate"] = f"{min(max(steps, 1.0) * CALLBACK_STEP, CALLBACK_MAX):.1f}"
    if intent.activation > 0.0:
        params["activatePrice"] = on_grid(intent.activation, tick, "activation")
    return params


def as_market(intent: Intent) -> Intent:
    """The order a conditional one becomes when its trigger lies behind the price already."""
    return intent._replace(kind=MARKET, price=0.0, trigger=0.0)


def capped(intent: Intent, best: float, worst: float, cap: float, tick: float) -> Intent:
    """A market entry that would cross more than ``cap`` becomes IOC at the cap; else it is returned as it is.

    Parameters
    ----------
    best : the touch it would take. worst : price of its last unit by the known book, NaN = the book does not hold it.
    cap : fraction of the touch.
    """
    limit = best * (1.0 + intent.side * cap)
    if worst == worst and intent.side * (worst - limit) <= 0.0:
        return intent
    steps = limit / tick
    price = (steps // 1.0 if intent.side > 0 else -(-steps // 1.0)) * tick
    return intent._replace(kind=IOC, price=float(Decimal(round(price / tick)) * Decimal(repr(tick))))


def cancel(name: str, client_id: str, conditional: bool) -> Request:
    """The call that cancels one order by its client id."""
    if conditional:
        return Request(CANCEL_ALGO, {"symbol": name, "clientAlgoId": client_id})
    return Request(CANCEL, {"symbol": name, "origClientOrderId": client_id})
