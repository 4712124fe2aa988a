"""The tape's file: what was written is read, on other bars too; what does not fit is refused in one line."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from qt_core.config import load_config
from qt_core.errors import ConfigError, DataError
from qt_core.io.signals import signal_source
from qt_core.io.tape_file import check_target, read_tape, slot_names, write_tape
from qt_core.market import make_market
from qt_core.signal.tape import N_MODELS, SignalTape, check_tape
from tests.agents.small import HOUR, trending

SLOTS = ("xgb", "nhits")
N = 120


def made(market, seed=0):
    """A tape of two slots: silent rows, silent bars, a change of model half way, one slot later than the other."""
    rng = np.random.default_rng(seed)
    shape = (market.n_bars, market.n_symbols, N_MODELS)
    available = np.zeros(shape, dtype=bool)
    available[20:, :, 0] = rng.random((market.n_bars - 20, market.n_symbols)) < 0.8
    available[40:, :, 1] = rng.random((market.n_bars - 40, market.n_symbols)) < 0.5
    available[70:75] = False
    proba = rng.dirichlet((1.0, 1.0, 1.0), shape).astype(np.float32)
    proba[~available] = 0.0
    model_id = np.full((market.n_bars, N_MODELS), -1, dtype=np.int64)
    model_id[20:60, 0], model_id[60:, 0], model_id[40:, 1] = 0, 1, 2
    cut = [int(market.time[k]) + HOUR for k in (10, 50, 30)]
    names = ("xgb", "xgb", "nhits")
    models = [
        {"name": n, "kind": "trained", "id": f"{n}-{k}", "train_cutoff_ms": c}
        for k, (n, c) in enumerate(zip(names, cut, strict=True))
    ]
    return SignalTape(proba, available, model_id, tuple(models))


@pytest.fixture
def market():
    return trending(N)


@pytest.fixture
def path(market, tmp_path):
    write_tape(tmp_path / "tape.parquet", made(market), market, SLOTS)
    return tmp_path / "tape.parquet"


def same_where_spoken(read, tape):
    assert read.proba.tobytes() == tape.proba.tobytes()
    assert np.array_equal(read.available, tape.available)
    speaks = tape.available.any(axis=1)
    assert np.array_equal(read.model_id[speaks], tape.model_id[speaks])
    assert read.models == tape.models


def test_round_trip(path, market):
    read = read_tape(path, market)
    check_tape(read, market.n_bars, market.n_symbols)
    same_where_spoken(read, made(market))


def test_on_a_part_of_the_market_and_on_a_longer_one(path, market):
    whole = read_tape(path, market)
    part = market.window(int(market.time[30]), int(market.time[90]))
    read = read_tape(path, part)
    assert read.proba.tobytes() == whole.proba[30:90].tobytes()
    assert np.array_equal(read.available, whole.available[30:90])
    longer = trending(N + 50)
    first = longer.head(N)
    write_tape(path, made(first), first, SLOTS)
    read = read_tape(path, longer)
    assert not read.available[N:].any()
    assert np.array_equal(read.available[:N], whole.available)


def test_a_symbol_the_file_does_not_have_abstains_and_one_the_market_does_not_have_is_left(path, market):
    whole = read_tape(path, market)
    columns = {k: getattr(market, k)[:, [0, 0, 2]].copy() for k in ("open", "high", "low", "close", "volume")}
    other = make_market(["S0USDT", "S1AUSDT", "S2USDT"], market.time, columns, timeframe_ms=HOUR)
    read = read_tape(path, other)
    assert not read.available[:, 1].any()
    for i in (0, 2):
        assert read.proba[:, i].tobytes() == whole.proba[:, i].tobytes()


def refused(path, market, match):
    with pytest.raises(DataError, match=match) as error:
        read_tape(path, market)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)


def test_no_file(tmp_path, market):
    refused(tmp_path / "none.parquet", market, "no such file; a tape written by qt tape expected")
    refused(tmp_path, market, "no such file; a tape written by qt tape expected")


def test_a_file_that_is_no_tape(tmp_path, market):
    path = tmp_path / "x.parquet"
    path.write_bytes(b"nonsense")
    refused(path, market, "not readable as parquet")
    pq.write_table(pa.table({"a": [1]}), path)
    refused(path, market, "no tape of qt-tape/2")


def test_another_format(path, market):
    rewrite(path, lambda about: about.update(format="qt-tape/9"))
    refused(path, market, "no tape of qt-tape/2")


def test_other_bars(path, market):
    columns = {k: getattr(market, k)[::2].copy() for k in ("open", "high", "low", "close", "volume")}
    for name, pick in (("high", np.maximum), ("low", np.minimum)):
        columns[name] = pick(getattr(market, name)[::2], getattr(market, name)[1::2])
    columns["close"] = market.close[1::2].copy()
    two = make_market(market.symbols, market.time[::2].copy(), columns, timeframe_ms=2 * HOUR)
    refused(path, two, "bars of 3600000 ms; the market has bars of 7200000 ms")


def test_no_bar_or_symbol_in_common(path, market):
    columns = {k: getattr(market, k).copy() for k in ("open", "high", "low", "close", "volume")}
    later = make_market(market.symbols, market.time + 1000 * HOUR, columns, timeframe_ms=HOUR)
    refused(path, later, "no bar of the market's span and symbols")
    others = make_market(["A", "B", "T"], market.time, columns, timeframe_ms=HOUR)
    refused(path, others, "no bar of the market's span and symbols")


def rewrite(path, about=lambda x: None, columns=lambda x: None):
    """Change metadata or columns of the file."""
    table = pq.read_table(path)
    info = json.loads(table.schema.metadata[b"qt_tape"])
    about(info)
    data = {name: table.column(name).to_numpy().copy() for name in table.column_names}
    columns(data)
    new = pa.table({k: pa.array(v) for k, v in data.items()})
    pq.write_table(new.replace_schema_metadata({"qt_tape": json.dumps(info)}), path)


def test_a_model_trained_until_after_a_row_is_refused(path, market):
    def later(by):
        def change(data):
            speaks = np.flatnonzero(data["nhits_model"] == 2)
            row = speaks[7]
            data["nhits_cutoff_ms"][row] = data["open_time"][row] + HOUR + by

        return change

    rewrite(path, columns=later(0))
    same_where_spoken(read_tape(path, market), made(market))  # known at the very close
    rewrite(path, columns=later(1))
    refused(
        path, market, r"nhits speaks at .* but was trained until .*; a cut-off at or before the bar's close expected"
    )


def test_a_missing_column_is_named(path, market):
    rewrite(path, columns=lambda data: data.pop("nhits_buy"))
    refused(path, market, "no column nhits_buy")


def test_a_model_number_without_a_model_is_refused(path, market):
    def change(data):
        data["xgb_model"][5] = 9

    rewrite(path, columns=change)
    refused(path, market, "model number 9.*; 0 to 2 expected")


def test_a_row_twice_is_refused(path, market):
    def change(data):
        for name in ("open_time", "symbol"):
            data[name][1] = data[name][0]

    rewrite(path, columns=change)
    refused(path, market, "twice")


def test_a_tape_on_which_nobody_speaks(tmp_path, market):
    silent = SignalTape(
        np.zeros((N, 3, 4, 3), dtype=np.float32), np.zeros((N, 3, 4), dtype=bool), np.full((N, 4), -1, dtype=np.int64)
    )
    write_tape(tmp_path / "tape.parquet", silent, market, SLOTS)
    refused(tmp_path / "tape.parquet", market, "no bar of the market's span and symbols")


def test_slots_have_names():
    assert slot_names(("lgbm",)) == ("lgbm", "LightGBM", "N-HiTS", "PatchTST")


def test_prices_of_another_market(path, market):
    other = trending(N, seed=9)
    assert np.array_equal(other.time, market.time)
    refused(path, other, "closed at .*; the market has .*, so a tape of these candles expected")


def test_a_target_is_a_tape_or_nothing(path, tmp_path):
    check_target(path)
    check_target(tmp_path / "new" / "tape.parquet")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match="not readable as parquet"):
        check_target(tmp_path / "notes.txt")
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_another_horizon_is_refused(market, tmp_path):
    path = tmp_path / "tape.parquet"
    write_tape(path, made(market), market, SLOTS, 24)
    given = {"signals": {"source": "tape", "tape": str(path)}}
    signal_source(load_config({**given, "supervisor": {"horizon_bars": 24}}))
    with pytest.raises(ConfigError, match=r"supervisor\.horizon_bars: 12; expected 24"):
        signal_source(load_config(given))
