"""Made-up markets whose truth is known: a planted edge of a given Sharpe ratio, or a random walk.

Symbols share a common factor. In the planted world the drift of the next bar follows each symbol's own recent returns, so
feature rows and windows of returns both hold all there is to know. Constant volatility, no funding, no fat tails: what the
pipeline cannot find here it finds nowhere.
"""

from typing import NamedTuple

import numpy as np

from qt_core.market import FloatArray, Market, make_market
from qt_core.metrics import DAYS_PER_YEAR

HOUR_MS = 3_600_000
START_MS = 1_009_843_200_000  # 2002-01-01


class WorldParams(NamedTuple):
    """Shape of the made-up market."""

    n_symbols: int = 2
    n_bars: int = 43_800  # 40 years: two that move together say hardly more than one
    timeframe_ms: int = 8 * HOUR_MS
    substeps: int = 8  # inside a bar
    volatility: float = 0.008  # of a bar's log return
    correlation: float = 0.6  # between symbols
    half_life_bars: float = 12.0  # of the trend that drift follows
    sharpe: float = 1.75  # of who holds the planted drift, before costs, annual; 0 = a random walk


class World(NamedTuple):
    """A market and what is true in it."""

    market: Market
    drift: FloatArray  # [T, N] expected log return of the bar after each, known at its close
    oracle_sharpe: float  # annual Sharpe ratio of holding the drift, before costs; NaN in a random walk
    fair_close: FloatArray  # [T, N] closes of the same noise without the drift: whoever holds anything earns nothing


def make_world(p: WorldParams, seed: int) -> World:
    """The world of a seed. With ``p.sharpe`` > 0 the drift's size is set so that its oracle earned that ratio in this very
    sample, within 0.02.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    noise = _noise(rng, p)
    if p.sharpe <= 0.0:
        none = np.zeros(noise.shape[::2])
        market = _market(rng, p, noise, none)
        return World(market, none, float("nan"), market.close)
    low, high = 0.0, 0.5  # of a bar's volatility
    for _ in range(24):
        size = 0.5 * (low + high)
        drift = _drift(p, noise.sum(axis=1), size)
        earned = _oracle(p, noise.sum(axis=1), drift)
        if abs(earned - p.sharpe) < 0.02:
            break
        low, high = (size, high) if earned < p.sharpe else (low, size)
    return World(_market(rng, p, noise, drift), drift, earned, _prices(p, noise, np.zeros_like(drift))[:, -1])


def _noise(rng: np.random.Generator, p: WorldParams) -> FloatArray:
    """Log returns of the sub-steps without drift, ``[T, substeps, N]``."""
    shape = (p.n_bars, p.substeps)
    common = rng.standard_normal(shape)[..., None]
    own = rng.standard_normal((*shape, p.n_symbols))
    unit = np.sqrt(p.correlation) * common + np.sqrt(1.0 - p.correlation) * own
    return unit * p.volatility / np.sqrt(p.substeps)


def _drift(p: WorldParams, noise: FloatArray, size: float) -> FloatArray:
    """Drift of the bar after each one, ``[T, N]``: ``size`` x volatility x tanh of the recent mean return."""
    keep = 0.5 ** (1.0 / p.half_life_bars)
    spread = p.volatility * np.sqrt((1.0 - keep) / (1.0 + keep))  # of the average in a random walk
    drift = np.zeros_like(noise)
    average = np.zeros(p.n_symbols)
    expected = np.zeros(p.n_symbols)
    for t in range(len(noise)):
        average = keep * average + (1.0 - keep) * (noise[t] + expected)
        expected = size * p.volatility * np.tanh(average / spread)
        drift[t] = expected
    return drift


def _oracle(p: WorldParams, noise: FloatArray, drift: FloatArray) -> float:
    """Annual Sharpe ratio of holding the drift from each close to the next."""
    earned = (drift[:-1] * (noise[1:] + drift[:-1])).sum(axis=1)
    bars_per_year = DAYS_PER_YEAR * 24 * HOUR_MS / p.timeframe_ms
    return float(earned.mean() / earned.std() * np.sqrt(bars_per_year)) if earned.std() > 0.0 else 0.0


def _prices(p: WorldParams, noise: FloatArray, drift: FloatArray) -> FloatArray:
    """Prices at the end of every sub-step ``[T, substeps, N]``; the price, not its logarithm, is fair without drift: no
    free profit for who is long.
    """
    steps = noise - 0.5 * p.volatility**2 / p.substeps
    steps[1:] += drift[:-1, None, :] / p.substeps
    path = np.cumsum(steps.reshape(-1, p.n_symbols), axis=0).reshape(noise.shape)
    price: FloatArray = 100.0 * np.exp(path)
    return price


def _market(rng: np.random.Generator, p: WorldParams, noise: FloatArray, drift: FloatArray) -> Market:
    """Open, high, low and close read off the walk; a bar opens where the one before closed."""
    price = _prices(p, noise, drift)
    close = price[:, -1]
    first = np.vstack([np.full((1, p.n_symbols), 100.0), close[:-1]])
    high, low = np.maximum(first, price.max(axis=1)), np.minimum(first, price.min(axis=1))
    volume = np.exp(rng.normal(0.0, 0.5, close.shape)) * 1e6 / close
    names = [f"CTRL{k + 1:02d}USDT" for k in range(p.n_symbols)]
    time = START_MS + p.timeframe_ms * np.arange(p.n_bars, dtype=np.int64)
    return make_market(
        names,
        time,
        {"open": first, "high": high, "low": low, "close": close, "volume": volume},
        timeframe_ms=p.timeframe_ms,
        quote_volume=volume * close,
        simulated=True,
        source="control world",
        notes=("SIMULATED: a control with known truth",),
    )
