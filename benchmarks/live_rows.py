"""Rows of a live session: from a bar's arrival to decided and on the disk, and to sent; rules and four models.

A paper session on made-up candles, its journal on the disk (``synchronous = FULL``), and one through ccxt to the simulated
exchange, where sent means that every order has been taken. Only decision bars count, without the first few hundred.
"""

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.inference_rows import fitted_agents, widened
from benchmarks.table import Row, say
from live.bootstrap import Started, start_paper_replay
from live.event_bus import EventBus
from live.inputs import AgentSpeaker, Inputs
from live.news import News
from live.testing.eager import EAGER
from live.testing.soak import Soak
from live.testing.soak_report import Plan
from live.testing.walk import Walk
from qt_core.agents.base import Agent
from qt_core.agents.inference import Inference
from qt_core.config import Config, load_config
from qt_core.features.frame import params_for
from qt_core.io.simulate import simulate_market
from qt_core.market import Market

GROUP = "live session"
SYMBOLS = (20, 222)
UNTIMED_BARS = 250  # until features are known and positions are open
BARS_PER_RUN = 60
CHAIN_MS = {20: (0.2, 0.05)}  # floor and aim: median of the call alone
WHOLE_MS = {20: (25.0, 10.0), 222: (100.0, 40.0)}  # 99th percentile, arrival to on the disk, four models
LEAST = 0.3  # confidence: briefly fitted models have little
# Every module binds; limits wide enough for ten and more positions at once.
MANY: dict[str, Any] = {
    "chain": {"initial_equity_usd": 50_000.0, "max_candidates": 20},
    "balancer": {"max_sector_share": 1.0, "max_correlated": 200, "max_side_share": 1.0, "max_gross_leverage": 30.0},
    "ensemble": {"threshold": LEAST},
    "hfos": {"min_confidence_cautious": LEAST, "min_confidence_defensive": LEAST},
    "msc": {f"min_confidence_{mode}": LEAST for mode in ("defensive", "normal", "aggressive")}
    | {"max_positions_defensive": 50, "max_positions_normal": 50},
    "tpsl": {"mode": "off", "sl_anchor": 0.06, "tp_anchor": 0.1},
    "monitor": {"max_hold_ms": 10**10, "exit_on_advice": "off"},
    "ess": {"max_drawdown": 0.9},
}


class Measured(NamedTuple):
    """Seconds of each timed bar, and what was going on."""

    chain: Any
    decided: Any
    sent: Any
    open_positions: float
    trades: int


def live_rows(runs: int) -> list[Row]:
    """Chain alone, decided and sent: rules and four models on paper, rules through ccxt."""
    say("live session: bar close -> decided, on the disk, sent")
    agents, bars, rows = fitted_agents(), BARS_PER_RUN * runs, []
    for n in SYMBOLS:
        market = widened(simulate_market(min(n, 40), UNTIMED_BARS + bars, seed=2), n)
        rows += rows_of(n, "rules", asyncio.run(on_paper(market, ())))
        rows += rows_of(n, "four models", asyncio.run(on_paper(market, agents)), WHOLE_MS[n])
    return rows + rows_of(SYMBOLS[0], "rules, through ccxt", asyncio.run(through_ccxt(SYMBOLS[0], bars)))


def rows_of(n: int, who: str, m: Measured, limits: "tuple[float, float] | None" = None) -> list[Row]:
    """Three numbers with their medians and 99th percentiles."""
    facts = {"bars": len(m.decided), "open positions": m.open_positions, "trades": m.trades}
    chain = CHAIN_MS.get(n, (None, None)) if who == "rules" else (None, None)
    floor, aim = limits or (None, None)
    wanted = (
        ("chain, median", m.chain, 0.5, *chain),
        ("arrival to on the disk, p99", m.decided, 0.99, floor, aim),
        ("arrival to sent, p99", m.sent, 0.99, floor, aim),
    )
    out = []
    for what, seconds, q, low, best in wanted:
        ms = 1e3 * np.asarray(seconds)
        more = {"median_ms": float(np.median(ms)), "p99_ms": float(np.quantile(ms, 0.99)), **facts}
        name = f"{n} symbols, {who}: {what}"
        out.append(Row(GROUP, name, float(np.quantile(ms, q)), "ms", low, best, higher=False, facts=more))
    return out


def bench_config(market: Market) -> Config:
    """Rules that trade often, under every module."""
    data = {"symbols": list(market.symbols), "timeframe": "1h"}
    return load_config({**EAGER, **MANY, "live": {"name": "bench"}, "data": data})


class Watched:
    """A session whose calls of the chain are timed and whose open positions are counted."""

    def __init__(self, started: Started) -> None:
        self.runner = started.runner
        self.chain: list[float] = []
        self.open: list[int] = []
        self._decide = self.runner.session.chain.decide
        self.runner.session.chain.decide = self.decide  # type: ignore[method-assign]
        self.runner.news = News(self.runner.session.chain, EventBus())
        self.runner.session.listener = self.runner.news.hear

    def decide(self, row: Any) -> Any:
        """The chain's call with a stopwatch."""
        began = time.perf_counter()
        effects = self._decide(row)
        self.chain.append(time.perf_counter() - began)
        self.open.append(int(self.runner.session.chain.fund["n_open"]))
        return effects

    def measured(self, bars: int) -> Measured:
        """The last so many bars."""
        news = self.runner.news
        assert news is not None
        chain, decided, sent = (np.array(list(v)[-bars:]) for v in (self.chain, news.decided_s, news.sent_s))
        trades = int(self.runner.session.chain.fund["trade_seq"])
        return Measured(chain, decided, sent, float(np.mean(self.open[-bars:])), trades)


async def on_paper(market: Market, agents: tuple[Agent, ...]) -> Measured:
    """A paper session; with ``agents`` they speak instead of the rules."""
    config = bench_config(market)
    with tempfile.TemporaryDirectory() as folder:
        started = start_paper_replay(config, folder, market=market, unsafe=True)
        session = started.runner.session
        if agents:
            inference = Inference(agents, params_for(market, None), market.symbols, load_config({}))
            session.inputs = Inputs(market.symbols, market.timeframe_ms, AgentSpeaker(inference, "agents"))
        watched = Watched(started)
        await started.runner.run()
        started.runner.journal.store.close()
        started.lock.close()
    return watched.measured(market.n_bars - UNTIMED_BARS)


async def through_ccxt(n_symbols: int, bars: int) -> Measured:
    """A session on the simulated exchange, without faults."""
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan(UNTIMED_BARS // 2 + bars, n_symbols, 2, 0.0, warmup=UNTIMED_BARS)
        soak = Soak(plan, Path(folder), MANY)
        await soak.exchange.start()
        async with soak.session() as started:
            watched, walk = Watched(started), Walk(soak.exchange, started.runner)
            await walk.caught_up()
            while soak.exchange.has_next:
                await walk.bar()
                soak.keep_going(started)
        await soak.exchange.stop()
    return watched.measured(bars)
