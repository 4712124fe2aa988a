"""How one order fills: price, slippage, participation, refusals, and what the event says (SPEC section 8)."""

from typing import Any

from qt_core._jit import kernel
from qt_core.codes import (
    BRACKET_LEVERAGE,
    EV_CANCEL,
    EV_FILL,
    EV_LIQUIDATION,
    EV_REJECT,
    INSUFFICIENT_MARGIN,
    LIQUIDATED,
    OK,
    SETTLED,
    TAG_NONE,
)
from qt_core.engine import ledger
from qt_core.engine.orders import drop_order, refresh_watch
from qt_core.numerics import ceil_step, floor_step

DUST = 1e-9  # remaining quantity below this fraction of the order counts as done


@kernel
def slipped(p: Any, side: int, reference: float, tick: float) -> float:
    """Taker price: ``reference`` worsened by slippage and rounded to the tick against the order."""
    price = reference * (1.0 + side * p.slippage)
    return ceil_step(price, tick) if side > 0 else floor_step(price, tick)


@kernel
def room(p: Any, venue: Any, bars: Any, f: int, i: int) -> float:
    """Quantity that participation still allows in this bar."""
    if p.participation <= 0.0:
        return 1e300
    v = venue.symbol[i]
    used = v.volume_used if v.volume_ms == bars.time[f] + 1 else 0.0
    return max(0.0, floor_step(p.participation * bars.volume[f, i] - used, bars.specs[i].lot_step))


@kernel
def _take_room(venue: Any, bars: Any, f: int, i: int, qty: float) -> None:
    v = venue.symbol[i]
    if v.volume_ms != bars.time[f] + 1:
        v.volume_ms = bars.time[f] + 1
        v.volume_used = 0.0
    v.volume_used += qty


@kernel
def blank_event(venue: Any, event: Any, kind: int, time_ms: int, i: int) -> None:
    """Start an event of ``kind``: balances as they stand, everything else zero."""
    fund = venue.fund[0]
    e = event[0]
    e.kind = kind
    e.time_ms = time_ms
    e.symbol = i
    e.qty = 0.0
    e.price = 0.0
    e.reference_price = 0.0
    e.fee_usd = 0.0
    e.realised_usd = 0.0
    e.insurance_usd = 0.0
    e.funding_usd = 0.0
    e.wallet_usd = fund.free_usd + fund.margin_usd
    e.margin_usd = venue.symbol[i].margin_usd
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


@kernel
def end_order(venue: Any, event: Any, kind: int, time_ms: int, i: int, k: int, reason: int) -> None:
    """Free slot ``k`` and report it as cancelled or rejected."""
    o = venue.orders[i, k]
    blank_event(venue, event, kind, time_ms, i)
    e = event[0]
    e.seq = o.seq
    e.side = o.side
    e.tag = o.tag
    e.qty = o.qty - o.filled
    e.reason = reason
    e.done = 1
    if kind == EV_REJECT:
        venue.fund[0].n_rejected += 1
    drop_order(venue, i, k)
    refresh_watch(venue, i)


@kernel
def opening_refusal(venue: Any, bars: Any, i: int, o: Any, qty: float, price: float, fee: float) -> int:
    """Reason the exchange would refuse this opening fill, or OK: bracket leverage, free balance."""
    v = venue.symbol[i]
    notional = (abs(v.qty) + qty) * price
    b = ledger.bracket_at(bars.brackets, bars.specs[i].n_brackets, i, notional)
    if o.leverage > b.max_leverage:
        return BRACKET_LEVERAGE
    if qty * price / o.leverage + fee > venue.fund[0].free_usd:
        return INSUFFICIENT_MARGIN
    return OK


@kernel
def revalue(p: Any, venue: Any, bars: Any, i: int) -> None:
    """Liquidation price and watch levels after the position changed. Cross prices are solved bar by bar instead."""
    v = venue.symbol[i]
    if p.margin_mode == 0:
        v.liquidation_price = ledger.liquidation_price(
            bars.brackets, bars.specs[i].n_brackets, i, v.qty, v.avg_price, v.margin_usd
        )
    refresh_watch(venue, i)


@kernel
def _report(venue: Any, event: Any, kind: int, time_ms: int, i: int, booked: Any, qty: float, price: float) -> None:
    fund = venue.fund[0]
    fund.fee_usd += booked.fee_usd
    fund.realised_usd += booked.realised_usd
    fund.insurance_usd += booked.insurance_usd
    fund.n_fills += 1
    blank_event(venue, event, kind, time_ms, i)
    e = event[0]
    e.qty = qty
    e.price = price
    e.fee_usd = booked.fee_usd
    e.realised_usd = booked.realised_usd
    e.insurance_usd = booked.insurance_usd


@kernel
def execute(
    p: Any, venue: Any, bars: Any, f: int, i: int, k: int, price: float, reference: float, maker: int, event: Any
) -> bool:
    """Fill order ``k`` of symbol ``i`` at ``price`` as far as quantity, position and participation allow.

    Returns True where an event was written: a fill, or the refusal of an opening order.
    """
    o = venue.orders[i, k]
    v = venue.symbol[i]
    remaining = o.qty - o.filled
    opposite = v.qty * o.side < 0.0
    qty = min(remaining, room(p, venue, bars, f, i))
    if opposite:
        qty = min(qty, abs(v.qty))
    elif o.reduce_only != 0:
        return False
    if qty <= 0.0:
        return False
    fee = qty * price * (p.maker_fee if maker != 0 else p.taker_fee)
    time_ms = bars.time[f]
    fund = venue.fund[0]
    if not opposite:
        reason = opening_refusal(venue, bars, i, o, qty, price, fee)
        if reason != OK:
            end_order(venue, event, EV_REJECT, time_ms, i, k, reason)
            return True
        booked = ledger.book_open(fund, v, o.side, qty, price, fee, o.leverage)
    else:
        booked = ledger.book_reduce(fund, v, qty, price, fee, p.margin_mode == 1)
    _take_room(venue, bars, f, i, qty)
    slippage = o.side * (price - reference) * qty
    fund.slippage_usd += slippage
    if maker != 0:
        fund.maker_fee_usd += fee
    else:
        fund.taker_fee_usd += fee
    _report(venue, event, EV_FILL, time_ms, i, booked, qty, price)
    o.filled += qty
    done = o.qty - o.filled <= DUST * o.qty or (o.reduce_only != 0 and v.qty == 0.0)
    e = event[0]
    e.reference_price = reference
    e.seq = o.seq
    e.side = o.side
    e.tag = o.tag
    e.maker = maker
    e.done = 1 if done else 0
    if done:
        drop_order(venue, i, k)
    else:
        fund.n_partial += 1
    revalue(p, venue, bars, i)
    return True


@kernel
def close_position(
    p: Any, venue: Any, bars: Any, f: int, i: int, price: float, fee: float, reason: int, event: Any
) -> None:
    """Close the whole position outside the order book: liquidation, or settlement of a symbol that stopped trading."""
    v = venue.symbol[i]
    qty = abs(v.qty)
    side = -1 if v.qty > 0.0 else 1
    booked = ledger.book_reduce(venue.fund[0], v, qty, price, fee, p.margin_mode == 1)
    kind = EV_LIQUIDATION if reason == LIQUIDATED else EV_FILL
    _report(venue, event, kind, bars.time[f], i, booked, qty, price)
    e = event[0]
    e.reference_price = price
    e.side = side
    e.reason = reason
    e.done = 1
    if reason == LIQUIDATED:
        venue.fund[0].n_liquidations += 1
    revalue(p, venue, bars, i)


@kernel
def liquidate(p: Any, venue: Any, bars: Any, f: int, i: int, price: float, event: Any) -> None:
    """Take the position over at ``price``; the fee is at most the margin that is left."""
    v = venue.symbol[i]
    fund = venue.fund[0]
    backing = fund.free_usd + fund.margin_usd if p.margin_mode == 1 else v.margin_usd
    left = backing + v.qty * (price - v.avg_price)
    fee = min(abs(v.qty) * price * p.liquidation_fee, max(left, 0.0))
    close_position(p, venue, bars, f, i, price, fee, LIQUIDATED, event)


@kernel
def settle(p: Any, venue: Any, bars: Any, f: int, i: int, event: Any) -> None:
    """Settle at the last known mark, without fee: the contract stopped trading."""
    close_position(p, venue, bars, f, i, venue.symbol[i].last_mark, 0.0, SETTLED, event)


@kernel
def expire(venue: Any, time_ms: int, i: int, k: int, reason: int, event: Any) -> None:
    """Report order ``k`` as cancelled for ``reason``."""
    end_order(venue, event, EV_CANCEL, time_ms, i, k, reason)
