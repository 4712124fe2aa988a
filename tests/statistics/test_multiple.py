"""Holm's adjustment: a worked example, a plain reference, and what it promises."""

import numpy as np
import pytest

from research.statistics.multiple import holm
from tests.reference.statistics_naive import holm as naive


def test_worked_example():
    # 4 x 0.01, 3 x 0.02, then never below what came before
    assert holm(np.array([0.02, 0.04, 0.01, 0.03])) == pytest.approx([0.06, 0.06, 0.04, 0.06])


@pytest.mark.parametrize("seed", range(5))
def test_equals_the_plain_reference(seed):
    rng = np.random.default_rng(seed)
    p = np.round(rng.random(3 + 4 * seed) ** 2, 2)  # ties among them
    assert list(holm(p)) == pytest.approx(naive(list(p)))


def test_one_comparison_is_left_as_it_is():
    assert list(holm(np.array([0.03]))) == [0.03]
    assert len(holm(np.array([]))) == 0


def test_no_test_counts_as_a_comparison():
    adjusted = holm(np.array([0.01, np.nan, 0.3]))
    assert adjusted[0] == pytest.approx(0.03)
    assert adjusted[2] == pytest.approx(0.6)
    assert np.isnan(adjusted[1])


def test_luck_among_twenty_rarely_survives():
    rng = np.random.default_rng(9)
    worlds = [rng.random(20) for _ in range(1500)]
    raw = np.mean([p.min() <= 0.05 for p in worlds])
    kept = np.mean([holm(p).min() <= 0.05 for p in worlds])
    assert raw == pytest.approx(1.0 - 0.95**20, abs=0.05)  # almost two times in three
    assert 0.02 <= kept <= 0.07
