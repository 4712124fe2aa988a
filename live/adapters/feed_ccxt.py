"""The ``Feed`` port on Binance USDT-M through ccxt: closed bars in order and without holes, prices and books between
them.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from live.adapters.backfill import HOUR_MS, Backfill
from live.adapters.bars import BarBoard, MarkBars
from live.adapters.binance.session import CallFailed, Session
from live.adapters.binance.settings import FeedSettings
from live.adapters.book import Spread, spread_and_depth
from live.adapters.books import Books
from live.adapters.streams import Stream
from live.errors import LiveError
from live.ports import ClosedBar, Depth, Quote, Settlement
from live.secrets import scrub
from qt_core.io.timeframes import timeframe_to_ms


class FeedHealth(NamedTuple):
    """What a monitor may ask at any time."""

    connected: bool
    connections: int  # of both public connections
    dropped: int  # connections closed for silence
    skew_ms: float  # the exchange's clock less ours
    late: int  # symbol-bars given without their candle
    too_late: int  # candles that came after their bar
    failed: int  # REST questions without an answer
    bad_frames: int
    book_breaks: int
    snapshots: int


class CcxtFeed:
    """Bars of ``timeframe`` for ``symbols`` (sorted names). ``session`` may be shared with a broker, which then closes
    it.
    """

    def __init__(
        self,
        session: Session,
        symbols: Sequence[str],
        timeframe: str,
        settings: FeedSettings | None = None,
        depth_of: Sequence[int] | None = None,
        own_session: bool = True,
    ) -> None:
        self.session, self.symbols = session, tuple(symbols)
        self.settings = s = settings or FeedSettings()
        self.bar_ms = timeframe_to_ms(timeframe)
        n = len(symbols)
        self.board = BarBoard(n, self.bar_ms, s.give_up_bars)
        self.marks = MarkBars(n, self.bar_ms, s.mark_edge_ms)
        self.backfill = Backfill(session, symbols, timeframe, self.bar_ms, s.backfill_limit, s.parallel)
        kept = range(min(n, s.depth_symbols)) if depth_of is None else depth_of
        self.books = Books(session, symbols, kept, s.depth_levels, s.book_levels, s.resnapshot_ms)
        self._index = {name: i for i, name in enumerate(symbols)}
        self._last, self._mark, self._rate = np.full(n, np.nan), np.full(n, np.nan), np.full(n, np.nan)
        self._last_ms, self._mark_ms = np.zeros(n), np.zeros(n)
        self._next_funding = np.zeros(n, dtype=np.int64)
        self._settled_rate = np.full(n, np.nan)
        self._news = asyncio.Event()
        self._error: LiveError | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._own_session, self._interval, self._closing = own_session, timeframe, False
        self._market = self._stream("market", self._market_names(), self._hear_market, self.marks.broken)
        self._public = self._stream("public", self.books.names(), self.books.hear, self.books.lost)

    def _market_names(self) -> list[str]:
        lower = [s.lower() for s in self.symbols]
        return [f"{s}@kline_{self._interval}" for s in lower] + [f"{s}@markPrice@1s" for s in lower]

    def _stream(self, category: str, names: Sequence[str], hear: Any, lost: Any) -> Stream:
        s, url = self.settings, self.session.socket_url(category, "0")
        return Stream(self.session, url, names, hear, lost, s.quote_stale_ms, s.streams_per_subscribe)

    # --- bars ------------------------------------------------------------------------------------------------------
    async def bars(self, after_ms: int) -> AsyncIterator[ClosedBar]:
        """Closed bars whose open time is later than ``after_ms``, oldest first; goes on until ``close``.

        Raises
        ------
        LiveError
            Where the exchange does not answer at the start, or a task of the feed failed.
        """
        await self._open()
        self.board.start(after_ms // self.bar_ms * self.bar_ms + self.bar_ms)
        while not self._closing:
            if self._error is not None:
                raise self._error
            behind = self._newest_closed_ms() - self.board.next_open_ms
            if behind >= 0 and not self._recent(self.board.next_open_ms):
                async for bar in self._history():
                    yield bar
            else:
                await self._await_bar()
                if not self._closing and self._error is None:
                    yield await self._give(waited=True)

    def _newest_closed_ms(self) -> int:
        """Open time of the newest bar that has closed by the exchange's clock."""
        return self.session.clock.now_ms() // self.bar_ms * self.bar_ms - self.bar_ms

    def _recent(self, open_ms: int) -> bool:
        """True for the bar that closed last while its candles may still be on their way by the stream."""
        age = self.session.clock.now_ms() - open_ms - self.bar_ms
        return self._market.connected and (self.board.any_arrived(open_ms) or age <= self.settings.ask_ms)

    async def _history(self) -> AsyncIterator[ClosedBar]:
        """Bars that closed before the stream could tell: fetched in pieces, asked again until there is an answer."""
        first = self.board.next_open_ms
        last = min(self._newest_closed_ms(), first + (self.settings.backfill_bars - 1) * self.bar_ms)
        pause = self.settings.retry_ms
        while not await self.backfill.fill(self.board, first, last) and not self._closing:
            await asyncio.sleep(pause / 1e3)
            pause = min(2 * pause, self.settings.retry_cap_ms)
        while self.board.next_open_ms <= last and not self._closing:
            yield await self._give(waited=False)

    async def _await_bar(self) -> None:
        """Return once the next bar is complete, or its deadline has passed and at least the feed lives."""
        s, open_ms = self.settings, self.board.next_open_ms
        close_ms = open_ms + self.bar_ms
        asked_ms = 0
        while not self._closing and self._error is None:
            self._news.clear()
            missing = self.board.missing(open_ms)
            now = self.session.clock.now_ms()
            lives = self.board.any_arrived(open_ms)
            if (not missing and lives) or (now >= close_ms + s.deadline_ms and lives and asked_ms):
                return
            if now >= close_ms + s.ask_ms and now - asked_ms >= s.ask_ms:
                asked_ms = now
                await self.backfill.now(self.board, open_ms, missing or list(range(len(self.symbols))))
                continue
            due = close_ms + (s.ask_ms if now < close_ms + s.ask_ms else s.deadline_ms)
            await self._wait_news(min(due - now, s.ask_ms) if due > now else s.ask_ms)

    async def _wait_news(self, ms: int) -> None:
        try:
            async with asyncio.timeout(ms / 1e3):
                await self._news.wait()
        except TimeoutError:
            return

    async def _give(self, waited: bool) -> ClosedBar:
        open_ms = self.board.next_open_ms
        if waited and (unmarked := self.board.unmarked(open_ms)):
            await self.backfill.now_marks(self.board, open_ms, unmarked)
        return self.board.take(await self._settled(open_ms), waited)

    async def _settled(self, open_ms: int) -> tuple[Settlement, ...]:
        """Funding due at a bar's open. Settlements fall on full hours; the stream's last rate stands in without an
        answer.
        """
        after = open_ms - self.bar_ms
        if open_ms // HOUR_MS == after // HOUR_MS:
            return ()
        rows = await self.backfill.settlements(after, open_ms)
        if rows is None:
            due = (self._next_funding > after) & (self._next_funding <= open_ms) & np.isfinite(self._rate)
            rows = [Settlement(int(self._next_funding[i]), int(i), float(self._rate[i])) for i in np.flatnonzero(due)]
        for row in rows:
            self._settled_rate[row.symbol] = row.rate
        return tuple(rows)

    # --- streams ---------------------------------------------------------------------------------------------------
    def _hear_market(self, data: Mapping[str, Any]) -> None:
        """A candle, running or closed, or a mark price."""
        i = self._index.get(data.get("s", ""))
        if i is None:
            return
        if data["e"] == "kline":
            k = data["k"]
            self._last[i], self._last_ms[i] = float(k["c"]), float(data["E"])
            if k["x"] and k.get("i") == self._interval:
                ohlc = float(k["o"]), float(k["h"]), float(k["l"]), float(k["c"])
                quote = float(k["q"]) if k.get("q") not in (None, "") else math.nan
                self.board.candle(i, int(k["t"]), ohlc, float(k["v"]), quote)
                self._news.set()
        elif data["e"] == "markPriceUpdate":
            self._hear_mark(i, data)

    def _hear_mark(self, i: int, data: Mapping[str, Any]) -> None:
        self._mark[i], self._mark_ms[i] = float(data["p"]), float(data["E"])
        if data.get("r") not in (None, ""):
            self._rate[i], self._next_funding[i] = float(data["r"]), int(data.get("T") or 0)
        closed = self.marks.hear(i, int(data["E"]), float(data["p"]))
        if closed is not None:
            self.board.mark(i, *closed)

    # --- between bars ----------------------------------------------------------------------------------------------
    def quote(self) -> "Quote | None":
        """The newest last and mark prices; None before the first."""
        if not np.isfinite(self._last).any():
            return None
        now = self.session.clock.now_ms()
        age = now - np.minimum(self._last_ms, self._mark_ms)
        return Quote(now, self._last.copy(), self._mark.copy(), age)

    def depth(self, symbol: int) -> "Depth | None":
        """What is known of a symbol's book."""
        return self.books.depth(symbol)

    def spread(self, symbol: int, band: float) -> "Spread | None":
        """What CMD_SPREAD and CMD_DEPTH say of a symbol; ``band`` is aelm.depth_band."""
        depth = self.depth(symbol)
        return None if depth is None else spread_and_depth(depth.bids, depth.asks, band)

    def mark(self, symbol: int) -> float:
        """Mark price now, NaN = unknown."""
        return float(self._mark[symbol])

    def settled_rate(self, symbol: int) -> float:
        """Rate of the last funding settlement, NaN = unknown."""
        return float(self._settled_rate[symbol])

    def health(self) -> FeedHealth:
        """Connections, clock and counts."""
        return FeedHealth(
            connected=self._market.connected and self._public.connected,
            connections=self._market.connections + self._public.connections,
            dropped=self._market.dropped + self._public.dropped,
            skew_ms=self.session.clock.offset_ms,
            late=int(self.board.late_count.sum()),
            too_late=self.board.too_late,
            failed=self.backfill.failed,
            bad_frames=self.session.exchange.bad_frames,
            book_breaks=self.books.breaks,
            snapshots=self.books.snapshots,
        )

    # --- life ------------------------------------------------------------------------------------------------------
    async def _open(self) -> None:
        if self._tasks:
            return
        try:
            await self.session.set_clock()
        except CallFailed as failed:
            raise LiveError(f"feed: the exchange does not answer: {failed.outcome.text[:300]}") from None
        for work in (self._market.run(), self._public.run(), self.books.run(), self._keep_clock()):
            self._start(work)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.append(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A defect of ours in a task: whoever takes bars must hear of it."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._error = LiveError(f"feed: failed: {scrub(f'{type(error).__name__}: {error}')}")
            self._news.set()

    async def _keep_clock(self) -> None:
        while True:
            await asyncio.sleep(self.session.settings.clock_ms / 1e3)
            try:
                await self.session.set_clock()
            except CallFailed:
                continue  # the offset in use stays

    async def close(self) -> None:
        """End ``bars`` and every task."""
        self._closing = True
        self._news.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        if self._own_session:
            await self.session.close()
