"""docs/venue.md names tables and tests: each of them exists, every sentence has some, and no table is left out."""

import importlib
import inspect
import re

from tests.conftest import ROOT
from tests.engine.tables import Table

HERE = ["costs", "holes", "limits", "order", "stops", "trailing"]
MODULES = [f"tests.engine.test_bar_tables_{name}" for name in HERE] + [
    f"tests.engine.test_{name}" for name in ("orders", "liquidation", "funding", "detail", "naive_venue", "naive_chain")
]
ELSEWHERE = ["tests.data.test_load"]  # what load_market says


def _names() -> tuple[set[str], set[str]]:
    """(table names, test functions) of the engine's specification tests."""
    tables, functions = set(), set()
    for path in MODULES + ELSEWHERE:
        for name, value in vars(importlib.import_module(path)).items():
            if isinstance(value, tuple) and value and isinstance(value[0], Table):
                tables |= {t.name for t in value}
            if name.startswith("test_") and inspect.isfunction(value):
                functions.add(name)
    return tables, functions


def _rows() -> list[tuple[str, list[str]]]:
    """(first cell, names in the last cell) of every table row."""
    rows = []
    for line in (ROOT / "docs" / "venue.md").read_text().splitlines():
        if line.startswith("| ") and not line.startswith(("| | the spec", "| rule | held")):
            cells = [c.strip() for c in line.strip("|").split(" | ")]
            rows.append((cells[0], re.findall(r"`([^`]+)`", cells[-1])))
    return rows


def test_every_name_on_the_page_exists():
    tables, functions = _names()
    for first, names in _rows():
        assert names, f"row {first!r} names no test"
        missing = [n for n in names if n not in tables | functions]
        assert not missing, f"row {first!r}: {missing}"


def test_every_sentence_is_on_the_page():
    numbered = [first for first, _ in _rows() if re.fullmatch(r"S\d+", first)]
    assert numbered == [f"S{k}" for k in range(1, 21)]


def test_every_table_is_on_the_page():
    """A table that no sentence asks for is either a rule to write down or too much."""
    named = {n for _, names in _rows() for n in names}
    tables, _ = _names()
    assert sorted(tables - named) == []
    assert len(tables) >= 40
