"""WebSocket connections: who listens to what, and sending it to them, with the faults of the user stream on the way."""

import asyncio
import itertools
import json
from typing import Any

from aiohttp import WSMsgType, web

from live.testing import faults as f
from live.testing.rest.listen_keys import valid
from live.testing.simulation import Simulation

CATEGORIES = ("market", "public", "private")
PUBLIC_CHANNELS = ("depth", "bookTicker", "trade")  # served under /public, everything else under /market
PATIENCE_S = 5.0  # for the answer to a ping; who takes longer is taken for dead
BAD_REQUEST = {"code": 2, "msg": "Invalid request: unknown method"}


class Connection:
    """One open WebSocket."""

    def __init__(self, category: str, socket: web.WebSocketResponse, key: str) -> None:
        self.category, self.socket, self.key = category, socket, key
        self.streams: dict[str, None] = {}  # in the order of subscription
        self.pings: dict[bytes, asyncio.Future[None]] = {}

    def answered(self, number: bytes) -> None:
        """A pong has come."""
        future = self.pings.pop(number, None)
        if future is not None and not future.done():
            future.set_result(None)


def category_of(stream: str) -> str:
    """Under which path a stream is served."""
    channel = stream.partition("@")[2] or stream.lstrip("!")
    return "public" if channel.startswith(PUBLIC_CHANNELS) else "market"


class Sockets:
    """Every connection of one exchange."""

    def __init__(self, x: Simulation) -> None:
        self.x = x
        self.open: list[Connection] = []
        self.held: str | None = None  # a user event that waits for its successor (a fault)
        self.muted: set[str] = set()  # categories that are connected but say nothing (a fault)
        self._numbers = itertools.count(1)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """One connection, from handshake to close."""
        category = request.match_info["category"]
        key = request.query.get("listenKey", request.match_info.get("name", ""))
        if category not in CATEGORIES or (category == "private" and not valid(self.x, key)):
            raise web.HTTPUnauthorized(text="unknown path or listen key")
        socket = web.WebSocketResponse(autoping=False)  # pongs are listened for, see heard
        await socket.prepare(request)
        connection = Connection(category, socket, key)
        self.open.append(connection)
        try:
            async for message in socket:
                if message.type == WSMsgType.TEXT:
                    await socket.send_json(self._answer(connection, message.data))
                elif message.type == WSMsgType.PING:
                    await socket.pong(message.data)
                elif message.type == WSMsgType.PONG:
                    connection.answered(bytes(message.data))
        finally:
            self.open.remove(connection)
            for number in list(connection.pings):
                connection.answered(number)
        return socket

    def _answer(self, connection: Connection, text: str) -> dict[str, Any]:
        try:
            asked = json.loads(text)
        except ValueError:
            return {"error": BAD_REQUEST, "id": None}
        number, names = asked.get("id"), asked.get("params") or []
        if asked.get("method") == "SUBSCRIBE":
            connection.streams.update(dict.fromkeys(names))
        elif asked.get("method") == "UNSUBSCRIBE":
            for name in names:
                connection.streams.pop(name, None)
        elif asked.get("method") == "LIST_SUBSCRIPTIONS":
            return {"result": list(connection.streams), "id": number}
        else:
            return {"error": BAD_REQUEST, "id": number}
        return {"result": None, "id": number}

    def wanted(self) -> list[str]:
        """Streams that somebody listens to under the right path, in the order in which they were first asked for."""
        names: dict[str, None] = {}
        for c in self.open:
            names.update(dict.fromkeys(s for s in c.streams if category_of(s) == c.category))
        return list(names)

    async def publish(self, stream: str, message: Any) -> None:
        """One public frame."""
        text = json.dumps(message)
        for c in list(self.open):
            if c.category == category_of(stream) and stream in c.streams:
                await self._send(c, text)

    async def flush(self) -> int:
        """Send the user events that wait; how many there were."""
        waiting, self.x.outbox = self.x.outbox, []
        for event in waiting:
            await self._user_event(event)
        return len(waiting)

    async def _user_event(self, event: dict[str, Any]) -> None:
        text = json.dumps(event)
        fault = self.x.faults.take(f.EVENT_FAULTS, "", str(event["e"]))
        kind = fault.kind if fault else ""
        if kind == f.DROP_EVENT:
            return
        if kind == f.REORDER_EVENT and self.held is None:
            self.held = text
            return
        for _ in range(2 if kind == f.DUPLICATE_EVENT else 1):
            await self.send_private(text)
        if self.held is not None:
            late, self.held = self.held, None
            await self.send_private(late)

    async def send_private(self, text: str) -> None:
        for c in list(self.open):
            if c.category == "private" and valid(self.x, c.key):
                await self._send(c, text)

    async def _send(self, c: Connection, text: str) -> None:
        if c.category in self.muted:
            self.x.faults.note(f.MUTED)
        elif not c.socket.closed:
            try:
                await c.socket.send_str(text)
            except ConnectionError:  # gone without a goodbye
                await c.socket.close()

    async def heard(self) -> int:
        """Wait until every connection has read what was sent to it: it answers a ping behind it. How many did not."""
        asked = {}
        for c in list(self.open):
            number = str(next(self._numbers)).encode()
            asked[number] = c.pings[number] = asyncio.get_running_loop().create_future()
            try:
                await c.socket.ping(number)
            except ConnectionError:
                c.answered(number)
        if not asked:
            return 0
        _, silent = await asyncio.wait(asked.values(), timeout=PATIENCE_S)
        return len(silent)

    async def close(self, category: str = "") -> int:
        """Cut connections (of a category, or all); how many there were."""
        chosen = [c for c in self.open if category in ("", c.category)]
        for c in chosen:
            await c.socket.close()
        return len(chosen)
