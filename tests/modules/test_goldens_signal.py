"""The worked examples of SPEC for modules 1 and 12, and the rules at their limits, each as one test."""

import math

import numpy as np
import pytest

from qt_core.codes import ADVISORY, ENFORCED, OBSERVE, OFF
from qt_core.signal import ensemble, supervisor, trading_engine

pytestmark = pytest.mark.interpreted

ENGINE, VOTE, WATCH = trading_engine.Params(), ensemble.Params(), supervisor.Params()
BASE = np.array([0.33, 0.30, 0.20, 0.17])
NAN = math.nan


def probabilities(*rows: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the first models; the others abstain."""
    proba = np.zeros((1, 1, 4, 3), dtype=np.float32)
    proba[0, 0, : len(rows)] = rows
    return proba, np.array([[[m < len(rows) for m in range(4)]]])


@pytest.mark.parametrize("vote", [0, 1])
def test_two_models_buy_and_two_abstain(vote: int):
    """XGB BUY 0.85, LGBM BUY 0.76, two abstain -> BUY 0.5085, in both vote modes."""
    rows = probabilities((0.05, 0.10, 0.85), (0.10, 0.14, 0.76))
    got = trading_engine.signal(ENGINE, VOTE._replace(vote=vote), BASE, *rows, 0, 0)
    assert got.side == 1
    assert got.confidence == pytest.approx(0.5085, abs=1e-6)
    assert (got.bad_number, got.bad_sum) == (0, 0)


def test_a_calibration_error_of_0_075_is_0_70_and_of_0_10_is_0_60():
    for error, score in ((0.075, 0.70), (0.10, 0.60), (0.0, 1.0), (0.25, 0.0), (0.9, 0.0)):
        assert supervisor.calibration(WATCH, error) == pytest.approx(score)
        n, hits, confidence = (np.zeros((4, supervisor.N_CELLS)) for _ in range(3))
        n[2, 60], confidence[2, 60], hits[2, 60] = 200.0, 190.0, 190.0 - 200.0 * error
        assert supervisor.ece(WATCH, n, hits, confidence, 2) == pytest.approx(error)
    assert math.isnan(supervisor.calibration(WATCH, NAN))


def test_calibration_is_unknown_below_100_outcomes():
    n, hits, confidence = (np.zeros((4, supervisor.N_CELLS)) for _ in range(3))
    n[0, 40] = 99.0
    assert math.isnan(supervisor.ece(WATCH, n, hits, confidence, 0))
    n[0, 50] = 1.0
    assert supervisor.ece(WATCH, n, hits, confidence, 0) == 0.0


def test_errors_of_two_rows_do_not_cancel():
    rows = probabilities((0.05, 0.15, 0.85), (0.05, 0.05, 0.85))
    got = trading_engine.signal(ENGINE, VOTE, BASE, *rows, 0, 0)
    assert (got.side, got.bad_number, got.bad_sum) == (0, 0, 2)


@pytest.mark.parametrize(
    ("mode", "side", "counted"), [(ENFORCED, 0, 1), (OBSERVE, 1, 1), (ADVISORY, 1, 1), (OFF, 1, 0)]
)
def test_a_row_that_does_not_sum_to_1_abstains_only_where_enforced(mode: int, side: int, counted: int):
    rows = probabilities((0.05, 0.0, 0.80), (0.05, 0.05, 0.90))
    p = ENGINE._replace(mode=mode)
    got = trading_engine.signal(p, VOTE, BASE, *rows, 0, 0)
    assert (got.side, got.bad_number, got.bad_sum) == (side, 0, counted)
    assert trading_engine.actionable(p, VOTE, 0.05, 0.0, 0.80) == side


def test_a_disabled_model_abstains_uncounted_even_alone():
    rows = probabilities((0.9, 0.0, 0.0), (0.05, 0.05, 0.90))
    weights = np.array([0.0, 1.0, 0.0, 0.0])
    for pe in (VOTE, VOTE._replace(mode=OFF), VOTE._replace(vote=1)):
        got = trading_engine.signal(ENGINE, pe, weights, *rows, 0, 0)
        assert (got.side, got.bad_number, got.bad_sum) == (1, 0, 0)
    nobody = trading_engine.signal(ENGINE, VOTE._replace(mode=OFF), np.zeros(4), *rows, 0, 0)
    assert (nobody.side, nobody.confidence) == (0, 0.0)


def test_the_factor_used_is_1_unless_enforced():
    assert WATCH.mode == OBSERVE
    factor = np.array([0.0, 1.0, 1.0, 0.75])
    assert tuple(supervisor.weights(WATCH, BASE, factor)) == tuple(BASE)
    bound = supervisor.weights(WATCH._replace(mode=ENFORCED), BASE, factor)
    assert bound.xgb == 0.0
    assert sum(bound) == pytest.approx(1.0)
    assert bound.patchtst / bound.nhits == pytest.approx(0.17 * 0.75 / 0.20)
    assert tuple(supervisor.weights(WATCH._replace(mode=ENFORCED), BASE, np.zeros(4))) == tuple(BASE)


def test_a_model_is_reliable_until_100_outcomes():
    poor = (0, -50.0, 0.0, 1, 1, 1)
    assert supervisor.judge(WATCH, 99, *poor, 0, 0, 0.0) == (1.0, 1, 0, 0)
    assert supervisor.judge(WATCH, 100, *poor, 0, 0, 0.0) == (pytest.approx(0.75**3), 0, 0, 0)
    assert supervisor.judge(WATCH, 100, 50, 0.0, 0.70, 1, 1, 1, 0, 0, 0.0) == (1.0, 1, 0, 0)
    assert supervisor.judge(WATCH, 100, 50, 0.0, NAN, 1, 1, 1, 30, 10, -1.0) == (0.0, 0, 0, 1)
    assert supervisor.judge(WATCH, 100, 50, 0.0, NAN, 1, 1, 1, 30, 10, 1.0).disable == 0, "rarely right, yet earning"


def test_a_label_ends_at_a_barrier_the_stop_first_or_by_time():
    def after(side: int, high: float, low: float, close: float, expired: bool = False) -> tuple[int, int, int, float]:
        return tuple(supervisor.resolve(WATCH, side, 100.0, 0.01, high, low, close, expired))

    assert supervisor.label_barriers(WATCH, 1, 100.0, 0.01) == (pytest.approx(102.0), pytest.approx(99.0))
    assert supervisor.label_barriers(WATCH, -1, 100.0, 0.01) == (pytest.approx(98.0), pytest.approx(101.0))
    assert after(1, 102.0, 99.5, 101.0) == (supervisor.RESOLVED, 1, 1, 2.0)
    assert after(1, 102.0, 99.0, 101.0) == (supervisor.RESOLVED, 0, 0, -1.0), "both touched"
    assert after(-1, 100.5, 98.0, 99.0) == (supervisor.RESOLVED, 1, 1, 2.0)
    assert after(1, 101.0, 99.5, 100.5)[0] == supervisor.PENDING
    assert after(1, 101.0, 99.5, 100.5, True) == (supervisor.RESOLVED, 1, 0, pytest.approx(0.5))
    assert after(1, NAN, NAN, NAN)[0] == supervisor.PENDING
    assert after(1, NAN, NAN, NAN, True)[0] == supervisor.VOID


def test_sums_of_confidences_come_off_without_residue():
    """What the docstring promises of float32 confidences of at least a third."""
    g = np.random.Generator(np.random.PCG64(7))
    x = g.uniform(1.0 / 3.0, 1.0, 50_000).astype(np.float32).astype(np.float64)
    total = 0.0
    for v in (*x, *-x[g.permutation(len(x))]):
        total += v
    assert total == 0.0
