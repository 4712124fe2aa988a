"""The journal's file: what is refused in one line, what goes and what stays when old entries are forgotten."""

import sqlite3
from pathlib import Path

import pytest

from live.adapters import store_sqlite
from live.adapters.store_sqlite import SqliteStore
from live.errors import LiveError


def test_a_locked_file_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_sqlite, "BUSY_TIMEOUT_S", 0.05)
    path = tmp_path / "j.sqlite"
    SqliteStore(path, create=True).close()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    store = SqliteStore(path, create=True)
    with pytest.raises(LiveError, match="cannot be written"):
        store.begin()
    other.execute("ROLLBACK")
    store.begin()
    store.commit()


def test_another_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "j.sqlite"
    store = SqliteStore(path, create=True)
    store.put_meta("schema", 99)
    store.close()
    with pytest.raises(LiveError, match="schema 99"):
        SqliteStore(path)


def test_a_file_that_is_not_there_is_refused_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(LiveError, match="no such session"):
        SqliteStore(tmp_path / "none.sqlite", read_only=True)
    assert not (tmp_path / "none.sqlite").exists()


def test_a_corrupt_page_is_found(tmp_path: Path) -> None:
    path = tmp_path / "j.sqlite"
    store = SqliteStore(path, create=True)
    for k in range(2000):
        store.note(k, "topic", "text" * 50)
    store.close()
    whole = bytearray(path.read_bytes())
    for at in range(8192, 40_000, 512):
        whole[at : at + 64] = b"\xff" * 64
    path.write_bytes(bytes(whole))
    with pytest.raises(LiveError, match=r"corrupt|no journal|cannot be used"):
        SqliteStore(path, create=True).check()


def test_what_is_rolled_back_never_was(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "j.sqlite", create=True)
    store.begin()
    store.note(1, "a", "kept")
    store.commit()
    store.begin()
    store.note(2, "b", "not kept")
    store.rollback()
    assert [text for _, _, text in store.notes()] == ["kept"]
