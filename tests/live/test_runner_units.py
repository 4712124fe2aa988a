"""Small truths of the runner and the session: keys, seen bars, stale bars, snapshots."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from live.adapters.broker_paper import PaperBroker
from live.adapters.feed_replay import ReplayFeed, setup_of
from live.bootstrap import PAPER, open_journal, replay_speaker
from live.chain import Chain
from live.entries import BAR, DECIDE, EVENT, PASSED, QUOTE, WARM
from live.inputs import Inputs
from live.ports import AccountView, VenueEvent
from live.recovery import recover
from live.runner import Runner
from live.session import Session
from live.settings import LiveSettings
from qt_core import records as rec
from qt_core.codes import EV_ADJUST
from qt_core.config import Config, load_config
from qt_core.market import Market
from tests.parity.cases import FULL, simulated_case


class NoVenue:
    """A venue at which nothing happens; it keeps what it was sent."""

    label = "nowhere"

    def __init__(self) -> None:
        self.sent: list[Any] = []

    async def submit(self, intents: Any, ask_first: bool = False) -> None:
        self.sent += list(intents)

    async def events(self) -> AsyncIterator[VenueEvent]:
        nothing: tuple[VenueEvent, ...] = ()
        for event in nothing:
            yield event

    async def open(self) -> AccountView:
        return AccountView(0, 0.0, (), ())

    async def close(self) -> None:
        """Nothing is open."""


class FixedClock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.ms = 0

    def now_ms(self) -> int:
        return self.ms

    async def sleep_until(self, time_ms: int) -> None:
        self.ms = max(self.ms, time_ms)


def session_of(market: Market, config: Config, folder: Path, paper: bool) -> Session:
    folder.mkdir(exist_ok=True)
    setup, speaker = setup_of(market, config), replay_speaker(config, market)
    journal, run_id = open_journal(folder, setup, speaker.label, PAPER if paper else "testnet")
    chain = Chain(setup)
    inputs = Inputs(setup.symbols, setup.decision_ms, speaker)
    session = Session(chain, inputs, journal, run_id, PaperBroker(chain) if paper else None)
    recover(session, journal)
    return session


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    """A runner on no venue; its clock is set by the test."""
    market = simulated_case().market
    session = session_of(market, load_config(dict(FULL)), tmp_path, paper=False)
    settings = LiveSettings(stale_s=120.0)
    return Runner(session, session.keeper, ReplayFeed(market), NoVenue(), FixedClock(), settings)  # type: ignore[arg-type]


def kinds(runner: Runner) -> list[int]:
    return [e.kind for e in runner.journal.store.entries()]


def adjust(usd: float) -> Any:
    row = np.zeros(1, dtype=rec.EVENT_DT)[0]
    row["kind"], row["time_ms"], row["value"], row["wallet_usd"] = EV_ADJUST, 1_700_000_000_000, usd, 50_000.0 + usd
    return row


def test_an_event_of_one_key_is_applied_once(runner: Runner) -> None:
    async def scene() -> None:
        for _ in range(3):
            await runner.take(VenueEvent("deposit:1", adjust(10.0)))
        await runner.take(VenueEvent("deposit:2", adjust(10.0)))

    asyncio.run(scene())
    assert kinds(runner) == [EVENT, EVENT]
    assert float(runner.session.chain.fund["peak_equity_usd"]) == 50_020.0


def test_a_bar_is_taken_once_and_a_stale_one_is_not_decided(runner: Runner) -> None:
    feed = ReplayFeed(simulated_case().market)
    clock: Any = runner.clock

    async def scene() -> None:
        for f, age_s in ((0, 1.0), (0, 1.0), (1, 1.0), (1, 500.0), (2, 500.0), (3, 60.0)):
            bar = feed.bar(f)
            clock.ms = bar.open_ms + 3_600_000 + int(age_s * 1000)
            await runner.take(bar)

    asyncio.run(scene())
    assert kinds(runner) == [BAR, DECIDE, BAR, DECIDE, PASSED, BAR, DECIDE]


def test_bars_before_a_session_are_for_features_alone(runner: Runner) -> None:
    feed = ReplayFeed(simulated_case().market)
    clock: Any = runner.clock
    runner.warm_up(2, -1)

    async def scene() -> None:
        for f in range(3):
            clock.ms = feed.bar(f).open_ms + 3_600_000
            await runner.take(feed.bar(f))
        quote = ReplayFeed(simulated_case().market)
        async for _ in quote.bars(-1):
            break
        found = quote.quote()
        assert found is not None
        await runner.take(found)

    asyncio.run(scene())
    assert kinds(runner) == [WARM, WARM, BAR, DECIDE, QUOTE]
    assert int(runner.session.chain.fund["n_bars"]) == 1


@pytest.mark.parametrize("at", [1, 40, 163])
def test_a_session_goes_on_from_its_snapshot_alone(at: int, tmp_path: Path) -> None:
    """Entries since are done again; what the snapshot holds must be whole: the rest of the session is equal."""
    market, config = simulated_case().market, load_config(dict(FULL))
    feed = ReplayFeed(market)
    whole = session_of(market, config, tmp_path / "a", paper=True)
    for f in range(200):
        whole.bar(feed.bar(f))
    first = session_of(market, config, tmp_path / "b", paper=True)
    journal: Any = first.keeper
    for f in range(200):
        if f == at:
            journal.snapshot(feed.bar(f).open_ms, first.parts())
        if f == 180:
            journal.commit()
            journal.store.close()
            first = session_of(market, config, tmp_path / "b", paper=True)
            journal = first.keeper
        first.bar(feed.bar(f))
    assert first.parts().keys() == whole.parts().keys()
    for name, blob in whole.parts().items():
        if name != "ids":  # another run id
            assert first.parts()[name] == blob, name
