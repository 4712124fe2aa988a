"""What a person, a monitor or the policy store says: pause, halt, stop, reset, health, errors, spreads, a policy row."""

from typing import Any

from qt_core._jit import inner, rare, stay_apart
from qt_core.codes import (
    BAD_HEALTH_CODE,
    CMD_DEPTH,
    CMD_ERROR,
    CMD_ESS_RESET,
    CMD_ESS_TRIP,
    CMD_EXIT,
    CMD_FEED,
    CMD_HALT,
    CMD_HEALTH,
    CMD_OVERRIDE,
    CMD_PAUSE,
    CMD_POLICY,
    CMD_RELEASE,
    CMD_SPREAD,
    CRITICAL,
    ENFORCED,
    EV_COMMAND,
    EXIT_ORDER,
    HALTED,
    HEALTHY,
    M_HEALTH,
    M_MSC,
    OFF,
    OK,
)
from qt_core.context import msc_policy
from qt_core.enums import T_HEALTH
from qt_core.records import ERROR_RING, JE_ESS_RESET, JE_HALT, JE_HEALTH, JE_POLICY
from qt_core.risk import risk_os
from qt_core.stages.exits import request_exit
from qt_core.stages.journal import count, log_change, log_event, log_pair, tally
from qt_core.stages.order_end import cancel_entries

MINUTE_MS = 60_000
PAUSED_BY_HAND = 2


@rare
def errors_last_minute(state: Any, time_ms: int) -> int:
    """System errors within the minute before ``time_ms``; the ring holds the last ERROR_RING times."""
    stay_apart()
    recent = 0
    for k in range(min(state.fund[0].error_count, ERROR_RING)):
        if time_ms - state.memory[0].error_ms[k] < MINUTE_MS:
            recent += 1
    return recent


@inner
def on_error(p: Any, state: Any, time_ms: int, out: Any) -> None:
    """A system error: more than the limit within any minute halts, and latches the emergency stop at the next close.

    A close may lie an hour after the burst, so the most errors of any minute since the last look are kept for it.
    """
    fund = state.fund[0]
    state.memory[0].error_ms[fund.error_count % ERROR_RING] = time_ms
    fund.error_count += 1
    recent = errors_last_minute(state, time_ms)
    fund.ess_errors = max(fund.ess_errors, recent)
    if p.risk.mode == ENFORCED and risk_os.error_burst(p.risk, recent):
        if fund.halted == 0:
            log_change(out, time_ms, 0, JE_HALT, HALTED, 0, float(recent), 0.0, 0)
        fund.halted = 1
        cancel_entries(state, time_ms, out)


@rare
def reset_stop(state: Any, now_ms: int, reason: int, out: Any) -> None:
    """Unlatch the emergency stop: the peak is taken anew, and the time latched is booked."""
    stay_apart()
    fund = state.fund[0]
    if fund.ess_latched == 0:
        return
    log_change(out, now_ms, 0, JE_ESS_RESET, reason, 0, 0.0, float(fund.ess_latched), 0)
    fund.ess_time_ms += now_ms - fund.ess_since_ms
    fund.ess_latched = 0
    fund.ess_peak_usd = fund.equity_usd
    fund.ess_drawdown = 0.0
    fund.manual_stop = 0
    fund.ess_missing = 0
    fund.ess_errors = 0


@inner
def _release(fund: Any) -> None:
    """End pause and halt; the day's drawdown counts anew from here, or the next bar would pause again."""
    fund.paused = 0
    fund.halted = 0
    fund.day_start_equity_usd = fund.equity_usd
    fund.day_drawdown = 0.0


@inner
def _hear_health(p: Any, state: Any, e: Any, out: Any) -> int:
    """Module 15's verdict; a code that is none counts as CRITICAL. Returns the reason for the journal."""
    fund = state.fund[0]
    health, reason = e.reason, OK
    if health < HEALTHY or health > CRITICAL:
        count(out, M_HEALTH, BAD_HEALTH_CODE)
        health, reason = CRITICAL, BAD_HEALTH_CODE
    tally(out, T_HEALTH, health)
    if p.health.mode != ENFORCED:
        if p.health.mode != OFF:
            count(out, M_HEALTH, OK)
        return reason
    if health != fund.health:
        log_change(out, e.time_ms, 0, JE_HEALTH, 0, 0, float(health), float(fund.health), 0)
    fund.health = health
    return reason


@inner
def _hear_policy(p: Any, state: Any, e: Any, out: Any) -> int:
    """A policy row from outside: mode ``reason``, max risk ``value``, max positions ``qty``, least confidence ``price``,
    strategies ``seq`` (bits). A row out of range is refused and counted. Returns the reason for the journal.
    """
    fund = state.fund[0]
    reason = msc_policy.check_row(p.msc, float(e.reason), e.value, e.qty, e.price, float(e.seq))
    count(out, M_MSC, reason)
    if reason != OK:
        return reason
    row = log_change(out, e.time_ms, 0, JE_POLICY, 0, 0, float(e.reason), float(fund.policy_mode), e.seq)
    log_pair(out, row, e.qty, e.price)
    fund.policy_mode = e.reason
    fund.policy_max_risk = e.value
    fund.policy_max_positions = int(e.qty)
    fund.policy_min_confidence = e.price
    fund.policy_allowed = e.seq
    fund.policy_scale = msc_policy.limits(p.msc, e.reason).size_scale
    fund.policy_outside = 1
    return reason


@inner
def _hear_spread(state: Any, e: Any) -> None:
    """A symbol's spread, as a fraction of its price (NaN: unknown again); below 0 its prices are crossed."""
    state.symbol[e.symbol].spread = e.value
    crossed = 0
    for i in range(state.symbol.shape[0]):
        crossed |= 1 if state.symbol[i].spread < 0.0 else 0
    state.fund[0].crossed = crossed


@inner
def _obey(p: Any, state: Any, e: Any, out: Any) -> int:
    """Apply one command; returns the reason it was refused for, or OK."""
    fund = state.fund[0]
    kind = e.command
    if kind == CMD_PAUSE:
        fund.paused = PAUSED_BY_HAND
        cancel_entries(state, e.time_ms, out)
    elif kind == CMD_HALT:
        fund.halted = 1
        cancel_entries(state, e.time_ms, out)
    elif kind == CMD_RELEASE:
        _release(fund)
    elif kind == CMD_OVERRIDE:
        state.symbol[e.symbol].override = 1
    elif kind == CMD_HEALTH:
        return _hear_health(p, state, e, out)
    elif kind == CMD_EXIT:
        request_exit(state, e.symbol, EXIT_ORDER, e.time_ms, out)
    elif kind == CMD_ERROR:
        on_error(p, state, e.time_ms, out)
    elif kind == CMD_ESS_TRIP:
        fund.manual_stop = 1
    elif kind == CMD_ESS_RESET:
        reset_stop(state, e.time_ms, e.reason, out)
    elif kind == CMD_POLICY:
        return _hear_policy(p, state, e, out)
    elif kind == CMD_SPREAD:
        _hear_spread(state, e)
    elif kind == CMD_DEPTH:
        state.symbol[e.symbol].depth_usd = e.value
    elif kind == CMD_FEED:
        fund.feed_lost = 1 if e.reason != 0 else 0
    return OK


@rare
def on_command(p: Any, state: Any, e: Any, out: Any) -> None:
    """Journal one command (``seq``: which; ``old_value``: the code it carries) and apply it."""
    stay_apart()
    row = log_event(out, e.time_ms, e.symbol, EV_COMMAND, 0, OK, e.command, 0, e.qty, e.price)
    reason = _obey(p, state, e, out)
    if row >= 0:
        out.events[row].reason = reason
        out.events[row].value = e.value
        out.events[row].old_value = float(e.reason)
