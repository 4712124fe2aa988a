"""Paper on an exchange's own candles, through ccxt and without a key, is the backtest with detail, byte for byte."""

import asyncio
import dataclasses
from pathlib import Path

import numpy as np

from live.paper import open_paper
from live.testing.lockstep import Lockstep
from qt_core.config import load_config
from qt_core.engine.session import backtest
from qt_core.io.simulate import simulate_market
from tests.live.on_exchange import exchange_of, play, where_of
from tests.live.paper import assert_same, left, of_result
from tests.parity.cases import FULL, case_of

QUARTER_MS, PER_HOUR = 900_000, 4
HOURS = 120


def test_paper_on_the_exchanges_candles_is_the_backtest_with_detail(tmp_path: Path) -> None:
    market = simulate_market(3, HOURS, seed=5, detail_timeframe_ms=QUARTER_MS)
    simulated = {"n_symbols": 3, "n_bars": HOURS, "seed": 5}
    live = {"name": "paper", "stale_s": 86_400.0, "warmup_bars": 0}
    raw = dict(FULL) | {"live": live, "data": {"simulated": simulated, "timeframe": "1h"}}
    config = load_config(raw)
    named = dataclasses.replace(config, data={**config.data, "symbols": list(market.symbols), "detail": "15m"})

    async def scene() -> dict[str, object]:
        exchange = exchange_of(market, config, 0, first_bar=PER_HOUR)
        await exchange.start()
        started = await open_paper(named, tmp_path, where_of(exchange), warmup=False)
        started.runner.warm_up(0, int(market.time[0]) - 1)
        working = asyncio.create_task(started.runner.run())
        step = Lockstep(exchange, started.runner)
        await step.caught_up()
        while exchange.has_next:
            await step.bar()
        started.runner.stop("test")
        await working
        started.lock.close()
        await exchange.stop()
        return left(started)

    found = play(scene)
    case = case_of(market)
    assert market.detail is not None
    expected = of_result(backtest(case.market, case.tape, config, context=case.context))
    assert len(expected["trades"]) > 5
    assert np.array_equal(expected["decisions"]["time_ms"], found["decisions"]["time_ms"])
    assert_same(expected, found)
