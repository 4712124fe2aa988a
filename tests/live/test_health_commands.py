"""The chain understands the healer: a verdict changes its health, and a critical one latches the emergency stop."""

import asyncio
import time

from live.bootstrap import start_paper_replay
from live.healing import health_command
from live.health import HealthReport
from live.items import Machine
from live.vitals import Relay
from qt_core.codes import CRITICAL, DEGRADED, ESS_HEALTH, HEAL_RESTART
from qt_core.config import load_config
from qt_core.context.health import CHECK_DATABASE, Checks, Verdict
from qt_core.records import JE_ESS_LATCH, JE_HEALTH
from tests.live.paper import left
from tests.parity.cases import FULL, simulated_case

CHECKS = Checks(1.0, 1, 1, 0, 1, 0.1, 0.1, 0.0)


def said(health, time_ms):
    verdict = Verdict(health, HEAL_RESTART, CHECK_DATABASE)
    return health_command(HealthReport(time_ms, time.monotonic(), verdict, CHECKS, ("database",), {}, False, True))


def test_verdicts_reach_the_chain_in_order_and_a_critical_one_latches(tmp_path):
    case = simulated_case(3, 120)
    started = start_paper_replay(load_config(dict(FULL)), tmp_path, market=case.market)
    runner, first_ms = started.runner, int(case.market.time[0])

    async def main():
        relay = Relay(lambda c: runner.tell(Machine(c.command, dict(c.fields))))
        relay.tell(said(DEGRADED, first_ms))
        relay.tell(said(CRITICAL, first_ms))
        forwarding = asyncio.create_task(relay.run())
        await asyncio.sleep(0)
        await runner.run()
        forwarding.cancel()

    asyncio.run(main())
    started.lock.close()
    events = left(started)["events"]
    health = events[events["kind"] == JE_HEALTH]
    assert list(health["value"]) == [DEGRADED, CRITICAL]
    latches = events[events["kind"] == JE_ESS_LATCH]  # a replay resets itself after a day, and latches again
    assert set(latches["value"]) == {ESS_HEALTH}
    assert len(left(started)["trades"]) == 0
