"""The third section: from distances over size to the order, with the first module that refused."""

from typing import Any

from qt_core.codes import (
    ENFORCED,
    EXPOSURE_MAX,
    IOC,
    LIMIT,
    M_AELM,
    M_BALANCER,
    M_GOVERNOR,
    M_MATHEMATICIAN,
    M_RISK_OS,
    M_SIZER,
    M_TPSL,
    OFF,
    OK,
    ORDER_KIND_NAMES,
    OVERRIDE,
    REASON_NAMES,
    SHRUNK,
    VOL_HIGH,
)
from qt_core.enums import (
    T_AGREEMENT,
    T_CAUTION,
    T_CONFIDENCE,
    T_EXIT_MODE,
    T_EXPOSURE,
    T_PERFORMANCE,
    T_PORTFOLIO,
    T_SIZER_REGIME,
    T_STRATEGY,
    T_STYLE,
    T_TPSL,
)
from qt_core.explain.bounds import bound_by, size_bounds
from qt_core.explain.journal import Journal
from qt_core.explain.words import label, line, listed, mode_note, pct, price, times, word
from qt_core.selection import meta_strategy
from qt_core.sizing import rl_sizer

EXPLORED_SIZE = 2  # bit of `explored`


def plan_text(j: Journal, d: Any) -> str:
    """TP/SL, sizes, limits, the governor's verdict and the order, as far as the chain went with this candidate."""
    p = j.config.params()
    rows = ["Plan"]
    if d["sl_fraction"] > 0.0:
        rows.append(line(label(M_TPSL), _tpsl(d, p)))
    if d["margin_target_usd"] > 0.0:
        rows += [*_sizer(d, p), *_mathematician(d, p), *_risk(j, d, p)]
    if d["qty"] > 0.0 and d["module"] != M_RISK_OS:
        rows.append(line(label(M_BALANCER), _balancer(j, d, p)))
    if d["module"] in (M_GOVERNOR, M_AELM) and d["qty"] > 0.0:
        rows += [line(name, text) for name, text in _governor(d, p)]
    if d["seq"] > 0:
        rows.append(line(label(M_AELM), _execution(d, p)))
    if d["equity_usd"] > 0.0:
        rows.append(line("account", _account(d)))
    rows.append(line("verdict", verdict(d)))
    return "\n".join(rows)


def accepted(d: Any) -> bool:
    """True where the candidate became an order."""
    return int(d["reason"]) in (OK, OVERRIDE)


def verdict(d: Any) -> str:
    """Taken, or the first module that refused and why."""
    if accepted(d):
        return "accepted" + (" by manual override" if d["reason"] == OVERRIDE else "") + f", order {int(d['seq'])}"
    return f"refused by {label(d['module'])}: {REASON_NAMES[d['reason']]}"


def _tpsl(d: Any, p: Any) -> str:
    t = p.tpsl
    if t.mode != ENFORCED or not d["atr_fraction"] > 0.0:
        why = "off" if t.mode == OFF else "ATR unknown" if t.mode == ENFORCED else "binds nothing"
        return f"{why}: the anchors, SL {pct(d['sl_fraction'], 3)}, TP {pct(d['tp_fraction'], 3)}"
    multiple = t.atr_multiple_high if d["vol_class"] == VOL_HIGH else t.atr_multiple
    raw = multiple * d["atr_fraction"]
    low, high = t.clip_low * t.sl_anchor, t.clip_high * t.sl_anchor
    clip = f", clipped to {pct(min(max(raw, low), high), 3)}" if not low <= raw <= high else ""
    shape = meta_strategy.Shape(1.0, 1.0, 0, 0)
    if p.strategy.mode == ENFORCED and d["strategy"] >= 0:
        shape = _shape(p.strategy, int(d["strategy"]))
    shaped = (shape.sl_factor, shape.tp_factor) != (1.0, 1.0)
    factors = f", shape SL x {shape.sl_factor:g}, TP x {shape.tp_factor:g}" if shaped else ""
    return (
        f"ATR {pct(d['atr_fraction'], 3)} x {multiple:g} = {pct(raw, 3)}{clip}; class {word(T_TPSL, d['tpsl_class'])}"
        f"{factors} -> SL {pct(d['sl_fraction'], 3)}, TP {pct(d['tp_fraction'], 3)}"
    )


def _shape(q: Any, strategy: int) -> meta_strategy.Shape:
    name = ("trend", "revert", "breakout", "range")[strategy]
    return meta_strategy.Shape(*(getattr(q, f"{name}_{k}") for k in ("tp", "sl", "exit", "style")))


def state_words(state: int) -> str:
    """State of the sizing table: regime, confidence, portfolio and performance class."""
    rest, performance = divmod(int(state), rl_sizer.N_PERFORMANCES)
    rest, portfolio = divmod(rest, rl_sizer.N_PORTFOLIOS)
    regime, confidence = divmod(rest, rl_sizer.N_CONFIDENCES)
    return (
        f"{word(T_SIZER_REGIME, regime)}, {word(T_CONFIDENCE, confidence)} confidence, "
        f"{word(T_PORTFOLIO, portfolio)} book, {word(T_PERFORMANCE, performance)} record"
    )


def action_words(action: int, q: Any) -> str:
    """``x1.5 at 3x``: multiplier of the base margin and leverage of a cell of the grid."""
    k, leverage = divmod(int(action), rl_sizer.N_LEVERAGES)
    return f"x{getattr(q, f'multiplier_{k + 1}'):g} at {leverage + 1}x"


def _sizer(d: Any, p: Any) -> list[str]:
    q, base = p.sizer, p.chain.base_margin_usd
    name = label(M_SIZER)
    if q.mode == OFF:
        return [
            line(name, f"off: {base * p.chain.neutral_multiplier:,.2f} USD margin at {p.chain.neutral_leverage:g}x")
        ]
    k, leverage = divmod(int(d["sizer_action"]), rl_sizer.N_LEVERAGES)
    how = "drawn to explore" if d["explored"] & EXPLORED_SIZE else "the best known"
    margin = base * getattr(q, f"multiplier_{k + 1}")
    return [
        line(name, f"state {int(d['sizer_state'])}: {state_words(d['sizer_state'])}"),
        line(
            "",
            f"{action_words(d['sizer_action'], q)}, {how}, Q {d['sizer_q']:+.4f}: {margin:,.2f} USD margin at "
            f"{leverage + 1}x" + mode_note(q.mode),
        ),
    ]


def _mathematician(d: Any, p: Any) -> list[str]:
    q, name = p.mathematician, label(M_MATHEMATICIAN)
    if q.mode == OFF:
        return [line(name, "off: no advice")]
    notional = d["advice_margin_usd"] * d["advice_leverage"]
    said = word(T_AGREEMENT, d["agreement"])
    stance = {"agrees": "agrees with 19", "larger": "19 asks for more", "smaller": "19 asks for less"}.get(said, said)
    left = f"{d['margin_target_usd']:,.2f} USD at {d['leverage_target']:g}x go on"
    note = f" [caps 19: {left}]" if q.mode == ENFORCED else " [advises 19, binds nothing]"
    return [
        line(name, f"{d['advice_margin_usd']:,.2f} USD margin at {d['advice_leverage']:g}x, {stance}{note}"),
        line(
            "",
            f"TP {pct(d['advice_tp_fraction'], 3)} wins {notional * d['advice_tp_fraction']:,.2f} USD, "
            f"SL {pct(d['advice_sl_fraction'], 3)} loses {notional * d['advice_sl_fraction']:,.2f} USD · "
            f"expected {d['expected_usd']:+,.2f} USD · breakeven win rate {pct(d['breakeven'], 1)}",
        ),
        line(
            "",
            f"Kelly {d['kelly']:+.3f} · optimal leverage {d['optimal_leverage']:.2f} · "
            f"confidence {d['advice_confidence']:.2f}, {word(T_CAUTION, d['caution'])}",
        ),
    ]


def _risk(j: Journal, d: Any, p: Any) -> list[str]:
    bounds = size_bounds(d, p, j.curve_at(int(d["time_ms"])))
    scaled = f" (asked x {d['size_scale']:g})" if d["size_scale"] != 1.0 else ""
    limits = " · ".join(f"{b.name} {b.usd:,.2f}" for b in bounds)
    rows = [line(label(M_RISK_OS), f"largest notional by limit, USD{scaled}: {limits}" + mode_note(p.risk.mode))]
    if not d["qty"] > 0.0:
        return [*rows, line("", f"no size: {REASON_NAMES[d['reason']]}")]
    granted = ", then shrunk by 8" if 0.0 < d["portfolio_scale"] < 1.0 else ""
    text = (
        f"bound by {bound_by(d, p, bounds)}{granted}; {price(d['qty'])} at {price(d['price'])} = "
        f"{d['notional_usd']:,.2f} USD, {d['leverage']:g}x, margin {d['margin_usd']:,.2f}, rounded down to the lot"
    )
    return [*rows, line("", text)]


def exposure_class(q: Any, exposure: float) -> int:
    """LIGHT, MODERATE, HEAVY or MAX, as module 8 reads it."""
    for code, edge in enumerate((q.light, q.moderate, q.heavy)):
        if exposure < edge:
            return code
    return EXPOSURE_MAX


def _balancer(j: Journal, d: Any, p: Any) -> str:
    q = p.balancer
    if q.mode == OFF:
        return "off: every entry passes"
    parts = []
    account = j.curve_at(int(d["time_ms"]))
    if account is not None:
        used = (account["margin_usd"] + d["reserved_margin_usd"]) / d["equity_usd"]
        parts.append(f"exposure {pct(used, 1)} {word(T_EXPOSURE, exposure_class(q, used))}")
    most = d["max_correlation"]
    known = f"largest correlation {most:.2f}" if most == most else "one correlation unknown"
    parts.append(f"{times(int(d['n_correlated']), 'same-side position')} correlated with it, {known}")
    if d["module"] == M_BALANCER and not accepted(d):
        parts.append(f"VETO {REASON_NAMES[d['reason']]}")
    else:
        scale = d["portfolio_scale"]
        parts.append("passed" if scale == 1.0 else f"{REASON_NAMES[SHRUNK]} to x {scale:.4f}")
    return listed(parts) + mode_note(q.mode)


def _governor(d: Any, p: Any) -> list[tuple[str, str]]:
    g = p.governor
    loss = d["loss_at_stop_usd"]
    by_hand = " by manual override" if d["reason"] == OVERRIDE else ""
    said = "approved" + by_hand if accepted(d) or d["module"] != M_GOVERNOR else f"VETO {REASON_NAMES[d['reason']]}"
    return [
        (
            label(M_GOVERNOR),
            f"loss at the stop with costs {loss:,.2f} USD = {loss / d['equity_usd']:.3%} of equity "
            f"(limit {g.max_loss_at_stop:.3%})",
        ),
        (
            "",
            f"margin {d['margin_usd']:,.2f} (limit {g.max_margin_usd:,.2f}), leverage {d['leverage']:g} "
            f"(limit {g.max_leverage:g}) -> {said}{mode_note(g.mode)}",
        ),
    ]


def _execution(d: Any, p: Any) -> str:
    q, kind = p.aelm, int(d["order_kind"])
    at = f" at {price(d['order_price'])}" if kind >= LIMIT and d["order_price"] > 0.0 else ""
    cap = ", never beyond the cap" if kind == IOC else ""
    speaks = [word(T_STRATEGY, d["strategy"])] if p.strategy.mode == ENFORCED and d["strategy"] >= 0 else []
    speaks += ["18"] if p.orchestrator.mode == ENFORCED else []
    by = f" (the more cautious of {' and '.join(speaks)})" if len(speaks) > 1 else ""
    return listed(
        [
            f"{ORDER_KIND_NAMES[kind]}{at}{cap}",
            f"style {word(T_STYLE, d['style'])}, exit mode {word(T_EXIT_MODE, d['exit_mode'])}{by}",
            f"expected slippage {d['slippage'] * 1e4:.2f} bps, cap {q.slippage_cap * 1e4:g}",
        ]
    ) + mode_note(q.mode)


def _account(d: Any) -> str:
    return (
        f"equity {d['equity_usd']:,.2f} · {d['reserved_margin_usd']:,.2f} USD margin reserved by earlier candidates · "
        f"{int(d['n_positions'])} positions open or pending"
    )
