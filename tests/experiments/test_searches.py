"""Every documented search, run through MLflow's client; its rows are those that the reports say."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from experiments.tracking import names
from experiments.tracking.searches import SEARCHES, filter_of, find, markdown
from experiments.tracking.store import client_of
from experiments.tracking.tracker import Tracker
from qt_core.errors import ConfigError
from research.training.report import FitReport
from research.training.walk_forward import Training, train
from tests.experiments.conftest import Logged, store_in

DOCS = Path(__file__).resolve().parents[2] / "docs" / "mlflow.md"


def metric(name: str, missing: float = -1e9) -> Callable[[FitReport], float]:
    def value(report: FitReport) -> float:
        found = report.metrics.get(name)
        return missing if found is None else found

    return value


# agent, window -> what these small fits are made to have done, so that every search finds some and leaves some
MADE_UP = {
    ("xgb", 0): {"actionable_accuracy": 0.55, "actionable": 100.0, "mean_r_net": 0.01, "log_loss_skill": 0.002},
    ("xgb", 1): {"actionable_accuracy": 0.5499, "actionable": 1000.0, "mean_r_net": -0.01, "calibration_error": 0.05},
    ("lgbm", 0): {"actionable_accuracy": 0.9, "actionable": 99.0, "mean_r_net": 0.5, "log_loss_skill": -0.001},
    ("lgbm", 1): {"actionable_accuracy": 0.7, "actionable": 500.0, "mean_r_net": 0.2, "calibration_error": 0.06},
}
PROVEN = (
    "worse-than-prior",
    "abstained",
    "silent",
    "cut-short",
    "miscalibrated",
    "earn-alone",
    "candidates",
    "slowest",
)


@pytest.fixture(scope="module")
def varied(trained: Training, tmp_path_factory: pytest.TempPathFactory, database: Path) -> Logged:
    """The small training with the metrics of ``MADE_UP``, logged to a store of its own."""
    reports = []
    for report in train(trained):
        changed = MADE_UP.get((report.agent, [w.name for w in trained.windows].index(report.window.name)), {})
        reports.append(dataclasses.replace(report, metrics={**report.metrics, **changed}))
    store = store_in(tmp_path_factory.mktemp("varied"), database)
    tracker = Tracker(store=store)
    tracker.begin(trained)
    for report in reports:
        tracker.fitted(report, trained.folder, trained.data)
    tracker.finish(reports)
    assert not tracker.failed, tracker.failed
    client = client_of(store)
    return Logged(trained, reports, tracker, store, client, client.get_experiment_by_name("small").experiment_id)


SKILL, ACTS = metric("log_loss_skill"), metric("actionable")


def share(report: FitReport) -> float:
    limit = report.params.get("rounds") or report.params["steps"]
    return report.curve.best_step / limit


# search -> which fits it finds, and by what they are ordered (None: by name)
EXPECTED: dict[str, tuple[Callable[[FitReport], bool], "Callable[[FitReport], object] | None"]] = {
    "fits-of-training": (lambda r: True, None),
    "window": (lambda r: not r.abstains and r.window.name == "2021-04-10", lambda r: -SKILL(r)),
    "agent": (lambda r: r.agent == "lgbm", lambda r: r.window.name),
    "best": (lambda r: not r.abstains, lambda r: -SKILL(r)),
    "worse-than-prior": (lambda r: not r.abstains and SKILL(r) < 0, SKILL),
    "abstained": (lambda r: bool(r.abstains), None),
    "miscalibrated": (
        lambda r: metric("calibration_error")(r) > 0.05, lambda r: -metric("calibration_error")(r),
    ),
    "candidates": (
        lambda r: metric("actionable_accuracy")(r) >= 0.55 and ACTS(r) >= 100,
        lambda r: -metric("actionable_accuracy")(r),
    ),
    "earn-alone": (
        lambda r: metric("mean_r_net")(r) > 0 and ACTS(r) >= 100, lambda r: -metric("mean_r_net")(r),
    ),
    "silent": (lambda r: ACTS(r) == 0, None),
    "cut-short": (lambda r: not r.abstains and share(r) > 0.98, lambda r: -share(r)),
    "data": (lambda r: r.window.name == "2021-04-25", None),
    "dataset": (lambda r: r.window.name == "2021-04-10", None),
    "universe": (lambda r: not r.abstains, lambda r: -SKILL(r)),
    "model": (lambda r: r.agent == "nhits" and r.window.name == "2021-04-10", None),
    "commit": (lambda r: True, None),
    "slowest": (lambda r: not r.abstains, lambda r: -r.seconds["fit"]),
    "superseded": (lambda r: False, None),
}  # fmt: skip


def values(varied: Logged, name: str) -> dict[str, str]:
    """What goes into the gaps of a search."""
    window = varied.report("xgb", 1).window
    given = {
        "parent": varied.tracker.parent_id,
        "window": "2021-04-10",
        "agent": "lgbm",
        "digest": varied.training.data.digest(window.train_ms, window.end_ms),
        "symbols": "4",
        "model_id": varied.report("nhits").model_id,
        "commit": varied.run("xgb").data.tags[names.COMMIT],
    }
    if name == "dataset":
        given["digest"] = varied.run("xgb").inputs.dataset_inputs[0].dataset.digest
    return {gap: given[gap] for gap in SEARCHES[name].gaps}


def run_names(varied: Logged, name: str) -> list[str]:
    return [r.info.run_name for r in find(varied.client, [varied.experiment_id], name, **values(varied, name))]


@pytest.mark.parametrize("name", EXPECTED)
def test_rows_of_a_search(varied: Logged, name: str):
    wanted, order = EXPECTED[name]
    reports = [r for r in varied.reports if wanted(r)]
    reports.sort(key=lambda r: f"{r.agent} {r.window.name}")
    if order is not None:
        reports.sort(key=order)
    assert run_names(varied, name) == [f"{r.agent} {r.window.name}" for r in reports]


def test_the_searches_are_told_apart_by_these_fits(varied: Logged):
    counts = {name: sum(bool(wanted(r)) for r in varied.reports) for name, (wanted, _) in EXPECTED.items()}
    for name in PROVEN:
        assert 0 < counts[name] < len(varied.reports), f"{name} finds all or none of the fits here: {counts[name]}"


def test_trainings_and_interrupted_ones(varied: Logged):
    assert len(run_names(varied, "trainings")) == 1
    assert run_names(varied, "interrupted") == []
    varied.client.update_run(varied.tracker.parent_id, "KILLED")
    try:
        assert len(run_names(varied, "interrupted")) == 1
    finally:
        varied.client.set_terminated(varied.tracker.parent_id, "FINISHED")


def test_every_search_is_tested():
    assert set(SEARCHES) == {*EXPECTED, "trainings", "interrupted"}
    assert all(set(s.example) == set(s.gaps) for s in SEARCHES.values())


def test_a_higher_demand_finds_less(varied: Logged):
    assert find(varied.client, [varied.experiment_id], "universe", symbols="5") == []


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("bests", {}, "unknown"),
        ("window", {}, "nothing given; window expected"),
        ("best", {"window": "x"}, "nothing expected"),
        ("window", {"window": "x' OR '1'='1"}, "letters, digits"),
    ],
)
def test_what_a_search_refuses(name, given, message):
    with pytest.raises(ConfigError, match=message):
        filter_of(name, **given)


def test_the_documented_table_is_the_code_s():
    assert markdown() in DOCS.read_text()
