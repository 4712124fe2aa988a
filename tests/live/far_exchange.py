"""The simulated exchange in a process of its own, which outlives the sessions that trade on it and die."""

import asyncio
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp

from live.testing.exchange import Exchange

DUST = 1e-9
STOPS = ("STOP_MARKET", "TRAILING_STOP_MARKET")


class Protection:
    """How long positions were without a stop that covers them, by the exchange's own books."""

    def __init__(self, exchange: Exchange) -> None:
        self.sim = exchange.sim
        self.longest_ms, self.longest_s = 0, 0.0
        self.naked = 0  # how often
        self._since: dict[str, tuple[int, float]] = {}
        self._spans: list[float] = []
        tell = self.sim.tell

        def told(event: dict[str, Any]) -> None:
            tell(event)
            self.look()

        self.sim.tell = told  # type: ignore[method-assign]

    def look(self) -> None:
        """Note what has changed; called whenever the exchange tells of an order or a fill."""
        now = self.sim.now_ms(), time.monotonic()
        held = {p.contract.name: p.qty for p in self.sim.account.positions()}
        bare = {name for name, qty in held.items() if not self._covered(name, qty)}
        for name in list(self._since):
            if name not in bare:
                since = self._since.pop(name)
                self.longest_ms = max(self.longest_ms, now[0] - since[0])
                self.longest_s = max(self.longest_s, now[1] - since[1])
                self._spans.append(now[1] - since[1])
        for name in bare - self._since.keys():
            self.naked += 1
            self._since[name] = now

    def _covered(self, name: str, qty: float) -> bool:
        """A stop for all of it rests, or what closes all of it is on its way."""
        orders = self.sim.orders
        stops = [a for a in orders.open_algos(name) if a.type in STOPS]
        leaving = [o for o in orders.open_orders(name) if o.type == "MARKET"]
        closing = [o for o in (*stops, *leaving) if (o.reduce_only or o.close_position) and o.side * qty < 0.0]
        return any(o.qty - o.filled >= abs(qty) * (1.0 - DUST) for o in closing)

    def report(self) -> dict[str, Any]:
        """Numbers for people; ``bare`` is what is without protection at this moment."""
        spans = sorted(self._spans)
        middle = spans[len(spans) // 2] if spans else 0.0
        return {
            "naked": self.naked, "bare": sorted(self._since), "longest_ms": self.longest_ms,
            "longest_s": self.longest_s, "median_s": middle,
        }  # fmt: skip


def report(exchange: Exchange, protection: Protection) -> dict[str, Any]:
    """What the exchange has seen: every order and trade there ever was."""
    x = exchange.sim
    return {
        "wallet": x.account.wallet,
        "orders": [o.client_id for o in x.orders.orders.values() if o.algo is None],
        "algos": [a.client_id for a in x.orders.algos.values()],
        "trades": [(t.contract.index, t.id, t.side * t.qty, t.price) for t in x.account.trades],
        "positions": {p.contract.index: p.qty for p in x.account.positions()},
        "funding": sum(1 for row in x.account.income if row["incomeType"] == "FUNDING_FEE"),
        "protection": protection.report(),
        "defects": [repr(error) for error in exchange.server.defects],
    }


@contextmanager
def far(exchange: Exchange, folder: Path) -> "Iterator[Far]":
    """Run an exchange that is not started yet in a forked process; its report is read when it ends."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.close(reading)
            asyncio.run(_serve(exchange, writing, folder / "report.json"))
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        port = int(pipe.readline())
    one = Far(pid, port, folder / "report.json")
    try:
        yield one
    finally:
        one.stop()


async def _serve(exchange: Exchange, writing: int, path: Path) -> None:
    done = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, done.set)
    protection = Protection(exchange)
    await exchange.start()
    os.write(writing, f"{exchange.port}\n".encode())
    await done.wait()
    path.write_text(json.dumps(report(exchange, protection)))
    await exchange.stop()


class Far:
    """The process: where it is reached, and what it says at its end."""

    def __init__(self, pid: int, port: int, path: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._pid, self._path = pid, path

    def stop(self) -> None:
        """End it; its report is there then."""
        if self._pid:
            os.kill(self._pid, signal.SIGTERM)
            os.waitpid(self._pid, 0)
            self._pid = 0

    def report(self) -> dict[str, Any]:
        """Stop it, and read what it has seen."""
        self.stop()
        said: dict[str, Any] = json.loads(self._path.read_text())
        return said

    def away(self, bars: int) -> None:
        """Nobody is there: an open bar is finished, so many more go by."""

        async def go() -> None:
            async with Remote(self.url) as remote:
                await remote.say("pause")
                for _ in range(min(bars, remote.bars - 1 - remote.bar)):
                    await remote.say("advance")

        asyncio.run(go())


def command(url: str, name: str, **arguments: Any) -> int:
    """One command to the exchange; returns the bar at which it is."""

    async def go() -> int:
        async with Remote(url) as remote:
            await remote.say(name, **arguments)
            return remote.bar

    return asyncio.run(go())


class Remote:
    """The control object of an exchange in another process, as ``live.testing.lockstep`` uses it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.now_ms, self.bar, self.bars, self.in_bar, self.asked = 0, 0, 0, False, 0
        self.happened: dict[str, int] = {}
        self.sim = SimpleNamespace(now_ms=lambda: self.now_ms)
        self.sockets = SimpleNamespace(heard=self.heard, flush=self._nothing)
        self.server = SimpleNamespace(requests=self)

    async def __aenter__(self) -> "Remote":
        self._http = aiohttp.ClientSession()
        await self.look()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

    def __len__(self) -> int:
        return self.asked

    @property
    def has_next(self) -> bool:
        return self.bar + 1 < self.bars

    async def look(self) -> None:
        """Where it stands."""
        async with self._http.get(f"{self.url}/sim/state") as answer:
            self._take(await answer.json())

    async def say(self, name: str, **arguments: Any) -> Any:
        """One command."""
        async with self._http.post(f"{self.url}/sim/{name}", json=arguments) as answer:
            assert answer.status == 200, await answer.text()
            said = await answer.json()
        self._take(said)
        return said["result"]

    def _take(self, said: dict[str, Any]) -> None:
        self.now_ms, self.bar, self.bars, self.in_bar = said["now_ms"], said["bar"], said["bars"], said["in_bar"]
        self.asked, self.happened = said["requests"], said["happened"]

    async def open_bar(self) -> None:
        await self.say("open_bar")

    async def step(self) -> bool:
        return bool(await self.say("step"))

    async def close_bar(self) -> None:
        await self.say("close_bar")

    async def heard(self) -> None:
        await self.say("heard")

    async def _nothing(self) -> None:
        """Events are sent with the answer that brings them."""
