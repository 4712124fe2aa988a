"""Structured concurrency for a live session: supervised tasks by name, a timeout on every wait, a clean stop, no leaks.

Not ``asyncio.TaskGroup`` itself: there one crash cancels every sibling and its exit waits without bound. Here a crash is
seen (``faults``, a callback), the task is started again with back-off, and stopping ends after a set time and names what
would not end.
"""

import asyncio
import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from typing import Any, NamedTuple, TypeVar

from live.errors import LiveError

log = logging.getLogger(__name__)
T = TypeVar("T")
Factory = Callable[[], Coroutine[Any, Any, Any]]

RUNNING, WAITING, ENDED, GAVE_UP, STOPPED = "running", "waiting to restart", "ended", "gave up", "stopped"
POLL_S = 0.01  # of the leak check alone


class TimedOutError(LiveError):
    """A wait was given up; says what was waited for and how long."""


async def within(seconds: float, awaitable: Awaitable[T], what: str) -> T:
    """Wait for ``awaitable``, but not longer than ``seconds``.

    Raises
    ------
    TimedOutError
        After ``seconds``; a TimeoutError of ``awaitable`` itself passes as it is.
    """
    try:
        async with asyncio.timeout(seconds) as limit:
            return await awaitable
    except TimeoutError:
        if limit.expired():
            raise TimedOutError(f"{what}: no answer within {seconds:g} s") from None
        raise


async def in_thread(work: Callable[[], T], name: str) -> T:
    """Blocking ``work`` in a daemon thread of its own: one that hangs holds up neither other work nor the exit."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: "T | None", error: "BaseException | None") -> None:
        if future.done():  # given up on meanwhile
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, failed = None, None
        try:
            result = work()
        except BaseException as error:
            failed = error
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, result, failed)

    threading.Thread(target=run, name=name, daemon=True).start()
    return await future


class Policy(NamedTuple):
    """What becomes of a task that ends; all defaults are our choice."""

    forever: bool = True  # False: a task that returns is done; True: that it returns is a fault
    restarts: int = 5  # within window_s; one more and it is given up
    window_s: float = 600.0
    delay_s: float = 1.0  # before the first restart, doubled each time
    max_delay_s: float = 60.0


FOREVER = Policy()
ONCE = Policy(forever=False)


class TaskFault(NamedTuple):
    """One end of a task that was not asked for."""

    name: str
    what: str  # "ended", "was cancelled", or the error
    restarts: int  # within the window
    gave_up: bool


class _Entry:
    """One supervised task: the attempt at work and the supervisor around it."""

    def __init__(self, name: str, factory: "Factory | None", policy: Policy) -> None:
        self.name, self.factory, self.policy = name, factory, policy
        self.attempt: asyncio.Task[Any] | None = None
        self.keeper: asyncio.Task[Any] | None = None
        self.wake = asyncio.Event()
        self.state, self.fault = WAITING, ""
        self.restarted: list[float] = []
        self.asked = False  # a restart that was asked for is no fault


class Supervisor:
    """Named tasks that are started again when they end; an async context manager that stops them all.

    Parameters
    ----------
    on_fault : callable
        Told of every fault, on the loop; must not block. An error of it is logged.
    stop_s : float
        Seconds a task has to end after it was cancelled.
    """

    def __init__(self, on_fault: "Callable[[TaskFault], None] | None" = None, stop_s: float = 10.0) -> None:
        self._on_fault = on_fault
        self._stop_s = stop_s
        self._entries: dict[str, _Entry] = {}
        self._stopping = False

    def start(self, name: str, factory: Factory, policy: Policy = FOREVER) -> None:
        """Run ``factory()`` under ``name``; raises LiveError where the name is taken or the supervisor is stopping."""
        held = self._entries.get(name)
        runs = held is not None and (held.factory is None or (held.keeper is not None and not held.keeper.done()))
        if self._stopping or runs:
            raise LiveError(f"task {name}: {'the session is stopping' if self._stopping else 'already runs'}")
        entry = self._entries[name] = _Entry(name, factory, policy)
        entry.keeper = asyncio.create_task(self._keep(entry), name=f"{name} (supervisor)")

    def watch(self, name: str, task: "asyncio.Task[Any]") -> None:
        """See to a task that someone else started: it is not started again, but its end is a fault."""
        entry = self._entries[name] = _Entry(name, None, Policy())
        entry.attempt, entry.state = task, RUNNING

    async def restart(self, name: str, seconds: float = 30.0) -> None:
        """Cancel a task and run it anew with a clean record of restarts; raises LiveError where it is unknown or stuck."""
        entry = self._entries.get(name)
        if entry is None or entry.factory is None or self._stopping:
            raise LiveError(f"task {name}: cannot be restarted; expected one of {sorted(self._entries)}")
        entry.restarted.clear()
        if entry.keeper is None or entry.keeper.done():
            self.start(name, entry.factory, entry.policy)
        elif entry.attempt is None or entry.attempt.done():
            entry.wake.set()
        else:
            entry.asked = True
            entry.attempt.cancel()
            await within(seconds, asyncio.wait({entry.attempt}), f"task {name} to end")

    def faults(self) -> dict[str, str]:
        """Tasks that should run and do not, by name, with the reason."""
        bad = {}
        for e in self._entries.values():
            task = e.attempt if e.factory is None else e.keeper
            if e.state in (WAITING, GAVE_UP) and e.fault:
                bad[e.name] = e.fault
            elif e.state in (RUNNING, WAITING) and task is not None and task.done():
                bad[e.name] = _end_of(task)
        return bad

    def dead(self) -> tuple[str, ...]:
        """Names of the faulty tasks that ``restart`` can bring back."""
        return tuple(name for name in self.faults() if self._entries[name].factory is not None)

    def status(self) -> dict[str, str]:
        """State of every task, for people."""
        return {e.name: f"{e.state}{': ' + e.fault if e.fault else ''}" for e in self._entries.values()}

    async def stop(self) -> tuple[str, ...]:
        """Cancel every task, the youngest first; returns the names of those that would not end in time."""
        self._stopping = True
        tasks = [e.keeper for e in reversed(self._entries.values()) if e.keeper is not None and not e.keeper.done()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=2.0 * self._stop_s)  # each gives its attempt stop_s by itself
        for e in self._entries.values():
            e.state = STOPPED if e.state in (RUNNING, WAITING) and e.factory is not None else e.state
        stuck = [t for e in self._entries.values() for t in (e.attempt,) if e.factory and t and not t.done()]
        if stuck:
            log.error("tasks that would not end within %g s: %s", self._stop_s, ", ".join(t.get_name() for t in stuck))
        return tuple(t.get_name() for t in stuck)

    async def __aenter__(self) -> "Supervisor":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _keep(self, e: _Entry) -> None:
        """Attempt after attempt, until one ends as it should, too many failed, or the session stops."""
        assert e.factory is not None
        while True:
            e.attempt = asyncio.create_task(e.factory(), name=e.name)
            e.state, e.fault = RUNNING, ""
            await self._finish(e.attempt)
            if e.asked:
                e.asked = False
                continue
            what = _end_of(e.attempt)
            if what == ENDED and not e.policy.forever:
                e.state = ENDED
                return
            delay = self._note(e, what)
            if delay is None:
                return
            e.wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await e.wake.wait()

    async def _finish(self, attempt: "asyncio.Task[Any]") -> None:
        """Wait for the attempt's end; when the supervisor is cancelled, so is the attempt, and its end is waited for."""
        try:
            await asyncio.wait({attempt})
        except asyncio.CancelledError:
            attempt.cancel()
            await asyncio.wait({attempt}, timeout=self._stop_s)
            raise

    def _note(self, e: _Entry, what: str) -> "float | None":
        """Book a fault; seconds until the restart, None where it is given up."""
        now = time.monotonic()
        e.restarted = [t for t in e.restarted if now - t < e.policy.window_s]
        n = len(e.restarted)
        gave_up = n >= e.policy.restarts
        e.state, e.fault = (GAVE_UP if gave_up else WAITING), what
        e.restarted.append(now)
        error = None if e.attempt is None or e.attempt.cancelled() else e.attempt.exception()
        log.error("task %s %s%s", e.name, what, "; given up" if gave_up else "", exc_info=error)
        if self._on_fault is not None:
            try:
                self._on_fault(TaskFault(e.name, what, n, gave_up))
            except Exception:
                log.exception("on_fault of task %s", e.name)
        return None if gave_up else min(e.policy.delay_s * 2.0**n, e.policy.max_delay_s)


def _end_of(task: "asyncio.Task[Any]") -> str:
    """How a task ended, in words."""
    if task.cancelled():
        return "was cancelled"
    error = task.exception()
    return ENDED if error is None else f"{type(error).__name__}: {error}"


@contextlib.contextmanager
def stop_signals(force: "Callable[[int], None] | None" = None) -> Iterator[asyncio.Event]:
    """An event that SIGINT and SIGTERM set; the second signal forces the end with exit code 128 + its number.

    Plain handlers rather than the loop's: they also work while the loop is held up. The forced end is hard (``os._exit``):
    what hangs in a clean stop would hang in a softer one, and a session recovers from its journal at the next start.
    Raises ValueError outside the main thread.
    """
    loop, stop, seen = asyncio.get_running_loop(), asyncio.Event(), [0]
    end = force or (lambda number: os._exit(128 + number))

    def on_signal(number: int, _: Any) -> None:
        seen[0] += 1
        if seen[0] > 1:
            end(number)
        loop.call_soon_threadsafe(stop.set)

    before = {s: signal.signal(s, on_signal) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.asynccontextmanager
async def no_leaks(seconds: float = 5.0) -> AsyncIterator[None]:
    """For tests: every task begun inside has ended within ``seconds`` after it, else LiveError names those left."""
    before = asyncio.all_tasks()
    yield
    end = time.monotonic() + seconds
    while left := {t for t in asyncio.all_tasks() - before if not t.done()}:
        if time.monotonic() > end:
            raise LiveError(f"tasks left running: {', '.join(sorted(t.get_name() for t in left))}")
        await asyncio.sleep(POLL_S)
