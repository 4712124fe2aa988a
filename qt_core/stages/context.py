"""Step 3, second half: market regime, universe, policy row (MSC), orchestrator policy (18), retraining (13), limits."""

from typing import Any, NamedTuple

import numpy as np

from qt_core._jit import inner, prefetch, rare, stay_apart
from qt_core.codes import (
    CTX_ADX,
    CTX_ATR_PCTILE,
    CTX_LIQUIDITY_RATIO,
    CTX_QUOTE_VOLUME_24H,
    ENFORCED,
    M_ENSEMBLE,
    M_HFOS,
    M_MSC,
    M_ORCHESTRATOR,
    OFF,
    POLICY_DEFENSIVE,
    RISK_DEFENSIVE,
    TRIGGER_AGE,
    TRIGGER_NONE,
    TRIGGER_REGIME,
)
from qt_core.context import msc_policy, orchestrator_policy, retraining, universe
from qt_core.enums import (
    T_EXIT_MODE,
    T_LIQUIDITY,
    T_POLICY,
    T_PROFILE,
    T_STYLE,
    T_TIER,
    T_TREND,
    T_TRIGGER,
    T_VOLATILITY,
)
from qt_core.records import B_N, B_WINS, JE_POLICY, JE_RETRAIN, RECENT, STRATEGIES
from qt_core.stages.journal import log_change, log_pair, tally
from qt_core.stages.safety import due, recent_count

DAY_MS = 86_400_000


@inner
def market_regime(p: Any, state: Any, bars: Any, f: int, rows: Any, t: int, out: Any) -> None:
    """Median class of the active symbols that have a bar; not asked for where nobody reads it."""
    if p.orchestrator.mode | p.msc.mode | p.retraining.mode == OFF:
        return
    v0 = v2 = t0 = t2 = l0 = l2 = n = 0
    for i in range(state.symbol.shape[0]):
        prefetch(rows.ctx, (t + 1, i))  # read at the next decision
        if state.symbol[i].active == 0 or not bars.valid[f, i]:
            continue
        n += 1
        x = rows.ctx[t, i, CTX_ATR_PCTILE]
        v0 += x < p.regime.vol_low
        v2 += x > p.regime.vol_high
        x = rows.ctx[t, i, CTX_ADX]
        t0 += x < p.regime.adx_weak
        t2 += x > p.regime.adx_strong
        x = rows.ctx[t, i, CTX_LIQUIDITY_RATIO]
        l0 += x < p.regime.liquidity_poor
        l2 += x > p.regime.liquidity_good
    fund = state.fund[0]
    fund.market_vol = orchestrator_policy.upper_median_class(v0, n - v0 - v2, v2)
    fund.market_trend = orchestrator_policy.median_class(t0, n - t0 - t2, t2)
    fund.market_liquidity = orchestrator_policy.median_class(l0, n - l0 - l2, l2)
    tally(out, T_VOLATILITY, fund.market_vol)
    tally(out, T_TREND, fund.market_trend)
    tally(out, T_LIQUIDITY, fund.market_liquidity)


@rare
def refresh_universe(p: Any, state: Any, rows: Any, t: int, now_ms: int, out: Any) -> None:
    """Module 11's tiers, once a day: MAIN, the most traded, the others. Rank = how many trade more (names break ties)."""
    stay_apart()
    fund = state.fund[0]
    fund.universe_last_ms = now_ms // DAY_MS * DAY_MS
    n = state.symbol.shape[0]
    for i in range(n):
        volume = rows.ctx[t, i, CTX_QUOTE_VOLUME_24H]
        out.scratch[i] = universe.median_volume(volume, rows.ctx[t, i, CTX_LIQUIDITY_RATIO])
    for i in range(n):
        mine = out.scratch[i]
        rank = 0
        for j in range(n):
            rank += out.scratch[j] > mine or (out.scratch[j] == mine and j < i)
        s = state.symbol[i]
        s.tier = universe.tier(p.universe, s.is_main, rank, mine)
        tally(out, T_TIER, s.tier)


@inner
def mean_last(state: Any, k: int, n: int, window: int) -> float:
    """Mean R of the last ``window`` (at most) of ``n`` trades of strategy ``k``; 0 where there is none."""
    first = max(0, n - window)
    if n == first:
        return 0.0
    total = 0.0
    for j in range(first, n):
        total += state.memory[0].strategy_r[k, j % RECENT]
    return total / (n - first)


@inner
def policy_step(p: Any, state: Any, now_ms: int, out: Any) -> None:
    """MSC's policy row: statistics of strategies and account -> mode, limits, allowed strategies. A row that came from
    outside stays until the next one.
    """
    fund = state.fund[0]
    m = p.msc
    if m.mode == OFF or not due(now_ms, fund.policy_last_ms, m.interval_ms):
        return
    fund.policy_last_ms = now_ms
    if fund.policy_outside != 0:
        return
    allowed = 0
    for k in range(STRATEGIES):
        n = state.memory[0].strategy_n[k]
        if n != state.memory[0].strategy_judged[k]:
            state.memory[0].strategy_judged[k] = n
            state.memory[0].strategy_mean[k] = mean_last(state, k, n, m.ban_min_trades)
        mean = state.memory[0].strategy_mean[k]
        a = msc_policy.strategy_allowed(m, n, mean, now_ms, state.memory[0].strategy_ban_ms[k])
        state.memory[0].strategy_ban_ms[k] = a.banned_until_ms
        if a.banned_now != 0:
            state.memory[0].strategy_n[k] = 0  # its record begins anew
        allowed |= (1 << k) if a.allowed != 0 else 0
    n = recent_count(p, fund)
    mean_r = fund.sum_recent_r / n if n > 0 else 0.0
    # like the record, a drawdown of the past does not stand for ever: nothing else would lower it but ESS
    drawdown = fund.ess_drawdown if n > 0 or fund.n_open > 0 else 0.0
    d = msc_policy.decide(m, drawdown, n, mean_r, fund.market_vol)
    tally(out, T_POLICY, d.mode)
    if d.mode != fund.policy_mode or allowed != fund.policy_allowed:
        row = log_change(out, now_ms, 0, JE_POLICY, 0, 0, float(d.mode), float(fund.policy_mode), allowed)
        log_pair(out, row, float(d.max_positions), d.min_confidence)
    fund.policy_mode = d.mode
    fund.policy_allowed = allowed
    fund.policy_max_risk = d.max_risk
    fund.policy_max_positions = d.max_positions
    fund.policy_min_confidence = d.min_confidence
    fund.policy_scale = d.size_scale


@inner
def orchestrator_step(p: Any, state: Any, now_ms: int, out: Any) -> None:
    """Module 18: the row of the policy table for the market's regime."""
    fund = state.fund[0]
    q = p.orchestrator
    if q.mode == OFF or not due(now_ms, fund.orch_last_ms, q.interval_ms):
        return
    fund.orch_last_ms = now_ms
    d = orchestrator_policy.policy(
        q, state.memory[0].policy_table, fund.market_vol, fund.market_trend, fund.market_liquidity
    )
    tally(out, T_PROFILE, d.profile)
    tally(out, T_STYLE, d.style)
    tally(out, T_EXIT_MODE, d.exit_mode)
    fund.orch_allow = d.allow
    fund.orch_min_confidence = d.min_confidence
    fund.orch_max_risk = d.max_risk
    fund.orch_profile = d.profile
    fund.orch_style = d.style
    fund.orch_exit = d.exit_mode


@inner
def set_limits(p: Any, state: Any) -> None:
    """Combine what 7, 18 and the policy say: the largest least confidence, the smallest caps, the product of scales."""
    fund = state.fund[0]
    confidence, module = p.ensemble.threshold, M_ENSEMBLE
    risk, positions, scale, defensive = 1.0, state.symbol.shape[0] + 1, 1.0, 0
    if p.orchestrator.mode == ENFORCED:
        risk = min(risk, fund.orch_max_risk)
        if fund.orch_min_confidence > confidence:
            confidence, module = fund.orch_min_confidence, M_ORCHESTRATOR
    if p.msc.mode == ENFORCED:
        risk = min(risk, fund.policy_max_risk)
        positions = min(positions, fund.policy_max_positions)
        scale *= fund.policy_scale
        defensive = 1 if fund.policy_mode == POLICY_DEFENSIVE else 0
        if fund.policy_min_confidence > confidence:
            confidence, module = fund.policy_min_confidence, M_MSC
    if p.hfos.mode == ENFORCED:
        scale *= fund.hfos_scale
        defensive = 1 if fund.hfos_mode >= RISK_DEFENSIVE else defensive
        if fund.hfos_min_confidence > confidence:
            confidence, module = fund.hfos_min_confidence, M_HFOS
    fund.limit_confidence = confidence
    fund.limit_module = module
    fund.limit_risk = risk
    fund.limit_positions = positions
    fund.limit_scale = scale
    fund.limit_defensive = defensive


@inner
def _begin_training(fund: Any, now_ms: int, regime_now: int) -> None:
    fund.trained_ms = now_ms
    fund.trigger_last_ms = now_ms
    fund.regime_trained = regime_now


@inner
def retraining_step(p: Any, state: Any, now_ms: int, out: Any) -> None:
    """Module 13: is it time to train again? The cycle itself is not the chain's; here a trigger counts as trained."""
    if p.retraining.mode == OFF:
        return
    fund = state.fund[0]
    regime_now = retraining.regime_code(fund.market_vol, fund.market_trend)
    if fund.trained_ms == 0:  # a run begins with fresh models
        _begin_training(fund, now_ms, regime_now)
    w = weakest_model(state)
    x = retraining.Inputs(
        now_ms,
        fund.trained_ms,
        fund.trigger_last_ms,
        w.win_rate,
        w.n,
        w.calibration,
        fund.regime_trained,
        regime_now,
        fund.regime_since_ms,
        fund.regime_candidate,
    )
    d = retraining.step(p.retraining, x)
    fund.regime_candidate = d.regime_candidate
    fund.regime_since_ms = d.regime_since_ms
    if d.code == TRIGGER_NONE:
        return
    for code in range(TRIGGER_AGE, TRIGGER_REGIME + 1):  # every reason there is, not the first alone
        if retraining.holds(p.retraining, x, d, code):
            tally(out, T_TRIGGER, code)
    log_change(out, now_ms, 0, JE_RETRAIN, d.code, 0, w.win_rate, w.calibration, w.n)
    _begin_training(fund, now_ms, regime_now)


class Weakest(NamedTuple):
    """The model that wins least (NaN: no outcome yet), its outcomes, and the worst known calibration (NaN: none)."""

    win_rate: float
    n: int
    calibration: float


@inner
def weakest_model(state: Any) -> Weakest:
    """Worst numbers over the four models."""
    rate = np.nan
    outcomes = 0
    calibration = np.nan
    for m in range(4):
        today = state.memory[0].buckets[state.fund[0].bucket_slot]
        n = state.memory[0].totals[0, m, B_N] + today[m, B_N]
        wins = state.memory[0].totals[0, m, B_WINS] + today[m, B_WINS]
        if n > 0.0 and not wins >= rate * n:
            rate = wins / n
            outcomes = int(n)
        c = state.memory[0].calibration[m]
        if c == c and not c >= calibration:
            calibration = c
    return Weakest(rate, outcomes, calibration)


@inner
def context_step(p: Any, state: Any, bars: Any, f: int, rows: Any, t: int, now_ms: int, out: Any) -> None:
    """What the market is like and what may be done in it, at a decision."""
    market_regime(p, state, bars, f, rows, t, out)
    if p.universe.mode != OFF and due(now_ms, state.fund[0].universe_last_ms, DAY_MS):
        refresh_universe(p, state, rows, t, now_ms, out)
    policy_step(p, state, now_ms, out)
    orchestrator_step(p, state, now_ms, out)
    retraining_step(p, state, now_ms, out)
    set_limits(p, state)
