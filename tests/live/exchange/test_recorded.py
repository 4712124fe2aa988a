"""Every answer and every frame has the keys and JSON types that were recorded at the real exchange.

What differs on purpose stands below, by name, with the reason.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.engine.tables import QUIET
from tests.live.exchange import recorded
from tests.live.exchange.support import PAIR, SYMBOL, play, quiet_market, running, streaming
from tests.live.exchange.test_refusals import LIMIT, STOP, ask

TRAILING_ONLY = "the recorded order is a trailing stop, which this endpoint no longer takes"
NEWER = "the real exchange has it by now: recorded elsewhere, or in the client's source"
ONE_MARGIN = "recorded on a deprecated version; the present one has it not"
COIN = "recorded from coin-margined contracts"

REST_DIFFERENCES = {
    "Trading/PlaceOrder": {"activatePrice": TRAILING_ONLY, "priceRate": TRAILING_ONLY},
    "Trading/CancelOrder": {"activatePrice": TRAILING_ONLY, "priceRate": TRAILING_ONLY, "avgPrice": NEWER},
    "Trading/GetOrder": {"activatePrice": TRAILING_ONLY, "priceRate": TRAILING_ONLY},
    "Trading/EditOrder": {"pair": COIN, "cumBase": COIN, "cumQuote": NEWER},
    "Trading/CancelConditionalOrder": {"activatePrice": NEWER, "callbackRate": NEWER},
    "Trading/GetOpenConditionalOrders": {"actualQty": NEWER, "actualType": NEWER},
    "Trading/GetPositions": {
        **dict.fromkeys(("leverage", "maxNotionalValue", "marginType", "isAutoAddMargin"), ONE_MARGIN),
        **dict.fromkeys(("adl", "marginAsset", "initialMargin", "maintMargin", "positionInitialMargin"), NEWER),
        **dict.fromkeys(("openOrderInitialMargin", "bidNotional", "askNotional"), NEWER),
    },
    "ExchangeData/GetExchangeInfo": {
        "futuresType": NEWER,
        "assets.autoAssetExchange": "a text in newer recordings",
        "symbols.maxMoveOrderLimit": NEWER,
        "symbols.permissionSets": NEWER,
        "symbols.settlePlan": "gone from newer recordings",
    },
}
ORDER_DIFFERENCES = {
    "o.AP": TRAILING_ONLY,
    "o.cr": TRAILING_ONLY,
    "o.er": "expiry reason; in the exchange's page of this event, not yet in the recording",
}


async def traded(exchange: Any, client: Any) -> None:
    """A position, a resting limit order and a resting stop."""
    await client.create_order(PAIR, "market", "buy", 1.0)
    await exchange.advance()
    await client.create_order(PAIR, "limit", "buy", 1.0, 95.0, {"clientOrderId": "limit"})
    await client.create_order(PAIR, "market", "sell", 1.0, None, {"stopLossPrice": 90.0, "clientOrderId": "stop"})


LOOKED_AT = {"symbol": SYMBOL}
ENDPOINTS = [  # recorded file, method, path, parameters; in this order
    ("ExchangeData/GetServerTime", "GET", "/fapi/v1/time", {}),
    ("ExchangeData/GetExchangeInfo", "GET", "/fapi/v1/exchangeInfo", {}),
    ("ExchangeData/GetKlines", "GET", "/fapi/v1/klines", {**LOOKED_AT, "interval": "1h"}),
    ("ExchangeData/GetMarkPriceKlines", "GET", "/fapi/v1/markPriceKlines", {**LOOKED_AT, "interval": "1h"}),
    ("ExchangeData/GetMarkPrice", "GET", "/fapi/v1/premiumIndex", LOOKED_AT),
    ("ExchangeData/GetFundingRates", "GET", "/fapi/v1/fundingRate", LOOKED_AT),
    ("ExchangeData/GetFundingInfo", "GET", "/fapi/v1/fundingInfo", {}),
    ("ExchangeData/GetOrderBook", "GET", "/fapi/v1/depth", LOOKED_AT),
    ("ExchangeData/GetBookPrice", "GET", "/fapi/v1/ticker/bookTicker", LOOKED_AT),
    ("ExchangeData/GetPrice", "GET", "/fapi/v2/ticker/price", LOOKED_AT),
    ("ExchangeData/GetTicker", "GET", "/fapi/v1/ticker/24hr", LOOKED_AT),
    ("Account/GetAccountInfo", "GET", "/fapi/v2/account", {}),
    ("Account/GetAccountInfoV3", "GET", "/fapi/v3/account", {}),
    ("Account/GetAccountConfiguration", "GET", "/fapi/v1/accountConfig", {}),
    ("Account/GetSymbolConfiguration", "GET", "/fapi/v1/symbolConfig", LOOKED_AT),
    ("Account/GetBalances", "GET", "/fapi/v3/balance", {}),
    ("Account/GetBrackets", "GET", "/fapi/v1/leverageBracket", LOOKED_AT),
    ("Account/GetIncomeHistory", "GET", "/fapi/v1/income", {}),
    ("Account/GetMultiAssetsMode", "GET", "/fapi/v1/multiAssetsMargin", {}),
    ("Account/GetPositionInformation", "GET", "/fapi/v2/positionRisk", LOOKED_AT),
    ("Account/GetUserCommissionRate", "GET", "/fapi/v1/commissionRate", LOOKED_AT),
    ("Account/ChangeInitialLeverage", "POST", "/fapi/v1/leverage", {**LOOKED_AT, "leverage": "11"}),
    ("Account/StartUserStream", "POST", "/fapi/v1/listenKey", {}),
    ("Account/StopUserStream", "DELETE", "/fapi/v1/listenKey", {}),
    ("Trading/GetPositions", "GET", "/fapi/v3/positionRisk", LOOKED_AT),
    ("Trading/GetUserTrades", "GET", "/fapi/v1/userTrades", LOOKED_AT),
    ("Trading/PlaceOrder", "POST", "/fapi/v1/order", {**LIMIT, "newClientOrderId": "another"}),
    ("Trading/GetOrder", "GET", "/fapi/v1/order", {**LOOKED_AT, "origClientOrderId": "limit"}),
    ("Trading/EditOrder", "PUT", "/fapi/v1/order", {**LIMIT, "price": "94.0", "origClientOrderId": "limit"}),
    ("Trading/CancelOrder", "DELETE", "/fapi/v1/order", {**LOOKED_AT, "origClientOrderId": "limit"}),
    ("Trading/PlaceConditionalOrder", "POST", "/fapi/v1/algoOrder", {**STOP, "clientAlgoId": "more"}),
    ("Trading/GetConditionalOrder", "GET", "/fapi/v1/algoOrder", {"clientAlgoId": "stop"}),
    ("Trading/GetOpenConditionalOrders", "GET", "/fapi/v1/openAlgoOrders", LOOKED_AT),
    ("Trading/CancelConditionalOrder", "DELETE", "/fapi/v1/algoOrder", {"clientAlgoId": "stop"}),
    ("Trading/CancelAllOrders", "DELETE", "/fapi/v1/allOpenOrders", LOOKED_AT),
    ("Trading/CancelAllConditionalOrders", "DELETE", "/fapi/v1/algoOpenOrders", LOOKED_AT),
    ("Account/ChangeMarginType", "POST", "/fapi/v1/marginType", {"symbol": "BBBUSDT", "marginType": "CROSSED"}),
]
TWO = {SYMBOL: [QUIET] * 6, "BBBUSDT": [QUIET] * 6}
FUNDING = [(1.0, SYMBOL, 0.0001)]


def test_rest_answers_have_the_recorded_shape(shared_data: Path) -> None:
    async def scene() -> None:
        async with running(quiet_market(extra=TWO, funding=FUNDING)) as (exchange, client):
            await traded(exchange, client)
            found = {}
            for name, method, path, params in ENDPOINTS:
                status, ours = await ask(exchange, client, method, path, params)
                assert status == 200, (name, ours)
                found[name] = recorded.compared(ours, recorded.rest(shared_data, name))
            expected = {name: set(REST_DIFFERENCES.get(name, {})) for name in found}
            assert {name: set(rows) for name, rows in found.items()} == expected, found

    play(scene)


def test_public_answers_have_the_shape_of_later_recordings(shared_data: Path) -> None:
    async def scene() -> None:
        async with running(quiet_market(funding=FUNDING)) as (exchange, client):
            await exchange.advance()
            cases = {
                "/fapi/v1/exchangeInfo": ({}, {}),
                "/fapi/v1/klines": ({**LOOKED_AT, "interval": "1h"}, {}),
                "/fapi/v1/depth": (LOOKED_AT, {}),
                "/fapi/v1/time": ({}, {}),
                "/fapi/v1/premiumIndex": (LOOKED_AT, {}),
                "/fapi/v1/fundingRate": (LOOKED_AT, {"markPrice": NEWER}),
                "/fapi/v1/fundingInfo": ({}, {"updateTime": "in some rows only"}),
            }
            for path, (params, allowed) in cases.items():
                _, ours = await ask(exchange, client, "GET", path, params)
                wanted = "symbol=" if path in ("/fapi/v1/klines", "/fapi/v1/premiumIndex") else ""
                rows = recorded.compared(ours, recorded.public(shared_data, path, wanted))
                assert set(rows) == set(allowed), (path, rows)

    play(scene)


def test_filters_have_the_recorded_keys(shared_data: Path) -> None:
    async def scene() -> None:
        async with running(quiet_market()) as (exchange, client):
            _, ours = await ask(exchange, client, "GET", "/fapi/v1/exchangeInfo", {})
            theirs = recorded.public(shared_data, "/fapi/v1/exchangeInfo")
            by_type = [{f["filterType"]: recorded.shape(f) for f in s["symbols"][0]["filters"]} for s in (ours, theirs)]
            assert by_type[0] == by_type[1]

    play(scene)


def test_signed_answers_have_the_shape_of_live_recordings(shared_data: Path) -> None:
    """Numbers that the recording client printed as text are compared by key alone."""

    async def scene() -> None:
        async with running(quiet_market()) as (exchange, client):
            await traded(exchange, client)
            cases = {
                "POST /fapi/v1/batchOrders": ("POST", "/fapi/v1/order", {**LIMIT, "newClientOrderId": "x"}),
                "GET /fapi/v1/openOrder": ("GET", "/fapi/v1/openOrder", {**LOOKED_AT, "origClientOrderId": "limit"}),
                "GET /fapi/v3/positionRisk (a": ("GET", "/fapi/v3/positionRisk", {}),
                "GET /fapi/v3/account": ("GET", "/fapi/v3/account", {}),
                "GET /fapi/v2/account": ("GET", "/fapi/v2/account", {}),
            }
            for start, (method, path, params) in cases.items():
                _, ours = await ask(exchange, client, method, path, params)
                theirs = recorded.private(shared_data, start)
                theirs = theirs[0] if isinstance(theirs, list) and isinstance(ours, dict) else theirs
                rows = recorded.compared(ours, theirs)
                assert {k for k, what in rows.items() if what.startswith("only")} == set(), (path, rows)

    play(scene)


def _same(ours: Any, theirs: Any, allowed: Iterable[str] = ()) -> None:
    rows = recorded.compared(ours, theirs)
    assert set(rows) == set(allowed), rows


def test_user_events_have_the_recorded_shape(shared_data: Path) -> None:
    async def scene() -> None:
        async with streaming(quiet_market()) as (exchange, client, stream):
            await traded(exchange, client)
            await client.set_leverage(11, PAIR)
            order = (await stream.wait("ORDER_TRADE_UPDATE", 2))[1]
            _same(order, recorded.stream(shared_data, "OrderUpdate"), ORDER_DIFFERENCES)
            _same((await stream.wait("ACCOUNT_UPDATE"))[0], recorded.stream(shared_data, "AccountUpdate"))
            _same((await stream.wait("ALGO_UPDATE"))[0], recorded.stream(shared_data, "AlgoOrderUpdate"))
            _same((await stream.wait("ACCOUNT_CONFIG_UPDATE"))[0], recorded.stream(shared_data, "Leverage"))

    play(scene)


def test_a_trailing_stop_carries_activation_and_callback(shared_data: Path) -> None:
    rows = [QUIET, QUIET, (100.0, 104.0, 100.0, 103.5), (103.5, 103.6, 100.0, 100.5), QUIET]

    async def scene() -> None:
        async with streaming(quiet_market(extra={SYMBOL: rows})) as (exchange, client, stream):
            await client.create_order(PAIR, "market", "buy", 1.0)
            await exchange.advance()
            asked = {"trailingPercent": 2.0, "reduceOnly": True}
            await client.create_order(PAIR, "market", "sell", 1.0, None, asked)
            await exchange.advance()
            await exchange.advance()
            last = (await stream.wait("ORDER_TRADE_UPDATE", 4))[-1]
            _same(last, recorded.stream(shared_data, "OrderUpdate"), ["o.er"])

    play(scene)


def test_a_margin_call_has_the_recorded_shape(shared_data: Path) -> None:
    rows = [QUIET, QUIET, (100.0, 100.5, 91.0, 91.1), QUIET]

    async def scene() -> None:
        async with streaming(quiet_market(extra={SYMBOL: rows})) as (exchange, client, stream):
            await client.create_order(PAIR, "market", "buy", 1.0)
            await exchange.advance()
            await exchange.advance()
            _same((await stream.wait("MARGIN_CALL"))[0], recorded.stream(shared_data, "MarginUpdate"))

    play(scene)


STREAMS = [
    ("market", "aaausdt@kline_1h", "Klines", ()),
    ("market", "aaausdt@markPrice@1s", "MarkPrice", ()),
    ("public", "aaausdt@bookTicker", "BookTicker", ()),
    ("public", "aaausdt@depth@100ms", "Book", ()),
    ("public", "aaausdt@depth5@100ms", "PartialBook", ()),
]


@pytest.mark.parametrize(("category", "name", "file", "allowed"), STREAMS)
def test_public_frames_have_the_recorded_shape(
    shared_data: Path, category: str, name: str, file: str, allowed: tuple[str, ...]
) -> None:
    async def scene() -> None:
        async with (
            running(quiet_market()) as (exchange, client),
            client.session.ws_connect(f"{exchange.url}/{category}/ws/1") as socket,
        ):
            await socket.send_json({"method": "SUBSCRIBE", "params": [name], "id": 7})
            assert await socket.receive_json() == {"result": None, "id": 7}
            await exchange.advance()
            _same(await socket.receive_json(), recorded.stream(shared_data, file), allowed)

    play(scene)


def test_every_code_that_the_client_knows_is_the_recorded_one(shared_data: Path) -> None:
    """The codes told here stand in the recorded table; those that do not are named."""
    from live.testing import errors

    table = json.loads((shared_data / "fixtures/ccxt/binance_error_codes.json").read_text())["sections"]
    known = {code for section in table.values() for code in section}
    ours = {str(v.code) for v in vars(errors).values() if isinstance(v, errors.Refusal)}
    missing = {
        "-1",  # unknown execution, a 503
        "-5000",  # no such path
    }
    assert ours - known == missing
