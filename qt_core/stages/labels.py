"""Module 12's records: every actionable prediction of each model waits for its outcome, traded or not (SPEC section 3).

A label is kept per symbol, bar and side, with the confidence of each model that said so. Its symbol's watch levels say
when a bar can end one at all. Daily sums and their windows are laid out in ``state.State``.
"""

from typing import Any

import numpy as np

from qt_core._jit import inner, prefetch
from qt_core.codes import (
    CTX_ATR_PCT,
    CTX_ATR_PCTILE,
    LABEL_SLOTS,
    M_SUPERVISOR,
    OFF,
    OK,
    PX_CLOSE,
    PX_HIGH,
    PX_LOW,
    TPSL_NONE,
)
from qt_core.context import regime
from qt_core.numerics import is_finite
from qt_core.position import dynamic_tpsl
from qt_core.records import (
    B_HITS,
    B_HOLD,
    B_LONG,
    B_N,
    B_SHORT,
    B_SUM_R,
    B_WINS,
    BUCKET,
    CELL_CONF,
    CELL_HITS,
    CELL_N,
    CELLS,
    DAYS,
)
from qt_core.signal import supervisor, trading_engine
from qt_core.stages.journal import count
from qt_core.state import LABELS

DAY_MS = 86_400_000
NEVER = np.int64(9223372036854775807)
LONG_WINDOW, RECENT_WINDOW = 0, 1


@inner
def _book(state: Any, k: int, m: int, confidence: float, o: Any) -> None:
    """One outcome of model ``m`` into today's slot ``k`` and the window's cells."""
    memory = state.memory[0]
    memory.buckets[k, m, B_N] += 1.0
    memory.buckets[k, m, B_WINS] += o.win
    memory.buckets[k, m, B_HITS] += o.hit
    memory.buckets[k, m, B_SUM_R] += o.r
    c = supervisor.cell(confidence)
    memory.histogram[k, CELL_N, m, c] += 1.0
    memory.histogram[k, CELL_HITS, m, c] += o.hit
    memory.histogram[k, CELL_CONF, m, c] += confidence
    memory.cell_n[m, c] += 1.0
    memory.cell_hits[m, c] += o.hit
    memory.cell_conf[m, c] += confidence
    memory.fresh[m] += 1


@inner
def _resolved(p: Any, state: Any, bars: Any, f: int, i: int, k: int, now_ms: int, today: int) -> bool:
    """Try label ``k`` of symbol ``i`` on bar ``f``; True where it is over (and booked)."""
    x = state.labels[i, k]
    expired = now_ms >= x.expire_ms
    high, low, close = np.nan, np.nan, np.nan
    if bars.valid[f, i]:
        high, low, close = bars.px[f, i, PX_HIGH], bars.px[f, i, PX_LOW], bars.px[f, i, PX_CLOSE]
    o = supervisor.resolve(p.supervisor, x.side, x.close, x.d, high, low, close, expired)
    if o.done == supervisor.PENDING:
        return bool(expired)  # without a bar to judge by, an old one is dropped
    if o.done == supervisor.RESOLVED:
        for m in range(4):
            confidence = x.conf_0 if m == 0 else x.conf_1 if m == 1 else x.conf_2 if m == 2 else x.conf_3
            if confidence > 0.0:
                _book(state, today, m, confidence, o)
    return True


@inner
def refresh_label_watch(state: Any, i: int) -> None:
    """Levels within which no label of the symbol can end."""
    w = state.watch[i]
    high, low, expire = np.inf, -np.inf, NEVER
    for k in range(w.n):
        x = state.labels[i, k]
        high = min(high, max(x.win_price, x.stop_price))
        low = max(low, min(x.win_price, x.stop_price))
        expire = min(expire, x.expire_ms)
    w.high = high
    w.low = low
    w.expire_ms = expire


@inner
def _resolve_symbol(p: Any, state: Any, bars: Any, f: int, i: int, now_ms: int) -> None:
    """Try every label of a symbol; the others move up, in order."""
    w = state.watch[i]
    kept = 0
    today = supervisor.slot(now_ms // DAY_MS)
    for k in range(w.n):
        if _resolved(p, state, bars, f, i, k, now_ms, today):
            continue
        if kept != k:
            state.labels[i, kept] = state.labels[i, k]
        kept += 1
    w.n = kept
    refresh_label_watch(state, i)


@inner
def roll_buckets(p: Any, state: Any, now_ms: int) -> None:
    """A new UTC day: clear its slot, take the day that leaves off the cells, sum the windows anew."""
    fund = state.fund[0]
    today = now_ms // DAY_MS
    if today == fund.bucket_day:
        return
    first = fund.bucket_day + 1 if fund.bucket_day > today - DAYS else today - DAYS + 1
    for day in range(first, today + 1):
        k = supervisor.slot(day)
        gone = supervisor.slot(day - p.supervisor.window_days)
        for m in range(4):
            for c in range(CELLS):
                state.memory[0].cell_n[m, c] -= state.memory[0].histogram[gone, CELL_N, m, c]
                state.memory[0].cell_hits[m, c] -= state.memory[0].histogram[gone, CELL_HITS, m, c]
                state.memory[0].cell_conf[m, c] -= state.memory[0].histogram[gone, CELL_CONF, m, c]
                state.memory[0].histogram[gone, CELL_N, m, c] = 0.0
                state.memory[0].histogram[gone, CELL_HITS, m, c] = 0.0
                state.memory[0].histogram[gone, CELL_CONF, m, c] = 0.0
            for b in range(BUCKET):
                state.memory[0].buckets[k, m, b] = 0.0
    fund.bucket_day = today
    fund.bucket_slot = supervisor.slot(today)
    _sum_windows(p, state, today)


@inner
def _sum_windows(p: Any, state: Any, today: int) -> None:
    """Sums of the days before today; today's own are added when they are read."""
    totals = state.memory[0].totals
    for m in range(4):
        for b in range(BUCKET):
            totals[LONG_WINDOW, m, b] = 0.0
            totals[RECENT_WINDOW, m, b] = 0.0
    for age in range(1, p.supervisor.window_days):
        day = state.memory[0].buckets[supervisor.slot(today - age)]
        for m in range(4):
            for b in range(BUCKET):
                totals[LONG_WINDOW, m, b] += day[m, b]
        if age < p.supervisor.recent_days:
            for m in range(4):
                for b in range(BUCKET):
                    totals[RECENT_WINDOW, m, b] += day[m, b]


@inner
def resolve_labels(p: Any, state: Any, bars: Any, f: int, now_ms: int) -> None:
    """At every close: labels that this bar ends are booked."""
    if p.supervisor.mode == OFF:
        return
    roll_buckets(p, state, now_ms)
    for i in range(state.symbol.shape[0]):
        prefetch(bars.px, (f + 1, i))  # read at the next close
        w = state.watch[i]
        if w.n == 0:
            continue
        if now_ms >= w.expire_ms or (
            bars.valid[f, i] and (bars.px[f, i, PX_HIGH] >= w.high or bars.px[f, i, PX_LOW] <= w.low)
        ):
            _resolve_symbol(p, state, bars, f, i, now_ms)


@inner
def _add_label(
    p: Any, state: Any, i: int, side: int, close: float, d: float, now_ms: int, decision_ms: int, conf: Any, out: Any
) -> None:
    w = state.watch[i]
    if w.n >= LABELS:
        count(out, M_SUPERVISOR, LABEL_SLOTS)
        return
    b = supervisor.label_barriers(p.supervisor, side, close, d)
    x = state.labels[i, w.n]
    w.n += 1
    x.side = side
    x.close = close
    x.d = d
    x.win_price = b.win_price
    x.stop_price = b.stop_price
    x.time_ms = now_ms
    x.expire_ms = supervisor.expiry_ms(p.supervisor, now_ms, decision_ms)
    x.conf_0 = conf[0]
    x.conf_1 = conf[1]
    x.conf_2 = conf[2]
    x.conf_3 = conf[3]
    w.high = min(w.high, max(x.win_price, x.stop_price))
    w.low = max(w.low, min(x.win_price, x.stop_price))
    w.expire_ms = min(w.expire_ms, x.expire_ms)


@inner
def _anyone_acts(rows: Any, t: int, i: int, threshold: float) -> bool:
    """True where some model's BUY or SELL reaches the threshold; most rows end here."""
    x = rows.proba
    top = max(x[t, i, 0, 0], x[t, i, 0, 2], x[t, i, 1, 0], x[t, i, 1, 2])
    return bool(max(top, x[t, i, 2, 0], x[t, i, 2, 2], x[t, i, 3, 0], x[t, i, 3, 2]) >= threshold)


@inner
def note_predictions(p: Any, state: Any, bars: Any, f: int, rows: Any, t: int, i: int, now_ms: int, out: Any) -> None:
    """What each model says of a symbol at this close: counted, and kept as a label where it acts.

    A model that abstains (disabled, or a row refused by module 1) has said nothing. NaN acts nowhere and counts as HOLD.
    """
    a = rows.available
    today = state.memory[0].buckets[state.fund[0].bucket_slot]
    if not _anyone_acts(rows, t, i, p.ensemble.threshold):
        for m in range(4):
            today[m, B_HOLD] += 1.0 if a[t, i, m] else 0.0
        return
    b0, b1, b2, b3 = 0.0, 0.0, 0.0, 0.0
    s0, s1, s2, s3 = 0.0, 0.0, 0.0, 0.0
    for m in range(4):
        if not a[t, i, m]:
            continue
        ps, ph = float(rows.proba[t, i, m, 0]), float(rows.proba[t, i, m, 1])
        pb = float(rows.proba[t, i, m, 2])
        if trading_engine.verdict(p.engine, ps, ph, pb) != OK:
            continue
        side = trading_engine.actionable(p.engine, p.ensemble, ps, ph, pb)
        today[m, B_HOLD if side == 0 else B_LONG if side > 0 else B_SHORT] += 1.0
        buy = pb if side > 0 else 0.0
        sell = ps if side < 0 else 0.0
        if m == 0:
            b0, s0 = buy, sell
        elif m == 1:
            b1, s1 = buy, sell
        elif m == 2:
            b2, s2 = buy, sell
        else:
            b3, s3 = buy, sell
    if b0 + b1 + b2 + b3 + s0 + s1 + s2 + s3 == 0.0 or not bars.valid[f, i]:
        return
    close = bars.px[f, i, PX_CLOSE]
    vol = regime.volatility_class(p.regime, rows.ctx[t, i, CTX_ATR_PCTILE])
    d = dynamic_tpsl.measured(p.tpsl, rows.ctx[t, i, CTX_ATR_PCT], vol, TPSL_NONE).sl_fraction
    if not is_finite(close) or not d > 0.0:
        return
    if b0 + b1 + b2 + b3 > 0.0:
        _add_label(p, state, i, 1, close, d, now_ms, bars.decision_ms, (b0, b1, b2, b3), out)
    if s0 + s1 + s2 + s3 > 0.0:
        _add_label(p, state, i, -1, close, d, now_ms, bars.decision_ms, (s0, s1, s2, s3), out)
