"""What the venue says of an order that is over without a fill: cancels and refusals, and what the chain asks for then."""

from typing import Any

from qt_core._jit import inner, rare, stay_apart
from qt_core.codes import (
    EV_REJECT,
    EXIT_EMERGENCY,
    LIMIT,
    M_AELM,
    M_VENUE,
    MARKET,
    OP_CANCEL,
    OP_NEW,
    RETRIED,
)
from qt_core.engine.orders import list_remove
from qt_core.execution import aelm
from qt_core.records import JE_RETRY
from qt_core.stages.exits import request_exit
from qt_core.stages.journal import count, log_change, log_event, request
from qt_core.stages.protection import cover_rest, protect_again


@inner
def release_pending(state: Any, s: Any, symbol: int) -> None:
    """The opening order is over: give back what it reserved."""
    fund = state.fund[0]
    fund.reserved_margin_usd -= s.pending_margin_usd
    fund.n_pending = list_remove(state.pending_list, fund.n_pending, symbol)
    fund.n_slots -= s.pending_slot
    s.pending_slot = 0
    if fund.n_pending == 0:
        fund.reserved_margin_usd = 0.0
    s.pending_seq = 0
    s.pending_qty = 0.0
    s.pending_margin_usd = 0.0
    s.pending_risk_usd = 0.0
    s.pending_scale = 0


@inner
def rung_over(s: Any, seq: int) -> None:
    """A rung no longer rests: its order is over."""
    if seq == s.rung_1_seq:
        s.rung_1_seq = 0
        s.rung_1_qty = 0.0
    elif seq == s.rung_2_seq:
        s.rung_2_seq = 0
        s.rung_2_qty = 0.0


@rare
def _again(p: Any, state: Any, s: Any, e: Any, out: Any) -> bool:
    """Send a refused opening order once more where module 16 calls the refusal retryable."""
    stay_apart()
    if e.kind != EV_REJECT or not aelm.retry(p.aelm, s.retries, e.reason) or e.time_ms >= s.pending_expire_ms:
        return False
    s.retries += 1
    count(out, M_AELM, RETRIED)
    log_change(out, e.time_ms, e.symbol, JE_RETRY, e.reason, s.trade_id, float(s.retries), 0.0, e.seq)
    r = request(state, out, e.time_ms, OP_NEW, e.symbol, 0, s.pending_kind, s.pending_side, e.tag, s.pending_qty, 0.0)
    r.reduce_only = 0
    r.approved = 1
    r.leverage = s.pending_leverage
    r.price = s.pending_price if s.pending_kind >= LIMIT else 0.0
    r.expire_ms = s.pending_expire_ms
    s.pending_seq = r.seq
    return True


@inner
def on_order_end(p: Any, state: Any, e: Any, out: Any) -> None:
    """An order was cancelled or refused.

    A cancelled stop or target of an open position is asked for again at once. A refused stop would be refused again:
    the position is closed instead; a refused target is done without.
    """
    s = state.symbol[e.symbol]
    log_event(out, e.time_ms, e.symbol, e.kind, e.tag, e.reason, e.seq, s.trade_id, e.qty, 0.0)
    count(out, M_VENUE, e.reason)
    if e.seq == 0:
        return
    if e.seq == s.pending_seq:
        if not _again(p, state, s, e, out):
            release_pending(state, s, e.symbol)
    elif s.qty == 0.0:
        return
    elif e.seq == s.exit_seq:
        s.exit_seq = 0
    elif e.seq == s.rung_1_seq or e.seq == s.rung_2_seq:
        rung_over(s, e.seq)
        cover_rest(state, s, e.symbol, e.time_ms, out)
    elif e.seq == s.sl_seq or e.seq == s.tp_seq:
        if e.kind != EV_REJECT:
            protect_again(state, s, e, out)
        elif e.seq == s.sl_seq:
            s.sl_seq = 0  # should the exit fail too, the monitor finds the stop missing
            request_exit(state, e.symbol, EXIT_EMERGENCY, e.time_ms, out)
        else:
            s.tp_seq = 0


@rare
def cancel_entries(state: Any, now_ms: int, out: Any) -> None:
    """Ask for the cancel of every entry that still works: nothing more may open."""
    stay_apart()
    for k in range(state.fund[0].n_pending):
        i = state.pending_list[k]
        request(state, out, now_ms, OP_CANCEL, i, state.symbol[i].pending_seq, MARKET, 0, 0, 0.0, 0.0)
