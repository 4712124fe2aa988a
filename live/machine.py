"""What this process takes of the machine: memory, processor time, how late the event loop is, errors in a minute."""

import asyncio
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import psutil

CGROUP_ROOT = Path("/sys/fs/cgroup")
OWN_CGROUP = Path("/proc/self/cgroup")
MIN_CPU_SPAN_S = 0.1  # psutil's advice: over less, processor times are noise
TICK_S = 0.25  # how often the lag of the loop is looked at (our choice)


class Usage(NamedTuple):
    """Something used of something there is."""

    fraction: float
    what: str  # in words


def cgroup_memory(root: Path = CGROUP_ROOT, own: Path = OWN_CGROUP) -> "Usage | None":
    """The fullest memory limit of this process's control groups (version 1 or 2); None where none is set.

    Page cache that the kernel can take back counts as free.
    """
    total = psutil.virtual_memory().total
    found = [_group_usage(folder, total) for folder in _groups(root, own)]
    return max((u for u in found if u is not None), default=None)


def _groups(root: Path, own: Path) -> Iterator[Path]:
    """Folders of the memory controller from this process's group up to the root."""
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        base = root / "memory" if controllers else root
        group = base / path.lstrip("/")
        yield from (f for f in (group, *group.parents) if f == base or base in f.parents)


def _group_usage(folder: Path, total: int) -> "Usage | None":
    names = (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes"))
    for limit_name, used_name in names:
        try:
            limit = int((folder / limit_name).read_text())
            used = int((folder / used_name).read_text()) - _reclaimable(folder)
        except (OSError, ValueError):  # "max": no limit
            continue
        if 0 < limit < total:
            return Usage(used / limit, f"control group: {used >> 20} of {limit >> 20} MB")
    return None


def _reclaimable(folder: Path) -> int:
    """Bytes of inactive page cache."""
    for line in (folder / "memory.stat").read_text().splitlines():
        name, _, value = line.partition(" ")
        if name in ("inactive_file", "total_inactive_file"):
            return int(value)
    return 0


def memory_usage(limit_bytes: int = 0) -> Usage:
    """How full memory is: this process against its own limit, or (0) the fuller of control group and machine."""
    own = psutil.Process().memory_info().rss
    if limit_bytes > 0:
        return Usage(own / limit_bytes, f"process: {own >> 20} of {limit_bytes >> 20} MB")
    m = psutil.virtual_memory()
    machine = Usage(1.0 - m.available / m.total, f"machine: {(m.total - m.available) >> 20} of {m.total >> 20} MB")
    group = cgroup_memory()
    worst = max(machine, group) if group is not None else machine
    return worst._replace(what=f"{worst.what}, this process {own >> 20} MB")


def allowed_cores(root: Path = CGROUP_ROOT) -> float:
    """Processors this process may use: its affinity, or less where a control group sets a quota."""
    cores = float(len(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else float(os.cpu_count() or 1)
    try:
        quota, period = (root / "cpu.max").read_text().split()
        return min(cores, int(quota) / int(period))
    except (OSError, ValueError):  # version 1, or "max"
        return cores


class CpuUsage:
    """Processor time since the last look: of the machine, or of this process against the cores it may use."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._cores = allowed_cores()
        self._at, self._own = time.monotonic(), self._seconds()
        psutil.cpu_percent(None)  # the first answer is meaningless and sets its reference
        self._last = Usage(0.0, "no time has passed")

    def _seconds(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)

    def take(self) -> Usage:
        """The fuller of the two since the last look; looks too close together give the same answer."""
        now = time.monotonic()
        span = now - self._at
        if span < MIN_CPU_SPAN_S:
            return self._last
        seconds = self._seconds()
        own = (seconds - self._own) / (span * self._cores)
        machine = psutil.cpu_percent(None) / 100.0
        self._at, self._own = now, seconds
        self._last = Usage(max(machine, own), f"machine {machine:.0%}, this process {own:.0%} of {self._cores:g} cores")
        return self._last


class LoopLag:
    """How late the event loop runs what is due; ``run`` is a supervised task."""

    def __init__(self, tick_s: float = TICK_S) -> None:
        self._tick_s = tick_s
        self._worst_s = 0.0
        self.seen = time.monotonic()  # when the loop last ticked; read by the watchdog's thread

    async def run(self) -> None:
        """Tick for ever."""
        self.seen = time.monotonic()
        while True:
            await asyncio.sleep(self._tick_s)
            now = time.monotonic()
            self._worst_s = max(self._worst_s, now - self.seen - self._tick_s)
            self.seen = now

    def take_ms(self) -> float:
        """The worst since the last look, ms; it grows while the task that ticks is dead."""
        worst = max(self._worst_s, time.monotonic() - self.seen - self._tick_s)
        self._worst_s = 0.0
        return worst * 1_000.0


class RequestCounter:
    """Requests and failures of the last minute; others report, from any thread."""

    def __init__(self, window_s: int = 60, clock: Callable[[], float] = time.monotonic) -> None:
        self._window_s, self._clock = window_s, clock
        self._seconds: deque[list[int]] = deque()  # second, requests, failures
        self._lock = threading.Lock()

    def succeeded(self, n: int = 1) -> None:
        self._book(n, 0)

    def failed(self, n: int = 1) -> None:
        self._book(n, n)

    def _book(self, requests: int, failures: int) -> None:
        second = int(self._clock())
        with self._lock:
            if not self._seconds or self._seconds[-1][0] != second:
                self._seconds.append([second, 0, 0])
                self._forget(second)
            self._seconds[-1][1] += requests
            self._seconds[-1][2] += failures

    def _forget(self, second: int) -> None:
        while self._seconds and self._seconds[0][0] <= second - self._window_s:
            self._seconds.popleft()

    def counts(self) -> tuple[int, int]:
        """Requests and failures within the window."""
        with self._lock:
            self._forget(int(self._clock()))
            return sum(s[1] for s in self._seconds), sum(s[2] for s in self._seconds)
