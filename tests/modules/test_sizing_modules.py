"""Module 19: the worked examples of SPEC, and every kernel against its plain twin over random inputs."""

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest

from qt_core import learning
from qt_core.codes import (
    CONFIDENCE_HIGH,
    CONFIDENCE_LOW,
    CONFIDENCE_MEDIUM,
    CONFIDENCE_VERY_HIGH,
    CONFIDENCE_VERY_LOW,
    EXIT_EMERGENCY,
    EXIT_ORDER,
    EXIT_RECONCILE,
    EXIT_STOP,
    LEARN_FROZEN,
    LEARN_ON,
    LEARN_SHADOW,
    OFF,
    PERFORMANCE_BAD,
    PERFORMANCE_GOOD,
    PERFORMANCE_NEUTRAL,
)
from qt_core.selection import meta_strategy
from qt_core.sizing import rl_sizer
from tests.modules.twins import Draw, alike, assert_every_constant_counts, assert_twins, cases_of, moved, near, pick
from tests.reference import sizing_naive as naive

pytestmark = [pytest.mark.interpreted, pytest.mark.filterwarnings("ignore:invalid value")]  # inf - inf

NAN = math.nan
SIZER = rl_sizer.Params()
BALANCED = rl_sizer.Limits(200.0, 10.0, 300.0, 1.0, 5.0)


# --- goldens --------------------------------------------------------------------------------------------------------


def test_the_reward_of_the_worked_example():
    assert rl_sizer.reward(SIZER, 2.37, 4.5, 0.8) == pytest.approx(2.068125, abs=1e-12)


def test_the_q_update_of_the_worked_example():
    assert learning.moved(0.123, rl_sizer.reward(SIZER, 2.37, 4.5, 0.8), SIZER.alpha) == pytest.approx(
        0.41477, abs=1e-5
    )


def test_confidence_051_is_high_and_every_edge_belongs_to_the_class_above():
    edges = {
        0.0: CONFIDENCE_VERY_LOW, 0.2499: CONFIDENCE_VERY_LOW, 0.25: CONFIDENCE_LOW, 0.3499: CONFIDENCE_LOW,
        0.35: CONFIDENCE_MEDIUM, 0.4999: CONFIDENCE_MEDIUM, 0.50: CONFIDENCE_HIGH, 0.51: CONFIDENCE_HIGH,
        0.6999: CONFIDENCE_HIGH, 0.70: CONFIDENCE_VERY_HIGH, 1.0: CONFIDENCE_VERY_HIGH, NAN: CONFIDENCE_VERY_LOW,
    }  # fmt: skip
    assert {x: rl_sizer.confidence_class(SIZER, x) for x in edges} == edges


# --- what SPEC says in words ----------------------------------------------------------------------------------------


def test_300_states_and_25_actions_each_once():
    index = [rl_sizer.state_index(*cell) for cell in naive.STATES]
    assert index == list(range(300)) == list(naive.STATES.values())
    cells = [rl_sizer.action_parts(SIZER, a) for a in range(25)]
    assert len(set(cells)) == 25
    assert cells == naive.grid(SIZER._asdict())
    assert [rl_sizer.nearest_action(SIZER, *cell) for cell in cells] == list(range(25))


def test_an_untried_state_and_off_give_one_times_three():
    q = np.zeros((300, 25))
    for p in (SIZER, SIZER._replace(mode=OFF)):
        got = rl_sizer.choose(p, q, 7, BALANCED, 0.0, 0.5, 0.5)
        assert (got.multiplier, got.leverage, got.explored) == (1.0, 3.0, 0)
        assert rl_sizer.action_parts(p, got.action) == (1.0, 3.0)
    assert rl_sizer.choose(SIZER._replace(mode=OFF), q, 7, BALANCED, 1.0, 0.0, 0.99).explored == 0


def test_ties_without_one_times_three_go_to_the_lowest_index():
    q = np.zeros((300, 25))
    assert rl_sizer.choose(SIZER, q, 0, BALANCED._replace(leverage_cap=2.0), 0.0, 0.5, 0.5).action == 0
    q[0, [3, 8]] = 1.0
    assert rl_sizer.choose(SIZER, q, 0, BALANCED, 0.0, 0.5, 0.5).action == 3


def test_the_expanded_profile_keeps_its_largest_multiplier():
    """666.67 x 1.5 is 1000.005: a rounding of the base, not an excess over 1000."""
    expanded = rl_sizer.Limits(666.67, 10.0, 1000.0, 3.0, 10.0)
    allowed = [a for a in range(25) if rl_sizer.valid(SIZER, a, expanded)]
    assert {rl_sizer.action_parts(SIZER, a).leverage for a in allowed} == {3.0, 4.0, 5.0}
    assert {rl_sizer.action_parts(SIZER, a).multiplier for a in allowed} == {0.3, 0.5, 0.7, 1.0, 1.5}
    defensive = expanded._replace(leverage_cap=2.0)
    allowed = [a for a in range(25) if rl_sizer.valid(SIZER, a, defensive)]
    assert {rl_sizer.action_parts(SIZER, a).leverage for a in allowed} == {2.0}, "the lowest cap wins"


@pytest.mark.parametrize("field", rl_sizer.Limits._fields)
def test_an_unknown_limit_never_asks_for_more_than_a_known_one(field: str):
    q = np.zeros((300, 25))
    q[0] = np.arange(25.0)
    known = rl_sizer.choose(SIZER, q, 0, BALANCED, 0.0, 0.5, 0.5)
    got = rl_sizer.choose(SIZER, q, 0, BALANCED._replace(**{field: NAN}), 0.0, 0.5, 0.5)
    assert got.multiplier <= known.multiplier
    assert got.leverage <= known.leverage
    if field != "min_leverage":
        assert (got.action, got.explored) == (0, 0)


def test_exploring_is_uniform_over_what_is_valid():
    limits, q = BALANCED._replace(max_margin_usd=150.0, leverage_cap=3.0), np.zeros((300, 25))
    seen: Counter[int] = Counter()
    for k in range(900):
        got = rl_sizer.choose(SIZER, q, 0, limits, 0.10, 0.099, (k + 0.5) / 900)
        assert got.explored == 1
        seen[got.action] += 1
    assert sorted(seen) == naive.valid_actions(SIZER._asdict(), limits._asdict())
    assert set(seen.values()) == {100}
    assert rl_sizer.choose(SIZER, q, 0, limits, 0.10, 0.10, 0.5).explored == 0
    assert rl_sizer.choose(SIZER, q, 0, limits, 1.0, 0.0, NAN).explored == 0
    nothing = rl_sizer.choose(SIZER, q, 0, BALANCED._replace(max_margin_usd=5.0), 1.0, 0.0, 0.9)
    assert (nothing.action, nothing.explored) == (0, 0)


def test_performance_is_neutral_until_ten_trades_then_the_mean_of_the_last_twenty():
    assert rl_sizer.performance_class(SIZER, 9, 9, 9.0) == PERFORMANCE_NEUTRAL
    assert rl_sizer.performance_class(SIZER, 10, 10, 9.0) == PERFORMANCE_GOOD
    assert rl_sizer.performance_class(SIZER, 40, 20, 2.0) == PERFORMANCE_NEUTRAL
    assert rl_sizer.performance_class(SIZER, 40, 20, 2.1) == PERFORMANCE_GOOD
    assert rl_sizer.performance_class(SIZER, 40, 20, -2.1) == PERFORMANCE_BAD
    assert rl_sizer.performance_class(SIZER, 40, 20, NAN) == PERFORMANCE_NEUTRAL


@pytest.mark.parametrize("module", [rl_sizer, meta_strategy])
def test_what_teaches(module: Any):
    p = module.Params()
    assert module.learns(p, EXIT_STOP) == LEARN_ON
    assert module.learns(p._replace(learning=LEARN_SHADOW), EXIT_STOP) == LEARN_SHADOW
    assert module.learns(p._replace(mode=OFF), EXIT_STOP) == LEARN_FROZEN
    for judged_by_others in (EXIT_ORDER, EXIT_RECONCILE, EXIT_EMERGENCY):
        assert module.learns(p, judged_by_others) == LEARN_FROZEN
    for bad in (NAN, math.inf, -math.inf):
        assert learning.moved(0.3, bad, 0.2) == 0.3
        assert learning.moved(bad, 1.0, 0.2) == pytest.approx(0.2)


# --- against the plain twin -----------------------------------------------------------------------------------------


def sizer_case(g: Draw) -> dict[str, Any]:
    q = g.normal(0.0, 1.0, 25) * (g.random(25) < 0.5)
    if g.random() < 0.3:
        q[:] = pick(g, 0.0, 0.0, np.nan)
    if g.random() < 0.3:
        q[int(g.integers(25))] = pick(g, np.nan, np.inf, -np.inf, 3.0)
    recent = g.choice([-0.25, -0.125, 0.0, 0.125, 0.25, 0.10546875, -0.10546875], int(g.integers(21))).tolist()
    return {
        "cell": tuple(int(g.integers(n)) for n in (5, 5, 4, 3)),
        "confidence": pick(g, 0.25, 0.35, 0.50, 0.70, 0.51, NAN, *g.random(8), 0.26, 0.36, 0.52, 0.72),
        "limits": rl_sizer.Limits(
            pick(g, 200.0, 666.67, 200.0, NAN), pick(g, 10.0, 60.0, 100.0, 250.0),
            pick(g, 300.0, 1000.0, 140.0, 50.0, 1000.1), pick(g, 1.0, 3.0, 2.5, 7.0),
            pick(g, 5.0, 3.0, 2.0, 10.0, 2.5, 1.0, 0.5, NAN),
        ),
        "q": q, "epsilon": pick(g, 0.0, 0.1, 1.0), "u1": pick(g, 0.1, *g.random(3)), "u2": pick(g, NAN, *g.random(9)),
        "ratio": pick(g, 0.3, 0.4, 1.25, 0.85, NAN, *g.uniform(0.0, 2.0, 6)),
        "filled_leverage": pick(g, 2.5, 1.0, 10.0, NAN, *g.uniform(0.5, 6.0, 4)),
        "pnl_usd": float(g.normal(0.0, 20.0)), "margin": float(g.uniform(10.0, 300.0)), "hours": float(g.uniform(0, 90)),
        "drawdown": float(g.uniform(0.0, 9.0)), "n_trades": int(pick(g, 9, 10, 11, 50, 200)), "recent": recent,
        "k": int(g.integers(200)), "exit": int(g.integers(16)), "reward": pick(g, 0.4, 2.0, NAN, -math.inf),
    }  # fmt: skip


def sizer_kernels(p: rl_sizer.Params, x: dict[str, Any]) -> list[float]:
    state = rl_sizer.state_index(*x["cell"])
    q = np.zeros((300, 25))
    q[state] = x["q"]
    pnl = rl_sizer.pnl_percent(p, x["pnl_usd"], 200.0, x["margin"])
    alpha = learning.alpha_at(p, x["k"])
    return [
        state, rl_sizer.confidence_class(p, x["confidence"]), *rl_sizer.neutral(p)[:3],
        rl_sizer.performance_class(p, x["n_trades"], len(x["recent"]), math.fsum(x["recent"])),
        rl_sizer.nearest_action(p, x["ratio"], x["filled_leverage"]),
        *[int(rl_sizer.valid(p, a, x["limits"])) for a in range(25)],
        *rl_sizer.choose(p, q, state, x["limits"], x["epsilon"], x["u1"], x["u2"]),
        pnl, rl_sizer.reward(p, pnl, x["hours"], x["drawdown"]), learning.moved(x["q"][0], x["reward"], alpha),
        learning.epsilon_at(p, x["k"]), alpha, rl_sizer.learns(p, x["exit"]),
    ]  # fmt: skip


def sizer_naive(p: Any, x: dict[str, Any]) -> list[float]:
    limits = x["limits"]._asdict()
    valid = naive.valid_actions(p, limits)
    pnl = naive.pnl_percent(p, x["pnl_usd"], 200.0, x["margin"])
    alpha = naive.schedule(p, "alpha", x["k"])
    return [
        naive.STATES[x["cell"]], naive.confidence_class(p, x["confidence"]), *naive.neutral(p),
        naive.performance_class(p, x["n_trades"], x["recent"]),
        naive.nearest_action(p, x["ratio"], x["filled_leverage"]), *[int(a in valid) for a in range(25)],
        *naive.choose(p, x["q"].tolist(), limits, x["epsilon"], x["u1"], x["u2"]),
        pnl, naive.reward(p, pnl, x["hours"], x["drawdown"]), naive.blended(x["q"][0], x["reward"], alpha),
        naive.schedule(p, "epsilon", x["k"]), alpha, naive.learns(p, x["exit"]),
    ]  # fmt: skip


SIZER_MOVES = {"epsilon_min": 0.5, "alpha_min": 0.5, "neutral_leverage": 4.0}


def test_sizer_twins():
    cases = cases_of(sizer_case, 1, 1_000)
    assert_twins(sizer_kernels, sizer_naive, SIZER, cases)
    said = [sizer_kernels(SIZER, x) for x in cases]
    assert Counter(int(v[1]) for v in said).keys() == set(range(5))
    assert Counter(int(v[5]) for v in said).keys() == set(range(3))
    assert {int(v[32]) for v in said} == set(range(25)), "every action is chosen"
    assert Counter(int(v[36]) for v in said)[1] > 100, "explored"
    assert sum(not any(v[7:32]) for v in said) > 50, "nothing valid"
    assert {int(v[-1]) for v in said} == {LEARN_FROZEN, LEARN_ON}


def test_sizer_twins_with_every_constant_moved_on_both_sides():
    for _, p in moved(rl_sizer, SIZER_MOVES):
        assert_twins(sizer_kernels, sizer_naive, p, cases_of(sizer_case, 2, 30))


def test_every_constant_of_the_sizer_counts():
    cases = cases_of(sizer_case, 3, 200)
    assert_every_constant_counts(rl_sizer, sizer_kernels, sizer_naive, cases, SIZER_MOVES)


def test_near_and_alike_can_fail():
    assert not near(1.0, 1.0 + 1e-9)
    assert not near(NAN, 1.0)
    assert not alike([1.0], [1.0, 2.0])
