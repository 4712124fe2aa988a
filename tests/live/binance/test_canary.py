"""Canaries: with keys that can be recognised, whatever fails, neither of them is in any log, traceback, repr or database."""

import asyncio
import io
import logging
import sqlite3
import traceback
from collections.abc import Awaitable, Iterator
from typing import Any

import numpy as np
import pytest

from live.adapters.binance.broker import BinanceBroker
from live.adapters.binance.session import CallFailed, Session
from live.adapters.binance.settings import ConnectionSettings
from live.errors import LiveError
from live.ports import Alert
from live.secrets import Keys, Secret
from live.testing.exchange import Exchange
from live.testing.settings import Settings
from tests.engine.tables import QUIET, market_of
from tests.live.binance.world import NAME, QUICK, RUN, cancelled, intent, play, stop

KEY = "canarykey0canarykey0canarykey0canarykey0canarykey0canarykey0abcd"
SECRET = "canarysecret0canarysecret0canarysecret0canarysecret0canarysecre"
FAULTS = ("http_error", "rate_limit", "ban", "busy", "reject", "unknown", "hang", "cut", "truncate")


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Yield everything that any logger of the process writes, down to DEBUG, where ccxt writes whole requests."""
    out, root = io.StringIO(), logging.getLogger()
    handler, level, factory = logging.StreamHandler(out), root.level, logging.getLogRecordFactory()
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield out
    root.removeHandler(handler)
    root.setLevel(level)
    logging.setLogRecordFactory(factory)


class Ears:
    """Keeps what goes to people and what goes to disk."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.database = sqlite3.connect(":memory:")
        self.database.execute("create table said (text text)")

    def send(self, alert: Alert) -> None:
        self.keep(repr(alert))

    def keep(self, text: str) -> None:
        self.heard.append(text)
        self.database.execute("insert into said values (?)", (text,))

    def error(self, error: BaseException) -> None:
        """A traceback with every error it is chained to, whether it would be shown or not."""
        seen: BaseException | None = error
        while seen is not None:
            self.keep("".join(traceback.format_exception(seen, chain=False)) + repr(seen) + str(vars(seen)))
            seen = seen.__cause__ or seen.__context__

    def everything(self) -> str:
        return "\n".join([*self.heard, *self.database.iterdump()])


async def fails(ears: Ears, work: Awaitable[Any]) -> None:
    try:
        await work
    except (CallFailed, LiveError) as error:
        ears.error(error)


async def every_call(broker: BinanceBroker, ears: Ears) -> None:
    """Whatever a broker can be asked, once."""
    order, protection = intent(1), stop(2, 95.0)
    await broker.submit([order, protection, cancelled(protection)])
    for call in (broker.account(), broker.missed(0, (1, 2))):
        await fails(ears, call)
    await broker.lanes.drain(0.3)


@pytest.mark.parametrize("fault", FAULTS)
def test_no_fault_of_any_call_shows_a_key(fault: str, log: io.StringIO):
    async def scene():
        ears = Ears()
        exchange = Exchange(market_of({NAME: [QUIET] * 4}), Settings(api_key=KEY, secret=SECRET))
        await exchange.start()
        connection = ConnectionSettings(
            rest_url=exchange.url, ws_url=f"ws{exchange.url.removeprefix('http')}", timeout_ms=60, recv_window_ms=20,
            redial_ms=10, linger_ms=5, clock_samples=1, skew_warn_ms=10**15,
        )  # fmt: skip
        settings = QUICK._replace(patience_ms=0, close_ms=10, max_retries=0)
        session = Session(connection, Keys(Secret(KEY), Secret(SECRET)))
        specs = np.asarray(exchange.sim.market.specs)
        broker = BinanceBroker(session, (NAME,), specs, RUN, settings, alerts=ears)
        await broker.open()
        exchange.plan(fault, 10**6)
        await every_call(broker, ears)
        for thing in (broker, session, session.exchange, broker.health(), broker.sender, broker.desk):
            ears.keep(repr(thing) + str(thing))
        await broker.close()
        other = BinanceBroker(
            Session(connection, Keys(Secret(KEY), Secret(SECRET))), (NAME,), specs, RUN, settings, alerts=ears
        )
        await fails(ears, other.open())
        await other.close()
        await exchange.stop()
        assert exchange.happened[fault] > 2
        assert ears.heard
        for text in (ears.everything(), log.getvalue()):
            assert KEY not in text
            assert SECRET not in text
            assert "signature=" not in text or "signature=***" in text
        assert "X-MBX-APIKEY" in log.getvalue()  # the canary was there to be seen

    play(scene)


@pytest.mark.parametrize("what", ["refused", "wrong_key"])
def test_an_address_that_does_not_answer_and_a_key_that_is_refused_show_nothing(what: str, log: io.StringIO):
    async def scene():
        ears = Ears()
        exchange = Exchange(market_of({NAME: [QUIET] * 4}), Settings())
        await exchange.start()
        url = exchange.url if what == "wrong_key" else "http://127.0.0.1:1"
        connection = ConnectionSettings(
            rest_url=url, ws_url="ws://127.0.0.1:1", timeout_ms=500, clock_samples=1, linger_ms=5
        )
        session = Session(connection, Keys(Secret(KEY), Secret(SECRET)))
        broker = BinanceBroker(session, (NAME,), np.asarray(exchange.sim.market.specs), RUN, QUICK, alerts=ears)
        await fails(ears, broker.open())
        await broker.close()
        await exchange.stop()
        assert any("LiveError" in text for text in ears.heard)
        assert KEY not in ears.everything() + log.getvalue()
        assert SECRET not in ears.everything() + log.getvalue()

    play(scene)


def test_a_defect_of_ours_reaches_whoever_takes_events_without_the_key():
    async def scene():
        exchange = Exchange(market_of({NAME: [QUIET] * 4}), Settings(api_key=KEY, secret=SECRET))
        await exchange.start()
        connection = ConnectionSettings(
            rest_url=exchange.url, ws_url=f"ws{exchange.url.removeprefix('http')}", clock_samples=1, skew_warn_ms=10**15
        )
        session = Session(connection, Keys(Secret(KEY), Secret(SECRET)))
        broker = BinanceBroker(session, (NAME,), np.asarray(exchange.sim.market.specs), RUN, QUICK)
        await broker.open()

        async def defect(*args: object) -> None:
            raise ZeroDivisionError(f"with {KEY}")

        broker.sender.carry_out = defect  # type: ignore[method-assign]
        await broker.submit([intent(1)])
        with pytest.raises(LiveError, match="ZeroDivisionError") as raised:
            await asyncio.wait_for(anext(broker.events().__aiter__()), 5.0)
        assert KEY not in str(raised.value)
        await broker.close()
        await exchange.stop()

    play(scene)
