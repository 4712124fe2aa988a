"""Sessions of tests on the simulated exchange: real ccxt, real sockets, the engine's own matching, in lockstep."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np

from live.adapters.binance.settings import ConnectionSettings
from live.bootstrap import JOURNAL, Started
from live.exchange import TESTNET, Where, open_exchange
from live.secrets import Keys, Secret
from live.testing.exchange import Exchange
from live.testing.lockstep import Lockstep
from live.testing.settings import API_KEY, SECRET, Settings
from qt_core import records as rec
from qt_core.config import Config, load_config
from qt_core.engine.result import Result
from qt_core.engine.session import backtest
from qt_core.features.context import ChainContext
from qt_core.market import Market
from qt_core.signal.tape import SignalTape
from tests.live.quick import QUICK
from tests.parity.cases import FULL, case_of

NO_LIMIT = 10**9
PATIENCE_S = 120.0


def session_config(market: Market, name: str, warmup: int, **live: Any) -> Config:
    """Every module on, exploring and learning; a replay's clock leaps by hours, so guards and ages are out of the way."""
    fixed = {"name": name, "guard_s": 3600.0, "stale_s": 86_400.0, "warmup_bars": warmup, "snapshot_bars": 50}
    raw: dict[str, Any] = dict(FULL) | {
        "live": fixed | live,
        "data": {"symbols": list(market.symbols), "timeframe": "1h"},
    }
    raw["ess"] = {"close_on_latch": "on", "auto_reset_h": 0.0}
    return load_config(raw)


def exchange_of(market: Market, config: Config, warmup: int, **settings: Any) -> Exchange:
    """An exchange that has ``warmup`` + 1 closed bars behind it, without limits that a replay would break."""
    given: dict[str, Any] = {
        "config": config, "first_bar": warmup + 1, "check_margin": False, "check_trigger": False,
        "weight_per_minute": NO_LIMIT, "orders_per_10s": NO_LIMIT, "orders_per_minute": NO_LIMIT,
    } | settings  # fmt: skip
    return Exchange(market, Settings(**given))


def where_of(exchange: Exchange, **connection: Any) -> Where:
    """How a session reaches it."""
    quick: dict[str, Any] = {
        "timeout_ms": 5_000, "recv_window_ms": 60_000, "redial_ms": 10, "clock_samples": 1, "skew_warn_ms": 10**15,
    } | connection  # fmt: skip
    url = exchange.url
    return Where(url, f"ws{url.removeprefix('http')}", ConnectionSettings(**quick), QUICK)


KEYS = Keys(Secret(API_KEY), Secret(SECRET))


@asynccontextmanager
async def session_on(
    exchange: Exchange, config: Config, folder: Path, **connection: Any
) -> AsyncIterator[tuple[Started, Lockstep]]:
    """A running session; stopped and closed afterwards."""
    started = await open_exchange(config, TESTNET, folder, where_of(exchange, **connection), KEYS)
    runner = started.runner
    working = asyncio.create_task(runner.run())
    step = Lockstep(exchange, runner)
    try:
        await step.caught_up()
        yield started, step
    finally:
        runner.stop("test")
        await working
        runner.journal.store.close()
        started.lock.close()
        if started.account is not None:
            started.account.close()


def play(scene: Callable[[], Awaitable[Any]]) -> Any:
    """Run a scene to its end; a task left behind fails."""

    async def run() -> Any:
        result = await asyncio.wait_for(scene(), PATIENCE_S)
        for _ in range(200):
            left = [t for t in asyncio.all_tasks() if t is not asyncio.current_task() and not t.done()]
            if not left:
                return result
            await asyncio.sleep(0.005)
        raise AssertionError(f"tasks left behind: {left}")

    return asyncio.run(run())


def rows(folder: Path, config: Config) -> dict[str, Any]:
    """What the session's journal holds."""
    from live.adapters.store_sqlite import SqliteStore

    store = SqliteStore(folder / str(config.live["name"]) / JOURNAL, read_only=True)
    kinds = {
        "decisions": rec.DECISION_DT,
        "trades": rec.TRADE_DT,
        "requests": rec.REQUEST_DT,
        "events": rec.JOURNAL_EVENT_DT,
    }
    found = {k: np.frombuffer(b"".join(d for _, d in store.effects(k)), dtype=t) for k, t in kinds.items()}
    store.close()
    return found


def backtested(market: Market, config: Config, warmup: int) -> Result:
    """The backtest that begins where the session begins, with features that have seen the bars before."""
    case = case_of(market)
    c, t = case.context, case.tape

    def cut(a: Any) -> Any:
        return np.ascontiguousarray(a[warmup:])

    context = ChainContext(cut(c.values), cut(c.eligible), c.correlation, cut(c.correlation_row))
    tape = SignalTape(cut(t.proba), cut(t.available), cut(t.model_id), t.models)
    window = market.window(int(market.time[warmup]), int(market.time[-1]) + market.timeframe_ms)
    return backtest(window, tape, config, context=context)


ROUNDING = 1e-6  # relative: the exchange states money with eight decimals


def assert_decided_alike(a: Any, b: Any) -> None:
    """Decision rows equal but for the rounding of money."""
    for x, y in zip(a, b, strict=False):
        assert not difference(x, y), (int(x["time_ms"]), int(x["symbol"]), difference(x, y))
    assert len(a) == len(b)


def difference(a: Any, b: Any) -> str:
    """The first columns in which two decision rows differ; empty where they agree."""
    out = []
    for name in a.dtype.names:
        p, q = a[name], b[name]
        same = np.isclose(p, q, rtol=ROUNDING, atol=1e-9, equal_nan=True) if isinstance(p, np.floating) else p == q
        if not same:
            out.append(f"{name} {p} / {q}")
    return ", ".join(out)
