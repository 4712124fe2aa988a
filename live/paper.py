"""The composition root of paper sessions on an exchange's own candles: no key, and no order leaves the machine."""

import dataclasses
from pathlib import Path

from live.adapters.binance.contracts import Contracts, contracts_of, fetch_specs
from live.adapters.binance.opening import open_clock
from live.adapters.binance.session import Session as Connection
from live.adapters.broker_paper import PaperBroker
from live.adapters.feed_ccxt import CcxtFeed
from live.bootstrap import PAPER, Started, check_safe, hold, open_journal, session_folder
from live.chain import Chain, Setup
from live.exchange import ConnectionClock, Where, exchange_speaker, exchange_symbols, warm_from
from live.inputs import Inputs
from live.ports import Alert, Alerts
from live.recovery import recover
from live.runner import Runner
from live.session import Session
from live.settings import live_settings
from qt_core.config import Config
from qt_core.io.inputs import brackets_at_hand, load_config_market
from qt_core.io.timeframes import timeframe_to_ms


async def open_paper(
    config: Config,
    root: "str | Path | None" = None,
    where: "Where | None" = None,
    alerts: "Alerts | None" = None,
    warmup: bool = True,
) -> Started:
    """A paper session on the exchange's own candles, ready to run.

    Raises
    ------
    LiveError, ConfigError
        One line each; the exchange does not answer, a symbol it does not have, a value out of range.
    """
    where = where or Where()
    check_safe(config)
    config = config.with_values({"ess.auto_reset_h": 0.0})  # as on an exchange: only a person resets
    settings, symbols = live_settings(config), exchange_symbols(config)
    timeframe = str(config.data.get("timeframe") or "1h")
    fine = str(config.data.get("detail") or "1m")
    lengths = (timeframe_to_ms(fine), timeframe_to_ms(timeframe))
    folder = session_folder(config, root, PAPER)
    speaker = exchange_speaker(config, symbols, lengths[1])
    lock = hold(folder)
    connection = Connection(where.connection._replace(real=True, rest_url=where.rest_url, ws_url=where.ws_url))
    try:
        await open_clock(
            connection,
            lambda severity, key, text: (
                None if alerts is None else alerts.send(Alert(severity, f"binance:{key}", f"Binance: {key}", text))
            ),
        )
        setup = await paper_setup(config, symbols, lengths, connection)
        journal, run_id = open_journal(folder, setup, speaker.label, PAPER)
        chain = Chain(setup)
        paper = PaperBroker(chain)
        session = Session(chain, Inputs(symbols, setup.decision_ms, speaker), journal, run_id, paper)
        recovered = recover(session, journal)
    except BaseException:
        await connection.close()
        lock.close()
        raise
    patience = where.feed._replace(deadline_ms=int(settings.late_s * 1e3))
    feed = CcxtFeed(connection, symbols, fine, patience, timeframe)
    runner = Runner(session, journal, feed, paper, ConnectionClock(connection), settings)
    if warmup:
        runner.warm_up(*warm_from(settings, setup, connection))
    return Started(runner, recovered, folder, lock)


async def paper_setup(
    config: Config, symbols: tuple[str, ...], lengths_ms: tuple[int, int], connection: Connection
) -> Setup:
    """Specs as the exchange states them; brackets are private there: those of the data at hand, else made-up strict ones."""
    if config.data.get("simulated"):
        whole = dataclasses.replace(config, data={**config.data, "symbols": None, "detail": None})
        market = load_config_market(whole).select(list(symbols))
        contracts = Contracts(market.specs, market.brackets)
    else:
        specs, sectors = await fetch_specs(connection, symbols)
        contracts = contracts_of(symbols, specs, sectors, brackets_at_hand(config))
    return Setup(symbols, contracts.specs, contracts.brackets, config, *lengths_ms, config.seed)
