"""Step 5: open positions. Monitor (23) -> intelligence (10) -> trailing stop (14) -> amplification (9)."""

from typing import Any

from qt_core._jit import inner, kernel, natural, rare, stay_apart
from qt_core.codes import (
    CTX_ATR_PCT,
    CTX_MOMENTUM,
    ENFORCED,
    EXIT_ADVICE,
    EXIT_ON_ADVICE,
    EXIT_ON_SENTIMENT,
    EXIT_ON_TIME,
    EXIT_SENTIMENT,
    EXIT_TIME,
    KEEP,
    M_MONITOR,
    OFF,
    OP_AMEND,
    PROTECT,
    PROTECTION_MISSING,
    PX_CLOSE,
    PX_HIGH,
    PX_LOW,
    PX_OPEN,
    STOP,
    TAG_SL,
)
from qt_core.enums import T_ADVICE, T_CLASS, T_MONITOR
from qt_core.position import dynamic_tpsl, intelligence, monitor
from qt_core.records import JE_CLASS, JE_PROTECT, JE_STOP_MOVED
from qt_core.stages.account import round_trip_cost
from qt_core.stages.amplify import amplify
from qt_core.stages.exits import request_exit
from qt_core.stages.journal import count, log_change, log_event, log_pair, request, tally
from qt_core.stages.protection import place_stop, place_target, target_qty
from qt_core.stages.safety import due


@kernel
def r_multiple(s: Any, mark: float) -> float:
    """(realised + unrealised - fees + funding) / initial risk; 0 while the risk is unknown."""
    if s.initial_risk_usd <= 0.0:
        return 0.0
    profit = s.realised_usd + s.qty * (mark - s.avg_price) - s.fee_usd + s.funding_usd
    return float(profit / s.initial_risk_usd)


@inner
def _best(s: Any, bars: Any, f: int, i: int) -> float:
    """Most favourable price known since entry; of the bar a limit filled inside, only its close."""
    inside = s.inside_ms >= bars.time[f]  # an exchange stamps the fill itself, the engine the bar it fell into
    if s.side > 0:
        return float(max(s.best_price, bars.px[f, i, PX_CLOSE] if inside else bars.px[f, i, PX_HIGH]))
    return float(min(s.best_price, bars.px[f, i, PX_CLOSE] if inside else bars.px[f, i, PX_LOW]))


@inner
def _move_stop(state: Any, s: Any, i: int, stop: float, now_ms: int, out: Any) -> None:
    row = log_event(out, now_ms, i, JE_STOP_MOVED, TAG_SL, 0, s.sl_seq, s.trade_id, s.qty, stop)
    if row >= 0:
        out.events[row].old_value = s.sl_price
        out.events[row].value = stop
    s.sl_price = stop
    request(state, out, now_ms, OP_AMEND, i, s.sl_seq, STOP, -s.side, TAG_SL, abs(s.qty), stop)


@rare
def _protect_missing(state: Any, s: Any, i: int, now_ms: int, out: Any) -> None:
    """Place again what should rest at the venue and does not."""
    stay_apart()
    count(out, M_MONITOR, PROTECTION_MISSING)
    log_change(out, now_ms, i, JE_PROTECT, PROTECTION_MISSING, s.trade_id, 0.0, 0.0, 0)
    if s.sl_seq == 0:
        place_stop(state, s, i, now_ms, out)
    if s.tp_seq == 0 and s.let_run == 0 and target_qty(s) > 0.0:
        place_target(state, s, i, now_ms, out)


@inner
def _watch(p: Any, state: Any, s: Any, i: int, now_ms: int, out: Any) -> int:
    """Module 23: keep, protect, or leave. Returns the verdict that was acted on."""
    sl_missing = 1 if s.sl_seq == 0 else 0
    tp_missing = 1 if s.tp_seq == 0 and s.let_run == 0 and target_qty(s) > 0.0 else 0
    known = 1 if s.signal_ms == now_ms else 0
    x = monitor.Inputs(s.side, now_ms - s.entry_ms, s.signal_side, known, s.advice, sl_missing, tp_missing, s.exit_mode)
    verdict = monitor.verdict(p.monitor, x)
    if p.monitor.mode != OFF:
        tally(out, T_MONITOR, verdict)
    if p.monitor.mode != ENFORCED:
        verdict = monitor.protection(x)
    if verdict == KEEP:
        return verdict
    if verdict == PROTECT:
        _protect_missing(state, s, i, now_ms, out)
    elif verdict == EXIT_ON_TIME:
        request_exit(state, i, EXIT_TIME, now_ms, out)
    elif verdict == EXIT_ON_SENTIMENT:
        request_exit(state, i, EXIT_SENTIMENT, now_ms, out)
    elif verdict == EXIT_ON_ADVICE:
        request_exit(state, i, EXIT_ADVICE, now_ms, out)
    return verdict


@inner
def _understand(p: Any, s: Any, bars: Any, f: int, rows: Any, t: int, i: int, now_ms: int, out: Any) -> None:
    """Module 10: what the position is by now."""
    atr = rows.ctx[t, i, CTX_ATR_PCT]
    z = (bars.px[f, i, PX_CLOSE] / bars.px[f, i, PX_OPEN] - 1.0) / atr if atr > 0.0 else 0.0
    momentum = rows.ctx[t, i, CTX_MOMENTUM]
    momentum = s.side * momentum if momentum == momentum else 0.0
    known = 1 if s.initial_risk_usd > 0.0 else 0
    x = intelligence.Inputs(s.r_multiple, momentum, now_ms - s.entry_ms, s.best_r - s.worst_r, z, known)
    c = intelligence.classify(p.intelligence, x)
    tally(out, T_CLASS, c.code)
    tally(out, T_ADVICE, c.advice)
    if c.code != s.class_code:
        row = log_change(out, now_ms, i, JE_CLASS, c.advice, s.trade_id, float(c.code), float(s.class_code), 0)
        log_pair(out, row, s.r_multiple, c.confidence)
    s.class_code = c.code
    s.class_confidence = c.confidence
    s.advice = c.advice if p.intelligence.mode == ENFORCED else 0


@inner
def _trail(p: Any, state: Any, s: Any, bars: Any, f: int, i: int, cost: float, now_ms: int, out: Any) -> None:
    """Module 14: the stop follows, in the protecting direction alone."""
    s.best_price = _best(s, bars, f, i)
    roi = s.side * (s.mark - s.avg_price) / s.avg_price * s.leverage
    if s.trail_active == 0 and not roi >= p.tpsl.trail_activation_roi:
        return
    t = dynamic_tpsl.trail(
        p.tpsl,
        s.side,
        s.avg_price,
        s.sl_price,
        s.trail_active,
        s.best_price,
        bars.px[f, i, PX_CLOSE],
        roi,
        s.r_multiple,
        s.sl_distance,
        cost,
        s.tick_size,
    )
    s.trail_active = t.active
    if t.stop != s.sl_price:
        _move_stop(state, s, i, t.stop, now_ms, out)


@inner
def manage_positions(p: Any, state: Any, bars: Any, f: int, rows: Any, t: int, now_ms: int, out: Any) -> None:
    """Every open position at the close of bar ``f``; classes and amplification at decisions (``t`` >= 0) alone."""
    fund = state.fund[0]
    cost = round_trip_cost(p)
    trails = dynamic_tpsl.trails(p.tpsl)
    classify = t >= 0 and p.intelligence.mode != OFF
    classify = classify and due(now_ms, fund.intelligence_last_ms, p.intelligence.interval_ms)
    amplifies = t >= 0 and p.amplify.mode != OFF
    amplifies = amplifies and due(now_ms, fund.amplification_last_ms, p.amplify.interval_ms)
    needs_r = trails or (p.intelligence.mode | p.amplify.mode | p.balancer.mode) != OFF
    if classify:
        fund.intelligence_last_ms = now_ms
    if amplifies:
        fund.amplification_last_ms = now_ms
    for k in range(fund.n_open):
        i = natural(state.open_list[k])
        s = state.symbol[i]
        if s.exit_seq != 0 or s.side == 0:
            continue
        if needs_r:
            s.r_multiple = r_multiple(s, s.mark)
            s.best_r = max(s.best_r, s.r_multiple)
            s.worst_r = min(s.worst_r, s.r_multiple)
        verdict = _watch(p, state, s, i, now_ms, out)
        if not bars.valid[f, i] or verdict > PROTECT or s.sl_seq == 0:
            continue
        if classify:
            _understand(p, s, bars, f, rows, t, i, now_ms, out)
        if trails:
            _trail(p, state, s, bars, f, i, cost, now_ms, out)
        if amplifies:
            amplify(p, state, s, bars, f, rows, t, i, now_ms, out)
