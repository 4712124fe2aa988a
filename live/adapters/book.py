"""A local order book from a snapshot and a stream of differences, and what module 16 hears of it.

The exchange's documented procedure for futures: differences are kept until a snapshot comes; those whose last update
``u`` lies before the snapshot's are dropped; the first one applied must span it (``U <= last <= u``); each later one
must name its predecessor (``pu == u`` of the one before). A break empties the book until the next snapshot: no price
is better than a wrong one.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Level = tuple[str, str]  # price, quantity as the exchange writes them
MAX_WAITING = 5_000  # differences kept while a snapshot is awaited: beyond 8 minutes of them the snapshot will not come


class Book:
    """One symbol's book.

    Attributes
    ----------
    live : the book holds; else it waits for a snapshot. time_ms : of the last difference.
    breaks : how often the chain broke.
    """

    def __init__(self) -> None:
        self.bids: dict[float, float] = {}
        self.asks: dict[float, float] = {}
        self.live = False
        self.last = 0
        self.time_ms = 0
        self.breaks = 0
        self._linked = False  # the first difference after the snapshot has been applied
        self._waiting: list[dict[str, Any]] = []

    def on_diff(self, data: dict[str, Any]) -> bool:
        """Take one ``depthUpdate``; False where a snapshot is needed."""
        if not self.live:
            self._waiting.append(data)
            del self._waiting[:-MAX_WAITING]
            return False
        if int(data["u"]) < self.last or (self._linked and int(data["u"]) == self.last):
            return True  # an old one, or this one once more
        if not self._follows(data):
            self._break(data)
            return False
        self._apply(data)
        return True

    def on_snapshot(self, last_update: int, bids: Sequence[Level], asks: Sequence[Level]) -> bool:
        """Take a REST snapshot and what has waited for it; False where it is older than that, so another is needed."""
        waiting = [d for d in self._waiting if int(d["u"]) >= last_update]
        if waiting and int(waiting[0]["U"]) > last_update:
            return False
        self.bids = {float(p): float(q) for p, q in bids if float(q) > 0.0}
        self.asks = {float(p): float(q) for p, q in asks if float(q) > 0.0}
        self.last, self.live, self._linked, self._waiting = last_update, True, False, []
        return all(self.on_diff(d) for d in waiting)

    def reset(self) -> None:
        """Forget everything: the connection was lost."""
        self.bids, self.asks, self._waiting = {}, {}, []
        self.live, self._linked = False, False

    def _follows(self, data: dict[str, Any]) -> bool:
        if self._linked:
            return int(data["pu"]) == self.last
        return int(data["U"]) <= self.last <= int(data["u"])

    def _break(self, data: dict[str, Any]) -> None:
        self.reset()
        self.breaks += 1
        self._waiting = [data]

    def _apply(self, data: dict[str, Any]) -> None:
        for side, levels in ((self.bids, data["b"]), (self.asks, data["a"])):
            for price, qty in levels:
                if float(qty) == 0.0:
                    side.pop(float(price), None)
                else:
                    side[float(price)] = float(qty)
        self.last, self._linked, self.time_ms = int(data["u"]), True, int(data["T"])

    def levels(self, n: int) -> tuple[FloatArray, FloatArray]:
        """The best ``n`` bids and asks, ``[L, 2]`` of price and quantity, best first."""
        bids = sorted(self.bids.items(), reverse=True)[:n]
        asks = sorted(self.asks.items())[:n]
        return np.array(bids, dtype=np.float64).reshape(-1, 2), np.array(asks, dtype=np.float64).reshape(-1, 2)


class Spread(NamedTuple):
    """What CMD_SPREAD and CMD_DEPTH say of a book."""

    spread: float  # fraction of the middle; below 0: crossed; NaN: a side is empty
    depth_usd: float  # resting within the band, on the thinner side


def spread_and_depth(bids: FloatArray, asks: FloatArray, band: float) -> Spread:
    """Spread, and USD resting within ``band`` (a fraction of the touch: aelm.depth_band) on the thinner side.

    Parameters
    ----------
    bids, asks : ``[L, 2]`` price and quantity, best first.
    """
    if len(bids) == 0 or len(asks) == 0:
        return Spread(float("nan"), 0.0)
    bid, ask = bids[0, 0], asks[0, 0]
    depth = min(depth_usd(bids, -1, band), depth_usd(asks, 1, band))
    return Spread(float((ask - bid) / (HALF * (ask + bid))), depth)


HALF = 0.5


def depth_usd(levels: FloatArray, side: int, band: float) -> float:
    """USD resting within ``band`` of the touch of one side; ``side`` +1 for asks (what a buy takes), -1 for bids."""
    if len(levels) == 0:
        return 0.0
    limit = levels[0, 0] * (1.0 + side * band)
    within = levels[:, 0] <= limit if side > 0 else levels[:, 0] >= limit
    return float(np.sum(levels[within, 0] * levels[within, 1]))


def worst_price(levels: FloatArray, qty: float) -> float:
    """Price of the last unit of ``qty`` taken from one side; NaN where the levels do not hold it."""
    filled = np.cumsum(levels[:, 1]) if len(levels) else np.zeros(0)
    k = int(np.searchsorted(filled, qty * (1.0 - 1e-12)))
    return float(levels[k, 0]) if k < len(levels) else float("nan")


def expected_slippage(bids: FloatArray, asks: FloatArray, side: int, qty: float) -> float:
    """Expected average price of taking ``qty`` against the middle, as a fraction, > 0 is worse.

    NaN where a side is empty or the levels known do not hold the quantity: unknown is beyond every cap.
    """
    levels = asks if side > 0 else bids
    if len(bids) == 0 or len(asks) == 0 or not qty > 0.0:
        return float("nan")
    if float(np.sum(levels[:, 1])) < qty * (1.0 - 1e-12):
        return float("nan")
    before = np.concatenate(([0.0], np.cumsum(levels[:, 1])[:-1]))
    taken = np.clip(qty - before, 0.0, levels[:, 1])
    average = float(np.sum(taken * levels[:, 0]) / qty)
    middle = HALF * float(bids[0, 0] + asks[0, 0])
    return side * (average - middle) / middle
