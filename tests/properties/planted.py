"""A planted world for the whole engine: two regimes with their own best strategy, two confidences with their own best size.

Hours in episodes of four: a call at the first close, a path, and the price is back at 100. In regime A a good path rises by
3.5 %, so that the widest target earns most; in B it rises by 1.7 % and falls through the stop, so that the target at 1.5 %
does. Calls of high confidence are mostly good, calls of medium confidence mostly bad.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from qt_core.codes import (
    CTX_ADX,
    CTX_ATR_PCT,
    CTX_ATR_PCTILE,
    CTX_BOLLINGER_POSITION,
    CTX_COLUMNS,
    CTX_DONCHIAN_HIGH,
    CTX_DONCHIAN_LOW,
    CTX_EMA_RATIO,
    CTX_LIQUIDITY_RATIO,
    CTX_MINUS_DI,
    CTX_PLUS_DI,
    CTX_RANGE_POSITION,
    CTX_RSI,
    LIQUIDITY_NORMAL,
    PERFORMANCE_NEUTRAL,
    RANGE_BOUND,
    TREND_FOLLOW,
    TREND_MODERATE,
    VOL_HIGH,
    VOL_LOW,
)
from qt_core.config import Config, load_config
from qt_core.features.context import ChainContext
from qt_core.market import Market, make_market
from qt_core.selection import meta_strategy
from qt_core.signal.tape import SignalTape
from qt_core.sizing import rl_sizer
from qt_core.tables import QTables, greedy_actions
from tests.foundation import foundation
from tests.modules.scene import FREE, HOUR_MS, START_MS

A, B = 0, 1
EPISODE = 4  # bars
FLAT = (100.0, 100.0, 100.0, 100.0)
GOOD = {
    A: (FLAT, (100.0, 103.5, 99.6, 103.0), (103.0, 103.0, 100.0, 100.0), FLAT),
    B: (FLAT, (100.0, 101.7, 99.6, 101.5), (101.5, 101.5, 98.0, 98.5), (98.5, 100.0, 98.5, 100.0)),
}
BAD = (FLAT, (100.0, 100.2, 98.5, 99.0), (99.0, 100.0, 99.0, 100.0), FLAT)
# on every row: all four rules allow to buy, the trend is moderate, liquidity normal
ROW = {
    CTX_ADX: 22.0,
    CTX_PLUS_DI: 30.0,
    CTX_MINUS_DI: 10.0,
    CTX_EMA_RATIO: 0.01,
    CTX_BOLLINGER_POSITION: 0.1,
    CTX_RSI: 40.0,
    CTX_DONCHIAN_HIGH: 100.0,
    CTX_DONCHIAN_LOW: 90.0,
    CTX_RANGE_POSITION: 0.1,
    CTX_LIQUIDITY_RATIO: 1.0,
}
HIGH, MEDIUM = 0.6, 0.4  # confidence of a call
# stop at 1 % in both regimes; targets at 3, 1, 2 and 1.5 % by strategy
CONFIG: dict[str, Any] = {
    "chain": {"initial_equity_usd": 1e6, "max_candidates": 32},
    "ensemble": {"threshold": 0.36},
    "tpsl": {"mode": "enforced", "sl_anchor": 0.015, "tp_anchor": 0.02, "trail_activation_roi": 1.0},
    "sizer": {"mode": "enforced", "performance_good": 10.0, "performance_bad": -10.0},
    "strategy": {
        "mode": "enforced",
        **dict.fromkeys(("trend_sl", "revert_sl", "breakout_sl", "range_sl"), 1.0),
        **{"trend_tp": 1.5, "revert_tp": 0.5, "breakout_tp": 1.0, "range_tp": 0.75},
    },
    "risk": {"mode": "off"},
    "governor": {"mode": "off"},
    "venue": FREE,
}
PLANTED_STRATEGY = {A: TREND_FOLLOW, B: RANGE_BOUND}  # the ones that fit are BREAKOUT and MEAN_REVERSION
PLANTED_SIZE = {HIGH: 24, MEDIUM: 0}  # 1.5 x at 5x, 0.3 x at 1x


@dataclass(frozen=True)
class Planted:
    """The world's inputs."""

    market: Market
    tape: SignalTape
    context: ChainContext


@cache
def planted(seed: int, n_symbols: int = 24, episodes: int = 250, noise: float = 0.05) -> Planted:
    """Regime, confidence and luck drawn by symbol and episode."""
    g = np.random.Generator(np.random.PCG64(seed))
    shape = (episodes, n_symbols)
    regime, high = (g.random(shape) < 0.5).astype(int), g.random(shape) < 0.5
    good = high ^ (g.random(shape) < noise)
    paths = np.array([GOOD[A], GOOD[B], BAD])  # [3, 4 bars, 4 prices]
    prices = paths[np.where(good, regime, 2)].transpose(0, 2, 1, 3).reshape(episodes * EPISODE, n_symbols, 4)
    n_bars = len(prices)
    columns = {name: prices[..., k].copy() for k, name in enumerate(("open", "high", "low", "close"))}
    market = make_market(
        [f"S{k:02d}" for k in range(n_symbols)],
        START_MS + HOUR_MS * np.arange(n_bars, dtype=np.int64),
        {**columns, "volume": np.full((n_bars, n_symbols), 1e9)},
        timeframe_ms=HOUR_MS,
        simulated=True,
    )
    return Planted(market, _tape(high), ChainContext(_context(regime), np.ones((n_bars, n_symbols), np.bool_)))


def _context(regime: np.ndarray) -> np.ndarray:
    by_bar = np.repeat(regime, EPISODE, axis=0)
    values = np.full((*by_bar.shape, CTX_COLUMNS), np.nan)
    for column, value in ROW.items():
        values[..., column] = value
    values[..., CTX_ATR_PCTILE] = np.where(by_bar == A, 0.1, 0.9)
    values[..., CTX_ATR_PCT] = np.where(by_bar == A, 0.01 / 1.5, 0.01 / 2.0)
    return values


def _tape(high: np.ndarray) -> SignalTape:
    n_bars, n = len(high) * EPISODE, high.shape[1]
    proba = np.zeros((n_bars, n, 4, 3), np.float32)
    proba[..., 1] = 1.0
    buy = np.where(high, HIGH, MEDIUM)[..., None]
    proba[::EPISODE, :, :, 2] = buy
    proba[::EPISODE, :, :, 1] = 0.75 * (1.0 - buy)
    proba[::EPISODE, :, :, 0] = 0.25 * (1.0 - buy)
    return SignalTape(proba, np.ones((n_bars, n, 4), np.bool_), np.zeros((n_bars, 4), np.int64))


def config_of(**changes: Any) -> Config:
    """The foundation with 19 and 21; changes to both of them put over it."""
    raw = {k: dict(v) for k, v in CONFIG.items()}
    for name in ("sizer", "strategy"):
        raw[name].update(changes)
    return load_config(foundation(raw))


def found_strategies(tables: QTables) -> bool:
    """The greedy strategy of both regimes is the planted one."""
    greedy = greedy_actions(tables, "strategy")
    rows = {k: meta_strategy.state_index(v, TREND_MODERATE, LIQUIDITY_NORMAL) for k, v in ((A, VOL_LOW), (B, VOL_HIGH))}
    return all(greedy[rows[k]] == PLANTED_STRATEGY[k] for k in rows)


def found_sizes(tables: QTables) -> bool:
    """The greedy size of both confidences is the planted one."""
    greedy = greedy_actions(tables, "size")
    classes = {HIGH: 3, MEDIUM: 2}
    rows = {k: rl_sizer.state_index(4, c, 0, PERFORMANCE_NEUTRAL) for k, c in classes.items()}
    return all(greedy[rows[k]] == PLANTED_SIZE[k] for k in rows)
