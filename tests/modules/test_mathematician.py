"""Module 20: the worked examples of SPEC, and every kernel against its plain twin over random inputs."""

import math
from collections import Counter
from typing import Any

import pytest

from qt_core.codes import (
    ADVISE_CAUTION,
    ADVISE_OK,
    AGREES,
    LARGER,
    OFF,
    SMALLER,
    TREND_MODERATE,
    VOL_NORMAL,
)
from qt_core.sizing import mathematician
from tests.modules.twins import Draw, assert_every_constant_counts, assert_twins, cases_of, moved, pick
from tests.reference import sizing_naive as naive

pytestmark = [pytest.mark.interpreted, pytest.mark.filterwarnings("ignore:invalid value")]  # inf - inf

NAN = math.nan
MATH = mathematician.Params()


def test_the_plan_of_the_worked_example():
    """200 at 3x, TP 2 %, SL 1 % -> +12, -6, R:R 2, breakeven 1/3."""
    assert mathematician.plan(200.0, 3.0, 0.02, 0.01) == pytest.approx((12.0, -6.0, 2.0, 1.0 / 3.0), abs=1e-12)


def test_the_optimal_leverage_of_the_worked_example_and_its_clips():
    assert mathematician.optimal_leverage(0.6, 6.0, 1.0, 5.0) == pytest.approx(3.2, abs=1e-12)
    assert mathematician.optimal_leverage(0.6, 6.0, 1.0, 3.0) == 3.0
    assert mathematician.optimal_leverage(0.4, 2.0, 1.0, 5.0) == 1.0


def advised(p: mathematician.Params = MATH, **changes: Any) -> mathematician.Advice:
    x = {
        "equity_usd": 10_000.0, "stop_fraction": 0.015, "atr_fraction": 0.01, "vol_class": VOL_NORMAL,
        "trend_class": TREND_MODERATE, "stats": mathematician.Stats(0, NAN, NAN, NAN), "performance": 1,
        "leverage_cap": 5.0, "sizer_margin_usd": 200.0, "max_margin_usd": 300.0,
    }  # fmt: skip
    return mathematician.advise(p, *(x | changes).values())


def test_before_twenty_trades_the_prior_speaks_and_kelly_does_not_bind():
    got = advised(max_margin_usd=1e9)
    assert got.kelly == pytest.approx(0.10)
    assert got.margin_usd == pytest.approx(0.02 * 10_000.0 / (0.015 * 5.0))
    assert got.tp_fraction >= 2.0 * got.sl_fraction
    assert (got.caution, got.confidence) == (ADVISE_OK, 0.0)
    nineteen = advised(max_margin_usd=1e9, stats=mathematician.Stats(19, 0.1, 1.0, 1.0))
    assert nineteen.margin_usd == got.margin_usd


def test_quarter_kelly_on_margin_from_twenty_trades_and_caution_is_no_veto():
    good = advised(max_margin_usd=1e9, stats=mathematician.Stats(20, 0.5, 2.0, 1.0))
    assert good.kelly == pytest.approx(0.25)
    assert good.margin_usd == pytest.approx(0.25 * 0.25 * 10_000.0)
    zero = advised(stats=mathematician.Stats(20, 0.5, 1.0, 1.0))
    assert (zero.kelly, zero.caution) == (0.0, ADVISE_CAUTION)
    assert zero.margin_usd > 0.0


def test_agreement_with_the_sizer():
    assert [advised(sizer_margin_usd=m).agreement for m in (200.0, 450.0, 450.1, 199.9, NAN)] == [
        AGREES, AGREES, LARGER, SMALLER, LARGER,
    ]  # fmt: skip


def test_enforced_it_caps_and_never_enlarges():
    a = advised()
    assert mathematician.capped(MATH, a, 900.0, 10.0) == (900.0, 10.0)
    enforced = MATH._replace(mode=3)
    assert mathematician.capped(enforced, a, 900.0, 10.0) == (a.margin_usd, a.leverage)
    assert mathematician.capped(enforced, a, 20.0, 1.0) == (20.0, 1.0)
    blind = advised(enforced, atr_fraction=NAN, stop_fraction=NAN)
    assert mathematician.capped(enforced, blind, 200.0, 3.0).margin_usd == 0.0, "nothing known: no margin"


# --- against the plain twin -------------------------------------------------------------------------------------------


def math_case(g: Draw) -> dict[str, Any]:
    x = {
        "equity_usd": pick(g, NAN, 0.0, -10.0, *g.uniform(100.0, 1e5, 20)),
        "stop_fraction": pick(g, NAN, 0.0, *g.uniform(0.002, 0.05, 5)),
        "atr_fraction": pick(g, NAN, 0.0, -0.01, math.inf, *g.uniform(0.002, 0.05, 6)),
        "vol_class": int(g.integers(3)), "trend_class": int(g.integers(3)),
        "stats": mathematician.Stats(
            int(pick(g, 0, 19, 20, 21, 300)), pick(g, 0.0, 1.0, NAN, 0.5, *g.random(5)),
            pick(g, NAN, 0.0, 1.0, *g.uniform(0.3, 4.0, 5)), pick(g, NAN, 0.0, 1.0, *g.uniform(0.3, 4.0, 5)),
        ),
        "performance": int(g.integers(3)), "leverage_cap": pick(g, 1.0, 2.0, 5.0, 10.0, 20.0, 0.5, NAN),
        "sizer_margin_usd": pick(g, 0.0, NAN, *g.uniform(10.0, 1_000.0, 6)),
        "max_margin_usd": pick(g, 300.0, 1e9, 1e9, 1e9, NAN),
    }  # fmt: skip
    return x | {"margin": pick(g, 200.0, 10.0, 3_000.0), "asked_leverage": pick(g, 1.0, 3.0, 20.0)}


def math_kernels(p: mathematician.Params, x: dict[str, Any]) -> list[float]:
    advice = mathematician.advise(p, *list(x.values())[:10])
    return [*advice, *mathematician.capped(p, advice, x["margin"], x["asked_leverage"])]


def math_naive(p: Any, x: dict[str, Any]) -> list[float]:
    want = naive.advise(p, x | {"stats": x["stats"]._asdict()})
    capped = naive.capped(p, (want["margin_usd"], want["leverage"]), (x["margin"], x["asked_leverage"]))
    return [*(want[name] for name in mathematician.Advice._fields), *capped]


@pytest.mark.parametrize("mode", [0, 2, 3])
def test_mathematician_twins(mode: int):
    cases, p = cases_of(math_case, 4, 1_500), MATH._replace(mode=mode)
    assert_twins(math_kernels, math_naive, p, cases)
    said = [mathematician.advise(p, *list(x.values())[:10]) for x in cases]
    if mode != OFF:
        assert min(Counter(a.caution for a in said)[c] for c in (ADVISE_OK, ADVISE_CAUTION)) > 50
        assert min(Counter(a.agreement for a in said)[c] for c in (AGREES, LARGER, SMALLER)) > 20
        assert all(a.tp_fraction >= 2.0 * a.sl_fraction * 0.8 / 0.9 * (1 - 1e-12) for a in said)


def test_mathematician_twins_with_every_constant_moved_on_both_sides():
    for _, p in moved(mathematician):
        assert_twins(math_kernels, math_naive, p, cases_of(math_case, 5, 100))


def test_every_constant_of_the_mathematician_counts():
    assert_every_constant_counts(mathematician, math_kernels, math_naive, cases_of(math_case, 6, 400))
