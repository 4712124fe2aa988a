"""Module 9: SPEC's worked examples, and every kernel against its plain second version over random inputs."""

import math
from collections import Counter
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from qt_core.codes import (
    AMPLIFY_HOLD,
    AMPLIFY_NONE,
    NORMAL_EXIT,
    NOT_ELIGIBLE,
    OFF,
    OK,
    PIL_LEADING,
    PIL_STALE,
    QUICK_EXIT,
    RISK_BUDGET,
    TREND_EXIT,
)
from qt_core.position import amplification
from tests.modules.random_inputs import Draw, any_mode, draws, near, pick, same, unnoticed, whole
from tests.reference import position_naive as naive

pytestmark = pytest.mark.interpreted

PAL = amplification.Params()


# --- inputs -----------------------------------------------------------------------------------------------------------


def winner(**changes: float) -> amplification.Inputs:
    return amplification.Inputs(
        PIL_LEADING, 1, 1.6, 0, 6.0, 6.0, 100.0, 101.0, 105.0, 0.0, 6.0 * (1.0 + 1e-8), math.inf, 1.0, 1.0, 5.0
    )._replace(**changes)  # fmt: skip


def a_winner(g: Draw) -> amplification.Inputs:
    side, avg, first = whole(g, -1, 1), float(g.uniform(5.0, 500.0)), float(g.uniform(1.0, 50.0))
    stop = avg * (1.0 + side * float(g.uniform(-0.02, 0.03)))
    cap = avg * (1.0 + side * pick(g, *g.uniform(0.01, 0.09, 6), -0.03))
    spoilt = {} if g.random() < 0.9 else {naive.NUMBERS[int(g.integers(8))]: pick(g, math.nan, math.inf, 0.0, -1.0)}
    x = amplification.Inputs(
        whole(g, *[PIL_LEADING] * 5, PIL_STALE), side, pick(g, 1.5, 1.4999, *g.uniform(1.0, 4.0, 6)),
        whole(g, 0, 0, 1, 1, 2), first, first * pick(g, 1.0, 1.5, 0.5), avg, stop, cap, pick(g, 0.0, 0.0012),
        first * avg * float(g.uniform(0.005, 0.03)), pick(g, *[math.inf] * 4, 0.0, 1e9, math.nan, first * 0.2, -1.0),
        pick(g, 0.001, 0.1, 1.0), pick(g, 0.001, 1.0), pick(g, 5.0, 100.0),
    )  # fmt: skip
    return x._replace(**spoilt)


def a_ladder(g: Draw) -> tuple[Any, ...]:
    side, lot, tick = whole(g, -1, 1), pick(g, 0.001, 0.1, 1.0), pick(g, 0.01, 0.1, 0.0)
    avg, leverage = round(float(g.uniform(20.0, 500.0)), 2), pick(g, 1.0, 2.0, 3.0, 5.0)
    roi = pick(g, 0.08, 0.12, *g.uniform(0.02, 0.3, 3))
    tp = pick(g, 0.0, math.nan, *[avg * (1.0 + side * roi / leverage)] * 5)
    qty = lot * whole(g, 1, 2, 3, 4, 5, 7, 8, 100, 1001)
    if g.random() < 0.05:
        avg, qty, leverage = pick(g, math.nan, 0.0, avg), pick(g, math.inf, -1.0, qty), pick(g, 0.0, leverage)
    return side, avg, tp, qty, leverage, lot, lot * pick(g, 1.0, 1.0, 2.0), tick


def covered(size: float, rungs: amplification.Ladder, trailing: float = 0.0) -> float:
    return amplification.tp_qty(size, rungs.qty_1, rungs.qty_2, trailing)


# --- worked examples --------------------------------------------------------------------------------------------------


def test_r_of_083_holds():
    """R 0.833 of SPEC's example is below 1.5: nothing is added, nothing runs, the look at it says HOLD."""
    r = 5.0 / 6.0
    asked = amplification.scale_in(PAL, winner(r=r))
    assert asked == (0.0, NOT_ELIGIBLE)
    runs = amplification.let_run(PAL, PIL_LEADING, r, 0.02, NORMAL_EXIT)
    assert not runs
    assert amplification.action(PAL, PIL_LEADING, r, asked.qty, runs, 0) == AMPLIFY_HOLD


def test_the_ladder_takes_a_quarter_at_roi_8_and_12_percent_and_the_target_covers_the_rest():
    rungs = amplification.ladder(PAL, 1, 100.0, 106.0, 6.0, 3.0, 0.001, 0.001, 0.01)
    assert rungs == (1.5, 102.66, 1.5, 104.0, 0, 0)  # 8 % / 3 = 2.667 %, rounded towards the entry
    assert covered(6.0, rungs) == 3.0
    near_tp = amplification.ladder(PAL, 1, 100.0, 104.0, 6.0, 3.0, 0.001, 0.001, 0.01)
    assert near_tp == (1.5, 102.66, 0.0, 0.0, 1, 0)  # the second lies at the TP: dropped, its share trails
    assert covered(6.0, near_tp) == 4.5
    assert covered(6.0, near_tp, trailing=1.5) == 3.0
    assert amplification.ladder(PAL, 1, 100.0, 0.0, 6.0, 3.0, 0.001, 0.001, 0.01) == rungs  # no TP: none is dropped
    short = amplification.ladder(PAL, -1, 100.0, 94.0, 6.0, 3.0, 0.001, 0.001, 0.01)
    assert short == (1.5, 97.34, 1.5, 96.0, 0, 0)


def test_a_rung_that_rounds_to_zero_merges_into_the_next():
    two = amplification.ladder(PAL, 1, 100.0, 0.0, 3.0, 3.0, 1.0, 1.0, 0.01)
    assert two == (0.0, 0.0, 1.0, 104.0, 0, 1)  # 0.75 + 0.75 = 1.5: one lot
    assert covered(3.0, two) == 2.0
    none = amplification.ladder(PAL, 1, 100.0, 0.0, 1.0, 3.0, 1.0, 1.0, 0.01)
    assert none == (0.0, 0.0, 0.0, 0.0, 0, 2)
    assert covered(1.0, none) == 1.0


def test_a_scale_in_adds_half_at_most_and_stays_within_the_initial_risk():
    """Held 6 at 100, stop at 101 (6 USD locked), cap 105: each unit added risks 4 USD."""
    assert amplification.scale_in(PAL, winner()) == (3.0, OK)  # 12 USD at risk - 6 locked = the initial 6
    assert amplification.scale_in(PAL, winner(initial_risk_usd=5.0)) == (2.0, OK)
    assert amplification.scale_in(PAL, winner(stop_price=99.0)) == (0.0, RISK_BUDGET)
    assert amplification.scale_in(PAL, winner(n_scaled=2)) == (0.0, NOT_ELIGIBLE)
    assert amplification.scale_in(PAL, winner(r=1.49)) == (0.0, NOT_ELIGIBLE)
    assert amplification.scale_in(PAL, winner(cls=PIL_STALE)) == (0.0, NOT_ELIGIBLE)
    assert amplification.scale_in(PAL, winner(room_qty=1.9)) == (1.0, OK)
    assert amplification.scale_in(PAL, winner(stop_price=105.0)) == (0.0, RISK_BUDGET)
    assert amplification.scale_in(PAL, winner(lot_step=0.0, room_qty=1.9)).qty == 1.9


def test_off_adds_nothing_and_places_no_rung():
    off = PAL._replace(mode=OFF)
    assert amplification.scale_in(off, winner()) == (0.0, OK)
    assert amplification.ladder(off, 1, 100.0, 106.0, 6.0, 3.0, 0.001, 0.001, 0.01) == (0.0, 0.0, 0.0, 0.0, 0, 0)
    assert not amplification.let_run(off, PIL_LEADING, 2.0, 0.02, NORMAL_EXIT)
    assert amplification.action(off, PIL_LEADING, 2.0, 1.0, True, 1) == AMPLIFY_NONE


def test_unknown_numbers_add_nothing():
    for name in (*naive.NUMBERS, "room_qty"):
        assert amplification.scale_in(PAL, winner(**{name: math.nan})).qty == 0.0, name
    assert not amplification.let_run(PAL, PIL_LEADING, 2.0, math.nan, NORMAL_EXIT)
    assert not amplification.let_run(PAL, PIL_LEADING, math.nan, 0.02, NORMAL_EXIT)
    assert amplification.ladder(PAL, 1, math.nan, 106.0, 6.0, 3.0, 0.001, 0.001, 0.01).qty_1 == 0.0
    assert amplification.tp_qty(math.nan, 0.0, 0.0, 0.0) == 0.0


# --- against the plain second version ---------------------------------------------------------------------------------


def test_scale_in_against_a_search_over_lots():
    seen: Counter[int] = Counter()
    for g in draws(23, 4_000):
        p, x = PAL._replace(mode=any_mode(g)), a_winner(g)
        got = amplification.scale_in(p, x)
        assert same(got, naive.scale_in(p._asdict(), x._asdict())), (p, x, naive.scale_in(p._asdict(), x._asdict()))
        seen[got.reason] += 1
        if got.qty > 0.0:
            added = Fraction(got.qty)
            assert naive.loss_at_stops(x._asdict(), added) <= Fraction(x.initial_risk_usd)
            assert added <= Fraction(x.first_qty) / 2 + Fraction(x.lot_step) / 10**8
            assert got.qty <= x.room_qty * (1.0 + 1e-9)
            assert math.isclose(got.qty / x.lot_step, round(got.qty / x.lot_step), rel_tol=1e-9)
            seen[-1] += int(amplification.risk_budget_qty(x) < PAL.scale_fraction * x.first_qty)
    assert len(seen) == 7, "OK, NOT_ELIGIBLE, NON_FINITE, RISK_BUDGET, SIZE_BELOW_MIN, MIN_NOTIONAL; cut by the budget"
    assert min(seen.values()) > 20


def test_ladder_against_its_second_version():
    seen: Counter[Any] = Counter()
    for g in draws(24, 4_000):
        p, (side, avg, tp, qty, leverage, lot, least, tick) = PAL._replace(mode=any_mode(g)), a_ladder(g)
        got = amplification.ladder(p, side, avg, tp, qty, leverage, lot, least, tick)
        want = naive.ladder(p._asdict(), side, avg, tp, qty, leverage, {"lot": lot, "min_qty": least, "tick": tick})
        assert same(got, tuple(want.values())), (side, avg, tp, qty, leverage, lot, least, tick, got, want)
        if math.isfinite(qty) and qty > 0.0:
            rest = covered(qty, got)
            assert near(rest, naive.tp_qty(qty, want))
            assert near(rest + got.qty_1 + got.qty_2, qty, 1e-9)
        rungs = (got.qty_1 > 0.0, got.qty_2 > 0.0)
        seen.update([("rungs", *rungs), ("dropped", got.dropped), ("merged", got.merged)])
    assert len(seen) == 4 + 3 + 3
    assert min(seen.values()) > 20


def test_let_run_and_action_against_their_second_versions():
    seen: Counter[Any] = Counter()
    for g in draws(25, 4_000):
        p = PAL._replace(mode=any_mode(g))
        cls, r = whole(g, *[PIL_LEADING] * 6, 0, 2, 4), pick(g, 1.5, 1.499, 0.0, math.nan, *g.uniform(-1.0, 4.0, 8))
        ask = (cls, r, pick(g, 0.0, math.nan, *g.uniform(-0.1, 0.1, 6)), whole(g, QUICK_EXIT, NORMAL_EXIT, TREND_EXIT))
        runs = bool(amplification.let_run(p, *ask))
        assert runs == naive.let_run(p._asdict(), *ask), (p, ask)
        done = (pick(g, 0.0, 0.0, 2.0), runs, whole(g, 0, 0, 1, 2))
        got = amplification.action(p, cls, r, *done)
        assert got == naive.action(p._asdict(), cls, r, *done)
        seen.update([("runs", runs), ("action", got)])
    assert len(seen) == 2 + 5
    assert min(seen.values()) > 20


def plain_scale_in(p: Any, x: amplification.Inputs) -> tuple[float, int]:
    return naive.scale_in(p, x._asdict())


def plain_ladder(p: Any, *a: Any) -> tuple[float, ...]:
    return tuple(naive.ladder(p, *a[:5], dict(zip(("lot", "min_qty", "tick"), a[5:], strict=True))).values())


def test_changed_constants_are_noticed():
    growing = ["scale_in_r", "max_scale_ins", "scale_fraction"]
    missed = unnoticed(PAL, [(a_winner(g),) for g in draws(33)], amplification.scale_in, plain_scale_in, growing)
    rungs = [n for n in PAL._fields if n.startswith("rung_")]
    missed += unnoticed(PAL, [a_ladder(g) for g in draws(34)], amplification.ladder, plain_ladder, rungs)
    runners = [(PIL_LEADING, float(r), 0.02, NORMAL_EXIT) for r in np.linspace(0.0, 3.0, 1_001)]
    missed += unnoticed(PAL, runners, amplification.let_run, naive.let_run, ["let_run_r"])
    assert missed == []
    assert {*growing, *rungs, "let_run_r"} == set(PAL._fields) - {"mode", "interval_ms"}
