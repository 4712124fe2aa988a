"""The account in its other shapes: cross margin, finer bars, late listings, histories that end, the same session twice."""

import json
from typing import Any

import ccxt
import pytest

from qt_core.io.simulate import simulate_market
from qt_core.io.timeframes import DAY_MS, HOUR_MS
from tests.engine.tables import GONE, QUIET
from tests.live.exchange.support import PAIR, SYMBOL, play, quiet_market, running, streaming

OTHER = "BBB/USDT:USDT"


def test_a_cross_account() -> None:
    rows = [QUIET, QUIET, (100.0, 110.5, 99.5, 110.0), QUIET]

    async def scene() -> None:
        venue = {"slippage": 0.0, "participation": 0.0, "margin_mode": "cross"}
        market = quiet_market(extra={SYMBOL: rows, "BBBUSDT": [QUIET] * 4})
        async with streaming(market, isolated=False, venue=venue) as (exchange, client, stream):
            await client.create_order(PAIR, "market", "buy", 10.0)
            await exchange.advance()
            await exchange.advance()
            position = (await client.fetch_positions([PAIR]))[0]
            assert (position["marginMode"], position["contracts"], position["unrealizedPnl"]) == ("cross", 10.0, 100.0)
            account = await client.fapiPrivateV3GetAccount()
            assert account["totalCrossUnPnl"] == "100.00000000"
            assert float(account["availableBalance"]) == pytest.approx(10_000.0 - 0.5 - 50.0 + 100.0)
            told = (await stream.wait("ACCOUNT_UPDATE"))[0]["a"]
            assert (told["P"][0]["mt"], told["P"][0]["iw"]) == ("cross", "0.00000000")
            assert told["B"][0]["cw"] == told["B"][0]["wb"] == "9999.50000000"

    play(scene)


def test_finer_bars_are_matched_and_told() -> None:
    market = simulate_market(1, 12, seed=2, detail_timeframe_ms=HOUR_MS // 4)
    fine = market.detail
    assert fine is not None

    async def scene() -> None:
        async with running(market, first_bar=8) as (exchange, client):
            name, pair = market.symbols[0], next(iter(client.markets))
            assert exchange.sim.matching.n_bars == fine.n_bars
            url = f"{exchange.url}/market/ws/1"
            async with client.session.ws_connect(url) as socket:
                names = [f"{name.lower()}@kline_1h", f"{name.lower()}@kline_15m"]
                await socket.send_json({"method": "SUBSCRIBE", "params": names, "id": 1})
                await socket.receive_json()
                for _ in range(4):
                    await exchange.advance()
                frames = [(await socket.receive_json())["k"] for _ in range(16)]
            closed = {i: [k for k in frames if k["x"] and k["i"] == i] for i in ("1h", "15m")}
            assert [k["t"] for k in closed["15m"]] == fine.time[8:12].tolist()
            assert [(k["t"], float(k["h"])) for k in closed["1h"]] == [(int(market.time[2]), market.high[2, 0])]
            rest = await client.fetch_ohlcv(pair, "1h", since=int(market.time[2]), limit=1)
            assert rest[0][1:5] == [getattr(market, n)[2, 0] for n in ("open", "high", "low", "close")]

    play(scene)


def test_a_contract_that_lists_later() -> None:
    late: dict[str, list[tuple[float, ...]]] = {SYMBOL: [QUIET] * 6, "BBBUSDT": [GONE, GONE, GONE, QUIET, QUIET, QUIET]}

    async def scene() -> None:
        async with running(quiet_market(extra=late)) as (exchange, client):
            assert client.market(OTHER)["active"] is False
            assert len(await client.fapiPublicGetTickerBookTicker()) == 1
            assert len(await client.fapiPublicGetPremiumIndex()) == 1
            await client.fapiPrivateV2GetPositionRisk()
            for asked in (client.fetch_order_book(OTHER), client.create_order(OTHER, "market", "buy", 1.0)):
                with pytest.raises(ccxt.BaseError, match="-4141"):
                    await asked
            for _ in range(3):
                await exchange.advance()
            await client.load_markets(reload=True)
            assert client.market(OTHER)["active"] is True
            await client.create_order(OTHER, "market", "buy", 1.0)

    play(scene)


def test_histories_are_windows_and_end() -> None:
    async def scene() -> None:
        async with running(quiet_market(n_bars=24 * 9)) as (exchange, client):
            bought = await client.create_order(PAIR, "market", "buy", 1.0)
            dropped = await client.create_order(PAIR, "limit", "buy", 1.0, 90.0)
            await client.cancel_order(dropped["id"], PAIR)
            start = exchange.sim.now_ms()
            for _ in range(24 * 4):
                await exchange.advance()
            with pytest.raises(ccxt.OrderNotFound, match="-2013"):
                await client.fetch_order(dropped["id"], PAIR)  # three days without a fill
            assert (await client.fetch_order(bought["id"], PAIR))["status"] == "closed"
            assert len(await client.fapiPrivateGetUserTrades({"symbol": SYMBOL})) == 1
            for _ in range(24 * 4):
                await exchange.advance()
            assert await client.fapiPrivateGetUserTrades({"symbol": SYMBOL}) == []  # the last week only
            week = {"symbol": SYMBOL, "startTime": start, "endTime": start + 7 * DAY_MS}
            assert len(await client.fapiPrivateGetUserTrades(week)) == 1
            with pytest.raises(ccxt.BaseError, match="-4165"):
                await client.fapiPrivateGetUserTrades({**week, "endTime": start + 8 * DAY_MS})

    play(scene)


def test_leverage_and_margin_type_with_a_position() -> None:
    async def scene() -> None:
        async with streaming(quiet_market(), isolated=False) as (exchange, client, stream):
            await client.set_margin_mode("isolated", PAIR)
            change = (await stream.wait("ACCOUNT_UPDATE"))[0]["a"]
            assert (change["m"], change["P"][0]["mt"]) == ("MARGIN_TYPE_CHANGE", "isolated")
            await client.set_leverage(10, PAIR)
            await client.create_order(PAIR, "market", "buy", 1.0)
            await exchange.advance()
            with pytest.raises(ccxt.BaseError, match="-4161"):
                await client.set_leverage(5, PAIR)
            with pytest.raises(ccxt.BaseError, match="-4048"):
                await client.set_margin_mode("cross", PAIR)
            await client.set_leverage(20, PAIR)
            assert (await client.fetch_positions([PAIR]))[0]["collateral"] == 10.0  # the margin it was opened with

    play(scene)


def test_a_market_from_its_first_bar() -> None:
    async def scene() -> None:
        async with running(quiet_market(), first_bar=0) as (exchange, client):
            assert client.market(PAIR)["active"] is True
            assert await client.fetch_ohlcv(PAIR, "1h") == []
            with pytest.raises(ccxt.BaseError, match="-1008"):
                await client.create_order(PAIR, "market", "buy", 1.0)
            await exchange.advance()
            await client.create_order(PAIR, "market", "buy", 1.0)
            await exchange.advance()
            assert (await client.fetch_my_trades(PAIR))[0]["timestamp"] == int(exchange.sim.market.time[1])

    play(scene)


def test_a_cancel_inside_a_bar() -> None:
    rows = [QUIET, QUIET, QUIET, QUIET]

    async def scene() -> None:
        async with streaming(quiet_market(extra={SYMBOL: rows})) as (exchange, client, stream):
            await client.create_order(PAIR, "market", "buy", 1.0)
            entry = await client.create_order(PAIR, "limit", "buy", 1.0, 90.0)
            await exchange.advance()
            stop = await client.create_order(
                PAIR, "market", "sell", 1.0, None, {"stopLossPrice": 95.0, "reduceOnly": True}
            )
            await exchange.open_bar()
            assert (await client.cancel_order(entry["id"], PAIR))["status"] == "canceled"
            cancelled = await client.cancel_order(stop["id"], PAIR, {"trigger": True})
            assert cancelled["info"]["algoStatus"] == "CANCELED"
            assert await client.fetch_open_orders(PAIR) == []
            assert [e["o"]["X"] for e in await stream.wait("ALGO_UPDATE", 2)] == ["NEW", "CANCELED"]
            told = len(stream.of("ORDER_TRADE_UPDATE"))
            assert stream.of("ORDER_TRADE_UPDATE")[-1]["o"]["X"] == "FILLED"  # of the entry nothing yet
            while await exchange.step():
                pass
            await exchange.close_bar()
            await exchange.advance()
            assert (await stream.wait("ORDER_TRADE_UPDATE", told + 1))[-1]["o"]["X"] == "CANCELED"

    play(scene)


def test_the_stream_under_its_key_in_the_path() -> None:
    async def scene() -> None:
        async with running(quiet_market()) as (exchange, client):
            key = (await client.fapiPrivatePostListenKey())["listenKey"]
            async with client.session.ws_connect(f"{exchange.url}/private/ws/{key}") as socket:
                await client.create_order(PAIR, "market", "buy", 1.0)
                assert (await socket.receive_json())["e"] == "ORDER_TRADE_UPDATE"
            async with client.session.get(f"{exchange.url}/private/ws/none") as answer:
                assert answer.status == 401

    play(scene)


def test_the_same_session_twice_says_the_same() -> None:
    market = simulate_market(2, 40, seed=7)
    said: list[str] = []

    async def scene() -> None:
        async with streaming(market, first_bar=10) as (exchange, client, stream):
            pairs = list(client.markets)
            while exchange.has_next:
                k = exchange.sim.matching.f % 4
                side = "buy" if k < 2 else "sell"
                more: dict[str, Any] = {"clientOrderId": f"n{exchange.sim.matching.f}"}
                await client.create_order(pairs[k % 2], "market", side, 1.0, None, more)
                await exchange.advance()
            await stream.wait("ACCOUNT_UPDATE", len(exchange.sim.account.trades))
            said.append(json.dumps(stream.events))

    play(scene)
    play(scene)
    assert said[0] == said[1]
    assert said[0].count("TRADE") > 20
