"""Journal entries read back to the same arrays, and say which symbol's were altered."""

import numpy as np
import pytest

from live.adapters.feed_replay import ReplayFeed
from live.entries import altered, bar_arrays, bar_of, event_arrays, event_of, pack, sums_of, unpack
from qt_core import records as rec
from qt_core.errors import DataError
from tests.parity.cases import QUARTER_MS, simulated_case


def test_a_bar_reads_back_with_settlements_and_its_decision_bar() -> None:
    market = simulated_case(4, 300, detail=True).market
    feed = ReplayFeed(market)
    assert market.detail is not None
    due = 0
    for f in range(0, 200):
        bar = feed.bar(f)
        again = bar_of(unpack(pack(bar_arrays(bar))))
        for name in ("px", "volume", "quote_volume", "valid"):
            assert getattr(bar, name).tobytes() == getattr(again, name).tobytes()
        assert (bar.open_ms, bar.settled, bar.due, bar.late) == (again.open_ms, again.settled, again.due, again.late)
        assert (bar.coarse is None) == (again.coarse is None) == ((f + 1) % 4 != 0)
        assert all(bar.open_ms <= s.time_ms < bar.open_ms + QUARTER_MS for s in bar.settled)
        due += len(bar.due or ())
    assert due > 0


def test_a_missing_bar_reads_back_as_missing() -> None:
    market = simulated_case().market
    feed = ReplayFeed(market)
    missing = 0
    for t in range(market.n_bars):
        again = bar_of(unpack(pack(bar_arrays(feed.bar(t)))))
        assert (again.valid == market.valid[t]).all()
        missing += int((~again.valid).sum())
    assert missing > 0


def test_an_event_reads_back() -> None:
    row = np.zeros(1, dtype=rec.EVENT_DT)[0]
    row["price"], row["kind"], row["time_ms"] = 1.5, 1, 1_700_000_000_000
    assert event_of(unpack(pack(event_arrays(row)))).tobytes() == row.tobytes()


@pytest.mark.parametrize("cut", [0, 5, -1])
def test_a_cut_entry_is_refused(cut: int) -> None:
    blob = pack({"a": np.arange(4.0), "b": np.arange(3)})
    with pytest.raises(DataError):
        unpack(blob[:cut])


def test_the_altered_symbol_is_named() -> None:
    arrays = {
        "ctx": np.arange(24.0).reshape(1, 4, 6),
        "eligible": np.ones((1, 4), dtype=np.bool_),
        "row": np.array([3]),
    }
    sums = sums_of(arrays, 4)
    assert altered(arrays, sums, 4) is None
    for i in range(4):
        other = {k: v.copy() for k, v in arrays.items()}
        other["ctx"][0, i, 5] += 1.0
        assert altered(other, sums, 4) == [i]
    other = {**arrays, "row": np.array([4])}
    assert altered(other, sums, 4) == []  # of no symbol: the whole differs
    assert altered(arrays, sums[:-4], 4) == []
