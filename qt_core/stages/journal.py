"""Journal rows, counters, order requests and the rolling digest of decisions."""

from typing import Any

import numpy as np

from qt_core._jit import inner, rare, stay_apart
from qt_core.rng import mix
from qt_core.state import (
    KEEP_DECISIONS,
    KEEP_EVENTS,
    KEEP_TRADES,
    N_CLOSED,
    N_DECISIONS,
    N_EVENTS,
    N_REQUESTS,
    N_TRADES,
)

_K1 = np.uint64(0x9E3779B97F4A7C15)  # odd constants: golden ratio, and primes of the xxHash family
_K2 = np.uint64(0xC2B2AE3D27D4EB4F)
_K3 = np.uint64(0x165667B19E3779F9)
_K4 = np.uint64(0x85EBCA77C2B2AE63)
_HALF = np.uint64(32)


@inner
def folded(
    digest: np.uint64, bits_f: Any, bits_u: Any, name_hash: np.uint64, code: int, x: float, y: float
) -> np.uint64:
    """The digest with one more row: whose it is, a packed integer, the bits of two floats.

    The four words are multiplied by different odd constants, so the processor does it side by side; one mix ends it.
    """
    bits_f[0] = x
    bx = bits_u[0]
    bits_f[0] = y
    by = bits_u[0]
    word = np.uint64(code & np.int64(0x7FFFFFFFFFFFFFFF))
    return mix(digest ^ (name_hash * _K1 + word * _K2 + bx * _K3 + (by ^ (by >> _HALF)) * _K4))


@inner
def fold_row(state: Any, out: Any, name_hash: np.uint64, code: int, x: float, y: float) -> None:
    """Mix one row into the digest."""
    fund = state.fund[0]
    fund.digest = folded(fund.digest, out.bits_f, out.bits_u, name_hash, code, x, y)


@inner
def count(out: Any, module: int, reason: int) -> None:
    """Count a verdict; always on."""
    out.counters[module, reason] += 1


@inner
def tally(out: Any, row: int, value: int) -> None:
    """Count a value that a module said (``qt_core.enums``); always on."""
    out.tally[row, value] += 1


@inner
def log_change(
    out: Any, now_ms: int, symbol: int, kind: int, reason: int, trade: int, new: float, old: float, seq: int
) -> int:
    """Append a journal row of a number that changed; returns its row, or -1."""
    row = log_event(out, now_ms, symbol, kind, 0, reason, seq, trade, 0.0, 0.0)
    if row >= 0:
        out.events[row].value = new
        out.events[row].old_value = old
    return row


@inner
def log_pair(out: Any, row: int, qty: float, price: float) -> None:
    """Two more numbers of the journal row ``row``; nothing where it was not kept (-1)."""
    if row >= 0:
        out.events[row].qty = qty
        out.events[row].price = price


@rare
def log_event(
    out: Any,
    time_ms: int,
    symbol: int,
    kind: int,
    tag: int,
    reason: int,
    seq: int,
    trade: int,
    qty: float,
    price: float,
) -> int:
    """Append a journal event; returns its row, or -1 where events are not kept."""
    stay_apart()
    if out.n[KEEP_EVENTS] == 0:
        return -1
    row = out.n[N_EVENTS]
    out.n[N_EVENTS] = row + 1
    e = out.events[row]
    e.time_ms = time_ms
    e.symbol = symbol
    e.kind = kind
    e.tag = tag
    e.reason = reason
    e.seq = seq
    e.trade_id = trade
    e.qty = qty
    e.price = price
    e.fee_usd = 0.0
    e.realised_usd = 0.0
    e.value = 0.0
    e.old_value = 0.0
    e.bar = out.n[N_CLOSED]
    return int(row)


@inner
def request(
    state: Any,
    out: Any,
    now_ms: int,
    op: int,
    symbol: int,
    seq: int,
    kind: int,
    side: int,
    tag: int,
    qty: float,
    trigger: float,
) -> Any:
    """Append an order request and fold it into the digest; returns the row for the rarer fields.

    ``seq`` 0 draws the next order number.
    """
    r = out.requests[out.n[N_REQUESTS]]
    out.n[N_REQUESTS] += 1
    name = state.symbol[symbol].name_hash
    _fill_request(
        state.fund[0], r, out.bits_f, out.bits_u, name, now_ms, op, symbol, seq, kind, side, tag, qty, trigger
    )
    return r


@rare
def _fill_request(
    fund: Any,
    r: Any,
    bits_f: Any,
    bits_u: Any,
    name: np.uint64,
    now_ms: int,
    op: int,
    symbol: int,
    seq: int,
    kind: int,
    side: int,
    tag: int,
    qty: float,
    trigger: float,
) -> None:
    stay_apart()
    if seq == 0:
        fund.order_seq += 1
        seq = fund.order_seq
    r.op = op
    r.symbol = symbol
    r.seq = seq
    r.kind = kind
    r.side = side
    r.tag = tag
    r.reduce_only = 1
    r.approved = 0
    r.time_ms = now_ms
    r.expire_ms = np.int64(9223372036854775807)
    r.qty = qty
    r.trigger = trigger
    r.price = 0.0
    r.leverage = 1.0
    r.callback = 0.0
    r.activation = 0.0
    code = ((now_ms * 16 + op) * 16 + kind) * 16 + tag * 2 + (1 if side > 0 else 0)
    fund.digest = folded(fund.digest, bits_f, bits_u, name, code, qty, trigger)


@inner
def next_trade(out: Any) -> int:
    """Row of the next trade; the row is reused where trades are not kept (they are still counted)."""
    row = out.n[N_TRADES]
    out.n[N_TRADES] = row + 1
    return row if out.n[KEEP_TRADES] != 0 else 0


@inner
def keep_decision(out: Any, row: int) -> None:
    """Copy the candidate in ``row`` into the decision journal."""
    if out.n[KEEP_DECISIONS] == 0:
        return
    out.decisions[out.n[N_DECISIONS]] = out.candidates[row]
    out.n[N_DECISIONS] += 1
