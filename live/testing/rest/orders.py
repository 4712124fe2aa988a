"""Plain orders: place, amend, cancel, look up, list."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from live.testing import errors as e
from live.testing.contracts import Contract
from live.testing.errors import ApiError
from live.testing.filters import Params, whole, window
from live.testing.order_rows import order_row
from live.testing.orders import CANCELED, Order, forgotten
from live.testing.simulation import Simulation
from live.testing.trading import amend, cancel, found, place
from qt_core.io.timeframes import DAY_MS

CANCELLED_ALL: dict[str, Any] = {"code": 200, "msg": "The operation of cancel all open order is done."}
ALL_LIMIT, ALL_MAX = 500, 1000
FAR_MS = 1 << 62
WEEK_MS = 7 * DAY_MS


def contract_of(x: Simulation, o: Order) -> Contract:
    return x.contracts[o.index]


def post_order(x: Simulation, params: Params) -> dict[str, Any]:
    order = place(x, params)
    return order_row(order, contract_of(x, order))


def put_order(x: Simulation, params: Params) -> dict[str, Any]:
    order = amend(x, params)
    return order_row(order, contract_of(x, order))


def delete_order(x: Simulation, params: Params) -> dict[str, Any]:
    """The order as it stands: NEW where the cancel acts at the next bar only, CANCELED where it is dead."""
    order = cancel(x, found(x, params, e.UNKNOWN_ORDER))
    row = order_row(order, contract_of(x, order))
    return row | {"status": CANCELED} if order.ending else row


def get_order(x: Simulation, params: Params) -> dict[str, Any]:
    order = found(x, params, e.NO_SUCH_ORDER, only_open=False)
    return order_row(order, contract_of(x, order), asked=True)


def get_open_order(x: Simulation, params: Params) -> dict[str, Any]:
    order = found(x, params, e.NO_SUCH_ORDER)
    return order_row(order, contract_of(x, order), asked=True)


def open_orders(x: Simulation, params: Params) -> list[dict[str, Any]]:
    symbol = x.contract(params).name if params.get("symbol") else ""
    return [order_row(o, contract_of(x, o), asked=True) for o in x.orders.open_orders(symbol)]


def listed(
    x: Simulation, params: Params, key: str, kept: Iterable[Any], row: Callable[[Any, Contract], dict[str, Any]]
) -> list[dict[str, Any]]:
    """Rows of a symbol's orders by time, at most a week, or (parameter ``key``) from that number on."""
    c, now = x.contract(params), x.now_ms()
    limit, first = min(whole(params, "limit", ALL_LIMIT), ALL_MAX), whole(params, key, 0)
    start, end = (0, FAR_MS) if first else window(params, now, WEEK_MS)
    rows = [
        row(o, c)
        for o in kept
        if o.symbol == c.name and o.id >= first and start <= o.created_ms <= end and not forgotten(o, now)
    ]
    return rows[:limit] if first or "startTime" in params else rows[-limit:]


def all_orders(x: Simulation, params: Params) -> list[dict[str, Any]]:
    return listed(x, params, "orderId", x.orders.orders.values(), partial(order_row, asked=True))


def delete_all(x: Simulation, params: Params) -> dict[str, Any]:
    for order in list(x.orders.open_orders(x.contract(params).name)):
        cancel(x, order)
    return CANCELLED_ALL


def batch_orders(x: Simulation, params: Params) -> Any:
    raise ApiError(e.UNSUPPORTED, "batch orders are not simulated")
