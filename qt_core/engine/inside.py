"""Inside a bar: stop, liquidation, target, limits, under a stated order (SPEC section 8).

The adverse path meets the nearer of stop and liquidation first. Stop (or liquidation) and target in one bar are
ambiguous: counted, and decided by ``intrabar``. A limit that fills inside the bar may be stopped but takes no profit in
that bar.
"""

from typing import Any, NamedTuple

from qt_core._jit import inner
from qt_core.codes import (
    LIMIT,
    LIQUIDATED,
    OK,
    POST_ONLY,
    PX_HIGH,
    PX_LOW,
    PX_MARK_CLOSE,
    PX_MARK_HIGH,
    PX_MARK_LOW,
    PX_MARK_OPEN,
    PX_OPEN,
    TAKE_PROFIT,
    TRIGGERED,
    WORKING,
)
from qt_core.engine import ledger
from qt_core.engine.fills import CLOSE, FILL, LOOK, NOTHING, Found, fill_quantity, found, slipped
from qt_core.engine.orders import is_trigger

ROUNDING = 1e-12  # relative error of a price less a few ticks: 0.3 - 0.1 is 0.19999999999999998 and still one tick


class Hits(NamedTuple):
    """What the bar reaches, as order slots."""

    stop: int  # slot, -1 = none
    target: int
    limit: int
    liquidation: float  # price, 0 = none


@inner
def _reached(p: Any, bars: Any, f: int, i: int, rising: bool, level: float) -> bool:
    """True where the bar's working price reached ``level``."""
    if p.working_type == 1:
        return bool(bars.px[f, i, PX_MARK_HIGH] >= level if rising else bars.px[f, i, PX_MARK_LOW] <= level)
    return bool(bars.px[f, i, PX_HIGH] >= level if rising else bars.px[f, i, PX_LOW] <= level)


@inner
def _limit_fills(p: Any, bars: Any, f: int, i: int, o: Any) -> bool:
    """A resting limit needs a trade-through of ``through_ticks``."""
    beyond = p.through_ticks * bars.specs[i].tick_size - ROUNDING * o.price
    if o.side > 0:
        return bool(bars.px[f, i, PX_LOW] <= o.price - beyond)
    return bool(bars.px[f, i, PX_HIGH] >= o.price + beyond)


@inner
def _cross_liquidation(p: Any, venue: Any, bars: Any, f: int, i: int) -> float:
    """Cross: price at which the whole account's balance meets its maintenance, the others at their opening mark."""
    fund = venue.fund[0]
    backing = fund.free_usd + fund.margin_usd
    for k in range(fund.n_active):
        j = venue.active[k]
        w = venue.symbol[j]
        if j == i or w.qty == 0.0:
            continue
        mark = w.last_mark
        if bars.valid[f, j]:
            mark = bars.px[f, j, PX_MARK_OPEN]
            if p.cross_all_adverse == 1:
                mark = bars.px[f, j, PX_MARK_LOW] if w.qty > 0.0 else bars.px[f, j, PX_MARK_HIGH]
        held = ledger.maintenance_margin(bars.brackets, bars.specs[j].n_brackets, j, abs(w.qty) * mark)
        backing += w.qty * (mark - w.avg_price) - held
    v = venue.symbol[i]
    return ledger.liquidation_price(bars.brackets, bars.specs[i].n_brackets, i, v.qty, v.avg_price, backing)


@inner
def _liquidation_hit(p: Any, venue: Any, bars: Any, f: int, i: int) -> float:
    """Liquidation price if the mark's adverse extreme is beyond it (strictly), else 0."""
    v = venue.symbol[i]
    if v.qty == 0.0:
        return 0.0
    if p.margin_mode == 1:
        v.liquidation_price = _cross_liquidation(p, venue, bars, f, i)
    level = v.liquidation_price
    if level <= 0.0:
        return 0.0
    hit = bars.px[f, i, PX_MARK_LOW] < level if v.qty > 0.0 else bars.px[f, i, PX_MARK_HIGH] > level
    return level if hit else 0.0


@inner
def find_hits(p: Any, venue: Any, bars: Any, f: int, i: int) -> Hits:
    """What this bar's range reaches: nearest stop, nearest target, nearest limit, liquidation."""
    v = venue.symbol[i]
    stop = -1
    target = -1
    limit = -1
    for k in range(v.top):
        o = venue.orders[i, k]
        if o.status != WORKING or o.cancel != 0 or o.fresh != 0 or o.active_ms > bars.time[f]:
            continue
        if o.reduce_only != 0 and v.qty * o.side >= 0.0:
            continue
        if o.kind == LIMIT or o.kind == POST_ONLY:
            opening = bars.px[f, i, PX_OPEN]
            first = limit < 0 or abs(o.price - opening) < abs(venue.orders[i, limit].price - opening)
            if first and _limit_fills(p, bars, f, i, o):
                limit = k
            continue
        if not is_trigger(o.kind):
            continue
        is_target = o.kind == TAKE_PROFIT
        rising = (o.side > 0) != is_target
        if not _reached(p, bars, f, i, rising, o.trigger):
            continue
        best = target if is_target else stop
        other = venue.orders[i, max(best, 0)].trigger
        nearer = best < 0 or (o.trigger < other if rising else o.trigger > other)
        if is_target:
            if nearer and v.inside_ms != bars.time[f] + 1:
                target = k
        elif nearer:
            stop = k
    return Hits(stop, target, limit, _liquidation_hit(p, venue, bars, f, i))


@inner
def _trigger(p: Any, venue: Any, bars: Any, f: int, i: int, k: int, ambiguous: int) -> Found:
    """A stop or target triggers: a taker fill at its trigger plus slippage (a stop beyond the open: at the open).

    With the mark as working price the last price may not have reached the trigger: the fill is kept within the bar.
    Without volume left for it the order stays triggered and goes on at the next open.
    """
    o = venue.orders[i, k]
    reference = min(max(o.trigger, bars.px[f, i, PX_LOW]), bars.px[f, i, PX_HIGH])
    opening = bars.px[f, i, PX_OPEN]
    if o.kind != TAKE_PROFIT and o.side > 0 and o.trigger < opening:
        reference = max(reference, opening)
    if o.kind != TAKE_PROFIT and o.side < 0 and o.trigger > opening:
        reference = min(reference, opening)
    o.status = TRIGGERED
    qty = fill_quantity(p, venue, bars, f, i, o)
    if qty <= 0.0:
        return found(LOOK, k, OK)
    price = slipped(p, venue.symbol[i].extra_slippage, o.side, reference, bars.specs[i].tick_size)
    return Found(FILL, k, qty, price, reference, OK, 0, 1, ambiguous)


@inner
def _limit(p: Any, venue: Any, bars: Any, f: int, i: int, k: int) -> Found:
    """A resting limit fills at its own price as maker."""
    o = venue.orders[i, k]
    qty = fill_quantity(p, venue, bars, f, i, o)
    if qty <= 0.0:
        return found(NOTHING, k, OK)
    return Found(FILL, k, qty, o.price, o.price, OK, 1, 1, 0)


@inner
def _liquidation(venue: Any, bars: Any, f: int, i: int, level: float, ambiguous: int) -> Found:
    """At the liquidation price, or at the opening mark where the bar opened beyond it."""
    opening = bars.px[f, i, PX_MARK_OPEN]
    price = min(level, opening) if venue.symbol[i].qty > 0.0 else max(level, opening)
    return Found(CLOSE, 0, 0.0, price, price, LIQUIDATED, 0, 1, ambiguous)


@inner
def _stop_before(venue: Any, bars: Any, f: int, i: int, h: Hits) -> bool:
    """True where the adverse path meets the stop before (or with) the liquidation price.

    A mark that opens beyond the liquidation price is there before anything inside the bar.
    """
    if h.stop < 0:
        return False
    if h.liquidation == 0.0:
        return True
    opening = bars.px[f, i, PX_MARK_OPEN]
    if opening < h.liquidation if venue.symbol[i].qty > 0.0 else opening > h.liquidation:
        return False
    trigger = venue.orders[i, h.stop].trigger
    return bool(trigger >= h.liquidation if venue.symbol[i].qty > 0.0 else trigger <= h.liquidation)


@inner
def _below_maintenance(venue: Any, bars: Any, f: int) -> bool:
    """True where a cross account's balance at the closing marks is less than its maintenance margin."""
    fund = venue.fund[0]
    balance = fund.free_usd + fund.margin_usd
    for k in range(fund.n_active):
        j = venue.active[k]
        w = venue.symbol[j]
        if w.qty != 0.0:
            mark = bars.px[f, j, PX_MARK_CLOSE] if bars.valid[f, j] else w.last_mark
            held = ledger.maintenance_margin(bars.brackets, bars.specs[j].n_brackets, j, abs(w.qty) * mark)
            balance += w.qty * (mark - w.avg_price) - held
    return bool(balance < 0.0)


@inner
def cross_close(venue: Any, bars: Any, f: int, i: int) -> Found:
    """Close mark of a cross account: symbol by symbol is liquidated there until the balance holds.

    Inside the bar each position was tested with the others at their opening marks; together they may have lost more.
    """
    v = venue.symbol[i]
    if v.qty == 0.0 or not _below_maintenance(venue, bars, f):
        return found(NOTHING, 0, OK)
    mark = bars.px[f, i, PX_MARK_CLOSE] if bars.valid[f, i] else v.last_mark
    return Found(CLOSE, 0, 0.0, mark, mark, LIQUIDATED, 0, 1, 0)


@inner
def _count_ambiguous(venue: Any, bars: Any, f: int, i: int) -> None:
    """Count the bar once."""
    v = venue.symbol[i]
    if v.ambiguous_ms != bars.time[f] + 1:
        v.ambiguous_ms = bars.time[f] + 1
        venue.fund[0].ambiguous_bars += 1


@inner
def inside_bar(p: Any, venue: Any, bars: Any, f: int, i: int) -> Found:
    """The next thing that happens to symbol ``i`` inside bar ``f``."""
    if not bars.valid[f, i]:
        return found(NOTHING, 0, OK)
    v = venue.symbol[i]
    low = min(bars.px[f, i, PX_LOW], bars.px[f, i, PX_MARK_LOW])
    high = max(bars.px[f, i, PX_HIGH], bars.px[f, i, PX_MARK_HIGH])
    if v.watch_low < low and high < v.watch_high and p.margin_mode == 0:
        return found(NOTHING, 0, OK)
    h = find_hits(p, venue, bars, f, i)
    adverse = h.stop >= 0 or h.liquidation > 0.0
    ambiguous = 1 if adverse and h.target >= 0 else 0
    if ambiguous != 0:
        _count_ambiguous(venue, bars, f, i)
    slot = -1
    if adverse and not (ambiguous != 0 and p.intrabar == 1):
        slot = h.stop if _stop_before(venue, bars, f, i, h) else -1
    elif h.target >= 0:
        slot = h.target
    elif h.limit >= 0:
        return _limit(p, venue, bars, f, i, h.limit)
    a = found(NOTHING, 0, OK)
    if slot >= 0:
        a = _trigger(p, venue, bars, f, i, slot, ambiguous)
    if a.action != FILL and h.liquidation > 0.0:  # also where a stop triggered and the bar had no volume left for it
        return _liquidation(venue, bars, f, i, h.liquidation, ambiguous)
    return a
