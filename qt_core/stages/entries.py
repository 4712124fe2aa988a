"""Steps 4 and 6: signals to candidates, candidates to orders, one after the other with reservation (SPEC section 1)."""

from typing import Any

from qt_core._jit import kernel
from qt_core.codes import (
    BELOW_CONFIDENCE,
    CTX_ATR_PCT,
    ENFORCED,
    HELD,
    INVALID_SIGNAL,
    M_ENSEMBLE,
    M_GOVERNOR,
    M_RISK_OS,
    M_SELECTION,
    M_TPSL,
    MARKET,
    NOT_ELIGIBLE,
    NOT_SELECTED,
    OFF,
    OK,
    OP_NEW,
    OVERRIDE,
    PX_CLOSE,
    STREAK_SCALED,
    TAG_ENTRY,
)
from qt_core.context import regime
from qt_core.engine import ledger
from qt_core.position import dynamic_tpsl
from qt_core.risk import risk_os, safety_governor
from qt_core.signal import ensemble
from qt_core.stages.account import round_trip_cost
from qt_core.stages.journal import count, fold_row, keep_decision, request
from qt_core.state import N_CANDIDATES


@kernel
def _insert_candidate(out: Any, cap: int, i: int, sig: Any, price: float, atr: float) -> None:
    """Keep the best ``cap`` candidates, by confidence descending, then name (index) ascending."""
    n = out.n[N_CANDIDATES]
    k = n if n < cap else cap - 1
    if n >= cap and not sig.confidence > out.candidates[k].confidence:
        return
    while k > 0 and sig.confidence > out.candidates[k - 1].confidence:
        out.candidates[k] = out.candidates[k - 1]
        k -= 1
    c = out.candidates[k]
    c.symbol = i
    c.side = sig.side
    c.confidence = sig.confidence
    c.p_sell = sig.p_sell
    c.p_buy = sig.p_buy
    c.price = price
    c.atr_fraction = atr
    if n < cap:
        out.n[N_CANDIDATES] = n + 1


@kernel
def collect(p: Any, state: Any, bars: Any, f: int, rows: Any, t: int, out: Any) -> None:
    """Ensemble over every symbol; symbols that act and are free become candidates."""
    out.n[N_CANDIDATES] = 0
    cap = p.chain.max_candidates + p.chain.journal_top
    for i in range(state.symbol.shape[0]):
        a = rows.available
        if not (a[t, i, 0] or a[t, i, 1] or a[t, i, 2] or a[t, i, 3]):
            continue
        sig = ensemble.vote(p.ensemble, state.weights, rows.proba, a, t, i)
        if p.ensemble.mode != OFF and p.ensemble.mode != ENFORCED:  # observed only: how often it would say the same
            weighed = ensemble.vote_checked(p.ensemble, state.weights, rows.proba, a, t, i, False)
            count(out, M_ENSEMBLE, OK if weighed.side == sig.side else BELOW_CONFIDENCE)
        if sig.bad != 0:
            count(out, M_ENSEMBLE, INVALID_SIGNAL)
        if sig.side == 0:
            continue
        if not bars.valid[f, i] or not rows.eligible[t, i]:
            count(out, M_SELECTION, NOT_ELIGIBLE)
            continue
        s = state.symbol[i]
        if s.qty != 0.0 or s.pending_seq != 0:
            count(out, M_SELECTION, HELD)
            continue
        # price and ATR are read here, so that the memory they wait for is under way before the decision needs it
        _insert_candidate(out, cap, i, sig, bars.px[f, i, PX_CLOSE], rows.ctx[t, i, CTX_ATR_PCT])


@kernel
def account_view(state: Any) -> risk_os.Account:
    """The account as the next candidate sees it: reservations of earlier ones are already taken."""
    fund = state.fund[0]
    used = fund.margin_usd + fund.reserved_margin_usd
    return risk_os.Account(
        fund.equity_usd,
        fund.wallet_usd - used,
        used,
        fund.n_open + fund.n_slots,
        fund.day_drawdown,
        fund.losing_streak,
        fund.paused,
        fund.halted,
    )


@kernel
def _size(p: Any, state: Any, rows: Any, c: Any, a: Any, out: Any) -> risk_os.Size:
    """Fixed sizing (module 19 OFF: base margin x 1.0 at 3x) under the risk OS."""
    i = c.symbol
    s = state.symbol[i]
    cost = round_trip_cost(p)
    c.margin_target_usd = p.chain.base_margin_usd * p.chain.neutral_multiplier
    c.leverage_target = p.chain.neutral_leverage
    c.size_scale = risk_os.streak_factor(p.risk, a.losing_streak) if p.risk.mode == ENFORCED else 1.0
    if c.size_scale != 1.0:
        count(out, M_RISK_OS, STREAK_SCALED)
    b = ledger.bracket_at(rows.brackets, rows.n_brackets[i], i, c.margin_target_usd * c.leverage_target)
    ask = risk_os.Ask(
        c.price,
        c.sl_fraction,
        c.margin_target_usd,
        c.leverage_target,
        1.0,
        p.governor.max_loss_at_stop if p.governor.mode == ENFORCED else 1.0,
        cost,
        b.max_leverage,
        c.vol_class,
        0,
    )
    if p.risk.mode == OFF:
        return risk_os.unbound(ask, s.lot_step, s.max_qty)
    bound = risk_os.size(p.risk, a, ask, s.lot_step, s.max_qty, s.min_notional)
    if p.risk.mode == ENFORCED:
        return bound
    count(out, M_RISK_OS, bound.reason)
    return risk_os.unbound(ask, s.lot_step, s.max_qty)


@kernel
def _govern(p: Any, state: Any, c: Any, out: Any) -> int:
    """The governor's verdict on the order as it would be sent."""
    fund = state.fund[0]
    s = state.symbol[c.symbol]
    held = 1 if s.qty != 0.0 or s.pending_seq != 0 else 0
    order = safety_governor.Order(
        c.side,
        c.qty,
        c.price,
        c.leverage,
        c.sl_fraction,
        c.tp_fraction,
        c.margin_usd,
        c.notional_usd,
        0,
        held,
        s.override,
    )
    cost = round_trip_cost(p)
    verdict = safety_governor.review(p.governor, order, fund.equity_usd, fund.day_drawdown, fund.health, cost)
    c.loss_at_stop_usd = verdict.loss_at_stop_usd
    s.override = 0
    if verdict.reason == OK or verdict.reason == OVERRIDE or p.governor.mode == ENFORCED:
        return verdict.reason
    count(out, M_GOVERNOR, verdict.reason)
    return OK


@kernel
def _reserve_and_order(p: Any, state: Any, c: Any, now_ms: int, decision_ms: int, out: Any) -> None:
    """Send the entry and take its margin, risk and slot before the next candidate is looked at."""
    fund = state.fund[0]
    s = state.symbol[c.symbol]
    r = request(state, out, now_ms, OP_NEW, c.symbol, 0, MARKET, c.side, TAG_ENTRY, c.qty, 0.0)
    r.reduce_only = 0
    r.approved = 1
    r.leverage = c.leverage
    r.expire_ms = now_ms + p.chain.entry_work_bars * decision_ms
    c.seq = r.seq
    s.pending_seq = r.seq
    s.pending_qty = c.qty
    s.pending_margin_usd = c.margin_usd
    s.pending_risk_usd = c.loss_at_stop_usd
    s.pending_leverage = c.leverage
    s.pending_sl_fraction = c.sl_fraction
    s.pending_tp_fraction = c.tp_fraction
    s.confidence = c.confidence
    s.vol_class = c.vol_class
    s.trend_class = c.trend_class
    s.tpsl_class = c.tpsl_class
    fund.reserved_margin_usd += c.margin_usd
    s.pending_slot = 1
    fund.n_pending += 1
    fund.n_slots += 1


@kernel
def _decide(p: Any, state: Any, rows: Any, t: int, c: Any, out: Any) -> int:
    """Run one candidate down the chain: TP/SL -> size and risk OS -> governor. Fills the row; returns the reason."""
    d = dynamic_tpsl.distances(p.tpsl, c.atr_fraction, c.vol_class, c.tpsl_class)
    c.sl_fraction = max(d.sl_fraction, state.symbol[c.symbol].tick_size / c.price)  # no stop is nearer than a tick
    c.tp_fraction = d.tp_fraction
    if p.tpsl.mode == OFF:
        count(out, M_TPSL, d.reason)
    else:
        count(out, M_TPSL, dynamic_tpsl.measured(p.tpsl, c.atr_fraction, c.vol_class, c.tpsl_class).reason)
    a = account_view(state)
    c.equity_usd = a.equity_usd
    c.reserved_margin_usd = state.fund[0].reserved_margin_usd
    c.n_positions = a.n_positions
    c.module = M_RISK_OS
    gate = risk_os.gate(p.risk, a)
    if gate != OK and p.risk.mode == ENFORCED:
        return gate
    if gate != OK and p.risk.mode != OFF:
        count(out, M_RISK_OS, gate)
    z = _size(p, state, rows, c, a, out)
    c.qty = z.qty
    c.margin_usd = z.margin_usd
    c.leverage = z.leverage
    c.notional_usd = z.qty * c.price
    if z.reason != OK:
        return z.reason
    c.module = M_GOVERNOR
    return _govern(p, state, c, out)


@kernel
def _blank(c: Any, now_ms: int, rank: int) -> None:
    """Clear what an earlier bar left in the scratch row."""
    c.time_ms = now_ms
    c.rank = rank
    c.seq = 0
    c.module = 0
    c.reason = OK
    c.sl_fraction = 0.0
    c.tp_fraction = 0.0
    c.margin_target_usd = 0.0
    c.leverage_target = 0.0
    c.leverage = 0.0
    c.margin_usd = 0.0
    c.qty = 0.0
    c.notional_usd = 0.0
    c.loss_at_stop_usd = 0.0
    c.equity_usd = 0.0
    c.reserved_margin_usd = 0.0
    c.size_scale = 1.0
    c.n_positions = 0


@kernel
def _fold_decision(state: Any, c: Any, out: Any) -> None:
    """Every verdict goes into the digest, whether the journal keeps rows or not."""
    code = ((c.time_ms * 64 + c.reason) * 32 + c.module) * 4 + c.side + 1
    name = state.symbol[c.symbol].name_hash
    fold_row(state, out, name, code, c.confidence, c.qty)
    fold_row(state, out, name, c.rank, c.sl_fraction, c.tp_fraction)


@kernel
def enter(p: Any, state: Any, bars: Any, f: int, rows: Any, t: int, now_ms: int, out: Any) -> None:
    """The best candidates one by one; the others are journalled as not selected."""
    for rank in range(out.n[N_CANDIDATES]):
        c = out.candidates[rank]
        _blank(c, now_ms, rank)
        i = c.symbol
        classes = regime.classify(p.regime, rows.ctx, t, i, c.price)
        c.vol_class = classes.volatility
        c.trend_class = classes.trend
        c.tpsl_class = classes.tpsl
        if rank >= p.chain.max_candidates:
            c.module = M_SELECTION
            c.reason = NOT_SELECTED
        else:
            c.reason = _decide(p, state, rows, t, c, out)
            if c.reason == OK or c.reason == OVERRIDE:
                _reserve_and_order(p, state, c, now_ms, bars.decision_ms, out)
        count(out, c.module, c.reason)
        _fold_decision(state, c, out)
        state.fund[0].n_decisions += 1
        keep_decision(out, rank)
