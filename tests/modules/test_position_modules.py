"""Modules 9, 10 and 23: SPEC's worked examples, and every kernel against its plain second version over random inputs."""

import math
from collections import Counter
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from qt_core.codes import (
    ADVICE_AMPLIFY,
    ADVICE_EXIT,
    ADVICE_NONE,
    AMPLIFY_HOLD,
    EXIT_ON_ADVICE,
    EXIT_ON_TIME,
    KEEP,
    NORMAL_EXIT,
    NOT_ELIGIBLE,
    OFF,
    OK,
    PIL_LEADING,
    PIL_STALE,
    PIL_UNKNOWN,
    PIL_ZOMBIE,
    PROTECT,
    QUICK_EXIT,
    RISK_BUDGET,
    TREND_EXIT,
)
from qt_core.position import amplification, intelligence, monitor
from tests.modules.random_inputs import Draw, draws, near, pick, same, unnoticed, whole
from tests.reference import position_naive as naive

pytestmark = pytest.mark.interpreted

HOUR_MS = 3_600_000
PIL, PAL, WATCH = intelligence.Params(), amplification.Params(), monitor.Params()


def numbers(module: Any) -> list[str]:
    """Constants that shape an answer: all but the mode, the cadence and what is chosen by name."""
    return [n for n in module.Params._fields if n not in ("mode", "interval_ms", *module.CHOICES)]


# --- worked examples ------------------------------------------------------------------------------------------------


def test_margin_200_at_3x_profit_5_is_leading_and_holds():
    """Margin 200 at 3x, initial risk 6, profit 5: ROI 2.5 %, R 0.833, LEADING, amplification HOLD (needs R >= 1.5)."""
    margin, leverage, risk, profit = 200.0, 3.0, 6.0, 5.0
    assert profit / margin == 0.025
    assert profit / (margin * leverage) * leverage == pytest.approx(0.025)
    r = profit / risk
    assert round(r, 3) == 0.833
    for momentum in (0.0, 0.02, math.nan):
        c = intelligence.classify(PIL, position(r=r, momentum_side=momentum))
        assert (c.code, c.advice) == (PIL_LEADING, ADVICE_AMPLIFY)
    asked = amplification.scale_in(PAL, winner(r=r))
    assert asked == (0.0, NOT_ELIGIBLE)
    runs = amplification.let_run(PAL, PIL_LEADING, r, 0.02, NORMAL_EXIT)
    assert not runs
    assert amplification.action(PAL, PIL_LEADING, r, asked.qty, runs, 0) == AMPLIFY_HOLD


def test_buy_at_048_on_a_long_keeps():
    """0.48 is an action (>= 0.45) of the same side; HOLD and no signal keep too; the opposite action leaves."""
    assert monitor.verdict(WATCH, held(signal_side=1)) == KEEP
    assert monitor.verdict(WATCH, held(signal_side=0)) == KEEP
    assert monitor.verdict(WATCH, held(signal_side=-1, signal_known=0)) == KEEP
    assert monitor.verdict(WATCH, held(signal_side=-1)) == monitor.EXIT_ON_SENTIMENT
    assert monitor.verdict(WATCH, held(side=-1, signal_side=1)) == monitor.EXIT_ON_SENTIMENT
    assert monitor.verdict(WATCH, held(side=-1, signal_side=-1)) == KEEP


def test_the_24_hour_limit_is_12_in_quick_mode():
    for mode, hours in ((NORMAL_EXIT, 24), (TREND_EXIT, 24), (QUICK_EXIT, 12)):
        assert monitor.verdict(WATCH, held(exit_mode=mode, age_ms=hours * HOUR_MS)) == EXIT_ON_TIME
        assert monitor.verdict(WATCH, held(exit_mode=mode, age_ms=hours * HOUR_MS - 1)) == KEEP


def test_the_ladder_takes_a_quarter_at_roi_8_and_12_percent_and_the_target_covers_the_rest():
    rungs = amplification.ladder(PAL, 1, 100.0, 106.0, 6.0, 3.0, 0.001, 0.001, 0.01)
    assert rungs == (1.5, 102.66, 1.5, 104.0, 0, 0)  # 8 % / 3 = 2.667 %, rounded towards the entry
    assert amplification.tp_qty(6.0, rungs, 0.001) == 3.0
    near_tp = amplification.ladder(PAL, 1, 100.0, 104.0, 6.0, 3.0, 0.001, 0.001, 0.01)
    assert near_tp == (1.5, 102.66, 0.0, 0.0, 1, 0)  # the second lies at the TP: dropped, its share trails
    assert amplification.tp_qty(6.0, near_tp, 0.001) == 4.5
    assert amplification.ladder(PAL, 1, 100.0, 0.0, 6.0, 3.0, 0.001, 0.001, 0.01) == rungs  # no TP: none is dropped
    short = amplification.ladder(PAL, -1, 100.0, 94.0, 6.0, 3.0, 0.001, 0.001, 0.01)
    assert short == (1.5, 97.34, 1.5, 96.0, 0, 0)


def test_a_rung_that_rounds_to_zero_merges_into_the_next():
    two = amplification.ladder(PAL, 1, 100.0, 0.0, 3.0, 3.0, 1.0, 1.0, 0.01)
    assert two == (0.0, 0.0, 1.0, 104.0, 0, 1)  # 0.75 + 0.75 = 1.5: one lot
    assert amplification.tp_qty(3.0, two, 1.0) == 2.0
    none = amplification.ladder(PAL, 1, 100.0, 0.0, 1.0, 3.0, 1.0, 1.0, 0.01)
    assert none == (0.0, 0.0, 0.0, 0.0, 0, 2)
    assert amplification.tp_qty(1.0, none, 1.0) == 1.0


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


def test_off_is_neutral_and_protection_stays():
    assert intelligence.classify(PIL._replace(mode=OFF), position()) == (PIL_UNKNOWN, 0.0, ADVICE_NONE)
    off = PAL._replace(mode=OFF)
    assert amplification.scale_in(off, winner()) == (0.0, OK)
    assert amplification.ladder(off, 1, 100.0, 106.0, 6.0, 3.0, 0.001, 0.001, 0.01) == (0.0, 0.0, 0.0, 0.0, 0, 0)
    assert not amplification.let_run(off, PIL_LEADING, 2.0, 0.02, NORMAL_EXIT)
    idle = WATCH._replace(mode=OFF)
    old = held(age_ms=99 * HOUR_MS, signal_side=-1, advice=ADVICE_EXIT)
    assert monitor.verdict(idle, old) == KEEP
    assert monitor.verdict(idle, old._replace(sl_missing=1)) == PROTECT
    assert monitor.verdict(idle, old._replace(tp_missing=1)) == PROTECT


def test_advice_to_leave_may_be_switched_off():
    zombie = held(advice=ADVICE_EXIT)
    assert monitor.verdict(WATCH, zombie) == EXIT_ON_ADVICE
    assert monitor.verdict(WATCH._replace(exit_on_advice=0), zombie) == KEEP


def test_unknown_numbers_cost_no_position_and_add_to_none():
    dead = position(r=0.1, age_ms=13 * HOUR_MS, range_r=0.2)
    assert intelligence.classify(PIL, dead).code == PIL_ZOMBIE
    assert intelligence.classify(PIL, dead._replace(range_r=math.nan)).code == PIL_STALE
    assert intelligence.classify(PIL, dead._replace(r=math.nan)).code == PIL_UNKNOWN
    assert intelligence.classify(PIL, dead._replace(known=0)).code == PIL_UNKNOWN
    for name in (*naive.NUMBERS, "room_qty"):
        assert amplification.scale_in(PAL, winner(**{name: math.nan})).qty == 0.0, name
    assert not amplification.let_run(PAL, PIL_LEADING, 2.0, math.nan, NORMAL_EXIT)
    assert not amplification.let_run(PAL, PIL_LEADING, math.nan, 0.02, NORMAL_EXIT)
    assert amplification.ladder(PAL, 1, math.nan, 106.0, 6.0, 3.0, 0.001, 0.001, 0.01).qty_1 == 0.0


# --- inputs ---------------------------------------------------------------------------------------------------------


def position(**changes: float) -> intelligence.Inputs:
    return intelligence.Inputs(0.5, 0.01, HOUR_MS, 1.0, 0.3, 1)._replace(**changes)


def held(**changes: int) -> monitor.Inputs:
    return monitor.Inputs(1, HOUR_MS, 1, 1, ADVICE_NONE, 0, 0, NORMAL_EXIT)._replace(**changes)


def winner(**changes: float) -> amplification.Inputs:
    return amplification.Inputs(
        PIL_LEADING, 1, 1.6, 0, 6.0, 6.0, 100.0, 101.0, 105.0, 0.0, 6.0 * (1.0 + 1e-8), math.inf, 1.0, 1.0, 5.0
    )._replace(**changes)  # fmt: skip


def a_position(g: Draw) -> intelligence.Inputs:
    return intelligence.Inputs(
        pick(g, 0.25, -0.25, 0.0, 0.2499, math.nan, math.inf, *g.uniform(-0.4, 0.4, 8), *g.uniform(-2.0, 2.0, 8)),
        pick(g, 0.0, math.nan, -1e-12, *g.uniform(-0.1, 0.1, 5)),
        whole(g, 0, 6 * HOUR_MS, 12 * HOUR_MS, 12 * HOUR_MS - 1, *g.integers(0, 24 * HOUR_MS, 8)),
        pick(g, 0.5, 0.499, math.nan, *g.uniform(0.0, 1.0, 4)),
        pick(g, 3.0, -3.0, 2.999, math.nan, math.inf, *g.uniform(-2.0, 2.0, 12), *g.uniform(-9.0, 9.0, 4)),
        whole(g, 0, *[1] * 12),
    )


def a_holding(g: Draw) -> monitor.Inputs:
    near_limits = g.integers(10 * HOUR_MS, 28 * HOUR_MS, 4)
    return monitor.Inputs(
        whole(g, -1, 1), whole(g, 0, 12 * HOUR_MS, 24 * HOUR_MS, 24 * HOUR_MS - 1, HOUR_MS, *near_limits),
        whole(g, -1, 0, 1), whole(g, 0, 1, 1), whole(g, 0, 1, 2, 3), whole(g, 0, 0, 0, 1), whole(g, 0, 0, 0, 1),
        whole(g, QUICK_EXIT, NORMAL_EXIT, TREND_EXIT),
    )  # fmt: skip


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


def any_mode(g: Draw) -> int:
    return whole(g, OFF, *[3] * 9, 1, 2)


# --- against the plain second version -------------------------------------------------------------------------------


def test_intelligence_against_its_second_version():
    seen: Counter[Any] = Counter()
    for g in draws(21, 4_000):
        p, x = PIL._replace(mode=any_mode(g)), a_position(g)
        got = intelligence.classify(p, x)
        assert same(got, naive.classify(p._asdict(), x._asdict())), (p, x)
        assert got.confidence == 0.0 if got.code == PIL_UNKNOWN else 0.5 <= got.confidence <= 1.0
        seen.update([("class", got.code), ("advice", got.advice)])
    assert len(seen) == 6 + 4
    assert min(seen.values()) > 20


def test_monitor_against_its_second_version():
    seen: Counter[int] = Counter()
    for g in draws(22, 4_000):
        p = WATCH._replace(mode=any_mode(g), exit_on_advice=whole(g, 0, 1, 1))
        x = a_holding(g)
        got = monitor.verdict(p, x)
        assert got == naive.verdict(p._asdict(), x._asdict()), (p, x)
        assert monitor.protection(x) == naive.verdict(p._replace(mode=OFF)._asdict(), x._asdict())
        seen[got] += 1
    assert len(seen) == 5
    assert min(seen.values()) > 20


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
            rest = amplification.tp_qty(qty, got, lot)
            assert near(rest, naive.tp_qty(qty, want, lot))
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


# --- a constant changed on one side is noticed ----------------------------------------------------------------------


def test_changed_constants_are_noticed():
    positions = [(a_position(g),) for g in draws(31)]
    missed = unnoticed(
        PIL, positions, intelligence.classify, lambda p, x: naive.classify(p, x._asdict()), numbers(intelligence)
    )
    holdings = [(a_holding(g),) for g in draws(32)]
    missed += unnoticed(WATCH, holdings, monitor.verdict, lambda p, x: naive.verdict(p, x._asdict()), numbers(monitor))
    winners = [(a_winner(g),) for g in draws(33)]
    growing = ["scale_in_r", "max_scale_ins", "scale_fraction"]
    missed += unnoticed(PAL, winners, amplification.scale_in, lambda p, x: naive.scale_in(p, x._asdict()), growing)
    rungs = [n for n in PAL._fields if n.startswith("rung_")]

    def plain_ladder(p: Any, *a: Any) -> tuple[float, ...]:
        return tuple(naive.ladder(p, *a[:5], dict(zip(("lot", "min_qty", "tick"), a[5:], strict=True))).values())

    missed += unnoticed(PAL, [a_ladder(g) for g in draws(34)], amplification.ladder, plain_ladder, rungs)
    runners = [(PIL_LEADING, float(r), 0.02, NORMAL_EXIT) for r in np.linspace(0.0, 3.0, 1_001)]
    missed += unnoticed(PAL, runners, amplification.let_run, naive.let_run, ["let_run_r"])
    assert missed == []
    assert set(numbers(amplification)) == {*growing, *rungs, "let_run_r"}
