"""Differences and their intervals on made-up outcomes, where the truth is known."""

import math

import numpy as np
import pytest

from research.ablation import words
from research.ablation.compare import (
    FIGURES,
    NEVER_ACTED,
    OFF_ALREADY,
    SAME_MONEY,
    TOO_RARE,
    block_length,
    carrying_days,
    compare,
    days_of,
    figures_of,
)
from research.statistics.bootstrap import stationary_index
from tests.ablation.worlds import arm, outcome, runs_of
from tests.reference.statistics_naive import path_figures

DAYS = 250


def noise(seed: int, scale: float = 0.01, n: int = DAYS) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0, scale, n)


def test_figures_of_resampled_days_equal_the_plain_reference():
    rng = np.random.default_rng(3)
    full = [outcome(noise(s), s, rng.random(DAYS), rng.integers(0, 9, DAYS)) for s in range(2)]
    index = stationary_index(DAYS, 5.0, 4, rng)
    found = figures_of(days_of(full), index)
    for b in range(4):
        for s, o in enumerate(full):
            plain = path_figures(list(o.returns[index[:, b]]))
            plain["annual_return"] = (1.0 + plain["total_return"]) ** (365.0 / DAYS) - 1.0
            plain["turnover"] = sum(o.turnover[index[:, b]]) / DAYS
            plain["trades"] = sum(o.trades[index[:, b]])
            plain["edge_bps"] = 1e4 * sum(o.returns[index[:, b]]) / sum(o.turnover[index[:, b]])
            assert {name: found[name][b, s] for name in FIGURES} == pytest.approx(plain, rel=1e-9)


def test_a_module_that_costs_and_one_that_earns_are_told_from_luck():
    base = [noise(s) for s in range(5)]
    full = [outcome(r, k) for k, r in enumerate(base)]
    worse = [outcome(r - 0.002 + noise(90 + k, 0.002), 100 + k) for k, r in enumerate(base)]
    better = [outcome(r + 0.002 + noise(80 + k, 0.002), 200 + k) for k, r in enumerate(base)]
    neither = [outcome(r + noise(70 + k, 0.002), 300 + k) for k, r in enumerate(base)]
    arms = [arm("sizer"), arm("tpsl"), arm("monitor")]
    earns, costs, luck = compare(runs_of(full, sizer=worse, tpsl=better, monitor=neither), arms, resamples=999)
    assert words.verdict(earns) == words.EARNS
    assert words.verdict(costs) == words.COSTS
    assert words.tone(luck) == 0
    low, high = earns.figures["total_return"].low, earns.figures["total_return"].high
    assert 0.0 < low < earns.figures["total_return"].difference < high
    assert costs.figures["total_return"].high < 0.0
    assert costs.figures["sharpe"].high < 0.0
    assert luck.figures["total_return"].low < 0.0 < luck.figures["total_return"].high
    assert words.seeds_text(earns.figures["total_return"]) == "5/5"
    assert "more than luck" in words.finding(costs, 3)
    assert "points more" in words.finding(costs, 3)


def test_differences_are_means_over_seeds_of_on_minus_off():
    full = [outcome(noise(s), s) for s in range(3)]
    off = [outcome(noise(s + 50), s + 50, trades=2.0 * np.ones(DAYS)) for s in range(3)]
    (row,) = compare(runs_of(full, tpsl=off), [arm()], resamples=100)
    each = [path_figures(list(a.returns))["total_return"] - path_figures(list(b.returns))["total_return"]
            for a, b in zip(full, off, strict=True)]  # fmt: skip
    found = row.figures["total_return"]
    assert found.seeds == pytest.approx(each)
    assert found.difference == pytest.approx(np.mean(each)) == pytest.approx(found.on - found.off)
    assert row.figures["trades"].difference == -DAYS


def test_seeds_and_days_stay_paired():
    # The same wild days in both arms cancel; were days or seeds drawn apart, the interval would be wide.
    wild = [noise(s, 0.05) for s in range(4)]
    full = [outcome(r, k) for k, r in enumerate(wild)]
    off = [outcome(r - 1e-4, 10 + k) for k, r in enumerate(wild)]
    apart = [outcome(np.roll(r, 40) - 1e-4, 20 + k) for k, r in enumerate(wild)]
    paired, unpaired = compare(runs_of(full, tpsl=off, sizer=apart), [arm("tpsl"), arm("sizer")], resamples=400)
    assert paired.figures["sharpe"].low > 0.0
    widths = [r.figures["sharpe"].high - r.figures["sharpe"].low for r in (paired, unpaired)]
    assert widths[0] < 0.05 * widths[1]


def test_a_module_that_never_acts_gives_exactly_nothing_and_is_named_so():
    full = [outcome(noise(s), s) for s in range(3)]
    (row,) = compare(runs_of(full, health=full), [arm("health")], resamples=100)
    assert row.status == NEVER_ACTED == words.verdict(row)
    assert row.equal_seeds == 3
    for d in row.figures.values():
        assert (d.difference, d.low, d.high, d.p, d.seeds) == (0.0, 0.0, 0.0, 1.0, (0.0, 0.0, 0.0))
    assert "never acted" in words.finding(row, 1)


def test_other_decisions_with_the_same_money_are_not_called_idle():
    full, off = ([outcome(noise(1), digest)] for digest in (1, 2))
    (row,) = compare(runs_of(full, ranker=off), [arm("ranker")], resamples=100)
    assert row.status == SAME_MONEY
    assert row.figures["total_return"].p == 1.0


def test_what_changed_a_few_days_only_is_not_judged():
    base = noise(1)
    once, weekly = base.copy(), base.copy()
    once[100] -= 0.05  # one bad trade avoided: much money, no knowing whether it would happen again
    once[101:] -= 1e-9
    weekly[::7] -= 0.002
    full = [outcome(base, 1)]
    rare, often = compare(
        runs_of(full, governor=[outcome(once, 2)], tpsl=[outcome(weekly, 3)]),
        [arm("governor"), arm("tpsl")],
        resamples=200,
    )
    assert rare.status == TOO_RARE == words.verdict(rare)
    assert rare.carrying_days == pytest.approx(1.0, abs=0.01)
    d = rare.figures["total_return"]
    assert d.difference > 0.03
    assert math.isnan(d.low)
    assert d.p == d.p_holm == 1.0
    assert "too few days to judge" in words.finding(rare, 2)
    assert words.verdict(often) == words.EARNS
    assert often.carrying_days == pytest.approx(len(weekly[::7]))
    assert carrying_days(np.zeros(5)) == 0.0


def test_what_was_off_already_is_not_compared():
    full = [outcome(noise(1), 1)]
    (row,) = compare(runs_of(full, monitor=full), [arm("monitor", off_already=True)], resamples=100)
    assert row.status == OFF_ALREADY
    assert "nothing to switch" in words.finding(row, 1)


def test_an_arm_that_never_trades_has_no_sharpe_ratio_and_no_edge():
    still = outcome(np.zeros(DAYS), 2, np.zeros(DAYS), np.zeros(DAYS))
    (row,) = compare(runs_of([outcome(noise(1), 1)], ensemble=[still]), [arm("ensemble")], resamples=200)
    for name in ("sharpe", "edge_bps"):
        assert math.isnan(row.figures[name].difference)
        assert math.isnan(row.figures[name].low)
        assert math.isnan(row.figures[name].p_holm)
    assert math.isfinite(row.figures["total_return"].low)


def test_luck_among_many_rows_is_not_called_earning():
    full = [outcome(noise(1000 + k), k) for k in range(2)]
    off = {f"m{i}": [outcome(noise(5000 + 10 * i + k), 100 * i + k) for k in range(2)] for i in range(1, 31)}
    rows = compare(runs_of(full, **off), [arm(name) for name in off], resamples=400)
    alone = [r for r in rows if r.figures["total_return"].p <= 0.05]
    assert alone  # luck there is, among thirty
    assert not [r for r in rows if words.tone(r)]
    assert {words.verdict(r) for r in alone} <= {words.LUCKY, words.UNLUCKY}
    assert "luck is not ruled out" in words.finding(alone[0], 30)


def test_trading_less_is_told_from_trading_better():
    rng = np.random.default_rng(8)
    lost = -0.004 + rng.normal(0.0, 0.002, DAYS)
    full = [outcome(0.25 * lost, 1, 0.25 * np.ones(DAYS))]
    more = [outcome(lost, 2, np.ones(DAYS))]  # four times as much of the same
    same = [outcome(lost, 3, 0.25 * np.ones(DAYS))]  # as much, each four times as bad
    less, better = compare(runs_of(full, strategy=more, ranker=same), [arm("strategy"), arm("ranker")], resamples=400)
    assert words.verdict(less) == words.verdict(better) == words.EARNS
    assert words.how(less) == words.LESS
    assert words.how(better) == words.BETTER


def test_blocks_are_at_least_the_cube_root_of_the_days():
    assert block_length(noise(4, n=1000)) >= 10.0 - 1e-9
    slow = np.convolve(noise(5, n=1030), np.ones(31) / 31, mode="valid")
    assert block_length(slow) > 15.0
    (row,) = compare(
        runs_of([outcome(noise(1), 1)], tpsl=[outcome(noise(2), 2)]), [arm()], resamples=50, block_days=7.0
    )
    assert row.mean_block_days == 7.0
