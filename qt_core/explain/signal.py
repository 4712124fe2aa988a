"""The second section: what the models said, which strategy played it, and the score by which it was taken."""

from typing import Any

import numpy as np

from qt_core.codes import (
    ALLOW_LONG,
    ALLOW_SHORT,
    ENFORCED,
    M_ENSEMBLE,
    M_RANKER,
    M_STRATEGY,
    M_UNIVERSE,
    OFF,
    REASON_NAMES,
    STRATEGY_NOT_ALLOWED,
)
from qt_core.enums import T_PRIORITY, T_SIDES, T_STRATEGY, T_TIER, T_TPSL
from qt_core.explain.journal import Journal
from qt_core.explain.market import regime_words
from qt_core.explain.words import label, line, listed, mode_note, price, word
from qt_core.records import JE_SUPERVISOR
from qt_core.selection import meta_strategy

ACTIONS = ("SELL", "HOLD", "BUY")
SAME = 1e-6  # a sum of float32 probabilities agrees with the journalled one within this
EXPLORED_STRATEGY = 1  # bit of `explored`


def signal_text(j: Journal, row: int) -> str:
    """Models, ensemble, universe, regime of the symbol, strategy and score of one candidate."""
    d, p = j.decisions[row], j.config.params()
    words = regime_words(d["vol_class"], d["trend_class"], d["liquidity_class"])
    rows = [
        f"Signal  {j.symbols[d['symbol']]} at {price(d['price'])}",
        *_models(j, row),
        line(label(M_ENSEMBLE), _ensemble(d, p)),
        line(label(M_UNIVERSE), _universe(d, p)),
        line("regime of the symbol", f"{words} · TP/SL class {word(T_TPSL, d['tpsl_class'])}"),
        line(label(M_STRATEGY), _strategy(d, p)),
        *_score(d, p),
    ]
    return "\n".join(rows)


def weights_at(j: Journal, time_ms: int) -> list[float]:
    """Weights of the four models in force at a decision: the supervisor's factors up to the bar before count."""
    p = j.config.params()
    e = p.ensemble
    base = [e.weight_xgb, e.weight_lgbm, e.weight_nhits, e.weight_patchtst]
    if p.supervisor.mode != ENFORCED:
        return base
    factors = [1.0] * len(base)
    said = j.events[(j.events["kind"] == JE_SUPERVISOR) & (j.events["time_ms"] < time_ms)]
    for row in said:
        factors[int(row["seq"])] = float(row["value"])
    weighed = [b * f for b, f in zip(base, factors, strict=True)]
    total = sum(weighed)
    return [w / total for w in weighed] if total > 0.0 else base


def _models(j: Journal, row: int) -> list[str]:
    """What each model said, and how the side's probability adds up where the journalled one is that sum."""
    if len(j.votes) == 0:
        return []
    votes, d = j.votes[row], j.decisions[row]
    words = []
    for name, p in zip(j.models, votes, strict=True):
        top = int(np.argmax(p)) if np.isfinite(p).all() else -1
        words.append(f"{name} " + (f"{ACTIONS[top]} {p[top]:.3f}" if top >= 0 else "abstains"))
    rows = [line("models", " · ".join(words))]
    weights = weights_at(j, int(d["time_ms"]))
    column, said = (2, d["p_buy"]) if d["side"] > 0 else (0, d["p_sell"])
    terms = [(w, float(p[column])) for w, p in zip(weights, votes, strict=True) if np.isfinite(p[column])]
    if abs(sum(w * p for w, p in terms) - said) <= SAME:
        total = " + ".join(f"{w:.3g} x {p:.3f}" for w, p in terms)
        rows.append(line("", f"p({ACTIONS[column]}) = {total} = {said:.4f}"))
    return rows


def _ensemble(d: Any, p: Any) -> str:
    action = "BUY" if d["side"] > 0 else "SELL"
    against = f"{'>=' if d['confidence'] >= d['min_confidence'] else '<'} {d['min_confidence']:.2f}"
    return (
        f"p(BUY) {d['p_buy']:.4f}, p(SELL) {d['p_sell']:.4f} -> {action}, confidence {d['confidence']:.4f} {against}"
        + mode_note(p.ensemble.mode)
    )


def _universe(d: Any, p: Any) -> str:
    if p.universe.mode == OFF:
        return "off: every symbol is valid and active"
    return f"tier {word(T_TIER, d['tier'])}" + mode_note(p.universe.mode)


def cell_words(state: int) -> str:
    """Regime state of the strategy table: volatility / trend / liquidity."""
    n = meta_strategy.N_TRENDS * meta_strategy.N_LIQUIDITIES
    volatility, rest = divmod(int(state), n)
    trend, liquidity = divmod(rest, meta_strategy.N_LIQUIDITIES)
    return regime_words(volatility, trend, liquidity)


def _strategy(d: Any, p: Any) -> str:
    q = p.strategy
    if q.mode == OFF:
        return "off: no strategy, both sides allowed"
    if d["strategy"] < 0:
        return f"none is allowed: {REASON_NAMES[STRATEGY_NOT_ALLOWED]}" + mode_note(q.mode)
    wanted = ALLOW_LONG if d["side"] > 0 else ALLOW_SHORT
    explored = bool(d["explored"] & EXPLORED_STRATEGY)
    return listed(
        [
            f"{word(T_STRATEGY, d['strategy'])}, {'drawn to explore' if explored else 'the best known'}, "
            f"Q {d['strategy_q']:+.3f} R in state {int(d['strategy_state'])}",
            f"allows {word(T_SIDES, d['strategy_sides'])} now"
            + ("" if d["strategy_sides"] & wanted else ", not this side"),
        ]
    ) + mode_note(q.mode)


def score_parts(d: Any, q: Any) -> dict[str, float]:
    """What each part earned of the journalled score; they add up to it."""
    liquidity = q.liquidity_share * _share(d["liquidity_ratio"] / q.full_liquidity)
    slippage = (1.0 - q.liquidity_share) * _share(1.0 - d["slippage"] / q.slippage_cap)
    recent = d["recent_r"] if np.isfinite(d["recent_r"]) else 0.0
    return {
        "confidence": q.w_confidence * _share(d["confidence"] / q.full_confidence),
        "win rate": q.w_win_rate * _share(d["win_rate"]),
        "liquidity": q.w_liquidity * liquidity,
        "slippage": q.w_liquidity * slippage,
        "low correlation": q.w_correlation * _share(1.0 - d["max_correlation"]),
        "recent R": q.w_recent * _share(q.recent_neutral + q.recent_per_r * recent),
    }


def _share(x: float) -> float:
    return min(1.0, float(x)) if x > 0.0 else 0.0


def _score(d: Any, p: Any) -> list[str]:
    q, name = p.ranker, label(M_RANKER)
    place = f"place {int(d['rank']) + 1} in its bar"
    if q.mode != ENFORCED:
        return [line(name, f"score {d['score']:.4f}, the confidence alone · {place}" + mode_note(q.mode))]
    parts = " + ".join(f"{what} {value:.3f}" for what, value in score_parts(d, q).items())
    return [
        line(name, f"score {d['score']:.4f}, priority {word(T_PRIORITY, d['priority'])} · {place}"),
        line("", f"= {parts}"),
    ]
