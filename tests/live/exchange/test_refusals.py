"""A wrong number, mode, key, time or path gets the exchange's own code."""

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import ccxt
import pytest

from live.testing.settings import API_KEY, SECRET
from live.testing.signing import signature
from tests.live.exchange.support import PAIR, SYMBOL, play, quiet_market, running

MARKET = {"symbol": SYMBOL, "side": "BUY", "type": "MARKET", "quantity": "1"}
LIMIT = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "quantity": "1", "price": "99.0", "timeInForce": "GTC"}
STOP = {
    "symbol": SYMBOL,
    "side": "SELL",
    "type": "STOP_MARKET",
    "algoType": "CONDITIONAL",
    "quantity": "1",
    "triggerPrice": "98.0",
    "reduceOnly": "true",
}


async def ask(
    exchange: Any,
    client: Any,
    method: str,
    path: str,
    params: dict[str, str],
    key: str = API_KEY,
    secret: str = SECRET,
    now: Any = None,
) -> tuple[int, Any]:
    """A raw signed request; returns (status, body)."""
    sent = urlencode({**params, "timestamp": int(time.time() * 1000) if now is None else now})
    signed = f"{sent}&signature={hmac.new(secret.encode(), sent.encode(), hashlib.sha256).hexdigest()}"
    where = f"{exchange.url}{path}"
    inside = method in ("POST", "PUT")
    async with client.session.request(
        method,
        where if inside else f"{where}?{signed}",
        data=signed if inside else None,
        headers={"X-MBX-APIKEY": key, "Content-Type": "application/x-www-form-urlencoded"},
    ) as answer:
        return answer.status, await answer.json(content_type=None)


ORDERS = [
    ("tick", {**LIMIT, "price": "99.05"}, -4014),
    ("precision of the price", {**LIMIT, "price": "99.051"}, -1111),
    ("precision of the quantity", {**MARKET, "quantity": "1.00001"}, -1111),
    ("price below zero", {**LIMIT, "price": "-1"}, -4001),
    ("price beyond the filter", {**LIMIT, "price": "99999999"}, -4002),
    ("limit far above the mark", {**LIMIT, "price": "150.0"}, -4016),
    ("limit far below the mark", {**LIMIT, "side": "SELL", "price": "50.0"}, -4024),
    ("quantity of zero", {**MARKET, "quantity": "0"}, -4003),
    ("smallest quantity", {**MARKET, "quantity": "0.001"}, -4004),
    ("largest quantity", {**MARKET, "quantity": "1001"}, -4005),
    ("notional", {**MARKET, "quantity": "0.04"}, -4164),
    ("margin", {**MARKET, "quantity": "999"}, -2019),
    ("bracket", {**MARKET, "quantity": "600"}, -2027),
    ("reduce-only without a position", {**MARKET, "reduceOnly": "true"}, -2022),
    ("hedge side in one-way mode", {**MARKET, "positionSide": "LONG"}, -4061),
    ("unknown symbol", {**MARKET, "symbol": "NONEUSDT"}, -1121),
    ("missing quantity", {k: v for k, v in MARKET.items() if k != "quantity"}, -1102),
    ("letters in a number", {**MARKET, "quantity": "many"}, -1100),
    ("unknown side", {**MARKET, "side": "UP"}, -1117),
    ("unknown type", {**MARKET, "type": "GUESS"}, -1116),
    ("price of a market order", {**MARKET, "price": "100.0"}, -1106),
    ("unknown time in force", {**LIMIT, "timeInForce": "FOK"}, -1115),
    ("client id", {**MARKET, "newClientOrderId": "no spaces"}, -4015),
    ("conditional order at the old endpoint", {**STOP}, -4120),
]
ALGOS = [
    ("immediate trigger", {**STOP, "triggerPrice": "100.0"}, -2021),
    ("tick of a trigger", {**STOP, "triggerPrice": "98.05"}, -4014),
    ("negative trigger", {**STOP, "triggerPrice": "-1"}, -4006),
    ("quantity beside closePosition", {**STOP, "closePosition": "true"}, -4137),
    ("callback", {**STOP, "type": "TRAILING_STOP_MARKET", "callbackRate": "20"}, -2007),
    ("working type", {**STOP, "workingType": "GUESS"}, -4031),
    ("working type the engine does not use", {**STOP, "workingType": "MARK_PRICE"}, -1020),
    ("limit after the trigger", {**STOP, "type": "STOP", "price": "98"}, -1020),
    ("other algorithm", {**STOP, "algoType": "VP"}, -1130),
]
BRACKETS = [(0.0, 0.01, 0.0, 50.0), (50_000.0, 0.02, 500.0, 5.0)]


def test_orders_get_the_real_code() -> None:
    async def scene() -> None:
        market = quiet_market(min_notional=5.0, max_qty=1000.0, min_qty=0.002, lot=0.001, brackets=BRACKETS)
        async with running(market) as (exchange, client):
            told = {}
            for path, rows in (("/fapi/v1/order", ORDERS), ("/fapi/v1/algoOrder", ALGOS)):
                for name, params, _ in rows:
                    status, body = await ask(exchange, client, "POST", path, params)
                    assert status == 400, (name, body)
                    told[name] = body["code"]
            assert told == {name: code for name, _, code in ORDERS + ALGOS} | {"margin": -2027}
            assert exchange.sim.orders.orders == {}

    play(scene)


def test_margin_within_the_bracket() -> None:
    async def scene() -> None:
        async with running(quiet_market(), initial_usd=50.0) as (_exchange, client):
            with pytest.raises(ccxt.BaseError, match="-2019"):
                await client.create_order(PAIR, "market", "buy", 10.0)

    play(scene)


def test_looking_up_and_changing_what_is_not_there() -> None:
    async def scene() -> None:
        async with running(quiet_market()) as (exchange, client):
            unknown = {"symbol": SYMBOL, "orderId": "1"}
            algo = {"symbol": SYMBOL, "algoId": "1"}
            amend = {**LIMIT, "orderId": "1"}
            asked = [
                ("GET", "/fapi/v1/order", unknown, -2013),
                ("DELETE", "/fapi/v1/order", unknown, -2011),
                ("PUT", "/fapi/v1/order", amend, -2011),
                ("GET", "/fapi/v1/algoOrder", algo, -2013),
                ("DELETE", "/fapi/v1/algoOrder", algo, -2011),
                ("POST", "/fapi/v1/leverage", {"symbol": SYMBOL, "leverage": "126"}, -4028),
                ("POST", "/fapi/v1/leverage", {"symbol": SYMBOL, "leverage": "0"}, -4028),
                ("POST", "/fapi/v1/marginType", {"symbol": SYMBOL, "marginType": "ISOLATED"}, -4046),
                ("POST", "/fapi/v1/positionSide/dual", {"dualSidePosition": "false"}, -4059),
                ("PUT", "/fapi/v1/listenKey", {}, -1125),
                ("GET", "/fapi/v1/klines", {"symbol": SYMBOL, "interval": "7m"}, -1120),
            ]
            for method, path, params, code in asked:
                assert (await ask(exchange, client, method, path, params))[1]["code"] == code, path
            status, body = await ask(exchange, client, "GET", "/fapi/v1/nothing", {})
            assert (status, body["code"]) == (404, -5000)

    play(scene)


def test_the_same_client_id_twice_and_modes_with_open_orders() -> None:
    async def scene() -> None:
        async with running(quiet_market()) as (exchange, client):
            order = await client.create_order(PAIR, "limit", "buy", 1.0, 90.0, {"clientOrderId": "same"})
            with pytest.raises(ccxt.BaseError, match="-4116"):
                await client.create_order(PAIR, "limit", "buy", 1.0, 90.0, {"clientOrderId": "same"})
            with pytest.raises(ccxt.BaseError, match="-4047"):
                await client.set_margin_mode("cross", PAIR)
            with pytest.raises(ccxt.BaseError, match="-4067"):
                await client.set_position_mode(True)
            with pytest.raises(ccxt.BaseError, match="-5027"):
                await client.edit_order(order["id"], PAIR, "limit", "buy", 1.0, 90.0)
            await client.cancel_order(order["id"], PAIR)
            await exchange.advance()
            again = await client.create_order(PAIR, "limit", "buy", 1.0, 90.0, {"clientOrderId": "same"})
            assert again["id"] != order["id"]  # an id is unique among open orders only

    play(scene)


def test_an_order_of_the_other_margin_type_is_refused_by_name() -> None:
    async def scene() -> None:
        async with running(quiet_market(), isolated=False) as (_exchange, client):
            with pytest.raises(ccxt.BaseError, match=r"-1020.*CROSSED"):
                await client.create_order(PAIR, "market", "buy", 1.0)

    play(scene)


def test_the_recorded_signature(require_shared: Callable[[str], Path]) -> None:
    found = json.loads(require_shared("fixtures/ccxt/binance_usdm_responses.json").read_text())
    vector = next(v for k, v in found.items() if k.startswith("signature vector"))
    assert signature(vector["secretKey"], vector["totalParams"]) == vector["signature"]


def test_keys_signatures_and_time() -> None:
    async def scene() -> None:
        async with running(quiet_market(), clock="wall") as (exchange, client):
            now = int(time.time() * 1000)
            path = "/fapi/v3/balance"
            assert (await ask(exchange, client, "GET", path, {}))[0] == 200
            cases: list[tuple[dict[str, Any], int, int]] = [
                ({"key": "short"}, 401, -2014),
                ({"key": "A" * 64}, 401, -2015),
                ({"secret": "other"}, 400, -1022),
                ({"now": now - 20_000}, 400, -1021),
                ({"now": now + 20_000}, 400, -1021),
                ({"now": ""}, 400, -1102),
            ]
            for how, status, code in cases:
                got = await ask(exchange, client, "GET", path, {}, **how)
                assert (got[0], got[1]["code"]) == (status, code), how
            async with client.session.get(f"{exchange.url}{path}", headers={"X-MBX-APIKEY": API_KEY}) as answer:
                assert (await answer.json())["code"] == -1102
            # the same request to another endpoint's bytes: one letter changed after signing
            sent = f"symbol={SYMBOL}&timestamp={now}"
            sign = signature(SECRET, sent)
            url = f"{exchange.url}/fapi/v1/openOrders?{sent.replace('AAA', 'AAB')}&signature={sign}"
            async with client.session.get(url, headers={"X-MBX-APIKEY": API_KEY}) as answer:
                assert (await answer.json())["code"] == -1022

    play(scene)


def test_weights_and_order_counts_are_told_and_enforced() -> None:
    async def scene() -> None:
        async with running(quiet_market(), weight_per_minute=60, orders_per_10s=3) as (exchange, client):
            await client.fetch_balance()
            used = int(client.last_response_headers["X-MBX-USED-WEIGHT-1M"])
            await client.create_order(PAIR, "market", "buy", 1.0)
            assert client.last_response_headers["X-MBX-ORDER-COUNT-10S"] == "1"
            await client.fetch_position_mode()
            assert int(client.last_response_headers["X-MBX-USED-WEIGHT-1M"]) == used + 30
            for _ in range(2):
                await client.create_order(PAIR, "market", "buy", 1.0)
            with pytest.raises(ccxt.DDoSProtection, match="-1015"):
                await client.create_order(PAIR, "market", "buy", 1.0)
            with pytest.raises(ccxt.DDoSProtection, match="429"):
                await client.fetch_position_mode()
            path = "/fapi/v1/positionSide/dual"
            answers = [(await ask(exchange, client, "GET", path, {}))[0] for _ in range(12)]
            assert answers == [429] * 9 + [418] * 3  # who goes on is banned
            exchange.sim.clock.replay_ms += 180_000
            assert (await client.fetch_position_mode())["hedged"] is False

    play(scene)
