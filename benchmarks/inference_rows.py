"""Rows of live inference: bar close -> four models' probabilities, for 1, 20 and 222 symbols.

Models have their default shapes; what they learned does not change how long they take, so they are fitted briefly on a
made-up market. Trees get as many rounds as a real training keeps (about 100).
"""

import time
from typing import Any

import numpy as np

from benchmarks.table import Row, say
from qt_core.agents.base import Agent
from qt_core.agents.inference import Inference
from qt_core.agents.registry import DEFAULT_SLOTS, agent_class, agent_module
from qt_core.config import load_config
from qt_core.features.frame import bars_of, params_for
from qt_core.features.step import Bars
from qt_core.io.simulate import simulate_market
from qt_core.market import Market
from research.training.dataset import Dataset, make_dataset

GROUP = "live inference"
SYMBOLS = (1, 20, 222)
WARM_BARS = 400  # fed at once, so that every feature and window is known
BRIEFLY = {
    "xgb": {"rounds": 100, "patience": 100},
    "lgbm": {"rounds": 100, "patience": 100},
    "nhits": {"steps": 20, "check_steps": 20},
    "patchtst": {"steps": 20, "check_steps": 20},
}
BUDGET_MS = {20: (25.0, 10.0), 222: (100.0, 40.0)}  # floor and aim of the 99th percentile, whole path


def inference_rows(runs: int) -> list[Row]:
    """Median and 99th percentile per bar, features and all four models; then each model's own share."""
    say("live inference: features and four models, bar by bar")
    agents = fitted_agents()
    rows = []
    for n in SYMBOLS:
        ms, by_part = time_bars(agents, n, 60 * runs)
        floor, aim = BUDGET_MS.get(n, (None, None))
        facts: dict[str, Any] = {"bars": len(ms), "median_ms": float(np.median(ms)), **by_part}
        rows.append(
            Row(GROUP, f"{n} symbols, p99", float(np.quantile(ms, 0.99)), "ms", floor, aim, higher=False, facts=facts)
        )
    return rows


def fitted_agents() -> tuple[Agent, ...]:
    """The four agents in their default shapes, fitted on little."""
    data = make_dataset(simulate_market(4, 3000, seed=1), load_config({"supervisor": {"horizon_bars": 24}}))
    return tuple(_fitted(name, data) for name in DEFAULT_SLOTS)


def _fitted(name: str, data: Dataset) -> Agent:
    agent = agent_class(name)(agent_module(name).Params(**BRIEFLY[name]))
    known = agent.ready(data.panel) & (data.labels.label >= 0)
    parts = [data.of(*np.nonzero(known & rows[:, None])) for rows in _thirds(data.market.n_bars)]
    agent.fit(data.panel, parts[0], parts[1], 0)
    agent.calibrate(data.panel, parts[2])
    return agent


def _thirds(n_bars: int) -> list[Any]:
    bar = np.arange(n_bars)
    return [(bar >= a * n_bars // 3) & (bar < (a + 1) * n_bars // 3 - 24) for a in range(3)]


def time_bars(agents: tuple[Agent, ...], n_symbols: int, n_bars: int) -> tuple[Any, dict[str, float]]:
    """Milliseconds of each bar, and the medians of features alone and of each model alone."""
    market = widened(simulate_market(min(n_symbols, 40), WARM_BARS + n_bars, seed=2), n_symbols)
    arms = {"all": agents, "features": ()} | {agent.NAME: (agent,) for agent in agents}
    times = {name: _run(slots, market, n_bars if name == "all" else n_bars // 3) for name, slots in arms.items()}
    features = float(np.median(times["features"]))
    parts = {f"{a.NAME}_ms": float(np.median(times[a.NAME])) - features for a in agents}
    return times["all"], {"features_ms": features, **parts}


def _run(slots: tuple[Agent, ...], market: Market, n_bars: int) -> Any:
    params = params_for(market, None)
    live = Inference(slots, params, market.symbols, load_config({}))
    bars = bars_of(market)
    live.update(_cut(bars, market, 0, WARM_BARS))
    ms = np.empty(n_bars)
    for k in range(n_bars):
        row = _cut(bars, market, WARM_BARS + k, WARM_BARS + k + 1)
        start = time.perf_counter()
        live.update(row)
        ms[k] = 1000.0 * (time.perf_counter() - start)
    return ms[5:]


def _cut(bars: Bars, market: Market, a: int, b: int) -> Bars:
    """Bars ``a`` to ``b`` with the funding settled in them."""
    low = int(market.time[a - 1]) + market.timeframe_ms if a else -1
    due = (bars.funding_time_ms >= low) & (bars.funding_time_ms < int(market.time[b - 1]) + market.timeframe_ms)
    columns = {
        name: np.ascontiguousarray(values[due] if name.startswith("funding") else values[a:b])
        for name, values in bars._asdict().items()
    }
    return Bars(**columns)


def widened(market: Market, n_symbols: int) -> Market:
    """The market with its symbols repeated under other names, without funding: the exchange has more than can be made up."""
    from dataclasses import replace

    from qt_core.market import ROW_FIELDS

    if market.n_symbols >= n_symbols:
        return market
    take = np.arange(n_symbols) % market.n_symbols
    columns: dict[str, Any] = {k: np.ascontiguousarray(getattr(market, k)[:, take]) for k in ROW_FIELDS if k != "time"}
    none = market.funding_time_ms[:0]
    return replace(
        market,
        **columns,
        symbols=tuple(f"SIM{k:03d}USDT" for k in range(n_symbols)),
        specs=market.specs[take].copy(),
        brackets=market.brackets[take].copy(),
        funding_time_ms=none,
        funding_symbol=none,
        funding_rate=market.funding_rate[:0],
    )
