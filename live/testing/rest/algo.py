"""Conditional orders: place, cancel, look up, list."""

from functools import partial
from typing import Any

from live.testing import errors as e
from live.testing.conditional import found_algo, place_algo
from live.testing.contracts import Contract
from live.testing.filters import Params
from live.testing.order_rows import algo_row
from live.testing.orders import CANCELED, Algo
from live.testing.rest.orders import CANCELLED_ALL, listed
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
    return listed(x, params, "algoId", x.orders.algos.values(), partial(algo_row, asked=True))


def delete_all(x: Simulation, params: Params) -> dict[str, Any]:
    for algo in list(x.orders.open_algos(x.contract(params).name)):
        cancel_algo(x, algo)
    return CANCELLED_ALL
