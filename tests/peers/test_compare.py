"""Differences get exactly the name of the assumption that causes them, and a planted error gets none."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from research.crosscheck.case import END, Case, closed
from research.crosscheck.compare import BLOCKED, LAST_BAR, UNEXPLAINED, Comparison, compare
from research.crosscheck.reference import FLIPS, Rules, flipped, run_reference
from research.crosscheck.signals import hashed_sides

from .tables import random_case

CASES = [random_case(seed, gap=0.008, wick=0.015) for seed in range(3)]  # wild: every assumption binds
OURS = run_reference(CASES)
# What else may stand beside a switch's own name: entries missed because an earlier trade ran longer.
KNOCK_ON = {BLOCKED, LAST_BAR}


def against(theirs: "list[Any]", cases: "list[Case]" = CASES, ours: "list[Any]" = OURS) -> Comparison:
    return compare("peer", "test", cases, ours, theirs, Rules())


def test_equal_engines_are_all_equal() -> None:
    result = against(run_reference(CASES))
    assert result.equal_percent == 100.0
    assert result.equal == sum(len(closed(t)) for t in OURS) > 500
    assert result.open_at_end == sum(int((t["reason"] == END).sum()) for t in OURS)
    assert result.stopped + result.targeted == result.n_theirs
    assert not result.differences


@pytest.mark.parametrize("name", sorted(flipped(Rules())))
def test_one_flipped_assumption_is_named(name: str) -> None:
    theirs = run_reference(CASES, flipped(Rules())[name])
    result = against(theirs)
    assert result.by_name.get(name, 0) > 0, result.by_name
    assert set(result.by_name) - KNOCK_ON == {name}, result.by_name
    assert result.unexplained == 0


def test_flips_name_the_direction_of_the_difference() -> None:
    start = Rules(entry_bar_tested=False)
    theirs = run_reference(CASES)
    result = compare("peer", "test", CASES, run_reference(CASES, start), theirs, start)
    assert set(result.by_name) - KNOCK_ON == {"entry_bar_tested"}
    assert len(flipped(start)) * 2 == len(FLIPS)


@pytest.mark.parametrize(
    ("field", "change"),
    [("exit_price", 1.0 + 1e-8), ("entry_price", 1.0 + 1e-8), ("size", 1.0 + 1e-8), ("pnl", 1.0 + 1e-8), ("side", -1)],
)
def test_a_wrong_number_in_one_trade_is_unexplained(field: str, change: float) -> None:
    for ours_is_wrong in (False, True):
        wrong = [t.copy() for t in OURS]
        wrong[1][field][7] = wrong[1][field][7] * change
        result = against(OURS, ours=wrong) if ours_is_wrong else against(wrong)
        assert result.by_name == {UNEXPLAINED: 1}
        (difference,) = result.differences
        assert (difference.symbol, difference.entry_bar) == (CASES[1].symbol, int(OURS[1]["entry_bar"][7]))


def test_a_difference_below_the_tolerance_is_equal_and_measured() -> None:
    near = [t.copy() for t in OURS]
    near[0]["pnl"][3] *= 1.0 + 5e-10
    result = against(near)
    assert not result.differences
    assert result.largest_error == pytest.approx(5e-10, rel=1e-3)


def test_two_assumptions_at_once_are_not_explained() -> None:
    theirs = run_reference(CASES, replace(Rules(), entry_bar_tested=False, gap_fill_at_open=False, stop_first=False))
    assert against(theirs).unexplained > 0


def test_pairs_are_named_only_where_asked_for() -> None:
    theirs = run_reference(CASES, replace(Rules(), entry_bar_tested=False, gapped_target_first=False))
    assert against(theirs).unexplained > 0
    result = compare("peer", "test", CASES, OURS, theirs, Rules(), pairs=True)
    assert result.unexplained == 0
    assert result.by_name["entry_bar_not_tested + stop_before_gapped_target"] > 0


def test_missing_and_invented_trades_are_unexplained() -> None:
    lost = [np.delete(OURS[0], 5), *OURS[1:]]
    assert against(lost).by_name == {UNEXPLAINED: 1}
    assert against(OURS, ours=lost).by_name == {UNEXPLAINED: 1}


def test_a_trade_closed_on_the_last_bar_is_named() -> None:
    case = CASES[0]
    cut = int(OURS[0][-2]["exit_bar"])  # end the data inside a trade
    fields = ("time", "open", "high", "low", "close", "side", "quantity")
    short = replace(case, **{k: getattr(case, k)[:cut] for k in fields})
    ours = run_reference([short])
    assert int(ours[0][-1]["reason"]) == END
    theirs = [ours[0].copy()]
    theirs[0]["reason"][-1] = 0
    assert against(theirs, [short], ours).by_name == {LAST_BAR: 1}


def test_hashed_sides_depend_on_name_time_and_seed_only() -> None:
    time = 1_609_459_200_000 + 3_600_000 * np.arange(20_000, dtype=np.int64)
    sides = hashed_sides("BTCUSDT", time, 0.1, 0)
    assert np.array_equal(sides[500:900], hashed_sides("BTCUSDT", time[500:900], 0.1, 0))
    assert not np.array_equal(sides, hashed_sides("ETHUSDT", time, 0.1, 0))
    assert not np.array_equal(sides, hashed_sides("BTCUSDT", time, 0.1, 1))
    assert abs((sides > 0).mean() - 0.05) < 0.006
    assert abs((sides < 0).mean() - 0.05) < 0.006
