"""One bar at the venue, one event at a time (SPEC section 8, "Order of events in a bar").

``begin_bar`` finds the symbols something may happen to; ``match_next`` walks the phases funding -> gapped stops and
targets -> cancels -> market orders at the open -> inside the bar -> close mark, and returns after each event so that
the chain can answer it (protection placed on a fill works in the same bar); ``end_bar`` moves trailing stops and tidies
the lists.
"""

from typing import Any

from qt_core._jit import kernel
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
    PX_CLOSE,
    PX_HIGH,
    PX_LOW,
    PX_MARK_CLOSE,
    PX_MARK_HIGH,
    PX_MARK_LOW,
    PX_MARK_OPEN,
    PX_OPEN,
    REJECTED,
    SETTLED,
    TAKE_PROFIT,
    TRAILING,
    TRIGGERED,
    WORKING,
)
from qt_core.engine.fills import (
    CANCEL,
    CLOSE,
    FILL,
    FUND,
    LOOK,
    NOTHING,
    OVERFLOW,
    REJECT,
    Found,
    act,
    fill_quantity,
    found,
    slipped,
    taker,
)
from qt_core.engine.inside import cross_close, inside_bar
from qt_core.engine.orders import is_trigger, list_remove, needs_taker, passed, refresh_watch, trailing_trigger

P_FUNDING, P_GAPS, P_CANCELS, P_OPEN, P_INSIDE, P_CLOSE, P_DONE = 0, 1, 2, 3, 4, 5, 6


@kernel
def is_hot(p: Any, venue: Any, bars: Any, f: int, i: int, time_ms: int) -> bool:
    """True where something may happen to symbol ``i`` in bar ``f``."""
    v = venue.symbol[i]
    return bool(
        v.pending > 0
        or not bars.valid[f, i]
        or min(bars.px[f, i, PX_LOW], bars.px[f, i, PX_MARK_LOW]) <= v.watch_low
        or max(bars.px[f, i, PX_HIGH], bars.px[f, i, PX_MARK_HIGH]) >= v.watch_high
        or time_ms >= v.next_expiry_ms
        or (p.margin_mode == 1 and v.qty != 0.0)
    )


@kernel
def begin_bar(p: Any, venue: Any, bars: Any, f: int) -> None:
    """Reset the cursor and list the symbols that need a look in bar ``f``."""
    fund = venue.fund[0]
    fund.phase = P_FUNDING
    fund.cursor = 0
    fund.funding_cursor = bars.funding_start[f]
    fund.in_bar = 1
    n = 0
    time_ms = bars.time[f]
    for k in range(fund.n_active):
        i = venue.active[k]
        if is_hot(p, venue, bars, f, i, time_ms):
            venue.hot[n] = i
            n += 1
    fund.n_hot = n


@kernel
def _funding(venue: Any, bars: Any, f: int) -> int:
    """Row of the next funding settlement due at this bar's open on a position held before it, or -1."""
    fund = venue.fund[0]
    while fund.funding_cursor < bars.funding_start[f + 1]:
        k = fund.funding_cursor
        fund.funding_cursor += 1
        if venue.symbol[bars.funding_symbol[k]].qty != 0.0:
            return int(k)
    return -1


@kernel
def _halted(p: Any, venue: Any, bars: Any, f: int, i: int) -> Found:
    """A position whose symbol is gone: settled at its delisting time, or after ``halt_max_ms`` without a bar."""
    v = venue.symbol[i]
    gone = bars.time[f] >= bars.specs[i].delist_ms or bars.time[f] - v.last_valid_ms > p.halt_max_ms
    if v.qty == 0.0 or not gone:
        return found(NOTHING, 0, OK)
    return Found(CLOSE, 0, 0.0, v.last_mark, v.last_mark, SETTLED, 0, 0, 0)


@kernel
def _gaps(p: Any, venue: Any, bars: Any, f: int, i: int) -> Found:
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
            return taker(p, bars, i, k, o, qty, bars.px[f, i, PX_OPEN], 0)
    return found(changed, 0, OK)


@kernel
def _cancels(venue: Any, bars: Any, f: int, i: int) -> Found:
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


@kernel
def _arriving_limit(p: Any, venue: Any, bars: Any, f: int, i: int, k: int) -> Found:
    """A limit order meets its first open: crosses as taker, is refused (post-only), or rests (IOC: is cancelled)."""
    o = venue.orders[i, k]
    o.fresh = 0
    opening = bars.px[f, i, PX_OPEN]
    crosses = opening <= o.price if o.side > 0 else opening >= o.price
    if crosses and o.kind == POST_ONLY:
        return found(REJECT, k, POST_ONLY_CROSS)
    qty = fill_quantity(p, venue, bars, f, i, o) if crosses else 0.0
    if qty > 0.0:
        price = slipped(p, o.side, opening, bars.specs[i].tick_size)
        price = min(price, o.price) if o.side > 0 else max(price, o.price)
        return Found(FILL, k, qty, price, opening, OK, 0, 0, 0)
    if o.kind == IOC:
        return found(CANCEL, k, IOC_UNFILLED)
    return found(LOOK, k, OK)


@kernel
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
            return taker(p, bars, i, k, o, qty, bars.px[f, i, PX_OPEN], 0)
    return found(looked, k, OK)


@kernel
def _at_open(p: Any, venue: Any, bars: Any, f: int, i: int) -> Found:
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


@kernel
def _find(p: Any, venue: Any, bars: Any, f: int, i: int, phase: int) -> Found:
    """What happens next to symbol ``i`` in this phase of the bar."""
    if phase == P_GAPS:
        return _gaps(p, venue, bars, f, i)
    if phase == P_CANCELS:
        return _cancels(venue, bars, f, i)
    if phase == P_OPEN:
        return _at_open(p, venue, bars, f, i)
    if phase == P_INSIDE:
        return inside_bar(p, venue, bars, f, i)
    if p.margin_mode == 1:
        return cross_close(venue, bars, f, i)
    return found(NOTHING, 0, OK)


@kernel
def match_next(p: Any, venue: Any, bars: Any, f: int, event: Any) -> bool:
    """Find and book the next event of bar ``f``; False when the bar is over. The event stands in ``event[0]``."""
    fund = venue.fund[0]
    while fund.phase < P_DONE:
        if fund.phase == P_FUNDING:
            k = _funding(venue, bars, f)
            i = bars.funding_symbol[k] if k >= 0 else 0
            a = found(FUND if k >= 0 else NOTHING, k, OK)
        elif fund.cursor < fund.n_hot:
            i = venue.hot[fund.cursor]
            a = _find(p, venue, bars, f, i, fund.phase)
        else:
            i = 0
            a = found(NOTHING, 0, OK)
        if a.action > LOOK:
            act(p, venue, bars, f, i, a, event)
            return True
        if a.action == LOOK:
            refresh_watch(venue, i)
        fund.cursor += 1
        if fund.phase == P_FUNDING or fund.cursor >= fund.n_hot:
            fund.cursor = 0
            fund.phase = fund.phase + 1 if fund.n_hot > 0 else P_DONE
    return False


@kernel
def _move_trailing(venue: Any, bars: Any, f: int, i: int) -> None:
    """Trailing stops learn the bar's extreme only now, so it acts from the next bar on."""
    for k in range(venue.symbol[i].top):
        o = venue.orders[i, k]
        if o.status != WORKING or o.kind != TRAILING:
            continue
        best = bars.px[f, i, PX_HIGH] if o.side < 0 else bars.px[f, i, PX_LOW]
        if venue.symbol[i].inside_ms == bars.time[f] + 1:
            best = bars.px[f, i, PX_CLOSE]  # the rest of the bar may lie before the fill
        if o.extreme == 0.0:
            reached = best >= o.activation if o.side < 0 else best <= o.activation
            if not reached:
                continue
            o.extreme = best
        o.extreme = max(o.extreme, best) if o.side < 0 else min(o.extreme, best)
        o.trigger = trailing_trigger(o.side, o.extreme, o.callback)
        refresh_watch(venue, i)


@kernel
def end_bar(venue: Any, bars: Any, f: int) -> None:
    """Remember last prices, move trailing stops, drop symbols without position and orders from the active list."""
    fund = venue.fund[0]
    fund.in_bar = 0
    fund.funding_cursor = 0
    fund.phase = P_FUNDING
    fund.cursor = 0
    for k in range(fund.n_hot):
        i = venue.hot[k]
        if bars.valid[f, i]:
            _move_trailing(venue, bars, f, i)
        if venue.symbol[i].qty == 0.0 and venue.symbol[i].n_orders == 0 and venue.symbol[i].pending == 0:
            fund.n_active = list_remove(venue.active, fund.n_active, i)
    for k in range(fund.n_hot):
        venue.hot[k] = 0
    fund.n_hot = 0
    remember_last(venue, bars, f)


@kernel
def remember_last(venue: Any, bars: Any, f: int) -> None:
    """Last known prices of the symbols with a position or an order."""
    for k in range(venue.fund[0].n_active):
        i = venue.active[k]
        if bars.valid[f, i]:
            v = venue.symbol[i]
            v.last_close = bars.px[f, i, PX_CLOSE]
            v.last_mark = bars.px[f, i, PX_MARK_CLOSE]
            v.last_valid_ms = bars.time[f]
