"""Whole sessions in their surroundings (logs, alerts, health, healing, watches) beside an exchange in another process."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from live.adapters.binance.settings import ConnectionSettings, FeedSettings
from live.adapters.store_sqlite import SqliteStore
from live.alerts import AlertManager
from live.audit import audit
from live.bootstrap import JOURNAL, Started
from live.entries import COMMAND, event_of, unpack
from live.exchange import TESTNET, Where, open_exchange
from live.healing import HealingSettings
from live.health import HealthSettings
from live.host import Pace, host
from live.secrets import Keys, Secret
from qt_core._jit import CACHE_DIR
from qt_core.codes import CMD_HEALTH
from qt_core.config import Config, load_config
from tests.live.quick import QUICK
from tests.parity.cases import FULL

ROOT = Path(__file__).resolve().parents[2]
COMPILED = os.environ | {"QT_CACHE_DIR": str(CACHE_DIR.parent)}  # another process takes our machine code
SYMBOLS, WARMUP, BARS_PER_S = 3, 60, 4.0
PATIENCE_S = 30.0  # how long something may take on a busy machine; nothing waits for it to pass
CONNECTION = ConnectionSettings(
    timeout_ms=3_000,
    recv_window_ms=60_000,
    dial_ms=1_000,
    redial_ms=20,
    linger_ms=20,
    clock_samples=1,
    skew_warn_ms=10**15,
)
FEED = FeedSettings(ask_ms=50, retry_ms=20, retry_cap_ms=100, quote_stale_ms=500)
BROKER = QUICK._replace(patience_ms=2_000, again_ms=100, retry_cap_ms=100, unknown_ms=20)
HEALTH = HealthSettings(
    recheck_s=0.05, unhealthy_s=0.1, timeout_s=1.0, max_clock_skew_ms=1e15, max_loop_lag_ms=1e6, min_requests=10**6
)
HEALING = HealingSettings(attempts=3, delay_s=0.1, timeout_s=2.0)
PACE = Pace(HEALTH, HEALING)


@contextmanager
def exchange_process() -> Iterator["Outside"]:
    """The simulated exchange as another process; it walks by itself once a session is open."""
    command = [sys.executable, "-m", "live.testing", "--symbols-made", str(SYMBOLS), "--bars-made", "3000"]
    command += ["--first-bar", str(WARMUP + 1)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=COMPILED)
    assert process.stdout is not None
    outside = Outside(process, json.loads(process.stdout.readline()))
    try:
        outside.tell("advance")  # its kernels are loaded with the first bar
        yield outside
    finally:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.communicate()


class Outside:
    """What a test does to the exchange's process."""

    def __init__(self, process: "subprocess.Popen[str]", hello: dict[str, Any]) -> None:
        self.process, self.hello = process, hello

    @property
    def where(self) -> Where:
        url = self.hello["url"]
        return Where(url, f"ws{url.removeprefix('http')}", CONNECTION, BROKER, FEED)

    @property
    def keys(self) -> Keys:
        return Keys(Secret(self.hello["api_key"]), Secret(self.hello["secret"]))

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def tell(self, name: str, **arguments: Any) -> Any:
        """A command of the control object."""
        request = urllib.request.Request(f"{self.hello['url']}/sim/{name}", json.dumps(arguments).encode())
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return json.load(answer)

    async def say(self, name: str, **arguments: Any) -> Any:
        """The same beside the loop."""
        return await asyncio.to_thread(lambda: self.tell(name, **arguments))


def hosted_config(name: str, **more: Any) -> Config:
    """Every module on, watched every half second."""
    raw: dict[str, Any] = dict(FULL) | {
        "live": {
            "name": name, "guard_s": 0.5, "stale_s": 86_400.0, "warmup_bars": WARMUP, "command_poll_s": 0.02,
            "stop_timeout_s": 5.0, "reconcile_s": 3600.0,
        },
        "data": {"symbols": [f"SIM{k + 1:02d}USDT" for k in range(SYMBOLS)], "timeframe": "1h"},
        "health": {"interval_ms": 200, "max_memory_fraction": 0.999, "max_cpu_fraction": 1.0},
    }  # fmt: skip
    raw["ess"] = {"close_on_latch": "off", "auto_reset_h": 0.0}
    return load_config(raw | more)


class EndedError(AssertionError):
    """The session is over."""


class Hosted:
    """A session under way."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: Started | None = None
        self.task: asyncio.Task[int] | None = None

    @property
    def runner(self) -> Any:
        assert self.started is not None
        return self.started.runner

    async def until(self, condition: Callable[[], Any], what: str) -> Any:
        """Wait until something holds; in vain, or past the session's end, it fails."""
        async with asyncio.timeout(PATIENCE_S):
            while not (answer := condition()):
                assert self.task is not None
                if self.task.done():
                    raise EndedError(f"exit code {await self.task} before {what}")
                await asyncio.sleep(0.02)
            return answer

    async def bars(self, more: int) -> None:
        """Wait until so many further bars are decided."""
        enough = self.runner.bars + more
        await self.until(lambda: self.runner.bars >= enough, f"{more} bars")

    def heard(self, command: int = CMD_HEALTH) -> list[tuple[int, int]]:
        """(reason, value) of the commands of a kind that the journal holds."""
        store = SqliteStore(self.folder / JOURNAL, read_only=True)
        try:
            rows = [event_of(unpack(e.payload)) for e in store.entries_of(COMMAND)]
        finally:
            store.close()
        return [(int(r["reason"]), int(r["value"])) for r in rows if int(r["command"]) == command]

    def log(self) -> str:
        """What the session's log says so far."""
        return (self.folder / "session.jsonl").read_text()

    def latched(self) -> bool:
        return bool(int(np.asarray(self.runner.session.chain.fund["ess_latched"])))


@asynccontextmanager
async def hosted(outside: Outside, root: Path, name: str, pace: Pace = PACE, **more: Any) -> AsyncIterator[Hosted]:
    """``host()`` as the command line runs it; ended by a stop, and its journal audited."""
    config = hosted_config(name, **more)
    session = Hosted(root / name)
    opened = asyncio.Event()

    async def open_session(alerts: AlertManager) -> Started:
        session.started = await open_exchange(config, TESTNET, root, outside.where, outside.keys, alerts)
        opened.set()
        return session.started

    session.task = asyncio.create_task(host(session.folder, open_session, TESTNET, pace))
    waiting = asyncio.create_task(opened.wait())
    await asyncio.wait({session.task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if session.started is None:
        await session.task  # why it could not be opened
    await outside.say("run", bars_per_second=BARS_PER_S)
    try:
        yield session
    finally:
        if session.started is not None:
            session.runner.stop("the test is over")
        await asyncio.gather(session.task, return_exceptions=True)
        if session.started is not None:
            close(session.started)


def close(started: Started) -> None:
    """What the command line lets go of at its end."""
    started.runner.journal.store.close()
    for lock in (started.lock, started.account):
        if lock is not None:
            lock.close()


def audited(folder: Path) -> bool:
    """True where the journal of an ended session says that it decided as the backtester does."""
    store = SqliteStore(folder / JOURNAL, read_only=True)
    try:
        return audit(store).clean
    finally:
        store.close()
