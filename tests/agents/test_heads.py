"""What a network's outputs mean: losses, chances of first touch, and the distribution head through a fit."""

import math

import numpy as np
import pytest
import torch

from qt_core.agents.heads import HEADS, LEAST_CHANCE, SIGMA, first_touch
from qt_core.agents.registry import load_agent
from tests.agents.small import NETS, fit_small, rows_ready


def walked(mean, sigma, win, stop, paths=20_000, steps=800, seed=0):
    """Share of fine random walks that touch ``win`` before ``-stop``; barriers moved for the steps between which nothing is
    seen (Broadie, Glasserman and Kou 1997).
    """
    rng = np.random.default_rng(seed)
    shift = 0.5826 * sigma / math.sqrt(steps)
    x, alive, won = np.zeros(paths), np.ones(paths, dtype=bool), 0
    for _ in range(steps):
        x[alive] += mean / steps + sigma / math.sqrt(steps) * rng.standard_normal(alive.sum())
        up, down = alive & (x >= win - shift), alive & (x <= -stop + shift)
        won += int(up.sum())
        alive &= ~(up | down)
    return won / paths


@pytest.mark.parametrize(
    ("mean", "sigma", "win", "stop"),
    [(0.0, 1.0, 2.0, 1.0), (0.5, 1.0, 2.0, 1.0), (-0.5, 1.5, 2.0, 1.0), (2.0, 0.7, 2.0, 1.0), (0.3, 3.0, 1.0, 1.0)],
)
def test_first_touch_is_what_random_walks_do(mean, sigma, win, stop):
    found = float(first_touch(np.array([mean]), np.array([sigma]), win, stop)[0])
    assert found == pytest.approx(walked(mean, sigma, win, stop), abs=0.012)


def test_first_touch_at_its_limits():
    def chance(mean, sigma, win=2.0, stop=1.0):
        return float(first_touch(np.array([mean]), np.array([sigma]), win, stop)[0])

    assert chance(0.0, 20.0) == pytest.approx(1 / 3, abs=1e-3)  # ample time, no drift: stop / (win + stop)
    assert chance(0.0, 20.0, 1.0, 3.0) == pytest.approx(3 / 4, abs=1e-3)
    assert chance(0.0, 0.2) == pytest.approx(0.0, abs=1e-3)  # no time
    assert chance(50.0, 1.0) == pytest.approx(1.0, abs=1e-3)  # carried there
    assert chance(-50.0, 1.0) == pytest.approx(0.0, abs=1e-3)
    # one barrier far away: the reflection principle
    assert chance(0.0, 1.0, 1.0, 30.0) == pytest.approx(math.erfc(1.0 / math.sqrt(2.0)), abs=1e-3)


def test_first_touch_is_a_chance_whatever_is_asked_and_grows_with_drift():
    for sigma in (SIGMA[0], 0.5, 1.0, 5.0, SIGMA[1]):
        mean = np.linspace(-30.0, 30.0, 601)
        up = first_touch(mean, np.full(601, sigma), 2.0, 1.0)
        down = first_touch(-mean, np.full(601, sigma), 2.0, 1.0)
        assert np.isfinite(up).all()
        assert ((up >= 0.0) & (up <= 1.0)).all()
        assert (np.diff(up) >= -1e-6).all(), sigma
        assert (up + down <= 1.0 + 1e-6).all()


def test_the_class_head_by_hand():
    head = HEADS["classes"]()
    out = torch.tensor([[0.0, math.log(2.0), 0.0, 0.5], [1.0, 0.0, 0.0, 3.0], [0.0, 0.0, 0.0, 9.0]])
    label, weight = torch.tensor([1, 2, 0]), torch.tensor([1.0, 2.0, 0.5])
    forward = torch.tensor([0.0, 0.0, float("nan")])
    entropy = [math.log(2.0), math.log(math.e + 2.0), math.log(3.0)]
    error = [0.125, 2.5, 0.0]  # squared half below 1, linear above; unknown returns teach nothing
    weighed = sum(w * (e + 0.1 * d) for w, e, d in zip((1.0, 2.0, 0.5), entropy, error, strict=True)) / 3
    assert float(head.loss(out, label, weight, forward)) == pytest.approx(weighed, rel=1e-6)
    alone = sum(w * e for w, e in zip((1.0, 2.0, 0.5), entropy, strict=True)) / 3
    assert float(head.monitor(out, label, weight, forward)) == pytest.approx(alone, rel=1e-6)
    assert head.score(out.numpy()).tolist() == out[:, :3].double().tolist()
    assert head.forecast(out.numpy()).tolist() == [0.5, 3.0, 9.0]


def test_unknown_returns_do_not_reach_the_gradient():
    for name, head in HEADS.items():
        out = torch.randn(4, head().outputs, requires_grad=True)
        forward = torch.tensor([0.1, float("nan"), -0.2, float("nan")])
        head().loss(out, torch.tensor([0, 1, 2, 1]), torch.ones(4), forward).backward()
        assert torch.isfinite(out.grad).all(), name


def test_networks_begin_at_the_class_shares():
    share = np.array([0.2, 0.5, 0.3])
    head = HEADS["classes"]()
    score = head.score(head.start(share)[None].astype(np.float32))[0]
    assert np.exp(score) / np.exp(score).sum() == pytest.approx(share)
    assert np.isfinite(head.start(np.array([0.0, 1.0, 0.0]))).all()


def test_the_student_head_says_chances():
    head = HEADS["student"]()
    rng = np.random.default_rng(0)
    out = (5.0 * rng.standard_normal((500, 3))).astype(np.float32)
    p = np.exp(head.score(out))
    assert np.isfinite(p).all()
    assert (p >= LEAST_CHANCE * 0.999).all()
    assert p.sum(axis=1) == pytest.approx(1.0, abs=1e-4)
    drifting = np.exp(head.score(np.array([[1.0, -3.0, 1.0], [1.0, 3.0, 1.0]], dtype=np.float32)))
    assert drifting[0, 0] > 0.5
    assert drifting[1, 2] > 0.5
    assert drifting[0] == pytest.approx(drifting[1, ::-1])


@pytest.mark.parametrize("name", NETS)
def test_a_network_learns_with_the_student_head(name, data, tmp_path):
    agent = fit_small(name, data, head="student")
    rows = rows_ready(agent, data.panel)
    proba, forecast = agent.answer(data.panel, rows)
    assert proba.sum(axis=1) == pytest.approx(1.0, abs=1e-6)
    assert proba.std(axis=0).min() > 0.005
    assert np.isfinite(forecast).all()
    agent.save(tmp_path / "m", {})
    loaded = load_agent(tmp_path / "m")
    assert loaded.params.head == "student"
    assert loaded.predict_proba(data.panel, rows).tobytes() == proba.tobytes()
