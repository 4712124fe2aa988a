"""What a running command tells a watching person; never on stdout, never where nobody watches."""

import contextlib
import sys
from collections.abc import Callable, Iterator

import click

Progress = Callable[[int, int], None]


def say(text: str) -> None:
    """One line on stderr."""
    click.echo(text, err=True)


@contextlib.contextmanager
def progress_bar(what: str, left: bool = False) -> "Iterator[Progress | None]":
    """A function (done, all) that moves a bar on stderr, or None where stderr is no terminal.

    The bar appears with the first call and is gone afterwards. ``left``: the time left instead of the time passed.
    """
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    count = TextColumn("{task.completed:,.0f} of {task.total:,.0f}")
    clock = (TimeRemainingColumn(), TextColumn("left")) if left else (TimeElapsedColumn(),)
    bar = Progress(TextColumn(what), BarColumn(), count, *clock, console=Console(stderr=True), transient=True)
    task = bar.add_task(what, total=None)

    def show(done: int, total: int) -> None:
        bar.update(task, completed=done, total=total)
        if not bar.live.is_started:  # not before: a bar of unknown length cannot be drawn
            bar.start()

    try:
        yield show
    finally:
        if bar.live.is_started:
            bar.stop()
