"""The ``models:`` section: every mistake is one line that names the key and what was expected, with exit code 2."""

import datetime

import pytest
import yaml

from qt_core.agents.lgbm import Params as LgbmParams
from qt_core.config import load_config
from qt_core.errors import QtError
from research.training.settings import SampleRules, settings_of
from tests.cli.conftest import call  # noqa: F401  a fixture

FIRST = {"first_predict": "2021-02-12"}
# key -> what is put there, and what the line says
WRONG = [
    ({"window": FIRST}, "unknown key 'models.window'"),
    ({"windows": {}}, r"models\.windows\.first_predict is missing; expected a date"),
    ({"windows": 7}, r"models\.windows: 7; expected keys and values"),
    ({"windows": {**FIRST, "kind": "sliding"}}, r"models\.windows\.kind: 'sliding'; expected rolling or expanding"),
    ({"windows": {"first_predict": "soon"}}, r"models\.windows\.first_predict: .*soon"),
    ({"windows": {"first_predict": [2021]}}, r"models\.windows\.first_predict: .*2021"),
    ({"windows": {"first_predict": 1.5}}, r"models\.windows\.first_predict: .*1\.5"),
    ({"windows": {"first_predict": True}}, r"models\.windows\.first_predict: .*True"),
    ({"windows": {**FIRST, "train_day": 3}}, r"unknown key 'models\.windows\.train_day'"),
    (
        {"windows": {**FIRST, "train_days": 0}},
        r"models\.windows\.train_days: 0; expected a whole number from 1 to 10000",
    ),
    ({"windows": {**FIRST, "stop_days": 0}}, r"models\.windows\.stop_days: 0; expected a whole number from 1"),
    ({"windows": {**FIRST, "calibrate_days": -3}}, r"models\.windows\.calibrate_days: -3"),
    ({"windows": {**FIRST, "predict_days": 0}}, r"models\.windows\.predict_days: 0"),
    ({"windows": {**FIRST, "predict_days": 1.5}}, r"models\.windows\.predict_days: 1\.5; expected a whole number"),
    ({"windows": {**FIRST, "embargo_bars": -1}}, r"models\.windows\.embargo_bars: -1; expected a whole number from 0"),
    ({"windows": {**FIRST, "embargo_bars": True}}, r"models\.windows\.embargo_bars: True"),
    ({"windows": FIRST, "slots": "xgb"}, r"models\.slots: 'xgb'; expected a list of one to four different models"),
    ({"windows": FIRST, "slots": []}, r"models\.slots: \[\]; expected a list of one to four"),
    ({"windows": FIRST, "slots": ["xgb", "xgb"]}, r"models\.slots: .*different"),
    (
        {"windows": FIRST, "slots": ["xgb", "prophet"]},
        r"models\.slots: 'prophet' is unknown; expected one of xgb, lgbm",
    ),
    ({"windows": FIRST, "slots": [["xgb"]]}, r"models\.slots: \['xgb'\] is unknown"),
    ({"windows": FIRST, "slots": ["xgb"], "lgbm": {}}, r"models\.lgbm: not among models\.slots \(xgb\)"),
    ({"windows": FIRST, "folder": 3}, r"models\.folder: 3; expected text"),
    ({"windows": FIRST, "folder": " "}, r"models\.folder: ' '; expected text"),
    ({"windows": FIRST, "experiment": []}, r"models\.experiment: \[\]; expected text"),
    ({"windows": FIRST, "samples": 5}, r"models\.samples: 5; expected keys and values"),
    ({"windows": FIRST, "samples": {"min_row": 5}}, r"unknown key 'models\.samples\.min_row'"),
    ({"windows": FIRST, "samples": {"min_rows": 5}}, r"models\.samples\.min_rows: 5; expected a whole number from 100"),
    ({"windows": FIRST, "samples": {"min_class_rows": 0}}, r"models\.samples\.min_class_rows: 0"),
    ({"windows": FIRST, "samples": {"breadth": 0.5}}, r"models\.samples\.breadth: 0\.5; expected a number from 1"),
    ({"windows": FIRST, "xgb": 3}, r"models\.xgb: 3; expected keys and values"),
    ({"windows": FIRST, "xgb": {"depth": 3}}, r"unknown key 'models\.xgb\.depth'"),
    (
        {"windows": FIRST, "xgb": {"max_depth": 3.5}},
        r"models\.xgb\.max_depth: 3\.5; expected a whole number from 1 to 16",
    ),
    ({"windows": FIRST, "xgb": {"eta": 2}}, r"models\.xgb\.eta: 2; expected a number from 0\.0001 to 1\.0"),
    ({"windows": FIRST, "xgb": {"eta": "0.1"}}, r"models\.xgb\.eta: '0\.1'; expected a number"),
    ({"windows": FIRST, "xgb": {"eta": float("nan")}}, r"models\.xgb\.eta: nan"),
    ({"windows": FIRST, "lgbm": {"num_leaves": 1}}, r"models\.lgbm\.num_leaves: 1; expected a whole number from 2"),
    (
        {"windows": FIRST, "nhits": {"head": "quantile"}},
        r"models\.nhits\.head: 'quantile'; expected classes or student",
    ),
    ({"windows": FIRST, "nhits": {"head": 3}}, r"models\.nhits\.head: 3; expected classes or student"),
    ({"windows": FIRST, "nhits": {"device": "tpu"}}, r"models\.nhits\.device: 'tpu'; expected auto or cpu"),
    ({"windows": FIRST, "nhits": {"window": 4}}, r"models\.nhits\.window: 4; expected a whole number from 8"),
    ({"windows": FIRST, "patchtst": {"window": 16}}, r"models\.patchtst\.window: 16; expected a whole number from 32"),
    ({"windows": FIRST, "patchtst": {"patch": 65}}, r"models\.patchtst\.patch: 65; expected at most the window, 64"),
    ({"windows": FIRST, "patchtst": {"heads": 5}}, r"models\.patchtst\.heads: 5; expected a divisor of the width, 32"),
]


@pytest.mark.parametrize(("section", "match"), WRONG, ids=lambda x: str(x)[:70])
def test_a_mistake_is_one_line_naming_the_key(section, match):
    with pytest.raises(QtError, match=match) as error:
        settings_of(load_config({"models": section}))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("command", ["train", "tape"])
@pytest.mark.parametrize("section", [WRONG[2][0], WRONG[4][0], WRONG[18][0], WRONG[-1][0]], ids=str)
def test_the_command_ends_with_exit_code_2_and_writes_nothing(call, tmp_path, command, section):  # noqa: F811
    path = tmp_path / "bad.yaml"
    data = {"simulated": {"n_symbols": 2, "n_bars": 1500, "seed": 1}}
    path.write_text(yaml.safe_dump({"data": data, "models": {"folder": str(tmp_path / "m"), **section}}))
    done = call(command, path, "--no-mlflow")
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert done.err.startswith("error: ")
    assert "models." in done.err
    assert str(path) in done.err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.yaml"]


def test_no_section(call, tmp_path):  # noqa: F811
    (tmp_path / "none.yaml").write_text("data: {simulated: {n_symbols: 2, n_bars: 1500, seed: 1}}\n")
    done = call("train", tmp_path / "none.yaml", "--no-mlflow")
    assert done.code == 2
    assert "no section models; expected one with windows.first_predict at least" in done.err


@pytest.mark.parametrize("first", ["2020-01-01", "2031-01-01", "2021-01-20"])
def test_a_first_prediction_that_the_data_do_not_allow(call, tmp_path, first):  # noqa: F811
    data = {"simulated": {"n_symbols": 2, "n_bars": 1500, "seed": 1}}
    models = {"folder": str(tmp_path / "m"), "windows": {"first_predict": first}}
    (tmp_path / "early.yaml").write_text(yaml.safe_dump({"data": data, "models": models}))
    done = call("train", tmp_path / "early.yaml", "--no-mlflow")
    assert done.code == 2
    assert "models.windows.first_predict" in done.err
    assert not (tmp_path / "m").exists()


def test_what_is_given_is_taken_and_the_rest_are_defaults():
    section = {
        "windows": {"first_predict": datetime.date(2021, 2, 12), "kind": "expanding", "embargo_bars": 0},
        "slots": ["lgbm", "nhits"],
        "lgbm": {"rounds": 7, "learning_rate": 1},
        "samples": {"breadth": 2},
        "folder": "somewhere",
    }
    s = settings_of(load_config({"seed": 9, "models": section}))
    assert s.slots == ("lgbm", "nhits")
    assert s.params["lgbm"] == LgbmParams(rounds=7, learning_rate=1.0)
    assert isinstance(s.params["lgbm"].learning_rate, float)
    assert set(s.params) == {"lgbm", "nhits"}
    assert s.samples == SampleRules(breadth=2.0)
    assert (s.plan.kind, s.plan.embargo_bars, s.plan.train_days) == ("expanding", 0, 365)
    assert s.plan.first_predict_ms == 1_613_088_000_000
    assert str(s.folder) == "somewhere"
    assert s.experiment == "models"
    assert s.seed == 9


@pytest.mark.parametrize("text", ["2021-02-12", "2021-02-12T00:00", "2021-02-12T00:00:00+00:00", 1_613_088_000_000])
def test_a_date_may_be_written_in_every_usual_way(text):
    s = settings_of(load_config({"models": {"windows": {"first_predict": text}}}))
    assert s.plan.first_predict_ms == 1_613_088_000_000
