"""The rate budget: what is urgent finds room, what can wait waits, and a pause holds for all."""

import asyncio

from live.adapters.binance.budget import CALM, ENTRY, URGENT, Budget
from live.adapters.binance.settings import BudgetSettings

MINUTE = 60_000


class At:
    """A clock that stands."""

    def __init__(self, ms: int) -> None:
        self.ms = ms

    def __call__(self) -> int:
        return self.ms


def budget(now: At) -> Budget:
    b = Budget(BudgetSettings(), now)
    b.learn(
        [
            {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 100},
            {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 10},
            {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 50},
        ]
    )
    return b


def test_calm_calls_stop_first_then_entries_and_what_protects_goes_on():
    now = At(10 * MINUTE + 20_000)
    b = budget(now)
    b.note(200, {"X-MBX-USED-WEIGHT-1M": "50"})
    assert [b.wait_ms(u, 1.0, 0.0) for u in (CALM, ENTRY, URGENT)] == [40_000, 0, 0]
    b.note(200, {"x-mbx-used-weight-1m": "80"})
    assert [b.wait_ms(u, 1.0, 0.0) for u in (CALM, ENTRY, URGENT)] == [40_000, 40_000, 0]
    b.note(200, {"x-mbx-used-weight-1m": "98"})
    assert b.wait_ms(URGENT, 1.0, 0.0) == 40_000
    now.ms += 40_000
    assert [b.wait_ms(u, 1.0, 0.0) for u in (CALM, ENTRY, URGENT)] == [0, 0, 0]


def test_orders_have_limits_of_their_own():
    now = At(10 * MINUTE + 1_000)
    b = budget(now)
    b.note(200, {"x-mbx-order-count-10s": "8", "x-mbx-order-count-1m": "8"})
    assert b.wait_ms(ENTRY, 0.0, 1.0) == 9_000
    assert b.wait_ms(URGENT, 0.0, 1.0) == 0
    assert b.wait_ms(ENTRY, 1.0, 0.0) == 0  # no order
    now.ms += 9_000
    b.note(200, {"x-mbx-order-count-10s": "0", "x-mbx-order-count-1m": "40"})
    assert b.wait_ms(ENTRY, 0.0, 1.0) == 50_000


def test_our_own_count_goes_before_the_answer_and_the_larger_one_wins():
    b = budget(At(10 * MINUTE))

    async def spend():
        for _ in range(5):
            await b.turn(CALM, 10.0, 0.0)

    asyncio.run(spend())
    assert b.wait_ms(CALM, 10.0, 0.0) == MINUTE
    b.note(200, {"x-mbx-used-weight-1m": "10"})  # an answer that is older than what has been sent since
    assert b.wait_ms(CALM, 10.0, 0.0) == MINUTE
    assert b.used_share == 0.5
    b.note(200, {"x-mbx-used-weight-1m": "junk"})
    assert b.used_share == 0.5


def test_one_call_larger_than_a_share_is_made_in_an_empty_window():
    assert budget(At(0)).wait_ms(CALM, 70.0, 0.0) == 0


def test_a_429_or_a_ban_stops_everything_for_as_long_as_it_says():
    b = budget(At(0))
    b.note(429, {"Retry-After": "3"})
    assert 2_000 < b.wait_ms(URGENT, 0.0, 0.0) <= 3_000
    assert not b.banned
    b.note(418, {})
    assert b.banned
    assert 119_000 < b.paused_ms <= 120_000
    b.note(429, {"Retry-After": "1"})  # a shorter pause does not lift a longer one
    assert b.paused_ms > 119_000
