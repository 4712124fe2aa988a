"""Faults of the machine, end to end: a locked, full or vanished database, memory, processor, a loop that is held up.

Every test shows the check that fails, the verdict and the action.
"""

import asyncio
import contextlib
import shutil
import sqlite3
import subprocess
import time

import psutil
import pytest

from live import health_checks as probes
from live import recoveries
from live.health import Check
from live.tasks import Policy
from live.watchdog import WatchSettings
from qt_core.codes import (
    CMD_ESS_TRIP,
    CMD_EXIT,
    CRITICAL,
    DEGRADED,
    HEAL_CLEAR_CACHE,
    HEAL_CLOSE_POSITIONS,
    HEAL_RESTART,
    HEALTHY,
)
from tests.live.health.desk import QUICK, P, nothing, session
from tests.live.health.helpers import child, end, eventually, soon

LOCKER = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""


def test_database_locked_by_another_process_is_critical_until_it_lets_go(store):
    async def body(desk):
        await desk.at(HEALTHY)
        locker = child(LOCKER, str(store))
        assert locker.stdout.readline() == "locked\n"
        found = await desk.at(CRITICAL)
        assert found.failing == ("database",)
        assert "locked by another connection" in found.details["database"]
        assert found.verdict.action == HEAL_RESTART
        locker.kill()
        await desk.at(HEALTHY)
        end(locker)

    desk = session(
        body,
        [Check("database", probes.database(store, 20))],
        lambda desk: {HEAL_RESTART: recoveries.restart(desk.vitals.supervisor, first=nothing)},
    )
    assert desk.healths() == [HEALTHY, CRITICAL, HEALTHY]


@pytest.fixture
def small_disk(tmp_path):
    """A real file system of 1 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    made = (
        mount
        and subprocess.run(
            [mount, "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True, check=False
        ).returncode
    )
    if made != 0:
        pytest.skip("mounting a small disk needs root; test_database_that_may_not_grow stands in")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_full_disk_is_critical_until_there_is_room(small_disk):
    path, filler = small_disk / "session.db", small_disk / "filler"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE events (id INTEGER PRIMARY KEY)")
    db.close()

    def fill():
        with open(filler, "wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))

    async def body(desk):
        await desk.at(HEALTHY)
        fill()
        found = await desk.at(CRITICAL)
        await eventually(lambda: set(desk.reports[-1].failing) == {"database", "disk"})
        assert "disk full" in desk.reports[-1].details["database"]
        assert found.verdict.action == HEAL_RESTART
        filler.unlink()
        await desk.at(HEALTHY)

    checks = [
        Check("database", probes.database(path, 20)),
        Check("disk", probes.disk_space(small_disk, 100_000)),
    ]
    session(body, checks, lambda desk: {HEAL_RESTART: recoveries.restart(desk.vitals.supervisor)})


def test_memory_ballast_is_critical_and_clearing_the_cache_gives_it_back():
    ballast = []
    room = 200 << 20
    limit = int((psutil.Process().memory_info().rss + room) / P.max_memory_fraction)

    async def body(desk):
        await desk.at(HEALTHY)
        ballast.append(b"\1" * (room + (40 << 20)))
        await desk.at(CRITICAL)
        await desk.stage("ended")
        assert desk.journal[0].action == HEAL_CLEAR_CACHE
        assert "memory: process:" in desk.journal[0].text
        await desk.at(HEALTHY)

    session(
        body,
        [Check("memory", probes.memory(P.max_memory_fraction, limit))],
        lambda desk: {HEAL_CLEAR_CACHE: recoveries.clear_caches(ballast.clear)},
    )
    assert ballast == []


def test_busy_processor_degrades():
    async def body(desk):
        end_s = time.monotonic() + 20.0
        while DEGRADED not in desk.healths() and time.monotonic() < end_s:
            sum(range(200_000))
            await asyncio.sleep(0)
        found = await desk.at(DEGRADED)
        assert found.failing == ("cpu",)
        assert found.verdict.action == HEAL_CLEAR_CACHE

    p = P._replace(max_cpu_fraction=0.02)
    session(body, [Check("cpu", probes.cpu(p.max_cpu_fraction))], lambda desk: {}, p)


def test_loop_that_is_held_up_degrades():
    async def body(desk):
        await desk.at(HEALTHY)
        await eventually(_hold_up(desk))
        assert desk.journal[0].action == HEAL_CLEAR_CACHE
        assert "loop_lag" in desk.journal[0].text

    def _hold_up(desk):
        def look():
            time.sleep(0.4)  # a computation that never yields
            return desk.journal

        return look

    session(
        body,
        [],
        lambda desk: {HEAL_CLEAR_CACHE: recoveries.clear_caches()},
        health=QUICK._replace(max_loop_lag_ms=100.0),
    )


def test_positions_are_closed_and_what_is_broken_is_mended_where_configured(store):
    mended = []

    async def mend():
        mended.append(1)

    def recover(desk):
        return {
            HEAL_CLOSE_POSITIONS: recoveries.close_positions(lambda: (2, 5), desk.told.append),
            HEAL_RESTART: recoveries.restart(desk.vitals.supervisor, first=mend),
        }

    async def body(desk):
        await desk.at(HEALTHY)
        store.rename(store.with_suffix(".gone"))
        found = await desk.at(CRITICAL)
        assert found.verdict.action == HEAL_CLOSE_POSITIONS
        await desk.stage("ended")

    desk = session(body, [Check("database", probes.database(store, 20))], recover, P._replace(close_if_critical=1))
    assert [c.fields["symbol"] for c in desk.told if c.command == CMD_EXIT][:2] == [2, 5]
    assert mended
    assert "asked to close 2 positions; restarted" in desk.journal[1].text


def test_action_without_a_recovery_leads_to_the_emergency_stop(store):
    async def body(desk):
        store.unlink()
        await desk.stage("escalated")

    desk = session(body, [Check("database", probes.database(store, 20))], lambda desk: {})
    assert "no recovery for restart" in desk.journal[1].text
    assert [c.command for c in desk.told].count(CMD_ESS_TRIP) == 1


def test_status_is_for_people(store):
    async def body(desk):
        await desk.at(HEALTHY)
        status = desk.vitals.status()
        assert status["health"]["health"] == "healthy"
        assert status["health"]["checks"]["database"]["detail"].startswith("written and read in")
        assert status["tasks"] == {"loop lag": "running", "healing": "running", "health": "running"}
        assert status["healing"]["attempts"] == 0
        assert status["bus"]["page"]["alive"]

    session(body, [Check("database", probes.database(store, 20))], lambda desk: {})


def test_loop_that_hangs_is_told_from_outside_it(caplog):
    async def body(desk):
        await desk.at(HEALTHY)
        soon(lambda: "loop:hangs" in [a.key for a in desk.heard.alerts])  # holds up the loop
        await desk.at(DEGRADED)

    desk = session(
        body,
        [],
        lambda desk: {HEAL_CLEAR_CACHE: recoveries.clear_caches()},
        health=QUICK._replace(max_loop_lag_ms=100.0, fail_after=1),
        watch=WatchSettings(limit_s=0.8, look_s=0.02),
    )
    [alert] = [a for a in desk.heard.alerts if a.key == "loop:hangs"]
    assert "helpers.py" in alert.text  # where it hangs
    assert "the event loop hangs" in caplog.text


def test_monitor_that_cannot_run_stops_trading():
    def broken():
        raise OSError("clock")

    async def body(desk):
        desk.vitals.monitor._now_ms = broken
        await eventually(lambda: CMD_ESS_TRIP in [c.command for c in desk.told])
        assert "health" in desk.vitals.supervisor.faults()

    session(body, [], lambda desk: {}, own=Policy(delay_s=0.001, max_delay_s=0.001))
