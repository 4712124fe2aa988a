"""One public WebSocket connection: subscribed in pieces, dialled anew when it is lost or falls silent."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from live.adapters.binance.session import CallFailed, Session


class Stream:
    """Holds a connection and its subscriptions.

    Parameters
    ----------
    names : streams, for example ``btcusdt@kline_1m``. hear : takes every event. lost : told when the connection is gone.
    silence_ms : without an event for so long it is dialled anew. piece : names in one message.

    Attributes
    ----------
    connected, connections, last_ms : the machine's monotonic milliseconds of the last event.
    """

    def __init__(
        self,
        session: Session,
        url: str,
        names: Sequence[str],
        hear: Callable[[Mapping[str, Any]], None],
        lost: Callable[[], None],
        silence_ms: int,
        piece: int,
    ) -> None:
        self.connected = False
        self.connections = 0
        self.dropped = 0  # connections closed for silence
        self._session, self._url, self._names = session, url, tuple(names)
        self._hear, self._lost = hear, lost
        self._silence_ms, self._piece = silence_ms, piece
        self._heard = False
        self._opened = asyncio.Event()

    async def run(self) -> None:
        """Connect, hold, connect again; never returns."""
        self._session.route(self._url, self._on_event, self._on_open)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._hold())
            tasks.create_task(self._subscribe())
            tasks.create_task(self._watch())

    async def _hold(self) -> None:
        while True:
            try:
                await self._session.hold(self._url)
            except CallFailed:
                was, self.connected = self.connected, False
                if was:
                    self._lost()
            await asyncio.sleep(self._session.settings.redial_ms / 1e3)

    async def _subscribe(self) -> None:
        """Ask for every stream on each new connection."""
        while True:
            await self._opened.wait()
            self._opened.clear()
            for k in range(0, len(self._names), self._piece):
                names = list(self._names[k : k + self._piece])
                try:
                    await self._session.send(self._url, {"method": "SUBSCRIBE", "params": names, "id": k + 1})
                except Exception:  # whatever a socket raises: the connection is gone and will be made anew
                    await self._session.drop(self._url)
                    break

    async def _watch(self) -> None:
        """Close a connection that has fallen silent: some die without a word."""
        while True:
            self._heard = False
            await asyncio.sleep(self._silence_ms / 1e3)
            if self.connected and not self._heard:
                self.dropped += 1
                await self._session.drop(self._url)

    async def redial(self) -> None:
        """Drop the connection; ``run`` makes the next."""
        await self._session.drop(self._url)

    def _on_open(self) -> None:
        self.connected = True
        self.connections += 1
        self._opened.set()

    def _on_event(self, data: Mapping[str, Any]) -> None:
        self._heard = True
        self._hear(data)
