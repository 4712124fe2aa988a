"""Step 6: the best candidates one after the other, each under what the earlier ones have reserved (SPEC section 1)."""

from typing import Any

from qt_core._jit import inner, natural
from qt_core.codes import (
    ENFORCED,
    ESS_LATCHED,
    ESS_NONE,
    HFOS_BLOCK,
    LIMIT,
    M_AELM,
    M_BALANCER,
    M_ESS,
    M_GOVERNOR,
    M_HFOS,
    M_MSC,
    M_ORCHESTRATOR,
    M_RISK_OS,
    M_SELECTION,
    MARKET,
    MAX_POSITIONS,
    NO_PRICE,
    NORMAL_EXIT,
    NOT_SELECTED,
    OFF,
    OK,
    OP_NEW,
    ORCHESTRATOR_BLOCK,
    OVERRIDE,
    STYLE_NORMAL,
    TAG_ENTRY,
)
from qt_core.engine.orders import list_insert
from qt_core.enums import (
    T_ORDER,
)
from qt_core.execution import aelm
from qt_core.risk import risk_os, safety_governor
from qt_core.stages.account import round_trip_cost
from qt_core.stages.asking import (
    account_view,
    ask_mathematician,
    ask_sizer,
    balance_candidate,
    set_distances,
    size_under_limits,
)
from qt_core.stages.journal import count, fold_row, keep_decision, request, tally
from qt_core.stages.ranking import binding_score
from qt_core.state import N_CANDIDATES


@inner
def _blocked(p: Any, state: Any, c: Any) -> int:
    """Who forbids every entry now: emergency stop, HFOS, orchestrator policy, policy's number of positions."""
    fund = state.fund[0]
    if fund.ess_latched != ESS_NONE:
        c.module = M_ESS
        return ESS_LATCHED
    if p.hfos.mode == ENFORCED and fund.hfos_allow == 0:
        c.module = M_HFOS
        return HFOS_BLOCK
    if p.orchestrator.mode == ENFORCED and fund.orch_allow == 0:
        c.module = M_ORCHESTRATOR
        return ORCHESTRATOR_BLOCK
    if p.msc.mode == ENFORCED and fund.n_open + fund.n_slots >= fund.limit_positions:
        c.module = M_MSC
        return MAX_POSITIONS
    return OK


@inner
def govern(p: Any, state: Any, c: Any, order: Any, out: Any) -> int:
    """The governor's verdict on an order as it would be sent; ``c`` takes the loss at the stop."""
    fund = state.fund[0]
    s = state.symbol[c.symbol]
    cost = round_trip_cost(p)
    verdict = safety_governor.review(p.governor, order, fund.equity_usd, fund.day_drawdown, fund.health, cost)
    c.loss_at_stop_usd = verdict.loss_at_stop_usd
    s.override = 0
    if verdict.reason == OK or verdict.reason == OVERRIDE or p.governor.mode == ENFORCED:
        return verdict.reason
    count(out, M_GOVERNOR, verdict.reason)
    return OK


@inner
def _govern(p: Any, state: Any, c: Any, out: Any) -> int:
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
    return govern(p, state, c, order, out)


@inner
def _order_of(p: Any, state: Any, c: Any, out: Any) -> aelm.Order:
    """Module 16: kind, price and life of the order; a market order unless it binds."""
    s = state.symbol[c.symbol]
    score = binding_score(p, c.score, c.confidence)
    x = aelm.order(p.aelm, c.style, score, c.side, c.price, c.slippage, s.tick_size)
    if p.aelm.mode != OFF:
        tally(out, T_ORDER, x.kind)
        if x.reason != OK:
            count(out, M_AELM, x.reason)
    if p.aelm.mode != ENFORCED:
        return aelm.Order(MARKET, 0.0, p.chain.entry_work_bars, OK)
    return x


@inner
def reserve(state: Any, c: Any, r: Any, tag: int, expire_ms: int) -> None:
    """Take the order's margin, risk and (for an entry) slot before the next candidate is looked at."""
    fund = state.fund[0]
    s = state.symbol[c.symbol]
    s.pending_seq = r.seq
    s.pending_side = c.side
    s.pending_qty = c.qty
    s.pending_margin_usd = c.margin_usd
    s.pending_risk_usd = c.loss_at_stop_usd
    s.pending_leverage = c.leverage
    s.pending_kind = r.kind
    s.pending_price = r.price
    s.pending_expire_ms = expire_ms
    s.pending_scale = 0 if tag == TAG_ENTRY else 1
    s.retries = 0
    fund.reserved_margin_usd += c.margin_usd
    fund.n_pending = list_insert(state.pending_list, fund.n_pending, c.symbol)
    if tag == TAG_ENTRY:
        s.pending_slot = 1
        fund.n_slots += 1


@inner
def _send(p: Any, state: Any, c: Any, x: Any, now_ms: int, decision_ms: int, out: Any) -> None:
    """Send the entry, and keep the plan with the symbol."""
    s = state.symbol[c.symbol]
    r = request(state, out, now_ms, OP_NEW, c.symbol, 0, x.kind, c.side, TAG_ENTRY, c.qty, 0.0)
    r.reduce_only = 0
    r.approved = 1
    r.leverage = c.leverage
    r.price = x.price if x.kind >= LIMIT else 0.0
    r.expire_ms = now_ms + x.bars * decision_ms
    c.seq = r.seq
    c.order_kind = x.kind
    c.order_price = r.price
    reserve(state, c, r, TAG_ENTRY, r.expire_ms)
    s.pending_sl_fraction = c.sl_fraction
    s.pending_tp_fraction = c.tp_fraction
    s.confidence = c.confidence
    s.vol_class = c.vol_class
    s.trend_class = c.trend_class
    s.tpsl_class = c.tpsl_class
    s.strategy = c.strategy if p.strategy.mode != OFF else -1
    s.strategy_state = c.strategy_state
    s.sizer_state = c.sizer_state
    s.sizer_action = c.sizer_action
    s.exit_mode = c.exit_mode
    s.explored = c.explored


@inner
def _decide(p: Any, state: Any, rows: Any, t: int, c: Any, now_ms: int, out: Any) -> int:
    """Run one candidate down the chain: 14 -> 19 -> 20 -> 17 -> 8 -> 24. Fills the row; returns the reason."""
    set_distances(p, state, c, out)
    a = account_view(state)
    c.equity_usd = a.equity_usd
    c.reserved_margin_usd = state.fund[0].reserved_margin_usd
    c.n_positions = a.n_positions
    blocked = _blocked(p, state, c)
    if blocked != OK:
        return blocked
    c.module = M_RISK_OS
    gate = risk_os.gate(p.risk, a)
    if gate != OK and p.risk.mode == ENFORCED:
        return gate
    if gate != OK and p.risk.mode != OFF:
        count(out, M_RISK_OS, gate)
    ask_sizer(p, state, rows, c, now_ms, out)
    ask_mathematician(p, state, rows, c, out)
    z = size_under_limits(p, state, rows, c, a, out)
    c.qty = z.qty
    c.margin_usd = z.margin_usd
    c.leverage = z.leverage
    c.notional_usd = z.qty * c.price
    if z.reason != OK:
        return z.reason
    c.module = M_BALANCER
    balanced = balance_candidate(p, state, rows, t, c, out)
    if balanced != OK:
        return balanced
    c.module = M_GOVERNOR
    return _govern(p, state, c, out)


@inner
def _blank(state: Any, c: Any, now_ms: int, rank: int) -> None:
    """Clear what an earlier bar left in the scratch row, and note the account's policies."""
    fund = state.fund[0]
    c.time_ms = now_ms
    c.rank = rank
    c.seq = 0
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
    c.risk_cap = fund.limit_risk
    c.min_confidence = fund.limit_confidence
    c.order_price = 0.0
    c.order_kind = 0
    c.sizer_q = 0.0
    c.sizer_state = -1
    c.sizer_action = -1
    c.advice_margin_usd = 0.0
    c.advice_leverage = 0.0
    c.advice_sl_fraction = 0.0
    c.advice_tp_fraction = 0.0
    c.advice_confidence = 0.0
    c.kelly = 0.0
    c.breakeven = 0.0
    c.optimal_leverage = 0.0
    c.expected_usd = 0.0
    c.portfolio_scale = 1.0
    c.caution = 0
    c.agreement = 0
    c.exposure_class = 0
    c.style = STYLE_NORMAL
    c.exit_mode = NORMAL_EXIT
    c.market_vol = fund.market_vol
    c.market_trend = fund.market_trend
    c.market_liquidity = fund.market_liquidity
    c.hfos_mode = fund.hfos_mode
    c.hfos_by = fund.hfos_by
    c.limit_module = fund.limit_module
    c.policy_mode = fund.policy_mode
    c.tier = state.symbol[c.symbol].tier


@inner
def _fold_decision(state: Any, c: Any, out: Any) -> None:
    """Every verdict goes into the digest, whether the journal keeps rows or not."""
    code = ((c.time_ms * 128 + c.reason) * 32 + c.module) * 4 + c.side + 1
    name = state.symbol[c.symbol].name_hash
    fold_row(state, out, name, code, c.confidence, c.qty)
    fold_row(state, out, name, c.rank, c.sl_fraction, c.tp_fraction)


@inner
def _take(p: Any, state: Any, rows: Any, t: int, c: Any, now_ms: int, decision_ms: int, out: Any) -> None:
    """Decide one candidate, and send what passes."""
    c.reason = _decide(p, state, rows, t, c, now_ms, out)
    if c.reason == OK or c.reason == OVERRIDE:
        x = _order_of(p, state, c, out)
        if x.kind == 0:
            c.module = M_AELM
            c.reason = NO_PRICE
        else:
            _send(p, state, c, x, now_ms, decision_ms, out)
    count(out, c.module, c.reason)


@inner
def enter(p: Any, state: Any, bars: Any, rows: Any, t: int, now_ms: int, out: Any) -> None:
    """The best candidates one by one; the others are journalled as refused before, or as not selected."""
    for rank in range(out.n[N_CANDIDATES]):
        slot = natural(out.order[rank])
        c = out.candidates[slot]
        _blank(state, c, now_ms, rank)
        if c.reason == OK:
            if rank < p.chain.max_candidates:
                _take(p, state, rows, t, c, now_ms, bars.decision_ms, out)
            else:
                c.module = M_SELECTION
                c.reason = NOT_SELECTED
                count(out, M_SELECTION, NOT_SELECTED)
        _fold_decision(state, c, out)
        state.fund[0].n_decisions += 1
        keep_decision(out, slot)
