"""Module 9 at work: the ladder of rungs, scaling in under every limit, letting winners run."""

from typing import Any

from qt_core._jit import inner, rare, stay_apart
from qt_core.codes import (
    AMPLIFY_LET_RUN,
    CTX_MOMENTUM,
    ENFORCED,
    ESS_NONE,
    IOC,
    LET_RUN,
    M_AMPLIFICATION,
    M_BALANCER,
    M_GOVERNOR,
    MARKET,
    OK,
    OP_CANCEL,
    OP_NEW,
    OVERRIDE,
    PIL_LEADING,
    PX_CLOSE,
    RUNG_DROPPED,
    RUNG_MERGED,
    SHRUNK,
    TAG_RUNG_1,
    TAG_RUNG_2,
    TAG_SCALE_IN,
    TAKE_PROFIT,
)
from qt_core.engine import ledger
from qt_core.enums import T_AMPLIFY
from qt_core.execution import aelm
from qt_core.numerics import floor_step
from qt_core.position import amplification
from qt_core.records import JE_LADDER, JE_LET_RUN, JE_SCALE_IN
from qt_core.risk import portfolio_balancer, risk_os, safety_governor
from qt_core.stages.account import round_trip_cost
from qt_core.stages.asking import account_view
from qt_core.stages.entries import govern, reserve
from qt_core.stages.journal import count, log_change, log_event, request, tally
from qt_core.stages.portfolio import book, neighbours
from qt_core.stages.protection import cover_rest


@inner
def _log_ladder(s: Any, i: int, x: Any, now_ms: int, out: Any) -> None:
    """One row per rung that rests, one without quantity where none does; the reason says what became of the others."""
    why = RUNG_DROPPED if x.dropped > 0 else RUNG_MERGED if x.merged > 0 else OK
    if x.qty_1 > 0.0 or x.qty_2 <= 0.0:
        log_event(out, now_ms, i, JE_LADDER, TAG_RUNG_1, why, s.rung_1_seq, s.trade_id, x.qty_1, x.price_1)
    if x.qty_2 > 0.0:
        log_event(out, now_ms, i, JE_LADDER, TAG_RUNG_2, why, s.rung_2_seq, s.trade_id, x.qty_2, x.price_2)


@inner
def _place_ladder(p: Any, state: Any, s: Any, i: int, now_ms: int, out: Any) -> int:
    """Rungs as resting targets; what is dropped trails, the target covers the rest. Returns the rungs placed."""
    tp = s.tp_price if s.tp_seq != 0 else 0.0
    size = abs(s.qty)
    x = amplification.ladder(p.amplify, s.side, s.avg_price, tp, size, s.leverage, s.lot_step, s.min_qty, s.tick_size)
    for _ in range(x.dropped):
        count(out, M_AMPLIFICATION, RUNG_DROPPED)
    for _ in range(x.merged):
        count(out, M_AMPLIFICATION, RUNG_MERGED)
    if p.amplify.mode != ENFORCED:
        return 0
    s.laddered = 1
    on_rungs = p.amplify.rung_1_fraction + p.amplify.rung_2_fraction
    if x.dropped > 0:
        s.trail_qty = floor_step(max(0.0, size * on_rungs - x.qty_1 - x.qty_2), s.lot_step)
    s.rung_1_qty = x.qty_1
    s.rung_2_qty = x.qty_2
    if x.qty_1 > 0.0:
        r = request(state, out, now_ms, OP_NEW, i, 0, TAKE_PROFIT, -s.side, TAG_RUNG_1, x.qty_1, x.price_1)
        s.rung_1_seq = r.seq
    if x.qty_2 > 0.0:
        r = request(state, out, now_ms, OP_NEW, i, 0, TAKE_PROFIT, -s.side, TAG_RUNG_2, x.qty_2, x.price_2)
        s.rung_2_seq = r.seq
    cover_rest(state, s, i, now_ms, out)
    _log_ladder(s, i, x, now_ms, out)
    return (1 if x.qty_1 > 0.0 else 0) + (1 if x.qty_2 > 0.0 else 0)


@rare
def _let_run(state: Any, s: Any, i: int, now_ms: int, out: Any) -> None:
    """Take the target away: the trail alone decides."""
    stay_apart()
    count(out, M_AMPLIFICATION, LET_RUN)
    log_change(out, now_ms, i, JE_LET_RUN, LET_RUN, s.trade_id, 0.0, s.tp_price, 0)
    s.let_run = 1
    if s.tp_seq != 0:
        request(state, out, now_ms, OP_CANCEL, i, s.tp_seq, MARKET, 0, 0, 0.0, 0.0)
        s.tp_seq = 0


@inner
def _room_qty(p: Any, state: Any, rows: Any, s: Any, i: int, price: float) -> float:
    """What the risk OS still allows: margin of the whole position, margin in use, free balance; base units.

    The position counts at the dearer of what it cost and what the order may pay: the governor reckons with the latter.
    """
    a = account_view(state)
    room = min(p.risk.max_margin_use * a.equity_usd - a.margin_usd, a.free_usd)
    held = abs(s.qty) * max(s.avg_price, price) / s.leverage
    room = min(room, risk_os.max_margin(p.risk, a.equity_usd) - held)
    b = ledger.bracket_at(rows.brackets, rows.n_brackets[i], i, abs(s.qty) * price)
    cap = risk_os.leverage_cap(p.risk, s.vol_class, state.fund[0].limit_defensive, b.max_leverage)
    if s.leverage > cap or room <= 0.0:
        return 0.0
    return float(room * s.leverage / (price * (1.0 + s.leverage * round_trip_cost(p))))


@inner
def _scale_qty(p: Any, state: Any, rows: Any, s: Any, i: int, cap_price: float, out: Any) -> float:
    """Quantity module 9 would add; 0 where it, or the kill switch, says no."""
    fund = state.fund[0]
    closed = fund.ess_latched != ESS_NONE or fund.limit_scale <= 0.0
    closed = closed or (p.hfos.mode == ENFORCED and fund.hfos_allow == 0)
    if closed or (p.orchestrator.mode == ENFORCED and fund.orch_allow == 0):
        return 0.0
    a = account_view(state)
    gate = risk_os.gate(p.risk, risk_os.Account(a.equity_usd, 0.0, 0.0, 0, a.day_drawdown, 0, a.paused, a.halted))
    if gate != OK and p.risk.mode == ENFORCED:
        return 0.0
    room = _room_qty(p, state, rows, s, i, cap_price) if p.risk.mode == ENFORCED else s.first_qty
    scale = fund.limit_scale * (risk_os.streak_factor(p.risk, fund.losing_streak) if p.risk.mode == ENFORCED else 1.0)
    x = amplification.Inputs(
        s.class_code,
        s.side,
        s.r_multiple,
        s.n_scaled,
        s.first_qty * scale,
        abs(s.qty),
        s.avg_price,
        s.sl_price,
        cap_price,
        round_trip_cost(p),
        s.initial_risk_usd,
        room,
        s.lot_step,
        s.min_qty,
        s.min_notional,
    )
    z = amplification.scale_in(p.amplify, x)
    if z.reason != OK and s.r_multiple >= p.amplify.scale_in_r:
        count(out, M_AMPLIFICATION, z.reason)
    return z.qty


@inner
def _balanced_qty(p: Any, state: Any, rows: Any, t: int, s: Any, i: int, qty: float, price: float, out: Any) -> float:
    """Module 8's word on enlarging: shrunk, or 0 where it refuses."""
    if p.balancer.mode != ENFORCED:
        return qty
    near = neighbours(p, state, rows, t, i, s.side)
    x = portfolio_balancer.Candidate(s.side, qty * price / s.leverage, qty * price, s.leverage)
    b = book(state, s.sector, near.n_correlated)
    mine = 1 if s.side > 0 else 0  # the position is counted already: enlarging adds none
    others = portfolio_balancer.Book(
        b.equity_usd,
        b.margin_usd,
        b.gross_notional_usd,
        b.n_long - mine,
        b.n_short - (1 - mine),
        b.sector_margin_usd,
        b.n_correlated_same_side,
    )
    v = portfolio_balancer.review(p.balancer, x, others)
    if v.reason == OK:
        return qty
    count(out, M_BALANCER, v.reason)
    return floor_step(qty * v.margin_scale, s.lot_step) if v.reason == SHRUNK else 0.0


@rare
def _send_scale_in(p: Any, state: Any, s: Any, i: int, qty: float, cap: float, now_ms: int, ms: int, out: Any) -> bool:
    """The governor's word on the enlarged position, then an order that never pays more than the cap."""
    stay_apart()
    c = out.candidates[out.candidates.shape[0] - 1]  # the last scratch row: never an entry candidate
    total = abs(s.qty) + qty
    c.symbol = i
    c.side = s.side
    c.qty = qty
    c.leverage = s.leverage
    c.margin_usd = qty * cap / s.leverage
    stop = max(s.side * (cap - s.sl_price) / cap, s.tick_size / cap)
    tp = abs(s.tp_price - cap) / cap
    order = safety_governor.Order(
        s.side, qty, cap, s.leverage, stop, tp, total * cap / s.leverage, total * cap, 1, 1, s.override
    )
    reason = govern(p, state, c, order, out)
    count(out, M_GOVERNOR, reason)
    if reason != OK and reason != OVERRIDE:
        return False
    r = request(state, out, now_ms, OP_NEW, i, 0, IOC, s.side, TAG_SCALE_IN, qty, 0.0)
    r.reduce_only = 0
    r.approved = 1
    r.leverage = s.leverage
    r.price = cap
    r.expire_ms = now_ms + ms
    reserve(state, c, r, TAG_SCALE_IN, r.expire_ms)
    row = log_event(out, now_ms, i, JE_SCALE_IN, TAG_SCALE_IN, reason, r.seq, s.trade_id, qty, cap)
    if row >= 0:
        out.events[row].value = c.loss_at_stop_usd
        out.events[row].old_value = s.r_multiple
    return True


@inner
def _scale_in(p: Any, state: Any, s: Any, bars: Any, f: int, rows: Any, t: int, i: int, now_ms: int, out: Any) -> float:
    """Enlarge a winner; returns the quantity asked for."""
    if s.pending_seq != 0:
        return 0.0
    cap = aelm.cap_price(p.aelm, s.side, bars.px[f, i, PX_CLOSE], s.tick_size)
    qty = _scale_qty(p, state, rows, s, i, cap, out)
    if qty <= 0.0:
        return 0.0
    if p.amplify.mode != ENFORCED:
        return qty
    qty = _balanced_qty(p, state, rows, t, s, i, qty, cap, out)
    if qty < s.min_qty or qty <= 0.0 or qty * cap < s.min_notional:
        return 0.0
    if not _send_scale_in(p, state, s, i, qty, cap, now_ms, bars.decision_ms, out):
        return 0.0
    return qty


@inner
def amplify(p: Any, state: Any, s: Any, bars: Any, f: int, rows: Any, t: int, i: int, now_ms: int, out: Any) -> None:
    """One look at a position: ladder once, scale in, let run; LEADING with R > 0 alone, where module 10's word counts."""
    if p.intelligence.mode != ENFORCED or s.class_code != PIL_LEADING or not s.r_multiple > 0.0:
        tally(out, T_AMPLIFY, 0)
        return
    placed = 0
    if s.laddered == 0 and s.pending_seq == 0:
        placed = _place_ladder(p, state, s, i, now_ms, out)
    qty = _scale_in(p, state, s, bars, f, rows, t, i, now_ms, out)
    momentum = s.side * rows.ctx[t, i, CTX_MOMENTUM]
    runs = s.let_run == 0 and amplification.let_run(p.amplify, s.class_code, s.r_multiple, momentum, s.exit_mode)
    said = amplification.action(p.amplify, s.class_code, s.r_multiple, qty, runs, placed)
    tally(out, T_AMPLIFY, AMPLIFY_LET_RUN if runs else said)
    if runs and p.amplify.mode == ENFORCED:
        _let_run(state, s, i, now_ms, out)
