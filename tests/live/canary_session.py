"""A whole session with keys that can be recognised, and a defect that shouts them out; a program of its own.

Writes what nobody may see (keys, signatures, listen keys) into a file of its own, for whoever searches the rest.
"""

import asyncio
import contextlib
import json
import logging
import sys
import urllib.parse
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from live.alerts import AlertManager
from live.bootstrap import Started
from live.exchange import TESTNET, open_exchange
from live.host import host
from live.ports import Alert
from live.secrets import load_keys
from live.testing.exchange import Exchange
from live.testing.lockstep import Lockstep
from qt_core.io.simulate import simulate_market
from tests.live.on_exchange import exchange_of, session_config, where_of

NAME, WARMUP, BARS = "canary", 60, 12
AFTER = 4  # bars, then the defect


class Canary:
    """What must not be seen, and the error that says it."""

    def __init__(self) -> None:
        keys = load_keys(testnet=True)
        self.key, self.secret = keys.key.reveal(), keys.secret.reveal()
        self.sung = 0

    def sing(self, *_: Any, **__: Any) -> Any:
        """Raise an error that says everything."""
        self.sung += 1
        shouted = (
            f"{self.key} {self.secret} {urllib.parse.quote(self.key, safe='')} {urllib.parse.quote_plus(self.secret)}"
        )
        logging.getLogger("somebody.elses").warning("a library says %s", shouted)
        raise RuntimeError(
            f"https://example/fapi?apiKey={self.key}&signature={'ab' * 32}&listenKey={self.key[:40]} {shouted}"
        )

    async def sing_async(self, *_: Any, **__: Any) -> Any:
        self.sing()


def sabotage(where: str, started: Started, alerts: AlertManager, canary: Canary) -> None:
    """One part of the session fails from now on."""
    runner: Any = started.runner
    if where == "feed":
        runner.feed.fine.give = canary.sing_async
    elif where == "broker":
        runner.broker.sender.carry_out = canary.sing_async
        runner.broker.catcher.compare = canary.sing_async
    elif where == "journal":
        runner.journal.commit = canary.sing
    elif where == "alerts":
        for server in alerts._servers:
            server.sink.deliver = canary.sing
        alerts.send(Alert(2, "canary", canary.key, canary.secret))
        runner.stop(f"by somebody with {canary.key}")
    else:
        runner.news.tell = canary.sing


async def drive(exchange: Exchange, started: Started, alerts: AlertManager, where: str, canary: Canary) -> None:
    step = Lockstep(exchange, started.runner)
    await step.caught_up()
    for k in range(BARS):
        if k == AFTER:
            sabotage(where, started, alerts, canary)
        await step.bar()
    started.runner.stop("the canary lives")


async def main(folder: Path, where: str, secrets: Path) -> None:
    """One session, one defect."""
    canary = Canary()
    market = simulate_market(3, WARMUP + 1 + BARS, seed=3)
    config = session_config(market, NAME, WARMUP)
    exchange = exchange_of(market, config, WARMUP, api_key=canary.key, secret=canary.secret)
    await exchange.start()
    driving: list[asyncio.Task[None]] = []

    async def open_session(alerts: AlertManager) -> Started:
        started = await open_exchange(config, TESTNET, folder, where_of(exchange), None, alerts)
        driving.append(asyncio.create_task(drive(exchange, started, alerts, where, canary)))
        return started

    async with _noting(exchange, canary, secrets):
        try:
            await host(folder / NAME, open_session, TESTNET)
        finally:
            await asyncio.gather(*driving, return_exceptions=True)
            await exchange.stop()


@contextlib.asynccontextmanager
async def _noting(exchange: Exchange, canary: Canary, secrets: Path) -> AsyncIterator[None]:
    """Every listen key while they are valid, every signature, at the end."""
    listen: set[str] = set()
    noting = asyncio.create_task(_listen_keys(exchange, listen))
    try:
        yield
    finally:
        noting.cancel()
        signatures = {p["signature"] for _, _, p in exchange.server.requests if "signature" in p}
        said = {"key": canary.key, "secret": canary.secret, "sung": canary.sung}
        secrets.write_text(json.dumps(said | {"signatures": sorted(signatures), "listen": sorted(listen)}))


async def _listen_keys(exchange: Exchange, seen: set[str]) -> None:
    while True:
        seen.update(exchange.sim.listen_keys)
        await asyncio.sleep(0.01)


if __name__ == "__main__":
    logging.getLogger().setLevel(logging.DEBUG)
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])))
