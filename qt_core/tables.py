"""The learned tables of modules 19 and 21 as arrays: taken out of a State, put into one."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from qt_core.errors import QtError
from qt_core.records import SIZER_ACTIONS, SIZER_STATES, STRATEGIES, STRATEGY_STATES
from qt_core.state import State, memory_of

SHAPES = {
    "size_q": (SIZER_STATES, SIZER_ACTIONS),
    "size_visits": (SIZER_STATES, SIZER_ACTIONS),
    "strategy_q": (STRATEGY_STATES, STRATEGIES),
    "strategy_visits": (STRATEGY_STATES, STRATEGIES),
}


class TableError(QtError):
    """Q-tables of another shape, or with numbers that are none."""


class QTables(NamedTuple):
    """What 19 and 21 have learned. Q in reward points (19) and R (21)."""

    size_q: npt.NDArray[np.float64]  # [300, 25]
    size_visits: npt.NDArray[np.int64]  # [300, 25]
    strategy_q: npt.NDArray[np.float64]  # [27, 4]
    strategy_visits: npt.NDArray[np.int64]  # [27, 4]


def blank_tables() -> QTables:
    """Nothing learned."""
    return QTables(*(np.zeros(shape, np.int64 if "visits" in name else np.float64) for name, shape in SHAPES.items()))


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
