"""Do the two tables learn? A planted world of two states with noisy rewards, where the best action differs by state.

Each test says in how many of ten seeds the greedy choice is the planted one *in both states* after a number of episodes, at
SPEC's epsilon and alpha. The worlds are made up: they show that the update works, not that markets are like this.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from qt_core import learning
from qt_core.codes import BREAKOUT, MEAN_REVERSION, RANGE_BOUND, TREND_FOLLOW
from qt_core.learning import decayed
from qt_core.rng import draw, name_hash
from qt_core.selection import meta_strategy
from qt_core.sizing import rl_sizer

SEEDS = range(10)
NEEDED = 9  # of the ten seeds
WORLD, EXPLORE, WHERE, NOISE = range(4)  # purposes of a draw
NAME = np.uint64(name_hash("PLANTED"))
ALL_25 = rl_sizer.Limits(200.0, 10.0, 300.0, 1.0, 5.0)
MASKED = rl_sizer.Limits(200.0, 10.0, 150.0, 1.0, 3.0)  # multipliers to 0.7, leverage to 3: nine actions


def uniform(seed: int, episode: int, purpose: int) -> float:
    return float(draw(np.uint64(seed), NAME, episode, purpose))


def sizer_finds(
    p: Any, limits: Any, planted: dict[int, tuple[int, int]], seed: int, episodes: int, noise: float
) -> bool:
    """True where the greedy action in each state is (multiplier index, leverage index) of ``planted``."""
    q, visits = (
        np.zeros((rl_sizer.N_STATES, rl_sizer.N_ACTIONS)),
        np.zeros((rl_sizer.N_STATES, rl_sizer.N_ACTIONS), int),
    )
    states = list(planted)
    for k in range(episodes):
        u = [uniform(seed, k, purpose) for purpose in (WORLD, EXPLORE, WHERE, NOISE)]
        state = states[int(u[WORLD] * len(states))]
        a = rl_sizer.choose(p, q, state, limits, learning.epsilon_at(p, k), u[EXPLORE], u[WHERE]).action
        away = sum(abs(x - y) for x, y in zip(divmod(a, 5), planted[state], strict=True))
        pnl = 1.0 - 0.6 * away + noise * (2.0 * u[NOISE] - 1.0)  # percent; worse with every step from the planted cell
        alpha = learning.alpha_at(p, int(visits[state, a]))
        q[state, a] = learning.moved(q[state, a], rl_sizer.reward(p, pnl, 4.0, max(0.0, -pnl)), alpha)
        visits[state, a] += 1
    best = {s: rl_sizer.choose(p, q, s, limits, 0.0, 0.5, 0.5).action for s in states}
    return best == {s: 5 * m + lev for s, (m, lev) in planted.items()}


def strategy_finds(
    p: Any, planted: dict[int, int], fits: dict[int, int], seed: int, episodes: int, noise: float
) -> bool:
    """True where the greedy strategy in each state is that of ``planted``, which is not the one that fits."""
    q, visits = np.zeros((meta_strategy.N_STATES, 4)), np.zeros((meta_strategy.N_STATES, 4), int)
    states = list(planted)
    for k in range(episodes):
        u = [uniform(seed, k, purpose) for purpose in (WORLD, EXPLORE, WHERE, NOISE)]
        state = states[int(u[WORLD] * len(states))]
        epsilon = learning.epsilon_at(p, k)
        s = meta_strategy.choose(p, q, state, fits[state], 0b1111, epsilon, u[EXPLORE], u[WHERE]).strategy
        r = (0.5 if s == planted[state] else -0.3) + noise * (2.0 * u[NOISE] - 1.0)
        alpha = learning.alpha_at(p, int(visits[state, s]))
        q[state, s] = learning.moved(q[state, s], meta_strategy.clipped(p, r), alpha)
        visits[state, s] += 1
    best = {x: meta_strategy.choose(p, q, x, fits[x], 0b1111, 0.0, 0.5, 0.5).strategy for x in states}
    return best == planted


def found(world: Callable[[int], bool]) -> int:
    return sum(world(seed) for seed in SEEDS)


PLANTED_CELLS = {
    "all 25": (ALL_25, {rl_sizer.state_index(0, 2, 0, 1): (1, 3), rl_sizer.state_index(3, 4, 2, 2): (4, 0)}),
    "masked": (MASKED, {rl_sizer.state_index(0, 2, 0, 1): (0, 2), rl_sizer.state_index(3, 4, 2, 2): (2, 0)}),
}
PLANTED_STRATEGIES = {meta_strategy.state_index(1, 1, 1): BREAKOUT, meta_strategy.state_index(2, 2, 0): RANGE_BOUND}
FITS = {meta_strategy.state_index(1, 1, 1): MEAN_REVERSION, meta_strategy.state_index(2, 2, 0): TREND_FOLLOW}


@pytest.mark.parametrize("name", PLANTED_CELLS)
def test_the_sizer_finds_the_planted_cell(name: str):
    limits, planted = PLANTED_CELLS[name]
    got = found(lambda seed: sizer_finds(rl_sizer.Params(), limits, planted, seed, 3_000, 0.8))
    assert got >= NEEDED, f"{got} of {len(SEEDS)} seeds"


def test_the_strategy_finds_the_planted_one_against_its_prior():
    got = found(lambda seed: strategy_finds(meta_strategy.Params(), PLANTED_STRATEGIES, FITS, seed, 1_000, 1.0))
    assert got >= NEEDED, f"{got} of {len(SEEDS)} seeds"


def test_a_falling_step_finds_it_in_thrice_the_noise():
    """Noise of +-3 R on a difference of 0.8 R: a constant step stays restless, one that falls with visits settles."""
    falling, constant = (
        found(lambda seed, p=p: strategy_finds(p, PLANTED_STRATEGIES, FITS, seed, 4_000, 3.0))  # type: ignore[misc]
        for p in (meta_strategy.Params(alpha_decay=0.05, alpha_min=0.005), meta_strategy.Params())
    )
    assert falling >= NEEDED, f"{falling} of {len(SEEDS)} seeds"
    assert constant < NEEDED, "the noise is not large enough to show the difference"


def test_without_a_step_nothing_is_found():
    limits, planted = PLANTED_CELLS["all 25"]
    assert found(lambda seed: sizer_finds(rl_sizer.Params(alpha=0.0), limits, planted, seed, 300, 0.8)) == 0
    still = meta_strategy.Params(alpha=0.0)
    assert found(lambda seed: strategy_finds(still, PLANTED_STRATEGIES, FITS, seed, 300, 1.0)) == 0


def test_the_schedule_is_the_hyperbola():
    assert decayed(0.2, 0.0, 0.0, 1_000) == 0.2
    assert decayed(0.2, 0.0, 0.1, 10) == pytest.approx(0.1)
    assert decayed(0.2, 0.15, 0.1, 10) == 0.15
    assert math.isclose(learning.epsilon_at(rl_sizer.Params(epsilon_decay=0.01), 100), 0.05)
