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
    EV_FUNDING,
    EV_REJECT,
    EXPIRED,
    FLAT,
    IOC,
    IOC_UNFILLED,
    LIMIT,
    POST_ONLY,
    POST_ONLY_CROSS,
    REJECTED,
    TAKE_PROFIT,
    TRAILING,
    TRIGGERED,
    WORKING,
)
from qt_core.engine import fills, ledger
from qt_core.engine.inside import cross_close, inside_bar
from qt_core.engine.orders import (
    is_trigger,
    list_insert,
    list_remove,
    needs_taker,
    passed,
    refresh_watch,
    trailing_trigger,
)

P_FUNDING, P_GAPS, P_CANCELS, P_OPEN, P_INSIDE, P_CLOSE, P_DONE = 0, 1, 2, 3, 4, 5, 6


@kernel
def is_hot(p: Any, venue: Any, bars: Any, f: int, i: int, time_ms: int) -> bool:
    """True where something may happen to symbol ``i`` in bar ``f``."""
    v = venue.symbol[i]
    return bool(
        v.pending > 0
        or not bars.valid[f, i]
        or min(bars.low[f, i], bars.mark_low[f, i]) <= v.watch_low
        or max(bars.high[f, i], bars.mark_high[f, i]) >= v.watch_high
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
def _funding(p: Any, venue: Any, bars: Any, f: int, event: Any) -> bool:
    """Next funding settlement due at this bar's open on a position held before it."""
    fund = venue.fund[0]
    while fund.funding_cursor < bars.funding_start[f + 1]:
        k = fund.funding_cursor
        fund.funding_cursor += 1
        i = bars.funding_symbol[k]
        v = venue.symbol[i]
        if v.qty == 0.0:
            continue
        mark = bars.mark_open[f, i] if bars.valid[f, i] else v.last_mark
        margin = v.margin_usd
        amount = ledger.book_funding(fund, v, mark, bars.funding_rate[k], p.margin_mode == 1)
        if v.margin_usd != margin:  # its liquidation price has moved, maybe into this bar
            fills.revalue(p, venue, bars, i)
            fund.n_hot = list_insert(venue.hot, fund.n_hot, i)
        fills.blank_event(venue, event, EV_FUNDING, bars.time[f], i)
        e = event[0]
        e.funding_usd = amount
        e.price = mark
        e.qty = v.qty
        e.value = bars.funding_rate[k]
        return True
    return False


@kernel
def _halted(p: Any, venue: Any, bars: Any, f: int, i: int, event: Any) -> bool:
    """A position whose symbol is gone: settled at its delisting time, or after ``halt_max_ms`` without a bar."""
    v = venue.symbol[i]
    if v.qty == 0.0 or bars.valid[f, i]:
        return False
    gone = bars.time[f] >= bars.specs[i].delist_ms or bars.time[f] - v.last_valid_ms > p.halt_max_ms
    if gone:
        fills.settle(p, venue, bars, f, i, event)
    return bool(gone)


@kernel
def _gaps(p: Any, venue: Any, bars: Any, f: int, i: int, event: Any) -> bool:
    """Resting stops and targets that the open has already passed fill at the open. Stops come first."""
    if not bars.valid[f, i]:
        return _halted(p, venue, bars, f, i, event)
    v = venue.symbol[i]
    price = bars.mark_open[f, i] if p.working_type == 1 else bars.open[f, i]
    if v.watch_low < price < v.watch_high:
        return False
    for kind_pass in range(2):
        for k in range(venue.symbol[i].top):
            o = venue.orders[i, k]
            if o.status != WORKING or o.fresh != 0 or not is_trigger(o.kind) or o.active_ms > bars.time[f]:
                continue
            if (o.kind == TAKE_PROFIT) != (kind_pass == 1) or not passed(o.kind, o.side, o.trigger, price):
                continue
            if o.reduce_only != 0 and v.qty * o.side >= 0.0:
                continue
            o.status = TRIGGERED
            reference = bars.open[f, i]
            fill = fills.slipped(p, o.side, reference, bars.specs[i].tick_size)
            if fills.execute(p, venue, bars, f, i, k, fill, reference, 0, event):
                return True
            refresh_watch(venue, i)
    return False


@kernel
def _cancels(venue: Any, bars: Any, f: int, i: int, event: Any) -> bool:
    """Orders refused at submission, cancelled at the last close, or past their time."""
    time_ms = bars.time[f]
    v = venue.symbol[i]
    if v.ending == 0 and time_ms < v.next_expiry_ms:
        return False
    if v.reject_seq != 0:
        fills.blank_event(venue, event, EV_REJECT, time_ms, i)
        e = event[0]
        e.seq = v.reject_seq
        e.tag = v.reject_tag
        e.reason = v.reject_reason
        e.done = 1
        venue.fund[0].n_rejected += 1
        v.reject_seq = 0
        refresh_watch(venue, i)
        return True
    for k in range(venue.symbol[i].top):
        o = venue.orders[i, k]
        if o.status == EMPTY:
            continue
        if o.status == REJECTED:
            fills.end_order(venue, event, EV_REJECT, time_ms, i, k, o.reason)
            return True
        if o.cancel != 0 or o.expire_ms <= time_ms:
            fills.expire(venue, time_ms, i, k, CANCELLED if o.cancel != 0 else EXPIRED, event)
            return True
    return False


@kernel
def _arriving_limit(p: Any, venue: Any, bars: Any, f: int, i: int, k: int, event: Any) -> bool:
    """A limit order meets its first open: crosses as taker, is refused (post-only), or rests (IOC: is cancelled)."""
    o = venue.orders[i, k]
    o.fresh = 0
    opening = bars.open[f, i]
    crosses = opening <= o.price if o.side > 0 else opening >= o.price
    if crosses and o.kind == POST_ONLY:
        fills.end_order(venue, event, EV_REJECT, bars.time[f], i, k, POST_ONLY_CROSS)
        return True
    if crosses:
        price = fills.slipped(p, o.side, opening, bars.specs[i].tick_size)
        price = min(price, o.price) if o.side > 0 else max(price, o.price)
        if fills.execute(p, venue, bars, f, i, k, price, opening, 0, event):
            return True
    if o.kind == IOC and o.status == WORKING:
        fills.expire(venue, bars.time[f], i, k, IOC_UNFILLED, event)
        return True
    refresh_watch(venue, i)
    return False


@kernel
def _taker_at_open(p: Any, venue: Any, bars: Any, f: int, i: int, k: int, event: Any) -> bool:
    """A market order, or what is left of a triggered one, fills at the open; with nothing to reduce it ends."""
    o = venue.orders[i, k]
    if o.reduce_only != 0 and venue.symbol[i].qty * o.side >= 0.0:
        fills.expire(venue, bars.time[f], i, k, FLAT, event)
        return True
    opening = bars.open[f, i]
    price = fills.slipped(p, o.side, opening, bars.specs[i].tick_size)
    return fills.execute(p, venue, bars, f, i, k, price, opening, 0, event)


@kernel
def _at_open(p: Any, venue: Any, bars: Any, f: int, i: int, event: Any) -> bool:
    """Market orders and what is left of triggered ones fill at the open plus slippage; new orders meet the open.

    What reduces comes before what may open, so that an exit has the bar's volume first.
    """
    v = venue.symbol[i]
    if not bars.valid[f, i] or v.pending == 0:
        return False
    trigger_price = bars.mark_open[f, i] if p.working_type == 1 else bars.open[f, i]
    changed = False
    top = v.top
    for n in range(2 * top):
        k = n if n < top else n - top
        o = venue.orders[i, k]
        if o.status in (EMPTY, DEAD) or o.active_ms > bars.time[f] or (o.reduce_only != 0) != (n < top):
            continue
        if o.kind == LIMIT or o.kind == IOC or o.kind == POST_ONLY:
            if o.kind == IOC and o.fresh == 0:
                fills.expire(venue, bars.time[f], i, k, IOC_UNFILLED, event)
                return True
            if o.fresh != 0 and _arriving_limit(p, venue, bars, f, i, k, event):
                return True
            continue
        if o.fresh != 0:
            o.fresh = 0
            changed = True
            if is_trigger(o.kind) and passed(o.kind, o.side, o.trigger, trigger_price):
                if o.reduce_only == 0 or v.qty * o.side < 0.0:
                    o.status = TRIGGERED
        if needs_taker(o) and _taker_at_open(p, venue, bars, f, i, k, event):
            return True
    if changed:
        refresh_watch(venue, i)
    return False


@kernel
def match_next(p: Any, venue: Any, bars: Any, f: int, event: Any) -> bool:
    """Find and book the next event of bar ``f``; False when the bar is over. The event stands in ``event[0]``."""
    fund = venue.fund[0]
    if fund.phase == P_FUNDING:
        if _funding(p, venue, bars, f, event):
            return True
        fund.phase = P_GAPS
    while fund.phase < P_DONE:
        while fund.cursor < fund.n_hot:
            i = venue.hot[fund.cursor]
            found = False
            if fund.phase == P_GAPS:
                found = _gaps(p, venue, bars, f, i, event)
            elif fund.phase == P_CANCELS:
                found = _cancels(venue, bars, f, i, event)
            elif fund.phase == P_OPEN:
                found = _at_open(p, venue, bars, f, i, event)
            elif fund.phase == P_INSIDE:
                found = inside_bar(p, venue, bars, f, i, event)
            elif p.margin_mode == 1:
                found = cross_close(p, venue, bars, f, i, event)
            if found:
                return True
            fund.cursor += 1
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
        best = bars.high[f, i] if o.side < 0 else bars.low[f, i]
        if venue.symbol[i].inside_ms == bars.time[f] + 1:
            best = bars.close[f, i]  # the rest of the bar may lie before the fill
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
            v.last_close = bars.close[f, i]
            v.last_mark = bars.mark_close[f, i]
            v.last_valid_ms = bars.time[f]
