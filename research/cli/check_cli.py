"""``qt check``: checks of the machinery itself. Nothing heavy is imported before one runs."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from qt_core.config import Config
    from qt_core.market import Market
    from research.checks.lookahead import LookaheadReport

EXIT_LEAK = 1


@click.group()
def check() -> None:
    """Check that a result may be believed."""


class _Cuts(click.ParamType):
    """A whole number >= 1, or ``all``."""

    name = "number or 'all'"

    def convert(self, value: Any, param: "click.Parameter | None", ctx: "click.Context | None") -> "int | str":
        if value == "all":
            return "all"
        if not str(value).isdigit() or int(value) < 1:
            self.fail(f"{value!r} is neither a whole number >= 1 nor 'all'", param, ctx)
        return int(value)


@check.command(context_settings={"max_content_width": 110})
@click.argument("config", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--cuts", type=_Cuts(), default=24, show_default=True, metavar="N", help="Cuts to make, or 'all'.")
@click.option("--set", "changes", multiple=True, metavar="SECTION.KEY=VALUE", help="Change a value of the file.")
@click.option("--seed", type=click.IntRange(min=0), help="Seed of the run instead of the file's.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout, nothing else.")
def lookahead(config: Path, cuts: "int | str", changes: tuple[str, ...], seed: "int | None", as_json: bool) -> None:
    """Compare the run of CONFIG with runs that end earlier: what was decided up to a bar must not change.

    Features, context, signals, decisions, fills and account of every shortened run must equal those of the whole run
    bit for bit. Exit code 1 if one does not; the earliest difference names bar, symbol and column.
    """
    from qt_core.io.inputs import load_config_market, read_config

    checked = dataclasses.replace(read_config(config, changes, seed), faults=())  # a shorter run has no later faults
    market = load_config_market(checked)
    report = _check(market, checked, cuts)
    if as_json:
        import json

        click.echo(json.dumps({**report.as_dict(), "simulated": market.simulated}, indent=1, default=str))
    else:
        _show(report, market)
    if not report.ok:
        raise click.exceptions.Exit(EXIT_LEAK)


def _check(market: "Market", config: "Config", cuts: "int | str") -> "LookaheadReport":
    """Run the check with the configuration's own signals."""
    from qt_core.features.context import chain_context
    from qt_core.features.frame import compute_features
    from qt_core.io.signals import signal_source
    from research.checks.lookahead import Inputs, check_lookahead
    from research.cli.progress import progress_bar, say
    from research.cli.warm import compile_kernels

    signals = signal_source(config)
    compile_kernels(say)

    def build(part: "Market") -> Inputs:
        context = chain_context(part)
        return Inputs(part, context, signals(part, context), compute_features(part))

    with progress_bar("cuts") as progress:
        return check_lookahead(market, config, cuts, seed=config.seed, build=build, progress=progress)


def _show(report: "LookaheadReport", market: "Market") -> None:
    click.echo("SIMULATED MARKET" if market.simulated else market.source)
    click.echo(f"{len(report.cuts)} cuts over {report.span}")
    click.echo("compared up to each cut: " + ", ".join(f"{n:,} {what}" for what, n in report.rows.items()))
    if report.ok:
        click.echo("no look-ahead found: every shortened run equals the whole run up to its end")
        return
    click.echo("LOOK-AHEAD")
    for k, d in enumerate(report.first):
        click.echo(
            f"  {'' if k == 0 else 'then '}{d.text()} (in {report.found_in[d.stage]} of {len(report.cuts)} cuts)"
        )


@check.command(context_settings={"max_content_width": 110})
@click.option("--seeds", type=click.IntRange(min=1), default=20, show_default=True, help="How many.")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Keep outcomes as JSON; resumable."
)
@click.option("--first-seed", type=click.IntRange(min=0), default=0, show_default=True, help="Count seeds from here.")
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Processes, one thread each.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout, nothing else.")
def models(seeds: int, first_seed: int, out: "Path | None", workers: int, as_json: bool) -> None:
    """Train on made-up markets whose truth is known: a planted edge must be found, and none where there is none.

    Per seed three controls: an edge planted at an annual gross Sharpe of 1.75, the same market with shuffled labels, and a
    random walk. Exit code 1 if a promise of docs/models.md is broken. A seed takes minutes.
    """
    from research.cli.progress import progress_bar, say
    from research.controls.study import document, promises, run_study

    with progress_bar("controls", left=True) as progress:
        outcomes = run_study(range(first_seed, first_seed + seeds), out, workers, say, progress)
    rows = promises(outcomes)
    if as_json:
        import json

        click.echo(json.dumps({**document(outcomes), "promises": [row._asdict() for row in rows]}, indent=1))
    else:
        for row in rows:
            click.echo(f"{'kept  ' if row.kept else 'BROKEN'} {row.what}: {row.kept_by} of {row.of} ({row.expected})")
    if not all(row.kept for row in rows):
        raise click.exceptions.Exit(EXIT_LEAK)
