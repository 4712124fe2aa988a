"""The bench tape: 20 symbols x 26,280 hourly bars (2021-2023), sides on 10 % of the bars, fixed stop and target."""

import os
import platform
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

import numpy as np

from qt_core.market import Market, make_market, span_text
from research.crosscheck.case import Case, Trades
from research.crosscheck.harness import Setup, data_folder, frictionless, load_complete, make_cases

SYMBOLS, START, END = 20, "2021-01-01", "2024-01-01"
SWEEP_SYMBOL, SWEEP_BARS = "BTCUSDT", 35_040
HOUR_MS = 3_600_000
SWEEP_CASH_USD = 1e6  # of every trial, ours and theirs


@dataclass(frozen=True)
class Bench:
    """A market without frictions, and the neutral cases on it."""

    market: Market
    cases: list[Case]
    setup: Setup

    @property
    def symbol_bars(self) -> int:
        return self.market.n_bars * self.market.n_symbols

    def first(self, n_symbols: int, n_bars: int) -> "Bench":
        """The first symbols and bars only."""
        names = self.market.symbols[:n_symbols]
        market = self.market.select(names).head(n_bars)
        return Bench(market, make_cases(market, self.setup), self.setup)

    def with_fractions(self, stop: float, target: float) -> "Bench":
        """The same market and sides with other distances."""
        setup = replace(self.setup, stop_fraction=stop, target_fraction=target)
        return Bench(self.market, make_cases(self.market, setup), setup)


def make_bench(setup: Setup, folder: "str | None" = None, simulated: bool = False) -> Bench:
    """The bench tape on real candles; on the simulated market where there are none."""
    path = None if simulated else data_folder(folder)
    market = frictionless(load_complete(path, None, SYMBOLS, START, END, n_bars=26_280))
    market = market.select(market.symbols[:SYMBOLS])
    return Bench(market, make_cases(market, setup), setup)


def make_sweep_bench(setup: Setup, folder: "str | None" = None, simulated: bool = False) -> Bench:
    """One symbol x 35,040 bars for the sweep."""
    path = None if simulated else data_folder(folder)
    symbols = None if path is None else [SWEEP_SYMBOL]
    market = frictionless(load_complete(path, symbols, 1, "2021-01-01", "2025-01-01", n_bars=SWEEP_BARS))
    market = market.head(SWEEP_BARS)
    return Bench(market, make_cases(market, setup), setup)


def average_open(trades: list[Trades], n_bars: int) -> float:
    """Open positions at a bar's close, averaged over all bars."""
    held = sum(int((t["exit_bar"] - t["entry_bar"]).sum()) for t in trades)
    return held / n_bars


def counts(trades: list[Trades], n_bars: int) -> dict[str, Any]:
    """Facts every row states: trades and average open positions."""
    return {
        "trades": int(sum(len(t) for t in trades)),
        "open positions": float(np.round(average_open(trades, n_bars), 2)),
    }


def small_bench() -> Bench:
    """3 made-up symbols x 500 bars, without reading or simulating a market: for start-up times."""
    rng = np.random.default_rng(0)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.006, (500, 3)), axis=0))
    open_ = np.vstack([close[:1], close[:-1]])
    columns = {"open": open_, "close": close, "volume": np.ones_like(close)}
    columns |= {"high": np.maximum(open_, close) * 1.002, "low": np.minimum(open_, close) * 0.998}
    time = HOUR_MS * np.arange(500, dtype=np.int64)
    market = make_market(["A", "B", "C"], time, columns, timeframe_ms=HOUR_MS, simulated=True)
    setup = Setup()
    return Bench(market, make_cases(market, setup), setup)


def head_facts(bench: Bench, runs: int) -> dict[str, Any]:
    """What and where: data, tape, versions, cores, load."""
    cores, load = os.cpu_count() or 1, os.getloadavg()[0]
    busy = {"note": "the machine was busy with other work: trust ratios, not times"} if load > cores + 0.5 else {}
    names = ("numpy", "numba", "vectorbt", "backtesting", "backtrader")
    return {
        "data": "SIMULATED" if bench.market.simulated else bench.market.source,
        "tape": f"{bench.market.n_symbols} symbols x {bench.market.n_bars} bars, {span_text(bench.market)}",
        "signal rate": bench.setup.rate,
        "runs": runs,
        "python": platform.python_version(),
        **{name: version(name) for name in names},
        "cores": cores,
        "load": round(load, 2),
        **busy,
    }
