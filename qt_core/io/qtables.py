"""Q-tables as JSON files a person can read: visited cells by name, and the numbers that give them their meaning.

Layout (``qt-tables/1``)::

    {"format": "qt-tables/1", "digest": "0123456789abcdef", "shapes": {"size_q": [300, 25], ...},
     "meaning": {"sizer": {"confidence_high": 0.5, ...}, ...}, "note": {...},
     "size": {"low_vol_trending/high/light/neutral": {"x1.0 3x": {"q": 0.41477, "visits": 12}}}, "strategy": {...}}
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from qt_core.errors import DataError
from qt_core.io.files import read_json, write_json
from qt_core.tables import (
    KINDS,
    SHAPES,
    Meaning,
    QTables,
    TableError,
    action_names,
    blank_tables,
    check_tables,
    digest_of,
    meaning_of,
    same_meaning,
    state_names,
)

FORMAT = "qt-tables/1"
_KEYS = ("format", "digest", "shapes", "meaning", "note", *KINDS)


@dataclass(frozen=True)
class TableFile:
    """What a file holds: tables, what their cells stand for, and where they come from."""

    tables: QTables
    meaning: Meaning
    digest: str
    note: Mapping[str, Any] = field(default_factory=dict)


def write_tables(path: Path, tables: QTables, meaning: "Meaning | Any", note: "Mapping[str, Any] | None" = None) -> str:
    """Write tables atomically; returns their digest.

    Parameters
    ----------
    meaning : of ``meaning_of``, or the Params it is made of. note : provenance for people (seed, window ...), JSON values.

    Raises
    ------
    TableError
        If a table has another shape or an unsound number; nothing is written then.
    """
    meaning = meaning if isinstance(meaning, dict) else meaning_of(meaning)
    check_tables(tables, str(path))
    document: dict[str, Any] = {
        "format": FORMAT,
        "digest": digest_of(tables, meaning),
        "shapes": {name: list(shape) for name, shape in SHAPES.items()},
        "meaning": meaning,
        "note": dict(note or {}),
    }
    document.update({kind: _cells(tables, kind) for kind in KINDS})
    write_json(path, document)
    return str(document["digest"])


def _cells(tables: QTables, kind: str) -> dict[str, dict[str, dict[str, float]]]:
    """Cells that were visited (or hold a value), by state and action."""
    q, visits = tables.of(kind)
    states, actions = state_names(kind), action_names(kind)
    out: dict[str, dict[str, dict[str, float]]] = {}
    for i, j in np.argwhere((visits > 0) | (q != 0.0)).tolist():
        out.setdefault(states[i], {})[actions[j]] = {"q": float(q[i, j]), "visits": int(visits[i, j])}
    return out


def read_tables(path: Path, params: Any = None) -> TableFile:
    """Tables of a file.

    Parameters
    ----------
    params : ``Config.params()`` the tables are to serve; None = whatever the file says.

    Raises
    ------
    DataError, TableError
        Naming the file and what was expected: no JSON or cut short, another format, other shapes, an unknown state or
        action, a number that is none, another digest, or cells that mean something else under ``params``.
    """
    document = read_json(path)
    where = str(path)
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        found = document.get("format") if isinstance(document, dict) else type(document).__name__
        raise TableError(f"{where}: format {found!r}; expected {FORMAT}, as qt learn writes it")
    missing = [key for key in _KEYS if key not in document]
    unknown = [key for key in document if key not in _KEYS]
    if missing or unknown:
        what = f"{missing[0]} is missing" if missing else f"unknown key {unknown[0]!r}"
        raise TableError(f"{where}: {what}; expected {', '.join(_KEYS)}")
    _check_shapes(document["shapes"], where)
    meaning = _meaning(document["meaning"], where)
    tables = blank_tables()
    for kind in KINDS:
        _fill(tables, kind, document[kind], where)
    digest = digest_of(tables, meaning)
    if document["digest"] != digest:
        raise TableError(
            f"{where}: digest {document['digest']!r}; expected {digest!r}: the file was changed or damaged"
        )
    if params is not None:
        same_meaning(meaning, meaning_of(params), where)
    note = document["note"]
    return TableFile(tables, meaning, digest, note if isinstance(note, dict) else {})


def _check_shapes(shapes: Any, where: str) -> None:
    wanted = {name: list(shape) for name, shape in SHAPES.items()}
    if not isinstance(shapes, dict):
        raise TableError(f"{where}: shapes: {shapes!r}; expected {wanted}")
    for name, shape in wanted.items():
        if shapes.get(name) != shape:
            raise TableError(f"{where}: {name} has shape {shapes.get(name)}, expected {shape}")


def _meaning(given: Any, where: str) -> Meaning:
    if not isinstance(given, dict) or not all(isinstance(part, dict) for part in given.values()):
        raise TableError(f"{where}: meaning: expected parameters by section")
    return {
        part: {name: _number(where, f"meaning.{part}.{name}", value) for name, value in values.items()}
        for part, values in given.items()
    }


def _number(where: str, what: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        raise TableError(f"{where}: {what}: {value!r}; expected a finite number")
    return float(value)


def _fill(tables: QTables, kind: str, given: Any, where: str) -> None:
    """Write the listed cells into blank tables."""
    if not isinstance(given, dict):
        raise TableError(f"{where}: {kind}: expected cells by state")
    q, visits = tables.of(kind)
    row = {name: k for k, name in enumerate(state_names(kind))}
    column = {name: k for k, name in enumerate(action_names(kind))}
    for state, cells in given.items():
        if state not in row or not isinstance(cells, dict):
            raise TableError(f"{where}: {kind}: unknown state {state!r}; expected one such as {next(iter(row))!r}")
        for action, cell in cells.items():
            name = f"{kind}.{state}.{action}"
            if action not in column:
                raise TableError(f"{where}: {kind}: unknown action {action!r}; expected one of {', '.join(column)}")
            if not isinstance(cell, dict) or set(cell) != {"q", "visits"}:
                raise TableError(f"{where}: {name}: {cell!r}; expected q and visits")
            q[row[state], column[action]] = _number(where, f"{name}.q", cell["q"])
            visits[row[state], column[action]] = _count(where, f"{name}.visits", cell["visits"])


def _count(where: str, what: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise TableError(f"{where}: {what}: {value!r}; expected a whole number, 0 or more")
    return value


def read_all(paths: "list[Path]") -> list[TableFile]:
    """Several files whose cells mean the same.

    Raises
    ------
    DataError, TableError
        As ``read_tables``, or naming the first file that differs from the first one.
    """
    files = [read_tables(path) for path in paths]
    if not files:
        raise DataError("no file of Q-tables given; expected at least one")
    for path, one in zip(paths[1:], files[1:], strict=True):
        same_meaning(one.meaning, files[0].meaning, str(path))
    return files
