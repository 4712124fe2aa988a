"""What goes on beside the runner, by time: lives that end, keys kept alive, gaps, comparisons, what may have been missed."""

import asyncio
import time
from collections.abc import Callable

from live.adapters.binance.budget import CALM, URGENT
from live.adapters.binance.catching import Catcher
from live.adapters.binance.desk import Desk
from live.adapters.binance.listening import Listener
from live.adapters.binance.opening import open_clock
from live.adapters.binance.orders import Known, Orders
from live.adapters.binance.reconcile import WEEK_MS
from live.adapters.binance.session import CallFailed, Session
from live.adapters.binance.settings import BrokerSettings
from live.errors import LiveError
from qt_core.codes import EXPIRED


class Upkeep:
    """Two loops of a broker; neither returns. ``start`` is called once the account is open."""

    def __init__(
        self,
        session: Session,
        settings: BrokerSettings,
        desk: Desk,
        orders: Orders,
        catcher: Catcher,
        listener: Listener,
        cancel: Callable[[Known], None],
        alarm: Callable[[int, str, str], None],
    ) -> None:
        self._session, self._settings = session, settings
        self._desk, self._orders = desk, orders
        self._catcher, self._listener = catcher, listener
        self._cancel, self._alarm = cancel, alarm
        self._clock_ms = 0
        self._asked_ms = 0
        self._not_before_s = 0.0  # of the monotonic clock: after a question that failed or did not make us level

    def start(self, now_ms: int) -> None:
        """The clock has been measured and the account read at this time."""
        self._clock_ms = self._asked_ms = self._catcher.level_ms = now_ms
        self._catcher.oldest_ms = now_ms - WEEK_MS

    async def look_after(self) -> None:
        """What is due by time and must not wait for an answer about something else."""
        while True:
            await asyncio.sleep(self._settings.tick_ms / 1e3)
            if self._desk.live:
                self._expire()
            if self._desk.key_expired:
                self._desk.key_expired = False
                await self._listener.renew()
            await self._listener.keep_alive()

    async def keep_level(self) -> None:
        """Gaps, comparisons and what may have been missed, again and again."""
        while True:
            await asyncio.sleep(self._settings.tick_ms / 1e3)
            if self._desk.live:
                await self._catcher.mend_gaps()
                if (stuck := await self._catcher.watch_triggered()) is not None:
                    self._alarm(2, "stuck", f"conditional order {stuck.client_id} was triggered and made no order")
                await self._catcher.compare()
                await self._catch_up_if_due()
                self._orders.forget(self._settings.remember)
            await self._measure_clock_if_due()

    async def _catch_up_if_due(self) -> None:
        s, now_ms = self._settings, self._session.clock.now_ms()
        self._asked_ms = min(self._asked_ms, now_ms)  # the clock may have been set back
        long_ago = now_ms - self._asked_ms > s.reconcile_ms
        due = self._catcher.behind or self._desk.funding_unknown or self._desk.missing or long_ago
        if due and self._listener.connected and time.monotonic() >= self._not_before_s:
            self._asked_ms = now_ms
            try:
                await self._catcher.catch_up(self._catcher.level_ms - s.overlap_ms)
            except CallFailed as failed:
                self._alarm(1, "catch_up", failed.outcome.text)
            if self._catcher.behind:
                self._not_before_s = time.monotonic() + s.retry_cap_ms / 1e3

    async def _measure_clock_if_due(self) -> None:
        """Measure the clock, at once where the exchange did not believe it; a failure is only reported, the offset in use
        stays.
        """
        clock = self._session.clock
        now_ms = clock.now_ms()
        self._clock_ms = min(self._clock_ms, now_ms)  # it may have been set back
        if not clock.doubted and now_ms - self._clock_ms <= self._session.settings.clock_ms:
            return
        self._clock_ms = now_ms
        try:
            await open_clock(self._session, self._alarm, URGENT if clock.doubted else CALM)
        except LiveError as error:
            self._alarm(1, "clock", str(error))

    def _expire(self) -> None:
        """Cancel what has outlived its time, told as EXPIRED, and once more what a cancel has not ended."""
        now_ms = self._session.clock.now_ms()
        for known in self._orders.open():
            if 0 < known.again_ms <= now_ms:
                known.again_ms = 0
                self._cancel(known)
            if known.placed and known.expire_ms <= now_ms and known.cause != EXPIRED:
                known.cause = EXPIRED
                self._cancel(known)
