"""Step 6: the best candidates one after the other, each under what the earlier ones have reserved (SPEC section 1)."""

from typing import Any

from qt_core._jit import inner
from qt_core.codes import (
    ENFORCED,
    ESS_LATCHED,
    ESS_NONE,
    EXPLORED,
    HFOS_BLOCK,
    LIMIT,
    M_AELM,
    M_BALANCER,
    M_ESS,
    M_GOVERNOR,
    M_HFOS,
    M_MATHEMATICIAN,
    M_MSC,
    M_ORCHESTRATOR,
    M_RISK_OS,
    M_SELECTION,
    M_SIZER,
    M_TPSL,
    MARKET,
    MAX_POSITIONS,
    MIN_NOTIONAL,
    NO_PRICE,
    NORMAL_EXIT,
    NOT_SELECTED,
    OFF,
    OK,
    OP_NEW,
    ORCHESTRATOR_BLOCK,
    OVERRIDE,
    SCALED,
    SHRUNK,
    SIZE_BELOW_MIN,
    STREAK_SCALED,
    STYLE_NORMAL,
    TAG_ENTRY,
)
from qt_core.context import regime
from qt_core.engine import ledger
from qt_core.engine.orders import list_insert
from qt_core.enums import (
    T_AGREEMENT,
    T_CAUTION,
    T_CONFIDENCE,
    T_LEVERAGE,
    T_MULTIPLIER,
    T_ORDER,
    T_PERFORMANCE,
    T_PORTFOLIO,
    T_SIZER_REGIME,
    T_TPSL,
)
from qt_core.execution import aelm
from qt_core.numerics import floor_step
from qt_core.position import dynamic_tpsl
from qt_core.risk import portfolio_balancer, risk_os, safety_governor
from qt_core.rng import draw
from qt_core.selection import meta_strategy
from qt_core.sizing import mathematician, rl_sizer
from qt_core.stages.account import round_trip_cost
from qt_core.stages.journal import count, fold_row, keep_decision, request, tally
from qt_core.stages.portfolio import book, neighbours
from qt_core.stages.ranking import binding_score
from qt_core.stages.safety import exposure_of, performance_of
from qt_core.stages.signals import DRAW_SIZE, DRAW_SIZE_PICK, distances
from qt_core.state import N_CANDIDATES

GRID = 5  # leverages per multiplier in module 19's grid


@inner
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
def _distances(p: Any, state: Any, c: Any, out: Any) -> None:
    """Module 14 in the shape of 21: stop and target distances, style and exit mode, the more cautious of who speaks."""
    d = distances(p, c, state.symbol[c.symbol].tick_size)
    c.sl_fraction = d.sl_fraction
    c.tp_fraction = d.tp_fraction
    if p.tpsl.mode == OFF:
        count(out, M_TPSL, d.reason)
    else:
        count(out, M_TPSL, dynamic_tpsl.measured(p.tpsl, c.atr_fraction, c.vol_class, c.tpsl_class).reason)
        tally(out, T_TPSL, c.tpsl_class)
    style, exit_mode, speaks = STYLE_NORMAL, NORMAL_EXIT, False
    fund = state.fund[0]
    if p.strategy.mode == ENFORCED and c.strategy >= 0:
        shape = meta_strategy.shape(p.strategy, c.strategy)
        style, exit_mode, speaks = shape.style, shape.exit_mode, True
    if p.orchestrator.mode == ENFORCED:
        style = min(style, fund.orch_style) if speaks else fund.orch_style
        exit_mode = min(exit_mode, fund.orch_exit) if speaks else fund.orch_exit
    c.style = style
    c.exit_mode = exit_mode


@inner
def _leverage_cap(p: Any, state: Any, rows: Any, c: Any, notional_usd: float) -> float:
    """The smallest cap on leverage of those who speak, for an order of that notional."""
    b = ledger.bracket_at(rows.brackets, rows.n_brackets[c.symbol], c.symbol, notional_usd)
    if p.risk.mode != ENFORCED:
        return float(b.max_leverage)
    return risk_os.leverage_cap(p.risk, c.vol_class, state.fund[0].limit_defensive, b.max_leverage)


@inner
def _ask_sizer(p: Any, state: Any, rows: Any, c: Any, now_ms: int, out: Any) -> None:
    """Module 19: margin and leverage asked for; (1.0, 3x) unless it binds."""
    fund = state.fund[0]
    base = p.chain.base_margin_usd
    c.margin_target_usd = base * p.chain.neutral_multiplier
    c.leverage_target = p.chain.neutral_leverage
    c.sizer_state = -1
    c.sizer_action = -1
    if p.sizer.mode == OFF:
        return
    kind = regime.sizer_class(c.vol_class, c.trend_class)
    confidence = rl_sizer.confidence_class(p.sizer, c.confidence)
    c.exposure_class = portfolio_balancer.exposure_class(p.balancer, exposure_of(p, fund))
    performance = performance_of(p, fund)
    c.sizer_state = rl_sizer.state_index(kind, confidence, c.exposure_class, performance)
    epsilon = rl_sizer.epsilon_at(p.sizer, fund.sizer_updates)
    u1, u2 = 1.0, 0.0
    if epsilon > 0.0:
        name = state.symbol[c.symbol].name_hash
        u1 = draw(state.fund[0].seed, name, now_ms, DRAW_SIZE)
        u2 = draw(state.fund[0].seed, name, now_ms, DRAW_SIZE_PICK)
    limits = rl_sizer.Limits(
        base,
        p.risk.min_margin_usd,
        risk_os.max_margin(p.risk, fund.equity_usd),
        p.risk.min_leverage,
        _leverage_cap(p, state, rows, c, base * p.chain.neutral_leverage),
    )
    x = rl_sizer.choose(p.sizer, state.memory[0].q_size[0], c.sizer_state, limits, epsilon, u1, u2)
    c.sizer_action = x.action
    c.sizer_q = x.q
    tally(out, T_SIZER_REGIME, kind)
    tally(out, T_CONFIDENCE, confidence)
    tally(out, T_PORTFOLIO, c.exposure_class)
    tally(out, T_PERFORMANCE, performance)
    tally(out, T_MULTIPLIER, x.action // GRID)
    tally(out, T_LEVERAGE, x.action % GRID)
    if x.explored != 0:
        count(out, M_SIZER, EXPLORED)
        c.explored |= 2
    if p.sizer.mode == ENFORCED:
        c.margin_target_usd = base * x.multiplier
        c.leverage_target = x.leverage


@inner
def _ask_mathematician(p: Any, state: Any, rows: Any, c: Any, out: Any) -> None:
    """Module 20: its own plan beside 19's; caps it only where ENFORCED."""
    if p.mathematician.mode == OFF:
        return
    fund = state.fund[0]
    losses = fund.n_trades - fund.n_wins
    stats = mathematician.Stats(
        fund.n_trades,
        fund.n_wins / fund.n_trades if fund.n_trades > 0 else 0.0,
        fund.sum_win_r / fund.n_wins if fund.n_wins > 0 else 0.0,
        fund.sum_loss_r / losses if losses > 0 else 0.0,
    )
    a = mathematician.advise(
        p.mathematician,
        fund.equity_usd,
        c.sl_fraction,
        c.atr_fraction,
        c.vol_class,
        c.trend_class,
        stats,
        performance_of(p, fund),
        _leverage_cap(p, state, rows, c, c.margin_target_usd * c.leverage_target),
        c.margin_target_usd,
        risk_os.max_margin(p.risk, fund.equity_usd),
    )
    c.advice_margin_usd = a.margin_usd
    c.advice_leverage = a.leverage
    c.advice_sl_fraction = a.sl_fraction
    c.advice_tp_fraction = a.tp_fraction
    c.advice_confidence = a.confidence
    c.kelly = a.kelly
    c.breakeven = a.breakeven
    c.optimal_leverage = a.optimal_leverage
    c.expected_usd = a.expected_usd
    c.caution = a.caution
    c.agreement = a.agreement
    tally(out, T_CAUTION, a.caution)
    tally(out, T_AGREEMENT, a.agreement)
    x = mathematician.capped(p.mathematician, a, c.margin_target_usd, c.leverage_target)
    if x.margin_usd < c.margin_target_usd or x.leverage < c.leverage_target:
        count(out, M_MATHEMATICIAN, SHRUNK)
    c.margin_target_usd = x.margin_usd
    c.leverage_target = x.leverage


@inner
def _size(p: Any, state: Any, rows: Any, c: Any, a: Any, out: Any) -> risk_os.Size:
    """What is asked for under the risk OS."""
    i = c.symbol
    s = state.symbol[i]
    fund = state.fund[0]
    streak = risk_os.streak_factor(p.risk, a.losing_streak) if p.risk.mode == ENFORCED else 1.0
    c.size_scale = fund.limit_scale * streak
    if streak != 1.0:
        count(out, M_RISK_OS, STREAK_SCALED)
    if fund.limit_scale < 1.0:
        count(out, M_HFOS if p.hfos.mode == ENFORCED and fund.hfos_scale < 1.0 else M_MSC, SCALED)
    c.risk_cap = min(fund.limit_risk, p.governor.max_loss_at_stop if p.governor.mode == ENFORCED else 1.0)
    b = ledger.bracket_at(rows.brackets, rows.n_brackets[i], i, c.margin_target_usd * c.leverage_target)
    ask = risk_os.Ask(
        c.price,
        c.sl_fraction,
        c.margin_target_usd,
        c.leverage_target,
        fund.limit_scale,
        c.risk_cap,
        round_trip_cost(p),
        b.max_leverage,
        c.vol_class,
        fund.limit_defensive,
    )
    if p.risk.mode == OFF:
        return risk_os.unbound(ask, s.lot_step, s.max_qty)
    bound = risk_os.size(p.risk, a, ask, s.lot_step, s.max_qty, s.min_notional)
    if p.risk.mode == ENFORCED:
        return bound
    count(out, M_RISK_OS, bound.reason)
    return risk_os.unbound(ask, s.lot_step, s.max_qty)


@inner
def _balance(p: Any, state: Any, rows: Any, t: int, c: Any, out: Any) -> int:
    """Module 8: veto, or shrink to what sector and gross leverage leave."""
    if p.balancer.mode == OFF:
        return OK
    s = state.symbol[c.symbol]
    near = neighbours(p, state, rows, t, c.symbol, c.side)  # again: earlier candidates of this bar are reserved now
    c.n_correlated = near.n_correlated
    view = book(state, s.sector, near.n_correlated)
    x = portfolio_balancer.Candidate(c.side, c.margin_usd, c.notional_usd, c.leverage)
    v = portfolio_balancer.review(p.balancer, x, view)
    if p.balancer.mode != ENFORCED:
        count(out, M_BALANCER, v.reason)
        return OK
    c.portfolio_scale = v.margin_scale
    if v.reason != OK and v.reason != SHRUNK:
        return v.reason
    if v.reason == SHRUNK:
        count(out, M_BALANCER, SHRUNK)
        c.qty = floor_step(c.qty * v.margin_scale, s.lot_step)
        c.notional_usd = c.qty * c.price
        c.margin_usd = c.notional_usd / c.leverage
        if c.margin_usd < p.balancer.min_margin_usd or c.qty <= 0.0:
            return SIZE_BELOW_MIN
        if c.notional_usd < s.min_notional:
            return MIN_NOTIONAL
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
    _distances(p, state, c, out)
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
    _ask_sizer(p, state, rows, c, now_ms, out)
    _ask_mathematician(p, state, rows, c, out)
    z = _size(p, state, rows, c, a, out)
    c.qty = z.qty
    c.margin_usd = z.margin_usd
    c.leverage = z.leverage
    c.notional_usd = z.qty * c.price
    if z.reason != OK:
        return z.reason
    c.module = M_BALANCER
    balanced = _balance(p, state, rows, t, c, out)
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
    """One candidate of the best: decide, and send what passes."""
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
        slot = out.order[rank]
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
