"""The event bus: typed, ordered, bounded; slow, failing and dead subscribers cost the publisher nothing."""

import asyncio

import pytest

from live.errors import LiveError
from live.event_bus import BusSettings, EventBus, payload_as
from live.topics import (
    BAR_CLOSED,
    EMERGENCY_RESET,
    EMERGENCY_TRIGGERED,
    SIGNAL_GENERATED,
    TOPICS,
    BarClosed,
    EmergencyReset,
    EmergencyTriggered,
    SignalGenerated,
    Topic,
)
from tests.live.health.helpers import eventually, run


def signal(i: int) -> SignalGenerated:
    return SignalGenerated(i, "BTCUSDT", 1, 0.6, "trend_follow")


def test_every_topic_has_its_own_payload():
    assert len({t.name for t in TOPICS}) == len({t.payload for t in TOPICS}) == len(TOPICS)


def test_order_within_and_across_topics():
    got = []

    async def main():
        async with EventBus() as bus:

            async def hear(d):
                got.append((d.topic, d.seq, d.payload[0], d.lost))
                await asyncio.sleep(0)

            bus.subscribe("all", hear)
            for i in range(3):
                bus.publish(SIGNAL_GENERATED, signal(i))
                bus.publish(EMERGENCY_TRIGGERED, EmergencyTriggered(i, "manual", ""))

    run(main)
    expected = [(t, i + 1, i, 0) for i in range(3) for t in ("signal_generated", "emergency_triggered")]
    assert got == expected


def test_slow_subscriber_loses_its_oldest_is_told_and_holds_up_nobody():
    async def main():
        gate, slow_got, fast_got = asyncio.Event(), [], []

        async def slow(d):
            await gate.wait()
            slow_got.append((d.topic, d.seq, d.lost))

        async def fast(d):
            fast_got.append(d.seq)

        async with EventBus(BusSettings(queue=4)) as bus:
            bus.subscribe("slow", slow)
            bus.subscribe("fast", fast, SIGNAL_GENERATED, queue=100)
            bus.publish(EMERGENCY_TRIGGERED, EmergencyTriggered(1, "manual", ""))
            bus.publish(SIGNAL_GENERATED, signal(0))
            await asyncio.sleep(0)
            for i in range(1, 50):
                bus.publish(SIGNAL_GENERATED, signal(i))
            await eventually(lambda: len(fast_got) == 50)
            assert bus.stats()["slow"].lost == 46
            assert slow_got == []
            gate.set()
            await eventually(lambda: len(slow_got) == 5)
        assert slow_got[0] == ("emergency_triggered", 1, 0)  # the flood of signals pushed it out of nothing
        assert slow_got[1:] == [
            ("signal_generated", 47, 46),
            ("signal_generated", 48, 0),
            ("signal_generated", 49, 0),
            ("signal_generated", 50, 0),
        ]
        assert fast_got == list(range(1, 51))

    run(main)


def test_failing_hanging_and_self_cancelling_handlers_are_counted_and_go_on():
    async def main():
        got = []

        async def bad(d):
            got.append(d.seq)
            if d.seq == 1:
                raise ValueError("subscriber")
            if d.seq == 2:
                await asyncio.Event().wait()
            if d.seq == 3:
                raise asyncio.CancelledError

        async with EventBus(BusSettings(handler_s=0.05)) as bus:
            bus.subscribe("bad", bad)
            for i in range(4):
                bus.publish(SIGNAL_GENERATED, signal(i))
            await eventually(lambda: got == [1, 2, 3, 4])
            assert bus.stats()["bad"].errors == 3
            assert bus.faults() == {}

    run(main)


def test_cancelled_subscriber_is_seen_and_the_rest_goes_on():
    async def main():
        got = []

        async def hear(d):
            got.append(d.seq)

        async with EventBus() as bus:
            bus.subscribe("dies", hear)
            bus.subscribe("lives", hear)
            await asyncio.sleep(0)
            [task] = [t for t in asyncio.all_tasks() if t.get_name() == "event bus: dies"]
            task.cancel()
            await eventually(lambda: bus.faults() == {"dies": "its task ended"})
            bus.publish(SIGNAL_GENERATED, signal(0))
            await eventually(lambda: got == [1])
            assert not bus.stats()["dies"].alive

    run(main)


def test_iterating_and_leaving():
    async def main():
        async with EventBus() as bus:
            news = bus.listen("page", BAR_CLOSED, EMERGENCY_RESET)
            bus.publish(BAR_CLOSED, BarClosed(1, 3, 3, (), 1.5, 1_000.0))
            bus.publish(EMERGENCY_RESET, EmergencyReset(2, "manual", "looked at", 5))
            bus.publish(SIGNAL_GENERATED, signal(3))  # not asked for
            first = await anext(news)
            assert payload_as(BAR_CLOSED, first).n_valid == 3
            assert payload_as(EMERGENCY_RESET, first) is None
            assert (await anext(news)).payload.reason == "looked at"
            news.close()
            bus.publish(BAR_CLOSED, BarClosed(2, 3, 3, (), 1.5, 1_000.0))
            with pytest.raises(StopAsyncIteration):
                await anext(news)
            assert bus.stats() == {}

    run(main)


def test_close_delivers_what_waits_ends_iterators_and_cancels_the_stuck():
    async def main():
        got = []

        async def hear(d):
            await asyncio.sleep(0)
            got.append(d.seq)

        async def stuck(d):
            await asyncio.Event().wait()

        bus = EventBus(BusSettings(drain_s=0.2))
        bus.subscribe("quick", hear)
        bus.subscribe("stuck", stuck)
        page = bus.listen("page")
        for i in range(5):
            bus.publish(SIGNAL_GENERATED, signal(i))
        assert await bus.close() == 4  # the stuck one has taken one of five
        assert got == [1, 2, 3, 4, 5]
        assert [d.seq async for d in page] == [1, 2, 3, 4, 5]
        bus.publish(SIGNAL_GENERATED, signal(6))
        assert bus.after_close == 1
        with pytest.raises(LiveError, match="after the close"):
            bus.subscribe("late", hear)

    run(main)


def test_wrong_payload_is_the_publishers_defect():
    async def main():
        async with EventBus() as bus:
            with pytest.raises(LiveError, match="expected SignalGenerated"):
                bus.publish(SIGNAL_GENERATED, EmergencyReset(2, "manual", "x", 5))
            with pytest.raises(LiveError, match="known topic"):
                bus.publish(Topic("other", SignalGenerated), signal(0))

    run(main)
