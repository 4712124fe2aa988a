"""Modules 9, 10 and 23 written a second time, plainly, from the rules and not from the kernels.

Tables of conditions, exact fractions and a search over lots instead of early exits and a solved inequality. Imports nothing
of qt_core but its codes. Parameters and inputs are dicts with the names of the configuration.
"""

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from qt_core.codes import (
    ADVICE_AMPLIFY,
    ADVICE_EXIT,
    ADVICE_NONE,
    ADVICE_WATCH,
    AMPLIFY_HOLD,
    AMPLIFY_LADDER,
    AMPLIFY_LET_RUN,
    AMPLIFY_NONE,
    AMPLIFY_SCALE_IN,
    EXIT_ON_ADVICE,
    EXIT_ON_SENTIMENT,
    EXIT_ON_TIME,
    KEEP,
    MIN_NOTIONAL,
    NON_FINITE,
    NOT_ELIGIBLE,
    OFF,
    OK,
    PIL_LAGGING,
    PIL_LEADING,
    PIL_OUTLIER,
    PIL_STALE,
    PIL_UNKNOWN,
    PIL_ZOMBIE,
    PROTECT,
    QUICK_EXIT,
    RISK_BUDGET,
    SIZE_BELOW_MIN,
)
from tests.reference.modules_naive import exit_price, in_steps

P = Mapping[str, Any]


# --- 10 position intelligence ---------------------------------------------------------------------------------------

ADVICE = {
    PIL_UNKNOWN: ADVICE_NONE,
    PIL_LEADING: ADVICE_AMPLIFY,
    PIL_LAGGING: ADVICE_WATCH,
    PIL_STALE: ADVICE_WATCH,
    PIL_ZOMBIE: ADVICE_EXIT,
    PIL_OUTLIER: ADVICE_WATCH,
}


def classify(p: P, x: P) -> tuple[int, float, int]:
    """(class, confidence, advice): each class with its condition and how far inside its border the position is."""
    if p["mode"] == OFF or not x["known"] or not math.isfinite(x["r"]):
        return PIL_UNKNOWN, 0.0, ADVICE[PIL_UNKNOWN]
    z = abs(x["z"]) if math.isfinite(x["z"]) else 0.0
    momentum = 0.0 if math.isnan(x["momentum_side"]) else x["momentum_side"]
    idle = -p["stale_r"] < x["r"] < p["stale_r"]
    old, older = x["age_ms"] >= p["stale_age_ms"], x["age_ms"] >= p["zombie_age_ms"]
    quiet = not math.isnan(x["range_r"]) and x["range_r"] < p["zombie_range_r"]
    table = {  # class -> (condition, distance to its border in units of certainty); in the order of the rule
        PIL_OUTLIER: (z >= p["outlier_z"], (z - p["outlier_z"]) / p["confidence_z"]),
        PIL_ZOMBIE: (older and idle and quiet, (x["age_ms"] - p["zombie_age_ms"]) / p["confidence_age_ms"]),
        PIL_STALE: (old and idle, (x["age_ms"] - p["stale_age_ms"]) / p["confidence_age_ms"]),
        PIL_LEADING: (x["r"] > 0.0 and momentum >= 0.0, x["r"] / p["confidence_r"]),
        PIL_LAGGING: (True, -min(x["r"], 0.0) / p["confidence_r"]),
    }
    code, (_, distance) = next((c, row) for c, row in table.items() if row[0])
    return code, sorted([0.5, 0.5 + distance / 2.0, 1.0])[1], ADVICE[code]


# --- 23 position monitor --------------------------------------------------------------------------------------------


def verdict(p: P, x: P) -> int:
    """All that speaks for leaving or protecting; the first in the order of the rule."""
    limit = Fraction(p["max_hold_ms"]) * (Fraction(p["quick_hold_factor"]) if x["exit_mode"] == QUICK_EXIT else 1)
    signal = x["signal_side"] if x["signal_known"] else 0
    speaks = {
        EXIT_ON_TIME: x["age_ms"] >= limit,
        EXIT_ON_SENTIMENT: signal == -x["side"],
        EXIT_ON_ADVICE: bool(p["exit_on_advice"]) and x["advice"] == ADVICE_EXIT,
        PROTECT: bool(x["sl_missing"] or x["tp_missing"]),
        KEEP: True,
    }
    if p["mode"] == OFF:
        speaks.update({EXIT_ON_TIME: False, EXIT_ON_SENTIMENT: False, EXIT_ON_ADVICE: False})
    return next(v for v, says in speaks.items() if says)


# --- 9 amplification ------------------------------------------------------------------------------------------------


def loss_at_stops(x: P, add: Fraction) -> Fraction:
    """Loss in USD if the position, enlarged by ``add`` at the cap, is stopped where its stop is now."""
    stop, side = Fraction(x["stop_price"]), x["side"]
    held = Fraction(x["qty"]) * (Fraction(x["avg_price"]) - stop) * side
    cap, rate = Fraction(x["price_cap"]), max(Fraction(0), Fraction(x["cost_fraction"]))
    return held + add * (cap - stop) * side + add * cap * rate


def affordable(x: P, add: Fraction) -> bool:
    """True where the loss stays within the initial risk and the stop lies on the losing side of the price paid."""
    protects = (x["price_cap"] - x["stop_price"]) * x["side"] > 0.0
    return add == 0 or (protects and loss_at_stops(x, add) <= Fraction(x["initial_risk_usd"]))


def most_lots(upper: int, fits: Callable[[int], bool]) -> int:
    """Largest number of lots up to ``upper`` that fits, by halving; what fits fits in every smaller number."""
    low, high = 0, upper
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


NUMBERS = ("r", "first_qty", "qty", "avg_price", "stop_price", "price_cap", "cost_fraction", "initial_risk_usd")


def scale_in(p: P, x: P) -> tuple[float, int]:
    """(quantity, reason), by trying numbers of lots."""
    if p["mode"] == OFF:
        return 0.0, OK
    grown = x["r"] > 0.0 and x["r"] >= p["scale_in_r"]
    if not (x["cls"] == PIL_LEADING and grown and x["n_scaled"] < p["max_scale_ins"]):
        return 0.0, NOT_ELIGIBLE
    sound = all(math.isfinite(x[name]) for name in NUMBERS) and not math.isnan(x["room_qty"]) and x["room_qty"] >= 0.0
    if not sound or any(x[name] <= 0.0 for name in NUMBERS if name != "cost_fraction"):
        return 0.0, NON_FINITE
    most = p["scale_fraction"] * x["first_qty"]
    most = min(most, x["room_qty"]) if math.isfinite(x["room_qty"]) else most
    lot = x["lot_step"]
    upper = round(in_steps(most, lot, up=False) / lot)
    lots = most_lots(upper, lambda n: affordable(x, n * Fraction(lot)))
    qty = lots * lot
    if lots == 0 or qty < x["min_qty"]:
        return 0.0, SIZE_BELOW_MIN if affordable(x, Fraction(most)) else RISK_BUDGET
    return (0.0, MIN_NOTIONAL) if qty * x["price_cap"] < x["min_notional"] else (qty, OK)


def ladder(p: P, side: int, avg: float, tp: float, qty: float, leverage: float, c: P) -> dict[str, float]:
    """Rungs one after the other, with the share that a rung too small hands on; ``c``: lot, min_qty, tick."""
    out: dict[str, float] = {"qty_1": 0.0, "price_1": 0.0, "qty_2": 0.0, "price_2": 0.0, "dropped": 0, "merged": 0}
    sound = all(math.isfinite(v) and v > 0.0 for v in (avg, qty, leverage))
    if p["mode"] == OFF or not sound:
        return out
    handed_on, left = 0.0, qty
    for k in (1, 2):
        price = exit_price(side, avg, p[f"rung_{k}_roi"] / leverage, c["tick"])
        if tp > 0.0 and (math.isclose(price, tp, rel_tol=1e-9) or (price > tp) == (side > 0)):
            out["dropped"] += 1
            continue
        share = min(handed_on + p[f"rung_{k}_fraction"] * qty, left)
        on_rung = in_steps(share, c["lot"], up=False)
        if on_rung <= 0.0 or on_rung < c["min_qty"]:
            out["merged"] += 1
            handed_on = share
            continue
        out[f"qty_{k}"], out[f"price_{k}"] = on_rung, price
        left, handed_on = qty - on_rung, 0.0
    return out


def tp_qty(qty: float, rungs: P) -> float:
    """What is not on rungs, exactly."""
    return float(max(Fraction(0), Fraction(qty) - Fraction(rungs["qty_1"]) - Fraction(rungs["qty_2"])))


def let_run(p: P, cls: int, r: float, momentum_side: float, exit_mode: int) -> bool:
    """Everything that has to hold."""
    known = not math.isnan(r) and not math.isnan(momentum_side)
    asks = (p["mode"] != OFF, cls == PIL_LEADING, known, exit_mode != QUICK_EXIT)
    return all(asks) and r >= max(p["let_run_r"], 1e-300) and momentum_side > 0.0


def action(p: P, cls: int, r: float, scale_qty: float, runs: bool, rungs_placed: int) -> int:
    """The rarest thing that happened."""
    if p["mode"] == OFF or cls != PIL_LEADING or math.isnan(r) or r <= 0.0:
        return AMPLIFY_NONE
    happened = {AMPLIFY_SCALE_IN: scale_qty > 0.0, AMPLIFY_LET_RUN: runs, AMPLIFY_LADDER: rungs_placed > 0}
    return next((a for a, did in happened.items() if did), AMPLIFY_HOLD)
