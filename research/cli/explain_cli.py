"""``qt explain``: why a trade happened, or what was decided at a bar. Nothing heavy is imported before it runs."""

from pathlib import Path

import click


@click.command(context_settings={"max_content_width": 110})
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("trade", type=click.IntRange(min=1), required=False)
@click.option("--at", "time", metavar="TIME", help="Instead of a trade: the decisions at this moment (UTC).")
@click.option("--symbol", metavar="NAME", help="With --at: this symbol only.")
def explain(run: Path, trade: "int | None", time: "str | None", symbol: "str | None") -> None:
    """Explain TRADE (an id) of RUN (a folder written by qt backtest --out), module by module.

    Shows the market and what every policy allowed, what the models said, strategy, score, size and limits with every
    module's numbers, the fills, what happened to the position while it was held, how the profit adds up, and what was
    learned from it: old Q -> new Q. With --at: which symbols were candidates at a bar, and why each was taken or refused.
    """
    if (trade is None) == (time is None) or (symbol is not None and time is None):
        raise click.UsageError("give either a TRADE id, or --at TIME with an optional --symbol NAME")
    from research.report import explain as explain_trade
    from research.report import explain_bar

    if trade is not None:
        click.echo(explain_trade(run, trade))
    elif time is not None:
        click.echo(explain_bar(run, time, symbol))
