"""Step 5: open positions. Trailing stops move here, and only in the protecting direction."""

from typing import Any

from qt_core._jit import kernel
from qt_core.codes import OP_AMEND, PX_CLOSE, PX_HIGH, PX_LOW, STOP, TAG_SL
from qt_core.position import dynamic_tpsl
from qt_core.records import JE_STOP_MOVED
from qt_core.stages.account import round_trip_cost
from qt_core.stages.journal import log_event, request


@kernel
def r_multiple(s: Any, mark: float) -> float:
    """(realised + unrealised - fees + funding) / initial risk; 0 while the risk is unknown."""
    if s.initial_risk_usd <= 0.0:
        return 0.0
    profit = s.realised_usd + s.qty * (mark - s.avg_price) - s.fee_usd + s.funding_usd
    return float(profit / s.initial_risk_usd)


@kernel
def _best(s: Any, bars: Any, f: int, i: int) -> float:
    """Most favourable price known since entry; of the bar a limit filled inside, only its close."""
    inside = s.inside_ms == bars.time[f]
    if s.side > 0:
        return float(max(s.best_price, bars.px[f, i, PX_CLOSE] if inside else bars.px[f, i, PX_HIGH]))
    return float(min(s.best_price, bars.px[f, i, PX_CLOSE] if inside else bars.px[f, i, PX_LOW]))


@kernel
def _move_stop(state: Any, s: Any, i: int, stop: float, now_ms: int, out: Any) -> None:
    row = log_event(out, now_ms, i, JE_STOP_MOVED, TAG_SL, 0, s.sl_seq, s.trade_id, s.qty, stop)
    if row >= 0:
        out.events[row].old_value = s.sl_price
        out.events[row].value = stop
    s.sl_price = stop
    request(state, out, now_ms, OP_AMEND, i, s.sl_seq, STOP, -s.side, TAG_SL, abs(s.qty), stop)


@kernel
def manage_positions(p: Any, state: Any, bars: Any, f: int, now_ms: int, out: Any) -> None:
    """Trail every open position at the close of bar ``f``."""
    if not dynamic_tpsl.trails(p.tpsl):
        return
    fund = state.fund[0]
    cost = round_trip_cost(p)
    for k in range(fund.n_open):
        i = state.open_list[k]
        s = state.symbol[i]
        if not bars.valid[f, i] or s.sl_seq == 0:
            continue
        s.best_price = _best(s, bars, f, i)
        close = bars.px[f, i, PX_CLOSE]
        roi = s.side * (s.mark - s.avg_price) / s.avg_price * s.leverage
        if s.trail_active == 0 and not roi >= p.tpsl.trail_activation_roi:
            continue
        t = dynamic_tpsl.trail(
            p.tpsl,
            s.side,
            s.avg_price,
            s.sl_price,
            s.trail_active,
            s.best_price,
            close,
            roi,
            r_multiple(s, s.mark),
            s.sl_distance,
            cost,
            s.tick_size,
        )
        s.trail_active = t.active
        if t.stop != s.sl_price:
            _move_stop(state, s, i, t.stop, now_ms, out)
