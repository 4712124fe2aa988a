"""A training goes on where it was: nothing is done twice, what changed is done again, and only whole fits are kept."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from qt_core.agents.lgbm import LgbmAgent
from qt_core.agents.registry import load_agent
from qt_core.config import load_config
from qt_core.errors import ConfigError, DataError
from research.training import folder as folder_file
from research.training import walk_forward
from research.training.folder import MARKER, ModelsFolder
from research.training.report import read_report
from research.training.tape import tape_of
from research.training.walk_forward import check_replaced, train
from tests.agents.small import TINY, WINDOWS, small_config, small_dataset, small_training, trending

SLOTS = {"slots": ["xgb", "lgbm"]}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder in which everything is done."""
    root = tmp_path_factory.mktemp("finished") / "models"
    train(small_training(root, small_config(SLOTS)))
    return root


@pytest.fixture
def root(finished, tmp_path):
    """A copy of it."""
    shutil.copytree(finished, tmp_path / "models")
    return tmp_path / "models"


@pytest.fixture
def fits(monkeypatch):
    """Fits that are really made: (window, agent)."""
    made = []
    real = walk_forward.fit_window

    def counted(data, window, name, *rest):
        made.append((window.name, name))
        return real(data, window, name, *rest)

    monkeypatch.setattr(walk_forward, "fit_window", counted)
    return made


def models(**changes):
    return small_config({**SLOTS, **changes})


ALL = [(w, a) for w in ("2021-02-12", "2021-02-21", "2021-03-02") for a in ("xgb", "lgbm")]


def test_a_first_training_makes_every_fit_in_order(fits, tmp_path):
    said, shown = [], []
    reports = train(small_training(tmp_path / "m", models()), (), said.append, lambda a, b: shown.append((a, b)))
    assert fits == ALL
    assert [(r.window.name, r.agent) for r in reports] == ALL
    assert len(said) == 6
    assert "log loss" in said[0]
    assert shown == [(k, 6) for k in range(7)]


def test_a_second_training_makes_none_and_reports_the_same(fits, root):
    before = {p: p.read_bytes() for p in root.rglob("*") if p.is_file()}
    training = small_training(root, models())
    heard = []

    class Listener:
        def fitted(self, report, folder, data):
            heard.append((report.window.name, report.agent))

    reports = train(training, (Listener(),))
    assert fits == []
    assert heard == ALL  # who watches hears of kept fits, too
    assert {p: p.read_bytes() for p in root.rglob("*") if p.is_file()} == before
    assert [r.key for r in reports] == [job.key for job in training.jobs()]


def test_changed_hyperparameters_of_one_model_are_its_fits_only(fits, root):
    train(small_training(root, models(lgbm={**TINY["lgbm"], "rounds": 9})))
    assert fits == [job for job in ALL if job[1] == "lgbm"]


@pytest.mark.parametrize(
    "changed",
    [
        {"windows": {**WINDOWS, "embargo_bars": 7}},
        {"windows": {**WINDOWS, "train_days": 29}},
        {"windows": {**WINDOWS, "stop_days": 5}},
        {"samples": {"min_rows": 201, "min_class_rows": 5}},
        {"samples": {"min_rows": 200, "min_class_rows": 5, "breadth": 2.0}},
    ],
    ids=str,
)
def test_changed_spans_or_rules_are_all_fits(fits, root, changed):
    train(small_training(root, models(**changed)))
    assert fits == ALL


@pytest.mark.parametrize(
    "sections", [{"seed": 4}, {"venue": {"taker_fee": 0.001}}, {"ensemble": {"threshold": 0.5}}], ids=str
)
def test_another_seed_fee_or_threshold_are_all_fits(fits, root, sections):
    train(small_training(root, load_config({**small_config(SLOTS).as_dict(), **sections})))
    assert fits == ALL


def test_what_does_not_concern_a_fit_makes_none(fits, root):
    train(small_training(root, models(experiment="other", slots=["lgbm", "xgb"])))
    train(small_training(root, models(slots=["lgbm"], experiment="x")))
    assert fits == []


def test_a_model_is_added(fits, root):
    train(small_training(root, models(slots=["xgb", "lgbm", "nhits"])))
    assert fits == [(w, "nhits") for w, a in ALL if a == "xgb"]


def test_changed_data_are_the_windows_that_saw_them(fits, root):
    market = trending()
    close = market.close.copy()
    close[1300, 0] *= 1.0001  # closes on 2021-02-24: in the second window's predictions, the third's calibration
    changed = small_dataset(replace_close(market, close), models())
    train(small_training(root, models(), changed))
    assert fits == [job for job in ALL if job[0] != "2021-02-12"]


def replace_close(market, close):
    return dataclasses.replace(
        market, close=close, high=np.maximum(market.high, close), low=np.minimum(market.low, close)
    )


def test_later_bars_are_the_last_window_only(fits, root):
    config = models()
    train(small_training(root, config, small_dataset(trending().head(1464 - 6), config)))
    assert fits == [job for job in ALL if job[0] == "2021-03-02"]


def test_fits_of_other_data_do_not_get_onto_a_tape(root):
    config = models()
    other = small_training(root, config, small_dataset(trending(seed=1), config))  # the same bars and symbols
    assert not tape_of(other).available.any()
    changed = small_training(root, models(lgbm={**TINY["lgbm"], "rounds": 9}))
    tape = tape_of(changed)
    assert tape.available[..., 0].any()
    assert not tape.available[..., 1].any()


def broken_after(monkeypatch, calls, error, where, name):
    """Let the n-th call raise."""
    real, seen = getattr(where, name), []

    def call(*args, **kwargs):
        seen.append(1)
        if len(seen) == calls:
            raise error
        return real(*args, **kwargs)

    monkeypatch.setattr(where, name, call)


def whole(root):
    """Every fit's folder holds all it should, and nothing lies about."""
    found = []
    for place in sorted(p for p in root.glob("*/*")):
        report = read_report(place)
        assert {p.name for p in place.iterdir()} == {"report.json", "predictions.parquet", "model"}
        load_agent(place / "model")
        found.append((report.window.name, report.agent))
    assert {p.name for p in root.iterdir()} == {MARKER, *(w for w, _ in found)}
    return found


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, MemoryError])
def test_an_end_in_the_middle_of_a_fit(error, fits, tmp_path, monkeypatch):
    with monkeypatch.context() as m:
        broken_after(m, 2, error, LgbmAgent, "_fit")
        with pytest.raises(error):
            train(small_training(tmp_path / "m", models()))
    assert sorted(whole(tmp_path / "m")) == sorted(ALL[:3])
    fits.clear()
    train(small_training(tmp_path / "m", models()))
    assert fits == ALL[3:]
    assert sorted(whole(tmp_path / "m")) == sorted(ALL)


@pytest.mark.parametrize("where", ["_write_predictions", "write_report"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_an_end_in_the_middle_of_a_write(error, where, fits, tmp_path, monkeypatch):
    with monkeypatch.context() as m:
        broken_after(m, 3, error, folder_file, where)
        with pytest.raises(error if isinstance(error, type) else OSError):
            train(small_training(tmp_path / "m", models()))
    assert sorted(p for p in (tmp_path / "m").glob("*/.*")) == []
    assert len(list((tmp_path / "m").glob("*/*"))) == 2
    fits.clear()
    train(small_training(tmp_path / "m", models()))
    assert fits == ALL[2:]
    whole(tmp_path / "m")


def test_an_end_while_an_earlier_fit_is_replaced_leaves_that(fits, root, monkeypatch):
    before = {p: p.read_bytes() for p in root.rglob("*") if p.is_file()}
    with monkeypatch.context() as m:
        broken_after(m, 1, KeyboardInterrupt, folder_file, "write_report")
        with pytest.raises(KeyboardInterrupt):
            train(small_training(root, models(xgb={**TINY["xgb"], "rounds": 9})))
    assert {p: p.read_bytes() for p in root.rglob("*") if p.is_file()} == before


def test_interrupted_and_resumed_is_the_same_as_straight(finished, tmp_path, monkeypatch):
    with monkeypatch.context() as m:
        broken_after(m, 2, KeyboardInterrupt, LgbmAgent, "_fit")
        with pytest.raises(KeyboardInterrupt):
            train(small_training(tmp_path / "m", models()))
    train(small_training(tmp_path / "m", models()))
    for path in (p for p in finished.rglob("*") if p.is_file()):
        other = tmp_path / "m" / path.relative_to(finished)
        if path.name == "report.json":  # seconds differ
            a, b = (json.loads(p.read_text()) for p in (path, other))
            a.pop("seconds"), b.pop("seconds")
            assert a == b
        else:
            assert path.read_bytes() == other.read_bytes(), path


@pytest.mark.parametrize("damage", ["report.json", "predictions.parquet", "model"])
def test_a_fit_that_lacks_a_part_is_made_again(damage, fits, root):
    path = root / "2021-02-21" / "lgbm" / damage
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    train(small_training(root, models()))
    assert fits == [("2021-02-21", "lgbm")]


@pytest.mark.parametrize("text", ["", "{", "{}", '{"format": "qt-fit/0"}', '{"format": "qt-fit/1", "agent": "lgbm"}'])
def test_a_report_that_is_none_is_made_again(text, fits, root):
    (root / "2021-02-21" / "lgbm" / "report.json").write_text(text)
    train(small_training(root, models()))
    assert fits == [("2021-02-21", "lgbm")]


def test_an_abstention_is_kept_and_the_rest_goes_on(fits, tmp_path):
    config = models(
        slots=["patchtst", "lgbm"], patchtst={**TINY["patchtst"], "window": 1150, "patch": 100, "stride": 50}
    )
    said = []
    reports = train(small_training(tmp_path / "m", config), (), said.append)
    assert [bool(r.abstains) for r in reports] == [True, False] * 3
    assert "abstains: patchtst 2021-02-12: " in said[0]
    assert len(fits) == 6
    fits.clear()
    again = train(small_training(tmp_path / "m", config))
    assert fits == []
    assert [r.abstains for r in again] == [r.abstains for r in reports]
    tape = tape_of(small_training(tmp_path / "m", config))
    assert not tape.available[..., 0].any()
    assert tape.available[..., 1].any()
    assert [m["name"] for m in tape.models] == ["lgbm"] * 3


def test_the_tape_holds_every_prediction_at_its_place(root):
    training = small_training(root, models())
    tape = tape_of(training)
    seen = np.zeros(tape.available.shape, dtype=bool)
    for window in training.windows:
        for slot, name in enumerate(("xgb", "lgbm")):
            report = read_report(training.folder.place(window, name))
            p = training.folder.predictions(report, training.data.close_ms, training.data.market.symbols)
            assert tape.proba[p.t, p.i, slot].tobytes() == p.proba.tobytes()
            assert not seen[p.t, p.i, slot].any()
            seen[p.t, p.i, slot] = True
            model = tape.models[int(tape.model_id[p.t[0], slot])]
            assert model["id"] == report.model_id
            assert model["train_cutoff_ms"] == report.cutoff_ms <= training.data.close_ms[p.t].min()
            assert (tape.model_id[p.t, slot] == tape.model_id[p.t[0], slot]).all()
    assert np.array_equal(tape.available, seen)
    first = np.flatnonzero(tape.available.any(axis=(1, 2)))[0]
    assert training.data.close_ms[first] == training.windows[0].predict_ms
    assert tape.available[first:, :, :2].all()


def test_places_that_are_not_ours_are_refused_before_any_work(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match=r"file: is a file; a new folder, an empty one or one of trained models"):
        ModelsFolder(tmp_path / "file").check()
    with pytest.raises(DataError, match=r"holds file, which no training wrote"):
        ModelsFolder(tmp_path).check()
    ModelsFolder(tmp_path / "deep" / "new").check()
    (tmp_path / "empty").mkdir()
    ModelsFolder(tmp_path / "empty").check()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["empty", "file"]


def test_predictions_of_another_market_are_refused(root):
    training = small_training(root, models())
    report = read_report(training.folder.place(training.windows[0], "xgb"))
    close_ms, symbols = training.data.close_ms, training.data.market.symbols
    for wrong in (
        (close_ms + 1, symbols),
        (close_ms[:500], symbols),
        (close_ms, ("S0USDT", "S1USDT")),
        (close_ms, ("A", "B", "C")),
    ):
        with pytest.raises(DataError, match="rows of bars or symbols that the market does not have"):
            training.folder.predictions(report, *wrong)


def test_finished_fits_of_other_settings_are_not_trained_over_unasked(root):
    check_replaced(small_training(root, models()))  # the same again is nothing to ask about
    other = small_training(root, models(samples={"min_rows": 201}))
    with pytest.raises(ConfigError, match=r"holds 4 fits of other settings.* --replace"):  # the last window may grow
        check_replaced(other)


def test_changed_predictions_are_fitted_again_and_refused_by_a_tape(root):
    training = small_training(root, models())
    report = train(training)[0]
    path = training.folder.place(report.window, report.agent) / "predictions.parquet"
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(bytes(raw))
    with pytest.raises(DataError, match="changed since it was written"):
        training.folder.predictions(report, training.data.close_ms, training.data.market.symbols)
    job = next(iter(training.jobs()))
    assert training.folder.finished(job.window, job.agent, job.key) is None
