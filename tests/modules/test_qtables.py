"""Q-tables outside a run: arrays, files, comparison, merge; and every way a file can be unsound."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qt_core.config import load_config
from qt_core.errors import QtError
from qt_core.io.qtables import read_all, read_tables, write_tables
from qt_core.selection import meta_strategy
from qt_core.sizing import rl_sizer
from qt_core.tables import (
    SHAPES,
    QTables,
    TableError,
    action_names,
    blank_tables,
    check_tables,
    compare,
    digest_of,
    greedy_actions,
    meaning_of,
    merge,
    state_names,
)

PARAMS = load_config({}).params()


def drawn(seed: int, share: float = 0.1) -> QTables:
    """Tables with a share of their cells visited, values of every size among them."""
    g = np.random.Generator(np.random.PCG64(seed))
    t = blank_tables()
    for kind in ("size", "strategy"):
        q, visits = t.of(kind)
        hit = g.random(q.shape) < share
        visits[hit] = g.integers(1, 1000, int(hit.sum()))
        q[hit] = g.standard_normal(int(hit.sum())) * 10.0 ** g.integers(-9, 3, int(hit.sum()))
    return t


def same(a: QTables, b: QTables) -> bool:
    return all(x.dtype == y.dtype and x.tobytes() == y.tobytes() for x, y in zip(a, b, strict=True))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tables.json"
    write_tables(path, drawn(1), PARAMS, {"seed": 1})
    return path


# --- files --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tables", [drawn(0), drawn(5, 1.0), blank_tables()], ids=["some", "all", "none"])
def test_a_file_gives_back_every_bit(tables: QTables, tmp_path: Path):
    path = tmp_path / "deep" / "t.json"
    digest = write_tables(path, tables, PARAMS, {"epochs": 5})
    found = read_tables(path, PARAMS)
    assert same(found.tables, tables)
    assert found.digest == digest == digest_of(tables, meaning_of(PARAMS))
    assert found.note == {"epochs": 5}
    assert [p.name for p in path.parent.iterdir()] == ["t.json"]


def test_a_file_lists_visited_cells_by_name(tmp_path: Path):
    t = blank_tables()
    cell = rl_sizer.state_index(1, 3, 0, 1)
    t.size_q[cell, 17], t.size_visits[cell, 17] = 0.41477, 12
    t.strategy_q[meta_strategy.state_index(1, 2, 1), 0] = 0.298
    t.strategy_visits[meta_strategy.state_index(1, 2, 1), 0] = 1
    write_tables(tmp_path / "t.json", t, PARAMS)
    document = json.loads((tmp_path / "t.json").read_text())
    assert document["size"] == {"low_vol_trending/high/light/neutral": {"x1.0 3x": {"q": 0.41477, "visits": 12}}}
    assert document["strategy"] == {"normal/strong/normal": {"trend_follow": {"q": 0.298, "visits": 1}}}
    assert document["meaning"]["sizer"]["confidence_high"] == 0.5
    assert document["meaning"]["sizer"]["multiplier_5"] == 1.5


def test_names_are_those_of_the_modules():
    assert len(state_names("size")) == len(set(state_names("size"))) == SHAPES["size_q"][0]
    assert len(action_names("size")) == len(set(action_names("size"))) == SHAPES["size_q"][1]
    assert len(state_names("strategy")) == len(set(state_names("strategy"))) == SHAPES["strategy_q"][0]
    assert len(action_names("strategy")) == SHAPES["strategy_q"][1]
    assert state_names("size")[rl_sizer.state_index(4, 2, 1, 2)] == "neutral/medium/moderate/good"
    assert state_names("strategy")[meta_strategy.state_index(2, 0, 1)] == "high/weak/normal"
    parts = rl_sizer.action_parts(PARAMS.sizer, 22)
    assert action_names("size")[22] == f"x{parts.multiplier} {parts.leverage:.0f}x"


def edited(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    def action(path: Path) -> None:
        document = json.loads(path.read_text())
        change(document)
        path.write_text(json.dumps(document))

    return action


def first_cell(document: dict[str, Any]) -> dict[str, Any]:
    return next(iter(next(iter(document["size"].values())).values()))


def renamed(document: dict[str, Any], old: str, new: str) -> None:
    document[new] = document.pop(old)


def other_state(document: dict[str, Any]) -> None:
    renamed(document["size"], next(iter(document["size"])), "sideways/high/light/neutral")


def other_action(document: dict[str, Any]) -> None:
    cells = next(iter(document["size"].values()))
    renamed(cells, next(iter(cells)), "x2.0 9x")


UNSOUND: dict[str, tuple[Callable[[Path], None], str]] = {
    "cut short": (lambda p: p.write_text(p.read_text()[:-40]), "not readable as JSON"),
    "empty": (lambda p: p.write_text(""), "not readable as JSON"),
    "a list": (lambda p: p.write_text("[]"), "format 'list'; expected qt-tables/1"),
    "another schema": (edited(lambda d: d.update(format="qt-tables/2")), "format 'qt-tables/2'; expected qt-tables/1"),
    "no meaning": (edited(lambda d: d.pop("meaning")), "meaning is missing"),
    "more than it should hold": (edited(lambda d: d.update(extra=1)), "unknown key 'extra'"),
    "another shape": (
        edited(lambda d: d["shapes"].update(size_q=[300, 30])),
        r"size_q has shape \[300, 30\], expected \[300, 25\]",
    ),
    "shapes that are none": (edited(lambda d: d.update(shapes=7)), "shapes: 7"),
    "a Q that is none": (edited(lambda d: first_cell(d).update(q=float("nan"))), "q: nan; expected a finite number"),
    "an infinite Q": (edited(lambda d: first_cell(d).update(q=float("inf"))), "q: inf; expected a finite number"),
    "a Q of text": (edited(lambda d: first_cell(d).update(q="much")), "q: 'much'; expected a finite number"),
    "negative visits": (edited(lambda d: first_cell(d).update(visits=-1)), "visits: -1; expected a whole number"),
    "half a visit": (edited(lambda d: first_cell(d).update(visits=1.5)), "visits: 1.5; expected a whole number"),
    "a cell without visits": (edited(lambda d: first_cell(d).pop("visits")), "expected q and visits"),
    "an unknown state": (edited(other_state), "unknown state 'sideways/high/light/neutral'"),
    "an unknown action": (edited(other_action), "unknown action 'x2.0 9x'"),
    "an edge that is none": (
        edited(lambda d: d["meaning"]["sizer"].update(confidence_high=None)),
        "meaning.sizer.confidence_high: None; expected a finite number",
    ),
    "another Q": (edited(lambda d: first_cell(d).update(q=first_cell(d)["q"] + 1e-9)), "digest .* expected"),
    "another count": (edited(lambda d: first_cell(d).update(visits=first_cell(d)["visits"] + 1)), "digest .* expected"),
    "another digest": (edited(lambda d: d.update(digest="0" * 16)), "digest '0000000000000000'; expected"),
    "edges changed by hand": (
        edited(lambda d: d["meaning"]["sizer"].update(confidence_high=0.6)),
        "digest .* expected",
    ),
}


@pytest.mark.parametrize("name", UNSOUND)
def test_an_unsound_file_is_refused_by_name_in_one_line(name: str, file: Path):
    spoil, says = UNSOUND[name]
    spoil(file)
    with pytest.raises(QtError, match=says) as info:
        read_tables(file)
    assert str(info.value).startswith(f"{file}: ")
    assert "\n" not in str(info.value)


def test_a_file_that_is_not_there(tmp_path: Path):
    with pytest.raises(QtError, match=r"none.json: no such file"):
        read_tables(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"sizer.confidence_high": 0.6}, "sizer.confidence_high 0.5; expected 0.6"),
        ({"sizer.multiplier_5": 2.0}, "sizer.multiplier_5 1.5; expected 2"),
        ({"sizer.pnl_base": "margin"}, "sizer.pnl_base 0; expected 1"),
        ({"regime.adx_strong": 30.0}, "regime.adx_strong 25; expected 30"),
        ({"strategy.revert_tp": 1.0}, "strategy.revert_tp 0.75; expected 1"),
        ({"balancer.heavy": 0.9}, "balancer.heavy 0.8; expected 0.9"),
        ({"chain.base_margin_usd": 100.0}, "chain.base_margin_usd 200; expected 100"),
    ],
)
def test_cells_that_would_mean_something_else_are_refused(values: dict[str, Any], says: str, file: Path):
    with pytest.raises(TableError, match=says):
        read_tables(file, load_config({}).with_values(values).params())


def test_schedules_and_modes_change_no_meaning(file: Path):
    values = {"sizer.epsilon": 0.0, "sizer.alpha": 0.5, "sizer.learning": "frozen", "strategy.mode": "observe"}
    assert same(read_tables(file, load_config({}).with_values(values).params()).tables, drawn(1))


def test_files_of_different_meaning_are_not_read_together(file: Path, tmp_path: Path):
    other = tmp_path / "other.json"
    write_tables(other, drawn(2), load_config({}).with_values({"sizer.win_bonus": 0.2}).params())
    with pytest.raises(TableError, match=r"other\.json: learned with sizer.win_bonus 0\.2; expected 0\.1"):
        read_all([file, other])
    with pytest.raises(QtError, match="no file"):
        read_all([])


def test_nothing_unsound_is_written(tmp_path: Path):
    bad = drawn(1)
    bad.size_q[0, 0] = np.nan
    with pytest.raises(TableError, match="size_q has a number that is not finite"):
        write_tables(tmp_path / "t.json", bad, PARAMS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "values", "says"),
    [
        ("size_q", np.zeros((300, 24)), r"size_q has shape \(300, 24\), expected \(300, 25\)"),
        ("strategy_q", np.full((27, 4), np.inf), "strategy_q has a number that is not finite"),
        ("strategy_visits", np.full((27, 4), -1), "strategy_visits has a negative count"),
    ],
)
def test_arrays_are_checked_by_name(name: str, values: Any, says: str):
    with pytest.raises(TableError, match=says):
        check_tables(blank_tables()._replace(**{name: values}))


# --- greedy actions, comparison, merge -----------------------------------------------------------------------------------


def test_greedy_actions_are_the_modules_own():
    tables = drawn(3, 0.3)
    tables.size_q[:40] = np.round(tables.size_q[:40])  # ties
    tables.strategy_q[:9] = 0.0
    size, strategy = PARAMS.sizer, PARAMS.strategy
    caps = [3.0 if row // 60 in (2, 3) else 5.0 for row in range(300)]  # 60 rows a regime; two are of high volatility
    assert greedy_actions(tables, "size").tolist() == [
        rl_sizer.greedy(size, tables.size_q, row, rl_sizer.Limits(200.0, 10.0, 300.0, 1.0, cap))
        for row, cap in enumerate(caps)
    ]
    fits = [meta_strategy.fit(row // 9, row // 3 % 3) for row in range(27)]
    assert greedy_actions(tables, "strategy", strategy.prior).tolist() == [
        meta_strategy.greedy(strategy, tables.strategy_q, row, fits[row], 15) for row in range(27)
    ]


def test_a_table_beside_itself():
    for c in compare(drawn(4), drawn(4)):
        assert c.correlation == pytest.approx(1.0)
        assert c.agreement == 1.0
        assert c.cells_a == c.cells_b == c.cells_both > 0
        assert all(d.q_a == d.q_b for d in c.largest)


def test_comparison_by_hand():
    a, b = blank_tables(), blank_tables()
    for t, values in ((a, {(0, 0): (1.0, 3), (0, 1): (2.0, 1), (1, 0): (5.0, 4), (2, 3): (9.0, 9)}),
                      (b, {(0, 0): (3.0, 1), (0, 1): (2.5, 2), (1, 0): (6.0, 2)})):  # fmt: skip
        for cell, (q, n) in values.items():
            t.strategy_q[cell], t.strategy_visits[cell] = q, n
    _, c = compare(a, b)
    assert (c.cells_a, c.cells_b, c.cells_both, c.states_both) == (4, 3, 3, 2)
    assert c.correlation == pytest.approx(np.corrcoef([1.0, 2.0, 5.0], [3.0, 2.5, 6.0])[0, 1])
    # state 0: strategy 1 against strategy 0, 7 visits; state 1: strategy 0 in both, 6 visits
    assert c.agreement == pytest.approx(6 / 13)
    assert [(d.state, d.action) for d in c.largest] == [
        ("low/weak/poor", "trend_follow"),
        ("low/weak/normal", "trend_follow"),
        ("low/weak/poor", "mean_reversion"),
    ]
    assert (c.largest[0].q_a, c.largest[0].q_b, c.largest[0].visits_a, c.largest[0].visits_b) == (1.0, 3.0, 3, 1)


def test_tables_with_nothing_in_common():
    a, b = blank_tables(), blank_tables()
    a.size_q[0, 0], a.size_visits[0, 0] = 1.0, 1
    size, strategy = compare(a, b)
    assert (size.cells_both, size.states_both, size.largest) == (0, 0, ())
    assert np.isnan([size.correlation, size.agreement, strategy.agreement]).all()


def test_merge_weighs_by_visits():
    a, b = blank_tables(), blank_tables()
    for t, q, n in ((a, 1.0, 1), (b, 4.0, 2)):
        t.size_q[7, 3], t.size_visits[7, 3] = q, n
    a.size_q[8, 3], a.size_visits[8, 3] = 5.0, 10  # b never came here
    m = merge(a, b)
    assert (m.size_q[7, 3], m.size_visits[7, 3]) == (3.0, 3)
    assert (m.size_q[8, 3], m.size_visits[8, 3]) == (5.0, 10)
    assert int(m.size_visits.sum()) == 13
    assert m.size_visits.dtype == np.int64


def test_merging_is_free_of_order_and_of_blanks():
    a, b, c = drawn(1), drawn(2), drawn(3)
    one, two = merge(a, b, c), merge(c, a, b)
    assert np.allclose(one.size_q, two.size_q, rtol=1e-12, atol=0.0)
    assert one.size_visits.tobytes() == two.size_visits.tobytes()
    assert same(merge(a), a)
    assert np.allclose(merge(a, blank_tables()).strategy_q, a.strategy_q, rtol=1e-12, atol=0.0)
    low = np.minimum.reduce([t.size_q for t in (a, b, c)])
    high = np.maximum.reduce([t.size_q for t in (a, b, c)])
    assert np.all((one.size_q >= low - 1e-9) & (one.size_q <= high + 1e-9))
    with pytest.raises(TableError, match="no tables given"):
        merge()
