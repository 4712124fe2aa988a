"""Metrics against scikit-learn, module 1's own rule, and plain loops."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import log_loss as sk_log_loss
from sklearn.metrics import mean_absolute_error, mean_squared_error

from qt_core.config import load_config
from qt_core.signal.trading_engine import actionable
from research.training.metrics import (
    Judged,
    actions,
    brier,
    calibration_error,
    direction_skill,
    evaluate,
    log_loss,
    reliability,
    to_json,
)

ACTION = ("actionable_accuracy", "win_rate", "mean_r", "mean_r_net", "actionable_calibration_error")


def judged(n=400, seed=0, **changes):
    rng = np.random.default_rng(seed)
    proba = rng.dirichlet((2.0, 2.0, 2.0), n)
    label = rng.integers(0, 3, n)
    r = rng.uniform(-1.0, 2.0, (n, 2))
    forward = 0.01 * rng.standard_normal(n)
    forward[rng.random(n) < 0.1] = np.nan
    given = Judged(
        proba, label, 0.01 * rng.standard_normal(n), forward, r, rng.uniform(0.05, 0.2, n), np.array([0.3, 0.45, 0.25])
    )
    return given._replace(**changes)


def test_losses_are_those_of_scikit_learn():
    j = judged()
    assert log_loss(j.proba, j.label) == pytest.approx(sk_log_loss(j.label, j.proba, labels=[0, 1, 2]))
    each = [
        sum((p - (k == label)) ** 2 for k, p in enumerate(row)) for row, label in zip(j.proba, j.label, strict=True)
    ]
    assert brier(j.proba, j.label) == pytest.approx(sum(each) / len(each))
    m = evaluate(j, 0.5)
    share = np.bincount(j.label, minlength=3) / 400
    assert m["log_loss_prior"] == pytest.approx(-(share * np.log(j.prior)).sum())
    assert m["log_loss_skill"] == pytest.approx(1.0 - m["log_loss"] / m["log_loss_prior"])
    assert m["accuracy"] == pytest.approx(
        sum(int(a.argmax() == b) for a, b in zip(j.proba, j.label, strict=True)) / 400
    )
    known = np.isfinite(j.forward)
    f, y = j.forecast[known], j.forward[known]
    assert m["rmse"] == pytest.approx(math.sqrt(mean_squared_error(y, f)))
    assert m["mae"] == pytest.approx(mean_absolute_error(y, f))
    assert m["r2"] == pytest.approx(1.0 - mean_squared_error(y, f) / np.mean(y**2))  # against a forecast of zero
    assert m["directional_accuracy"] == pytest.approx(sum(a * b > 0 for a, b in zip(f, y, strict=True)) / len(y))
    assert m["rows"] == 400


def test_a_forecast_of_zero_has_no_r2_and_no_direction():
    m = evaluate(judged(forecast=np.zeros(400)), 0.5)
    assert m["r2"] == 0.0
    assert math.isnan(m["directional_accuracy"])


def naive_ece(confidence, hit, bins=10):
    """Sorted, cut into bins of as equal a number as goes, the larger ones first; gaps weighed by their rows."""
    pairs = sorted(zip(confidence.tolist(), hit.tolist(), strict=True), key=lambda x: x[0])
    n, total, at = len(pairs), 0.0, 0
    for k in range(bins):
        size = n // bins + (1 if k < n % bins else 0)
        part = pairs[at : at + size]
        at += size
        if part:
            total += abs(sum(c for c, _ in part) - sum(h for _, h in part))
    return total / n


@given(st.integers(1, 200), st.integers(0, 2**31))
def test_the_calibration_error_is_that_of_the_reference(n, seed):
    rng = np.random.default_rng(seed)
    confidence, hit = rng.random(n), rng.random(n) < 0.4
    assert calibration_error(confidence, hit) == pytest.approx(naive_ece(confidence, hit))


def test_calibration_of_what_is_right_and_of_what_is_sure_and_wrong():
    rng = np.random.default_rng(0)
    confidence = rng.random(100_000)
    assert calibration_error(confidence, rng.random(100_000) < confidence) < 0.01
    assert calibration_error(np.full(100, 0.9), np.zeros(100, dtype=bool)) == pytest.approx(0.9)
    assert math.isnan(calibration_error(np.empty(0), np.empty(0, dtype=bool)))
    bins = reliability(confidence, rng.random(100_000) < confidence)
    assert [b.n for b in bins] == [10_000] * 10
    assert all(a.confidence < b.confidence for a, b in itertools.pairwise(bins))


@pytest.mark.parametrize("threshold", [0.0, 0.4, 0.45, 0.6, 1.0])
def test_a_model_acts_where_module_1_says_it_acts(threshold):
    rng = np.random.default_rng(1)
    grid = np.array([(a, 20 - a - b, b) for a in range(21) for b in range(21 - a)]) / 20.0  # ties and exact thresholds
    proba = np.vstack([grid, rng.dirichlet((2.0, 2.0, 2.0), 500)])
    p = load_config({"ensemble": {"threshold": threshold}}).params()
    rule = getattr(actionable, "py_func", actionable)
    expected = [rule(p.engine, p.ensemble, *(float(x) for x in row)) for row in proba]
    assert actions(proba, threshold).tolist() == expected
    assert set(expected) >= {0} if threshold == 1.0 else {-1, 0, 1}


def test_figures_of_the_model_that_trades_alone():
    j = judged(seed=4)
    m = evaluate(j, 0.5)
    rs, nets, hits, said, right = [], [], [], [], []
    for k in range(400):
        sell, hold, buy = j.proba[k]
        if buy >= 0.5 and buy > max(sell, hold):
            side = 1
        elif sell >= 0.5 and sell > max(buy, hold):
            side = -1
        else:
            continue
        r = j.r[k, 0] if side > 0 else j.r[k, 1]
        rs.append(r)
        nets.append(r - j.cost_r[k])
        hits.append(j.label[k] == (2 if side > 0 else 0))
        said.append(buy if side > 0 else sell)
        right.append(hits[-1])
    assert m["actionable"] == len(rs) > 50
    assert m["actionable_share"] == pytest.approx(len(rs) / 400)
    assert m["actionable_accuracy"] == pytest.approx(sum(hits) / len(hits))
    assert m["win_rate"] == pytest.approx(sum(r > 0 for r in rs) / len(rs))
    assert m["mean_r"] == pytest.approx(sum(rs) / len(rs))
    assert m["mean_r_net"] == pytest.approx(sum(nets) / len(nets))
    assert m["mean_r_net"] < m["mean_r"]
    assert m["actionable_calibration_error"] == pytest.approx(naive_ece(np.array(said), np.array(right)))


def test_where_nothing_acts_there_is_nothing_to_measure():
    m = evaluate(judged(), 0.9999)
    assert m["actionable"] == m["actionable_share"] == 0.0
    assert all(math.isnan(m[name]) for name in ACTION)
    assert all(to_json(m)[name] is None for name in ACTION)
    assert to_json(m)["log_loss"] == m["log_loss"]


@pytest.mark.parametrize("label", [0, 1, 2])
def test_a_single_class(label):
    m = evaluate(judged(label=np.full(400, label)), 0.5)
    assert math.isfinite(m["log_loss"])
    assert math.isfinite(m["calibration_error"])
    assert m["log_loss_prior"] == pytest.approx(-math.log((0.3, 0.45, 0.25)[label]))


def test_a_certainty_that_is_wrong_costs_much_but_not_everything():
    proba = np.array([[1.0, 0.0, 0.0]] * 3)
    assert log_loss(proba, np.array([2, 2, 2])) == pytest.approx(-math.log(1e-9))
    m = evaluate(judged(3, proba=proba, label=np.array([2, 2, 2]), prior=np.array([0.5, 0.5, 0.0])), 0.5)
    assert math.isfinite(m["log_loss_skill"])


def test_unknown_returns_leave_the_other_figures():
    m = evaluate(judged(forward=np.full(400, np.nan)), 0.5)
    assert all(math.isnan(m[name]) for name in ("rmse", "mae", "r2", "directional_accuracy"))
    assert math.isfinite(m["mean_r"])


def test_direction_skill_is_of_buy_against_sell_alone():
    rng = np.random.default_rng(4)
    label = rng.integers(0, 3, 400)
    proba = rng.dirichlet((2.0, 2.0, 2.0), 400)
    prior = np.array([0.2, 0.5, 0.3])
    j = judged(proba=proba, label=label, prior=prior)
    loss = base = 0.0
    moved = [k for k in range(400) if label[k] != 1]
    for k in moved:
        p = proba[k, 2] / (proba[k, 0] + proba[k, 2])
        q = 0.3 / 0.5
        loss -= math.log(p if label[k] == 2 else 1.0 - p)
        base -= math.log(q if label[k] == 2 else 1.0 - q)
    assert direction_skill(j) == pytest.approx(1.0 - loss / base)
    assert math.isnan(direction_skill(judged(proba=proba, label=np.ones(400, dtype=np.int64), prior=prior)))
