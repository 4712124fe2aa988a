"""Conditional orders: place, cancel, look up, list."""

from typing import Any

from live.testing import errors as e
from live.testing.conditional import found_algo, place_algo
from live.testing.contracts import Contract
from live.testing.filters import Params, whole, window
from live.testing.order_rows import algo_row
from live.testing.orders import CANCELED, Algo, forgotten
from live.testing.rest.orders import ALL_LIMIT, ALL_MAX, CANCELLED_ALL, FAR_MS, WEEK_MS
from live.testing.simulation import Simulation
from live.testing.trading import cancel_algo


def contract_of(x: Simulation, a: Algo) -> Contract:
    return x.contracts[a.index]


def post_algo(x: Simulation, params: Params) -> dict[str, Any]:
    algo = place_algo(x, params)
    return algo_row(algo, contract_of(x, algo))


def delete_algo(x: Simulation, params: Params) -> dict[str, Any]:
    """The order as it stands: NEW where the cancel acts at the next bar only, CANCELED where it is dead."""
    algo = cancel_algo(x, found_algo(x, params, e.UNKNOWN_ORDER))
    row = algo_row(algo, contract_of(x, algo))
    return row | {"algoStatus": CANCELED} if algo.ending else row


def get_algo(x: Simulation, params: Params) -> dict[str, Any]:
    algo = found_algo(x, params, e.NO_SUCH_ORDER, only_open=False)
    return algo_row(algo, contract_of(x, algo), asked=True)


def open_algos(x: Simulation, params: Params) -> list[dict[str, Any]]:
    symbol = x.contract(params).name if params.get("symbol") else ""
    return [algo_row(a, contract_of(x, a), asked=True) for a in x.orders.open_algos(symbol)]


def all_algos(x: Simulation, params: Params) -> list[dict[str, Any]]:
    c = x.contract(params)
    first, limit = whole(params, "algoId", 0), min(whole(params, "limit", ALL_LIMIT), ALL_MAX)
    start, end = (0, FAR_MS) if first else window(params, x.now_ms(), WEEK_MS)
    now = x.now_ms()
    rows = [
        algo_row(a, c, asked=True)
        for a in x.orders.algos.values()
        if a.symbol == c.name and a.id >= first and start <= a.created_ms <= end and not forgotten(a, now)
    ]
    return rows[:limit] if first or "startTime" in params else rows[-limit:]


def delete_all(x: Simulation, params: Params) -> dict[str, Any]:
    for algo in list(x.orders.open_algos(x.contract(params).name)):
        cancel_algo(x, algo)
    return CANCELLED_ALL
