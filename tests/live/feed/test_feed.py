"""The feed on a real socket: closed bars equal to the market's, in order and without holes, whatever the connection
does.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest

from live.adapters.binance.session import Session
from live.adapters.binance.settings import ConnectionSettings, FeedSettings
from live.adapters.feed_ccxt import CcxtFeed
from live.errors import LiveError
from live.ports import ClosedBar
from live.testing.exchange import Exchange
from live.testing.settings import Settings
from qt_core.codes import PX_HIGH, PX_MARK_CLOSE, PX_OPEN
from qt_core.market import Market
from tests.engine.tables import HOUR_MS, QUIET, market_of
from tests.live.binance.world import PATIENCE, TURN_S, play

QUICK = FeedSettings(ask_ms=60, deadline_ms=200, retry_ms=10, quote_stale_ms=60_000, resnapshot_ms=1)
NAMES = ("AAAUSDT", "BBBUSDT", "CCCUSDT")


def market(n_bars: int = 12, names: tuple[str, ...] = NAMES, **more: Any) -> Market:
    """Different prices for each symbol and bar; marks beside the last price."""
    rows = {
        name: [
            (100.0 + t, 101.5 + t, 99.0 + t, 100.5 + t, 1_000.0 + 10 * t + i, 100.1 + t, 101.4 + t, 99.2 + t, 100.4 + t)
            for t in range(n_bars)
        ]
        for i, name in enumerate(names)
    }
    return market_of(rows, **more)


class Watch:
    """A feed and the bars it has given."""

    def __init__(self, exchange: Exchange, feed: CcxtFeed) -> None:
        self.exchange, self.feed = exchange, feed
        self.bars: list[ClosedBar] = []
        self.error: Exception | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self, after_ms: int) -> None:
        self._task = asyncio.create_task(self._run(after_ms))

    async def _run(self, after_ms: int) -> None:
        try:
            async for bar in self.feed.bars(after_ms):
                self.bars.append(bar)
        except LiveError as error:
            self.error = error

    async def until(self, said: Callable[[], Any]) -> Any:
        for _ in range(PATIENCE):
            if answer := said():
                return answer
            await asyncio.sleep(TURN_S)
        raise AssertionError(f"waited in vain; {len(self.bars)} bars; {self.feed.health()}; {self.error}")

    async def wait(self, n: int) -> list[ClosedBar]:
        await self.until(lambda: len(self.bars) >= n)
        return self.bars

    async def subscribed(self, categories: tuple[str, ...] = ("market", "public")) -> None:
        """Until the exchange has both subscriptions."""
        await self.until(lambda: {c.category for c in self.exchange.sockets.open if c.streams} >= set(categories))

    async def follow(self, after_ms: int, n: int = 1) -> None:
        """Start, take ``n`` bars of history and wait for the streams."""
        self.start(after_ms)
        await self.wait(n)
        await self.subscribed()

    async def end(self) -> None:
        await self.feed.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


@asynccontextmanager
async def watching(
    m: Market, settings: FeedSettings = QUICK, first_bar: int = 4, decision: str = "", **more: Any
) -> AsyncIterator[Watch]:
    exchange = Exchange(m, Settings(first_bar=first_bar, **more))
    await exchange.start()
    connection = ConnectionSettings(
        rest_url=exchange.url, ws_url=f"ws{exchange.url.removeprefix('http')}", timeout_ms=2_000, redial_ms=10, linger_ms=5,
        clock_samples=1,
    )  # fmt: skip
    watch = Watch(exchange, CcxtFeed(Session(connection), m.symbols, "1h", settings, decision))
    try:
        yield watch
    finally:
        await watch.end()
        await exchange.stop()


def check(bar: ClosedBar, m: Market, t: int) -> None:
    """A bar is the market's own, prices and marks."""
    assert bar.open_ms == int(m.time[t])
    assert bar.valid.all()
    assert bar.late == ()
    columns = (m.open, m.high, m.low, m.close, m.mark_open, m.mark_high, m.mark_low, m.mark_close)
    for k, column in enumerate(columns):
        assert bar.px[:, k] == pytest.approx(column[t])
    assert bar.volume == pytest.approx(m.volume[t])
    assert bar.quote_volume == pytest.approx(m.quote_volume[t])


def test_history_first_then_the_stream_without_a_hole():
    async def scene():
        m = market()
        async with watching(m) as w:
            await w.follow(int(m.time[0]), 3)
            for _ in range(4):
                await w.exchange.advance()
                await asyncio.sleep(0.01)
            bars = await w.wait(7)
            for t, bar in enumerate(bars, 1):
                check(bar, m, t)
            assert w.feed.health().late == 0

    play(scene)


def test_a_candle_that_is_not_pushed_is_asked_for():
    async def scene():
        m = market()
        async with watching(m) as w:
            await w.follow(int(m.time[3]) - 1)
            w.exchange.miss_candles("BBBUSDT")
            await w.exchange.advance()
            check((await w.wait(2))[1], m, 4)
            assert w.exchange.happened == {"missed_candle": 1}

    play(scene)


def test_at_the_deadline_a_bar_goes_without_those_who_are_late():
    async def scene():
        m = market()
        async with watching(m) as w:
            await w.follow(int(m.time[3]) - 1)
            w.exchange.hold_candles("BBBUSDT")
            await w.exchange.advance()
            bar = (await w.wait(2))[1]
            assert list(bar.valid) == [True, False, True]
            assert bar.late == (1,)
            assert np.isnan(bar.px[1]).all()
            await w.exchange.release_candles("BBBUSDT")
            await w.until(lambda: w.feed.health().too_late == 1)
            assert not bar.valid[1]
            assert w.feed.health().late == 1
            await w.exchange.advance()
            check((await w.wait(3))[2], m, 5)

    play(scene)


def test_bars_closed_while_the_connection_was_down_are_filled_in():
    async def scene():
        m = market()
        async with watching(m) as w:
            await w.follow(int(m.time[3]) - 1)
            w.exchange.maintenance(True)
            await w.exchange.disconnect()
            for _ in range(3):
                await w.exchange.advance()
            w.exchange.maintenance(False)
            await w.subscribed()
            await w.exchange.advance()
            for t, bar in enumerate(await w.wait(5), 3):
                check(bar, m, t)
            assert w.feed.health().connections >= 4

    play(scene)


def test_funding_due_at_a_bars_open_comes_with_it():
    async def scene():
        m = market(funding=[(2, "AAAUSDT", 0.0001), (4, "BBBUSDT", -0.0002), (4, "AAAUSDT", 0.0003)])
        async with watching(m, first_bar=5) as w:
            w.start(int(m.time[0]))
            bars = await w.wait(4)
            assert [[(s.symbol, s.rate) for s in b.settled] for b in bars] == [
                [], [(0, 0.0001)], [], [(0, 0.0003), (1, -0.0002)],
            ]  # fmt: skip
            assert bars[3].settled[0].time_ms == bars[3].open_ms == int(m.time[4])
            assert w.feed.settled_rate(0) == 0.0003
            assert math.isnan(w.feed.settled_rate(2))

    play(scene)


def test_decision_bars_come_beside_the_last_finer_bar_of_each():
    async def scene():
        m = market(14)
        async with watching(m, first_bar=7, decision="4h") as w:
            await w.follow(int(m.time[1]), 5)
            for _ in range(6):
                await w.exchange.advance()
                await asyncio.sleep(0.01)
            bars = await w.wait(11)
            for t, bar in enumerate(bars, 2):
                check(bar._replace(coarse=None), m, t)
                closes = (bar.open_ms + HOUR_MS) % (4 * HOUR_MS) == 0
                assert (bar.coarse is not None) == closes
                if bar.coarse is not None:
                    rows = slice(t - 3, t + 1)
                    assert bar.coarse.open_ms == int(m.time[t - 3])
                    assert bar.coarse.px[:, PX_OPEN] == pytest.approx(m.open[t - 3])
                    assert bar.coarse.px[:, PX_HIGH] == pytest.approx(m.high[rows].max(axis=0))
                    assert bar.coarse.px[:, PX_MARK_CLOSE] == pytest.approx(m.mark_close[t])
                    assert bar.coarse.volume == pytest.approx(m.volume[rows].sum(axis=0))

    play(scene)


def test_quotes_and_books_between_bars():
    async def scene():
        m = market()
        async with watching(m) as w:
            assert w.feed.quote() is None
            assert w.feed.depth(0) is None
            await w.follow(int(m.time[3]) - 1)
            await w.exchange.advance()
            await w.wait(2)
            quote = await w.until(w.feed.quote)
            assert quote.last[0] == m.close[4, 0]
            assert np.isfinite(quote.mark).all()
            best = await w.until(lambda: w.feed.depth(0))
            assert best.bid < best.ask
            for _ in range(3):
                await w.exchange.advance()
                await asyncio.sleep(0.02)
            await w.until(lambda: all(b.live for b in w.feed.books.books.values()))
            depth = w.feed.depth(1)
            assert depth is not None
            assert len(depth.bids) > 5
            assert (np.diff(depth.bids[:, 0]) < 0).all()
            assert (np.diff(depth.asks[:, 0]) > 0).all()
            spread = w.feed.spread(1, 0.0015)
            assert spread is not None
            assert 0.0 < spread.spread < 0.01
            assert spread.depth_usd > 0.0

    play(scene)


def test_220_symbols_in_one_subscription():
    async def scene():
        names = tuple(f"S{i:03d}USDT" for i in range(220))
        m = market_of({name: [QUIET] * 6 for name in names})
        async with watching(m, QUICK._replace(deadline_ms=5_000, ask_ms=4_000)) as w:
            await w.follow(int(m.time[3]) - 1)
            await w.until(lambda: len(w.exchange.sockets.wanted()) == 220 * 3 + 20)
            await w.exchange.advance()
            bar = (await w.wait(2))[1]
            assert bar.valid.sum() == 220
            assert bar.open_ms == int(m.time[3]) + HOUR_MS

    play(scene)


def test_an_exchange_that_does_not_answer_at_the_start_is_one_line():
    async def scene():
        async with watching(market()) as w:
            w.exchange.maintenance(True)
            w.start(0)
            await w.until(lambda: w.error)
            assert "does not answer" in str(w.error)

    play(scene)
