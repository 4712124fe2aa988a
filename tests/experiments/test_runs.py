"""What a training and its fits look like in MLflow: names, tags, params, metrics, curves, datasets, artifacts."""

import math
from pathlib import Path

import pytest

from experiments.results import by_agent
from experiments.tracking import names
from tests.experiments.conftest import AGENTS, FITTED, Logged

WINDOWS = 2


def runs(logged: Logged, text: str = "") -> list:
    return list(logged.client.search_runs([logged.experiment_id], text, max_results=1000))


def test_one_parent_and_a_run_for_each_fit(logged: Logged):
    (parent,) = runs(logged, f"tags.`{names.KIND}` = 'training'")
    fits = runs(logged, f"tags.`{names.PARENT}` = '{parent.info.run_id}'")
    windows = [w.name for w in logged.training.windows]
    assert len(windows) == WINDOWS
    assert sorted(r.info.run_name for r in fits) == sorted(f"{a} {w}" for a in AGENTS for w in windows)
    assert len(runs(logged)) == 1 + len(fits)
    assert {r.info.status for r in (parent, *fits)} == {"FINISHED"}
    assert parent.info.run_name.startswith("small ")


@pytest.mark.parametrize("agent", AGENTS)
def test_tags_of_a_fit(logged: Logged, agent: str):
    run, report = logged.run(agent), logged.report(agent)
    tags = run.data.tags
    assert tags[names.AGENT] == agent
    assert tags[names.WINDOW] == report.window.name
    assert tags[names.MODEL_ID] == report.model_id
    assert tags[names.FIT_KEY] == report.key
    assert tags[names.SYMBOLS] == "4"
    assert tags[names.TIMEFRAME] == "1h"
    assert tags[names.CURRENT] == "true"
    assert tags[names.SCHEMA] == logged.training.data.panel.schema
    assert tags[names.DATA_DIGEST] == logged.training.data.digest(report.window.train_ms, report.window.end_ms)
    assert len(tags[names.COMMIT]) == 40
    assert tags["mlflow.source.name"] == "qt train"


def test_all_fits_carry_the_same_tags_and_common_params(logged: Logged):
    fits = [logged.run(a, w) for a in FITTED for w in range(WINDOWS)]
    assert len({frozenset(r.data.tags) for r in fits}) == 1
    common = [frozenset(k for k in r.data.params if not k.startswith("hp.")) for r in fits]
    assert len(set(common)) == 1
    assert {"seed", "agent", "window", "window.train_days", "window.kind", "symbols", "span.train"} <= common[0]
    for run in fits:
        assert run.data.params["window.train_days"] == "60"
        assert run.data.params["seed"] == "0"


@pytest.mark.parametrize("agent", AGENTS)
def test_hyperparameters_are_the_agents_own(logged: Logged, agent: str):
    found = {k.removeprefix("hp."): v for k, v in logged.run(agent).data.params.items() if k.startswith("hp.")}
    assert found == {k: str(v) for k, v in logged.training.settings.params[agent]._asdict().items()}


@pytest.mark.parametrize("agent", FITTED)
def test_metrics_are_the_reports(logged: Logged, agent: str):
    report, metrics = logged.report(agent), logged.run(agent).data.metrics
    known = {k: v for k, v in report.metrics.items() if v is not None}
    assert known == {k: metrics[k] for k in known}
    assert metrics["best_step"] == report.curve.best_step
    assert metrics["rows_train"] == report.spans["train"]["rows"]
    assert metrics["calibration_slope"] == report.calibration["slope"]
    asked = {"rmse", "mae", "r2", "directional_accuracy", "log_loss", "brier", "calibration_error", "actionable"}
    if metrics["actionable"]:
        asked |= {"actionable_accuracy", "win_rate", "mean_r", "mean_r_net"}
    assert asked <= set(metrics)
    assert agent == "nhits" or metrics["actionable"]


def test_what_could_not_be_measured_is_not_logged(logged: Logged):
    for agent in FITTED:
        for window in range(WINDOWS):
            metrics = logged.run(agent, window).data.metrics
            missing = {k for k, v in logged.report(agent, window).metrics.items() if v is None}
            assert not missing & set(metrics)
            assert all(math.isfinite(v) for v in metrics.values())


@pytest.mark.parametrize("agent", FITTED)
def test_curves_have_a_value_a_step(logged: Logged, agent: str):
    curve, run_id = logged.report(agent).curve, logged.run(agent).info.run_id
    for name, values in ((names.CURVE_TRAIN, curve.train), (names.CURVE_STOP, curve.stop)):
        history = sorted((m.step, m.value) for m in logged.client.get_metric_history(run_id, name))
        assert history == list(zip(curve.step, values, strict=True))


def test_an_abstaining_fit_is_a_finished_run_without_metrics_of_quality(logged: Logged):
    run, report = logged.run("patchtst"), logged.report("patchtst")
    assert report.abstains
    assert run.info.status == "FINISHED"
    assert run.data.tags[names.ABSTAINS] == "true"
    assert run.data.tags[names.REASON] == report.abstains
    assert not set(run.data.metrics) & {"log_loss", "best_step", names.CURVE_TRAIN}
    assert run.data.metrics["rows_train"] == report.spans["train"]["rows"]
    assert logged.run("xgb").data.tags[names.ABSTAINS] == "false"
    assert not run.outputs or not run.outputs.model_outputs


@pytest.mark.parametrize("agent", ["xgb", "patchtst"])
def test_datasets_have_true_digests(logged: Logged, agent: str):
    window, data = logged.report(agent).window, logged.training.data
    found = {
        {t.key: t.value for t in d.tags}["mlflow.data.context"]: d.dataset
        for d in logged.run(agent).inputs.dataset_inputs
    }
    assert set(found) == {"train", "predict"}
    assert found["train"].digest == data.digest(window.train_ms, window.predict_ms)[:36]
    assert found["predict"].digest == data.digest(window.predict_ms, window.end_ms)[:36]
    assert found["train"].name == "1h 4 symbols 2021-01-20 to 2021-04-10"


def test_artifacts_of_a_fit(logged: Logged, tmp_path: Path):
    run_id = logged.run("xgb").info.run_id
    folder = Path(logged.client.download_artifacts(run_id, "", str(tmp_path)))
    files = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    assert files == [names.IMPORTANCE_PNG, names.RELIABILITY_PNG, names.REPORT]
    for name in (names.IMPORTANCE_PNG, names.RELIABILITY_PNG):
        assert (folder / name).read_bytes().startswith(b"\x89PNG")


def test_the_parent_has_the_agents_means_a_line_over_windows_and_the_settings(logged: Logged, tmp_path: Path):
    parent = logged.client.get_run(logged.tracker.parent_id)
    for agent, together in by_agent(logged.reports).items():
        for name, value in together.items():
            assert parent.data.metrics.get(f"{agent}/{name}") == value
    assert parent.data.metrics["fits"] == len(FITTED) * WINDOWS
    assert parent.data.metrics["abstentions"] == WINDOWS
    history = logged.client.get_metric_history(parent.info.run_id, "by_window/xgb")
    expected = [(k + 1, logged.report("xgb", k).metrics["log_loss_skill"]) for k in range(WINDOWS)]
    assert sorted((m.step, m.value) for m in history) == expected
    assert "| xgb | 2 |" in parent.data.tags[names.NOTE]
    assert "patchtst" in parent.data.tags[names.NOTE]
    text = Path(logged.client.download_artifacts(parent.info.run_id, names.CONFIG, str(tmp_path))).read_text()
    assert "first_predict" in text


def test_times_are_those_of_the_training(logged: Logged):
    run, report = logged.run("nhits"), logged.report("nhits")
    place = logged.training.folder.place(report.window, "nhits")
    assert run.info.end_time == int((place / "report.json").stat().st_mtime * 1000)
    assert abs(run.info.end_time - run.info.start_time - 1000 * sum(report.seconds.values())) <= 1
