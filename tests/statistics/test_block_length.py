"""The automatic block length: against a plain reference, against its theory, and where it has nothing to say."""

import numpy as np
import pytest

from research.statistics.block_length import longest_block, stationary_block_length
from tests.reference.statistics_naive import block_length
from tests.statistics.test_bootstrap import ar1


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("phi", [-0.6, 0.0, 0.4, 0.95])
def test_equals_the_plain_reference(seed, phi):
    x = ar1(np.random.default_rng(seed), 60 + 47 * seed, phi)
    assert stationary_block_length(x) == pytest.approx(block_length(list(x)), rel=1e-9)


@pytest.mark.parametrize("phi", [0.4, 0.6, 0.8])
def test_finds_the_best_length_of_an_autoregression(phi):
    # sum |k| R(k) = 2 phi / (1 - phi)^2 and sum R(k) = (1 + phi) / (1 - phi), each times the variance
    n = 8_000
    best = (2.0 * phi / (1.0 - phi * phi)) ** (2.0 / 3.0) * n ** (1.0 / 3.0)
    rng = np.random.default_rng(11)
    found = np.median([stationary_block_length(ar1(rng, n, phi)) for _ in range(20)])
    assert found == pytest.approx(best, rel=0.15)


def test_independent_days_need_short_blocks():
    rng = np.random.default_rng(12)
    assert np.median([stationary_block_length(rng.normal(size=1000)) for _ in range(40)]) < 3.0


def test_scale_and_place_do_not_matter():
    x = ar1(np.random.default_rng(13), 500, 0.5)
    assert stationary_block_length(3e-5 * x + 7.0) == pytest.approx(stationary_block_length(x), rel=1e-6)


@pytest.mark.parametrize("x", [np.zeros(300), np.full(300, 2.5), np.arange(7.0)], ids=["zero", "constant", "short"])
def test_nothing_known_is_one_day(x):
    assert stationary_block_length(x) == 1.0


def test_the_length_is_bounded():
    assert longest_block(400) == 60.0  # 3 sqrt n
    assert longest_block(60) == 20.0  # n / 3
    wave = np.sin(
        2.0 * np.pi * np.arange(400) / 12.0
    )  # hardly any spectrum at frequency 0: the rule would ask for more
    assert stationary_block_length(wave) == 60.0
