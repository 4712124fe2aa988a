"""Missing bars: stepped over while short, a new start after a long one; funding does not notice."""

import numpy as np
import pytest

from qt_core.features.context import chain_context
from qt_core.features.frame import compute_features
from qt_core.features.params import default_params
from qt_core.features.registry import BAR, CARRY, SETTLED, registry
from qt_core.market import make_market
from tests.features.build import HOUR_MS, START_MS, column, columns_of, walk, with_holes

PARAMS = default_params(HOUR_MS)
SPECS = registry(PARAMS)


def closed_up(market, i):
    """The valid bars of a symbol as if there had been no hole between them."""
    bars = columns_of(market, i)
    columns = {k: bars[k][:, None] for k in ("open", "high", "low", "close", "volume")}
    time = START_MS + HOUR_MS * np.arange(len(bars["close"]))
    quote = bars["quote_volume"][:, None]
    return make_market([market.symbols[i]], time, columns, timeframe_ms=HOUR_MS, quote_volume=quote)


@pytest.mark.parametrize("length", [1, 5, PARAMS.reset_gap_bars])
def test_a_short_hole_is_stepped_over(length):
    market = with_holes(walk(500, 1, seed=21), [(0, 200, 200 + length), (0, 300, 301)])
    frame, without = compute_features(market), compute_features(closed_up(market, 0))
    valid = market.valid[:, 0]
    for spec in SPECS:
        got = column(frame, spec.name)
        assert np.isnan(got[~valid]).all(), f"{spec.name}: a value on a missing bar"
        if spec.hole == CARRY:
            assert np.array_equal(got[valid], column(without, spec.name), equal_nan=True), spec.name
    assert not chain_context(market).eligible[~valid].any()


def test_after_a_long_hole_everything_starts_over():
    end = 200 + PARAMS.reset_gap_bars + 1
    market = with_holes(walk(900, 1, seed=22), [(0, 200, end)])
    frame = compute_features(market)
    fresh = compute_features(market.window(int(market.time[end]), int(market.time[-1]) + 1))
    for spec in SPECS:
        if spec.hole != SETTLED:
            assert np.array_equal(column(frame, spec.name)[end:], column(fresh, spec.name), equal_nan=True), spec.name
    eligible = chain_context(market).eligible[:, 0]
    assert eligible[199]
    assert not eligible[200 : end + 2 * PARAMS.atr_span - 1].any()
    assert eligible[end + 2 * PARAMS.atr_span - 1 :].all()


@pytest.mark.interpreted
def test_the_longest_hole_that_carries():
    params = PARAMS._replace(reset_gap_bars=3)
    rsi = params.rsi_span
    for length, carried in ((3, True), (4, False)):
        market = with_holes(walk(40, 1, seed=23), [(0, 20, 20 + length)])
        got = column(compute_features(market, params), f"rsi_{rsi}")
        assert np.isfinite(got[20 + length]) == carried


def test_no_hole_is_too_short_for_params_that_forget_at_once():
    params = PARAMS._replace(reset_gap_bars=0)
    market = with_holes(walk(60, 1, seed=24), [(0, 30, 31)])
    got = column(compute_features(market, params), "ema_distance_12")
    assert np.isfinite(got[29])
    assert np.isnan(got[30:42]).all()
    assert np.isfinite(got[42])


def test_a_late_listing_begins_its_warm_up_then():
    market = with_holes(walk(200, 2, seed=25), [(1, 0, 90)])
    known = np.isfinite(column(compute_features(market), "adx_14", 1))
    assert np.flatnonzero(known)[0] == 90 + 2 * PARAMS.atr_span - 1


def test_funding_is_the_last_rate_settled_before_the_close():
    base = walk(60, 2, seed=26)
    columns = {k: getattr(base, k) for k in ("open", "high", "low", "close", "volume")}
    hour = [START_MS + HOUR_MS * k for k in range(60)]
    # symbol 0: on time at hour 8, 7 ms late at hour 16, just before a close at hour 24; symbol 1: never
    times = np.array([hour[8], hour[16] + 7, hour[24] - 1])
    funding = (times, np.zeros(3, np.int64), np.array([0.01, 0.02, 0.03]))
    market = make_market(base.symbols, base.time, columns, timeframe_ms=HOUR_MS, funding=funding)
    got = column(compute_features(market), "funding_rate", 0)
    assert np.isnan(got[:8]).all()
    assert (got[8:16] == 0.01).all(), "due when bar 8 opens, so not known at the close of bar 7"
    assert (got[16:23] == 0.02).all()
    assert (got[23:] == 0.03).all(), "settled 1 ms before the close of bar 23"
    assert np.isnan(column(compute_features(market), "funding_rate", 1)).all()
    holed = with_holes(market, [(0, 10, 20)])
    kept = column(compute_features(holed), "funding_rate", 0)
    assert np.isnan(kept[10:20]).all()
    assert kept[20] == 0.02, "settled during the hole"


def test_what_a_hole_does_is_written_for_every_column():
    assert {spec.hole for spec in SPECS} == {CARRY, BAR, SETTLED}


def test_missing_volume_counts_as_none_and_missing_quote_volume_is_estimated():
    from dataclasses import replace

    market = walk(300, 1, seed=27)
    volume, quote = market.volume.copy(), market.quote_volume.copy()
    volume[50:60] = 0.0
    quote[50:60] = 0.0
    known = compute_features(replace(market, volume=volume, quote_volume=quote))
    volume, quote = volume.copy(), quote.copy()
    volume[50:60] = np.nan
    quote[100:110] = np.nan
    quote[50:60] = np.nan
    blank = compute_features(replace(market, volume=volume, quote_volume=quote))
    for spec in SPECS:
        a, b = column(known, spec.name), column(blank, spec.name)
        assert np.allclose(a, b, rtol=1e-12, atol=0.0, equal_nan=True), spec.name
