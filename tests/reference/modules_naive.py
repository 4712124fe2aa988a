"""Modules 6, 14, 17, 24 and the regime classes written a second time, plainly, from SPEC.md and not from the kernels.

Plain Python: dicts, lists and exact decimals instead of records and rounding with tolerances. Imports nothing of qt_core
but its codes. Parameters are dicts with the names of the configuration.
"""

import bisect
import math
from collections.abc import Mapping, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any, NamedTuple

from qt_core.codes import (
    ANCHOR_USED,
    CRITICAL,
    DAY_DRAWDOWN,
    DUPLICATE,
    HALTED,
    HEALTH,
    LEVERAGE,
    LOSS_AT_STOP,
    MARGIN_LIMIT,
    MARGIN_USE,
    MAX_POSITIONS,
    MIN_NOTIONAL,
    NO_PRICE,
    NON_FINITE,
    OFF,
    OK,
    OVERRIDE,
    PAUSED,
    SIZE_BELOW_MIN,
    TPSL_BREAKOUT,
    TPSL_NONE,
    TPSL_RANGING,
    TPSL_TRENDING,
    VOL_HIGH,
)

P = Mapping[str, Any]
NEARLY = Decimal("1e-9")  # of a step: a number this close to a multiple of the step is that multiple


def in_steps(x: float, step: float, up: bool) -> float:
    """``x`` on the grid of ``step``, up or down, by exact division."""
    if step <= 0.0:
        return x
    count = Decimal(x) / Decimal(step)
    near = count.to_integral_value()
    if abs(count - near) > NEARLY * (1 + abs(count)):
        near = count.to_integral_value(rounding=ROUND_CEILING if up else ROUND_FLOOR)
    return float(near) * step


# --- 6 ensemble -----------------------------------------------------------------------------------------------------

SELL, HOLD, BUY = 0, 1, 2


def ballot(row: Sequence[float], available: bool, hard: bool) -> list[float]:
    """One model's vote: its probabilities, or its largest class alone; HOLD where it abstains."""
    if not available or any(not math.isfinite(x) or x < 0.0 for x in row):
        return [0.0, 1.0, 0.0]
    if not hard:
        return list(row)
    top = max(row)
    if sum(x == top for x in row) > 1:
        return [0.0, top, 0.0]  # two classes share the first place: neither is the largest
    return [x if x == top else 0.0 for x in row]


def ensemble(p: P, weights: Sequence[float], rows: Sequence[Sequence[float]], available: Sequence[bool]) -> dict:
    """Action, confidence and scores of SELL and BUY."""
    sound = [a and all(math.isfinite(x) and x >= 0.0 for x in r) for r, a in zip(rows, available, strict=True)]
    if p["mode"] == OFF:
        present = [m for m in range(len(rows)) if sound[m]]
        first = max(present, key=lambda m: (weights[m], -m), default=None)
        score = [0.0, 0.0, 0.0] if first is None else list(rows[first])
    else:
        ballots = [ballot(r, a, p["vote"] == 1) for r, a in zip(rows, available, strict=True)]
        score = [sum(w * b[c] for w, b in zip(weights, ballots, strict=True)) for c in range(3)]
    side = 0
    if score[BUY] != score[SELL] and max(score[BUY], score[SELL]) >= p["threshold"]:
        side = 1 if score[BUY] > score[SELL] else -1
    bad = sum(a and not s for a, s in zip(available, sound, strict=True))
    confidence = max(score[BUY], score[SELL])
    return {"side": side, "confidence": confidence, "p_sell": score[SELL], "p_buy": score[BUY], "bad": bad}


# --- regime ---------------------------------------------------------------------------------------------------------


def three_classes(x: float, low: float, high: float) -> int:
    """0 below ``low``, 2 above ``high``, 1 between and where unknown."""
    if math.isnan(x):
        return 1
    return bisect.bisect_right([low], x) + bisect.bisect_left([high], x)


def tpsl_class(p: P, trend: int, close: float, high: float, low: float, width: float) -> int:
    """BREAKOUT out of a narrow band, else by trend."""
    outside = close > high or close < low
    if outside and width < p["squeeze"]:
        return TPSL_BREAKOUT
    return (TPSL_RANGING, TPSL_NONE, TPSL_TRENDING)[trend]


def sizer_class(volatility: int, trend: int) -> str:
    """Name of the sizer's class."""
    if trend == 1:
        return "neutral"
    return f"{'high' if volatility == VOL_HIGH else 'low'}_vol_{'trending' if trend == 2 else 'ranging'}"


# --- 14 dynamic TP/SL -----------------------------------------------------------------------------------------------

FACTORS = {  # class -> names of the factors on (TP, SL)
    TPSL_NONE: (None, None),
    TPSL_TRENDING: ("trending_tp", None),
    TPSL_RANGING: ("ranging_tp", "ranging_sl"),
    TPSL_BREAKOUT: ("breakout_tp", None),
}


def distances(p: P, atr: float, vol_class: int, kind: int) -> tuple[float, float, int]:
    """(SL, TP, reason) as fractions of the price."""
    if p["mode"] == OFF:
        return p["sl_anchor"], p["tp_anchor"], OK
    if not math.isfinite(atr) or atr <= 0.0:
        return p["sl_anchor"], p["tp_anchor"], ANCHOR_USED

    def within(x: float, anchor: float) -> float:
        return sorted([p["clip_low"] * anchor, x, p["clip_high"] * anchor])[1]

    sl = within(atr * p["atr_multiple_high" if vol_class == VOL_HIGH else "atr_multiple"], p["sl_anchor"])
    tp = sl * p["reward_risk"]
    on_tp, on_sl = FACTORS[kind]
    return sl * (p[on_sl] if on_sl else 1.0), within(tp * (p[on_tp] if on_tp else 1.0), p["tp_anchor"]), OK


def exit_price(side: int, entry: float, move: float, tick: float) -> float:
    """Price ``move`` (signed with the position) from the entry, rounded towards it, but not onto it."""
    raw = entry * (1.0 + side * move)
    toward_up = raw < entry
    px = in_steps(raw, tick, up=toward_up)
    return px if (px < entry) == toward_up and px != entry else in_steps(raw, tick, up=not toward_up)


def trail(p: P, side: int, entry: float, stop: float, active: int, best: float, roi: float, r: float, d: P) -> tuple:
    """(stop, armed): the best of old stop, trailing stop, and break-even once R >= 1. ``d``: distance, cost, tick."""
    if p["mode"] == OFF or not p["trailing"] or not (active or roi >= p["trail_activation_roi"]):
        return stop, 0
    steps = [(p["trail_r2"], p["trail_factor_2"]), (p["trail_r1"], p["trail_factor_1"])]
    factor = next((f for at, f in steps if r >= at), 1.0)
    wanted = [best - side * d["distance"] * factor]
    if r >= p["trail_r1"]:
        wanted.append(entry * (1.0 + side * d["cost"]))
    tightest = max(wanted, key=lambda x: side * x)
    on_tick = in_steps(tightest, d["tick"], up=side > 0)
    return max([stop, on_tick], key=lambda x: side * x), 1


# --- 17 risk OS -----------------------------------------------------------------------------------------------------


def gate(p: P, a: P) -> int:
    """Why nothing may open now."""
    checks = (
        (HALTED, a["halted"]),
        (PAUSED, a["paused"]),
        (DAY_DRAWDOWN, a["day_drawdown"] > p["max_day_drawdown"]),
        (MAX_POSITIONS, a["n_positions"] >= p["max_positions"]),
    )
    return next((reason for reason, hit in checks if hit), OK)


class Sized(NamedTuple):
    qty: float
    margin: float
    leverage: float
    reason: int


def size(p: P, a: P, q: P, contract: P) -> Sized:
    """The largest quantity that no limit forbids; each limit is turned into a notional and the smallest stands."""
    if not math.isfinite(q["price"]) or q["price"] <= 0.0:
        return Sized(0.0, 0.0, 0.0, NO_PRICE)
    caps = [max(q["leverage"], p["min_leverage"]), p["max_leverage"], q["bracket_leverage"]]
    caps.append(p["leverage_cap_high"] if q["vol_class"] == VOL_HIGH else p["leverage_cap_calm"])
    if q["defensive"]:
        caps.append(p["leverage_cap_defensive"])
    leverage = min(caps)
    if leverage < 1.0:
        return Sized(0.0, 0.0, leverage, LEVERAGE)
    room = min(p["max_margin_use"] * a["equity_usd"] - a["margin_usd"], a["free_usd"])
    if room < p["min_margin_usd"]:
        return Sized(0.0, 0.0, leverage, MARGIN_USE)
    streak = p["streak_scale"] if a["losing_streak"] > p["streak_limit"] else 1.0
    relative = p["max_margin_fraction"] * a["equity_usd"] if p["max_margin_fraction"] > 0.0 else math.inf
    risk = min(p["max_risk_per_trade"], q["risk_cap"])
    notional = min(
        q["margin_usd"] * q["size_scale"] * streak * leverage,
        p["max_margin_usd"] * leverage,
        relative * leverage,
        room * leverage / (1.0 + leverage * q["round_trip_cost"]),
        risk * a["equity_usd"] / (q["stop_fraction"] + q["round_trip_cost"]),
    )
    qty = min(in_steps(notional / q["price"], contract["lot_step"], up=False), contract["max_qty"])
    value = qty * q["price"]
    if qty <= 0.0 or value / leverage < p["min_margin_usd"]:
        return Sized(0.0, 0.0, leverage, SIZE_BELOW_MIN)
    if value < contract["min_notional"]:
        return Sized(0.0, 0.0, leverage, MIN_NOTIONAL)
    return Sized(qty, value / leverage, leverage, OK)


# --- 24 safety governor ---------------------------------------------------------------------------------------------


def govern(p: P, o: P, equity: float, drawdown: float, health: int, cost: float) -> tuple[int, float]:
    """(verdict, loss at the stop)."""
    loss = o["notional_after_usd"] * o["stop_fraction"] + o["notional_after_usd"] * cost
    if p["mode"] == OFF:
        return OK, loss
    numbers = [o[n] for n in ("qty", "price", "leverage", "stop_fraction", "tp_fraction", "margin_after_usd")]
    unsound = not all(map(math.isfinite, [*numbers, equity, loss]))
    if unsound or min(o["qty"], o["price"], o["stop_fraction"], equity) <= 0.0:
        return NON_FINITE, loss
    little = 1e-9
    objections = (
        (HEALTH, health == CRITICAL),
        (DAY_DRAWDOWN, drawdown > p["max_day_drawdown"]),
        (DUPLICATE, bool(o["held"]) and not o["scale_in"]),
        (LEVERAGE, o["leverage"] > p["max_leverage"] * (1.0 + little)),
        (MARGIN_LIMIT, o["margin_after_usd"] > p["max_margin_usd"] * (1.0 + little)),
        (SIZE_BELOW_MIN, o["margin_after_usd"] < p["min_margin_usd"] * (1.0 - little)),
        (LOSS_AT_STOP, loss >= p["max_loss_at_stop"] * equity),
    )
    reason = next((reason for reason, hit in objections if hit), OK)
    return (OVERRIDE if reason != OK and o["override"] else reason), loss
