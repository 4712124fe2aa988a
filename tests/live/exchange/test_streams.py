"""Streams as ccxt reads them, and candles of every source alike."""

import asyncio
from typing import Any

from qt_core.io.simulate import simulate_market
from tests.engine.tables import QUIET
from tests.live.exchange.support import PAIR, SYMBOL, play, quiet_market, running, streaming, until

HOUR_MS = 3_600_000


def test_ccxt_watches_candles_and_raw_frames_carry_the_closed_flag() -> None:
    rows = [QUIET, (100.0, 103.0, 99.0, 102.0, 50.0), QUIET]

    async def scene() -> None:
        async with running(quiet_market(extra={SYMBOL: rows})) as (exchange, client):
            frames = []
            handled = client.handle_message

            def handle(connection: Any, message: Any) -> None:
                frames.append(message)
                handled(connection, message)

            client.handle_message = handle
            watching = asyncio.create_task(client.watch_ohlcv_for_symbols([[PAIR, "1h"]]))
            await until(exchange.sockets.wanted)
            await exchange.advance()
            seen = await watching
            assert list(seen) == [PAIR]
            await until(lambda: sum(1 for m in frames if m.get("e") == "kline") == 2)
            first, second = (m["k"] for m in frames if m.get("e") == "kline")
            assert (first["x"], first["h"]) == (False, "100.0")  # of a running candle no more than the open is known
            assert (second["x"], second["h"], second["c"], second["v"]) == (True, "103.0", "102.0", "50")
            assert client.ohlcvs[PAIR]["1h"][-1][:5] == [second["t"], 100.0, 103.0, 99.0, 102.0]

    play(scene)


def test_coarse_candles_close_with_their_last_bar_and_rest_agrees() -> None:
    market = simulate_market(2, 40, seed=3)

    async def scene() -> None:
        async with running(market, first_bar=8) as (exchange, client):
            name = market.symbols[0]
            async with client.session.ws_connect(f"{exchange.url}/market/ws/1") as socket:
                await socket.send_json({"method": "SUBSCRIBE", "params": [f"{name.lower()}@kline_4h"], "id": 1})
                await socket.receive_json()
                for _ in range(8):
                    await exchange.advance()
                frames = [(await socket.receive_json())["k"] for _ in range(16)]
            closed = [k for k in frames if k["x"]]
            assert [(k["t"] // HOUR_MS) % 4 for k in closed] == [0, 0]
            rest = await client.fapiPublicGetKlines({"symbol": name, "interval": "4h", "startTime": closed[0]["t"]})
            assert [r[:5] for r in rest[:2]] == [[k["t"], k["o"], k["h"], k["l"], k["c"]] for k in closed]
            for k in closed:
                rows = (market.time >= k["t"]) & (market.time <= k["T"])
                assert float(k["h"]) == market.high[rows, 0].max()
                assert float(k["l"]) == market.low[rows, 0].min()

    play(scene)


def test_rest_candles_page_and_never_tell_the_future() -> None:
    market = simulate_market(1, 50, seed=4)

    async def scene() -> None:
        async with running(market, first_bar=30) as (exchange, client):
            pair = next(iter(client.markets))
            rows = await client.fetch_ohlcv(pair, "1h", limit=1000)
            assert [r[0] for r in rows] == market.time[:30].tolist()
            assert [r[4] for r in rows] == market.close[:30, 0].tolist()
            page = await client.fetch_ohlcv(pair, "1h", since=int(market.time[5]), limit=3)
            assert [r[0] for r in page] == market.time[5:8].tolist()
            await exchange.open_bar()
            running_candle = (await client.fetch_ohlcv(pair, "1h", limit=1))[0]
            opening = market.open[30, 0]
            assert running_candle[:5] == [int(market.time[30]), opening, opening, opening, opening]

    play(scene)


def test_marks_books_and_tickers() -> None:
    async def scene() -> None:
        async with running(quiet_market(n_bars=10)) as (exchange, client):
            books = []

            async def watch() -> None:
                for _ in range(3):
                    books.append(dict(await client.watch_order_book(PAIR)))

            watching = asyncio.create_task(watch())
            await until(exchange.sockets.wanted)
            for _ in range(6):
                await exchange.advance()
                await asyncio.sleep(0.02)
            await asyncio.wait_for(watching, 5)
            assert books[-1]["bids"][0][0] <= 100.0 <= books[-1]["asks"][0][0]
            ticker = await client.fetch_bids_asks([PAIR])
            assert ticker[PAIR]["bid"] < ticker[PAIR]["ask"]
            marks = asyncio.create_task(client.watch_mark_price(PAIR))
            await until(lambda: "aaausdt@markPrice@1s" in exchange.sockets.wanted())
            await exchange.advance()
            assert (await marks)["markPrice"] == 100.0

    play(scene)


def test_ccxt_watches_its_orders_and_positions() -> None:
    async def scene() -> None:
        async with running(quiet_market()) as (exchange, client):
            orders = asyncio.create_task(client.watch_orders())
            positions = asyncio.create_task(client.watch_positions())
            await until(lambda: any(c.category == "private" for c in exchange.sockets.open))
            await client.create_order(PAIR, "market", "buy", 1.0)
            assert [o["status"] for o in await orders] == ["open"]
            orders = asyncio.create_task(client.watch_orders())
            await asyncio.sleep(0)
            await exchange.advance()
            assert [(o["status"], o["filled"]) for o in await orders] == [("closed", 1.0)]
            assert [(p["side"], p["contracts"]) for p in await positions] == [("long", 1.0)]

    play(scene)


def test_what_is_pushed_has_been_read_when_heard_returns() -> None:
    async def scene() -> None:
        async with streaming(quiet_market(n_bars=40)) as (exchange, client, stream):
            seen: list[int] = []

            async def settle() -> None:
                assert await exchange.heard()
                seen.append(len(stream.events))

            watching = asyncio.create_task(client.watch_ohlcv_for_symbols([[PAIR, "1h"]]))
            await until(exchange.sockets.wanted)
            for k in range(20):
                await client.create_order(PAIR, "market", "buy" if k % 2 else "sell", 1.0)
                await exchange.advance(settle)
            await watching
            assert len(seen) == 40  # each bar a fill and its close
            assert len(stream.of("ACCOUNT_UPDATE")) == 20
            assert [n for k, n in enumerate(seen) if k % 2 == 0] == [3 * (k + 1) for k in range(20)]
            assert client.ohlcvs[PAIR]["1h"][-1][0] == int(exchange.sim.market.time[20])

    play(scene)


def test_two_hundred_symbols_in_one_subscription() -> None:
    market = quiet_market(extra={f"S{k:03d}USDT": [QUIET] * 3 for k in range(220)})

    async def scene() -> None:
        async with running(market) as (exchange, client):
            pairs = [[s, "1h"] for s in client.symbols]
            watching = asyncio.create_task(client.watch_ohlcv_for_symbols(pairs))
            await until(lambda: len(exchange.sockets.wanted()) == 220)
            await exchange.advance()
            await watching
            await until(lambda: len(client.ohlcvs) == 220)

    play(scene)
