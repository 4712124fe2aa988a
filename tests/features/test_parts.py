"""Params, registry, order statistics and the metamorphic facts of the columns."""

from dataclasses import replace

import numpy as np
import pytest

from qt_core._jit import entry
from qt_core.errors import ConfigError
from qt_core.features.frame import compute_features
from qt_core.features.order import percentile_run, push_median
from qt_core.features.params import check_params, default_params
from qt_core.features.registry import N_FEATURES, feature_names, registry
from qt_core.features.state import ORDER_DT, SYMBOL_DT
from tests.features.build import HOUR_MS, assert_close, walk

MINUTE_MS = 60_000


@pytest.mark.parametrize(
    ("timeframe_ms", "day", "every", "samples"),
    [
        (MINUTE_MS, 1440, 60, 720),
        (5 * MINUTE_MS, 288, 12, 720),
        (15 * MINUTE_MS, 96, 4, 720),
        (HOUR_MS, 24, 1, 720),
        (4 * HOUR_MS, 6, 1, 180),
        (24 * HOUR_MS, 1, 1, 30),
    ],
)
def test_day_and_month_keep_their_meaning(timeframe_ms, day, every, samples):
    p = default_params(timeframe_ms)
    assert (p.day_bars, p.sample_bars, p.month_samples) == (day, every, samples)
    assert p.day_bars * timeframe_ms == 24 * HOUR_MS
    assert p.month_samples * p.sample_bars * timeframe_ms == 30 * 24 * HOUR_MS
    assert p.month_min_samples * p.sample_bars * timeframe_ms == 7 * 24 * HOUR_MS


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rsi_span": 1}, "features.rsi_span = 1: at least 2 expected"),
        ({"rsi_span": 14.5}, "features.rsi_span = 14.5: int expected"),
        ({"macd_fast": 26}, "features.macd_fast = 26: below macd_slow = 26 expected"),
        ({"bollinger_sigma": float("nan")}, "features.bollinger_sigma = nan: float expected"),
        ({"flat_rel": float("inf")}, "features.flat_rel = inf: at least 0.0 expected"),
        ({"reset_gap_bars": -1}, "features.reset_gap_bars = -1: at least 0 expected"),
    ],
)
def test_params_out_of_range_are_named(change, message):
    with pytest.raises(ConfigError, match=message):
        check_params(default_params(HOUR_MS)._replace(**change))


def test_a_bar_that_does_not_divide_a_day_is_refused():
    for bad in (0, -1, 7 * HOUR_MS, 7 * 24 * HOUR_MS):
        with pytest.raises(ConfigError, match="whole fraction of a day"):
            default_params(bad)
    with pytest.raises(ConfigError, match="the market has bars of 3600000 ms"):
        compute_features(walk(5), default_params(4 * HOUR_MS))


def test_the_registry_names_every_column_once():
    specs = registry(default_params(HOUR_MS))
    assert [s.column for s in specs] == list(range(N_FEATURES))
    assert len({s.name for s in specs}) == N_FEATURES >= 30
    assert all(s.warm_up >= 1 and s.unit and s.source and s.hole for s in specs)
    names = feature_names(default_params(HOUR_MS)._replace(rsi_span=7))
    assert "rsi_7" in names
    assert "rsi_14" not in names


@entry
def run_median(c, ring, bits, x, out):
    for t in range(x.shape[0]):
        out[t] = push_median(c[0], ring, bits, x[t])


@entry
def run_percentile(c, ring, least, sampled, x, out):
    percentile_run(c[0], ring, least, sampled, x, out, 0, x.shape[0])


def series(kind: str, n: int, rng: np.random.Generator) -> np.ndarray:
    """Non-negative series: independent, full of ties, drifting, constant, half zeros, a trend up and down."""
    makers = {
        "independent": lambda: rng.random(n),
        "ties": lambda: rng.integers(0, 4, n).astype(float),
        "drifting": lambda: np.abs(50.0 + np.cumsum(rng.normal(size=n))),
        "constant": lambda: np.zeros(n),
        "zeros": lambda: rng.integers(0, 2, n) * rng.random(n),
        "up and down": lambda: np.abs(np.arange(n) - n / 2.0),
    }
    return np.asarray(makers[kind]())


@pytest.mark.interpreted
@pytest.mark.boundscheck
@pytest.mark.parametrize("kind", ["independent", "ties", "drifting", "constant", "zeros", "up and down"])
@pytest.mark.parametrize("size", [2, 3, 4, 20, 25])
def test_median_and_percentile_are_numpys(kind, size):
    x = series(kind, 120, np.random.default_rng(size))
    cursor, ring, out = np.zeros(1, ORDER_DT).view(np.recarray), np.zeros(size + 3), np.zeros(len(x))
    run_median(cursor, ring, ring.view(np.int64), x, out)
    windows = [x[max(0, t - size + 1) : t + 1] for t in range(len(x))]
    assert out.tolist() == [float(np.median(w)) for w in windows]
    cursor, sampled = np.zeros(1, ORDER_DT).view(np.recarray), (np.arange(len(x)) % 3 != 1).astype(np.int64)
    run_percentile(cursor, np.zeros(size), 2, sampled, x, out)
    for t in range(len(x)):
        past = x[:t][sampled[:t] == 1][-size:]
        expected = np.mean(past < x[t]) if len(past) >= 2 else np.nan
        assert np.array_equal(out[t], expected, equal_nan=True)


def test_prices_in_another_unit_change_no_column_but_volume():
    market = walk(800, 1, seed=31)
    k = 1024.0  # a power of two scales without rounding
    prices = {f: getattr(market, f) * k for f in ("open", "high", "low", "close")}
    scaled = compute_features(replace(market, **prices, quote_volume=market.quote_volume * k))
    plain = compute_features(market)
    for j, name in enumerate(plain.names):
        factor = k if name == "quote_volume_24h" else 1.0
        assert_close(name, scaled.values[:, 0, j], plain.values[:, 0, j] * factor, 1e-6)


def test_mirrored_prices_mirror_the_sided_columns():
    market = walk(800, 1, seed=32)
    mirrored = {"open": "open", "high": "low", "low": "high", "close": "close"}
    flipped = replace(market, **{a: 200.0**2 / getattr(market, b) for a, b in mirrored.items()})
    plain, mirror = compute_features(market), compute_features(flipped)

    def of(frame, name):
        return frame.values[:, 0, frame.names.index(name)]

    assert np.array_equal(np.sign(of(mirror, "roc_24")), -np.sign(of(plain, "roc_24")), equal_nan=True)
    assert_close("obv slope", of(mirror, "obv_slope_24"), -of(plain, "obv_slope_24"), 1.0)
    up = np.nanmean(of(mirror, "plus_di_14") - of(plain, "minus_di_14"))
    assert abs(up) < 1.0, "DI+ of the mirror image is about DI- of the original"


def test_no_column_looks_at_one_huge_bar_for_longer_than_its_span():
    market = walk(1_000, 1, seed=33)
    high = market.high.copy()
    high[500, 0] *= 1e6
    frame, hit = compute_features(market), compute_features(replace(market, high=high))
    for spec in registry(default_params(HOUR_MS)):
        changed = frame.values[:, 0, spec.column] != hit.values[:, 0, spec.column]
        changed &= np.isfinite(hit.values[:, 0, spec.column])
        assert not changed[:500].any(), f"{spec.name} sees the future"
        if spec.name.startswith(
            ("stoch", "williams", "cci", "range_", "donchian_p", "donchian_width_20", "bar_", "upper")
        ):
            assert not changed[500 + spec.span + 6 :].any(), f"{spec.name} remembers too long"


@pytest.mark.interpreted
def test_the_symbol_row_has_no_padding_nobody_set():
    fields = sum(SYMBOL_DT[name].itemsize for name in SYMBOL_DT.names)
    assert fields == SYMBOL_DT.itemsize, "padding bytes would make equal states differ in bytes"
