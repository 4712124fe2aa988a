"""The candle store: one parquet file per series, its own description inside it, and a catalogue over all of them.

    <root>/catalogue.json                              index: kind, symbol, timeframe, first, last, rows, digest
    <root>/candles/<timeframe>/<SYMBOL>.parquet        open_time open high low close volume quote_volume trades
    <root>/mark/<timeframe>/<SYMBOL>.parquet           open_time open high low close
    <root>/funding/<SYMBOL>.parquet                    funding_time funding_rate
    <root>/.../<SYMBOL>.parts/<from>-<to>.parquet      pages of an unfinished download
    <root>/contracts/exchange_info_<date>.json         the exchange's answer
    <root>/contracts/leverage_brackets_<date>.parquet

The files are the truth. The catalogue repeats what each says of itself, so that a listing opens none of them, and is
brought up to date with them whenever they are newer. Every write is whole or not at all; writers take turns by a lock.
"""

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from qt_core.errors import DataError
from qt_core.io.checks import require_sound
from qt_core.io.contracts import BracketTable, SpecTable, read_brackets, read_exchange_info
from qt_core.io.files import Columns, columns_digest, read_json, read_metadata, read_parquet, write_json, write_parquet
from qt_core.io.series import (
    COLUMNS,
    KINDS,
    OPTIONAL_COLUMNS,
    SeriesEntry,
    SeriesKey,
    covered,
    merge_rows,
    part_span,
    problems_of,
)
from qt_core.io.spans import Spans, union

ROOT_ENV = "QT_DATA_DIR"
CATALOGUE = "catalogue.json"
CONTRACTS = "contracts"
_VERSION = 1
_META = "quantum_trader"  # key of a file's own description in its parquet metadata


def default_root() -> Path:
    """The store's folder: environment variable QT_DATA_DIR, else ``./data``."""
    return Path(os.environ.get(ROOT_ENV) or "data")


class CandleStore:
    """A folder of series. Reading never writes; every method raises DataError naming the file."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @staticmethod
    def matches(root: Path) -> bool:
        """Whether a folder is a store."""
        return (root / CATALOGUE).exists() or any((root / kind).is_dir() for kind in KINDS)

    # --- reading ---------------------------------------------------------------------------------------------------
    def path(self, key: SeriesKey) -> Path:
        """File of a series, existing or not."""
        folder = self.root / key.kind
        return (folder / key.timeframe if key.timeframe else folder) / f"{key.symbol}.parquet"

    def read(self, key: SeriesKey) -> Columns:
        """Rows of a series, pages of an unfinished download included.

        Raises
        ------
        DataError
            If there is none, a file is corrupt, or the rows are unsound.
        """
        columns = self.read_unchecked(key)
        require_sound(problems_of(key, columns), str(self.path(key)))
        return columns

    def digest_holds(self, key: SeriesKey) -> bool:
        """Whether a file's rows are those it was written with; True for files that carry no digest."""
        about = json.loads(read_metadata(self.path(key)).get(_META, "{}"))
        columns = read_parquet(self.path(key), COLUMNS[key.kind], OPTIONAL_COLUMNS)
        return about.get("digest") in (None, columns_digest(columns))

    def read_unchecked(self, key: SeriesKey) -> Columns:
        """Rows of file and pages, unchecked."""
        paths = ([self.path(key)] if self.path(key).exists() else []) + self._parts(key)
        if not paths:
            what = f"{key.kind} {key.timeframe}".strip()
            raise DataError(f"{self.root}: no {what} of {key.symbol}; expected a file {self.path(key)}")
        tables = [read_parquet(path, COLUMNS[key.kind], OPTIONAL_COLUMNS) for path in paths]
        return tables[0] if len(tables) == 1 else merge_rows(key, tables)

    def has(self, key: SeriesKey) -> bool:
        """Whether there is a file or a page of a series."""
        return self.path(key).exists() or self.has_parts(key)

    def has_parts(self, key: SeriesKey) -> bool:
        """Whether there are pages of a download that has not been completed."""
        return bool(self._parts(key))

    def series(self) -> tuple[SeriesKey, ...]:
        """Every series with a file or pages, sorted."""
        found = set()
        for kind in KINDS:
            for item in (self.root / kind).rglob("*"):
                if item.suffix in (".parquet", ".parts") and item.parent.suffix != ".parts" and item.name[0] != ".":
                    timeframe = "" if kind == "funding" else item.parent.name
                    found.add(SeriesKey(kind, item.stem, timeframe))
        return tuple(sorted(found))

    def symbols(self, kind: str, timeframe: str) -> tuple[str, ...]:
        """Symbols that have such a series, sorted."""
        return tuple(key.symbol for key in self.series() if key.kind == kind and key.timeframe == timeframe)

    def entries(self) -> dict[SeriesKey, SeriesEntry]:
        """The catalogue, with what has changed on disk since it was written; nothing is written."""
        known = self.catalogue()
        return {key: self._entry(key, known.get(key)) for key in self.series() if self.path(key).exists()}

    def catalogue(self) -> dict[SeriesKey, SeriesEntry]:
        """The catalogue as it was last written."""
        path = self.root / CATALOGUE
        if not path.exists():
            return {}
        data = read_json(path)
        try:
            rows = [SeriesEntry(**{**row, "asked": tuple(map(tuple, row["asked"]))}) for row in data["files"]]
        except (KeyError, TypeError) as error:
            raise DataError(f"{path}: {error!r}; a catalogue as `qt data` writes it expected") from error
        return {row.key: row for row in rows}

    def unfinished(self) -> tuple[SeriesKey, ...]:
        """Series with pages of a download that has not been completed."""
        return tuple(key for key in self.series() if self.has_parts(key))

    def asked(self, key: SeriesKey) -> Spans:
        """Spans for which the source has already answered."""
        spans: list[tuple[int, int]] = [part_span(path) for path in self._parts(key)]
        if self.path(key).exists():
            spans += self._entry(key, self.catalogue().get(key)).asked
        return union(spans)

    def contract_files(self) -> tuple[Path, ...]:
        """Snapshots of specs and brackets, sorted."""
        return tuple(sorted((self.root / CONTRACTS).glob("[!.]*.*")))

    def specs(self) -> "SpecTable | None":
        """The latest exchangeInfo answer, or None."""
        paths = sorted((self.root / CONTRACTS).glob("exchange_info_*.json"))
        return read_exchange_info(paths[-1]) if paths else None

    def brackets(self) -> "BracketTable | None":
        """The latest bracket snapshot, or None."""
        paths = sorted((self.root / CONTRACTS).glob("leverage_brackets_*.parquet"))
        return read_brackets(paths[-1]) if paths else None

    # --- writing ---------------------------------------------------------------------------------------------------
    def merge(self, key: SeriesKey, columns: Columns) -> SeriesEntry:
        """Add rows to a series: new ones are inserted, those at a time already there replaced.

        ``columns`` must be sound by themselves and so must the result, else DataError and nothing is written.
        """
        require_sound(problems_of(key, columns), f"new rows for {self.path(key)}")
        with self._lock():
            return self._write(key, [columns], covered(key, columns))

    def add_part(self, key: SeriesKey, columns: Columns, span: tuple[int, int]) -> None:
        """Keep one page of a download that answers for ``span``; ``finish`` makes a series of the pages."""
        if len(columns[key.time_column]):
            require_sound(problems_of(key, columns), f"page of {key.kind} {key.symbol} {key.timeframe}".strip())
        write_parquet(self._parts_folder(key) / f"{span[0]}-{span[1]}.parquet", columns)

    def finish(self, key: SeriesKey) -> "SeriesEntry | None":
        """Merge the pages of a download into the series; None if there are no pages, or no row in any."""
        if not self.has_parts(key):
            return None
        with self._lock():
            parts = self._parts(key)
            pages = [read_parquet(path, COLUMNS[key.kind], OPTIONAL_COLUMNS) for path in parts]
            entry = None
            if self.path(key).exists() or any(len(page[key.time_column]) for page in pages):
                entry = self._write(key, pages, union(part_span(path) for path in parts))
            shutil.rmtree(self._parts_folder(key))
            return entry

    def refresh(self) -> dict[SeriesKey, SeriesEntry]:
        """Bring the catalogue up to date with the files and return it."""
        with self._lock():
            entries = self.entries()
            self._write_catalogue(entries)
        return entries

    # --- inside ----------------------------------------------------------------------------------------------------
    def _parts_folder(self, key: SeriesKey) -> Path:
        return self.path(key).with_suffix(".parts")

    def _parts(self, key: SeriesKey) -> list[Path]:
        return sorted(self._parts_folder(key).glob("[0-9]*-[0-9]*.parquet"), key=part_span)

    def _write(self, key: SeriesKey, new: list[Columns], asked: Spans) -> SeriesEntry:
        path = self.path(key)
        old = [read_parquet(path, COLUMNS[key.kind], OPTIONAL_COLUMNS)] if path.exists() else []
        before = self._entry(key, None).asked if path.exists() else ()
        columns = merge_rows(key, old + new)
        require_sound(problems_of(key, columns), str(path))
        for left_over in path.parent.glob(f".{path.name}.*.tmp"):  # of a writer that was killed; we hold the lock
            left_over.unlink()
        about = {"asked": union([*before, *asked]), "digest": columns_digest(columns)}
        write_parquet(path, columns, {_META: json.dumps(about)})
        entries = self.catalogue()
        entries[key] = self._entry(key, None)
        self._write_catalogue(entries)
        return entries[key]

    def _entry(self, key: SeriesKey, known: "SeriesEntry | None") -> SeriesEntry:
        path = self.path(key)
        stat = path.stat()
        if known is not None and (known.size, known.mtime_ns) == (stat.st_size, stat.st_mtime_ns):
            return known
        about = json.loads(read_metadata(path).get(_META, "{}"))
        columns = read_parquet(path, COLUMNS[key.kind], OPTIONAL_COLUMNS)
        time = columns[key.time_column]
        first, last = (int(time.min()), int(time.max())) if len(time) else (0, -1)
        return SeriesEntry(
            path=path.relative_to(self.root).as_posix(),
            kind=key.kind,
            symbol=key.symbol,
            timeframe=key.timeframe,
            first_ms=first,
            last_ms=last,
            rows=len(time),
            digest=columns_digest(columns),
            asked=union(about["asked"] if "asked" in about else covered(key, columns)),
            size=stat.st_size,
            mtime_ns=stat.st_mtime_ns,
        )

    def _write_catalogue(self, entries: dict[SeriesKey, SeriesEntry]) -> None:
        rows: list[dict[str, Any]] = [asdict(entries[key]) for key in sorted(entries)]
        write_json(self.root / CATALOGUE, {"version": _VERSION, "files": rows})

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        self.root.mkdir(parents=True, exist_ok=True)
        with open(self.root / ".lock", "w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
