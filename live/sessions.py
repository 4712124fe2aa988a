"""The sessions of a folder, for ``qt live list``."""

import sqlite3
from pathlib import Path
from typing import NamedTuple

from rich.table import Table

from live.adapters.store_sqlite import SqliteStore
from live.bootstrap import JOURNAL, is_running
from live.tables import console, status_dict
from live.views import Status, status
from qt_core.errors import QtError

COLUMNS = {  # of a status, and their headings
    "kind": "kind",
    "last_entry": "last entry",
    "equity_usd": "equity USD",
    "open_positions": "open",
    "trades": "trades",
    "pnl_usd": "P&L USD",
    "emergency_stop": "stopped",
    "health": "health",
}
TEXTS = ("kind", "last_entry", "emergency_stop", "health")


class Listed(NamedTuple):
    """A session: what it is at, or why that cannot be said."""

    name: str
    running: bool
    status: Status | None
    problem: str


def sessions_in(root: Path) -> list[Listed]:
    """Every session of a folder by name; one that cannot be read does not hide the others."""
    return [_listed(path.parent) for path in sorted(root.glob(f"*/{JOURNAL}"))]


def _listed(folder: Path) -> Listed:
    running = is_running(folder)
    try:
        store = SqliteStore(folder / JOURNAL, read_only=True)
    except (QtError, sqlite3.DatabaseError) as error:
        return Listed(folder.name, running, None, str(error))
    try:
        return Listed(folder.name, running, status(store, folder.name), "")
    except (QtError, sqlite3.DatabaseError) as error:
        return Listed(folder.name, running, None, str(error))
    finally:
        store.close()


def print_sessions(sessions: list[Listed], root: Path) -> None:
    """One row each; below the table what could not be read, and why."""
    out = console()
    if not sessions:
        out.print(f"no session in {root}")
        return
    table = Table()
    table.add_column("session")
    table.add_column("runs")
    for key, name in COLUMNS.items():
        table.add_column(name, justify="left" if key in TEXTS else "right", no_wrap=key == "last_entry")
    for each in sessions:
        values = {} if each.status is None else status_dict(each.status)
        shown = (f"{v:,.2f}" if isinstance(v, float) else str(v) for v in (values.get(c, "-") for c in COLUMNS))
        table.add_row(each.name, "yes" if each.running else "no", *shown)
    out.print(table)
    for each in sessions:
        if each.problem:
            out.print(f"{each.name}: {each.problem}", soft_wrap=True)
