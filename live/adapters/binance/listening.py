"""The user stream's connection: a listen key, kept alive by a timer of our own, dialled anew whenever it is lost."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from live.adapters.binance.budget import URGENT
from live.adapters.binance.outcomes import FATAL, classify
from live.adapters.binance.session import KEEP_ALIVE, LISTEN, CallFailed, Session
from live.errors import LiveError


class Listener:
    """Holds one connection and says when it was made anew.

    Attributes
    ----------
    connected : the stream is open. connections : how often it was opened.
    """

    def __init__(
        self,
        session: Session,
        keep_alive_ms: int,
        hear: Callable[[Mapping[str, Any]], None],
        opened: Callable[[], None],
        alarm: Callable[[int, str, str], None],
    ) -> None:
        self.connected = False
        self.connections = 0
        self._session, self._keep_alive_ms = session, keep_alive_ms
        self._hear, self._opened, self._alarm = hear, opened, alarm
        self._first = asyncio.Event()
        self._url = ""
        self._key_ms = 0

    async def run(self) -> None:
        """Connect, hold, connect again; never returns."""
        while True:
            try:
                answer = await self._session.call(LISTEN, urgency=URGENT)
                self._key_ms = self._session.clock.now_ms()
                self._url = self._session.user_url(answer["listenKey"])
                self._session.route(self._url, self._hear, self._on_open)
                await self._session.hold(self._url)
            except CallFailed as failed:
                outcome = failed.outcome
            except (KeyError, TypeError) as error:  # an answer without a key
                outcome = classify(error)
            self.connected = False
            self._session.unroute(self._url)
            if outcome.kind == FATAL:
                self._alarm(2, "user_stream", outcome.text)
            await asyncio.sleep(self._session.settings.redial_ms / 1e3)

    def _on_open(self) -> None:
        self.connected = True
        self.connections += 1
        self._first.set()
        self._opened()

    async def wait_open(self) -> None:
        """Return once the first connection is made.

        Raises
        ------
        LiveError
            Where it takes too long.
        """
        settings = self._session.settings
        try:
            async with asyncio.timeout((settings.timeout_ms + settings.dial_ms) / 1e3):
                await self._first.wait()
        except TimeoutError:
            raise LiveError("binance: the user stream cannot be opened") from None

    async def keep_alive(self) -> None:
        """Extend the listen key where it is due; a key that is gone makes a new connection."""
        if not self.connected or self._session.clock.now_ms() - self._key_ms < self._keep_alive_ms:
            return
        self._key_ms = self._session.clock.now_ms()
        try:
            await self._session.call(KEEP_ALIVE, urgency=URGENT)
        except CallFailed:
            await self.renew()

    async def renew(self) -> None:
        """Drop the connection: the next one asks for a key."""
        self.connected = False
        await self._session.drop(self._url)
