"""Requests to the venue, written short: `limit(bar, seq, quantity, price)`; a negative quantity sells."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from qt_core.codes import (
    IOC,
    LIMIT,
    MARKET,
    OP_AMEND,
    OP_CANCEL,
    OP_NEW,
    POST_ONLY,
    STOP,
    TAG_ENTRY,
    TAKE_PROFIT,
    TRAILING,
)
from qt_core.state import N_REQUESTS

FOREVER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Ask:
    """One request: submitted at the close of ``bar``, or inside a bar as the answer to the first fill of ``after``."""

    bar: int
    seq: int
    kind: int = MARKET
    qty: float = 0.0  # > 0 buys, < 0 sells
    at: float = 0.0  # limit price or trigger
    op: int = OP_NEW
    reduce: bool = False
    after: int = 0
    life: int = 0  # bars it may work; 0 = until cancelled
    leverage: float = 10.0
    callback: float = 0.0
    activation: float = 0.0
    approved: bool = True
    symbol: str = "A"


def market(bar: int, seq: int, qty: float, **more: Any) -> Ask:
    """Market order; a negative quantity sells."""
    return Ask(bar, seq, MARKET, qty, **more)


def limit(bar: int, seq: int, qty: float, at: float, **more: Any) -> Ask:
    return Ask(bar, seq, LIMIT, qty, at, **more)


def ioc(bar: int, seq: int, qty: float, at: float, **more: Any) -> Ask:
    return Ask(bar, seq, IOC, qty, at, **more)


def post_only(bar: int, seq: int, qty: float, at: float, **more: Any) -> Ask:
    return Ask(bar, seq, POST_ONLY, qty, at, **more)


def stop(bar: int, seq: int, qty: float, at: float, **more: Any) -> Ask:
    return Ask(bar, seq, STOP, qty, at, **{"reduce": True, **more})


def target(bar: int, seq: int, qty: float, at: float, **more: Any) -> Ask:
    return Ask(bar, seq, TAKE_PROFIT, qty, at, **{"reduce": True, **more})


def trailing(bar: int, seq: int, qty: float, callback: float, **more: Any) -> Ask:
    return Ask(bar, seq, TRAILING, qty, callback=callback, **{"reduce": True, **more})


def cancel(bar: int, seq: int, **more: Any) -> Ask:
    return Ask(bar, seq, op=OP_CANCEL, **more)


def amend(bar: int, seq: int, qty: float, at: float, **more: Any) -> Ask:
    return Ask(bar, seq, qty=qty, at=at, op=OP_AMEND, **more)


def put_request(out: Any, ask: Ask, symbols: Sequence[str], now_ms: int, bar_ms: int) -> None:
    """Append ``ask`` to the requests that wait for submission."""
    row = int(out.n[N_REQUESTS])
    r = np.asarray(out.requests)[row : row + 1]
    priced = ask.kind in (LIMIT, IOC, POST_ONLY)
    values = {
        "op": ask.op,
        "symbol": symbols.index(ask.symbol),
        "seq": ask.seq,
        "kind": ask.kind,
        "side": 1 if ask.qty > 0.0 else -1,
        "tag": TAG_ENTRY,
        "qty": abs(ask.qty),
        "price": ask.at if priced or ask.op == OP_AMEND else 0.0,
        "trigger": 0.0 if priced else ask.at,
        "leverage": ask.leverage,
        "callback": ask.callback,
        "activation": ask.activation,
        "reduce_only": int(ask.reduce),
        "approved": int(ask.approved),
        "time_ms": now_ms,
        "expire_ms": now_ms + ask.life * bar_ms if ask.life else FOREVER,
    }
    for key, value in values.items():
        r[key] = value
    out.n[N_REQUESTS] = row + 1
