"""The exchange's rate limits as a budget: what is urgent always finds room, what can wait waits.

Used weight and order counts stand in the headers of every answer and count in fixed windows of the exchange's clock.
Calm calls (reconciliation, backfill) stop at half of a limit, entries at four fifths; stops, exits and cancels go on
to the edge. After a 429 or a 418 nobody asks anything until the pause that the exchange names is over: asking on is
what makes a ban longer.
"""

import asyncio
import math
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from live.adapters.binance.settings import BudgetSettings

CALM, ENTRY, URGENT = 0, 1, 2
MINUTE_MS, TEN_SECONDS_MS = 60_000, 10_000
TOO_MANY, BANNED = 429, 418
POLL_MS = 1_000  # a wait is cut into such pieces: the pause may have been lifted, the clock set


class Window(NamedTuple):
    """What has been used within one fixed window of time."""

    length_ms: int
    limit: float
    number: int = 0  # which window
    used: float = 0.0

    def at(self, now_ms: int) -> "Window":
        """The window at a time, empty where a new one has begun."""
        number = now_ms // self.length_ms
        return self if number == self.number else self._replace(number=number, used=0.0)

    def wait_ms(self, now_ms: int, cost: float, share: float) -> int:
        """Milliseconds until ``cost`` fits under ``share`` of the limit; 0 = it fits."""
        w = self.at(now_ms)
        if cost == 0.0 or w.used + cost <= w.limit * share or w.used == 0.0:
            return 0
        return (w.number + 1) * w.length_ms - now_ms


class Budget:
    """What may be asked now. Times are the exchange's, int64 ms."""

    def __init__(self, settings: BudgetSettings, now_ms: Callable[[], int]) -> None:
        self.settings = settings
        self._resume_s = 0.0  # of the monotonic clock: the exchange's may be set back meanwhile
        self.banned = False
        self.delayed = 0  # calls that had to wait
        self._now_ms = now_ms
        self._weight = Window(MINUTE_MS, settings.weight_minute)
        self._orders_10s = Window(TEN_SECONDS_MS, settings.orders_10s)
        self._orders_1m = Window(MINUTE_MS, settings.orders_minute)
        self._shares = (settings.calm_share, settings.entry_share, settings.urgent_share)

    def learn(self, limits: Iterable[Mapping[str, Any]]) -> None:
        """Take the limits that exchangeInfo states."""
        for row in limits:
            kind, unit, n = row["rateLimitType"], row["interval"], int(row["intervalNum"])
            if kind == "REQUEST_WEIGHT" and (unit, n) == ("MINUTE", 1):
                self._weight = self._weight._replace(limit=float(row["limit"]))
            elif kind == "ORDERS" and (unit, n) == ("SECOND", 10):
                self._orders_10s = self._orders_10s._replace(limit=float(row["limit"]))
            elif kind == "ORDERS" and (unit, n) == ("MINUTE", 1):
                self._orders_1m = self._orders_1m._replace(limit=float(row["limit"]))

    def wait_ms(self, urgency: int, weight: float, orders: float) -> int:
        """Milliseconds until such a call may be made; 0 = now."""
        now, share = self._now_ms(), self._shares[urgency]
        waits = (
            self.paused_ms,
            self._weight.wait_ms(now, weight, share),
            self._orders_10s.wait_ms(now, orders, share),
            self._orders_1m.wait_ms(now, orders, share),
        )
        return max(0, *waits)

    async def turn(self, urgency: int, weight: float, orders: float) -> None:
        """Wait until such a call may be made, and count it."""
        wait = self.wait_ms(urgency, weight, orders)
        self.delayed += wait > 0
        while wait > 0:
            await asyncio.sleep(min(wait, POLL_MS) / 1e3)
            wait = self.wait_ms(urgency, weight, orders)
        now = self._now_ms()
        self._weight = self._add(self._weight, now, weight)
        self._orders_10s = self._add(self._orders_10s, now, orders)
        self._orders_1m = self._add(self._orders_1m, now, orders)

    @staticmethod
    def _add(window: Window, now_ms: int, cost: float) -> Window:
        w = window.at(now_ms)
        return w._replace(used=w.used + cost)

    def note(self, status: int, headers: Mapping[str, Any]) -> None:
        """Take what an answer's headers say; the exchange's count wins over ours where it is larger."""
        lower = {name.lower(): value for name, value in headers.items()}
        self._weight = self._seen(self._weight, lower.get("x-mbx-used-weight-1m"))
        self._orders_10s = self._seen(self._orders_10s, lower.get("x-mbx-order-count-10s"))
        self._orders_1m = self._seen(self._orders_1m, lower.get("x-mbx-order-count-1m"))
        if status in (TOO_MANY, BANNED):
            default = self.settings.ban_ms if status == BANNED else self.settings.retry_after_ms
            self.pause(_retry_after_ms(lower.get("retry-after"), default), status == BANNED)

    def pause(self, for_ms: int, banned: bool) -> None:
        """Ask nothing for so long."""
        self._resume_s = max(self._resume_s, time.monotonic() + for_ms / 1e3)
        self.banned = banned

    @property
    def paused_ms(self) -> int:
        """Milliseconds until anything may be asked; 0 = now."""
        return max(0, math.ceil((self._resume_s - time.monotonic()) * 1e3))

    def _seen(self, window: Window, value: Any) -> Window:
        w = window.at(self._now_ms())
        try:
            return w if value is None else w._replace(used=max(w.used, float(value)))
        except ValueError:
            return w

    @property
    def used_share(self) -> float:
        """The fullest window, as a share of its limit."""
        now = self._now_ms()
        return max(w.at(now).used / w.limit for w in (self._weight, self._orders_10s, self._orders_1m))


def _retry_after_ms(value: Any, default: int) -> int:
    """``Retry-After`` in seconds, as the exchange writes it."""
    try:
        return int(float(value) * 1e3)
    except (TypeError, ValueError):
        return default
