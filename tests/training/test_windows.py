"""One fit of one window: which rows it may see, what the report says of them, and when it abstains instead."""

import dataclasses
import math

import numpy as np
import pytest

from qt_core.agents.base import BaseAgent, Samples
from qt_core.agents.panel import Rows
from research.splits import SPANS
from research.training import fit as fit_file
from research.training.fit import fit_window, seed_of
from tests.agents.small import DAY, FOUR, HOUR, NETS, TREES, small_config, small_dataset, small_training, trending
from tests.features.build import with_holes


def fitted(training, name, window=0, data=None):
    w = training.windows[window]
    return fit_window(data or training.data, w, name, training.settings, training.costs, "key")


@pytest.fixture(scope="module")
def training(tmp_path_factory):
    return small_training(tmp_path_factory.mktemp("models"))


@pytest.fixture
def seen(monkeypatch):
    """What an agent was given: ``{"train": Samples, "stop": ..., "calibrate": ...}``, and predicted rows."""
    given: dict[str, Samples | Rows] = {}
    learn, calibrate, predict = BaseAgent.fit, BaseAgent.calibrate, fit_file.predict

    def fit(self, panel, train, stop, seed):
        given.update(train=train, stop=stop)
        return learn(self, panel, train, stop, seed)

    def adjust(self, panel, samples):
        given["calibrate"] = samples
        calibrate(self, panel, samples)

    def say(data, window, agent, ready):
        out = predict(data, window, agent, ready)
        given["predict"] = Rows(out.t, out.i)
        return out

    monkeypatch.setattr(BaseAgent, "fit", fit)
    monkeypatch.setattr(BaseAgent, "calibrate", adjust)
    monkeypatch.setattr(fit_file, "predict", say)
    return given


@pytest.mark.parametrize("kind", ["rolling", "expanding"])
@pytest.mark.parametrize("name", FOUR)
def test_what_an_agent_is_given_is_disjoint_in_every_window(name, kind, seen, tmp_path):
    windows = {"first_predict": "2021-02-12", "train_days": 20, "stop_days": 6, "calibrate_days": 6, "predict_days": 9}
    config = small_config({"windows": {**windows, "kind": kind, "embargo_bars": 5}})
    training = small_training(tmp_path, config, small_dataset(with_holes(trending(), [(1, 800, 830)]), config))
    labels, close_ms = training.data.labels, training.data.close_ms
    for k, window in enumerate(training.windows):
        _, report, _ = fitted(training, name, k)
        assert not report.abstains
        rows = {span: (seen[span] if span == "predict" else seen[span].rows) for span in SPANS}
        cells = {span: set(zip(r.t.tolist(), r.i.tolist(), strict=True)) for span, r in rows.items()}
        assert all(cells.values())
        assert sum(map(len, cells.values())) == len(set().union(*cells.values()))  # no row twice
        for at, span in enumerate(SPANS):
            start, end = window.span(span)
            assert start <= close_ms[rows[span].t].min()
            assert close_ms[rows[span].t].max() < end
            if span == "predict":
                continue
            ends = np.maximum(labels.end_ms[rows[span].t, rows[span].i], labels.known_ms[rows[span].t, rows[span].i])
            assert ends.min() > 0
            first_later = min(close_ms[rows[later].t].min() for later in SPANS[at + 1 :])
            assert ends.max() + 5 * HOUR <= first_later
            assert ends.max() + 5 * HOUR <= end
            assert report.spans[span]["last_known_ms"] == labels.known_ms[rows[span].t, rows[span].i].max()
            assert report.spans[span]["rows"] == len(rows[span].t)
            assert seen[span].weight.mean() == pytest.approx(1.0)
        assert report.cutoff_ms == max(report.spans[span]["last_known_ms"] for span in SPANS[:3])
        assert report.cutoff_ms + 5 * HOUR <= close_ms[rows["predict"].t].min()
        ready = training.data.panel.complete() if name in TREES else None
        if ready is not None:  # all that may be used is used
            inside = (close_ms >= window.train_ms) & (close_ms < window.stop_ms)
            fits = inside[:, None] & ready & (labels.known_ms > 0) & (labels.known_ms + 5 * HOUR <= window.stop_ms)
            assert len(cells["train"]) == fits.sum()


def test_the_report_says_what_was_done(training):
    agent, report, predictions = fitted(training, "xgb")
    w = training.windows[0]
    assert report.model_id == f"xgb-{w.name}-key"
    assert report.schema == training.data.panel.schema
    assert report.symbols == list(training.data.market.symbols)
    assert report.seed == seed_of(3, w, "xgb")
    assert report.calibration == dict(agent.calibration._asdict())
    assert set(report.seconds) == {"fit", "calibrate", "predict"}
    assert report.spans["predict"]["predicted"] == len(predictions.t) == 9 * 24 * 3
    assert report.spans["predict"]["rows"] == report.metrics["rows"]
    shares = report.spans["train"]["classes"]
    assert sum(shares.values()) == pytest.approx(1.0, abs=1e-3)
    labels, t, i = training.data.labels, predictions.t, predictions.i
    known = labels.label[t, i] >= 0
    loss = -np.log(predictions.proba[known, labels.label[t, i][known]].astype(float)).mean()
    assert report.metrics["log_loss"] == pytest.approx(loss, rel=1e-6)
    prior = np.array([shares[k] for k in ("SELL", "HOLD", "BUY")])
    assert report.metrics["log_loss_prior"] == pytest.approx(-np.log(prior[labels.label[t, i][known]]).mean(), rel=1e-3)
    assert report.metrics["log_loss"] < report.metrics["log_loss_prior"]  # there was something to learn
    for side in ("SELL", "BUY"):
        assert sum(n for _, _, n in report.reliability[side]) == known.sum()


def test_costs_in_r_are_a_round_trip_over_the_stop(training):
    _, report, p = fitted(training, "xgb")
    labels, costs = training.data.labels, training.costs
    params = training.config.params()
    assert costs.round_trip == pytest.approx(2 * (params.venue.taker_fee + params.venue.slippage))
    assert costs.threshold == params.ensemble.threshold
    proba = p.proba.astype(float)
    known = labels.label[p.t, p.i] >= 0
    long = known & (proba.argmax(axis=1) == 2) & (proba[:, 2] >= costs.threshold)
    short = known & (proba.argmax(axis=1) == 0) & (proba[:, 0] >= costs.threshold)
    r = np.concatenate([labels.r[p.t, p.i, 0][long], labels.r[p.t, p.i, 1][short]]).astype(float)
    cost = costs.round_trip / np.concatenate([labels.stop[p.t, p.i][long], labels.stop[p.t, p.i][short]])
    assert report.metrics["actionable"] == len(r) > 20
    assert report.metrics["mean_r"] == pytest.approx(r.mean())
    assert report.metrics["mean_r_net"] == pytest.approx((r - cost).mean())


def test_every_fit_draws_by_itself(training):
    seeds = {seed_of(s, w, name) for s in (0, 1) for w in training.windows for name in FOUR}
    assert len(seeds) == 2 * len(training.windows) * 4


@pytest.mark.parametrize("name", FOUR)
def test_too_little_history_is_an_abstention_that_says_so(name, tmp_path):
    config = small_config({"samples": {"min_rows": 100_000, "min_class_rows": 5}})
    training = small_training(tmp_path, config)
    agent, report, predictions = fitted(training, name)
    assert agent is predictions is None
    assert report.abstains.startswith(f"{name} 2021-02-12: ")
    assert "usable rows in train (2021-01-01 to 2021-01-31); expected at least 100000" in report.abstains
    assert report.metrics == {}


def with_labels(data, change):
    label = data.labels.label.copy()
    change(label)
    return dataclasses.replace(data, labels=dataclasses.replace(data.labels, label=label))


@pytest.mark.parametrize(("missing", "word"), [(0, "SELL"), (1, "HOLD"), (2, "BUY")])
def test_a_class_that_never_occurs_is_an_abstention(training, missing, word):
    data = with_labels(training.data, lambda x: np.putmask(x, x == missing, (missing + 1) % 3))
    _, report, _ = fitted(training, "lgbm", data=data)
    assert f"{word} occurs 0 times among" in report.abstains
    assert "training rows; expected at least 5" in report.abstains


@pytest.mark.parametrize("name", FOUR)
def test_a_class_that_is_missing_only_from_stopping_and_calibrating_does_no_harm(name, training):
    w, close_ms = training.windows[0], training.data.close_ms
    later = (close_ms >= w.stop_ms) & (close_ms < w.predict_ms)
    data = with_labels(training.data, lambda x: np.putmask(x, later[:, None] & (x == 2), 1))
    _, report, predictions = fitted(training, name, data=data)
    assert not report.abstains
    assert np.isfinite(predictions.proba).all()
    assert (predictions.proba > 0.0).all()
    assert all(math.isfinite(v) for v in report.metrics.values() if v is not None)


@pytest.mark.parametrize("span", ["stop", "calibrate"])
def test_a_span_without_rows_is_an_abstention_that_names_it(span, training):
    start, end = training.windows[0].span(span)
    inside = (training.data.close_ms >= start) & (training.data.close_ms < end)
    data = with_labels(training.data, lambda x: x.__setitem__(inside, -1))
    _, report, _ = fitted(training, "xgb", data=data)
    assert f"0 usable rows in {span} (" in report.abstains
    assert "expected at least 50" in report.abstains


@pytest.mark.parametrize("name", FOUR)
def test_constant_features_are_noted_and_do_no_harm(name, training):
    data = training.data
    features = data.panel.features.copy()
    features[..., :2] = 1.5
    panel = dataclasses.replace(data.panel, features=features)
    _, report, predictions = fitted(training, name, data=dataclasses.replace(data, panel=panel))
    assert report.notes == ["constant in training: change_1, change_4, funding_rate"]
    assert len(predictions.t) == 648


@pytest.mark.parametrize("name", TREES)
def test_features_that_are_all_constant_leave_the_class_shares(name, training):
    data = training.data
    panel = dataclasses.replace(data.panel, features=np.zeros_like(data.panel.features))
    _, report, predictions = fitted(training, name, data=dataclasses.replace(data, panel=panel))
    assert not report.abstains
    assert np.ptp(predictions.proba, axis=0).max() == 0.0
    assert np.isfinite(predictions.proba).all()


@pytest.mark.parametrize("name", FOUR)
def test_unknown_values_are_never_predicted_on(name, training):
    data = training.data
    features, returns = data.panel.features.copy(), data.panel.returns.copy()
    features[1100:1110, 0, 0] = np.nan
    returns[1100:1110, 0] = np.nan
    panel = dataclasses.replace(data.panel, features=features, returns=returns)
    _, _, p = fitted(training, name, data=dataclasses.replace(data, panel=panel))
    span = range(1007, 1223)  # bars that close in the window's nine days
    window = training.settings.params[name].window if name in NETS else 1
    assert set(span) - set(p.t[p.i == 0].tolist()) == set(range(1100, 1109 + window))
    assert set(p.t[p.i == 1].tolist()) == set(span)
    assert np.isfinite(p.proba).all()


def test_a_fit_whose_loss_is_no_number_abstains(training, monkeypatch):
    def broken(self, *args):
        raise FloatingPointError("nhits: the loss on the early-stopping rows was never a number")

    monkeypatch.setattr(BaseAgent, "fit", broken)
    agent, report, predictions = fitted(training, "nhits")
    assert agent is predictions is None
    assert report.abstains == "nhits: the loss on the early-stopping rows was never a number"


def test_the_last_window_predicts_rows_whose_labels_are_not_known_yet(training):
    _, report, p = fitted(training, "lgbm", window=2)
    assert training.data.close_ms[p.t].max() == training.data.close_ms[-1]
    assert report.spans["predict"]["rows"] < report.spans["predict"]["predicted"] == len(p.t)
    assert report.metrics["rows"] == report.spans["predict"]["rows"]
    assert training.windows[2].end_ms <= training.data.close_ms[-1] + DAY


def test_rows_whose_horizon_the_market_ends_in_are_not_judged(training):
    """Of those rows only the ones decided early have a label: they would tell of nothing but haste."""
    last = training.windows[-1]
    _, report, predictions = fit_window(training.data, last, "lgbm", training.settings, training.costs, "key")
    labels, data = training.data.labels, training.data
    early = (labels.label >= 0) & (labels.known_ms > data.close_ms[-1])
    assert early[predictions.t, predictions.i].any(), "nothing was decided early: the check would prove nothing"
    known = (labels.label >= 0) & (labels.known_ms <= data.close_ms[-1])
    assert report.metrics["rows"] == int(known[predictions.t, predictions.i].sum())
