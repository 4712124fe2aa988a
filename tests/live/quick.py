"""Waits of the adapters so short that a test does not stand still, and silences that no replay's clock reaches."""

from live.adapters.binance.settings import BrokerSettings

NEVER_MS = 10**12
QUICK = BrokerSettings(
    retry_ms=5,
    unknown_ms=20,
    gap_ms=50,
    tick_ms=5,
    settle_ms=60,
    stuck_ms=50,
    close_ms=500,
    reconcile_ms=NEVER_MS,
)
