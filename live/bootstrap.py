"""The one composition root: from a configuration and a kind of session to a runner whose every port is filled."""

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from live.about import check_about, write_about
from live.adapters.broker_paper import PaperBroker
from live.adapters.feed_replay import ReplayFeed, setup_of
from live.adapters.store_sqlite import PLANNED, SENT, SqliteStore
from live.chain import Chain, Setup
from live.errors import LiveError
from live.inputs import Inputs, RuleSpeaker, Speaker, TapeSpeaker
from live.journal import Journal
from live.recovery import Recovered, is_new, recover
from live.runner import Runner
from live.session import Session
from live.settings import LiveSettings, live_settings, session_name
from qt_core.config import Config
from qt_core.errors import ConfigError
from qt_core.features.context import chain_context
from qt_core.io.inputs import load_config_market, load_config_tables, rule_params
from qt_core.io.signals import signal_source
from qt_core.market import Market

DEFAULT_ROOT = "runs/live"
JOURNAL = "journal.sqlite"
PAPER = "paper"


@dataclass
class Started:
    """A runner, how it came back, and what must be held while it runs."""

    runner: Runner
    recovered: Recovered
    folder: Path
    lock: "IO[str]"
    account: "IO[str] | None" = None


def session_folder(config: Config, root: "str | Path | None" = None, kind: str = "") -> Path:
    """Where a configuration's session of a kind keeps its files; a replay's bears the configuration's name alone."""
    return Path(root or DEFAULT_ROOT) / session_name(config, live_settings(config), kind)


def hold(folder: Path) -> "IO[str]":
    """The session's lock: one process at a time.

    Raises
    ------
    LiveError
        If another process runs the session.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle = open(folder / "lock", "a+")  # noqa: SIM115  held as long as the session runs
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        handle.seek(0)
        other = handle.read().strip() or "another process"
        handle.close()
        raise LiveError(
            f"{folder}: this session is running already ({other}); one process per session expected"
        ) from error
    handle.seek(0)
    handle.truncate()
    handle.write(f"process {os.getpid()}")
    handle.flush()
    return handle


def is_running(folder: Path) -> bool:
    """True where a process holds the session's lock."""
    try:
        with open(folder / "lock") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def check_safe(config: Config) -> None:
    """Outside a backtest the modules that keep the account safe must bind.

    Raises
    ------
    ConfigError
        Naming the module that does not.
    """
    for name in config.unsafe:
        raise ConfigError(
            f"{config.source}: {name}.mode: does not bind; expected enforced in a session (SPEC: 17, 24, ESS)"
        )
    if config.faults:
        raise ConfigError(f"{config.source}: faults: a script of faults is for backtests; expected none in a session")


def replay_speaker(config: Config, market: Market) -> Speaker:
    """Who speaks in a replay: the rules bar by bar, or the rows of the configuration's tape."""
    source = str(config.signals.get("source", "rules"))
    if source == RuleSpeaker.label:
        return RuleSpeaker(market.symbols, market.timeframe_ms, rule_params(config))
    tape = signal_source(config)(market, chain_context(market))
    return TapeSpeaker(market.symbols, market.timeframe_ms, tape, market.time, source)


def open_journal(folder: Path, setup: Setup, speaker: str, kind: str) -> tuple[Journal, str]:
    """The session's journal, made or checked, and its run id."""
    path = folder / JOURNAL
    store = SqliteStore(path, create=True)
    store.check()
    run_id = write_about(store, setup, speaker, kind) if is_new(store) else check_about(store, setup, speaker, kind)
    return Journal(store, setup.n_symbols, SENT if kind == PAPER else PLANNED), run_id


def start_paper_replay(
    config: Config,
    root: "str | Path | None" = None,
    bars_per_s: float = 0.0,
    market: "Market | None" = None,
    unsafe: bool = False,
) -> Started:
    """A paper session on the candles of the configuration's ``data:`` section (``unsafe``: for comparisons with backtests).

    Raises
    ------
    LiveError, ConfigError, DataError
        One line each: what, where, what was expected.
    """
    settings: LiveSettings = live_settings(config)
    if not unsafe:
        check_safe(config)
    market = load_config_market(config) if market is None else market
    folder = session_folder(config, root)
    lock = hold(folder)
    tables = load_config_tables(config)
    setup = setup_of(market, config, tables=None if tables is None else tables.tables)
    speaker = replay_speaker(config, market)
    journal, run_id = open_journal(folder, setup, speaker.label, PAPER)
    chain = Chain(setup)
    paper = PaperBroker(chain)
    session = Session(chain, Inputs(setup.symbols, setup.decision_ms, speaker), journal, run_id, paper)
    recovered = recover(session, journal)
    feed = ReplayFeed(market, bars_per_s)
    return Started(Runner(session, journal, feed, paper, feed.clock, settings), recovered, folder, lock)
