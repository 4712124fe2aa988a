"""From a configuration file to the comparison, by the commands themselves, on a small simulated market."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

import qt
from qt_core.agents.lgbm import LgbmAgent
from qt_core.io.files import read_parquet
from qt_core.io.inputs import load_config_market, read_config
from qt_core.io.tape_file import read_tape
from tests.agents.small import FOUR, TINY
from tests.cli.conftest import Done, call  # noqa: F401  a fixture
from tests.foundation import FOUR as FOUNDATION

WINDOWS = {"first_predict": "2021-02-25", "train_days": 30, "stop_days": 6, "calibrate_days": 6, "predict_days": 8}


def write(folder: Path, models=None, **sections) -> Path:
    raw = {
        "seed": 1,
        "data": {"simulated": {"n_symbols": 3, "n_bars": 1680, "seed": 4}, "timeframe": "1h"},
        "signals": {"source": "tape", "tape": str(folder / "models" / "tape.parquet")},
        "supervisor": {"horizon_bars": 24},
        "modules": FOUNDATION,
        "ensemble": {"threshold": 0.2},
        "models": {
            "folder": str(folder / "models"), "windows": WINDOWS, "samples": {"min_rows": 300, "min_class_rows": 5},
            **TINY, **(models or {}),
        },
        **sections,
    }  # fmt: skip
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(raw))
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A configuration whose tape is written."""
    path = write(tmp_path_factory.mktemp("made"))
    assert qt.main(["tape", str(path), "--no-mlflow"]) == 0
    return path


def test_train_then_tape_then_backtest(call, made, tmp_path):  # noqa: F811
    again: Done = call("train", made, "--no-mlflow", "--json")
    assert again.code == 0, again.err
    document = json.loads(again.out)
    assert document["mlflow"] is None
    assert "log loss" not in again.err  # nothing was fitted anew
    table: Done = call("train", made, "--no-mlflow")
    assert all(name in table.out for name in FOUR)
    config = read_config(made)
    market = load_config_market(config)
    tape = read_tape(Path(config.signals["tape"]), market)
    assert tape.available.any(axis=(0, 1)).all()
    first = np.flatnonzero(tape.available.any(axis=(1, 2)))[0]
    assert market.time[first] + 3_600_000 == 1_614_211_200_000  # the bar that closes as 2021-02-25 begins
    assert [m["name"] for m in tape.models] == list(FOUR) * 2
    columns = read_parquet(Path(config.signals["tape"]))
    assert {f"{n}_{part}" for n in FOUR for part in ("sell", "hold", "buy", "model", "cutoff_ms")} < set(columns)
    run: Done = call("backtest", made, "--set", "signals.source=tape", "--out", tmp_path / "run", "--json")
    assert run.code == 0, run.err
    assert json.loads(run.out)["metrics"]["trades"] > 0
    assert (tmp_path / "run" / "report.html").is_file()
    compared: Done = call("compare", made, "--seeds", 1, "--json")
    assert compared.code == 0, compared.err
    lines = {x["name"]: x for x in json.loads(compared.out)["lines"]}
    assert list(lines) == ["ensemble", *FOUR, "rules", "random", "buy and hold"]
    assert any(lines[name]["trades"]["value"] > 0 for name in FOUR)


def test_the_tape_may_be_written_elsewhere(call, made, tmp_path):  # noqa: F811
    out = tmp_path / "deep" / "my.parquet"
    done: Done = call("tape", made, "--no-mlflow", "--out", out)
    assert done.code == 0, done.err
    assert f"written: {out}: " in done.out
    assert out.read_bytes() == Path(read_config(made).signals["tape"]).read_bytes()


def test_backtest_of_a_tape_that_is_not_there(call, tmp_path):  # noqa: F811
    path = write(tmp_path)
    done: Done = call("backtest", path)
    assert done.code == 2
    assert "signals.tape" in done.err
    assert "no such file; expected one written by qt tape" in done.err
    done = call("backtest", path, "--set", "signals.tape=3")
    assert done.code == 2
    assert "signals.tape: 3; expected the path of a file written by qt tape" in done.err
    (tmp_path / "no.parquet").write_text("x")
    done = call("backtest", path, "--set", f"signals.tape={tmp_path / 'no.parquet'}")
    assert done.code == 2
    assert "no.parquet: not readable as parquet" in done.err
    assert done.err.count("\n") == 1


def test_a_folder_of_something_else_is_refused_before_any_fit(call, tmp_path):  # noqa: F811
    path = write(tmp_path)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "thesis.doc").write_text("x")
    done: Done = call("train", path, "--no-mlflow")
    assert done.code == 2
    assert "holds thesis.doc, which no training wrote" in done.err
    assert [p.name for p in (tmp_path / "models").iterdir()] == ["thesis.doc"]


def test_an_interrupted_training_says_what_it_kept(call, tmp_path, monkeypatch, capsys):  # noqa: F811
    def stop(*args):
        raise KeyboardInterrupt

    path = write(tmp_path)
    monkeypatch.setattr(LgbmAgent, "_fit", stop)
    with pytest.raises(SystemExit) as end:
        call("train", path, "--no-mlflow")
    assert end.value.code == 130
    assert f"interrupted; 1 fits are kept in {tmp_path / 'models'}" in capsys.readouterr().err
    assert [p.name for p in (tmp_path / "models" / "2021-02-25").iterdir()] == ["xgb"]
