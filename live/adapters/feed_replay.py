"""A market from files or a seed as a feed: closed bars one by one, as fast as they are taken or at a set speed."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import numpy as np

from live.chain import Setup, settlements
from live.ports import ClosedBar, Depth, Quote, Settlement
from qt_core.codes import PX_CLOSE, PX_MARK_CLOSE
from qt_core.engine.session import FUNDING_JITTER_MS, interleaved
from qt_core.market import Market

MS_PER_S = 1000.0


class ReplayClock:
    """Stands at the close of the last bar given; waiting for a later time is waiting for the bar that brings it."""

    def __init__(self) -> None:
        self._now_ms = 0
        self._moved = asyncio.Condition()

    def now_ms(self) -> int:
        return self._now_ms

    async def sleep_until(self, time_ms: int) -> None:
        async with self._moved:
            await self._moved.wait_for(lambda: self._now_ms >= time_ms)

    async def set(self, time_ms: int) -> None:
        """Go on to ``time_ms``."""
        async with self._moved:
            self._now_ms = time_ms
            self._moved.notify_all()


class ReplayFeed:
    """Closed bars of a Market; with finer bars (``Market.detail``) those, and the decision bar beside its last one.

    Parameters
    ----------
    market : with funding and, where wanted, finer bars. bars_per_s : pace; 0 = as fast as bars are taken. end_ms : bars that
        open at or after it are not given.
    """

    def __init__(self, market: Market, bars_per_s: float = 0.0, end_ms: "int | None" = None) -> None:
        self._market = market
        self._fine = market.detail if market.detail is not None else market
        self._pause_s = 1.0 / bars_per_s if bars_per_s > 0.0 else 0.0
        self._end_ms = end_ms
        self.clock = ReplayClock()
        self._row = -1
        self._due = np.searchsorted(self._fine.time, market.funding_time_ms - FUNDING_JITTER_MS, side="right")

    async def bars(self, after_ms: int) -> AsyncIterator[ClosedBar]:
        first = int(np.searchsorted(self._fine.time, after_ms, side="right"))
        for f in range(first, self._fine.n_bars):
            if self._end_ms is not None and self._fine.time[f] >= self._end_ms:
                return
            self._row = f
            await self.clock.set(int(self._fine.time[f]) + self._fine.timeframe_ms)
            yield self.bar(f)
            await asyncio.sleep(self._pause_s)

    def bar(self, f: int) -> ClosedBar:
        """Bar ``f`` of the finest bars."""
        fine, market = self._fine, self._market
        one = self._closed(fine, f)._replace(due=self._settled(self._due == f))
        close = one.open_ms + fine.timeframe_ms
        if market is fine or close % market.timeframe_ms != 0:
            return one
        t = int(np.searchsorted(market.time, close - market.timeframe_ms))
        return one._replace(coarse=self._closed(market, t))

    def _closed(self, market: Market, t: int) -> ClosedBar:
        start = int(market.time[t])
        stamps = self._market.funding_time_ms
        return ClosedBar(
            open_ms=start,
            px=interleaved(market)[t],
            volume=market.volume[t],
            quote_volume=market.quote_volume[t],
            valid=market.valid[t],
            settled=self._settled((stamps >= start) & (stamps < start + market.timeframe_ms)),
        )

    def _settled(self, which: Any) -> tuple[Settlement, ...]:
        m = self._market
        return settlements(m.funding_time_ms[which], m.funding_symbol[which], m.funding_rate[which])

    def quote(self) -> "Quote | None":
        """The close of the last bar given."""
        if self._row < 0:
            return None
        px = interleaved(self._fine)[self._row]
        valid = self._fine.valid[self._row]
        last, mark = (np.where(valid, px[:, k], np.nan) for k in (PX_CLOSE, PX_MARK_CLOSE))
        return Quote(self.clock.now_ms(), last, mark, np.zeros(len(valid)))

    def depth(self, symbol: int) -> "Depth | None":
        """Candles hold no book."""
        return None

    async def close(self) -> None:
        """Nothing is open."""


def setup_of(market: Market, config: Any, seed: "int | None" = None, tables: Any = None) -> Setup:
    """The session of a market and a configuration."""
    fine = market.detail if market.detail is not None else market
    return Setup(
        market.symbols,
        market.specs,
        market.brackets,
        config,
        fine.timeframe_ms,
        market.timeframe_ms,
        config.seed if seed is None else seed,
        tables,
    )
