"""`qt explain`: every trade's numbers add up, and the size is bound by the limit that is named."""

import numpy as np
import pytest

from qt_core.config import load_config
from qt_core.engine import backtest
from qt_core.errors import DataError
from research.report import explain, explain_bar, read_run
from tests.cli.conftest import SMALL


@pytest.fixture(scope="module")
def frames(small_folder):
    return read_run(small_folder)


def test_every_trade_adds_up(frames):
    assert len(frames.trades) > 50
    for trade_id in frames.trades["trade_id"]:
        text = explain(frames, int(trade_id))
        assert "as in the trade's row" in text
        assert "DIFFERS" not in text
        assert "Decision: not in the journal" not in text
        assert "SIMULATED" in text.splitlines()[0]


def test_a_row_that_does_not_add_up_is_shown(frames):
    trades = frames.trades.copy()
    trades.loc[3, "pnl_usd"] += 0.5
    import dataclasses

    text = explain(dataclasses.replace(frames, trades=trades), int(trades.loc[3, "trade_id"]))
    assert "DIFFERS from the trade's row by -0.5" in text


def test_result_and_folder_say_the_same(small_run, small_folder):
    for trade_id in (1, 17):
        assert explain(small_run.result, trade_id) == explain(small_folder, trade_id)


def test_sections_tell_the_whole_story(frames):
    t = frames.trades
    moved = frames.events[(frames.events["kind"] == "stop_moved")]["trade_id"]
    paid = frames.events[(frames.events["kind"] == "funding")]["trade_id"]
    both = sorted(set(moved) & set(paid) & set(t[t["exit_reason"] == "trailing"]["trade_id"]))
    text = explain(frames, int(both[0]))
    row = t[t["trade_id"] == both[0]].iloc[0]
    for part in (
        row["symbol"],
        row["side"],
        "by trailing",
        "ensemble (6)",
        "regime",
        "dynamic TP/SL (14)",
        "risk OS (17)",
    ):
        assert part in text
    for part in ("safety governor (24)", "before slippage", "stop ", " -> ", "Funding", "x rate", "initial risk = "):
        assert part in text
    assert f"PnL {row['pnl_usd']:+.2f} USD" in text


def test_open_position_is_explained_as_open(small_run):
    market, tape, context = small_run.market, small_run.tape, small_run.context
    entry = int(small_run.result.trades["entry_ms"][10])
    n = int((entry - market.time[0]) // market.timeframe_ms)  # the bar of this entry is the last one
    result = backtest(market.head(n + 1), tape.head(n + 1), load_config(SMALL), context=context.head(n + 1))
    assert len(result.open_positions)
    text = explain(result, int(result.open_positions["trade_id"][0]))
    assert "still open at the end" in text
    assert "unrealised" in text
    assert "as in the trade's row" in text


def test_unknown_trade_and_run_are_one_line(call, small_folder, tmp_path):
    done = call("explain", small_folder, 99_999)
    assert done.code == 2
    assert done.err == f"error: no trade 99999; the run has trades 1 to {len(read_run(small_folder).trades)}\n"
    done = call("explain", tmp_path, 1)
    assert done.code == 2
    assert "no run there" in done.err
    assert done.err.count("\n") == 1


def test_a_damaged_run_is_one_line(call, small_folder, tmp_path):
    import shutil

    shutil.copytree(small_folder, tmp_path / "run")
    (tmp_path / "run" / "trades.parquet").write_bytes(b"PAR1")
    done = call("explain", tmp_path / "run", 1)
    assert done.code == 2
    assert "trades.parquet" in done.err
    assert done.err.count("\n") == 1
    (tmp_path / "run" / ".qt-run").write_text("qt-run/0\n")
    assert "another format" in call("explain", tmp_path / "run", 1).err


def test_a_bar_lists_its_candidates(frames, call, small_folder):
    d = frames.decisions.iloc[5]
    text = explain_bar(frames, d["time"].isoformat())
    assert f" UTC: {(frames.decisions['time'] == d['time']).sum()} candidate" in text
    assert d["symbol"] in text
    done = call("explain", small_folder, "--at", d["time"].strftime("%Y-%m-%dT%H:%M"), "--symbol", d["symbol"])
    assert done.code == 0
    assert "ensemble (6)" in done.out


def test_a_symbol_without_a_row_is_explained(frames):
    t = frames.trades[(frames.trades["exit_time"] - frames.trades["entry_time"]) > np.timedelta64(3, "h")].iloc[0]
    text = explain_bar(frames, (t["entry_time"] + np.timedelta64(1, "h")).isoformat(), t["symbol"])
    assert f"was held (trade {t['trade_id']})" in text
    assert "was no candidate" in explain_bar(frames, "2021-01-01T05:00", frames.symbols[0])


@pytest.mark.parametrize(
    ("time", "symbol", "expected"),
    [
        ("2021-01-01T05:07", None, "no decision at 2021-01-01 05:07"),
        ("soon", None, "not understood"),
        ("2021-01-01T05:00", "XUSDT", "unknown symbol XUSDT"),
    ],
)
def test_bad_moments_are_refused(frames, time, symbol, expected):
    with pytest.raises(DataError, match=expected):
        explain_bar(frames, time, symbol)


def test_trade_and_moment_exclude_each_other(call, small_folder):
    for extra in ([], [1, "--at", "2021-01-01T05:00"], [1, "--symbol", "X"]):
        done = call("explain", small_folder, *extra)
        assert done.code == 2
        assert "TRADE id, or --at TIME" in done.err
