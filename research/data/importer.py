"""Import of files into the store: everything is read and checked first, then written, so bad input writes nothing."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from qt_core.errors import DataError
from qt_core.io.checks import require_sound
from qt_core.io.contracts import BRACKET_COLUMNS, exchange_info_answer, parse_exchange_info, read_brackets
from qt_core.io.files import Columns, read_parquet, write_json, write_parquet
from qt_core.io.series import COLUMNS, OPTIONAL_COLUMNS, SeriesKey, merge_rows, problems_of
from qt_core.io.source import FolderSource
from qt_core.io.store import CONTRACTS, CandleStore
from qt_core.io.timeframes import TIMEFRAME_MS, ms_to_timeframe
from qt_core.market import utc_text
from research.data.vision import read_vision

_BULK = (".zip", ".csv")


class ImportReport(NamedTuple):
    """What an import wrote."""

    series: tuple[tuple[SeriesKey, int], ...]  # and rows read
    unfinished: int  # rows dropped: the bar had not closed
    contracts: tuple[str, ...]  # files of specs and brackets


class ImportTable(NamedTuple):
    """Rows of one file of one series."""

    key: SeriesKey
    columns: Columns
    where: str


def import_path(
    store: CandleStore,
    path: Path,
    now_ms: int,
    symbols: tuple[str, ...] = (),
    timeframe: str = "",
    kind: str = "",
) -> ImportReport:
    """Import a file or a folder.

    Parameters
    ----------
    path : a bulk zip or CSV of the exchange, a parquet file ``SYMBOL.parquet``, or a folder of such files at any
        depth; a folder with ``um_<timeframe>/`` is imported with its marks, funding, specs and brackets.
    now_ms : bars that had not closed by then are dropped and counted.
    symbols, timeframe, kind : import only these; where a file does not tell them, it is taken to be these.

    Raises
    ------
    DataError
        Naming the file (and row) on anything unsound, or if there is nothing to import; nothing is written then.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file or folder; something to import expected")
    structured = path.is_dir() and FolderSource.matches(path)
    tables = _folder_tables(path, timeframe) if structured else _loose_tables(path, symbols, timeframe, kind)
    chosen: dict[SeriesKey, list[ImportTable]] = defaultdict(list)
    unfinished = 0
    for table in tables:
        if _wanted(table.key, symbols, timeframe, kind):
            closed, dropped = _drop_unfinished(table, now_ms)
            require_sound(problems_of(closed.key, closed.columns), closed.where)
            chosen[closed.key].append(closed)
            unfinished += dropped
    if not chosen:
        raise DataError(f"{path}: nothing to import; bulk zip or CSV files, or parquet files of candles, expected")
    merged = {key: _one(parts) for key, parts in chosen.items()}
    contracts = _read_contracts(path) if structured else {}
    for key, columns in merged.items():
        store.merge(key, columns)
    for name, write in contracts.items():
        write(store.root / CONTRACTS / name)
    rows = tuple((key, len(columns[key.time_column])) for key, columns in sorted(merged.items()))
    return ImportReport(rows, unfinished, tuple(contracts))


def _wanted(key: SeriesKey, symbols: tuple[str, ...], timeframe: str, kind: str) -> bool:
    right_time = not timeframe or key.timeframe in ("", timeframe)
    return (not symbols or key.symbol in symbols) and right_time and (not kind or key.kind == kind)


def _drop_unfinished(table: ImportTable, now_ms: int) -> tuple[ImportTable, int]:
    if table.key.kind == "funding":
        return table, 0
    closed = table.columns["open_time"] + table.key.step_ms <= now_ms
    return table._replace(columns={k: v[closed] for k, v in table.columns.items()}), int(np.sum(~closed))


def _one(parts: list[ImportTable]) -> Columns:
    """Rows of several files of one series; where two files give the same bar they must agree."""
    merged = merge_rows(parts[0].key, [part.columns for part in parts])
    time_column = parts[0].key.time_column
    for part in parts if len(parts) > 1 and parts[0].key.kind != "funding" else ():
        rows = np.searchsorted(merged[time_column], part.columns[time_column])
        differs = np.abs(merged["close"][rows] - part.columns["close"]) > 0.0
        if differs.any():
            moment = utc_text(part.columns[time_column][int(np.argmax(differs))])
            raise DataError(f"{part.where}: bar {moment} differs from another file's; equal bars expected")
    return merged


def _folder_tables(path: Path, timeframe: str) -> Iterator[ImportTable]:
    """Series of a folder laid out by kind and timeframe."""
    source = FolderSource(path)
    for name in [timeframe] if timeframe else TIMEFRAME_MS:
        for symbol in source.symbols(name):
            where = f"{path.name} {symbol} {name}"
            yield ImportTable(SeriesKey("candles", symbol, name), source.candles(symbol, name), where)
            marks = source.marks(symbol, name)
            if marks is not None:
                yield ImportTable(SeriesKey("mark", symbol, name), marks, where)
    for symbol in source.funding_symbols():
        rows = source.funding(symbol)
        if rows is not None:
            yield ImportTable(SeriesKey("funding", symbol, ""), rows, f"{path.name} funding {symbol}")


def _loose_tables(path: Path, symbols: tuple[str, ...], timeframe: str, kind: str) -> Iterator[ImportTable]:
    """Series of bulk files and of single parquet files."""
    given = symbols[0] if len(symbols) == 1 and path.is_file() else ""
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.suffix in _BULK:
            key, columns = read_vision(file, given, timeframe if path.is_file() else "", kind)
            yield ImportTable(key, columns, str(file))
        elif file.suffix == ".parquet":
            yield parquet_table(file, given, timeframe, kind)


def parquet_table(file: Path, symbol: str, timeframe: str, kind: str) -> ImportTable:
    """One parquet file of one series; what is '' is read off the file.

    Raises
    ------
    DataError
        If columns are missing or the steps between rows are no timeframe.
    """
    columns = read_parquet(file)
    found = "funding" if "funding_time" in columns else "candles" if "volume" in columns else "mark"
    kind = kind or found
    missing = [name for name in COLUMNS[kind] if name not in columns]
    if missing:
        raise DataError(f"{file}: no column {', '.join(missing)}; {', '.join(COLUMNS[kind])} expected for {kind}")
    kept = {n: columns[n] for n in (*COLUMNS[kind], *OPTIONAL_COLUMNS) if n in columns}
    name = "" if kind == "funding" else timeframe or _usual_step(file, kept["open_time"])
    return ImportTable(SeriesKey(kind, symbol or file.stem, name), kept, str(file))


def _usual_step(file: Path, time: np.ndarray) -> str:
    """Timeframe by the most frequent step."""
    steps, counts = np.unique(np.diff(time), return_counts=True)
    if len(steps) == 0:
        raise DataError(f"{file}: one row tells no timeframe; --timeframe expected")
    try:
        return ms_to_timeframe(int(steps[np.argmax(counts)]))
    except DataError as error:
        raise DataError(f"{file}: {error}") from error


def _read_contracts(path: Path) -> dict[str, Callable[[Path], None]]:
    """Writers by file name of a folder's bracket snapshot and exchangeInfo answer, both checked."""
    source = FolderSource(path)
    writers: dict[str, Callable[[Path], None]] = {}
    brackets, info = source.brackets_file(), source.exchange_info_file()
    if brackets is not None:
        columns = read_parquet(brackets, BRACKET_COLUMNS)
        read_brackets(brackets)
        writers[brackets.name] = lambda target: write_parquet(target, columns)
    if info is not None:
        answer = exchange_info_answer(info)
        name = f"exchange_info_{parse_exchange_info(answer, str(info)).as_of}.json"
        writers[name] = lambda target: write_json(target, answer)
    return writers
