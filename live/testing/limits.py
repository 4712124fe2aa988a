"""Weights and order counts as the exchange counts them: headers, 429, and 418 for who goes on."""

from live.testing import errors as e
from live.testing.errors import ApiError
from live.testing.settings import Settings

MINUTE_MS, TEN_SECONDS_MS = 60_000, 10_000
PATIENCE = 10  # requests beyond the limit within a minute before the address is banned
BAN_MS = 120_000


class Limits:
    """Counters of the one address there is; the windows follow the exchange's clock."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.weight = self.orders_10s = self.orders_minute = self.beyond = 0
        self.minute = self.ten_seconds = 0
        self.banned_until_ms = 0

    def _roll(self, now_ms: int) -> None:
        if now_ms // MINUTE_MS != self.minute:
            self.minute = now_ms // MINUTE_MS
            self.weight = self.orders_minute = self.beyond = 0
        if now_ms // TEN_SECONDS_MS != self.ten_seconds:
            self.ten_seconds = now_ms // TEN_SECONDS_MS
            self.orders_10s = 0

    def count(self, now_ms: int, weight: int, is_order: bool) -> None:
        """Count one request; raises where it goes beyond a limit."""
        self._roll(now_ms)
        if now_ms < self.banned_until_ms:
            raise ApiError(e.BANNED, self.banned_until_ms)
        self.weight += weight
        if self.weight > self.settings.weight_per_minute:
            self._refuse(now_ms)
        if is_order:
            self.orders_10s += 1
            self.orders_minute += 1
            if self.orders_10s > self.settings.orders_per_10s:
                raise ApiError(e.TOO_MANY_ORDERS, self.settings.orders_per_10s, "10 SECOND")
            if self.orders_minute > self.settings.orders_per_minute:
                raise ApiError(e.TOO_MANY_ORDERS, self.settings.orders_per_minute, "1 MINUTE")

    def _refuse(self, now_ms: int) -> None:
        self.beyond += 1
        if self.beyond > PATIENCE:
            self.banned_until_ms = now_ms + BAN_MS
            raise ApiError(e.BANNED, self.banned_until_ms)
        raise ApiError(e.TOO_MUCH_WEIGHT, self.settings.weight_per_minute)

    def headers(self, is_order: bool) -> dict[str, str]:
        """What every answer says of the counters."""
        head = {"X-MBX-USED-WEIGHT-1M": str(self.weight)}
        if is_order:
            head["X-MBX-ORDER-COUNT-10S"] = str(self.orders_10s)
            head["X-MBX-ORDER-COUNT-1M"] = str(self.orders_minute)
        return head
