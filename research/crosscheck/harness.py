"""One market, one set of signals, every engine: the rows of ``qt crosscheck``."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from qt_core.errors import DataError
from qt_core.market import Market, default_brackets, default_specs, span_text
from research.crosscheck import engine, peer_backtesting, peer_backtrader, peer_vectorbt
from research.crosscheck.case import Case, Trades
from research.crosscheck.compare import Comparison, compare
from research.crosscheck.reference import Rules, run_reference
from research.crosscheck.signals import hashed_sides

TESTED, UNTESTED = "entry bar tested", "entry bar not tested"


@dataclass(frozen=True)
class Setup:
    """What is run. ``rate`` is the share of bars with a side; fractions are of the fill price."""

    rate: float = 0.10
    stop_fraction: float = 0.015
    target_fraction: float = 0.03
    fee_rate: float = 0.0005
    notional_usd: float = 600.0  # of an entry at the close of the deciding bar
    seed: int = 0


@dataclass(frozen=True)
class Run:
    """One row: an engine in a convention against ours in a convention. Only gated rows decide the exit code."""

    name: str
    answer: Callable[[Sequence[Case]], list[Trades]]
    ours_tested: bool
    note: str
    gated: bool


def _peer(module: Any, tested: bool) -> Callable[[Sequence[Case]], list[Trades]]:
    return lambda cases: module.run(cases, entry_bar_tested=tested)


RUNS = (
    Run("reference", lambda cases: run_reference(cases, Rules()), True, TESTED, True),
    Run("reference", lambda cases: run_reference(cases, Rules(entry_bar_tested=False)), False, UNTESTED, True),
    Run(peer_vectorbt.NAME, _peer(peer_vectorbt, False), False, UNTESTED, True),
    Run(peer_backtesting.NAME, _peer(peer_backtesting, True), True, TESTED, True),
    Run(peer_backtrader.NAME, _peer(peer_backtrader, True), True, TESTED, True),
    Run(peer_vectorbt.NAME, _peer(peer_vectorbt, False), True, "its default against ours", False),
    Run(peer_backtrader.NAME, _peer(peer_backtrader, False), True, "its brackets against our default", False),
)
LIBRARIES = {peer_vectorbt.NAME: "vectorbt", peer_backtesting.NAME: "backtesting", peer_backtrader.NAME: "backtrader"}


def data_folder(given: "str | None") -> "Path | None":
    """Where real candles are: the folder given, the store, or the shared folder; None where there is none."""
    if given is not None:
        return Path(given)
    store = Path(os.environ.get("QT_DATA_DIR") or "data")
    shared = Path(os.environ.get("QT_SHARED_DATA") or Path("..") / "shared" / "data")
    return next((path for path in (store, shared) if path.is_dir() and any(path.iterdir())), None)


def load_complete(
    folder: "Path | None", symbols: "Sequence[str] | None", n: int, start: str, end: str, n_bars: int = 8_760
) -> Market:
    """Hourly candles of ``n`` symbols (or those named) without a missing bar in the window.

    Without a folder: a simulated market of ``n_bars``.

    Raises
    ------
    DataError
        If fewer than ``n`` symbols are complete, or a symbol asked for is not.
    """
    from research.data import load_market

    if folder is None:
        market = load_market(None, "1h", simulated={"n_symbols": n, "n_bars": n_bars, "seed": 1})
    else:
        market = load_market(symbols, "1h", start, end, root=folder, missing_bracket="conservative")
    complete = [s for i, s in enumerate(market.symbols) if bool(market.valid[:, i].all())]
    if symbols is not None:
        missing = sorted(set(symbols) - set(complete))
        if missing:
            raise DataError(f"bars missing in {', '.join(missing)} from {start} to {end}; complete symbols expected")
        return market.select(list(symbols))
    if len(complete) < n:
        raise DataError(f"{len(complete)} symbols are complete from {start} to {end}; {n} expected")
    return market.select(complete[:n])


def frictionless(market: Market) -> Market:
    """The same bars with nothing that the peers do not model: no ticks, lots, minima, funding, marks of their own."""
    n = market.n_symbols
    marks = {f"mark_{k}": getattr(market, k) for k in ("open", "high", "low", "close")}
    none = {name: getattr(market, name)[:0] for name in ("funding_time_ms", "funding_symbol", "funding_rate")}
    known = np.zeros_like(market.mark_known)
    return replace(market, **marks, **none, mark_known=known, specs=default_specs(n), brackets=default_brackets(n))


def make_cases(market: Market, setup: Setup) -> list[Case]:
    """One case per symbol, with hashed sides and a fixed notional at the deciding close."""
    out = []
    for i, symbol in enumerate(market.symbols):
        bars = {k: np.ascontiguousarray(getattr(market, k)[:, i]) for k in ("open", "high", "low", "close")}
        case = Case(
            symbol=symbol,
            time=market.time,
            **bars,
            side=hashed_sides(symbol, market.time, setup.rate, setup.seed),
            quantity=setup.notional_usd / bars["close"],
            stop_fraction=setup.stop_fraction,
            target_fraction=setup.target_fraction,
            fee_rate=setup.fee_rate,
        )
        out.append(case)
    return out


@dataclass(frozen=True)
class Report:
    """Comparisons in the order of RUNS, with wall seconds per peer run, and what was compared."""

    rows: tuple[tuple[Run, Comparison, float], ...]
    setup: Setup
    symbols: tuple[str, ...]
    n_bars: int
    window: str
    source: str
    simulated: bool

    def failures(self, least_percent: float, least_trades: int) -> list[str]:
        """One line per gated row below the limits, and per row of any kind with an unexplained trade."""
        out = []
        for run, c, _ in self.rows:
            where = f"{c.peer} ({c.convention})"
            if run.gated and c.equal_percent < least_percent:
                out.append(f"{where}: {c.equal_percent:.2f} % equal, at least {least_percent:g} % expected")
            if run.gated and min(c.n_theirs, c.n_ours) < least_trades:
                out.append(f"{where}: {min(c.n_theirs, c.n_ours)} trades, at least {least_trades} expected")
            if c.unexplained:
                first = next(d for d in c.differences if d.name == "unexplained")
                out.append(f"{where}: {c.unexplained} unexplained, first {first.symbol} entry bar {first.entry_bar}")
        return out

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain values for JSON."""
        rows = [
            {
                "engine": c.peer,
                "version": version(LIBRARIES[c.peer]) if c.peer in LIBRARIES else None,
                "convention": c.convention,
                "gated": run.gated,
                "ours": c.n_ours,
                "theirs": c.n_theirs,
                "stopped": c.stopped,
                "targeted": c.targeted,
                "equal": c.equal,
                "equal_percent": c.equal_percent,
                "largest_relative_error": c.largest_error,
                "differences": c.by_name,
                "open_at_end": c.open_at_end,
                "seconds": seconds,
            }
            for run, c, seconds in self.rows
        ]
        head = {k: getattr(self, k) for k in ("source", "simulated", "window", "n_bars")}
        return {**head, "symbols": list(self.symbols), "setup": self.setup.__dict__, "rows": rows}


def crosscheck(market: Market, setup: Setup, progress: "Callable[[str], None] | None" = None) -> Report:
    """Run every engine on every symbol and compare trade by trade.

    Parameters
    ----------
    market : complete bars. progress : called with one line before each run.
    """
    say = progress or (lambda line: None)
    market = frictionless(market)
    cases = make_cases(market, setup)
    say(f"our engine: {market.n_symbols} symbols x {market.n_bars} bars")
    ours = {tested: engine.run(market, cases, setup, entry_bar_tested=tested) for tested in (True, False)}
    rows = []
    for run in RUNS:
        say(f"{run.name}: {run.note}")
        start = time.perf_counter()
        theirs = run.answer(cases)
        seconds = time.perf_counter() - start
        rules = Rules(entry_bar_tested=run.ours_tested)
        mine = ours[run.ours_tested]
        rows.append((run, compare(run.name, run.note, cases, mine, theirs, rules, pairs=not run.gated), seconds))
    n, bars = market.symbols, market.n_bars
    return Report(tuple(rows), setup, n, bars, span_text(market), market.source, market.simulated)
