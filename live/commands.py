"""What a person may say to a running session, and how it reaches the chain."""

import asyncio
import getpass
import os
import time
from typing import Any, NamedTuple

from live.adapters.store_sqlite import SqliteStore
from live.errors import LiveError
from qt_core.codes import (
    CMD_ESS_RESET,
    CMD_ESS_TRIP,
    CMD_EXIT,
    CMD_HALT,
    CMD_OVERRIDE,
    CMD_PAUSE,
    CMD_RELEASE,
)
from qt_core.engine.script import BY_PERSON

STOP = "stop"
EMERGENCY, RESET = "emergency-stop", "reset"
WAITING, DONE, REFUSED = "waiting", "done", "refused"
POLL_S = 0.05
SWITCHES = (("emergency stop latched", "ess_latched"), ("paused", "paused"), ("halted", "halted"))


class Told(NamedTuple):
    """A command as the chain hears it."""

    command: int  # codes.CMD_*
    fields: dict[str, Any]
    guard: bool  # act at once on the newest prices, not at the next close


CHAIN: dict[str, tuple[int, bool]] = {
    EMERGENCY: (CMD_ESS_TRIP, True),
    RESET: (CMD_ESS_RESET, False),
    "pause": (CMD_PAUSE, False),
    "halt": (CMD_HALT, False),
    "release": (CMD_RELEASE, False),
    "exit": (CMD_EXIT, False),
    "override": (CMD_OVERRIDE, False),
}
OF_SYMBOL = ("exit", "override")


def told(name: str, args: dict[str, Any], symbols: tuple[str, ...]) -> Told:
    """A command by name.

    Raises
    ------
    LiveError
        If there is none of that name, its symbol is none of the session's, or a reset has no reason.
    """
    if name not in CHAIN:
        raise LiveError(f"unknown command {name!r}; expected one of {', '.join((STOP, *CHAIN))}")
    command, guard = CHAIN[name]
    fields: dict[str, Any] = {}
    if name in OF_SYMBOL:
        symbol = args.get("symbol")
        if symbol not in symbols:
            raise LiveError(f"{name}: unknown symbol {symbol!r}; the session has {', '.join(symbols)}")
        fields["symbol"] = symbols.index(symbol)
    if name == RESET:
        if not str(args.get("reason") or "").strip():
            raise LiveError("reset: a reason expected, for whoever reads the journal")
        fields["reason"] = BY_PERSON
    return Told(command, fields, guard)


def switches(fund: Any) -> str:
    """What a command has left: latch, pause, halt, what is open."""
    on = [name for name, field in SWITCHES if fund[field] != 0]
    held = f"{int(fund['n_open'])} positions open, {int(fund['n_pending'])} entries working"
    return f"{', '.join(on) or 'nothing is stopped'}; {held}"


def who() -> str:
    """Whose command it is, for the journal."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = str(os.getuid())
    return f"{name}, process {os.getpid()}"


def say(store: SqliteStore, name: str, args: dict[str, Any], wait_s: float) -> str:
    """Leave a command for the session and wait for its answer.

    Raises
    ------
    LiveError
        If the session refused it, or nobody answered in time.
    """
    number = store.leave_command(name, args, who())
    deadline = time.monotonic() + wait_s
    while time.monotonic() < deadline:
        found = store.command(number)
        if found is not None and found[0] != WAITING:
            if found[0] == REFUSED:
                raise LiveError(found[1])
            return found[1]
        time.sleep(POLL_S)
    raise LiveError(f"{name}: no answer within {wait_s:g} s; is the session running? The command waits in its journal")


async def pause(seconds: float, stop: asyncio.Event) -> bool:
    """Wait, but no longer than until ``stop``; True where it was set."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return stop.is_set()
    return True
