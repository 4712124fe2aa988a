"""Order books of several symbols kept from a stream: best prices of all, the whole book of some."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from live.adapters.binance.session import DEPTH, CallFailed, Session
from live.adapters.book import Book
from live.ports import Depth


class Best(NamedTuple):
    """Best bid and ask of a symbol."""

    time_ms: int
    bid: float
    bid_qty: float
    ask: float
    ask_qty: float


class Books:
    """Books by symbol index.

    Attributes
    ----------
    books : of the symbols whose depth is kept. snapshots : asked for. breaks : chains of differences that broke.
    """

    def __init__(
        self, session: Session, symbols: Sequence[str], kept: Sequence[int], levels: int, shown: int, pause_ms: int
    ) -> None:
        self.books = {i: Book() for i in kept}
        self.snapshots = 0
        self._best: dict[int, Best] = {}
        self._session, self._symbols = session, tuple(symbols)
        self._index = {name: i for i, name in enumerate(symbols)}
        self._levels, self._shown, self._pause_ms = levels, shown, pause_ms
        self._due: asyncio.Event = asyncio.Event()
        self._needed: dict[int, None] = {}

    def names(self) -> list[str]:
        """Streams to subscribe to."""
        all_of_them = [f"{s.lower()}@bookTicker" for s in self._symbols]
        return all_of_them + [f"{self._symbols[i].lower()}@depth@100ms" for i in self.books]

    @property
    def breaks(self) -> int:
        return sum(book.breaks for book in self.books.values())

    def hear(self, data: Mapping[str, Any]) -> None:
        """One event of the public connection."""
        i = self._index.get(data.get("s", ""))
        if i is None:
            return
        if data["e"] == "bookTicker":
            self._best[i] = Best(
                int(data.get("T") or data["E"]), float(data["b"]), float(data["B"]), float(data["a"]), float(data["A"])
            )
        elif data["e"] == "depthUpdate" and i in self.books:
            if not self.books[i].on_diff(dict(data)):
                self._needed[i] = None
                self._due.set()

    def lost(self) -> None:
        """The connection is gone: what was known is no longer so."""
        self._best.clear()
        for book in self.books.values():
            book.reset()

    async def run(self) -> None:
        """Fetch snapshots where they are needed, one after the other; never returns."""
        while True:
            await self._due.wait()
            self._due.clear()
            for i in list(self._needed):
                del self._needed[i]
                await self._snapshot(i)
                await asyncio.sleep(self._pause_ms / 1e3 / max(1, len(self.books)))

    async def _snapshot(self, i: int) -> None:
        """One snapshot; one that is too old or did not come is asked for again with the next difference."""
        if self.books[i].live:
            return
        self.snapshots += 1
        try:
            row = await self._session.call(DEPTH, {"symbol": self._symbols[i], "limit": self._levels})
        except CallFailed:
            return
        self.books[i].on_snapshot(int(row["lastUpdateId"]), row["bids"], row["asks"])

    def depth(self, i: int) -> "Depth | None":
        """The whole book where it is kept and holds, else the best bid and ask, else None."""
        book = self.books.get(i)
        if book is not None and book.live and book.bids and book.asks:
            bids, asks = book.levels(self._shown)
            return Depth(i, book.time_ms, float(bids[0, 0]), float(asks[0, 0]), bids, asks)
        best = self._best.get(i)
        if best is None:
            return None
        bids, asks = np.array([[best.bid, best.bid_qty]]), np.array([[best.ask, best.ask_qty]])
        return Depth(i, best.time_ms, best.bid, best.ask, bids, asks)
