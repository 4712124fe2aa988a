"""``qt train`` and ``qt tape`` as commands: what they print, what --json holds, and how they end early."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import experiments.train_cli as train_cli
import qt
from experiments.tracking.store import Store, client_of
from research.training import walk_forward
from research.training.walk_forward import Training
from tests.experiments.conftest import write_config


@pytest.fixture
def config(trained: Training, tmp_path: Path) -> Path:
    """The configuration whose fits are all on disk."""
    return write_config(tmp_path, {"folder": str(trained.settings.folder)})


@pytest.fixture
def brief_config(brief: Training, tmp_path: Path) -> Path:
    """Its two agents that are logged fastest."""
    only = {"slots": ["xgb", "patchtst"], "lgbm": None, "nhits": None}
    return write_config(tmp_path, {**only, "folder": str(brief.settings.folder)})


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, store: Store, capsys) -> Callable[..., tuple[int, str, str]]:
    """`qt` in this process, logging to the test's store."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)

    def run(*args: Any) -> tuple[int, str, str]:
        code = qt.main([str(a) for a in args])
        out, err = capsys.readouterr()
        return code, out, err

    return run


def test_a_table_and_where_it_is_logged(call, config: Path):
    code, out, err = call("train", config)
    assert code == 0
    for agent in ("xgb", "lgbm", "nhits"):
        (row,) = [line for line in out.splitlines() if f" {agent} " in line and "2 of 2" in line]
        assert "%" in row
    assert "patchtst" in out
    assert "0 of 2" in out
    assert out.count("abstains: patchtst") == 2
    assert err.count("\n") == 1
    assert "MLflow: 8 fits logged, 0 were there" in err
    assert "qt ui" in err


def test_json_is_one_document(call, config: Path, store: Store):
    code, out, _ = call("train", config, "--json")
    assert code == 0
    document = json.loads(out)
    assert set(document) == {
        "format", "experiment", "folder", "windows", "agents", "fits", "abstentions", "mlflow",
    }  # fmt: skip
    assert len(document["fits"]) == 8
    assert [a["agent"] for a in document["abstentions"]] == ["patchtst", "patchtst"]
    assert document["agents"]["xgb"]["windows"] == 2
    assert document["agents"]["patchtst"]["log_loss"] is None
    assert document["mlflow"]["logged"] == 8
    parent = client_of(store).get_run(document["mlflow"]["run_id"])
    assert parent.data.metrics["xgb/log_loss"] == document["agents"]["xgb"]["log_loss"]


def test_without_mlflow_nothing_is_logged(call, brief_config: Path, store: Store):
    code, out, err = call("train", brief_config, "--no-mlflow", "--json")
    assert code == 0
    assert json.loads(out)["mlflow"] is None
    assert err == ""
    assert client_of(store).get_experiment_by_name("small") is None
    code, out, _ = call("train", brief_config, "--json")
    assert json.loads(out)["mlflow"]["logged"] == 4


def test_a_bad_address_ends_before_any_work(call, brief_config: Path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "mlruns")
    monkeypatch.setattr(walk_forward, "open_training", lambda *_: pytest.fail("worked already"))
    code, out, err = call("train", brief_config)
    assert (code, out) == (2, "")
    assert err.startswith("error: MLFLOW_TRACKING_URI=mlruns")
    assert err.count("\n") == 1


def status(store: Store) -> str:
    client = client_of(store)
    experiment = client.get_experiment_by_name("small").experiment_id
    (parent,) = client.search_runs([experiment], "tags.`qt.kind` = 'training'")
    return parent.info.status


@pytest.mark.parametrize(("raised", "expected"), [(KeyboardInterrupt, "KILLED"), (RuntimeError, "FAILED")])
def test_how_a_training_ends_early(call, brief_config: Path, store: Store, monkeypatch, raised, expected):
    def end(*_: Any, **__: Any) -> None:
        raise raised

    with monkeypatch.context() as patch:
        patch.setattr(walk_forward, "train", end)
        if raised is KeyboardInterrupt:
            with pytest.raises(SystemExit) as ended:
                train_cli.train.main([str(brief_config)], standalone_mode=False)
            assert ended.value.code == 130
        else:
            with pytest.raises(RuntimeError):
                train_cli.train.main([str(brief_config)], standalone_mode=False)
    assert status(store) == expected
    code, _, _ = call("train", brief_config)
    assert code == 0
    assert status(store) == "FINISHED"


def test_the_tape_logs_too(call, brief_config: Path, store: Store, tmp_path: Path):
    code, out, _ = call("tape", brief_config, "--out", tmp_path / "tape.parquet")
    assert code == 0
    assert out.startswith("written: ")
    assert "2 models" in out
    assert status(store) == "FINISHED"
