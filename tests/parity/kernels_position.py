"""Every kernel of modules 8, 9, 10, 16 and 23 over random inputs, for the comparison of compiled and interpreted runs."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from qt_core.codes import EXCHANGE_BUSY
from qt_core.execution import aelm
from qt_core.position import amplification, intelligence, monitor
from qt_core.risk import portfolio_balancer

MODULES = (intelligence, monitor, amplification, portfolio_balancer, aelm)
Draw = np.random.Generator
NAN_SHARE = 0.05
DAY_MS = 86_400_000


def _side(g: Draw) -> int:
    return 1 if g.random() < 0.5 else -1


def _mode(g: Draw) -> int:
    return int(g.choice([0, 3, 3, 3, 3]))


def _number(g: Draw, low: float, high: float) -> float:
    return float("nan") if g.random() < NAN_SHARE else float(g.uniform(low, high))


def _intelligence(g: Draw) -> Iterator[tuple[str, Any]]:
    p = intelligence.Params(mode=_mode(g))
    x = intelligence.Inputs(
        float(g.choice([0.25, _number(g, -0.4, 0.4), _number(g, -2.0, 2.0)])), _number(g, -0.1, 0.1),
        int(g.integers(DAY_MS)), _number(g, 0.0, 1.0), float(g.choice([3.0, _number(g, -4.0, 4.0)])),
        int(g.random() < 0.9),
    )  # fmt: skip
    yield "intelligence.classify", intelligence.classify(p, x)
    yield "intelligence.certainty", (intelligence.certainty(float(g.uniform(0.0, 2.0)), float(g.uniform(0.1, 1.5))),)


def _monitor(g: Draw) -> Iterator[tuple[str, Any]]:
    p = monitor.Params(mode=_mode(g), exit_on_advice=int(g.integers(2)))
    x = monitor.Inputs(
        _side(g), int(g.choice([DAY_MS, DAY_MS // 2, int(g.integers(2 * DAY_MS))])), int(g.integers(-1, 2)),
        int(g.integers(2)), int(g.integers(4)), int(g.integers(2)), int(g.integers(2)), int(g.integers(3)),
    )  # fmt: skip
    yield "monitor.verdict", (monitor.verdict(p, x),)
    yield "monitor.protection", (monitor.protection(x),)


def _winner(g: Draw) -> amplification.Inputs:
    side, avg, first = _side(g), float(g.uniform(5.0, 500.0)), float(g.uniform(1.0, 50.0))
    stop, cap = avg * (1.0 + side * _number(g, -0.02, 0.03)), avg * (1.0 + side * _number(g, 0.0, 0.09))
    risk, room = first * avg * _number(g, 0.005, 0.03), float(g.choice([np.inf, _number(g, -1.0, 20.0)]))
    return amplification.Inputs(
        int(g.choice([1, 1, 1, 2])), side, _number(g, 1.0, 4.0), int(g.integers(3)), first, first, avg, stop, cap,
        float(g.choice([0.0, 0.0012, -0.001, np.nan])), risk, room, float(g.choice([0.0, 0.001, 1.0])), 0.001,
        float(g.choice([5.0, 500.0])),
    )  # fmt: skip


def _amplification(g: Draw) -> Iterator[tuple[str, Any]]:
    p, x = amplification.Params(mode=_mode(g)), _winner(g)
    yield "amplification.risk_budget_qty", (amplification.risk_budget_qty(x),)
    yield "amplification.scale_in", amplification.scale_in(p, x)
    lot, tick = float(g.choice([0.0, 0.001, 1.0])), float(g.choice([0.0, 0.01, 0.1]))
    leverage, qty = float(g.choice([1.0, 3.0, 5.0])), float(g.choice([1.0, 2.0, 3.0, _number(g, 0.5, 90.0)]))
    tp = float(g.choice([0.0, x.avg_price * (1.0 + x.side * _number(g, 0.01, 0.15))]))
    rungs = amplification.ladder(p, x.side, x.avg_price, tp, qty, leverage, lot, 0.001, tick)
    yield "amplification.ladder", rungs
    yield "amplification.tp_qty", (amplification.tp_qty(qty, rungs.qty_1, rungs.qty_2, 0.001),)
    share, least = float(g.uniform(0.0, 3.0)), float(g.choice([0.0, 2.0]))
    yield "amplification.rung_qty", (amplification.rung_qty(share, lot, least),)
    yield "amplification.beyond_tp", (amplification.beyond_tp(x.side, x.price_cap, tp),)
    runs = amplification.let_run(p, x.cls, x.r, _number(g, -0.1, 0.1), int(g.integers(3)))
    yield "amplification.let_run", (runs,)
    scaled = float(g.choice([0.0, 2.0]))
    yield "amplification.action", (amplification.action(p, x.cls, x.r, scaled, runs, int(g.integers(2))),)


def _balancer(g: Draw) -> Iterator[tuple[str, Any]]:
    p = portfolio_balancer.Params(mode=_mode(g))
    equity, margin = _number(g, -100.0, 20_000.0), _number(g, 5.0, 300.0)
    in_sector, gross = equity * float(g.uniform(0.2, 0.45)), equity * float(g.uniform(2.0, 3.3))
    c = portfolio_balancer.Candidate(_side(g), margin, 3.0 * margin, 3.0)
    n_long, n_short, n_near = (int(n) for n in g.integers(0, [6, 3, 4]))
    b = portfolio_balancer.Book(equity, margin, gross, n_long, n_short, in_sector, n_near)
    yield "portfolio_balancer.review", portfolio_balancer.review(p, c, b)
    yield "portfolio_balancer.one_sided", (portfolio_balancer.one_sided(p, c.side, b),)
    share = portfolio_balancer.exposure(in_sector, equity)
    yield "portfolio_balancer.exposure", (share,)
    level = float(g.choice([share, 0.4, 0.6, 0.8, _number(g, 0.0, 1.0)]))
    yield "portfolio_balancer.exposure_class", (portfolio_balancer.exposure_class(p, level),)
    yield "portfolio_balancer.correlated", (portfolio_balancer.correlated(p, float(g.choice([0.7, level]))),)
    yield "portfolio_balancer.mean_leverage", (portfolio_balancer.mean_leverage(gross, float(g.choice([0.0, margin]))),)
    yield "portfolio_balancer.sector_limit_usd", (portfolio_balancer.sector_limit_usd(p, equity),)
    yield "portfolio_balancer.fitting", (portfolio_balancer.fitting(200.0, float(g.uniform(-50.0, 300.0))),)
    r, size = np.array([_number(g, -1.0, 2.0) for _ in range(5)]), g.integers(1, 7, 5)
    yield "portfolio_balancer.trim_correlated", (portfolio_balancer.trim_correlated(p, r, size, int(g.integers(6))),)
    yield "portfolio_balancer.trim_sector", (portfolio_balancer.trim_sector(p, in_sector, equity),)
    longs, shorts = _number(g, 0.0, 100.0), _number(g, 0.0, 4.0)
    n, since_ms = int(g.integers(3, 6)), int(g.choice([DAY_MS, DAY_MS - 1]))
    yield "portfolio_balancer.may_rebalance", (portfolio_balancer.may_rebalance(p, n, since_ms),)
    yield "portfolio_balancer.rebalance", portfolio_balancer.rebalance(p, longs, shorts, n, since_ms)


def _aelm(g: Draw) -> Iterator[tuple[str, Any]]:
    p = aelm.Params(mode=_mode(g))
    side, tick, close = _side(g), float(g.choice([0.0, 0.01, 0.1])), _number(g, 0.01, 500.0)
    slippage, score = _number(g, 0.0, 0.003), float(g.choice([0.9, _number(g, 0.7, 1.1)]))
    yield "aelm.order", aelm.order(p, int(g.integers(3)), score, side, close, slippage, tick)
    price = float(g.uniform(0.01, 500.0))
    yield "aelm.touch_price", (aelm.touch_price(side, price, tick),)
    yield "aelm.cap_price", (aelm.cap_price(p, side, price, tick),)
    yield "aelm.patient_price", (aelm.patient_price(p, side, price, tick),)
    kind = int(g.integers(1, 5))
    yield "aelm.life_bars", (aelm.life_bars(p, kind),)
    notional, volume = _number(g, 10.0, 5e4), float(g.choice([0.0, _number(g, 1e5, 1e9)]))
    depth = float(g.choice([np.nan, 0.0, np.inf, g.uniform(1e2, 1e6)]))
    yield "aelm.impact", (aelm.impact(p, notional, volume, depth),)
    spread = float(g.choice([-1.0, _number(g, 0.0, 0.002)]))
    yield "aelm.expected_slippage", (aelm.expected_slippage(p, 0.0002, notional, volume, depth, spread),)
    n = int(g.integers(5))
    costs, deep = g.choice([0.0002, 0.0004, 0.0005, np.nan], n), g.choice([np.nan, 0.0, 600.0, np.inf], n)
    to = aelm.route(p, costs, g.uniform(0.0, 0.001, n), deep, g.random(n) < 0.7, 600.0)
    yield "aelm.route", (to,)
    reason = int(g.choice([0, EXCHANGE_BUSY]))
    yield "aelm.retryable", (aelm.retryable(reason),)
    yield "aelm.retry", (aelm.retry(p, int(g.integers(5)), reason),)


def entries(g: Draw) -> Iterator[tuple[str, Any]]:
    """One draw of every kernel under its name."""
    for part in (_intelligence, _monitor, _amplification, _balancer, _aelm):
        yield from part(g)
