"""The worked examples of SPEC for the conventions and modules 6, 14, 17, 24, each as one test."""

import numpy as np
import pytest

from qt_core.codes import (
    CTX_COLUMNS,
    OK,
    TPSL_BREAKOUT,
    TPSL_NONE,
    TPSL_RANGING,
    TPSL_TRENDING,
    TREND_MODERATE,
    TREND_STRONG,
    TREND_WEAK,
    VOL_HIGH,
    VOL_LOW,
    VOL_NORMAL,
)
from qt_core.config import load_config
from qt_core.context import regime
from qt_core.position import dynamic_tpsl
from qt_core.signal import ensemble
from qt_core.stages.manage import r_multiple
from tests.modules.scene import FREE, Scene, flat

pytestmark = pytest.mark.interpreted

BALANCED, AGGRESSIVE = load_config({}).params(), load_config({"profile": "aggressive"}).params()
EXPANDED = load_config({"profile": "expanded"}).params()


# --- conventions ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("profile", "margin", "notional", "profit"),
    [("balanced", 300.0, 1500.0, 45.0), ("expanded", 1000.0, 5000.0, 150.0)],
)
def test_margin_at_5x_and_a_target_of_3_percent(profile: str, margin: float, notional: float, profit: float):
    """Margin 300 at 5x = 1500 notional, TP 3 % = 45 USD; 1000 at 5x: 150 USD."""
    played = Scene(
        bars=[[*flat(100.0, 2), (100.0, 103.5, 100.0, 103.0), *flat(103.0, 2)]],
        calls={(0, 0): 1},
        config={
            "profile": profile,
            "chain": {"base_margin_usd": margin, "neutral_leverage": 5.0},
            "tpsl": {"trailing": "off"},
            "venue": FREE,
        },
    ).play()
    d, t = played.decisions[0], played.trades[0]
    assert (d["margin_usd"], d["notional_usd"], d["reason"]) == (pytest.approx(margin), pytest.approx(notional), OK)
    assert (t["sl_fraction"], t["tp_fraction"]) == (0.015, 0.03)  # the anchors: ATR is unknown
    assert t["exit_price"] == pytest.approx(103.0)
    assert t["pnl_usd"] == pytest.approx(profit)
    assert played.fund["wallet_usd"] == pytest.approx(10_000.0 + profit)


def test_roi_and_r_of_the_worked_position():
    """Margin 200 at 3x, initial risk 6, profit 5: ROI 2.5 %, R 0.833."""
    close = 100.0 * (1.0 + 5.0 / 600.0)
    played = Scene(
        bars=[[*flat(100.0, 2), (100.0, close, 100.0, close)]],
        calls={(0, 0): 1},
        config={
            "tpsl": {"mode": "off", "sl_anchor": 0.01, "tp_anchor": 0.05},
            "venue": FREE,
        },
    ).play()
    s = played.symbol()
    assert s["qty"] * s["avg_price"] == pytest.approx(600.0)
    assert s["margin_usd"] == pytest.approx(200.0)
    assert s["initial_risk_usd"] == pytest.approx(6.0)
    profit = float(played.fund["unrealised_usd"])
    assert profit == pytest.approx(5.0)
    assert profit / s["margin_usd"] == pytest.approx(0.025)
    assert s["leverage"] * (s["mark"] / s["avg_price"] - 1.0) == pytest.approx(0.025)
    row = played.s.state.symbol[0]
    assert r_multiple(row, float(s["mark"])) == pytest.approx(0.8333, abs=5e-5)


@pytest.mark.parametrize("side", [1, -1])
def test_a_trade_adds_up_to_the_last_cent(side: int):
    """6 at 100, out at the stop 1.5 % away: 9 lost, fees of 0.1 % on 600 and on the value at the exit."""
    out = 100.0 - 1.5 * side
    low, high = min(100.0, out), max(100.0, out)
    config = {"tpsl": {"trailing": "off"}, "venue": {**FREE, "taker_fee": 0.001}}
    held = Scene(bars=[[*flat(100.0, 2), *flat(100.0 - side, 1)]], calls={(0, 0): side}, config=config).play()
    assert held.fund["unrealised_usd"] == pytest.approx(-6.0)
    assert held.fund["equity_usd"] == pytest.approx(10_000.0 - 6.0 - 0.6)
    bars = [[*flat(100.0, 2), (100.0, high, low, out), *flat(out, 1)]]
    played = Scene(bars=bars, calls={(0, 0): side}, config=config).play()
    t, fees = played.trades[0], 0.6 + 6.0 * out * 0.001
    assert (t["side"], t["quantity"], t["entry_price"], t["exit_price"]) == (side, 6.0, 100.0, pytest.approx(out))
    assert t["pnl_gross_usd"] == pytest.approx(-9.0)
    assert t["fee_usd"] == pytest.approx(fees)
    assert t["pnl_usd"] == pytest.approx(-9.0 - fees)
    assert t["r_multiple"] == pytest.approx((-9.0 - fees) / 9.0)
    assert played.fund["wallet_usd"] == pytest.approx(10_000.0 - 9.0 - fees)
    assert played.fund["losing_streak"] == 1


def test_r_counts_costs_and_risk_is_fixed_at_the_first_fill():
    close = 101.0
    played = Scene(
        bars=[[*flat(100.0, 2), (100.0, close, 100.0, close)]],
        calls={(0, 0): 1},
        config={"tpsl": {"mode": "off", "sl_anchor": 0.01, "tp_anchor": 0.05}, "venue": {**FREE, "taker_fee": 0.001}},
    ).play()
    s = played.symbol()
    assert s["fee_usd"] == pytest.approx(0.6)
    assert s["initial_risk_usd"] == pytest.approx(6.0), "distance to the stop, without costs"
    assert r_multiple(played.s.state.symbol[0], close) == pytest.approx((6.0 - 0.6) / 6.0)


# --- 6 ensemble -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vote", ["soft", "hard"])
def test_two_models_buy_and_two_abstain(vote: str):
    """XGB BUY 0.85, LGBM BUY 0.76, two abstain -> BUY 0.5085, in both vote modes."""
    p = load_config({"ensemble": {"vote": vote}}).params().ensemble
    weights = np.array([p.weight_xgb, p.weight_lgbm, p.weight_nhits, p.weight_patchtst])
    assert weights.sum() == pytest.approx(1.0)
    proba = np.zeros((1, 1, 4, 3), dtype=np.float32)
    proba[0, 0, 0] = (0.05, 0.10, 0.85)
    proba[0, 0, 1] = (0.10, 0.14, 0.76)
    available = np.array([[[True, True, False, False]]])
    got = ensemble.vote(p, weights, proba, available, 0, 0)
    assert got.side == 1
    assert got.confidence == pytest.approx(0.5085, abs=1e-6)
    assert got.p_buy == got.confidence
    assert got.p_sell == pytest.approx({"soft": 0.33 * 0.05 + 0.30 * 0.10, "hard": 0.0}[vote], abs=1e-6)


def test_the_threshold_is_reached_at_0_45_exactly_and_a_tie_holds():
    p = ensemble.Params()
    assert ensemble.decide(p, 0.1, 0.45, p.threshold, 0).side == 1
    assert ensemble.decide(p, 0.45, 0.1, p.threshold, 0).side == -1
    assert ensemble.decide(p, 0.1, np.nextafter(0.45, 0.0), p.threshold, 0).side == 0
    assert ensemble.decide(p, 0.5, 0.5, p.threshold, 0).side == 0


def test_off_lets_the_best_available_model_speak_alone():
    p = ensemble.Params(mode=0)
    proba = np.array([[[[0.1, 0.1, 0.8], [0.7, 0.2, 0.1], [0.2, 0.2, 0.6], [0.9, 0.1, 0.0]]]], dtype=np.float32)
    weights = np.array([0.33, 0.30, 0.20, 0.17])
    assert ensemble.vote(p, weights, proba, np.array([[[True] * 4]]), 0, 0).side == 1
    assert ensemble.vote(p, weights, proba, np.array([[[False, True, True, True]]]), 0, 0).side == -1


# --- regime ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("volatility", "trend", "name"),
    [
        (VOL_NORMAL, TREND_STRONG, "low_vol_trending"),  # the golden line
        (VOL_LOW, TREND_STRONG, "low_vol_trending"),
        (VOL_HIGH, TREND_STRONG, "high_vol_trending"),
        (VOL_HIGH, TREND_WEAK, "high_vol_ranging"),
        (VOL_NORMAL, TREND_WEAK, "low_vol_ranging"),
        (VOL_HIGH, TREND_MODERATE, "neutral"),
    ],
)
def test_the_sizers_classes(volatility: int, trend: int, name: str):
    assert regime.SIZER_NAMES[regime.sizer_class(volatility, trend)] == name


def test_edges_belong_to_the_middle_class():
    p = regime.Params()
    assert [regime.volatility_class(p, x) for x in (0.329, 0.33, 0.67, 0.671)] == [0, 1, 1, 2]
    assert [regime.trend_class(p, x) for x in (19.9, 20.0, 25.0, 25.1)] == [0, 1, 1, 2]
    assert [regime.liquidity_class(p, x) for x in (0.49, 0.5, 1.5, 1.51)] == [0, 1, 1, 2]
    assert regime.classify(p, np.full((1, 1, CTX_COLUMNS), np.nan), 0, 0, 100.0) == (1, 1, 1, TPSL_NONE)


def test_a_breakout_leaves_a_band_that_was_narrow():
    p = regime.Params()
    assert regime.tpsl_class(p, TREND_STRONG, 101.1, 101.0, 99.0, 0.19) == TPSL_BREAKOUT
    assert regime.tpsl_class(p, TREND_STRONG, 98.9, 101.0, 99.0, 0.19) == TPSL_BREAKOUT
    assert regime.tpsl_class(p, TREND_STRONG, 101.1, 101.0, 99.0, 0.2) == TPSL_TRENDING
    assert regime.tpsl_class(p, TREND_WEAK, 101.0, 101.0, 99.0, 0.1) == TPSL_RANGING


# --- 14 dynamic TP/SL -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("atr", "volatility", "kind", "sl", "tp"),
    [
        (0.008, VOL_NORMAL, TPSL_TRENDING, 0.012, 0.036),  # the golden line
        (0.008, VOL_NORMAL, TPSL_NONE, 0.012, 0.024),
        (0.008, VOL_HIGH, TPSL_NONE, 0.016, 0.032),
        (0.010, VOL_NORMAL, TPSL_RANGING, 0.0135, 0.024),  # R:R 1.78 after the regime's factors
        (0.010, VOL_NORMAL, TPSL_BREAKOUT, 0.015, 0.06),
        (0.001, VOL_NORMAL, TPSL_NONE, 0.0075, 0.015),  # both at half their anchors
        (0.001, VOL_NORMAL, TPSL_RANGING, 0.00675, 0.015),
        (0.050, VOL_NORMAL, TPSL_BREAKOUT, 0.03, 0.06),  # both at twice their anchors
    ],
)
def test_distances_of_the_balanced_profile(atr: float, volatility: int, kind: int, sl: float, tp: float):
    """ATR 0.8 %, NORMAL, TRENDING, balanced -> SL 1.2 %, TP 3.6 %."""
    d = dynamic_tpsl.distances(BALANCED.tpsl, atr, volatility, kind)
    assert (d.sl_fraction, d.tp_fraction) == (pytest.approx(sl), pytest.approx(tp))


def test_profiles_and_anchors():
    assert (BALANCED.tpsl.tp_anchor, BALANCED.tpsl.sl_anchor) == (0.03, 0.015)
    assert (AGGRESSIVE.tpsl.tp_anchor, AGGRESSIVE.tpsl.sl_anchor) == (0.04, 0.02)
    unknown = dynamic_tpsl.distances(AGGRESSIVE.tpsl, float("nan"), VOL_HIGH, TPSL_BREAKOUT)
    assert (unknown.sl_fraction, unknown.tp_fraction) == (0.02, 0.04)


@pytest.mark.parametrize("tick", [0.0, 0.1])
def test_prices_from_the_entry(tick: float):
    """Entry 95,000, TP +6 % = 100,700, SL -8 % = 87,400; the short mirrors."""
    assert dynamic_tpsl.target_price(1, 95_000.0, 0.06, tick) == pytest.approx(100_700.0)
    assert dynamic_tpsl.stop_price(1, 95_000.0, 0.08, tick) == pytest.approx(87_400.0)
    assert dynamic_tpsl.target_price(-1, 95_000.0, 0.06, tick) == pytest.approx(89_300.0)
    assert dynamic_tpsl.stop_price(-1, 95_000.0, 0.08, tick) == pytest.approx(102_600.0)


def test_stops_and_targets_round_towards_the_entry():
    assert dynamic_tpsl.stop_price(1, 100.3, 0.012, 0.5) == 99.5  # 99.0964
    assert dynamic_tpsl.stop_price(-1, 100.3, 0.012, 0.5) == 101.5  # 101.5036
    assert dynamic_tpsl.target_price(1, 100.3, 0.012, 0.5) == 101.5
    assert dynamic_tpsl.target_price(-1, 100.3, 0.012, 0.5) == 99.5


@pytest.mark.parametrize(
    ("roi", "r", "stop"),
    [
        (0.0049, 0.2, 98.0),  # not armed
        (0.005, 0.2, 101.0 - 2.0),  # armed: the initial distance from the best price
        (0.05, 1.0, 100.12),  # 0.7 of it is 99.6; break-even with costs protects more
        (0.05, 1.99, 100.12),
        (0.05, 2.0, 100.12),
    ],
)
def test_the_trail_of_a_long(roi: float, r: float, stop: float):
    p = BALANCED.tpsl
    got = dynamic_tpsl.trail(p, 1, 100.0, 98.0, 0, 101.0, 101.0, roi, r, 2.0, 0.0012, 0.01)
    assert got.stop == pytest.approx(stop)
    assert got.active == int(roi >= 0.005)


@pytest.mark.parametrize(("r", "stop"), [(0.9, 108.0), (1.0, 108.6), (1.9, 108.6), (2.0, 109.0), (5.0, 109.0)])
def test_the_trail_tightens_with_r(r: float, stop: float):
    got = dynamic_tpsl.trail(BALANCED.tpsl, 1, 100.0, 98.0, 1, 110.0, 110.0, 0.1, r, 2.0, 0.0012, 0.01)
    assert got.stop == pytest.approx(stop)


def test_a_stop_never_moves_back():
    got = dynamic_tpsl.trail(BALANCED.tpsl, 1, 100.0, 109.5, 1, 110.0, 105.0, 0.1, 3.0, 2.0, 0.0012, 0.01)
    assert got.stop == 109.5
