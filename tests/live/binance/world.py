"""A broker on a running exchange: real ccxt, real sockets, the engine's own matching."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import numpy as np

from live.adapters.binance.broker import BinanceBroker, Resume, World
from live.adapters.binance.session import Session
from live.adapters.binance.settings import BrokerSettings, ConnectionSettings
from live.ids import make_id
from live.ports import Alert, Intent, VenueEvent
from live.secrets import Keys, Secret
from live.testing.exchange import Exchange
from live.testing.settings import API_KEY, SECRET, Settings
from qt_core.codes import EVENT_NAMES, MARKET, OP_AMEND, OP_CANCEL, OP_NEW, STOP, TAG_ENTRY, TAG_SL
from qt_core.market import Market
from tests.engine.tables import QUIET, market_of
from tests.live.quick import QUICK as REPLAYED

NAME, RUN = "AAAUSDT", "run001"
QUICK = REPLAYED._replace(retry_cap_ms=50, patience_ms=3_000, submit_wait_ms=300)
PATIENCE, TURN_S = 1_000, 0.003
NEVER = 2**63 - 1


def intent(seq: int, kind: int = MARKET, side: int = 1, qty: float = 1.0, **more: Any) -> Intent:
    """One request; an entry unless it says otherwise."""
    given: dict[str, Any] = {
        "op": OP_NEW, "symbol": 0, "seq": seq, "kind": kind, "side": side, "tag": TAG_ENTRY, "reduce_only": 0, "qty": qty,
        "price": 0.0, "trigger": 0.0, "leverage": 5.0, "callback": 0.0, "activation": 0.0, "time_ms": 1_700_000_000_000,
        "expire_ms": NEVER, "approved": 1,
    } | more  # fmt: skip
    if given["reduce_only"]:
        given |= {"leverage": 1.0, "approved": 0}
    name = more.get("name", NAME)
    given.pop("name", None)
    given["client_id"] = make_id(RUN, given["time_ms"], name, given["op"], given["tag"], seq)
    return Intent(**given)


def stop(seq: int, trigger: float, qty: float = 1.0, side: int = -1, **more: Any) -> Intent:
    """A protecting stop."""
    return intent(seq, STOP, side, qty, trigger=trigger, reduce_only=1, **({"tag": TAG_SL} | more))


def amended(old: Intent, time_ms: int = 1_700_000_060_000, **more: Any) -> Intent:
    """An amend of an order."""
    new = old._replace(op=OP_AMEND, time_ms=time_ms, **more)
    return new._replace(client_id=make_id(RUN, time_ms, NAME, OP_AMEND, new.tag, new.seq))


def cancelled(old: Intent, time_ms: int = 1_700_000_060_000) -> Intent:
    """A cancel of an order."""
    return old._replace(
        op=OP_CANCEL, client_id=make_id(RUN, time_ms, NAME, OP_CANCEL, old.tag, old.seq), side=0, qty=0.0
    )


class Scene:
    """Exchange, broker, and what it has told."""

    def __init__(self, exchange: Exchange, broker: BinanceBroker) -> None:
        self.exchange, self.broker = exchange, broker
        self.events: list[VenueEvent] = []
        self.alerts: list[Alert] = []
        self.error: Exception | None = None
        self._task: asyncio.Task[None] | None = None

    def send(self, alert: Alert) -> None:
        self.alerts.append(alert)

    def listen(self) -> None:
        """Take events from here on."""
        self._task = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        try:
            async for event in self.broker.events():
                self.events.append(event)
        except Exception as error:
            self.error = error

    async def submit(self, *intents: Intent, ask_first: bool = False) -> None:
        """Send and wait until the lanes are empty."""
        async with asyncio.timeout(20.0):
            await self.broker.submit(intents, ask_first)
        assert await self.broker.lanes.drain(20.0)

    async def advance(self, bars: int = 1) -> None:
        """Walk bars; the broker hears each event before the next is looked for."""
        for _ in range(bars):
            await self.exchange.advance(self.settle)
            await self.broker.session.set_clock()

    async def enter(self) -> None:
        """Order 1 buys one at the market and fills in the next bar."""
        await self.submit(intent(1))
        await self.advance()

    async def settle(self) -> None:
        """Give the sockets a few turns, and the lanes the time they need."""
        for _ in range(3):
            await asyncio.sleep(TURN_S)
            await self.broker.lanes.drain(20.0)

    async def settle_turn(self) -> None:
        """A few turns without waiting for the lanes."""
        await asyncio.sleep(10 * TURN_S)

    async def until(self, said: Callable[[], Any], what: str = "") -> Any:
        """Wait until ``said()`` is true; waiting in vain fails."""
        for _ in range(PATIENCE):
            if answer := said():
                return answer
            if self.error is not None:
                raise self.error
            await asyncio.sleep(TURN_S)
        raise AssertionError(f"waited in vain {what}; told {self.told()}; alerts {self.alerts}")

    async def wait(self, n: int) -> list[VenueEvent]:
        """The events once there are ``n``."""
        await self.until(lambda: len(self.events) >= n, f"for {n} events")
        return self.events

    def told(self) -> list[tuple[str, int, float]]:
        """Kind, number and quantity of every event."""
        return [(EVENT_NAMES[int(e.row["kind"])], int(e.row["seq"]), float(e.row["qty"])) for e in self.events]

    def resting(self) -> list[str]:
        """Client ids that rest at the exchange."""
        x = self.exchange.sim.orders
        return [o.client_id for o in x.open_orders()] + [a.client_id for a in x.open_algos()]

    def asked(self, path: str, method: str = "") -> list[Any]:
        """Parameters of the requests that reached the exchange."""
        return [p for m, where, p in self.exchange.server.requests if where.endswith(path) and method in ("", m)]

    async def end(self) -> None:
        await self.broker.close()
        if self._task is not None:
            await self._task


def broker_on(
    exchange: Exchange,
    settings: BrokerSettings = QUICK,
    resume: Resume | None = None,
    world: World | None = None,
    **more: Any,
) -> BinanceBroker:
    """A broker for the exchange, not opened."""
    connection = ConnectionSettings(
        rest_url=exchange.url, ws_url=f"ws{exchange.url.removeprefix('http')}", timeout_ms=more.pop("timeout_ms", 2_000),
        recv_window_ms=100, redial_ms=10, linger_ms=5, clock_samples=1, skew_warn_ms=10**15, **more,
    )  # fmt: skip
    keys = Keys(Secret(API_KEY), Secret(SECRET))
    market = exchange.sim.market
    return BinanceBroker(
        Session(connection, keys), market.symbols, np.asarray(market.specs), RUN, settings, world, resume=resume
    )


@asynccontextmanager
async def trading(
    rows: "Sequence[Any] | Market" = (QUIET,) * 8,
    settings: BrokerSettings = QUICK,
    resume: Resume | None = None,
    connection: dict[str, Any] | None = None,
    world: World | None = None,
    **exchange_settings: Any,
) -> AsyncIterator[Scene]:
    """An opened broker on a running exchange."""
    market = rows if isinstance(rows, Market) else market_of({NAME: list(rows)})
    exchange = Exchange(market, Settings(**({"venue": {"slippage": 0.0, "participation": 0.0}} | exchange_settings)))
    await exchange.start()
    scene = Scene(exchange, broker_on(exchange, settings, resume, world, **(connection or {})))
    scene.broker._alerts = scene
    try:
        await scene.broker.open()
        scene.listen()
        yield scene
    finally:
        await scene.end()
        await exchange.stop()


def play(scene: Callable[[], Awaitable[None]]) -> None:
    """Run one scene to its end; a task or a message left behind fails."""

    async def run() -> None:
        await asyncio.wait_for(scene(), 60.0)
        await asyncio.sleep(0)
        left = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
        for _ in range(50):  # aiohttp finishes closing its sockets in a few turns
            left = [t for t in left if not t.done()]
            if not left:
                break
            await asyncio.sleep(TURN_S)
        assert left == []

    asyncio.run(run())
