"""Closed bars of one timeframe: from the stream as they close, from REST where it is behind, given in order and once."""

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from live.adapters.backfill import HOUR_MS, Backfill
from live.adapters.bars import BarBoard, MarkBars
from live.adapters.binance.session import Session
from live.adapters.binance.settings import FeedSettings
from live.ports import ClosedBar, Settlement
from qt_core.io.timeframes import timeframe_to_ms


class Layer:
    """One timeframe of all symbols.

    Parameters
    ----------
    lives : says whether the stream is connected. stand_in : settlements that the stream foretold, used where REST is silent.

    Attributes
    ----------
    rates : ``[N]`` of the last settlement, NaN = unknown. closing : the feed ends, nobody waits any more.
    """

    def __init__(
        self,
        session: Session,
        symbols: Sequence[str],
        timeframe: str,
        settings: FeedSettings,
        lives: Callable[[], bool],
        stand_in: Callable[[int, int], list[Settlement]],
    ) -> None:
        s, n = settings, len(symbols)
        self.timeframe, self.bar_ms = timeframe, timeframe_to_ms(timeframe)
        self.board = BarBoard(n, self.bar_ms, s.give_up_bars)
        self.marks = MarkBars(n, self.bar_ms, s.mark_edge_ms)
        self.backfill = Backfill(session, symbols, timeframe, self.bar_ms, s.backfill_limit, s.parallel)
        self.rates = np.full(n, np.nan)
        self.closing = False
        self._session, self._settings, self._n = session, s, n
        self._lives, self._stand_in = lives, stand_in
        self._news = asyncio.Event()

    def names(self, symbols: Sequence[str]) -> list[str]:
        """Streams to subscribe to."""
        return [f"{s.lower()}@kline_{self.timeframe}" for s in symbols]

    def hear(self, i: int, k: Mapping[str, Any]) -> None:
        """A candle of the stream; only a closed one of this timeframe counts."""
        if not k["x"] or k.get("i") != self.timeframe:
            return
        ohlc = float(k["o"]), float(k["h"]), float(k["l"]), float(k["c"])
        quote = float(k["q"]) if k.get("q") not in (None, "") else math.nan
        self.board.candle(i, int(k["t"]), ohlc, float(k["v"]), quote)
        self._news.set()

    def hear_mark(self, i: int, time_ms: int, price: float) -> None:
        """A mark price of the stream."""
        closed = self.marks.hear(i, time_ms, price)
        if closed is not None:
            self.board.mark(i, *closed)

    def wake(self) -> None:
        """Whoever waits looks again."""
        self._news.set()

    def newest_closed_ms(self) -> int:
        """Open time of the newest bar that has closed by the exchange's clock."""
        return self._session.clock.now_ms() // self.bar_ms * self.bar_ms - self.bar_ms

    def behind(self) -> bool:
        """True where the next bar closed so long ago that the stream will not bring it."""
        open_ms = self.board.next_open_ms
        if open_ms > self.newest_closed_ms():
            return False
        age = self._session.clock.now_ms() - open_ms - self.bar_ms
        return not (self._lives() and (self.board.any_arrived(open_ms) or age <= self._settings.ask_ms))

    async def history(self, last_ms: int) -> None:
        """Fetch every bar up to ``last_ms``; asked again until there is an answer."""
        pause, first = self._settings.retry_ms, self.board.next_open_ms
        while not self.closing and not await self.backfill.fill(self.board, first, last_ms):
            await asyncio.sleep(pause / 1e3)
            pause = min(2 * pause, self._settings.retry_cap_ms)

    async def wait(self) -> None:
        """Return once the next bar is complete, or its deadline has passed and at least the feed lives."""
        s, open_ms = self._settings, self.board.next_open_ms
        close_ms, asked_ms = open_ms + self.bar_ms, 0
        while not self.closing:
            self._news.clear()
            missing, now = self.board.missing(open_ms), self._session.clock.now_ms()
            arrived = self.board.any_arrived(open_ms)
            if arrived and (not missing or (now >= close_ms + s.deadline_ms and asked_ms)):
                return
            if now >= close_ms + s.ask_ms and now - asked_ms >= s.ask_ms:
                asked_ms = now
                await self.backfill.now(self.board, open_ms, missing or list(range(self._n)))
                continue
            due = close_ms + (s.ask_ms if now < close_ms + s.ask_ms else s.deadline_ms)
            await self._wait_news(min(due - now, s.ask_ms) if due > now else s.ask_ms)

    async def _wait_news(self, ms: int) -> None:
        try:
            async with asyncio.timeout(ms / 1e3):
                await self._news.wait()
        except TimeoutError:
            return

    async def give(self, waited: bool) -> ClosedBar:
        """The next bar, with marks and settlements. ``waited`` False: history, where nobody is late."""
        open_ms = self.board.next_open_ms
        if waited and (unmarked := self.board.unmarked(open_ms)):
            await self.backfill.now_marks(self.board, open_ms, unmarked)
        return self.board.take(await self._settled(open_ms, open_ms + self.bar_ms), waited)

    async def _settled(self, start_ms: int, end_ms: int) -> tuple[Settlement, ...]:
        """Funding settled with ``start_ms <= time < end_ms``; settlements fall on full hours."""
        if -(-start_ms // HOUR_MS) * HOUR_MS >= end_ms:
            return ()
        rows = await self.backfill.settlements(start_ms - 1, end_ms - 1)
        rows = self._stand_in(start_ms, end_ms) if rows is None else rows
        for row in rows:
            self.rates[row.symbol] = row.rate
        return tuple(rows)
