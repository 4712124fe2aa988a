"""Plain orders: placed, amended, cancelled. Each that passes the filters is one request to the engine."""

from live.ids import read_id
from live.testing import errors as e
from live.testing.contracts import Contract
from live.testing.errors import ApiError, Refusal
from live.testing.filters import (
    Params,
    check_client_id,
    check_margin,
    check_margin_type,
    check_mode,
    check_notional,
    check_percent,
    check_price,
    check_quantity,
    check_reduce,
    needed,
    reduce_only_of,
    side_of,
    whole,
)
from live.testing.order_rows import algo_event, order_event
from live.testing.orders import CANCELED, Algo, Order, forgotten
from live.testing.simulation import Simulation
from qt_core.codes import (
    BELOW_MIN_NOTIONAL,
    EXCHANGE_BUSY,
    IOC,
    LIMIT,
    MARKET,
    MAX_QTY,
    OP_AMEND,
    OP_CANCEL,
    OP_NEW,
    ORDER_SLOTS,
    POST_ONLY,
)

CONDITIONAL = ("STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET")
KINDS = {"GTC": LIMIT, "GTD": LIMIT, "IOC": IOC, "GTX": POST_ONLY}  # of a limit order, by its time in force
REASONS: dict[int, Refusal] = {  # what the engine refuses at once
    ORDER_SLOTS: e.MAX_OPEN_ORDERS,
    EXCHANGE_BUSY: e.BUSY,
    MAX_QTY: e.QTY_TOO_LARGE,
    BELOW_MIN_NOTIONAL: e.QTY_TOO_SMALL,
}


def place(x: Simulation, params: Params) -> Order:
    """POST order."""
    c = x.traded(params)
    side, kind, tif = side_of(params), _type_of(params), _tif_of(params)
    check_mode(params, x.account)
    client_id = params.get("newClientOrderId") or f"web_{x.orders.next_order_id()}"
    check_client_id(client_id, x.orders.taken(client_id))
    reduce_only = reduce_only_of(params)
    qty = check_quantity(c, params)
    price = check_price(c, params, "price") if kind == "LIMIT" else 0.0
    order = Order(
        id=x.orders.next_order_id(),
        client_id=client_id,
        symbol=c.name,
        index=c.index,
        side=side,
        type=kind,
        tif=tif,
        qty=qty,
        price=price,
        reduce_only=reduce_only,
        good_till_ms=whole(params, "goodTillDate") if tif == "GTD" else 0,
    )
    _check_account(x, c, order)
    hand_over(x, order, c, KINDS[tif] if kind == "LIMIT" else MARKET, price=price)
    x.orders.add(order)
    x.tell(order_event(order, c, "NEW", order.created_ms))
    return order


def _type_of(params: Params) -> str:
    kind = needed(params, "type")
    if kind in CONDITIONAL:
        raise ApiError(e.USE_ALGO)
    if kind not in ("LIMIT", "MARKET"):
        raise ApiError(e.BAD_TYPE)
    if kind == "MARKET" and params.get("price"):
        raise ApiError(e.NOT_REQUIRED, "price")
    return kind


def _tif_of(params: Params) -> str:
    if params["type"] == "MARKET":
        return "GTC"
    tif = needed(params, "timeInForce")
    if tif not in KINDS:
        raise ApiError(e.BAD_TIME_IN_FORCE)
    return tif


def _check_account(x: Simulation, c: Contract, o: Order) -> None:
    """Price band, notional, margin; of a reduce-only order that there is something to reduce."""
    mark = float(x.matching.mark[c.index])
    if o.type == "LIMIT":
        check_percent(c, o.side, o.price, mark)
    if o.reduce_only:
        check_reduce(x.account, c, o.side)
        return
    price = o.price or x.matching.price_now(c.index)
    check_notional(c, o.qty, price)
    check_margin_type(x.account, c)
    if x.settings.check_margin:
        check_margin(x.account, c, o.side, o.qty, price)


def hand_over(x: Simulation, o: Order | Algo, c: Contract, kind: int, **numbers: float) -> None:
    """One new order to the engine; raises what it refuses at once. Stamps number and times."""
    o.seq = x.orders.next_seq()
    o.created_ms = o.updated_ms = x.now_ms()
    closes = o.reduce_only or o.close_position
    fields: dict[str, float] = {"op": OP_NEW, "symbol": c.index, "seq": o.seq, "kind": kind, "side": o.side}
    fields |= {"qty": o.qty, "reduce_only": int(closes), "leverage": x.account.leverage[c.name]}
    fields |= {"time_ms": o.created_ms} | numbers
    if o.good_till_ms:
        fields["expire_ms"] = o.good_till_ms
    reason = x.matching.submit(**fields)
    if reason:
        raise ApiError(REASONS.get(reason, e.UNKNOWN))


def amend(x: Simulation, params: Params) -> Order:
    """PUT order: another price and quantity of a limit order; the quantity is the whole order's."""
    c = x.traded(params)
    order = found(x, params, e.UNKNOWN_ORDER)
    if order.type != "LIMIT":
        raise ApiError(e.ONLY_LIMIT)
    if side_of(params) != order.side:
        raise ApiError(e.BAD_SIDE)
    qty, price = check_quantity(c, params), check_price(c, params, "price")
    if qty == order.qty and price == order.price:
        raise ApiError(e.NO_CHANGE)
    if qty <= order.filled:
        return cancel(x, order)
    check_percent(c, order.side, price, float(x.matching.mark[c.index]))
    left = qty - order.filled
    x.matching.submit(op=OP_AMEND, symbol=c.index, seq=order.seq, qty=left, price=price, kind=LIMIT)
    order.qty, order.price, order.updated_ms = qty, price, x.now_ms()
    x.tell(order_event(order, c, "AMENDMENT", order.updated_ms))
    return order


def found(x: Simulation, params: Params, refusal: Refusal, only_open: bool = True) -> Order:
    """The order a request means."""
    order_id, client_id = params.get("orderId", ""), params.get("origClientOrderId", "")
    if not order_id and not client_id:
        raise ApiError(e.MISSING, "orderId")
    order = x.orders.find(x.contract(params).name, order_id, client_id)
    if order is None or (only_open and not order.is_open) or forgotten(order, x.now_ms()):
        raise ApiError(refusal)
    return order


def cancel(x: Simulation, o: Order) -> Order:
    """A cancel as the engine takes it.

    Between bars the order stays until the next bar's cancel step and may still fill at that open; inside a bar it is
    dead at once, and the event of one that could open comes in the next cancel step.
    """
    at_once = _cancel(x, o.index, o.seq, o.reduce_only or o.close_position)
    o.updated_ms = x.now_ms()
    if at_once:
        o.status = CANCELED
        x.tell(order_event(o, x.contracts[o.index], "CANCELED", o.updated_ms))
        if o.algo is not None:
            o.algo.status = "FINISHED"
            x.tell(algo_event(o.algo, x.contracts[o.index], o.updated_ms))
    o.ending, o.cancelled = x.matching.in_bar, True
    return o


def cancel_algo(x: Simulation, a: Algo) -> Algo:
    """The same of a conditional order that has not triggered.

    Between bars one that has a successor (of the same number, placed at this very time) goes at once: together they are the
    engine's amend, which moves an order in place and leaves no second one to fire at the next open.
    """
    successor = None if x.matching.in_bar else _successor(x, a)
    if successor is not None:
        _amend_in_place(x, a, successor)
    at_once = successor is not None or _cancel(x, a.index, a.seq, a.reduce_only or a.close_position)
    a.updated_ms = x.now_ms()
    if at_once:
        a.status = CANCELED
        x.tell(algo_event(a, x.contracts[a.index], a.updated_ms))
    a.ending, a.cancelled = x.matching.in_bar, True
    return a


def _successor(x: Simulation, a: Algo) -> "Algo | None":
    """The order of the same number (as the client's id says) that was placed at this time to replace it."""
    said, now_ms = read_id(a.client_id), x.now_ms()
    for b in x.orders.open_algos(a.symbol):
        other = read_id(b.client_id)
        if said is not None and other is not None and b.id > a.id and b.created_ms == now_ms:
            if (other.run_id, other.seq) == (said.run_id, said.seq):
                return b
    return None


def _amend_in_place(x: Simulation, old: Algo, new: Algo) -> None:
    """The engine's order of ``old`` becomes ``new``'s; the one placed for ``new`` never rested."""
    x.matching.drop(new.index, new.seq)
    x.matching.submit(op=OP_AMEND, symbol=new.index, seq=old.seq, qty=new.qty, trigger=new.trigger)
    old.seq, new.seq = new.seq, old.seq
    x.orders.by_seq[new.seq] = new
    x.orders.by_seq[old.seq] = old


def _cancel(x: Simulation, index: int, seq: int, closes: bool) -> bool:
    """Hand a cancel over; True where the order is gone without an event to come."""
    x.matching.submit(op=OP_CANCEL, symbol=index, seq=seq, qty=1.0)
    return x.matching.in_bar and closes
