"""``verify``: every problem found with its place, and the exit code of each state."""

from pathlib import Path

import numpy as np
import pytest

from qt_core.errors import DataError
from qt_core.io.files import Columns, write_parquet
from qt_core.io.series import SeriesKey
from qt_core.io.store import CandleStore
from research.data.verify import CLEAN, FINDINGS, UNUSABLE, Finding, exit_code, verify_path
from tests.data.build import HOUR, START_MS, candles, funding, write_folder, write_funding

NOW_MS = START_MS + 1_000 * HOUR
BTC = SeriesKey("candles", "BTCUSDT", "1h")


def verify(path: Path, now_ms: int = NOW_MS) -> tuple[int, list[Finding]]:
    """Exit code and the findings that say something."""
    findings = list(verify_path(path, now_ms))
    return exit_code(findings), [f for f in findings if f.problems]


def damage(name: str) -> Columns:
    """Candles with one problem."""
    table = candles()
    if name == "gap":
        return {k: np.delete(v, [5, 6, 20]) for k, v in table.items()}
    if name == "zero volume":
        table["volume"][[3, 9]] = 0.0
    elif name == "duplicated time":
        table["open_time"][4] = table["open_time"][3]
    elif name == "misaligned time":
        table["open_time"][4] += 1
    elif name == "high below low":
        table["high"][4] = 1.0
    elif name == "NaN price":
        table["open"][4] = np.nan
    elif name == "price not positive":
        table["low"][4] = -2.0
    elif name == "unsorted time":
        table["open_time"][4] = table["open_time"][0]
    return table


@pytest.mark.parametrize(
    ("name", "text", "fatal"),
    [
        ("gap", "gap (3 bars missing in all) at row 5 (2021-01-01T07:00Z, 2 rows)", False),
        ("zero volume", "zero volume at row 3 (2021-01-01T03:00Z, 2 rows)", False),
        ("duplicated time", "duplicated time at row 4 (2021-01-01T03:00Z)", True),
        ("misaligned time", "misaligned time at row 4 (2021-01-01T04:00Z)", True),
        ("high below low", "high below low at row 4 (2021-01-01T04:00Z)", True),
        ("NaN price", "NaN price at row 4 (2021-01-01T04:00Z)", True),
        ("price not positive", "price not positive at row 4 (2021-01-01T04:00Z)", True),
        ("unsorted time", "unsorted time at row 4 (2021-01-01T00:00Z)", True),
    ],
)
def test_each_problem_is_found_in_a_folder(name: str, text: str, fatal: bool, tmp_path: Path) -> None:
    write_folder(tmp_path, {"AAAUSDT": candles(), "BBBUSDT": damage(name)})
    code, (finding,) = verify(tmp_path)
    assert code == FINDINGS
    assert (finding.name, finding.problems[0], finding.fatal) == ("um_1h/BBBUSDT.parquet", text, fatal)


def test_clean_data_is_clean(tmp_path: Path, store: CandleStore) -> None:
    write_folder(tmp_path / "folder", {"AAAUSDT": candles()})
    write_funding(tmp_path / "folder", {"AAAUSDT": funding()})
    assert verify(tmp_path / "folder") == (CLEAN, [])
    store.merge(BTC, candles())
    assert verify(store.root) == (CLEAN, [])
    assert verify(store.path(BTC)) == (CLEAN, [])


def test_an_unfinished_last_bar_is_found(store: CandleStore) -> None:
    store.merge(BTC, candles())
    code, (finding,) = verify(store.root, START_MS + 47 * HOUR + 1)
    assert code == FINDINGS
    assert finding.problems == ("unfinished bar at row 47 (2021-01-02T23:00Z)",)


def test_a_corrupt_file_is_unusable_and_the_others_are_still_checked(store: CandleStore) -> None:
    store.merge(BTC, candles())
    store.merge(SeriesKey("candles", "ETHUSDT", "1h"), damage("gap"))
    store.path(BTC).write_bytes(b"no parquet")
    code, (btc, eth) = verify(store.root)
    assert code == UNUSABLE
    assert "candles/1h/BTCUSDT.parquet: not readable as parquet" in btc.problems[0]
    assert eth.problems[0].startswith("gap")


def test_what_the_catalogue_and_the_files_disagree_on_is_found(store: CandleStore) -> None:
    store.merge(BTC, candles())
    store.merge(SeriesKey("mark", "BTCUSDT", "1h"), candles())
    write_parquet(store.root / "candles" / "1h" / "ETHUSDT.parquet", candles())
    store.path(SeriesKey("mark", "BTCUSDT", "1h")).unlink()
    code, findings = verify(store.root)
    assert code == FINDINGS
    assert {f.name: f.problems for f in findings} == {
        "candles/1h/ETHUSDT.parquet": ("not in the catalogue",),
        "mark/1h/BTCUSDT.parquet": ("in the catalogue, but no file",),
    }


def test_rows_changed_behind_the_stores_back_are_found(store: CandleStore) -> None:
    import pyarrow.parquet as pq

    store.merge(BTC, candles())
    table = pq.read_table(store.path(BTC))
    changed = table.set_column(5, "volume", [np.full(48, 9.0)]).replace_schema_metadata(table.schema.metadata)
    pq.write_table(changed, store.path(BTC))
    _, (finding,) = verify(store.root)
    assert finding.problems == ("digest differs from the one it was written with",)


def test_an_unfinished_download_is_found(store: CandleStore) -> None:
    store.merge(BTC, candles())
    store.add_part(BTC, {k: v[:0] for k, v in candles().items()}, (START_MS - HOUR, START_MS))
    _, (finding,) = verify(store.root)
    assert finding.problems == ("download not finished: its pages are not merged yet",)


def test_funding_is_checked(tmp_path: Path) -> None:
    write_folder(tmp_path, {"AAAUSDT": candles()})
    rows = funding()
    rows["funding_rate"][2] = np.nan
    write_funding(tmp_path, {"AAAUSDT": rows})
    _, (finding,) = verify(tmp_path)
    assert finding.problems == ("NaN funding rate at row 2 (2021-01-01T16:00Z)",)


def test_nothing_to_check_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere: no such file or folder; a candle store expected"):
        list(verify_path(tmp_path / "nowhere", NOW_MS))
    with pytest.raises(DataError, match=r"no market data; a store or parquet files expected"):
        list(verify_path(tmp_path, NOW_MS))


def test_the_known_oddities_of_the_real_data_are_found(shared_data: Path) -> None:
    findings = {f.name: f.problems for f in verify_path(shared_data, 4_000_000_000_000) if f.problems}
    gap = "gap (7644 bars missing in all) at row 31972 (2025-05-01T00:00Z)"
    holes = {name for name, problems in findings.items() if problems == (gap,)}
    assert holes == {f"um_1h/{s}USDT.parquet" for s in ("DOT", "TRX", "VET", "XTZ")}
    assert findings["um_1h/BTCUSDT.parquet"] == ("zero volume at row 1 (2019-09-08T18:00Z, 3 rows)",)
    assert findings["um_1h/ETHUSDT.parquet"] == ("zero volume at row 2 (2019-11-27T09:00Z)",)
