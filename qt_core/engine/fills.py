"""How one thing at the venue is booked: price, slippage, participation, refusals, and what the event says (SPEC 8).

The finders of ``opening`` and ``inside`` say what happens next as a ``Found``; ``act`` books it and writes the event.
Everything that changes a position goes through that one place.
"""

from typing import Any, NamedTuple

from qt_core._jit import inner
from qt_core.codes import (
    BRACKET_LEVERAGE,
    EMPTY,
    EV_CANCEL,
    EV_FILL,
    EV_FUNDING,
    EV_LIQUIDATION,
    EV_REJECT,
    INSUFFICIENT_MARGIN,
    LIQUIDATED,
    OK,
    PX_MARK_OPEN,
    TAG_NONE,
)
from qt_core.engine import ledger
from qt_core.engine.orders import list_insert, refresh_watch
from qt_core.numerics import ceil_step, floor_step

DUST = 1e-9  # remaining quantity below this fraction of the order counts as done

# found: nothing; levels to refresh; a fill; an order's end (2); a position closed at once; funding; no free slot
NOTHING, LOOK, FILL, CANCEL, REJECT, CLOSE, FUND, OVERFLOW = 0, 1, 2, 3, 4, 5, 6, 7


class Found(NamedTuple):
    """The next thing that happens to a symbol."""

    action: int
    slot: int  # order, or row of the funding events
    qty: float
    price: float
    reference: float  # price before slippage
    reason: int
    maker: int
    inside: int  # 1 = between open and close
    ambiguous: int


@inner
def found(action: int, slot: int, reason: int) -> Found:
    """Something without a price."""
    return Found(action, slot, 0.0, 0.0, 0.0, reason, 0, 0, 0)


@inner
def slipped(p: Any, extra: float, side: int, reference: float, tick: float) -> float:
    """Taker price: ``reference`` worsened by slippage (and what a fault adds), rounded to the tick against the order."""
    price = reference * (1.0 + side * (p.slippage + extra))
    return ceil_step(price, tick) if side > 0 else floor_step(price, tick)


@inner
def taker(p: Any, venue: Any, bars: Any, i: int, k: int, o: Any, qty: float, reference: float) -> Found:
    """A taker fill of order ``k`` at ``reference`` plus slippage, at the open."""
    price = slipped(p, venue.symbol[i].extra_slippage, o.side, reference, bars.specs[i].tick_size)
    return Found(FILL, k, qty, price, reference, OK, 0, 0, 0)


@inner
def room(p: Any, venue: Any, bars: Any, f: int, i: int) -> float:
    """Quantity that participation still allows in this bar."""
    if p.participation <= 0.0:
        return 1e300
    v = venue.symbol[i]
    used = v.volume_used if v.volume_ms == bars.time[f] + 1 else 0.0
    return max(0.0, floor_step(p.participation * bars.volume[f, i] - used, bars.specs[i].lot_step))


@inner
def fill_quantity(p: Any, venue: Any, bars: Any, f: int, i: int, o: Any) -> float:
    """Quantity that could fill now: what remains, within participation and, where it reduces, the position."""
    v = venue.symbol[i]
    qty = min(o.qty - o.filled, room(p, venue, bars, f, i))
    if v.qty * o.side < 0.0:
        return float(min(qty, abs(v.qty)))
    return float(qty) if o.reduce_only == 0 else 0.0


@inner
def _take_room(v: Any, time_ms: int, qty: float) -> None:
    if v.volume_ms != time_ms + 1:
        v.volume_ms = time_ms + 1
        v.volume_used = 0.0
    v.volume_used += qty


@inner
def _blank(event: Any, time_ms: int, i: int) -> None:
    """Start an event: everything zero but whose and when."""
    e = event[0]
    e.kind = 0
    e.time_ms = time_ms
    e.symbol = i
    e.qty = 0.0
    e.price = 0.0
    e.reference_price = 0.0
    e.fee_usd = 0.0
    e.realised_usd = 0.0
    e.insurance_usd = 0.0
    e.funding_usd = 0.0
    e.value = 0.0
    e.seq = 0
    e.side = 0
    e.tag = TAG_NONE
    e.reason = OK
    e.maker = 0
    e.ambiguous = 0
    e.inside = 0
    e.command = 0
    e.done = 0


@inner
def cross_unrealised(venue: Any, bars: Any, f: int) -> float:
    """Unrealised profit of a cross account at the bar's opening marks: it counts in what is free for new orders."""
    total = 0.0
    for k in range(venue.fund[0].n_active):
        j = venue.active[k]
        w = venue.symbol[j]
        if w.qty != 0.0:
            mark = bars.px[f, j, PX_MARK_OPEN] if bars.valid[f, j] else w.last_mark
            total += w.qty * (mark - w.avg_price)
    return total


@inner
def opening_refusal(p: Any, venue: Any, bars: Any, f: int, i: int, o: Any, a: Any, fee: float) -> int:
    """Reason the exchange would refuse this opening fill, or OK: bracket leverage, free balance."""
    v = venue.symbol[i]
    notional = (abs(v.qty) + a.qty) * a.price
    b = ledger.bracket_at(bars.brackets, bars.specs[i].n_brackets, i, notional)
    if o.leverage > b.max_leverage:
        return BRACKET_LEVERAGE
    free = venue.fund[0].free_usd
    if p.margin_mode == 1:
        free += cross_unrealised(venue, bars, f)
    if a.qty * a.price / o.leverage + fee > free:
        return INSUFFICIENT_MARGIN
    return OK


@inner
def _book_totals(fund: Any, e: Any, booked: Any) -> None:
    fund.fee_usd += booked.fee_usd
    fund.realised_usd += booked.realised_usd
    fund.insurance_usd += booked.insurance_usd
    fund.n_fills += 1
    e.fee_usd = booked.fee_usd
    e.realised_usd = booked.realised_usd
    e.insurance_usd = booked.insurance_usd


@inner
def _fill(p: Any, venue: Any, bars: Any, f: int, i: int, o: Any, a: Any, e: Any) -> int:
    """Book a fill; returns the reason where the exchange refuses it (an opening order only)."""
    v = venue.symbol[i]
    fund = venue.fund[0]
    fee = a.qty * a.price * (p.maker_fee if a.maker != 0 else p.taker_fee)
    if v.qty * o.side >= 0.0:
        reason = opening_refusal(p, venue, bars, f, i, o, a, fee)
        if reason != OK:
            return reason
        booked = ledger.book_open(fund, v, o.side, a.qty, a.price, fee, o.leverage)
        if a.inside != 0 and a.maker != 0:
            v.inside_ms = e.time_ms + 1
    else:
        booked = ledger.book_reduce(fund, v, a.qty, a.price, fee, p.margin_mode == 1)
    _take_room(v, e.time_ms, a.qty)
    fund.slippage_usd += o.side * (a.price - a.reference) * a.qty
    if a.maker != 0:
        fund.maker_fee_usd += fee
    else:
        fund.taker_fee_usd += fee
    _book_totals(fund, e, booked)
    o.filled += a.qty
    done = o.qty - o.filled <= DUST * o.qty or (o.reduce_only != 0 and v.qty == 0.0)
    if not done:
        fund.n_partial += 1
    e.kind = EV_FILL
    e.qty = a.qty
    e.price = a.price
    e.reference_price = a.reference
    e.maker = a.maker
    e.done = 1 if done else 0
    return OK


@inner
def _close_position(p: Any, venue: Any, i: int, a: Any, e: Any) -> None:
    """Close the whole position outside the order book: liquidation, or settlement of a symbol that stopped trading.

    A liquidation's fee is at most the margin that is left; a settlement costs nothing.
    """
    v = venue.symbol[i]
    fund = venue.fund[0]
    qty = abs(v.qty)
    fee = 0.0
    e.kind = EV_FILL
    if a.reason == LIQUIDATED:
        backing = fund.free_usd + fund.margin_usd if p.margin_mode == 1 else v.margin_usd
        left = backing + v.qty * (a.price - v.avg_price)
        fee = min(qty * a.price * p.liquidation_fee, max(left, 0.0))
        e.kind = EV_LIQUIDATION
        fund.n_liquidations += 1
    e.side = -1 if v.qty > 0.0 else 1
    booked = ledger.book_reduce(fund, v, qty, a.price, fee, p.margin_mode == 1)
    _book_totals(fund, e, booked)
    e.qty = qty
    e.price = a.price
    e.reference_price = a.price
    e.reason = a.reason
    e.done = 1


@inner
def _act_on_order(p: Any, venue: Any, bars: Any, f: int, i: int, a: Any, e: Any) -> None:
    """A fill, a cancel or a refusal of one order."""
    o = venue.orders[i, a.slot]
    e.seq = o.seq
    e.side = o.side
    e.tag = o.tag
    action = a.action
    reason = a.reason
    if action == FILL:
        reason = _fill(p, venue, bars, f, i, o, a, e)
        if reason != OK:
            action = REJECT
    if action != FILL:
        e.kind = EV_REJECT if action == REJECT else EV_CANCEL
        e.qty = o.qty - o.filled
        e.reason = reason
        e.done = 1
        if action == REJECT:
            venue.fund[0].n_rejected += 1
    if e.done != 0:
        o.status = EMPTY
        o.cancel = 0


@inner
def _report_overflow(venue: Any, i: int, e: Any) -> None:
    """An order found no free slot at submission."""
    v = venue.symbol[i]
    e.kind = EV_REJECT
    e.seq = v.reject_seq
    e.tag = v.reject_tag
    e.reason = v.reject_reason
    e.done = 1
    venue.fund[0].n_rejected += 1
    v.reject_seq = 0


@inner
def _settle_funding(p: Any, venue: Any, bars: Any, f: int, i: int, k: int, e: Any) -> None:
    """Funding on the quantity held; where it took from the margin, the liquidation price moves, maybe into this bar."""
    fund = venue.fund[0]
    v = venue.symbol[i]
    mark = bars.px[f, i, PX_MARK_OPEN] if bars.valid[f, i] else v.last_mark
    margin = v.margin_usd
    e.kind = EV_FUNDING
    e.funding_usd = ledger.book_funding(fund, v, mark, bars.funding_rate[k], p.margin_mode == 1)
    e.price = mark
    e.qty = v.qty
    e.value = bars.funding_rate[k]
    if v.margin_usd != margin:
        fund.n_hot = list_insert(venue.hot, fund.n_hot, i)


@inner
def act(p: Any, venue: Any, bars: Any, f: int, i: int, a: Any, event: Any) -> None:
    """Book what was found for symbol ``i`` and describe it in ``event[0]``; levels are refreshed."""
    _blank(event, bars.time[f], i)
    e = event[0]
    v = venue.symbol[i]
    fund = venue.fund[0]
    if a.action == FUND:
        _settle_funding(p, venue, bars, f, i, a.slot, e)
    elif a.action == CLOSE:
        _close_position(p, venue, i, a, e)
    elif a.action == OVERFLOW:
        _report_overflow(venue, i, e)
    else:
        _act_on_order(p, venue, bars, f, i, a, e)
    e.inside = a.inside
    e.ambiguous = a.ambiguous
    e.wallet_usd = fund.free_usd + fund.margin_usd
    e.margin_usd = v.margin_usd
    if p.margin_mode == 0:  # cross prices are solved bar by bar
        n = bars.specs[i].n_brackets
        v.liquidation_price = ledger.liquidation_price(bars.brackets, n, i, v.qty, v.avg_price, v.margin_usd)
    refresh_watch(venue, i)
