"""``qt live``: run a session and talk to one. Nothing heavy is imported before a command really runs."""

import asyncio
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from live.real_money import confirm_real_money, kind_of

if TYPE_CHECKING:
    from live.adapters.store_sqlite import SqliteStore
    from live.bootstrap import Started
    from live.host import Open
    from qt_core.config import Config

DEMO_CONFIG = Path(__file__).resolve().parents[1] / "configs" / "demo.yaml"
CONFIG = click.argument("config", type=click.Path(dir_okay=False, path_type=Path))
SESSION = click.argument("session", type=click.Path(path_type=Path))
FOLDER = click.option("--folder", type=click.Path(path_type=Path), help="Where sessions are kept; default runs/live.")
CHANGES = click.option(
    "--set", "changes", multiple=True, metavar="SECTION.KEY=VALUE", help="Change a value of the file; may be repeated."
)
DIFFERENCES_SHOWN = 20
EXIT_DIFFERS = 1
ANSWER_S = 10.0


@click.group(context_settings={"max_content_width": 110})
def live() -> None:
    """Sessions: the chain that was tested, bar by bar, on paper or on an exchange.

    SESSION is a session's folder (runs/live/NAME) or its name.
    """


@live.command()
@CONFIG
@click.option("--paper", is_flag=True, help="The engine's own venue; no orders leave the machine. Default.")
@click.option("--testnet", is_flag=True, help="The exchange's demo trading; made-up money.")
@click.option(
    "--live",
    "real",
    is_flag=True,
    help="Real money; asks for a typed confirmation, or QT_LIVE_CONFIRM where nobody types.",
)
@click.option("--replay", is_flag=True, help="With --paper: the candles of the data section, not the exchange's.")
@click.option(
    "--speed",
    type=click.FloatRange(min=0.0),
    default=0.0,
    help="With --replay: bars per second; 0 = as fast as can be.",
)
@CHANGES
@FOLDER
def run(
    config: Path,
    paper: bool,
    testnet: bool,
    real: bool,
    replay: bool,
    speed: float,
    changes: tuple[str, ...],
    folder: "Path | None",
) -> None:
    """Start the session of CONFIG, or go on with it where it was stopped or killed.

    Ctrl-C or SIGTERM ends it: what is being done is finished, the state is saved, protection stays on the exchange.
    """
    from qt_core.io.inputs import read_config

    kind = kind_of(paper, testnet, real)
    checked = read_config(config, changes)
    if replay and kind != "paper":
        raise click.UsageError("--replay is for --paper; an exchange has its own time")
    where = "replay" if replay else kind
    from live.bootstrap import session_folder
    from live.refusals import check_start

    check_start(checked, where)
    if kind == "live":
        confirm_real_money()
    from live.host import host

    own = session_folder(checked, folder, "" if replay else kind)
    sys.exit(asyncio.run(host(own, _opener(checked, where, folder, speed), where)))


def _opener(config: "Config", kind: str, folder: "Path | None", speed: float) -> "Open":
    """What makes the session, once logs and alerts are there."""

    async def open_session(alerts: Any) -> "Started":
        if kind == "replay":
            from live.bootstrap import start_paper_replay

            return start_paper_replay(config, folder, speed)
        if kind == "paper":
            from live.paper import open_paper

            return await open_paper(config, folder, alerts=alerts)
        from live.exchange import open_exchange

        return await open_exchange(config, kind, folder, alerts=alerts)

    return open_session


@live.command()
@click.option(
    "--config", type=click.Path(dir_okay=False, path_type=Path), default=DEMO_CONFIG, help="Default: configs/demo.yaml."
)
@click.option("--bars", type=click.IntRange(min=1), default=300, show_default=True, help="Hours to trade.")
@click.option(
    "--pause", type=click.FloatRange(min=0.0), default=0.0, help="Seconds between bars; 0 = as fast as can be."
)
@CHANGES
@FOLDER
def demo(config: Path, bars: int, pause: float, changes: tuple[str, ...], folder: "Path | None") -> None:
    """Trade on an exchange that runs on this machine, through ccxt: the whole live path, without keys or network."""
    from live.demo import closing_words, demo_folder, run_demo
    from qt_core.io.inputs import read_config

    checked = read_config(config, changes)
    code = asyncio.run(run_demo(checked, bars, folder, pause))
    click.echo(closing_words(demo_folder(checked, folder)))
    sys.exit(code)


# --- talking to a session -------------------------------------------------------------------------------------------


def session_path(session: Path, folder: "Path | None" = None) -> Path:
    """The journal of a session given by folder or name."""
    from live.bootstrap import DEFAULT_ROOT, JOURNAL

    here = session if (session / JOURNAL).is_file() else Path(folder or DEFAULT_ROOT) / session
    return here / JOURNAL


@contextlib.contextmanager
def opened(session: Path, folder: "Path | None", read_only: bool = True) -> "Iterator[SqliteStore]":
    """The store of a session, closed afterwards."""
    import sqlite3

    from live.adapters.store_sqlite import SqliteStore
    from live.errors import LiveError

    path = session_path(session, folder)
    store = SqliteStore(path, read_only=read_only)
    try:
        yield store
    except sqlite3.DatabaseError as error:
        raise LiveError(f"{path}: cannot be read ({error}); a sound journal expected") from error
    finally:
        store.close()


@live.command("list")
@FOLDER
def list_sessions(folder: "Path | None") -> None:
    """Sessions kept in a folder: which run, and what each is at."""
    from live.bootstrap import DEFAULT_ROOT
    from live.sessions import print_sessions, sessions_in

    root = Path(folder or DEFAULT_ROOT)
    print_sessions(sessions_in(root), root)


@live.command()
@SESSION
@FOLDER
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def status(session: Path, folder: "Path | None", as_json: bool) -> None:
    """What a session is at: account, positions, emergency stop, last bar, newest notes."""
    from live.tables import print_status, status_dict
    from live.views import status as status_of

    with opened(session, folder) as store:
        found = status_of(store, session.name)
    if as_json:
        import json

        click.echo(json.dumps(status_dict(found)))
    else:
        print_status(found)


@live.command()
@SESSION
@FOLDER
def positions(session: Path, folder: "Path | None") -> None:
    """Open positions with their protection, as of the newest snapshot."""
    from live.tables import print_positions
    from live.views import status as status_of

    with opened(session, folder) as store:
        print_positions(status_of(store, session.name))


def _say(session: Path, folder: "Path | None", name: str, args: dict[str, Any]) -> None:
    from live.bootstrap import is_running
    from live.commands import say
    from live.errors import LiveError

    path = session_path(session, folder)
    if path.exists() and not is_running(path.parent):
        raise LiveError(f"{path.parent}: the session is not running; qt live run goes on with it")
    with opened(session, folder, read_only=False) as store:
        click.echo(say(store, name, args, ANSWER_S))


@live.command()
@SESSION
@FOLDER
def stop(session: Path, folder: "Path | None") -> None:
    """End a running session; positions keep their protection."""
    _say(session, folder, "stop", {})


@live.command("emergency-stop")
@SESSION
@FOLDER
def emergency_stop(session: Path, folder: "Path | None") -> None:
    """Latch the emergency stop: entries are cancelled, nothing opens until `qt live reset`."""
    _say(session, folder, "emergency-stop", {})


@live.command()
@SESSION
@click.argument("reason")
@FOLDER
def reset(session: Path, reason: str, folder: "Path | None") -> None:
    """Unlatch the emergency stop; REASON is written into the journal."""
    _say(session, folder, "reset", {"reason": reason})


@live.command()
@SESSION
@click.argument("word", type=click.Choice(["pause", "halt", "release", "exit", "override"]))
@click.option("--symbol", metavar="NAME", help="Of exit and override.")
@FOLDER
def tell(session: Path, word: str, symbol: "str | None", folder: "Path | None") -> None:
    """Pause or halt entries, release both, exit a position, or override one veto of a symbol."""
    _say(session, folder, word, {} if symbol is None else {"symbol": symbol})


@live.command()
@SESSION
@click.argument("trade", type=click.IntRange(min=1), required=False)
@click.option("--at", "time", metavar="TIME", help="Instead of a trade: the decisions at this moment (UTC).")
@click.option("--symbol", metavar="NAME", help="With --at: this symbol only.")
@FOLDER
def explain(
    session: Path, trade: "int | None", time: "str | None", symbol: "str | None", folder: "Path | None"
) -> None:
    """Explain TRADE of SESSION, module by module, or with --at what was decided at a bar."""
    if (trade is None) == (time is None) or (symbol is not None and time is None):
        raise click.UsageError("give either a TRADE id, or --at TIME with an optional --symbol NAME")
    from live.views import explained
    from qt_core.explain.text import explain as explain_trade
    from qt_core.explain.text import explain_bar

    with opened(session, folder) as store:
        journal = explained(store)
    click.echo(
        explain_bar(journal, time, symbol) if trade is None and time is not None else explain_trade(journal, trade or 0)
    )


@live.command()
@SESSION
@FOLDER
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def audit(session: Path, folder: "Path | None", as_json: bool) -> None:
    """Do a session again from its journal: inputs, features, model rows, decisions, orders, State, byte for byte.

    Exit code 0 where everything is equal, 1 where anything differs; each difference names bar, symbol and module.
    """
    from live.audit import audit as audit_of
    from live.tables import audit_dict, print_audit

    with opened(session, folder) as store:
        found = audit_of(store)
    if as_json:
        import json

        click.echo(json.dumps(audit_dict(found)))
    else:
        print_audit(found, DIFFERENCES_SHOWN)
    sys.exit(0 if found.clean else EXIT_DIFFERS)
