"""A session's supporting parts as tests drive them: the real monitor, healer and supervisor, and what they said."""

import time
from types import SimpleNamespace

from live.event_bus import EventBus
from live.healing import HealingSettings
from live.health import HealthSettings
from live.tasks import FOREVER
from live.topics import HEALTH_CHANGED
from live.vitals import Outlets, Vitals
from live.watchdog import DEFAULTS as WATCH
from qt_core.codes import (
    CMD_HEALTH,
)
from qt_core.context.health import Params
from qt_core.records import EVENT_DT
from tests.live.health.helpers import Heard, eventually, run

QUICK = HealthSettings(recheck_s=0.02, unhealthy_s=0.02, max_loop_lag_ms=20_000.0, history=100_000)
PACE = HealingSettings(attempts=2, delay_s=0.02, max_delay_s=0.02, cool_down_s=3600.0)
P = Params(interval_ms=50)


class Desk(SimpleNamespace):
    """A session's supporting parts with everything they said."""

    def healths(self):
        return [c.fields["reason"] for c in self.told if c.command == CMD_HEALTH]

    def stages(self):
        return [r.stage for r in self.journal]

    @property
    def reports(self):
        return list(self.vitals.monitor.history)

    async def at(self, health):
        """Wait until the verdict becomes this one; the report that said so first."""
        start = self.seen
        await eventually(lambda: health in [r.health for r in self.reports[start:]], f"health {health}: {self.told}")
        self.seen = next(i for i, r in enumerate(self.reports) if i >= start and r.health == health)
        return self.reports[self.seen]

    async def stage(self, name):
        await eventually(lambda: name in self.stages(), f"stage {name}: {self.journal}")


def session(body, checks, recover, params=P, health=QUICK, watch=WATCH, own=FOREVER):
    """Run ``body(desk)`` beside a monitor with ``checks``, healed by ``recover(desk)``: HEAL_* to recoveries."""
    desk = Desk(told=[], journal=[], heard=Heard(), news=[], seen=0)

    async def main():
        async with EventBus() as bus:
            out = Outlets(desk.told.append, desk.journal.append, desk.heard, bus, lambda: time.time_ns() // 1_000_000)
            async with Vitals(params, out, health, PACE, watch) as desk.vitals:

                async def hear(d):
                    desk.news.append((d.payload.before, d.payload.health, d.payload.worst))

                bus.subscribe("page", hear, HEALTH_CHANGED)
                desk.vitals.start(checks, recover(desk), own)
                await body(desk)

    run(main)
    for command in desk.told:
        assert set(command.fields) <= set(EVENT_DT.names)
    return desk


async def nothing():
    return None
