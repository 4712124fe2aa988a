"""Modules 10 and 23: SPEC's worked examples, and every kernel against its plain second version over random inputs."""

import math
from collections import Counter
from typing import Any

import pytest

from qt_core.codes import (
    ADVICE_AMPLIFY,
    ADVICE_EXIT,
    ADVICE_NONE,
    EXIT_ON_ADVICE,
    EXIT_ON_TIME,
    KEEP,
    NORMAL_EXIT,
    OFF,
    PIL_LEADING,
    PIL_STALE,
    PIL_UNKNOWN,
    PIL_ZOMBIE,
    PROTECT,
    QUICK_EXIT,
    TREND_EXIT,
)
from qt_core.position import intelligence, monitor
from tests.modules.random_inputs import Draw, any_mode, draws, pick, same, unnoticed, whole
from tests.reference import position_naive as naive

pytestmark = pytest.mark.interpreted

HOUR_MS = 3_600_000
PIL, WATCH = intelligence.Params(), monitor.Params()


def numbers(module: Any) -> list[str]:
    """Constants that shape an answer: all but the mode, the cadence and what is chosen by name."""
    return [n for n in module.Params._fields if n not in ("mode", "interval_ms", *module.CHOICES)]


# --- worked examples ------------------------------------------------------------------------------------------------


def test_margin_200_at_3x_profit_5_is_leading():
    """Margin 200 at 3x, initial risk 6, profit 5: ROI 2.5 %, R 0.833, LEADING; HOLD is module 9's part."""
    margin, leverage, risk, profit = 200.0, 3.0, 6.0, 5.0
    assert profit / margin == 0.025
    assert profit / (margin * leverage) * leverage == pytest.approx(0.025)
    r = profit / risk
    assert round(r, 3) == 0.833
    for momentum in (0.0, 0.02, math.nan):
        c = intelligence.classify(PIL, position(r=r, momentum_side=momentum))
        assert (c.code, c.advice) == (PIL_LEADING, ADVICE_AMPLIFY)


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


def test_off_is_neutral_and_protection_stays():
    assert intelligence.classify(PIL._replace(mode=OFF), position()) == (PIL_UNKNOWN, 0.0, ADVICE_NONE)
    idle = WATCH._replace(mode=OFF)
    old = held(age_ms=99 * HOUR_MS, signal_side=-1, advice=ADVICE_EXIT)
    assert monitor.verdict(idle, old) == KEEP
    assert monitor.verdict(idle, old._replace(sl_missing=1)) == PROTECT
    assert monitor.verdict(idle, old._replace(tp_missing=1)) == PROTECT


def test_advice_to_leave_may_be_switched_off():
    zombie = held(advice=ADVICE_EXIT)
    assert monitor.verdict(WATCH, zombie) == EXIT_ON_ADVICE
    assert monitor.verdict(WATCH._replace(exit_on_advice=0), zombie) == KEEP


def test_unknown_numbers_cost_no_position():
    dead = position(r=0.1, age_ms=13 * HOUR_MS, range_r=0.2)
    assert intelligence.classify(PIL, dead).code == PIL_ZOMBIE
    assert intelligence.classify(PIL, dead._replace(range_r=math.nan)).code == PIL_STALE
    assert intelligence.classify(PIL, dead._replace(r=math.nan)).code == PIL_UNKNOWN
    assert intelligence.classify(PIL, dead._replace(known=0)).code == PIL_UNKNOWN


# --- inputs ---------------------------------------------------------------------------------------------------------


def position(**changes: float) -> intelligence.Inputs:
    return intelligence.Inputs(0.5, 0.01, HOUR_MS, 1.0, 0.3, 1)._replace(**changes)


def held(**changes: int) -> monitor.Inputs:
    return monitor.Inputs(1, HOUR_MS, 1, 1, ADVICE_NONE, 0, 0, NORMAL_EXIT)._replace(**changes)


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


# --- a constant changed on one side is noticed ----------------------------------------------------------------------


def test_changed_constants_are_noticed():
    positions = [(a_position(g),) for g in draws(31)]
    missed = unnoticed(
        PIL, positions, intelligence.classify, lambda p, x: naive.classify(p, x._asdict()), numbers(intelligence)
    )
    holdings = [(a_holding(g),) for g in draws(32)]
    missed += unnoticed(WATCH, holdings, monitor.verdict, lambda p, x: naive.verdict(p, x._asdict()), numbers(monitor))
    assert missed == []
