"""Candles, mark candles and funding settlements by REST. What has closed is decided by the exchange's time, not by the
row.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from live.adapters.bars import BarBoard, Ohlc
from live.adapters.binance.budget import CALM, ENTRY
from live.adapters.binance.session import FUNDING_RATE, KLINES, MARK_KLINES, CallFailed, Endpoint, Session
from live.ports import Settlement

WEIGHTS = ((100, 1.0), (500, 2.0), (1_001, 5.0), (1_501, 10.0))  # of klines, by limit below
MINUTE_MS, HOUR_MS = 60_000, 3_600_000
FUNDING_LIMIT = 1_000


def weight_of(limit: int) -> float:
    """Request weight of candles."""
    return next(weight for below, weight in WEIGHTS if limit < below)


class Backfill:
    """Fills a board by REST.

    Attributes
    ----------
    failed : questions without an answer.
    """

    def __init__(
        self, session: Session, symbols: Sequence[str], interval: str, bar_ms: int, limit: int, parallel: int
    ) -> None:
        self.failed = 0
        self._session, self._symbols = session, tuple(symbols)
        self._index = {name: i for i, name in enumerate(symbols)}
        self._interval, self._bar_ms, self._limit = interval, bar_ms, limit
        self._gate = asyncio.Semaphore(parallel)

    async def fill(self, board: BarBoard, first_ms: int, last_ms: int, symbols: Iterable[int] | None = None) -> bool:
        """Candles and marks of bars ``first_ms .. last_ms``; False where a question was not answered."""
        chosen = range(len(self._symbols)) if symbols is None else symbols
        jobs = [self.candles(board, i, first_ms, last_ms) for i in chosen]
        jobs += [self.marks(board, i, first_ms, last_ms) for i in chosen]
        return all(await asyncio.gather(*jobs))

    async def candles(self, board: BarBoard, i: int, first_ms: int, last_ms: int, urgency: int = CALM) -> bool:
        """Closed candles of one symbol."""
        rows = await self._rows(KLINES, i, first_ms, last_ms, urgency)
        for row in rows or ():
            quote = float(row[7]) if len(row) > 7 and row[7] is not None else float("nan")
            board.candle(i, int(row[0]), _ohlc(row), float(row[5]), quote)
        return rows is not None

    async def marks(self, board: BarBoard, i: int, first_ms: int, last_ms: int, urgency: int = CALM) -> bool:
        """Closed mark candles of one symbol."""
        rows = await self._rows(MARK_KLINES, i, first_ms, last_ms, urgency)
        for row in rows or ():
            board.mark(i, int(row[0]), _ohlc(row))
        return rows is not None

    async def now(self, board: BarBoard, open_ms: int, symbols: Sequence[int]) -> None:
        """The candle of one bar for symbols that have not arrived; before calm calls, for the bar waits."""
        await asyncio.gather(*(self.candles(board, i, open_ms, open_ms, ENTRY) for i in symbols))

    async def now_marks(self, board: BarBoard, open_ms: int, symbols: Sequence[int]) -> None:
        """The mark candle of one bar for symbols whose marks were not heard wholly."""
        await asyncio.gather(*(self.marks(board, i, open_ms, open_ms, ENTRY) for i in symbols))

    async def settlements(self, after_ms: int, until_ms: int) -> "list[Settlement] | None":
        """Settlements with ``after_ms < time <= until_ms``, oldest first; None where there is no answer.

        Times are full minutes: the exchange dates a settlement some milliseconds beside its hour.
        """
        out: dict[tuple[int, int], Settlement] = {}
        start = after_ms + 1 - MINUTE_MS // 2
        while start <= until_ms + MINUTE_MS - 1:
            params = {"startTime": start, "endTime": until_ms + MINUTE_MS - 1, "limit": FUNDING_LIMIT}
            rows = await self._ask(FUNDING_RATE, params, ENTRY)
            if rows is None:
                return None
            for row in rows:
                i, time_ms = self._index.get(row["symbol"]), settlement_ms(int(row["fundingTime"]))
                if i is not None and after_ms < time_ms <= until_ms:
                    out[time_ms, i] = Settlement(time_ms, i, float(row["fundingRate"]))
            if len(rows) < FUNDING_LIMIT:
                break
            start = int(rows[-1]["fundingTime"]) + 1
        return [out[key] for key in sorted(out)]

    async def _rows(self, endpoint: Endpoint, i: int, first_ms: int, last_ms: int, urgency: int) -> "list[Any] | None":
        """Rows of closed bars, page by page."""
        out: list[Any] = []
        start = first_ms
        while start <= last_ms:
            limit = min(self._limit, (last_ms - start) // self._bar_ms + 1)
            params = {
                "symbol": self._symbols[i],
                "interval": self._interval,
                "startTime": start,
                "endTime": last_ms + self._bar_ms - 1,
                "limit": limit,
            }
            rows = await self._ask(endpoint._replace(weight=weight_of(limit)), params, urgency)
            if rows is None:
                return None
            now_ms = self._session.clock.now_ms()
            out += [r for r in rows if first_ms <= int(r[0]) <= last_ms and int(r[0]) + self._bar_ms <= now_ms]
            if len(rows) < limit:
                break
            start = int(rows[-1][0]) + self._bar_ms
        return out

    async def _ask(self, endpoint: Endpoint, params: dict[str, Any], urgency: int) -> "list[Any] | None":
        async with self._gate:
            try:
                rows = await self._session.call(endpoint, params, urgency)
            except CallFailed:
                self.failed += 1
                return None
        return rows if isinstance(rows, list) else None


def settlement_ms(stamped_ms: int) -> int:
    """The full minute a settlement belongs to."""
    return (stamped_ms + MINUTE_MS // 2) // MINUTE_MS * MINUTE_MS


def _ohlc(row: Sequence[Any]) -> Ohlc:
    return float(row[1]), float(row[2]), float(row[3]), float(row[4])
