"""The stationary bootstrap: its index, that it keeps dependence and pairs, and that its intervals hold what they promise."""

import itertools

import numpy as np
import pytest

from research.statistics.block_length import stationary_block_length
from research.statistics.bootstrap import percentile_interval, sign_p_value, stationary_index
from tests.reference.statistics_naive import resample

LEVEL = 0.90


def ar1(rng: np.random.Generator, n: int, phi: float) -> np.ndarray:
    """Autoregression of order 1 with mean 0 and innovations of variance 1, in its stationary state."""
    x = np.empty(n)
    x[0] = rng.normal() / np.sqrt(1.0 - phi * phi)
    for t, e in enumerate(rng.normal(size=n - 1)):
        x[t + 1] = phi * x[t] + e
    return x


def runs_of(column: np.ndarray, n: int) -> tuple[list[int], list[int]]:
    """Starts and lengths of the blocks of one resample (two that happen to join count as one)."""
    starts, lengths = [int(column[0])], [1]
    for before, now in itertools.pairwise(column):
        if now == (before + 1) % n:
            lengths[-1] += 1
        else:
            starts.append(int(now))
            lengths.append(1)
    return starts, lengths


def test_a_resample_is_blocks_of_the_series_glued_together():
    x = np.random.default_rng(1).normal(size=50)
    index = stationary_index(50, 6.0, 40, np.random.default_rng(2))
    assert index.shape == (50, 40)
    assert index.min() >= 0
    assert index.max() == 49
    for column in index.T:
        assert list(x[column]) == resample(list(x), *runs_of(column, 50))


def test_blocks_have_the_length_asked_for_and_begin_anywhere():
    index = stationary_index(400, 8.0, 500, np.random.default_rng(3))
    lengths = [length for column in index.T for length in runs_of(column, 400)[1]]
    assert np.mean(lengths) == pytest.approx(8.0, rel=0.05)
    assert np.mean(np.array(lengths) == 1) == pytest.approx(1.0 / 8.0, rel=0.1)  # geometric, not fixed
    counts = np.bincount(index.ravel(), minlength=400)
    assert counts.min() > 0.8 * counts.mean()  # wrapped around: the first and last days are drawn as often as others


def test_block_of_one_draws_independently():
    index = stationary_index(300, 1.0, 300, np.random.default_rng(4))
    follows = np.mean(index[1:] == (index[:-1] + 1) % 300)
    assert follows == pytest.approx(1.0 / 300.0, abs=0.002)


def test_the_same_seed_gives_the_same_resamples():
    first, again, other = (stationary_index(30, 3.0, 5, np.random.default_rng(s)) for s in (7, 7, 8))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(("n", "block", "resamples"), [(0, 1.0, 1), (5, 0.5, 1), (5, 2.0, 0), (5, float("nan"), 1)])
def test_impossible_input_is_refused(n, block, resamples):
    with pytest.raises(ValueError, match="expected all >= 1"):
        stationary_index(n, block, resamples, np.random.default_rng(0))


def coverage(phi: float, block: "float | None", n: int = 600, worlds: int = 300, resamples: int = 300) -> float:
    """Share of simulated series whose interval holds the true mean, 0."""
    rng = np.random.default_rng(20_260)
    held = 0
    for _ in range(worlds):
        x = ar1(rng, n, phi)
        index = stationary_index(n, block or stationary_block_length(x), resamples, rng)
        low, high = percentile_interval(x[index].mean(axis=0), LEVEL)
        held += low <= 0.0 <= high
    return held / worlds


@pytest.mark.parametrize("phi", [0.0, 0.3])
def test_intervals_hold_the_truth_about_as_often_as_promised(phi):
    # On dependent series of this length the percentile interval is known to fall a few points short.
    assert LEVEL - 0.07 <= coverage(phi, None) <= LEVEL + 0.04


def test_without_blocks_they_would_not():
    assert coverage(0.6, 1.0) < 0.75
    assert coverage(0.6, None) > 0.80


def test_p_value_belongs_to_the_interval():
    resampled = np.random.default_rng(5).normal(1.8, 1.0, 4000)
    p = sign_p_value(resampled)
    assert p == pytest.approx(2.0 * np.mean(resampled <= 0.0), abs=0.001)
    inside, outside = percentile_interval(resampled, 1.0 - p - 0.01), percentile_interval(resampled, 1.0 - p + 0.01)
    assert inside.excludes_zero
    assert not outside.excludes_zero
    assert sign_p_value(-resampled) == p


def test_p_value_is_never_zero_and_at_most_one():
    assert sign_p_value(np.ones(99)) == pytest.approx(2.0 / 100.0)
    assert sign_p_value(np.zeros(99)) == 1.0


def test_figures_that_are_often_undefined_have_no_interval():
    rng = np.random.default_rng(6)
    few, many = rng.normal(size=200), rng.normal(size=200)
    few[:8], many[:12] = np.nan, np.nan
    assert np.isfinite(percentile_interval(few)).all()
    assert np.isfinite(sign_p_value(few))
    assert np.isnan(percentile_interval(many)).all()
    assert np.isnan(sign_p_value(many))
    assert not percentile_interval(many).excludes_zero
