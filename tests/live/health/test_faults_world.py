"""Faults from outside the machine, end to end: a stopped exchange, a dropped socket, a cancelled task, a lost model.

Every test shows the check that fails, the verdict, the action, and that healing helps or is given up.
"""

import asyncio
import os
import signal
import time
from types import SimpleNamespace

import pytest

from live import health_checks as probes
from live import recoveries
from live.health import Check
from live.machine import RequestCounter
from live.tasks import Policy
from qt_core.codes import (
    CMD_ERROR,
    CMD_ESS_TRIP,
    CRITICAL,
    DEGRADED,
    HEAL_RECONNECT,
    HEAL_RELOAD_MODELS,
    HEAL_RESTART,
    HEALTHY,
)
from tests.live.health.desk import P, session
from tests.live.health.helpers import HTTP_SERVER, child, end, eventually, get


@pytest.fixture
def exchange():
    process = child(HTTP_SERVER)
    yield SimpleNamespace(pid=process.pid, port=int(process.stdout.readline()), process=process)
    process.send_signal(signal.SIGCONT)
    end(process)


def test_exchange_stopped_with_sigstop_is_critical_reconnected_in_vain_and_stops_trading(exchange):
    def recover(desk):
        return {HEAL_RECONNECT: recoveries.in_order("reconnected", ("broker", lambda: get(exchange.port)), step_s=0.1)}

    async def body(desk):
        await desk.at(HEALTHY)
        os.kill(exchange.pid, signal.SIGSTOP)
        found = await desk.at(CRITICAL)
        assert found.failing == ("exchange_rest",)
        assert "no answer within 0.3 s" in found.details["exchange_rest"]
        assert found.verdict.action == HEAL_RECONNECT
        await desk.stage("escalated")
        os.kill(exchange.pid, signal.SIGCONT)
        await desk.at(HEALTHY)
        await desk.stage("recovered")

    checks = [Check("exchange_rest", probes.answers(lambda: get(exchange.port)), timeout_s=0.3)]
    desk = session(body, checks, recover)
    assert desk.healths() == [HEALTHY, CRITICAL, HEALTHY]
    assert [c.command for c in desk.told].count(CMD_ESS_TRIP) == 1
    stages = desk.stages()
    assert stages[: stages.index("escalated")] == ["started", "failed"] * 2
    assert "TimedOutError: reconnected broker: no answer within 0.1 s" in desk.journal[1].text
    assert [r.attempt for r in desk.journal[:4]] == [1, 1, 2, 2]
    assert {"health:critical:exchange_rest", "health:escalated", "health:recovered"} <= set(desk.heard.keys())
    assert desk.news[:2] == [("unknown", "healthy", "none"), ("healthy", "critical", "exchange_rest")]


def test_slow_exchange_degrades(exchange):
    async def body(desk):
        found = await desk.at(DEGRADED)
        assert found.failing == ("api",)
        assert found.verdict.action == HEAL_RECONNECT
        assert found.checks.api_ms >= 300.0

    checks = [Check("api", probes.api_time(lambda: get(exchange.port, "/slow"), 250.0))]
    session(body, checks, lambda desk: {}, P._replace(max_api_ms=250.0))


class Frames:
    """A WebSocket feed in small: a server that sends, a client that notes when the last frame came."""

    def __init__(self):
        self.seen, self.port, self.server, self.client = None, 0, None, None
        self.senders = set()

    async def serve(self):
        self.server = await asyncio.start_server(self._send, "127.0.0.1", self.port)
        self.port = self.server.sockets[0].getsockname()[1]

    async def _send(self, reader, writer):
        self.senders.add(writer)
        try:
            while not writer.is_closing():
                writer.write(b"frame\n")
                await writer.drain()
                await asyncio.sleep(0.01)
        except ConnectionError:
            pass
        finally:
            self.senders.discard(writer)

    async def drop(self):
        self.server.close()
        for writer in list(self.senders):
            writer.transport.abort()
        await self.server.wait_closed()

    async def read(self):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            while await reader.readline():
                self.seen = time.monotonic()
            await asyncio.Event().wait()  # a client that does not notice: only the age of its frames tells
        finally:
            writer.close()

    def age_s(self):
        return float("nan") if self.seen is None else time.monotonic() - self.seen


def test_dropped_socket_degrades_and_is_reconnected():
    frames = Frames()

    def recover(desk):
        async def reconnect():
            await frames.serve()  # the exchange is back by now
            await desk.vitals.supervisor.restart("frames")

        return {HEAL_RECONNECT: recoveries.in_order("reconnected", ("feed", reconnect))}

    async def body(desk):
        await frames.serve()
        desk.vitals.supervisor.start("frames", frames.read)
        await desk.at(HEALTHY)
        await eventually(lambda: frames.seen)
        await frames.drop()
        await desk.at(DEGRADED)
        await desk.stage("ended")
        assert desk.journal[0].text.startswith("degraded, action reconnect (exchange_ws: last frame")
        await desk.at(HEALTHY)
        await desk.stage("recovered")
        await frames.drop()

    desk = session(body, [Check("exchange_ws", probes.frame_age(frames.age_s, 0.3))], recover)
    assert ("healthy", "degraded", "exchange_ws") in desk.news


def test_cancelled_task_is_told_to_the_chain_and_restarted():
    started = []

    async def feed():
        started.append(1)
        await asyncio.Event().wait()

    def recover(desk):
        return {HEAL_RESTART: recoveries.restart(desk.vitals.supervisor)}

    async def body(desk):
        desk.vitals.supervisor.start("feed", feed, Policy(delay_s=3600.0))
        await desk.at(HEALTHY)
        [task] = [t for t in asyncio.all_tasks() if t.get_name() == "feed"]
        task.cancel()
        found = await desk.at(DEGRADED)
        assert found.failing == ("tasks",)
        assert found.details["tasks"] == "feed: was cancelled"
        await desk.stage("ended")
        await desk.at(HEALTHY)
        await desk.stage("recovered")

    desk = session(body, [], recover)
    assert len(started) == 2
    assert CMD_ERROR in [c.command for c in desk.told]
    assert [(r.stage, r.action) for r in desk.journal][:2] == [("started", HEAL_RESTART), ("ended", HEAL_RESTART)]
    assert desk.journal[1].text == "restarted feed"
    assert "task:feed" in [a.key for a in desk.heard.alerts]


def test_errors_of_a_minute_degrade_then_are_critical():
    counter = RequestCounter()

    async def body(desk):
        await desk.at(HEALTHY)
        counter.failed(6)
        await desk.at(DEGRADED)
        counter.failed(6)
        found = await desk.at(CRITICAL)
        assert found.verdict.action == HEAL_RESTART
        assert found.details["errors"] == "12 of 12 requests failed within a minute"

    session(body, [Check("errors", probes.error_share(counter, P.max_error_share, 100))], lambda desk: {})


def test_lost_model_is_loaded_again():
    missing = []

    async def load():
        missing.clear()

    async def body(desk):
        await desk.at(HEALTHY)
        missing.append("xgb")
        await desk.at(DEGRADED)
        await desk.stage("recovered")

    desk = session(
        body,
        [Check("models", probes.models_loaded(lambda: missing))],
        lambda desk: {HEAL_RELOAD_MODELS: recoveries.in_order("loaded", ("models", load))},
    )
    assert [r.stage for r in desk.journal] == ["started", "ended", "recovered"]


def test_clock_that_is_off_degrades():
    async def body(desk):
        found = await desk.at(DEGRADED)
        assert found.failing == ("clock",)
        assert found.verdict.action == HEAL_RECONNECT

    async def skew_ms():
        return -1_500.0

    session(body, [Check("clock", probes.clock_skew(skew_ms, 1_000.0))], lambda desk: {})
