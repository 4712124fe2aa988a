"""A loopback HTTP server that answers in the /fapi/v1 dialect, with scripted faults and a log of every request.

Answers have the shape of the exchange's (test_fake_exchange.py compares them with recorded ones); prices are a fixed
function of symbol and open time, so any page can be checked against ``candle_row``.
"""

import json
import socket
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from qt_core.io.timeframes import TIMEFRAME_MS
from research.data.exchange import make_client

HOUR = 3_600_000
NOW_MS = 1_709_289_000_000  # 2024-03-01T10:30Z: half an hour into an open bar
LISTED_MS = 1_704_067_200_000  # 2024-01-01
BANNED = '{"code":-1003,"msg":"Way too many requests; IP banned until 1709289060000. Please use the websocket."}'
TOO_MANY = '{"code":-1003,"msg":"Too many requests; current limit is 2400 requests per minute."}'
OVERLOADED = '{"code":-1,"msg":"Service unavailable from a restricted location or overloaded."}'
INVALID_SYMBOL = '{"code":-1121,"msg":"Invalid symbol."}'


@dataclass(frozen=True)
class Fault:
    """What happens instead of a proper answer: ``kind`` is status, truncate, cut or drop."""

    kind: str = "status"
    status: int = 500
    body: str = "{}"
    headers: tuple[tuple[str, str], ...] = ()


TRUNCATE = Fault("truncate")  # whole HTTP answer, half the JSON
CUT = Fault("cut")  # connection closed in the middle of the body
DROP = Fault("drop")  # connection closed without an answer


def candle_row(symbol: str, open_ms: int, step_ms: int) -> list[Any]:
    """One kline as the exchange writes it: text for decimals."""
    n = open_ms // step_ms + len(symbol)
    open_, close = 100.0 + n % 7, 100.0 + (n + 1) % 7
    high, low = max(open_, close) + 0.5, min(open_, close) - 0.5
    volume = 10.0 + n % 5
    close_ms = open_ms + step_ms - 1
    texts = [f"{x:.2f}" for x in (open_, high, low, close)]
    return [open_ms, *texts, f"{volume:.3f}", close_ms, f"{volume * close:.5f}", 100 + n % 3, "5.000", "500.00000", "0"]


def mark_row(symbol: str, open_ms: int, step_ms: int) -> list[Any]:
    """One mark kline: as a kline, without volumes."""
    row = candle_row(symbol, open_ms, step_ms)
    return [*row[:5], "0", row[6], "0", 60, "0", "0", "0"]


def funding_row(symbol: str, n: int) -> dict[str, Any]:
    """The n-th settlement since 1970, stamped 2 ms late."""
    rate = f"{(n % 9 - 2) * 1e-5:.8f}"
    return {"symbol": symbol, "fundingTime": n * 8 * HOUR + 2, "fundingRate": rate, "markPrice": "101.50000000"}


def contract(symbol: str) -> dict[str, Any]:
    """One symbol of exchangeInfo."""
    return {
        "symbol": symbol,
        "pair": symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": 4133404800000,
        "onboardDate": LISTED_MS,
        "status": "TRADING",
        "baseAsset": symbol.removesuffix("USDT"),
        "quoteAsset": "USDT",
        "marginAsset": "USDT",
        "underlyingSubType": ["PoW"],
        "filters": [
            {"filterType": "PRICE_FILTER", "maxPrice": "4529764", "minPrice": "0.01", "tickSize": "0.01"},
            {"filterType": "LOT_SIZE", "maxQty": "1000", "minQty": "0.001", "stepSize": "0.001"},
            {"filterType": "MARKET_LOT_SIZE", "maxQty": "120", "minQty": "0.001", "stepSize": "0.001"},
            {"filterType": "MIN_NOTIONAL", "notional": "20"},
        ],
    }


def brackets(symbol: str) -> dict[str, Any]:
    """Two brackets that chain."""
    rows = ((1, 75, 10_000, 0, 0.0065, 0.0), (2, 50, 80_000, 10_000, 0.01, 35.0))
    keys = ("bracket", "initialLeverage", "notionalCap", "notionalFloor", "maintMarginRatio", "cum")
    return {"symbol": symbol, "notionalCoef": 1.0, "brackets": [dict(zip(keys, row, strict=True)) for row in rows]}


@dataclass
class FakeExchange:
    """State and log of the server; ``url`` is its address."""

    now_ms: int = NOW_MS
    listed_ms: int = LISTED_MS
    symbols: tuple[str, ...] = ("BTCUSDT", "ETHUSDT")
    weight_header: str = "10"
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    faults: dict[str, list[Fault | None]] = field(default_factory=lambda: defaultdict(list))
    recorded: dict[str, Any] = field(default_factory=dict)  # endpoint -> answer to give whatever is asked
    url: str = ""

    def script(self, endpoint: str, *faults: Fault | None) -> None:
        """Answer the next requests of an endpoint with these faults; None = properly."""
        self.faults[endpoint].extend(faults)

    def count(self, endpoint: str) -> int:
        """Requests of an endpoint so far."""
        return sum(name == endpoint for name, _ in self.requests)

    def asked(self, endpoint: str) -> list[dict[str, str]]:
        """Parameters of every request of an endpoint."""
        return [params for name, params in self.requests if name == endpoint]

    def answer(self, endpoint: str, params: dict[str, str]) -> tuple[int, Any]:
        """Status and JSON of a proper answer."""
        if endpoint in self.recorded:
            return 200, self.recorded[endpoint]
        if endpoint == "time":
            return 200, {"serverTime": self.now_ms}
        if endpoint == "exchangeInfo":
            return 200, {
                "timezone": "UTC",
                "serverTime": self.now_ms,
                "rateLimits": [],
                "assets": [],
                "symbols": [contract(s) for s in self.symbols],
            }
        if endpoint == "leverageBracket":
            return 200, [brackets(s) for s in self.symbols]
        if params.get("symbol") not in self.symbols:
            return 400, json.loads(INVALID_SYMBOL)
        if endpoint == "fundingRate":
            return 200, self._funding(params)
        if endpoint in ("klines", "markPriceKlines"):
            return self._klines(endpoint, params)
        return 404, {"code": -5000, "msg": f"Path /fapi/v1/{endpoint}, Method GET is invalid"}

    def _klines(self, endpoint: str, params: dict[str, str]) -> tuple[int, Any]:
        if params.get("interval") not in TIMEFRAME_MS:
            return 400, {"code": -1120, "msg": "Invalid interval."}
        step = TIMEFRAME_MS[params["interval"]]
        first = max(int(params.get("startTime", 0)), self.listed_ms)
        first = -(-first // step) * step
        last = min(int(params.get("endTime", self.now_ms)), self.now_ms)  # the open candle is part of the answer
        times = range(first, last + 1, step)[: int(params.get("limit", 500))]
        row = candle_row if endpoint == "klines" else mark_row
        return 200, [row(params["symbol"], t, step) for t in times]

    def _funding(self, params: dict[str, str]) -> list[Any]:
        first, every = max(int(params.get("startTime", 0)), self.listed_ms), 8 * HOUR
        numbers = range(-(-(first - 2) // every), (self.now_ms - 2) // every + 1)[: int(params.get("limit", 100))]
        return [funding_row(params["symbol"], n) for n in numbers]

    def client(self) -> Any:
        """An unmodified ccxt client pointed here, without its own pacing."""
        client = make_client()
        client.enableRateLimit = False
        client.session.trust_env = False
        client.timeout = 2_000
        client.urls["api"] = {"fapiPublic": f"{self.url}/fapi/v1", "fapiPrivate": f"{self.url}/fapi/v1"}
        return client


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    exchange: FakeExchange

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        endpoint, params = parts.path.removeprefix("/fapi/v1/"), dict(parse_qsl(parts.query))
        state = self.exchange
        state.requests.append((endpoint, params))
        fault = state.faults[endpoint].pop(0) if state.faults[endpoint] else None
        status, value = state.answer(endpoint, params)
        body = json.dumps(value).encode()
        if fault is None:
            self._send(status, body, len(body))
        elif fault.kind == "status":
            self._send(fault.status, fault.body.encode(), len(fault.body), fault.headers)
        elif fault.kind == "truncate":
            self._send(200, body[: len(body) // 2], len(body) // 2)
        elif fault.kind == "cut":
            self._send(200, body[: len(body) // 2], len(body))
            self._hang_up()
        else:
            self._hang_up()

    def _send(self, status: int, body: bytes, length: int, headers: tuple[tuple[str, str], ...] = ()) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(length))
        self.send_header("X-MBX-USED-WEIGHT-1M", self.exchange.weight_header)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_args: Any) -> None:
        """Stay silent."""


class Server:
    """Context manager: a FakeExchange listening on a free loopback port."""

    def __enter__(self) -> FakeExchange:
        state = FakeExchange()
        handler = type("Handler", (_Handler,), {"exchange": state})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        state.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()
        return state

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
