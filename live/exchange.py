"""The composition root of sessions on an exchange: keys, contracts, feed, broker, and the parts that look after them."""

import asyncio
import fcntl
import hashlib
import os
from pathlib import Path
from typing import IO, NamedTuple

from live.about import check_about, setup_from, write_about
from live.adapters.binance.broker import BinanceBroker
from live.adapters.binance.contracts import fetch_contracts
from live.adapters.binance.session import Session as Connection
from live.adapters.binance.settings import BrokerSettings, BudgetSettings, ConnectionSettings, FeedSettings
from live.adapters.binance.views import Resume, World
from live.adapters.feed_ccxt import CcxtFeed
from live.adapters.store_sqlite import PLANNED, SqliteStore
from live.bootstrap import JOURNAL, Started, check_safe, hold, session_folder
from live.chain import Chain, Setup
from live.errors import LiveError
from live.inputs import Inputs, RuleSpeaker, Speaker
from live.journal import Journal
from live.models import agents_speaker, models_folder
from live.ports import Alerts, PositionView
from live.reconcile import open_seqs
from live.recovery import is_new, recover
from live.runner import Runner
from live.secrets import Keys, load_keys
from live.session import Session
from live.settings import LiveSettings, live_settings
from live.startup import BEGUN, begin, open_intents, planned_intents
from qt_core.config import Config
from qt_core.errors import ConfigError
from qt_core.io.inputs import load_config_tables, rule_params
from qt_core.io.timeframes import timeframe_to_ms

TESTNET, LIVE = "testnet", "live"
TAPE = "tape"  # signals.source
DEFAULT_WARMUP_BARS = 1000  # 30 days of hours for the percentiles, and room for the slowest average
LOCKS = "quantum-trader/locks"
KEYS_FILE_VARIABLE = "QT_BINANCE_KEYS_FILE"


class Where(NamedTuple):
    """Which exchange; empty addresses are ccxt's own (demo trading, or with ``real`` the exchange itself)."""

    rest_url: str = ""
    ws_url: str = ""
    connection: ConnectionSettings = ConnectionSettings()
    broker: BrokerSettings = BrokerSettings()
    feed: FeedSettings = FeedSettings()
    budget: BudgetSettings = BudgetSettings()


def exchange_symbols(config: Config) -> tuple[str, ...]:
    """The symbols of ``data.symbols``, sorted; an exchange session names them.

    Raises
    ------
    ConfigError
        Where they are not a list.
    """
    given = config.data.get("symbols")
    if not isinstance(given, list) or not given or not all(isinstance(s, str) for s in given):
        raise ConfigError(
            f"{config.source}: data.symbols: {given!r}; expected a list of names for a session on an exchange"
        )
    return tuple(sorted(given))


def check_signals(config: Config) -> str:
    """Where the signals come from: rules or tape.

    Raises
    ------
    ConfigError
        Random signals are for controls.
    """
    source = str(config.signals.get("source", RuleSpeaker.label))
    if source == RuleSpeaker.label:
        rule_params(config)
    elif source == TAPE:
        models_folder(config)
    else:
        raise ConfigError(
            f"{config.source}: signals.source: {source!r}; expected rules or tape in a session on an exchange"
        )
    return source


def exchange_speaker(config: Config, symbols: tuple[str, ...], timeframe_ms: int) -> Speaker:
    """Rules, or the models that made the configuration's tape.

    Raises
    ------
    ConfigError, LiveError
        See ``check_signals`` and ``agents_speaker``.
    """
    if check_signals(config) == TAPE:
        return agents_speaker(config, symbols, timeframe_ms)
    return RuleSpeaker(symbols, timeframe_ms, rule_params(config))


def keys_file() -> "Path | None":
    """The file of keys that the environment names, None = the keys stand in the environment themselves."""
    given = os.environ.get(KEYS_FILE_VARIABLE, "").strip()
    return Path(given) if given else None


def hold_account(keys: Keys, address: str) -> "IO[str]":
    """The account's lock on this machine: one session per exchange and key.

    Raises
    ------
    LiveError
        If another session trades with the key.
    """
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / LOCKS
    root.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256(f"{address}|{keys.key.reveal()}".encode()).hexdigest()[:16]
    handle = open(root / f"{name}.lock", "a+")  # noqa: SIM115  held as long as the session runs
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        handle.close()
        raise LiveError("another session on this machine trades with the same key; one per account expected") from error
    return handle


async def open_exchange(
    config: Config,
    kind: str,
    root: "str | Path | None" = None,
    where: "Where | None" = None,
    keys: "Keys | None" = None,
    alerts: "Alerts | None" = None,
) -> Started:
    """A session on an exchange, ready to run.

    Parameters
    ----------
    kind : "testnet" or "live". where : another exchange in the same dialect (the simulator). keys : None = from
        the environment.

    Raises
    ------
    LiveError, ConfigError
        One line each: what, where, what was expected. Nothing has been sent then but questions and modes.
    """
    where = where or Where()
    check_safe(config)
    config = config.with_values({"ess.auto_reset_h": 0.0})  # SPEC section 5: live, only a person resets
    settings, symbols = live_settings(config), exchange_symbols(config)
    keys = load_keys(kind != LIVE, keys_file()) if keys is None else keys
    folder = session_folder(config, root, kind)
    lock, account = hold(folder), hold_account(keys, where.rest_url or kind)
    connection = Connection(
        where.connection._replace(real=kind == LIVE, rest_url=where.rest_url, ws_url=where.ws_url), keys, where.budget
    )
    try:
        return await _open(config, kind, settings, symbols, folder, connection, where, (lock, account), alerts)
    except BaseException:
        await connection.close()
        lock.close()
        account.close()
        raise


async def _open(
    config: Config,
    kind: str,
    settings: LiveSettings,
    symbols: tuple[str, ...],
    folder: Path,
    connection: Connection,
    where: Where,
    locks: "tuple[IO[str], IO[str]]",
    alerts: "Alerts | None",
) -> Started:
    """A session that is refused before it has begun leaves no journal behind."""
    speaker = exchange_speaker(config, symbols, _decision_ms(config))
    store = SqliteStore(folder / JOURNAL, create=True)
    store.check()
    try:
        return await _started(config, kind, settings, speaker, store, connection, where, locks, alerts)
    except BaseException:
        store.discard(unless=BEGUN)
        raise


def _decision_ms(config: Config) -> int:
    return timeframe_to_ms(str(config.data.get("timeframe") or "1h"))


async def _started(
    config: Config,
    kind: str,
    settings: LiveSettings,
    speaker: Speaker,
    store: SqliteStore,
    connection: Connection,
    where: Where,
    locks: "tuple[IO[str], IO[str]]",
    alerts: "Alerts | None",
) -> Started:
    symbols = exchange_symbols(config)
    timeframe = str(config.data.get("timeframe") or "1h")
    fine = str(config.data.get("detail") or timeframe)
    timeframe_ms = timeframe_to_ms(timeframe)
    setup = await _setup(config, store, symbols, (timeframe_to_ms(fine), timeframe_ms), connection)
    fresh = is_new(store)
    run_id = write_about(store, setup, speaker.label, kind) if fresh else check_about(store, setup, speaker.label, kind)
    journal = Journal(store, setup.n_symbols, PLANNED)
    session = Session(Chain(setup), Inputs(symbols, timeframe_ms, speaker), journal, run_id)
    recovered = recover(session, journal)
    patience = where.feed._replace(deadline_ms=int(settings.late_s * 1e3))
    feed = CcxtFeed(connection, symbols, fine, patience, timeframe, own_session=False)
    broker = BinanceBroker(
        connection,
        symbols,
        setup.specs,
        run_id,
        broker_settings(config, where.broker),
        World(feed.depth, feed.mark, feed.settled_rate),
        alerts,
        resume=None if recovered.fresh else resume_of(session, journal),
    )
    runner = Runner(session, journal, feed, broker, ConnectionClock(connection), settings)
    try:
        await begin(runner, recovered.fresh)
    except BaseException:
        await broker.close()
        raise
    runner.warm_up(*warm_from(settings, setup, connection))
    return Started(runner, recovered, store.path.parent, locks[0], locks[1])


async def _setup(
    config: Config, store: SqliteStore, symbols: tuple[str, ...], lengths_ms: tuple[int, int], connection: Connection
) -> Setup:
    """Of a session that goes on: its own contracts, which the broker compares with the exchange's; of a new one: those."""
    if not is_new(store):
        return setup_from(store)._replace(config=config, symbols=symbols)
    contracts = await fetch_contracts(connection, symbols)
    tables = load_config_tables(config)
    return Setup(
        symbols,
        contracts.specs,
        contracts.brackets,
        config,
        *lengths_ms,
        config.seed,
        None if tables is None else tables.tables,
    )


def warm_from(settings: LiveSettings, setup: Setup, connection: Connection) -> tuple[int, int]:
    """Decision bars for features alone, and the time from which bars are asked for; the newest closed one is decided."""
    bars, now_ms = settings.warmup_bars or DEFAULT_WARMUP_BARS, connection.clock.now_ms()
    return bars, now_ms // setup.decision_ms * setup.decision_ms - (bars + 1) * setup.decision_ms - 1


def broker_settings(config: Config, given: BrokerSettings) -> BrokerSettings:
    """What the configuration says of the venue's triggers and module 16's cap."""
    p = config.params()
    return given._replace(slippage_cap=float(p.aelm.slippage_cap), working_type=int(p.venue.working_type))


def resume_of(session: Session, journal: Journal) -> Resume:
    """The books as the journal ends, for a broker that goes on."""
    chain = session.chain
    held = tuple(
        PositionView(i, float(r["qty"]), float(r["avg_price"]), float(r["margin_usd"]), float(r["leverage"]))
        for i, r in enumerate(chain.symbol)
        if r["qty"] != 0.0
    )
    keys = frozenset(journal.store.recent_keys())
    planned = frozenset(i.client_id for i in planned_intents(journal))
    intents = open_intents(journal, set(open_seqs(chain)))
    return Resume(float(chain.fund["wallet_usd"]), held, keys, intents, planned)


class ConnectionClock:
    """The exchange's time by our clock and the measured offset."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def now_ms(self) -> int:
        return int(self._connection.clock.now_ms())

    async def sleep_until(self, time_ms: int) -> None:
        while (left := time_ms - self.now_ms()) > 0:
            await asyncio.sleep(min(left, 1000) / 1e3)
