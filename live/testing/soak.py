"""``python -m live.testing.soak``: a session on the simulated exchange for very many bars, with every fault there is.

After every bar both sides come to rest and must agree. Memory, tasks, sockets and the journal's size are sampled. Ctrl-C
ends the run after the bar under way; the report tells what was done until then.
"""

import asyncio
import contextlib
import json
import logging
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import click

from live.adapters.binance.settings import BrokerSettings, ConnectionSettings, FeedSettings
from live.adapters.store_sqlite import SqliteStore
from live.audit import audit
from live.bootstrap import JOURNAL, Started
from live.commands import RESET
from live.errors import LiveError
from live.exchange import TESTNET, Where, open_exchange
from live.ports import Alert
from live.secrets import Keys, Secret
from live.startup import Reconciler
from live.tasks import stop_signals
from live.testing.eager import EAGER
from live.testing.exchange import Exchange
from live.testing.faults import DROP_EVENT
from live.testing.level import Broken, Fills, broken
from live.testing.samples import Samples
from live.testing.settings import KEY_LENGTH, SECRET, Settings
from live.testing.soak_report import Plan, Report
from live.testing.storm import Storm
from live.testing.walk import Walk
from qt_core.config import Config, load_config
from qt_core.io.simulate import simulate_market
from qt_core.io.timeframes import DAY_MS
from qt_core.market import Market

NAME, HOUR_MS = "soak", 3_600_000
KEPT_MS = 14 * DAY_MS  # of the exchange's books
NO_LIMIT = 10**9
SAMPLE_BARS = 50
SHOW_S, SHOW_ELSEWHERE_S = 0.5, 15.0
LATCH = "a soak goes on"
CONNECTION = ConnectionSettings(
    timeout_ms=250, recv_window_ms=100, dial_ms=2_000, redial_ms=10, linger_ms=20, clock_samples=1, skew_warn_ms=10**15
)
BROKER = BrokerSettings(
    retry_ms=5, retry_cap_ms=40, patience_ms=3_000, again_ms=50, submit_wait_ms=200, unknown_ms=20, gap_ms=30, tick_ms=5,
    settle_ms=20, stuck_ms=50, close_ms=500, reconcile_ms=3 * HOUR_MS,
    keep_alive_ms=12 * HOUR_MS, remember=4_000,
)  # fmt: skip
FEED = FeedSettings(ask_ms=30, retry_ms=10, retry_cap_ms=50, resnapshot_ms=20, quote_stale_ms=400)


def soak_config(market: Market, plan: Plan, more: "Mapping[str, Any] | None" = None) -> Config:
    """Waits short, so that a replay does not sleep for real minutes."""
    live = {
        "name": NAME, "guard_s": 1.0, "late_s": 0.06, "stale_s": 86_400.0, "warmup_bars": plan.warmup,
        "snapshot_bars": 100, "keep_days": plan.keep_days, "command_poll_s": 0.02,
        "stop_timeout_s": 5.0, "reconcile_s": 1.0, "doubt_s": 0.1,
    }  # fmt: skip
    data = {"symbols": list(market.symbols), "timeframe": "1h"}
    ess = {"close_on_latch": "on", "auto_reset_h": 0.0}
    return load_config({**EAGER, "live": live, "data": data, "ess": ess, **(more or {})})


class Soak:
    """One run."""

    def __init__(self, plan: Plan, folder: Path, more: "Mapping[str, Any] | None" = None) -> None:
        self.plan, self.folder = plan, folder
        self.market = simulate_market(plan.symbols, plan.warmup + 1 + plan.bars, seed=plan.seed)
        self.config = soak_config(self.market, plan, more)
        self.exchange = Exchange(self.market, self._settings())
        self.storm = Storm(self.exchange, plan.seed, plan.share)
        self.report = Report(plan)
        self.alerts: Counter[str] = Counter()  # keys without what is behind their second colon
        self.samples = Samples(folder / NAME / JOURNAL)
        self._shown = 0.0
        self._lost, self._heard_at = 0, 0

    def _settings(self) -> Settings:
        return Settings(
            config=self.config, first_bar=self.plan.warmup + 1, check_margin=False, check_trigger=False,
            weight_per_minute=NO_LIMIT, orders_per_10s=NO_LIMIT, orders_per_minute=NO_LIMIT,
            api_key=f"Soak{os.getpid()}".ljust(KEY_LENGTH, "0"),  # of its own: a machine has one session per key
        )  # fmt: skip

    def send(self, alert: Alert) -> None:
        """The session's alerts are counted."""
        logging.getLogger("qt.live").info("alert %s: %s", alert.key, alert.text)
        self.alerts[":".join(alert.key.split(":")[:2])] += 1

    async def run(self, stop: asyncio.Event) -> Report:
        """Until the last bar, or until ``stop`` is set."""
        began = time.monotonic()
        await self.exchange.start()
        try:
            async with self.session() as started:
                await self._walk(started, stop, began)
        except Exception as error:
            logging.getLogger("qt.live").exception("the soak ended")
            self.report.ended = f"{type(error).__name__}: {error}"
        finally:
            await self.exchange.stop()
        self.report.seconds = time.monotonic() - began
        self._finish()
        return self.report

    @contextlib.asynccontextmanager
    async def session(self) -> AsyncIterator[Started]:
        """A session on the exchange, which must have started."""
        url = self.exchange.url
        where = Where(url, f"ws{url.removeprefix('http')}", CONNECTION, BROKER, FEED)
        keys = Keys(Secret(self.exchange.sim.settings.api_key), Secret(SECRET))
        started = await open_exchange(self.config, TESTNET, self.folder, where, keys, self)
        working = asyncio.create_task(started.runner.run(), name="runner")
        self.reconciler = Reconciler(started.runner, self)
        comparing = asyncio.create_task(self.reconciler.run(), name="reconciliation")
        try:
            yield started
        finally:
            comparing.cancel()
            started.runner.stop("the soak is over")
            await asyncio.gather(working, comparing, return_exceptions=True)
            started.runner.journal.store.close()
            started.lock.close()
            if started.account is not None:
                started.account.close()
            if not working.cancelled() and (error := working.exception()) is not None:
                raise error

    async def _walk(self, started: Started, stop: asyncio.Event, began: float) -> None:
        walk, fills = Walk(self.exchange, started.runner), Fills(self.exchange)
        await walk.caught_up()
        while self.exchange.has_next and not stop.is_set():
            await self.storm.before_bar()
            await walk.bar()
            self.report.bars += 1
            self.keep_going(started)
            await self._compare(walk, fills, started)
            self._forget()
            if self.report.bars % SAMPLE_BARS == 0:
                self.samples.take(self.report.bars, started.runner)
            self._show(began)
        await self.storm.calm()
        await self._compare(walk, fills, started)
        self.report.counts = self._counts(started, fills)

    async def _compare(self, walk: Walk, fills: Fills, started: Started) -> None:
        if self.storm.blind or self._unheard(started):
            return
        waits = await walk.rest()
        if waits:
            self.report.note([Broken("no rest", f"waits for {waits}")])
        self.report.compared += 1
        self.report.note(broken(self.exchange, started.runner) + fills.broken(started.runner.journal.store))

    def _unheard(self, started: Started) -> bool:
        """A message was lost of which nothing else tells: the next comparison with the account finds it."""
        broker: Any = started.runner.broker
        lost, caught_up = self.exchange.sim.faults.happened[DROP_EVENT], int(broker.catcher.caught_up)
        if self.exchange.sockets.held is not None:  # it waits for its successor: it is as good as lost until then
            return True
        if lost != self._lost:
            self._lost, self._heard_at = lost, caught_up + 1
        return caught_up < self._heard_at

    def keep_going(self, started: Started) -> None:
        """What a person would do: reset the emergency stop."""
        if int(started.runner.session.chain.fund["ess_latched"]):
            self.report.latched += 1
            started.runner.journal.store.leave_command(RESET, {"reason": LATCH}, NAME)

    def _forget(self) -> None:
        """The exchange's books and its notes for tests would grow for ever; nobody asks for what is older than a week."""
        done = sum(int(e["kind"]) == 1 and not int(e["done"]) for e in self.exchange.sim.engine_events)
        self.storm.done["partial fill"] += done
        self.exchange.sim.engine_events.clear()
        self.exchange.server.requests.clear()
        if self.report.bars % SAMPLE_BARS == 0:
            x = self.exchange.sim
            before_ms = x.now_ms() - KEPT_MS
            x.orders.forget(before_ms)
            x.account.forget(before_ms)

    def _counts(self, started: Started, fills: Fills) -> dict[str, Any]:
        health, runner = started.runner.broker.health(), started.runner  # type: ignore[attr-defined]
        feed: Any = runner.feed
        return {
            "faults": {name: self.storm.done[name] for name in self.storm.kinds},
            "faults_seen_by_the_exchange": self.exchange.happened,
            "session": {
                "trades": int(runner.session.chain.fund["trade_seq"]), "fills_compared": fills.compared,
                "requests": health.calls, "failed": health.failures, "retried": health.retried,
                "unknown_resolved": health.resolved, "gaps_filled": health.gaps_filled, "duplicates": health.duplicates,
                "wallet_adjusted": health.adjusted, "mended": self.reconciler.mended, "user_streams": health.connections,
            },
            "feed": feed.health()._asdict(),
            "alerts": dict(self.alerts),
            "defects_of_the_simulator": [repr(e) for e in self.exchange.server.defects],
        }  # fmt: skip

    def _finish(self) -> None:
        self.report.counts["growth"] = self.samples.summary()
        with contextlib.suppress(LiveError):
            store = SqliteStore(self.folder / NAME / JOURNAL, read_only=True)
            found = audit(store)
            store.close()
            self.report.audit = (
                "clean" if found.clean else f"{len(found.differences)} differences: {found.differences[0]}"
            )

    def _show(self, began: float) -> None:
        now, terminal = time.monotonic(), sys.stderr.isatty()
        if now - self._shown < (SHOW_S if terminal else SHOW_ELSEWHERE_S):
            return
        self._shown, r = now, self.report
        left = (now - began) / r.bars * (self.plan.bars - r.bars)
        rarest = min(self.storm.done[n] for n in self.storm.kinds)
        line = f"{r.bars}/{self.plan.bars} bars, faults {self.storm.done.total()}, rarest {rarest}, broken {dict(r.by_kind)}"
        click.echo(
            f"\r{line}, {left:.0f} s left\x1b[K" if terminal else f"{line}, {left:.0f} s left",
            err=True,
            nl=not terminal,
        )


async def run_soak(plan: Plan, folder: Path) -> Report:
    """Run a plan; SIGINT and SIGTERM end it early."""
    with stop_signals() as stop:
        return await Soak(plan, folder).run(stop)


@click.command(context_settings={"show_default": True})
@click.option("--bars", default=20_000, help="Hours to trade.")
@click.option("--symbols", default=3, help="Contracts of the made-up market.")
@click.option("--seed", default=1, help="Of market and faults.")
@click.option("--share", default=0.3, help="Share of bars before which a fault is ordered.")
@click.option("--keep-days", default=20.0, help="Of entries in the journal.")
@click.option(
    "--folder", default=None, type=click.Path(path_type=Path), help="Of the session; default: a temporary one."
)
@click.option("--out", default=None, type=click.Path(path_type=Path, dir_okay=False), help="File for the report, JSON.")
def main(
    bars: int, symbols: int, seed: int, share: float, keep_days: float, folder: Path | None, out: Path | None
) -> None:
    """Trade on a simulated exchange that fails in every way it can; exit code 1 where something did not hold."""
    plan = Plan(bars, symbols, seed, share, keep_days=keep_days)
    with tempfile.TemporaryDirectory() as scratch:
        report = asyncio.run(run_soak(plan, folder or Path(scratch)))
    text = json.dumps(report.as_dict(), indent=2)
    if out is not None:
        out.write_text(text + "\n")
    click.echo(text)
    sys.exit(0 if report.clean else 1)


if __name__ == "__main__":
    main()
