"""The gross verdict: daily returns against plain loops; it finds the oracle of a planted world and nothing in noise."""

import math

import numpy as np
import pytest

from research.controls.worlds import WorldParams, make_world
from research.training.verdict import (
    FEWEST_DAYS,
    daily_gross,
    found_half_the_time,
    judge,
    leaning,
    look,
    looks,
    neutral,
    over_horizon,
)
from tests.agents.small import DAY, trending
from tests.features.build import with_holes


def naive_daily(position, market):
    """Day -> sum over its bars and symbols of the position at the close before x the bar's return."""
    day = [int(x) // DAY for x in market.time]
    out: dict[int, float] = {}
    for t in range(market.n_bars):
        earned = 0.0
        for i in range(market.n_symbols):
            if t and position[t - 1, i] != 0.0:
                change = market.close[t, i] / market.close[t - 1, i] - 1.0
                earned += position[t - 1, i] * change if math.isfinite(change) else 0.0
        out[day[t]] = out.get(day[t], 0.0) + earned
    held = [t for t in range(market.n_bars) if any(position[t, i] != 0.0 for i in range(market.n_symbols))]
    last = min(held[-1] + 1, market.n_bars - 1)
    return [v for k, v in sorted(out.items()) if day[held[0]] <= k <= day[last]]


@pytest.mark.parametrize("seed", range(4))
def test_daily_returns_are_those_of_the_reference(seed):
    market = with_holes(trending(400, seed=seed), [(0, 100, 103), (1, 0, 30)])
    rng = np.random.default_rng(seed)
    position = rng.normal(0.0, 1.0, market.close.shape) * (rng.random(market.close.shape) < 0.7)
    position[: 24 * seed + 5] = 0.0
    position[350 + 10 * seed :] = 0.0
    assert daily_gross(position, market) == pytest.approx(naive_daily(position, market), abs=1e-15)


def test_a_position_earns_from_the_next_bar_on():
    market = trending(100)
    position = np.zeros(market.close.shape)
    position[50, 1] = 1.0
    (day,) = daily_gross(position, market)
    assert day == pytest.approx(market.close[51, 1] / market.close[50, 1] - 1.0)
    position[:] = 0.0
    position[99, 0] = 1.0  # after the last bar nothing comes
    assert daily_gross(position, market).tolist() == [0.0]
    assert len(daily_gross(np.zeros(market.close.shape), market)) == 0


def test_leaning_is_buy_less_sell_and_silence_is_nothing():
    proba = np.zeros((1, 2, 4, 3), dtype=np.float32)
    proba[0, 0] = [[0.1, 0.2, 0.7], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]
    available = np.array([[[True, True, False, True], [False] * 4]])
    assert leaning(proba, available)[0] == pytest.approx([(0.6 - 0.5) / 4, 0.0], abs=1e-7)
    weights = np.array([0.4, 0.3, 0.2, 0.1])
    assert leaning(proba, available, weights)[0] == pytest.approx([0.4 * 0.6 - 0.3 * 0.5, 0.0], abs=1e-7)


def test_the_oracle_of_a_planted_world_is_found_and_noise_is_not():
    p = WorldParams(n_bars=6000, sharpe=2.5)
    world = make_world(p, 1)
    assert world.oracle_sharpe == pytest.approx(2.5, abs=0.03)
    found = judge(daily_gross(world.drift, world.market))
    assert found.edge
    assert found.low > 0.0
    assert found.low < found.sharpe < found.high
    assert found.sharpe == pytest.approx(2.5, abs=0.5)
    against = judge(daily_gross(-world.drift, world.market))
    assert not against.edge
    assert against.sharpe < -1.5
    late = np.roll(world.drift, 60, axis=0)  # what was true 20 days ago
    assert not judge(daily_gross(late, world.market)).edge


def test_in_noise_there_is_hardly_ever_an_edge():
    market = make_world(WorldParams(n_bars=3000, sharpe=0.0), 2).market
    edges = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        slow = np.repeat(rng.standard_normal((300, 2)), 10, axis=0)  # positions that are kept for days
        edges += judge(daily_gross(slow, market)).edge
    assert edges <= 1


def test_too_few_days_or_no_movement_are_no_edge():
    rng = np.random.default_rng(0)
    up = 0.01 + 0.001 * rng.standard_normal(FEWEST_DAYS)
    assert judge(up).edge
    short = judge(up[:-1])
    assert not short.edge
    assert math.isnan(short.sharpe)
    assert short.days == FEWEST_DAYS - 1
    assert not judge(np.full(100, 0.01)).edge
    assert not judge(np.zeros(100)).edge


def test_equal_seeds_give_equal_intervals():
    rng = np.random.default_rng(0)
    daily = rng.standard_normal(200)
    assert judge(daily) == judge(daily)
    assert judge(daily, seed=1) != judge(daily)


def test_neutral_takes_out_the_mean_of_those_spoken_of():
    lean = np.array([[0.3, 0.1, 0.5], [0.2, 0.4, 0.0], [0.7, 0.0, 0.0]])
    speaks = np.array([[True, True, True], [True, True, False], [True, False, False]])
    assert neutral(lean, speaks) == pytest.approx(np.array([[0.0, -0.2, 0.2], [-0.1, 0.1, 0.0], [0.0, 0.0, 0.0]]))


def test_over_the_horizon_every_prediction_is_held_for_its_length():
    held = np.zeros((10, 2))
    held[3, 0], held[4, 0], held[9, 1] = 1.0, 2.0, 4.0
    naive = [[sum(held[max(0, t - 3) : t + 1, i]) / 4 for i in range(2)] for t in range(10)]
    assert over_horizon(held, 4) == pytest.approx(np.array(naive))


def test_what_is_known_of_one_symbol_against_another_shows_when_the_market_is_taken_out():
    market = make_world(WorldParams(n_bars=6000, sharpe=0.0, correlation=0.95, n_symbols=4), 5).market
    step = np.zeros(market.close.shape)
    step[:-1] = market.close[1:] / market.close[:-1] - 1.0
    noise = np.random.default_rng(0).normal(0.0, 0.05, step.shape)
    apart = step - step.mean(axis=1, keepdims=True)  # what the next bar holds against the others: the future, for once
    common = 3.0 * np.random.default_rng(1).normal(0.0, 0.05, (len(step), 1))
    found = looks(2.0 * apart + noise + common, np.ones(step.shape, dtype=bool), market, 8)
    assert list(found) == ["raw", "neutral", "raw over 8 bars", "neutral over 8 bars"]
    assert found["neutral"].edge
    assert found["neutral"].sharpe > 2.0 * found["raw"].sharpe


def test_each_of_four_looks_is_judged_more_strictly_and_says_what_a_trade_earned():
    world = make_world(WorldParams(n_bars=3000, sharpe=2.0), 3)
    wide = looks(world.drift, np.ones(world.drift.shape, dtype=bool), world.market, 8)["raw"]
    alone = look(world.drift, world.market)
    assert (wide.low, alone.low < alone.high) != (alone.low, False)
    assert wide.low < alone.low < alone.sharpe < alone.high < wide.high
    held = np.zeros(world.market.close.shape)
    held[10:40, 0] = 2.0  # bought once, sold once: 4 of notional
    price = world.market.close[:, 0]
    earned = 2.0 * float(np.sum(price[11:41] / price[10:40] - 1.0))
    assert look(held, world.market).bps == pytest.approx(1e4 * earned / 4.0)


def test_what_is_found_half_the_time_falls_with_the_root_of_the_days():
    assert found_half_the_time(1096) == pytest.approx(3.0233 / math.sqrt(1096 / 365), rel=1e-3)
    assert found_half_the_time(4 * 1096) == pytest.approx(found_half_the_time(1096) / 2.0)
