"""What the engine says of a bar, told as the exchange tells it: order, account and algo updates, trades, income."""

from typing import Any

from live.testing.account import ISOLATED
from live.testing.account_rows import account_event
from live.testing.contracts import Contract
from live.testing.order_rows import algo_event, order_event
from live.testing.orders import (
    CANCELED,
    EXPIRED,
    FILLED,
    FINISHED,
    PARTIAL,
    REJECTED,
    TRIGGERED,
    Algo,
    Order,
)
from live.testing.simulation import Simulation
from live.testing.text import booked
from qt_core.codes import (
    CANCELLED,
    EV_CANCEL,
    EV_FILL,
    EV_FUNDING,
    EV_LIQUIDATION,
    EV_REJECT,
    FLAT,
    INSUFFICIENT_MARGIN,
    IOC_UNFILLED,
)
from qt_core.codes import EXPIRED as OUTLIVED
from qt_core.codes import TRIGGERED as TRIGGERED_SLOT

# Expiry reasons of ORDER_TRADE_UPDATE, key "er".
NO_REASON, IOC_LEFT, KNOCKED_OUT = "0", "2", "4"
EXPIRY = {IOC_UNFILLED: IOC_LEFT, FLAT: KNOCKED_OUT}
REJECT_TEXT = {FLAT: "Reduce Only reject", INSUFFICIENT_MARGIN: "Margin is insufficient."}
LIQUIDATION_ID, SETTLEMENT_ID = "autoclose-{}", "settlement_autoclose-{}"


def tell(x: Simulation, e: Any) -> None:
    """Put into the outbox what follows from one engine event."""
    x.engine_events.append(e)
    c = x.contracts[int(e["symbol"])]
    if e["kind"] == EV_FUNDING:
        _funding(x, c, e)
    elif e["kind"] == EV_LIQUIDATION or (e["kind"] == EV_FILL and e["seq"] == 0):
        _closed_by_exchange(x, c, e)
    elif e["kind"] == EV_FILL:
        _fill(x, c, e)
    elif e["kind"] in (EV_CANCEL, EV_REJECT) and int(e["seq"]) in x.orders.by_seq:
        _ended(x, c, e)  # another number is one that REST has refused already


def _funding(x: Simulation, c: Contract, e: Any) -> None:
    time_ms, usd = int(e["time_ms"]), float(e["funding_usd"])
    x.account.add_income(c.name, "FUNDING_FEE", usd, time_ms)
    touched = [c] if x.account.engine_margin_type == ISOLATED else []  # of a crossed position the wallet alone is told
    x.tell(account_event(x.account, "FUNDING_FEE", touched, usd, time_ms))


def _fill(x: Simulation, c: Contract, e: Any) -> None:
    target = x.orders.by_seq[int(e["seq"])]
    time_ms = int(e["time_ms"])
    order = _triggered(x, c, target, time_ms, float(e["qty"])) if isinstance(target, Algo) else target
    _book(x, c, order, e, "TRADE")
    if isinstance(target, Algo) and order.status == FILLED:
        target.status, target.updated_ms = FINISHED, time_ms
        x.tell(algo_event(target, c, time_ms))


def _book(x: Simulation, c: Contract, o: Order, e: Any, what: str) -> None:
    """One fill of an order: its trade, the order's update, the account's."""
    time_ms, qty, price = int(e["time_ms"]), float(e["qty"]), float(e["price"])
    o.filled += qty
    o.quote += qty * price
    o.updated_ms = time_ms
    o.status = FILLED if e["done"] else PARTIAL
    if e["done"] and (o.reduce_only or o.close_position):
        o.qty = o.filled  # the exchange lowers a reduce-only order to what there was to reduce
    trade = x.account.add_trade(
        order_id=o.id,
        contract=c,
        side=o.side,
        price=price,
        qty=qty,
        fee=float(e["fee_usd"]),
        realised=float(e["realised_usd"]),
        maker=bool(e["maker"]),
        time_ms=time_ms,
    )
    x.account.updated_ms[c.name] = time_ms
    fill = {"l": c.qty(qty), "L": c.price(price), "n": booked(trade.fee), "t": trade.id, "m": trade.maker}
    update = order_event(o, c, what, time_ms, {**fill, "rp": booked(trade.realised)})
    account = account_event(x.account, "ORDER", [c], 0.0, time_ms)
    for message in (account, update) if x.settings.account_first else (update, account):
        x.tell(message)


def _triggered(x: Simulation, c: Contract, a: Algo, time_ms: int, qty: float = 0.0) -> Order:
    """The market order a conditional one has become; made, and told, when the first of it is seen."""
    if a.child is not None:
        return a.child
    held = abs(float(x.matching.symbol(c.index)["qty"])) + qty
    closes = a.reduce_only or a.close_position
    number = x.orders.next_order_id()
    a.child = Order(
        id=number,
        client_id=a.client_id if x.settings.algo_keeps_id else f"algo_{number}",
        symbol=c.name,
        index=c.index,
        side=a.side,
        type="MARKET",
        tif="GTC",
        qty=min(a.qty, held) if closes else a.qty,
        reduce_only=a.reduce_only,
        close_position=a.close_position,
        working_type=a.working_type,
        seq=a.seq,
        created_ms=time_ms,
        updated_ms=time_ms,
        algo=a,
    )
    x.orders.add(a.child)
    a.status, a.triggered_ms, a.updated_ms = TRIGGERED, time_ms, time_ms
    x.tell(algo_event(a, c, time_ms))
    x.tell(order_event(a.child, c, "NEW", time_ms))
    return a.child


def tell_triggers(x: Simulation) -> None:
    """Conditional orders that have triggered in this bar without a fill: no volume was left for them."""
    for a in list(x.orders.open_algos()):
        slot = x.matching.slot(a.index, a.seq)
        if slot is not None and slot["status"] == TRIGGERED_SLOT:
            _triggered(x, x.contracts[a.index], a, int(x.matching.bars.time[x.matching.f]))


def _ended(x: Simulation, c: Contract, e: Any) -> None:
    """The end of an order that did not fill, or not wholly."""
    target, reason = x.orders.by_seq[int(e["seq"])], int(e["reason"])
    time_ms = int(e["time_ms"])
    by_user = e["kind"] == EV_CANCEL and reason == CANCELLED
    order = target.child if isinstance(target, Algo) else target
    if order is not None:
        order.status, order.updated_ms, order.ending = CANCELED if by_user else EXPIRED, time_ms, False
        what = order.status
        x.tell(order_event(order, c, what, time_ms, {"er": EXPIRY.get(reason, NO_REASON)}))
    if isinstance(target, Algo):
        target.status, target.updated_ms, target.ending = _algo_end(target, e["kind"], reason), time_ms, False
        target.reason = REJECT_TEXT.get(reason, "") if target.status == REJECTED else ""
        x.tell(algo_event(target, c, time_ms))


def _algo_end(a: Algo, kind: int, reason: int) -> str:
    if a.child is not None:
        return FINISHED
    if kind == EV_CANCEL and reason == CANCELLED:
        return CANCELED
    return EXPIRED if kind == EV_CANCEL and reason == OUTLIVED else REJECTED


def _closed_by_exchange(x: Simulation, c: Contract, e: Any) -> None:
    """A liquidation, or the settlement of a contract that stopped trading: an order of the exchange's own."""
    liquidated = e["kind"] == EV_LIQUIDATION
    x.liquidations += int(liquidated)
    number = x.orders.next_order_id()
    time_ms = int(e["time_ms"])
    order = Order(
        id=number,
        client_id=(LIQUIDATION_ID if liquidated else SETTLEMENT_ID).format(number),
        symbol=c.name,
        index=c.index,
        side=int(e["side"]),
        type="LIQUIDATION" if liquidated else "MARKET",
        tif="IOC" if liquidated else "GTC",
        qty=float(e["qty"]),
        price=float(e["price"]) if liquidated else 0.0,
        created_ms=time_ms,
    )
    x.orders.add(order)
    x.tell(order_event(order, c, "NEW", time_ms))
    _book(x, c, order, e, "CALCULATED" if liquidated else "TRADE")
