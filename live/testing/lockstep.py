"""Exchange and session side by side: the exchange goes on when the session has answered everything it was told."""

import asyncio
from typing import Any, cast

from live.errors import LiveError
from live.runner import Runner
from live.testing.exchange import Exchange

QUIET_ROUNDS = 2  # in a row without anything new: both sides are at rest
MOST_ROUNDS = 2_000
TURN_S = 0.0005
LANES_S = 30.0


class Lockstep:
    """Walks an exchange bar by bar with one session trading on it.

    Parameters
    ----------
    exchange : running. runner : its session, running in another task of this loop.
    """

    def __init__(self, exchange: Exchange, runner: Runner) -> None:
        self.exchange, self.runner = exchange, runner
        self._connection: Any = cast(Any, runner.feed).session
        self._lanes: Any = getattr(runner.broker, "lanes", None)  # of a broker on the exchange; paper has none
        self._desk: Any = getattr(runner.broker, "desk", None)

    async def caught_up(self) -> None:
        """Wait until the session has taken every bar that has closed."""
        bar_ms = self.runner.session.setup.bar_ms
        await self._decided(self.exchange.sim.now_ms() // bar_ms * bar_ms - bar_ms)
        await self.settle()

    async def bar(self) -> None:
        """One bar: every event is answered before the next, and the closed candle is decided on."""
        await self.exchange.open_bar()
        await self.settle()
        await self.finish()

    async def finish(self) -> None:
        """What is left of a bar that is open."""
        x = self.exchange
        while await x.step():
            await self.settle()
        await x.close_bar()
        await self._connection.set_clock()
        await self._decided(x.sim.now_ms() - self.runner.session.setup.bar_ms)
        await self.settle()

    async def _decided(self, open_ms: int) -> None:
        """Wait until the session has taken the bar that opened then."""
        for _ in range(MOST_ROUNDS):
            if self.runner.session.last_bar_ms >= open_ms:
                return
            self._check()
            await asyncio.sleep(TURN_S * 10)
        raise LiveError(f"lockstep: the session has not taken the bar of {open_ms}")

    async def settle(self) -> None:
        """Wait until nothing is under way on either side."""
        quiet = 0
        for _ in range(MOST_ROUNDS):
            before = self._seen()
            await self.exchange.sockets.heard()
            if self._lanes is not None:
                await self._lanes.drain(LANES_S)
            await self.runner.idle()
            await self.exchange.sockets.flush()
            await asyncio.sleep(TURN_S)
            self._check()
            quiet = quiet + 1 if self._seen() == before else 0
            if quiet >= QUIET_ROUNDS:
                return
        raise LiveError("lockstep: the session does not come to rest")

    def _seen(self) -> tuple[int, ...]:
        server = len(self.exchange.server.requests)
        asked = (0, 0) if self._lanes is None else (self._lanes.waiting, self._desk.told)
        return (self.runner.put, self.runner.handled, server, *asked)

    def _check(self) -> None:
        if self.runner.stopping.is_set():
            raise LiveError(f"lockstep: the session has stopped: {self.runner.why}")
