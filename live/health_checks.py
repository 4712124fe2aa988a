"""The probes of the health monitor: each measures one thing for real and says in words what it saw.

A probe is an async callable; it may raise or hang: the monitor gives each its own timeout. What blocks runs in a daemon
thread, one at a time: a disk that hangs costs one thread, not one every round.
"""

import os
import shutil
import sqlite3
import time
import urllib.parse
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from live.errors import LiveError
from live.machine import CpuUsage, LoopLag, RequestCounter, memory_usage
from live.tasks import in_thread

MB = 1_000_000
_SQLITE_WORDS = {
    "SQLITE_FULL": "disk full",
    "SQLITE_BUSY": "locked by another connection",
    "SQLITE_LOCKED": "locked",
    "SQLITE_IOERR": "disk I/O error",
    "SQLITE_READONLY": "read-only",
    "SQLITE_CANTOPEN": "cannot be opened",
    "SQLITE_CORRUPT": "corrupt",
    "SQLITE_NOTADB": "not a database",
}


class Measured(NamedTuple):
    """What one probe saw."""

    value: float  # in the check's unit; NaN = unknown
    ok: bool
    detail: str = ""


Probe = Callable[[], Awaitable[Measured]]


class OneAtATime:
    """Blocking work in a thread; raises LiveError while the call before still hangs."""

    def __init__(self, work: Callable[[], Measured], name: str) -> None:
        self._work, self._name = work, name
        self._running_since: float | None = None

    def _run(self) -> Measured:
        try:
            return self._work()
        finally:
            self._running_since = None

    async def __call__(self) -> Measured:
        since = self._running_since
        if since is not None:
            raise LiveError(f"{self._name}: the probe before hangs for {time.monotonic() - since:.0f} s")
        self._running_since = time.monotonic()
        return await in_thread(self._run, f"health: {self._name}")


def api_time(call: Callable[[], Awaitable[Any]], max_ms: float) -> Probe:
    """Response time of ``call``, ms."""

    async def probe() -> Measured:
        start = time.perf_counter()
        await call()
        took_ms = (time.perf_counter() - start) * 1_000.0
        return Measured(took_ms, took_ms < max_ms, f"{took_ms:.0f} ms")

    return probe


def answers(call: Callable[[], Awaitable[Any]]) -> Probe:
    """Whether ``call`` answers at all: 1 or an error."""

    async def probe() -> Measured:
        await call()
        return Measured(1.0, True, "answers")

    return probe


def frame_age(age_s: Callable[[], float], max_age_s: float) -> Probe:
    """Age of the last WebSocket frame, s; ``age_s`` gives NaN before the first."""

    async def probe() -> Measured:
        age = age_s()
        return Measured(age, age <= max_age_s, f"last frame {age:.1f} s ago")

    return probe


def database(path: Path, busy_ms: int) -> Probe:
    """Write, fsync and read back on the session's SQLite file."""
    return OneAtATime(lambda: _write_and_read(path, busy_ms), "database")


def _write_and_read(path: Path, busy_ms: int) -> Measured:
    """Two connections, so that what is read comes from the file; ``mode=rw`` makes no new file where ours is gone."""
    address = f"file:{urllib.parse.quote(str(path))}"
    token, start = time.time_ns(), time.perf_counter()
    try:
        writer = sqlite3.connect(f"{address}?mode=rw", uri=True, timeout=busy_ms / 1_000.0, isolation_level=None)
        try:
            writer.execute("PRAGMA synchronous = FULL")
            writer.execute("BEGIN IMMEDIATE")
            writer.execute("CREATE TABLE IF NOT EXISTS health_probe (id INTEGER PRIMARY KEY, token INTEGER NOT NULL)")
            writer.execute("INSERT OR REPLACE INTO health_probe VALUES (1, ?)", (token,))
            writer.execute("COMMIT")
        finally:
            writer.close()
        reader = sqlite3.connect(f"{address}?mode=ro", uri=True, timeout=busy_ms / 1_000.0)
        try:
            found = reader.execute("SELECT token FROM health_probe WHERE id = 1").fetchone()
        finally:
            reader.close()
    except sqlite3.Error as error:
        raise LiveError(f"database {_in_words(error)}") from error
    if found != (token,):
        raise LiveError("database: what was written was not read back")
    return Measured(1.0, True, f"written and read in {(time.perf_counter() - start) * 1_000.0:.1f} ms")


def _in_words(error: sqlite3.Error) -> str:
    name = getattr(error, "sqlite_errorname", "") or ""
    words = next((text for code, text in _SQLITE_WORDS.items() if name.startswith(code)), "error")
    return f"{words} ({name or type(error).__name__}: {error})"


def models_loaded(missing: Callable[[], Sequence[str]]) -> Probe:
    """Whether every model that should decide is loaded; ``missing`` names those that are not."""

    async def probe() -> Measured:
        names = missing()
        return Measured(0.0 if names else 1.0, not names, f"missing: {', '.join(names)}" if names else "loaded")

    return probe


def memory(max_fraction: float, limit_bytes: int) -> Probe:
    """Fraction of memory in use, see ``live.machine.memory_usage``."""

    async def probe() -> Measured:
        found = memory_usage(limit_bytes)
        return Measured(found.fraction, found.fraction < max_fraction, found.what)

    return probe


def cpu(max_fraction: float) -> Probe:
    """Fraction of processor time since the round before."""
    usage = CpuUsage()

    async def probe() -> Measured:
        found = usage.take()
        return Measured(found.fraction, found.fraction < max_fraction, found.what)

    return probe


def error_share(counter: RequestCounter, max_share: float, min_requests: int) -> Probe:
    """Failed share of a minute's requests; fewer than ``min_requests`` count as so many."""

    async def probe() -> Measured:
        requests, failures = counter.counts()
        share = failures / max(requests, min_requests, 1)
        return Measured(share, share < max_share, f"{failures} of {requests} requests failed within a minute")

    return probe


def loop_lag(lag: LoopLag, max_ms: float) -> Probe:
    """How late the event loop ran since the round before, ms."""

    async def probe() -> Measured:
        late_ms = lag.take_ms()
        return Measured(late_ms, late_ms <= max_ms, f"{late_ms:.0f} ms late at worst")

    return probe


def clock_skew(skew_ms: Callable[[], Awaitable[float]], max_ms: float) -> Probe:
    """Our time less the exchange's, ms."""

    async def probe() -> Measured:
        skew = await skew_ms()
        return Measured(skew, abs(skew) <= max_ms, f"{skew:+.0f} ms against the exchange")

    return probe


def disk_space(folder: Path, min_free_bytes: int) -> Probe:
    """Free bytes that this user may still write."""

    def look() -> Measured:
        free = shutil.disk_usage(os.fspath(folder)).free
        return Measured(float(free), free >= min_free_bytes, f"{free / MB:,.0f} MB free")

    return OneAtATime(look, "disk")


def tasks_alive(*sources: Callable[[], Mapping[str, str]]) -> Probe:
    """Number of dead tasks; a source is ``Supervisor.faults`` or ``EventBus.faults``."""

    async def probe() -> Measured:
        dead = {name: why for source in sources for name, why in source().items()}
        words = "; ".join(f"{name}: {why}" for name, why in dead.items())
        return Measured(float(len(dead)), not dead, words or "all run")

    return probe
