"""Our books against the simulated venue's ledger: the same walk, the same numbers."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from live.adapters.binance.ledger import Ledger
from live.ports import PositionView
from qt_core.engine import ledger as venue

steps = st.lists(
    st.tuples(st.sampled_from([1, -1]), st.integers(1, 50), st.floats(50.0, 200.0), st.floats(0.0, 0.5)), max_size=12
)


@given(steps, st.integers(1, 20))
def test_the_same_walk_gives_the_same_balances(walk: list[tuple[int, int, float, float]], leverage: int):
    mine = Ledger(10_000.0)
    fund, v = SimpleNamespace(free_usd=10_000.0, margin_usd=0.0), SimpleNamespace(
        qty=0.0, avg_price=0.0, margin_usd=0.0, leverage=1.0
    )  # fmt: skip
    for side, lots, price, fee in walk:
        qty = lots * 0.5
        if mine.opens(3, side):
            mine.open(3, side, qty, price, fee, float(leverage))
            venue.book_open.py_func(fund, v, side, qty, price, fee, float(leverage))
        else:
            qty = min(qty, abs(mine.at(3).qty))
            got = mine.reduce(3, qty, price, fee)
            assert got == pytest.approx(venue.book_reduce.py_func(fund, v, qty, price, fee, False))
        assert mine.wallet_usd == pytest.approx(fund.free_usd + fund.margin_usd)
        assert mine.at(3).margin_usd == pytest.approx(v.margin_usd)
        assert mine.at(3).qty == v.qty
        assert mine.at(3).avg_price == pytest.approx(v.avg_price)


@given(st.floats(-300.0, 300.0), st.floats(100.0, 300.0))
def test_funding_comes_from_free_then_margin_then_insurance(amount: float, wallet: float):
    mine = Ledger(wallet, [PositionView(0, 1.0, 100.0, 100.0, 1.0)])
    fund = SimpleNamespace(free_usd=wallet - 100.0, margin_usd=100.0, funding_usd=0.0)
    v = SimpleNamespace(qty=1.0, margin_usd=100.0)
    booked = venue.book_funding.py_func(fund, v, 100.0, -amount / 100.0, False)
    assert mine.fund(0, amount) == pytest.approx(booked, abs=1e-9)
    assert mine.wallet_usd == pytest.approx(fund.free_usd + fund.margin_usd, abs=1e-9)
    assert mine.at(0).margin_usd == pytest.approx(v.margin_usd, abs=1e-9)


def test_the_exchange_states_the_profit_and_the_wallet():
    mine = Ledger(1_000.0)
    mine.open(0, -1, 2.0, 100.0, 0.1, 4.0)
    assert mine.at(0).margin_usd == 50.0
    assert mine.reduce(0, 1.0, 90.0, 0.05, 9.99).realised_usd == 9.99
    assert mine.at(0).margin_usd == 25.0
    assert mine.wallet_usd == pytest.approx(1_000.0 - 0.1 + 9.99 - 0.05)
    assert mine.adjust(1_100.0) == pytest.approx(90.16)
