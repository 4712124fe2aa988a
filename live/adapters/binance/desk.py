"""Where facts become events: the stream's state, the books and the orders in one place, without a socket or a clock of
its own.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from live.adapters.binance.frames import (
    Conditional,
    End,
    Fact,
    Fill,
    KeyExpired,
    Money,
    funding_key,
)
from live.adapters.binance.orders import Known, Orders
from live.adapters.binance.telling import DUST, Teller
from live.adapters.binance.user_stream import UserStream
from live.errors import LiveError
from live.ports import VenueEvent
from qt_core.codes import EV_CANCEL, EV_FILL, EV_LIQUIDATION

TRIGGERED = ("TRIGGERING", "TRIGGERED")


class Desk:
    """Takes facts, tells events. Until ``go_live`` messages wait: what a journal and REST say comes before them.

    Attributes
    ----------
    money : the last account message.
    changed_ms : when something was said that the exchange's balance must confirm; 0 = it has.
    last_fill_ms : the exchange's time of the newest trade booked.
    key_expired, funding_unknown, missing : what a caller must see to.
    """

    def __init__(
        self,
        orders: Orders,
        teller: Teller,
        stream: UserStream,
        now_ms: Callable[[], int],
        cancel: Callable[[Known], None],
    ) -> None:
        self.orders, self.teller, self.stream = orders, teller, stream
        self.live = False
        self.money: Money | None = None
        self.changed_ms = 0
        self.last_fill_ms = 0
        self.last_frame_ms = 0
        self.key_expired = False
        self.funding_unknown = False
        self.missing = False
        self.told = 0
        self._now_ms, self._cancel = now_ms, cancel
        self._early: list[Fill] = []
        self._held: list[Mapping[str, Any]] = []
        self._queue: asyncio.Queue[VenueEvent | LiveError | None] = asyncio.Queue()
        self._sink: list[VenueEvent] | None = None

    def hear(self, message: Mapping[str, Any]) -> None:
        """One raw message of the user stream."""
        self.last_frame_ms = self._now_ms()
        if not self.live:
            self._held.append(message)
            return
        if message.get("e") == "ACCOUNT_CONFIG_UPDATE":
            self._leverage(message.get("ac") or {})
        for fact in self.stream.feed(message, self.last_frame_ms):
            self.apply(fact)

    def _leverage(self, said: Mapping[str, Any]) -> None:
        """A symbol's leverage is another one: ours just now, or a person's, which the next entry must not inherit."""
        i = self.teller.index.get(str(said.get("s", "")))
        if i is not None and said.get("l"):
            self.teller.leverage[i] = float(said["l"])

    def go_live(self, forget: bool = False) -> None:
        """Take what has waited, in its order; ``forget``: the account was read after it, so it is known."""
        self.live = True
        held, self._held = self._held, []
        for message in held if not forget else []:
            self.hear(message)

    def take(self, fact: Fact) -> None:
        """A fact that REST stated: through the stream's order and memory, like a message."""
        for ready in self.stream.take(fact, self._now_ms()):
            self.apply(ready)

    def apply(self, fact: Fact) -> None:
        """Book and tell one fact; it is new and in its place."""
        if isinstance(fact, Fill):
            self._fill(fact)
        elif isinstance(fact, End):
            self.emit_all(self.teller.end(fact))
        elif isinstance(fact, Conditional):
            self._conditional(fact)
        elif isinstance(fact, Money):
            self._money(fact)
        elif isinstance(fact, KeyExpired):
            self.key_expired = True

    def _fill(self, fact: Fill) -> None:
        if fact.reduce_only and not self._reducible(fact):
            self._early.append(fact)  # what opened the position has not been told yet
            self.missing = True
            return
        self._book(fact)
        while (early := next((f for f in self._early if self._reducible(f)), None)) is not None:
            self._early.remove(early)
            self._book(early)

    def _reducible(self, fact: Fill) -> bool:
        """True where our books hold what a reduce-only trade reduces."""
        i = self.teller.index.get(fact.symbol)
        held = 0.0 if i is None else self.teller.ledger.at(i).qty
        return i is None or -held * fact.side >= fact.qty * (1.0 - DUST)

    def let_go(self) -> None:
        """Book what has waited for a position: REST has been asked, and nothing more will come."""
        early, self._early, self.missing = self._early, [], False
        for fact in early:
            self._book(fact)

    def _book(self, fact: Fill) -> None:
        events = self.teller.fill(fact)
        self.last_fill_ms = max(self.last_fill_ms, fact.time_ms)
        self.changed_ms = self._now_ms()
        self.emit_all(events)
        for event in events:
            row = event.row
            if row["kind"] in (EV_FILL, EV_LIQUIDATION) and row["done"]:
                self._leftovers(int(row["symbol"]), int(row["seq"]), event.client_id)

    def _leftovers(self, symbol: int, seq: int, client_id: str) -> None:
        """An order is done: another of its number that still rests, and what the chain has given up, go with it."""
        flat = self.teller.ledger.at(symbol).qty == 0.0
        for known in self.orders.of_symbol(symbol):
            twin = seq != 0 and known.seq == seq and known.client_id != client_id
            if twin or (flat and known.orphan):
                known.silent = True
                self._cancel(known)

    def _conditional(self, fact: Conditional) -> None:
        i = self.teller.index.get(fact.symbol)
        known = None if i is None else self.orders.find(fact.client_id, i)
        if known is not None:
            known.placed = True
            if fact.status in TRIGGERED and not known.triggered_ms:
                known.triggered_ms = self._now_ms()

    def _money(self, fact: Money) -> None:
        if self.money is None or fact.time_ms >= self.money.time_ms:
            self.money = fact
        self.changed_ms = self._now_ms()
        if fact.cause != "FUNDING_FEE":
            return
        if len(fact.positions) != 1:
            self.funding_unknown = True  # crossed: the message does not say whose it was
            return
        amount = fact.change or fact.wallet - self.teller.ledger.wallet_usd
        self.fund(fact.positions[0].symbol, fact.time_ms, amount)

    def fund(self, symbol: str, time_ms: int, amount: float) -> None:
        """One settlement, once."""
        key = funding_key(symbol, time_ms)
        if key not in self.stream.keys:
            self.stream.keys.add(key)
            self.changed_ms = self._now_ms()
            self.emit_all(self.teller.funding(symbol, time_ms, amount))

    def lost(self, known: Known, reason: int) -> None:
        """Tell the end of an order that the exchange forgot."""
        self.emit(self.teller.refused(known, reason, self._now_ms(), EV_CANCEL))

    def emit_all(self, events: Iterable[VenueEvent]) -> None:
        for event in events:
            self.emit(event)

    def emit(self, event: VenueEvent) -> None:
        """Give one event to whoever listens: ``collect`` while it lasts, else ``next``."""
        self.told += 1
        self.stream.keys.add(event.key)
        if self._sink is not None:
            self._sink.append(event)
        else:
            self._queue.put_nowait(event)

    def collect(self) -> None:
        """From here on events are kept for ``collected``, those not taken yet first."""
        self._sink = []
        while not self._queue.empty():
            event = self._queue.get_nowait()
            if isinstance(event, VenueEvent):
                self._sink.append(event)
            else:
                self._queue.put_nowait(event)
                break

    def collected(self) -> list[VenueEvent]:
        """End of ``collect``: its events in their order."""
        events, self._sink = self._sink or [], None
        return events

    def fail(self, error: LiveError) -> None:
        """Whoever waits for an event hears that there will be none."""
        self._queue.put_nowait(error)

    def end(self) -> None:
        """Whoever waits for an event hears that the session is over."""
        self._queue.put_nowait(None)

    async def next(self) -> "VenueEvent | None":
        """The next event; None at the end.

        Raises
        ------
        LiveError
            Where the broker cannot go on.
        """
        event = await self._queue.get()
        if isinstance(event, LiveError):
            raise event
        return event
