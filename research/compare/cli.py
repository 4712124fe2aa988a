"""``qt compare``: nothing heavy is imported before it runs."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from qt_core.config import Config

_WIDE = 180  # columns where stdout is no terminal
FILES = ("compare.json", "compare.html")


@click.command(context_settings={"max_content_width": 110})
@click.argument("config", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--seeds", type=click.IntRange(min=1), default=5, show_default=True, help="Seeds of exploration and of chance."
)
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Write compare.html and compare.json.")
@click.option("--set", "changes", multiple=True, metavar="SECTION.KEY=VALUE", help="Change a value of the file.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout, nothing else.")
def compare(config: Path, seeds: int, out: "Path | None", changes: tuple[str, ...], as_json: bool) -> None:
    """Backtest the tape of CONFIG: each model alone and all together, beside controls, after all costs.

    The controls are the rule signals, random sides that turn over as much as the ensemble, and holding the symbols. Only
    bars are used on which some model speaks. Intervals are bootstrapped over days.
    """
    from qt_core.io.inputs import read_config

    doc = _compare(read_config(config, changes), seeds, out)
    if as_json:
        import json

        click.echo(json.dumps(doc, indent=1, allow_nan=False))
    else:
        from rich.console import Console

        from research.compare.page import print_table

        print_table(Console(width=None if sys.stdout.isatty() else _WIDE), doc)
    if out is not None:
        click.echo(f"written: {out}/compare.html and compare.json", err=as_json)


def _compare(config: "Config", seeds: int, out: "Path | None") -> dict[str, Any]:
    import numpy as np

    from qt_core.errors import ConfigError, DataError
    from qt_core.io.signals import tape_path
    from qt_core.io.tape_file import read_about
    from research.ablation.store import write_file
    from research.cli.execute import prepare
    from research.cli.progress import progress_bar, say
    from research.compare.page import page
    from research.compare.study import compare as run_study
    from research.compare.study import document
    from research.learning.windows import MIN_BARS, cut
    from research.training.settings import settings_of

    if config.signals.get("source") != "tape":
        raise ConfigError(f"{config.source}: signals.source: {config.signals.get('source')!r}; expected tape")
    slots, written = settings_of(config).slots, tuple(read_about(tape_path(config))["slots"])
    if slots != written:
        raise ConfigError(
            f"{config.source}: models.slots: {', '.join(slots)}; the tape has {', '.join(written)}, the same expected"
        )
    _check_out(out)
    run = prepare(config, say)
    spoken = np.flatnonzero(run.tape.available.any(axis=(1, 2)))
    if len(spoken) < MIN_BARS:
        raise DataError(f"{config.source}: models speak on {len(spoken)} bars; expected at least {MIN_BARS}")
    part = cut(run.market, run.tape, run.context, int(spoken[0]), run.market.n_bars)
    with progress_bar("runs", left=True) as progress:
        made = run_study(part.market, part.context, part.tape, config, slots, seeds=seeds, progress=progress)
    doc = document(made, config, list(run.tape.models))
    if out is not None:
        import json

        out.mkdir(parents=True, exist_ok=True)
        write_file(out / "compare.json", (json.dumps(doc, indent=1, allow_nan=False) + "\n").encode())
        write_file(out / "compare.html", page(doc).encode())
    return doc


def _check_out(out: "Path | None") -> None:
    """Refuse a place that cannot be written, and a folder with files that no comparison wrote."""
    from qt_core.errors import DataError

    if out is None:
        return
    parent = next(p for p in (out.absolute(), *out.absolute().parents) if p.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise DataError(f"{parent}: may not be written in; a folder that may be expected")
    if not out.exists():
        return
    found = sorted(p.name for p in out.iterdir() if p.name not in FILES) if out.is_dir() else [out.name]
    if found:
        raise DataError(f"{out}: holds {found[0]}; a new folder, an empty one or an earlier comparison expected")
