"""A State that begins with tables: both rows, visits and the place in the schedules."""

import numpy as np
import pytest

from qt_core.records import MEMORY_DT
from qt_core.state import State, buffer_of, copy_of, raw_bytes
from qt_core.tables import TableError, blank_tables, put_tables, take_tables
from tests.modules.test_qtables import drawn, same

pytestmark = pytest.mark.interpreted


def test_the_acting_and_the_learning_table_begin_alike():
    state, tables = buffer_of(State, 2), drawn(1)
    put_tables(state, tables)
    assert same(take_tables(state), tables)
    assert same(take_tables(state, learning_copy=True), tables)


def test_schedules_go_on_from_the_visits():
    state, tables = buffer_of(State, 2), drawn(2)
    put_tables(state, tables)
    assert int(state.fund["sizer_updates"][0]) == int(tables.size_visits.sum()) > 0
    assert int(state.fund["strategy_updates"][0]) == int(tables.strategy_visits.sum()) > 0


def test_what_is_taken_out_is_a_copy():
    state = buffer_of(State, 2)
    put_tables(state, drawn(3))
    taken = take_tables(state)
    taken.size_q[:] = 7.0
    assert same(take_tables(state), drawn(3))


def test_the_two_rows_are_told_apart():
    state = buffer_of(State, 2)
    memory = np.asarray(state.memory).view(MEMORY_DT)[0]
    memory["q_strategy"][1, 4, 2], memory["q_strategy_visits"][1, 4, 2] = 0.5, 3
    assert same(take_tables(state), blank_tables())
    copy = take_tables(state, learning_copy=True)
    assert (copy.strategy_q[4, 2], copy.strategy_visits[4, 2]) == (0.5, 3)


def test_unsound_tables_leave_the_state_as_it_was():
    state = buffer_of(State, 2)
    before = raw_bytes(copy_of(state))
    with pytest.raises(TableError, match="strategy_q has a number that is not finite"):
        put_tables(state, drawn(4)._replace(strategy_q=np.full((27, 4), np.nan)))
    assert raw_bytes(state) == before
