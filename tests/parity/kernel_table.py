"""Every kernel of the modules and the ledger over the same random inputs, as plain arrays of numbers.

Compiled and interpreted runs of this table are compared entry by entry; a kernel that is not listed is not compared, so
``test_interpreted`` also asserts that no kernel of these files is missing.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from qt_core import numerics, rng
from qt_core import records as rec
from qt_core.codes import CTX_ADX, CTX_COLUMNS, CTX_LIQUIDITY_RATIO
from qt_core.context import regime
from qt_core.engine import ledger
from qt_core.market import BRACKET_DT, MAX_BRACKETS
from qt_core.position import dynamic_tpsl
from qt_core.risk import risk_os, safety_governor
from qt_core.signal import ensemble, rules
from qt_core.state import records
from tests.parity import kernels_context, kernels_position, kernels_selection, kernels_signal

MORE = (kernels_context, kernels_position, kernels_selection, kernels_signal)  # tables of their own, one a family
MODULES = (
    ensemble, regime, dynamic_tpsl, risk_os, safety_governor, ledger, rules, numerics, rng,
    *(module for table in MORE for module in table.MODULES),
)  # fmt: skip
Draw = np.random.Generator
N = 120  # inputs per kernel
NAN_SHARE = 0.05


def _side(g: Draw) -> int:
    return 1 if g.random() < 0.5 else -1


def _maybe_nan(g: Draw, x: float) -> float:
    return float("nan") if g.random() < NAN_SHARE else x


def _tick(g: Draw) -> float:
    return float(g.choice([0.0, 0.01, 0.1, 1e-4]))


def _probabilities(g: Draw) -> tuple[np.ndarray, np.ndarray]:
    proba = g.dirichlet(np.ones(3) * 0.7, (1, 1, 4)).astype(np.float32)
    if g.random() < NAN_SHARE:
        proba[0, 0, int(g.integers(4)), int(g.integers(3))] = g.choice([np.nan, -0.1, np.inf])
    return proba, g.random((1, 1, 4)) < 0.7


def _ensemble(g: Draw) -> Iterator[tuple[str, Any]]:
    p = ensemble.Params(mode=int(g.choice([0, 3])), threshold=float(g.uniform(0.2, 0.6)), vote=int(g.integers(2)))
    weights = g.dirichlet(np.ones(4))
    proba, available = _probabilities(g)
    yield "ensemble.vote", ensemble.vote(p, weights, proba, available, 0, 0)
    yield "ensemble.vote_checked", ensemble.vote_checked(p, weights, proba, available, 0, 0, bool(p.vote))
    a, b = (float(x) for x in g.choice([0.2, 0.45, 0.5, 0.7], 2))
    yield "ensemble.decide", ensemble.decide(p, a, b, 0.45, 0)


def _regime(g: Draw) -> Iterator[tuple[str, Any]]:
    p = regime.Params()
    ctx = g.uniform(0.0, 1.0, (1, 1, CTX_COLUMNS))
    ctx[..., CTX_ADX] *= 50.0
    ctx[g.random(ctx.shape) < NAN_SHARE] = np.nan
    ctx[..., CTX_LIQUIDITY_RATIO] *= 2.0
    close = float(g.uniform(0.0, 1.0))
    c = regime.classify(p, ctx, 0, 0, close)
    yield "regime.classify", c
    pick = float(g.choice([0.33, 0.67, 0.5, 1.5, 20.0, 25.0, 0.1, 30.0, np.nan]))
    yield "regime.volatility_class", (regime.volatility_class(p, pick),)
    yield "regime.trend_class", (regime.trend_class(p, pick),)
    yield "regime.liquidity_class", (regime.liquidity_class(p, pick),)
    yield "regime.tpsl_class", (regime.tpsl_class(p, c.trend, close, 0.7, 0.3, float(g.choice([0.1, 0.2, 0.3]))),)
    yield "regime.sizer_class", (regime.sizer_class(c.volatility, c.trend),)


def _tpsl(g: Draw) -> Iterator[tuple[str, Any]]:
    p = dynamic_tpsl.Params(mode=int(g.choice([0, 3])))
    atr = _maybe_nan(g, float(g.choice([0.0, g.uniform(0.001, 0.05)])))
    d = dynamic_tpsl.distances(p, atr, int(g.integers(3)), int(g.integers(4)))
    yield "dynamic_tpsl.distances", d
    yield "dynamic_tpsl.measured", dynamic_tpsl.measured(p, atr, int(g.integers(3)), int(g.integers(4)))
    yield "dynamic_tpsl.shaped", dynamic_tpsl.shaped(p, d, float(g.uniform(0.5, 1.5)), float(g.uniform(0.5, 1.5)))
    yield "dynamic_tpsl.trails", (dynamic_tpsl.trails(p),)
    side, entry, tick = _side(g), float(g.uniform(0.5, 5e4)), _tick(g)
    stop = dynamic_tpsl.stop_price(side, entry, d.sl_fraction, tick)
    yield "dynamic_tpsl.stop_price", (stop,)
    yield "dynamic_tpsl.target_price", (dynamic_tpsl.target_price(side, entry, d.tp_fraction, tick),)
    yield "dynamic_tpsl.tighten", (dynamic_tpsl.tighten(side, stop, entry),)
    best = entry * (1.0 + side * float(g.uniform(0.0, 0.05)))
    numbers = (float(g.uniform(-0.01, 0.03)), float(g.uniform(-1.0, 3.0)), abs(entry - stop), 0.0012, tick)
    yield "dynamic_tpsl.trail", dynamic_tpsl.trail(p, side, entry, stop, int(g.integers(2)), best, best, *numbers)


def _risk(g: Draw) -> Iterator[tuple[str, Any]]:
    p = risk_os.Params(max_margin_fraction=float(g.choice([0.0, 0.02])))
    equity = float(g.uniform(-100.0, 20_000.0))
    used = float(g.uniform(0.0, 1.0)) * equity
    a = risk_os.Account(
        equity, equity - used, used, int(g.integers(60)), float(g.uniform(0.0, 0.1)), int(g.integers(9)),
        int(g.integers(3)) // 2, int(g.integers(4)) // 3,
    )  # fmt: skip
    price = _maybe_nan(g, float(g.choice([0.0, 1.0, 37_123.4]) or g.uniform(0.1, 5e4)))
    q = risk_os.Ask(
        price, float(g.uniform(0.002, 0.05)), float(g.uniform(5.0, 500.0)), float(g.uniform(0.5, 12.0)),
        float(g.choice([1.0, 0.5])), float(g.uniform(0.001, 0.02)), 0.0012, float(g.choice([1.0, 20.0, 125.0])),
        int(g.integers(3)), int(g.integers(2)),
    )  # fmt: skip
    lot = float(g.choice([0.0, 0.001, 1.0]))
    yield "risk_os.size", risk_os.size(p, a, q, lot, 1e6, float(g.choice([5.0, 100.0])))
    yield "risk_os.unbound", risk_os.unbound(q, lot, 1e6)
    yield "risk_os.gate", (risk_os.gate(p, a),)
    yield "risk_os.leverage_cap", (risk_os.leverage_cap(p, q.vol_class, q.defensive, q.bracket_leverage),)
    yield "risk_os.streak_factor", (risk_os.streak_factor(p, a.losing_streak),)
    yield "risk_os.max_margin", (risk_os.max_margin(p, equity),)
    yield "risk_os.error_burst", (risk_os.error_burst(p, int(g.integers(20))),)


def _governor(g: Draw) -> Iterator[tuple[str, Any]]:
    p = safety_governor.Params(mode=int(g.choice([0, 3, 3])))
    qty, price, lev = float(g.uniform(-0.1, 3.0)), float(g.uniform(0.0, 300.0)), float(g.uniform(1.0, 6.0))
    margin = qty * price / lev
    o = safety_governor.Order(
        _side(g), _maybe_nan(g, qty), price, lev, float(g.uniform(0.0, 0.3)), 0.02, margin, qty * price,
        int(g.integers(2)), int(g.integers(2)), int(g.integers(2)),
    )  # fmt: skip
    state = (float(g.uniform(0.0, 10_000.0)), float(g.uniform(0.0, 0.07)), int(g.integers(3)))
    yield "safety_governor.review", safety_governor.review(p, o, *state, 0.0012)
    yield "safety_governor.check", (safety_governor.check(p, o, *state, margin * 0.01),)


def brackets_of(g: Draw, n: int) -> np.ndarray:
    """``n`` brackets with rising rates and the ``cum`` that makes the maintenance margin continuous."""
    rows = np.zeros((1, MAX_BRACKETS), dtype=BRACKET_DT)
    edges = np.cumsum(g.uniform(1e3, 1e5, n - 1))
    rate = np.sort(g.uniform(0.004, 0.2, n))
    rows["notional_floor"][0, :n] = np.append(0.0, edges)
    rows["notional_cap"][0, :n] = np.append(edges, np.inf)
    rows["maintenance_rate"][0, :n] = rate
    rows["cum"][0, :n] = np.cumsum(np.append(0.0, edges * np.diff(rate)))
    rows["max_leverage"][0, :n] = np.linspace(50.0, 2.0, n)
    return rows


def _account(g: Draw, qty: float, price: float) -> tuple[Any, Any]:
    fund, v = records(np.zeros(1, rec.VENUE_FUND_DT)), records(np.zeros(1, rec.VENUE_SYMBOL_DT))
    fund["free_usd"], fund["margin_usd"] = g.uniform(0.0, 5e3), abs(qty) * price / 5.0
    v["qty"], v["avg_price"], v["margin_usd"] = qty, price, abs(qty) * price / 5.0
    return fund, v


def _ledger(g: Draw) -> Iterator[tuple[str, Any]]:
    n = int(g.integers(1, 6))
    b = records(brackets_of(g, n))
    qty, price = _side(g) * float(g.uniform(0.01, 50.0)), float(g.uniform(1.0, 5e3))
    notional = float(g.choice([abs(qty) * price, b["notional_floor"][0, n - 1], 0.0]))
    yield "ledger.bracket_at", ledger.bracket_at(b, n, 0, notional)
    yield "ledger.maintenance_margin", (ledger.maintenance_margin(b, n, 0, notional),)
    backing = float(g.uniform(0.0, 1.0)) * abs(qty) * price
    yield "ledger.liquidation_price", (ledger.liquidation_price(b, n, 0, float(g.choice([qty, 0.0])), price, backing),)
    move = price * float(g.uniform(0.6, 1.4))
    part = abs(qty) * float(g.choice([1.0, 0.3]))
    calls: tuple[tuple[str, Callable[[Any, Any], Any]], ...] = (
        ("book_open", lambda f, v: ledger.book_open(f, v, 1 if qty > 0 else -1, part, move, 1.5, 5.0)),
        ("book_reduce", lambda f, v: ledger.book_reduce(f, v, part, move, 1.5, bool(g.random() < 0.5))),
        ("book_funding", lambda f, v: (ledger.book_funding(f, v, move, float(g.uniform(-0.5, 0.5)), qty > 10.0),)),
    )
    for name, call in calls:
        fund, v = _account(g, qty, price)
        booked = call(fund[0], v[0])
        after = [fund[n][0] for n in ("free_usd", "margin_usd")] + [v[n][0] for n in ("qty", "avg_price", "margin_usd")]
        yield f"ledger.{name}", (*booked, *after)


def _rules(g: Draw) -> Iterator[tuple[str, Any]]:
    p = rules.Params()
    u = [_maybe_nan(g, float(x)) for x in g.uniform(0.0, 1.0, 6)]
    yield "rules.ramp", (rules.ramp(u[0], 0.2, 0.8),)
    yield "rules.trend_rule", (rules.trend_rule(p, 50 * u[0], u[1], u[2], 0.02 * (u[3] - 0.5), 0.01),)
    yield "rules.mean_reversion_rule", (rules.mean_reversion_rule(p, u[0], 100 * u[1], 60 * u[2]),)
    yield "rules.breakout_rule", (rules.breakout_rule(p, u[0], 0.7, 0.3, u[1], 2 * u[2]),)
    yield "rules.range_rule", (rules.range_rule(p, u[0], 50 * u[1]),)
    yield "rules.class_probabilities", rules.class_probabilities(p, 2.0 * float(g.random()) - 1.0)


def _numerics(g: Draw) -> Iterator[tuple[str, Any]]:
    x, step = float(g.uniform(-1e4, 1e4)), float(g.choice([0.0, 0.1, 0.003, 1e-8]))
    x = round(x / 0.1) * 0.1 if g.random() < 0.5 else x
    yield "numerics.floor_step", (numerics.floor_step(x, step),)
    yield "numerics.times_step", (numerics.times_step(float(round(x)), step),)
    yield "numerics.ceil_step", (numerics.ceil_step(x, step),)
    yield "numerics.clip", (numerics.clip(_maybe_nan(g, x), -10.0, 10.0),)
    yield "numerics.is_finite", (numerics.is_finite(float(g.choice([x, np.nan, np.inf, -np.inf]))),)
    word = np.uint64(g.integers(0, 2**63))
    mixed = int(rng.mix(word))
    yield "rng.mix", (mixed >> 32, mixed & 0xFFFFFFFF)
    yield "rng.draw", (rng.draw(word, np.uint64(7), int(g.integers(0, 2**40)), int(g.integers(5))),)


PARTS = (
    _ensemble, _regime, _tpsl, _risk, _governor, _ledger, _rules, _numerics,
    *(table.entries for table in MORE),
)  # fmt: skip


def kernel_table(seed: int = 0) -> dict[str, np.ndarray]:
    """Outputs ``[N, K]`` float64 of every kernel under its name."""
    rows: dict[str, list[list[float]]] = {}
    for k, part in enumerate(PARTS):
        g = np.random.Generator(np.random.PCG64(1000 * seed + k))
        for _ in range(N):
            for name, values in part(g):
                rows.setdefault(name, []).append([float(x) for x in values])
    return {name: np.array(values) for name, values in rows.items()}
