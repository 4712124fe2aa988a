"""What the HEAL_* actions do: each maker returns a ``Recovery`` for ``live.healing.Healer``."""

import ctypes
import gc
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from live.errors import LiveError
from live.healing import Recovery
from live.health import HealthReport
from live.tasks import Supervisor, in_thread, within
from qt_core.codes import CMD_EXIT
from qt_core.engine.script import Command

STEP_S = 30.0  # one part of a recovery, for example one reconnection (our choice; half of a recovery's timeout)
Step = Callable[[], Awaitable[Any]]


def restart(supervisor: Supervisor, *names: str, first: "Step | None" = None, step_s: float = STEP_S) -> Recovery:
    """HEAL_RESTART: ``first`` (for example: reopen the database), then every dead task and those named."""

    async def recover(report: HealthReport) -> str:
        if first is not None:
            await within(step_s, first(), "what comes before the restart")
        todo = list(dict.fromkeys([*supervisor.dead(), *names]))
        for name in todo:
            await supervisor.restart(name, step_s)
        return f"restarted {', '.join(todo) or 'nothing: no task is dead'}"

    return recover


def clear_caches(*clear: Callable[[], Any]) -> Recovery:
    """HEAL_CLEAR_CACHE: each ``clear``, then the garbage collector, then freed memory goes back to the system.

    ``clear`` runs on the loop, where its caches are used; the collector's pass is in a thread but holds the interpreter.
    """

    async def recover(report: HealthReport) -> str:
        for one in clear:
            one()
        found = await in_thread(_collect, "health: collector")
        return f"{len(clear)} caches cleared, {found} objects collected"

    return recover


def _collect() -> int:
    found = gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc keeps freed memory otherwise; musl has none
        if trim is not None:
            trim(0)
    return found


def in_order(what: str, *steps: "tuple[str, Step]", step_s: float = STEP_S) -> Recovery:
    """Named steps one after the other, all of them even where one fails; for HEAL_RECONNECT and HEAL_RELOAD_MODELS.

    The recovery raises LiveError naming the steps that failed.
    """

    async def recover(report: HealthReport) -> str:
        bad = []
        for name, step in steps:
            try:
                await within(step_s, step(), f"{what} {name}")
            except Exception as error:
                bad.append(f"{name} ({type(error).__name__}: {error})")
        if bad:
            raise LiveError(f"{what}: {'; '.join(bad)}")
        return f"{what}: {', '.join(name for name, _ in steps)}"

    return recover


def close_positions(open_symbols: Callable[[], Sequence[int]], tell: Callable[[Command], None]) -> Recovery:
    """HEAL_CLOSE_POSITIONS: the chain is told to exit every open symbol; an exit already at work is not doubled there."""

    async def recover(report: HealthReport) -> str:
        symbols = tuple(open_symbols())
        for symbol in symbols:
            tell(Command(report.time_ms, CMD_EXIT, {"symbol": symbol}))
        return f"asked to close {len(symbols)} positions"

    return recover
