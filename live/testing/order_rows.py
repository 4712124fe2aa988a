"""Orders and conditional orders as REST rows and as user-stream events: one function a shape."""

from typing import Any

from live.testing.contracts import QUOTE, Contract
from live.testing.orders import Algo, Order
from live.testing.text import money, rounded

SIDES = {1: "BUY", -1: "SELL"}
NO_MATCH = "NONE"
STP = "EXPIRE_MAKER"  # self-trade prevention, which one account alone never meets
AVERAGE_PLACES = 8


def order_row(o: Order, c: Contract, asked: bool = False) -> dict[str, Any]:
    """An order as POST, PUT and DELETE answer it, or (``asked``) as GET does."""
    row = {
        "orderId": o.id,
        "symbol": o.symbol,
        "status": o.status,
        "clientOrderId": o.client_id,
        "price": c.price(o.price),
        "avgPrice": rounded(o.average, AVERAGE_PLACES),
        "origQty": c.qty(o.qty),
        "executedQty": c.qty(o.filled),
        "cumQty": c.qty(o.filled),
        "cumQuote": money(o.quote),
        "timeInForce": o.tif,
        "type": o.type,
        "reduceOnly": o.reduce_only,
        "closePosition": o.close_position,
        "side": SIDES[o.side],
        "positionSide": "BOTH",
        "stopPrice": c.price(o.algo.trigger if o.algo else 0.0),
        "workingType": o.working_type,
        "priceProtect": False,
        "origType": o.algo.type if o.algo else o.type,
        "priceMatch": NO_MATCH,
        "selfTradePreventionMode": STP,
        "goodTillDate": o.good_till_ms,
        "updateTime": o.updated_ms,
    }
    if asked:
        del row["cumQty"]
        row["time"] = o.created_ms
    return row


def algo_row(a: Algo, c: Contract, asked: bool = False) -> dict[str, Any]:
    """A conditional order as POST and DELETE answer it, or (``asked``) as GET does."""
    row = {
        "algoId": a.id,
        "clientAlgoId": a.client_id,
        "algoType": "CONDITIONAL",
        "orderType": a.type,
        "symbol": a.symbol,
        "side": SIDES[a.side],
        "positionSide": "BOTH",
        "timeInForce": a.tif,
        "quantity": _algo_qty(a, c),
        "algoStatus": a.status,
        "triggerPrice": c.price(a.trigger),
        "price": c.price(0.0),
        "icebergQuantity": None,
        "selfTradePreventionMode": STP,
        "workingType": a.working_type,
        "priceMatch": NO_MATCH,
        "closePosition": a.close_position,
        "priceProtect": a.price_protect,
        "reduceOnly": a.reduce_only,
        "createTime": a.created_ms,
        "updateTime": a.updated_ms,
        "triggerTime": a.triggered_ms,
        "goodTillDate": a.good_till_ms,
    }
    trailing = a.type == "TRAILING_STOP_MARKET"
    if not asked:
        row["activatePrice"] = c.price(a.activation) if trailing else ""
        row["callbackRate"] = f"{a.callback:g}" if trailing else ""
        return row
    zero = c.price(0.0)
    child = a.child
    row.update(
        actualOrderId=str(child.id) if child else "",
        actualPrice=rounded(child.average if child else 0.0, AVERAGE_PLACES),
        actualQty=c.qty(child.filled if child else 0.0),
        actualType=child.type if child else "",
        tpTriggerPrice=zero,
        tpPrice=zero,
        slTriggerPrice=zero,
        slPrice=zero,
        tpOrderType="",
    )
    return row


def _algo_qty(a: Algo, c: Contract) -> str:
    return c.qty(0.0 if a.close_position else a.qty)


def order_event(o: Order, c: Contract, what: str, time_ms: int, fill: "dict[str, Any] | None" = None) -> dict[str, Any]:
    """An ORDER_TRADE_UPDATE; ``what``: execution type; ``fill``: the keys a fill differs in."""
    body = {
        "s": o.symbol,
        "c": o.client_id,
        "S": SIDES[o.side],
        "o": o.type,
        "f": o.tif,
        "q": c.qty(o.qty),
        "p": c.price(o.price),
        "ap": rounded(o.average, AVERAGE_PLACES),
        "sp": c.price(o.algo.trigger if o.algo else 0.0),
        "x": what,
        "X": o.status,
        "i": o.id,
        "l": c.qty(0.0),
        "z": c.qty(o.filled),
        "L": c.price(0.0),
        "N": QUOTE,
        "n": "0",
        "T": time_ms,
        "t": 0,
        "b": "0",
        "a": "0",
        "m": False,
        "R": o.reduce_only,
        "wt": o.working_type,
        "ot": o.algo.type if o.algo else o.type,
        "ps": "BOTH",
        "cp": o.close_position,
        "pP": False,
        "si": 0,
        "ss": 0,
        "rp": "0",
        "V": STP,
        "pm": NO_MATCH,
        "gtd": o.good_till_ms,
        "er": "0",
        **(fill or {}),
    }
    if o.algo and o.algo.type == "TRAILING_STOP_MARKET":
        body["AP"], body["cr"] = c.price(o.algo.activation), f"{o.algo.callback:g}"
    return {"e": "ORDER_TRADE_UPDATE", "E": time_ms, "T": time_ms, "o": body}


def algo_event(a: Algo, c: Contract, time_ms: int) -> dict[str, Any]:
    """An ALGO_UPDATE."""
    child = a.child
    body = {
        "caid": a.client_id,
        "aid": a.id,
        "at": "CONDITIONAL",
        "o": a.type,
        "s": a.symbol,
        "S": SIDES[a.side],
        "ps": "BOTH",
        "f": a.tif,
        "q": _algo_qty(a, c),
        "X": a.status,
        "ai": str(child.id) if child else "",
        "ap": rounded(child.average if child else 0.0, AVERAGE_PLACES),
        "aq": c.qty(child.filled if child else 0.0),
        "act": child.type if child else "0",
        "tp": c.price(a.trigger),
        "p": c.price(0.0),
        "V": STP,
        "wt": a.working_type,
        "pm": NO_MATCH,
        "cp": a.close_position,
        "pP": a.price_protect,
        "R": a.reduce_only,
        "tt": a.triggered_ms,
        "gtd": a.good_till_ms,
    }
    if a.reason:
        body["rm"] = a.reason
    return {"e": "ALGO_UPDATE", "T": time_ms, "E": time_ms, "o": body}
