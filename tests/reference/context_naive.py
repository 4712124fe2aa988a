"""Modules 7, 13, 15, 18, MSC and the emergency stop written a second time, plainly: tables, counts and sorted lists.

Written from SPEC and the modules' stated rules, not from the kernels; imports nothing of qt_core but its codes. Parameters
are dicts with the names of the configuration, results are tuples in the order of the kernels' fields.
"""

import bisect
import math
from collections.abc import Mapping, Sequence
from typing import Any

from qt_core import codes as c

P = Mapping[str, Any]
MINUTE_MS, HOUR_MS = 60_000, 3_600_000


def due(p: P, last_ms: int, now_ms: int) -> bool:
    return last_ms + p["interval_ms"] <= now_ms


def steps_passed(x: float, thresholds: Sequence[float]) -> int:
    """How many ascending thresholds ``x`` has reached; all of them where it is unknown."""
    return len(thresholds) if math.isnan(x) else bisect.bisect_right(list(thresholds), x)


# --- 7 AI-HFOS ------------------------------------------------------------------------------------------------------


def directives(p: P, x: P) -> dict[int, int]:
    """Risk mode that each source asks for, by BY_*."""
    falls = [p["drawdown_cautious"], p["drawdown_defensive"], p["drawdown_emergency"]]
    uses = [p["exposure_cautious"], p["exposure_defensive"]]
    models = [p["unreliable_cautious"], p["unreliable_defensive"]]
    return {
        c.BY_DRAWDOWN: max(steps_passed(x[name], falls) for name in ("drawdown", "day_drawdown")),
        c.BY_STREAK: steps_passed(x["losing_streak"], [p["streak_cautious"], p["streak_defensive"] + 1]),
        c.BY_HEALTH: {c.HEALTHY: 0, c.DEGRADED: 1}.get(x["health"], 3),
        c.BY_ESS: 3 if x["ess_latched"] else 0,
        c.BY_SUPERVISOR: steps_passed(x["unreliable_models"], models),
        c.BY_EXPOSURE: steps_passed(x["exposure"], uses),
    }


def risk_mode(p: P, previous: tuple[int, int, int], now_ms: int, x: P) -> tuple[int, int, int]:
    """(mode, by, quiet since) after this interval."""
    asked = directives(p, x)
    want = max(asked.values())
    by = next(source for source in sorted(asked) if asked[source] == want) if want else c.BY_NONE
    mode, was_by, since = previous
    if want >= mode:
        return want, by, -1
    if since == -1:
        since = now_ms
    period = p["quiet_intervals"] * p["interval_ms"]
    levels = min((now_ms - since) // period, mode - want) if now_ms > since else 0
    if mode - levels == want:
        return want, by, -1
    return mode - levels, was_by, since + levels * period


NEUTRAL = (c.RISK_NORMAL, c.BY_NONE, c.HEALTHY, 1, 1.0, c.UNIVERSE_NORMAL, c.URGENCY_LOW, 0.0, 0.0, -1)
MODES = ("normal", "cautious", "defensive", "emergency")


def hedgefund_os(p: P, previous: tuple[int, int, int], now_ms: int, x: P) -> tuple:
    """The ten outputs."""
    if p["mode"] == c.OFF:
        return NEUTRAL
    mode, by, since = risk_mode(p, previous, now_ms, x)
    ailing = {c.HEALTHY: 0, c.DEGRADED: 1}.get(x["health"], 2)
    sick = 2 if mode == 3 and by in (c.BY_DRAWDOWN, c.BY_ESS) else min(mode, 1)
    universe = {0: 2 if x["performance"] == c.PERFORMANCE_GOOD else 1, 1: 1}.get(mode, 0)
    fell = max((d for d in (x["drawdown"], x["day_drawdown"]) if not math.isnan(d)), default=0.0)
    begins = (mode, by) == (3, c.BY_DRAWDOWN) and (previous[0] < 3 or previous[1] == c.BY_HEALTH)
    reduce = p["reduce_on_exposure"] if x["exposure"] >= p["exposure_defensive"] else 0.0
    if begins and fell >= p["drawdown_emergency"]:
        reduce = p["reduce_on_drawdown"]
    asks = (0.0, p["min_confidence_cautious"], p["min_confidence_defensive"], p["min_confidence_defensive"])
    scale = p[f"scale_{MODES[mode]}"]
    return mode, by, max(ailing, sick), int(mode < 3), scale, universe, mode, reduce, asks[mode], since


# --- 18 orchestrator policy -----------------------------------------------------------------------------------------

VOLATILITY, TREND, LIQUIDITY = ("low", "normal", "high"), ("weak", "moderate", "strong"), ("poor", "normal", "good")
NOTHING = (0, 1.0, c.PROFILE_CONSERVATIVE, 0.0, c.STYLE_PATIENT, c.QUICK_EXIT)


def unrestricted_market(p: P) -> tuple:
    return 1, p["off_min_confidence"], c.PROFILE_NORMAL, p["off_max_risk"], c.STYLE_NORMAL, c.NORMAL_EXIT


def orchestrator(p: P, rows: Mapping[str, Sequence[float]], vol: int, trend: int, liquidity: int) -> tuple:
    """The row of a dict of rows by name."""
    if p["mode"] == c.OFF:
        return unrestricted_market(p)
    kinds = (dict(enumerate(VOLATILITY)).get(vol), dict(enumerate(TREND)).get(trend))
    name = "/".join(str(k) for k in (*kinds, dict(enumerate(LIQUIDITY)).get(liquidity)))
    row = rows.get(name)
    return tuple(row) if row is not None and all(map(math.isfinite, row)) else NOTHING


def confidence_rule(vol: str, trend: str, liquidity: str) -> float:
    """Minimum confidence in percent points, by the stated rule."""
    points = {"strong": 20, "moderate": 35, "weak": 45}[trend] + {"high": 10, "low": 5, "normal": 0}[vol]
    points += {"poor": 15, "normal": 0, "good": -5}[liquidity]
    return sorted((20, points, 65))[1] / 100


def risk_rule(vol: str, trend: str, liquidity: str) -> float:
    """Risk per trade, by the stated rule, counted in eighths of a percent point."""
    eighths = {"strong": 12, "moderate": 10, "weak": 8}[trend]
    eighths += 2 if trend == "strong" and (vol == "low" or (vol == "normal" and liquidity == "good")) else 0
    halvings = (vol == "high") + (liquidity == "poor")
    quarters = eighths // 2 ** (halvings + 1) + (liquidity == "good")
    return sorted((2, quarters, 8))[1] * 0.0025


def median_of(counts: Sequence[int], upper: bool) -> int:
    """Median class of a list written out; 1 where it is empty."""
    classes = [k for k, n in enumerate(counts) for _ in range(n)]
    return classes[len(classes) // 2 if upper else (len(classes) - 1) // 2] if classes else 1


# --- MSC ------------------------------------------------------------------------------------------------------------

POLICIES = ("defensive", "normal", "aggressive")


def permission(p: P, n: int, mean_r: float, now_ms: int, banned_until_ms: int) -> tuple:
    """(allowed, banned until, banned now)."""
    if p["mode"] == c.OFF:
        return 1, 0, 0
    if banned_until_ms > now_ms:
        return 0, banned_until_ms, 0
    if mean_r < p["ban_mean_r"] and not n < p["ban_min_trades"]:
        return 0, now_ms + p["ban_ms"], 1
    return 1, banned_until_ms, 0


def unrestricted_fund(p: P) -> tuple:
    return c.POLICY_NORMAL, p["off_max_risk"], p["off_max_positions"], 0.0, 1.0


def fund_policy(p: P, drawdown: float, n: int, mean_r: float, vol: int) -> tuple:
    """Mode and limits."""
    if p["mode"] == c.OFF:
        return unrestricted_fund(p)
    record = mean_r if n >= p["min_recent"] else math.nan
    falls = steps_passed(drawdown, [p["aggressive_drawdown"], p["defensive_drawdown"]])
    wild = vol not in (c.VOL_LOW, c.VOL_NORMAL) and not p["aggressive_when_high"]
    kind = "aggressive" if record > p["aggressive_mean_r"] and falls == 0 and not wild else "normal"
    if record < p["defensive_mean_r"] or falls == 2:
        kind = "defensive"
    names = (f"{what}_{kind}" for what in ("max_risk", "max_positions", "min_confidence", "scale"))
    return (POLICIES.index(kind), *(p[name] for name in names))


def row_from_outside(p: P, mode: float, risk: float, positions: float, confidence: float, mask: float) -> int:
    """OK or POLICY_INVALID."""
    allowed = (mode in {0.0, 1.0, 2.0}, positions.is_integer(), mask in {float(k) for k in range(16)})
    ranges = ((risk, p["off_max_risk"]), (positions, p["off_max_positions"]), (confidence, 1.0))
    inside = all(math.isfinite(x) and min(x, 0.0) == 0.0 and x <= top for x, top in ranges)
    return c.OK if all(allowed) and inside else c.POLICY_INVALID


# --- 13 retraining --------------------------------------------------------------------------------------------------


def regime_number(vol: int, trend: int) -> int:
    pairs = [(v, t) for v in range(3) for t in range(3)]
    return pairs.index((vol, trend)) + 1 if (vol, trend) in pairs else 0


def retraining(p: P, x: P) -> tuple:
    """(code, regime since, regime on trial)."""
    if p["mode"] == c.OFF:
        return c.TRIGGER_NONE, 0, 0
    changed = 0 not in (x["regime"], x["trained_regime"]) and x["regime"] != x["trained_regime"]
    held = (x["regime_since_ms"] if x["regime"] == x["regime_candidate"] else x["now_ms"]) if changed else 0
    trial = (held, x["regime"] if changed else 0)
    signs = {
        c.TRIGGER_AGE: x["last_trained_ms"] + p["max_age_ms"] <= x["now_ms"],
        c.TRIGGER_WIN_RATE: not x["n_outcomes"] < p["min_outcomes"] and -math.inf < x["win_rate"] < p["min_win_rate"],
        c.TRIGGER_CALIBRATION: -math.inf < x["calibration"] < p["min_calibration"],
        c.TRIGGER_REGIME: changed and held + p["regime_hold_ms"] <= x["now_ms"],
    }
    paused = x["last_trigger_ms"] + p["pause_ms"] > x["now_ms"]
    fired = [code for code in sorted(signs) if signs[code] and not paused]
    return (fired or [c.TRIGGER_NONE])[0], *trial


# --- 15 health ------------------------------------------------------------------------------------------------------

CHECKS: tuple[tuple[str, str, int], ...] = (  # check, its limit ("" = a flag), its action; the first that fails acts
    ("database", "", c.HEAL_RESTART),
    ("exchange_rest", "", c.HEAL_RECONNECT),
    ("memory_fraction", "max_memory_fraction", c.HEAL_CLEAR_CACHE),
    ("error_share", "max_error_share", c.HEAL_RESTART),
    ("exchange_ws", "", c.HEAL_RECONNECT),
    ("models_loaded", "", c.HEAL_RELOAD_MODELS),
    ("api_ms", "max_api_ms", c.HEAL_RECONNECT),
    ("cpu_fraction", "max_cpu_fraction", c.HEAL_CLEAR_CACHE),
)


def health(p: P, x: P) -> tuple:
    """(health, action, number of the check)."""
    failing = [k for k, (what, limit, _) in enumerate(CHECKS) if not (x[what] < p[limit] if limit else x[what] == 1)]
    if p["mode"] == c.OFF or not failing:
        return c.HEALTHY, c.HEAL_NONE, 0
    full = p["max_error_share"] * p["critical_error_multiple"]
    grave = [x["memory_fraction"] >= p["max_memory_fraction"], x["error_share"] >= full]
    critical = any(grave) or {x["database"], x["exchange_rest"]} != {1}
    action = c.HEAL_CLOSE_POSITIONS if critical and p["close_if_critical"] else CHECKS[failing[0]][2]
    return (c.CRITICAL if critical else c.DEGRADED), action, failing[0] + 1


# --- emergency stop -------------------------------------------------------------------------------------------------


def tripped(p: P, x: P) -> int:
    """First evaluator in order."""
    limit = p["max_drawdown"]
    feed = bool(x["crossed"]) or x["missing_bars"] > p["missing_bars_limit"] - 1
    evaluators = (
        (c.ESS_MANUAL, bool(x["manual"])),
        (c.ESS_DRAWDOWN, math.isnan(x["drawdown_since_reset"]) or x["drawdown_since_reset"] >= limit),
        (c.ESS_HEALTH, x["health"] not in (c.HEALTHY, c.DEGRADED)),
        (c.ESS_ERRORS, x["errors_last_min"] >= p["max_errors_per_min"] + 1),
        (c.ESS_FEED, feed),
    )
    return c.ESS_NONE if p["mode"] == c.OFF else next((code for code, hit in evaluators if hit), c.ESS_NONE)


def latched(p: P, held: tuple[int, int], by: int, now_ms: int) -> tuple[int, int]:
    if p["mode"] != c.ENFORCED:
        return 0, 0
    named = [row for row in (held, (by, now_ms)) if row[0] != c.ESS_NONE]
    return named[0] if named else held


def feed(p: P, n_valid: int, n_expected: int, age_ms: float, bar_ms: int) -> tuple[bool, bool]:
    """(missing, stale)."""
    missing = bool(n_expected) and 1.0 - n_valid / n_expected > p["max_missing_share"] + 1e-12
    oldest = sorted((p["min_feed_age_ms"], p["feed_grace_ms"] + bar_ms))[-1]
    return missing, math.isnan(age_ms) or age_ms > oldest


def reset_due(p: P, since_ms: int, now_ms: int) -> bool:
    return p["auto_reset_h"] != 0.0 and (now_ms - since_ms) / HOUR_MS >= p["auto_reset_h"]
