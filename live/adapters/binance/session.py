"""ccxt's exchange and every call made through it: budget, timeout, and an error that carries its outcome and no secret.

The endpoints are called by ccxt's implicit methods, one per path of the exchange: ccxt signs, sends and reads the
answer; what is sent and what came back are the exchange's own words. Its unified methods would round what is on the
grid already, lose fields (``algoStatus``), and send stops given as nested dictionaries as text.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import ccxt.pro

from live.adapters.binance.budget import CALM, Budget
from live.adapters.binance.outcomes import CLOCK_CODES, UNKNOWN, Outcome, classify
from live.adapters.binance.settings import BudgetSettings, ConnectionSettings
from live.secrets import Keys, guard_logging
from qt_core.codes import OK

SECTIONS = {"fapiPublic": "v1", "fapiPrivate": "v1", "fapiPrivateV2": "v2", "fapiPrivateV3": "v3"}
CUT_OFF = "an answer that breaks off"
SLACK_MS = 1_000  # ccxt's own timeout comes first: it closes its connection properly


class CallFailed(Exception):  # noqa: N818  what it is called in the adapters' own words
    """A request did not succeed; ``outcome`` says what that means."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.text)
        self.outcome = outcome


Frames = Callable[[Mapping[str, Any]], None]


log = logging.getLogger(__name__)


class Endpoint(NamedTuple):
    """One path of the exchange."""

    method: str  # ccxt's implicit method
    weight: float  # request weight as documented
    orders: float = 0.0  # counts against the order limits


TIME = Endpoint("fapiPublicGetTime", 1)
INFO = Endpoint("fapiPublicGetExchangeInfo", 1)
KLINES = Endpoint("fapiPublicGetKlines", 5)
MARK_KLINES = Endpoint("fapiPublicGetMarkPriceKlines", 5)
FUNDING_RATE = Endpoint("fapiPublicGetFundingRate", 1)
DEPTH = Endpoint("fapiPublicGetDepth", 20)
LISTEN = Endpoint("fapiPrivatePostListenKey", 1)
KEEP_ALIVE = Endpoint("fapiPrivatePutListenKey", 1)
ACCOUNT_CONFIG = Endpoint("fapiPrivateGetAccountConfig", 5)
SYMBOL_CONFIG = Endpoint("fapiPrivateGetSymbolConfig", 5)
FEE_BURN = Endpoint("fapiPrivateGetFeeBurn", 1)
SET_ONE_WAY = Endpoint("fapiPrivatePostPositionSideDual", 1)
SET_MARGIN = Endpoint("fapiPrivatePostMarginType", 1)
SET_LEVERAGE = Endpoint("fapiPrivatePostLeverage", 1)
ACCOUNT = Endpoint("fapiPrivateV3GetAccount", 5)
POSITIONS = Endpoint("fapiPrivateV3GetPositionRisk", 5)
OPEN_ORDERS = Endpoint("fapiPrivateGetOpenOrders", 40)
OPEN_ALGO = Endpoint("fapiPrivateGetOpenAlgoOrders", 40)
ORDER = Endpoint("fapiPrivateGetOrder", 1)
ALGO_ORDER = Endpoint("fapiPrivateGetAlgoOrder", 1)
TRADES = Endpoint("fapiPrivateGetUserTrades", 5)
INCOME = Endpoint("fapiPrivateGetIncome", 30)
PLACE = Endpoint("fapiPrivatePostOrder", 0, 1)
PLACE_ALGO = Endpoint("fapiPrivatePostAlgoOrder", 0, 1)
AMEND = Endpoint("fapiPrivatePutOrder", 1, 1)
CANCEL = Endpoint("fapiPrivateDeleteOrder", 1)
CANCEL_ALGO = Endpoint("fapiPrivateDeleteAlgoOrder", 1)


class RawBinance(ccxt.pro.binanceusdm):  # type: ignore[misc]
    """ccxt's exchange with its three hooks: every answer's headers, every message as it came, every connection made.

    Messages that are events are not handed on to ccxt: its caches lose the closed flag of a candle, mix late with new
    and grow, and nobody here reads them. What answers a subscription or is an error is ccxt's to read.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.on_headers: Callable[[int, Mapping[str, Any]], None] = lambda status, headers: None
        self.on_frame: Callable[[str, Mapping[str, Any]], None] = lambda url, message: None
        self.on_open: Callable[[str], None] = lambda url: None
        self.bad_frames = 0
        super().__init__(config)

    def on_rest_response(
        self, code: int, reason: str, url: str, method: str, headers: Any, body: Any, *more: Any
    ) -> Any:
        self.on_headers(code, headers or {})
        return super().on_rest_response(code, reason, url, method, headers, body, *more)

    def handle_message(self, client: Any, message: Any) -> None:
        """Read a message; whatever is wrong with one must not end ccxt's receive loop, which would stop without a
        word.
        """
        try:
            data = message.get("data", message) if isinstance(message, dict) else None
            if isinstance(data, dict) and "e" in data:
                self.on_frame(client.url, data)
            else:
                super().handle_message(client, message)
        except Exception:  # see above
            self.bad_frames += 1

    def on_connected(self, client: Any, message: Any = None) -> None:
        super().on_connected(client, message)
        self.on_open(client.url)


class ExchangeClock:
    """The exchange's time: the machine's plus a measured offset. Fills the ``Clock`` port."""

    STEP_S = 60.0  # a sleep is cut into such pieces, so that a clock set anew is noticed

    def __init__(self) -> None:
        self.offset_ms = 0.0
        self.round_trip_ms = float("nan")
        self.doubted = False  # the exchange did not believe a date of ours since it was measured

    def now_ms(self) -> int:
        """Milliseconds UTC as the exchange counts them."""
        return int(time.time() * 1e3 + self.offset_ms)

    async def sleep_until(self, time_ms: int) -> None:
        """Return once the exchange's clock has reached ``time_ms``."""
        while (left := time_ms - self.now_ms()) > 0:
            await asyncio.sleep(min(left / 1e3, self.STEP_S))


class Session:
    """One exchange object with its clock and budget, shared by broker and feed."""

    def __init__(
        self, settings: ConnectionSettings, keys: "Keys | None" = None, budget: BudgetSettings | None = None
    ) -> None:
        guard_logging()
        self.settings = settings
        self.clock = ExchangeClock()
        self.budget = Budget(budget or BudgetSettings(), self.clock.now_ms)
        self.calls = 0
        self.failures = 0
        self.least_urgency = CALM  # of every call: a session that goes on has a position to look after
        self.last_call_ms = float("nan")  # how long the last call took
        self._routes: dict[str, tuple[Frames, Callable[[], None]]] = {}
        self.exchange = self._make(keys)

    @property
    def label(self) -> str:
        """What kind of account this is, for people."""
        s = self.settings
        return "binance (real money)" if s.real else f"binance at {s.rest_url}" if s.rest_url else "binance demo"

    def _make(self, keys: "Keys | None") -> RawBinance:
        s = self.settings
        config: dict[str, Any] = {
            "enableRateLimit": False,  # the budget does it, by urgency
            "timeout": s.timeout_ms,
            "options": {"recvWindow": s.recv_window_ms, "fetchCurrencies": False, "defaultType": "swap"},
        }
        if keys is not None:
            config |= {"apiKey": keys.key.reveal(), "secret": keys.secret.reveal()}
        exchange = RawBinance(config)
        exchange.has["fetchCurrencies"] = False
        exchange.timeout_on_exit = s.linger_ms
        if s.rest_url:
            api: dict[str, Any] = {name: f"{s.rest_url}/fapi/{version}" for name, version in SECTIONS.items()}
            exchange.urls["api"] = api | {"ws": {"linear": f"{s.ws_url}/ws"}}
        elif not s.real:
            exchange.enable_demo_trading(True)
        exchange.on_headers = self.budget.note
        exchange.on_frame = self._on_frame
        exchange.on_open = self._on_open
        return exchange

    def route(self, url: str, on_frame: Frames, on_open: Callable[[], None]) -> None:
        """Name who hears the messages of a connection, and who is told that it has been made."""
        self._routes[url] = (on_frame, on_open)

    def unroute(self, url: str) -> None:
        """Nobody hears that connection any more."""
        self._routes.pop(url, None)

    def _on_frame(self, url: str, data: Mapping[str, Any]) -> None:
        self._follow(data)
        if url in self._routes:
            self._routes[url][0](data)

    def _follow(self, data: Mapping[str, Any]) -> None:
        """An event cannot come from the exchange's future: where it seems to, our idea of its clock is behind."""
        ahead = int(data.get("E", 0)) - self.clock.now_ms()
        if ahead > 0:
            self.clock.offset_ms += ahead
            self.exchange.options["timeDifference"] = -int(self.clock.offset_ms)

    def _on_open(self, url: str) -> None:
        if url in self._routes:
            self._routes[url][1]()

    async def call(self, endpoint: Endpoint, params: "dict[str, Any] | None" = None, urgency: int = CALM) -> Any:
        """One request; its answer as the exchange wrote it.

        Raises
        ------
        CallFailed
            With the outcome; also where no answer came in time.
        """
        await self.budget.turn(max(urgency, self.least_urgency), endpoint.weight, endpoint.orders)
        self.calls += 1
        started = time.monotonic()
        limit = (self.settings.timeout_ms + SLACK_MS) / 1e3
        try:
            async with asyncio.timeout(limit):  # wait_for may lose a cancellation that meets the answer
                answer = await getattr(self.exchange, endpoint.method)(params or {})
        except Exception as error:  # ccxt raises its own, sockets theirs
            outcome = classify(error)
        else:
            self.last_call_ms = (time.monotonic() - started) * 1e3
            if isinstance(answer, dict | list):
                return answer
            outcome = Outcome(UNKNOWN, OK, 0, CUT_OFF)  # ccxt hands a body that is no JSON on as text
        self.failures += 1
        self.clock.doubted |= outcome.code in CLOCK_CODES
        raise CallFailed(outcome)  # outside of the except: the original, with its signed address, is not chained to it

    async def set_clock(self, urgency: int = CALM) -> float:
        """Measure the server's clock; returns its offset from ours, ms. The sample with the shortest round trip counts.

        Raises
        ------
        CallFailed
            Where the exchange does not answer.
        """
        best = float("inf")
        for _ in range(self.settings.clock_samples):
            sent = time.time() * 1e3
            answer = await self.call(TIME, urgency=urgency)
            trip = time.time() * 1e3 - sent
            if trip < best:
                best = trip
                self.clock.offset_ms = float(answer["serverTime"]) - sent - trip / 2.0
        self.clock.round_trip_ms, self.clock.doubted = best, False
        self.exchange.options["timeDifference"] = -int(self.clock.offset_ms)
        return self.clock.offset_ms

    def socket_url(self, category: str, name: str) -> str:
        """Address of one public connection; ``category`` market (candles, marks) or public (books)."""
        return f"{self.exchange.get_ws_url('linear', category)}/{name}"

    def user_url(self, listen_key: str) -> str:
        """Address of the user stream."""
        return str(self.exchange.get_private_ws_url("linear", listen_key))

    async def hold(self, url: str) -> None:
        """Connect and stay until the connection is lost: always ends by an exception.

        Raises
        ------
        CallFailed
            When the connection could not be made or is gone.
        """
        try:
            await self.exchange.watch(url, url, None, url, {"id": url})
        except Exception as error:  # ccxt raises its own, sockets theirs
            outcome = classify(error)
        raise CallFailed(outcome)

    async def send(self, url: str, message: Mapping[str, Any]) -> None:
        """Send one message on a connection that is open."""
        client = self.exchange.clients.get(url)
        if client is not None:
            async with asyncio.timeout(self.settings.dial_ms / 1e3):
                await client.send(message)

    async def drop(self, url: str) -> None:
        """Close one connection; whoever holds it learns that it is lost."""
        client = self.exchange.clients.get(url)
        if client is not None:
            client.on_error(ccxt.NetworkError("dropped"))  # whoever holds it goes on from here
            try:
                async with asyncio.timeout(self.settings.dial_ms / 1e3):
                    await client.close()
            except Exception as error:  # a dead peer answers no goodbye; the operating system closes the rest
                log.info("connection dropped without an answer: %s", type(error).__name__)

    async def close(self) -> None:
        """Close every connection; what does not close in time is left to the operating system."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.settings.dial_ms / 1e3):
                await self.exchange.close()
