"""What public streams say when a bar opens and when it closes."""

from typing import Any

from live.testing.candles import stream_message
from live.testing.contracts import Contract
from live.testing.depth import book_row, diff, levels
from live.testing.faults import LATE_CANDLE, MISSED_CANDLE
from live.testing.rest.market import premium_row
from live.testing.simulation import TRADING, Simulation
from qt_core.io.timeframes import TIMEFRAME_MS

Frame = dict[str, Any]


class Streams:
    """Frames by stream name."""

    def __init__(self, x: Simulation) -> None:
        self.x = x
        self.books: dict[int, Any] = {}  # the levels last told of, by symbol

    def frames(self, stream: str) -> list[Any]:
        """What ``stream`` says of this moment; nothing where it is unknown."""
        name, _, channel = stream.partition("@")
        if stream.startswith("!markPrice@arr"):
            traded = (c for c in self.x.contracts if self.x.status(c) == TRADING)
            return [[self._mark(c) for c in traded]]
        c = self.x.by_name.get(name.upper())
        if c is None or self.x.status(c) != TRADING:
            return []
        kind = channel.partition("@")[0]
        if kind.startswith("kline_"):
            return self._kline(c, kind.removeprefix("kline_"))
        if kind == "markPrice":
            return [self._mark(c)]
        if kind == "bookTicker":
            return [self._ticker(c)]
        if kind.startswith("depth"):
            return [self._depth(c, kind.removeprefix("depth"))]
        return []

    def _kline(self, c: Contract, interval: str) -> list[Frame]:
        """The interval's running candle, or (when a bar has closed) the one that this bar belongs to."""
        x = self.x
        length = TIMEFRAME_MS.get(interval)
        if length is None:
            return []
        at = x.matching.bar_open_ms() - (0 if x.matching.in_bar else 1)
        if not x.matching.in_bar and self._withheld(c):
            return []
        candle = x.candles.one(c.index, at // length * length, length)
        return [] if candle is None else [stream_message(candle, c, interval, x.now_ms())]

    def _withheld(self, c: Contract) -> bool:
        """True where a fault keeps the closed candle back."""
        faults = self.x.faults
        if c.index in self.x.candles.hidden:
            faults.note(LATE_CANDLE)
            return True
        if faults.missing[c.index] > 0:
            faults.note(MISSED_CANDLE)
            return True
        return False

    def late(self, stream: str, first: int, last: int) -> list[Frame]:
        """Closed candles of bars ``first .. last`` that a fault had kept back."""
        name, _, channel = stream.partition("@")
        c, length = self.x.by_name.get(name.upper()), TIMEFRAME_MS.get(channel.removeprefix("kline_"))
        if c is None or length is None:
            return []
        bars = self.x.matching.bars
        opens = dict.fromkeys(int(t) // length * length for t in bars.time[first : last + 1])
        found = (self.x.candles.one(c.index, t, length) for t in opens)
        interval = channel.removeprefix("kline_")
        return [stream_message(k, c, interval, self.x.now_ms()) for k in found if k is not None and k.closed]

    def _mark(self, c: Contract) -> Frame:
        row = premium_row(self.x, c)
        return {
            "e": "markPriceUpdate",
            "E": self.x.now_ms(),
            "s": c.name,
            "p": row["markPrice"],
            "i": row["indexPrice"],
            "P": row["estimatedSettlePrice"],
            "r": row["lastFundingRate"],
            "T": row["nextFundingTime"],
        }

    def _ticker(self, c: Contract) -> Frame:
        row, now = book_row(self.x, c), self.x.now_ms()
        prices = {"b": row["bidPrice"], "B": row["bidQty"], "a": row["askPrice"], "A": row["askQty"]}
        return {"e": "bookTicker", "u": row["lastUpdateId"], "E": now, "T": now, "s": c.name, **prices}

    def _depth(self, c: Contract, n: str) -> Frame:
        """A whole small book (``depth5``), or what changed of it."""
        if n:
            message = diff(self.x, c, None)
            return message | {"b": message["b"][: int(n)], "a": message["a"][: int(n)]}
        message = diff(self.x, c, self.books.get(c.index))
        self.books[c.index] = levels(self.x, c, self.x.settings.depth_levels)
        return message
