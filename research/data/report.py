"""Tables and progress bars of ``qt data``: results on stdout, progress and notes on stderr."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from qt_core.io.series import SeriesEntry
from qt_core.market import utc_text
from research.data.verify import CLEAN, Finding

_PIPE_WIDTH = 200  # of a table that goes to a file or another program


def _console() -> Console:
    return Console() if sys.stdout.isatty() else Console(width=_PIPE_WIDTH)


def print_table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Rows under a header; numbers to the right with thousands separated."""
    table = Table(show_edge=False)
    for i, name in enumerate(header):
        number = bool(rows) and isinstance(rows[0][i], int)
        table.add_column(name, justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row))
    _console().print(table)


def print_findings(findings: list[Finding], code: int, as_json: bool, show_all: bool) -> None:
    """The report of ``qt data verify``."""
    bad = [f for f in findings if f.problems]
    if as_json:
        print(json.dumps({"exit_code": code, "checked": len(findings), "files": [f.as_dict() for f in findings]}))
        return
    shown = findings if show_all else bad
    if shown:
        rows = [(f.name, f.rows, f.first, f.last, "\n".join(f.problems) or "clean") for f in shown]
        print_table(("series", "rows", "first", "last", "findings"), rows)
    fatal = sum(f.fatal for f in bad)
    verdict = "clean" if code == CLEAN else f"{len(bad)} with findings, {fatal} of them not loadable"
    print(f"{len(findings)} checked: {verdict}")


def print_entries(entries: list[SeriesEntry], contracts: list[str], as_json: bool) -> None:
    """The list of ``qt data list``."""
    if as_json:
        rows = [{k: v for k, v in e.__dict__.items() if k not in ("size", "mtime_ns")} for e in entries]
        print(json.dumps({"files": rows, "contracts": contracts}))
        return
    if not entries and not contracts:
        print("the store is empty; `qt data download` or `qt data import` fills it")
        return
    shown = [
        (e.kind, e.symbol, e.timeframe, utc_text(e.first_ms), utc_text(e.last_ms), e.rows, e.digest) for e in entries
    ]
    print_table(("kind", "symbol", "timeframe", "first", "last", "rows", "digest"), shown)
    for name in contracts:
        print(f"contracts: {name}")


class ProgressBar:
    """A rich progress bar of named tasks on stderr; where stderr is no terminal only the notes appear."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def note(self, line: str) -> None:
        """One line above the bar."""
        self._progress.console.print(line, highlight=False, markup=False, soft_wrap=True)

    @contextmanager
    def task(self, name: str) -> Iterator[Any]:
        """A task whose progress function takes (ms done, ms in all)."""
        task = self._progress.add_task(name, total=1.0)

        def update(done: int, total: int) -> None:
            self._progress.update(task, completed=done, total=total)

        yield update
        self._progress.update(task, completed=1.0, total=1.0)


@contextmanager
def progress_bar() -> Iterator[ProgressBar]:
    """Show a bar while the block runs."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        yield ProgressBar(progress)
