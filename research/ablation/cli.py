"""``qt ablate``: what each module earns or costs. Nothing heavy is imported before it runs."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from qt_core.config import Config
    from research.ablation.runs import Study

_WIDE = 178  # columns where stdout is no terminal
EXIT_INTERRUPTED = 130


class _Names(click.ParamType):
    """Names with commas between them."""

    name = "names"

    def convert(self, value: Any, param: "click.Parameter | None", ctx: "click.Context | None") -> tuple[str, ...]:
        return tuple(n.strip() for n in value.split(",") if n.strip()) if isinstance(value, str) else value


@click.command(context_settings={"max_content_width": 110})
@click.argument("config", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--seeds", type=click.IntRange(1, 1000), default=5, show_default=True, help="Seeds, from the file's on.")
@click.option("--modules", type=_Names(), default=(), metavar="A,B,..", help="Modules and groups. [default: all]")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Write page, JSON, CSV and finished runs.")
@click.option("--threads", type=click.IntRange(1, 64), default=2, show_default=True, help="Runs at a time.")
@click.option(
    "--resamples", type=click.IntRange(100, 100_000), default=2000, show_default=True, help="Of the bootstrap."
)
@click.option(
    "--block", type=click.FloatRange(1.0), metavar="DAYS", help="Mean block of the bootstrap. [default: by rule]"
)
@click.option("--set", "changes", multiple=True, metavar="SECTION.KEY=VALUE", help="Change a value of the file.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout, nothing else.")
def ablate(
    config: Path,
    seeds: int,
    modules: tuple[str, ...],
    out: "Path | None",
    threads: int,
    resamples: int,
    block: "float | None",
    changes: tuple[str, ...],
    as_json: bool,
) -> None:
    """Compare the full chain of CONFIG with the same chain with each module, and each group, switched OFF.

    Same data and same seeds in both. Differences are ON minus OFF, with intervals by stationary bootstrap of paired
    daily differences, averaged over seeds; p-values are adjusted for the number of rows. With --out, finished runs are
    kept: Ctrl-C loses only those under way, and the same command goes on.
    """
    from qt_core.io.inputs import read_config
    from research.ablation.store import check_folder

    checked = read_config(config, changes)
    if out is not None:
        check_folder(out)
    try:
        doc = _ablate(checked, seeds, modules, out, threads, resamples, block)
    except KeyboardInterrupt:
        if out is None:
            raise
        click.echo(f"interrupted; finished runs are kept in {out}: the same command goes on from there", err=True)
        raise click.exceptions.Exit(EXIT_INTERRUPTED) from None
    _show(doc, out, as_json)


def _ablate(
    config: "Config",
    n_seeds: int,
    modules: tuple[str, ...],
    out: "Path | None",
    threads: int,
    resamples: int,
    block: "float | None",
) -> dict[str, Any]:
    from qt_core.errors import QtError
    from research.ablation.compare import compare
    from research.ablation.document import document
    from research.ablation.plan import make_arms
    from research.ablation.runs import make_runs
    from research.ablation.store import RunStore
    from research.cli.progress import progress_bar

    arms = make_arms(config, modules)
    study = _study(config, n_seeds)
    store = RunStore(out, study.key)
    store.open()
    try:
        with progress_bar("runs", left=True) as progress:
            runs = make_runs(study, arms, store, threads=threads, progress=progress)
    except QtError:
        store.undo()
        raise
    with progress_bar("resampled") as progress:
        rows = compare(runs, arms, resamples=resamples, block_days=block, progress=progress)
    doc = document(study, runs, rows, resamples)
    if out is not None:
        _write(out, doc)
    return doc


def _study(config: "Config", n_seeds: int) -> "Study":
    """Market, context and signals; every mistake in the configuration ends here."""
    from qt_core.io.signals import is_random, signal_source
    from research.ablation.runs import Study
    from research.cli.execute import prepare
    from research.cli.progress import say

    run = prepare(config, say)

    def tape_of(seed: int) -> Any:
        if seed == config.seed or not is_random(config):
            return run.tape
        return signal_source(config, seed - config.seed)(run.market, run.context)

    seeds = tuple(config.seed + k for k in range(n_seeds))
    tables = None if run.tables is None else run.tables.tables
    return Study(config, run.market, run.context, tape_of, seeds, tables, run.script)


def _write(out: Path, doc: dict[str, Any]) -> None:
    from research.ablation.document import as_csv, as_json
    from research.ablation.page import page
    from research.ablation.store import write_file

    texts = {"ablation.json": as_json(doc), "ablation.csv": as_csv(doc), "ablation.html": page(doc)}
    for name, text in texts.items():
        write_file(out / name, text.encode())


def _show(doc: dict[str, Any], out: "Path | None", as_json: bool) -> None:
    if as_json:
        from research.ablation.document import as_json as text

        click.echo(text(doc), nl=False)
    else:
        from rich.console import Console

        from research.ablation.tables import print_table

        print_table(Console(width=None if sys.stdout.isatty() else _WIDE), doc)
    if out is not None:
        click.echo(f"written: {out}/ablation.html and the tables beside it", err=as_json)
