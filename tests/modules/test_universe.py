"""Module 11: the worked examples of SPEC, and every kernel against its plain twin over random inputs."""

import math
from collections import Counter
from typing import Any

import pytest

from qt_core.codes import (
    DENIED,
    LOW_DEPTH,
    LOW_VOLUME,
    NOT_ELIGIBLE,
    OFF,
    OK,
    TIER_L1,
    TIER_L2,
    TIER_MAIN,
    TIER_NONE,
    VOLUME_UNKNOWN,
)
from qt_core.context import universe
from tests.modules.twins import Draw, assert_every_constant_counts, assert_twins, cases_of, moved, pick
from tests.reference import selection_naive as naive

pytestmark = [pytest.mark.interpreted, pytest.mark.filterwarnings("ignore:invalid value")]  # inf - inf

NAN = math.nan
UNIVERSE = universe.Params()


# --- 11 universe ----------------------------------------------------------------------------------------------------


def test_tiers_by_flag_and_rank():
    marks = {
        (1, 99, NAN): TIER_MAIN,
        (0, 19, 1e6): TIER_L1,
        (0, 20, 1e6): TIER_L2,
        (0, 0, NAN): TIER_NONE,
        (0, 0, 0.0): 0,
    }
    assert {x: universe.tier(UNIVERSE, *x) for x in marks} == marks


def test_filters_and_their_reasons():
    assert universe.admits(UNIVERSE, 0, 500_000.0, NAN, 1) == OK
    assert universe.admits(UNIVERSE, 0, 499_999.0, NAN, 1) == LOW_VOLUME
    assert universe.admits(UNIVERSE, 0, NAN, 1e6, 1) == VOLUME_UNKNOWN, "missing volume vetoes with a reason"
    assert universe.admits(UNIVERSE, 0, 1e9, 499.0, 1) == LOW_DEPTH
    assert universe.admits(UNIVERSE, 0, 1e9, 1e6, 0) == NOT_ELIGIBLE
    assert universe.admits(UNIVERSE, 1, 1e9, 1e6, 1) == DENIED
    assert universe.admits(UNIVERSE._replace(mode=OFF), 1, NAN, NAN, 0) == OK
    assert [universe.spread_ok(UNIVERSE, s) for s in (0.005, 0.0051, NAN)] == [True, False, True]


def test_the_hedge_fund_os_narrows_and_widens():
    assert [universe.active_count(UNIVERSE, mode) for mode in (0, 1, 2, 7)] == [10, 20, 30, 10]


def universe_case(g: Draw) -> dict[str, Any]:
    return {
        "denied": int(g.random() < 0.1), "eligible": int(g.random() < 0.9),
        "volume": pick(g, NAN, 0.0, 500_000.0, 499_999.0, 520_000.0, math.inf, *g.uniform(0.0, 2e6, 9)),
        "depth": pick(g, NAN, NAN, NAN, 0.0, 500.0, 499.0, 520.0, *g.uniform(0, 2e4, 4)),
        "ratio": pick(g, NAN, 0.0, 1.0, *g.uniform(0.1, 3.0, 4)), "is_main": int(g.random() < 0.1),
        "rank": int(pick(g, 0, 19, 20, 21, *g.integers(0, 50, 3))), "median": pick(g, NAN, 0.0, *g.uniform(0.0, 1e6, 5)),
        "spread": pick(g, NAN, 0.005, 0.0051, 0.0052, *g.uniform(0.0, 0.01, 3)), "universe_mode": int(g.integers(4)),
        "tiers": g.integers(0, 4, 50).tolist(), "ranked": g.permutation(50).tolist(),
        "held": set(g.integers(0, 50, 3).tolist()),
    }  # fmt: skip


def universe_kernels(p: universe.Params, x: dict[str, Any]) -> list[float]:
    active = [
        i for i, t in enumerate(x["tiers"])
        if universe.is_active(p, x["universe_mode"], t, x["ranked"].index(i), int(i in x["held"]))
    ]  # fmt: skip
    return [
        universe.admits(p, x["denied"], x["volume"], x["depth"], x["eligible"]),
        universe.tier(p, x["is_main"], x["rank"], x["median"]), universe.median_volume(x["volume"], x["ratio"]),
        int(universe.spread_ok(p, x["spread"])), universe.active_count(p, x["universe_mode"]), *active,
    ]  # fmt: skip


def universe_naive(p: Any, x: dict[str, Any]) -> list[float]:
    return [
        naive.admits(p, x), naive.tier(p, bool(x["is_main"]), x["rank"], x["median"]),
        naive.median_volume(x["volume"], x["ratio"]), int(naive.spread_ok(p, x["spread"])),
        naive.active_count(p, x["universe_mode"]),
        *sorted(naive.active(p, x["universe_mode"], x["tiers"], x["ranked"], x["held"])),
    ]  # fmt: skip


UNIVERSE_MOVES = {
    "depth_per_volume": 0.0005
}  # a larger one changes nothing: the least volume already gives the least depth


def test_universe_twins():
    cases = cases_of(universe_case, 7, 1_000)
    for mode in (0, 3):
        assert_twins(universe_kernels, universe_naive, UNIVERSE._replace(mode=mode), cases)
    said = [universe_kernels(UNIVERSE, x) for x in cases]
    reasons = Counter(int(v[0]) for v in said)
    assert reasons.keys() == {OK, DENIED, NOT_ELIGIBLE, VOLUME_UNKNOWN, LOW_VOLUME, LOW_DEPTH}
    tiers = Counter(int(v[1]) for v in said)
    assert tiers.keys() == {TIER_NONE, TIER_MAIN, TIER_L1, TIER_L2}
    assert min((*reasons.values(), *tiers.values())) > 20


def test_universe_twins_with_every_constant_moved_on_both_sides():
    for _, p in moved(universe, UNIVERSE_MOVES):
        assert_twins(universe_kernels, universe_naive, p, cases_of(universe_case, 8, 100))


def test_every_constant_of_the_universe_counts():
    cases = cases_of(universe_case, 9, 300)
    assert_every_constant_counts(universe, universe_kernels, universe_naive, cases, UNIVERSE_MOVES)
