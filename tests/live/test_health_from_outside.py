"""Faults caused from outside to a whole session: the check that fails, what is done, what the chain heard, what goes on."""

import asyncio
import resource
from pathlib import Path
from typing import Any

import psutil
import pytest

from live.host import EXIT_FAULT, Pace
from qt_core.codes import CMD_ERROR, CRITICAL, DEGRADED
from qt_core.context.health import CHECK_EXCHANGE_REST, CHECK_EXCHANGE_WS, CHECK_MEMORY
from tests.live.hosting import HEALING, HEALTH, EndedError, Hosted, audited, exchange_process, hosted

MB = 1 << 20
PATIENT = Pace(HEALTH, HEALING._replace(attempts=10**6))  # else attempts that do not help end in the emergency stop


def run(scene: Any) -> Any:
    return asyncio.run(asyncio.wait_for(scene(), 90.0))


async def verdict(session: Hosted, health: int, worst: int) -> None:
    """Wait until the chain has heard it."""
    await session.until(lambda: (health, worst) in session.heard(), f"the verdict {health} of check {worst}")


async def over(session: Hosted, worst: int) -> None:
    """Wait until the last that the chain has heard names another check or none: a busy machine is not always healthy."""
    await session.until(lambda: session.heard() and session.heard()[-1][1] != worst, f"the end of check {worst}")


def test_an_exchange_that_freezes_is_noticed_and_nothing_opens_until_a_person_says_so(tmp_path: Path) -> None:
    async def scene() -> None:
        with exchange_process() as outside:
            async with hosted(outside, tmp_path, "frozen") as session:
                await session.bars(3)
                outside.freeze()
                await verdict(session, CRITICAL, CHECK_EXCHANGE_REST)
                await session.until(lambda: "healing: started reconnect" in session.log(), "the attempt")
                await session.until(
                    lambda: "healing: escalated reconnect" in session.log(), "the stop that is asked for"
                )
                outside.thaw()
                await over(session, CHECK_EXCHANGE_REST)
                await session.bars(2)
                assert session.latched()
                number = session.runner.journal.store.leave_command("reset", {"reason": "it is back"}, "test")
                await session.until(lambda: session.runner.journal.store.command(number)[0] == "done", "the reset")
                await session.bars(2)
                assert not session.latched()
        assert audited(session.folder)

    run(scene)


def test_a_dropped_socket_is_made_anew_and_a_silent_one_degrades(tmp_path: Path) -> None:
    async def scene() -> None:
        with exchange_process() as outside:
            async with hosted(outside, tmp_path, "socket", PATIENT) as session:
                await session.bars(3)
                made = session.runner.feed.health().connections
                await outside.say("disconnect", category="market")
                await session.until(lambda: session.runner.feed.health().connections > made, "the connection")
                await session.bars(3)
                await outside.say("mute", category="market")
                await verdict(session, DEGRADED, CHECK_EXCHANGE_WS)
                await session.until(lambda: "healing: ended reconnect" in session.log(), "the attempt")
                await session.bars(2)  # by REST
                await outside.say("mute", category="market", on=False)
                await over(session, CHECK_EXCHANGE_WS)
                await session.bars(1)
        assert audited(session.folder)

    run(scene)


def test_a_cancelled_task_is_told_and_started_again(tmp_path: Path) -> None:
    async def scene() -> None:
        with exchange_process() as outside:
            async with hosted(outside, tmp_path, "cancelled") as session:
                await session.bars(2)
                task = next(t for t in asyncio.all_tasks() if t.get_name() == "book watch")
                task.cancel()
                await session.until(lambda: session.heard(CMD_ERROR), "the error")
                await session.until(
                    lambda: any(t.get_name() == "book watch" and t is not task for t in asyncio.all_tasks()),
                    "its restart",
                )
                await session.bars(3)
                alerts = (session.folder / "alerts.jsonl").read_text()
                assert "task:book watch" in alerts
        assert audited(session.folder)

    run(scene)


@pytest.mark.parametrize("name", ["feed", "broker events", "guards"])
def test_a_session_without_one_of_its_own_tasks_ends_and_goes_on_at_the_next_start(name: str, tmp_path: Path) -> None:
    async def scene() -> None:
        with exchange_process() as outside:
            async with hosted(outside, tmp_path, "own") as session:
                await session.bars(1)
                next(t for t in asyncio.all_tasks() if t.get_name() == name).cancel()
                with pytest.raises(EndedError, match=f"exit code {EXIT_FAULT}"):
                    await session.until(lambda: False, "its end")
                assert f"'{name}' was cancelled from outside" in (session.folder / "alerts.jsonl").read_text()
            async with hosted(outside, tmp_path, "own") as again:
                await again.bars(2)
        assert audited(again.folder)

    run(scene)


def test_memory_that_runs_out_is_critical_until_it_is_given_back(tmp_path: Path) -> None:
    own = psutil.Process().memory_info().rss
    limit = HEALTH._replace(memory_limit_bytes=own + 400 * MB)

    async def scene() -> None:
        with exchange_process() as outside:
            async with hosted(outside, tmp_path, "memory", Pace(limit, HEALING)) as session:
                await session.bars(2)
                ballast = bytearray(b"\1") * (600 * MB)
                await verdict(session, CRITICAL, CHECK_MEMORY)
                await session.until(lambda: "healing: ended clear_cache" in session.log(), "the attempt")
                del ballast
                await over(session, CHECK_MEMORY)
                await session.bars(1)
        assert audited(session.folder)

    run(scene)


def test_a_full_disk_ends_the_session_in_one_line_and_the_next_start_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def scene() -> None:
        with exchange_process() as outside:
            async with hosted(outside, tmp_path, "full") as session:
                await session.bars(3)
                soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
                resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))  # no file grows any more
                try:
                    with pytest.raises(EndedError, match=f"exit code {EXIT_FAULT}"):
                        await session.until(lambda: False, "its end")
                finally:
                    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
                said = next(line for line in capsys.readouterr().err.splitlines() if line.startswith("error:"))
                assert "journal.sqlite: cannot be written" in said
            async with hosted(outside, tmp_path, "full") as again:
                assert not again.started.recovered.fresh  # type: ignore[union-attr]
                await again.bars(2)
        assert audited(again.folder)

    run(scene)
