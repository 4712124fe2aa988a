"""The supporting parts of a session wired together: supervisor, health monitor, healer, with alerts and the event bus.

The runner starts its tasks in ``supervisor``, hands over its checks and recoveries, and hears commands through ``tell``.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple

from live.event_bus import EventBus
from live.healing import DEFAULTS as HEALING
from live.healing import Healer, HealingRecord, HealingSettings, Recovery
from live.health import ACTION_NAMES, HEALTH_NAMES, Check, HealthMonitor, HealthReport, HealthSettings
from live.health import DEFAULTS as HEALTH
from live.health_checks import loop_lag, tasks_alive
from live.machine import LoopLag
from live.ports import Alert, Alerts
from live.repeats import CRITICAL, WARNING, Notice
from live.tasks import FOREVER, Policy, Supervisor, TaskFault
from live.topics import ALERT_RAISED, HEALING_STEP, HEALTH_CHANGED, AlertRaised, HealingStep, HealthChanged
from live.watchdog import DEFAULTS as WATCH
from live.watchdog import Watchdog, WatchSettings
from qt_core.codes import CMD_ERROR, CMD_ESS_TRIP
from qt_core.context.health import CHECK_NAMES, Params
from qt_core.engine.script import Command

LAG_TASK, HEALING_TASK, HEALTH_TASK = OWN_TASKS = ("loop lag", "healing", "health")


class Outlets(NamedTuple):
    """Where the supporting parts speak to; none may block."""

    tell: Callable[[Command], None]  # the chain's inbox
    journal: Callable[[HealingRecord], None]
    alerts: Alerts
    bus: EventBus
    now_ms: Callable[[], int]  # exchange time


class Relay:
    """Commands for the chain, in order, from callers that may not wait to an inbox that may be full.

    Parameters
    ----------
    forward : async callable
        Puts one command into the runner's inbox; may wait.
    """

    def __init__(self, forward: Callable[[Command], Awaitable[None]]) -> None:
        self._forward = forward
        self._waiting: asyncio.Queue[Command] = asyncio.Queue()  # unbounded: verdicts that change, crashes, exits

    def tell(self, command: Command) -> None:
        """Take a command; does not wait."""
        self._waiting.put_nowait(command)

    async def run(self) -> None:
        """Forward for ever; a supervised task. A command that could not be forwarded is not lost."""
        while True:
            command = await self._waiting.get()
            try:
                await self._forward(command)
            except BaseException:
                held = [command]
                while not self._waiting.empty():
                    held.append(self._waiting.get_nowait())
                for one in held:  # first again, before what came later
                    self._waiting.put_nowait(one)
                raise


class Vitals:
    """Health and healing of one session; an async context manager.

    Parameters
    ----------
    params : Params
        Module 15's constants.
    out : Outlets
        Where commands, journal lines, alerts and news go.
    health, healing, watch : settings, optional
        Pace and limits.
    """

    def __init__(
        self,
        params: Params,
        out: Outlets,
        health: HealthSettings = HEALTH,
        healing: HealingSettings = HEALING,
        watch: WatchSettings = WATCH,
    ) -> None:
        self._params, self._out = params, out
        self._health, self._healing = health, healing
        self._lag = LoopLag()
        self._watchdog = Watchdog(self._lag, out.alerts, watch)
        self.supervisor = Supervisor(self._on_fault)
        self.monitor: HealthMonitor | None = None
        self.healer: Healer | None = None

    def start(self, checks: Sequence[Check], recoveries: Mapping[int, Recovery], policy: Policy = FOREVER) -> None:
        """Begin to look after the session; loop lag and tasks are checked besides ``checks``; ``policy`` is of its own."""
        own = (
            Check("loop_lag", loop_lag(self._lag, self._health.max_loop_lag_ms)),
            Check("tasks", tasks_alive(self.supervisor.faults, self._out.bus.faults)),
        )
        now_ms = self._out.now_ms
        self.monitor = HealthMonitor(self._params, [*checks, *own], self._on_report, now_ms, self._health)
        self.healer = Healer(
            recoveries, self._out.tell, self._on_record, self._out.alerts, now_ms, self.monitor.poke, self._healing
        )
        self._watchdog.start()
        self.supervisor.start(LAG_TASK, self._lag.run, policy)
        self.supervisor.start(HEALING_TASK, self.healer.run, policy)
        self.supervisor.start(HEALTH_TASK, self.monitor.run, policy)

    def _on_report(self, report: HealthReport) -> None:
        if self.healer is not None:
            self.healer.hear(report)
        if report.changed and self.monitor is not None:
            history = self.monitor.history
            before = HEALTH_NAMES[history[-2].health] if len(history) > 1 else "unknown"
            v = report.verdict
            news = HealthChanged(
                report.time_ms,
                HEALTH_NAMES[v.health],
                before,
                CHECK_NAMES[v.worst],
                ACTION_NAMES[v.action],
                report.failing,
            )
            self._out.bus.publish(HEALTH_CHANGED, news)

    def _on_record(self, record: HealingRecord) -> None:
        self._out.journal(record)
        news = HealingStep(record.time_ms, record.stage, ACTION_NAMES[record.action], record.attempt, record.text)
        self._out.bus.publish(HEALING_STEP, news)

    def _on_fault(self, fault: TaskFault) -> None:
        """A task crashed: a system error for the chain, an alert for people, a round of checks now."""
        self._out.tell(Command(self._out.now_ms(), CMD_ERROR))
        end = "given up" if fault.gave_up else f"is started again ({fault.restarts} restarts so far)"
        text = f"{fault.name} {fault.what}; {end}"
        self._out.alerts.send(Alert(CRITICAL if fault.gave_up else WARNING, f"task:{fault.name}", "Task failed", text))
        if fault.gave_up and fault.name in OWN_TASKS:  # nobody judges the system any more: nothing may open on that
            self._out.tell(Command(self._out.now_ms(), CMD_ESS_TRIP))
        if self.monitor is not None:
            self.monitor.poke()

    def status(self) -> dict[str, object]:
        """Everything a person may ask: health, healing, tasks, subscribers of the bus."""
        return {
            "health": self.monitor.status() if self.monitor else {},
            "healing": self.healer.status() if self.healer else {},
            "tasks": self.supervisor.status(),
            "bus": {name: counts._asdict() for name, counts in self._out.bus.stats().items()},
        }

    async def __aenter__(self) -> "Vitals":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.supervisor.stop()
        self._watchdog.close()


def news_of_alerts(bus: EventBus) -> Callable[[Notice], None]:
    """For ``AlertManager(on_notice=...)``: alerts on the bus, from whatever thread. To be called on the bus's loop."""
    loop = asyncio.get_running_loop()

    def tell(n: Notice) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the session is over
            loop.call_soon_threadsafe(
                bus.publish, ALERT_RAISED, AlertRaised(n.time_ms, n.severity, n.key, n.title, n.seen)
            )

    return tell
