"""Where candles come from: a folder of parquet files laid out by kind and timeframe, or the candle store."""

from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np

from qt_core.errors import DataError
from qt_core.io.checks import PRICES, find_funding_problems, find_problems, require_sound
from qt_core.io.contracts import BracketTable, SpecTable, read_brackets, read_exchange_info
from qt_core.io.files import Columns, read_parquet
from qt_core.io.series import SeriesKey
from qt_core.io.store import CandleStore
from qt_core.io.timeframes import TIMEFRAME_MS, timeframe_to_ms

CANDLES = ("open_time", *PRICES, "volume")
OPTIONAL = ("quote_volume", "trades")
MARKS = ("open_time", *PRICES)
FUNDING = ("funding_time", "funding_rate")


class MarketSource(Protocol):
    """What ``load_market`` asks of a place that holds market data; every error is a DataError naming the file."""

    label: str

    def symbols(self, timeframe: str) -> tuple[str, ...]: ...
    def candles(self, symbol: str, timeframe: str) -> Columns: ...
    def marks(self, symbol: str, timeframe: str) -> "Columns | None": ...
    def funding(self, symbol: str) -> "Columns | None": ...
    def specs(self) -> "SpecTable | None": ...
    def brackets(self) -> "BracketTable | None": ...


class FolderSource:
    """``um_<tf>/SYMBOL.parquet``, ``um_mark_<tf>/``, ``um_funding/*.parquet``, ``um_universe/klines_<tf>*.parquet``,
    ``fixtures/leverage_brackets_*.parquet`` and ``fixtures/**/binance_fapi_http.json``; each but the first optional.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.label = folder.name

    @staticmethod
    def matches(folder: Path) -> bool:
        """Whether a folder is laid out this way."""
        return any(folder.glob("um_*"))

    def symbols(self, timeframe: str) -> tuple[str, ...]:
        """Symbols with candles of a timeframe, sorted."""
        names = {path.stem for path in (self.folder / f"um_{timeframe}").glob("*.parquet")}
        universe = self._universe_file(timeframe)
        if not names and universe is not None:
            names = set(self.universe(universe))
        return tuple(sorted(names))

    def candles(self, symbol: str, timeframe: str) -> Columns:
        """Sound candles of one symbol."""
        path = self.folder / f"um_{timeframe}" / f"{symbol}.parquet"
        universe = self._universe_file(timeframe)
        if not path.exists() and universe is not None:
            return _sound(self._universe_rows(universe, symbol), timeframe, f"{universe} ({symbol})")
        return _sound(read_parquet(path, CANDLES, OPTIONAL), timeframe, str(path))

    def marks(self, symbol: str, timeframe: str) -> "Columns | None":
        """Sound mark candles of one symbol, or None."""
        path = self.folder / f"um_mark_{timeframe}" / f"{symbol}.parquet"
        return _sound(read_parquet(path, MARKS), timeframe, str(path)) if path.exists() else None

    def funding(self, symbol: str) -> "Columns | None":
        """Sound funding rows of one symbol, or None."""
        if symbol not in self._funding_rows:
            return None
        rows = self.funding_rows(symbol)
        require_sound(find_funding_problems(rows), f"{self._funding_file} ({symbol})")
        return rows

    def funding_rows(self, symbol: str) -> Columns:
        """Funding rows of one symbol as they stand in the file, unchecked."""
        return self._funding_rows[symbol]

    def specs(self) -> "SpecTable | None":
        """Contract specs from a recorded exchangeInfo answer, or None."""
        path = self.exchange_info_file()
        return None if path is None else read_exchange_info(path)

    def brackets(self) -> "BracketTable | None":
        """The latest bracket snapshot, or None."""
        path = self.brackets_file()
        return None if path is None else read_brackets(path)

    def exchange_info_file(self) -> "Path | None":
        """File with a recorded exchangeInfo answer, or None."""
        return next(iter(sorted(self.folder.glob("fixtures/**/binance_fapi_http.json"))), None)

    def brackets_file(self) -> "Path | None":
        """File of the latest bracket snapshot, or None."""
        return next(iter(sorted(self.folder.glob("fixtures/leverage_brackets_*.parquet"), reverse=True)), None)

    def funding_symbols(self) -> tuple[str, ...]:
        """Symbols with funding rows, sorted."""
        return tuple(self._funding_rows)

    def _universe_file(self, timeframe: str) -> "Path | None":
        return next(iter(sorted(self.folder.glob(f"um_universe/klines_{timeframe}[_.]*parquet"))), None)

    def _universe_rows(self, path: Path, symbol: str) -> Columns:
        tables = self.universe(path)
        if symbol not in tables:
            raise DataError(f"{path}: no rows of {symbol}; one of its {len(tables)} symbols expected")
        return tables[symbol]

    def universe(self, path: Path) -> dict[str, Columns]:
        """Rows of a file with many symbols, by symbol, unchecked."""
        if path not in self._universes:
            self._universes[path] = _by_symbol(read_parquet(path, ("symbol", *CANDLES), OPTIONAL))
        return self._universes[path]

    def universe_files(self) -> tuple[tuple[Path, str], ...]:
        """Files with many symbols and their timeframes."""
        pairs = ((self._universe_file(timeframe), timeframe) for timeframe in TIMEFRAME_MS)
        return tuple((path, timeframe) for path, timeframe in pairs if path is not None)

    @cached_property
    def _universes(self) -> dict[Path, dict[str, Columns]]:
        return {}

    @cached_property
    def _funding_file(self) -> "Path | None":
        return next(iter(sorted(self.folder.glob("um_funding/*.parquet"))), None)

    @cached_property
    def _funding_rows(self) -> dict[str, Columns]:
        path = self._funding_file
        return {} if path is None else _by_symbol(read_parquet(path, ("symbol", *FUNDING)))


def _by_symbol(rows: Columns) -> dict[str, Columns]:
    """Rows of each symbol in the order of the file, symbols sorted."""
    symbol = rows.pop("symbol").astype(str)
    rank = np.argsort(symbol, kind="stable")
    names, starts = np.unique(symbol[rank], return_index=True)
    parts = np.split(rank, starts[1:])
    return {str(name): {k: v[part] for k, v in rows.items()} for name, part in zip(names, parts, strict=True)}


def _sound(columns: Columns, timeframe: str, where: str) -> Columns:
    require_sound(find_problems(columns, timeframe_to_ms(timeframe)), where)
    return columns


class StoreSource:
    """The candle store as a source."""

    def __init__(self, root: Path) -> None:
        self.store = CandleStore(root)
        self.label = f"store {root.name}"

    def symbols(self, timeframe: str) -> tuple[str, ...]:
        """Symbols with candles of a timeframe, sorted."""
        return self.store.symbols("candles", timeframe)

    def candles(self, symbol: str, timeframe: str) -> Columns:
        """Sound candles of one symbol."""
        return self.store.read(SeriesKey("candles", symbol, timeframe))

    def marks(self, symbol: str, timeframe: str) -> "Columns | None":
        """Sound mark candles of one symbol, or None."""
        return self._optional(SeriesKey("mark", symbol, timeframe))

    def funding(self, symbol: str) -> "Columns | None":
        """Sound funding rows of one symbol, or None."""
        return self._optional(SeriesKey("funding", symbol, ""))

    def specs(self) -> "SpecTable | None":
        """The latest contract specs, or None."""
        return self.store.specs()

    def brackets(self) -> "BracketTable | None":
        """The latest bracket snapshot, or None."""
        return self.store.brackets()

    def _optional(self, key: SeriesKey) -> "Columns | None":
        return self.store.read(key) if self.store.has(key) else None


def open_source(root: Path) -> MarketSource:
    """The source a folder is laid out as.

    Raises
    ------
    DataError
        If the folder is missing or is neither a store nor a folder of parquet files.
    """
    if CandleStore.matches(root):
        return StoreSource(root)
    if FolderSource.matches(root):
        return FolderSource(root)
    raise DataError(f"{root}: no market data; a store with catalogue.json or a folder with um_<timeframe>/ expected")
