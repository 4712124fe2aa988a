"""``qt tables``: look into files of Q-tables, compare and merge them. Nothing heavy is imported before one runs."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.table import Table

    from qt_core.io.qtables import TableFile
    from qt_core.tables import Comparison

_WIDE = 120
_FILE = click.Path(dir_okay=False, path_type=Path)
MODULES = {"size": "19, sizes (reward points)", "strategy": "21, strategies (R)"}


@click.group()
def tables() -> None:
    """Q-tables that qt learn wrote: what they say, how two of them differ, several as one."""


@tables.command(context_settings={"max_content_width": 110})
@click.argument("file", type=_FILE)
@click.option(
    "--states", type=click.IntRange(min=1), default=12, show_default=True, help="States to show, most visited."
)
def show(file: Path, states: int) -> None:
    """Show what FILE has learned: for each state its best action, and what was tried how often."""
    from qt_core.io.qtables import read_tables
    from qt_core.tables import KINDS

    found = read_tables(file)
    console = _console()
    console.print(f"{file} · digest {found.digest}" + _provenance(found))
    for kind in KINDS:
        console.print("", _states(found, kind, states))


@tables.command(context_settings={"max_content_width": 110})
@click.argument("a", type=_FILE)
@click.argument("b", type=_FILE)
@click.option("--largest", type=click.IntRange(min=1), default=8, show_default=True, help="Differences to show.")
def compare(a: Path, b: Path, largest: int) -> None:
    """Compare the tables of A and B: cells both have tried, and whether they would act alike."""
    from qt_core.io.qtables import read_all
    from qt_core.tables import compare as compare_tables

    files = read_all([a, b])
    console = _console()
    for c in compare_tables(files[0].tables, files[1].tables, largest):
        console.print(f"\n[bold]{MODULES[c.kind]}[/bold]\n{_agreement(c)}")
        if c.largest:
            console.print(_differences(c))


@tables.command(context_settings={"max_content_width": 110})
@click.argument("files", type=_FILE, nargs=-1, required=True)
@click.option("--out", type=_FILE, required=True, metavar="FILE", help="Where to write; replaced if it is there.")
def merge(files: tuple[Path, ...], out: Path) -> None:
    """Merge FILES: every cell the mean of their values weighted by visits, visits added."""
    from qt_core.io.qtables import read_all, write_tables
    from qt_core.tables import merge as merge_tables

    found = read_all(list(files))
    merged = merge_tables(*(one.tables for one in found))
    digest = write_tables(out, merged, found[0].meaning, {"merged": [one.digest for one in found]})
    click.echo(f"written: {out} · digest {digest} · {int(merged.size_visits.sum()):,} updates of sizes")


def _console() -> Any:
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else _WIDE, highlight=False)


def _provenance(found: "TableFile") -> str:
    return "".join(f" · {name} {value}" for name, value in found.note.items())


def _table(title: str, *columns: str) -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", pad_edge=False)
    for k, name in enumerate(columns):
        table.add_column(name, justify="left" if k < 2 else "right", no_wrap=True)
    return table


def _states(found: "TableFile", kind: str, limit: int) -> "Table":
    """Most visited states first."""
    import numpy as np

    from qt_core.tables import action_names, greedy_actions, state_names

    q, visits = found.tables.of(kind)
    prior = 0.05  # the module's default; the file says nothing of how its table is used
    greedy, names, actions = greedy_actions(found.tables, kind, prior), state_names(kind), action_names(kind)
    order = [int(i) for i in np.argsort(-visits.sum(axis=1), kind="stable") if visits[i].sum() > 0]
    cells = f"{int((visits > 0).sum())} of {visits.size:,} cells, {len(order)} of {len(q)} states"
    seen = f"{int(visits.sum()):,} updates in {cells}"
    table = _table(f"{MODULES[kind]}: {seen}", "state", "best", "its Q", "tried", "updates", "mean Q", "worst tried")
    for i in order[:limit]:
        tried = visits[i] > 0
        j, worst = int(greedy[i]), int(np.argmin(np.where(tried, q[i], np.inf)))
        mean = float((q[i] * visits[i]).sum() / visits[i].sum())
        best = f"{q[i, j]:.3f}" if tried[j] else "untried"
        counts = (f"{int(tried.sum())} of {len(tried)}", f"{int(visits[i].sum()):,}")
        table.add_row(names[i], actions[j], best, *counts, f"{mean:.3f}", f"{actions[worst]} {q[i, worst]:.3f}")
    return table


def _agreement(c: "Comparison") -> str:
    def text(x: float, form: str) -> str:
        return "-" if x != x else format(x, form)

    return (
        f"cells tried: {c.cells_a} and {c.cells_b}, {c.cells_both} in both; "
        f"correlation of their Q {text(c.correlation, '.3f')}\n"
        f"same best action in {text(c.agreement, '.1%')} of the visits to the {c.states_both} states both know"
    )


def _differences(c: "Comparison") -> "Table":
    table = _table("largest differences", "state", "action", "Q of A", "Q of B", "visits of A", "visits of B")
    for d in c.largest:
        table.add_row(d.state, d.action, f"{d.q_a:.3f}", f"{d.q_b:.3f}", f"{d.visits_a:,}", f"{d.visits_b:,}")
    return table
