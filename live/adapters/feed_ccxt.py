"""The ``Feed`` port on Binance USDT-M through ccxt: closed bars in order and without holes, prices and books between
them.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from live.adapters.binance.session import CallFailed, Session
from live.adapters.binance.settings import FeedSettings
from live.adapters.book import Spread, spread_and_depth
from live.adapters.books import Books
from live.adapters.layers import Layer
from live.adapters.streams import Stream
from live.errors import LiveError
from live.ports import ClosedBar, Depth, Quote, Settlement
from live.secrets import scrub


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
    """Closed bars, prices and books of ``symbols`` (sorted names).

    Parameters
    ----------
    timeframe : of the finest bars the session runs on. decision : of the bars it decides on; empty = the same.
    depth_of : symbols whose whole book is kept; None = the first ``depth_symbols``.
    own_session : False where a broker shares the session and closes it.
    """

    def __init__(
        self,
        session: Session,
        symbols: Sequence[str],
        timeframe: str,
        settings: FeedSettings | None = None,
        decision: str = "",
        depth_of: Sequence[int] | None = None,
        own_session: bool = True,
    ) -> None:
        self.session, self.symbols = session, tuple(symbols)
        self.settings = s = settings or FeedSettings()
        n = len(symbols)
        self.fine = self._layer(timeframe)
        self.coarse = self._layer(decision) if decision not in ("", timeframe) else None
        self.layers = [self.fine] if self.coarse is None else [self.fine, self.coarse]
        kept = range(min(n, s.depth_symbols)) if depth_of is None else depth_of
        self.books = Books(session, symbols, kept, s.depth_levels, s.book_levels, s.resnapshot_ms)
        self._index = {name: i for i, name in enumerate(symbols)}
        self._last, self._mark, self._rate = np.full(n, np.nan), np.full(n, np.nan), np.full(n, np.nan)
        self._last_ms, self._mark_ms = np.zeros(n), np.zeros(n)
        self._next_funding = np.zeros(n, dtype=np.int64)
        self._tasks: list[asyncio.Task[None]] = []
        self._own_session, self._closing = own_session, False
        self._error: LiveError | None = None
        self._market = self._stream("market", self._market_names(), self._hear_market, self._lost)
        self._public = self._stream("public", self.books.names(), self.books.hear, self.books.lost)

    def _layer(self, timeframe: str) -> Layer:
        return Layer(
            self.session, self.symbols, timeframe, self.settings, lambda: self._market.connected, self._foretold
        )

    def _market_names(self) -> list[str]:
        candles = [name for layer in self.layers for name in layer.names(self.symbols)]
        return candles + [f"{s.lower()}@markPrice@1s" for s in self.symbols]

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
        for layer in self.layers:
            layer.board.start(after_ms // layer.bar_ms * layer.bar_ms + layer.bar_ms)
        if self.coarse is not None:  # the decision bar that the first finest bar lies in
            self.coarse.board.start(self.fine.board.next_open_ms // self.coarse.bar_ms * self.coarse.bar_ms)
        while self._goes_on():
            if self.fine.behind():
                span = (self.settings.backfill_bars - 1) * self.fine.bar_ms
                last = min(self.fine.newest_closed_ms(), self.fine.board.next_open_ms + span)
                await self.fine.history(last)
                while self.fine.board.next_open_ms <= last and self._goes_on():
                    yield await self._with_coarse(await self.fine.give(waited=False))
            else:
                await self.fine.wait()
                if self._goes_on():
                    yield await self._with_coarse(await self.fine.give(waited=True))

    def _goes_on(self) -> bool:
        if self._error is not None:
            raise self._error
        return not self._closing

    async def _with_coarse(self, bar: ClosedBar) -> ClosedBar:
        """The bar, and beside the last one of a decision bar that one."""
        layer = self.coarse
        if layer is None or (bar.open_ms + self.fine.bar_ms) % layer.bar_ms != 0:
            return bar
        waited = not layer.behind()
        if waited:
            await layer.wait()
        else:
            await layer.history(layer.board.next_open_ms)
        return bar if self._closing else bar._replace(coarse=await layer.give(waited))

    def _foretold(self, start_ms: int, end_ms: int) -> list[Settlement]:
        """Settlements by the stream's last word."""
        due = (self._next_funding >= start_ms) & (self._next_funding < end_ms) & np.isfinite(self._rate)
        return [Settlement(int(self._next_funding[i]), int(i), float(self._rate[i])) for i in np.flatnonzero(due)]

    # --- streams ---------------------------------------------------------------------------------------------------
    def _hear_market(self, data: Mapping[str, Any]) -> None:
        """A candle, running or closed, or a mark price."""
        i = self._index.get(data.get("s", ""))
        if i is None:
            return
        if data["e"] == "kline":
            self._last[i], self._last_ms[i] = float(data["k"]["c"]), float(data["E"])
            for layer in self.layers:
                layer.hear(i, data["k"])
        elif data["e"] == "markPriceUpdate":
            self._hear_mark(i, data)

    def _hear_mark(self, i: int, data: Mapping[str, Any]) -> None:
        time_ms, price = int(data["E"]), float(data["p"])
        self._mark[i], self._mark_ms[i] = price, float(time_ms)
        if data.get("r") not in (None, ""):
            self._rate[i], self._next_funding[i] = float(data["r"]), int(data.get("T") or 0)
        for layer in self.layers:
            layer.hear_mark(i, time_ms, price)

    def _lost(self) -> None:
        for layer in self.layers:
            layer.marks.broken()

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
        return float(self.fine.rates[symbol])

    def health(self) -> FeedHealth:
        """Connections, clock and counts."""
        return FeedHealth(
            connected=self._market.connected and self._public.connected,
            connections=self._market.connections + self._public.connections,
            dropped=self._market.dropped + self._public.dropped,
            skew_ms=self.session.clock.offset_ms,
            late=int(self.fine.board.late_count.sum()),
            too_late=sum(x.board.too_late for x in self.layers),
            failed=sum(x.backfill.failed for x in self.layers),
            bad_frames=self.session.exchange.bad_frames,
            book_breaks=self.books.breaks,
            snapshots=self.books.snapshots,
        )

    async def reconnect(self) -> None:
        """Drop both public connections; they are dialled anew and what was missed is asked for."""
        for stream in (self._market, self._public):
            await stream.redial()

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
            self._wake()

    def _wake(self) -> None:
        """Whoever waits for a bar waits no more."""
        for layer in self.layers:
            layer.closing = True
            layer.wake()

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
        self._wake()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        if self._own_session:
            await self.session.close()
