"""Which account a session trades on: said once, and real money confirmed."""

import os
import sys

import click

REAL_MONEY_PHRASE = "I trade real money"
CONFIRM_VARIABLE = "QT_LIVE_CONFIRM"


def kind_of(paper: bool, testnet: bool, real: bool) -> str:
    """One of three; no flag wins over another in silence, for one of them is real money."""
    said = [name for name, given in (("paper", paper), ("testnet", testnet), ("live", real)) if given]
    if len(said) > 1:
        raise click.UsageError(
            f"{' and '.join('--' + s for s in said)} given; one of --paper, --testnet, --live expected"
        )
    return said[0] if said else "paper"


def confirm_real_money() -> None:
    """Ask for the phrase, or take it from the environment; nothing else starts a session with real money."""
    if os.environ.get(CONFIRM_VARIABLE) == REAL_MONEY_PHRASE:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(f"--live needs a person at the terminal, or {CONFIRM_VARIABLE}='{REAL_MONEY_PHRASE}'")
    typed = click.prompt(f"This trades real money. Type '{REAL_MONEY_PHRASE}' to go on", default="", show_default=False)
    if typed != REAL_MONEY_PHRASE:
        raise click.UsageError("not confirmed; nothing was started")
