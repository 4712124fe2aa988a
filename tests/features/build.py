"""Markets for the feature tests: made-up bars of any price level, and comparisons that name the column."""

import numpy as np

from qt_core.features.frame import FeatureFrame
from qt_core.market import Market, make_market

HOUR_MS = 3_600_000
START_MS = 1_609_459_200_000  # 2021-01-01T00:00Z


def walk(
    n_bars: int,
    symbols: int = 1,
    *,
    seed: int = 0,
    level: float = 100.0,
    sigma: float = 0.01,
    timeframe_ms: int = HOUR_MS,
    funding: bool = True,
    start_ms: int = START_MS,
) -> Market:
    """Random walks with ragged candles, ties, doji, flat bars and bars without volume."""
    rng = np.random.default_rng(seed)
    shape = (n_bars, symbols)
    close = level * np.exp(np.cumsum(rng.normal(0.0, sigma, shape), axis=0))
    open_ = np.vstack([close[:1], close[:-1]])
    open_ = np.where(rng.random(shape) < 0.1, close, open_)
    high = np.maximum(open_, close) * (1.0 + rng.exponential(sigma / 2, shape) * (rng.random(shape) < 0.9))
    low = np.minimum(open_, close) * (
        1.0 - np.minimum(rng.exponential(sigma / 2, shape), 0.5) * (rng.random(shape) < 0.9)
    )
    flat = rng.random(shape) < 0.02
    open_, high, low = (np.where(flat, close, x) for x in (open_, high, low))
    volume = rng.lognormal(5.0, 1.0, shape) * (rng.random(shape) > 0.03)
    time = start_ms + np.arange(n_bars, dtype=np.int64) * timeframe_ms
    columns = {"open": open_, "high": high, "low": low, "close": close, "volume": volume}
    names = [f"S{k:02d}USDT" for k in range(symbols)]
    settlements = _settlements(rng, time, symbols, timeframe_ms) if funding else None
    return make_market(names, time, columns, timeframe_ms=timeframe_ms, funding=settlements)


def _settlements(
    rng: np.random.Generator, time: np.ndarray, symbols: int, timeframe_ms: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every 8 h, a few ms late, the last symbol never."""
    due = np.arange(time[0], time[-1] + timeframe_ms, 8 * HOUR_MS)
    times = np.repeat(due, max(symbols - 1, 1)) + rng.integers(0, 9, len(due) * max(symbols - 1, 1))
    who = np.tile(np.arange(max(symbols - 1, 1)), len(due))
    return times, who, rng.normal(1e-4, 1e-4, len(times))


def with_holes(market: Market, holes: "list[tuple[int, int, int]]") -> Market:
    """Return a copy with bars ``[first, last)`` of a symbol missing, for every (symbol, first, last)."""
    columns = {k: getattr(market, k).copy() for k in ("open", "high", "low", "close", "volume")}
    for i, first, last in holes:
        for column in columns.values():
            column[first:last, i] = np.nan
    return make_market(
        market.symbols,
        market.time,
        columns,
        timeframe_ms=market.timeframe_ms,
        quote_volume=market.quote_volume,
        funding=(market.funding_time_ms, market.funding_symbol, market.funding_rate),
    )


def columns_of(market: Market, i: int) -> dict[str, np.ndarray]:
    """Valid bars of one symbol as contiguous columns."""
    keep = market.valid[:, i]
    names = ("open", "high", "low", "close", "volume", "quote_volume")
    out = {k: np.ascontiguousarray(getattr(market, k)[keep, i]) for k in names}
    return {**out, "time": market.time[keep]}


def assert_close(name: str, got: np.ndarray, expected: np.ndarray, scale: float = 0.0, rel: float = 1e-9) -> None:
    """Equal within ``rel`` of the value, or of ``scale`` where the value itself is smaller; NaN at the same places."""
    unlike = np.flatnonzero(np.isnan(got) != np.isnan(expected))
    assert len(unlike) == 0, f"{name}: NaN differs at bar {unlike[0]}: {got[unlike[0]]} for {expected[unlike[0]]}"
    error = np.abs(got - expected) / np.maximum(np.maximum(np.abs(expected), scale), 1e-300)
    worst = int(np.nanargmax(np.nan_to_num(error)))
    assert not error[worst] > rel, (
        f"{name}: bar {worst}: {got[worst]!r} for {expected[worst]!r}, error {error[worst]:.1e}"
    )


def column(frame: FeatureFrame, name: str, i: int = 0) -> np.ndarray:
    return np.ascontiguousarray(frame.values[:, i, frame.names.index(name)])
