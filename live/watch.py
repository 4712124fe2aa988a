"""What the shell tells the chain of the market beside bars: a feed fallen silent, spreads and depth of books."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np

from live.adapters.book import Spread
from live.chain import Setup
from live.ports import Alert, Alerts, Clock
from qt_core.codes import CMD_DEPTH, CMD_FEED, CMD_SPREAD
from qt_core.engine.script import Command

Forward = Callable[[Command], Awaitable[None]]
LOOK_S = 2.0  # between looks
LEAST_AGE_MS = 120_000  # SPEC section 5: a feed is lost when older than max(2 min, bar + 2 min)
BEFORE_CLOSE_MS = (
    10_000  # spreads and depth are told so long before a decision: near enough to hold, early enough to be heard
)
CRITICAL = 2


class FeedWatch:
    """CMD_FEED when closed bars stay away, and when they come again.

    Parameters
    ----------
    last_bar_ms : open time of the newest bar taken, -1 = none. warming : bars for features alone are coming.
    forward : puts a command into the runner's inbox.
    """

    def __init__(
        self,
        setup: Setup,
        clock: Clock,
        last_bar_ms: Callable[[], int],
        forward: Forward,
        alerts: Alerts,
        warming: Callable[[], bool] = lambda: False,
    ) -> None:
        self._setup, self._clock, self._last = setup, clock, last_bar_ms
        self._forward, self._alerts = forward, alerts
        self._warming, self._began_ms = warming, clock.now_ms()
        self._lost = False

    @property
    def limit_ms(self) -> int:
        """Age of the newest closed bar from which the feed is lost."""
        return max(LEAST_AGE_MS, self._setup.bar_ms + LEAST_AGE_MS)

    async def look(self) -> None:
        """One look."""
        now = self._clock.now_ms()
        if self._warming():
            self._began_ms = now
            return
        age = now - max(self._last() + self._setup.bar_ms, self._began_ms)  # after a pause the feed has its time anew
        lost = age > self.limit_ms
        if lost == self._lost:
            return
        self._lost = lost
        await self._forward(Command(self._clock.now_ms(), CMD_FEED, {"reason": int(lost)}))
        if lost:
            text = f"no closed bar for {age / 1000:.0f} s; the emergency stop latches at the next guard"
            self._alerts.send(Alert(CRITICAL, "feed", "Market data lost", text))

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)


class BookWatch:
    """CMD_SPREAD and CMD_DEPTH of every symbol with a book, shortly before each decision; a crossed book at once.

    Parameters
    ----------
    spread : of a symbol, None = no book is kept (``CcxtFeed.spread`` with module 16's band).
    """

    def __init__(self, setup: Setup, clock: Clock, spread: Callable[[int], "Spread | None"], forward: Forward) -> None:
        self._setup, self._clock, self._spread, self._forward = setup, clock, spread, forward
        self._told_ms = -1
        self._crossed: set[int] = set()

    async def look(self) -> None:
        """One look."""
        now, bar = self._clock.now_ms(), self._setup.decision_ms
        close = (now // bar + 1) * bar
        if close - now <= BEFORE_CLOSE_MS and self._told_ms != close:
            self._told_ms = close
            for i in range(self._setup.n_symbols):
                await self._tell(i, self._spread(i))
            return
        for i in range(self._setup.n_symbols):
            found = self._spread(i)
            crossed = found is not None and found.spread < 0.0
            if crossed != (i in self._crossed):
                await self._tell(i, found)

    async def _tell(self, i: int, found: "Spread | None") -> None:
        if found is None:
            return
        (self._crossed.add if found.spread < 0.0 else self._crossed.discard)(i)
        now = self._clock.now_ms()
        await self._forward(Command(now, CMD_SPREAD, {"symbol": i, "value": float(found.spread)}))
        if np.isfinite(found.depth_usd):
            await self._forward(Command(now, CMD_DEPTH, {"symbol": i, "value": float(found.depth_usd)}))

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)


def band_of(params: Any) -> float:
    """Module 16's band around the touch."""
    return float(params.aelm.depth_band)
