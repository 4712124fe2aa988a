"""Conditional orders: placed with the algo service, triggered into market orders by the engine."""

from live.testing import errors as e
from live.testing.contracts import Contract
from live.testing.errors import ApiError, Refusal
from live.testing.filters import (
    Params,
    check_client_id,
    check_margin_type,
    check_mode,
    check_notional,
    check_price,
    check_quantity,
    needed,
    number,
    reduce_only_of,
    side_of,
    whole,
)
from live.testing.matching import CLOSE_ALL_QTY
from live.testing.order_rows import algo_event
from live.testing.orders import Algo, forgotten
from live.testing.simulation import Simulation
from live.testing.text import flag
from live.testing.trading import hand_over
from qt_core.codes import STOP, TAKE_PROFIT, TRAILING

KINDS = {"STOP_MARKET": STOP, "TAKE_PROFIT_MARKET": TAKE_PROFIT, "TRAILING_STOP_MARKET": TRAILING}
LIMIT_KINDS = ("STOP", "TAKE_PROFIT")  # the exchange has them, the engine does not
WORKING = ("CONTRACT_PRICE", "MARK_PRICE")  # by the engine's working_type
MIN_CALLBACK, MAX_CALLBACK, PERCENT = 0.1, 10.0, 100.0
BAD_CALLBACK = Refusal(-2007, "Invalid callBack rate.")


def place_algo(x: Simulation, params: Params) -> Algo:
    """POST algoOrder."""
    if needed(params, "algoType") != "CONDITIONAL":
        raise ApiError(e.BAD_DATA, "algoType")
    c = x.traded(params)
    kind = _type_of(params)
    check_mode(params, x.account)
    client_id = params.get("clientAlgoId") or f"algo_{x.orders.next_algo_id()}"
    check_client_id(client_id, x.orders.taken(client_id))
    algo = Algo(
        id=x.orders.next_algo_id(),
        client_id=client_id,
        symbol=c.name,
        index=c.index,
        side=side_of(params),
        type=kind,
        qty=0.0,
        reduce_only=reduce_only_of(params),
        close_position=flag(params.get("closePosition", "false")),
        price_protect=flag(params.get("priceProtect", "false")),
        working_type=_working_type(x, params),
        tif=params.get("timeInForce", "GTC"),
        good_till_ms=whole(params, "goodTillDate") if params.get("timeInForce") == "GTD" else 0,
    )
    _read_prices(x, c, algo, params)
    algo.qty = _quantity(c, algo, params)
    _check_account(x, c, algo)
    fraction = algo.callback / PERCENT
    hand_over(x, algo, c, KINDS[kind], trigger=algo.trigger, callback=fraction, activation=algo.activation)
    x.orders.add_algo(algo)
    x.tell(algo_event(algo, c, algo.created_ms))
    return algo


def _type_of(params: Params) -> str:
    kind = needed(params, "type")
    if kind in LIMIT_KINDS:
        raise ApiError(e.UNSUPPORTED, f"{kind} orders with a limit price are not simulated")
    if kind not in KINDS:
        raise ApiError(e.BAD_TYPE)
    return kind


def _working_type(x: Simulation, params: Params) -> str:
    """The price that triggers; the engine has one for all orders."""
    own = WORKING[x.matching.venue_params.working_type]
    asked = params.get("workingType", "CONTRACT_PRICE")
    if asked not in WORKING:
        raise ApiError(e.BAD_WORKING_TYPE, asked)
    if asked != own:
        raise ApiError(e.UNSUPPORTED, f"workingType {asked}, the engine triggers on {own}")
    return asked


def _read_prices(x: Simulation, c: Contract, a: Algo, params: Params) -> None:
    if a.type == "TRAILING_STOP_MARKET":
        a.callback = number(params, "callbackRate")
        if not MIN_CALLBACK <= a.callback <= MAX_CALLBACK:
            raise ApiError(BAD_CALLBACK)
        if params.get("activatePrice"):
            a.activation = check_price(c, params, "activatePrice")
        return
    a.trigger = check_price(c, params, "triggerPrice", e.STOP_NEGATIVE)
    if x.settings.check_trigger and _passed(x, a):
        raise ApiError(e.WOULD_TRIGGER)


def _passed(x: Simulation, a: Algo) -> bool:
    """True where the price has reached the trigger already."""
    by_mark = a.working_type == "MARK_PRICE"
    price = float(x.matching.mark[a.index]) if by_mark else x.matching.price_now(a.index)
    rising = (a.side > 0) == (a.type == "STOP_MARKET")
    return price >= a.trigger if rising else price <= a.trigger


def _quantity(c: Contract, a: Algo, params: Params) -> float:
    if not a.close_position:
        return check_quantity(c, params)
    if params.get("quantity"):
        raise ApiError(e.QTY_WITH_CLOSE)
    return CLOSE_ALL_QTY


def _check_account(x: Simulation, c: Contract, a: Algo) -> None:
    """What may open needs its notional; its margin is asked for when it triggers."""
    if a.reduce_only or a.close_position:
        return
    check_notional(c, a.qty, a.trigger or x.matching.price_now(c.index))
    check_margin_type(x.account, c)


def found_algo(x: Simulation, params: Params, refusal: Refusal, only_open: bool = True) -> Algo:
    """The conditional order a request means."""
    algo_id, client_id = params.get("algoId", ""), params.get("clientAlgoId", "")
    if not algo_id and not client_id:
        raise ApiError(e.MISSING, "algoId")
    algo = x.orders.find_algo(algo_id, client_id)
    if algo is None or (only_open and not algo.is_open) or forgotten(algo, x.now_ms()):
        raise ApiError(refusal)
    return algo
