"""At a bar's open: gapped stops and targets, cancels, market orders and orders that meet their first open (SPEC 8)."""

from typing import Any

from qt_core._jit import inner
from qt_core.codes import (
    CANCELLED,
    DEAD,
    EMPTY,
    EXPIRED,
    FLAT,
    IOC,
    IOC_UNFILLED,
    LIMIT,
    OK,
    POST_ONLY,
    POST_ONLY_CROSS,
    PX_MARK_OPEN,
    PX_OPEN,
    REJECTED,
    SETTLED,
    TAKE_PROFIT,
    TRIGGERED,
    WORKING,
)
from qt_core.engine.fills import (
    CANCEL,
    CLOSE,
    FILL,
    LOOK,
    NOTHING,
    OVERFLOW,
    REJECT,
    Found,
    fill_quantity,
    found,
    slipped,
    taker,
)
from qt_core.engine.orders import is_trigger, needs_taker, passed


@inner
def _halted(p: Any, venue: Any, bars: Any, f: int, i: int) -> Found:
    """A position whose symbol is gone: settled at its delisting time, or after ``halt_max_ms`` without a bar."""
    v = venue.symbol[i]
    gone = bars.time[f] >= bars.specs[i].delist_ms or bars.time[f] - v.last_valid_ms > p.halt_max_ms
    if v.qty == 0.0 or not gone:
        return found(NOTHING, 0, OK)
    return Found(CLOSE, 0, 0.0, v.last_mark, v.last_mark, SETTLED, 0, 0, 0)


@inner
def gaps(p: Any, venue: Any, bars: Any, f: int, i: int) -> Found:
    """Resting stops and targets that the open has already passed fill at the open. Stops come first."""
    if not bars.valid[f, i]:
        return _halted(p, venue, bars, f, i)
    v = venue.symbol[i]
    price = bars.px[f, i, PX_MARK_OPEN] if p.working_type == 1 else bars.px[f, i, PX_OPEN]
    if v.watch_low < price < v.watch_high:
        return found(NOTHING, 0, OK)
    top = v.top
    changed = NOTHING
    for n in range(2 * top):
        k = n if n < top else n - top
        o = venue.orders[i, k]
        if o.status != WORKING or o.fresh != 0 or not is_trigger(o.kind) or o.active_ms > bars.time[f]:
            continue
        if (o.kind == TAKE_PROFIT) != (n >= top) or not passed(o.kind, o.side, o.trigger, price):
            continue
        if o.reduce_only != 0 and v.qty * o.side >= 0.0:
            continue
        o.status = TRIGGERED
        changed = LOOK
        qty = fill_quantity(p, venue, bars, f, i, o)
        if qty > 0.0:
            return taker(p, venue, bars, i, k, o, qty, bars.px[f, i, PX_OPEN])
    return found(changed, 0, OK)


@inner
def cancels(venue: Any, bars: Any, f: int, i: int) -> Found:
    """Orders refused at submission, cancelled at the last close, or past their time."""
    time_ms = bars.time[f]
    v = venue.symbol[i]
    if v.ending == 0 and time_ms < v.next_expiry_ms:
        return found(NOTHING, 0, OK)
    if v.reject_seq != 0:
        return found(OVERFLOW, 0, OK)
    for k in range(v.top):
        o = venue.orders[i, k]
        if o.status == REJECTED:
            return found(REJECT, k, o.reason)
        if o.status != EMPTY and (o.cancel != 0 or o.expire_ms <= time_ms):
            return found(CANCEL, k, CANCELLED if o.cancel != 0 else EXPIRED)
    return found(NOTHING, 0, OK)


@inner
def _arriving_limit(p: Any, venue: Any, bars: Any, f: int, i: int, k: int) -> Found:
    """A limit order meets its first open: crosses as taker, is refused (post-only), or rests (IOC: is cancelled)."""
    o = venue.orders[i, k]
    o.fresh = 0
    opening = bars.px[f, i, PX_OPEN]
    extra = venue.symbol[i].extra_slippage
    touch = opening * (1.0 + o.side * extra)  # a spread that a fault has widened must be within the limit too
    crosses = touch <= o.price if o.side > 0 else touch >= o.price
    if crosses and o.kind == POST_ONLY:
        return found(REJECT, k, POST_ONLY_CROSS)
    qty = fill_quantity(p, venue, bars, f, i, o) if crosses else 0.0
    if qty > 0.0:
        price = slipped(p, extra, o.side, opening, bars.specs[i].tick_size)
        price = min(price, o.price) if o.side > 0 else max(price, o.price)
        return Found(FILL, k, qty, price, opening, OK, 0, 0, 0)
    if o.kind == IOC:
        return found(CANCEL, k, IOC_UNFILLED)
    return found(LOOK, k, OK)


@inner
def _arriving(p: Any, venue: Any, bars: Any, f: int, i: int, k: int) -> Found:
    """What order ``k`` does at the open: a limit meets it, a trigger it has passed fires, a taker fills."""
    o = venue.orders[i, k]
    if o.kind == LIMIT or o.kind == IOC or o.kind == POST_ONLY:
        if o.fresh != 0:
            return _arriving_limit(p, venue, bars, f, i, k)
        return found(CANCEL, k, IOC_UNFILLED) if o.kind == IOC else found(NOTHING, k, OK)
    looked = NOTHING
    nothing_to_reduce = o.reduce_only != 0 and venue.symbol[i].qty * o.side >= 0.0
    if o.fresh != 0:
        o.fresh = 0
        looked = LOOK
        price = bars.px[f, i, PX_MARK_OPEN] if p.working_type == 1 else bars.px[f, i, PX_OPEN]
        if is_trigger(o.kind) and passed(o.kind, o.side, o.trigger, price) and not nothing_to_reduce:
            o.status = TRIGGERED
    if needs_taker(o):
        if nothing_to_reduce:
            return found(CANCEL, k, FLAT)
        qty = fill_quantity(p, venue, bars, f, i, o)
        if qty > 0.0:
            return taker(p, venue, bars, i, k, o, qty, bars.px[f, i, PX_OPEN])
    return found(looked, k, OK)


@inner
def at_open(p: Any, venue: Any, bars: Any, f: int, i: int) -> Found:
    """Market orders and what is left of triggered ones fill at the open plus slippage; new orders meet the open.

    What reduces comes before what may open, so that an exit has the bar's volume first.
    """
    v = venue.symbol[i]
    if not bars.valid[f, i] or v.pending == 0:
        return found(NOTHING, 0, OK)
    changed = NOTHING
    top = v.top
    for n in range(2 * top):
        k = n if n < top else n - top
        o = venue.orders[i, k]
        if o.status in (EMPTY, DEAD) or o.active_ms > bars.time[f] or (o.reduce_only != 0) != (n < top):
            continue
        a = _arriving(p, venue, bars, f, i, k)
        if a.action > LOOK:
            return a
        if a.action == LOOK:
            changed = LOOK
    return found(changed, 0, OK)
