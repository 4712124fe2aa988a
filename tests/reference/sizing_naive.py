"""Modules 19 and 20 and the learning they share, written a second time from SPEC.md: tables, sorting, sets, exact fractions.

Plain Python; imports nothing of qt_core but its codes. Parameters are dicts with the names of the configuration.
"""

import bisect
import itertools
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from qt_core.codes import (
    ADVISE_CAUTION,
    ADVISE_OK,
    AGREES,
    ENFORCED,
    EXIT_NAMES,
    LARGER,
    LEARN_FROZEN,
    OFF,
    PERFORMANCE_BAD,
    PERFORMANCE_GOOD,
    PERFORMANCE_NEUTRAL,
    SMALLER,
    TREND_STRONG,
    TREND_WEAK,
    VOL_HIGH,
)

P = Mapping[str, Any]
CLASSES = (range(5), range(5), range(4), range(3))  # regime, confidence, portfolio, performance
STATES = {cell: k for k, cell in enumerate(itertools.product(*CLASSES))}
TEACHING = set(EXIT_NAMES) - {"open", "order", "reconcile", "emergency"}


def finite_or(x: float, other: float) -> float:
    return x if math.isfinite(x) else other


# --- learning -------------------------------------------------------------------------------------------------------


def schedule(p: P, what: str, k: int) -> float:
    """epsilon or alpha after ``k`` updates: a hyperbola down to a floor."""
    value = Fraction(p[what]) / (1 + Fraction(p[f"{what}_decay"]) * k)
    return float(max(value, Fraction(p[f"{what}_min"])))


def blended(q: float, target: float, alpha: float) -> float:
    """Old value and target mixed, alpha of the target."""
    old = finite_or(q, 0.0)
    return finite_or((1.0 - alpha) * old + alpha * target, old)


def learns(p: P, exit_reason: int) -> int:
    """What learns from a close."""
    teaches = EXIT_NAMES[exit_reason] in TEACHING and p["mode"] != OFF
    return p["learning"] if teaches else LEARN_FROZEN


# --- 19 RL sizer ----------------------------------------------------------------------------------------------------


def grid(p: P) -> list[tuple[float, float]]:
    """(multiplier, leverage) of the 25 actions."""
    multipliers = [p[f"multiplier_{k}"] for k in range(1, 6)]
    return list(itertools.product(multipliers, (1.0, 2.0, 3.0, 4.0, 5.0)))


def confidence_class(p: P, confidence: float) -> int:
    edges = [p[f"confidence_{name}"] for name in ("low", "medium", "high", "very_high")]
    return 0 if math.isnan(confidence) else bisect.bisect_right(edges, confidence)


def performance_class(p: P, n_trades: int, recent: Sequence[float]) -> int:
    """From the R of the recent trades themselves."""
    if n_trades < p["performance_min_trades"] or not recent or any(math.isnan(r) for r in recent):
        return PERFORMANCE_NEUTRAL
    mean = sum(map(Fraction, recent)) / len(recent)
    if mean > Fraction(p["performance_good"]):
        return PERFORMANCE_GOOD
    return PERFORMANCE_BAD if mean < Fraction(p["performance_bad"]) else PERFORMANCE_NEUTRAL


def nearest_action(p: P, ratio: float, leverage: float) -> int:
    """Nearest multiplier, then nearest leverage; the smaller one halfway."""
    cells = grid(p)
    m = cells[0][0] if math.isnan(ratio) else min(cells, key=lambda c: (abs(c[0] - ratio), c[0]))[0]
    lev = 1.0 if math.isnan(leverage) else min(cells, key=lambda c: (abs(c[1] - leverage), c[1]))[1]
    return cells.index((m, lev))


def valid_actions(p: P, limits: P) -> list[int]:
    """Indices of the cells within the limits; the highest leverage left stands in where the least one is out of reach."""
    under_cap = [lev for lev in range(1, 6) if lev <= limits["leverage_cap"]]
    leverages = {lev for lev in under_cap if lev >= limits["min_leverage"]} or set(under_cap[-1:])
    slack = 1e-4
    low, high = limits["min_margin_usd"] * (1.0 - slack), limits["max_margin_usd"] * (1.0 + slack)
    return [
        k for k, (m, lev) in enumerate(grid(p)) if lev in leverages and low <= limits["base_margin_usd"] * m <= high
    ]


def neutral(p: P) -> tuple[int, float, float]:
    m, lev = p["neutral_multiplier"], p["neutral_leverage"]
    return nearest_action(p, m, lev), m, lev


def choose(p: P, row: Sequence[float], limits: P, epsilon: float, u1: float, u2: float) -> tuple:
    """(action, multiplier, leverage, q, explored)."""
    if p["mode"] == OFF:
        return (*neutral(p), 0.0, 0)
    cells, q = grid(p), [finite_or(x, 0.0) for x in row]
    allowed = valid_actions(p, limits)
    explored = bool(allowed) and u1 < epsilon and not math.isnan(u2)
    if not allowed:
        k = 0
    elif explored:
        k = allowed[math.floor(u2 * len(allowed))]
    else:
        tied = [a for a in allowed if q[a] == max(q[b] for b in allowed)]
        k = neutral(p)[0] if neutral(p)[0] in tied else tied[0]
    return k, *cells[k], q[k], int(explored)


def reward(p: P, pnl_pct: float, hours: float, drawdown_pct: float) -> float:
    """Percent points."""
    terms = [pnl_pct, -p["holding_cost"] * (hours / 24.0), -p["drawdown_weight"] * drawdown_pct]
    return math.fsum([*terms, p["win_bonus"] * (pnl_pct > 0.0)])


def pnl_percent(p: P, pnl: float, base_margin: float, margin: float) -> float:
    base = (base_margin, margin)[p["pnl_base"]]
    return pnl / base * 100.0


# --- 20 mathematician -----------------------------------------------------------------------------------------------


def believed(p: P, s: P) -> dict:
    """Win rate and payoffs that count."""
    prior = {"w": p["prior_win_rate"], "avg_win": p["prior_avg_win"], "avg_loss": p["prior_avg_loss"]}
    if s["n"] < p["min_trades"]:
        return prior
    sound = {"w": math.isfinite(s["w"])}
    sound |= {k: math.isfinite(s[k]) and s[k] > 0.0 for k in ("avg_win", "avg_loss")}
    out = {k: s[k] if sound[k] else prior[k] for k in prior}
    return out | {"w": sorted([0.0, out["w"], 1.0])[1]}


def plan(margin: float, leverage: float, tp: float, sl: float) -> tuple[float, float, float, float]:
    """(profit, loss, reward : risk, breakeven win rate): the win rate w at which w * profit = (1 - w) * |loss|."""
    profit, loss = margin * leverage * tp, margin * leverage * sl
    return profit, -loss, tp / sl, 1.0 / (1.0 + tp / sl)


def silent(p: P, sizer_margin: float) -> dict:
    zeros = ("margin_usd", "tp_fraction", "sl_fraction", "profit_usd", "expected_usd", "max_loss_usd", "breakeven")
    out: dict[str, Any] = dict.fromkeys((*zeros, "kelly", "position_usd", "confidence"), 0.0)
    off = p["mode"] == OFF
    word = AGREES if off or sizer_margin <= 0.0 else LARGER
    caution = ADVISE_OK if off else ADVISE_CAUTION
    return out | {"leverage": 1.0, "optimal_leverage": 1.0, "caution": caution, "agreement": word}


def stops(p: P, atr: float, vol_class: int, order_stop: float) -> list[float]:
    """Known stops, its own first."""
    own = atr * p["atr_multiple_high" if vol_class == VOL_HIGH else "atr_multiple"]
    return [x for x in (own, order_stop) if math.isfinite(x) and x > 0.0]


def margin_by_risk(p: P, x: P, stop: float, leverage: float, kelly: float) -> float:
    """The smallest of the margins that speak."""
    margins = [x["max_margin_usd"], p["account_risk"] * x["equity_usd"] / stop / leverage]
    if x["stats"]["n"] >= p["min_trades"]:
        margins.append(x["equity_usd"] * max(p["kelly_share"] * kelly, p["kelly_floor"]))
    return min(margins)


def confidence(p: P, s: P, n: int) -> float:
    lost = (1.0 - s["w"]) * s["avg_loss"]
    profit_factor = s["w"] * s["avg_win"] / lost if lost > 0.0 else math.inf
    return min(profit_factor / p["full_profit_factor"], 1.0) * (n / (n + p["min_trades"]))


def agreement(p: P, own: float, sizer: float) -> int:
    if math.isnan(sizer) or sizer > own * p["agree_within"]:
        return LARGER
    return SMALLER if sizer * p["agree_within"] < own else AGREES


def advise(p: P, x: P) -> dict:
    """The advice under the kernel's names."""
    known = stops(p, x["atr_fraction"], x["vol_class"], x["stop_fraction"])
    limits = (x["equity_usd"], x["leverage_cap"], x["max_margin_usd"])
    if p["mode"] == OFF or not known or not all(map(math.isfinite, limits)) or x["equity_usd"] <= 0.0:
        return silent(p, x["sizer_margin_usd"])
    s = believed(p, x["stats"])
    w, payoff = s["w"], s["avg_win"] / s["avg_loss"]
    wish = ("leverage_bad", "leverage_neutral", "leverage_good")[x["performance"]]
    leverage = max(1.0, min(p[wish], x["leverage_cap"]))
    needed = (1.0 - w) / w if w > 0.0 else math.inf  # TP / SL that breaks even
    on_tp = {TREND_STRONG: p["trending_tp"], TREND_WEAK: p["ranging_tp"]}.get(x["trend_class"], 1.0)
    on_sl = p["ranging_sl"] if x["trend_class"] == TREND_WEAK else 1.0
    tp = known[0] * max(p["min_reward_risk"], min(needed, p["max_reward_risk"])) * on_tp
    sl = known[0] * on_sl
    kelly = w - (1.0 - w) / payoff
    margin = margin_by_risk(p, x, max(known), leverage, kelly)
    profit, loss, _, breakeven = plan(margin, leverage, tp, sl)
    optimal = sorted([1.0, w * payoff - (1.0 - w), max(1.0, x["leverage_cap"])])[1]
    return {
        "margin_usd": margin, "leverage": leverage, "tp_fraction": tp, "sl_fraction": sl, "profit_usd": profit,
        "expected_usd": w * profit + (1.0 - w) * loss, "max_loss_usd": loss, "breakeven": breakeven, "kelly": kelly,
        "optimal_leverage": optimal, "position_usd": margin * optimal,
        "confidence": confidence(p, s, x["stats"]["n"]), "caution": ADVISE_OK if kelly > 0.0 else ADVISE_CAUTION,
        "agreement": agreement(p, margin, x["sizer_margin_usd"]),
    }  # fmt: skip


def capped(p: P, advised: tuple[float, float], asked: tuple[float, float]) -> tuple[float, float]:
    """Element by element the smaller where ENFORCED."""
    return tuple(map(min, advised, asked)) if p["mode"] == ENFORCED else asked  # type: ignore[return-value]
