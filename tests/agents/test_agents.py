"""What every agent promises: equal fits, files that hold all of it, a row alone as among others, abstention."""

import dataclasses
import itertools
import os
import random

import numpy as np
import pytest
import torch

from qt_core.agents import calibration
from qt_core.agents.panel import Rows, make_panel
from qt_core.agents.registry import AGENTS, agent_class, load_agent
from qt_core.errors import ConfigError, DataError
from tests.agents.small import (
    NAMES,
    NETS,
    TREES,
    fit_small,
    new_agent,
    plain_features,
    plain_stops,
    rows_ready,
    samples_between,
    trending,
)
from tests.features.build import with_holes


def global_state():
    numpy_state = np.random.get_state()
    return (
        random.getstate(),
        (numpy_state[0], numpy_state[1].tobytes(), *numpy_state[2:]),
        torch.get_rng_state().numpy().tobytes(),
        torch.get_num_threads(),
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
        dict(os.environ),
    )


def files_of(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("name", AGENTS)
def test_equal_fits_are_equal_bytes_and_global_generators_are_left_alone(name, data, agents, tmp_path):
    random.seed(1), np.random.seed(2), torch.manual_seed(3)
    before = global_state()
    again = fit_small(name, data)
    again.predict_proba(data.panel, rows_ready(again, data.panel))
    assert global_state() == before
    random.random(), np.random.random(), torch.rand(1)  # other states, the same fit
    agents[name].save(tmp_path / "a", {"x": 1})
    again.save(tmp_path / "b", {"x": 1})
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")


@pytest.mark.parametrize("name", AGENTS)
def test_another_seed_gives_another_model(name, data, agents):
    other = fit_small(name, data, seed=6)
    rows = rows_ready(other, data.panel)
    assert not np.array_equal(other.predict_proba(data.panel, rows), agents[name].predict_proba(data.panel, rows))


def test_probabilities_and_forecasts_are_such(agent, data):
    rows = rows_ready(agent, data.panel)
    proba, forecast = agent.answer(data.panel, rows)
    assert proba.dtype == forecast.dtype == np.float32
    assert proba.shape == (len(rows.t), 3)
    assert (proba > 0.0).all()
    assert np.abs(proba.sum(axis=1) - 1.0).max() < 1e-6
    assert np.isfinite(forecast).all()
    assert np.abs(forecast).max() < 0.5
    assert np.array_equal(proba, agent.predict_proba(data.panel, rows))
    assert np.array_equal(forecast, agent.forecast(data.panel, rows))


def test_what_is_planted_is_learned(agent, data):
    rows = rows_ready(agent, data.panel)
    known = np.isfinite(data.labels.forward[rows.t, rows.i]) & (data.labels.label[rows.t, rows.i] >= 0)
    proba, forecast = (x[known] for x in agent.answer(data.panel, rows))
    label = data.labels.label[rows.t, rows.i][known]
    lean = proba[:, 2] - proba[:, 0]
    assert lean[label == 2].mean() > lean[label == 0].mean() + 0.05
    assert np.corrcoef(forecast, data.labels.forward[rows.t, rows.i][known])[0, 1] > 0.1


def test_saved_and_loaded_it_is_the_same_to_the_bit(agent, data, tmp_path):
    agent.save(tmp_path / "model", {"cutoff_ms": 7})
    loaded = load_agent(tmp_path / "model", data.panel.schema)
    rows = rows_ready(agent, data.panel)
    for a, b in zip(agent.answer(data.panel, rows), loaded.answer(data.panel, rows), strict=True):
        assert a.tobytes() == b.tobytes()
    assert loaded.params == agent.params
    assert loaded.calibration == agent.calibration
    assert loaded.class_forward.tobytes() == agent.class_forward.tobytes()
    assert loaded.importance() == agent.importance()
    assert loaded.warmup == agent.warmup
    loaded.save(tmp_path / "again", {"cutoff_ms": 7})
    assert files_of(tmp_path / "again") == files_of(tmp_path / "model")


def test_importance_is_a_share_of_each_input(agent):
    share = agent.importance()
    assert sum(share.values()) == pytest.approx(1.0)
    assert min(share.values()) >= 0.0
    if agent.NAME in TREES:
        assert set(share) == set(NAMES) - {"quote_volume_24h"}
    else:
        assert len(share) == 12
        spans = [tuple(int(x) for x in name.split("_")[1:]) for name in share]
        assert spans[0][0] == 1
        assert spans[-1][1] == agent.warmup
        assert all(b[0] == a[1] + 1 for a, b in itertools.pairwise(spans))


@pytest.mark.parametrize("size", [1, 2, 31, 32, 33, 100])
def test_a_row_says_the_same_alone_and_among_others(agent, data, size):
    rows = rows_ready(agent, data.panel)
    whole = agent.answer(data.panel, rows)
    rng = np.random.default_rng(size)
    for _ in range(4):
        some = rng.choice(len(rows.t), size, replace=False)
        part = agent.answer(data.panel, Rows(rows.t[some], rows.i[some]))
        for a, b in zip(part, whole, strict=True):
            assert a.tobytes() == b[some].tobytes()


def test_calibration_weighs_rows_by_the_outcomes_they_stand_for(agent, data):
    samples = samples_between(data, agent, 880, 1000)
    n = len(samples.label)
    assert samples.effective < 0.5 * n
    expected = calibration.fit(agent._score(data.panel, samples.rows), samples.label, np.full(n, samples.effective / n))
    assert agent.calibration == expected
    assert agent.calibration != calibration.Calibration()


def test_no_row_is_no_answer(agent, data):
    none = Rows(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
    proba, forecast = agent.answer(data.panel, none)
    assert proba.shape == (0, 3)
    assert forecast.shape == (0,)


@pytest.mark.parametrize("length", [1, 3])
@pytest.mark.parametrize("name", NETS)
def test_a_hole_silences_a_network_until_its_window_is_whole_again(name, length, agents):
    market = with_holes(trending(400), [(1, 200, 200 + length)])
    panel = make_panel(NAMES, plain_features(market), market.close, np.full(market.close.shape, 0.02))
    ready = agents[name].ready(panel)
    window = agents[name].warmup
    assert not ready[:window].any()  # the first close has no return
    assert ready[window:, [0, 2]].all()
    silent = np.flatnonzero(~ready[window:, 1]) + window
    # the missing bars, the first one after them (its return is unknown), and until that return has left the window
    assert silent.tolist() == list(range(200, 200 + length + window))


@pytest.mark.parametrize("name", TREES)
def test_a_tree_is_silent_where_a_feature_is_unknown_but_funding(name, agents):
    market = with_holes(trending(400), [(1, 200, 202)])
    panel = make_panel(NAMES, plain_features(market), market.close, plain_stops(market))
    assert np.isnan(panel.features[..., panel.names.index("funding_rate")][:, 2]).all()
    ready = agents[name].ready(panel)
    must = [k for k, column in enumerate(panel.names) if column != "funding_rate"]
    expected = np.zeros(ready.shape, dtype=bool)
    for t in range(400):
        for i in range(3):
            whole = not any(np.isnan(panel.features[t, i, k]) for k in must)
            expected[t, i] = whole and panel.stop[t, i] > 0
    assert np.array_equal(ready, expected)
    assert ready[300, 2]
    assert not ready[200:213, 1].any()


@pytest.mark.parametrize("value", [np.nan, 0.0, -0.01])
def test_nobody_speaks_without_a_stop_distance(agent, data, value):
    stop = data.panel.stop.copy()
    stop[1200, 1] = value
    ready = agent.ready(dataclasses.replace(data.panel, stop=stop))
    assert not ready[1200, 1]
    assert ready[1200, [0, 2]].all()
    assert agent.ready(data.panel)[1200, 1]


def test_a_panel_of_another_schema_is_refused(agent, data):
    panel = dataclasses.replace(data.panel, names=(*data.panel.names[1:], data.panel.names[0]))
    with pytest.raises(DataError, match="feature schema"):
        agent.predict_proba(panel, rows_ready(agent, panel))
    with pytest.raises(DataError, match="feature schema"):
        agent.answer(panel, rows_ready(agent, panel))


def test_an_unknown_agent_is_refused():
    with pytest.raises(ConfigError, match="'lstm' is unknown; expected one of xgb, lgbm, nhits, patchtst"):
        agent_class("lstm")


def test_early_stopping_keeps_the_best_step_and_not_the_last(data):
    for name, few in (("xgb", {"rounds": 60, "eta": 1.0}), ("lgbm", {"rounds": 60, "learning_rate": 1.0})):
        long = fit_small(name, data, **few)
        curve = fit_curve(name, data, **few)
        assert len(curve.step) > curve.best_step
        assert curve.best_step == int(np.argmin(curve.stop)) + 1
        short = fit_small(name, data, **{**few, "rounds": curve.best_step})
        rows = rows_ready(long, data.panel)
        assert np.array_equal(long.predict_proba(data.panel, rows), short.predict_proba(data.panel, rows))


def fit_curve(name, data, **params):
    agent = new_agent(name, **params)
    train, stop = samples_between(data, agent, 0, 700), samples_between(data, agent, 720, 860)
    return agent.fit(data.panel, train, stop, 5)


@pytest.mark.parametrize("name", NETS)
def test_a_network_keeps_the_weights_of_its_best_look(name, data):
    agent = new_agent(name, steps=160, patience=100)
    few, stop = samples_between(data, agent, 0, 60), samples_between(data, agent, 720, 860)
    curve = agent.fit(data.panel, few, stop, 5)  # so few rows are soon learned by heart
    best = int(np.argmin(curve.stop))
    assert curve.step == list(range(0, 161, 10))
    assert curve.best_step == curve.step[best] < 160
    assert curve.stop[-1] > curve.stop[best] + 0.05
    score = agent._score(data.panel, stop.rows)
    log_p = score - np.log(np.exp(score).sum(axis=1, keepdims=True))
    loss = -(log_p[np.arange(len(stop.label)), stop.label] * stop.weight).mean()
    assert loss == pytest.approx(curve.stop[best], rel=1e-5)


@pytest.mark.parametrize("name", NETS)
def test_a_network_ends_when_it_has_not_become_better_for_some_looks(name, data):
    agent = new_agent(name, steps=1000, patience=3)
    few, stop = samples_between(data, agent, 0, 60), samples_between(data, agent, 720, 860)
    curve = agent.fit(data.panel, few, stop, 5)
    assert curve.step[-1] == curve.best_step + 30 < 1000
