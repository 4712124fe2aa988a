"""Things that once went wrong in the shell, each as it was found."""

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from live.adapters.feed_replay import ReplayFeed
from live.adapters.store_sqlite import SqliteStore
from live.audit import audit
from live.bootstrap import JOURNAL, session_folder
from live.chain import STALE_QUOTE_MS
from live.demo import begin_anew
from live.errors import LiveError
from live.items import Person
from live.ports import Alert, VenueEvent
from live.runner import Runner
from live.views import status
from live.watch import LEAST_AGE_MS, FeedWatch
from qt_core.codes import CMD_FEED, EV_FILL
from qt_core.config import load_config
from qt_core.engine.script import Command
from qt_core.errors import ConfigError
from tests.live.paper import run_paper
from tests.live.test_adoption import fill
from tests.live.test_runner_units import FixedClock, adjust, kinds, runner  # noqa: F401  a fixture
from tests.parity.cases import FULL, simulated_case

METHODS = ("add_entry", "add_effects", "add_orders", "note_state", "add_curve", "commit", "add_snapshot")


class Heard:
    def __init__(self) -> None:
        self.alerts: list[Alert] = []

    def send(self, alert: Alert) -> None:
        self.alerts.append(alert)


@pytest.mark.parametrize("method", METHODS)
def test_a_call_that_fails_half_way_never_was(method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """State is ahead of the journal then and must not be saved: the next start does the bar again."""
    case = simulated_case(5, 300)
    config = load_config(dict(FULL) | {"live": {"name": "half", "snapshot_bars": 30}})
    run_paper(config, case.market, tmp_path / "whole")
    original, passed = getattr(SqliteStore, method), [0]
    fails_at = 3 if method == "add_snapshot" else 120

    def once(self: Any, *args: Any, **kwargs: Any) -> Any:
        passed[0] += 1
        if passed[0] == fails_at:
            raise LiveError("the disk is full")
        return original(self, *args, **kwargs)

    monkeypatch.setattr(SqliteStore, method, once)
    with pytest.raises(LiveError, match="disk is full"):
        run_paper(config, case.market, tmp_path / "failed")
    monkeypatch.undo()
    run_paper(config, case.market, tmp_path / "failed")
    stores = [SqliteStore(tmp_path / name / "half" / JOURNAL, read_only=True) for name in ("whole", "failed")]
    whole, failed = (status(store, "half") for store in stores)
    assert whole.state.fund.tobytes() == failed.state.fund.tobytes()
    assert whole.trades.tobytes() == failed.trades.tobytes()
    assert audit(stores[1]).clean


def test_a_pause_is_no_lost_feed_and_silence_is(tmp_path: Path) -> None:
    market = simulated_case().market
    from live.adapters.feed_replay import setup_of

    clock, heard, told = FixedClock(), Heard(), []
    clock.ms, last, warming = 10**12, [10**12 - 10 * 3_600_000], [False]

    async def forward(command: Command) -> None:
        told.append((command.command, command.fields["reason"]))

    setup = setup_of(market, load_config(dict(FULL)))
    watch = FeedWatch(setup, clock, lambda: last[0], forward, heard, lambda: warming[0])

    async def look_after(ms: int) -> None:
        clock.ms += ms
        await watch.look()

    async def scene() -> None:
        await look_after(setup.bar_ms)  # ten hours were missed; the session has just begun
        assert told == []
        await look_after(LEAST_AGE_MS + 1)
        assert told == [(CMD_FEED, 1)]
        last[0] = clock.ms - setup.bar_ms
        await look_after(0)
        assert told == [(CMD_FEED, 1), (CMD_FEED, 0)]
        warming[0] = True
        await look_after(100 * setup.bar_ms)
        warming[0] = False
        await look_after(setup.bar_ms)
        assert len(told) == 2

    asyncio.run(scene())
    assert [a.key for a in heard.alerts] == ["feed"]


def test_an_emergency_stop_latches_without_a_price(runner: Runner) -> None:  # noqa: F811
    feed = ReplayFeed(simulated_case().market)
    clock: Any = runner.clock
    number = runner.journal.store.leave_command("emergency-stop", {}, "a test")

    async def scene() -> None:
        for f in range(2):
            clock.ms = feed.bar(f).open_ms + 3_600_000
            await runner.take(feed.bar(f))
        assert runner.feed.quote() is None
        await runner.take(Person(number, "emergency-stop", {}, "a test"))

    asyncio.run(scene())
    assert int(runner.session.chain.fund["ess_latched"]) != 0
    answer = runner.journal.store.command(number)
    assert answer is not None
    assert "emergency stop latched" in answer[1]


def test_somebody_elses_trade_is_told(runner: Runner) -> None:  # noqa: F811
    heard = Heard()
    runner.alerts = heard
    row = adjust(0.0)
    row["kind"], row["side"], row["qty"], row["price"], row["done"] = EV_FILL, 1, 0.5, 100.0, 1
    row["margin_usd"], row["reference_price"] = 10.0, 100.0
    asyncio.run(runner.take(VenueEvent("S:trade:1", row)))
    assert [a.key for a in heard.alerts] == [f"foreign:{simulated_case().market.symbols[0]}"]
    assert any(topic == "foreign" for _, topic, _ in runner.journal.store.notes())


def test_a_guard_acts_on_no_old_price(runner: Runner) -> None:  # noqa: F811
    chain = runner.session.chain
    chain.load(ReplayFeed(simulated_case().market).bar(0))
    fill(chain, 1, 2.0, 100.0, 40.0)
    quote = chain.last_quote(1_700_000_000_000)
    before = float(chain.symbol["mark"][0])
    for age, moves in ((STALE_QUOTE_MS + 1, False), (STALE_QUOTE_MS, True)):
        aged = quote._replace(age_ms=quote.age_ms + age, mark=quote.mark * 0.999, last=quote.last * 0.999)
        chain.load_quote(aged)
        chain.guard()
        chain.clear_requests()
        assert (float(chain.symbol["mark"][0]) != before) == moves


def test_the_demo_takes_nothing_that_is_not_a_demo(tmp_path: Path) -> None:
    case, config = simulated_case(3, 30), load_config(dict(FULL) | {"live": {"name": "mine"}})
    started = run_paper(config, case.market, tmp_path)
    started.runner.journal.store.close()
    with pytest.raises(LiveError, match="kind paper"):
        begin_anew(tmp_path / "mine")
    assert (tmp_path / "mine" / JOURNAL).exists()


@pytest.mark.parametrize("name", ["..", ".", ".hidden", "a/b", "-x", ""])
def test_a_name_that_is_a_path_is_refused(name: str, tmp_path: Path) -> None:
    if not name:
        return
    with pytest.raises(ConfigError, match=r"live\.name"):
        session_folder(load_config({"live": {"name": name}}), tmp_path)


def test_kinds_of_one_configuration_have_folders_of_their_own(tmp_path: Path) -> None:
    config = load_config({})
    names = {session_folder(config, tmp_path, kind).name for kind in ("", "paper", "testnet", "live")}
    assert len(names) == 4


def altered_copy(tmp_path: Path, *statements: str) -> list[str]:
    """What an audit finds after statements against a short session's journal."""
    case = simulated_case(4, 200)
    config = load_config(dict(FULL) | {"live": {"name": "cut", "snapshot_bars": 60}})
    started = run_paper(config, case.market, tmp_path)
    started.runner.journal.store.close()
    with sqlite3.connect(tmp_path / "cut" / JOURNAL) as db:
        for statement in statements:
            db.execute(statement)
    store = SqliteStore(tmp_path / "cut" / JOURNAL, read_only=True)
    return [d.what for d in audit(store).differences]


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("DELETE FROM entries WHERE seq > (SELECT max(seq) - 40 FROM entries)", "entry"),
        ("UPDATE entries SET state = x''", "state"),
        ("INSERT INTO effects SELECT 99999999, kind, data FROM effects WHERE kind = 'trades' LIMIT 1", "trades"),
        (
            "UPDATE orders SET place = 1 - place WHERE seq IN (SELECT seq FROM orders GROUP BY seq HAVING count(*) = 2)",
            "order",
        ),
    ],
    ids=["cut", "blank", "invented", "swapped"],
)
def test_an_audit_finds_what_was_taken_away_or_put_in(statement: str, what: str, tmp_path: Path) -> None:
    assert what in altered_copy(tmp_path, statement)


def test_nothing_is_half_taken(runner: Runner) -> None:  # noqa: F811
    asyncio.run(runner.take(VenueEvent("deposit:1", adjust(10.0))))
    assert runner.whole
    assert len(kinds(runner)) == 1
