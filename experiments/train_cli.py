"""``qt train`` and ``qt tape``. Nothing heavy is imported before a command really runs."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from experiments.tracking.tracker import Tracker
    from research.training.report import FitReport
    from research.training.walk_forward import Training

EXIT_INTERRUPTED = 130
_WIDE = 120  # columns where stdout is no terminal
_CHANGES = click.option(
    "--set", "changes", multiple=True, metavar="SECTION.KEY=VALUE", help="Change a value of the file; may be repeated."
)
_REPLACE = click.option("--replace", is_flag=True, help="Train anew what is there under other settings or data.")
_MLFLOW = click.option(
    "--mlflow/--no-mlflow", "track", default=True, show_default=True, help="Track in MLflow (MLFLOW_TRACKING_URI)."
)


@click.command(context_settings={"max_content_width": 110})
@click.argument("config", type=click.Path(dir_okay=False, path_type=Path))
@_CHANGES
@_MLFLOW
@_REPLACE
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout, nothing else.")
def train(config: Path, changes: tuple[str, ...], track: bool, replace: bool, as_json: bool) -> None:
    """Train every model of every window of CONFIG that is not trained yet.

    Per window: fit, stop early, calibrate, predict, on spans that share no row and no label. Each fit is kept and logged
    at once: after Ctrl-C the same command goes on where it stopped. Fits that MLflow does not have yet are logged, too.
    """
    training, reports, tracker = _train(config, changes, track, replace)
    _show(training, reports, tracker, as_json)


@click.command(context_settings={"max_content_width": 110})
@click.argument("config", type=click.Path(dir_okay=False, path_type=Path))
@_CHANGES
@_MLFLOW
@_REPLACE
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="[default: in the models' folder]"
)
def tape(config: Path, changes: tuple[str, ...], track: bool, replace: bool, out: "Path | None") -> None:
    """Write the signal tape: what every model said of every bar, out of sample, as one parquet file.

    Windows that are not trained yet are trained first.
    """
    from qt_core.io.tape_file import check_target, write_tape
    from research.training.tape import tape_of

    if out is not None:
        check_target(out)
    training, _, _ = _train(config, changes, track, replace)
    made = tape_of(training)
    path = out or training.settings.folder / "tape.parquet"
    write_tape(path, made, training.data.market, training.settings.slots, training.data.labels.horizon_bars)
    says = made.available.any(axis=2)
    click.echo(f"written: {path}: {int(says.sum()):,} rows, {len(made.models)} models")


def _train(
    config: Path, changes: tuple[str, ...], track: bool, replace: bool
) -> "tuple[Training, list[FitReport], Tracker | None]":
    from qt_core.io.inputs import load_config_market, read_config
    from research.cli.progress import progress_bar, say
    from research.training.settings import settings_of
    from research.training.walk_forward import check_replaced, open_training
    from research.training.walk_forward import train as run

    checked = read_config(config, changes)
    settings_of(checked)
    tracker = _tracker() if track else None
    training = open_training(checked, load_config_market(checked))
    if not replace:
        check_replaced(training)
    with _tracked(training, tracker), progress_bar("fits", left=True) as progress:
        reports = run(training, () if tracker is None else (tracker,), say, progress)
        if tracker is not None:
            tracker.finish(reports)
    return training, reports, tracker


def _tracker() -> "Tracker":
    from experiments.tracking.tracker import Tracker
    from research.cli.progress import say

    return Tracker(say)


@contextlib.contextmanager
def _tracked(training: "Training", tracker: "Tracker | None") -> Iterator[None]:
    """Open the training's run in MLflow; where the training ends early, close it as what it is."""
    if tracker is not None:
        tracker.begin(training)
    try:
        yield
    except KeyboardInterrupt:
        kept = _close(training, tracker, "KILLED")
        click.echo(
            f"interrupted; {kept} fits are kept in {training.settings.folder}, the same command goes on from there",
            err=True,
        )
        sys.exit(EXIT_INTERRUPTED)
    except BaseException:
        _close(training, tracker, "FAILED")
        raise


def _close(training: "Training", tracker: "Tracker | None", status: str) -> int:
    """Tell MLflow how it ended; the number of fits on disk, of earlier settings among them."""
    kept = training.folder.reports(training.windows, training.settings.slots)
    if tracker is not None:
        tracker.finish([], status)
    return len(kept)


def _show(training: "Training", reports: "list[FitReport]", tracker: "Tracker | None", as_json: bool) -> None:
    from experiments.results import print_results, results

    if as_json:
        import json

        document: dict[str, Any] = results(training, reports)
        document["mlflow"] = None if tracker is None else tracker.summary()
        click.echo(json.dumps(document, indent=1, allow_nan=False))
        return
    from rich.console import Console

    print_results(Console(width=None if sys.stdout.isatty() else _WIDE), training, reports)
