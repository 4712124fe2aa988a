"""A session through ccxt on the simulated exchange decides and orders as the backtest on the same bars."""

from pathlib import Path

import numpy as np
import pytest

from live.adapters.binance.session import PLACE, SET_MARGIN
from live.adapters.binance.session import Session as Connection
from live.adapters.store_sqlite import SqliteStore
from live.audit import audit
from live.bootstrap import JOURNAL
from live.errors import LiveError
from live.exchange import TESTNET, open_exchange
from live.testing.exchange import Exchange
from qt_core.codes import EV_FILL, EV_LIQUIDATION
from qt_core.errors import ConfigError
from qt_core.io.simulate import simulate_market
from tests.live.on_exchange import (
    KEYS,
    assert_decided_alike,
    backtested,
    exchange_of,
    play,
    rows,
    session_config,
    session_on,
    where_of,
)

WARMUP, BARS = 100, 199


def fills(events: np.ndarray) -> list[tuple[object, ...]]:
    chosen = events[np.isin(events["kind"], (EV_FILL, EV_LIQUIDATION))]
    names = ("time_ms", "symbol", "kind", "tag", "seq")
    return sorted((*(int(e[n]) for n in names), round(float(e["qty"]), 6), round(float(e["price"]), 6)) for e in chosen)


def clean(folder: Path, name: str) -> bool:
    store = SqliteStore(folder / name / JOURNAL, read_only=True)
    try:
        return audit(store).clean
    finally:
        store.close()


@pytest.mark.parametrize("stops", [(), (40, 41, 90)], ids=["undisturbed", "stopped and started"])
def test_it_decides_and_orders_as_the_backtest(stops: tuple[int, ...], tmp_path: Path) -> None:
    market = simulate_market(5, WARMUP + 1 + BARS, seed=3)
    config = session_config(market, "parity", WARMUP)

    async def scene() -> None:
        exchange = exchange_of(market, config, WARMUP)
        await exchange.start()
        done = 0
        for until in (*stops, BARS):
            async with session_on(exchange, config, tmp_path) as (_, step):
                while done < until and exchange.has_next:
                    await step.bar()
                    done += 1
        await exchange.stop()

    play(scene)
    expected, found = backtested(market, config, WARMUP), rows(tmp_path, config)
    assert len(expected.trades) > 20
    assert_decided_alike(expected.decisions, found["decisions"])
    assert fills(expected.events) == fills(found["events"])
    assert (expected.trades["exit_reason"] == found["trades"]["exit_reason"]).all()
    assert np.allclose(expected.trades["pnl_usd"], found["trades"]["pnl_usd"], rtol=1e-6, atol=1e-6)
    assert clean(tmp_path, "parity")


def refused(exchange: Exchange, config: object, folder: Path, **connection: object) -> str:
    """The one line with which a start is refused."""

    async def scene() -> str:
        await exchange.start()
        try:
            with pytest.raises((LiveError, ConfigError)) as caught:
                await open_exchange(config, TESTNET, folder, where_of(exchange, **connection), KEYS)  # type: ignore[arg-type]
            return str(caught.value)
        finally:
            await exchange.stop()

    return str(play(scene))


def test_a_second_session_is_refused(tmp_path: Path) -> None:
    market = simulate_market(3, WARMUP + 20, seed=3)
    config = session_config(market, "one", WARMUP)
    other = session_config(market, "two", WARMUP)

    async def scene() -> tuple[str, str]:
        exchange = exchange_of(market, config, WARMUP)
        await exchange.start()
        lines = []
        async with session_on(exchange, config, tmp_path):
            for again in (config, other):
                with pytest.raises(LiveError) as caught:
                    await open_exchange(again, TESTNET, tmp_path, where_of(exchange), KEYS)
                lines.append(str(caught.value))
        await exchange.stop()
        return lines[0], lines[1]

    same, account = play(scene)
    assert "running already" in same
    assert "same key" in account


def test_another_bundle_is_refused(tmp_path: Path) -> None:
    market = simulate_market(3, WARMUP + 20, seed=3)
    config = session_config(market, "bundle", WARMUP)

    async def scene() -> None:
        exchange = exchange_of(market, config, WARMUP)
        await exchange.start()
        async with session_on(exchange, config, tmp_path) as (_, step):
            await step.bar()
        await exchange.stop()

    play(scene)
    changed = config.with_values({"tpsl.sl_anchor": 0.011})
    line = refused(exchange_of(market, config, WARMUP), changed, tmp_path)
    assert "another config" in line
    assert "\n" not in line


def test_modules_that_keep_the_account_safe_must_bind(tmp_path: Path) -> None:
    market = simulate_market(3, WARMUP + 20, seed=3)
    config = session_config(market, "unsafe", WARMUP).with_values({"governor.mode": "off"})
    assert "governor.mode" in refused(exchange_of(market, config, WARMUP), config, tmp_path)


def test_wrong_keys_are_refused_in_one_line(tmp_path: Path) -> None:
    market = simulate_market(3, WARMUP + 20, seed=3)
    config = session_config(market, "keys", WARMUP)
    line = refused(exchange_of(market, config, WARMUP, secret="another".ljust(64, "0")), config, tmp_path)
    assert "binance" in line
    assert "-1022" in line
    assert not (tmp_path / "keys" / JOURNAL).exists() or SqliteStore(tmp_path / "keys" / JOURNAL).meta("run_id") is None


def test_a_corrupt_journal_is_refused(tmp_path: Path) -> None:
    market = simulate_market(3, WARMUP + 20, seed=3)
    config = session_config(market, "corrupt", WARMUP)
    (tmp_path / "corrupt").mkdir()
    (tmp_path / "corrupt" / JOURNAL).write_bytes(b"no database at all" * 100)
    assert "journal" in refused(exchange_of(market, config, WARMUP), config, tmp_path)


def test_what_a_person_opened_is_refused_adopted_or_closed(tmp_path: Path) -> None:
    market = simulate_market(3, WARMUP + 30, seed=3)

    async def scene(policy: str) -> tuple[str, list[float]]:
        config = session_config(market, f"foreign_{policy}", WARMUP, foreign=policy)
        exchange = exchange_of(market, config, WARMUP)
        await exchange.start()
        person = Connection(where_of(exchange).connection._replace(rest_url=exchange.url, ws_url=exchange.url), KEYS)
        name = market.symbols[0]
        await person.call(SET_MARGIN, {"symbol": name, "marginType": "ISOLATED"})
        order = {"symbol": name, "side": "BUY", "type": "MARKET", "quantity": "0.05", "newClientOrderId": "by-hand"}
        await person.call(PLACE, order)
        await person.close()
        await exchange.open_bar()
        while await exchange.step():
            pass
        await exchange.close_bar()
        try:
            async with session_on(exchange, config, tmp_path) as (started, step):
                for _ in range(3):
                    await step.bar()
                qty = [float(q) for q in started.runner.session.chain.symbol["qty"]]
                return "", qty
        except LiveError as error:
            return str(error), []
        finally:
            await exchange.stop()

    for policy in ("refuse", "adopt", "close"):
        line, qty = play(lambda policy=policy: scene(policy))
        if policy == "refuse":
            assert "not this session's" in line
        elif policy == "adopt":
            assert qty[0] != 0.0
        else:
            assert qty[0] == 0.0


def test_an_empty_wallet_is_refused(tmp_path: Path) -> None:
    market = simulate_market(3, WARMUP + 20, seed=3)
    config = session_config(market, "poor", WARMUP)
    line = refused(exchange_of(market, config, WARMUP, initial_usd=5.0), config, tmp_path)
    assert "wallet holds 5.00 USDT" in line
