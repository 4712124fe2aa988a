"""The alert manager: what a person should know, once, soon, and without holding up trading.

``send`` decides in microseconds whether an alert passes (``live.repeats``) and lays it into each sink's bounded queue; a
thread a sink delivers, retries and counts failures. Threads rather than tasks: an alert that the event loop hangs must not
wait for the event loop. Nothing here raises into the caller.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from live.logs import scrub
from live.ports import Alert
from live.repeats import CRITICAL, DEFAULTS, INFO, SEVERITIES, WARNING, Allowance, Notice, Repeats, RepeatSettings

log = logging.getLogger(__name__)


class SinkSettings(NamedTuple):
    """How a sink is served; defaults are our choice, for one that costs a person attention."""

    min_severity: int = WARNING
    queue: int = 500  # notices waiting; beyond, the oldest of the lowest severity is dropped
    per_min: float = 20.0
    reserve: float = 0.25  # of per_min, kept for critical notices
    attempts: int = 4
    retry_s: float = 2.0  # before the second attempt, tripled each time: the last about half a minute after the first


OUTSIDE = SinkSettings()
LOCAL = SinkSettings(min_severity=INFO, per_min=600.0, attempts=1)  # log and file: cheap, read afterwards


class Sink(Protocol):
    """Delivers one notice, blocking, in the sink's own thread; raises where it could not."""

    name: str

    def deliver(self, notice: Notice) -> None: ...


class SinkCounts(NamedTuple):
    """What became of a sink's notices."""

    delivered: int
    failed: int  # given up after all attempts
    retried: int
    dropped: int  # queue full
    held_back: int  # rate limit
    waiting: int
    last_error: str


class _Server:
    """A sink, its queue and its thread."""

    def __init__(self, sink: Sink, settings: SinkSettings) -> None:
        self.sink, self.settings = sink, settings
        self._queue: deque[Notice] = deque()
        self._wake = threading.Condition()
        self._closing = False
        self._busy = False
        self._allowance = Allowance(settings.per_min, settings.reserve, time.monotonic())
        self._unsaid = 0  # held back and not yet told
        self._n = dict.fromkeys(("delivered", "failed", "retried", "dropped", "held_back"), 0)
        self._last_error = ""
        self._thread = threading.Thread(target=self._serve, name=f"alerts: {sink.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def offer(self, notice: Notice) -> None:
        """Queue a notice; where full, the least important gives way."""
        if notice.severity < self.settings.min_severity:
            return
        with self._wake:
            if not self._allowance.grant(notice.severity, time.monotonic()):
                self._n["held_back"] += 1
                self._unsaid += 1
                return
            if len(self._queue) >= self.settings.queue:
                least = min(range(len(self._queue)), key=lambda i: self._queue[i].severity)
                del self._queue[least]
                self._n["dropped"] += 1
            self._queue.append(self._with_held_back(notice))
            self._wake.notify()

    def _with_held_back(self, notice: Notice) -> Notice:
        if not self._unsaid:
            return notice
        lost, self._unsaid = self._unsaid, 0
        return notice._replace(text=f"{notice.text} [{lost} other alerts were held back by the rate limit]")

    def _take(self) -> "Notice | None":
        """The next notice, None once closing and empty."""
        with self._wake:
            self._busy = False
            self._wake.notify_all()
            while not self._queue:
                if self._closing:
                    return None
                self._wake.wait()
            self._busy = True
            return self._queue.popleft()

    def _serve(self) -> None:
        while (notice := self._take()) is not None:
            self._deliver(notice)

    def _deliver(self, notice: Notice) -> None:
        wait_s = self.settings.retry_s
        for attempt in range(1, self.settings.attempts + 1):
            try:
                self.sink.deliver(notice)
            except Exception as error:
                self._last_error = scrub(f"{type(error).__name__}: {error}")
            else:
                self._n["delivered"] += 1
                return
            if attempt < self.settings.attempts and self._pause(wait_s):
                self._n["retried"] += 1
                wait_s *= 3.0
            else:
                break
        self._n["failed"] += 1
        log.warning("alert %r did not reach %s: %s", notice.key, self.sink.name, self._last_error)

    def _pause(self, seconds: float) -> bool:
        """Wait between attempts; False where the manager closes, so that nobody waits for a dead address."""
        with self._wake:
            return not self._wake.wait_for(lambda: self._closing, seconds)

    def finish(self) -> None:
        """Deliver what waits, then end."""
        with self._wake:
            self._closing = True
            self._wake.notify_all()

    def join(self, seconds: float) -> bool:
        """Wait for the end; True where it came."""
        self._thread.join(max(0.0, seconds))
        return not self._thread.is_alive()

    def counts(self) -> SinkCounts:
        return SinkCounts(**self._n, waiting=len(self._queue) + self._busy, last_error=self._last_error)


class AlertManager:
    """Fills the port ``Alerts``: ``send`` from any thread, at any time.

    Parameters
    ----------
    sinks : sequence of (Sink, SinkSettings)
        Where alerts go.
    repeats : RepeatSettings
        De-duplication and escalation.
    on_notice : callable, optional
        Told of every notice that passes, in the sender's thread; an error of it is logged.
    """

    def __init__(
        self,
        sinks: Sequence[tuple[Sink, SinkSettings]],
        repeats: RepeatSettings = DEFAULTS,
        on_notice: "Callable[[Notice], None] | None" = None,
    ) -> None:
        self._servers = [_Server(sink, settings) for sink, settings in sinks]
        self._repeats = Repeats(repeats)
        self._on_notice = on_notice
        self._lock = threading.Lock()
        self._changed = threading.Event()
        self._closed = False
        self._sent = self._errors = 0
        self._timer = threading.Thread(target=self._watch_windows, name="alerts: windows", daemon=True)
        for server in self._servers:
            server.start()
        self._timer.start()

    def send(self, alert: Alert) -> None:
        """Take an alert; never blocks on a sink, never raises."""
        try:
            with self._lock:
                if self._closed:
                    log.warning("alert after the close: %s: %s", alert.title, alert.text)
                    return
                self._sent += 1
                clean = alert._replace(title=scrub(alert.title), text=scrub(alert.text))
                notices = self._repeats.take(clean, time.monotonic(), _now_ms())
            self._changed.set()
            self._pass_on(notices)
        except Exception:
            self._errors += 1
            log.exception("an alert was lost")

    def _pass_on(self, notices: Sequence[Notice]) -> None:
        for notice in notices:
            for server in self._servers:
                server.offer(notice)
            if self._on_notice is not None:
                try:
                    self._on_notice(notice)
                except Exception:
                    self._errors += 1
                    log.exception("on_notice of alert %r", notice.key)

    def _watch_windows(self) -> None:
        """Tell repeats at the end of their window, also when no further alert comes."""
        while not self._closed:
            with self._lock:
                notices = self._repeats.due(time.monotonic(), _now_ms())
                next_s = self._repeats.next_due_s()
            self._pass_on(notices)
            self._changed.wait(None if next_s is None else max(0.0, next_s - time.monotonic()))
            self._changed.clear()

    def status(self) -> dict[str, object]:
        """Counts for people."""
        with self._lock:
            sent, suppressed = self._sent, self._repeats.suppressed
        sinks = {s.sink.name: s.counts()._asdict() for s in self._servers}
        return {"sent": sent, "suppressed": suppressed, "errors": self._errors, "sinks": sinks}

    def close(self, seconds: float = 10.0) -> bool:
        """Tell what windows still hold, deliver what waits, at most ``seconds``; True where everything went out.

        Blocks: from a task call it through ``live.tasks.in_thread``.
        """
        with self._lock:
            if self._closed:
                return True
            notices = self._repeats.flush(time.monotonic(), _now_ms())
            self._closed = True
        self._changed.set()
        self._pass_on(notices)
        end = time.monotonic() + seconds
        for server in self._servers:
            server.finish()
        ended = [server.join(end - time.monotonic()) for server in self._servers]
        return all(ended)


def describe(notice: Notice) -> str:
    """One line for a person."""
    mark = " (escalated)" if notice.escalated else ""
    return f"[{SEVERITIES[min(max(notice.severity, INFO), CRITICAL)]}{mark}] {notice.title}: {notice.text}"


def _now_ms() -> int:
    """Wall time: alerts are for people; decisions never read it."""
    return time.time_ns() // 1_000_000
