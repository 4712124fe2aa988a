"""Module 16: SPEC's table of orders, and every kernel against its plain second version over random inputs."""

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest

from qt_core.codes import (
    EXCHANGE_BUSY,
    IOC,
    LIMIT,
    MARKET,
    MIN_NOTIONAL,
    NO_PRICE,
    OFF,
    OK,
    POST_ONLY,
    SLIPPAGE_CAP,
    STYLE_AGGRESSIVE,
    STYLE_NORMAL,
    STYLE_PATIENT,
)
from qt_core.execution import aelm
from tests.modules.random_inputs import Draw, draws, near, pick, same, unnoticed, whole
from tests.reference import portfolio_naive as naive

pytestmark = pytest.mark.interpreted

P = aelm.Params()


# --- the table ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("style", "score", "slippage", "long", "short"),
    [
        (STYLE_AGGRESSIVE, 0.90, 0.0015, (MARKET, 0.0, 3, OK), (MARKET, 0.0, 3, OK)),
        (STYLE_AGGRESSIVE, 0.90, 0.0016, (LIMIT, 100.15, 1, SLIPPAGE_CAP), (LIMIT, 99.85, 1, SLIPPAGE_CAP)),
        (STYLE_AGGRESSIVE, 0.90, math.nan, (LIMIT, 100.15, 1, SLIPPAGE_CAP), (LIMIT, 99.85, 1, SLIPPAGE_CAP)),
        (STYLE_AGGRESSIVE, 0.89, 0.0, (LIMIT, 100.0, 1, OK), (LIMIT, 100.0, 1, OK)),
        (STYLE_AGGRESSIVE, math.nan, 0.0, (LIMIT, 100.0, 1, OK), (LIMIT, 100.0, 1, OK)),
        (STYLE_NORMAL, 0.95, 0.0, (IOC, 100.15, 1, OK), (IOC, 99.85, 1, OK)),
        (STYLE_PATIENT, 0.95, 0.0, (POST_ONLY, 99.99, 1, OK), (POST_ONLY, 100.01, 1, OK)),
    ],
)
def test_the_table_of_entry_orders(style: int, score: float, slippage: float, long: tuple, short: tuple):
    assert aelm.order(P, style, score, 1, 100.0, slippage, 0.01) == long
    assert aelm.order(P, style, score, -1, 100.0, slippage, 0.01) == short


def test_prices_stay_within_the_cap_whatever_the_tick():
    assert aelm.cap_price(P, 1, 100.0, 0.1) == 100.1  # 100.15 down
    assert aelm.cap_price(P, -1, 100.0, 0.1) == 99.9
    assert aelm.cap_price(P, 1, 0.57, 0.01) == 0.57  # the cap is less than a tick: the touch
    assert aelm.patient_price(P, 1, 0.01, 0.01) == 0.01  # one tick better would be no price


def test_off_is_a_market_order_and_without_a_price_there_is_none():
    off = P._replace(mode=OFF)
    for style in (STYLE_PATIENT, STYLE_NORMAL, STYLE_AGGRESSIVE):
        assert aelm.order(off, style, 0.1, 1, 100.0, 9.0, 0.01) == (MARKET, 0.0, 3, OK)
        for close in (math.nan, math.inf, 0.0, -1.0):
            assert aelm.order(P, style, 0.95, 1, close, 0.0, 0.01) == (0, 0.0, 0, NO_PRICE)
    assert not aelm.retry(off, 0, EXCHANGE_BUSY)


def test_slippage_from_the_book_from_the_volume_and_unknown():
    """1,000 USD: half of the 10,000 USD that rest within 15 bps is 7.5 bps; 1 % of five minutes' volume is one spread."""
    assert aelm.expected_slippage(P, 0.0002, 5_000.0, 1e9, 10_000.0, 0.0002) == pytest.approx(0.0001 + 0.00075)
    five_minutes = 1_000.0 * 100.0
    per_day = five_minutes * 288.0
    assert aelm.expected_slippage(P, 0.0002, 1_000.0, per_day, math.nan, math.nan) == pytest.approx(0.0002 + 0.0001)
    for volume, depth in ((math.nan, math.nan), (0.0, math.nan), (1e9, 0.0)):
        assert aelm.expected_slippage(P, 0.0002, 1_000.0, volume, depth, math.nan) == 0.0002 + 0.0015
    unknown = aelm.expected_slippage(P, 0.0002, 1_000.0, math.nan, math.nan, math.nan)
    assert aelm.order(P, STYLE_AGGRESSIVE, 0.95, 1, 100.0, unknown, 0.01).kind == LIMIT


def test_the_cheapest_venue_that_is_up_and_deep_enough():
    fee, slip = np.array([0.0005, 0.0004, 0.0002]), np.array([0.0001, 0.0002, 0.0001])
    deep, up = np.array([1e6, 1e6, 1e6]), np.array([True, True, True])
    assert aelm.route(P, fee, slip, deep, up, 600.0) == 2
    assert aelm.route(P, fee, slip, deep, np.array([True, True, False]), 600.0) == 0, "a tie goes to the first"
    assert aelm.route(P, fee, slip, np.array([1e3, 600.0, 599.0]), up, 600.0) == 0
    assert aelm.route(P, fee, slip, np.array([1.0, math.nan, 1.0]), up, 600.0) == -1
    assert aelm.route(P, fee[:0], slip[:0], deep[:0], up[:0], 600.0) == -1
    assert aelm.route(P._replace(mode=OFF), fee, slip, deep, up, 600.0) == 0


def test_three_retries_on_what_may_pass_and_the_life_of_an_order():
    assert [bool(aelm.retry(P, k, EXCHANGE_BUSY)) for k in range(5)] == [True, True, True, False, False]
    assert not aelm.retry(P, 0, MIN_NOTIONAL)
    kinds = (MARKET, LIMIT, IOC, POST_ONLY)
    assert [aelm.life_bars(P, k) for k in kinds] == [3, 1, 1, 1]


# --- against the plain second version -------------------------------------------------------------------------------


def an_order(g: Draw) -> tuple[Any, ...]:
    tick = pick(g, 0.0, 0.01, 0.1, 1.0)
    close = float(g.uniform(20.0, 500.0))
    close = pick(g, math.nan, 0.0, math.inf, tick, *[naive.in_steps(close, tick, up=True)] * 9, *[close] * 9)
    score = pick(g, 0.9, 0.8999, math.nan, *g.uniform(0.7, 1.1, 4))
    slippage = pick(g, 0.0015, 0.00151, math.nan, *g.uniform(0.0, 0.003, 4))
    return whole(g, 0, 1, 2, 2, 2), score, whole(g, -1, 1), close, slippage, tick


def a_cost(g: Draw) -> tuple[float, ...]:
    return (
        pick(g, 0.0, 0.0002), pick(g, math.nan, *g.uniform(10.0, 5e4, 9)),
        pick(g, math.nan, 0.0, -1.0, *g.uniform(1e5, 1e9, 9)), pick(g, math.nan, 0.0, math.inf, *g.uniform(1e2, 1e6, 3)),
        pick(g, math.nan, -1.0, 0.0, *g.uniform(0.0, 0.002, 3)),
    )  # fmt: skip


def venues(g: Draw) -> tuple[Any, ...]:
    n = int(g.integers(0, 5))
    fee = [pick(g, math.nan, *[0.0002, 0.0004, 0.0005] * 3) for _ in range(n)]
    slip = [pick(g, 0.0001, 0.0002, *g.uniform(0.0, 0.001, 3)) for _ in range(n)]
    depth = [pick(g, math.nan, 0.0, 600.0, math.inf, *g.uniform(500.0, 700.0, 3)) for _ in range(n)]
    return fee, slip, depth, [bool(g.random() < 0.7) for _ in range(n)], 600.0


def route(p: aelm.Params, *a: Any) -> int:
    arrays = [np.array(x, dtype=np.float64) for x in a[:3]]
    return int(aelm.route(p, *arrays, np.array(a[3], dtype=np.bool_), a[4]))


def test_orders_against_their_second_version():
    seen: Counter[Any] = Counter()
    for g in draws(61, 4_000):
        p, a = P._replace(mode=whole(g, OFF, *[3] * 9, 1, 2)), an_order(g)
        got, want = aelm.order(p, *a), naive.order(p._asdict(), *a)
        assert same(got, want), (p, a, got, want)
        seen.update([("kind", got.kind), ("reason", got.reason)])
        if got.price > 0.0:
            side, close = a[2], a[3]
            assert side * (got.price - close) <= close * p.slippage_cap * (1.0 + 1e-9), "never beyond the cap"
            if got.kind == POST_ONLY:
                assert side * (got.price - close) <= 0.0, "never worse than the close"
    assert len(seen) == 5 + 3
    assert min(seen.values()) > 20


def test_costs_routes_and_retries_against_their_second_versions():
    seen: Counter[Any] = Counter()
    for g in draws(62, 4_000):
        p, a = P._replace(mode=whole(g, OFF, *[3] * 9)), a_cost(g)
        assert near(aelm.expected_slippage(p, *a), naive.expected_slippage(p._asdict(), *a)), a
        v = venues(g)
        to = route(p, *v)
        assert to == naive.route(p._asdict(), *v), v
        again = (whole(g, 0, 1, 2, 3, 4), whole(g, EXCHANGE_BUSY, EXCHANGE_BUSY, MIN_NOTIONAL, OK))
        assert bool(aelm.retry(p, *again)) == naive.retry(p._asdict(), *again)
        seen.update([("route", to), ("retry", naive.retry(p._asdict(), *again))])
    assert len(seen) == 5 + 2
    assert min(seen.values()) > 20


def test_changed_constants_are_noticed():
    of_order = ["market_score", "slippage_cap", "patient_ticks", "work_bars", "limit_bars"]
    missed = unnoticed(P, [an_order(g) for g in draws(71)], aelm.order, naive.order, of_order)
    of_cost = ["slippage_cap", "depth_band", "impact_per_volume", "impact_minutes"]
    costs = [a_cost(g) for g in draws(72)]
    missed += unnoticed(P, costs, aelm.expected_slippage, naive.expected_slippage, of_cost)
    missed += unnoticed(P, [venues(g) for g in draws(73)], route, naive.route, ["depth_cover"])
    tries = [(k, EXCHANGE_BUSY) for k in range(6)]
    missed += unnoticed(P, tries, aelm.retry, naive.retry, ["max_retries"])
    assert missed == []
    assert {*of_order, *of_cost, "depth_cover", "max_retries"} == set(P._fields) - {"mode"}
