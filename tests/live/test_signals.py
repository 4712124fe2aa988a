"""A signal ends a session cleanly: exit code 0, protection left resting, State saved; a second one forces the end."""

import asyncio
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from live.adapters.store_sqlite import SqliteStore
from live.alerts import AlertManager
from live.bootstrap import JOURNAL, Started
from live.commands import say
from live.exchange import TESTNET, Where, open_exchange
from live.host import host
from qt_core.config import Config
from qt_core.io.simulate import simulate_market
from tests.live.far_exchange import Far, Remote, far
from tests.live.mortal import NO_BUDGET, QUICK_CONNECTION, Watched, lives
from tests.live.on_exchange import KEYS, exchange_of, session_config
from tests.live.quick import QUICK

WARMUP, BARS, SEED = 100, 30, 3
PATIENCE_S = 60.0
FORCED = (128 + signal.SIGINT, 128 + signal.SIGTERM)


async def _hosted(x: Far, config: Config, root: Path) -> int:
    """As ``qt live run`` does it; walks until a position is held, says so, then waits for whatever comes."""
    socket = f"ws{x.url.removeprefix('http')}"
    where = Where(x.url, socket, QUICK_CONNECTION, QUICK, budget=NO_BUDGET)
    walking: list[asyncio.Task[None]] = []

    async def open_session(alerts: AlertManager) -> Started:
        started = await open_exchange(config, TESTNET, root, where, KEYS, alerts)
        walking.append(asyncio.create_task(_walk(x, started, root)))
        return started

    return await host(root / str(config.live["name"]), open_session, TESTNET)


async def _walk(x: Far, started: Started, root: Path) -> None:
    async with Remote(x.url) as remote:
        step = Watched(remote, started)
        await step.caught_up()
        while not (started.runner.session.chain.symbol["qty"] != 0.0).any():
            await step.bar()
    (root / "held").touch()


def hosted(x: Far, config: Config, root: Path, end: Callable[[int], None]) -> int:
    """The exit code of a process that runs the session until ``end`` has done its work on it."""
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            code = asyncio.run(_hosted(x, config, root))
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    deadline = time.monotonic() + PATIENCE_S
    while not (root / "held").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    end(pid)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def ended(root: Path, config: Config) -> bool:
    """True where the newest snapshot holds everything the journal does."""
    store = SqliteStore(root / str(config.live["name"]) / JOURNAL, read_only=True)
    last, saved = store.last_entry(), next(store.snapshots())
    store.close()
    return last is not None and saved[0] == last.seq


def told_to_stop(root: Path, config: Config) -> None:
    store = SqliteStore(root / str(config.live["name"]) / JOURNAL)
    said = say(store, "stop", {}, PATIENCE_S)
    store.close()
    assert "protection" in said


@pytest.mark.parametrize("how", ["SIGTERM", "SIGINT", "qt live stop", "twice"])
def test_it_ends_cleanly_and_goes_on(how: str, tmp_path: Path) -> None:
    market = simulate_market(8, WARMUP + 1 + BARS, seed=SEED)
    config = session_config(market, "ended", WARMUP)

    def end(pid: int) -> None:
        if how == "qt live stop":
            told_to_stop(tmp_path, config)
            return
        for number in (signal.SIGTERM, signal.SIGINT) if how == "twice" else (signal.Signals[how],):
            os.kill(pid, number)

    with far(exchange_of(market, config, WARMUP), tmp_path) as x:
        code = hosted(x, config, tmp_path, end)
        if how == "twice":
            assert code in FORCED
        else:
            assert code == 0
            assert ended(tmp_path, config)
        assert lives(x, config, tmp_path, until=WARMUP + BARS // 2)  # what it finds there it checks, protection too
        said = x.report()
    assert said["trades"]
    assert said["protection"]["bare"] == []
