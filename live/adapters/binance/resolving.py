"""Asking before anything is repeated: does the exchange know an order, may a request be sent again, and how often."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

from live.adapters.binance.budget import BANNED, URGENT
from live.adapters.binance.frames import Conditional, Fact, from_algo, from_order
from live.adapters.binance.orders import Known
from live.adapters.binance.outcomes import CLOCK_CODES, NOT_FOUND, RETRY, UNKNOWN, Outcome
from live.adapters.binance.requests import Request
from live.adapters.binance.session import ALGO_ORDER, ORDER, CallFailed, Endpoint, Session
from live.adapters.binance.settings import BrokerSettings


class Resolver:
    """Finds out what became of a request.

    Parameters
    ----------
    names : symbol by index. hear : takes facts that an answer stated.

    Attributes
    ----------
    retried : requests sent once more. resolved : unknown outcomes that were asked for.
    """

    def __init__(
        self, session: Session, settings: BrokerSettings, names: Mapping[int, str], hear: Callable[[Fact], None]
    ) -> None:
        self.session, self.settings = session, settings
        self.retried = 0
        self.resolved = 0
        self._names, self._hear = names, hear

    async def found_out(self, known: Known, sent_ms: int) -> bool:
        """Ask until the order is found, or a late copy of the request could not be accepted any more."""
        self.resolved += 1
        window = self.session.settings.recv_window_ms + self.settings.unknown_ms
        last_ms = sent_ms if known.conditional else sent_ms + window  # a conditional order's id cannot be taken twice
        while True:
            there = await self.exists(known)
            if there or (there is False and self.session.clock.now_ms() >= last_ms):
                return bool(there)
            await asyncio.sleep(self.settings.unknown_ms / 1e3)

    async def exists(self, known: Known, made_only: bool = False) -> "bool | None":
        """Whether the exchange knows the order, as either kind; None where it does not say.

        ``made_only``: of a conditional order, whether it has become an order in the matching engine.
        """
        kinds: tuple[tuple[Endpoint, str], ...] = ((ORDER, "origClientOrderId"), (ALGO_ORDER, "clientAlgoId"))
        unsure = False
        for endpoint, name in kinds[::-1] if known.conditional or known.kind == 0 else kinds[:1]:
            params = {"symbol": self._names[known.symbol], name: known.client_id}
            try:
                row = await self.session.call(endpoint, params, URGENT)
            except CallFailed as failed:
                unsure |= failed.outcome.kind != NOT_FOUND
                continue
            if isinstance(row, Mapping) and "symbol" in row:
                fact = from_order(row) if endpoint is ORDER else from_algo(row)
                if fact is not None:
                    self._hear(fact)
                if made_only and isinstance(fact, Conditional) and not fact.order_id:
                    continue
                return True
            unsure = True
        return None if unsure else False

    async def insist(self, request: Request) -> Any:
        """A cancel or an amend: repeating one changes nothing, so whatever may pass is tried again."""
        tries, started = 0, time.monotonic()
        while True:
            try:
                return await self.session.call(request.endpoint, request.params, URGENT)
            except CallFailed as failed:
                tries += 1
                if not repeatable(failed.outcome) or self.enough(tries, started, False):
                    raise
                await self.pause(failed.outcome, tries)

    def enough(self, tries: int, started: float, refuse_at_once: bool) -> bool:
        """True where a request has been repeated often and long enough."""
        long = (time.monotonic() - started) * 1e3 > self.settings.patience_ms
        return refuse_at_once or (tries > self.settings.max_retries and long)

    async def pause(self, outcome: Outcome, tries: int) -> None:
        self.retried += 1
        await self.mend_clock(outcome)
        doubled = self.settings.retry_ms * 2 ** min(tries - 1, 10)
        await asyncio.sleep(min(doubled, self.settings.retry_cap_ms) / 1e3)

    async def mend_clock(self, outcome: Outcome) -> None:
        if outcome.code in CLOCK_CODES:
            try:
                await self.session.set_clock(URGENT)  # a stop may wait for it
            except CallFailed:
                return  # the next attempt says the same again


def repeatable(outcome: Outcome) -> bool:
    """True where a request that protects, reduces or cancels is sent again; a ban is waited out, the budget sees to that."""
    return outcome.kind in (RETRY, UNKNOWN) or outcome.code == BANNED
