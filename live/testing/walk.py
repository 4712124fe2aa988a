"""A lockstep that lives with faults: the clock may not be read, sockets may be away, books may be behind for a while."""

import asyncio
import contextlib
import time

from live.adapters.binance.session import CallFailed
from live.testing.level import at_rest
from live.testing.lockstep import TURN_S, Lockstep

STANDS_ROUNDS = 100
REST_S = 20.0  # for both sides to come to rest after a bar


class Walk(Lockstep):
    """Walks an exchange that fails, with one session on it."""

    async def bar(self) -> None:
        """One bar."""
        x = self.exchange
        await x.open_bar()
        await self.settle()
        while await x.step():
            await self.settle()
        await x.close_bar()
        await self._read_clock()
        await self._decided(x.sim.clock.replay_ms - self.runner.session.setup.bar_ms)
        await self.settle()

    async def _decided(self, open_ms: int) -> None:
        """Where the exchange's clock is behind and the candle got lost, nobody asks before that clock says that the bar is
        over. A replay's clock stands; in real time it would get there.
        """
        for _ in range(STANDS_ROUNDS):
            if self.runner.session.last_bar_ms >= open_ms or self.exchange.sim.clock.skew_ms >= 0:
                break
            self._check()
            await asyncio.sleep(TURN_S * 10)
        else:
            self.exchange.skew_clock(0)
            await self._read_clock()
        await super()._decided(open_ms)

    async def _read_clock(self) -> None:
        """The exchange's clock leaps by an hour: a session in real time would not need to be told."""
        while True:
            self._check()
            with contextlib.suppress(CallFailed):
                await self._connection.set_clock()
                return
            await asyncio.sleep(TURN_S)

    async def rest(self) -> str:
        """Wait until the session's books agree with the exchange; what they wait for where that takes too long."""
        deadline = time.monotonic() + REST_S
        while True:
            await self.settle()
            left = at_rest(self.runner)
            if not left or time.monotonic() > deadline:
                return left
            await asyncio.sleep(TURN_S)
