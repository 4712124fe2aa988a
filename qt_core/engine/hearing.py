"""How a session hears its script: commands through ``on_event``, the venue's share of a fault, the bar they fall in."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from qt_core import records as rec
from qt_core.codes import CMD_BUSY, CMD_SPREAD, COMMAND_NAMES, EV_COMMAND
from qt_core.engine.journals import grow
from qt_core.engine.run import (
    EVENT_ROOM,
    TRADE_ROOM,
    step_bar,
    step_begin,
    step_end,
    step_event,
    step_guard,
    step_match,
    step_submit,
)
from qt_core.engine.script import Command, Script
from qt_core.faults import FaultError
from qt_core.market import NEVER_MS, utc_text
from qt_core.state import CANDIDATE_CAP, KEEP_DECISIONS, KEEP_EVENTS, KEEP_TRADES, N_DECISIONS, N_EVENTS, N_TRADES

if TYPE_CHECKING:
    from qt_core.engine.session import Session

HALF = 0.5  # of the spread: what a taker pays against the middle


def check_script(script: Script, s: "Session") -> None:
    """Refuse a script made for another market.

    Raises
    ------
    FaultError
        A command outside the session's bars, an unknown command or field, or a symbol that is none.
    """
    first, last = int(s.bars.time[0]), int(s.bars.time[-1]) + s.bars.bar_ms
    n = s.state.symbol.shape[0]
    for c in script.commands:
        name = COMMAND_NAMES[c.command] if 0 < c.command < len(COMMAND_NAMES) else None
        if name is None:
            raise FaultError(f"script: command {c.command}; expected 1 to {len(COMMAND_NAMES) - 1}")
        if not first <= c.time_ms < last:
            raise FaultError(
                f"script: {name} at {utc_text(c.time_ms)}; expected {utc_text(first)} or later, before {utc_text(last)}"
            )
        unknown = set(c.fields) - set(rec.EVENT_DT.names or ())
        if unknown:
            raise FaultError(f"script: {name}: unknown field {min(unknown)}; expected fields of an event")
        if not 0 <= int(c.fields.get("symbol", 0)) < n:
            raise FaultError(f"script: {name}: symbol {c.fields['symbol']}; expected 0 to {n - 1}")


def speak(s: "Session", f: int, command: Command) -> None:
    """One command, answered; what it asks of the venue is submitted at the last prices of bar ``f``."""
    event = np.asarray(s.out.event).view(rec.EVENT_DT)
    event[0] = np.zeros(1, rec.EVENT_DT)[0]
    event[0]["kind"], event[0]["time_ms"], event[0]["command"] = EV_COMMAND, command.time_ms, command.command
    for name, value in command.fields.items():
        event[0][name] = value
    _tell_venue(s, command)
    _make_room(s)
    step_event(s.params, s.state, s.out)
    step_submit(s.params, s.venue, s.bars, f, s.out)


def _make_room(s: "Session") -> None:
    """Room in the journal for whatever one bar or one command may write, as the compiled loop asks for it."""
    n, funding = s.state.symbol.shape[0], int(np.diff(s.bars.funding_start).max(initial=0))
    needs = (
        (N_TRADES, KEEP_TRADES, s.out.trades, TRADE_ROOM * n + 8),
        (N_EVENTS, KEEP_EVENTS, s.out.events, EVENT_ROOM * n + 64 + funding),
    )
    for count, keep, rows, room in (*needs, (N_DECISIONS, KEEP_DECISIONS, s.out.decisions, CANDIDATE_CAP)):
        if s.out.n[keep] and len(rows) - int(s.out.n[count]) < room:
            s.out = grow(s.out)
            _make_room(s)
            return


def _tell_venue(s: "Session", command: Command) -> None:
    """A busy exchange refuses the next opening orders; a spread wider than the usual slippage worsens fills."""
    i = int(command.fields.get("symbol", 0))
    if command.command == CMD_BUSY:
        s.venue.symbol["busy"][i] += int(command.fields.get("qty", 0))
    elif command.command == CMD_SPREAD:
        spread = float(command.fields.get("value", np.nan))
        worse = HALF * spread - float(s.params.venue.slippage) if spread > 0.0 else 0.0
        s.venue.symbol["extra_slippage"][i] = max(0.0, worse)


def next_scripted(s: "Session", f: int) -> int:
    """First bar from ``f`` on at which a command is heard; the number of bars where there is none."""
    at = s.script.next_at(int(s.bars.time[f])) if f < s.n_bars else NEVER_MS
    if at == NEVER_MS:
        return s.n_bars
    return max(f, int(np.searchsorted(s.bars.time, at, side="right")) - 1)


def hear_before(s: "Session") -> None:
    """Speak what is heard between the bars, just before the session's next bar opens."""
    f = s.next_bar
    for command in s.script.before(int(s.bars.time[f])):
        speak(s, max(f - 1, 0), command)


def speaks_inside(s: "Session") -> bool:
    """True where a command falls inside the session's next bar."""
    open_ms = int(s.bars.time[s.next_bar])
    return bool(s.script.inside(open_ms, open_ms + s.bars.bar_ms))


def play_bar(s: "Session") -> None:
    """The session's next bar, step by step, with the commands of its inside before the decision."""
    f = s.next_bar
    _make_room(s)
    step_begin(s.params, s.venue, s.bars, f)
    while step_match(s.params, s.venue, s.bars, f, s.out):
        step_event(s.params, s.state, s.out)
        step_submit(s.params, s.venue, s.bars, f, s.out)
    step_end(s.venue, s.bars, f)
    open_ms = int(s.bars.time[f])
    for command in s.script.inside(open_ms, open_ms + s.bars.bar_ms):
        speak(s, f, command)
    t = int(s.bars.decision[f])
    if t >= 0:
        step_bar(s.params, s.state, s.bars, f, s.rows, t, s.out)
    else:
        step_guard(s.params, s.state, s.bars, f, s.rows, s.out)
    step_submit(s.params, s.venue, s.bars, f, s.out)
    _note_curve(s, f)
    s.next_bar += 1


def _note_curve(s: "Session", f: int) -> None:
    """The account after the bar, as the compiled loop notes it."""
    row = int(s.bars.curve_row[f])
    if row < 0:
        return
    fund: npt.NDArray[Any] = np.asarray(s.state.fund).view(rec.FUND_DT)
    curve = np.asarray(s.curve).view(rec.CURVE_DT)
    curve["time_ms"][row] = fund["now_ms"][0]
    for name in rec.CURVE_DT.names or ():
        if name != "time_ms":
            curve[name][row] = fund[name][0]
