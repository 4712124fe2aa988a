"""Import of bulk files and folders: with and without header, ms and us, and nothing written when anything is wrong."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from qt_core.errors import DataError
from qt_core.io.files import write_parquet
from qt_core.io.series import SeriesKey
from qt_core.io.store import CandleStore
from research.data import load_market
from research.data.importer import import_path
from tests.data.build import HOUR, START_MS, candles, files_under, funding, write_folder
from tests.data.fake_exchange import candle_row, mark_row

FAR_MS = 4_000_000_000_000
BTC = SeriesKey("candles", "BTCUSDT", "1h")
HEADER = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore"
)


def kline_csv(n: int = 24, start_ms: int = START_MS, header: bool = False, per_ms: int = 1, row=candle_row) -> str:
    """A bulk file's text; ``per_ms`` 1,000 counts time in microseconds."""
    lines = [HEADER] if header else []
    for k in range(n):
        values = row("BTCUSDT", start_ms + k * HOUR, HOUR)
        values[0], values[6] = values[0] * per_ms, (values[6] + 1) * per_ms - 1
        lines.append(",".join(str(v) for v in values))
    return "\n".join(lines) + "\n"


def write_zip(path: Path, text: str) -> Path:
    """A zip of one CSV of the same name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(path.stem + ".csv", text)
    return path


@pytest.mark.parametrize("header", [False, True])
@pytest.mark.parametrize("per_ms", [1, 1_000])
@pytest.mark.parametrize("suffix", [".zip", ".csv"])
def test_bulk_klines_are_imported(header: bool, per_ms: int, suffix: str, store: CandleStore, tmp_path: Path) -> None:
    path = tmp_path / f"BTCUSDT-1h-2021-01{suffix}"
    text = kline_csv(header=header, per_ms=per_ms)
    write_zip(path, text) if suffix == ".zip" else path.write_text(text)
    report = import_path(store, path, FAR_MS)
    assert report.series == ((BTC, 24),)
    stored = store.read(BTC)
    assert stored["open_time"].tolist() == [START_MS + k * HOUR for k in range(24)]
    assert stored["close"].tolist() == [float(candle_row("BTCUSDT", int(t), HOUR)[4]) for t in stored["open_time"]]
    assert stored["trades"].tolist() == [float(candle_row("BTCUSDT", int(t), HOUR)[8]) for t in stored["open_time"]]


def test_a_folder_of_months_days_marks_and_funding_becomes_series(store: CandleStore, tmp_path: Path) -> None:
    root = tmp_path / "um" / "monthly"
    write_zip(root / "klines" / "BTCUSDT" / "1h" / "BTCUSDT-1h-2021-01.zip", kline_csv(48))
    write_zip(root / "klines" / "BTCUSDT" / "1h" / "BTCUSDT-1h-2021-01-02.zip", kline_csv(48, START_MS + 24 * HOUR))
    write_zip(root / "markPriceKlines" / "BTCUSDT" / "1h" / "BTCUSDT-1h-2021-01.zip", kline_csv(row=mark_row))
    rates = "calc_time,funding_interval_hours,last_funding_rate\n" + "".join(
        f"{START_MS + k * 8 * HOUR},8,0.000{k}\n" for k in range(1, 4)
    )
    write_zip(root / "fundingRate" / "BTCUSDT" / "BTCUSDT-fundingRate-2021-01.zip", rates)
    report = import_path(store, tmp_path / "um", FAR_MS)
    assert dict(report.series) == {
        BTC: 72,  # 24 bars stand in both files
        SeriesKey("funding", "BTCUSDT", ""): 3,
        SeriesKey("mark", "BTCUSDT", "1h"): 24,
    }
    assert store.read(SeriesKey("funding", "BTCUSDT", ""))["funding_rate"].tolist() == [0.0001, 0.0002, 0.0003]
    assert "volume" not in store.read(SeriesKey("mark", "BTCUSDT", "1h"))


def test_an_unfinished_last_bar_is_dropped_and_counted(store: CandleStore, tmp_path: Path) -> None:
    path = write_zip(tmp_path / "BTCUSDT-1h-2021-01-01.zip", kline_csv())
    report = import_path(store, path, START_MS + 23 * HOUR + 1)
    assert (report.unfinished, len(store.read(BTC)["open_time"])) == (1, 23)


def test_a_folder_of_parquet_is_imported_whole_and_loads_alike(store: CandleStore, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "given", {"AAAUSDT": candles(), "BBBUSDT": candles(30, START_MS + 10 * HOUR)})
    report = import_path(store, folder, FAR_MS)
    assert [key.symbol for key, _ in report.series] == ["AAAUSDT", "BBBUSDT"]
    assert report.contracts == ("leverage_brackets_2026-05.parquet",)
    a, b = load_market(None, root=folder), load_market(None, root=store.root)
    assert (a.close.tobytes(), a.valid.tobytes()) == (b.close.tobytes(), b.valid.tobytes())


def test_symbol_and_timeframe_choose(store: CandleStore, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "given", {"AAAUSDT": candles(), "BBBUSDT": candles()})
    write_folder(folder, {"AAAUSDT": candles(10, step_ms=4 * HOUR)}, "4h")
    assert import_path(store, folder, FAR_MS, ("AAAUSDT",), "4h").series == (
        (SeriesKey("candles", "AAAUSDT", "4h"), 10),
    )


def test_a_single_parquet_file_tells_its_timeframe(store: CandleStore, tmp_path: Path) -> None:
    write_parquet(tmp_path / "AAAUSDT.parquet", candles(step_ms=HOUR // 4))
    write_parquet(tmp_path / "BBBUSDT.parquet", funding())
    import_path(store, tmp_path, FAR_MS)
    assert [tuple(key) for key in store.series()] == [("candles", "AAAUSDT", "15m"), ("funding", "BBBUSDT", "")]


def replace_line(text: str, line: int, position: int, value: str) -> str:
    """CSV text with one cell changed; ``line`` counts from 1."""
    lines = text.splitlines()
    cells = lines[line - 1].split(",")
    cells[position] = value
    lines[line - 1] = ",".join(cells)
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (replace_line(kline_csv(), 8, 2, "nan"), r"NaN price at row 7"),
        (replace_line(kline_csv(), 8, 3, "-1"), r"price not positive at row 7"),
        (replace_line(kline_csv(), 8, 2, "1"), r"high below low at row 7"),
        (replace_line(kline_csv(), 8, 0, str(START_MS + 6 * HOUR)), r"duplicated time at row 7"),
        (replace_line(kline_csv(), 8, 0, str(START_MS)), r"unsorted time at row 7"),
        (replace_line(kline_csv(header=True), 8, 4, "x"), r"2021-01\.csv line 8: no close"),
        (kline_csv() + "1,2\n", r"2021-01\.csv line 25: no open_time|2021-01\.csv line 25: no high"),
        ("", r"no rows"),
    ],
)
def test_bad_bulk_files_are_named_and_nothing_is_written(
    text: str, message: str, store: CandleStore, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "AAAUSDT-1h-2021-01.csv").write_text(kline_csv())  # the sound one comes first
    (tmp_path / "in" / "BTCUSDT-1h-2021-01.csv").write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        import_path(store, tmp_path / "in", FAR_MS)
    assert "BTCUSDT-1h-2021-01.csv" in str(caught.value)
    assert not store.root.exists()


def test_a_bad_timeframe_in_a_file_name_is_caught_by_its_times(store: CandleStore, tmp_path: Path) -> None:
    path = write_zip(tmp_path / "BTCUSDT-5m-2021-01.zip", kline_csv(48))
    with pytest.raises(DataError, match=r"BTCUSDT-5m-2021-01\.zip: mixed timeframe at row 1 .* steps of 300000 ms"):
        import_path(store, path, FAR_MS)
    assert not store.root.exists()


def test_two_files_that_disagree_on_a_bar_are_named(store: CandleStore, tmp_path: Path) -> None:
    write_zip(tmp_path / "BTCUSDT-1h-2021-01.zip", kline_csv())
    changed = replace_line(kline_csv(), 3, 4, candle_row("BTCUSDT", START_MS + 2 * HOUR, HOUR)[1])
    write_zip(tmp_path / "BTCUSDT-1h-2021-01-01.zip", changed)
    with pytest.raises(DataError, match=r"BTCUSDT-1h-2021-01.*: bar 2021-01-01T02:00Z differs from another file's"):
        import_path(store, tmp_path, FAR_MS)
    assert not store.root.exists()


def test_what_cannot_be_imported_is_named(store: CandleStore, tmp_path: Path) -> None:
    whole = write_zip(tmp_path / "BTCUSDT-1h-2021-01.zip", kline_csv()).read_bytes()
    (tmp_path / "BTCUSDT-1h-2021-01.zip").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"BTCUSDT-1h-2021-01\.zip: not readable .* a whole zip or CSV file expected"):
        import_path(store, tmp_path, FAR_MS)
    with pytest.raises(DataError, match=r"nowhere: no such file or folder"):
        import_path(store, tmp_path / "nowhere", FAR_MS)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty: nothing to import; bulk zip or CSV files, or parquet files"):
        import_path(store, tmp_path / "empty", FAR_MS)
    (tmp_path / "named.csv").write_text(kline_csv())
    with pytest.raises(DataError, match=r"named\.csv: name tells no symbol or timeframe"):
        import_path(store, tmp_path / "named.csv", FAR_MS)
    import_path(store, tmp_path / "named.csv", FAR_MS, ("BTCUSDT",), "1h")
    assert files_under(store.root) == [".lock", "candles/1h/BTCUSDT.parquet", "catalogue.json"]


def test_real_data_survives_the_import(shared_data: Path, store: CandleStore) -> None:
    symbols = ("BTCUSDT", "DOTUSDT")
    import_path(store, shared_data, FAR_MS, symbols, "1h")
    window = {"start": "2024-06-01", "end": "2025-06-01"}
    a = load_market(symbols, root=shared_data, **window)  # type: ignore[arg-type]
    b = load_market(symbols, root=store.root, **window)  # type: ignore[arg-type]
    for name in ("open", "high", "low", "close", "volume", "quote_volume", "mark_low", "valid", "funding_rate"):
        assert np.array_equal(getattr(a, name), getattr(b, name), equal_nan=True), name
    assert (a.specs.tobytes(), a.brackets.tobytes(), a.notes) == (b.specs.tobytes(), b.brackets.tobytes(), b.notes)
    assert not a.valid[:, 1].all()  # the hole of DOTUSDT
