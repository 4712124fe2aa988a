"""Step 4: one signal per symbol (modules 1 and 6), and the candidates among them (11, 21, 14, 22), best first."""

from typing import Any

from qt_core._jit import inner, natural, prefetch
from qt_core.codes import (
    BELOW_CONFIDENCE,
    CTX_ATR_PCT,
    CTX_DONCHIAN_HIGH,
    CTX_LIQUIDITY_RATIO,
    CTX_QUOTE_VOLUME_24H,
    ENFORCED,
    EXPLORED,
    HELD,
    INVALID_SIGNAL,
    LOW_DEPTH,
    M_ENGINE,
    M_ENSEMBLE,
    M_SELECTION,
    M_STRATEGY,
    M_UNIVERSE,
    NOT_ACTIVE,
    NOT_ELIGIBLE,
    OFF,
    OK,
    PROBABILITY_SUM,
    PX_CLOSE,
    STRATEGY_NOT_ALLOWED,
    STRATEGY_SIDE,
)
from qt_core.context import msc_policy, regime, universe
from qt_core.enums import T_ACTION, T_BLOCKED, T_PRIORITY, T_SIDES, T_STRATEGY
from qt_core.learning import epsilon_at
from qt_core.position import dynamic_tpsl
from qt_core.records import JE_KEPT_OUT
from qt_core.rng import draw
from qt_core.selection import meta_strategy, opportunity_ranker
from qt_core.signal import ensemble, trading_engine
from qt_core.stages.journal import count, log_change, tally
from qt_core.stages.labels import note_predictions
from qt_core.stages.portfolio import neighbours
from qt_core.stages.ranking import binding_score, expected_slippage, score_of
from qt_core.state import N_CANDIDATES, N_SLOTS

DRAW_STRATEGY, DRAW_STRATEGY_PICK, DRAW_SIZE, DRAW_SIZE_PICK = range(1, 5)  # purposes of random draws
BEHIND = 2.0  # taken off the score of a candidate already refused: behind every other


@inner
def _order_key(p: Any, c: Any) -> float:
    """Candidates already refused stand behind all others."""
    key = binding_score(p, c.score, c.confidence)
    return float(key if c.reason == OK else key - BEHIND)


@inner
def _slot_for(p: Any, out: Any, cap: int, key: float) -> int:
    """Row for a candidate of that key, -1 where ``cap`` better ones are there; places it in the order."""
    n = out.n[N_CANDIDATES]
    if n >= cap:
        if not key > _order_key(p, out.candidates[out.order[n - 1]]):
            return -1
        slot = out.order[n - 1]
        k = n - 1
    else:
        slot = n
        k = n
        out.n[N_CANDIDATES] = n + 1
    while k > 0 and key > _order_key(p, out.candidates[out.order[k - 1]]):
        out.order[k] = out.order[k - 1]
        k -= 1
    out.order[k] = slot
    return int(slot)


@inner
def _pick_strategy(p: Any, state: Any, cell: int, fitting: int, i: int, now_ms: int) -> meta_strategy.Choice:
    """Module 21's choice, with the draws of this symbol and bar."""
    fund = state.fund[0]
    q = p.strategy
    epsilon = epsilon_at(q, fund.strategy_updates)
    u1, u2 = 1.0, 0.0
    if epsilon > 0.0:
        name = state.symbol[i].name_hash
        u1 = draw(state.fund[0].seed, name, now_ms, DRAW_STRATEGY)
        if u1 < epsilon:
            u2 = draw(state.fund[0].seed, name, now_ms, DRAW_STRATEGY_PICK)
    allowed = fund.policy_allowed if p.msc.mode == ENFORCED else msc_policy.ALL_STRATEGIES
    return meta_strategy.choose(q, state.memory[0].q_strategy[0], cell, fitting, allowed, epsilon, u1, u2)


@inner
def consider(p: Any, state: Any, bars: Any, f: int, rows: Any, t: int, i: int, sig: Any, now_ms: int, out: Any) -> None:
    """A symbol that acts and is free becomes a candidate: regime, strategy, distances, score."""
    close = bars.px[f, i, PX_CLOSE]
    classes = regime.classify(p.regime, rows.ctx, t, i, close)
    cell = meta_strategy.state_index(classes.volatility, classes.trend, classes.liquidity)
    choice = _pick_strategy(p, state, cell, meta_strategy.fit(classes.volatility, classes.trend), i, now_ms)
    allowed = meta_strategy.sides(p.strategy, choice.strategy, rows.ctx, t, i, close)
    binds = p.strategy.mode == ENFORCED
    reason = OK
    if p.strategy.mode != OFF:
        reason = _strategy_verdict(choice, allowed, sig.side, out)
        if not binds:
            count(out, M_STRATEGY, reason)
            reason = OK
    slippage = expected_slippage(p, state, rows, t, i)
    near = neighbours(p, state, rows, t, i, sig.side)
    score = score_of(p, state, rows, t, i, sig.confidence, slippage, near.max_correlation)
    priority = 0
    if p.ranker.mode != OFF:
        priority = opportunity_ranker.priority(p.ranker, score)
        tally(out, T_PRIORITY, priority)
    module = M_STRATEGY if reason != OK else 0
    fund = state.fund[0]
    if reason == OK and sig.confidence < fund.limit_confidence:
        reason, module = BELOW_CONFIDENCE, fund.limit_module
    if reason != OK:
        count(out, module, reason)
    key = binding_score(p, score, sig.confidence)
    key = key if reason == OK else key - BEHIND
    slot = _slot_for(p, out, p.chain.max_candidates + p.chain.journal_top, key)
    if slot < 0:
        return
    c = out.candidates[slot]
    c.symbol = i
    c.side = sig.side
    c.confidence = sig.confidence
    c.p_sell = sig.p_sell
    c.p_buy = sig.p_buy
    c.price = close
    c.atr_fraction = rows.ctx[t, i, CTX_ATR_PCT]
    c.vol_class = classes.volatility
    c.trend_class = classes.trend
    c.liquidity_class = classes.liquidity
    c.tpsl_class = classes.tpsl
    c.strategy = choice.strategy
    c.strategy_state = cell
    c.strategy_q = choice.q
    c.strategy_sides = allowed
    c.explored = choice.explored
    c.slippage = slippage
    c.max_correlation = near.max_correlation
    c.n_correlated = near.n_correlated
    c.liquidity_ratio = rows.ctx[t, i, CTX_LIQUIDITY_RATIO]
    c.recent_r = state.symbol[i].recent_r
    c.priority = priority
    c.win_rate = opportunity_ranker.win_rate(p.ranker, state.symbol[i].n_wins, state.symbol[i].n_trades)
    c.score = score
    c.reason = reason
    c.module = module


@inner
def _strategy_verdict(choice: Any, allowed: int, side: int, out: Any) -> int:
    """Does the chosen strategy allow the ensemble's side now?"""
    if choice.strategy < 0:
        return STRATEGY_NOT_ALLOWED
    tally(out, T_STRATEGY, choice.strategy)
    tally(out, T_SIDES, allowed)
    if choice.explored != 0:
        count(out, M_STRATEGY, EXPLORED)
    if allowed & (1 if side > 0 else 2) == 0:
        tally(out, T_BLOCKED, choice.strategy)
        return STRATEGY_SIDE
    return OK


@inner
def _admitted(p: Any, state: Any, bars: Any, f: int, rows: Any, t: int, i: int, out: Any) -> bool:
    """May the symbol be a candidate at all: data, universe, active set, not held."""
    s = state.symbol[i]
    if not bars.valid[f, i] or not rows.eligible[t, i]:
        count(out, M_SELECTION, NOT_ELIGIBLE)
        return False
    if s.qty != 0.0 or s.pending_seq != 0:
        count(out, M_SELECTION, HELD)
        return False
    if p.universe.mode == OFF:
        return True
    volume = rows.ctx[t, i, CTX_QUOTE_VOLUME_24H]
    reason = universe.admits(p.universe, s.denied, volume, s.depth_usd, 1)
    if reason == OK and not universe.spread_ok(p.universe, s.spread):
        reason = LOW_DEPTH
    if reason == OK and s.active == 0:
        reason = NOT_ACTIVE
    if reason == OK:
        return True
    count(out, M_UNIVERSE, reason)
    if reason == LOW_DEPTH and p.universe.mode == ENFORCED:  # only where somebody spoke of depth or spread
        log_change(out, state.fund[0].now_ms, i, JE_KEPT_OUT, reason, 0, s.spread, s.depth_usd, 0)
    return bool(p.universe.mode != ENFORCED)


@inner
def _observe_vote(p: Any, state: Any, rows: Any, t: int, i: int, side: int, out: Any) -> None:
    """An ensemble that only observes: how often would it say the same?"""
    weighed = ensemble.vote_checked(p.ensemble, state.weights, rows.proba, rows.available, t, i, False)
    count(out, M_ENSEMBLE, OK if weighed.side == side else BELOW_CONFIDENCE)


@inner
def collect(p: Any, state: Any, bars: Any, f: int, rows: Any, t: int, now_ms: int, out: Any) -> None:
    """The models' word on every symbol; those that act and are free become candidates."""
    out.n[N_CANDIDATES] = 0
    out.n[N_SLOTS] = state.fund[0].n_slots
    n_free = 0
    a = rows.available
    keeps = (p.monitor.mode | p.universe.mode) != OFF  # who reads the last signal
    after = min(t + 1, a.shape[0] - 1)
    for i in range(state.symbol.shape[0]):
        if a[after, i, 0] or a[after, i, 1] or a[after, i, 2] or a[after, i, 3]:
            prefetch(rows.proba, (after, i))  # read at the next decision
        if not (a[t, i, 0] or a[t, i, 1] or a[t, i, 2] or a[t, i, 3]):
            continue
        sig = trading_engine.signal(p.engine, p.ensemble, state.weights, rows.proba, a, t, i)
        tally(out, T_ACTION, sig.side + 1)
        if p.ensemble.mode != OFF and p.ensemble.mode != ENFORCED:
            _observe_vote(p, state, rows, t, i, sig.side, out)
        if sig.bad_number != 0:
            count(out, M_ENGINE, INVALID_SIGNAL)
        if sig.bad_sum != 0:
            count(out, M_ENGINE, PROBABILITY_SUM)
        if p.supervisor.mode != OFF:
            note_predictions(p, state, bars, f, rows, t, i, now_ms, out)
        if keeps:
            s = state.symbol[i]
            s.signal_side = sig.side
            s.signal_ms = now_ms
            s.signal_confidence = sig.confidence
        if sig.side != 0 and _admitted(p, state, bars, f, rows, t, i, out):
            prefetch(rows.ctx, (t, i, CTX_DONCHIAN_HIGH))
            said = out.said[n_free]
            said.side = sig.side
            said.confidence = sig.confidence
            said.p_sell = sig.p_sell
            said.p_buy = sig.p_buy
            out.picked[n_free] = i
            n_free += 1
    for k in range(n_free):
        consider(p, state, bars, f, rows, t, natural(out.picked[k]), out.said[k], now_ms, out)


@inner
def distances(p: Any, c: Any, tick_size: float) -> dynamic_tpsl.Distances:
    """Module 14's distances in the strategy's shape; TP stays within its clip, no stop is nearer than a tick."""
    d = dynamic_tpsl.distances(p.tpsl, c.atr_fraction, c.vol_class, c.tpsl_class)
    strategy = c.strategy if p.strategy.mode == ENFORCED else -1
    shape = meta_strategy.shape(p.strategy, strategy)
    if p.tpsl.mode != ENFORCED or strategy < 0:
        return dynamic_tpsl.Distances(max(d.sl_fraction, tick_size / c.price), d.tp_fraction, d.reason)
    shaped = dynamic_tpsl.shaped(p.tpsl, d, shape.sl_factor, shape.tp_factor)
    return dynamic_tpsl.Distances(max(shaped.sl_fraction, tick_size / c.price), shaped.tp_fraction, d.reason)
