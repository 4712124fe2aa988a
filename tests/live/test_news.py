"""What a session does is news on the event bus: as many of each as its journal has."""

import asyncio
from pathlib import Path

from live.bootstrap import start_paper_replay
from live.event_bus import EventBus
from live.news import News
from live.topics import (
    BAR_CLOSED,
    EMERGENCY_TRIGGERED,
    ORDER_SENT,
    POSITION_CLOSED,
    POSITION_OPENED,
    SIGNAL_GENERATED,
)
from qt_core.config import load_config
from qt_core.records import JE_ESS_LATCH
from tests.live.paper import left
from tests.parity.cases import FULL, simulated_case

TOPICS = (BAR_CLOSED, SIGNAL_GENERATED, ORDER_SENT, POSITION_OPENED, POSITION_CLOSED, EMERGENCY_TRIGGERED)


def test_the_bus_hears_what_the_journal_keeps(tmp_path: Path) -> None:
    market = simulated_case().market
    config = load_config(dict(FULL) | {"live": {"name": "news"}, "ess": {"max_drawdown": 0.002}})
    heard: dict[str, list[object]] = {t.name: [] for t in TOPICS}

    async def session() -> News:
        started = start_paper_replay(config, tmp_path, market=market, unsafe=True)
        runner = started.runner
        async with EventBus() as bus:
            for topic in TOPICS:

                async def take(delivery: object, name: str = topic.name) -> None:
                    heard[name].append(delivery)

                bus.subscribe(topic.name, take, topic, queue=100_000)
            runner.news = News(runner.session.chain, bus)
            runner.session.listener = runner.news.hear
            await runner.run()
        started.lock.close()
        kept.update(left(started))
        return runner.news

    kept: dict[str, object] = {}
    news = asyncio.run(session())
    decisions, trades, events = kept["decisions"], kept["trades"], kept["events"]
    assert len(heard["bar_closed"]) == market.n_bars
    assert len(heard["signal_generated"]) == int((decisions["reason"] == 0).sum())  # type: ignore[index, call-overload]
    assert len(heard["position_closed"]) == len(trades) > 20  # type: ignore[arg-type]
    assert len(heard["position_opened"]) >= len(trades)  # type: ignore[arg-type]
    assert len(heard["emergency_triggered"]) == int((events["kind"] == JE_ESS_LATCH).sum()) > 0  # type: ignore[index, call-overload]
    latency = news.latency()
    assert latency["decided_median_ms"] <= latency["decided_p99_ms"]
