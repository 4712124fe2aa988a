"""The health monitor: measures, takes out blips, fills module 15's ``Checks`` and asks ``qt_core`` for the verdict.

A round runs every check at once, each with its own timeout. A check changes its state only after ``fail_after`` (or
``pass_after``) rounds in a row agree; while one is in doubt or fails, rounds follow each other quickly, so that a confirmed
failure is known within seconds and not within two intervals. What the chain's module does not know is folded into what it
does: see ``fold``.
"""

import asyncio
import contextlib
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from live.health_checks import Measured, Probe
from live.tasks import within
from qt_core.codes import HEALTHY
from qt_core.context import health as module_15
from qt_core.context.health import CHECK_NAMES, Checks, Verdict

log = logging.getLogger(__name__)

HEALTH_NAMES = ("healthy", "degraded", "critical")
ACTION_NAMES = ("none", "restart", "clear_cache", "reconnect", "reload_models", "close_positions")


class HealthSettings(NamedTuple):
    """The shell's side of the checks; limits of module 15 stand in its ``Params``."""

    fail_after: int = 2  # rounds in a row until a check counts as failing (our choice)
    pass_after: int = 2  # and until it counts as up again (our choice)
    recheck_s: float = 5.0  # to the next round while a check is in doubt (our choice)
    unhealthy_s: float = 15.0  # while one fails (our choice)
    history: int = 720  # reports kept: a day of healthy rounds
    timeout_s: float = 10.0  # of a check: twice Binance's default recvWindow
    max_frame_age_s: float = 60.0  # mark prices come every 1 to 3 s; a minute without any frame is no lull
    max_loop_lag_ms: float = 1_000.0  # a guard comes every 10 s; a loop this late delays protection (our choice)
    max_clock_skew_ms: float = 1_000.0  # Binance refuses requests dated more than 1 s ahead
    min_free_bytes: int = 200_000_000  # logs, alerts and journal of a day fit (our choice)
    min_requests: int = 100  # fewer in a minute count as so many: ten failures are critical, as in module 17
    memory_limit_bytes: int = 0  # of this process; 0 = the control group's or the machine's
    database_busy_ms: int = 2_000  # a lock of ours lasts milliseconds (our choice)


DEFAULTS = HealthSettings()


class Check(NamedTuple):
    """One named check. ``unknown`` is its value where the probe failed: 0 for a flag that is down, NaN for a measurement."""

    name: str
    probe: Probe
    unknown: float = math.nan
    timeout_s: float = 0.0  # 0 = the setting


FLAGS = ("exchange_rest", "database", "models")  # their probes answer 1 or fail


class HealthReport(NamedTuple):
    """One round."""

    time_ms: int
    started_s: float  # monotonic; an attempt to heal that ended later cannot have helped yet
    verdict: Verdict  # what binds
    checks: Checks
    failing: tuple[str, ...]  # names of our checks that fail, after hysteresis
    details: Mapping[str, str]
    settling: bool  # a check is in doubt: the next round may say otherwise
    changed: bool  # the verdict differs from the report before

    @property
    def health(self) -> int:
        return int(self.verdict.health)


class _Held:
    """A check's state after hysteresis."""

    def __init__(self) -> None:
        self.value: Measured | None = None
        self.raw = Measured(math.nan, True, "not measured yet")
        self.streak = 0  # rounds in a row that contradict
        self.since_ms = 0  # of the state

    def take(self, found: Measured, s: HealthSettings, now_ms: int) -> None:
        """Let one measurement count. Before anything is known a check holds: at the start sockets are still connecting."""
        self.raw = found
        if found.ok == (self.value is None or self.value.ok):
            self.since_ms = self.since_ms or now_ms
            self.value, self.streak = found, 0
            return
        self.streak += 1
        if self.streak >= (s.pass_after if found.ok else s.fail_after):
            self.value, self.streak, self.since_ms = found, 0, now_ms


def fold(p: module_15.Params, held: Mapping[str, Measured]) -> Checks:
    """Module 15's inputs. A check that a session does not have (a paper session has no exchange account) holds.

    A disk nearly full counts as a database that is down: the next record may not be written. A clock that is off makes
    the response time unknown: signed requests may be refused. A loop that lags counts as a processor that is full. A dead
    task counts as errors at the limit, which asks for a restart and degrades.
    """

    def ok(name: str) -> bool:
        return name not in held or held[name].ok

    def value(name: str) -> float:
        return held[name].value if name in held else 0.0

    return Checks(
        api_ms=float(value("api") if ok("clock") else math.nan),
        exchange_rest=int(ok("exchange_rest")),
        exchange_ws=int(ok("exchange_ws")),
        database=int(ok("database") and ok("disk")),
        models_loaded=int(ok("models")),
        memory_fraction=float(value("memory")),
        cpu_fraction=float(value("cpu") if ok("loop_lag") else max(1.0, value("cpu"))),
        error_share=float(value("errors") if ok("tasks") else max(p.max_error_share, value("errors"))),
    )


class HealthMonitor:
    """Rounds of checks, the verdict, its history.

    Parameters
    ----------
    params : qt_core.context.health.Params
        Module 15's constants.
    checks : sequence of Check
        Names as in ``fold``; others are measured and shown but decide nothing.
    on_report : callable
        Told of every round, on the loop; must not block.
    now_ms : callable
        Exchange time, int64 ms UTC.
    """

    def __init__(
        self,
        params: module_15.Params,
        checks: Sequence[Check],
        on_report: Callable[[HealthReport], None],
        now_ms: Callable[[], int],
        settings: HealthSettings = DEFAULTS,
    ) -> None:
        self._params, self._settings = params, settings
        self._checks = tuple(checks)
        self._on_report, self._now_ms = on_report, now_ms
        self._held = {c.name: _Held() for c in self._checks}
        self._poked = asyncio.Event()
        self.history: deque[HealthReport] = deque(maxlen=settings.history)
        self._decide({})  # compiled here, not in the first round

    async def _measure(self, check: Check) -> Measured:
        unknown = 0.0 if check.name in FLAGS else check.unknown
        try:
            return await within(check.timeout_s or self._settings.timeout_s, check.probe(), check.name)
        except Exception as error:
            return Measured(unknown, False, f"{type(error).__name__}: {error}")

    def _decide(self, held: Mapping[str, Measured]) -> tuple[Checks, Verdict]:
        checks = fold(self._params, held)
        found = module_15.binding(self._params, module_15.verdict(self._params, checks))
        return checks, Verdict(int(found.health), int(found.action), int(found.worst))

    async def round(self) -> HealthReport:
        """Measure everything once and judge."""
        started = time.monotonic()
        async with asyncio.TaskGroup() as group:
            tasks = {c.name: group.create_task(self._measure(c), name=f"health: {c.name}") for c in self._checks}
        now_ms = self._now_ms()
        for name, task in tasks.items():
            self._held[name].take(task.result(), self._settings, now_ms)
        values = {name: h.value for name, h in self._held.items() if h.value is not None}
        checks, verdict = self._decide(values)
        before = self.history[-1].verdict if self.history else None
        report = HealthReport(
            time_ms=now_ms,
            started_s=started,
            verdict=verdict,
            checks=checks,
            failing=tuple(name for name, m in values.items() if not m.ok),
            details={name: h.raw.detail for name, h in self._held.items()},
            settling=any(h.streak > 0 for h in self._held.values()),
            changed=verdict != before,
        )
        self.history.append(report)
        if report.changed:
            log.log(logging.INFO if report.health == HEALTHY else logging.WARNING, "health: %s", describe(report))
        return report

    def poke(self) -> None:
        """Ask for a round now: a task crashed, a recovery ended."""
        self._poked.set()

    async def run(self) -> None:
        """Rounds for ever; a supervised task."""
        while True:
            self._poked.clear()
            report = await self.round()
            self._on_report(report)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._delay_s(report)):
                    await self._poked.wait()

    def _delay_s(self, report: HealthReport) -> float:
        interval_s = self._params.interval_ms / 1_000.0
        if report.settling:
            return min(interval_s, self._settings.recheck_s)
        return min(interval_s, self._settings.unhealthy_s) if report.failing else interval_s

    def status(self) -> dict[str, Any]:
        """The newest round for people: verdict and every check with what was seen."""
        last = self.history[-1] if self.history else None
        checks = {
            name: {
                "ok": None if h.value is None else h.value.ok,
                "in_doubt": h.streak > 0,
                "value": h.raw.value if math.isfinite(h.raw.value) else None,
                "detail": h.raw.detail,
                "since_ms": h.since_ms,
            }
            for name, h in self._held.items()
        }
        if last is None:
            return {"health": "unknown", "action": "none", "worst": "none", "time_ms": 0, "checks": checks}
        v = last.verdict
        return {
            "health": HEALTH_NAMES[v.health],
            "action": ACTION_NAMES[v.action],
            "worst": CHECK_NAMES[v.worst],
            "time_ms": last.time_ms,
            "checks": checks,
        }


def describe(report: HealthReport) -> str:
    """One line for a person: verdict, action, and what failed how."""
    v = report.verdict
    failed = "; ".join(f"{name}: {report.details[name]}" for name in report.failing)
    return f"{HEALTH_NAMES[v.health]}, action {ACTION_NAMES[v.action]}{' (' + failed + ')' if failed else ''}"
