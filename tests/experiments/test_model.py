"""The logged model: loaded back it says what the agent said; data files and one script, nothing pickled."""

from pathlib import Path

import mlflow
import numpy as np
import pytest

from experiments.tracking.model import OUTPUTS
from qt_core.agents.panel import Rows
from qt_core.agents.registry import load_agent
from qt_core.io.files import read_parquet
from research.training.folder import MODEL, PREDICTIONS
from tests.experiments.conftest import FITTED, Logged


@pytest.fixture
def at(logged: Logged):
    """Let mlflow's own functions look into the test's store."""
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(logged.store.uri)
    yield logged
    mlflow.set_tracking_uri(before)


def model_of(logged: Logged, agent: str):
    (output,) = logged.run(agent).outputs.model_outputs
    return mlflow.pyfunc.load_model(f"models:/{output.model_id}")


@pytest.mark.parametrize("agent", FITTED)
def test_it_says_what_the_agent_says(at: Logged, agent: str):
    model = model_of(at, agent)
    example = model.metadata.load_input_example()
    said = model.predict(example)
    assert tuple(said.columns) == OUTPUTS

    report, data = at.report(agent), at.training.data
    place = at.training.folder.place(report.window, agent)
    kept = read_parquet(place / PREDICTIONS)
    pick = np.unique(np.linspace(0, len(kept["p_buy"]) - 1, len(example)).astype(np.int64))
    for column in OUTPUTS[:3]:
        np.testing.assert_array_equal(said[column].to_numpy(), np.asarray(kept[column])[pick])
    np.testing.assert_array_equal(said["forecast"].to_numpy(), np.asarray(kept["forecast"])[pick])

    own = load_agent(place / MODEL)
    t = np.searchsorted(data.close_ms, np.asarray(kept["close_time"])[pick])
    i = np.array([data.market.symbols.index(str(s)) for s in np.asarray(kept["symbol"])[pick]])
    np.testing.assert_array_equal(said[list(OUTPUTS[:3])].to_numpy(), own.predict_proba(data.panel, Rows(t, i)))


@pytest.mark.parametrize("agent", FITTED)
def test_signature_and_columns(at: Logged, agent: str):
    model = model_of(at, agent)
    names = model.metadata.signature.inputs.input_names()
    assert names[-1] == "stop"
    if agent == "nhits":
        assert names[:-1] == [f"lag_{k}" for k in range(23, -1, -1)]
    else:
        assert names[:-1] == list(at.training.data.panel.names)
    assert model.metadata.signature.outputs.input_names() == list(OUTPUTS)


def test_rows_of_a_table_do_not_know_of_each_other(at: Logged):
    model = model_of(at, "nhits")
    example = model.metadata.load_input_example()
    together = model.predict(example)
    for k in range(len(example)):
        np.testing.assert_array_equal(model.predict(example.iloc[[k]]).to_numpy(), together.iloc[[k]].to_numpy())


def test_a_table_of_other_columns_is_refused(at: Logged):
    model = model_of(at, "xgb")
    with pytest.raises(mlflow.exceptions.MlflowException, match="missing inputs"):
        model.predict(model.metadata.load_input_example().drop(columns="stop"))


def test_the_model_belongs_to_its_run_and_has_its_metrics(at: Logged):
    run = at.run("lgbm")
    (output,) = run.outputs.model_outputs
    model = at.client.get_logged_model(output.model_id)
    assert model.name == at.report("lgbm").model_id
    assert model.source_run_id == run.info.run_id
    assert str(model.status) == "READY"
    assert {m.key: m.value for m in model.metrics}["log_loss"] == run.data.metrics["log_loss"]
    assert "git.repoURL" not in " ".join(model.tags)


def test_files_hold_data_and_one_script(logged: Logged):
    files = [p for p in logged.store.artifacts.rglob("*") if p.is_file() and p.name != "registered_model_meta"]
    assert {p.suffix for p in files} <= {".png", ".json", ".yaml", ".txt", ".py", ".ubj", ".safetensors", ""}
    assert {p.name for p in files if p.suffix == ".py"} == {"pyfunc_model.py"}
    assert {p.name for p in files if not p.suffix} == {"MLmodel"}


def test_requirements_are_exact_and_from_an_index(logged: Logged):
    (path, *_) = sorted(Path(logged.store.artifacts).rglob("requirements.txt"))
    lines = path.read_text().split()
    assert lines
    assert all("==" in line and "+" not in line for line in lines)
    assert not any("quantum" in line for line in lines)
