"""``learn``: several epochs over a window per seed, then the frozen tables on a later window beside what was not learned.

An epoch is a whole backtest over the first window: the account begins fresh, the tables go on from the epoch before. The
draws of exploration differ by seed and epoch. On the later window nothing is learned and nothing is drawn.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from qt_core.codes import LEARN_ON, LEARNED, M_SIZER, M_STRATEGY, OFF
from qt_core.config import Config
from qt_core.engine import backtest
from qt_core.engine.result import Result
from qt_core.errors import ConfigError
from qt_core.features.context import ChainContext, chain_context
from qt_core.market import Market
from qt_core.metrics import daily_returns
from qt_core.records import JE_Q_SIZE, JE_Q_STRATEGY
from qt_core.signal.tape import SignalTape
from qt_core.tables import KINDS, QTables, blank_tables, merge, take_tables
from research.learning.spread import Spread, spread, yearly_difference
from research.learning.windows import Window, default_until, split

Progress = Callable[[int, int], None]
SEEDS = (0, 1, 2, 3, 4)
EPOCHS = 5
EPOCH_SEEDS = 1_000_003  # a prime: seed and epoch never give the same draws twice
FROZEN = {
    f"{section}.{key}": value
    for section in ("sizer", "strategy")
    for key, value in (("epsilon", 0.0), ("epsilon_min", 0.0), ("learning", "frozen"))
}
FIGURES = (
    "total_return",
    "annual_return",
    "sharpe",
    "max_drawdown",
    "trades",
    "win_rate",
    "mean_r",
    "profit_factor",
    "fees_usd",
)


class Epoch(NamedTuple):
    """One pass over the window, in figures. Rewards in percent points (19) and R (21)."""

    epoch: int
    total_return: float
    sharpe: float
    trades: int
    mean_r: float
    explored: float  # share of the closed trades that were drawn
    size_updates: int
    strategy_updates: int
    size_reward: float  # mean of the epoch's updates
    strategy_reward: float
    size_cells: int  # visited so far
    strategy_cells: int
    size_change: float  # mean |change of Q| over the cells updated in this epoch
    strategy_change: float


@dataclass(frozen=True)
class Judged:
    """A run on the later window: figures, and simple returns by UTC day."""

    figures: Mapping[str, float]
    daily: npt.NDArray[np.float64] = field(repr=False)


@dataclass(frozen=True)
class SeedRun:
    """What one seed learned and how it did."""

    seed: int
    tables: QTables
    epochs: tuple[Epoch, ...]
    learned: Judged  # frozen tables, epsilon 0
    fixed: Judged  # the same with 19 OFF: every size (1.0, 3x)


@dataclass(frozen=True)
class Learned:
    """The outcome of ``learn``. ``blank`` and ``fixed`` need no seed where nothing is drawn: blank is one run."""

    config: Config
    learn_span: str
    judge_span: str
    simulated: bool
    notes: tuple[str, ...]
    seeds: tuple[SeedRun, ...]
    blank: Judged
    merged: QTables
    merged_judged: Judged

    def spreads(self, figure: str) -> dict[str, Spread]:
        """A figure over seeds: ``learned``, ``fixed``, and what learning added to ``blank`` and to ``fixed``."""
        mine = [s.learned.figures[figure] for s in self.seeds]
        fixed = [s.fixed.figures[figure] for s in self.seeds]
        blank = self.blank.figures[figure]
        return {
            "learned": spread(mine),
            "fixed": spread(fixed),
            "learned - blank": spread([x - blank for x in mine]),
            "learned - fixed": spread([x - y for x, y in zip(mine, fixed, strict=True)]),
        }

    def by_market(self) -> dict[str, tuple[float, float, float]]:
        """What learning added a year (fractions, mean of the seeds), with the 90 % interval over resampled days."""
        mine = np.mean([s.learned.daily for s in self.seeds], axis=0)
        fixed = np.mean([s.fixed.daily for s in self.seeds], axis=0)
        return {
            "learned - blank": yearly_difference(mine, self.blank.daily),
            "learned - fixed": yearly_difference(mine, fixed),
        }

    def coverage(self) -> dict[str, dict[str, float]]:
        """Visits, cells and states visited by kind, mean over seeds, and the share of the table that is."""
        out: dict[str, dict[str, float]] = {}
        for kind in KINDS:
            visits = [s.tables.of(kind)[1] for s in self.seeds]
            cells = float(np.mean([(v > 0).sum() for v in visits]))
            states = float(np.mean([(v.sum(axis=1) > 0).sum() for v in visits]))
            shape = visits[0].shape
            out[kind] = {
                "visits": float(np.mean([v.sum() for v in visits])),
                "cells": cells,
                "cells_share": cells / (shape[0] * shape[1]),
                "states": states,
                "states_share": states / shape[0],
            }
        return out


def learn(
    market: Market,
    tape: SignalTape,
    config: Config,
    epochs: int = EPOCHS,
    seeds: Sequence[int] = SEEDS,
    context: "ChainContext | None" = None,
    *,
    until_ms: "int | None" = None,
    tables: "QTables | None" = None,
    progress: "Progress | None" = None,
    finished: "Mapping[int, SeedRun] | None" = None,
    on_seed: "Callable[[SeedRun], None] | None" = None,
) -> Learned:
    """Learn on the bars before ``until_ms`` (default: two thirds) and judge by the bars after it.

    Parameters
    ----------
    epochs : passes over the window per seed. seeds : of exploration. tables : to begin with; None = nothing learned.
    progress : called with (runs done, all). finished : seeds that need no run. on_seed : called with each new seed's run.

    Raises
    ------
    ConfigError
        If neither module 19 nor 21 learns under the configuration, or it holds faults.
    DataError
        If a window is too short.
    """
    check_learning(config)
    context = chain_context(market) if context is None else context
    first, later = split(market, tape, context, default_until(market) if until_ms is None else until_ms)
    count = _Count(progress, len(seeds) * (epochs + 2) + 2)
    done: dict[int, SeedRun] = dict(finished or {})
    begin = blank_tables() if tables is None else tables
    for seed in seeds:
        if seed in done:
            count(epochs + 2)
            continue
        done[seed] = _one_seed(first, later, config, epochs, seed, begin, count)
        if on_seed is not None:
            on_seed(done[seed])
    runs = tuple(done[seed] for seed in seeds)
    merged = merge(*(run.tables for run in runs))
    return Learned(
        config=config,
        learn_span=first.text(),
        judge_span=later.text(),
        simulated=market.simulated,
        notes=market.notes,
        seeds=runs,
        blank=count.after(lambda: judge(later, config, blank_tables())),
        merged=merged,
        merged_judged=count.after(lambda: judge(later, config, merged)),
    )


class _Count:
    """Runs done so far, told to whoever watches."""

    def __init__(self, progress: "Progress | None", total: int) -> None:
        self.progress, self.total, self.done = progress, total, 0

    def __call__(self, n: int = 1) -> None:
        self.done += n
        if self.progress is not None:
            self.progress(self.done, self.total)

    def after(self, run: Callable[[], Any]) -> Any:
        """Count a run when it is over."""
        out = run()
        self()
        return out


def check_learning(config: Config) -> None:
    """Refuse a configuration under which nothing would be learned.

    Raises
    ------
    ConfigError
        Naming the keys and what was expected.
    """
    p = config.params()
    if config.faults:
        raise ConfigError(f"{config.source}: faults: expected none where tables are learned")
    if not any(part.mode != OFF and part.learning == LEARN_ON for part in (p.sizer, p.strategy)):
        raise ConfigError(
            f"{config.source}: sizer.learning and strategy.learning: neither module learns; expected on for one of them"
        )


def _one_seed(
    first: Window, later: Window, config: Config, epochs: int, seed: int, tables: QTables, count: _Count
) -> SeedRun:
    curve = []
    for k in range(epochs):
        before = tables
        result = run_epoch(first, config, seed, k, before)
        count()
        tables = take_tables(result.state)
        curve.append(_epoch(k, result, before, tables))
    fixed = config.with_values({"sizer.mode": "off"})
    return SeedRun(
        seed,
        tables,
        tuple(curve),
        count.after(lambda: judge(later, config, tables)),
        count.after(lambda: judge(later, fixed, tables)),
    )


def run_epoch(window: Window, config: Config, seed: int, epoch: int, tables: QTables) -> Result:
    """One pass over the window, learning as configured; the draws are this seed's and epoch's."""
    draws = seed * EPOCH_SEEDS + epoch
    return backtest(window.market, window.tape, config, draws, context=window.context, tables=tables)


def frozen(config: Config) -> Config:
    """The configuration with epsilon 0 and frozen tables."""
    return config.with_values(FROZEN)


def judge(window: Window, config: Config, tables: QTables) -> Judged:
    """A run in which the tables act and stay as they are."""
    r = backtest(window.market, window.tape, frozen(config), 0, context=window.context, tables=tables, journal=False)
    same = all(a.tobytes() == b.tobytes() for a, b in zip(take_tables(r.state), tables, strict=True))
    assert same, "a frozen table has changed"
    daily = daily_returns(r.curve["time_ms"], r.equity, r.metrics["start_equity_usd"])
    return Judged({name: float(r.metrics[name]) for name in FIGURES}, daily)


def _epoch(k: int, r: Result, before: QTables, after: QTables) -> Epoch:
    size, strategy = (r.events[r.events["kind"] == kind]["qty"] for kind in (JE_Q_SIZE, JE_Q_STRATEGY))
    return Epoch(
        epoch=k + 1,
        total_return=float(r.metrics["total_return"]),
        sharpe=float(r.metrics["sharpe"]),
        trades=len(r.trades),
        mean_r=float(r.metrics["mean_r"]),
        explored=float(np.mean(r.trades["explored"] != 0)) if len(r.trades) else float("nan"),
        size_updates=int(r.counters[M_SIZER, LEARNED]),
        strategy_updates=int(r.counters[M_STRATEGY, LEARNED]),
        size_reward=float(size.mean()) if len(size) else float("nan"),
        strategy_reward=float(strategy.mean()) if len(strategy) else float("nan"),
        size_cells=int((after.size_visits > 0).sum()),
        strategy_cells=int((after.strategy_visits > 0).sum()),
        size_change=_change(before, after, "size"),
        strategy_change=_change(before, after, "strategy"),
    )


def _change(before: QTables, after: QTables, kind: str) -> float:
    (q0, v0), (q1, v1) = before.of(kind), after.of(kind)
    touched = v1 > v0
    return float(np.abs(q1 - q0)[touched].mean()) if touched.any() else 0.0
