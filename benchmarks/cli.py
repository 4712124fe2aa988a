"""``qt bench``: the budgets of DESIGN section 4 in one run."""

import json
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from benchmarks.table import Row

GROUPS = ("engine", "chain", "sweep", "features", "inference", "live", "start", "growth")
RUNS, QUICK_RUNS = 7, 3


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the table.")
@click.option("--quick", is_flag=True, help=f"{QUICK_RUNS} timed runs each instead of {RUNS}: a look, not a result.")
@click.option("--only", "groups", multiple=True, type=click.Choice(GROUPS), help="Only this group; repeat.")
@click.option("--data", "folder", metavar="DIR", help="Candle store or folder of parquet. [default: what is there]")
@click.option("--simulated", is_flag=True, help="Use the simulated market even where real candles are.")
def bench(as_json: bool, quick: bool, groups: tuple[str, ...], folder: str | None, simulated: bool) -> None:
    """Time the engine beside its peers, the sweep, the features and the start; show floors, aims and what was met.

    Trades are compared before anything is timed. Medians of 7 runs, compile time apart. Nothing here is a test: a
    missed budget is shown as a miss and the exit code stays 0.
    """
    from benchmarks import table

    runs = QUICK_RUNS if quick else RUNS
    rows, head = measure(groups or GROUPS, runs, folder, simulated)
    if as_json:
        click.echo(json.dumps({**head, "rows": [row.as_dict() for row in rows]}, indent=2, default=str))
        return
    table.show(rows, head)
    missed = table.misses(rows)
    click.echo(f"{len(missed)} of {sum(row.floor is not None for row in rows)} floors missed")


def measure(
    groups: tuple[str, ...], runs: int, folder: str | None, simulated: bool
) -> "tuple[list[Row], dict[str, Any]]":
    """Rows of the groups asked for, and what they were measured on."""
    from benchmarks.chain_rows import chain_rows
    from benchmarks.engine_rows import engine_rows
    from benchmarks.feature_rows import feature_rows
    from benchmarks.growth_rows import growth_rows
    from benchmarks.inference_rows import inference_rows
    from benchmarks.live_rows import live_rows
    from benchmarks.start import start_rows
    from benchmarks.sweep_rows import sweep_rows
    from benchmarks.tape import head_facts, make_bench, make_sweep_bench
    from research.crosscheck.harness import Setup

    bench_tape = make_bench(Setup(), folder, simulated)
    sweep_tape = make_sweep_bench(Setup(), folder, simulated)
    makers = {
        "engine": lambda: engine_rows(bench_tape, runs),
        "chain": lambda: chain_rows(bench_tape, runs),
        "sweep": lambda: sweep_rows(sweep_tape, runs, simulated, folder),
        "features": lambda: feature_rows(runs, bench_tape.market if simulated or folder else None),
        "inference": lambda: inference_rows(runs),
        "live": lambda: live_rows(runs),
        "start": lambda: start_rows(runs),
        "growth": lambda: growth_rows(bench_tape, sweep_tape, runs),
    }
    rows: list[Row] = []
    for group in GROUPS:
        if group in groups:
            rows += makers[group]()
    return rows, head_facts(bench_tape, runs)
