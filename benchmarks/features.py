"""Features against TA-Lib: the values first, then the time of one symbol-bar.

Three comparisons, none of which can be had by leaving work out on one side alone:

* TA-Lib's bare calls (36 outputs, nothing made of them) beside our pass without the three 30-day statistics, which
  TA-Lib has no functions for; our side makes all its columns, the calendar's and the candle's too. Once with every
  output kept, once in memory used before, as fresh memory costs both sides about as much as the work;
* TA-Lib, numpy and pandas making the same columns, 30-day statistics included, beside our whole pass;
* the whole pass beside the bare calls, as a fact.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.features_talib import Column, bare_calls, columns, inputs_of, prepared
from benchmarks.timing import interleaved
from qt_core.features.frame import bars_of, compute_features, new_rows
from qt_core.features.params import FeatureParams, default_params
from qt_core.features.registry import (
    F_ATR_PCTILE,
    F_DONCHIAN_WIDTH_PCTILE,
    F_FUNDING_RATE,
    F_HOUR,
    F_LIQUIDITY_RATIO,
    F_QUOTE_VOLUME_24H,
    F_WEEKDAY,
    N_FEATURES,
)
from qt_core.features.state import new_state
from qt_core.features.step import Bars, update
from qt_core.features.stream import FeatureStream
from qt_core.features.work import new_work
from qt_core.market import Market

N_SYMBOLS, START, END = 20, "2021-01-01", "2024-01-01"
MONTHLY = (F_ATR_PCTILE, F_DONCHIAN_WIDTH_PCTILE, F_LIQUIDITY_RATIO)
OURS_ALONE = (F_HOUR, F_WEEKDAY, F_FUNDING_RATE)
ORDER = [k for k in range(N_FEATURES) if k not in (*OURS_ALONE, *MONTHLY, F_QUOTE_VOLUME_24H)] + [
    F_QUOTE_VOLUME_24H,
    *MONTHLY,
]
N_TALIB = 36  # outputs of features_talib.bare_calls
TOLERANCE = 1e-9
# Where 1e-9 is not relative to the value: a percentage near 0 has the rounding of the prices it is a difference of, and
# TA-Lib's running sums of squares lose digits to the price (see tests/features/test_talib.py).
SCALES = {"bollinger": 100.0, "cci": 10.0, "stoch": 10.0, "williams": 10.0, "mfi": 10.0, "realised": 1.0}


class UnequalFeaturesError(AssertionError):
    """A column of ours is not TA-Lib's: nothing is timed."""


def without_months(p: FeatureParams) -> FeatureParams:
    """Params whose 30-day statistics never take a sample."""
    return p._replace(sample_bars=2**20, month_min_samples=2**20)


def compare_values(market: Market, p: FeatureParams) -> float:
    """Largest error over all columns and symbols.

    Raises
    ------
    UnequalFeaturesError
        Naming the column and symbol.
    """
    frame, worst = compute_features(market, p), 0.0
    for i, b in enumerate(inputs_of(market)):
        with np.errstate(invalid="ignore", divide="ignore"):
            theirs = columns(p, b)
        for k, expected in zip(ORDER, theirs, strict=True):
            worst = max(worst, _error(frame.names[k], market.symbols[i], frame.values[:, i, k], expected))
    return worst


def _error(name: str, symbol: str, got: Column, expected: Column) -> float:
    known = np.isfinite(expected) & np.isfinite(got)
    if known.mean() < 0.9:
        raise UnequalFeaturesError(f"{name} of {symbol}: known on {known.mean():.0%} of the bars on both sides")
    scale = next((s for prefix, s in SCALES.items() if name.startswith(prefix)), 0.01)
    error = float(np.max(np.abs(got - expected)[known] / np.maximum(np.abs(expected[known]), scale)))
    if error > TOLERANCE:
        raise UnequalFeaturesError(f"{name} of {symbol} differs from TA-Lib's by {error:.1e}; {TOLERANCE:.0e} expected")
    return error


def bench_market(folder: "str | None" = None) -> Market:
    """20 symbols x 3 years of real hourly candles; simulated ones where there are none."""
    from research.crosscheck.harness import data_folder, load_complete

    market = load_complete(data_folder(folder), None, N_SYMBOLS, START, END, n_bars=26_280)
    return market.select(market.symbols[:N_SYMBOLS])


def bench_features(runs: int = 7, market: "Market | None" = None) -> list[dict[str, Any]]:
    """Rows of the benchmark table (benchmarks/feature_rows.py); ``market`` None = :func:`bench_market`.

    The values of every column are compared before anything is timed.
    """
    market = bench_market() if market is None else market
    p = default_params(market.timeframe_ms)
    begin = time.perf_counter()
    compute_features(market.head(3), p)
    compiled_s = time.perf_counter() - begin
    error = compare_values(market, p)
    timings = interleaved(_contestants(market, p), runs)
    size = market.n_bars * market.n_symbols
    ns = {name: 1e9 * t.best_s / size for name, t in timings.items()}
    middle = {name: 1e9 * t.median_s / size for name, t in timings.items()}

    def row(what: str, ours: str, theirs: str, **facts: Any) -> dict[str, Any]:
        both = {"ours ns": ns[ours], "theirs ns": ns[theirs], "median": middle[theirs] / middle[ours]}
        return {
            "what": what,
            "value": ns[theirs] / ns[ours],
            "unit": "x",
            "floor": 1.0,
            "aim": 2.0,
            "facts": {**both, **facts},
        }

    where = {"symbols": market.n_symbols, "bars": market.n_bars, "runs": runs, "simulated": market.simulated}
    columns_without = N_FEATURES - len(MONTHLY)
    return [
        row(f"{columns_without} columns against {N_TALIB} bare TA-Lib outputs, all kept", "core", "bare", **where),
        row("the same, memory reused on both sides", "core reused", "bare dropped", largest_error=f"{error:.1e}"),
        row(
            f"all {N_FEATURES} columns against TA-Lib, numpy and pandas", "whole", "columns", compile_s=compiled_s,
            bare_talib_over_ours=ns["bare"] / ns["whole"], bare_dropped_over_ours=ns["bare dropped"] / ns["whole"],
        ),
        *(_live_row(market, p, n, runs) for n in (20, 220)),
    ]  # fmt: skip


def _contestants(market: Market, p: FeatureParams) -> dict[str, Callable[[], Any]]:
    """What is timed, by name; whatever is not the work itself is prepared here."""
    inputs = inputs_of(market)
    extra = [prepared(b) for b in inputs]
    short, n = without_months(p), market.n_symbols
    state, work, bars = new_state(short, n)[1], new_work(short, n), bars_of(market)
    rows = new_rows(market.n_bars, n, True, False)

    def drop() -> None:
        for b, x in zip(inputs, extra, strict=True):
            bare_calls(p, b, *x)

    def same_columns() -> list[list[Column]]:
        with np.errstate(invalid="ignore", divide="ignore"):
            return [columns(p, b) for b in inputs]

    return {
        "whole": lambda: compute_features(market, p),
        "core": lambda: compute_features(market, short),
        "core reused": lambda: update(short, state, work, bars, rows),
        "bare": lambda: [bare_calls(p, b, *x) for b, x in zip(inputs, extra, strict=True)],
        "bare dropped": drop,
        "columns": same_columns,
    }


def _live_row(market: Market, p: FeatureParams, n_symbols: int, runs: int) -> dict[str, Any]:
    """Microseconds for one bar of ``n_symbols``, state carried, as live calls it."""
    bars = bars_of(market.head(2_000))
    pick = np.arange(n_symbols) % market.n_symbols
    wide = {k: np.ascontiguousarray(getattr(bars, k)[:, pick]) for k in (*Bars._fields[1:8],)}
    none = {k: getattr(bars, k)[:0] for k in Bars._fields[8:]}
    bars = Bars(bars.time, **wide, **none)
    stream = FeatureStream(p, tuple(f"S{k}" for k in range(n_symbols)))
    stream.update(bars)
    last = bars._replace(**{k: getattr(bars, k)[-1:].copy() for k in Bars._fields[:8]})
    timing = interleaved({"row": lambda: [stream.update(last) for _ in range(100)]}, runs)["row"]
    return {
        "what": f"one live bar of {n_symbols} symbols, features and context",
        "value": 1e4 * timing.best_s,
        "unit": "us",
        "higher": False,
        "facts": {"median us": 1e4 * timing.median_s, "runs": f"{runs} x 100"},
    }


if __name__ == "__main__":
    for row in bench_features():
        print(row)
