"""Candles of any interval from the market's finest bars, as REST rows and as stream payloads."""

from typing import Any

import numpy as np

from live.testing.contracts import Contract
from live.testing.errors import BAD_INTERVAL, ApiError
from live.testing.matching import Matching
from live.testing.text import booked, money, plain
from qt_core.codes import PX_CLOSE, PX_HIGH, PX_LOW, PX_MARK_CLOSE, PX_MARK_HIGH, PX_MARK_LOW, PX_MARK_OPEN, PX_OPEN
from qt_core.io.timeframes import TIMEFRAME_MS

LAST = (PX_OPEN, PX_HIGH, PX_LOW, PX_CLOSE)
MARK = (PX_MARK_OPEN, PX_MARK_HIGH, PX_MARK_LOW, PX_MARK_CLOSE)
DEFAULT_LIMIT, MAX_LIMIT = 500, 1500
TAKER_SHARE = 0.5  # of the volume: the made-up share of takers who bought


class Candle:
    """One candle of one symbol, as far as its bars are known: nothing in it is the future's."""

    def __init__(self, open_ms: int, interval_ms: int, ohlc: Any, volume: float, quote: float, closed: bool) -> None:
        self.open_ms, self.close_ms = open_ms, open_ms + interval_ms - 1
        self.open, self.high, self.low, self.close = (float(x) for x in ohlc)
        self.volume, self.quote, self.closed = volume, quote, closed


class Candles:
    """What is known of the candles at this moment; ``hidden`` bars of a symbol have not arrived yet (a fault)."""

    def __init__(self, matching: Matching) -> None:
        self.matching = matching
        market = matching.market
        self.fine = market.detail if market.detail is not None else market
        self.hidden: dict[int, int] = {}  # symbol: first bar that has not arrived

    def interval_ms(self, interval: str) -> int:
        length = TIMEFRAME_MS.get(interval)
        if length is None:
            raise ApiError(BAD_INTERVAL)
        return length

    def known_bars(self, i: int) -> int:
        """Closed bars that have arrived."""
        m = self.matching
        closed = m.f if m.in_bar else m.f + 1
        return min(closed, self.hidden.get(i, closed))

    def one(self, i: int, open_ms: int, interval_ms: int, prices: tuple[int, ...] = LAST) -> Candle | None:
        """The candle that opens at ``open_ms``, as far as it is known; None where nothing of it is."""
        m = self.matching
        start, step = int(m.bars.time[0]), m.bars.bar_ms
        a, b = -((start - open_ms) // step), -((start - open_ms - interval_ms) // step)
        known = self.known_bars(i)
        rows = np.arange(max(a, 0), min(b, known))
        rows = rows[m.bars.valid[rows, i]]
        running = m.in_bar and i not in self.hidden and a <= m.f < b and bool(m.bars.valid[m.f, i])
        if len(rows) == 0 and not running:
            return None
        px = m.bars.px[rows][:, i, :][:, list(prices)]
        if running:
            px = np.vstack([px, np.full(4, m.bars.px[m.f, i, prices[0]])])
        ohlc = (px[0, 0], px[:, 1].max(), px[:, 2].min(), px[-1, 3])
        volume, quote = float(self.fine.volume[rows, i].sum()), float(self.fine.quote_volume[rows, i].sum())
        return Candle(open_ms, interval_ms, ohlc, volume, quote, closed=b <= known)

    def rows(self, i: int, interval_ms: int, start: int, end: int, limit: int, prices: tuple[int, ...]) -> list[Candle]:
        """Candles by open time: the first ``limit`` from ``start`` on, or (``start`` < 0) the last ``limit``."""
        m = self.matching
        first, now = int(m.bars.time[0]), m.bar_open_ms()
        last_open = min(end, now) // interval_ms * interval_ms
        lowest = first // interval_ms * interval_ms
        if start >= 0:
            open_ms = max(-(-start // interval_ms) * interval_ms, lowest)
            opens = range(open_ms, last_open + 1, interval_ms)
        else:
            opens = range(max(lowest, last_open - (limit + 1) * interval_ms), last_open + 1, interval_ms)
        found = [c for c in (self.one(i, t, interval_ms, prices) for t in opens[: MAX_LIMIT + 1]) if c is not None]
        return found[:limit] if start >= 0 else found[-limit:]


def rest_row(c: Candle, contract: Contract, mark: bool) -> list[Any]:
    """One row of ``klines``; a mark candle has no volume."""
    prices = [booked(x) if mark else contract.price(x) for x in (c.open, c.high, c.low, c.close)]
    if mark:
        return [c.open_ms, *prices, "0", c.close_ms, "0", 1, "0", "0", "0"]
    taken = [plain(c.volume * TAKER_SHARE), money(c.quote * TAKER_SHARE)]
    return [c.open_ms, *prices, contract.qty(c.volume), c.close_ms, booked(c.quote), trades(c), *taken, "0"]


def trades(c: Candle) -> int:
    """A made-up number of trades: none without volume."""
    return 1 if c.volume > 0.0 else 0


def stream_message(c: Candle, contract: Contract, interval: str, now_ms: int) -> dict[str, Any]:
    """A ``kline`` frame."""
    return {
        "e": "kline",
        "E": now_ms,
        "s": contract.name,
        "k": {
            "t": c.open_ms,
            "T": c.close_ms,
            "s": contract.name,
            "i": interval,
            "f": 0,
            "L": 0,
            "o": contract.price(c.open),
            "c": contract.price(c.close),
            "h": contract.price(c.high),
            "l": contract.price(c.low),
            "v": plain(c.volume),
            "n": trades(c),
            "x": c.closed,
            "q": plain(c.quote),
            "V": plain(c.volume * TAKER_SHARE),
            "Q": plain(c.quote * TAKER_SHARE),
            "B": "0",
        },
    }
