"""Intents in the exchange's words: exact decimals, refusals of the simulated venue, the cap."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from live.adapters.binance.requests import OffGridError, capped, on_grid, place, refusal
from live.ids import MAX_LENGTH
from qt_core.codes import BELOW_MIN_NOTIONAL, IOC, LIMIT, MARKET, MAX_QTY, NON_FINITE, NOT_APPROVED, OK, STOP, TRAILING
from qt_core.market import SPEC_DT
from qt_core.numerics import floor_step
from tests.live.binance.world import NAME, intent, stop

NAN = float("nan")


def spec(**values: float):
    row = np.zeros(1, SPEC_DT)
    row["tick_size"], row["lot_step"], row["max_qty"] = 0.1, 0.001, np.inf
    for name, value in values.items():
        row[name] = value
    return row[0]


@given(
    st.integers(1, 10**9), st.sampled_from([1e-7, 1e-5, 0.0001, 0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 1000.0])
)
def test_what_is_on_the_grid_is_written_exactly(steps: int, step: float):
    value = floor_step(steps * step, step)
    text = on_grid(value, step, "price")
    assert float(text) == pytest.approx(value, rel=1e-12)
    assert "e" not in text.lower()
    assert on_grid(float(text), step, "price") == text


@pytest.mark.parametrize(("value", "step"), [(100.05, 0.1), (1.0005, 0.001), (0.5, 1.0), (12345.67, 0.05)])
def test_what_is_off_the_grid_is_never_rounded(value: float, step: float):
    with pytest.raises(OffGridError, match="no multiple of"):
        on_grid(value, step, "price")


def test_client_ids_have_room():
    order = intent(36**5 - 1, time_ms=9_999_999_999_999, tag=7)
    assert len(order.client_id) <= MAX_LENGTH


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        (intent(1), OK),
        (intent(1, approved=0), NOT_APPROVED),
        (intent(1, qty=NAN), NON_FINITE),
        (intent(1, qty=-1.0), NON_FINITE),
        (intent(1, leverage=0.0), NON_FINITE),
        (intent(1, LIMIT, price=0.0), NON_FINITE),
        (intent(1, STOP, trigger=NAN, reduce_only=1), NON_FINITE),
        (intent(1, TRAILING, callback=0.0, reduce_only=1), NON_FINITE),
        (intent(1, qty=11.0), MAX_QTY),
        (intent(1, qty=0.04), BELOW_MIN_NOTIONAL),
        (stop(1, 99.0, 50.0), OK),  # what reduces is exempt from the sizes
    ],
)
def test_refusals_before_anything_is_sent(order, reason: int):
    assert refusal(order, spec(max_qty=10.0, min_notional=5.0, min_qty=0.01), 100.0) == reason


def test_without_a_price_a_market_orders_notional_is_the_exchanges_to_check():
    assert refusal(intent(1, qty=0.02), spec(min_notional=5.0), NAN) == OK


def test_the_mark_price_triggers_where_the_venue_says_so():
    assert place(stop(1, 99.0), NAME, spec(), 1).params["workingType"] == "MARK_PRICE"
    assert place(stop(1, 99.0), NAME, spec(), 0).params["workingType"] == "CONTRACT_PRICE"


@given(st.floats(1.0, 1e5), st.floats(-0.01, 0.01), st.sampled_from([1, -1]), st.floats(0.0, 0.01))
def test_a_capped_order_never_pays_more_than_the_cap(best: float, away: float, side: int, cap: float):
    worst = best * (1.0 + side * away)
    got = capped(intent(1, MARKET, side), best, worst, cap, 0.01)
    limit = best * (1.0 + side * cap)
    if got.kind == MARKET:
        assert side * (worst - limit) <= 0.0
    else:
        assert got.kind == IOC
        assert side * (got.price - limit) <= 1e-9 * best
        assert abs(got.price - limit) <= 0.01 + 1e-9 * best
