"""``qt paths``: nothing heavy is imported before it runs."""

import sys
from pathlib import Path
from typing import Any

import click

SHOWN = (
    "log_loss_skill",
    "calibration_error",
    "directional_accuracy",
    "actionable",
    "actionable_accuracy",
    "mean_r_net",
)
_WIDE = 130  # columns where stdout is no terminal


@click.command(context_settings={"max_content_width": 110})
@click.argument("config", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--model", required=True, metavar="NAME", help="One of the configuration's models.slots.")
@click.option("--folds", type=click.IntRange(min=3), default=6, show_default=True, help="Blocks the bars are cut into.")
@click.option(
    "--test", "tested", type=click.IntRange(min=1), default=2, show_default=True, help="Blocks judged per fit."
)
@click.option("--set", "changes", multiple=True, metavar="SECTION.KEY=VALUE", help="Change a value of the file.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout, nothing else.")
def paths(config: Path, model: str, folds: int, tested: int, changes: tuple[str, ...], as_json: bool) -> None:
    """How much a model's figures vary from history to history: combinatorial purged cross-validation.

    Models of some blocks know later ones, so nothing here is a result that could have been earned.
    """
    from qt_core.errors import ConfigError
    from qt_core.io.inputs import load_config_market, read_config
    from research.cli.progress import progress_bar
    from research.training.combinatorial import cross_validate
    from research.training.settings import settings_of
    from research.training.walk_forward import open_training

    checked = read_config(config, changes)
    slots = settings_of(checked).slots
    if model not in slots:
        raise ConfigError(f"{config}: --model {model}; expected one of {', '.join(slots)}")
    if tested >= folds:
        raise ConfigError(f"--test {tested} of --folds {folds}; expected fewer blocks judged than there are")
    training = open_training(checked, load_config_market(checked))
    with progress_bar("fits", left=True) as progress:
        found = cross_validate(training, model, folds, tested, progress)
    rows = [{**{k: p.metrics[k] for k in SHOWN}, "gross_sharpe": p.verdict.sharpe} for p in found]
    _show(model, rows, as_json)


def _show(model: str, rows: list[dict[str, float]], as_json: bool) -> None:
    if as_json:
        import json

        plain = [{k: None if v != v else v for k, v in row.items()} for row in rows]
        click.echo(json.dumps({"format": "qt-paths/1", "model": model, "paths": plain}, indent=1))
        return
    import numpy as np
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{model}: {len(rows)} paths", title_justify="left")
    for head in ("path", *(k.replace("_", " ") for k in rows[0])):
        table.add_column(head, justify="right")
    for k, row in enumerate(rows):
        table.add_row(str(k + 1), *map(_text, row.values()))
    columns = {k: np.array([row[k] for row in rows]) for k in rows[0]}
    for name, of in (("mean", np.mean), ("spread", np.std)):
        table.add_row(name, *(_text(float(of(values))) for values in columns.values()), style="bold")
    Console(width=None if sys.stdout.isatty() else _WIDE).print(table)


def _text(x: Any) -> str:
    return "" if x != x else f"{x:,.0f}" if abs(x) >= 100.0 else f"{x:.4f}"
