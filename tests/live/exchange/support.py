"""A running exchange and an unmodified ccxt client on it, for one test."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import ccxt.pro as ccxtpro

from live.testing.exchange import Exchange
from live.testing.settings import API_KEY, SECRET, Settings
from qt_core.market import Market
from tests.engine.tables import QUIET, Rows, market_of

SYMBOL, PAIR = "AAAUSDT", "AAA/USDT:USDT"
PLAIN = {"slippage": 0.0, "participation": 0.0}
PATIENCE = 500  # turns of the loop that something may take to arrive
TURN_S = 0.002


def quiet_market(n_bars: int = 6, extra: Rows | None = None, **more: Any) -> Market:
    """Bars near 100 of one contract, or the rows given."""
    rows = extra if extra is not None else {SYMBOL: [QUIET] * n_bars}
    return market_of(rows, **more)


def client_of(urls: dict[str, Any], options: Mapping[str, Any] | None = None, **more: Any) -> Any:
    """ccxt's own binanceusdm, pointed at the exchange; nothing of it is replaced but the addresses."""
    config = {"apiKey": API_KEY, "secret": SECRET, "enableRateLimit": False, **more}
    client = ccxtpro.binanceusdm(config)
    client.urls["api"] = urls
    client.has["fetchCurrencies"] = False
    client.options["warnOnFetchOpenOrdersWithoutSymbol"] = False
    client.options["watchPositions"] = {"fetchPositionsSnapshot": False, "awaitPositionsSnapshot": False}
    client.options.update(options or {})
    return client


@asynccontextmanager
async def running(market: Market, isolated: bool = True, **settings: Any) -> Any:
    """Yield (exchange, client); the contracts are isolated at leverage 10 unless told otherwise."""
    given = {"venue": PLAIN, "first_bar": 1, **settings}
    exchange = Exchange(market, Settings(**given))
    await exchange.start()
    client = client_of(exchange.ccxt_urls)
    try:
        await client.load_markets()
        if isolated:
            for name in exchange.sim.account.margin_type:
                exchange.sim.account.margin_type[name] = "ISOLATED"
                exchange.sim.account.leverage[name] = 10
        yield exchange, client
        assert exchange.server.defects == []
    finally:
        await client.close()
        await exchange.stop()


def play(scene: Callable[[], Awaitable[None]]) -> None:
    """Run one scene to its end."""
    asyncio.run(scene())  # type: ignore[arg-type]


async def until(said: Callable[[], Any], what: str = "") -> Any:
    """Wait until ``said()`` is true; a test that waits in vain fails."""
    for _ in range(PATIENCE):
        answer = said()
        if answer:
            return answer
        await asyncio.sleep(TURN_S)
    raise AssertionError(f"waited in vain {what}")


class UserStream:
    """The raw user stream, read beside ccxt's parsing."""

    def __init__(self, exchange: Exchange, client: Any) -> None:
        self.exchange, self.client = exchange, client
        self.events: list[dict[str, Any]] = []
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "UserStream":
        key = (await self.client.fapiPrivatePostListenKey())["listenKey"]
        url = f"{self.exchange.url}/private/ws?listenKey={key}"
        self._socket = await self.client.session.ws_connect(url)
        self._task = asyncio.create_task(self._read())
        return self

    async def _read(self) -> None:
        async for message in self._socket:
            self.events.append(message.json())

    async def __aexit__(self, *exc: object) -> None:
        await self._socket.close()
        if self._task is not None:
            await self._task

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [e for e in self.events if e["e"] == kind]

    async def wait(self, kind: str, n: int = 1) -> list[dict[str, Any]]:
        """The first events of a kind, once there are ``n``."""
        await until(lambda: len(self.of(kind)) >= n, f"for {n} {kind}, got {[e['e'] for e in self.events]}")
        return self.of(kind)


@asynccontextmanager
async def streaming(market: Market, **more: Any) -> Any:
    """Yield (exchange, client, stream): ``running`` with the user stream open."""
    async with running(market, **more) as (exchange, client), UserStream(exchange, client) as stream:
        yield exchange, client, stream
