"""``load_market`` on small hand-made files: the time axis, stand-ins and their notes, one line per bad input."""

from pathlib import Path

import numpy as np
import pytest

from qt_core.errors import DataError
from qt_core.io.files import Columns, write_json, write_parquet
from qt_core.io.load import parse_time
from qt_core.io.market_contracts import decimal_step
from qt_core.io.series import SeriesKey
from qt_core.io.store import CandleStore
from qt_core.market import NEVER_MS
from research.data import load_market
from tests.data.build import HOUR, START_MS, candles, funding, write_brackets, write_folder, write_funding
from tests.data.fake_exchange import contract


def test_symbols_share_one_even_axis_and_missing_bars_are_invalid(tmp_path: Path) -> None:
    late = candles(20, START_MS + 30 * HOUR)
    hole = {k: np.delete(v, slice(10, 15)) for k, v in candles(40).items()}
    write_folder(tmp_path, {"BBBUSDT": hole, "AAAUSDT": late})
    market = load_market(["BBBUSDT", "AAAUSDT"], root=tmp_path)
    assert market.symbols == ("AAAUSDT", "BBBUSDT")
    assert market.time.tolist() == list(range(START_MS, START_MS + 50 * HOUR, HOUR))
    assert market.valid[:, 0].tolist() == [t >= 30 for t in range(50)]
    assert market.valid[:, 1].tolist() == [t < 40 and not 10 <= t < 15 for t in range(50)]
    assert np.isnan(market.close[~market.valid]).all()
    assert market.close[30:, 0].tolist() == late["close"].tolist()
    assert "bars missing (late listing, hole or end) in AAAUSDT, BBBUSDT" in market.notes


def test_a_window_holds_start_and_not_end(tmp_path: Path) -> None:
    write_folder(tmp_path, {"AAAUSDT": candles(48)})
    market = load_market("AAAUSDT", start="2021-01-01T10:00", end="2021-01-02", root=tmp_path)
    assert (int(market.time[0]), int(market.time[-1])) == (START_MS + 10 * HOUR, START_MS + 23 * HOUR)
    assert load_market(None, start=START_MS + 47 * HOUR, folder=tmp_path).n_bars == 1


@pytest.mark.parametrize(
    "value",
    [1_609_502_400_000, "1609502400000", "2021-01-01T12:00", "2021-01-01T13:00+01:00", np.datetime64("2021-01-01T12")],
)
def test_times_are_understood(value: object) -> None:
    assert parse_time(value) == 1_609_502_400_000  # type: ignore[arg-type]


def test_funding_is_put_on_its_minute_and_its_absence_noted(tmp_path: Path) -> None:
    write_folder(tmp_path, {"AAAUSDT": candles(48), "BBBUSDT": candles(48)})
    write_funding(tmp_path, {"AAAUSDT": funding(9, START_MS - 8 * HOUR, jitter_ms=29)})
    market = load_market(None, root=tmp_path)
    assert market.funding_time_ms.tolist() == [START_MS + 8 * HOUR * k for k in range(6)]  # inside the window only
    assert set(market.funding_symbol.tolist()) == {0}
    assert "no funding history, none charged: BBBUSDT" in market.notes


def test_marks_and_quote_volume_stand_ins_are_flagged(tmp_path: Path) -> None:
    table = candles(10)
    write_folder(tmp_path, {"AAAUSDT": table})
    marks = {k: v[:5] + (0 if k == "open_time" else 0.5) for k, v in table.items() if k != "volume"}
    write_parquet(tmp_path / "um_mark_1h" / "AAAUSDT.parquet", marks)
    market = load_market(None, root=tmp_path)
    assert market.mark_known[:, 0].tolist() == [True] * 5 + [False] * 5
    assert market.mark_close[5:, 0].tolist() == table["close"][5:].tolist()
    assert market.mark_close[:5, 0].tolist() == (table["close"][:5] + 0.5).tolist()
    assert market.quote_volume_estimated.all()
    assert "last price stands in for the mark in 50.0% of bars: AAAUSDT" in market.notes


def test_specs_come_from_the_exchange_where_known_and_from_decimals_where_not(tmp_path: Path) -> None:
    write_folder(tmp_path, {"AAAUSDT": candles(), "BBBUSDT": candles()})
    answer = {"serverTime": 1_754_596_814_166, "symbols": [contract("BBBUSDT")]}
    recording = {"/fapi/v1/exchangeInfo": {"GET": [{"data": answer}]}}
    write_json(tmp_path / "fixtures" / "any" / "binance_fapi_http.json", recording)
    market = load_market(None, root=tmp_path)
    inferred, known = market.specs
    assert tuple(inferred)[:7] == (0.01, 0.1, 0.1, np.inf, 5.0, 0, NEVER_MS)
    assert tuple(known)[:7] == (0.01, 0.001, 0.001, 120.0, 20.0, START_MS, NEVER_MS)  # traded before its listing date
    assert "contract specs are a snapshot as of 2025-08-07, not history" in market.notes
    assert "tick and lot inferred from the decimals of the data: AAAUSDT" in market.notes


@pytest.mark.parametrize(
    ("values", "step"),
    [([1.0, 2.0, 300.0], 1.0), ([0.1, 0.25], 0.01), ([1e-7, 0.3], 1e-7), ([60_000.1, np.nan], 0.1), ([np.pi], 0.0)],
)
def test_decimal_step(values: list[float], step: float) -> None:
    assert decimal_step(np.array(values)) == pytest.approx(step)


def test_brackets_are_the_dated_snapshot(tmp_path: Path) -> None:
    write_folder(tmp_path, {"AAAUSDT": candles()})
    market = load_market(None, root=tmp_path)
    used = market.brackets[0, : market.specs["n_brackets"][0]]
    assert used["notional_floor"].tolist() == [0.0, 10_000.0]
    assert used["cum"].tolist() == [0.0, 35.0]
    assert used["max_leverage"].tolist() == [75.0, 50.0]
    assert "leverage brackets are a snapshot as of 2026-05, not history" in market.notes


def test_a_missing_bracket_is_an_error_unless_a_stand_in_is_asked_for(tmp_path: Path) -> None:
    write_folder(tmp_path, {"AAAUSDT": candles(), "BBBUSDT": candles()})
    write_brackets(tmp_path / "fixtures" / "leverage_brackets_2026-05.parquet", ("AAAUSDT",))
    with pytest.raises(DataError, match=r"leverage_brackets_2026-05\.parquet: no leverage bracket of BBBUSDT;"):
        load_market(None, root=tmp_path)
    assert load_market("AAAUSDT", root=tmp_path).n_symbols == 1
    market = load_market(None, root=tmp_path, missing_bracket="conservative")
    assert market.brackets[1]["maintenance_rate"][0] > market.brackets[0]["maintenance_rate"][0]
    assert "no leverage bracket of BBBUSDT: a made-up conservative table stands in" in market.notes


def test_brackets_that_do_not_chain_are_named(tmp_path: Path) -> None:
    write_folder(tmp_path, {"AAAUSDT": candles()})
    write_brackets(tmp_path / "fixtures" / "leverage_brackets_2026-05.parquet", ("AAAUSDT",), cum=36.0)
    with pytest.raises(DataError, match=r"2026-05\.parquet: AAAUSDT bracket 2 has cum 36\.00; 35\.00 expected"):
        load_market(None, root=tmp_path)


def test_a_store_gives_what_a_folder_gives(tmp_path: Path) -> None:
    table = candles()
    folder = write_folder(tmp_path / "folder", {"AAAUSDT": table})
    store = CandleStore(tmp_path / "store")
    store.merge(SeriesKey("candles", "AAAUSDT", "1h"), table)
    write_brackets(store.root / "contracts" / "leverage_brackets_2026-05.parquet", ("AAAUSDT",))
    a, b = load_market(None, root=folder), load_market(None, root=store.root)
    assert a.close.tobytes() == b.close.tobytes()
    assert a.notes == b.notes


def test_the_environment_names_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(tmp_path, {"AAAUSDT": candles()})
    monkeypatch.setenv("QT_DATA_DIR", str(tmp_path))
    assert load_market(None).symbols == ("AAAUSDT",)


def spoil(name: str) -> Columns:
    """Candles with one thing wrong in row 7."""
    table = candles()
    time = table["open_time"]
    if name == "NaN":
        table["close"][7] = np.nan
    elif name == "negative":
        table["low"][7] = -1.0
    elif name == "zero":
        table["low"][7] = 0.0
    elif name == "high below low":
        table["high"][7] = table["low"][7] - 1.0
    elif name == "close outside":
        table["close"][7] = table["high"][7] + 1.0
    elif name == "negative volume":
        table["volume"][7] = -1.0
    elif name == "duplicated":
        time[7] = time[6]
    elif name == "unsorted":
        time[7], time[8] = time[8], time[7]
    elif name == "misaligned":
        time[7] += 60_000
    elif name == "four hours":
        time[:] = START_MS + 4 * HOUR * np.arange(48)
    elif name == "four hours later on":
        time[20:] = time[19] + 4 * HOUR * np.arange(1, 29)
    elif name == "minutes":
        time[:] = START_MS + 60_000 * np.arange(48)
    return table


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("NaN", r"NaN price at row 7 \(2021-01-01T07:00Z\); four finite prices per bar expected"),
        ("negative", r"price not positive at row 7 \(2021-01-01T07:00Z\); prices above 0 expected"),
        ("zero", r"price not positive at row 7 "),
        ("high below low", r"high below low at row 7 \(2021-01-01T07:00Z\); high >= low expected"),
        ("close outside", r"open or close outside low\.\.high at row 7 "),
        ("negative volume", r"negative volume at row 7 \(2021-01-01T07:00Z\); volume >= 0 expected"),
        ("duplicated", r"duplicated time at row 7 \(2021-01-01T06:00Z\); every open time once expected"),
        ("unsorted", r"unsorted time at row 8 \(2021-01-01T07:00Z\); rising open times expected"),
        ("misaligned", r"misaligned time at row 7 \(2021-01-01T07:01Z\); multiples of 3600000 ms expected"),
        ("four hours", r"mixed timeframe at row 1 .* \(47 times\); steps of 3600000 ms expected"),
        ("four hours later on", r"mixed timeframe at row 20 .*; steps of 3600000 ms expected"),
        ("minutes", r"misaligned time at row 1 .* multiples of 3600000 ms expected"),
    ],
)
def test_each_kind_of_bad_candle_is_one_line_naming_file_and_bar(name: str, message: str, tmp_path: Path) -> None:
    write_folder(tmp_path, {"AAAUSDT": candles(), "BBBUSDT": spoil(name)})
    with pytest.raises(DataError, match=r"um_1h/BBBUSDT\.parquet: " + message) as caught:
        load_market(None, root=tmp_path)
    assert "\n" not in str(caught.value)
    assert load_market("AAAUSDT", root=tmp_path).n_bars == 48  # the sound symbol loads by itself


def test_a_short_hole_is_not_another_timeframe(tmp_path: Path) -> None:
    table = {k: np.delete(v, [5, 6, 20]) for k, v in candles().items()}
    write_folder(tmp_path, {"AAAUSDT": table})
    assert load_market(None, root=tmp_path).valid.sum() == 45


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"symbols": ["CCCUSDT"]}, r"unknown symbol CCCUSDT; .* has 1h candles of AAAUSDT"),
        ({"symbols": ["AAAUSDT", "AAAUSDT"]}, r"repeated symbol in AAAUSDT, AAAUSDT; every symbol once expected"),
        ({"symbols": []}, r"no symbol asked for; .* has 1h candles of AAAUSDT"),
        ({"timeframe": "7m"}, r"unknown timeframe '7m'; expected one of 1m, 3m"),
        ({"timeframe": "5m"}, r"no 5m candles of any symbol"),
        ({"start": "2022-01-01"}, r"empty window: no bar from 2022-01-01T00:00Z .* the data covers 2021-01-01T00:00Z"),
        ({"start": "2021-01-02", "end": "2021-01-01"}, r"empty window"),
        ({"start": "yesterday"}, r"time 'yesterday' not understood"),
        ({"detail_timeframe": "2h"}, r"detail timeframe 2h does not divide the bars of 3600000 ms"),
        ({"detail_timeframe": "1m"}, r"no 1m bar of any symbol in the window; finer bars expected"),
        ({"missing_bracket": "largest"}, r"missing_bracket='largest'; 'error' or 'conservative' expected"),
        ({"folder": "x"}, r"both root=.* and folder=x given; one of them expected"),
    ],
)
def test_bad_arguments_are_one_line(arguments: dict[str, object], message: str, tmp_path: Path) -> None:
    write_folder(tmp_path, {"AAAUSDT": candles()})
    with pytest.raises(DataError, match=message) as caught:
        load_market(**{"symbols": None, "root": tmp_path, **arguments})  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_a_missing_or_foreign_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere: no such folder; a candle store expected"):
        load_market(None, root=tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"no market data; a store with catalogue\.json or a folder"):
        load_market(None, root=tmp_path)


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("close", np.array(["x"] * 48, dtype=object), "column close holds object; numbers expected"),
        ("open_time", np.arange(48) + 0.5, "column open_time holds float64; whole ms without nulls expected"),
    ],
)
def test_columns_of_the_wrong_kind_are_named(column: str, values: np.ndarray, message: str, tmp_path: Path) -> None:
    write_folder(tmp_path, {"AAAUSDT": {**candles(), column: values}})
    with pytest.raises(DataError, match=r"AAAUSDT\.parquet: " + message):
        load_market(None, root=tmp_path)


def test_a_corrupt_file_is_named(tmp_path: Path) -> None:
    write_folder(tmp_path, {"AAAUSDT": candles()})
    (tmp_path / "um_1h" / "AAAUSDT.parquet").write_bytes(b"not parquet at all")
    with pytest.raises(DataError, match=r"um_1h/AAAUSDT\.parquet: not readable as parquet .* a whole file expected"):
        load_market(None, root=tmp_path)
