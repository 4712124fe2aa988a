"""One bar at the venue, one event at a time (SPEC section 8, "Order of events in a bar").

``begin_bar`` finds the symbols something may happen to; ``match_next`` walks the phases funding -> gapped stops and
targets -> cancels -> market orders at the open -> inside the bar -> close mark, and returns after each event so that
the chain can answer it (protection placed on a fill works in the same bar); ``end_bar`` moves trailing stops and tidies
the lists.
"""

from typing import Any

from qt_core._jit import inner, natural, prefetch
from qt_core.codes import (
    OK,
    PX_CLOSE,
    PX_HIGH,
    PX_LOW,
    PX_MARK_CLOSE,
    PX_MARK_HIGH,
    PX_MARK_LOW,
    TRAILING,
    WORKING,
)
from qt_core.engine.fills import (
    FUND,
    LOOK,
    NOTHING,
    Found,
    act,
    found,
)
from qt_core.engine.inside import cross_close, inside_bar
from qt_core.engine.opening import at_open, cancels, gaps
from qt_core.engine.orders import list_remove, refresh_watch, trailing_trigger

P_FUNDING, P_GAPS, P_CANCELS, P_OPEN, P_INSIDE, P_CLOSE, P_DONE = 0, 1, 2, 3, 4, 5, 6


@inner
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


@inner
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
        i = natural(venue.active[k])
        prefetch(bars.px, (f + 1, i))
        if is_hot(p, venue, bars, f, i, time_ms):
            venue.hot[n] = i
            n += 1
    fund.n_hot = n


@inner
def _funding(venue: Any, bars: Any, f: int) -> int:
    """Row of the next funding settlement due at this bar's open on a position held before it, or -1."""
    fund = venue.fund[0]
    while fund.funding_cursor < bars.funding_start[f + 1]:
        k = fund.funding_cursor
        fund.funding_cursor += 1
        if venue.symbol[bars.funding_symbol[k]].qty != 0.0:
            return int(k)
    return -1


@inner
def _find(p: Any, venue: Any, bars: Any, f: int, i: int, phase: int) -> Found:
    """What happens next to symbol ``i`` in this phase of the bar."""
    if phase == P_GAPS:
        return gaps(p, venue, bars, f, i)
    if phase == P_CANCELS:
        return cancels(venue, bars, f, i)
    if phase == P_OPEN:
        return at_open(p, venue, bars, f, i)
    if phase == P_INSIDE:
        return inside_bar(p, venue, bars, f, i)
    if p.margin_mode == 1:
        return cross_close(venue, bars, f, i)
    return found(NOTHING, 0, OK)


@inner
def match_next(p: Any, venue: Any, bars: Any, f: int, event: Any) -> bool:
    """Find and book the next event of bar ``f``; False when the bar is over. The event stands in ``event[0]``."""
    fund = venue.fund[0]
    while fund.phase < P_DONE:
        if fund.phase == P_FUNDING:
            k = _funding(venue, bars, f)
            i = natural(bars.funding_symbol[k]) if k >= 0 else 0
            a = found(FUND if k >= 0 else NOTHING, k, OK)
        elif fund.cursor < fund.n_hot:
            i = natural(venue.hot[fund.cursor])
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


@inner
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


@inner
def end_bar(venue: Any, bars: Any, f: int) -> None:
    """Remember last prices, move trailing stops, drop symbols without position and orders from the active list."""
    fund = venue.fund[0]
    fund.in_bar = 0
    fund.funding_cursor = 0
    fund.phase = P_FUNDING
    fund.cursor = 0
    for k in range(fund.n_hot):
        i = natural(venue.hot[k])
        if bars.valid[f, i]:
            _move_trailing(venue, bars, f, i)
        if venue.symbol[i].qty == 0.0 and venue.symbol[i].n_orders == 0 and venue.symbol[i].pending == 0:
            fund.n_active = list_remove(venue.active, fund.n_active, i)
    for k in range(fund.n_hot):
        venue.hot[k] = 0
    fund.n_hot = 0
    remember_last(venue, bars, f)


@inner
def remember_last(venue: Any, bars: Any, f: int) -> None:
    """Last known prices of the symbols with a position or an order."""
    for k in range(venue.fund[0].n_active):
        i = natural(venue.active[k])
        if bars.valid[f, i]:
            v = venue.symbol[i]
            v.last_close = bars.px[f, i, PX_CLOSE]
            v.last_mark = bars.px[f, i, PX_MARK_CLOSE]
            v.last_valid_ms = bars.time[f]
