"""Every column against its definition (tests/reference/features_naive.py)."""

import numpy as np
import pytest

from qt_core.codes import CTX_DONCHIAN_HIGH, CTX_DONCHIAN_LOW, CTX_MOMENTUM, CTX_NAMES
from qt_core.features.context import chain_context
from qt_core.features.frame import compute_features
from qt_core.features.params import FeatureParams, default_params
from qt_core.features.registry import registry
from tests.features.build import HOUR_MS, assert_close, column, columns_of, walk
from tests.reference.features_naive import features_naive

# A difference of two near values has the rounding of the values: what 1e-9 is relative to, where that is not the value.
SCALE = {
    "macd": 1e-2, "roc": 1e-2, "ema_": 1e-2, "vwap": 1e-2, "bollinger_p": 1.0, "donchian_p": 1.0, "range_p": 1.0,
    "cci": 1.0, "stoch": 1.0, "williams": 1.0, "obv": 1.0, "mfi": 1.0, "momentum": 1e-2,
    "body": 1.0, "upper": 1.0, "lower": 1.0,
}  # fmt: skip


def scale_of(name: str) -> float:
    return next((s for prefix, s in SCALE.items() if name.startswith(prefix)), 0.0)


SMALL = FeatureParams(
    HOUR_MS, 5, 1, 40, 12, 3, rsi_span=4, macd_fast=3, macd_slow=7, macd_signal=4, bollinger_span=6, atr_span=5,
    stoch_span=5, stoch_slow_k=2, stoch_slow_d=4, cci_span=6, mfi_span=3, donchian_span=4, range_span=9, volume_span=7,
    ema_fast=3, ema_slow=5, ema_long=11, roc_1=1, roc_2=2, roc_3=3, roc_4=4, roc_5=5, roc_6=13, momentum_span=6,
    vol_short=3, vol_mid=4, vol_long=8,
)  # fmt: skip


@pytest.mark.parametrize(
    ("params", "n_bars", "timeframe_ms"),
    [
        (default_params(HOUR_MS), 1000, HOUR_MS),
        (SMALL, 400, HOUR_MS),
        (default_params(4 * HOUR_MS), 400, 4 * HOUR_MS),
        (SMALL._replace(timeframe_ms=HOUR_MS // 4, sample_bars=4), 500, HOUR_MS // 4),
    ],
    ids=["hourly", "small spans", "4 h", "15 min, sampled hourly"],
)
def test_every_column_follows_its_definition(params, n_bars, timeframe_ms):
    market = walk(n_bars, 2, seed=3, timeframe_ms=timeframe_ms)
    frame = compute_features(market, params)
    context = chain_context(market, params).values
    for i in range(2):
        expected = features_naive(params, columns_of(market, i))
        for name in frame.names:
            if name != "funding_rate":
                assert_close(name, column(frame, name, i), expected[name], scale_of(name))
        for code, name in (
            (CTX_DONCHIAN_HIGH, "channel_high"),
            (CTX_DONCHIAN_LOW, "channel_low"),
            (CTX_MOMENTUM, "momentum"),
        ):
            assert_close(name, context[:, i, code], expected[name], scale_of(name))


@pytest.mark.interpreted
@pytest.mark.boundscheck
def test_every_column_of_a_few_bars():
    market = walk(150, 1, seed=4)
    frame = compute_features(market, SMALL)
    expected = features_naive(SMALL, columns_of(market, 0))
    for name in frame.names:
        if name != "funding_rate":
            assert_close(name, column(frame, name), expected[name], scale_of(name))


@pytest.mark.parametrize("level", [1e-5, 1.0, 1e5])
def test_no_drift_over_fifty_thousand_bars_at_any_price_level(level):
    market = walk(50_000, 1, seed=5, level=level, sigma=0.004)
    last = 1_500
    tail = columns_of(market.window(int(market.time[-last]), int(market.time[-1]) + 1), 0)
    params = default_params(HOUR_MS)
    frame = compute_features(market)
    expected = features_naive(params, tail)
    # Windows only: they forget everything older than their span, so a fresh naive pass over the tail must agree.
    for name in ("bollinger_position_20", "bollinger_width_20", "realised_vol_12", "realised_vol_72", "cci_14", "mfi_14",
                 "stoch_d", "volume_ratio_24", "vwap_distance_24", "obv_slope_24", "quote_volume_24h",
                 "donchian_position_20", "donchian_width_20", "range_position_48", "liquidity_ratio", "roc_72"):  # fmt: skip
        assert_close(name, column(frame, name)[-400:], expected[name][-400:], scale_of(name))
    for name in ("rsi_14", "adx_14", "macd_12_26_9", "ema_distance_48"):  # a seed 1,100 bars ago weighs nothing
        assert_close(name, column(frame, name)[-400:], expected[name][-400:], max(scale_of(name), 1e-2))


def test_the_context_is_columns_of_the_features():
    market = walk(900, 3, seed=6)
    frame, context = compute_features(market), chain_context(market)
    same = {
        "atr_pct": "atr_pct_14", "adx": "adx_14", "plus_di": "plus_di_14", "minus_di": "minus_di_14", "rsi": "rsi_14",
        "ema_ratio": "ema_ratio_12_48", "bollinger_position": "bollinger_position_20", "momentum": "roc_24",
        "range_position": "range_position_48", "volume_ratio": "volume_ratio_24",
    }  # fmt: skip
    for code, name in enumerate(CTX_NAMES):
        if name not in ("donchian_high", "donchian_low"):
            feature = frame.names.index(same.get(name, name))
            assert np.array_equal(context.values[:, :, code], frame.values[:, :, feature], equal_nan=True), name
    assert np.array_equal(context.eligible, np.isfinite(context.values[:, :, CTX_NAMES.index("adx")]))


def test_a_column_is_unknown_until_its_warm_up_and_known_after():
    params = default_params(HOUR_MS)
    market = walk(400, 1, seed=7)
    frame = compute_features(market)
    for spec in registry(params):
        known = np.isfinite(frame.values[:, 0, spec.column])
        assert not known[: spec.warm_up - 1].any(), spec.name
        if spec.name not in ("body", "upper_wick", "lower_wick"):
            assert known[spec.warm_up - 1 :].all(), f"{spec.name}: unknown at {np.flatnonzero(~known)}"
