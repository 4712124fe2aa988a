"""The candle store: whole files, a catalogue that follows them, and errors that name the file."""

import json
from pathlib import Path

import numpy as np
import pytest

from qt_core.errors import DataError
from qt_core.io.files import columns_digest, read_parquet, write_atomic, write_parquet
from qt_core.io.series import SeriesKey
from qt_core.io.spans import subtract, union
from qt_core.io.store import CandleStore
from tests.data.build import HOUR, START_MS, candles, files_under, funding

BTC = SeriesKey("candles", "BTCUSDT", "1h")


def rows_of(columns: dict[str, np.ndarray], rows: slice) -> dict[str, np.ndarray]:
    """Some rows of a table."""
    return {k: v[rows] for k, v in columns.items()}


def test_what_was_merged_is_read_back(store: CandleStore) -> None:
    table = candles()
    entry = store.merge(BTC, table)
    assert {k: v.tolist() for k, v in store.read(BTC).items()} == {k: v.tolist() for k, v in table.items()}
    assert (entry.first_ms, entry.last_ms, entry.rows) == (START_MS, START_MS + 47 * HOUR, 48)
    assert entry.digest == columns_digest(store.read(BTC))
    assert store.symbols("candles", "1h") == ("BTCUSDT",)


def test_the_catalogue_says_what_stands_in_the_files(store: CandleStore) -> None:
    store.merge(BTC, candles())
    store.merge(SeriesKey("funding", "BTCUSDT", ""), funding())
    listed = json.loads((store.root / "catalogue.json").read_text())["files"]
    assert [(e["path"], e["kind"], e["symbol"], e["timeframe"], e["rows"]) for e in listed] == [
        ("candles/1h/BTCUSDT.parquet", "candles", "BTCUSDT", "1h", 48),
        ("funding/BTCUSDT.parquet", "funding", "BTCUSDT", "", 6),
    ]
    assert store.catalogue() == store.entries()


def test_rows_at_the_same_time_are_replaced_and_others_inserted(store: CandleStore) -> None:
    table = candles()
    store.merge(BTC, rows_of(table, slice(0, 20)))
    store.merge(BTC, rows_of(table, slice(30, 48)))
    newer = rows_of(table, slice(15, 32))
    newer["volume"] = newer["volume"] + 1.0
    store.merge(BTC, newer)
    stored = store.read(BTC)
    assert np.array_equal(stored["open_time"], table["open_time"])
    assert np.array_equal(stored["volume"] - table["volume"] > 0.5, (np.arange(48) >= 15) & (np.arange(48) < 32))


def test_holes_of_an_import_are_not_taken_for_answered(store: CandleStore) -> None:
    table = candles()
    store.merge(BTC, rows_of(table, slice(0, 20)))
    store.merge(BTC, rows_of(table, slice(30, 48)))
    assert store.asked(BTC) == (
        (START_MS, START_MS + 20 * HOUR),
        (START_MS + 30 * HOUR, START_MS + 48 * HOUR),
    )


def test_two_stamps_of_one_settlement_are_one_row(store: CandleStore) -> None:
    key = SeriesKey("funding", "BTCUSDT", "")
    store.merge(key, funding(6))
    store.merge(key, funding(9, jitter_ms=29))
    assert len(store.read(key)["funding_time"]) == 9


def test_a_changed_file_is_noticed_and_refresh_lists_it(store: CandleStore) -> None:
    store.merge(BTC, candles())
    write_parquet(store.path(BTC), candles(10))
    assert store.entries()[BTC].rows == 10
    assert store.catalogue()[BTC].rows == 48
    store.refresh()
    assert store.catalogue()[BTC].rows == 10


def test_an_error_while_writing_leaves_the_old_file_and_no_other(store: CandleStore) -> None:
    store.merge(BTC, candles())
    before = files_under(store.root), store.path(BTC).read_bytes()

    def fail(path: Path) -> None:
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomic(store.path(BTC), fail)
    assert (files_under(store.root), store.path(BTC).read_bytes()) == before


def test_unsound_rows_are_refused_before_anything_is_written(store: CandleStore) -> None:
    table = candles()
    table["low"][7] = np.nan
    with pytest.raises(DataError, match=r"new rows for .*BTCUSDT\.parquet: NaN price at row 7 \(2021-01-01T07:00Z\)"):
        store.merge(BTC, table)
    assert not store.root.exists()


@pytest.mark.parametrize("content", [b"", b"PAR1 not parquet", b"PAR1" + b"\0" * 100 + b"PAR1"])
def test_a_corrupt_file_is_named(content: bytes, store: CandleStore) -> None:
    store.merge(BTC, candles())
    store.path(BTC).write_bytes(content)
    with pytest.raises(DataError, match=r"candles/1h/BTCUSDT\.parquet: not readable as parquet"):
        store.read(BTC)


def test_a_cut_off_file_is_named(store: CandleStore) -> None:
    store.merge(BTC, candles())
    whole = store.path(BTC).read_bytes()
    for keep in (len(whole) // 3, len(whole) - 9):
        store.path(BTC).write_bytes(whole[:keep])
        with pytest.raises(DataError, match=r"BTCUSDT\.parquet: not readable as parquet .* a whole file expected"):
            store.read(BTC)


def test_a_missing_column_and_a_missing_file_are_named(store: CandleStore, tmp_path: Path) -> None:
    write_parquet(tmp_path / "x.parquet", {"open_time": np.arange(3)})
    with pytest.raises(DataError, match=r"x\.parquet: no column open, close; expected open_time, open, close"):
        read_parquet(tmp_path / "x.parquet", ("open_time", "open", "close"))
    with pytest.raises(DataError, match=r"no candles 1h of BTCUSDT; expected a file .*candles/1h/BTCUSDT\.parquet"):
        store.read(BTC)


def test_a_broken_catalogue_is_named(store: CandleStore) -> None:
    store.merge(BTC, candles())
    (store.root / "catalogue.json").write_text("{")
    with pytest.raises(DataError, match=r"catalogue\.json: not readable as JSON"):
        store.entries()


def test_pages_count_as_rows_and_finish_merges_them(store: CandleStore) -> None:
    table = candles()
    store.merge(BTC, rows_of(table, slice(0, 10)))
    store.add_part(BTC, rows_of(table, slice(10, 12)), (START_MS + 10 * HOUR, START_MS + 12 * HOUR))
    store.add_part(BTC, rows_of(table, slice(0, 0)), (START_MS - 5 * HOUR, START_MS))
    assert store.unfinished() == (BTC,)
    assert len(store.read(BTC)["open_time"]) == 12
    assert store.asked(BTC) == ((START_MS - 5 * HOUR, START_MS + 12 * HOUR),)
    store.finish(BTC)
    assert store.unfinished() == ()
    assert store.asked(BTC) == ((START_MS - 5 * HOUR, START_MS + 12 * HOUR),)
    assert files_under(store.root) == [".lock", "candles/1h/BTCUSDT.parquet", "catalogue.json"]


def test_spans() -> None:
    assert union([(5, 6), (1, 3), (3, 4), (9, 9)]) == ((1, 4), (5, 6))
    assert subtract((0, 10), [(2, 3), (5, 20)]) == ((0, 2), (3, 5))
    assert subtract((0, 10), [(-5, 11)]) == ()
    assert subtract((0, 10), []) == ((0, 10),)


def test_what_a_killed_writer_left_is_removed_by_the_next(store: CandleStore) -> None:
    store.merge(BTC, candles(10))
    store.path(BTC).with_name(".BTCUSDT.parquet.123.tmp").write_bytes(b"half")
    assert store.series() == (BTC,)
    store.merge(BTC, candles())
    assert files_under(store.root) == [".lock", "candles/1h/BTCUSDT.parquet", "catalogue.json"]
