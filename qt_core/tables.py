"""The learned tables of modules 19 and 21 as arrays: taken out of a State, put into one, compared and merged.

Files of them are ``io/qtables.py``'s business.
"""

import hashlib
import json
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from qt_core.enums import (
    T_CONFIDENCE,
    T_LEVERAGE,
    T_LIQUIDITY,
    T_MULTIPLIER,
    T_PERFORMANCE,
    T_PORTFOLIO,
    T_SIZER_REGIME,
    T_STRATEGY,
    T_TREND,
    T_VOLATILITY,
    TALLIES,
)
from qt_core.errors import QtError
from qt_core.records import SIZER_ACTIONS, SIZER_STATES, STRATEGIES, STRATEGY_STATES
from qt_core.state import State, memory_of

Meaning: TypeAlias = dict[str, dict[str, float]]

SHAPES = {
    "size_q": (SIZER_STATES, SIZER_ACTIONS),
    "size_visits": (SIZER_STATES, SIZER_ACTIONS),
    "strategy_q": (STRATEGY_STATES, STRATEGIES),
    "strategy_visits": (STRATEGY_STATES, STRATEGIES),
}
KINDS = ("size", "strategy")
_NEUTRAL, _GRID = 17, 5  # action (1.0, 3x): ties go there; leverages per multiplier


class TableError(QtError):
    """Q-tables of another shape, schema or meaning, or with numbers that are none."""


class QTables(NamedTuple):
    """What 19 and 21 have learned. Q in reward points (19) and R (21)."""

    size_q: npt.NDArray[np.float64]  # [300, 25]
    size_visits: npt.NDArray[np.int64]  # [300, 25]
    strategy_q: npt.NDArray[np.float64]  # [27, 4]
    strategy_visits: npt.NDArray[np.int64]  # [27, 4]

    def of(self, kind: str) -> "tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]":
        """Q and visits of ``size`` or ``strategy``."""
        return getattr(self, f"{kind}_q"), getattr(self, f"{kind}_visits")


def blank_tables() -> QTables:
    """Nothing learned."""
    made: list[npt.NDArray[Any]] = [
        np.zeros(shape, np.int64 if "visits" in name else np.float64) for name, shape in SHAPES.items()
    ]
    return QTables(*made)


def check_tables(tables: QTables, where: str = "Q-tables") -> QTables:
    """The same tables, if each has its shape and sound numbers.

    Raises
    ------
    TableError
        Naming the table and what was expected.
    """
    for name, shape in SHAPES.items():
        values: npt.NDArray[Any] = np.asarray(getattr(tables, name))
        if values.shape != shape:
            raise TableError(f"{where}: {name} has shape {values.shape}, expected {shape}")
        if not np.isfinite(values).all():
            raise TableError(f"{where}: {name} has a number that is not finite; expected finite values")
        if "visits" in name and (values < 0).any():
            raise TableError(f"{where}: {name} has a negative count; expected 0 or more")
    return tables


def take_tables(state: State, learning_copy: bool = False) -> QTables:
    """Copies of a State's tables: the ones that act, or the copy that learns in shadow."""
    row, m = 1 if learning_copy else 0, memory_of(state)
    return QTables(
        m["q_size"][row].copy(),
        m["q_size_visits"][row].copy(),
        m["q_strategy"][row].copy(),
        m["q_strategy_visits"][row].copy(),
    )


def put_tables(state: State, tables: QTables) -> None:
    """Begin with these tables, both the ones that act and the ones that learn; schedules go on from their visits."""
    check_tables(tables)
    m = memory_of(state)
    m["q_size"][:] = tables.size_q
    m["q_strategy"][:] = tables.strategy_q
    m["q_size_visits"][:] = tables.size_visits
    m["q_strategy_visits"][:] = tables.strategy_visits
    state.fund["sizer_updates"][0] = int(tables.size_visits.sum())
    state.fund["strategy_updates"][0] = int(tables.strategy_visits.sum())


# --- what states and actions mean ---------------------------------------------------------------------------------------

# schedules and modes say how a table is used or learned, not what a cell stands for
_NOT_MEANING = ("mode", "learning", "epsilon", "alpha", "neutral", "prior")
_PARTS: dict[str, tuple[str, ...]] = {
    "chain": ("base_margin_usd", "recent_trades", "record_ms"),
    "regime": ("vol_low", "vol_high", "adx_weak", "adx_strong", "liquidity_poor", "liquidity_good"),
    "balancer": ("light", "moderate", "heavy"),
}


def meaning_of(params: Any) -> Meaning:
    """Numbers of a configuration (``Config.params()``) that give states, actions and rewards their meaning."""
    parts = {name: {k: float(getattr(getattr(params, name), k)) for k in keys} for name, keys in _PARTS.items()}
    for name in ("sizer", "strategy"):
        part = getattr(params, name)
        parts[name] = {k: float(getattr(part, k)) for k in part._fields if not k.startswith(_NOT_MEANING)}
    return parts


def same_meaning(found: Meaning, wanted: Meaning, where: str) -> None:
    """Refuse tables whose cells stand for something else.

    Raises
    ------
    TableError
        Naming the first parameter that differs, with both values.
    """
    for part, values in wanted.items():
        for name, value in values.items():
            other = found.get(part, {}).get(name)
            if other != value:
                got = "nothing is said of it" if other is None else f"{other:g}"
                raise TableError(
                    f"{where}: learned with {part}.{name} {got}; expected {value:g}, or its states would mean something else"
                )


def state_names(kind: str) -> tuple[str, ...]:
    """``low_vol_ranging/high/light/neutral`` ... of 19, ``low/strong/good`` ... of 21, by row."""
    size = (T_SIZER_REGIME, T_CONFIDENCE, T_PORTFOLIO, T_PERFORMANCE)
    rows = size if kind == "size" else (T_VOLATILITY, T_TREND, T_LIQUIDITY)
    names = [""]
    for row in rows:
        names = [f"{name}/{value}" if name else value for name in names for value in TALLIES[row][2]]
    return tuple(names)


def action_names(kind: str) -> tuple[str, ...]:
    """``x0.3 1x`` ... of 19, strategies of 21, by column (multipliers as they are by default)."""
    if kind == "strategy":
        return TALLIES[T_STRATEGY][2]
    return tuple(f"{m} {lev}" for m in TALLIES[T_MULTIPLIER][2] for lev in TALLIES[T_LEVERAGE][2])


def digest_of(tables: QTables, meaning: Meaning) -> str:
    """Hash of every number of the tables and of what they mean, 16 hex digits."""
    digest = hashlib.sha256(json.dumps(meaning, sort_keys=True).encode())
    for values, name in zip(tables, SHAPES, strict=True):
        kind = np.int64 if "visits" in name else np.float64
        digest.update(np.ascontiguousarray(values, dtype=kind).tobytes())
    return digest.hexdigest()[:16]


# --- comparing and merging ----------------------------------------------------------------------------------------------


class Difference(NamedTuple):
    """One cell in which two tables differ."""

    state: str
    action: str
    q_a: float
    q_b: float
    visits_a: int
    visits_b: int


class Comparison(NamedTuple):
    """Two tables of a kind side by side."""

    kind: str
    cells_a: int  # visited
    cells_b: int
    cells_both: int
    correlation: float  # of Q over the cells visited in both; NaN below three or without spread
    states_both: int  # states with visits in both
    agreement: (
        float  # share of their visits (both tables' together) in states whose greedy action is the same; NaN: none
    )
    largest: tuple[Difference, ...]  # cells visited in both, largest difference first


def greedy_actions(
    tables: QTables, kind: str, prior: float = 0.05, high_vol_leverage: int = 3
) -> npt.NDArray[np.int64]:
    """Action each state would take at epsilon 0 in an ordinary account, ``[states]``, ties as the modules break them.

    Parameters
    ----------
    prior : R, added to the strategy that fits the regime (21 only). high_vol_leverage : module 17's cap in high
    volatility (19 only): beyond it an action is never tried there, and its 0 would look like the best of many losses.
    """
    q, _ = tables.of(kind)
    if kind == "size":
        value = q.copy()
        rows = np.array([name.startswith("high_vol") for name in state_names(kind)])
        value[np.ix_(rows, np.arange(SIZER_ACTIONS) % _GRID >= high_vol_leverage)] = -np.inf
        best = np.argmax(value, axis=1)
        return np.where(value[:, _NEUTRAL] == value.max(axis=1), _NEUTRAL, best).astype(np.int64)
    fits = fitting()
    rows = np.arange(len(q))
    value = q.copy()
    value[rows, fits] += prior
    best = np.argmax(value, axis=1)
    return np.where(value[rows, fits] == value.max(axis=1), fits, best).astype(np.int64)


def fitting() -> npt.NDArray[np.int64]:
    """The strategy that fits each of 21's regime states, ``[27]``."""
    from qt_core.selection import meta_strategy

    fit = getattr(meta_strategy.fit, "py_func", meta_strategy.fit)
    return np.array([fit(row // 9, row // 3 % 3) for row in range(STRATEGY_STATES)], dtype=np.int64)


def compare(a: QTables, b: QTables, n_largest: int = 5) -> tuple[Comparison, Comparison]:
    """Sizes and strategies of two tables: what both have visited, and whether they would act alike."""
    check_tables(a, "first tables")
    check_tables(b, "second tables")
    return _compare(a, b, "size", n_largest), _compare(a, b, "strategy", n_largest)


def _compare(a: QTables, b: QTables, kind: str, n_largest: int) -> Comparison:
    (qa, va), (qb, vb) = a.of(kind), b.of(kind)
    both = (va > 0) & (vb > 0)
    x, y = qa[both], qb[both]
    spread = len(x) > 2 and float(np.std(x)) > 0.0 and float(np.std(y)) > 0.0
    shared = (va.sum(axis=1) > 0) & (vb.sum(axis=1) > 0)
    weight = (va + vb).sum(axis=1)[shared]
    same = (greedy_actions(a, kind) == greedy_actions(b, kind))[shared]
    states, actions = state_names(kind), action_names(kind)
    apart = np.where(both, np.abs(qa - qb), -1.0)
    order = np.argsort(-apart, axis=None, kind="stable")[: min(n_largest, int(both.sum()))]
    largest = tuple(
        Difference(states[i], actions[j], float(qa[i, j]), float(qb[i, j]), int(va[i, j]), int(vb[i, j]))
        for i, j in zip(*np.unravel_index(order, apart.shape), strict=True)
    )
    return Comparison(
        kind,
        int((va > 0).sum()),
        int((vb > 0).sum()),
        int(both.sum()),
        float(np.corrcoef(x, y)[0, 1]) if spread else float("nan"),
        int(shared.sum()),
        float((weight * same).sum() / weight.sum()) if len(weight) else float("nan"),
        largest,
    )


def merge(*tables: QTables) -> QTables:
    """Tables learned apart as one: Q the mean weighted by visits, visits added.

    Tables that went on from a common one count its visits once each.

    Raises
    ------
    TableError
        Without a table, or where one is unsound.
    """
    if not tables:
        raise TableError("merge: no tables given; expected at least one")
    for k, one in enumerate(tables):
        check_tables(one, f"tables {k + 1}")
    made: list[npt.NDArray[Any]] = []
    for kind in KINDS:
        visits = np.sum([t.of(kind)[1] for t in tables], axis=0)
        total = np.sum([t.of(kind)[0] * t.of(kind)[1] for t in tables], axis=0)
        mean = np.divide(total, visits, out=np.zeros(visits.shape), where=visits > 0)
        if len(tables) == 1:
            mean = tables[0].of(kind)[0].copy()  # q * n / n is not q to the last bit
        made += [mean, visits.astype(np.int64)]
    return QTables(*made)
