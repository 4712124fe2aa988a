"""A series of the store: its name, its columns, its catalogue line, and how rows of several tables become one."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from qt_core.io.checks import Problem, find_funding_problems, find_problems
from qt_core.io.files import Columns
from qt_core.io.spans import Spans
from qt_core.io.timeframes import timeframe_to_ms

KINDS = ("candles", "mark", "funding")
COLUMNS: dict[str, tuple[str, ...]] = {
    "candles": ("open_time", "open", "high", "low", "close", "volume"),
    "mark": ("open_time", "open", "high", "low", "close"),
    "funding": ("funding_time", "funding_rate"),
}
OPTIONAL_COLUMNS = ("quote_volume", "trades")
_SETTLEMENT_MS = 60_000  # funding settles on full minutes


class SeriesKey(NamedTuple):
    """Name of one series; ``timeframe`` is '' for funding."""

    kind: str
    symbol: str
    timeframe: str

    @property
    def time_column(self) -> str:
        return COLUMNS[self.kind][0]

    @property
    def step_ms(self) -> int:
        """Length of one row's span; 1 for funding, which happens at a moment."""
        return 1 if self.kind == "funding" else timeframe_to_ms(self.timeframe)


@dataclass(frozen=True)
class SeriesEntry:
    """One line of the catalogue.

    ``asked`` are spans ``[from, to)`` for which the source has said all it has: holes inside them are the source's own.
    ``size`` and ``mtime_ns`` tell whether the file has changed since.
    """

    path: str
    kind: str
    symbol: str
    timeframe: str
    first_ms: int
    last_ms: int
    rows: int
    digest: str
    asked: Spans
    size: int
    mtime_ns: int

    @property
    def key(self) -> SeriesKey:
        return SeriesKey(self.kind, self.symbol, self.timeframe)


def part_span(path: Path) -> tuple[int, int]:
    """The span that a page of a download answers for, from its name."""
    first, _, last = path.stem.partition("-")
    return int(first), int(last)


def problems_of(key: SeriesKey, columns: Columns, now_ms: "int | None" = None) -> list[Problem]:
    """Problems of a series of any kind; see qt_core.io.checks."""
    if key.kind == "funding":
        return find_funding_problems(columns)
    return find_problems(columns, key.step_ms, now_ms)


def covered(key: SeriesKey, columns: Columns) -> Spans:
    """Spans that rows of unknown origin answer for: runs without a hole; all of it for funding."""
    time = columns[key.time_column]
    if len(time) == 0:
        return ()
    if key.kind == "funding":
        return ((int(time[0]), int(time[-1]) + key.step_ms),)
    breaks = np.flatnonzero(np.diff(time) != key.step_ms)
    first, last = time[np.append(0, breaks + 1)], time[np.append(breaks, len(time) - 1)]
    return tuple((int(a), int(b) + key.step_ms) for a, b in zip(first, last, strict=True))


def merge_rows(key: SeriesKey, tables: list[Columns]) -> Columns:
    """Rows of all tables by time; of rows at the same time the last table's stands.

    Two stamps of one funding settlement may lie some ms apart: the minute decides.
    """
    names = [n for n in (*COLUMNS[key.kind], *OPTIONAL_COLUMNS) if any(n in t for t in tables)]
    lengths = [len(t[key.time_column]) for t in tables]
    joined = {
        n: np.concatenate([t.get(n, np.full(rows, np.nan)) for t, rows in zip(tables, lengths, strict=True)])
        for n in names
    }
    time = joined[key.time_column]
    rank = np.argsort(time, kind="stable")
    unit = _SETTLEMENT_MS if key.kind == "funding" else 1
    last_of_time = np.append(np.diff((time[rank] + unit // 2) // unit) != 0, True)[: len(rank)]
    return {n: values[rank][last_of_time] for n, values in joined.items()}
