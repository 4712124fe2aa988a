"""Walks a session bar by bar and shows every event, request and bar to a watcher; and walks the venue alone.

The accountant keeps its own books from the events' prices and quantities only: cash paid and received, quantities held.
It knows no average price and no margin, so that its equity is derived by another route than the ledger's.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from qt_core import records as rec
from qt_core.codes import EV_FILL, EV_FUNDING, EV_LIQUIDATION, MARKET, OP_NEW
from qt_core.engine.run import step_bar, step_begin, step_end, step_event, step_match, step_submit
from qt_core.engine.session import Session
from qt_core.state import N_DECISIONS, N_EVENTS, N_REQUESTS, N_TRADES


def plain(array: Any, dtype: np.dtype) -> np.ndarray:
    """A record array as an ordinary structured array over the same memory."""
    return np.asarray(array).view(dtype)


class Watcher:
    """Sees everything; does nothing. ``close`` prices and marks are those of the bar."""

    def __init__(self, s: Session) -> None:
        self.s = s
        self.fund = plain(s.state.fund, rec.FUND_DT)[0]
        self.symbol = plain(s.state.symbol, rec.SYMBOL_DT)
        self.venue_fund = plain(s.venue.fund, rec.VENUE_FUND_DT)[0]
        self.venue_symbol = plain(s.venue.symbol, rec.VENUE_SYMBOL_DT)
        self.orders = plain(s.venue.orders, rec.ORDER_DT)

    def on_event(self, event: Any, f: int) -> None:
        """The venue booked ``event``; the chain has not seen it yet."""

    def on_answer(self, event: Any, f: int) -> None:
        """The chain has answered ``event``; its requests have not been submitted yet."""

    def on_requests(self, requests: np.ndarray, f: int) -> None:
        """These requests are about to be submitted."""

    def on_close(self, f: int) -> None:
        """The venue closed bar ``f``; the chain is about to decide."""

    def on_bar(self, f: int) -> None:
        """Bar ``f`` is over: decided, and requests submitted."""


def _submit(s: Session, f: int, watchers: tuple[Watcher, ...]) -> None:
    requests = plain(s.out.requests, rec.REQUEST_DT)[: int(s.out.n[N_REQUESTS])]
    for w in watchers:
        w.on_requests(requests, f)
    step_submit(s.params, s.venue, s.bars, f, s.out)


def _events(s: Session, f: int, watchers: tuple[Watcher, ...]) -> Iterator[Any]:
    step_begin(s.params, s.venue, s.bars, f)
    while step_match(s.params, s.venue, s.bars, f, s.out):
        event = plain(s.out.event, rec.EVENT_DT)[0]
        for w in watchers:
            w.on_event(event, f)
        yield event
    step_end(s.venue, s.bars, f)


def walk(s: Session, *watchers: Watcher) -> Session:
    """The whole session, chain and venue."""
    for f in range(s.n_bars):
        for event in _events(s, f, watchers):
            step_event(s.params, s.state, s.out)
            for w in watchers:
                w.on_answer(event, f)
            _submit(s, f, watchers)
        for w in watchers:
            w.on_close(f)
        step_bar(s.params, s.state, s.bars, f, s.rows, int(s.bars.decision[f]), s.out)
        _submit(s, f, watchers)
        for w in watchers:
            w.on_bar(f)
        assert has_room(s), f"bar {f}: the journal is nearly full; more rows expected"
    return s


def has_room(s: Session) -> bool:
    """Rows are left for whatever one more bar may write; beyond the last row a compiled write has no mercy."""
    left = (len(s.out.trades) - s.out.n[N_TRADES], len(s.out.events) - s.out.n[N_EVENTS])
    return bool(min(left) > 24 * len(s.state.symbol) + 64 and len(s.out.decisions) - s.out.n[N_DECISIONS] > 64)


@dataclass
class Order:
    """A request as a script makes it."""

    symbol: int
    kind: int = MARKET
    side: int = 1
    qty: float = 0.0
    price: float = 0.0
    trigger: float = 0.0
    callback: float = 0.0
    activation: float = 0.0
    reduce_only: int = 0
    approved: int = 1
    leverage: float = 3.0
    op: int = OP_NEW
    seq: int = 0  # of the order to cancel or amend; 0 = a new order
    expire_bars: int = 10**6
    tag: int = field(default=1)


def put(s: Session, f: int, orders: list[Order], seq: int) -> int:
    """Write the orders as requests of the close of bar ``f``; returns the last order number used."""
    rows = plain(s.out.requests, rec.REQUEST_DT)
    for k, o in enumerate(orders):
        r = rows[k]
        seq += o.seq == 0
        now = int(s.bars.time[f]) + s.bars.bar_ms
        for name in ("symbol", "kind", "side", "qty", "price", "trigger", "callback", "activation", "op", "tag"):
            r[name] = getattr(o, name)
        r["reduce_only"], r["approved"], r["leverage"] = o.reduce_only, o.approved, o.leverage
        r["seq"], r["time_ms"], r["expire_ms"] = o.seq or seq, now, now + o.expire_bars * s.bars.bar_ms
    s.out.n[N_REQUESTS] = len(orders)
    return seq


def walk_venue(s: Session, script: Callable[[int], list[Order]], *watchers: Watcher) -> Session:
    """The venue alone: ``script(f)`` gives the orders submitted at the close of bar ``f``."""
    seq = 0
    for f in range(s.n_bars):
        for _ in _events(s, f, watchers):
            pass
        for w in watchers:
            w.on_close(f)
        seq = put(s, f, script(f), seq)
        _submit(s, f, watchers)
        for w in watchers:
            w.on_bar(f)
    return s


class Accountant(Watcher):
    """Cash and quantities from the events alone."""

    def __init__(self, s: Session) -> None:
        super().__init__(s)
        n = len(self.symbol)
        self.start = float(self.venue_fund["free_usd"] + self.venue_fund["margin_usd"])
        self.cash, self.qty, self.mark = self.start, np.zeros(n), np.zeros(n)
        self.fees = self.funding = self.insurance = self.realised = self.turnover = 0.0

    def on_event(self, event: Any, f: int) -> None:
        i = int(event["symbol"])
        if event["kind"] in (EV_FILL, EV_LIQUIDATION):
            signed = int(event["side"]) * float(event["qty"])
            self.qty[i] += signed
            if abs(self.qty[i]) < 1e-12 * float(event["qty"]):
                self.qty[i] = 0.0
            self.cash -= signed * float(event["price"])
            self.turnover += abs(signed * float(event["price"]))
            self.fees += float(event["fee_usd"])
            self.insurance += float(event["insurance_usd"])
            self.realised += float(event["realised_usd"])
        elif event["kind"] == EV_FUNDING:
            self.funding += float(event["funding_usd"])

    def on_close(self, f: int) -> None:
        valid = self.s.bars.valid[f]
        self.mark = np.where(valid, self.s.bars.column("mark_close")[f], self.mark)

    @property
    def equity(self) -> float:
        """What is left if every position were closed at its mark without cost."""
        return self.cash - self.fees + self.funding + self.insurance + float(self.qty @ self.mark)

    def close_to(self, a: float, b: float) -> bool:
        """To 1e-9 of the money that went through the books."""
        return abs(a - b) <= 1e-9 * max(1.0, self.start, self.turnover * 1e-3)
