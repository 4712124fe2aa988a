"""Self-healing: the verdict's action is carried out with back-off, journalled, told to people, at last left to the stop.

The healer tells the chain what it must know (CMD_HEALTH when the verdict changes, CMD_ESS_TRIP when recoveries do not help)
and runs one recovery at a time beside trading. An attempt counts as failed when a round that began after it still asks for
an action; the chain's own evaluators stay the judge of positions.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from live.health import ACTION_NAMES, HEALTH_NAMES, HealthReport, describe
from live.ports import Alert, Alerts
from live.repeats import CRITICAL as ALERT_CRITICAL
from live.repeats import INFO, WARNING
from live.tasks import within
from qt_core.codes import CMD_ESS_TRIP, CMD_HEALTH, CRITICAL, HEAL_CLOSE_POSITIONS, HEAL_NONE
from qt_core.context.health import CHECK_NAMES, action_of
from qt_core.engine.script import Command

log = logging.getLogger(__name__)

STARTED, ENDED, FAILED, RECOVERED, ESCALATED = "started", "ended", "failed", "recovered", "escalated"


class HealingSettings(NamedTuple):
    """Pace of recoveries; all defaults are our choice."""

    attempts: int = 3  # on a critical report that may fail before the emergency stop is asked for
    delay_s: float = 5.0  # after the first attempt, doubled each time
    max_delay_s: float = 300.0
    timeout_s: float = 60.0  # of one recovery
    cool_down_s: float = 900.0  # trouble that returns within so long goes on counting where it was


DEFAULTS = HealingSettings()


class HealingRecord(NamedTuple):
    """One line of the journal of recoveries."""

    time_ms: int
    stage: str  # STARTED ...
    action: int  # codes.HEAL_*
    check: int  # CHECK_*: what asked for it
    health: int
    attempt: int  # of the incident, from 1
    text: str


Recovery = Callable[[HealthReport], Awaitable[str]]  # says in words what it did; raises where it could not


class Healer:
    """Acts on health reports.

    Parameters
    ----------
    recoveries : mapping of HEAL_* to Recovery
        What each action does; see ``live.recoveries``. An action without one counts as a failed attempt.
    tell : callable
        Takes a command for the chain; must not block.
    journal : callable
        Takes every record, before a recovery begins and after it ended; must not block.
    alerts : Alerts
        Where people are told.
    now_ms : callable
        Exchange time, int64 ms UTC.
    recheck : callable, optional
        Asks the monitor for a round (``HealthMonitor.poke``); called after every attempt.
    """

    def __init__(
        self,
        recoveries: Mapping[int, Recovery],
        tell: Callable[[Command], None],
        journal: Callable[[HealingRecord], None],
        alerts: Alerts,
        now_ms: Callable[[], int],
        recheck: "Callable[[], None] | None" = None,
        settings: HealingSettings = DEFAULTS,
    ) -> None:
        self._recoveries, self._tell, self._journal = dict(recoveries), tell, journal
        self._alerts, self._now_ms, self._recheck = alerts, now_ms, recheck
        self._settings = settings
        self._report: HealthReport | None = None
        self._news = asyncio.Event()
        self._told = -1  # the health the chain last heard
        self._attempts = self._critical = 0
        self._since_ms = 0  # of the incident; 0 = none
        self._ended_s = self._next_s = self._well_s = -float("inf")  # monotonic
        self._escalated = False

    def hear(self, report: HealthReport) -> None:
        """Take a report of the monitor: the chain is told at once, recoveries follow in ``run``."""
        if report.health != self._told:
            self._tell(health_command(report))
            self._told = report.health
            self._say_health(report)
        self._report = report
        self._news.set()

    async def run(self) -> None:
        """Act on what is heard, for ever; a supervised task."""
        while True:
            await self._wait()
            self._news.clear()
            if self._report is not None and not self._report.settling:
                await self._act(self._report)

    async def _wait(self) -> None:
        """Until news comes, or the back-off of the next attempt is over."""
        left = self._next_s - time.monotonic()
        delay = left if self._since_ms and left > 0.0 else None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay):
                await self._news.wait()

    async def _act(self, report: HealthReport) -> None:
        if report.verdict.action == HEAL_NONE:
            self._close(report)
            return
        if report.started_s < self._ended_s:
            return  # measured before the last attempt could help
        if not self._since_ms:
            self._open(report)
        if self._critical >= self._settings.attempts and report.health >= CRITICAL and not self._escalated:
            self._escalate(report)
        if time.monotonic() >= self._next_s:
            await self._attempt(report)

    def _open(self, report: HealthReport) -> None:
        """A new incident, or the old one where it comes back before the cool-down is over."""
        self._since_ms = max(report.time_ms, 1)
        if time.monotonic() - self._well_s >= self._settings.cool_down_s:
            self._attempts, self._critical, self._next_s = 0, 0, -float("inf")
        # what helped before is tried once more before the emergency stop is asked for
        self._critical = min(self._critical, self._settings.attempts - 1)
        self._escalated = False

    def _close(self, report: HealthReport) -> None:
        """The incident is over."""
        if not self._since_ms:
            return
        lasted_s = (report.time_ms - self._since_ms) / 1_000.0
        text = f"healthy again after {lasted_s:.0f} s and {self._attempts} attempts"
        self._since_ms, self._well_s = 0, time.monotonic()
        self._note(RECOVERED, report, text)
        self._alert(WARNING, "recovered", "Recovered", text)  # who heard of the trouble hears of its end

    async def _attempt(self, report: HealthReport) -> None:
        """One recovery, from the journal's first line to its last."""
        self._attempts += 1
        self._critical += int(
            report.health >= CRITICAL
        )  # what only degrades takes size back (module 7), it stops nothing
        action = report.verdict.action
        name = ACTION_NAMES[action]
        self._note(STARTED, report, describe(report))
        self._alert(WARNING, f"attempt:{name}", "Self-healing", f"{name}, attempt {self._attempts}: {describe(report)}")
        try:
            done = await within(self._settings.timeout_s, self._recover(report), f"recovery {name}")
        except Exception as error:
            text = f"{name} failed: {type(error).__name__}: {error}"
            log.warning("self-healing: %s", text)
            self._note(FAILED, report, text)
            self._alert(WARNING, f"failed:{name}", "Self-healing failed", text)
        else:
            self._note(ENDED, report, done)
        self._ended_s = time.monotonic()
        # the exponent is bounded, an exchange may be away for days
        delay = self._settings.delay_s * 2.0 ** min(self._attempts - 1, 30)
        self._next_s = self._ended_s + min(delay, self._settings.max_delay_s)
        if self._recheck is not None:
            self._recheck()

    async def _recover(self, report: HealthReport) -> str:
        """The action's recovery; positions are closed first, then what is broken is mended as well."""
        action = report.verdict.action
        done = await self._run(action, report)
        if action == HEAL_CLOSE_POSITIONS:
            done = f"{done}; {await self._run(int(action_of(report.verdict.worst)), report)}"
        return done

    async def _run(self, action: int, report: HealthReport) -> str:
        recovery = self._recoveries.get(action)
        if recovery is None:
            raise LookupError(f"no recovery for {ACTION_NAMES[action]} in this session")
        return await recovery(report)

    def _escalate(self, report: HealthReport) -> None:
        """Recoveries did not help: ask for the emergency stop, once an incident; attempts go on, slower."""
        self._escalated = True
        text = f"{self._critical} recoveries did not help: {describe(report)}"
        self._tell(Command(self._now_ms(), CMD_ESS_TRIP))
        self._note(ESCALATED, report, text)
        self._alert(ALERT_CRITICAL, "escalated", "Emergency stop asked for", text)

    def _say_health(self, report: HealthReport) -> None:
        severity = (INFO, WARNING, ALERT_CRITICAL)[min(report.health, CRITICAL)]
        name = HEALTH_NAMES[report.health]
        if severity > INFO:
            worst = CHECK_NAMES[report.verdict.worst]
            self._alert(severity, f"{name}:{worst}", f"System {name}", describe(report))

    def _note(self, stage: str, report: HealthReport, text: str) -> None:
        v = report.verdict
        self._journal(HealingRecord(self._now_ms(), stage, v.action, v.worst, v.health, self._attempts, text))

    def _alert(self, severity: int, key: str, title: str, text: str) -> None:
        self._alerts.send(Alert(severity, f"health:{key}", title, text))

    def status(self) -> dict[str, object]:
        """The incident at hand, for people."""
        return {
            "since_ms": self._since_ms,
            "attempts": self._attempts if self._since_ms else 0,
            "escalated": self._escalated,
            "next_in_s": max(0.0, self._next_s - time.monotonic()) if self._since_ms else None,
        }


def health_command(report: HealthReport) -> Command:
    """What the chain hears of a verdict; the value is the check that named it."""
    return Command(report.time_ms, CMD_HEALTH, {"reason": report.health, "value": float(report.verdict.worst)})
