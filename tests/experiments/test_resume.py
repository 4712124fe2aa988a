"""Nothing is logged twice, nothing is lost: repeated, interrupted, late and renewed trainings."""

from typing import Any

import pytest

from experiments.tracking import names
from experiments.tracking.store import Store, client_of
from experiments.tracking.tracker import Tracker
from research.training.walk_forward import Training, train
from tests.experiments.conftest import AGENTS, Logged, log, open_small


def contents(found: Logged) -> dict[str, Any]:
    """Everything in the store that a second logging could add to."""
    runs = found.client.search_runs([found.experiment_id], "", max_results=1000)
    models = found.client.search_logged_models([found.experiment_id])
    history = {
        (r.info.run_id, k): len(found.client.get_metric_history(r.info.run_id, k)) for r in runs for k in r.data.metrics
    }
    return {
        "runs": {r.info.run_id: (r.data.params, r.data.tags, r.data.metrics, r.info.status) for r in runs},
        "models": sorted(m.model_id for m in models),
        "history": history,
    }


def statuses(found: Logged) -> list[str]:
    return [r.info.status for r in found.client.search_runs([found.experiment_id], "", max_results=1000)]


def test_the_same_training_again_adds_nothing(brief: Training, store: Store):
    before = contents(log(brief, store))
    again = log(brief, store)
    assert contents(again) == before
    assert (again.tracker.new, again.tracker.old) == (0, len(again.reports))


def test_an_interrupted_training_goes_on_in_the_same_run(brief: Training, store: Store):
    tracker = Tracker(store=store)
    tracker.begin(brief)
    client = client_of(store)
    assert client.get_run(tracker.parent_id).info.status == "RUNNING"
    reports = train(brief)
    for report in reports[:2]:
        tracker.fitted(report, brief.folder, brief.data)
    tracker.finish([], "KILLED")
    assert client.get_run(tracker.parent_id).info.status == "KILLED"

    resumed = Tracker(store=store)
    resumed.begin(brief)
    assert resumed.parent_id == tracker.parent_id
    assert client.get_run(tracker.parent_id).info.status == "RUNNING"
    done = log(brief, store)
    assert done.tracker.parent_id == tracker.parent_id
    assert (done.tracker.new, done.tracker.old) == (len(reports) - 2, 2)
    assert set(statuses(done)) == {"FINISHED"}
    assert len(statuses(done)) == 1 + len(reports)


def test_a_fit_whose_logging_was_cut_short_is_logged_anew(brief: Training, store: Store, monkeypatch):
    tracker = Tracker(store=store)
    tracker.begin(brief)
    report = train(brief)[0]

    def killed(*args: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(tracker, "_log_plots", killed)
    with pytest.raises(KeyboardInterrupt):
        tracker.fitted(report, brief.folder, brief.data)
    done = log(brief, store)
    assert set(statuses(done)) == {"FINISHED"}
    assert len(statuses(done)) == 1 + len(done.reports)
    models = done.client.search_logged_models([done.experiment_id])
    assert sorted(m.name for m in models) == sorted(r.model_id for r in done.reports if not r.abstains)


def test_a_failed_training_says_so(brief: Training, store: Store):
    tracker = Tracker(store=store)
    tracker.begin(brief)
    tracker.finish([], "FAILED")
    assert client_of(store).get_run(tracker.parent_id).info.status == "FAILED"


def test_other_hyperparameters_are_another_training(brief: Training, store: Store, tmp_path):
    first = log(brief, store)
    changed = {"slots": ["xgb"], "xgb": {"rounds": 5, "max_depth": 2, "min_child_weight": 5.0}}
    for name in AGENTS[1:]:
        changed[name] = None
    other = log(open_small(tmp_path, changed), store)
    assert other.tracker.parent_id != first.tracker.parent_id
    assert other.experiment_id == first.experiment_id


def test_newer_data_go_on_in_the_same_run_and_supersede_the_last_window(store: Store, tmp_path):
    only = {"slots": ["xgb"], **dict.fromkeys(AGENTS[1:])}
    first = log(open_small(tmp_path, only, n_bars=2900), store)  # the second window is cut short
    second = log(open_small(tmp_path, only), store)
    assert second.tracker.parent_id == first.tracker.parent_id
    assert (second.tracker.new, second.tracker.old) == (1, 1)
    name = second.training.windows[1].name
    found = second.client.search_runs([second.experiment_id], f"tags.`{names.WINDOW}` = '{name}'")
    current = {r.data.tags[names.CURRENT]: r.data.tags[names.FIT_KEY] for r in found}
    assert current == {"true": second.report("xgb", 1).key, "false": first.report("xgb", 1).key}
    history = second.client.get_metric_history(second.tracker.parent_id, "by_window/xgb")
    assert len(history) == 3
