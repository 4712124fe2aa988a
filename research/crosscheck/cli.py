"""``qt crosscheck``: the same signals through other backtesters."""

import json
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from research.crosscheck.harness import Report


@click.command()
@click.option(
    "--data", "folder", metavar="DIR", help="Candle store or folder of parquet files. [default: what is there]"
)
@click.option(
    "--symbol", "symbols", multiple=True, metavar="NAME", help="Symbol; repeat. [default: the first 12 complete]"
)
@click.option("--count", default=12, show_default=True, type=click.IntRange(1), help="Symbols, if none is named.")
@click.option("--start", default="2022-01-01", show_default=True, help="First bar, UTC.")
@click.option("--end", default="2023-01-01", show_default=True, help="End (exclusive), UTC.")
@click.option(
    "--rate",
    default=0.10,
    show_default=True,
    type=click.FloatRange(0, 1, min_open=True),
    help="Share of bars with a side.",
)
@click.option(
    "--stop", default=0.015, show_default=True, type=click.FloatRange(0.0005, 0.5), help="Stop distance, fraction."
)
@click.option(
    "--target", default=0.03, show_default=True, type=click.FloatRange(0.0005, 0.9), help="Target distance, fraction."
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Seed of the sides.")
@click.option("--simulated", is_flag=True, help="Use the simulated market even where real candles are.")
@click.option("--least-percent", default=99.0, show_default=True, help="Equal trades needed per engine, percent.")
@click.option("--least-trades", default=500, show_default=True, help="Stopped or targeted trades needed per engine.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the table.")
def crosscheck(
    folder: str | None,
    symbols: tuple[str, ...],
    count: int,
    start: str,
    end: str,
    rate: float,
    stop: float,
    target: float,
    seed: int,
    simulated: bool,
    least_percent: float,
    least_trades: int,
    as_json: bool,
) -> None:
    """Compare our engine with vectorbt, backtesting.py and backtrader, trade by trade.

    Every engine gets the same bars, entry sides and fixed stops; a differing trade is listed under the one assumption
    whose change reproduces it. Exit code 1 if an engine falls short of the limits or a trade stays unexplained.
    """
    from research.crosscheck import harness

    path = None if simulated else harness.data_folder(folder)
    market = harness.load_complete(path, symbols or None, count, start, end)
    setup = harness.Setup(rate=rate, stop_fraction=stop, target_fraction=target, seed=seed)
    report = harness.crosscheck(market, setup, None if as_json else lambda line: click.echo(f"  {line} ...", err=True))
    failures = report.failures(least_percent, least_trades)
    if as_json:
        click.echo(json.dumps({**report.as_dict(), "failures": failures}, indent=2))
    else:
        _show(report, failures)
    if failures:
        raise click.exceptions.Exit(1)


def _show(report: "Report", failures: list[str]) -> None:
    from rich.console import Console
    from rich.table import Table

    what = "SIMULATED data" if report.simulated else report.source
    s = report.setup
    title = (
        f"{what}, {len(report.symbols)} symbols x {report.n_bars} bars, {report.window}\n"
        f"sides on {s.rate:.0%} of bars, stop {s.stop_fraction:.2%}, target {s.target_fraction:.2%}, "
        f"fee {s.fee_rate:.3%}"
    )
    table = Table(title=title, caption="* decides the exit code; 'open' = open after the last bar in both, not counted")
    for name in ("engine", "convention"):
        table.add_column(name, no_wrap=True)
    for name in ("ours", "theirs", "stopped", "targeted", "equal", "%", "largest error", "open", "s"):
        table.add_column(name, justify="right")
    table.add_column("other trades, by assumption")
    for run, c, seconds in report.rows:
        names = ", ".join(f"{n} {name}" for name, n in c.by_name.items()) or "none"
        counts = (c.n_ours, c.n_theirs, c.stopped, c.targeted, c.equal, f"{c.equal_percent:.2f}")
        tail = (f"{c.largest_error:.1e}", c.open_at_end, f"{seconds:.1f}", names)
        table.add_row(c.peer + ("*" if run.gated else ""), c.convention, *map(str, counts), *map(str, tail))
    console = Console(width=None if Console().is_terminal else 200)
    console.print(table)
    for line in failures:
        console.print(f"FAILED {line}", style="bold red", highlight=False)
