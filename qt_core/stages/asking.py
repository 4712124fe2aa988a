"""Step 6, middle: a candidate's distances (14, 21), what it asks for (19, 20), and what 17 and 8 leave of it."""

from typing import Any

from qt_core._jit import inner
from qt_core.codes import (
    ENFORCED,
    EXPLORED,
    M_BALANCER,
    M_HFOS,
    M_MATHEMATICIAN,
    M_MSC,
    M_RISK_OS,
    M_SIZER,
    M_TPSL,
    MIN_NOTIONAL,
    NORMAL_EXIT,
    OFF,
    OK,
    SCALED,
    SHRUNK,
    SIZE_BELOW_MIN,
    STREAK_SCALED,
    STYLE_NORMAL,
)
from qt_core.context import regime
from qt_core.engine import ledger
from qt_core.enums import (
    T_AGREEMENT,
    T_CAUTION,
    T_CONFIDENCE,
    T_LEVERAGE,
    T_MULTIPLIER,
    T_PERFORMANCE,
    T_PORTFOLIO,
    T_SIZER_REGIME,
    T_TPSL,
)
from qt_core.learning import epsilon_at
from qt_core.numerics import floor_step
from qt_core.position import dynamic_tpsl
from qt_core.risk import portfolio_balancer, risk_os
from qt_core.rng import draw
from qt_core.selection import meta_strategy
from qt_core.sizing import mathematician, rl_sizer
from qt_core.stages.account import round_trip_cost
from qt_core.stages.journal import count, tally
from qt_core.stages.portfolio import book, neighbours
from qt_core.stages.safety import exposure_of, performance_of
from qt_core.stages.signals import DRAW_SIZE, DRAW_SIZE_PICK, distances
from qt_core.state import N_SLOTS

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
def _leverage_cap(p: Any, state: Any, rows: Any, c: Any, notional_usd: float) -> float:
    """The smallest cap on leverage of those who speak, for an order of that notional."""
    b = ledger.bracket_at(rows.brackets, rows.n_brackets[c.symbol], c.symbol, notional_usd)
    if p.risk.mode != ENFORCED:
        return float(b.max_leverage)
    return risk_os.leverage_cap(p.risk, c.vol_class, state.fund[0].limit_defensive, b.max_leverage)


@inner
def ask_sizer(p: Any, state: Any, rows: Any, c: Any, now_ms: int, out: Any) -> None:
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
    epsilon = epsilon_at(p.sizer, fund.sizer_updates)
    u1, u2 = 1.0, 0.0
    if epsilon > 0.0:
        name = state.symbol[c.symbol].name_hash
        u1 = draw(state.fund[0].seed, name, now_ms, DRAW_SIZE)
        if u1 < epsilon:
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
def ask_mathematician(p: Any, state: Any, rows: Any, c: Any, out: Any) -> None:
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
def size_under_limits(p: Any, state: Any, rows: Any, c: Any, a: Any, out: Any) -> risk_os.Size:
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
def balance_candidate(p: Any, state: Any, rows: Any, t: int, c: Any, out: Any) -> int:
    """Module 8: veto, or shrink to what sector and gross leverage leave."""
    if p.balancer.mode == OFF:
        return OK
    s = state.symbol[c.symbol]
    if state.fund[0].n_slots != out.n[N_SLOTS]:  # earlier candidates of this bar are reserved now
        c.n_correlated = neighbours(p, state, rows, t, c.symbol, c.side).n_correlated
    view = book(state, s.sector, c.n_correlated)
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
def set_distances(p: Any, state: Any, c: Any, out: Any) -> None:
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
