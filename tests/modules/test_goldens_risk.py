"""The worked examples and limits of SPEC for modules 17 and 24, each as one test."""

import pytest

from qt_core.codes import (
    CMD_ERROR,
    CMD_RELEASE,
    DAY_DRAWDOWN,
    HALTED,
    LOSS_AT_STOP,
    MARGIN_USE,
    OK,
    PAUSED,
    VOL_HIGH,
    VOL_LOW,
    VOL_NORMAL,
)
from qt_core.config import load_config
from qt_core.risk import risk_os, safety_governor
from tests.modules.scene import DAY_MS, HOUR_MS, START_MS, Scene, flat

pytestmark = pytest.mark.interpreted

BALANCED, EXPANDED = load_config({}).params(), load_config({"profile": "expanded"}).params()


# --- 17 risk OS -----------------------------------------------------------------------------------------------------


def account(**changes: float) -> risk_os.Account:
    return risk_os.Account(10_000.0, 10_000.0, 0.0, 0, 0.0, 0, 0, 0)._replace(**changes)


def ask(**changes: float) -> risk_os.Ask:
    return risk_os.Ask(100.0, 0.015, 200.0, 3.0, 1.0, 0.015, 0.0012, 50.0, VOL_NORMAL, 0)._replace(**changes)


def sized(p: risk_os.Params, a: risk_os.Account, q: risk_os.Ask) -> risk_os.Size:
    return risk_os.size(p, a, q, 0.001, 1e9, 5.0)


def test_what_binds_on_size_is_the_loss_at_the_stop():
    """notional <= min(risk caps) * equity / (stop fraction + 2 * taker fee + slippage)."""
    small = account(equity_usd=600.0, free_usd=600.0)
    got = sized(BALANCED.risk, small, ask())
    bound = 0.015 * 600.0 / (0.015 + 0.0012)
    assert bound < 600.0
    assert bound - 0.1 < got.qty * 100.0 < bound
    assert sized(BALANCED.risk, small, ask(round_trip_cost=0.0)).qty * 100.0 == pytest.approx(600.0)


def test_limits_of_both_profiles():
    p, e = BALANCED.risk, EXPANDED.risk
    assert (p.min_margin_usd, p.max_margin_usd, p.max_leverage, p.max_positions) == (10.0, 300.0, 5.0, 50)
    assert (e.min_margin_usd, e.max_margin_usd, e.min_leverage, e.max_leverage) == (10.0, 1000.0, 3.0, 10.0)
    assert EXPANDED.chain.base_margin_usd == 666.67
    assert (p.max_margin_use, p.max_day_drawdown) == (0.80, 0.05)
    big = ask(margin_usd=900.0, leverage=4.0)
    assert sized(p, account(equity_usd=1e6, free_usd=1e6), big).margin_usd == pytest.approx(300.0)
    assert sized(e, account(equity_usd=1e6, free_usd=1e6), big).margin_usd == pytest.approx(900.0)


@pytest.mark.parametrize(
    ("asked", "volatility", "defensive", "bracket", "cap"),
    [
        (9.0, VOL_NORMAL, 0, 50.0, 5.0),
        (9.0, VOL_LOW, 0, 50.0, 5.0),
        (9.0, VOL_HIGH, 0, 50.0, 3.0),
        (9.0, VOL_NORMAL, 1, 50.0, 2.0),
        (9.0, VOL_NORMAL, 0, 4.0, 4.0),
        (1.5, VOL_HIGH, 1, 50.0, 1.5),
    ],
)
def test_the_smallest_leverage_cap_holds(asked: float, volatility: int, defensive: int, bracket: float, cap: float):
    q = ask(leverage=asked, vol_class=volatility, defensive=defensive, bracket_leverage=bracket)
    assert sized(BALANCED.risk, account(), q).leverage == cap


def test_margin_use_stops_at_80_percent_and_a_size_below_the_minimum_is_a_veto():
    p = BALANCED.risk
    half = sized(p, account(margin_usd=7_900.0, free_usd=2_100.0), ask())
    assert 99.0 < half.margin_usd <= 100.0
    assert half.margin_usd + half.qty * 100.0 * 0.0012 <= 100.0 + 1e-9
    assert sized(p, account(margin_usd=7_995.0, free_usd=2_005.0), ask()).reason == risk_os.MARGIN_USE
    assert sized(p, account(), ask(margin_usd=9.99)).reason == risk_os.SIZE_BELOW_MIN
    assert sized(p, account(), ask(margin_usd=19.0, size_scale=0.5)).reason == risk_os.SIZE_BELOW_MIN
    assert risk_os.size(p, account(), ask(), 0.001, 1e9, 601.0).reason == risk_os.MIN_NOTIONAL


def test_rounding_never_goes_up_in_risk():
    got = risk_os.size(BALANCED.risk, account(), ask(margin_usd=199.9), 1.0, 1e9, 5.0)
    assert got.qty == 5.0  # 5.997
    assert got.margin_usd == pytest.approx(500.0 / 3.0)


def test_a_losing_streak_of_more_than_five_halves_the_size():
    p = BALANCED.risk
    assert sized(p, account(losing_streak=5), ask()).margin_usd == pytest.approx(200.0)
    assert sized(p, account(losing_streak=6), ask()).margin_usd == pytest.approx(100.0)


def test_a_days_drawdown_beyond_five_percent_pauses_until_midnight():
    """Six positions gap down together on the first day; the next day trades again."""
    n, bars = 12, 30
    fall = [*flat(100.0, 2), *flat(95.0, bars - 2)]
    calls = {(0, i): 1 for i in range(n)} | {(4, i): 1 for i in range(n)} | {(23, 0): 1, (24, 0): 1}
    scene = Scene(bars=[fall] * n, calls=calls, config={"chain": {"max_candidates": 12, "initial_equity_usd": 1500.0}})
    played = scene.play()
    hour = (played.decisions["time_ms"] - START_MS) // HOUR_MS
    by_hour = {h: set(played.decisions["reason"][hour == h].tolist()) for h in (1, 5, 24)}
    assert by_hour[1] == {OK, MARGIN_USE}
    assert by_hour[5] == {PAUSED}
    assert by_hour[24] == {OK}, "the close of the last bar of the day is 00:00 of the next"
    assert int(played.fund["next_day_ms"]) == START_MS + 2 * DAY_MS


def test_more_than_ten_errors_a_minute_halt_until_released():
    error, release = {"command": CMD_ERROR}, {"command": CMD_RELEASE}
    calls = {(1, 0): 1, (3, 0): 1, (5, 0): 1}
    scene = Scene(bars=[flat(100.0, 7)], calls=calls, commands={1: [error] * 10, 3: [error] * 11, 5: [release]})
    ten = scene.play().decisions
    assert ten["reason"].tolist() == [OK]
    scene.calls = {(3, 0): 1, (5, 0): 1}
    assert scene.play().decisions["reason"].tolist() == [HALTED, OK]


# --- 24 safety governor ---------------------------------------------------------------------------------------------


def order(**changes: float) -> safety_governor.Order:
    return safety_governor.Order(1, 6.0, 100.0, 3.0, 0.015, 0.03, 200.0, 600.0, 0, 0, 0)._replace(**changes)


def test_the_loss_at_the_stop_must_stay_below_one_and_a_half_percent():
    p = safety_governor.Params()
    loss = 600.0 * (0.015 + 0.0012)
    at_limit = loss / 0.015
    assert safety_governor.review(p, order(), at_limit * (1 + 1e-12), 0.0, 0, 0.0012) == (OK, pytest.approx(loss))
    assert safety_governor.review(p, order(), at_limit, 0.0, 0, 0.0012).reason == LOSS_AT_STOP


def test_a_scale_in_is_exempt_from_the_check_for_duplicates_only():
    p = safety_governor.Params()
    assert safety_governor.review(p, order(held=1), 1e4, 0.0, 0, 0.0).reason == safety_governor.DUPLICATE
    assert safety_governor.review(p, order(held=1, scale_in=1), 1e4, 0.0, 0, 0.0).reason == OK
    over = order(held=1, scale_in=1, margin_after_usd=301.0)
    assert safety_governor.review(p, over, 1e4, 0.0, 0, 0.0).reason == safety_governor.MARGIN_LIMIT


def test_the_days_drawdown_and_critical_health_veto():
    p = safety_governor.Params()
    assert safety_governor.review(p, order(), 1e4, 0.05, 0, 0.0).reason == OK
    assert safety_governor.review(p, order(), 1e4, 0.0501, 0, 0.0).reason == DAY_DRAWDOWN
    assert safety_governor.review(p, order(), 1e4, 0.0, 2, 0.0).reason == safety_governor.HEALTH


def test_an_override_binds_every_veto_but_numbers_that_are_none():
    p = safety_governor.Params()
    assert (
        safety_governor.review(p, order(override=1, leverage=9.0), 1e4, 0.0, 0, 0.0).reason == safety_governor.OVERRIDE
    )
    assert safety_governor.review(p, order(override=1), 1e4, 0.0, 0, 0.0).reason == OK
    for name in ("qty", "price", "leverage", "stop_fraction", "tp_fraction", "margin_after_usd"):
        spoilt = order(override=1, **{name: float("nan")})
        assert safety_governor.review(p, spoilt, 1e4, 0.0, 0, 0.0).reason == safety_governor.NON_FINITE, name
