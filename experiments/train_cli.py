"""``qt train`` and ``qt tape``. Nothing heavy is imported before a command really runs."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from research.training.walk_forward import Training

_CHANGES = click.option(
    "--set", "changes", multiple=True, metavar="SECTION.KEY=VALUE", help="Change a value of the file; may be repeated."
)
_MLFLOW = click.option(
    "--mlflow/--no-mlflow", "track", default=True, show_default=True, help="Track in MLflow (MLFLOW_TRACKING_URI)."
)


@click.command(context_settings={"max_content_width": 110})
@click.argument("config", type=click.Path(dir_okay=False, path_type=Path))
@_CHANGES
@_MLFLOW
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout, nothing else.")
def train(config: Path, changes: tuple[str, ...], track: bool, as_json: bool) -> None:
    """Train every model of every window of CONFIG that is not trained yet.

    Per window: fit, stop early, calibrate, predict, on spans that share no row and no label. Each fit is kept at once:
    after Ctrl-C the same command goes on where it stopped.
    """
    training, reports = _train(config, changes, track)
    _show(training, reports, as_json)


@click.command(context_settings={"max_content_width": 110})
@click.argument("config", type=click.Path(dir_okay=False, path_type=Path))
@_CHANGES
@_MLFLOW
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="[default: in the models' folder]"
)
def tape(config: Path, changes: tuple[str, ...], track: bool, out: "Path | None") -> None:
    """Write the signal tape: what every model said of every bar, out of sample, as one parquet file.

    Windows that are not trained yet are trained first.
    """
    from research.training.tape_file import tape_of, write_tape

    training, _ = _train(config, changes, track)
    made = tape_of(training)
    path = out or training.settings.folder / "tape.parquet"
    write_tape(path, made, training.data.market, training.settings.slots)
    says = made.available.any(axis=2)
    click.echo(f"written: {path}: {int(says.sum()):,} rows, {len(made.models)} models")


def _train(config: Path, changes: tuple[str, ...], track: bool) -> "tuple[Training, list[Any]]":
    from research.cli.inputs import load_config_market, read_config
    from research.cli.progress import progress_bar, say
    from research.training.settings import settings_of
    from research.training.walk_forward import open_training
    from research.training.walk_forward import train as run

    checked = read_config(config, changes)
    settings_of(checked)
    training = open_training(checked, load_config_market(checked))
    with progress_bar("fits", left=True) as progress:
        return training, run(training, (), say, progress)


def _show(training: "Training", reports: "list[Any]", as_json: bool) -> None:

    print(len(reports))
