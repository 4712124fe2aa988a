"""Feed and broker on one session: what the broker knows of the market is what the feed has heard."""

import asyncio

import numpy as np
import pytest

from live.adapters.binance.broker import BinanceBroker, World
from live.adapters.binance.session import Session
from live.adapters.binance.settings import ConnectionSettings, FeedSettings
from live.adapters.feed_ccxt import CcxtFeed
from live.secrets import Keys, Secret
from live.testing.exchange import Exchange
from live.testing.settings import API_KEY, SECRET, Settings
from qt_core.codes import EV_FILL, EV_FUNDING
from tests.engine.tables import QUIET, market_of
from tests.live.binance.world import NAME, QUICK, RUN, Scene, intent, play


def test_the_broker_sees_the_feeds_book_mark_and_rate():
    async def scene():
        market = market_of({NAME: [(*QUIET, 1e6, 100.2, 100.3, 100.1, 100.2)] * 9}, funding=[(5, NAME, 0.002)])
        exchange = Exchange(market, Settings(first_bar=2, venue={"slippage": 0.0, "participation": 0.0}))
        await exchange.start()
        connection = ConnectionSettings(
            rest_url=exchange.url, ws_url=f"ws{exchange.url.removeprefix('http')}", redial_ms=10, clock_samples=1,
            linger_ms=5, skew_warn_ms=10**15,
        )  # fmt: skip
        session = Session(connection, Keys(Secret(API_KEY), Secret(SECRET)))
        feed = CcxtFeed(session, (NAME,), "1h", FeedSettings(ask_ms=60, deadline_ms=200), own_session=False)
        world = World(feed.depth, feed.mark, feed.settled_rate)
        s = Scene(exchange, BinanceBroker(session, (NAME,), np.asarray(market.specs), RUN, QUICK, world))
        bars = []

        async def watch():
            async for bar in feed.bars(int(market.time[1])):
                bars.append(bar)

        task = asyncio.create_task(watch())
        await s.broker.open()
        s.listen()
        await s.until(lambda: {c.category for c in exchange.sockets.open if c.streams} == {"market", "public"})
        await s.advance()
        depth = await s.until(lambda: feed.depth(0))
        await s.submit(intent(1, qty=0.5))
        assert s.broker.orders.by_id[intent(1).client_id].reference == depth.ask
        await s.advance(3)
        fill, paid = await s.wait(2)
        assert (fill.row["kind"], fill.row["reference_price"]) == (EV_FILL, depth.ask)
        assert (paid.row["kind"], paid.row["price"]) == (EV_FUNDING, pytest.approx(100.2))
        assert paid.row["funding_usd"] == pytest.approx(-0.5 * 100.2 * 0.002)
        await s.until(lambda: len(bars) >= 4)
        assert [b.open_ms for b in bars[:4]] == [int(t) for t in market.time[2:6]]
        await feed.close()
        await s.end()
        await task
        await exchange.stop()

    play(scene)


def test_a_connection_that_falls_silent_is_dialled_anew():
    async def scene():
        market = market_of({NAME: [QUIET] * 5})
        exchange = Exchange(market, Settings(first_bar=2))
        await exchange.start()
        connection = ConnectionSettings(
            rest_url=exchange.url,
            ws_url=f"ws{exchange.url.removeprefix('http')}",
            redial_ms=10,
            clock_samples=1,
            linger_ms=5,
        )
        feed = CcxtFeed(Session(connection), (NAME,), "1h", FeedSettings(quote_stale_ms=40, ask_ms=60, deadline_ms=200))

        async def watch():
            async for _ in feed.bars(int(market.time[0])):
                pass

        task = asyncio.create_task(watch())
        for _ in range(1_000):
            if feed.health().dropped >= 2 and feed.health().connections >= 4:
                break
            await asyncio.sleep(0.003)
        assert feed.health().dropped >= 2
        assert feed.health().connections >= 4
        await feed.close()
        await task
        await exchange.stop()

    play(scene)
