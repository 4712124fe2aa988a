"""What the venue says becomes what the chain knows: fills, funding, liquidation, cancels, commands."""

from typing import Any

from qt_core._jit import kernel
from qt_core.codes import (
    ENTRY_CLOSED,
    EV_FUNDING,
    EV_REJECT,
    M_VENUE,
    MARKET,
    OP_AMEND,
    OP_CANCEL,
    OP_NEW,
    STOP,
    TAG_EXIT,
    TAG_SL,
    TAG_TP,
    TAKE_PROFIT,
)
from qt_core.engine.orders import list_insert, list_remove
from qt_core.position import dynamic_tpsl
from qt_core.stages.journal import count, fold_row, log_event, next_trade, request
from qt_core.stages.trades import exit_reason, write_trade

DUST = 1e-9  # of the quantity entered: what is left below it is flat


@kernel
def open_position(state: Any, s: Any, e: Any) -> None:
    """First fill: copy the decision's plan into the position and list it."""
    fund = state.fund[0]
    fund.trade_seq += 1
    s.trade_id = fund.trade_seq
    s.side = e.side
    s.qty = 0.0
    s.avg_price = 0.0
    s.entry_qty = 0.0
    s.exit_qty = 0.0
    s.exit_value = 0.0
    s.first_qty = 0.0
    s.initial_risk_usd = 0.0
    s.sl_distance = 0.0
    s.sl_fraction = s.pending_sl_fraction
    s.tp_fraction = s.pending_tp_fraction
    s.sl_price = 0.0
    s.tp_price = 0.0
    s.best_price = e.price
    s.leverage = s.pending_leverage
    s.margin_usd = 0.0
    s.realised_usd = 0.0
    s.fee_usd = 0.0
    s.funding_usd = 0.0
    s.slippage_usd = 0.0
    s.insurance_usd = 0.0
    s.worst_roi = 0.0
    s.mark = e.price
    s.entry_ms = e.time_ms
    s.entry_seq = e.seq
    s.sl_seq = 0
    s.tp_seq = 0
    s.trail_active = 0
    s.ambiguous = 0
    s.n_fills = 0
    s.inside_ms = e.time_ms if e.inside != 0 else -1
    fund.n_open = list_insert(state.open_list, fund.n_open, e.symbol)
    fund.n_slots -= s.pending_slot  # the position holds the slot from here on
    s.pending_slot = 0


@kernel
def release_pending(state: Any, s: Any) -> None:
    """The entry order is over: give back what it reserved."""
    fund = state.fund[0]
    fund.reserved_margin_usd -= s.pending_margin_usd
    fund.n_pending -= 1
    fund.n_slots -= s.pending_slot
    s.pending_slot = 0
    if fund.n_pending == 0:
        fund.reserved_margin_usd = 0.0
    s.pending_seq = 0
    s.pending_qty = 0.0
    s.pending_margin_usd = 0.0
    s.pending_risk_usd = 0.0


@kernel
def _protect(state: Any, s: Any, e: Any, out: Any) -> None:
    """Place or move SL and TP for the new average fill."""
    side = s.side
    stop = dynamic_tpsl.stop_price(side, s.avg_price, s.sl_fraction, s.tick_size)
    if s.sl_seq == 0:
        s.sl_price = stop
    else:
        s.sl_price = dynamic_tpsl.tighten(side, s.sl_price, stop)
    s.tp_price = dynamic_tpsl.target_price(side, s.avg_price, s.tp_fraction, s.tick_size)
    if e.seq == s.entry_seq:
        s.sl_distance = abs(s.avg_price - stop)  # the first stop's, even where the trail has moved it since
        s.initial_risk_usd = s.first_qty * s.sl_distance
    size = abs(s.qty)
    op = OP_AMEND if s.sl_seq != 0 else OP_NEW
    r = request(state, out, e.time_ms, op, e.symbol, s.sl_seq, STOP, -side, TAG_SL, size, s.sl_price)
    s.sl_seq = r.seq
    op = OP_AMEND if s.tp_seq != 0 else OP_NEW
    r = request(state, out, e.time_ms, op, e.symbol, s.tp_seq, TAKE_PROFIT, -side, TAG_TP, size, s.tp_price)
    s.tp_seq = r.seq


@kernel
def _enlarge(state: Any, s: Any, e: Any, out: Any) -> None:
    size = abs(s.qty)
    s.avg_price = (s.avg_price * size + e.price * e.qty) / (size + e.qty)
    s.qty += e.side * e.qty
    s.entry_qty += e.qty
    if e.seq == s.entry_seq:
        s.first_qty += e.qty
    if e.seq == s.pending_seq:
        if e.done != 0:
            release_pending(state, s)
        else:
            part = e.qty / s.pending_qty
            state.fund[0].reserved_margin_usd -= s.pending_margin_usd * part
            s.pending_margin_usd -= s.pending_margin_usd * part
            s.pending_qty -= e.qty
    _protect(state, s, e, out)


@kernel
def _protect_again(state: Any, s: Any, e: Any, out: Any) -> None:
    """A stop or target that is over, while a position is left: the same again for the rest."""
    if e.seq == s.sl_seq:
        r = request(state, out, e.time_ms, OP_NEW, e.symbol, 0, STOP, -s.side, TAG_SL, abs(s.qty), s.sl_price)
        s.sl_seq = r.seq
    else:
        r = request(state, out, e.time_ms, OP_NEW, e.symbol, 0, TAKE_PROFIT, -s.side, TAG_TP, abs(s.qty), s.tp_price)
        s.tp_seq = r.seq


@kernel
def _close(state: Any, s: Any, e: Any, out: Any) -> None:
    """The position is flat: trade row, streak, cancel what still rests."""
    fund = state.fund[0]
    t = out.trades[next_trade(out)]
    write_trade(t, s, e.symbol, e.time_ms, exit_reason(s, e), s.exit_value / s.exit_qty)
    fold_row(state, out, s.name_hash, e.time_ms * 16 + t.exit_reason, t.pnl_usd, t.exit_price)
    fund.losing_streak = fund.losing_streak + 1 if t.pnl_usd < 0.0 else 0
    for seq in (s.sl_seq, s.tp_seq, s.pending_seq):
        if seq != 0 and not (seq == e.seq and e.done != 0):
            request(state, out, e.time_ms, OP_CANCEL, e.symbol, seq, MARKET, 0, 0, 0.0, 0.0)
    s.sl_seq = 0
    s.tp_seq = 0
    s.qty = 0.0
    s.side = 0
    s.sl_price = 0.0
    s.tp_price = 0.0
    fund.n_open = list_remove(state.open_list, fund.n_open, e.symbol)


@kernel
def _reduce(state: Any, s: Any, e: Any, out: Any) -> None:
    """A part is closed: what is left of the entry ends with the first, what is left of the position stays protected."""
    first = s.exit_qty == 0.0
    s.exit_qty += e.qty
    s.exit_value += e.qty * e.price
    s.qty += e.side * e.qty
    s.realised_usd += e.realised_usd
    s.insurance_usd += e.insurance_usd
    s.worst_roi = max(s.worst_roi, s.side * (s.avg_price - e.price) / s.avg_price * s.leverage)
    if abs(s.qty) <= DUST * s.entry_qty:
        _close(state, s, e, out)
        return
    if first and s.pending_seq != 0:
        request(state, out, e.time_ms, OP_CANCEL, e.symbol, s.pending_seq, MARKET, 0, 0, 0.0, 0.0)
        count(out, M_VENUE, ENTRY_CLOSED)
    if e.done != 0 and (e.seq == s.sl_seq or e.seq == s.tp_seq):
        _protect_again(state, s, e, out)


@kernel
def on_fill(state: Any, e: Any, out: Any) -> None:
    """A fill (or liquidation, or settlement) of any order of a symbol."""
    s = state.symbol[e.symbol]
    fund = state.fund[0]
    fund.wallet_usd = e.wallet_usd
    margin_before = s.margin_usd
    if s.qty == 0.0:
        open_position(state, s, e)
    slippage = e.side * (e.price - e.reference_price) * e.qty
    row = log_event(out, e.time_ms, e.symbol, e.kind, e.tag, e.reason, e.seq, s.trade_id, e.side * e.qty, e.price)
    if row >= 0:
        out.events[row].fee_usd = e.fee_usd
        out.events[row].realised_usd = e.realised_usd
        out.events[row].value = slippage
        out.events[row].old_value = e.reference_price
    s.n_fills += 1
    s.ambiguous += e.ambiguous
    s.fee_usd += e.fee_usd
    s.slippage_usd += slippage
    if s.qty * e.side >= 0.0:
        _enlarge(state, s, e, out)
    else:
        _reduce(state, s, e, out)
    s.margin_usd = e.margin_usd
    fund.margin_usd = fund.margin_usd + (e.margin_usd - margin_before) if fund.n_open > 0 else 0.0


@kernel
def on_funding(state: Any, e: Any, out: Any) -> None:
    """A settlement on the quantity held before it."""
    s = state.symbol[e.symbol]
    fund = state.fund[0]
    fund.wallet_usd = e.wallet_usd
    s.funding_usd += e.funding_usd
    fund.margin_usd += e.margin_usd - s.margin_usd
    s.margin_usd = e.margin_usd
    row = log_event(out, e.time_ms, e.symbol, EV_FUNDING, 0, 0, 0, s.trade_id, e.qty, e.price)
    if row >= 0:
        out.events[row].value = e.funding_usd
        out.events[row].old_value = e.value


@kernel
def on_order_end(state: Any, e: Any, out: Any) -> None:
    """An order was cancelled or refused.

    A cancelled stop or target of an open position is asked for again at once. A refused stop would be refused again:
    the position is closed instead; a refused target is done without.
    """
    s = state.symbol[e.symbol]
    log_event(out, e.time_ms, e.symbol, e.kind, e.tag, e.reason, e.seq, s.trade_id, e.qty, 0.0)
    count(out, M_VENUE, e.reason)
    if e.seq == s.pending_seq and e.seq != 0:
        release_pending(state, s)
    elif s.qty != 0.0 and (e.seq == s.sl_seq or e.seq == s.tp_seq):
        if e.kind != EV_REJECT:
            _protect_again(state, s, e, out)
        elif e.seq == s.sl_seq:
            exit_now(state, e.symbol, e.time_ms, out)
        else:
            s.tp_seq = 0


@kernel
def cancel_entries(state: Any, now_ms: int, out: Any) -> None:
    """Ask for the cancel of every entry that still works: nothing more may open."""
    for i in range(state.symbol.shape[0]):
        s = state.symbol[i]
        if s.pending_seq != 0:
            request(state, out, now_ms, OP_CANCEL, i, s.pending_seq, MARKET, 0, 0, 0.0, 0.0)


@kernel
def exit_now(state: Any, symbol: int, now_ms: int, out: Any) -> None:
    """Ask for a reduce-only market order over the whole position."""
    s = state.symbol[symbol]
    if s.qty != 0.0:
        request(state, out, now_ms, OP_NEW, symbol, 0, MARKET, -s.side, TAG_EXIT, abs(s.qty), 0.0)
