"""Literal bar tables for the peers' conventions: entry at 100, stop 2 %, target 4 %, fee 0.1 %, quantity 3."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from research.crosscheck.case import END, STOP, TARGET, Case

HOUR_MS = 3_600_000
START_MS = 1_609_459_200_000
Bar: TypeAlias = tuple[float, float, float, float]  # open, high, low, close
Expected: TypeAlias = tuple[int, int, float, int]  # entry bar, exit bar, exit price, reason

QUIET = (100.0, 101.0, 99.5, 100.0)  # a bar that touches neither price
QUANTITY = 3.0
FEE = 0.001


@dataclass(frozen=True)
class Table:
    """Bars, sides by bar, and the trades with the entry bar tested and not tested."""

    name: str
    bars: tuple[Bar, ...]
    sides: dict[int, int]
    tested: tuple[Expected, ...]  # entry bar tested
    untested: tuple[Expected, ...]  # entry bar not tested


UP = (100.0, 105.0, 99.0, 104.5)  # a long's target, a short's stop
DOWN = (100.0, 100.5, 97.0, 99.0)  # a long's stop
FALL = (100.0, 101.0, 95.0, 96.5)  # a short's target
WIDE = (100.0, 105.0, 97.0, 99.0)  # both of a long


def _table(name: str, bars: tuple[Bar, ...], sides: dict[int, int], *trades: Expected) -> Table:
    """A table whose trades do not depend on the entry bar; quiet bars fill it up to six."""
    return Table(name, (*bars, *[QUIET] * (6 - len(bars))), sides, trades, trades)


TABLES = (
    _table("stop", (QUIET, QUIET, DOWN), {0: 1}, (1, 2, 98.0, STOP)),
    _table("target", (QUIET, QUIET, UP), {0: 1}, (1, 2, 104.0, TARGET)),
    _table("touch is a hit", (QUIET, QUIET, (100.0, 104.0, 99.0, 101.0)), {0: 1}, (1, 2, 104.0, TARGET)),
    _table("both in one bar", (QUIET, QUIET, WIDE), {0: 1}, (1, 2, 98.0, STOP)),
    _table("gap through stop", (QUIET, QUIET, (96.0, 97.0, 95.0, 96.5)), {0: 1}, (1, 2, 96.0, STOP)),
    _table("gap through target", (QUIET, QUIET, (106.0, 107.0, 105.0, 106.0)), {0: 1}, (1, 2, 106.0, TARGET)),
    _table("short stop", (QUIET, QUIET, (100.0, 103.0, 99.0, 100.0)), {0: -1}, (1, 2, 102.0, STOP)),
    _table("short target", (QUIET, QUIET, FALL), {0: -1}, (1, 2, 96.0, TARGET)),
    _table("short gap", (QUIET, QUIET, (103.0, 104.0, 102.5, 103.0)), {0: -1}, (1, 2, 103.0, STOP)),
    _table("opposite ignored", (QUIET, QUIET, QUIET, UP), {0: 1, 1: -1}, (1, 3, 104.0, TARGET)),
    _table("same side ignored", (QUIET, QUIET, QUIET, UP), {0: 1, 1: 1}, (1, 3, 104.0, TARGET)),
    _table(
        "re-entry after an exit",
        (QUIET, QUIET, DOWN, QUIET, FALL),
        {0: 1, 2: -1},
        (1, 2, 98.0, STOP),
        (3, 4, 96.0, TARGET),
    ),
    _table("a side on the eve of the exit is lost", (QUIET, QUIET, DOWN), {0: 1, 1: 1}, (1, 2, 98.0, STOP)),
    _table("still open", (QUIET,), {2: -1}, (3, 5, 100.0, END)),
    _table("entry on the last bar", (QUIET,), {4: 1}, (5, 5, 100.0, END)),
    _table("side on the last bar", (QUIET,), {5: 1}),
    Table(
        "stop in the entry bar",
        (QUIET, (100.0, 101.0, 97.0, 100.0), QUIET, UP, QUIET, QUIET),
        {0: 1},
        tested=((1, 1, 98.0, STOP),),
        untested=((1, 3, 104.0, TARGET),),
    ),
    Table(
        "target in the entry bar",
        (QUIET, (100.0, 104.5, 99.0, 100.0), QUIET, DOWN, QUIET, QUIET),
        {0: 1},
        tested=((1, 1, 104.0, TARGET),),
        untested=((1, 3, 98.0, STOP),),
    ),
    Table(
        "both in the entry bar",
        (QUIET, (100.0, 105.0, 97.0, 100.0), QUIET, DOWN, QUIET, QUIET),
        {0: 1},
        tested=((1, 1, 98.0, STOP),),
        untested=((1, 3, 98.0, STOP),),
    ),
)
# A bar opening beyond the target and later touching the stop: SPEC fills the target at that open, every peer the stop.
GAPPED_TARGET_THEN_STOP = (QUIET, QUIET, (105.0, 106.0, 97.0, 99.0), QUIET, QUIET, QUIET)


def case_of(name: str, bars: tuple[Bar, ...], sides: dict[int, int]) -> Case:
    """A Case of hourly bars."""
    table = np.array(bars, dtype=np.float64)
    n = len(bars)
    side = np.zeros(n, dtype=np.int8)
    for bar, value in sides.items():
        side[bar] = value
    time = START_MS + HOUR_MS * np.arange(n, dtype=np.int64)
    columns = [np.ascontiguousarray(table[:, k]) for k in range(4)]
    return Case(name, time, *columns, side, np.full(n, QUANTITY), 0.02, 0.04, FEE)


CASES = tuple(case_of(t.name, t.bars, t.sides) for t in TABLES)


def random_case(seed: int, n: int = 2500, gap: float = 0.004, wick: float = 0.006) -> Case:
    """A random walk with opening gaps, wicks and a side on every fifth bar."""
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.008, n)))
    open_ = np.concatenate([close[:1], close[:-1]]) * np.exp(rng.normal(0.0, gap, n))
    high = np.maximum(open_, close) * (1.0 + np.abs(rng.normal(0.0, wick, n)))
    low = np.minimum(open_, close) * (1.0 - np.abs(rng.normal(0.0, wick, n)))
    side = rng.choice(np.array([-1, 0, 1], dtype=np.int8), n, p=[0.1, 0.8, 0.1])
    time = START_MS + HOUR_MS * np.arange(n, dtype=np.int64)
    return Case(f"RANDOM{seed}", time, open_, high, low, close, side, 600.0 / close, 0.015, 0.03, 0.0005)
