"""The control object of a simulated exchange: it starts the server, walks the bars and causes faults.

A bar is walked as the backtester walks it: ``open_bar``, then ``step`` for every event of the venue (each is pushed to the
user stream before the next is looked for, so what the client answers meanwhile takes effect inside the bar), then
``close_bar``, which publishes the closed candles.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from live.testing import faults as f
from live.testing.account_rows import margin_call_event
from live.testing.control import add_control
from live.testing.events import tell, tell_triggers
from live.testing.server import Server
from live.testing.settings import Settings
from live.testing.simulation import Simulation
from live.testing.sockets import Sockets
from live.testing.streams import Streams
from qt_core.market import Market

HOST = "127.0.0.1"
NO_WAIT_S = 0.0
MAX_BODY = 1 << 20

Settle = Callable[[], Awaitable[None]]


class Exchange:
    """One simulated exchange on loopback; ``sim`` is its state."""

    def __init__(self, market: Market, settings: Settings | None = None) -> None:
        self.sim = Simulation(market, settings or Settings())
        self.sockets = Sockets(self.sim)
        self.server = Server(self.sim, self.sockets)
        self.streams = Streams(self.sim)
        self.port = 0
        self._runner: web.AppRunner | None = None
        self._running: asyncio.Task[None] | None = None

    # --- server ----------------------------------------------------------------------------------------------------
    async def start(self, port: int = 0) -> None:
        """Listen on loopback; port 0 takes a free one, ``self.port`` says which.

        After ``stop`` it may be started again on the same port: an exchange that was away and has forgotten nothing.
        """
        self.server.stopping.clear()
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_get("/{category}/ws", self.sockets.serve)
        app.router.add_get("/{category}/ws/{name}", self.sockets.serve)  # a stream's number, or a listen key
        app.router.add_route("*", "/fapi/{rest:.*}", self.server.serve)
        add_control(app, self)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=NO_WAIT_S)
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, port)
        await site.start()
        self.port = int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Close every connection and stop listening."""
        await self.pause()
        self.server.stopping.set()
        await self.sockets.close()
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def ccxt_urls(self) -> dict[str, Any]:
        """What ``client.urls["api"]`` of ccxt's binanceusdm is replaced with."""
        versions = {"": "v1", "V2": "v2", "V3": "v3"}
        rest = {f"fapi{who}{v}": f"{self.url}/fapi/{n}" for who in ("Public", "Private") for v, n in versions.items()}
        socket = f"ws://{HOST}:{self.port}/ws"
        return {**rest, "fapiData": f"{self.url}/futures/data", "ws": {"linear": socket}}

    # --- bars ------------------------------------------------------------------------------------------------------
    @property
    def has_next(self) -> bool:
        return self.sim.matching.has_next

    async def open_bar(self) -> None:
        """Open the next bar: the clock moves to it, its opening prices are published."""
        matching = self.sim.matching
        if matching.in_bar or not matching.has_next:
            raise RuntimeError("the bar is open already" if matching.in_bar else "no bar is left")
        matching.begin()
        self.sim.clock.replay_ms = matching.bar_open_ms()
        await self._publish()

    async def step(self) -> bool:
        """Match and push the next event of the open bar; False when there is no more."""
        event = self.sim.matching.match()
        if event is None:
            return False
        tell(self.sim, event)
        await self.sockets.flush()
        return True

    async def close_bar(self) -> None:
        """Close the bar: the clock moves to its end; closed candles, marks and books are published."""
        tell_triggers(self.sim)
        self.sim.matching.end()
        self.sim.clock.replay_ms = self.sim.matching.bar_open_ms()
        called = self.sim.account.called()
        if called:
            self.sim.tell(margin_call_event(self.sim.account, called, self.sim.now_ms()))
        await self.sockets.flush()
        await self._publish()
        self.sim.faults.missing -= type(self.sim.faults.missing)(list(self.sim.faults.missing))

    async def advance(self, settle: Settle | None = None) -> None:
        """One whole bar; ``settle`` is awaited after every event and after the closed candles."""
        await self.open_bar()
        while await self.step():
            await _settled(settle)
        await self.close_bar()
        await _settled(settle)

    async def heard(self) -> bool:
        """Wait until every client has read what was pushed and no request is being answered; False: one is silent.

        A driver in lockstep awaits it before it asks whether its client has come to rest.
        """
        silent = await self.sockets.heard()
        while self.server.in_flight:
            await asyncio.sleep(0)
        return silent == 0

    async def _publish(self) -> None:
        for stream in self.sockets.wanted():
            for frame in self.streams.frames(stream):
                await self.sockets.publish(stream, frame)

    # --- free running ----------------------------------------------------------------------------------------------
    def run(self, bars_per_second: float, reaction_s: float = 0.0) -> None:
        """Walk bars by the wall clock until ``pause``, ``stop`` or the end of the market.

        ``reaction_s`` is the time (s) a client has after each event to answer inside the bar.
        """
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run(1.0 / bars_per_second, reaction_s))

    async def _run(self, seconds: float, reaction_s: float) -> None:
        async def settle() -> None:
            await asyncio.sleep(reaction_s)

        while self.has_next:
            await self.advance(settle)
            await asyncio.sleep(seconds)

    async def pause(self) -> None:
        """Stop walking; an open bar is finished first."""
        running, self._running = self._running, None
        if running is not None:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        if self.sim.matching.in_bar:
            while await self.step():
                pass
            await self.close_bar()

    # --- faults ----------------------------------------------------------------------------------------------------
    def plan(self, kind: str, count: int = 1, method: str = "", path: str = "", **values: Any) -> None:
        """Order a fault for the next requests or user events; see ``live.testing.faults``."""
        self.sim.faults.plan(kind, count, method, path, **values)

    @property
    def happened(self) -> dict[str, int]:
        """How often each fault has actually happened."""
        return dict(self.sim.faults.happened)

    async def disconnect(self, category: str = "") -> int:
        """Cut the WebSockets of a category (market, public, private) or all; how many there were."""
        n = await self.sockets.close(category)
        self.sim.faults.happened[f.DISCONNECT] += n
        return n

    def mute(self, category: str, on: bool = True) -> None:
        """WebSockets of a category stay connected but say nothing, until it is taken back."""
        (self.sockets.muted.add if on else self.sockets.muted.discard)(category)

    async def expire_listen_key(self) -> None:
        """The keys in force end now; their streams say so and fall silent."""
        for key in list(self.sim.listen_keys):
            now = self.sim.now_ms()
            await self.sockets.send_private(json.dumps({"e": "listenKeyExpired", "E": now, "listenKey": key}))
            self.sim.faults.note(f.EXPIRE_KEY)
        self.sim.listen_keys.clear()

    def hold_candles(self, symbol: str) -> None:
        """Candles of ``symbol`` are late from now on: neither stream nor REST has them until ``release_candles``."""
        c = self.sim.by_name[symbol]
        self.sim.candles.hidden.setdefault(c.index, self.sim.candles.known_bars(c.index))

    async def release_candles(self, symbol: str) -> None:
        """The late candles arrive."""
        index = self.sim.by_name[symbol].index
        first = self.sim.candles.hidden.pop(index, None)
        if first is None:
            return
        last = self.sim.candles.known_bars(index) - 1
        for stream in self.sockets.wanted():
            if stream.startswith(f"{symbol.lower()}@kline_"):
                for frame in self.streams.late(stream, first, last):
                    await self.sockets.publish(stream, frame)

    def miss_candles(self, symbol: str, count: int = 1) -> None:
        """The next ``count`` closed candles of ``symbol`` are not pushed; REST has them."""
        self.sim.faults.missing[self.sim.by_name[symbol].index] += count

    def set_status(self, symbol: str, status: str) -> None:
        """Another trading status, for example ``BREAK``; ``TRADING`` gives it back."""
        self.sim.by_name[symbol].status = status

    def set_venue(self, **values: float) -> None:
        """Other venue parameters from now on, for example ``participation=0.001`` for partial fills."""
        config = self.sim.matching.config.with_values({f"venue.{k}": v for k, v in values.items()})
        self.sim.matching.set_params(config)

    def skew_clock(self, ms: int) -> None:
        """The server's clock says so much more than its own time."""
        self.sim.clock.skew_ms = ms

    def maintenance(self, on: bool) -> None:
        """Every REST request is answered with 503."""
        self.sim.faults.maintenance = on

    def futures_permission(self, on: bool) -> None:
        """Whether the key may trade futures; without, signed requests are answered with -2015."""
        self.sim.faults.futures_permission = on

    def hedge_mode(self, on: bool) -> None:
        """Another position mode, as if a person had changed it."""
        self.sim.account.hedge = on


async def _settled(settle: Settle | None) -> None:
    if settle is not None:
        await settle()
