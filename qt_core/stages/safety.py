"""Step 3, first half: data feed, emergency stop, hedge-fund OS. Runs at every close, between decisions too."""

from typing import Any

from qt_core._jit import inner, rare, stay_apart
from qt_core.codes import (
    ADVISORY,
    ENFORCED,
    ESS_LATCHED,
    ESS_NONE,
    EXIT_EMERGENCY,
    EXIT_REDUCE,
    HEALTHY,
    M_ESS,
    M_HFOS,
    OFF,
    REDUCE,
    RISK_EMERGENCY,
)
from qt_core.context import hedgefund_os
from qt_core.enums import T_DIRECTIVE, T_ESS, T_HFOS_HEALTH, T_RISK_MODE, T_UNIVERSE_MODE, T_URGENCY
from qt_core.records import JE_ESS_LATCH, JE_HFOS
from qt_core.risk import emergency_stop, portfolio_balancer
from qt_core.sizing import rl_sizer
from qt_core.stages.commands import reset_stop
from qt_core.stages.exits import request_exit, request_reduction
from qt_core.stages.journal import count, log_change, tally
from qt_core.stages.order_end import cancel_entries

SCRIPTED = 1  # reason of a reset that no person asked for


@inner
def due(now_ms: int, last_ms: int, interval_ms: int) -> bool:
    """A module with an interval is due when it has passed; the first call always."""
    return now_ms - last_ms >= interval_ms


@inner
def exposure_of(p: Any, fund: Any) -> float:
    """Margin in use and reserved / equity."""
    return portfolio_balancer.exposure(fund.margin_usd + fund.reserved_margin_usd, fund.equity_usd)


@inner
def performance_of(p: Any, fund: Any) -> int:
    """Performance class of the last trades; neutral where the record is old."""
    n = recent_count(p, fund)
    return rl_sizer.performance_class(p.sizer, fund.n_recent if n > 0 else 0, n, fund.sum_recent_r)


@inner
def recent_count(p: Any, fund: Any) -> int:
    """Trades of the recent record: none once the last close lies too far back.

    Without this a record that stops entries would stand for ever: no trade, no new record (docs/modules.md, "Recovery").
    """
    if fund.now_ms - fund.last_close_ms > p.chain.record_ms:
        return 0
    return int(min(fund.n_recent, p.chain.recent_trades))


@inner
def health_of(p: Any, fund: Any) -> int:
    """Module 15's verdict, where it binds."""
    return fund.health if p.health.mode == ENFORCED else HEALTHY


@inner
def watch_feed(p: Any, state: Any, bars: Any, f: int) -> None:
    """Count bars in a row of which too many are missing, or for which the feed was said to be lost."""
    fund = state.fund[0]
    n_valid = 0
    for i in range(state.symbol.shape[0]):
        n_valid += 1 if bars.valid[f, i] else 0
    if fund.feed_lost != 0 or emergency_stop.feed_missing(p.ess, n_valid, fund.n_expected):
        fund.ess_missing += 1
    else:
        fund.ess_missing = 0
        fund.n_expected = n_valid


@inner
def _close_all(p: Any, state: Any, now_ms: int, out: Any) -> None:
    """Close every position where the emergency stop is to; what is closing already is left alone."""
    if emergency_stop.closes(p.ess):
        for k in range(state.fund[0].n_open):
            request_exit(state, state.open_list[k], EXIT_EMERGENCY, now_ms, out)


@rare
def _latch(p: Any, state: Any, by: int, now_ms: int, out: Any) -> None:
    """Cancel entries, keep protection, close where configured, and block until a reset."""
    stay_apart()
    fund = state.fund[0]
    fund.ess_latched = by
    fund.ess_since_ms = now_ms
    fund.ess_trips += 1
    log_change(out, now_ms, 0, JE_ESS_LATCH, 0, 0, float(by), fund.ess_drawdown, 0)
    cancel_entries(state, now_ms, out)
    _close_all(p, state, now_ms, out)


@inner
def stop_step(p: Any, state: Any, bars: Any, f: int, now_ms: int, out: Any) -> None:
    """Emergency stop: five evaluators, the latch, and its scripted reset in a backtest."""
    if p.ess.mode == OFF:
        return
    fund = state.fund[0]
    watch_feed(p, state, bars, f)
    if fund.ess_latched != ESS_NONE:
        if emergency_stop.auto_reset_due(p.ess, fund.ess_since_ms, now_ms):
            reset_stop(state, now_ms, SCRIPTED, out)
        else:
            if p.ess.mode == ENFORCED:
                _close_all(p, state, now_ms, out)  # again, until nothing is left
            return
    # in decision bars: one minute without a trade inside an hour is no lost feed
    missing = fund.ess_missing * bars.bar_ms // bars.decision_ms if fund.ess_missing > 0 else 0
    x = emergency_stop.Inputs(
        fund.ess_drawdown, health_of(p, fund), fund.ess_errors, missing, fund.crossed, fund.manual_stop
    )
    fund.ess_errors = 0
    by = emergency_stop.evaluate(p.ess, x)
    if by == ESS_NONE:
        return
    tally(out, T_ESS, by)
    if p.ess.mode == ENFORCED:
        _latch(p, state, by, now_ms, out)
    else:
        count(out, M_ESS, ESS_LATCHED)  # would have been; by whom stands in the tally


@rare
def _reduce_all(state: Any, fraction: float, now_ms: int, out: Any) -> None:
    """The reduce-exposure directive: a part of every position."""
    stay_apart()
    fund = state.fund[0]
    if fraction <= 0.0:
        return
    for k in range(fund.n_open):
        count(out, M_HFOS, REDUCE)
        request_reduction(state, state.open_list[k], fraction, EXIT_REDUCE, now_ms, out)


@inner
def _note_hfos(fund: Any, d: Any, now_ms: int, out: Any) -> None:
    tally(out, T_RISK_MODE, d.risk_mode)
    tally(out, T_HFOS_HEALTH, d.health)
    tally(out, T_UNIVERSE_MODE, d.universe_mode)
    tally(out, T_URGENCY, d.urgency)
    tally(out, T_DIRECTIVE, d.by)
    if d.risk_mode != fund.hfos_mode:
        log_change(out, now_ms, 0, JE_HFOS, d.by, 0, float(d.risk_mode), float(fund.hfos_mode), 0)


@inner
def hfos_step(p: Any, state: Any, now_ms: int, out: Any) -> None:
    """Module 7: the most restrictive directive, escalated at once, taken back step by step."""
    fund = state.fund[0]
    if p.hfos.mode == OFF or not due(now_ms, fund.hfos_last_ms, p.hfos.interval_ms):
        return
    fund.hfos_last_ms = now_ms
    x = hedgefund_os.Inputs(
        fund.day_drawdown,  # the day's alone: a fall over days is the emergency stop's and the policy's business
        fund.day_drawdown,
        fund.losing_streak if recent_count(p, fund) > 0 else 0,
        health_of(p, fund),
        1 if fund.ess_latched != ESS_NONE else 0,
        fund.unreliable if p.supervisor.mode >= ADVISORY else 0,  # one that only observes binds nobody
        exposure_of(p, fund),
        performance_of(p, fund),
    )
    d = hedgefund_os.step(p.hfos, fund.hfos_mode, fund.hfos_by, fund.hfos_quiet_ms, now_ms, x)
    _note_hfos(fund, d, now_ms, out)
    fund.hfos_mode = d.risk_mode
    fund.hfos_by = d.by
    fund.hfos_health = d.health
    fund.hfos_allow = d.allow
    fund.hfos_scale = d.scale
    fund.hfos_universe = d.universe_mode
    fund.hfos_urgency = d.urgency
    fund.hfos_reduce = d.reduce_fraction
    fund.hfos_min_confidence = d.min_confidence
    fund.hfos_quiet_ms = d.quiet_since_ms
    if p.hfos.mode == ENFORCED:
        _reduce_all(state, d.reduce_fraction, now_ms, out)
        if d.risk_mode == RISK_EMERGENCY:
            cancel_entries(state, now_ms, out)
