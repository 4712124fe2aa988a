"""The first section of an explanation: the market, and what every policy allowed when the decision was made."""

from typing import Any

from qt_core.codes import ENFORCED, ESS_NONE, M_ESS, M_HFOS, M_MSC, M_ORCHESTRATOR, OFF, RISK_EMERGENCY
from qt_core.context import orchestrator_policy as orchestrator
from qt_core.enums import (
    T_DIRECTIVE,
    T_ESS,
    T_EXIT_MODE,
    T_LIQUIDITY,
    T_POLICY,
    T_PROFILE,
    T_RISK_MODE,
    T_STRATEGY,
    T_STYLE,
    T_TREND,
    T_VOLATILITY,
    TALLIES,
)
from qt_core.explain.journal import Journal
from qt_core.explain.words import label, line, listed, mode_note, pct, when, word
from qt_core.records import JE_ESS_LATCH, JE_ESS_RESET, JE_POLICY, STRATEGIES

HFOS_SCALES = ("scale_normal", "scale_cautious", "scale_defensive", "scale_emergency")  # by risk mode
ALL_STRATEGIES = (1 << STRATEGIES) - 1


def market_text(j: Journal, d: Any) -> str:
    """Market regime and the policies in force at the decision ``d``."""
    p = j.config.params()
    rows = [
        f"Market and policies  {when(int(d['time_ms']))} UTC, at the close of the bar before",
        line("regime of the market", _regime(p, d)),
        line(label(M_ORCHESTRATOR), _orchestrator(j, d)),
        line(label(M_HFOS), _hfos(p, d)),
        line(label(M_MSC), _policy(j, d)),
        line(label(M_ESS), _stop(j, d)),
        line("what binds of them", _limits(p, d)),
    ]
    return "\n".join(rows)


def regime_words(volatility: int, trend: int, liquidity: int) -> str:
    """The three classes of a market or a symbol."""
    return listed(
        [
            f"volatility {word(T_VOLATILITY, volatility)}",
            f"trend {word(T_TREND, trend)}",
            f"liquidity {word(T_LIQUIDITY, liquidity)}",
        ]
    )


def _regime(p: Any, d: Any) -> str:
    if p.orchestrator.mode | p.msc.mode | p.retraining.mode == OFF:
        return "not asked for: 13, 18 and the policy are off"
    words = regime_words(d["market_vol"], d["market_trend"], d["market_liquidity"])
    return f"{words} (median of the active symbols)"


def _orchestrator(j: Journal, d: Any) -> str:
    q = j.config.params().orchestrator
    if q.mode == OFF:
        return "off: entries allowed, nothing asked"
    row = orchestrator.ROW_NAMES.index(
        "/".join(word(t, d[f"market_{n}"]) for t, n in ((T_VOLATILITY, "vol"), (T_TREND, "trend")))
        + f"/{word(T_LIQUIDITY, d['market_liquidity'])}"
    )
    allow, confidence, profile, risk, style, leave = j.config.policy_table()[row]
    return listed(
        [
            "entries allowed" if allow else "no entries",
            f"least confidence {confidence:.2f}",
            f"profile {word(T_PROFILE, int(profile))}",
            f"risk up to {pct(risk)}",
            f"entry {word(T_STYLE, int(style))}",
            f"exit {word(T_EXIT_MODE, int(leave))}",
        ]
    ) + mode_note(q.mode)


def _hfos(p: Any, d: Any) -> str:
    q, mode = p.hfos, int(d["hfos_mode"])
    if q.mode == OFF:
        return "off: normal, sizes x 1"
    scale = getattr(q, HFOS_SCALES[mode])
    confidence = (0.0, q.min_confidence_cautious, q.min_confidence_defensive, q.min_confidence_defensive)[mode]
    by = f", raised by {word(T_DIRECTIVE, d['hfos_by'])}" if d["hfos_by"] else ""
    return listed(
        [
            word(T_RISK_MODE, mode) + by,
            "no entries" if mode == RISK_EMERGENCY else "",
            f"sizes x {scale:g}",
            f"least confidence {confidence:.2f}" if confidence > 0.0 else "",
        ]
    ) + mode_note(q.mode)


def _policy(j: Journal, d: Any) -> str:
    q, mode = j.config.params().msc, int(d["policy_mode"])
    if q.mode == OFF:
        return "off: limits nothing, every strategy allowed"
    name = word(T_POLICY, mode)
    positions, confidence = getattr(q, f"max_positions_{name}"), getattr(q, f"min_confidence_{name}")
    own, allowed = True, ALL_STRATEGIES
    row = j.last_of(JE_POLICY, int(d["time_ms"]))
    if row is not None:
        allowed = int(row["seq"])
        own = (row["qty"], row["price"]) == (positions, confidence)
        positions, confidence = int(row["qty"]), float(row["price"])
    return listed(
        [
            name + ("" if own else ", a row from outside"),
            f"up to {positions} positions",
            f"risk up to {pct(getattr(q, f'max_risk_{name}'))}" if own else "",
            f"least confidence {confidence:.2f}",
            f"sizes x {getattr(q, f'scale_{name}'):g}" if own else "",
            _strategies(allowed),
        ]
    ) + mode_note(q.mode)


def _strategies(allowed: int) -> str:
    if allowed == ALL_STRATEGIES:
        return "every strategy"
    names = [n for k, n in enumerate(TALLIES[T_STRATEGY][2]) if allowed >> k & 1]
    return "strategies: " + (", ".join(names) or "none")


def _stop(j: Journal, d: Any) -> str:
    q = j.config.params().ess
    if q.mode == OFF:
        return "off"
    time = int(d["time_ms"])
    latch, reset = j.last_of(JE_ESS_LATCH, time), j.last_of(JE_ESS_RESET, time)
    if latch is None or int(latch["value"]) == ESS_NONE:
        text = "not latched"
    elif reset is None or reset["time_ms"] < latch["time_ms"]:
        text = f"LATCHED since {when(int(latch['time_ms']))} by {word(T_ESS, int(latch['value']))}"
    else:
        text = f"not latched, last reset {when(int(reset['time_ms']))}"
    return text + mode_note(q.mode)


def _limits(p: Any, d: Any) -> str:
    return listed(
        [
            f"least confidence {d['min_confidence']:.2f}, asked by {label(d['limit_module'])}",
            f"risk per trade up to {pct(d['risk_cap'])}" if d["risk_cap"] < 1.0 else "",
            _scale(p, d) if d["margin_target_usd"] > 0.0 else "",
        ]
    )


def _scale(p: Any, d: Any) -> str:
    """The factor on sizes: 7, policy and, where the product says so, the losing streak."""
    hfos = HFOS_SCALES[int(d["hfos_mode"])]
    policy = f"scale_{word(T_POLICY, d['policy_mode'])}"
    parts = {"7": getattr(p.hfos, hfos) if p.hfos.mode == ENFORCED else 1.0}
    parts["policy"] = getattr(p.msc, policy) if p.msc.mode == ENFORCED else 1.0
    if p.risk.mode == ENFORCED and d["size_scale"] < parts["7"] * parts["policy"]:
        parts["losing streak"] = p.risk.streak_scale
    made = [f"{name}: x {x:g}" for name, x in parts.items() if x != 1.0]
    return f"sizes x {d['size_scale']:g}" + (f" ({', '.join(made)})" if made else "")
