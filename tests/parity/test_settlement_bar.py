"""A settlement belongs to the bar that opens with it, however fine the bars and whatever the stamp's jitter."""

import numpy as np
import pytest

from qt_core.engine.session import prepare_bars
from qt_core.market import make_market

pytestmark = pytest.mark.interpreted

MINUTE_MS = 60_000


@pytest.mark.parametrize("bar_ms", [MINUTE_MS, 15 * MINUTE_MS, 60 * MINUTE_MS])
@pytest.mark.parametrize("jitter_ms", [0, 5, 31, 999])
def test_a_settlement_is_due_at_the_bar_that_opens_with_it_however_fine_the_bars(bar_ms: int, jitter_ms: int):
    """Not a bar early: a head that ends at the settlement does not know of it."""
    hour = 3_600_000
    n = 10 * hour // bar_ms
    ones = np.ones((n, 1))
    market = make_market(
        ["A"],
        hour * 24 + bar_ms * np.arange(n, dtype=np.int64),
        dict.fromkeys(("open", "high", "low", "close", "volume"), ones),
        timeframe_ms=bar_ms,
        funding=(np.array([hour * 32 + jitter_ms]), np.array([0]), np.array([1e-4])),
    )
    due = np.flatnonzero(np.diff(prepare_bars(market).funding_start))
    assert due.tolist() == [8 * hour // bar_ms]
