"""What is wrong with stored or given data: every series checked, nothing changed."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qt_core.errors import DataError
from qt_core.io.checks import Problem
from qt_core.io.contracts import read_brackets, read_exchange_info
from qt_core.io.files import Columns, read_parquet
from qt_core.io.series import COLUMNS, OPTIONAL_COLUMNS, SeriesKey, problems_of
from qt_core.io.source import FolderSource
from qt_core.io.store import CATALOGUE, CandleStore
from qt_core.io.timeframes import TIMEFRAME_MS
from qt_core.market import utc_text
from research.data.importer import parquet_table

CLEAN, FINDINGS, UNUSABLE = 0, 1, 2  # exit codes


@dataclass(frozen=True)
class Finding:
    """One series or file and what is wrong with it."""

    name: str
    rows: int
    first: str
    last: str
    problems: tuple[str, ...]
    fatal: bool  # cannot be loaded as it is
    unreadable: bool = False

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**self.__dict__, "problems": list(self.problems)}


def exit_code(findings: list[Finding]) -> int:
    """0 clean, 1 findings, 2 where nothing could be read, or a file is corrupt."""
    if not findings or any(f.unreadable for f in findings):
        return UNUSABLE
    return FINDINGS if any(f.problems for f in findings) else CLEAN


def verify_path(path: Path, now_ms: int) -> Iterator[Finding]:
    """Check a store, a folder of parquet files, or one parquet file; one finding per series, clean ones included.

    Parameters
    ----------
    now_ms : a bar that had not closed by then is a finding.

    Raises
    ------
    DataError
        If there is no such path, or nothing to check in it.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file or folder; a candle store expected")
    if path.is_file():
        yield _checked(str(path), lambda: _loose(path), now_ms)
    elif CandleStore.matches(path):
        yield from _verify_store(CandleStore(path), now_ms)
    elif FolderSource.matches(path):
        yield from _verify_folder(path, now_ms)
    else:
        files = sorted(path.rglob("*.parquet"))
        if not files:
            raise DataError(f"{path}: no market data; a store or parquet files expected")
        for file in files:
            yield _checked(file.relative_to(path).as_posix(), lambda file=file: _loose(file), now_ms)


def _loose(path: Path) -> tuple[SeriesKey, Columns]:
    table = parquet_table(path, "", "", "")
    return table.key, table.columns


def _checked(name: str, read: Any, now_ms: int, more: tuple[str, ...] = ()) -> Finding:
    """One finding; ``read`` gives (key, columns) and may raise DataError."""
    try:
        key, columns = read()
    except DataError as error:
        return Finding(name, 0, "", "", (str(error), *more), fatal=True, unreadable=True)
    problems: list[Problem] = problems_of(key, columns, now_ms)
    time = columns[key.time_column]
    span = (utc_text(time.min()), utc_text(time.max())) if len(time) else ("", "")
    texts = tuple(_text(p) for p in problems)
    return Finding(name, len(time), *span, (*texts, *more), fatal=any(p.fatal for p in problems))


def _text(problem: Problem) -> str:
    more = f", {problem.rows} rows" if problem.rows > 1 else ""
    return f"{problem.kind} at row {problem.row} ({utc_text(problem.time_ms)}{more})"


def _verify_store(store: CandleStore, now_ms: int) -> Iterator[Finding]:
    try:
        listed = store.catalogue()
    except DataError as error:
        listed = {}
        yield Finding(CATALOGUE, 0, "", "", (str(error),), fatal=False, unreadable=True)
    for key in store.series():
        name = store.path(key).relative_to(store.root).as_posix()
        more: tuple[str, ...] = ("download not finished: its pages are not merged yet",) if store.has_parts(key) else ()
        more += _catalogue_problems(store, key, listed.get(key) is None)
        yield _checked(name, lambda key=key: (key, store.read_unchecked(key)), now_ms, more)
    for key in sorted(set(listed) - set(store.series())):
        yield Finding(listed[key].path, 0, "", "", ("in the catalogue, but no file",), fatal=False)
    yield from _verify_contracts(list(store.contract_files()))


def _catalogue_problems(store: CandleStore, key: SeriesKey, unlisted: bool) -> tuple[str, ...]:
    if not store.path(key).exists():
        return ()
    if unlisted:
        return ("not in the catalogue",)
    try:
        return () if store.digest_holds(key) else ("digest differs from the one it was written with",)
    except DataError:
        return ()  # unreadable, which the check of its rows reports


def _verify_folder(path: Path, now_ms: int) -> Iterator[Finding]:
    source = FolderSource(path)
    for timeframe in TIMEFRAME_MS:
        for kind, folder in (("candles", f"um_{timeframe}"), ("mark", f"um_mark_{timeframe}")):
            for file in sorted((path / folder).glob("*.parquet")):
                key = SeriesKey(kind, file.stem, timeframe)
                yield _checked(f"{folder}/{file.name}", lambda file=file, key=key: (key, _rows(file, key)), now_ms)
    for file, timeframe in source.universe_files():
        try:
            tables = source.universe(file)
        except DataError as error:
            yield Finding(file.name, 0, "", "", (str(error),), fatal=True, unreadable=True)
            continue
        for symbol, columns in tables.items():
            key = SeriesKey("candles", symbol, timeframe)
            name = f"{file.parent.name}/{file.name} {symbol}"
            yield _checked(name, lambda key=key, columns=columns: (key, columns), now_ms)
    for symbol in source.funding_symbols():
        key = SeriesKey("funding", symbol, "")
        yield _checked(f"um_funding {symbol}", lambda key=key: (key, source.funding_rows(key.symbol)), now_ms)
    files = (source.brackets_file(), source.exchange_info_file())
    yield from _verify_contracts([file for file in files if file is not None])


def _rows(file: Path, key: SeriesKey) -> Columns:
    return read_parquet(file, COLUMNS[key.kind], OPTIONAL_COLUMNS)


def _verify_contracts(files: list[Path]) -> Iterator[Finding]:
    for file in files:
        try:
            table = read_brackets(file) if file.suffix == ".parquet" else read_exchange_info(file)
        except DataError as error:
            yield Finding(file.name, 0, "", "", (str(error),), fatal=True, unreadable=True)
        else:
            yield Finding(file.name, len(table.contracts), table.as_of, table.as_of, (), fatal=False)
