"""Stop, target and rungs that rest at the exchange: placing, moving, covering what is left."""

from typing import Any

from qt_core._jit import inner, rare, stay_apart
from qt_core.codes import MARKET, OP_AMEND, OP_CANCEL, OP_NEW, STOP, TAG_SL, TAG_TP, TAKE_PROFIT
from qt_core.numerics import floor_step
from qt_core.position import amplification, dynamic_tpsl
from qt_core.stages.journal import request


@inner
def target_qty(s: Any) -> float:
    """What the resting target covers, before it is rounded to lots."""
    return amplification.tp_qty(abs(s.qty), s.rung_1_qty, s.rung_2_qty, s.trail_qty)


@inner
def protect(state: Any, s: Any, e: Any, out: Any) -> None:
    """Place or move SL and TP for the new average fill of the entry."""
    side = s.side
    stop = dynamic_tpsl.stop_price(side, s.avg_price, s.sl_fraction, s.tick_size)
    if s.sl_seq == 0:
        s.sl_price = stop
    else:
        s.sl_price = dynamic_tpsl.tighten(side, s.sl_price, stop)
    s.tp_price = dynamic_tpsl.target_price(side, s.avg_price, s.tp_fraction, s.tick_size)
    if e.seq == s.entry_seq:
        s.sl_distance = abs(s.avg_price - stop)  # the first stop's, even where the trail has moved it since
        s.initial_risk_usd = s.first_qty * s.sl_distance
    size = abs(s.qty)
    op = OP_AMEND if s.sl_seq != 0 else OP_NEW
    r = request(state, out, e.time_ms, op, e.symbol, s.sl_seq, STOP, -side, TAG_SL, size, s.sl_price)
    s.sl_seq = r.seq
    if s.let_run != 0:
        return
    op = OP_AMEND if s.tp_seq != 0 else OP_NEW
    r = request(state, out, e.time_ms, op, e.symbol, s.tp_seq, TAKE_PROFIT, -side, TAG_TP, size, s.tp_price)
    s.tp_seq = r.seq


@rare
def place_stop(state: Any, s: Any, symbol: int, now_ms: int, out: Any) -> None:
    """A new stop over the whole position at the price in force."""
    stay_apart()
    r = request(state, out, now_ms, OP_NEW, symbol, 0, STOP, -s.side, TAG_SL, abs(s.qty), s.sl_price)
    s.sl_seq = r.seq


@rare
def place_target(state: Any, s: Any, symbol: int, now_ms: int, out: Any) -> None:
    """A new target over its part at the price in force."""
    stay_apart()
    r = request(state, out, now_ms, OP_NEW, symbol, 0, TAKE_PROFIT, -s.side, TAG_TP, target_qty(s), s.tp_price)
    s.tp_seq = r.seq


@inner
def protect_again(state: Any, s: Any, e: Any, out: Any) -> None:
    """A stop or target that is over, while a position is left: the same again for the rest."""
    if e.seq == s.sl_seq:
        place_stop(state, s, e.symbol, e.time_ms, out)
    else:
        place_target(state, s, e.symbol, e.time_ms, out)


@rare
def cover_rest(state: Any, s: Any, symbol: int, now_ms: int, out: Any) -> None:
    """The size has changed by a rung, a scale-in or our own reduction: stop and target follow it; prices stay."""
    stay_apart()
    side, size = -s.side, abs(s.qty)
    if s.sl_seq != 0:
        request(state, out, now_ms, OP_AMEND, symbol, s.sl_seq, STOP, side, TAG_SL, size, s.sl_price)
    if s.tp_seq == 0:
        return
    rest = floor_step(target_qty(s), s.lot_step)
    if rest > 0.0:
        request(state, out, now_ms, OP_AMEND, symbol, s.tp_seq, TAKE_PROFIT, side, TAG_TP, rest, s.tp_price)
    else:
        request(state, out, now_ms, OP_CANCEL, symbol, s.tp_seq, MARKET, 0, 0, 0.0, 0.0)
        s.tp_seq = 0
