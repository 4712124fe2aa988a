"""The monitor: hysteresis, unknown measurements, folding, timeouts, the pace of rounds."""

import asyncio
import itertools
import math
import os
import sqlite3

import pytest

from live.adapters.store_sqlite import SqliteStore
from live.errors import LiveError
from live.health import DEFAULTS, Check, HealthMonitor, HealthSettings, fold
from live.health_checks import Measured, OneAtATime, database, disk_space
from live.tasks import TimedOutError, within
from qt_core.codes import (
    CRITICAL,
    DEGRADED,
    HEAL_CLEAR_CACHE,
    HEAL_NONE,
    HEAL_RECONNECT,
    HEAL_RESTART,
    HEALTHY,
    OBSERVE,
    OFF,
)
from qt_core.context import health as module_15
from tests.live.health.helpers import child, end, eventually, run

P = module_15.Params()


def scripted(*values):
    """A probe that says one after the other, the last for ever."""
    rest = itertools.chain(values, itertools.repeat(values[-1]))

    async def probe():
        value = next(rest)
        if isinstance(value, Exception):
            raise value
        return value

    return probe


UP, DOWN = Measured(1.0, True, "up"), Measured(0.0, False, "down")


AT_ONCE = HealthSettings(fail_after=1)


def monitor(*checks, params=P, settings=DEFAULTS, heard=None):
    return HealthMonitor(params, checks, (heard if heard is not None else []).append, lambda: 1_000, settings)


def rounds(m, n):
    async def main():
        return [await m.round() for _ in range(n)]

    return run(main)


def test_one_blip_changes_nothing_and_two_rounds_do():
    m = monitor(Check("exchange_ws", scripted(UP, DOWN, UP, DOWN, DOWN, UP, UP)))
    found = rounds(m, 7)
    assert [r.health for r in found] == [HEALTHY] * 4 + [DEGRADED] * 2 + [HEALTHY]
    assert [r.settling for r in found] == [False, True, False, True, False, True, False]
    assert [r.changed for r in found] == [True, False, False, False, True, False, True]
    assert found[4].verdict.action == HEAL_RECONNECT
    assert found[4].failing == ("exchange_ws",)


def test_a_failure_at_the_start_is_confirmed_as_any_other():
    first, report = rounds(monitor(Check("database", scripted(LiveError("disk full")))), 2)
    assert (first.health, first.settling) == (HEALTHY, True)
    assert (report.health, report.verdict.action) == (CRITICAL, HEAL_RESTART)
    assert report.details["database"] == "LiveError: disk full"


def test_a_failing_measurement_may_get_worse_without_delay():
    values = [Measured(x, x < 0.05) for x in (0.0, 0.06, 0.06, 0.2)]
    assert [r.health for r in rounds(monitor(Check("errors", scripted(*values))), 4)] == [
        HEALTHY,
        HEALTHY,
        DEGRADED,
        CRITICAL,
    ]


def test_unknown_measurements_degrade_and_are_never_critical():
    names = ("api", "memory", "cpu", "errors")
    found = rounds(monitor(*(Check(n, scripted(ValueError("no answer"))) for n in names), settings=AT_ONCE), 1)[0]
    assert found.health == DEGRADED
    assert math.isnan(found.checks.memory_fraction)
    assert math.isnan(found.checks.error_share)


@pytest.mark.parametrize(
    ("name", "health", "action"),
    [
        ("disk", CRITICAL, HEAL_RESTART),
        ("clock", DEGRADED, HEAL_RECONNECT),
        ("loop_lag", DEGRADED, HEAL_CLEAR_CACHE),
        ("tasks", DEGRADED, HEAL_RESTART),
        ("something else", HEALTHY, HEAL_NONE),
    ],
)
def test_what_the_module_does_not_know_is_folded_into_what_it_does(name, health, action):
    [report] = rounds(
        monitor(Check(name, scripted(DOWN)), Check("cpu", scripted(Measured(0.1, True))), settings=AT_ONCE), 1
    )
    assert (report.health, report.verdict.action) == (health, action)
    assert report.failing == (name,)


def test_checks_a_session_does_not_have_hold():
    checks = fold(P, {})
    assert module_15.verdict(P, checks).health == HEALTHY


@pytest.mark.parametrize("mode", [OFF, OBSERVE])
def test_only_enforced_binds(mode):
    [report] = rounds(monitor(Check("database", scripted(DOWN)), params=P._replace(mode=mode), settings=AT_ONCE), 1)
    assert (report.health, report.verdict.action) == (HEALTHY, HEAL_NONE)
    assert report.checks.database == 0


def test_hanging_probe_times_out_alone():
    async def hang():
        await asyncio.Event().wait()

    m = monitor(Check("exchange_rest", hang, timeout_s=0.05), Check("database", scripted(UP)), settings=AT_ONCE)
    [report] = rounds(m, 1)
    assert report.failing == ("exchange_rest",)
    assert "no answer within 0.05 s" in report.details["exchange_rest"]
    status = m.status()
    assert status["health"] == "critical"
    assert status["action"] == "reconnect"
    assert status["checks"]["exchange_rest"]["ok"] is False
    assert status["checks"]["database"]["ok"] is True


def test_rounds_follow_quickly_while_in_doubt_and_a_poke_asks_for_one():
    heard = []
    settings = HealthSettings(recheck_s=0.01, unhealthy_s=0.01, history=3)
    m = monitor(Check("exchange_ws", scripted(UP, DOWN, DOWN, UP, UP)), settings=settings, heard=heard)

    async def main():
        task = asyncio.create_task(m.run())
        await eventually(lambda: len(heard) == 1)
        m.poke()  # the interval is two minutes: without it nothing would follow
        await eventually(lambda: len(heard) == 5)
        assert [r.health for r in heard] == [HEALTHY, HEALTHY, DEGRADED, DEGRADED, HEALTHY]
        task.cancel()

    run(main)
    assert len(m.history) == 3


def test_probe_that_hangs_in_a_thread_is_not_started_twice():
    read, write = os.pipe()
    started = []

    def work():
        started.append(1)
        os.read(read, 1)
        return UP

    probe = OneAtATime(work, "disk")

    async def main():
        with pytest.raises(TimedOutError):
            await within(0.05, probe(), "disk")
        for _ in range(3):
            with pytest.raises(LiveError, match="the probe before hangs"):
                await probe()
        assert len(started) == 1
        os.write(write, b"xx")
        await eventually(lambda: probe._running_since is None)
        assert await probe() == UP

    run(main)
    os.close(read)
    os.close(write)


@pytest.fixture
def store(tmp_path):
    path = tmp_path / "session with space.db"
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("CREATE TABLE events (id INTEGER PRIMARY KEY)")
    db.commit()
    yield path
    db.close()


def probe_of(path, busy_ms=50):
    return run(database(path, busy_ms))


def test_database_is_written_and_read(store):
    assert probe_of(store).ok
    assert sqlite3.connect(store).execute("SELECT count(*) FROM health_probe").fetchone() == (1,)
    assert probe_of(store).ok
    assert sqlite3.connect(store).execute("SELECT count(*) FROM health_probe").fetchone() == (1,)


def test_database_that_is_gone_is_not_made_anew(tmp_path):
    with pytest.raises(LiveError, match="cannot be opened"):
        probe_of(tmp_path / "none.db")
    assert not (tmp_path / "none.db").exists()


def test_file_that_is_no_database(tmp_path):
    (tmp_path / "x.db").write_bytes(b"not a database, but long enough to look at" * 50)
    with pytest.raises(LiveError, match="not a database"):
        probe_of(tmp_path / "x.db")


LIMITED = """
import asyncio, resource, signal, sys
from pathlib import Path
from live.health_checks import database
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1, 1))
try:
    print(asyncio.run(database(Path(sys.argv[1]), 50)()))
except Exception as error:
    print(error)
"""


def test_database_that_may_not_grow(tmp_path):
    path = tmp_path / "session.db"
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE events (id INTEGER PRIMARY KEY)")
    db.close()
    process = child(LIMITED, str(path))
    assert process.communicate()[0].startswith(("database disk full", "database disk I/O error"))
    end(process)
    assert probe_of(path).ok  # nothing is broken behind it


def test_disk_space_is_measured(tmp_path):
    assert run(disk_space(tmp_path, 1)).ok
    assert not run(disk_space(tmp_path, 1 << 60)).ok


def test_probe_and_the_sessions_journal_share_a_file(tmp_path):
    store = SqliteStore(tmp_path / "session.db", create=True)
    assert probe_of(store.path).ok
    store.begin()
    store.put_meta("x", 1)
    with pytest.raises(LiveError, match="locked by another connection"):  # a call of the session that does not end
        probe_of(store.path)
    store.commit()
    assert probe_of(store.path).ok
    assert store.meta("x") == 1
    store.close()
