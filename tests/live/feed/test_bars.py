"""Bars put together: who has arrived, who is late, what late candles may no longer change, marks heard wholly."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from live.adapters.bars import BarBoard, MarkBars
from qt_core.codes import PX_CLOSE, PX_MARK_HIGH, PX_OPEN

BAR = 60_000


def board(n: int = 3) -> BarBoard:
    b = BarBoard(n, BAR, give_up_bars=2)
    b.start(BAR)
    return b


def test_a_bar_is_complete_when_all_have_arrived():
    b = board(2)
    assert b.missing(BAR) == [0, 1]
    assert b.candle(0, BAR, (1.0, 2.0, 0.5, 1.5), 10.0, 15.0)
    assert not b.candle(0, BAR, (9.0, 9.0, 9.0, 9.0), 9.0, 9.0)  # the first word stands
    assert b.candle(1, BAR, (3.0, 3.0, 3.0, 3.0), 0.0, float("nan"))
    b.mark(1, BAR, (3.0, 4.0, 3.0, 3.0))
    assert b.missing(BAR) == []
    assert b.unmarked(BAR) == [0]
    bar = b.take()
    assert (bar.open_ms, bar.late) == (BAR, ())
    assert bar.valid.all()
    assert bar.px[0, PX_OPEN] == 1.0
    assert bar.px[1, PX_MARK_HIGH] == 4.0
    assert np.isnan(bar.px[0, PX_MARK_HIGH])
    assert np.isnan(bar.quote_volume[1])
    assert b.next_open_ms == 2 * BAR


def test_late_candles_never_change_a_bar_that_was_given():
    b = board()
    b.candle(0, BAR, (1.0, 1.0, 1.0, 1.0), 1.0, 1.0)
    bar = b.take()
    assert bar.late == (1, 2)
    assert list(bar.valid) == [True, False, False]
    before = bar.px.copy()
    assert not b.candle(1, BAR, (5.0, 5.0, 5.0, 5.0), 5.0, 5.0)
    b.mark(1, BAR, (5.0, 5.0, 5.0, 5.0))
    assert np.array_equal(bar.px, before, equal_nan=True)
    assert b.too_late == 1
    assert list(b.late_count) == [0, 1, 1]


def test_a_symbol_that_stays_away_is_not_waited_for_until_it_is_back():
    b = board()
    for k in range(1, 3):
        for i in (0, 1):
            b.candle(i, k * BAR, (1.0, 1.0, 1.0, 1.0), 1.0, 1.0)
        assert b.missing(k * BAR) == [2]
        b.take()
    assert b.missing(3 * BAR) == [0, 1]
    b.candle(2, 3 * BAR, (1.0, 1.0, 1.0, 1.0), 1.0, 1.0)
    assert b.take().valid[2]
    assert b.missing(4 * BAR) == [0, 1, 2]


def test_history_is_never_late():
    b = board()
    assert b.take(waited=False).late == ()
    assert not b.any_arrived(2 * BAR)


@given(st.permutations([(i, k) for i in range(3) for k in (1, 2, 3)]))
def test_the_order_of_arrival_does_not_matter(arrivals: list[tuple[int, int]]):
    b = board()
    for i, k in arrivals:
        assert b.candle(i, k * BAR, (i + 1.0, i + 1.0, i + 1.0, k + 0.0), float(k), float(i))
    for k in (1, 2, 3):
        bar = b.take()
        assert bar.open_ms == k * BAR
        assert list(bar.px[:, PX_CLOSE]) == [float(k)] * 3


def test_marks_make_a_bar_only_where_they_were_heard_from_open_to_close():
    m = MarkBars(1, BAR, edge_ms=5_000)
    for t in range(BAR, 2 * BAR, 4_000):
        assert m.hear(0, t, 100.0 + t % 7) is None
    closed = m.hear(0, 2 * BAR + 100, 50.0)
    assert closed is not None
    open_ms, (o, h, low, c) = closed
    assert open_ms == BAR
    assert (o, h, low) == (100.0 + BAR % 7, pytest.approx(106.0), pytest.approx(100.0))
    assert c == 100.0 + (2 * BAR - 4_000) % 7
    assert m.hear(0, 2 * BAR + 20_000, 51.0) is None  # silence inside the bar
    assert m.hear(0, 3 * BAR, 52.0) is None
    for t in range(3 * BAR + 3_000, 4 * BAR, 3_000):
        m.hear(0, t, 52.0)
    m.broken()
    assert m.hear(0, 4 * BAR, 53.0) is None
