"""Module 22's rankings and the active set: the best of the last bar, the MAIN tier, and what is held (SPEC section 1)."""

from typing import Any

from qt_core._jit import inner
from qt_core.codes import CTX_LIQUIDITY_RATIO, CTX_QUOTE_VOLUME_24H, ENFORCED, UNIVERSE_NORMAL
from qt_core.context import universe
from qt_core.execution import aelm
from qt_core.selection import opportunity_ranker
from qt_core.stages.portfolio import neighbours


@inner
def expected_slippage(p: Any, state: Any, rows: Any, t: int, i: int) -> float:
    """What a base-sized market order would pay in symbol ``i``, as a fraction."""
    s = state.symbol[i]
    notional = p.chain.base_margin_usd * p.chain.neutral_leverage
    volume = rows.ctx[t, i, CTX_QUOTE_VOLUME_24H]
    return aelm.expected_slippage(p.aelm, p.chain.slippage, notional, volume, s.depth_usd, s.spread)


@inner
def score_of(
    p: Any, state: Any, rows: Any, t: int, i: int, confidence: float, slippage: float, correlation: float
) -> float:
    """Module 22's score of symbol ``i``, whether it binds or not; the confidence where it is OFF."""
    s = state.symbol[i]
    x = opportunity_ranker.Inputs(
        confidence,
        opportunity_ranker.win_rate(p.ranker, s.n_wins, s.n_trades),
        rows.ctx[t, i, CTX_LIQUIDITY_RATIO],
        slippage,
        correlation,
        s.recent_r,
    )
    return opportunity_ranker.score(p.ranker, x)


@inner
def binding_score(p: Any, score: float, confidence: float) -> float:
    """What orders candidates and symbols: module 22's score where it binds, else the confidence."""
    return score if p.ranker.mode == ENFORCED else confidence


@inner
def universe_mode(p: Any, state: Any) -> int:
    """Module 7's word on how wide the active set is, where it binds."""
    return int(state.fund[0].hfos_universe if p.hfos.mode == ENFORCED else UNIVERSE_NORMAL)


@inner
def rank_all(p: Any, state: Any, rows: Any, t: int, out: Any) -> None:
    """Score every symbol (one that holds has confidence 0), rank them, and mark the active set for the next bar.

    Where there are no more symbols than places every one is active, and no score is needed to say so.
    """
    n = state.symbol.shape[0]
    mode = universe_mode(p, state)
    limit = universe.active_count(p.universe, mode)
    if p.universe.mode != ENFORCED or n <= limit:
        for i in range(n):
            state.symbol[i].active = 1
        return
    for i in range(n):
        s = state.symbol[i]
        side = s.signal_side if s.signal_ms == state.fund[0].now_ms else 0
        confidence = s.signal_confidence if side != 0 else 0.0
        near = neighbours(p, state, rows, t, i, side)
        slippage = expected_slippage(p, state, rows, t, i)
        score = score_of(p, state, rows, t, i, confidence, slippage, near.max_correlation)
        s.score = binding_score(p, score, confidence)
        s.rank = limit
    for k in range(_best(state, out, limit)):
        state.symbol[out.picked[k]].rank = k
    for i in range(n):
        s = state.symbol[i]
        held = 1 if s.qty != 0.0 or s.pending_seq != 0 else 0
        s.active = 1 if universe.is_active(p.universe, mode, s.tier, s.rank, held) else 0


@inner
def _best(state: Any, out: Any, limit: int) -> int:
    """The ``limit`` symbols of highest score into ``out.picked``, names break ties; returns how many."""
    m = 0
    for i in range(state.symbol.shape[0]):
        score = state.symbol[i].score
        if m == limit:
            if limit == 0 or not score > state.symbol[out.picked[m - 1]].score:
                continue
            m -= 1
        k = m
        while k > 0 and score > state.symbol[out.picked[k - 1]].score:
            out.picked[k] = out.picked[k - 1]
            k -= 1
        out.picked[k] = i
        m += 1
    return m
