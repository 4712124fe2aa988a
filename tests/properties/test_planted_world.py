"""Do 19 and 21 learn through the whole compiled engine? A planted world with two best strategies and two best sizes.

Each test says in how many of ten seeds (of world and exploration) the greedy choice is the planted one in *both* states.
The world is made up: it shows that decision, fill, close, credit and update belong together, not that markets are like this.
"""

from functools import cache
from typing import Any

import numpy as np
import pytest

from qt_core.codes import EXIT_STOP, EXIT_TARGET, OK
from qt_core.engine import backtest
from qt_core.engine.result import Result
from qt_core.tables import QTables, blank_tables, take_tables
from research.learning.train import judge, learn, run_epoch
from research.learning.windows import Window
from tests.properties.planted import A, B, Planted, config_of, found_sizes, found_strategies, planted

SEEDS = range(10)
NEEDED = 9  # of the ten seeds
EPOCHS = 2
FALLING = {"epsilon": 0.25, "alpha_decay": 0.05, "alpha_min": 0.005}  # a step that shrinks with visits settles


def trained(seed: int, **changes: Any) -> QTables:
    w, config, tables = planted(seed), config_of(**changes), blank_tables()
    for epoch in range(EPOCHS):
        r = backtest(w.market, w.tape, config, 1_000 * seed + epoch, context=w.context, tables=tables, journal=False)
        tables = take_tables(r.state)
    return tables


@cache
def count(**changes: Any) -> tuple[int, int]:
    """Seeds in which both strategies, and in which both sizes, are found."""
    tables = [trained(seed, **changes) for seed in SEEDS]
    return sum(map(found_strategies, tables)), sum(map(found_sizes, tables))


@cache
def one_run(strategy: int) -> Result:
    """Seed 0 with one strategy alone (a table that prefers it everywhere), nothing learned, nothing drawn."""
    w, tables = planted(0), blank_tables()
    tables.strategy_q[:, strategy] = 9.0
    config = config_of(epsilon=0.0, learning="frozen")
    return backtest(w.market, w.tape, config, context=w.context, tables=tables)


def test_the_world_is_what_it_is_said_to_be():
    """Mean R by strategy and regime, as planted: 3, 1, 2, 1.5 R in A; a stop, 1 R, a stop, 1.5 R in B."""
    best = {A: {0: 3.0, 1: 1.0, 2: 2.0, 3: 1.5}, B: {0: -1.0, 1: 1.0, 2: -1.0, 3: 1.5}}
    for strategy in range(4):
        r = one_run(strategy)
        assert len(r.trades) == int((r.decisions["reason"] == OK).sum()) > 5_000
        assert set(np.unique(r.trades["exit_reason"])) <= {EXIT_STOP, EXIT_TARGET}
        good = r.trades["confidence"] > 0.5
        for regime in (A, B):
            mine = r.trades[good & (r.trades["vol_class"] == (0 if regime == A else 2))]
            typical = float(np.median(mine["r_multiple"]))
            assert typical == pytest.approx(best[regime][strategy], abs=0.02), (strategy, regime)
        assert float(np.median(r.trades[~good]["r_multiple"])) == pytest.approx(-1.0, abs=0.02)


def test_greedy_after_training_is_the_planted_choice():
    strategies, sizes = count(**FALLING)
    assert strategies >= NEEDED, f"strategies: {strategies} of {len(SEEDS)} seeds"
    assert sizes >= NEEDED, f"sizes: {sizes} of {len(SEEDS)} seeds"


def test_a_constant_step_stays_restless():
    """At SPEC's constant alpha the last outcomes weigh too much to tell neighbours apart: the schedule is there for this."""
    strategies, sizes = count(epsilon=0.25)
    assert min(strategies, sizes) < NEEDED


def test_nothing_is_found_without_a_step_or_a_draw():
    assert count(alpha=0.0) == (0, 0)
    strategies, sizes = count(epsilon=0.0, alpha_decay=0.05, alpha_min=0.005)
    assert strategies < NEEDED
    assert sizes < NEEDED


def test_what_was_learned_pays_on_bars_never_seen():
    """The learner of the offline shell: frozen tables beat blank ones and a fixed size on a later window, in every seed."""
    w = planted(0)
    out = learn(w.market, w.tape, config_of(**FALLING), epochs=2, seeds=(0, 1), context=w.context)
    for run in out.seeds:
        assert run.learned.figures["mean_r"] > out.blank.figures["mean_r"] + 0.1
        assert run.learned.figures["total_return"] > 2.0 * run.fixed.figures["total_return"]
        assert run.epochs[-1].mean_r > run.epochs[0].mean_r
    assert out.learn_span.split(" to ")[1] < out.judge_span.split(" to ")[0]


def test_an_epoch_carries_the_tables_of_the_one_before():
    w = planted(1)
    window = Window(w.market, w.tape, w.context)
    config = config_of(**FALLING)
    first = take_tables(run_epoch(window, config, 5, 0, blank_tables()).state)
    second = take_tables(run_epoch(window, config, 5, 1, first).state)
    assert int(second.size_visits.sum()) > int(first.size_visits.sum()) > 5_000
    other = take_tables(run_epoch(window, config, 5, 1, blank_tables()).state)
    assert np.any(other.size_visits != second.size_visits - first.size_visits), "the tables did not act"
    judged = judge(window, config, second)
    assert judged.figures["trades"] > 5_000


def test_the_draws_of_two_epochs_differ():
    w: Planted = planted(1)
    window, config = Window(w.market, w.tape, w.context), config_of(**FALLING)
    a, b, again = (run_epoch(window, config, 5, k, blank_tables()) for k in (0, 1, 0))
    assert a.digest() == again.digest() != b.digest()
