"""Kernels of modules 11, 19, 20, 21, 22 and of what both Q-tables share, for the table of compiled = interpreted."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from qt_core import learning
from qt_core.codes import (
    CTX_BOLLINGER_POSITION,
    CTX_COLUMNS,
    CTX_DONCHIAN_HIGH,
    CTX_DONCHIAN_LOW,
    CTX_EMA_RATIO,
    CTX_RANGE_POSITION,
)
from qt_core.context import universe
from qt_core.selection import meta_strategy, opportunity_ranker
from qt_core.sizing import mathematician, rl_sizer

MODULES = (learning, rl_sizer, mathematician, meta_strategy, opportunity_ranker, universe)
Draw = np.random.Generator
NAN_SHARE = 0.08
Entry = tuple[str, Any]


def _maybe_nan(g: Draw, x: float) -> float:
    return float("nan") if g.random() < NAN_SHARE else float(x)


def _q(g: Draw, rows: int, columns: int) -> np.ndarray:
    q = g.normal(0.0, 1.0, (rows, columns)) * (g.random((rows, columns)) < 0.5)
    q[g.random((rows, columns)) < NAN_SHARE] = g.choice([np.nan, np.inf, -np.inf])
    return q


def _learning(g: Draw) -> Iterator[Entry]:
    q, reward, k = _maybe_nan(g, g.normal()), _maybe_nan(g, g.normal(0.0, 2.0)), int(g.integers(500))
    yield "learning.known", (learning.known(q),)
    yield "learning.decayed", (learning.decayed(0.1, float(g.choice([0.0, 0.05])), float(g.choice([0.0, 0.01])), k),)
    yield "learning.moved", (learning.moved(q, reward, float(g.random())),)
    yield "learning.explores", (learning.explores(0.3, float(g.random()), _maybe_nan(g, g.random())),)
    yield "learning.place", (learning.place(float(g.random()), int(g.integers(1, 26))),)
    yield "learning.learns", (learning.learns(int(g.choice([0, 3])), int(g.integers(3)), int(g.integers(16))),)


def _sizer(g: Draw) -> Iterator[Entry]:
    p = rl_sizer.Params(
        mode=int(g.choice([0, 3, 3])), pnl_base=int(g.integers(2)), neutral_multiplier=float(g.choice([1.0, 0.5])),
        epsilon_decay=0.01, alpha_decay=0.02, alpha_min=0.05, learning=int(g.integers(3)),
    )  # fmt: skip
    limits = rl_sizer.Limits(
        float(g.choice([200.0, 666.67])), float(g.choice([10.0, 80.0])), float(g.choice([300.0, 1000.0])),
        float(g.choice([1.0, 3.0])), _maybe_nan(g, g.choice([5.0, 3.0, 2.0, 0.5, 10.0])),
    )  # fmt: skip
    cell = [int(g.integers(n)) for n in (5, 5, 4, 3)]
    state, q = rl_sizer.state_index(*cell), _q(g, rl_sizer.N_STATES, rl_sizer.N_ACTIONS)
    action, k = int(g.integers(25)), int(g.integers(300))
    u, v = float(g.random()), _maybe_nan(g, g.random())
    pnl = _maybe_nan(g, g.normal(0.0, 3.0))
    yield "rl_sizer.state_index", (state,)
    yield "rl_sizer.confidence_class", (rl_sizer.confidence_class(p, _maybe_nan(g, g.random())),)
    recent = (int(g.integers(30)), int(g.integers(21)), _maybe_nan(g, g.normal(0.0, 4.0)))
    yield "rl_sizer.performance_class", (rl_sizer.performance_class(p, *recent),)
    yield "rl_sizer.multiplier_at", (rl_sizer.multiplier_at(p, action // 5),)
    yield "rl_sizer.action_parts", rl_sizer.action_parts(p, action)
    filled = (_maybe_nan(g, g.uniform(0.0, 2.0)), _maybe_nan(g, g.uniform(0.5, 7.0)))
    yield "rl_sizer.nearest_action", (rl_sizer.nearest_action(p, *filled),)
    yield "rl_sizer.neutral", rl_sizer.neutral(p)
    yield "rl_sizer.valid", (rl_sizer.valid(p, action, limits),)
    yield "rl_sizer.greedy", (rl_sizer.greedy(p, q, state, limits),)
    yield "rl_sizer.drawn", (rl_sizer.drawn(p, limits, u),)
    yield "rl_sizer.choose", rl_sizer.choose(p, q, state, limits, 0.5, u, v)
    yield "rl_sizer.pnl_percent", (rl_sizer.pnl_percent(p, pnl, 200.0, float(g.uniform(10.0, 300.0))),)
    yield "rl_sizer.reward", (rl_sizer.reward(p, pnl, float(g.uniform(0.0, 90.0)), float(g.uniform(0.0, 9.0))),)
    yield "learning.epsilon_at", (learning.epsilon_at(p, k),)
    yield "learning.alpha_at", (learning.alpha_at(p, k),)
    yield "rl_sizer.learns", (rl_sizer.learns(p, int(g.integers(16))),)


def _mathematician(g: Draw) -> Iterator[Entry]:
    p = mathematician.Params(mode=int(g.choice([0, 2, 3, 3])))
    s = mathematician.Stats(
        int(g.choice([0, 19, 20, 90])), _maybe_nan(g, g.random()), _maybe_nan(g, g.uniform(0.0, 4.0)),
        _maybe_nan(g, g.uniform(0.1, 2.0)),
    )  # fmt: skip
    w, win, loss, cap = (
        float(g.random()),
        float(g.uniform(0.5, 5.0)),
        float(g.uniform(0.5, 2.0)),
        float(g.uniform(1, 10)),
    )
    equity, atr, at = (
        _maybe_nan(g, g.uniform(100.0, 2e4)),
        _maybe_nan(g, g.uniform(0.0, 0.04)),
        float(g.uniform(0.002, 0.05)),
    )
    vol, trend, performance = (int(x) for x in g.integers(0, 3, 3))
    asked = (float(g.uniform(10.0, 900.0)), float(g.uniform(1.0, 9.0)))
    advice = mathematician.advise(p, equity, at, atr, vol, trend, s, performance, cap, asked[0], 300.0)
    believed = mathematician.believed(p, s)
    yield "mathematician.believed", believed
    yield "mathematician.kelly", (mathematician.kelly(w, win, loss),)
    yield "mathematician.optimal_leverage", (mathematician.optimal_leverage(w, win, loss, cap),)
    yield "mathematician.adaptive_leverage", (mathematician.adaptive_leverage(p, performance, _maybe_nan(g, cap)),)
    yield "mathematician.stop", mathematician.stop(p, atr, vol, _maybe_nan(g, at))
    yield "mathematician.reward_risk", (mathematician.reward_risk(p, w),)
    yield "mathematician.margin_for", (mathematician.margin_for(p, 1e4 * w, at, cap, w - 0.5, s.n),)
    yield "mathematician.plan", mathematician.plan(asked[0], cap, 2.0 * at, at)
    yield "mathematician.confidence", (mathematician.confidence(p, believed),)
    yield "mathematician.agreement", (mathematician.agreement(p, 200.0, _maybe_nan(g, asked[0])),)
    yield "mathematician.silent", mathematician.silent(p, _maybe_nan(g, asked[0]))
    yield "mathematician.advise", advice
    yield "mathematician.capped", mathematician.capped(p, advice, *asked)


def _features(g: Draw) -> np.ndarray:
    ctx = g.random((1, 1, CTX_COLUMNS)) * 100.0
    ctx[0, 0, CTX_DONCHIAN_HIGH], ctx[0, 0, CTX_DONCHIAN_LOW] = 102.0, 98.0
    for position in (CTX_BOLLINGER_POSITION, CTX_RANGE_POSITION):
        ctx[0, 0, position] = g.random()
    ctx[0, 0, CTX_EMA_RATIO] = g.normal(0.0, 0.002)
    ctx[0, 0, int(g.integers(CTX_COLUMNS))] = _maybe_nan(g, 50.0)
    return ctx


def _strategy(g: Draw) -> Iterator[Entry]:
    p = meta_strategy.Params(mode=int(g.choice([0, 3, 3, 3])), epsilon_decay=0.01, alpha_decay=0.02, epsilon_min=0.02)
    vol, trend, liquidity = (int(x) for x in g.integers(0, 3, 3))
    state, q = meta_strategy.state_index(vol, trend, liquidity), _q(g, 27, 4)
    fitting, allowed, s = meta_strategy.fit(vol, trend), int(g.integers(16)), int(g.integers(-1, 4))
    u, v, r = float(g.random()), _maybe_nan(g, g.random()), _maybe_nan(g, g.normal(0.0, 4.0))
    x = [_maybe_nan(g, float(y)) for y in g.random(6)]
    close = 100.0 + float(g.uniform(-3.0, 3.0))
    yield "meta_strategy.state_index", (state,)
    yield "meta_strategy.fit", (fitting,)
    yield "meta_strategy.side_bits", (meta_strategy.side_bits(u < 0.5, v < 0.5),)
    yield "meta_strategy.trend_sides", (meta_strategy.trend_sides(p, 0.01 * (x[0] - 0.5), 40 * x[1], 40 * x[2]),)
    yield "meta_strategy.revert_sides", (meta_strategy.revert_sides(p, x[0], 100.0 * x[1]),)
    yield "meta_strategy.breakout_sides", (meta_strategy.breakout_sides(p, close, 102.0 + x[2], 98.0 - x[3]),)
    yield "meta_strategy.range_sides", (meta_strategy.range_sides(p, x[4]),)
    yield "meta_strategy.sides", (meta_strategy.sides(p, s, _features(g), 0, 0, close),)
    yield "meta_strategy.shape", meta_strategy.shape(p, s)
    yield "meta_strategy.greedy", (meta_strategy.greedy(p, q, state, fitting, allowed),)
    yield "meta_strategy.drawn", (meta_strategy.drawn(allowed, u),)
    yield "meta_strategy.choose", meta_strategy.choose(p, q, state, fitting, allowed, 0.5, u, v)
    yield "meta_strategy.clipped", (meta_strategy.clipped(p, r),)
    yield "meta_strategy.learns", (meta_strategy.learns(p, int(g.integers(16))),)


def _ranker(g: Draw) -> Iterator[Entry]:
    p = opportunity_ranker.Params(mode=int(g.choice([0, 3, 3])))
    scale = (1.0, 1.0, 2.0, 0.002, 1.0, 2.0)
    x = opportunity_ranker.Inputs(*(_maybe_nan(g, k * float(g.uniform(-0.2, 1.0))) for k in scale))
    value = opportunity_ranker.score(p, x)
    mark = float(g.choice([value, 0.65, 0.80, np.nan, 0.7]))
    yield "opportunity_ranker.share", (opportunity_ranker.share(_maybe_nan(g, g.uniform(-0.5, 1.5))),)
    yield "opportunity_ranker.win_rate", (opportunity_ranker.win_rate(p, int(g.integers(20)), int(g.integers(20, 50))),)
    yield "opportunity_ranker.score", (value,)
    yield "opportunity_ranker.priority", (opportunity_ranker.priority(p, mark),)


def _universe(g: Draw) -> Iterator[Entry]:
    p = universe.Params(mode=int(g.choice([0, 3, 3, 3])))
    volume, ratio = _maybe_nan(g, g.uniform(0.0, 2e6)), _maybe_nan(g, g.choice([0.0, 0.5, 2.0]))
    flags = (int(g.random() < 0.1), int(g.random() < 0.9))
    depth, rank, mode = float(g.choice([np.nan, 100.0, 900.0])), int(g.integers(40)), int(g.integers(4))
    yield "universe.median_volume", (universe.median_volume(volume, ratio),)
    yield "universe.tier", (universe.tier(p, flags[0], rank, volume * ratio),)
    yield "universe.admits", (universe.admits(p, flags[0], volume, depth, flags[1]),)
    yield "universe.spread_ok", (universe.spread_ok(p, _maybe_nan(g, g.uniform(0.0, 0.01))),)
    yield "universe.active_count", (universe.active_count(p, mode),)
    yield "universe.is_active", (universe.is_active(p, mode, int(g.integers(4)), rank, flags[0]),)


def entries(g: Draw) -> Iterator[Entry]:
    """Every kernel of these modules once, on inputs drawn from ``g``."""
    for part in (_learning, _sizer, _mathematician, _strategy, _ranker, _universe):
        yield from part(g)
