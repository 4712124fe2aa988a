"""An entry is sent while its price is still the one it was decided on, or not at all; what protects does not wait for it."""

import asyncio
import time

import pytest

from live.adapters.binance import sending
from qt_core.codes import EV_CANCEL, EV_REJECT, EXCHANGE_BUSY, EXPIRED, LIMIT
from tests.live.binance.world import Scene, intent, play, stop, trading

MINUTE_MS = 60_000


def use_up(s: Scene, window: str, share: float) -> None:
    """Let the rate budget believe that so much of a limit has been used in this window."""
    budget, now_ms = s.broker.session.budget, s.broker.session.clock.now_ms()
    w = getattr(budget, window).at(now_ms)
    setattr(budget, window, w._replace(used=w.limit * share))


def test_an_entry_that_would_wait_for_the_rate_limit_is_refused_and_the_stop_behind_it_is_placed():
    async def scene():
        async with trading() as s:
            await s.enter()
            use_up(s, "_orders_1m", 0.85)
            began = time.monotonic()
            await s.submit(intent(2), stop(3, 95.0))
            assert time.monotonic() - began < 5.0
            assert s.resting() == [stop(3, 95.0).client_id]
            _, refused = await s.wait(2)
            assert (refused.row["kind"], refused.row["seq"], refused.row["reason"]) == (EV_REJECT, 2, EXCHANGE_BUSY)

    play(scene)


def test_an_entry_does_not_wait_out_a_ban():
    async def scene():
        async with trading() as s:
            s.broker.session.budget.pause(MINUTE_MS, True)
            await s.submit(intent(1))
            (refused,) = await s.wait(1)
            assert (refused.row["kind"], refused.row["reason"]) == (EV_REJECT, EXCHANGE_BUSY)
            assert s.asked("order", "POST") == []

    play(scene)


@pytest.mark.parametrize("order", [intent(2), intent(2, LIMIT, price=100.0)], ids=["market", "limit"])
def test_an_entry_whose_life_ended_during_an_outage_is_not_sent_again(order):
    async def scene():
        async with trading() as s:
            await s.enter()  # the leverage is set: the order itself meets the outage
            now_ms = s.broker.session.clock.now_ms()
            s.exchange.plan("http_error", 10_000)
            going = asyncio.create_task(s.submit(order._replace(time_ms=now_ms, expire_ms=now_ms + 300)))
            await asyncio.sleep(0.6)
            s.exchange.sim.faults.planned.clear()
            await going
            sent = len(s.asked("order", "POST"))
            _, end = await s.wait(2)
            assert (end.row["kind"], end.row["seq"], end.row["reason"]) == (EV_CANCEL, 2, EXPIRED)
            await s.advance(2)
            assert len(s.asked("order", "POST")) == sent
            assert len(s.events) == 2

    play(scene)


def test_an_entry_that_has_waited_too_long_is_not_sent_though_its_life_goes_on(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sending, "NEVER_SENT_AFTER_MS", 200)

    async def scene():
        async with trading() as s:
            s.exchange.plan("http_error", 10_000)
            going = asyncio.create_task(s.submit(intent(1)))
            await asyncio.sleep(0.6)
            s.exchange.sim.faults.planned.clear()
            await going
            (end,) = await s.wait(1)
            assert (end.row["kind"], end.row["reason"]) == (EV_CANCEL, EXPIRED)

    play(scene)


def test_a_stop_whose_date_was_not_believed_does_not_wait_for_a_calm_moment():
    async def scene():
        async with trading() as s:
            await s.enter()
            use_up(s, "_weight", 0.6)
            s.exchange.plan("reject", 1, "POST", "algoOrder", code=-1021)
            began = time.monotonic()
            await s.submit(stop(2, 95.0))
            assert time.monotonic() - began < 5.0
            assert s.resting() == [stop(2, 95.0).client_id]

    play(scene)
