"""Windows and folds: no label reaches into a later span, nothing is left out without need, every row is predicted once."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from qt_core.errors import ConfigError
from research.splits import SPANS, Plan, combinatorial, rows_of, walk_forward

HOUR = 3_600_000
DAY = 24 * HOUR
START = 1_609_459_200_000


@st.composite
def cases(draw):
    """A plan, a market's closes and label ends, of any bar length and phase."""
    bar = draw(st.sampled_from([HOUR, 4 * HOUR, 8 * HOUR, DAY]))
    n_days = draw(st.integers(12, 60))
    horizon = draw(st.integers(1, 30))
    stop, calibrate = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    plan = Plan(
        draw(st.sampled_from(["rolling", "expanding"])),
        START + draw(st.integers(8, n_days)) * DAY + draw(st.sampled_from([0, HOUR, 5 * HOUR + 1])),
        draw(st.integers(1, 30)),
        stop,
        calibrate,
        draw(st.integers(1, 9)),
        draw(st.sampled_from([0, 1, 7, 24])),
    )
    close = START + bar * np.arange(1, n_days * DAY // bar + 1)
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    known = close[:, None] + bar * rng.integers(1, horizon + 1, (len(close), 3))
    known[rng.random(known.shape) < 0.2] = -1
    return plan, bar, close, known


@given(cases())
def test_spans_share_no_row_and_no_label(case):
    plan, bar, close, known = case
    embargo = plan.embargo_bars * bar
    try:
        windows = walk_forward(plan, START, int(close[-1]))
    except ConfigError:
        assume(False)
    for w in windows:
        rows = {name: rows_of(w, name, close, known, embargo) for name in SPANS}
        assert sum(r.astype(int) for r in rows.values()).max() <= 1
        for a, b in itertools.pairwise(SPANS):
            later = np.concatenate(
                [np.repeat(close[:, None], 3, axis=1)[rows[name]] for name in SPANS[SPANS.index(b) :]]
            )
            if rows[a].any() and len(later):
                # the label's life ends, and the embargo after it, before the first later row is spoken on
                assert known[rows[a]].max() + embargo <= later.min()
        for t, i in itertools.product(range(0, len(close), 7), range(3)):  # what may be used is used
            for k, name in enumerate(SPANS[:3]):
                inside = w[1 + k] <= close[t] < w[2 + k]
                usable = inside and known[t, i] >= 0 and known[t, i] + embargo <= w[2 + k]
                assert rows[name][t, i] == usable
            assert rows["predict"][t, i] == (w.predict_ms <= close[t] < w.end_ms)


@given(cases())
def test_every_bar_from_the_first_prediction_on_is_predicted_once(case):
    plan, _, close, known = case
    try:
        windows = walk_forward(plan, START, int(close[-1]))
    except ConfigError:
        assume(False)
    times = sum(rows_of(w, "predict", close, known, 0)[:, 0].astype(int) for w in windows)
    expected = (close >= plan.first_predict_ms).astype(int)
    if windows[-1].end_ms == close[-1]:  # nothing can be traded on the last close: no window for it alone
        expected[-1] = 0
    assert np.array_equal(times, expected)
    assert windows[-1].end_ms >= close[-1]
    for w in windows:
        assert w.train_ms < w.stop_ms < w.calibrate_ms < w.predict_ms < w.end_ms
        assert w.predict_ms - w.calibrate_ms == plan.calibrate_days * DAY
        assert w.calibrate_ms - w.stop_ms == plan.stop_days * DAY
        if plan.kind == "expanding":
            assert w.train_ms == START
        else:
            assert w.train_ms == max(START, w.stop_ms - plan.train_days * DAY)
    assert len({w.name for w in windows}) == len(windows)


@given(cases(), st.integers(1, 400))
def test_later_bars_do_not_move_earlier_windows(case, fewer):
    plan, _, close, _ = case
    assume(fewer < len(close))
    try:
        whole = walk_forward(plan, START, int(close[-1]))
        part = walk_forward(plan, START, int(close[-1 - fewer]))
    except ConfigError:
        assume(False)
    assert [w[:-1] for w in part] == [w[:-1] for w in whole[: len(part)]]
    assert list(part[:-1]) == list(whole[: len(part) - 1])


def test_a_label_known_just_in_time_is_used_and_one_a_millisecond_later_is_not():
    plan = Plan("rolling", START + 20 * DAY, 10, 3, 3, 5, 6)
    w = walk_forward(plan, START, START + 30 * DAY)[0]
    embargo = 6 * HOUR
    for name in SPANS[:3]:
        start, end = w.span(name)
        close = np.array([start])
        assert rows_of(w, name, close, np.array([[end - embargo]]), embargo).all()
        assert not rows_of(w, name, close, np.array([[end - embargo + 1]]), embargo).any()
        assert not rows_of(w, name, close - 1, np.array([[start + 1]]), embargo).any()
        assert not rows_of(w, name, close, np.array([[-1]]), embargo).any()


def test_a_first_prediction_outside_the_data_or_without_a_past_is_refused():
    for first in (START, START + 30 * DAY, START - DAY):
        with pytest.raises(ConfigError, match=r"models\.windows\.first_predict: .* expected within the data"):
            walk_forward(Plan("rolling", first, 5, 2, 2, 5), START, START + 30 * DAY)
    with pytest.raises(ConfigError, match=r"leaves no row to train on before .* more than 4 days after the data begin"):
        walk_forward(Plan("expanding", START + 4 * DAY, 5, 2, 2, 5), START, START + 30 * DAY)


@pytest.mark.parametrize(
    ("n", "folds", "tests", "horizon", "embargo"),
    [(120, 6, 2, 5, 3), (121, 5, 2, 8, 0), (97, 4, 3, 1, 7), (90, 3, 2, 12, 12), (200, 6, 4, 10, 5)],
)
def test_combinatorial_folds_leak_nothing_and_make_whole_paths(n, folds, tests, horizon, embargo):
    times_tested = np.zeros(n, dtype=int)
    paths: dict[int, list[int]] = {}
    splits = list(combinatorial(n, folds, tests, horizon, embargo))
    assert len(splits) == math.comb(folds, tests)
    for fold in splits:
        judged = set()
        for block, path in zip(fold.tests, fold.paths, strict=True):
            rows = block.tolist()
            assert rows == list(range(rows[0], rows[-1] + 1))
            judged |= set(rows)
            times_tested[block] += 1
            paths.setdefault(path, []).extend(rows)
        train = set(fold.train.tolist())
        assert not train & judged
        for t in train:
            life = set(range(t + 1, t + horizon + 1))
            assert not life & judged  # its label's life touches no tested row
            assert not any(t - gap in judged for gap in range(1, horizon + 1))  # nor a tested label's life this row
            assert not any(t - horizon - gap in judged for gap in range(1, embargo + 1)), t  # nor the embargo after it
    assert set(times_tested) == {math.comb(folds - 1, tests - 1)}
    assert len(paths) == math.comb(folds, tests) * tests // folds
    assert all(sorted(rows) == list(range(n)) for rows in paths.values())
