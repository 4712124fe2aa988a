"""Entries of the journal: every call of the chain with its inputs, as bytes that read back to the same arrays.

One entry is one thing that changed State or what decides: a closed bar, an event, a decision row, a guard. Beside each stand
check sums per symbol, so that an audit can say which symbol's input was altered after it was written.
"""

import json
import zlib
from typing import Any, NamedTuple

import numpy as np

from live.chain import DecisionRow
from live.ports import ClosedBar, Quote, Settlement
from qt_core import records as rec
from qt_core.errors import DataError

BAR, EVENT, DECIDE, GUARD, QUOTE, COMMAND, WARM, PASSED = 1, 2, 3, 4, 5, 6, 7, 8
KIND_NAMES = ("none", "bar", "event", "decide", "guard", "quote", "command", "warm-up bar", "passed bar")

Arrays = dict[str, Any]


class Entry(NamedTuple):
    """One row of the journal."""

    seq: int
    kind: int
    time_ms: int
    payload: bytes
    sums: bytes  # uint32 per symbol, or one
    digest: int  # of decisions, after the call; 0 where none was made
    state: bytes  # digest of State after the call; empty where not taken
    key: str = ""


def pack(arrays: Arrays) -> bytes:
    """Named arrays as one blob: a JSON line of names, dtypes and shapes, then their bytes."""
    head = [[name, a.dtype.str, list(a.shape)] for name, a in arrays.items()]
    return json.dumps(head).encode() + b"\n" + b"".join(np.ascontiguousarray(a).tobytes() for a in arrays.values())


def unpack(blob: bytes) -> Arrays:
    """The arrays of ``pack``, writable copies.

    Raises
    ------
    DataError
        If the blob is none of ours or was cut.
    """
    head, _, body = blob.partition(b"\n")
    try:
        rows = [(name, np.dtype(kind), tuple(shape)) for name, kind, shape in json.loads(head)]
    except (ValueError, TypeError) as error:
        raise DataError("journal entry has no readable head; one written by a live session expected") from error
    out, at = {}, 0
    for name, dtype, shape in rows:
        size = dtype.itemsize * int(np.prod(shape))
        if at + size > len(body):
            raise DataError(f"journal entry ends inside {name}; {at + size} bytes expected, {len(body)} found")
        out[name] = np.frombuffer(body[at : at + size], dtype=dtype).reshape(shape).copy()
        at += size
    return out


# --- bars ----------------------------------------------------------------------------------------------------------------


def _settled(rows: "tuple[Settlement, ...]") -> Any:
    return np.array([(s.time_ms, s.symbol, s.rate) for s in rows], dtype=np.float64).reshape(-1, 3)


def _columns(bar: ClosedBar, prefix: str = "") -> Arrays:
    return {
        f"{prefix}open_ms": np.array([bar.open_ms], dtype=np.int64),
        f"{prefix}px": bar.px,
        f"{prefix}volume": bar.volume,
        f"{prefix}quote_volume": bar.quote_volume,
        f"{prefix}valid": bar.valid,
        f"{prefix}settled": _settled(bar.settled),
        f"{prefix}late": np.array(bar.late, dtype=np.int64),
    }


def bar_arrays(bar: ClosedBar) -> Arrays:
    """A closed bar as named arrays."""
    arrays = _columns(bar)
    if bar.due is not None:
        arrays["due"] = _settled(bar.due)
    if bar.coarse is not None:
        arrays |= _columns(bar.coarse, "coarse_")
    return arrays


def _bar(arrays: Arrays, prefix: str = "") -> ClosedBar:
    return ClosedBar(
        open_ms=int(arrays[f"{prefix}open_ms"][0]),
        px=arrays[f"{prefix}px"],
        volume=arrays[f"{prefix}volume"],
        quote_volume=arrays[f"{prefix}quote_volume"],
        valid=arrays[f"{prefix}valid"],
        settled=_settlements(arrays[f"{prefix}settled"]),
        late=tuple(int(i) for i in arrays[f"{prefix}late"]),
    )


def _settlements(rows: Any) -> tuple[Settlement, ...]:
    return tuple(Settlement(int(t), int(i), float(r)) for t, i, r in rows)


def bar_of(arrays: Arrays) -> ClosedBar:
    """The closed bar of such arrays."""
    bar = _bar(arrays)
    if "due" in arrays:
        bar = bar._replace(due=_settlements(arrays["due"]))
    return bar._replace(coarse=_bar(arrays, "coarse_")) if "coarse_px" in arrays else bar


# --- decisions, events, quotes -------------------------------------------------------------------------------------------


def row_arrays(row: DecisionRow, with_correlation: bool) -> Arrays:
    """A decision's inputs; the correlations only where they changed since the last entry (made once a day)."""
    arrays = row._asdict()
    if not with_correlation:
        del arrays["correlation"]
    return arrays


def row_of(arrays: Arrays, correlation: Any) -> DecisionRow:
    """The decision row of such arrays, with the correlations in force."""
    return DecisionRow(**{"correlation": correlation, **arrays})


def event_arrays(row: Any) -> Arrays:
    """An event or command."""
    return {"event": np.array([row], dtype=rec.EVENT_DT).view(np.uint8).reshape(1, -1)}


def event_of(arrays: Arrays) -> Any:
    """The EVENT_DT scalar of such arrays."""
    return arrays["event"].reshape(-1).view(rec.EVENT_DT)[0]


def quote_arrays(quote: Quote) -> Arrays:
    """Prices of a guard between bars."""
    return {"time_ms": np.array([quote.time_ms]), "last": quote.last, "mark": quote.mark, "age_ms": quote.age_ms}


def quote_of(arrays: Arrays) -> Quote:
    """The quote of such arrays."""
    return Quote(int(arrays["time_ms"][0]), arrays["last"], arrays["mark"], arrays["age_ms"])


# --- check sums ----------------------------------------------------------------------------------------------------------


def sums_of(arrays: Arrays, n_symbols: int) -> bytes:
    """A check sum per symbol over what is the symbol's own, and a last one over the whole.

    An array belongs to symbols where its first axis (after a leading one of 1) has as many entries as there are symbols.
    """
    sums, whole = [0] * n_symbols, 0
    for name, a in arrays.items():
        shape, data = np.shape(a), np.ascontiguousarray(a).tobytes()
        whole = zlib.crc32(data, zlib.crc32(name.encode(), whole))
        own = shape[1:] if len(shape) > 1 and shape[0] == 1 else shape
        if own and own[0] == n_symbols:
            view, size = memoryview(data), len(data) // n_symbols
            sums = [zlib.crc32(view[k * size : (k + 1) * size], s) for k, s in enumerate(sums)]
    return np.array([*sums, whole], dtype=np.uint32).tobytes()


def altered(arrays: Arrays, sums: bytes, n_symbols: int) -> "list[int] | None":
    """Symbols whose arrays do not give their sums; an empty list where only the whole differs, None where all is well."""
    if sums_of(arrays, n_symbols) == sums:
        return None
    now = np.frombuffer(sums_of(arrays, n_symbols), dtype=np.uint32)
    then = np.frombuffer(sums, dtype=np.uint32)
    if len(now) != len(then):
        return []
    return [int(i) for i in np.flatnonzero(now[:-1] != then[:-1])]
