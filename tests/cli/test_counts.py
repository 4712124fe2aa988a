"""``python -m research.checks.counts``: what differs is counted, and bad input writes nothing."""

from pathlib import Path

import pytest

from research.checks import counts


def test_decisions_differ_where_one_is_missing_or_another():
    a = {(1, 0): ("OK", 2.0), (2, 0): ("OK", 1.0), (3, 1): ("HELD", 0.0)}
    b = {(1, 0): ("OK", 2.0), (2, 0): ("OK", 1.5), (4, 1): ("HELD", 0.0)}
    assert counts.changed_decisions(a, a) == 0
    assert counts.changed_decisions(a, b) == counts.changed_decisions(b, a) == 3


def test_a_missing_folder_is_one_line_and_the_page_stays(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    page = tmp_path / "counts.md"
    page.write_text("as it was")
    monkeypatch.setattr(counts, "PAGE", page)
    monkeypatch.setattr(counts, "ROOT", tmp_path)
    monkeypatch.setattr("sys.argv", ["counts", "--write", "--folder", str(tmp_path / "none")])
    assert counts.main() == 2
    said = capsys.readouterr().err.splitlines()
    assert [line for line in said if line.startswith("error: ")] == said[-1:]
    assert page.read_text() == "as it was"
    assert [p.name for p in tmp_path.iterdir()] == ["counts.md"]
