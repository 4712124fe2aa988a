"""``qt learn``: nothing heavy is imported before it runs."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from qt_core.config import Config
    from research.cli.execute import Run
    from research.learning.folder import LearnFolder
    from research.learning.train import Learned

EXIT_INTERRUPTED = 130
_WIDE = 120  # columns where stdout is no terminal


@click.command(context_settings={"max_content_width": 110})
@click.argument("config", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--epochs", type=click.IntRange(min=1), default=5, show_default=True, help="Passes over the window.")
@click.option(
    "--seeds", type=click.IntRange(min=1), default=5, show_default=True, help="Seeds of exploration: 0, 1, ..."
)
@click.option(
    "--until", metavar="DATE", help="Learn before it, judge from it on (UTC). [default: two thirds of the bars]"
)
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="DIR", help="Tables, results and learning.html; resumable."
)
@click.option("--set", "changes", multiple=True, metavar="SECTION.KEY=VALUE", help="Change a value of the file.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout, nothing else.")
def learn(
    config: Path,
    epochs: int,
    seeds: int,
    until: "str | None",
    out: "Path | None",
    changes: tuple[str, ...],
    as_json: bool,
) -> None:
    """Learn sizes (19) and strategies (21) on the first bars of CONFIG's window, judge them by the later ones.

    Each seed runs several epochs, its tables going on from one to the next. Then the tables are frozen and run, at
    epsilon 0, over bars they have not seen, beside blank tables and a fixed size. With --out a finished seed is kept at
    once: after Ctrl-C the same command goes on where it stopped.
    """
    from qt_core.io.inputs import read_config
    from research.cli.progress import say
    from research.learning.spread import QUOTED_SEEDS
    from research.learning.train import check_learning

    checked = read_config(config, changes)
    check_learning(checked)
    if seeds < QUOTED_SEEDS:
        say(f"warning: a spread over fewer than {QUOTED_SEEDS} seeds is not quoted; --seeds is {seeds}")
    if out is not None:
        from research.learning.folder import check_folder

        check_folder(out)
    learned = _learn(checked, epochs, range(seeds), until, out)
    _show(learned, as_json)
    if out is not None:
        click.echo(f"written: {out}/learning.html, tables.json (all seeds merged) and one folder a seed", err=as_json)


def _learn(config: "Config", epochs: int, seeds: range, until: "str | None", out: "Path | None") -> "Learned":
    from qt_core.io.load import parse_time
    from research.cli.execute import prepare
    from research.cli.progress import progress_bar, say
    from research.learning.train import learn as run_learn
    from research.learning.windows import default_until, split

    until_ms = None if until is None else parse_time(until)
    run = prepare(config, say)
    until_ms = default_until(run.market) if until_ms is None else until_ms
    split(run.market, run.tape, run.context, until_ms)  # bad dates end here, before anything is written
    folder = None if out is None else _folder(out, run, epochs, until_ms)
    params = config.params()
    finished = {} if folder is None else folder.finished(seeds, params)
    if finished:
        say(f"{len(finished)} of {len(seeds)} seeds are there already")
    kept = list(finished)

    def keep(done: Any) -> None:
        if folder is not None:
            folder.write_seed(done, params)
            kept.append(done.seed)

    try:
        with progress_bar("runs") as progress:
            learned = run_learn(
                *(run.market, run.tape, config, epochs, seeds),
                context=run.context,
                until_ms=until_ms,
                tables=None if run.tables is None else run.tables.tables,
                progress=progress,
                finished=finished,
                on_seed=keep,
            )
    except KeyboardInterrupt:
        if not kept:
            raise
        say(f"interrupted; {len(kept)} of {len(seeds)} seeds are kept in {out}, the same command goes on from there")
        sys.exit(EXIT_INTERRUPTED)
    if folder is not None:
        _write(folder, learned)
    return learned


def _folder(out: Path, run: "Run", epochs: int, until_ms: int) -> "LearnFolder":
    from qt_core.tables import blank_tables
    from research.learning.folder import LearnFolder, fingerprint

    tables = blank_tables() if run.tables is None else run.tables.tables
    folder = LearnFolder(out, fingerprint(run.config, run.market, run.tape, epochs, until_ms, tables))
    folder.check()
    return folder


def _write(folder: "LearnFolder", learned: "Learned") -> None:
    import yaml

    from research.learning.page import learning_page
    from research.learning.results import results

    document = results(learned)
    resolved = yaml.safe_dump(learned.config.as_dict(), sort_keys=False, allow_unicode=True)
    folder.write_all(learned, document, learning_page(learned, document), resolved)


def _show(learned: "Learned", as_json: bool) -> None:
    if as_json:
        import json

        from research.learning.results import results

        click.echo(json.dumps(results(learned), indent=1, allow_nan=False))
        return
    from rich.console import Console

    from research.learning.results import print_results

    print_results(Console(width=None if sys.stdout.isatty() else _WIDE), learned)
