"""Where a session on an exchange may die: each step is a trap that kills the process when it gets there."""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

from live import recovery, startup
from live.adapters.binance.broker import BinanceBroker
from live.adapters.binance.sending import Sender
from live.adapters.binance.session import AMEND, CANCEL, CANCEL_ALGO, PLACE, PLACE_ALGO, CallFailed
from live.adapters.binance.session import Session as Connection
from live.adapters.store_sqlite import SqliteStore
from live.chain import Chain
from live.journal import Journal
from live.replay import Replay
from live.runner import Runner
from live.session import Session
from qt_core.codes import OP_NEW
from tests.live.far_exchange import Remote
from tests.live.killing import Trap, die

ORDERS = (PLACE, PLACE_ALGO, AMEND, CANCEL, CANCEL_ALGO)
PATHS = {PLACE: "order", PLACE_ALGO: "algoOrder", AMEND: "order", CANCEL: "order", CANCEL_ALGO: "algoOrder"}
LOOK_S = 0.001


class Step(NamedTuple):
    """One place: how a trap for its ``nth`` passing is set; at most so many passings are gone by before."""

    set: Callable[[str, int], Any]  # (address of the exchange, nth)
    most: int


def trap(owner: Any, name: str, place: str, most: int, when: "Callable[..., bool] | None" = None) -> Step:
    """A method of the session's process."""
    return Step(lambda url, nth: Trap(owner, name, nth, place, when), most)


def sends(_: Any, endpoint: Any, *__: Any) -> bool:
    """A request that changes an order."""
    return endpoint in ORDERS


def protects(_: Any, intents: Any, *__: Any) -> bool:
    """Orders that reduce: the protection of what was filled."""
    return any(i.op == OP_NEW and i.reduce_only for i in intents)


def replaces(_: Any, known: Any) -> bool:
    """The successor of a conditional order rests; this is the old one, whose end nobody is told."""
    return bool(known.silent)


def unanswered(url: str, nth: int) -> None:
    """The exchange takes an order and its answer never comes; the session dies waiting for it."""
    original, left = Connection.call, [nth]

    async def call(self: Connection, endpoint: Any, *args: Any, **kwargs: Any) -> Any:
        if endpoint in ORDERS:
            left[0] -= 1
            if left[0] == 0:
                await _taken_unanswered(url, PATHS[endpoint], original(self, endpoint, *args, **kwargs))
        return await original(self, endpoint, *args, **kwargs)

    Connection.call = call  # type: ignore[method-assign]


async def _taken_unanswered(url: str, path: str, request: Any) -> None:
    async with Remote(url) as remote:
        before = remote.happened.get("hang", 0)
        await remote.say("plan", kind="hang", path=path)
        asking = asyncio.create_task(request)
        while remote.happened.get("hang", 0) == before:
            if asking.done() and isinstance(asking.exception(), CallFailed):
                break
            await asyncio.sleep(LOOK_S)
            await remote.look()
        die()


STEPS: dict[str, tuple[Step, ...]] = {
    "decide": (trap(Chain, "decide", "before", 6), trap(Chain, "decide", "after", 6)),
    "hear": (trap(Chain, "hear", "before", 6), trap(Chain, "hear", "after", 6)),
    "journal": (
        trap(Journal, "brought", "after", 12),
        trap(SqliteStore, "commit", "before", 16),
        trap(SqliteStore, "commit", "after", 16),
        trap(Runner, "snapshot", "after", 2),
        trap(Journal, "sent", "before", 6),
        trap(Journal, "sent", "after", 6),
    ),
    "send": (trap(Connection, "call", "before", 8, sends),),
    "accepted": (Step(unanswered, 8), trap(Connection, "call", "after", 8, sends)),
    "unprotected": (trap(BinanceBroker, "submit", "before", 2, protects),),
    "amend": (trap(Sender, "cancel", "before", 2, replaces), trap(Sender, "cancel", "after", 2, replaces)),
}
WARMING: tuple[Step, ...] = (trap(Session, "warm", "after", 4),)  # at the very beginning, before anything is decided
# Within a start; each is passed once, or as often as there was something to do again.
RECOVERY: tuple[Step, ...] = (
    trap(Session, "resume", "after", 1),
    trap(Replay, "entry", "after", 10),
    trap(recovery, "drive", "after", 1),
    trap(BinanceBroker, "open", "before", 1),
    trap(BinanceBroker, "open", "after", 1),
    trap(BinanceBroker, "missed", "before", 1),
    trap(BinanceBroker, "missed", "after", 1),
    trap(BinanceBroker, "submit", "before", 1),
    trap(BinanceBroker, "submit", "after", 1),
    trap(Connection, "call", "before", 2, sends),
    trap(Connection, "call", "after", 2, sends),
    trap(startup, "reconcile", "before", 1),
    trap(startup, "reconcile", "after", 1),
    Step(unanswered, 2),
)
