"""The healer's pace: back-off, stale reports, trouble that returns, what the chain hears and how often."""

import asyncio
import time

from live.healing import Healer, HealingSettings
from live.health import HealthReport
from qt_core.codes import (
    CMD_ESS_TRIP,
    CMD_HEALTH,
    CRITICAL,
    DEGRADED,
    HEAL_NONE,
    HEAL_RECONNECT,
    HEAL_RESTART,
    HEALTHY,
)
from qt_core.context.health import CHECK_DATABASE, CHECK_EXCHANGE_WS, CHECK_NONE, Checks, Verdict
from tests.live.health.helpers import Heard, eventually, run

CHECKS = Checks(1.0, 1, 1, 1, 1, 0.1, 0.1, 0.0)
WELL = Verdict(HEALTHY, HEAL_NONE, CHECK_NONE)
LAME = Verdict(DEGRADED, HEAL_RECONNECT, CHECK_EXCHANGE_WS)
SICK = Verdict(CRITICAL, HEAL_RESTART, CHECK_DATABASE)


def report(verdict, settling=False, started_s=None):
    failing = () if verdict.worst == CHECK_NONE else ("x",)
    started = time.monotonic() if started_s is None else started_s
    return HealthReport(1_000, started, verdict, CHECKS, failing, {"x": "seen"}, settling, True)


class Ward:
    """A healer that runs, and what it said."""

    def __init__(self, settings):
        self.told, self.journal, self.done, self.heard, self.rechecks = [], [], [], Heard(), []

        async def recover(_):
            self.done.append(1)
            return "done"

        self.healer = Healer(
            {HEAL_RECONNECT: recover, HEAL_RESTART: recover},
            self.told.append,
            self.journal.append,
            self.heard,
            lambda: 2_000,
            lambda: self.rechecks.append(1),
            settings,
        )

    def stages(self):
        return [r.stage for r in self.journal]


def treat(body, settings):
    ward = Ward(settings)

    async def main():
        task = asyncio.create_task(ward.healer.run())
        await body(ward)
        task.cancel()

    run(main)
    return ward


def test_chain_hears_a_change_once_and_recoveries_follow_their_back_off():
    async def body(w):
        for _ in range(3):
            w.healer.hear(report(WELL))
        w.healer.hear(report(LAME, settling=True))  # in doubt: nothing is done yet
        await asyncio.sleep(0.02)
        assert w.stages() == []
        for _ in range(5):
            w.healer.hear(report(LAME))
            await asyncio.sleep(0.01)
        assert w.stages() == ["started", "ended"]  # the second attempt is an hour away
        assert w.healer.status()["next_in_s"] > 3_000.0
        w.healer.hear(report(WELL))
        await eventually(lambda: w.stages()[-1] == "recovered")

    w = treat(body, HealingSettings(delay_s=3600.0, max_delay_s=3600.0))
    assert [(c.command, c.fields["reason"]) for c in w.told] == [(CMD_HEALTH, h) for h in (HEALTHY, DEGRADED, HEALTHY)]
    assert len(w.rechecks) == 1


def test_report_from_before_the_attempt_ended_is_no_verdict_on_it():
    async def body(w):
        old = time.monotonic()
        w.healer.hear(report(LAME))
        await eventually(lambda: w.done == [1])
        await asyncio.sleep(0.01)
        for _ in range(5):
            w.healer.hear(report(LAME, started_s=old))
            await asyncio.sleep(0.005)
        assert w.done == [1]
        w.healer.hear(report(LAME))
        await eventually(lambda: w.done == [1, 1])

    treat(body, HealingSettings(delay_s=0.0, max_delay_s=0.0))


def test_stop_is_asked_for_once_and_attempts_go_on():
    async def body(w):
        for n in range(1, 6):
            w.healer.hear(report(SICK))
            await eventually(lambda n=n: len(w.done) == n)
            await eventually(lambda: w.stages()[-1] == "ended")

    w = treat(body, HealingSettings(attempts=2, delay_s=0.0, max_delay_s=0.0))
    assert w.stages() == ["started", "ended"] * 2 + ["escalated"] + ["started", "ended"] * 3
    assert [c.command for c in w.told] == [CMD_HEALTH, CMD_ESS_TRIP]
    assert [r.attempt for r in w.journal if r.stage == "started"] == [1, 2, 3, 4, 5]


def test_trouble_that_returns_gets_one_more_attempt_before_the_stop():
    async def body(w):
        for verdict, stage in ((SICK, "ended"), (SICK, "ended"), (WELL, "recovered"), (SICK, "ended")):
            n = len(w.journal)
            w.healer.hear(report(verdict))
            await eventually(lambda n=n, stage=stage: len(w.journal) > n and w.stages()[-1] == stage)
        assert "escalated" not in w.stages()
        w.healer.hear(report(SICK))
        await eventually(lambda: "escalated" in w.stages())

    treat(body, HealingSettings(attempts=2, delay_s=0.0, max_delay_s=0.0))


def test_trouble_after_the_cool_down_counts_anew():
    async def body(w):
        for verdict, stage in ((SICK, "ended"), (WELL, "recovered"), (SICK, "ended")):
            n = len(w.journal)
            w.healer.hear(report(verdict))
            await eventually(lambda n=n, stage=stage: len(w.journal) > n and w.stages()[-1] == stage)

    w = treat(body, HealingSettings(delay_s=0.0, max_delay_s=0.0, cool_down_s=0.0))
    assert [r.attempt for r in w.journal if r.stage == "started"] == [1, 1]


def test_hanging_recovery_is_given_up():
    async def body(w):
        async def hang(_):
            await asyncio.Event().wait()

        w.healer._recoveries[HEAL_RECONNECT] = hang
        w.healer.hear(report(LAME))
        await eventually(lambda: "failed" in w.stages())

    w = treat(body, HealingSettings(timeout_s=0.02))
    assert "recovery reconnect: no answer within 0.02 s" in w.journal[-1].text
