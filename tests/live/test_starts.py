"""Starts that are refused leave nothing; starts after a long time, or after something nobody can explain, are right."""

from pathlib import Path

import pytest

from live.about import setup_from
from live.adapters.store_sqlite import SqliteStore
from live.bootstrap import JOURNAL
from live.entries import EVENT
from live.errors import LiveError
from live.items import Machine
from qt_core.codes import CMD_ESS_TRIP
from qt_core.io.simulate import simulate_market
from tests.live.on_exchange import exchange_of, play, session_config, session_on

WARMUP = 100


def test_a_session_that_was_refused_before_it_began_leaves_no_journal(tmp_path: Path) -> None:
    market = simulate_market(2, WARMUP + 5, seed=3)
    config = session_config(market, "refused", WARMUP)

    async def scene() -> None:
        exchange = exchange_of(market, config, WARMUP)
        await exchange.start()
        exchange.sim.faults.futures_permission = False
        with pytest.raises(LiveError, match="key refused"):
            async with session_on(exchange, config, tmp_path):
                pass
        assert list(tmp_path.rglob(f"{JOURNAL}*")) == []
        exchange.sim.faults.futures_permission = True
        async with session_on(exchange, config, tmp_path) as (started, step):
            await step.bar()
            assert started.recovered.fresh
        await exchange.stop()

    play(scene)


def test_a_journal_without_a_session_says_so(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / JOURNAL, create=True)
    with pytest.raises(LiveError, match="was never started"):
        setup_from(store)
    store.close()


def test_funding_is_not_booked_again_after_its_entries_went(tmp_path: Path) -> None:
    market = simulate_market(5, WARMUP + 260, seed=3)
    config = session_config(market, "quiet", WARMUP, keep_days=1.0, snapshot_bars=5)

    async def scene() -> None:
        exchange = exchange_of(market, config, WARMUP)
        await exchange.start()
        async with session_on(exchange, config, tmp_path) as (started, step):
            for _ in range(150):
                await step.bar()
            await started.runner.tell(Machine(CMD_ESS_TRIP, {}, ""))
            for _ in range(60):
                await step.bar()
            store, wallet = started.runner.journal.store, float(started.runner.session.chain.fund["wallet_usd"])
            assert sum(k.startswith("funding") for k in store.recent_keys()) > 3
            assert store.last_trade_ms() > 0
            assert next(store.entries()).time_ms > store.last_trade_ms()
            last = store.last_entry()
            assert last is not None
        async with session_on(exchange, config, tmp_path) as (started, _):
            assert [e.key for e in started.runner.journal.store.entries(last.seq) if e.kind == EVENT] == []
            assert float(started.runner.session.chain.fund["wallet_usd"]) == wallet
        await exchange.stop()

    play(scene)
