"""Faults of a long run, drawn from a seed: every kind the simulator has, each taken back after a while."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from live.testing import faults as f
from live.testing.exchange import Exchange

RETRY_AFTER_S = 0.05  # of a 429 or 418: a replay does not wait for real minutes
SLOW_S = 0.05
AWAY_S = (0.05, 0.4)  # maintenance and a key without permission, real seconds
MUTED_BARS, SKEWED_BARS, HELD_BARS, PARTIAL_BARS = (1, 4), (1, 3), (1, 3), (10, 25)
SKEWS_MS = (
    -1_500,
    20_000,
)  # requests are refused until the clock is measured anew; a replay waits for a clock that is behind
PARTICIPATION = 3e-7  # of a bar's volume: less than a bar takes of what these sessions trade, so orders fill in parts
MENDING_BARS = 1
UNMET_BARS = 40  # a planned fault that nothing has met is forgotten
REFUSALS = ((-2010, "Order would be rejected."), (-2019, "Margin is insufficient."), (-2022, "ReduceOnly rejected."))
TARGETS = (  # where a request fault strikes; the first: whatever comes next
    ("", ""), ("POST", "order"), ("POST", "algoOrder"), ("DELETE", "order"), ("DELETE", "algoOrder"), ("GET", "userTrades"),
)  # fmt: skip
PLANS: dict[str, tuple[str, dict[str, Any]]] = {  # name -> kind and its values
    "http_error": (f.HTTP_ERROR, {"status": 502}),
    "rate_limit": (f.RATE_LIMIT, {"retry_after": RETRY_AFTER_S}),
    "ban": (f.BAN, {"retry_after": RETRY_AFTER_S}),
    "busy": (f.BUSY, {}),
    "unknown, executed": (f.UNKNOWN, {}),
    "unknown, not executed": (f.UNKNOWN, {"execute": 0}),
    "timeout": (f.TIMEOUT, {}),
    "slow": (f.SLOW, {"seconds": SLOW_S}),
    "hang": (f.HANG, {}),
    "cut": (f.CUT, {}),
    "truncate": (f.TRUNCATE, {}),
}
EVENTS = ("ORDER_TRADE_UPDATE", "ACCOUNT_UPDATE", "ALGO_UPDATE", "")
HALTED = "BREAK"
SOCKETS = ("market", "public", "private")

Undo = Callable[[], Awaitable[None] | None]


@dataclass
class Storm:
    """Orders faults bar by bar.

    Parameters
    ----------
    share : of bars before which a fault is ordered.

    Attributes
    ----------
    done : how often each has happened.
    """

    exchange: Exchange
    seed: int
    share: float
    done: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.seed)
        self._undo: list[tuple[int, Undo]] = []  # bar, what takes it back
        self._planned: dict[str, tuple[int, f.Planned]] = {}
        self._blind_until = 0
        self._timers: set[asyncio.Task[None]] = set()
        self.bar = 0
        self.makers = self._makers()

    @property
    def kinds(self) -> tuple[str, ...]:
        """Every fault there is."""
        return (*self.makers, "partial fill")

    @property
    def blind(self) -> bool:
        """Nothing can be compared: user events are being lost, or the chain has had no close to mend what was refused."""
        x = self.exchange.sim
        halted = any(c.status == HALTED for c in x.contracts)
        if "private" in self.exchange.sockets.muted or halted or not x.faults.futures_permission:
            self._blind_until = self.bar + MENDING_BARS
        return self.bar <= self._blind_until

    def _makers(self) -> dict[str, Callable[[], Any]]:
        makers: dict[str, Callable[[], Any]] = {name: self._planner(name, *PLANS[name]) for name in PLANS}
        makers["reject"] = self._reject
        makers |= {kind: partial(self._lose, kind) for kind in f.EVENT_FAULTS}
        makers |= {f"disconnect {c}": partial(self._disconnect, c) for c in SOCKETS}
        makers |= {f"silent {c}": partial(self._mute, c) for c in SOCKETS}
        makers |= {
            "listen key expired": self._expire, "late candle": self._hold, "missed candle": self._miss,
            "clock skew": self._skew, "maintenance": self._maintenance, "no permission": self._forbid,
            "restart": self._restart, "symbol halted": self._halt, "small volume": self._thin,
        }  # fmt: skip
        return makers

    # --- a bar ---------------------------------------------------------------------------------------------------------
    async def before_bar(self) -> None:
        """Take back what is over, count what was met, order something now and then."""
        self.bar += 1
        await self._take_back()
        self._count_met()
        if self._rng.random() < self.share:
            name = self._next()
            made = self.makers[name]()
            if asyncio.iscoroutine(made):
                await made

    async def calm(self) -> None:
        """Take everything back."""
        self.bar += 10**9
        await self._take_back()
        self._count_met()
        await asyncio.gather(*self._timers)

    def _next(self) -> str:
        """Every second time what has happened least, so that nothing is rare."""
        names = [n for n in self.makers if n not in self._planned]
        if self._rng.random() < 0.5:
            return min(names, key=lambda n: self.done[n])
        return str(self._one(names))

    async def _take_back(self) -> None:
        due = [undo for at, undo in self._undo if at <= self.bar]
        self._undo = [(at, undo) for at, undo in self._undo if at > self.bar]
        for undo in due:
            made = undo()
            if made is not None:
                await made

    def _count_met(self) -> None:
        faults = self.exchange.sim.faults
        for name, (at, planned) in list(self._planned.items()):
            if planned.count <= 0:
                self.done[name] += 1
            elif self.bar - at > UNMET_BARS:
                faults.planned = [p for p in faults.planned if p is not planned]
            else:
                continue
            del self._planned[name]

    # --- what can be ordered -------------------------------------------------------------------------------------------
    def _planner(self, name: str, kind: str, values: dict[str, Any]) -> Callable[[], None]:
        return lambda: self._plan(name, kind, *self._target(), values)

    def _target(self) -> tuple[str, str]:
        return TARGETS[int(self._rng.integers(len(TARGETS)))]

    def _plan(self, name: str, kind: str, method: str, path: str, values: dict[str, Any]) -> None:
        faults = self.exchange.sim.faults
        faults.plan(kind, 1, method, path, **values)
        self._planned[name] = self.bar, faults.planned[-1]

    def _reject(self) -> None:
        code, text = REFUSALS[int(self._rng.integers(len(REFUSALS)))]
        path = self._one(("order", "algoOrder"))
        self._plan("reject", f.REJECT, "POST", path, {"code": code, "text": text})

    def _lose(self, kind: str) -> None:
        self._plan(kind, kind, "", self._one(EVENTS), {})

    async def _disconnect(self, category: str) -> None:
        self.done[f"disconnect {category}"] += await self.exchange.disconnect(category)

    def _mute(self, category: str) -> None:
        """A silent connection is a dead one: it ends by being cut."""
        if category in self.exchange.sockets.muted:
            return
        self.exchange.mute(category)

        async def end() -> None:
            self.exchange.mute(category, False)
            await self.exchange.disconnect(category)

        self._later(MUTED_BARS, end)
        self.done[f"silent {category}"] += 1

    async def _expire(self) -> None:
        self.done["listen key expired"] += len(self.exchange.sim.listen_keys)
        await self.exchange.expire_listen_key()

    def _hold(self) -> None:
        """Late by whole bars, so that the bar goes without it."""
        name = self._symbol()
        if self.exchange.sim.by_name[name].index in self.exchange.sim.candles.hidden:
            return
        self.exchange.hold_candles(name)
        self._later(HELD_BARS, lambda: self.exchange.release_candles(name))
        self.done["late candle"] += 1

    def _miss(self) -> None:
        self.exchange.miss_candles(self._symbol())
        self.done["missed candle"] += 1

    def _skew(self) -> None:
        if self.exchange.sim.clock.skew_ms == 0:
            self.exchange.skew_clock(self._one(SKEWS_MS))
            self._later(SKEWED_BARS, lambda: self.exchange.skew_clock(0))
            self.done["clock skew"] += 1

    def _maintenance(self) -> None:
        self._for_a_moment("maintenance", self.exchange.maintenance, True)

    def _forbid(self) -> None:
        self._for_a_moment("no permission", self.exchange.futures_permission, False)

    def _for_a_moment(self, name: str, switch: Callable[[bool], None], to: bool) -> None:
        """In real time: requests wait for its end, and the bar with them."""
        seconds = float(self._rng.uniform(*AWAY_S))

        async def hold() -> None:
            switch(to)
            await asyncio.sleep(seconds)
            switch(not to)
            self._blind_until = self.bar + MENDING_BARS

        task = asyncio.create_task(hold(), name=name)
        self._timers.add(task)
        task.add_done_callback(self._timers.discard)
        self.done[name] += 1

    async def _restart(self) -> None:
        await self.exchange.stop()
        await asyncio.sleep(float(self._rng.uniform(*AWAY_S)))
        await self.exchange.start(self.exchange.port)
        self.done["restart"] += 1

    def _halt(self) -> None:
        name = self._symbol()
        self.exchange.set_status(name, HALTED)
        self._later((1, 2), lambda: self.exchange.set_status(name, "TRADING"))
        self.done["symbol halted"] += 1

    def _thin(self) -> None:
        normal = self.exchange.sim.settings.checked_config().params().venue.participation
        self.exchange.set_venue(participation=PARTICIPATION)
        self._later(PARTIAL_BARS, lambda: self.exchange.set_venue(participation=normal))
        self.done["small volume"] += 1

    # --- drawing -------------------------------------------------------------------------------------------------------
    def _later(self, bars: tuple[int, int], undo: Undo) -> None:
        self._undo.append((self.bar + int(self._rng.integers(bars[0], bars[1] + 1)), undo))

    def _one(self, of: Any) -> Any:
        return of[int(self._rng.integers(len(of)))]

    def _symbol(self) -> str:
        return str(self._one(self.exchange.sim.market.symbols))
