"""A fifth agent is one file and one line: nearest neighbours, written, registered, trained, taped and loaded here."""

import importlib
import sys

import pytest

from qt_core.agents.panel import Rows
from qt_core.agents.registry import AGENTS, load_agent
from qt_core.errors import ConfigError
from qt_core.io.tape_file import read_tape, write_tape
from research.training.settings import settings_of
from research.training.tape import tape_of
from research.training.walk_forward import train
from tests.agents.small import small_config, small_training

SOURCE = '''"""Nearest neighbours: the class shares among the most similar rows of training."""

from typing import ClassVar, NamedTuple

import numpy as np

from qt_core.agents.base import BaseAgent, Curve
from qt_core.io.files import read_json, write_json

VERSION = 1


class Params(NamedTuple):
    neighbours: int = 20


BOUNDS = {"neighbours": (1, 1000)}


class NeighbourAgent(BaseAgent):
    NAME: ClassVar[str] = "nearest"
    VERSION: ClassVar[int] = VERSION

    def __init__(self, params=Params()):
        super().__init__(params)

    def _fit(self, panel, train, stop, seed):
        x = panel.features[train.rows.t, train.rows.i].astype(np.float64)
        x = np.where(np.isnan(x), 0.0, x)
        self.scale = x.std(axis=0) + 1e-12
        keep = np.random.default_rng(seed).choice(len(x), min(300, len(x)), replace=False)
        self.x, self.label = x[keep] / self.scale, train.label[keep]
        return Curve(step=[1], train=[0.0], stop=[0.0], best_step=1)

    def _score(self, panel, rows):
        x = panel.features[rows.t, rows.i].astype(np.float64)
        x = np.where(np.isnan(x), 0.0, x) / self.scale
        out = np.empty((len(x), 3))
        for k, row in enumerate(x):
            near = np.argsort(((self.x - row) ** 2).sum(axis=1), kind="stable")[: self.params.neighbours]
            out[k] = np.log((np.bincount(self.label[near], minlength=3) + 1.0) / (len(near) + 3.0))
        return out

    def _write(self, folder):
        write_json(folder / "rows.json", {k: getattr(self, k).tolist() for k in ("x", "label", "scale")})

    def _read(self, folder):
        raw = read_json(folder / "rows.json")
        self.x, self.label, self.scale = (np.array(raw[k]) for k in ("x", "label", "scale"))
'''


@pytest.fixture
def _fifth(tmp_path, monkeypatch):
    (tmp_path / "nearest_agent.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(AGENTS, "nearest", "nearest_agent:NeighbourAgent")  # the one line
    yield
    sys.modules.pop("nearest_agent", None)
    importlib.invalidate_caches()


@pytest.mark.usefixtures("_fifth")
def test_a_fifth_agent_goes_the_ordinary_way(tmp_path):
    config = small_config({"slots": ["nearest", "lgbm"], "nearest": {"neighbours": 30}})
    training = small_training(tmp_path / "models", config)
    assert training.settings.params["nearest"].neighbours == 30
    reports = train(training)
    assert [r.agent for r in reports] == ["nearest", "lgbm"] * 3
    assert not any(r.abstains for r in reports)
    assert all(r.metrics["log_loss"] < 1.2 for r in reports[::2])
    tape, market = tape_of(training), training.data.market
    write_tape(tmp_path / "tape.parquet", tape, market, training.settings.slots)
    read = read_tape(tmp_path / "tape.parquet", market)
    assert read.proba.tobytes() == tape.proba.tobytes()
    assert tape.available[..., :2].any(axis=(0, 1)).all()
    assert not tape.available[..., 2:].any()
    assert [m["name"] for m in tape.models] == ["nearest", "lgbm"] * 3
    agent = load_agent(training.folder.place(training.windows[0], "nearest") / "model", training.data.panel.schema)
    kept = training.folder.predictions(reports[0], training.data.close_ms, market.symbols)
    assert agent.predict_proba(training.data.panel, Rows(kept.t, kept.i)).tobytes() == kept.proba.tobytes()


@pytest.mark.usefixtures("_fifth")
def test_its_hyperparameters_are_checked_as_everyones():
    with pytest.raises(ConfigError, match=r"models\.nearest\.neighbours: 0; expected a whole number from 1 to 1000"):
        settings_of(small_config({"slots": ["nearest"], "nearest": {"neighbours": 0}}))
    with pytest.raises(ConfigError, match=r"models\.nearest"):
        settings_of(small_config({"slots": ["nearest"], "nearest": {"k": 1}}))


def test_without_the_line_it_is_unknown():
    with pytest.raises(ConfigError, match="'nearest' is unknown; expected one of xgb, lgbm, nhits, patchtst"):
        settings_of(small_config({"slots": ["nearest"]}))
