"""Module 8: SPEC's worked examples, and every kernel against its plain second version over random inputs."""

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest

from qt_core.codes import (
    CORRELATED,
    EXPOSURE_LIGHT,
    EXPOSURE_MAX,
    GROSS_LEVERAGE,
    OFF,
    OK,
    SECTOR_LIMIT,
    SHRUNK,
    SIDE_BALANCE,
)
from qt_core.risk import portfolio_balancer as pba
from tests.modules.random_inputs import Draw, draws, near, pick, same, unnoticed, whole
from tests.reference import portfolio_naive as naive

pytestmark = pytest.mark.interpreted

P = pba.Params()
DAY_MS = 86_400_000
EXACT = 1e-9  # a size shrunk to a limit stays a hair below it


def ask(**changes: float) -> pba.Candidate:
    return pba.Candidate(1, 200.0, 600.0, 3.0)._replace(**changes)


def book(**changes: float) -> pba.Book:
    return pba.Book(10_000.0, 3_000.0, 9_000.0, 1, 1, 0.0, 0)._replace(**changes)


# --- worked examples ------------------------------------------------------------------------------------------------


def test_equity_10000_30_percent_is_light_and_200_more_stays_light():
    assert pba.exposure(3_000.0, 10_000.0) == 0.30
    assert pba.exposure(3_200.0, 10_000.0) == 0.32
    for margin in (3_000.0, 3_200.0):
        assert pba.exposure_class(P, pba.exposure(margin, 10_000.0)) == EXPOSURE_LIGHT
    assert pba.review(P, ask(), book()) == (1.0, OK)


def test_borders_of_the_exposure_classes_belong_to_the_upper_one():
    got = [pba.exposure_class(P, x) for x in (0.0, 0.3999, 0.40, 0.5999, 0.60, 0.7999, 0.80, 2.0, math.nan)]
    assert got == [0, 0, 1, 1, 2, 2, 3, 3, EXPOSURE_MAX]
    assert pba.exposure_class(P, pba.exposure(0.0, 0.0)) == EXPOSURE_MAX
    assert pba.exposure_class(P, pba.exposure(10.0, -5.0)) == EXPOSURE_MAX


def test_a_sector_takes_40_percent_of_80_percent_of_equity():
    assert pba.review(P, ask(), book(sector_margin_usd=3_000.0)) == (1.0, OK)  # 3200 of 3200
    half = pba.review(P, ask(), book(sector_margin_usd=3_100.0))
    assert half == (pytest.approx(0.5), SHRUNK)
    assert 3_100.0 + 200.0 * half.margin_scale <= 3_200.0
    assert pba.review(P, ask(), book(sector_margin_usd=3_190.0)) == (pytest.approx(0.05), SHRUNK)
    assert pba.review(P, ask(), book(sector_margin_usd=3_190.1)) == (0.0, SECTOR_LIMIT)
    assert pba.review(P, ask(), book(sector_margin_usd=9_000.0)) == (0.0, SECTOR_LIMIT)


def test_gross_notional_stays_within_three_times_equity():
    assert pba.review(P, ask(), book(gross_notional_usd=29_400.0)) == (1.0, OK)
    assert pba.review(P, ask(), book(gross_notional_usd=29_700.0)) == (pytest.approx(0.5), SHRUNK)
    assert pba.review(P, ask(), book(gross_notional_usd=29_980.0)) == (0.0, GROSS_LEVERAGE)
    both = pba.review(P, ask(), book(gross_notional_usd=29_700.0, sector_margin_usd=3_150.0))
    assert both == (pytest.approx(0.25), SHRUNK)  # the stricter wins


def test_the_third_correlated_position_of_a_side_refuses_the_fourth():
    assert pba.review(P, ask(), book(n_correlated_same_side=2)).reason == OK
    assert pba.review(P, ask(), book(n_correlated_same_side=3)) == (0.0, CORRELATED)
    assert pba.correlated(P, 0.71)
    assert not pba.correlated(P, 0.70)
    assert not pba.correlated(P, -0.9)
    assert pba.correlated(P, math.nan), "unknown counts as correlated"


def test_balance_of_sides_counts_from_four_positions():
    assert pba.review(P, ask(), book(n_long=3, n_short=0)).reason == OK
    assert pba.review(P, ask(), book(n_long=4, n_short=0)) == (0.0, SIDE_BALANCE)
    assert pba.review(P, ask(side=-1), book(n_long=4, n_short=0)).reason == OK
    assert pba.review(P, ask(), book(n_long=5, n_short=2)).reason == OK  # 6 of 8
    assert pba.review(P, ask(), book(n_long=6, n_short=2)).reason == SIDE_BALANCE  # 7 of 9


def test_trims_of_what_has_grown_beyond_its_limit():
    r = np.array([0.4, -0.2, math.nan, -0.9, -0.2])
    assert pba.trim_correlated(P, r, np.array([5, 5, 5, 1, 5]), 5) == 1
    assert pba.trim_correlated(P, r, np.array([4, 4, 4, 1, 4]), 5) == -1
    assert pba.trim_sector(P, 3_520.0, 10_000.0) == 0.0
    assert pba.trim_sector(P, 4_000.0, 10_000.0) == pytest.approx(0.2)
    assert pba.rebalance(P, 1_000.0, 0.0, 4, DAY_MS) == (1, 0.25)
    assert pba.rebalance(P, 10.0, 1_000.0, 4, DAY_MS) == (-1, 0.25)
    assert pba.rebalance(P, 1_000.0, 0.0, 3, DAY_MS) == (0, 0.0)
    assert pba.rebalance(P, 1_000.0, 0.0, 4, DAY_MS - 1) == (0, 0.0)
    assert pba.rebalance(P, 39.0, 1.0, 4, DAY_MS) == (0, 0.0)
    assert pba.mean_leverage(9_000.0, 3_000.0) == 3.0
    assert pba.mean_leverage(0.0, 0.0) == 0.0


def test_off_passes_and_trims_nothing():
    off = P._replace(mode=OFF)
    full = book(sector_margin_usd=9e3, n_correlated_same_side=9, n_long=9, gross_notional_usd=9e9)
    assert pba.review(off, ask(), full) == (1.0, OK)
    assert pba.trim_correlated(off, np.array([-1.0]), np.array([9]), 1) == -1
    assert pba.trim_sector(off, 9e9, 1e4) == 0.0
    assert pba.rebalance(off, 1.0, 0.0, 9, DAY_MS) == (0, 0.0)


# --- against the plain second version -------------------------------------------------------------------------------


def a_case(g: Draw) -> tuple[pba.Candidate, pba.Book]:
    equity = pick(g, 10_000.0, *g.uniform(500.0, 50_000.0, 4))
    margin, leverage = pick(g, 10.0, 200.0, 300.0, *g.uniform(5.0, 300.0, 3)), pick(g, 1.0, 3.0, 5.0)
    in_sector = 0.32 * equity - margin * pick(g, 1.0, 5.0, 5.0, 5.0, 0.0, -3.0, *g.uniform(-0.1, 1.5, 3))
    gross = 3.0 * equity - margin * leverage * pick(g, 1.0, 5.0, 5.0, 5.0, 0.0, -3.0, *g.uniform(-0.1, 1.5, 3))
    c = pba.Candidate(whole(g, -1, 1), margin, margin * leverage, leverage)
    n_long, n_short = whole(g, 0, 1, 2, 3, 6), whole(g, 0, 1, 2, 3)
    correlated = whole(g, 0, 0, 1, 2, 2, 3, 4)
    b = pba.Book(equity, max(in_sector, 0.0), max(gross, 0.0), n_long, n_short, max(in_sector, 0.0), correlated)
    if g.random() < 0.05:
        c = c._replace(**{c._fields[int(g.integers(1, 4))]: pick(g, math.nan, math.inf, 0.0, -1.0)})
    if g.random() < 0.05:
        name = ("equity_usd", "margin_usd", "gross_notional_usd", "sector_margin_usd")[int(g.integers(4))]
        b = b._replace(**{name: pick(g, math.nan, math.inf, -math.inf, -1.0)})
    return c, b


def plain_review(p: Any, c: pba.Candidate, b: pba.Book) -> tuple[float, int]:
    return naive.review(p, c._asdict(), b._asdict())


def a_group(g: Draw) -> tuple[list[float], list[int]]:
    n = int(g.integers(0, 9))
    r = [pick(g, math.nan, 0.5, *g.uniform(-1.0, 2.0, 4)) for _ in range(n)]
    return r, [whole(g, 1, 4, 5, 6) for _ in range(n)]


def trim(p: pba.Params, r: list[float], size: list[int]) -> int:
    return int(pba.trim_correlated(p, np.array(r, dtype=np.float64), np.array(size, dtype=np.int64), len(r)))


def a_sector(g: Draw) -> tuple[float, float]:
    equity = pick(g, math.nan, 0.0, -1.0, 10_000.0, *g.uniform(100.0, 50_000.0, 8))
    return pick(g, math.nan, *[equity * x for x in g.uniform(0.2, 0.5, 8)], 1e9), equity


def a_lean(g: Draw) -> tuple[float, float, int, int]:
    longs, shorts = pick(g, 39.0, 0.0, *g.uniform(1.0, 100.0, 4)), pick(g, 1.0, 0.0, math.nan, *g.uniform(0.0, 5.0, 4))
    if g.random() < 0.5:
        longs, shorts = shorts, longs
    since = whole(g, DAY_MS, DAY_MS - 1, 0, *g.integers(0, 3 * DAY_MS, 3))
    return longs, shorts, whole(g, 3, 4, 4, 5, 6), since


def test_review_against_its_second_version():
    seen: Counter[int] = Counter()
    for g in draws(41, 6_000):
        p, (c, b) = P._replace(mode=whole(g, OFF, *[3] * 9, 1, 2)), a_case(g)
        got, want = pba.review(p, c, b), plain_review(p._asdict(), c, b)
        assert got.reason == want[1], (p, c, b, got, want)
        assert near(got.margin_scale, want[0], EXACT), (p, c, b, got, want)
        assert 0.0 <= got.margin_scale <= 1.0, "never enlarges"
        seen[got.reason] += 1
        if got.reason == SHRUNK:
            margin, notional = got.margin_scale * c.margin_usd, got.margin_scale * c.notional_usd
            assert b.sector_margin_usd + margin <= pba.sector_limit_usd(p, b.equity_usd) * (1.0 + EXACT)
            assert b.gross_notional_usd + notional <= p.max_gross_leverage * b.equity_usd * (1.0 + EXACT)
    assert len(seen) == 7, "OK, SHRUNK, NON_FINITE, CORRELATED, SIDE_BALANCE, SECTOR_LIMIT, GROSS_LEVERAGE"
    assert min(seen.values()) > 20


def test_classes_and_measures_against_their_second_versions():
    seen: Counter[Any] = Counter()
    for g in draws(42):
        x = pick(g, 0.4, 0.6, 0.8, math.nan, math.inf, *g.uniform(0.0, 1.2, 6))
        assert pba.exposure_class(P, x) == naive.exposure_class(P._asdict(), x)
        margin, equity = float(g.uniform(0.0, 5e3)), pick(g, 0.0, -1.0, math.nan, *g.uniform(1.0, 1e4, 6))
        assert near(pba.exposure(margin, equity), naive.exposure(margin, equity))
        rho = pick(g, 0.7, math.nan, *g.uniform(-1.0, 1.0, 4))
        assert bool(pba.correlated(P, rho)) == naive.correlated(P._asdict(), rho)
        seen.update([("class", pba.exposure_class(P, x)), ("correlated", naive.correlated(P._asdict(), rho))])
    assert len(seen) == 4 + 2
    assert min(seen.values()) > 20


def test_trims_against_their_second_versions():
    seen: Counter[Any] = Counter()
    for g in draws(43):
        p = P._replace(mode=whole(g, OFF, *[3] * 9))
        group, sector, lean = a_group(g), a_sector(g), a_lean(g)
        worst = trim(p, *group)
        assert worst == naive.trim_correlated(p._asdict(), *group)
        cut = pba.trim_sector(p, *sector)
        assert near(cut, naive.trim_sector(p._asdict(), *sector), EXACT), (sector, cut)
        assert 0.0 <= cut < 1.0
        moved = pba.rebalance(p, *lean)
        assert same(moved, naive.rebalance(p._asdict(), *lean)), lean
        seen.update([("correlated", worst >= 0), ("sector", cut > 0.0), ("side", moved.side)])
    assert len(seen) == 2 + 2 + 3
    assert min(seen.values()) > 20


def test_changed_constants_are_noticed():
    of_review = ["max_sector_share", "usable_margin", "min_margin_usd", "max_correlated", "balance_positions"]
    of_review += ["max_side_share", "max_gross_leverage"]
    missed = unnoticed(P, [a_case(g) for g in draws(51)], pba.review, plain_review, of_review, EXACT)
    ramp = [(float(x),) for x in np.linspace(0.0, 1.0, 1_001)]
    missed += unnoticed(P, ramp, pba.exposure_class, naive.exposure_class, ["light", "moderate", "heavy"])
    missed += unnoticed(P, ramp, pba.correlated, naive.correlated, ["correlation_limit"])
    missed += unnoticed(P, [a_group(g) for g in draws(52)], trim, naive.trim_correlated, ["max_correlated"])
    sectors, of_sector = [a_sector(g) for g in draws(53)], ["max_sector_share", "usable_margin", "trim_above"]
    missed += unnoticed(P, sectors, pba.trim_sector, naive.trim_sector, of_sector, EXACT)
    of_lean = ["balance_positions", "max_net_share", "rebalance_fraction", "rebalance_interval_ms"]
    missed += unnoticed(P, [a_lean(g) for g in draws(54)], pba.rebalance, naive.rebalance, of_lean)
    assert missed == []
    tested = {*of_review, *of_sector, *of_lean, "light", "moderate", "heavy", "correlation_limit"}
    assert tested == set(P._fields) - {"mode", "interval_ms"}
