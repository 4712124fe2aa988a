"""Requests of the chain carried out: what is sent, what its failure means, what is asked before anything is sent again.

A request whose outcome is not known is never repeated blindly. The exchange is asked for the client id until it says
that there is such an order, or until a late copy of the request could no longer be accepted (its receive window has
passed) and there is still none. Client ids are unique among open orders only: a market order that was filled would be
taken a second time.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

from live.adapters.binance.budget import ENTRY, URGENT
from live.adapters.binance.frames import Fact
from live.adapters.binance.orders import Known, Orders, known_of
from live.adapters.binance.outcomes import ALREADY, FATAL, NOT_FOUND, RETRY, TRIGGERS_NOW, UNKNOWN, Outcome
from live.adapters.binance.requests import (
    CONDITIONAL,
    RESTING,
    OffGridError,
    Request,
    as_market,
    cancel,
    capped,
    on_grid,
    place,
    refusal,
)
from live.adapters.binance.resolving import Resolver, repeatable
from live.adapters.binance.session import (
    AMEND,
    PLACE,
    PLACE_ALGO,
    SET_LEVERAGE,
    CallFailed,
    Session,
)
from live.adapters.binance.settings import BrokerSettings
from live.adapters.binance.telling import Teller
from live.adapters.book import worst_price
from live.ports import NEVER_SENT_AFTER_MS, Depth, Intent, VenueEvent
from qt_core.codes import (
    EV_CANCEL,
    EV_REJECT,
    EXCHANGE_BUSY,
    EXPIRED,
    LEVERAGE,
    MARKET,
    NON_FINITE,
    OK,
    OP_AMEND,
    OP_CANCEL,
)

NO_ANSWER = Outcome(UNKNOWN, OK, 0, "an answer without an order's id")


class Sender:
    """Carries out one intent at a time for each symbol.

    Parameters
    ----------
    specs : rows of market.SPEC_DT. depth : the book known of a symbol.
    emit : takes events. hear : takes facts that an answer stated. alarm : takes (severity, key, text) for a person.
    """

    def __init__(
        self,
        session: Session,
        settings: BrokerSettings,
        orders: Orders,
        teller: Teller,
        specs: Any,
        depth: Callable[[int], "Depth | None"],
        emit: Callable[[VenueEvent], None],
        hear: Callable[[Fact], None],
        alarm: Callable[[int, str, str], None],
    ) -> None:
        self.session, self.settings = session, settings
        self.orders, self.teller = orders, teller
        self.specs, self.depth = specs, depth
        self.emit, self.alarm = emit, alarm
        self.resolver = Resolver(session, settings, teller.names, hear)

    async def carry_out(self, intent: Intent, ask_first: bool, given_s: float) -> None:
        """One request of the chain.

        Parameters
        ----------
        ask_first : it may have been sent before. given_s : when we were asked, of the monotonic clock.
        """
        if intent.op == OP_CANCEL:
            for known in self.orders.resting(intent.symbol, intent.seq):
                await self.cancel(known)
        elif intent.op == OP_AMEND:
            await self._amend(intent, ask_first)
        else:
            await self._new(intent, ask_first, given_s)

    async def _new(self, intent: Intent, ask_first: bool, given_s: float) -> None:
        quote = self._touch(intent)
        known = self.orders.add(known_of(intent, quote))
        specs = self.specs[intent.symbol]
        reason = refusal(intent, specs, quote)
        if reason == OK and not intent.reduce_only:
            intent = self._cap(intent, known)
            reason = EXCHANGE_BUSY if self._no_room(intent) and not ask_first else await self._set_leverage(intent)
        if reason == OK and ask_first and await self.resolver.found_out(known, intent.time_ms):
            known.placed = True
            return
        if reason == OK and intent.expire_ms <= self.session.clock.now_ms():
            reason = EXPIRED
        if reason == OK:
            reason = await self._place(intent, known, given_s)
        if reason != OK and not known.over:
            kind = EV_CANCEL if reason == EXPIRED else EV_REJECT  # its life was over before it was sent
            self.emit(self.teller.refused(known, reason, self.session.clock.now_ms(), kind))

    def _no_room(self, intent: Intent) -> bool:
        """True for an entry that would wait for the rate limits: what protects would wait behind it in its lane."""
        wait_ms = self.session.budget.wait_ms(ENTRY, PLACE.weight, PLACE.orders)
        return not intent.reduce_only and wait_ms > self.settings.entry_wait_ms

    def _late(self, intent: Intent, given_s: float) -> bool:
        """True for an entry whose life is over, or that has waited so long that its price is another one."""
        waited_ms = (time.monotonic() - given_s) * 1e3
        over = intent.expire_ms <= self.session.clock.now_ms()
        return not intent.reduce_only and (over or waited_ms > NEVER_SENT_AFTER_MS)

    async def _amend(self, intent: Intent, ask_first: bool) -> None:
        """A resting limit is amended in place; a conditional order's successor rests before the old one is cancelled."""
        olds = self.orders.before(intent.symbol, intent.seq, intent.client_id)
        if any(k.orphan for k in olds):
            return  # an amend before this one was refused: the chain has been told that the order is over
        if intent.kind in CONDITIONAL:
            if olds and not any(k.triggered_ms for k in olds):  # what has triggered keeps its trigger
                await self._replace(intent, olds, ask_first)
        elif olds and olds[-1].kind in RESTING:
            await self._amend_limit(intent, olds[-1])

    async def _replace(self, intent: Intent, olds: list[Known], ask_first: bool) -> None:
        new = self.orders.add(known_of(intent, self._touch(intent)))
        there = ask_first and await self.resolver.found_out(new, intent.time_ms)
        if new.over:
            return  # found, and its life is over already; what followed it is none of its business
        reason = OK if there else await self._place(intent, new, time.monotonic())
        if reason != OK:
            for old in olds:
                old.orphan = True
            if not new.over:
                self.emit(self.teller.refused(new, reason, self.session.clock.now_ms()))
            return
        for old in olds:
            old.silent = True
            await self.cancel(old)

    async def _amend_limit(self, intent: Intent, old: Known) -> None:
        specs, name = self.specs[intent.symbol], self.teller.names[intent.symbol]
        try:
            params = {
                "symbol": name,
                "side": "BUY" if old.side > 0 else "SELL",
                "origClientOrderId": old.client_id,
                "quantity": on_grid(old.filled + intent.qty, float(specs["lot_step"]), "quantity"),
                "price": on_grid(intent.price, float(specs["tick_size"]), "price"),
            }
            await self.resolver.insist(Request(AMEND, params))
        except CallFailed as failed:
            if failed.outcome.kind not in (NOT_FOUND, ALREADY):
                self.alarm(1, f"amend:{old.client_id}", failed.outcome.text)
                await self.cancel(old)  # none rests at a price that the chain does not know
            return
        except OffGridError as error:
            self.alarm(1, "grid", str(error))
            await self.cancel(old)
            return
        old.price, old.qty = intent.price, old.filled + intent.qty

    async def cancel(self, known: Known) -> None:
        """Cancel one order; where the exchange knows none, find out what became of it."""
        if known.over:
            return
        try:
            await self.resolver.insist(cancel(self.teller.names[known.symbol], known.client_id, known.conditional))
        except CallFailed as failed:
            if failed.outcome.kind != NOT_FOUND:
                self.alarm(1, f"cancel:{known.client_id}", failed.outcome.text)
                known.again_ms = self.session.clock.now_ms() + self.settings.again_ms
            elif await self.resolver.exists(known) is False and not known.over:
                known.over = True
                if not known.silent:
                    self.emit(self.teller.refused(known, known.cause, self.session.clock.now_ms(), EV_CANCEL))

    async def _place(self, intent: Intent, known: Known, given_s: float) -> int:
        """Send an order until its fate is known; OK where it is at the exchange, else why not."""
        urgency = URGENT if intent.reduce_only else ENTRY
        tries, started = 0, time.monotonic()
        while True:
            try:
                request = place(intent, self.teller.names[intent.symbol], self.specs[intent.symbol], self._working)
            except OffGridError as error:
                self.alarm(2, "grid", str(error))
                return NON_FINITE
            if self._late(intent, given_s):
                return EXPIRED
            if self._no_room(intent):
                return EXCHANGE_BUSY
            sent_ms = self.session.clock.now_ms()
            outcome = await self._try(request, urgency)
            if outcome is None or outcome.kind == ALREADY:
                known.placed = True
                return OK
            if outcome.kind == TRIGGERS_NOW and intent.kind in CONDITIONAL:
                intent = as_market(intent)
                known.kind = MARKET
                continue
            if outcome.kind == UNKNOWN and await self.resolver.found_out(known, sent_ms):
                known.placed = True
                return OK
            tries += 1
            if not repeatable(outcome) or (outcome.kind == FATAL and not intent.reduce_only):
                return self._refused(outcome)
            if self.resolver.enough(tries, started, outcome.kind == RETRY and not intent.reduce_only):
                await self.resolver.mend_clock(outcome)
                return EXCHANGE_BUSY  # the chain asks for a refused entry again by itself
            await self.resolver.pause(outcome, tries)

    @property
    def _working(self) -> int:
        return self.settings.working_type

    async def _try(self, request: Request, urgency: int) -> "Outcome | None":
        """One attempt; None = there is an order."""
        try:
            answer = await self.session.call(request.endpoint, request.params, urgency)
        except CallFailed as failed:
            return failed.outcome
        name = "algoId" if request.endpoint is PLACE_ALGO else "orderId"
        return None if isinstance(answer, Mapping) and answer.get(name) else NO_ANSWER

    def _refused(self, outcome: Outcome) -> int:
        if outcome.kind == FATAL:
            self.alarm(2, f"fatal:{outcome.code}", outcome.text)
        return outcome.reason or NON_FINITE

    async def _set_leverage(self, intent: Intent) -> int:
        """Set the symbol's leverage where it differs; never more than the chain asked for."""
        i, leverage = intent.symbol, max(1, int(intent.leverage))
        if self.teller.leverage.get(i) == leverage:
            return OK
        request = Request(SET_LEVERAGE, {"symbol": self.teller.names[i], "leverage": leverage})
        try:
            answer = await self.resolver.insist(request)
        except CallFailed as failed:
            kind = failed.outcome.kind
            return EXCHANGE_BUSY if kind in (RETRY, UNKNOWN) else failed.outcome.reason or LEVERAGE
        self.teller.leverage[i] = float(answer["leverage"])
        return OK if int(answer["leverage"]) == leverage else LEVERAGE

    def _touch(self, intent: Intent) -> float:
        """The best price an order would take now; NaN where no book is known."""
        depth = self.depth(intent.symbol)
        if depth is None:
            return float("nan")
        return depth.ask if intent.side > 0 else depth.bid

    def _cap(self, intent: Intent, known: Known) -> Intent:
        depth = self.depth(intent.symbol)
        if intent.kind != MARKET or depth is None:
            return intent
        levels = depth.asks if intent.side > 0 else depth.bids
        tick = float(self.specs[intent.symbol]["tick_size"])
        cap = self.settings.slippage_cap
        intent = capped(intent, self._touch(intent), worst_price(levels, intent.qty), cap, tick)
        known.kind, known.price = intent.kind, intent.price
        return intent
