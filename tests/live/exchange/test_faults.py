"""Each fault happens when it is ordered, does what it says, and is counted."""

import asyncio
from typing import Any

import ccxt
import pytest

from live.testing import faults as f
from live.testing.exchange import Exchange
from tests.engine.tables import QUIET
from tests.live.exchange.support import PAIR, SYMBOL, UserStream, play, quiet_market, running, streaming, until

SHORT_MS = 200  # of patience of a client whose answer never comes


async def buy(client: Any, client_id: str = "one") -> Any:
    return await client.create_order(PAIR, "market", "buy", 1.0, None, {"clientOrderId": client_id})


@pytest.mark.parametrize(
    ("kind", "values", "error", "text"),
    [
        (f.HTTP_ERROR, {"status": 502}, ccxt.ExchangeNotAvailable, "502"),
        (f.RATE_LIMIT, {}, ccxt.DDoSProtection, "429"),
        (f.BAN, {}, ccxt.DDoSProtection, "418"),
        (f.BUSY, {}, ccxt.BaseError, "-1008"),
        (f.REJECT, {"code": -2010, "text": "no {today}"}, ccxt.InvalidOrder, "-2010.*no {today}"),
        (f.UNKNOWN, {"execute": 0}, ccxt.ExchangeError, '"code": -1,'),
    ],
)
def test_refused_without_execution(kind: str, values: dict[str, Any], error: type[Exception], text: str) -> None:
    async def scene() -> None:
        async with running(quiet_market()) as (exchange, client):
            exchange.plan(kind, 2, "POST", "order", **values)
            await client.fetch_balance()  # another endpoint does not meet it
            for _ in range(2):
                with pytest.raises(error, match=text):
                    await buy(client)
            assert exchange.happened == {kind: 2}
            assert await client.fetch_open_orders(PAIR) == []
            await buy(client)

    play(scene)


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (f.HANG, ccxt.RequestTimeout),
        (f.TIMEOUT, ccxt.RequestTimeout),
        (f.CUT, ccxt.NetworkError),
        (f.UNKNOWN, ccxt.ExchangeError),
    ],
)
def test_executed_but_not_answered(kind: str, error: type[Exception]) -> None:
    async def scene() -> None:
        async with running(quiet_market()) as (exchange, client):
            exchange.plan(kind, path="order")
            client.timeout = SHORT_MS
            with pytest.raises(error):
                await buy(client)
            assert exchange.happened == {kind: 1}
            client.timeout = 10_000
            there = await client.fetch_order("", PAIR, {"clientOrderId": "one"})
            assert there["status"] == "open"
            with pytest.raises(ccxt.BaseError, match="-4116"):
                await buy(client)

    play(scene)


def test_a_truncated_answer_hides_an_accepted_order() -> None:
    async def scene() -> None:
        async with running(quiet_market()) as (exchange, client):
            exchange.plan(f.TRUNCATE, path="order")
            try:
                answer = await buy(client)
                assert answer["id"] is None
            except ccxt.ExchangeError:
                pass
            assert exchange.happened == {f.TRUNCATE: 1}
            assert [o["clientOrderId"] for o in await client.fetch_open_orders(PAIR)] == ["one"]

    play(scene)


def test_user_events_are_dropped_duplicated_and_reordered() -> None:
    async def scene() -> None:
        async with streaming(quiet_market()) as (exchange, client, stream):
            exchange.plan(f.DROP_EVENT, path="ORDER_TRADE_UPDATE")  # NEW
            await buy(client)
            exchange.plan(f.REORDER_EVENT, path="ORDER_TRADE_UPDATE")  # the fill comes after the account's update
            await exchange.advance()
            await stream.wait("ORDER_TRADE_UPDATE")
            assert [e["e"] for e in stream.events] == ["ACCOUNT_UPDATE", "ORDER_TRADE_UPDATE"]
            exchange.plan(f.DUPLICATE_EVENT, path="ORDER_TRADE_UPDATE")
            await buy(client, "two")
            assert [e["o"]["c"] for e in await stream.wait("ORDER_TRADE_UPDATE", 3)] == ["one", "two", "two"]
            assert exchange.happened == {f.DROP_EVENT: 1, f.REORDER_EVENT: 1, f.DUPLICATE_EVENT: 1}

    play(scene)


def test_sockets_are_cut_and_keys_expire() -> None:
    async def scene() -> None:
        async with running(quiet_market()) as (exchange, client):
            async with UserStream(exchange, client) as stream:
                await exchange.expire_listen_key()
                assert (await stream.wait("listenKeyExpired"))[0]["listenKey"]
                await buy(client)
                assert stream.of("ORDER_TRADE_UPDATE") == []  # the old stream is silent
                with pytest.raises(ccxt.BaseError, match="-1125"):
                    await client.fapiPrivatePutListenKey()
            async with UserStream(exchange, client) as stream:
                assert await exchange.disconnect("private") == 1
                await until(lambda: stream._socket.closed)
            assert exchange.happened == {f.EXPIRE_KEY: 1, f.DISCONNECT: 1}

    play(scene)


def test_a_silent_stream_and_a_slow_answer() -> None:
    async def scene() -> None:
        async with streaming(quiet_market()) as (exchange, client, stream):
            exchange.mute("private")
            exchange.plan(f.SLOW, path="order", seconds=0.01)
            await buy(client)
            exchange.mute("private", False)
            await exchange.advance(exchange.heard)
            assert [e["o"]["x"] for e in stream.of("ORDER_TRADE_UPDATE")] == ["TRADE"]  # NEW was never told
            assert exchange.happened == {f.SLOW: 1, f.MUTED: 1}

    play(scene)


def test_an_exchange_that_was_away_has_forgotten_nothing() -> None:
    async def scene() -> None:
        async with running(quiet_market()) as (exchange, client):
            await buy(client)
            port = exchange.port
            await exchange.stop()
            with pytest.raises(ccxt.NetworkError):
                await client.fetch_time()
            await exchange.start(port)
            assert [o["clientOrderId"] for o in await client.fetch_open_orders(PAIR)] == ["one"]

    play(scene)


def test_maintenance_permission_and_skew() -> None:
    async def scene() -> None:
        async with running(quiet_market(), clock="wall") as (exchange, client):
            exchange.maintenance(True)
            with pytest.raises(ccxt.BaseError, match="-1016"):
                await client.fetch_time()
            exchange.maintenance(False)
            exchange.futures_permission(False)
            with pytest.raises(ccxt.AuthenticationError, match="-2015"):
                await client.fetch_balance()
            exchange.futures_permission(True)
            exchange.skew_clock(60_000)
            with pytest.raises(ccxt.InvalidNonce, match="-1021"):
                await client.fetch_balance()
            client.options["timeDifference"] = client.milliseconds() - await client.fetch_time()
            await client.fetch_balance()
            assert exchange.happened == {f.MAINTENANCE: 1, f.NO_PERMISSION: 1, f.SKEW: 1}

    play(scene)


def test_symbols_that_do_not_trade_and_a_hedge_account() -> None:
    async def scene() -> None:
        async with running(quiet_market()) as (exchange, client):
            exchange.set_status(SYMBOL, "BREAK")
            await client.load_markets(reload=True)
            assert client.market(PAIR)["active"] is False
            with pytest.raises(ccxt.BaseError, match="-4141"):
                await buy(client)
            exchange.set_status(SYMBOL, "TRADING")
            exchange.hedge_mode(True)
            assert (await client.fetch_position_mode())["hedged"] is True
            with pytest.raises(ccxt.BaseError, match="-4061"):
                await buy(client)

    play(scene)


def test_partial_fills_on_command() -> None:
    bar = (100.0, 100.5, 99.5, 100.0, 10.0)

    async def scene() -> None:
        async with running(quiet_market(extra={SYMBOL: [bar] * 4})) as (exchange, client):
            exchange.set_venue(participation=0.05)
            order = await buy(client)
            await exchange.advance()
            assert (await client.fetch_order(order["id"], PAIR))["filled"] == 0.5

    play(scene)


def test_late_and_missed_candles() -> None:
    two = {SYMBOL: [QUIET] * 8, "BBBUSDT": [QUIET] * 8}

    async def scene() -> None:
        async with (
            running(quiet_market(extra=two)) as (exchange, client),
            client.session.ws_connect(f"{exchange.url}/market/ws/1") as socket,
        ):
            names = ["aaausdt@kline_1h", "bbbusdt@kline_1h"]
            await socket.send_json({"method": "SUBSCRIBE", "params": names, "id": 1})
            await socket.receive_json()

            async def closed(n: int) -> list[tuple[str, int]]:
                """The next ``n`` closed candles as (symbol, bar)."""
                found: list[tuple[str, int]] = []
                while len(found) < n:
                    k = (await socket.receive_json())["k"]
                    if k["x"]:
                        found.append((k["s"], (k["t"] - int(exchange.sim.market.time[0])) // 3_600_000))
                return found

            exchange.hold_candles(SYMBOL)
            exchange.miss_candles("BBBUSDT", 1)
            await exchange.advance()
            await exchange.advance()
            assert await closed(1) == [("BBBUSDT", 2)]
            assert [len(await client.fetch_ohlcv(s, "1h")) for s in (PAIR, "BBB/USDT:USDT")] == [1, 3]
            await exchange.release_candles(SYMBOL)
            assert await closed(2) == [(SYMBOL, 1), (SYMBOL, 2)]
            assert len(await client.fetch_ohlcv(PAIR, "1h")) == 3
            assert exchange.happened == {f.LATE_CANDLE: 2, f.MISSED_CANDLE: 1}

    play(scene)


def test_faults_are_ordered_over_http_too() -> None:
    async def scene() -> None:
        async with running(quiet_market()) as (exchange, client):
            order = {"kind": f.BUSY, "path": "order", "count": 1}
            async with client.session.post(f"{exchange.url}/sim/plan", json=order) as answer:
                assert answer.status == 200
            with pytest.raises(ccxt.BaseError, match="-1008"):
                await buy(client)
            async with client.session.post(f"{exchange.url}/sim/advance") as answer:
                state = await answer.json()
                assert (state["bar"], state["happened"]) == (1, {f.BUSY: 1})
            for name, body, status in (("plan", {"kind": "none"}, 400), ("nothing", {}, 404), ("plan", {"x": 1}, 400)):
                async with client.session.post(f"{exchange.url}/sim/{name}", json=body) as answer:
                    assert answer.status == status

    play(scene)


def test_free_running_walks_to_the_end_and_pauses() -> None:
    async def scene() -> None:
        async with running(quiet_market(n_bars=30)) as (exchange, _client):
            exchange.run(1000.0)
            await until(lambda: exchange.sim.matching.f > 3)
            await exchange.pause()
            at = exchange.sim.matching.f
            assert not exchange.sim.matching.in_bar
            await asyncio.sleep(0.01)
            assert exchange.sim.matching.f == at
            exchange.run(1000.0)
            await until(lambda: not exchange.has_next)

    play(scene)


def test_the_control_object_says_what_it_cannot_do() -> None:
    exchange = Exchange(quiet_market())
    with pytest.raises(ValueError, match="expected one of"):
        exchange.plan("none")
