"""Finer bars: always in agreement with the bars they stand inside, and every stand-in counted."""

from pathlib import Path

import numpy as np
import pytest

from qt_core.errors import DataError
from qt_core.io.files import Columns, write_parquet
from qt_core.market import Market
from research.data import load_market
from tests.data.build import START_MS, candles, split_bars, write_folder

PARTS = 4
FINE = "15m"


def load(tmp_path: Path, fine: Columns, **arguments: object) -> Market:
    """Two symbols of 24 bars; finer bars of the first."""
    write_folder(tmp_path, {"AAAUSDT": candles(24), "BBBUSDT": candles(24)})
    write_parquet(tmp_path / f"um_{FINE}" / "AAAUSDT.parquet", fine)
    return load_market(None, root=tmp_path, detail_timeframe=FINE, **arguments)  # type: ignore[arg-type]


def summed(market: Market) -> dict[str, np.ndarray]:
    """The finer bars of each bar as one bar."""
    detail = market.detail
    assert detail is not None
    blocks = {k: getattr(detail, k).reshape(market.n_bars, PARTS, -1) for k in ("open", "high", "low", "close")}
    there = np.isfinite(blocks["close"])
    last = PARTS - 1 - there[:, ::-1].argmax(axis=1)
    return {
        "open": np.take_along_axis(blocks["open"], there.argmax(axis=1)[:, None], axis=1)[:, 0],
        "high": np.nanmax(blocks["high"], axis=1),
        "low": np.nanmin(blocks["low"], axis=1),
        "close": np.take_along_axis(blocks["close"], last[:, None], axis=1)[:, 0],
    }


def require_agreement(market: Market) -> None:
    """Every bar is the sum of its finer bars, whatever stands in."""
    detail = market.detail
    assert detail is not None
    assert (detail.time[0], detail.n_bars) == (market.time[0], market.n_bars * PARTS)
    for name, values in summed(market).items():
        assert np.array_equal(values, getattr(market, name)), name


def test_finer_bars_cover_the_span_and_the_bar_stands_in_where_there_are_none(tmp_path: Path) -> None:
    market = load(tmp_path, split_bars(candles(24), PARTS))
    require_agreement(market)
    detail = market.detail
    assert detail is not None
    assert detail.valid[:, 0].all()
    assert detail.valid[:, 1].tolist() == [k % PARTS == 0 for k in range(24 * PARTS)]
    assert "15m bars inside 24 of 48 bars" in market.notes
    assert "no finer bar in 24 bars: the bar itself stands in its first 15m slot" in market.notes
    assert "no 15m marks: the last price stands in for the mark inside bars" in market.notes
    assert detail.specs.tobytes() == market.specs.tobytes()


def test_an_incomplete_hour_is_replaced_unless_it_still_adds_up(tmp_path: Path) -> None:
    fine = split_bars(candles(24), PARTS)
    keep = np.ones(24 * PARTS, dtype=bool)
    keep[5 * PARTS] = False  # the opening and the high of hour 5 are gone
    keep[9 * PARTS + 2] = False  # the third quarter of hour 9 is inside the range of the others
    market = load(tmp_path, {k: v[keep] for k, v in fine.items()})
    require_agreement(market)
    detail = market.detail
    assert detail is not None
    assert detail.valid[5 * PARTS : 6 * PARTS, 0].tolist() == [True, False, False, False]
    assert detail.valid[9 * PARTS : 10 * PARTS, 0].tolist() == [True, True, False, True]
    assert "incomplete finer bars in 1 bars: the bar itself stands in its first 15m slot" in market.notes


def test_finer_bars_that_differ_are_counted_or_raised(tmp_path: Path) -> None:
    fine = split_bars(candles(24), PARTS)
    fine["high"][3 * PARTS] += 0.01
    market = load(tmp_path, fine)
    require_agreement(market)
    assert "finer bars that differ from the bar in 1 bars: the bar itself stands in its first 15m slot" in market.notes
    message = r"AAAUSDT bar 3 \(2021-01-01T03:00Z\): its 15m bars differ from it \(1 bars in all\); equal open"
    with pytest.raises(DataError, match=message):
        load(tmp_path, fine, detail_mismatch="raise")


def test_finer_bars_of_a_missing_bar_are_left_out(tmp_path: Path) -> None:
    hole = {k: np.delete(v, 7) for k, v in candles(24).items()}
    write_folder(tmp_path, {"AAAUSDT": hole})
    write_parquet(tmp_path / f"um_{FINE}" / "AAAUSDT.parquet", split_bars(candles(24), PARTS))
    market = load_market(None, root=tmp_path, detail_timeframe=FINE)
    assert market.detail is not None
    assert not market.detail.valid[7 * PARTS : 8 * PARTS].any()


def test_finer_marks_are_used_and_the_mark_of_the_bar_stands_in_with_it(tmp_path: Path) -> None:
    table = candles(24)
    marks = {k: v + (0 if k == "open_time" else 0.5) for k, v in table.items() if k != "volume"}
    write_parquet(tmp_path / "um_mark_1h" / "BBBUSDT.parquet", marks)
    market = load(tmp_path, split_bars(table, PARTS))
    assert market.detail is not None
    assert market.detail.mark_known[:, 1].tolist() == [k % PARTS == 0 for k in range(24 * PARTS)]
    assert market.detail.mark_high[::PARTS, 1].tolist() == marks["high"].tolist()


def test_windows_and_heads_cut_the_finer_bars_too(tmp_path: Path) -> None:
    market = load(tmp_path, split_bars(candles(24), PARTS)).head(5)
    assert market.detail is not None
    assert market.detail.n_bars == 5 * PARTS
    assert int(market.detail.time[0]) == START_MS
