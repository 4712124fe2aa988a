"""The ``qt`` command: stdlib and click only, so that ``qt --help`` needs neither numba nor pandas.

A sub-command is a row of ``COMMANDS``: its module is imported when it is called, and that module keeps its own heavy
imports inside its functions, so that ``qt COMMAND --help`` is instant too. Errors end here: one line on stderr and an
exit code.
"""

import difflib
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NamedTuple

import click

EXIT_OK = 0
EXIT_ERROR = 2  # bad input of any kind
EXIT_INTERRUPTED = 130  # 128 + SIGINT
EXIT_BROKEN_PIPE = 141  # 128 + SIGPIPE: the reader of our output went away, as in `qt ... | head`


class Entry(NamedTuple):
    """One sub-command: where its click command lives (``module:attribute``) and its line in ``qt --help``."""

    target: str
    help: str


COMMANDS: dict[str, Entry] = {
    "data": Entry("research.data.cli:data", "Market data: download, import, verify, list."),
    "backtest": Entry("research.cli.run_cli:backtest", "Run a configuration: summary, JSON, parquet, HTML."),
    "demo": Entry("research.cli.run_cli:demo", "A short backtest on a simulated market; needs no data."),
    "explain": Entry("research.cli.explain_cli:explain", "Why a symbol was (not) traded at a bar, by module."),
    "ablate": Entry(
        "research.ablation.cli:ablate", "What each module earns or costs: each OFF against the full chain."
    ),
    "learn": Entry("research.learning.cli:learn", "Learn sizes and strategies; judge them on later bars."),
    "train": Entry("experiments.train_cli:train", "Train the models of a configuration, window by window; MLflow."),
    "tape": Entry("experiments.train_cli:tape", "Write the signal tape of all windows; trains what is missing."),
    "ui": Entry("experiments.ui_cli:ui", "MLflow's web page on the logged trainings."),
    "paths": Entry("research.training.paths_cli:paths", "How a model's figures vary over histories: purged paths."),
    "compare": Entry("research.compare.cli:compare", "Models alone and together, beside rules, chance and holding."),
    "tables": Entry("research.learning.tables_cli:tables", "Q-tables: show, compare, merge."),
    "live": Entry("live.cli:live", "Trade on paper, on a test net or live; status, stop, audit."),
    "check": Entry("research.cli.check_cli:check", "Checks of the machinery itself: lookahead."),
    "crosscheck": Entry("research.crosscheck.cli:crosscheck", "Same signals through other backtesters."),
    "bench": Entry("benchmarks.cli:bench", "Time engine, sweep, features and start; trades are compared first."),
}


def load(name: str) -> click.Command:
    """Import the click command of a table row.

    Raises
    ------
    click.ClickException
        If the module or a library it needs is missing, or the attribute is not a click command.
    """
    module_name, _, attribute = COMMANDS[name].target.partition(":")
    try:
        command = getattr(importlib.import_module(module_name), attribute, None)
    except ModuleNotFoundError as error:
        if error.name is None or not _is_ours(error.name):
            raise
        raise click.ClickException(f"qt {name} is not available: module {error.name} does not exist") from error
    if not isinstance(command, click.Command):
        raise click.ClickException(f"qt {name} is not available: {module_name} has no click command named {attribute}")
    return command


class LazyGroup(click.Group):
    """A group that knows its commands by name and help line, and imports one only to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return load(cmd_name) if cmd_name in COMMANDS else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            close = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f"did you mean '{close[0]}'?" if close else f"expected one of {', '.join(COMMANDS)}"
            raise click.UsageError(f"unknown command '{args[0]}'; {hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])


def _print_version(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    from qt_core import __version__

    click.echo(f"qt {__version__}")
    ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Version.")
def cli() -> None:
    """Quantum Trader: backtests and research for crypto perpetual futures.

    Bad input ends with one line and exit code 2. QT_DEBUG=1 shows the traceback instead.
    """


def main(args: Sequence[str] | None = None) -> int:
    """Run ``qt`` and return its exit code; the only place that turns exceptions into messages.

    Parameters
    ----------
    args : arguments after the program's name; None = those of the process.
    """
    try:
        with cli.make_context("qt", list(sys.argv[1:] if args is None else args)) as ctx:
            cli.invoke(ctx)
        sys.stdout.flush()  # here, so that a broken pipe is seen by the handler below and not at shutdown
        return EXIT_OK
    except click.exceptions.Exit as error:
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted; nothing was written", err=True)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        return _on_broken_pipe()
    except Exception as error:
        message = None if os.environ.get("QT_DEBUG") else _message(error)
        if message is None:
            raise
        click.echo(message, err=True)
        return EXIT_ERROR


def _message(error: Exception) -> str | None:
    """One line for an error the user can mend, None for a defect of ours, which deserves its traceback."""
    from qt_core.errors import QtError  # light, but not needed unless something failed

    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        return error.format_message()
    if isinstance(error, click.ClickException):
        return _line(error.format_message() + _see_help(error))
    if isinstance(error, QtError):
        return _line(str(error))
    if isinstance(error, OSError) and error.filename is not None:
        return _line(f"{error.filename}: {error.strerror}")
    if isinstance(error, ModuleNotFoundError) and error.name and not _is_ours(error.name):
        return _line(f"the package {error.name} is not installed; `make venv` installs what every command needs")
    return None


def _line(text: str) -> str:
    return "error: " + " ".join(text.split())


def _see_help(error: click.ClickException) -> str:
    ctx = error.ctx if isinstance(error, click.UsageError) else None
    return "" if ctx is None else f" (see {ctx.command_path} --help)"


def _is_ours(module_name: str) -> bool:
    own = {entry.target.partition(".")[0] for entry in COMMANDS.values()} | {"qt_core", "experiments", "live"}
    return module_name.partition(".")[0] in own


def _on_broken_pipe() -> int:
    # stdout is dead: point it at nothing, or the interpreter complains once more while shutting down.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return EXIT_BROKEN_PIPE


if __name__ == "__main__":
    sys.exit(main())
