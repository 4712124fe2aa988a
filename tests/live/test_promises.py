"""What a session promises beside its everyday work: when it mends, what it sends late, what its configuration decides."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from live.adapters.binance.settings import BrokerSettings
from live.bootstrap import Started
from live.exchange import broker_settings
from live.items import Job
from live.paper import open_paper
from live.ports import Alert
from live.startup import NEVER_SENT_AFTER_MS, Reconciler, in_time
from live.testing.lockstep import Lockstep
from qt_core.config import Config, load_config
from qt_core.io.simulate import simulate_market
from qt_core.market import Market
from tests.live.binance.world import intent, stop
from tests.live.on_exchange import exchange_of, play, session_config, session_on, where_of

WARMUP = 100
DECIDED_MS = 1_700_000_000_000
LATE_MS = DECIDED_MS + NEVER_SENT_AFTER_MS + 1


class Heard:
    """Alerts, kept."""

    def __init__(self) -> None:
        self.alerts: list[Alert] = []

    def send(self, alert: Alert) -> None:
        self.alerts.append(alert)


def market_of_three() -> Market:
    return simulate_market(3, WARMUP + 60, seed=3)


# --- mending -----------------------------------------------------------------------------------------------------------


async def held(started: Started, step: Lockstep) -> int:
    """Walk until a position is protected; its symbol."""
    symbol = started.runner.session.chain.symbol
    while not (symbol["sl_seq"] != 0).any():
        await step.bar()
    return int((symbol["sl_seq"] != 0).argmax())


def test_nothing_is_mended_while_it_is_not_known_what_was_missed(tmp_path: Path) -> None:
    """The exchange says twice that a stop is gone, but does not say what became of it: it may have filled."""
    market, heard = market_of_three(), Heard()
    config = session_config(market, "unlevel", WARMUP)

    async def scene() -> None:
        exchange = exchange_of(market, config, WARMUP)
        await exchange.start()
        async with session_on(exchange, config, tmp_path) as (started, step):
            runner, i = started.runner, await held(started, step)
            symbol = runner.session.chain.symbol
            first = int(symbol["sl_seq"][i])
            view = await runner.broker.account()
            without = view._replace(orders=tuple(o for o in view.orders if o.seq != first))
            reconciler = Reconciler(runner, heard)
            exchange.maintenance(True)  # whatever is asked from here on is not answered
            for _ in range(4):
                await runner.tell(Job(lambda: reconciler.compare(without)))
                await runner.idle()
            assert not runner.broker.level
            assert int(symbol["sl_seq"][i]) == first
            assert (reconciler.mended, heard.alerts) == (0, [])
            exchange.maintenance(False)
        await exchange.stop()

    play(scene)


# --- what is sent late -------------------------------------------------------------------------------------------------


def test_an_entry_decided_long_ago_keeps_its_id_and_may_not_be_placed() -> None:
    late = in_time(intent(1), LATE_MS)
    assert late == intent(1)._replace(expire_ms=LATE_MS)
    over = intent(1, expire_ms=DECIDED_MS + 5)
    assert in_time(over, LATE_MS) == over  # its own end came earlier
    assert in_time(intent(1), LATE_MS - 1) == intent(1)


def test_what_protects_is_placed_however_late() -> None:
    assert in_time(stop(2, 95.0), LATE_MS + 10 * NEVER_SENT_AFTER_MS) == stop(2, 95.0)


# --- what the configuration decides ------------------------------------------------------------------------------------


def hours_until_reset(started: Started) -> float:
    """After how many hours the chain of a session lifts the emergency stop by itself, 0 = never."""
    return float(started.runner.session.setup.config.params().ess.auto_reset_h)


def test_only_a_person_resets_the_emergency_stop_of_a_session_on_an_exchange(tmp_path: Path) -> None:
    market = market_of_three()
    config = session_config(market, "reset", WARMUP).with_values({"ess.auto_reset_h": 24.0})

    async def scene() -> float:
        exchange = exchange_of(market, config, WARMUP)
        await exchange.start()
        async with session_on(exchange, config, tmp_path) as (started, _):
            hours = hours_until_reset(started)
        await exchange.stop()
        return hours

    assert float(config.params().ess.auto_reset_h) == 24.0
    assert play(scene) == 0.0


def test_only_a_person_resets_the_emergency_stop_of_a_paper_session(tmp_path: Path) -> None:
    market = market_of_three()
    simulated = {"n_symbols": 3, "n_bars": WARMUP + 60, "seed": 3}
    given = session_config(market, "reset", WARMUP).with_values({"ess.auto_reset_h": 24.0})
    config = dataclasses.replace(given, data={**given.data, "simulated": simulated, "detail": "1h"})

    async def scene() -> float:
        exchange = exchange_of(market, config, WARMUP)
        await exchange.start()
        started = await open_paper(config, tmp_path, where_of(exchange), warmup=False)
        started.runner.stop("test")
        await started.runner.run()
        started.lock.close()
        await exchange.stop()
        return hours_until_reset(started)

    assert play(scene) == 0.0


def by_mark(config: Config) -> Config:
    """A configuration whose venue and cap are not the defaults."""
    return config.with_values({"venue.working_type": "mark", "aelm.slippage_cap": 0.004})


def test_triggers_and_cap_of_the_configuration_are_the_brokers_and_its_other_settings_stay() -> None:
    given = BrokerSettings(retry_ms=7)
    assert broker_settings(by_mark(load_config({})), given) == given._replace(slippage_cap=0.004, working_type=1)


@pytest.mark.parametrize(("mark", "asked"), [(False, "CONTRACT_PRICE"), (True, "MARK_PRICE")])
def test_a_session_trades_by_the_triggers_and_the_cap_of_its_configuration(
    mark: bool, asked: str, tmp_path: Path
) -> None:
    market = market_of_three()
    config = session_config(market, "triggers", WARMUP)
    config = by_mark(config) if mark else config

    async def scene() -> list[Any]:
        exchange = exchange_of(market, config, WARMUP)
        await exchange.start()
        async with session_on(exchange, config, tmp_path) as (started, step):
            s: BrokerSettings = started.runner.broker.settings  # type: ignore[attr-defined]
            assert (s.slippage_cap, s.working_type) == (float(config.params().aelm.slippage_cap), int(mark))
            await held(started, step)
        await exchange.stop()
        return [p for method, path, p in exchange.server.requests if method == "POST" and path.endswith("algoOrder")]

    assert {p["workingType"] for p in play(scene)} == {asked}
