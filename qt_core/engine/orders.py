"""The venue's order book of our own orders: eight slots per symbol, submission, watch levels, lists of busy symbols."""

from typing import Any

import numpy as np

from qt_core._jit import inner
from qt_core.codes import (
    BELOW_MIN_NOTIONAL,
    CANCELLED,
    DEAD,
    EMPTY,
    EXCHANGE_BUSY,
    IOC,
    LIMIT,
    MARKET,
    MAX_ORDERS,
    MAX_QTY,
    NON_FINITE,
    NOT_APPROVED,
    OK,
    OP_AMEND,
    OP_CANCEL,
    ORDER_SLOTS,
    POST_ONLY,
    REJECTED,
    STOP,
    TAKE_PROFIT,
    TRAILING,
    TRIGGERED,
    WORKING,
)
from qt_core.numerics import is_finite

NEVER = np.int64(9223372036854775807)


@inner
def list_insert(items: Any, n: int, value: int) -> int:
    """Insert into an ascending list of ``n`` items unless present; returns the new length."""
    k = n
    while k > 0 and items[k - 1] >= value:
        if items[k - 1] == value:
            return n
        k -= 1
    for j in range(n, k, -1):
        items[j] = items[j - 1]
    items[k] = value
    return n + 1


@inner
def list_remove(items: Any, n: int, value: int) -> int:
    """Remove from a list of ``n`` items; returns the new length."""
    k = 0
    while k < n and items[k] != value:
        k += 1
    if k == n:
        return n
    for j in range(k, n - 1):
        items[j] = items[j + 1]
    return n - 1


@inner
def refresh_watch(venue: Any, i: int) -> None:
    """Recompute what idle bars are tested against: price levels, next expiry, count of orders that need a look."""
    v = venue.symbol[i]
    low = -np.inf
    high = np.inf
    expiry = NEVER
    pending = 0
    ending = 0
    count = 0
    top = 0
    for k in range(v.top):
        o = venue.orders[i, k]
        if o.status == EMPTY:
            continue
        count += 1
        top = k + 1
        expiry = min(expiry, o.expire_ms)
        if o.cancel != 0 or o.status == REJECTED:
            ending += 1
        at_once = o.kind == MARKET or o.kind == IOC or o.kind == TRAILING
        if at_once or o.status != WORKING or o.fresh != 0 or o.cancel != 0:
            pending += 1
        if o.kind == LIMIT or o.kind == POST_ONLY or o.kind == IOC:
            rising = o.side < 0
            level = o.price
        else:
            rising = (o.side > 0) == (o.kind != TAKE_PROFIT)
            level = o.trigger
        if rising:
            high = min(high, level)
        else:
            low = max(low, level)
    if v.liquidation_price > 0.0:
        if v.qty > 0.0:
            low = max(low, v.liquidation_price)
        elif v.qty < 0.0:
            high = min(high, v.liquidation_price)
    v.watch_low = low
    v.watch_high = high
    v.next_expiry_ms = expiry
    v.pending = pending + (1 if v.reject_seq != 0 else 0)
    v.ending = ending + (1 if v.reject_seq != 0 else 0)
    v.n_orders = count
    v.top = top


@inner
def drop_order(venue: Any, i: int, k: int) -> None:
    """Free a slot."""
    venue.orders[i, k].status = EMPTY
    venue.orders[i, k].cancel = 0


@inner
def trailing_trigger(side: int, extreme: float, callback: float) -> float:
    """Trigger of a trailing stop from the best price known; never reached while ``extreme`` is 0 (not activated)."""
    if extreme == 0.0:
        return np.inf if side > 0 else 0.0
    return extreme * (1.0 + side * callback)


@inner
def _unsound(r: Any) -> bool:
    """True where a number of the request is missing, infinite or not positive that has to be."""
    bad = not (is_finite(r.qty) and r.qty > 0.0 and is_finite(r.leverage) and r.leverage > 0.0)
    if r.kind == LIMIT or r.kind == IOC or r.kind == POST_ONLY:
        return bad or not (is_finite(r.price) and r.price > 0.0)
    if r.kind == STOP or r.kind == TAKE_PROFIT:
        return bad or not (is_finite(r.trigger) and r.trigger > 0.0)
    if r.kind == TRAILING:
        return bad or not (is_finite(r.callback) and is_finite(r.activation))
    return bad


@inner
def _refusal(specs: Any, r: Any, price: float) -> int:
    """Reason the exchange would refuse a new order, or OK; reduce-only is exempt from the sizes."""
    if _unsound(r):
        return NON_FINITE
    if r.reduce_only != 0:
        return OK
    if r.approved == 0:
        return NOT_APPROVED
    if r.qty > specs[r.symbol].max_qty:
        return MAX_QTY
    if r.qty < specs[r.symbol].min_qty or r.qty * price < specs[r.symbol].min_notional:
        return BELOW_MIN_NOTIONAL
    return OK


@inner
def _place(venue: Any, specs: Any, r: Any, last_close: float, active_ms: int, fresh: int) -> None:
    i = r.symbol
    v = venue.symbol[i]
    slot = -1
    for k in range(MAX_ORDERS):
        if venue.orders[i, k].status == EMPTY:
            slot = k
            break
    if slot < 0:
        v.reject_seq = r.seq
        v.reject_reason = ORDER_SLOTS
        v.reject_tag = r.tag
        return
    price = r.price if (r.kind == LIMIT or r.kind == IOC or r.kind == POST_ONLY) else last_close
    if r.kind == STOP or r.kind == TAKE_PROFIT:
        price = r.trigger
    reason = _refusal(specs, r, price)
    if reason == OK and r.reduce_only == 0 and v.busy > 0:
        v.busy -= 1
        reason = EXCHANGE_BUSY
    v.top = max(v.top, slot + 1)
    o = venue.orders[i, slot]
    o.status = REJECTED if reason != OK else WORKING
    o.reason = reason
    o.seq = r.seq
    o.kind = r.kind
    o.side = r.side
    o.tag = r.tag
    o.reduce_only = r.reduce_only
    o.approved = r.approved
    o.qty = r.qty
    o.filled = 0.0
    o.price = r.price
    o.trigger = r.trigger
    o.leverage = r.leverage
    o.callback = r.callback
    o.activation = r.activation
    o.extreme = 0.0
    if r.kind == TRAILING:
        o.extreme = last_close if r.activation == 0.0 else 0.0
        o.trigger = trailing_trigger(r.side, o.extreme, r.callback)
    o.expire_ms = r.expire_ms
    o.active_ms = active_ms
    o.cancel = 0
    o.fresh = fresh


@inner
def _amend(o: Any, r: Any, fresh: int) -> None:
    """New trigger, price, and quantity still to be done; what makes no sense is ignored.

    A limit meets the next open again. An order that may open grows only with approval.
    """
    if not (is_finite(r.trigger) and is_finite(r.price) and is_finite(r.qty) and r.qty > 0.0):
        return
    if o.status == WORKING:
        o.trigger = r.trigger
        o.price = r.price
        if o.kind == LIMIT or o.kind == POST_ONLY:
            o.fresh = fresh
    if o.status == WORKING or o.status == TRIGGERED:
        free = o.reduce_only != 0 or r.approved != 0
        o.qty = o.filled + (r.qty if free else min(r.qty, o.qty - o.filled))


@inner
def submit(venue: Any, specs: Any, r: Any, last_close: float, inside: bool, active_ms: int, fresh: int) -> None:
    """Take one request: place, amend (trigger, price, quantity still to be done) or cancel.

    The caller refreshes the watch levels.
    A stop that has triggered keeps its trigger but takes the quantity: an entry that goes on filling must stay covered.
    Between bars a cancel waits for the cancel step of the next bar (a stop gapped at that open still fires); inside a
    bar it acts at once, and that of an entry is reported in the next cancel step. ``active_ms`` is the earliest bar in
    which the order may fill; ``fresh`` = 0 for a stop or target placed inside a bar, which has no open of its own to
    meet.
    """
    i = r.symbol
    if r.op == OP_CANCEL or r.op == OP_AMEND:
        for k in range(venue.symbol[i].top):
            o = venue.orders[i, k]
            if o.status != EMPTY and o.seq == r.seq:
                if r.op == OP_AMEND:
                    _amend(o, r, fresh)
                elif inside and o.reduce_only != 0:
                    drop_order(venue, i, k)
                elif inside:
                    o.status = DEAD
                    o.cancel = 1
                    o.reason = CANCELLED
                else:
                    o.cancel = 1
                    o.reason = CANCELLED
    else:
        _place(venue, specs, r, last_close, active_ms, fresh)
        fund = venue.fund[0]
        fund.n_active = list_insert(venue.active, fund.n_active, i)


@inner
def is_trigger(kind: int) -> bool:
    """Order kinds that rest until a price triggers them."""
    return kind in (STOP, TAKE_PROFIT, TRAILING)


@inner
def passed(kind: int, side: int, trigger: float, price: float) -> bool:
    """True where ``price`` has reached the trigger: buy stops and sell targets above, the others below."""
    if (side > 0) == (kind != TAKE_PROFIT):
        return bool(price >= trigger)
    return bool(price <= trigger)


@inner
def needs_taker(o: Any) -> bool:
    """A market order, or a stop or target already triggered and not wholly filled."""
    return bool(o.status == TRIGGERED or (o.status == WORKING and o.kind == MARKET))
