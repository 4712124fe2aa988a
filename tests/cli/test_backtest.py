"""`qt backtest` and `qt demo`: what they print and write."""

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml

from qt_core.config import load_config
from research.cli.execute import run_config
from research.report import folder
from tests.cli.conftest import SMALL, write_config
from tests.data.build import files_under

FILES = [".qt-run", "config.yaml", "decisions.parquet", "equity.parquet", "events.parquet", "report.html"]
FILES += ["summary.json", "trades.parquet"]


def test_json_is_one_document_that_equals_the_run(call, small_config, small_run):
    done = call("backtest", small_config, "--json")
    assert done.code == 0
    document = json.loads(done.out)
    result = small_run.result
    assert document["digest"] == result.digest()
    assert document["simulated"] is True
    assert document["unsafe"] == []
    assert document["emergency_stop"]["latches"] == 0
    assert document["metrics"]["trades"] == len(result.trades) > 50
    assert document["metrics"]["end_equity_usd"] == result.metrics["end_equity_usd"]
    assert sum(document["exits"].values()) == len(result.trades)
    assert sum(r["trades"] for r in document["per_symbol"]) == len(result.trades)
    assert document["window"]["bars"] == 1500
    assert document["window"]["first_bar"] == "2021-01-01T00:00Z"
    assert document["window"]["last_bar"] == "2021-03-04T11:00Z"
    assert document["symbol_bars_per_s"] > 0.0


def test_summary_is_labelled_and_honest(call, small_config):
    done = call("backtest", small_config)
    assert done.code == 0
    assert "SIMULATED MARKET" in done.out
    assert "Nothing in them is learned" in done.out
    assert "no statement about any real market" in " ".join(done.out.split())
    assert "UNSAFE" not in done.out
    for word in ("Sharpe", "max drawdown", "long / short", "funding", "slippage", "fewest trades", "symbol-bars/s"):
        assert word in done.out
    assert "SIMULATED: made-up prices, specs, brackets and funding" in done.out  # a note of the market


def test_changes_and_seed_reach_the_run(call, small_config):
    changes = ("--set", "tpsl.sl_anchor=0.02", "--set", "data.start=2021-02-01")
    done = call("backtest", small_config, "--json", "--seed", "9", *changes)
    document = json.loads(done.out)
    assert document["seed"] == 9
    assert document["config"]["tpsl"]["sl_anchor"] == 0.02
    assert document["window"]["first_bar"] == "2021-02-01T00:00Z"


def test_modules_that_do_not_bind_are_stamped(call, small_config, tmp_path):
    done = call("backtest", small_config, "--set", "governor.mode=observe", "--out", tmp_path / "run")
    assert "UNSAFE: governor not enforced" in done.out
    assert "UNSAFE: governor not enforced" in (tmp_path / "run" / "report.html").read_text()
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["unsafe"] == ["governor"]
    done = call("backtest", small_config, "--set", "ess.mode=observe")
    assert "UNSAFE: ess not enforced" in done.out


def test_band_gives_both_orders_and_the_run_is_one_of_them(call, small_config):
    narrow = ("--set", "tpsl.sl_anchor=0.004", "--set", "tpsl.tp_anchor=0.004")  # many bars reach both
    document = json.loads(call("backtest", small_config, "--json", "--band", *narrow).out)
    worst, best = document["band"]["pessimistic"], document["band"]["optimistic"]
    assert worst["total_return"] == document["metrics"]["total_return"]
    assert best["ambiguous_bars"] > 0
    assert best["total_return"] > worst["total_return"]
    done = call("backtest", small_config, "--band", "--set", "venue.intrabar=optimistic")
    assert "worst and best" in done.out


def test_folder_holds_everything_and_its_configuration_repeats_the_run(call, small_config, small_run, tmp_path):
    out = tmp_path / "deep" / "er" / "run"
    done = call("backtest", small_config, "--out", out)
    assert done.code == 0
    assert files_under(out) == FILES
    assert [p.name for p in out.parent.iterdir()] == ["run"]
    trades = pd.read_parquet(out / "trades.parquet")
    result = small_run.result
    assert len(trades) == len(result.trades) + len(result.open_positions)
    gained = result.metrics["end_equity_usd"] - result.metrics["start_equity_usd"]
    assert trades["pnl_usd"].sum() == pytest.approx(gained, abs=1e-6)
    again = run_config(load_config(out / "config.yaml"))
    assert again.result.digest() == result.digest()


def test_without_journal_its_tables_are_left_out(call, small_config, tmp_path):
    call("backtest", small_config, "--no-journal", "--out", tmp_path / "run")
    assert files_under(tmp_path / "run") == [f for f in FILES if f not in ("decisions.parquet", "events.parquet")]
    done = call("explain", tmp_path / "run", 1)
    assert done.code == 2
    assert "no journal" in done.err


def test_an_earlier_run_is_replaced_whole(call, small_config, tmp_path):
    out = tmp_path / "run"
    call("backtest", small_config, "--out", out)
    call("backtest", small_config, "--no-journal", "--out", out)
    assert "decisions.parquet" not in files_under(out)
    assert [p.name for p in tmp_path.iterdir() if p.name != small_config.name] == ["run"]


def test_an_empty_folder_is_used(call, small_config, tmp_path):
    (tmp_path / "run").mkdir()
    assert call("backtest", small_config, "--out", tmp_path / "run").code == 0
    assert files_under(tmp_path / "run") == FILES


@pytest.mark.parametrize("content", [{"notes.txt": "mine"}, {".qt-run": "qt-run/1\n", "notes.txt": "mine"}])
def test_a_folder_with_anything_else_in_it_is_refused_before_the_run(call, tmp_path, content):
    out = tmp_path / "run"
    out.mkdir()
    for name, text in content.items():
        (out / name).write_text(text)
    config = write_config(tmp_path / "c.yaml", SMALL)
    done = call("backtest", config, "--out", out)
    assert done.code == 2
    assert done.out == ""
    assert "notes.txt" in done.err
    assert done.err.count("\n") == 1
    assert files_under(out) == sorted(content)


def test_a_file_is_refused(call, small_config):
    done = call("backtest", small_config, "--out", small_config)
    assert done.code == 2
    assert "is a file" in done.err


def test_a_failed_write_leaves_the_earlier_run_as_it_was(small_run, small_folder, tmp_path, monkeypatch):
    out = tmp_path / "new" / "run"
    folder.write_run(out, small_run.result, small_run.market, small_run.summary())
    before = {name: (out / name).read_bytes() for name in files_under(out)}

    def full_disk(*_):
        raise OSError(28, "No space left on device", "report.html")

    monkeypatch.setattr("research.report.page.report_page", full_disk)
    for target in (out, tmp_path / "other" / "run"):
        with pytest.raises(OSError, match="No space left"):
            folder.write_run(target, small_run.result, small_run.market, small_run.summary())
    assert {name: (out / name).read_bytes() for name in files_under(out)} == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["new"]
    assert [p.name for p in out.parent.iterdir()] == ["run"]


def test_failed_second_rename_puts_the_earlier_run_back(small_run, tmp_path, monkeypatch):
    out = tmp_path / "run"
    folder.write_run(out, small_run.result, small_run.market, small_run.summary())
    rename = Path.rename

    def fail_into_place(self, target):
        if self.suffix == ".tmp":
            raise OSError(5, "Input/output error", str(target))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_into_place)
    with pytest.raises(OSError, match="Input/output"):
        folder.write_run(out, small_run.result, small_run.market, small_run.summary())
    assert files_under(out) == FILES
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_demo_is_labelled_idempotent_and_its_next_steps_work(call, tmp_path):
    out = tmp_path / "demo"
    first = call("demo", "--out", out)
    second = call("demo", "--out", out)
    assert (first.code, second.code) == (0, 0)
    assert "SIMULATED MARKET" in second.out
    assert files_under(out) == FILES
    assert yaml.safe_load((out / "config.yaml").read_text())["data"]["simulated"]["n_bars"] == 8760
    command = next(line for line in second.out.splitlines() if "qt explain" in line).split("   ")[0].split()
    done = call(*command[1:])
    assert done.code == 0
    assert "SIMULATED" in done.out


@pytest.mark.needs_shared
def test_majors_on_real_candles(call, shared_data, monkeypatch):
    monkeypatch.setenv("QT_SHARED_DATA", str(shared_data))
    config = Path(__file__).resolve().parents[2] / "configs" / "majors_1h.yaml"
    document = json.loads(call("backtest", config, "--json").out)
    m = document["metrics"]
    assert document["simulated"] is False
    assert len(document["symbols"]) >= 20
    # rules seldom agree with the strategy that fits the regime (STRATEGY_SIDE), so few of their calls become trades
    refused = {(v["module"], v["reason"]): v["count"] for v in document["vetoes"]}
    assert refused["meta-strategy (21)", "STRATEGY_SIDE"] > m["trades"] >= 600
    assert min(m["long_trades"], m["short_trades"]) > 0.3 * m["trades"]
    assert min(r["trades"] for r in document["per_symbol"]) >= 15
    assert sum(r["trades"] for r in document["strategies"]) == m["trades"]
    assert min(r["trades"] for r in document["strategies"]) > 0
    assert document["learning"]["sizer"]["updates"] + document["learning"]["sizer"]["not_learned"] == m["trades"]
    assert document["ladder"]["rung_1"] > 0
    assert {row["mode"] for row in document["modules"]} == {"enforced", "advisory", "observe", "always", "not used"}
    assert all(m[k] != 0.0 for k in ("fees_usd", "funding_usd", "slippage_usd"))
    assert sum(v for k, v in document["costs"].items() if k != "change_of_equity") == pytest.approx(
        document["costs"]["change_of_equity"], abs=1e-5
    )
    assert any("leverage brackets are a snapshot" in note for note in document["notes"])


@pytest.mark.parametrize("change", ["ensemble.threshold=1.0", "data.simulated.n_bars=2"])
def test_a_run_without_a_trade_is_whole_too(call, small_config, tmp_path, change):
    done = call("backtest", small_config, "--set", change, "--band", "--out", tmp_path / "run")
    assert done.code == 0
    assert "No trade was closed" in done.out
    assert "-0.00" not in done.out
    assert files_under(tmp_path / "run") == FILES
    done = call("explain", tmp_path / "run", 1)
    assert done.err == "error: no trade 1; the run has no trades\n"
