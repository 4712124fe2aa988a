"""Sessions that are killed on an exchange that is not: one child process each, in lockstep with the exchange's."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from live.adapters.binance.settings import BudgetSettings, ConnectionSettings
from live.bootstrap import Started
from live.exchange import TESTNET, Where, open_exchange
from live.ports import OrderView
from live.reconcile import findings
from live.testing.lockstep import Lockstep
from qt_core.codes import MARKET, STOP, TRAILING
from qt_core.config import Config
from tests.live.far_exchange import Far, Remote
from tests.live.killing import in_child
from tests.live.on_exchange import KEYS, NO_LIMIT, PATIENCE_S
from tests.live.quick import QUICK

WALLET_USD = 1e-6
QUICK_CONNECTION = ConnectionSettings(
    timeout_ms=5_000, recv_window_ms=20, redial_ms=10, clock_samples=1, skew_warn_ms=10**15, linger_ms=20
)
NO_BUDGET = BudgetSettings(NO_LIMIT, NO_LIMIT, NO_LIMIT)  # a replay's minute holds many starts


class Watched(Lockstep):
    """Looks, whenever both sides are at rest, whether they agree."""

    def __init__(self, remote: Remote, started: Started) -> None:
        super().__init__(remote, started.runner)  # type: ignore[arg-type]
        self.far = remote
        self._strays: dict[str, int] = {}  # client id -> bar in which it was seen first

    async def settle(self) -> None:
        await super().settle()
        await self.check()

    async def check(self) -> None:
        """Nothing doubled, lost or bare."""
        chain, broker = self.runner.session.chain, cast(Any, self.runner.broker)
        view = await broker.asker.account(broker.teller.leverage)  # what the exchange says, and nothing of our own
        found = findings(chain, view)
        assert found._replace(strays=()).clean, found
        strays = [o for o in found.strays if not self._leaving(o)]
        assert not strays, strays
        for p in view.positions:
            assert self._covered(p.symbol, p.qty, view), (p, view.orders)
        assert abs(view.wallet_usd - float(chain.fund["wallet_usd"])) < WALLET_USD

    def _leaving(self, order: OrderView) -> bool:
        """Cancelled between bars: it rests until the next one's cancel step, and no longer."""
        return self.far.bar <= self._strays.setdefault(order.client_id, self.far.bar) + 1

    def _covered(self, symbol: int, qty: float, view: Any) -> bool:
        own = [o for o in view.orders if o.symbol == symbol and o.reduce_only and o.side * qty < 0.0]
        return any(o.kind in (STOP, TRAILING, MARKET) for o in own)


async def live_on(far: Far, config: Config, folder: Path, until: "int | None" = None) -> None:
    """One life: start or go on, trade to the market's end (or up to a bar), stop."""
    async with Remote(far.url) as remote:
        socket = f"ws{far.url.removeprefix('http')}"
        where = Where(far.url, socket, QUICK_CONNECTION, QUICK, budget=NO_BUDGET)
        started = await open_exchange(config, TESTNET, folder, where, KEYS)
        working = asyncio.create_task(started.runner.run())
        step = Watched(remote, started)
        try:
            await step.caught_up()
            if remote.in_bar:
                await step.finish()
            while remote.has_next and (until is None or remote.bar < until):
                await step.bar()
        finally:
            started.runner.stop("test")
            await working


async def live_beside(far: Far, config: Config, folder: Path, seconds: float) -> None:
    """One life on an exchange that waits for nobody."""
    socket = f"ws{far.url.removeprefix('http')}"
    where = Where(far.url, socket, QUICK_CONNECTION, QUICK, budget=NO_BUDGET)
    started = await open_exchange(config, TESTNET, folder, where, KEYS)
    working = asyncio.create_task(started.runner.run())
    await asyncio.wait({working}, timeout=seconds)
    started.runner.stop("test")
    await working


def lives_beside(far: Far, config: Config, folder: Path, trap: Callable[[], Any], seconds: float) -> bool:
    """Such a life in a process of its own; False where it was killed."""

    def work() -> None:
        trap()
        asyncio.run(asyncio.wait_for(live_beside(far, config, folder, seconds), PATIENCE_S))

    return in_child(work)


def lives(far: Far, config: Config, folder: Path, trap: "Callable[[], Any] | None" = None, **more: Any) -> bool:
    """A life in a process of its own; False where it was killed."""

    def work() -> None:
        if trap is not None:
            trap()
        asyncio.run(asyncio.wait_for(live_on(far, config, folder, **more), PATIENCE_S))

    return in_child(work)
