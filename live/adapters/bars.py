"""Closed candles of many symbols put together into bars: who has arrived, who is late, what late ones may no longer
change.
"""

import numpy as np

from live.ports import ClosedBar, FloatArray, Settlement
from qt_core.codes import PX_CLOSE, PX_HIGH, PX_LOW, PX_MARK_CLOSE, PX_MARK_HIGH, PX_MARK_LOW, PX_MARK_OPEN, PX_OPEN

LAST = (PX_OPEN, PX_HIGH, PX_LOW, PX_CLOSE)
MARK = (PX_MARK_OPEN, PX_MARK_HIGH, PX_MARK_LOW, PX_MARK_CLOSE)
Ohlc = tuple[float, float, float, float]


class _Row:
    """One bar while it is put together."""

    def __init__(self, n: int) -> None:
        self.px = np.full((n, 8), np.nan)
        self.volume = np.full(n, np.nan)
        self.quote_volume = np.full(n, np.nan)
        self.arrived = np.zeros(n, dtype=np.bool_)
        self.marked = np.zeros(n, dtype=np.bool_)


class BarBoard:
    """Bars that are being put together. A bar that has been given is never touched again.

    Attributes
    ----------
    late_count : ``[N]`` bars of a symbol given without it. too_late : candles that came after their bar.
    next_open_ms : the bar that is given next.
    """

    def __init__(self, n: int, bar_ms: int, give_up_bars: int) -> None:
        self.n, self.bar_ms = n, bar_ms
        self.next_open_ms = 0
        self.late_count = np.zeros(n, dtype=np.int64)
        self.too_late = 0
        self._absent = np.zeros(n, dtype=np.int64)  # bars in a row without the symbol
        self._give_up = give_up_bars
        self._rows: dict[int, _Row] = {}

    def candle(self, i: int, open_ms: int, ohlc: Ohlc, volume: float, quote_volume: float) -> bool:
        """One closed candle; False where its bar has been given already or it is known. The first word stands."""
        if open_ms < self.next_open_ms:
            self.too_late += 1
            return False
        row = self._row(open_ms)
        if row.arrived[i]:
            return False
        row.px[i, list(LAST)] = ohlc
        row.volume[i], row.quote_volume[i] = volume, quote_volume
        row.arrived[i] = True
        return True

    def mark(self, i: int, open_ms: int, ohlc: Ohlc) -> None:
        """The mark prices of one closed bar."""
        if open_ms >= self.next_open_ms:
            row = self._row(open_ms)
            row.px[i, list(MARK)] = ohlc
            row.marked[i] = True

    def missing(self, open_ms: int) -> list[int]:
        """Symbols that have not arrived; those that have not been there for several bars are not waited for."""
        row = self._row(open_ms)
        return [i for i in range(self.n) if not row.arrived[i] and self._absent[i] < self._give_up]

    def unmarked(self, open_ms: int) -> list[int]:
        """Symbols that have arrived without mark prices."""
        row = self._row(open_ms)
        return [int(i) for i in np.flatnonzero(row.arrived & ~row.marked)]

    def any_arrived(self, open_ms: int) -> bool:
        """True where somebody has arrived: the feed lives, who is missing is late."""
        return bool(self._row(open_ms).arrived.any())

    def take(self, settled: tuple[Settlement, ...] = (), waited: bool = True) -> ClosedBar:
        """Give the next bar, with what is missing marked. ``waited`` False: history, where nobody is late."""
        open_ms = self.next_open_ms
        row = self._row(open_ms)
        late = tuple(int(i) for i in np.flatnonzero(~row.arrived)) if waited else ()
        self.late_count[list(late)] += 1
        self._absent = np.where(row.arrived, 0, self._absent + 1)
        del self._rows[open_ms]
        self.start(open_ms + self.bar_ms)
        return ClosedBar(open_ms, row.px, row.volume, row.quote_volume, row.arrived, settled, late)

    def start(self, open_ms: int) -> None:
        """Bars before this one are over."""
        self.next_open_ms = open_ms
        for old in [t for t in self._rows if t < open_ms]:
            del self._rows[old]

    def _row(self, open_ms: int) -> _Row:
        if open_ms not in self._rows:
            self._rows[open_ms] = _Row(self.n)
        return self._rows[open_ms]


class MarkBars:
    """Mark prices of a stream collected into bars. A bar that was not heard from its open to its close is not given."""

    def __init__(self, n: int, bar_ms: int, edge_ms: int) -> None:
        self.bar_ms, self.edge_ms = bar_ms, edge_ms
        self._open = np.zeros(n, dtype=np.int64)
        self._ohlc: FloatArray = np.full((n, 4), np.nan)
        self._whole = np.zeros(n, dtype=np.bool_)  # heard from its open, without a break
        self._last = np.zeros(n, dtype=np.int64)

    def hear(self, i: int, time_ms: int, price: float) -> "tuple[int, Ohlc] | None":
        """One mark price; the bar it closes where that was heard wholly: its open time and prices."""
        open_ms = time_ms // self.bar_ms * self.bar_ms
        closed = None
        if open_ms > self._open[i]:
            end = int(self._open[i]) + self.bar_ms
            if self._whole[i] and end == open_ms and end - self._last[i] <= self.edge_ms:
                o, h, low, c = (float(x) for x in self._ohlc[i])
                closed = int(self._open[i]), (o, h, low, c)
            self._open[i], self._ohlc[i] = open_ms, price
            self._whole[i] = time_ms - open_ms <= self.edge_ms
        elif open_ms == self._open[i]:
            self._whole[i] &= time_ms - self._last[i] <= self.edge_ms
            row = self._ohlc[i]
            row[1], row[2], row[3] = max(row[1], price), min(row[2], price), price
        self._last[i] = max(self._last[i], time_ms)
        return closed

    def broken(self) -> None:
        """The connection was lost: no running bar is whole."""
        self._whole[:] = False
