"""Labels against a reference in plain Python, written from the sentence of SPEC section 2, and the weights made of them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qt_core.config import load_config
from qt_core.market import make_market
from research.labels import class_balance, make_labels, uniqueness
from tests.agents.small import HOUR, START, small_config, small_dataset, trending
from tests.features.build import with_holes


def naive_label(market, stop, t, i, horizon):
    """(label, end row, R of a long, R of a short) of a row; None where it has no label.

    By the first bar that touches each of the four prices, a route of its own: BUY if +2d is touched before -d within the
    horizon, SELL if -2d before +d, else HOLD; a bar that touches both of a side's prices is its stop.
    """
    c, d = market.close[t, i], stop[t, i]
    if not (c > 0.0 and d > 0.0):
        return None
    bars = [k for k in range(1, horizon + 1) if t + k < market.n_bars and math.isfinite(market.close[t + k, i])]

    def first(touched):
        return next((k for k in bars if touched(k)), math.inf)

    up = {m: first(lambda k, m=m: market.high[t + k, i] >= c * (1.0 + m * d)) for m in (1, 2)}
    down = {m: first(lambda k, m=m: market.low[t + k, i] <= c * (1.0 - m * d)) for m in (1, 2)}
    ends, rs = [], []
    for win, stopped, side in ((up[2], down[1], 1), (down[2], up[1], -1)):
        if min(win, stopped) < math.inf:
            ends.append(int(min(win, stopped)))
            rs.append(2.0 if win < stopped else -1.0)
        elif horizon in bars:
            ends.append(horizon)
            rs.append(max(-1.0, min(2.0, side * (market.close[t + horizon, i] - c) / (c * d))))
        else:
            return None
    label = 2 if up[2] < down[1] else 0 if down[2] < up[1] else 1
    return label, t + max(ends), rs[0], rs[1]


def agree(market, stop, horizon, config=None):
    config = config or load_config({"supervisor": {"horizon_bars": horizon}})
    found = make_labels(market, stop, config)
    close_ms = [int(x) + market.timeframe_ms for x in market.time]
    seen = set()
    for t in range(market.n_bars):
        for i in range(market.n_symbols):
            expected = naive_label(market, stop, t, i, horizon)
            if expected is None:
                assert found.label[t, i] == found.end_ms[t, i] == found.known_ms[t, i] == -1
                seen.add("none")
                continue
            label, end, *rs = expected
            assert found.label[t, i] == label, (t, i)
            assert found.end_ms[t, i] == close_ms[end], (t, i)
            assert found.known_ms[t, i] == close_ms[t] + horizon * market.timeframe_ms
            assert found.end_ms[t, i] <= found.known_ms[t, i]
            assert found.r[t, i].tolist() == pytest.approx(rs, rel=1e-6, abs=1e-6)
            seen.add(label)
            later = market.close[t + horizon, i] if t + horizon < market.n_bars else math.nan
            if math.isfinite(later):
                assert found.forward[t, i] == pytest.approx(math.log(later / market.close[t, i]), abs=1e-12)
            else:
                assert math.isnan(found.forward[t, i])
    return seen


def coarse(seed, n=60, symbols=2, holes=0.1):
    """Prices on a coarse grid, so that barriers are touched exactly and bars touch both; holes of any length."""
    rng = np.random.default_rng(seed)
    close = 100.0 + np.cumsum(rng.integers(-1, 2, (n, symbols)), axis=0)
    open_ = np.vstack([close[:1], close[:-1]])
    high = np.maximum(open_, close) + rng.integers(0, 3, close.shape)
    low = np.minimum(open_, close) - rng.integers(0, 3, close.shape)
    missing = rng.random(close.shape) < holes
    columns = {"open": open_, "high": high, "low": low, "close": close, "volume": np.ones(close.shape)}
    columns = {k: np.where(missing, np.nan, v) for k, v in columns.items()}
    time = START + HOUR * np.arange(n, dtype=np.int64)
    return make_market([f"S{k}" for k in range(symbols)], time, columns, timeframe_ms=HOUR)


@given(st.integers(0, 2**31), st.integers(1, 12), st.sampled_from([0.0, 0.1, 0.5]))
def test_labels_are_those_of_the_reference(seed, horizon, holes):
    market = coarse(seed, holes=holes)
    rng = np.random.default_rng(seed)
    stop = rng.choice([0.01, 0.02, 0.03], market.close.shape)
    stop[rng.random(stop.shape) < 0.1] = np.nan
    agree(market, stop, horizon)


def test_on_a_market_with_trends_every_class_and_every_hole_is_met():
    market = with_holes(trending(500), [(0, 100, 101), (1, 200, 230), (2, 0, 50)])
    assert agree(market, np.full(market.close.shape, 0.012), 8) == {0, 1, 2, "none"}


def one(bars, stop=0.01, horizon=3):
    """Label, end row and both R of the first of some (high, low, close) bars, the first at 100."""
    high, low, close = (np.array([[100.0], *([b[k]] for b in bars)]) for k in range(3))
    time = START + HOUR * np.arange(len(close), dtype=np.int64)
    columns = {"open": close, "high": high, "low": low, "close": close, "volume": np.ones(close.shape)}
    market = make_market(["S"], time, columns, timeframe_ms=HOUR)
    found = make_labels(market, np.full(close.shape, stop), load_config({"supervisor": {"horizon_bars": horizon}}))
    end = int(np.searchsorted(market.time + HOUR, found.end_ms[0, 0])) if found.label[0, 0] >= 0 else -1
    return int(found.label[0, 0]), end, *(float(x) for x in found.r[0, 0])


NAN = (math.nan, math.nan, math.nan)
FLAT = (100.5, 99.5, 100.0)


@pytest.mark.parametrize(
    ("bars", "expected"),
    [
        ([FLAT, FLAT, FLAT], (1, 3, 0.0, 0.0)),  # nothing touched: HOLD at the horizon
        ([FLAT, FLAT], (-1, -1, None, None)),  # the market ends first
        ([(102.0, 99.5, 101.0), FLAT, FLAT], (2, 1, 2.0, -1.0)),  # touched exactly
        ([(101.99, 99.01, 100.5), FLAT, FLAT], (1, 3, 0.0, -1.0)),  # a hair too little
        ([(100.5, 98.0, 99.0), FLAT, FLAT], (0, 1, -1.0, 2.0)),
        ([(102.0, 99.0, 101.0), FLAT, FLAT], (1, 3, -1.0, -1.0)),  # both of a long's prices in one bar: stopped
        ([(102.0, 98.0, 100.0), FLAT, FLAT], (1, 1, -1.0, -1.0)),  # all four
        ([FLAT, FLAT, (102.5, 100.0, 102.4)], (2, 3, 2.0, -1.0)),  # at the horizon itself
        ([FLAT, FLAT, FLAT, (102.5, 100.0, 102.4)], (1, 3, 0.0, 0.0)),  # a bar too late
        ([FLAT, FLAT, (100.7, 100.0, 100.5)], (1, 3, 0.5, -0.5)),  # as far as it went
        ([NAN, (102.0, 100.0, 101.5), FLAT], (2, 2, 2.0, -1.0)),  # a hole is stepped over
        ([FLAT, FLAT, NAN, FLAT], (-1, -1, None, None)),  # the bar at the horizon is missing: void
        ([(102.0, 99.5, 101.0)], (2, 1, 2.0, -1.0)),  # known before the market ends
    ],
)
def test_bar_tables(bars, expected):
    found = one(bars)
    if expected[0] < 0:
        assert found[:2] == expected[:2]
        return
    if expected == (1, 3, -1.0, -1.0):  # the long's bar stops the short as well: known at once
        expected = (1, 1, -1.0, -1.0)
    assert found[:2] == expected[:2]
    assert found[2:] == pytest.approx(expected[2:], abs=1e-6)


def test_a_label_is_what_module_12_says_of_the_same_prediction():
    """Reward and horizon come from the supervisor's own section."""
    market, stop = coarse(3, holes=0.0), np.full((60, 2), 0.02)
    a = make_labels(market, stop, load_config({"supervisor": {"horizon_bars": 6, "reward": 2.0}}))
    b = make_labels(market, stop, load_config({"supervisor": {"horizon_bars": 6, "reward": 1.0}}))
    assert (b.label != 1).sum() > (a.label != 1).sum()
    assert np.nanmax(b.r) == 1.0
    assert np.nanmax(a.r) == 2.0


def naive_uniqueness(t, i, end):
    """The mean, over the bars a label lives, of one over the labels of its symbol alive there."""
    lives = [(sym, set(range(a + 1, b + 1))) for a, sym, b in zip(t, i, end, strict=True)]
    return [
        sum(1.0 / sum(k in other for s, other in lives if s == sym) for k in life) / len(life) for sym, life in lives
    ]


@given(st.integers(0, 2**31), st.integers(1, 40))
def test_uniqueness_is_that_of_the_reference(seed, n):
    rng = np.random.default_rng(seed)
    chosen = rng.choice(30 * 3, n, replace=False)
    t, i = np.sort(chosen) // 3, np.sort(chosen) % 3
    end = np.minimum(t + rng.integers(1, 9, n), 30)
    found = uniqueness(t, i, end, 31, 3)
    assert found == pytest.approx(naive_uniqueness(t, i, end))
    assert ((found > 0.0) & (found <= 1.0 + 1e-12)).all()


def test_labels_alone_are_unique_and_equal_ones_share():
    t, i = np.array([0, 0, 10, 10]), np.array([0, 1, 2, 2])
    assert uniqueness(t, i, np.array([5, 5, 14, 14]), 20, 3) == pytest.approx([1.0, 1.0, 0.5, 0.5])


def test_samples_have_weights_of_mean_one_and_the_right_number_of_outcomes():
    data = small_dataset()
    t, i = np.nonzero(data.labels.label >= 0)
    few = slice(300, 700)
    samples = data.of(t[few], i[few])
    ends = [
        int(np.flatnonzero(data.close_ms == data.labels.end_ms[a, b])[0]) for a, b in zip(t[few], i[few], strict=True)
    ]
    unique = np.array(naive_uniqueness(t[few].tolist(), i[few].tolist(), ends))
    assert samples.weight.mean() == pytest.approx(1.0)
    assert samples.weight == pytest.approx(unique / unique.mean())
    per_bar = 400 / len(set(t[few].tolist()))
    assert samples.effective == pytest.approx(unique.sum() / per_bar * 1.5)
    assert 400 / 12 < samples.effective < 400
    forward = data.labels.forward[t[few], i[few]] / data.labels.stop[t[few], i[few]]
    assert samples.forward == pytest.approx(forward, nan_ok=True)
    half = samples.take(np.arange(0, 400, 2))
    assert half.effective == pytest.approx(samples.effective / 2)
    assert half.rows.t.tolist() == t[few][::2].tolist()


def test_one_symbol_is_one_bet_a_bar():
    data = small_dataset(trending(400, 2))
    t = np.arange(100, 200)
    i = np.zeros(100, dtype=np.int64)
    keep = data.labels.label[t, i] >= 0
    samples = data.of(t[keep], i[keep])
    assert samples.effective <= 100
    both = data.of(np.repeat(t[keep], 2), np.tile([0, 1], keep.sum()))
    assert both.effective < 1.8 * samples.effective  # two symbols of a bar are not two outcomes


def test_no_rows_are_no_samples():
    none = small_dataset().of(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
    assert len(none.label) == len(none.weight) == 0
    assert none.effective == 0.0


def test_class_shares():
    assert class_balance(np.array([0, 1, 1, 2, -1, -1])) == {"SELL": 0.25, "HOLD": 0.5, "BUY": 0.25}
    assert class_balance(np.array([-1])) == {"SELL": 0.0, "HOLD": 0.0, "BUY": 0.0}


def test_what_is_cut_off_changes_no_label_that_was_known_before():
    market = with_holes(trending(500), [(0, 100, 101), (1, 200, 230)])
    stop = np.full(market.close.shape, 0.012)
    config = small_config()
    whole = make_labels(market, stop, config)
    for n in (111, 222, 333):
        part = make_labels(market.head(n), stop[:n], config)
        now = int(market.time[n - 1]) + HOUR
        known = (whole.label[:n] >= 0) & (whole.end_ms[:n] <= now)
        assert np.array_equal(part.label >= 0, known)
        for name in ("label", "end_ms", "known_ms"):
            assert np.array_equal(getattr(part, name)[known], getattr(whole, name)[:n][known])
        assert np.array_equal(part.r[known], whole.r[:n][known])
