"""What the venue says becomes what the chain knows: fills, liquidation, funding."""

from typing import Any

from qt_core._jit import inner, natural, rare, stay_apart
from qt_core.codes import (
    ENTRY_CLOSED,
    EV_FUNDING,
    M_AMPLIFICATION,
    M_VENUE,
    MARKET,
    NORMAL_EXIT,
    OP_CANCEL,
    RUNG_FILLED,
    SCALED_IN,
    TAG_RUNG_1,
    TAG_RUNG_2,
)
from qt_core.engine.orders import list_insert, list_remove
from qt_core.records import JE_SCALE_IN
from qt_core.stages.exits import exit_follows
from qt_core.stages.journal import count, fold_row, log_change, log_event, next_trade, request
from qt_core.stages.learning import learn
from qt_core.stages.order_end import release_pending, rung_over
from qt_core.stages.protection import cover_rest, protect, protect_again
from qt_core.stages.trades import exit_reason, write_trade

DUST = 1e-9  # of the quantity entered: what is left below it is flat


@rare
def _adopt(p: Any, s: Any, e: Any) -> None:
    """A position that no order of ours opened (a person's, on an exchange): the profile's anchors protect it, leverage is
    what its margin says, and it teaches nothing.
    """
    stay_apart()
    s.pending_sl_fraction = p.tpsl.sl_anchor
    s.pending_tp_fraction = p.tpsl.tp_anchor
    s.pending_leverage = e.qty * e.price / e.margin_usd if e.margin_usd > 0.0 else 1.0
    s.confidence = 0.0
    s.exit_mode = NORMAL_EXIT
    s.explored = 0
    s.sizer_state = -1
    s.strategy = -1


@inner
def _open_position(p: Any, state: Any, s: Any, e: Any) -> None:
    """First fill: copy the decision's plan into the position and list it."""
    if e.seq == 0:
        _adopt(p, s, e)
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
    _clear_life(s)
    fund.n_open = list_insert(state.open_list, fund.n_open, e.symbol)
    fund.n_slots -= s.pending_slot  # the position holds the slot from here on
    s.pending_slot = 0


@inner
def _clear_life(s: Any) -> None:
    """What monitoring, classes and amplification know of the position: nothing yet."""
    s.r_multiple = 0.0
    s.best_r = 0.0
    s.worst_r = 0.0
    s.class_confidence = 0.0
    s.class_code = 0
    s.advice = 0
    s.signal_side = 0
    s.signal_ms = 0
    s.n_scaled = 0
    s.n_rungs = 0
    s.let_run = 0
    s.laddered = 0
    s.rung_1_seq = 0
    s.rung_2_seq = 0
    s.rung_1_qty = 0.0
    s.rung_2_qty = 0.0
    s.trail_qty = 0.0
    s.exit_seq = 0
    s.exit_why = 0
    s.exit_whole = 0
    s.scaled_seq = 0
    s.peak_qty = 0.0


@inner
def _enlarge(state: Any, s: Any, e: Any, out: Any) -> None:
    size = abs(s.qty)
    s.avg_price = (s.avg_price * size + e.price * e.qty) / (size + e.qty)
    s.qty += e.side * e.qty
    s.entry_qty += e.qty
    s.peak_qty = max(s.peak_qty, abs(s.qty))
    if e.seq == s.entry_seq:
        s.first_qty += e.qty
    scaling = s.pending_scale != 0 and e.seq == s.pending_seq
    if e.seq == s.pending_seq:
        if e.done != 0:
            release_pending(state, s, e.symbol)
        else:
            part = e.qty / s.pending_qty
            state.fund[0].reserved_margin_usd -= s.pending_margin_usd * part
            s.pending_margin_usd -= s.pending_margin_usd * part
            s.pending_qty -= e.qty
    if scaling:
        if s.scaled_seq != e.seq:  # an order that fills in parts is one scale-in, one that does not fill is none
            s.scaled_seq = e.seq
            s.n_scaled += 1
        count(out, M_AMPLIFICATION, SCALED_IN)
        log_change(out, e.time_ms, e.symbol, JE_SCALE_IN, SCALED_IN, s.trade_id, s.entry_qty, s.first_qty, 0)
        cover_rest(state, s, e.symbol, e.time_ms, out)
    else:
        protect(state, s, e, out)
    exit_follows(state, s, e.symbol, e.time_ms, out)


@inner
def _close(p: Any, state: Any, s: Any, e: Any, out: Any) -> None:
    """The position is flat: trade row, streak, learning, cancel what still rests."""
    fund = state.fund[0]
    t = out.trades[next_trade(out)]
    write_trade(t, s, e.symbol, e.time_ms, exit_reason(s, e), s.exit_value / s.exit_qty)
    fold_row(state, out, s.name_hash, e.time_ms * 16 + t.exit_reason, t.pnl_usd, t.exit_price)
    fund.losing_streak = fund.losing_streak + 1 if t.pnl_usd < 0.0 else 0
    learn(p, state, s, t, out)
    for seq in (s.sl_seq, s.tp_seq, s.rung_1_seq, s.rung_2_seq, s.exit_seq, s.pending_seq):
        if seq != 0 and not (seq == e.seq and e.done != 0):
            request(state, out, e.time_ms, OP_CANCEL, e.symbol, seq, MARKET, 0, 0, 0.0, 0.0)
    s.sl_seq = 0
    s.tp_seq = 0
    s.rung_1_seq = 0
    s.rung_2_seq = 0
    s.exit_seq = 0
    s.qty = 0.0
    s.side = 0
    s.sl_price = 0.0
    s.tp_price = 0.0
    fund.n_open = list_remove(state.open_list, fund.n_open, e.symbol)


@inner
def _part_closed(state: Any, s: Any, e: Any, out: Any) -> None:
    """A part is closed by rung, stop, target or our own order: what is left stays covered."""
    if e.tag == TAG_RUNG_1 or e.tag == TAG_RUNG_2:
        # a rung taken away may still fill at an open gapped beyond it: then it is a plain reduction
        if e.seq == s.rung_1_seq:
            s.rung_1_qty = max(0.0, s.rung_1_qty - e.qty)
        elif e.seq == s.rung_2_seq:
            s.rung_2_qty = max(0.0, s.rung_2_qty - e.qty)
        if e.done != 0:
            s.n_rungs += 1
            count(out, M_AMPLIFICATION, RUNG_FILLED)
            rung_over(s, e.seq)
        cover_rest(state, s, e.symbol, e.time_ms, out)
    elif e.done != 0 and e.seq == s.exit_seq:
        s.exit_seq = 0
        cover_rest(state, s, e.symbol, e.time_ms, out)
    elif e.done != 0 and (e.seq == s.sl_seq or e.seq == s.tp_seq):
        if e.seq == s.tp_seq and s.laddered != 0:
            s.tp_seq = 0  # the shares of the ladder go on under rungs and trail
            s.let_run = 1
        else:
            protect_again(state, s, e, out)


@inner
def _reduce(p: Any, state: Any, s: Any, e: Any, out: Any) -> None:
    """A part is closed: what is left of the entry ends with the first, what is left of the position stays protected."""
    first = s.exit_qty == 0.0
    s.exit_qty += e.qty
    s.exit_value += e.qty * e.price
    s.qty += e.side * e.qty
    s.realised_usd += e.realised_usd
    s.insurance_usd += e.insurance_usd
    s.worst_roi = max(s.worst_roi, s.side * (s.avg_price - e.price) / s.avg_price * s.leverage)
    if abs(s.qty) <= DUST * s.entry_qty:
        _close(p, state, s, e, out)
        return
    if first and s.pending_seq != 0:
        request(state, out, e.time_ms, OP_CANCEL, e.symbol, s.pending_seq, MARKET, 0, 0, 0.0, 0.0)
        count(out, M_VENUE, ENTRY_CLOSED)
    _part_closed(state, s, e, out)


@inner
def on_fill(p: Any, state: Any, e: Any, out: Any) -> None:
    """A fill (or liquidation, or settlement) of any order of a symbol."""
    s = state.symbol[natural(e.symbol)]
    fund = state.fund[0]
    fund.wallet_usd = e.wallet_usd
    margin_before = s.margin_usd
    if s.qty == 0.0:
        _open_position(p, state, s, e)
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
        _reduce(p, state, s, e, out)
    s.margin_usd = e.margin_usd
    fund.margin_usd = fund.margin_usd + (e.margin_usd - margin_before) if fund.n_open > 0 else 0.0


@inner
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
