"""The worked examples and stated rules of SPEC for modules 7, 13, 15, 18, MSC and the emergency stop, literally."""

import math

import numpy as np
import pytest

from qt_core import codes as c
from qt_core.context import health, hedgefund_os, msc_policy, orchestrator_policy, retraining
from qt_core.risk import emergency_stop

pytestmark = pytest.mark.interpreted

NAN = float("nan")
NOW_MS, HOUR_MS, DAY_MS = 1_600_000_000_000, 3_600_000, 86_400_000
QUIET = hedgefund_os.NOT_QUIET

# --- 7 --------------------------------------------------------------------------------------------------------------


def hfos_inputs(**changes: float) -> hedgefund_os.Inputs:
    return hedgefund_os.Inputs(0.0, 0.0, 0, c.HEALTHY, 0, 0, 0.3, c.PERFORMANCE_NEUTRAL)._replace(**changes)


def hfos(before: tuple[int, int, int] = (0, 0, 0), now_ms: int = NOW_MS, **changes: float) -> hedgefund_os.Outputs:
    return hedgefund_os.step(hedgefund_os.Params(), *before, now_ms, hfos_inputs(**changes))


def test_nothing_wrong_is_normal_healthy_allowed_at_full_size():
    out = hfos()
    assert (out.risk_mode, out.by, out.health, out.allow, out.scale) == (c.RISK_NORMAL, c.BY_NONE, c.HEALTHY, 1, 1.0)
    assert (out.reduce_fraction, out.min_confidence, out.universe_mode) == (0.0, 0.0, c.UNIVERSE_NORMAL)
    assert hfos(performance=c.PERFORMANCE_GOOD).universe_mode == c.UNIVERSE_AGGRESSIVE


@pytest.mark.parametrize(
    ("changes", "mode", "by"),
    [
        ({"drawdown": 0.0199}, c.RISK_NORMAL, c.BY_NONE),
        ({"drawdown": 0.02}, c.RISK_CAUTIOUS, c.BY_DRAWDOWN),
        ({"day_drawdown": 0.035}, c.RISK_DEFENSIVE, c.BY_DRAWDOWN),
        ({"drawdown": 0.05}, c.RISK_EMERGENCY, c.BY_DRAWDOWN),
        ({"losing_streak": 3}, c.RISK_CAUTIOUS, c.BY_STREAK),
        ({"losing_streak": 5}, c.RISK_CAUTIOUS, c.BY_STREAK),
        ({"losing_streak": 6}, c.RISK_DEFENSIVE, c.BY_STREAK),
        ({"health": c.DEGRADED}, c.RISK_CAUTIOUS, c.BY_HEALTH),
        ({"health": c.CRITICAL, "exposure": 0.9}, c.RISK_EMERGENCY, c.BY_HEALTH),
        ({"ess_latched": 1, "drawdown": 0.04}, c.RISK_EMERGENCY, c.BY_ESS),
        ({"exposure": 0.80, "losing_streak": 3}, c.RISK_DEFENSIVE, c.BY_EXPOSURE),
        ({"exposure": 0.60, "losing_streak": 3}, c.RISK_CAUTIOUS, c.BY_STREAK),
        ({"drawdown": NAN}, c.RISK_EMERGENCY, c.BY_DRAWDOWN),
        ({"exposure": NAN}, c.RISK_DEFENSIVE, c.BY_EXPOSURE),
    ],
)
def test_the_most_restrictive_directive_wins_and_is_named(changes: dict[str, float], mode: int, by: int):
    out = hfos(**changes)
    assert (out.risk_mode, out.by) == (mode, by)
    assert (out.scale, out.allow) == ((1.0, 0.75, 0.5, 0.0)[mode], int(mode != c.RISK_EMERGENCY))
    assert out.min_confidence == (0.0, 0.47, 0.50, 0.50)[mode]
    assert out.universe_mode == (c.UNIVERSE_CONSERVATIVE if mode > c.RISK_CAUTIOUS else c.UNIVERSE_NORMAL)


def test_up_at_once_and_down_one_level_an_hour_whatever_the_bars():
    """From EMERGENCY at 0:00 with the drawdown gone at 0:15: DEFENSIVE at 1:15, CAUTIOUS at 2:15, NORMAL at 3:15."""
    for bar_ms in (60_000, 900_000):
        before, changes = (c.RISK_NORMAL, c.BY_NONE, 0), {}
        for minute in range(0, 240, bar_ms // 60_000):
            fallen = 0.06 if minute < 15 else 0.01
            out = hfos(before, NOW_MS + minute * 60_000, drawdown=fallen)
            if out.risk_mode != before[0]:
                changes[minute] = out.risk_mode
            assert out.by == (c.BY_DRAWDOWN if out.risk_mode else c.BY_NONE), "who raised it stays named"
            before = (out.risk_mode, out.by, out.quiet_since_ms)
        assert changes == {0: c.RISK_EMERGENCY, 75: c.RISK_DEFENSIVE, 135: c.RISK_CAUTIOUS, 195: c.RISK_NORMAL}


def test_a_quiet_period_that_is_broken_starts_anew():
    before = (c.RISK_DEFENSIVE, c.BY_STREAK, NOW_MS - HOUR_MS + 60_000)
    assert hfos(before, losing_streak=6).quiet_since_ms == QUIET
    assert hfos((c.RISK_DEFENSIVE, c.BY_STREAK, QUIET)).quiet_since_ms == NOW_MS
    assert hfos(before, NOW_MS + 60_000).risk_mode == c.RISK_CAUTIOUS


def test_positions_are_halved_once_an_emergency_and_never_on_an_unknown_number():
    assert hfos(drawdown=0.05).reduce_fraction == 0.5
    assert hfos((c.RISK_EMERGENCY, c.BY_DRAWDOWN, QUIET), drawdown=0.06).reduce_fraction == 0.0
    assert hfos((c.RISK_EMERGENCY, c.BY_ESS, QUIET), drawdown=0.06).reduce_fraction == 0.0
    assert hfos((c.RISK_EMERGENCY, c.BY_HEALTH, QUIET), drawdown=0.06).reduce_fraction == 0.5
    assert hfos(drawdown=NAN).reduce_fraction == 0.0
    assert hfos(exposure=NAN).reduce_fraction == 0.0
    assert hfos(exposure=0.8).reduce_fraction == 0.25


@pytest.mark.parametrize("mode", [0, 1, 2])
def test_hfos_that_is_not_enforced_binds_nothing(mode: int):
    p = hedgefund_os.Params(mode=mode)
    out = hedgefund_os.step(p, 0, 0, 0, NOW_MS, hfos_inputs(drawdown=0.06))
    assert (out.risk_mode == c.RISK_EMERGENCY) == (mode != 0)
    assert hedgefund_os.binding(p, out) == hfos()


# --- 18 -------------------------------------------------------------------------------------------------------------


def policy(*regime: int, mode: int = 3) -> orchestrator_policy.Policy:
    table = np.array(orchestrator_policy.DEFAULT_TABLE)
    return orchestrator_policy.policy(orchestrator_policy.Params(mode=mode), table, *regime)


@pytest.mark.parametrize("liquidity", [c.LIQUIDITY_NORMAL, c.LIQUIDITY_GOOD])
def test_a_strong_trend_in_normal_volatility(liquidity: int):
    got = policy(c.VOL_NORMAL, c.TREND_STRONG, liquidity)
    assert (got.min_confidence, got.profile, got.style, got.allow) == (0.20, c.PROFILE_NORMAL, c.STYLE_AGGRESSIVE, 1)


def test_a_wild_market_without_trend_or_liquidity_is_left_alone():
    assert policy(c.VOL_HIGH, c.TREND_WEAK, c.LIQUIDITY_POOR).allow == 0
    assert policy(c.VOL_HIGH, 3, c.LIQUIDITY_POOR) == orchestrator_policy.refused()


def test_the_orchestrator_off():
    assert policy(c.VOL_HIGH, c.TREND_WEAK, c.LIQUIDITY_POOR, mode=0) == (
        1,
        0.45,
        c.PROFILE_NORMAL,
        1.0,
        c.STYLE_NORMAL,
        c.NORMAL_EXIT,
    )


# --- MSC ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("drawdown", "n", "mean_r", "volatility", "limits"),
    [
        (0.0, 0, 0.0, c.VOL_NORMAL, (c.POLICY_NORMAL, 0.015, 30, 0.45, 1.0)),
        (0.04, 0, 0.0, c.VOL_NORMAL, (c.POLICY_DEFENSIVE, 0.0075, 10, 0.50, 0.5)),
        (0.0, 10, -0.31, c.VOL_NORMAL, (c.POLICY_DEFENSIVE, 0.0075, 10, 0.50, 0.5)),
        (0.0, 9, -0.31, c.VOL_NORMAL, (c.POLICY_NORMAL, 0.015, 30, 0.45, 1.0)),
        (0.0, 10, 0.21, c.VOL_NORMAL, (c.POLICY_AGGRESSIVE, 0.02, 50, 0.45, 1.0)),
        (0.02, 10, 0.21, c.VOL_NORMAL, (c.POLICY_NORMAL, 0.015, 30, 0.45, 1.0)),
        (0.0, 10, 0.21, c.VOL_HIGH, (c.POLICY_NORMAL, 0.015, 30, 0.45, 1.0)),
        (NAN, 10, 0.21, c.VOL_NORMAL, (c.POLICY_DEFENSIVE, 0.0075, 10, 0.50, 0.5)),
        (0.0, 10, NAN, c.VOL_NORMAL, (c.POLICY_NORMAL, 0.015, 30, 0.45, 1.0)),
    ],
)
def test_the_funds_mode_and_limits(drawdown: float, n: int, mean_r: float, volatility: int, limits: tuple):
    assert msc_policy.decide(msc_policy.Params(), drawdown, n, mean_r, volatility) == limits
    off = msc_policy.Params(mode=0)
    assert msc_policy.decide(off, drawdown, n, mean_r, volatility) == (c.POLICY_NORMAL, 1.0, 1000, 0.0, 1.0)


def test_a_losing_strategy_stays_away_for_seven_days():
    p = msc_policy.Params()
    assert msc_policy.strategy_allowed(p, 20, -0.30, NOW_MS, 0) == (1, 0, 0)
    assert msc_policy.strategy_allowed(p, 19, -0.90, NOW_MS, 0) == (1, 0, 0)
    until = NOW_MS + 7 * DAY_MS
    assert msc_policy.strategy_allowed(p, 20, -0.31, NOW_MS, 0) == (0, until, 1)
    assert msc_policy.strategy_allowed(p, 0, NAN, until - 1, until) == (0, until, 0)
    assert msc_policy.strategy_allowed(p, 0, NAN, until, until) == (1, until, 0)


@pytest.mark.parametrize("place", range(5))
@pytest.mark.parametrize("bad", [NAN, math.inf, -math.inf, -1.0, 1e6, 0.5])
def test_a_policy_row_out_of_range_is_refused(place: int, bad: float):
    p, row = msc_policy.Params(), [1.0, 0.01, 20.0, 0.45, 15.0]
    assert msc_policy.check_row(p, *row) == c.OK
    row[place] = bad
    may_be_a_fraction = place in (1, 3) and bad == 0.5
    assert msc_policy.check_row(p, *row) == (c.OK if may_be_a_fraction else c.POLICY_INVALID)


# --- 13 -------------------------------------------------------------------------------------------------------------


def test_what_triggers_a_retraining_in_this_order():
    p, regime = retraining.Params(), retraining.regime_code(c.VOL_NORMAL, c.TREND_STRONG)
    calm = retraining.Inputs(NOW_MS, NOW_MS - DAY_MS, 0, 0.5, 100, 0.7, regime, regime, 0, 0)
    assert retraining.step(p, calm).code == c.TRIGGER_NONE
    changed = calm._replace(regime=1, regime_since_ms=NOW_MS - DAY_MS, regime_candidate=1)
    assert retraining.step(p, changed) == (c.TRIGGER_REGIME, NOW_MS - DAY_MS, 1)
    assert retraining.step(p, changed._replace(regime_candidate=2)) == (c.TRIGGER_NONE, NOW_MS, 1), "another: anew"
    assert retraining.step(p, calm._replace(calibration=0.60)).code == c.TRIGGER_NONE, "an ECE of 0.10"
    uncalibrated = changed._replace(calibration=0.59)
    assert retraining.step(p, uncalibrated).code == c.TRIGGER_CALIBRATION
    assert retraining.step(p, uncalibrated._replace(win_rate=0.44)).code == c.TRIGGER_WIN_RATE
    assert retraining.step(p, calm._replace(win_rate=0.44, n_outcomes=99)).code == c.TRIGGER_NONE
    old = uncalibrated._replace(win_rate=0.44, last_trained_ms=NOW_MS - 7 * DAY_MS)
    assert retraining.step(p, old).code == c.TRIGGER_AGE
    held = [retraining.holds(p, old, retraining.step(p, old), code) for code in range(6)]
    assert held == [False, True, True, True, True, False], "each for itself"
    assert retraining.step(p, old._replace(last_trigger_ms=NOW_MS - DAY_MS + 1)).code == c.TRIGGER_NONE
    assert retraining.step(p._replace(mode=0), old) == (c.TRIGGER_NONE, 0, 0)


# --- 15 -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, (c.HEALTHY, 0, health.CHECK_NONE)),
        ({"exchange_rest": 0}, (c.CRITICAL, c.HEAL_RECONNECT, health.CHECK_EXCHANGE_REST)),
        ({"database": 0, "exchange_rest": 0}, (c.CRITICAL, c.HEAL_RESTART, health.CHECK_DATABASE)),
        ({"exchange_ws": 0}, (c.DEGRADED, c.HEAL_RECONNECT, health.CHECK_EXCHANGE_WS)),
        ({"error_share": 0.05}, (c.DEGRADED, c.HEAL_RESTART, health.CHECK_ERRORS)),
        ({"error_share": 0.10}, (c.CRITICAL, c.HEAL_RESTART, health.CHECK_ERRORS)),
        ({"error_share": NAN}, (c.DEGRADED, c.HEAL_RESTART, health.CHECK_ERRORS)),
    ],
)
def test_verdicts_on_the_systems_health(changes: dict[str, float], verdict: tuple):
    sound = health.Checks(120.0, 1, 1, 1, 1, 0.5, 0.5, 0.0)
    assert health.verdict(health.Params(), sound._replace(**changes)) == verdict


# --- emergency stop -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "by"),
    [
        ({}, c.ESS_NONE),
        ({"drawdown_since_reset": 0.0499}, c.ESS_NONE),
        ({"drawdown_since_reset": 0.05}, c.ESS_DRAWDOWN),
        ({"drawdown_since_reset": NAN}, c.ESS_DRAWDOWN),
        ({"health": c.DEGRADED}, c.ESS_NONE),
        ({"health": c.CRITICAL, "crossed": 1}, c.ESS_HEALTH),
        ({"errors_last_min": 10}, c.ESS_NONE),
        ({"errors_last_min": 11}, c.ESS_ERRORS),
        ({"missing_bars": 1}, c.ESS_FEED),
        ({"crossed": 1}, c.ESS_FEED),
        ({"manual": 1, "drawdown_since_reset": 0.5}, c.ESS_MANUAL),
    ],
)
def test_five_evaluators(changes: dict[str, float], by: int):
    inputs = emergency_stop.Inputs(0.0, c.HEALTHY, 0, 0, 0, 0)._replace(**changes)
    assert emergency_stop.evaluate(emergency_stop.Params(), inputs) == by
    assert emergency_stop.evaluate(emergency_stop.Params(mode=0), inputs) == c.ESS_NONE


def test_the_latch_keeps_its_first_name_and_time_and_is_reset_after_a_day():
    p, free = emergency_stop.Params(), emergency_stop.Latch(c.ESS_NONE, 0)
    held = emergency_stop.latch(p, free, c.ESS_FEED, NOW_MS)
    assert held == (c.ESS_FEED, NOW_MS)
    assert emergency_stop.latch(p, held, c.ESS_DRAWDOWN, NOW_MS + 1) == held
    assert emergency_stop.latch(p, held, c.ESS_NONE, NOW_MS + 1) == held
    assert not emergency_stop.auto_reset_due(p, NOW_MS, NOW_MS + DAY_MS - 1)
    assert emergency_stop.auto_reset_due(p, NOW_MS, NOW_MS + DAY_MS)
    assert not emergency_stop.auto_reset_due(p._replace(auto_reset_h=0.0), NOW_MS, NOW_MS + 99 * DAY_MS)


def test_a_feed_is_missing_or_stale():
    p = emergency_stop.Params()
    assert [emergency_stop.feed_missing(p, n, 10) for n in (4, 5, 10)] == [True, False, False]
    assert not emergency_stop.feed_missing(p, 0, 0)
    for bar_ms, limit in ((0, 120_000.0), (HOUR_MS, HOUR_MS + 120_000.0)):
        assert [emergency_stop.feed_stale(p, limit + x, bar_ms) for x in (0.0, 1.0, NAN)] == [False, True, True]
