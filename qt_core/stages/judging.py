"""Module 12's judgement: calibration, factors and weights of the models from the sums that ``labels`` keeps."""

from typing import Any

from qt_core._jit import inner, rare, stay_apart
from qt_core.codes import (
    BIASED,
    ENFORCED,
    M_SUPERVISOR,
    MODEL_DISABLED,
    OFF,
    UNRELIABLE,
)
from qt_core.records import (
    B_HOLD,
    B_LONG,
    B_N,
    B_SHORT,
    B_SUM_R,
    B_WINS,
    JE_SUPERVISOR,
)
from qt_core.signal import supervisor
from qt_core.stages.journal import count, log_change
from qt_core.stages.labels import DAY_MS, LONG_WINDOW, RECENT_WINDOW


@rare
def _calibrate(p: Any, state: Any, now_ms: int) -> None:
    """Calibration of the models with enough new outcomes, and of all once a day."""
    stay_apart()
    fund = state.fund[0]
    daily = now_ms - fund.calibration_last_ms >= DAY_MS
    if daily:
        fund.calibration_last_ms = now_ms
    for m in range(4):
        if state.memory[0].fresh[m] >= p.chain.calibration_refresh or (daily and state.memory[0].fresh[m] > 0):
            error = supervisor.ece(
                p.supervisor, state.memory[0].cell_n, state.memory[0].cell_hits, state.memory[0].cell_conf, m
            )
            state.memory[0].calibration[m] = supervisor.calibration(p.supervisor, error)
            state.memory[0].fresh[m] = 0


@inner
def _judge(p: Any, state: Any, m: int, now_ms: int, out: Any) -> int:
    """Judge one model; 1 where it is not reliable."""
    x = state.memory[0].totals
    d = state.memory[0].buckets[state.fund[0].bucket_slot]
    v = supervisor.judge(
        p.supervisor,
        int(x[LONG_WINDOW, m, B_N] + d[m, B_N]),
        int(x[LONG_WINDOW, m, B_WINS] + d[m, B_WINS]),
        x[LONG_WINDOW, m, B_SUM_R] + d[m, B_SUM_R],
        state.memory[0].calibration[m],
        int(x[LONG_WINDOW, m, B_LONG] + d[m, B_LONG]),
        int(x[LONG_WINDOW, m, B_SHORT] + d[m, B_SHORT]),
        int(x[LONG_WINDOW, m, B_HOLD] + d[m, B_HOLD]),
        int(x[RECENT_WINDOW, m, B_N] + d[m, B_N]),
        int(x[RECENT_WINDOW, m, B_WINS] + d[m, B_WINS]),
        x[RECENT_WINDOW, m, B_SUM_R] + d[m, B_SUM_R],
    )
    if v.disable != 0:
        count(out, M_SUPERVISOR, MODEL_DISABLED)
    if v.reliable == 0:
        count(out, M_SUPERVISOR, UNRELIABLE)
    if v.biased != 0:
        count(out, M_SUPERVISOR, BIASED)
    if v.factor != state.memory[0].factors[m]:
        log_change(out, now_ms, 0, JE_SUPERVISOR, UNRELIABLE, 0, v.factor, state.memory[0].factors[m], m)
    state.memory[0].factors[m] = v.factor
    return 1 - v.reliable


@inner
def supervise(p: Any, state: Any, now_ms: int, out: Any) -> None:
    """Every 30 minutes: judge the models; where ENFORCED, weigh them by their factors."""
    fund = state.fund[0]
    q = p.supervisor
    if q.mode == OFF or not supervisor.due(q, now_ms, fund.supervisor_last_ms):
        return
    fund.supervisor_last_ms = now_ms
    _calibrate(p, state, now_ms)
    unreliable = 0
    for m in range(4):
        unreliable += _judge(p, state, m, now_ms, out)
    fund.unreliable = unreliable
    if q.mode == ENFORCED:
        w = supervisor.weights(q, state.memory[0].base_weights, state.memory[0].factors)
        state.weights[0] = w.xgb
        state.weights[1] = w.lgbm
        state.weights[2] = w.nhits
        state.weights[3] = w.patchtst
