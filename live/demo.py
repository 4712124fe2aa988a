"""``qt live demo``: an exchange on this machine, and a session that trades on it through ccxt, signatures and all."""

import asyncio
import contextlib
from pathlib import Path

import click

from live.adapters.binance.settings import BrokerSettings, ConnectionSettings
from live.adapters.store_sqlite import SqliteStore
from live.alerts import AlertManager
from live.audit import audit
from live.bootstrap import JOURNAL, Started, hold, session_folder
from live.errors import LiveError
from live.exchange import Where, open_exchange
from live.host import host
from live.secrets import Keys, Secret
from live.testing.exchange import Exchange
from live.testing.lockstep import Lockstep
from live.testing.settings import API_KEY, SECRET, Settings
from live.views import status
from qt_core.config import Config, load_config
from qt_core.io.simulate import simulate_market
from qt_core.market import Market

WARMUP_BARS = 200  # enough for the indicators of a demo; percentiles are of what there is
DEMO = "demo"
NO_LIMIT = 10**9  # requests: a replay does hours in a second, the exchange's limits are per minute


def demo_market(config: Config, bars: int) -> Market:
    """Made-up prices: history for the features, then the bars to trade."""
    given = dict(config.data.get("simulated") or {})
    return simulate_market(int(given.get("n_symbols", 8)), WARMUP_BARS + 1 + bars, seed=int(given.get("seed", 7)))


def demo_config(config: Config, market: Market) -> Config:
    """The configuration as a session on an exchange needs it: symbols by name, a short warm-up."""
    raw = config.as_dict()
    raw["data"] = {"symbols": list(market.symbols), "timeframe": "1h"}
    raw["live"] = {
        **raw.get("live", {}),
        "name": "live-demo",  # never another session's: the demo begins anew each time
        "warmup_bars": WARMUP_BARS,
        "stale_s": 86_400.0,
        "guard_s": 3600.0,
    }
    return load_config(raw)


async def run_demo(config: Config, bars: int, root: "Path | None", pause_s: float) -> int:
    """Start the exchange, trade ``bars`` bars on it, stop both; returns the exit code."""
    market = demo_market(config, bars)
    config = demo_config(config, market)
    exchange = Exchange(
        market,
        Settings(
            config=config,
            first_bar=WARMUP_BARS + 1,
            check_margin=False,
            check_trigger=False,
            weight_per_minute=NO_LIMIT,
            orders_per_10s=NO_LIMIT,
            orders_per_minute=NO_LIMIT,
        ),
    )
    await exchange.start()
    click.echo(
        f"exchange: {exchange.url}, {market.n_symbols} made-up contracts, {bars} hours to come; no key, no network",
        err=True,
    )
    where = Where(
        rest_url=exchange.url,
        ws_url=f"ws{exchange.url.removeprefix('http')}",
        connection=ConnectionSettings(recv_window_ms=60_000, clock_samples=1, skew_warn_ms=10**15),
        broker=BrokerSettings(tick_ms=5, settle_ms=60),
    )
    keys = Keys(Secret(API_KEY), Secret(SECRET))
    driving: list[asyncio.Task[None]] = []

    async def open_session(alerts: AlertManager) -> Started:
        started = await open_exchange(config, DEMO, root, where, keys, alerts)
        driving.append(asyncio.create_task(drive(exchange, started, bars, pause_s)))
        return started

    folder = session_folder(config, root)
    begin_anew(folder)
    try:
        code = await host(folder, open_session, DEMO)
    finally:
        for task in driving:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await exchange.stop()
    return code


def demo_folder(config: Config, root: "Path | None") -> Path:
    """Where the demo's session lies."""
    return session_folder(demo_config(config, demo_market(config, 1)), root)


def begin_anew(folder: Path) -> None:
    """Every demo has its own exchange, which knows nothing of an earlier session: the journal of an earlier demo goes.

    Raises
    ------
    LiveError
        If it runs, or the folder holds anything else than a demo.
    """
    if not folder.exists():
        return
    hold(folder).close()
    if (folder / JOURNAL).exists():
        store = SqliteStore(folder / JOURNAL, read_only=True)
        kind = store.meta("kind")
        store.close()
        if kind not in (DEMO, None):
            raise LiveError(f"{folder}: holds a session of kind {kind}; a demo, or nothing, expected")
    for name in (JOURNAL, f"{JOURNAL}-wal", f"{JOURNAL}-shm"):
        (folder / name).unlink(missing_ok=True)


async def drive(exchange: Exchange, started: Started, bars: int, pause_s: float) -> None:
    """Walk the exchange, bar by bar, as fast as the session answers."""
    runner = started.runner
    try:
        step = Lockstep(exchange, runner)
        for _ in range(bars):
            if not exchange.has_next or runner.stopping.is_set():
                break
            await step.bar()
            await asyncio.sleep(pause_s)
        runner.stop("the demo is over")
    except Exception as error:
        runner.stop(f"the demo failed: {error}")
        raise


def closing_words(folder: Path) -> str:
    """What was done, and what to look at next."""
    store = SqliteStore(folder / JOURNAL, read_only=True)
    try:
        s, found = status(store, folder.name), audit(store)
    finally:
        store.close()
    word = "clean" if found.clean else f"{len(found.differences)} differences"
    return (
        f"{len(s.trades)} trades, {float(s.trades['pnl_usd'].sum()):+,.2f} USD after costs on made-up prices; "
        f"audit of {found.entries} entries: {word}\n"
        f"next: qt live status {folder}; qt live explain {folder} 1; qt live audit {folder}"
    )
