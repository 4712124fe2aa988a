"""docs/features.md lists the registry as it is. ``python -m tests.features.test_docs`` prints the table."""

from pathlib import Path

from qt_core.features.params import default_params
from qt_core.features.registry import registry
from tests.features.build import HOUR_MS

DOC = Path(__file__).resolve().parents[2] / "docs" / "features.md"


def table() -> list[str]:
    return [f"| {s.name} | {s.warm_up} | {s.unit} | {s.source} |" for s in registry(default_params(HOUR_MS))]


def test_the_table_in_the_docs_is_the_registry():
    lines = DOC.read_text().splitlines()
    start = lines.index("| column | warm-up | unit | from |") + 2
    assert lines[start : start + len(table())] == table()
    assert lines[start + len(table())] == ""


if __name__ == "__main__":
    print("\n".join(table()))
