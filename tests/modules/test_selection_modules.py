"""Modules 21 and 22: the worked examples of SPEC, and every kernel against its plain twin over random inputs."""

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest

from qt_core import codes, learning
from qt_core.codes import (
    BREAKOUT,
    MEAN_REVERSION,
    NORMAL_EXIT,
    OFF,
    PRIORITY_HIGH,
    PRIORITY_LOW,
    PRIORITY_MEDIUM,
    RANGE_BOUND,
    STYLE_NORMAL,
    TREND_FOLLOW,
)
from qt_core.selection import meta_strategy, opportunity_ranker
from tests.modules.twins import Draw, assert_every_constant_counts, assert_twins, cases_of, moved, pick
from tests.reference import selection_naive as naive
from tests.reference.sizing_naive import blended, learns, schedule

pytestmark = [pytest.mark.interpreted, pytest.mark.filterwarnings("ignore:invalid value")]  # inf - inf

NAN = math.nan
META, RANK = meta_strategy.Params(), opportunity_ranker.Params()
ALL = 0b1111


# --- 21 meta-strategy -----------------------------------------------------------------------------------------------


def test_the_update_rule_of_the_worked_example():
    assert learning.moved(0.234, 0.554, META.alpha) == pytest.approx(0.298, abs=1e-12)


def test_r_is_clipped_before_it_teaches():
    assert [meta_strategy.clipped(META, r) for r in (-9.0, -3.0, 0.5, 5.0, 40.0)] == [-3.0, -3.0, 0.5, 5.0, 5.0]
    assert math.isnan(meta_strategy.clipped(META, NAN))


def test_27_states_each_with_the_fit_of_its_regime():
    assert [meta_strategy.state_index(*cell) for cell in naive.STATES] == list(range(27))
    fits = Counter(meta_strategy.fit(v, t) for v, t, _ in naive.STATES)
    assert fits == {TREND_FOLLOW: 9, BREAKOUT: 6, RANGE_BOUND: 3, MEAN_REVERSION: 9}


def test_the_prior_decides_an_untried_state_and_ties():
    q = np.zeros((27, 4))
    for fitting in range(4):
        assert meta_strategy.choose(META, q, 3, fitting, ALL, 0.0, 0.5, 0.5).strategy == fitting
    q[3, 0] = 0.05  # as much as the prior gives the fit
    assert meta_strategy.choose(META, q, 3, 2, ALL, 0.0, 0.5, 0.5).strategy == 2
    q[3, 0] = 0.0501
    assert meta_strategy.choose(META, q, 3, 2, ALL, 0.0, 0.5, 0.5) == (0, 0.0501, 0)
    assert meta_strategy.choose(META, np.zeros((27, 4)), 3, 0, 0b1100, 0.0, 0.5, 0.5).strategy == 2


def test_nothing_allowed_is_no_strategy_even_when_exploring():
    for epsilon in (0.0, 1.0):
        got = meta_strategy.choose(META, np.ones((27, 4)), 0, 1, 0, epsilon, 0.0, 0.5)
        assert got == (meta_strategy.NO_STRATEGY, 0.0, 0)
    assert meta_strategy.sides(META, meta_strategy.NO_STRATEGY, np.zeros((1, 1, codes.CTX_COLUMNS)), 0, 0, 1.0) == 0


def test_exploring_is_uniform_over_what_is_allowed():
    q = np.zeros((27, 4))
    seen = Counter(meta_strategy.choose(META, q, 0, 1, 0b1011, 0.1, 0.0, (k + 0.5) / 300).strategy for k in range(300))
    assert seen == {0: 100, 1: 100, 3: 100}


def test_off_allows_all_sides_and_shapes_nothing():
    off, unknown = META._replace(mode=OFF), np.full((1, 1, codes.CTX_COLUMNS), NAN)
    for s in range(-1, 4):
        assert meta_strategy.sides(off, s, unknown, 0, 0, NAN) == codes.ALLOW_LONG | codes.ALLOW_SHORT
        assert meta_strategy.shape(off, s) == (1.0, 1.0, NORMAL_EXIT, STYLE_NORMAL)
        assert meta_strategy.sides(META, s, unknown, 0, 0, NAN) == 0, "unknown features allow no side"


FEATURES = (
    "ema_ratio", "plus_di", "minus_di", "bollinger_position", "rsi", "donchian_high", "donchian_low", "range_position",
)  # fmt: skip


def meta_case(g: Draw) -> dict[str, Any]:
    x = {
        "ema_ratio": pick(g, 0.0005, -0.0005, 0.0, 0.00052, *g.normal(0.0, 0.003, 4)),
        "plus_di": pick(g, 20.0, 25.0, *g.uniform(5, 40, 3), 25.5), "minus_di": pick(g, 20.0, 25.0, *g.uniform(5, 40, 3)),
        "bollinger_position": pick(g, 0.35, 0.65, 0.36, 0.64, *g.uniform(-0.2, 1.2, 4)),
        "rsi": pick(g, 48.0, 52.0, 49.0, 51.0, *g.uniform(10, 90, 4)),
        "donchian_high": pick(g, 104.0, 110.0, 100.0), "donchian_low": pick(g, 94.0, 100.0, 90.0),
        "range_position": pick(g, 0.35, 0.65, 0.36, 0.64, *g.random(4)),
    }  # fmt: skip
    if g.random() < 0.15:
        x[FEATURES[int(g.integers(len(FEATURES)))]] = NAN
    x["close"] = pick(g, 103.0, 95.0, 102.95, *g.uniform(88.0, 112.0, 5), NAN)
    q = g.normal(0.0, 0.3, 4) * (g.random(4) < 0.5)
    if g.random() < 0.3:
        q[int(g.integers(4))] = pick(g, NAN, math.inf, 0.05, 0.052)
    return {
        "market": x, "cell": tuple(int(g.integers(3)) for _ in range(3)), "strategy": int(g.integers(-1, 4)), "q": q,
        "allowed": int(pick(g, ALL, ALL, *range(16))), "epsilon": pick(g, 0.0, 0.1, 1.0), "u1": pick(g, 0.1, *g.random(3)),
        "u2": pick(g, NAN, *g.random(9)), "r": pick(g, -3.0, 5.0, NAN, -3.1, 5.4, *g.normal(0.0, 4.0, 5)),
        "k": int(g.integers(200)), "exit": int(g.integers(16)),
    }  # fmt: skip


def meta_kernels(p: meta_strategy.Params, x: dict[str, Any]) -> list[float]:
    ctx, q = np.full((2, 2, codes.CTX_COLUMNS), NAN), np.full((27, 4), NAN)
    for name in FEATURES:
        ctx[1, 1, codes.CTX_NAMES.index(name)] = x["market"][name]
    state = meta_strategy.state_index(*x["cell"])
    q[state] = x["q"]
    fitting, alpha = meta_strategy.fit(*x["cell"][:2]), learning.alpha_at(p, x["k"])
    r = meta_strategy.clipped(p, x["r"])
    return [
        state, fitting, meta_strategy.sides(p, x["strategy"], ctx, 1, 1, x["market"]["close"]),
        *meta_strategy.choose(p, q, state, fitting, x["allowed"], x["epsilon"], x["u1"], x["u2"]),
        *meta_strategy.shape(p, x["strategy"]), r, learning.moved(x["q"][0], r, alpha),
        alpha, learning.epsilon_at(p, x["k"]), meta_strategy.learns(p, x["exit"]),
    ]  # fmt: skip


def meta_naive(p: Any, x: dict[str, Any]) -> list[float]:
    fitting, alpha = naive.fit(*x["cell"][:2]), schedule(p, "alpha", x["k"])
    allowed = {s for s in range(4) if f"{x['allowed']:04b}"[::-1][s] == "1"}
    r = naive.clipped(p, x["r"])
    return [
        naive.STATES[x["cell"]], fitting, naive.sides(p, x["strategy"], x["market"]),
        *naive.choose(p, x["q"].tolist(), fitting, allowed, x["epsilon"], x["u1"], x["u2"]),
        *naive.shape(p, x["strategy"]), r, blended(x["q"][0], r, alpha),
        alpha, schedule(p, "epsilon", x["k"]), learns(p, x["exit"]),
    ]  # fmt: skip


META_MOVES = {"epsilon_min": 0.5, "alpha_min": 0.5, "prior": 0.5, "trend_di_gap": 5.0}


def test_meta_strategy_twins():
    cases = cases_of(meta_case, 1, 3_000)
    assert_twins(meta_kernels, meta_naive, META, cases)
    said = [meta_kernels(META, x) for x in cases]
    allowed = Counter((x["strategy"], int(v[2])) for x, v in zip(cases, said, strict=True))
    assert set(allowed) == {(-1, 0)} | {(s, bits) for s in range(4) for bits in range(3)}, "none, long, short of each"
    assert min(allowed.values()) > 10
    assert Counter(int(v[3]) for v in said).keys() == set(range(-1, 4))
    assert Counter(int(v[5]) for v in said)[1] > 100, "explored"
    assert {int(v[8]) for v in said} == {int(v[9]) for v in said} == {0, 1, 2}, "every exit mode and style"


def test_both_sides_at_once_only_where_thresholds_overlap():
    ctx = np.zeros((1, 1, codes.CTX_COLUMNS))
    ctx[0, 0, codes.CTX_RANGE_POSITION] = 0.5
    both = codes.ALLOW_LONG | codes.ALLOW_SHORT
    assert meta_strategy.sides(META._replace(range_edge=0.5), RANGE_BOUND, ctx, 0, 0, 1.0) == both


def test_meta_strategy_twins_with_every_constant_moved_on_both_sides():
    for _, p in moved(meta_strategy, META_MOVES):
        assert_twins(meta_kernels, meta_naive, p, cases_of(meta_case, 2, 100))


def test_every_constant_of_the_meta_strategy_counts():
    assert_every_constant_counts(meta_strategy, meta_kernels, meta_naive, cases_of(meta_case, 3, 400), META_MOVES)


# --- 22 opportunity ranker ------------------------------------------------------------------------------------------


def inputs(**changes: float) -> opportunity_ranker.Inputs:
    return opportunity_ranker.Inputs(0.60, 1.0, 1.0, 0.0, 0.0, 1.0)._replace(**changes)


def test_the_best_candidate_scores_one_and_the_worst_nothing():
    assert opportunity_ranker.score(RANK, inputs()) == pytest.approx(1.0)
    assert opportunity_ranker.score(RANK, opportunity_ranker.Inputs(0.0, 0.0, 0.0, 0.0015, 1.0, -1.0)) == 0.0


@pytest.mark.parametrize(
    ("field", "worst", "weight"),
    [
        ("confidence", 0.0, 0.35), ("win_rate", 0.0, 0.25), ("liquidity_ratio", 0.0, 0.10), ("slippage", 0.0015, 0.10),
        ("max_correlation", 1.0, 0.10), ("recent_r", -1.0, 0.10),
    ],
)  # fmt: skip
def test_each_part_has_the_weight_of_spec_and_unknown_earns_no_more_than_neutral(
    field: str, worst: float, weight: float
):
    lost = 1.0 - opportunity_ranker.score(RANK, inputs(**{field: worst}))
    assert lost == pytest.approx(weight)
    unknown = 1.0 - opportunity_ranker.score(RANK, inputs(**{field: NAN}))
    assert unknown == pytest.approx(weight / 2 if field == "recent_r" else weight)


def test_priorities_and_thresholds():
    marks = {
        0.80: PRIORITY_HIGH,
        0.7999: PRIORITY_MEDIUM,
        0.65: PRIORITY_MEDIUM,
        0.6499: PRIORITY_LOW,
        NAN: PRIORITY_LOW,
    }
    assert {x: opportunity_ranker.priority(RANK, x) for x in marks} == marks
    assert opportunity_ranker.win_rate(RANK, 0, 0) == 0.5
    assert opportunity_ranker.win_rate(RANK, 30, 60) == 0.5


def test_off_the_score_is_the_confidence():
    off = RANK._replace(mode=OFF)
    assert opportunity_ranker.score(off, inputs(confidence=0.47, win_rate=0.0)) == 0.47
    assert opportunity_ranker.score(off, inputs(confidence=NAN)) == 0.0


def rank_case(g: Draw) -> dict[str, Any]:
    x = opportunity_ranker.Inputs(
        pick(g, NAN, 0.0, 0.60, 0.45, 1.0, *g.random(5)), pick(g, NAN, 0.5, *g.random(5)),
        pick(g, NAN, 0.0, 1.0, *g.uniform(0.0, 2.0, 6)), pick(g, NAN, 0.0, 0.0015, 0.01, -0.001, *g.uniform(0, 0.0015, 6)),
        pick(g, NAN, 0.0, 1.0, -0.5, *g.random(6)), pick(g, NAN, 0.0, -1.0, 1.0, math.inf, 4.0, *g.normal(0, 0.7, 6)),
    )  # fmt: skip
    value = pick(g, 0.80, 0.65, 0.82, 0.70, 0.66, *g.random(5), NAN)
    return {"inputs": x, "value": value, "wins": int(g.integers(30)), "trades": int(g.integers(30, 60))}


def rank_kernels(p: opportunity_ranker.Params, x: dict[str, Any]) -> list[float]:
    value = x["value"]
    return [
        opportunity_ranker.score(p, x["inputs"]), opportunity_ranker.priority(p, value),
        opportunity_ranker.win_rate(p, x["wins"], x["trades"]),
    ]  # fmt: skip


def rank_naive(p: Any, x: dict[str, Any]) -> list[float]:
    rate = (x["wins"] + p["prior_wins"]) / (x["trades"] + p["prior_trades"])
    return [naive.score(p, x["inputs"]._asdict()), naive.priority(p, x["value"]), rate]


@pytest.mark.parametrize("mode", [0, 3])
def test_ranker_twins(mode: int):
    cases, p = cases_of(rank_case, 4, 1_500), RANK._replace(mode=mode)
    assert_twins(rank_kernels, rank_naive, p, cases)
    said = [rank_kernels(p, x) for x in cases]
    assert all(0.0 <= v[0] <= 1.0 for v in said)
    assert min(Counter(int(v[1]) for v in said)[c] for c in (PRIORITY_LOW, PRIORITY_MEDIUM, PRIORITY_HIGH)) > 50


def test_ranker_twins_with_every_constant_moved_on_both_sides():
    for _, p in moved(opportunity_ranker):
        assert_twins(rank_kernels, rank_naive, p, cases_of(rank_case, 5, 150))


def test_every_constant_of_the_ranker_counts():
    assert_every_constant_counts(opportunity_ranker, rank_kernels, rank_naive, cases_of(rank_case, 6, 300))
