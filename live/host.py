"""A session in its surroundings: logs, alerts, event bus, health and healing, signals; the runner in the middle."""

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple, cast

import click
import numpy as np

from live.adapters.alerts import default_sinks, read_urls
from live.alerts import AlertManager
from live.bootstrap import Started
from live.errors import LiveError, first_of
from live.event_bus import EventBus
from live.healing import DEFAULTS as HEALING
from live.healing import HealingRecord, HealingSettings
from live.health import ACTION_NAMES, Check, HealthSettings
from live.health import DEFAULTS as HEALTH
from live.health_checks import (
    answers,
    api_time,
    clock_skew,
    cpu,
    database,
    disk_space,
    error_share,
    frame_age,
    memory,
)
from live.items import Machine
from live.logs import logging_to
from live.machine import RequestCounter
from live.news import News
from live.ports import Alert
from live.progress import Progress
from live.recoveries import clear_caches, close_positions, in_order, restart
from live.runner import Runner
from live.secrets import scrub
from live.startup import Reconciler
from live.tasks import in_thread, stop_signals
from live.topics import SESSION_STARTED, SESSION_STOPPED, SessionStarted, SessionStopped
from live.vitals import Outlets, Relay, Vitals, news_of_alerts
from live.warm import compile_steps
from live.watch import BookWatch, FeedWatch, band_of
from qt_core.codes import (
    CMD_ESS_TRIP,
    CMD_EXIT,
    HEAL_CLEAR_CACHE,
    HEAL_CLOSE_POSITIONS,
    HEAL_RECONNECT,
    HEAL_RESTART,
)
from qt_core.engine.script import Command

log = logging.getLogger("qt.live")

Open = Callable[[AlertManager], Awaitable[Started]]
AT_ONCE = (CMD_ESS_TRIP, CMD_EXIT)  # commands that act on the newest prices, not at the next close
COUNT_S = 1.0
EXIT_OK, EXIT_FAULT = 0, 3
OF_TIME = ("exchange_ws", "clock", "cpu")
REPLAYS = ("replay", "demo")  # their clock leaps: ages and skews of the wall clock say nothing
MS_PER_S = 1e3


class Pace(NamedTuple):
    """How often health is looked at and healed, and the limits of its checks."""

    health: HealthSettings = HEALTH
    healing: HealingSettings = HEALING


async def host(folder: Path, open_session: Open, kind: str, pace: "Pace | None" = None) -> int:
    """Run a session to its end or to a signal; returns the exit code: 0, or EXIT_FAULT where a fault ended it.

    Parameters
    ----------
    folder : of the session; logs and alerts go there. open_session : makes the runner, everything checked.
    """
    folder.mkdir(parents=True, exist_ok=True)
    compile_steps(lambda text: click.echo(text, err=True))
    bus = EventBus()
    with logging_to(folder / "session.jsonl"), stop_signals() as stop:
        alerts = AlertManager(default_sinks(folder, read_urls(os.environ)), on_notice=news_of_alerts(bus))
        try:
            started = await open_session(alerts)  # a refusal is one line for whoever starts it, no alert
            click.echo(opening(started), err=True)
            return await _alarmed(_run(started, bus, alerts, stop, kind, pace or Pace()), alerts)
        finally:
            await in_thread(alerts.close, "alerts: close")


async def _alarmed(work: Awaitable[None], alerts: AlertManager) -> int:
    """Run it; a fault is told and has an exit code of its own, so that a supervisor may start the session again."""
    try:
        await work
        return EXIT_OK
    except LiveError as error:
        text = scrub(str(error))
        alerts.send(Alert(2, "session", "Session ended by a fault", text))
        click.echo(f"error: {text}; the same command goes on with the session", err=True)
        return EXIT_FAULT
    except Exception as error:
        first = first_of(error)
        text = scrub(f"{type(first).__name__}: {first}")
        log.critical("session ended by an error", exc_info=error)  # into the session's log, scrubbed
        alerts.send(Alert(2, "session", "Session ended by an error", text))
        # The interpreter would print it as it is, and what a library says may hold an address with a signature.
        raise LiveError(f"the session ended by an error ({text}); its log has the traceback") from None


def opening(started: Started) -> str:
    """The first line."""
    r = started.recovered
    how = (
        "new session" if r.fresh else f"goes on: {r.entries} entries done again from snapshot {r.from_entry}, all equal"
    )
    return f"{started.folder}: {started.runner.broker.label}, {how}"


async def _run(
    started: Started, bus: EventBus, alerts: AlertManager, stop: asyncio.Event, kind: str, pace: Pace
) -> None:
    runner, session = started.runner, started.runner.session
    runner.news = News(session.chain, bus)
    session.listener = runner.news.hear
    runner.alerts = alerts
    config, run_id = session.setup.config, session.ids.run_id
    news = SessionStarted(
        runner.clock.now_ms(), run_id, kind, session.setup.symbols, not started.recovered.fresh, config.digest()
    )
    progress = Progress(runner)
    clean = False
    async with bus:
        bus.publish(SESSION_STARTED, news)
        try:
            async with (
                _surroundings(started, bus, alerts, kind, pace),
                _beside(progress.run()),
                _beside(_stop_when(stop, runner)),
            ):
                await runner.run()
            clean = True
        finally:
            bus.publish(SESSION_STOPPED, SessionStopped(runner.clock.now_ms(), run_id, runner.why or "error", clean))
    click.echo(scrub(progress.closing()), err=True)


async def _stop_when(stop: asyncio.Event, runner: Runner) -> None:
    await stop.wait()
    runner.stop("stopped by a signal")


@contextlib.asynccontextmanager
async def _beside(work: Any) -> AsyncIterator[None]:
    """A task for as long as the block takes."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@contextlib.asynccontextmanager
async def _surroundings(
    started: Started, bus: EventBus, alerts: AlertManager, kind: str, pace: Pace
) -> AsyncIterator[None]:
    """Health, healing and watches; a replay has none: its commands would make it another session than the backtest."""
    connection = getattr(started.runner.feed, "session", None)
    if connection is None:
        yield
        return
    runner = started.runner
    params = runner.session.setup.config.params()
    relay = Relay(lambda command: _forward(runner, command))
    out = Outlets(relay.tell, lambda record: _note(runner, record), alerts, bus, runner.clock.now_ms)
    requests = RequestCounter()
    async with Vitals(params.health, out, pace.health, pace.healing) as vitals:
        vitals.supervisor.start("commands of the shell", relay.run)
        vitals.supervisor.start("request counts", lambda: _count(connection, requests))
        feed = FeedWatch(
            runner.session.setup,
            runner.clock,
            lambda: runner.session.last_bar_ms,
            _told(relay),
            alerts,
            lambda: runner.warming,
        )
        vitals.supervisor.start("feed watch", feed.run)
        band, market_data = band_of(params), cast(Any, runner.feed)  # only an exchange's feed has books
        books = BookWatch(runner.session.setup, runner.clock, lambda i: market_data.spread(i, band), _told(relay))
        vitals.supervisor.start("book watch", books.run)
        if runner.session.paper is None:
            vitals.supervisor.start("reconciliation", Reconciler(runner, alerts).run)
        checks = [
            c
            for c in _checks(started, connection, requests, pace.health)
            if kind not in REPLAYS or c.name not in OF_TIME
        ]
        vitals.start(checks, _recoveries(runner, vitals, relay))
        yield


def _told(relay: Relay) -> Callable[[Command], Awaitable[None]]:
    async def forward(command: Command) -> None:
        relay.tell(command)

    return forward


async def _forward(runner: Runner, command: Command) -> None:
    """A command of the shell into the inbox; those that must not wait for the next close are followed by a guard."""
    await runner.tell(Machine(command.command, dict(command.fields)))
    quote = runner.feed.quote() if command.command in AT_ONCE else None
    if quote is not None:
        await runner.tell(quote)


def _note(runner: Runner, record: HealingRecord) -> None:
    """Healing is told in the log; what it says to the chain is in the journal as a command."""
    log.warning(
        "healing: %s %s, attempt %d: %s", record.stage, ACTION_NAMES[record.action], record.attempt, record.text
    )


async def _count(connection: Any, requests: RequestCounter) -> None:
    """Requests and failures of the connection, second by second."""
    calls, failures = connection.calls, connection.failures
    while True:
        await asyncio.sleep(COUNT_S)
        failed = connection.failures - failures
        requests.failed(failed)
        requests.succeeded(max(0, connection.calls - calls - failed))
        calls, failures = connection.calls, connection.failures


def _checks(started: Started, connection: Any, requests: RequestCounter, limits: HealthSettings) -> list[Check]:
    from live.adapters.binance.budget import ENTRY
    from live.adapters.binance.session import TIME

    p = started.runner.session.setup.config.params().health

    async def ping() -> None:
        await connection.call(TIME, urgency=ENTRY)  # waits for no calm moment of our own rate budget

    async def skew() -> float:
        before = float(connection.clock.offset_ms)
        return float(await connection.set_clock()) - before

    def age_s() -> float:
        return oldest_quote_s(started.runner)

    store = started.runner.journal.store
    return [
        Check("database", database(store.path, limits.database_busy_ms)),
        Check("disk", disk_space(started.folder, limits.min_free_bytes)),
        Check("exchange_rest", answers(ping)),
        Check("api", api_time(ping, p.max_api_ms)),
        Check("exchange_ws", frame_age(age_s, limits.max_frame_age_s)),
        Check("errors", error_share(requests, p.max_error_share, limits.min_requests)),
        Check("memory", memory(p.max_memory_fraction, limits.memory_limit_bytes)),
        Check("cpu", cpu(p.max_cpu_fraction)),
        Check("clock", clock_skew(skew, limits.max_clock_skew_ms)),
    ]


def oldest_quote_s(runner: Runner) -> float:
    """Age of the oldest price among the symbols held, or where none is held of the newest there is; seconds."""
    quote = runner.feed.quote()
    if quote is None:
        return float("inf")
    held = runner.session.chain.symbol["qty"] != 0.0
    ages = quote.age_ms[held] if held.any() else quote.age_ms[np.isfinite(quote.last)].min(keepdims=True)
    return float(ages.max()) / MS_PER_S


def _recoveries(runner: Runner, vitals: Vitals, relay: Relay) -> dict[int, Any]:
    steps = []
    listener = getattr(runner.broker, "listener", None)
    if listener is not None:
        steps.append(("user stream", listener.renew))
    reconnect = getattr(runner.feed, "reconnect", None)
    if reconnect is not None:
        steps.append(("market data", reconnect))

    def held() -> list[int]:
        return [i for i, r in enumerate(runner.session.chain.symbol) if r["qty"] != 0.0]

    return {
        HEAL_RESTART: restart(vitals.supervisor),
        HEAL_CLEAR_CACHE: clear_caches(),
        HEAL_RECONNECT: in_order("reconnected", *steps),
        HEAL_CLOSE_POSITIONS: close_positions(held, relay.tell),
    }
