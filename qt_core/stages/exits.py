"""Leaving by our own decision: a reduce-only market order over all or part of a position, one at a time."""

from typing import Any

from qt_core._jit import inner, rare, stay_apart
from qt_core.codes import MARKET, OP_AMEND, OP_CANCEL, OP_NEW, TAG_EXIT
from qt_core.numerics import floor_step
from qt_core.records import JE_EXIT, JE_REDUCE
from qt_core.stages.journal import log_change, log_pair, request


@rare
def request_exit(state: Any, symbol: int, why: int, now_ms: int, out: Any) -> None:
    """Ask for the whole position to be closed; nothing while that already works. A reduction at work becomes the exit."""
    stay_apart()
    s = state.symbol[symbol]
    if s.qty == 0.0 or (s.exit_seq != 0 and s.exit_whole != 0):
        return
    op = OP_NEW if s.exit_seq == 0 else OP_AMEND
    s.exit_why = why
    s.exit_whole = 1
    r = request(state, out, now_ms, op, symbol, s.exit_seq, MARKET, -s.side, TAG_EXIT, abs(s.qty), 0.0)
    s.exit_seq = r.seq
    row = log_change(out, now_ms, symbol, JE_EXIT, 0, s.trade_id, float(why), s.r_multiple, r.seq)
    log_pair(out, row, abs(s.qty), s.signal_confidence)


@rare
def request_reduction(state: Any, symbol: int, fraction: float, why: int, now_ms: int, out: Any) -> None:
    """Ask for ``fraction`` of the position to be closed, down to the lot; the whole where what is left is no order.

    The ladder is taken away: the target covers the rest.
    """
    stay_apart()
    s = state.symbol[symbol]
    if s.qty == 0.0 or s.exit_seq != 0:
        return
    size = abs(s.qty)
    part = floor_step(size * fraction, s.lot_step)
    if size - part < s.min_qty or fraction >= 1.0:
        request_exit(state, symbol, why, now_ms, out)
        return
    if part < s.min_qty or part <= 0.0:
        return
    log_change(out, now_ms, symbol, JE_REDUCE, why, s.trade_id, part, size, 0)
    s.exit_why = why
    s.exit_whole = 0
    drop_ladder(state, s, symbol, now_ms, out)
    r = request(state, out, now_ms, OP_NEW, symbol, 0, MARKET, -s.side, TAG_EXIT, part, 0.0)
    s.exit_seq = r.seq


@rare
def drop_ladder(state: Any, s: Any, symbol: int, now_ms: int, out: Any) -> None:
    """Cancel the rungs that still rest."""
    stay_apart()
    if s.rung_1_seq != 0:
        request(state, out, now_ms, OP_CANCEL, symbol, s.rung_1_seq, MARKET, 0, 0, 0.0, 0.0)
    if s.rung_2_seq != 0:
        request(state, out, now_ms, OP_CANCEL, symbol, s.rung_2_seq, MARKET, 0, 0, 0.0, 0.0)
    s.rung_1_seq = 0
    s.rung_2_seq = 0
    s.rung_1_qty = 0.0
    s.rung_2_qty = 0.0
    s.trail_qty = 0.0


@inner
def exit_follows(state: Any, s: Any, symbol: int, now_ms: int, out: Any) -> None:
    """The position grew while its exit works (the last part of an entry): the exit takes that too."""
    if s.exit_seq != 0 and s.exit_whole != 0:
        request(state, out, now_ms, OP_AMEND, symbol, s.exit_seq, MARKET, -s.side, TAG_EXIT, abs(s.qty), 0.0)
