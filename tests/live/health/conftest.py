"""Fixtures of the health tests."""

import sqlite3

import pytest


@pytest.fixture
def store(tmp_path):
    path = tmp_path / "session.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE events (id INTEGER PRIMARY KEY)")
    db.close()
    return path
