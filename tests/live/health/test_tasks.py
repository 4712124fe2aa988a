"""Supervised tasks: crashes, cancellations and ends are seen and mended; waits and stops are bounded; nothing leaks."""

import asyncio
import contextlib
import signal
import threading

import pytest

from live.errors import LiveError
from live.tasks import ONCE, Policy, Supervisor, TaskFault, TimedOutError, in_thread, no_leaks, within
from live.vitals import Relay
from qt_core.codes import CMD_ERROR
from qt_core.engine.script import Command
from tests.live.health.helpers import PATIENCE_S, child, end, eventually, run

QUICK = Policy(delay_s=0.001, max_delay_s=0.001, restarts=3)
NEVER = Policy(delay_s=3600.0)


async def forever():
    await asyncio.Event().wait()


def test_within_names_what_was_waited_for():
    async def main():
        with pytest.raises(TimedOutError, match=r"the balance: no answer within 0\.01 s") as found:
            await within(0.01, forever(), "the balance")
        assert isinstance(found.value, LiveError)
        assert await within(PATIENCE_S, asyncio.sleep(0, "yes"), "an answer") == "yes"

        async def own():
            raise TimeoutError("of the work itself")

        with pytest.raises(TimeoutError, match="of the work itself"):
            await within(PATIENCE_S, own(), "x")

    run(main)


def test_crash_is_told_and_the_task_started_again_until_it_is_given_up():
    faults: list[TaskFault] = []

    async def crash():
        raise ValueError("bad frame")

    async def main():
        async with Supervisor(faults.append) as s:
            s.start("feed", crash, QUICK)
            s.start("other", forever)
            await eventually(lambda: "gave up" in s.status()["feed"])
            assert s.faults() == {"feed": "ValueError: bad frame"}
            assert s.dead() == ("feed",)
            assert s.status()["other"] == "running"

    run(main)
    assert [f.restarts for f in faults] == [0, 1, 2, 3]
    assert [f.gave_up for f in faults] == [False, False, False, True]


def test_cancelled_and_ended_tasks_are_faults_and_can_be_restarted():
    started = []

    async def work():
        started.append(1)
        await asyncio.Event().wait()

    async def returns():
        return None

    async def main():
        async with Supervisor() as s:
            s.start("feed", work, NEVER)
            s.start("short", returns, NEVER)
            s.start("once", returns, ONCE)
            await eventually(lambda: started and "short" in s.faults())
            [task] = [t for t in asyncio.all_tasks() if t.get_name() == "feed"]
            task.cancel()
            await eventually(lambda: "feed" in s.faults())
            assert s.faults() == {"feed": "was cancelled", "short": "ended"}
            await s.restart("feed")
            await eventually(lambda: len(started) == 2)
            await s.restart("feed")  # one that runs is cancelled and begun anew, and that is no fault
            await eventually(lambda: len(started) == 3)
            assert set(s.faults()) == {"short"}
            with pytest.raises(LiveError, match="cannot be restarted"):
                await s.restart("nobody")
            with pytest.raises(LiveError, match="already runs"):
                s.start("feed", work)

    run(main)


def test_cancelled_supervisor_of_a_task_is_seen_too():
    async def main():
        async with Supervisor() as s:
            s.start("feed", forever)
            await eventually(lambda: s.status()["feed"] == "running")
            [keeper] = [t for t in asyncio.all_tasks() if t.get_name() == "feed (supervisor)"]
            keeper.cancel()
            await eventually(lambda: s.faults() == {"feed": "was cancelled"})
            await s.restart("feed")
            assert s.faults() == {}

    run(main)


def test_watched_task_of_someone_else():
    async def main():
        async with Supervisor() as s:
            task = asyncio.create_task(forever())
            s.watch("theirs", task)
            assert s.faults() == {}
            task.cancel()
            await eventually(lambda: s.faults() == {"theirs": "was cancelled"})
            assert s.dead() == ()

    run(main)


def test_stop_names_a_task_that_will_not_end():
    async def main():
        let_go = asyncio.Event()

        async def stubborn():
            while not let_go.is_set():
                with contextlib.suppress(asyncio.CancelledError):
                    await let_go.wait()

        s = Supervisor(stop_s=0.05)
        s.start("stubborn", stubborn)
        s.start("fine", forever)
        await eventually(lambda: s.status()["stubborn"] == "running")
        assert await s.stop() == ("stubborn",)
        assert s.status()["fine"] == "stopped"
        let_go.set()

    run(main)


def test_fault_callback_that_raises_does_not_end_the_supervision():
    async def main():
        tries = []

        async def crash():
            tries.append(1)
            raise ValueError

        def bad(_):
            raise RuntimeError("callback")

        async with Supervisor(bad) as s:
            s.start("x", crash, QUICK)
            await eventually(lambda: len(tries) == 4)

    run(main)


def test_relay_keeps_order_and_loses_nothing_when_forwarding_fails():
    got, fail = [], [True]

    async def forward(command):
        await asyncio.sleep(0)
        if fail.pop() if fail else False:
            raise RuntimeError("inbox")
        got.append(command.time_ms)

    async def main():
        relay = Relay(forward)
        async with Supervisor() as s:
            for i in range(5):
                relay.tell(Command(i, CMD_ERROR))
            s.start("relay", relay.run, QUICK)
            await eventually(lambda: got == [0, 1, 2, 3, 4])

    run(main)


def test_thread_work_answers_raises_and_may_hang():
    gate = threading.Event()

    async def main():
        assert await in_thread(lambda: 7, "t") == 7
        with pytest.raises(ZeroDivisionError):
            await in_thread(lambda: 1 // 0, "t")
        with pytest.raises(TimedOutError):
            await within(0.01, in_thread(gate.wait, "t"), "a disk that hangs")

    run(main)
    gate.set()


def test_leak_check_names_the_task():
    async def main():
        with pytest.raises(LiveError, match="tasks left running: lost"):
            async with no_leaks(0.05):
                task = asyncio.create_task(forever(), name="lost")
        task.cancel()

    run(main)


SESSION = """
import asyncio, sys
from live.tasks import Supervisor, stop_signals
async def forever():
    await asyncio.Event().wait()
async def stuck():
    while True:
        try: await asyncio.Event().wait()
        except asyncio.CancelledError: print("ignored", flush=True)
async def main():
    with stop_signals() as stop:
        async with Supervisor(stop_s=600) as s:
            s.start("work", stuck if sys.argv[1] == "stuck" else forever)
            await asyncio.sleep(0.05)
            print("ready", flush=True)
            await stop.wait()
    print("clean", flush=True)
asyncio.run(main())
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_stops_cleanly(number):
    process = child(SESSION, "fine")
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    assert process.communicate(timeout=PATIENCE_S)[0] == "clean\n"
    assert process.returncode == 0


def test_second_signal_forces_the_end_of_a_stuck_session():
    process = child(SESSION, "stuck")
    try:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "ignored\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=PATIENCE_S) == 128 + signal.SIGTERM
    finally:
        end(process)
