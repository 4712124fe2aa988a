"""Files as the exchange publishes them in bulk: zip or CSV of klines, mark price klines and funding rates.

Older files have no header row, newer ones do; some count time in microseconds. A file's kind and symbol stand in its
path (``.../markPriceKlines/BTCUSDT/1h/BTCUSDT-1h-2024-01.zip``) and can be given instead.
"""

import csv
import io
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from qt_core.errors import DataError
from qt_core.io.files import Columns
from qt_core.io.series import SeriesKey
from qt_core.io.timeframes import TIMEFRAME_MS

_MICROSECONDS_FROM = 10**14  # a count of time above this is in microseconds (as ms it would lie beyond the year 5000)
_KLINE = {"open_time": 0, "open": 1, "high": 2, "low": 3, "close": 4, "volume": 5, "quote_volume": 7, "trades": 8}
_LAYOUT: dict[str, dict[str, int]] = {
    "candles": _KLINE,
    "mark": {name: position for name, position in _KLINE.items() if position < 5},
    "funding": {"funding_time": 0, "funding_rate": 2},
}


class VisionName(NamedTuple):
    """What a file's path says of it; '' where it says nothing."""

    kind: str
    symbol: str
    timeframe: str


def parse_name(path: Path) -> VisionName:
    """Kind, symbol and timeframe from a path such as ``klines/BTCUSDT/1h/BTCUSDT-1h-2024-01.zip``."""
    parts = path.name.split(".")[0].split("-")
    symbol, what = parts[0], parts[1] if len(parts) > 1 else ""
    if what == "fundingRate":
        return VisionName("funding", symbol, "")
    kind = "mark" if any(part.startswith("markPrice") for part in path.parts) else "candles"
    return VisionName(kind, symbol, what if what in TIMEFRAME_MS else "")


def read_vision(path: Path, symbol: str = "", timeframe: str = "", kind: str = "") -> tuple[SeriesKey, Columns]:
    """Rows of one zip or CSV file; what is given overrides what the path says.

    Raises
    ------
    DataError
        If the file is no zip of one CSV, a row is not as the exchange writes it (file and line are named), or neither
        path nor argument tells symbol and timeframe.
    """
    name = parse_name(path)
    kind = kind or name.kind
    key = SeriesKey(kind, symbol or name.symbol, "" if kind == "funding" else timeframe or name.timeframe)
    if not key.symbol or (kind != "funding" and not key.timeframe):
        raise DataError(f"{path}: name tells no symbol or timeframe; a name like BTCUSDT-1h-2024-01.zip expected")
    rows = list(csv.reader(io.StringIO(_text(path))))
    first = 1 if rows and rows[0] and not _is_number(rows[0][0]) else 0
    return key, _columns(path, rows, first, _LAYOUT[kind])


def _text(path: Path) -> str:
    try:
        if path.suffix != ".zip":
            return path.read_text(encoding="utf-8")
        with zipfile.ZipFile(path) as archive:
            members = [name for name in archive.namelist() if name.endswith(".csv")]
            if len(members) != 1:
                raise DataError(f"{path}: {len(members)} CSV files inside; one expected")
            return archive.read(members[0]).decode("utf-8")
    except (zipfile.BadZipFile, OSError, EOFError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not readable ({error}); a whole zip or CSV file expected") from error


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _columns(path: Path, rows: list[list[str]], first: int, layout: dict[str, int]) -> Columns:
    out: Columns = {}
    body = [row for row in rows[first:] if row]
    for name, position in layout.items():
        whole = name.endswith("_time")
        try:
            values = [row[position] for row in body]
            out[name] = np.array([int(v) for v in values], np.int64) if whole else np.array(values, np.float64)
        except (IndexError, ValueError) as error:
            line = _bad_line(body, position, whole) + first + 1
            raise DataError(f"{path} line {line}: no {name} ({error}); a row as published expected") from error
        if whole:
            out[name] = np.where(out[name] >= _MICROSECONDS_FROM, out[name] // 1_000, out[name])
    return out


def _bad_line(body: list[list[str]], position: int, whole: bool) -> int:
    for i, row in enumerate(body):
        try:
            int(row[position]) if whole else float(row[position])
        except (IndexError, ValueError):
            return i
    return 0
