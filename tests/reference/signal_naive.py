"""Modules 1 and 12 written a second time, plainly, from SPEC.md and not from the kernels.

Plain Python: dicts, lists, sorting, exact fractions. Imports nothing of qt_core but its codes. Parameters are dicts with the
names of the configuration.
"""

import bisect
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from qt_core.codes import ENFORCED, INVALID_SIGNAL, OFF, OK, PROBABILITY_SUM

P = Mapping[str, Any]
Row = Sequence[float]
SELL, HOLD, BUY = 0, 1, 2
SIDES = {SELL: -1, HOLD: 0, BUY: 1}
DAY_MS = 86_400_000


# --- 1 trading engine -----------------------------------------------------------------------------------------------


def verdict(p: P, row: Row) -> int:
    """Whether a row holds three probabilities that sum to 1."""
    if not all(0.0 <= x < math.inf for x in row):
        return INVALID_SIGNAL
    total = sum((Fraction(x) for x in row), Fraction(0))
    return PROBABILITY_SUM if abs(total - 1) > Fraction(p["sum_tolerance"]) else OK


def refused(p: P, reason: int) -> bool:
    """Whether a row with this verdict abstains."""
    return reason == INVALID_SIGNAL or (reason == PROBABILITY_SUM and p["mode"] == ENFORCED)


def winner(row: Row) -> int:
    """The largest class, HOLD where two share the first place."""
    ranked = sorted(range(3), key=lambda c: -row[c])
    return HOLD if row[ranked[0]] == row[ranked[1]] else ranked[0]


def actionable(p: P, pe: P, row: Row) -> int:
    """A single model's action."""
    if refused(p, verdict(p, row)):
        return 0
    top = winner(row)
    return SIDES[top] if row[top] >= pe["threshold"] else 0


def signal(p: P, pe: P, weights: Row, rows: Sequence[Row], available: Sequence[bool]) -> dict[str, float]:
    """Action, confidence, scores, and the refused models by reason."""
    asked = [m for m in range(4) if available[m] and weights[m] > 0.0]
    reasons = {m: verdict(p, rows[m]) for m in asked}
    speaks = [m for m in asked if not refused(p, reasons[m])]
    score = {SELL: 0.0, BUY: 0.0}
    if pe["mode"] != ENFORCED:
        best = sorted(speaks, key=lambda m: (-weights[m], m))[:1]
        score = {c: rows[best[0]][c] if best else 0.0 for c in score}
    else:
        for m in speaks:
            for c in score:
                if pe["vote"] == 0 or winner(rows[m]) == c:
                    score[c] += weights[m] * rows[m][c]
    top = max(score.values())
    acts = score[SELL] != score[BUY] and top >= pe["threshold"]
    return {
        "side": 0 if not acts else 1 if score[BUY] == top else -1,
        "confidence": top,
        "p_sell": score[SELL],
        "p_buy": score[BUY],
        "bad_number": sum(r == INVALID_SIGNAL for r in reasons.values()),
        "bad_sum": 0 if p["mode"] == OFF else sum(r == PROBABILITY_SUM for r in reasons.values()),
    }


# --- 12 model supervisor --------------------------------------------------------------------------------------------


def due(p: P, now_ms: int, last_ms: int) -> bool:
    return not now_ms < last_ms + p["interval_ms"]


def in_window(p: P, day: int, today: int, recent: bool) -> bool:
    """Whether a day is one of the last so many, today included."""
    return day in range(today - p["recent_days" if recent else "window_days"] + 1, today + 1)


def cell(confidence: float) -> int:
    """Place among 64 equal cells; the ends belong to the first and the last."""
    return min(max(bisect.bisect_right([k / 64 for k in range(65)], confidence) - 1, 0), 63)


def resolve(p: P, side: int, bar: P, d: float, entry: float, age: int) -> dict[str, float]:
    """Label after one more bar: ``state`` open, done or void; R and whether the side was right."""
    void = {"state": "void", "win": 0, "hit": 0, "r": math.nan}
    if side == 0 or not (math.isfinite(entry) and entry > 0.0) or not (math.isfinite(d) and d > 0.0):
        return void
    stop, target = entry * (1.0 - side * d), entry * (1.0 + side * p["reward"] * d)
    lo, hi = sorted([stop, target])
    worst, best = ("low", "high") if side > 0 else ("high", "low")
    outside = {"low": bar["low"] <= lo, "high": bar["high"] >= hi}
    if outside[worst]:
        return {"state": "done", "win": 0, "hit": 0, "r": -1.0}
    if outside[best]:
        return {"state": "done", "win": 1, "hit": 1, "r": p["reward"]}
    if age < p["horizon_bars"]:
        return {"state": "open", "win": 0, "hit": 0, "r": 0.0}
    if not math.isfinite(bar["close"]):
        return void
    r = sorted([-1.0, side * (bar["close"] / entry - 1.0) / d, p["reward"]])[1]
    return {"state": "done", "win": int(r > 0.0), "hit": 0, "r": r}


def ece(p: P, n: Row, hits: Row, confidence: Row) -> float:
    """Calibration error by the overlap of every cell's stretch of mass with every bin's, in exact fractions."""
    mass = [Fraction(x) for x in n]
    total = sum(mass)
    if total < p["min_outcomes"]:
        return math.nan
    width = total / p["ece_bins"]
    ends = [sum(mass[: k + 1], Fraction(0)) for k in range(len(mass))]
    error = Fraction(0)
    for b in range(p["ece_bins"]):
        gap = Fraction(0)
        for m, end, h, c in zip(mass, ends, hits, confidence, strict=True):
            overlap = min(end, (b + 1) * width) - max(end - m, b * width)
            if m > 0 and overlap > 0:
                gap += overlap * (Fraction(c) / m - Fraction(h) / m)  # mean confidence less hit share, times mass
        error += abs(gap)
    return float(error / total)


def calibration(p: P, error: float) -> float:
    return max(0.0, 1.0 - error / p["ece_scale"]) if math.isfinite(error) else math.nan


def judge(p: P, record: P) -> dict[str, float]:
    """Verdict on one model; ``record`` has the window's and the recent numbers by name."""
    n, calls = record["n"], record["n_long"] + record["n_short"]
    every = calls + record["n_hold"]
    one_sided = calls >= p["bias_min_count"] and abs(record["n_long"] - record["n_short"]) / calls > p["max_imbalance"]
    silent = every >= p["bias_min_count"] and record["n_hold"] / every > p["max_hold_share"]
    out: dict[str, float] = {"factor": 1.0, "reliable": 1, "biased": int(one_sided or silent), "disable": 0}
    recent = record["recent_n"]
    if (
        recent >= p["recent_min_outcomes"]
        and record["recent_wins"] / recent < p["disable_win_rate"]
        and record["recent_sum_r"] / recent < p["disable_mean_r"]
    ):
        return {**out, "factor": 0.0, "reliable": 0, "disable": 1}
    if n < p["min_outcomes"]:
        return out
    needs = {"win": p["min_win_rate"], "r": p["min_mean_r"], "calibration": p["min_calibration"]}
    has = {"win": record["wins"] / n, "r": record["sum_r"] / n, "calibration": record["calibration"]}
    failed = [name for name, least in needs.items() if not math.isnan(has[name]) and has[name] < least]
    return {**out, "factor": p["penalty"] ** len(failed), "reliable": int(not failed)}


def weights(p: P, base: Row, factor: Row) -> list[float]:
    """Weights in use."""
    raw = [b if math.isnan(f) else b * f for b, f in zip(base, factor, strict=True)]
    if p["mode"] != ENFORCED or sum(raw) == 0.0:
        return list(base)
    return [x / sum(raw) for x in raw]
