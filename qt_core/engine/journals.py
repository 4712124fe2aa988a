"""Memory of the journal: growing it during a run, and passing it on to the next run of the process.

Fresh memory costs more than the rows written into it, so a finished run leaves its journal (once the rows are copied into
the Result) to the next one of the same size.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from qt_core.state import (
    KEEP_DECISIONS,
    KEEP_EVENTS,
    KEEP_TRADES,
    N_DECISIONS,
    N_EVENTS,
    N_TRADES,
    Out,
    make_out,
    records,
    requests_room,
)

_SPARE: list[Out] = []
_SPARE_BYTES = 64 << 20  # a larger journal is not kept


def take_journal(n_symbols: int, keep: tuple[bool, bool, bool]) -> Out:
    """An empty journal that keeps (trades, decisions, events), in a finished run's memory where it fits."""
    while True:
        try:
            out = _SPARE.pop()
        except IndexError:  # empty, or another thread was faster
            break
        if len(out.requests) == requests_room(n_symbols) and len(out.scratch) == n_symbols:
            out.n[:] = 0
            out.n[KEEP_TRADES], out.n[KEEP_DECISIONS], out.n[KEEP_EVENTS] = keep
            out.counters[:] = 0
            out.tally[:] = 0
            return out
    return make_out(n_symbols, keep=keep)


def give_back(out: Out) -> None:
    """Leave a journal whose rows have been copied to the next run."""
    if not _SPARE and out.trades.nbytes + out.decisions.nbytes + out.events.nbytes <= _SPARE_BYTES:
        _SPARE.append(out)


def _grown(rows: npt.NDArray[Any], used: int) -> npt.NDArray[Any]:
    bigger = np.zeros(4 * len(rows), dtype=rows.dtype)
    bigger[:used] = rows[:used]
    return records(bigger)


def grow(out: Out) -> Out:
    """The same journal with four times the room for what it keeps."""
    grown = out
    for name, count, keep in (
        ("trades", N_TRADES, KEEP_TRADES),
        ("decisions", N_DECISIONS, KEEP_DECISIONS),
        ("events", N_EVENTS, KEEP_EVENTS),
    ):
        if out.n[keep]:
            grown = grown._replace(**{name: _grown(getattr(out, name), int(out.n[count]))})
    return grown
