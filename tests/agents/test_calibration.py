"""Calibration: finds a known temperature and biases on many rows, believes its prior on few, stays finite on anything."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from qt_core.agents.calibration import PRIOR_DEVIATION, SLOPES, Calibration, fit, probabilities

ONE = np.ones


def said_by(c, score):
    """Probabilities by the definition, in plain Python."""
    rows = []
    for sell, hold, buy in score:
        z = [c.slope * sell + c.bias_sell, c.slope * hold, c.slope * buy + c.bias_buy]
        e = [math.exp(x - max(z)) for x in z]
        rows.append([x / sum(e) for x in e])
    return np.array(rows)


def drawn(c, n, seed=0, spread=1.0):
    """Scores and the labels that come of them where ``c`` is the truth."""
    rng = np.random.default_rng(seed)
    score = spread * rng.standard_normal((n, 3))
    p = said_by(c, score)
    label = (rng.random(n)[:, None] > np.cumsum(p, axis=1)).sum(axis=1)
    return score, np.minimum(label, 2)


def objective(x, score, label, weight):
    """Minus the log posterior, by the definition."""
    p = np.array(said_by(Calibration(*x), score))
    prior = sum((a - b) ** 2 / s**2 for a, b, s in zip(x, (1, 0, 0), PRIOR_DEVIATION, strict=True))
    return -(weight * np.log(p[np.arange(len(label)), label])).sum() + 0.5 * prior


def test_probabilities_are_those_of_the_definition():
    c = Calibration(0.7, 0.3, -0.2)
    score, _ = drawn(c, 200, spread=5.0)
    assert probabilities(c, score) == pytest.approx(said_by(c, score), abs=1e-7)
    assert probabilities(Calibration(), np.log([[0.2, 0.5, 0.3]]))[0] == pytest.approx([0.2, 0.5, 0.3])


@pytest.mark.parametrize(
    "truth", [(0.5, 0.0, 0.0), (1.0, 0.0, 0.0), (1.6, 0.4, -0.3), (0.8, -0.5, 0.5), (3.0, 0.1, 0.2)]
)
def test_many_rows_give_the_truth(truth):
    score, label = drawn(Calibration(*truth), 60_000)
    found = fit(score, label, ONE(len(label)))
    assert found == pytest.approx(truth, abs=0.05)


@pytest.mark.parametrize("n", [3, 40, 2000])
def test_it_is_the_minimum_that_scipy_finds(n):
    score, label = drawn(Calibration(0.6, 0.3, -0.3), n, seed=n)
    weight = np.random.default_rng(n).uniform(0.05, 1.0, n)
    best = minimize(objective, [1.0, 0.0, 0.0], (score, label, weight), method="BFGS", options={"gtol": 1e-7})
    assert fit(score, label, weight) == pytest.approx(best.x, abs=1e-4)


def test_few_rows_leave_the_scores_nearly_as_they_are():
    score, label = drawn(Calibration(0.2, 1.5, -1.5), 40)
    sure = fit(score, label, ONE(40))
    doubtful = fit(score, label, np.full(40, 0.05))  # they stand for two outcomes
    assert abs(sure.bias_sell) < 0.25  # 1.5 is fifteen prior deviations away
    assert doubtful == pytest.approx((1.0, 0.0, 0.0), abs=0.3)
    assert abs(doubtful.bias_sell) < abs(sure.bias_sell)


def test_no_rows_are_the_scores_as_they_are():
    assert fit(np.empty((0, 3)), np.empty(0, dtype=np.int64), np.empty(0)) == Calibration(1.0, 0.0, 0.0)


def test_no_weight_is_the_prior():
    score, label = drawn(Calibration(0.2, 1.5, -1.5), 100)
    assert fit(score, label, np.zeros(100)) == Calibration(1.0, 0.0, 0.0)


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_class_that_never_occurs_stays_possible(missing):
    score, label = drawn(Calibration(), 5000)
    label = np.where(label == missing, (missing + 1) % 3, label)
    found = fit(score, label, ONE(5000))
    assert all(math.isfinite(x) for x in found)
    p = probabilities(found, score)
    assert np.isfinite(p).all()
    assert (p > 0.0).all()
    assert p[:, missing].mean() < 0.15


def test_one_class_only():
    score, _ = drawn(Calibration(), 500)
    for k in range(3):
        p = probabilities(fit(score, np.full(500, k), ONE(500)), score)
        assert np.isfinite(p).all()
        assert p.mean(axis=0).argmax() == k
        assert p[:, k].mean() > 0.5


def test_constant_scores_become_the_class_shares():
    label = np.repeat([0, 1, 2], [30_000, 20_000, 10_000])
    p = probabilities(fit(np.zeros((60_000, 3)), label, ONE(60_000)), np.zeros((1, 3)))[0]
    assert p == pytest.approx([1 / 2, 1 / 3, 1 / 6], abs=0.01)


def test_scores_that_say_the_opposite_are_not_believed():
    score, label = drawn(Calibration(), 20_000)
    found = fit(-2.0 * score, label, ONE(20_000))
    assert found.slope == SLOPES[0]
    p = probabilities(found, -2.0 * score)
    share = np.bincount(label) / len(label)
    assert p.mean(axis=0) == pytest.approx(share, abs=0.01)
    assert p.std(axis=0).max() < 0.01


def test_scores_that_say_too_little_are_raised_as_far_as_allowed():
    """A model whose scores are right but thirty times too flat knows something: what it knows must not be thrown away."""
    score, label = drawn(Calibration(), 60_000, spread=1.5)
    found = fit(score / 30.0, label, ONE(60_000))
    assert found.slope == SLOPES[1]
    p = probabilities(found, score / 30.0)
    ours = -np.log(p[np.arange(len(label)), label]).mean()
    share = np.bincount(label) / len(label)
    nothing = -(share * np.log(share)).sum()
    assert ours < nothing - 0.05


@pytest.mark.parametrize("scale", [1e-8, 1e3, 1e6])
def test_scores_of_any_size_end_in_probabilities(scale):
    score, label = drawn(Calibration(), 300)
    p = probabilities(fit(scale * score, label, ONE(300)), scale * score)
    assert np.isfinite(p).all()
    assert p.sum(axis=1) == pytest.approx(1.0, abs=1e-6)


@given(
    st.integers(1, 60), st.integers(0, 2**31), st.floats(0.01, 30.0), st.floats(0.0, 3.0), st.sampled_from([1, 2, 3])
)
def test_whatever_comes_it_is_finite_and_no_worse_than_the_prior(n, seed, spread, weight, classes):
    rng = np.random.default_rng(seed)
    score, label = spread * rng.standard_normal((n, 3)), rng.integers(0, classes, n)
    found = fit(score, label, np.full(n, weight))
    assert all(math.isfinite(x) for x in found)
    assert SLOPES[0] <= found.slope <= SLOPES[1]
    p = probabilities(found, score)
    assert np.isfinite(p).all()
    if SLOPES[0] < found.slope < SLOPES[1]:
        log_p = [np.log(np.maximum(said_by(c, score)[np.arange(n), label], 1e-300)) for c in (found, Calibration())]
        assert weight * log_p[0].sum() >= weight * log_p[1].sum() - 1e-6


def test_the_order_of_rows_does_not_change_a_probability():
    score, _ = drawn(Calibration(), 1000, spread=3.0)
    c = Calibration(0.83, 0.11, -0.07)
    whole = probabilities(c, score)
    for size in (1, 2, 3, 5, 7, 31, 33):
        for a in range(0, 200, size):
            assert probabilities(c, score[a : a + size]).tobytes() == whole[a : a + size].tobytes()
