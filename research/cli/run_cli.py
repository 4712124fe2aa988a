"""``qt backtest`` and ``qt demo``. Nothing heavy is imported before a command really runs."""

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from research.cli.execute import Run

DEMO_CONFIG = Path(__file__).resolve().parents[2] / "configs" / "demo.yaml"
_WIDE = 110  # columns where stdout is no terminal


@click.command(context_settings={"max_content_width": 110})
@click.argument("config", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--set", "changes", multiple=True, metavar="SECTION.KEY=VALUE", help="Change a value of the file; may be repeated."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout, nothing else.")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="DIR", help="Write parquet files, summary and report.html."
)
@click.option("--seed", type=click.IntRange(min=0), help="Seed of the run instead of the file's.")
@click.option("--band", is_flag=True, help="Also run the other order of stop and target in one bar: worst and best.")
@click.option(
    "--faults",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Suffer the faults of a YAML file.",
)
@click.option(
    "--no-journal", is_flag=True, help="Keep no decision and event rows (qt explain then has nothing to show)."
)
def backtest(
    config: Path,
    changes: tuple[str, ...],
    as_json: bool,
    out: "Path | None",
    seed: "int | None",
    band: bool,
    faults: "Path | None",
    no_journal: bool,
) -> None:
    """Run the configuration in the file CONFIG and print a summary.

    With --out, DIR receives trades, equity, decisions and events as parquet, the resolved configuration, summary.json
    and report.html: all of it or, after an error or Ctrl-C, nothing. DIR may be new, empty or an earlier run.
    """
    from qt_core.io.inputs import read_config

    checked = read_config(config, changes, seed)
    if faults is not None:
        from qt_core.config import load_faults

        checked = dataclasses.replace(checked, faults=load_faults(faults))
    run = _run(checked, out, band=band, journal=not no_journal)
    _show(run, as_json)
    _say_written(out, as_json)


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    default=Path("runs/demo"),
    show_default=True,
    help="Where to write.",
)
def demo(out: Path) -> None:
    """Backtest a simulated market with the settings of configs/demo.yaml. Needs no data.

    Prices are made up, so the result says nothing about any real market; it shows what the machinery does.
    """
    from qt_core.errors import ConfigError
    from qt_core.io.inputs import read_config

    if not DEMO_CONFIG.is_file():
        raise ConfigError(f"{DEMO_CONFIG.name}: not found; qt demo runs from a checkout of the repository")
    run = _run(read_config(DEMO_CONFIG), out, band=False, journal=True)
    _show(run, as_json=False)
    _say_written(out, as_json=False)
    click.echo(_next_steps(run, out))


def _run(config: Any, out: "Path | None", *, band: bool, journal: bool) -> "Run":
    """Run, and write the folder where one is asked for; that it may be written is checked before the work."""
    from research.report.folder import check_target, write_run

    if out is not None:
        check_target(out)
    from research.cli.execute import run_config
    from research.cli.progress import progress_bar, say

    with progress_bar("bars") as progress:
        run = run_config(config, band=band, journal=journal, say=say, progress=progress)
    if out is not None:
        assert run.result is not None
        write_run(out, run.result, run.market, run.summary(), journal=journal, tables=run.tables)
    return run


def _show(run: "Run", as_json: bool) -> None:
    if as_json:
        import json

        click.echo(json.dumps(run.summary(), indent=1, allow_nan=False))
        return
    from rich.console import Console

    from research.report.tables import print_summary

    print_summary(Console(width=None if sys.stdout.isatty() else _WIDE), run.summary())


def _say_written(out: "Path | None", as_json: bool) -> None:
    if out is not None:
        click.echo(f"written: {out}/report.html and the tables beside it", err=as_json)


def _next_steps(run: "Run", out: Path) -> str:
    assert run.result is not None
    trades = run.result.trades
    example = int(trades["trade_id"][len(trades) // 2]) if len(trades) else 1
    return "\n".join(
        (
            "",
            "Next:",
            f"  open {out}/report.html in a browser",
            f"  qt explain {out} {example}     why that trade happened, module by module",
            "  qt backtest configs/demo.yaml --set tpsl.sl_anchor=0.01 --band",
            "  qt backtest configs/majors_1h.yaml --out runs/majors     real candles, if you have them",
        )
    )
