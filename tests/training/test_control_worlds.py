"""Made-up markets of the controls: what is planted is there, and nothing else is."""

import numpy as np
import pytest

from research.controls.worlds import WorldParams, make_world

SMALL = WorldParams(n_bars=3000)


def test_the_fair_closes_are_the_same_noise_without_the_drift() -> None:
    world = make_world(SMALL, 5)
    returns, fair = np.diff(np.log(world.market.close), axis=0), np.diff(np.log(world.fair_close), axis=0)
    assert np.allclose(returns - fair, world.drift[:-1], atol=1e-12)
    assert np.abs(world.drift).max() > 0.0


def test_the_planted_drift_earns_what_it_should_and_nothing_on_fair_closes() -> None:
    world = make_world(SMALL, 5)
    assert world.oracle_sharpe == pytest.approx(SMALL.sharpe, abs=0.02)
    held = world.drift[:-1]
    on_market = (held * np.diff(np.log(world.market.close), axis=0)).sum(axis=1)
    on_fair = (held * np.diff(np.log(world.fair_close), axis=0)).sum(axis=1)
    ratio = np.sqrt(3 * 365) * np.array([on_market.mean() / on_market.std(), on_fair.mean() / on_fair.std()])
    assert ratio[0] > 1.0
    # 2.7 years: a ratio of 0 is seen as 0 +- 0.6; what is planted is 1.75 more than the same noise gives by luck
    assert ratio[0] - ratio[1] > 1.5


def test_a_random_walk_is_fair_as_it_is() -> None:
    world = make_world(SMALL._replace(sharpe=0.0), 6)
    assert np.array_equal(world.fair_close, world.market.close)
    assert not world.drift.any()
