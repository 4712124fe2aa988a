"""Small markets with something to learn, and datasets, settings and trainings made of them: fits take tenths of a second.

Features here are a few plain functions of the bars, so that nothing is compiled; tests that need the real ones ask for them.
"""

from pathlib import Path
from typing import Any

import numpy as np

from qt_core.agents.base import BaseAgent, Samples
from qt_core.agents.panel import Panel, Rows, make_panel
from qt_core.agents.registry import agent_class, agent_module
from qt_core.config import Config, load_config
from qt_core.market import Market, make_market
from research.labels import make_labels
from research.splits import walk_forward
from research.training.dataset import Dataset, make_dataset
from research.training.folder import ModelsFolder
from research.training.settings import settings_of
from research.training.walk_forward import Training, costs_of

HOUR = 3_600_000
DAY = 24 * HOUR
START = 1_609_459_200_000  # 2021-01-01
FOUR = ("xgb", "lgbm", "nhits", "patchtst")
NETS = ("nhits", "patchtst")
TREES = ("xgb", "lgbm")
TINY: dict[str, dict[str, Any]] = {
    "xgb": {"rounds": 8, "max_depth": 3, "min_child_weight": 1.0, "patience": 4, "eta": 0.3},
    "lgbm": {"rounds": 8, "num_leaves": 7, "min_data_in_leaf": 20, "patience": 4, "learning_rate": 0.3},
    "nhits": {
        "window": 16, "units": 16, "depth": 1, "steps": 60, "check_steps": 10, "batch": 32, "learning_rate": 0.02,
        "average": 0.5,
    },
    "patchtst": {
        "window": 32, "patch": 8, "stride": 4, "width": 8, "heads": 2, "layers": 2, "inner": 8, "steps": 60,
        "check_steps": 10, "batch": 32, "learning_rate": 0.02, "average": 0.5,
    },
}  # fmt: skip
WINDOWS = {
    "first_predict": "2021-02-12", "train_days": 30, "stop_days": 6, "calibrate_days": 6, "predict_days": 9,
    "embargo_bars": 6,
}  # fmt: skip
N_BARS = 1464  # 61 days: two windows of nine days and one of one
HORIZON = 8
NAMES = ("change_1", "change_4", "change_16", "range", "hour", "quote_volume_24h", "funding_rate")


def trending(n_bars: int = N_BARS, symbols: int = 3, seed: int = 0, drift: float = 0.004) -> Market:
    """Prices that go one way for some forty bars and then, perhaps, the other: what models can learn."""
    rng = np.random.default_rng(seed)
    shape = (n_bars, symbols)
    way = np.where(np.cumsum(rng.random(shape) < 1 / 40, axis=0) % 2 == 0, 1.0, -1.0)
    returns = drift * way + 0.006 * rng.standard_normal(shape)
    close = 100.0 * np.exp(np.cumsum(returns, axis=0))
    open_ = np.vstack([np.full((1, symbols), 100.0), close[:-1]])
    high = np.maximum(open_, close) * (1.0 + rng.exponential(0.002, shape))
    low = np.minimum(open_, close) * (1.0 - rng.exponential(0.002, shape))
    time = START + HOUR * np.arange(n_bars, dtype=np.int64)
    due = np.arange(START, time[-1] + HOUR, 8 * HOUR)
    times, who = np.repeat(due, symbols - 1), np.tile(np.arange(symbols - 1), len(due))
    return make_market(
        [f"S{k}USDT" for k in range(symbols)],
        time,
        {"open": open_, "high": high, "low": low, "close": close, "volume": rng.lognormal(9.0, 0.5, shape)},
        timeframe_ms=HOUR,
        funding=(times, who, rng.normal(1e-4, 1e-4, len(times))),
        simulated=True,
        source="trending",
    )


def small_config(models: "dict[str, Any] | None" = None, **sections: Any) -> Config:
    """Tiny models of the four kinds; ``models`` replaces keys of the section."""
    given = {"samples": {"min_rows": 200, "min_class_rows": 5}, "windows": WINDOWS, **TINY, **(models or {})}
    slots = given.get("slots", list(FOUR))
    kept = {k: v for k, v in given.items() if k not in FOUR or k in slots}
    return load_config({"seed": 3, "supervisor": {"horizon_bars": HORIZON}, "models": kept, **sections})


def plain_features(market: Market) -> np.ndarray:
    """``[T, N, F]`` of NAMES, each known at the close of its bar."""
    out = np.full((*market.close.shape, len(NAMES)), np.nan)
    for k, span in enumerate((1, 4, 16)):
        out[span:, :, k] = np.log(market.close[span:] / market.close[:-span])
    out[..., 3] = market.high / market.low - 1.0
    out[..., 4] = ((market.time // HOUR) % 24)[:, None]
    out[..., 5] = market.quote_volume
    out[:, :-1, 6] = 1e-4
    return out


def plain_stops(market: Market) -> np.ndarray:
    """The mean range of the last twelve bars, ``[T, N]``; NaN before and where one of them is missing."""
    size = market.high / market.low - 1.0
    out = np.full(size.shape, np.nan)
    for t in range(11, len(size)):
        out[t] = size[t - 11 : t + 1].mean(axis=0)
    return out


def small_dataset(market: "Market | None" = None, config: "Config | None" = None, real: bool = False) -> Dataset:
    """A dataset of ``plain_features``, or of the real ones."""
    market, config = trending() if market is None else market, config or small_config()
    if real:
        return make_dataset(market, config)
    stop = plain_stops(market)
    panel = make_panel(NAMES, plain_features(market), market.close, stop)
    return Dataset(market, panel, make_labels(market, stop, config), market.time + market.timeframe_ms)


def small_training(folder: Path, config: "Config | None" = None, data: "Dataset | None" = None) -> Training:
    """As ``open_training`` makes it, of a dataset that is there."""
    config = config or small_config()
    data = small_dataset(config=config) if data is None else data
    settings = settings_of(config)
    windows = walk_forward(settings.plan, int(data.market.time[0]), int(data.close_ms[-1]))
    return Training(config, settings, data, windows, costs_of(config), ModelsFolder(folder))


def new_agent(name: str, **params: Any) -> BaseAgent:
    """An agent with tiny hyperparameters."""
    return agent_class(name)(agent_module(name).Params(**{**TINY.get(name, {}), **params}))


def samples_between(data: Dataset, agent: BaseAgent, first: int, last: int) -> Samples:
    """Labelled rows of bars ``[first, last)`` that the agent can use."""
    usable = agent.ready(data.panel) & (data.labels.label >= 0)
    usable[:first], usable[last:] = False, False
    return data.of(*np.nonzero(usable))


def fit_small(name: str, data: Dataset, seed: int = 5, **params: Any) -> BaseAgent:
    """Fitted on bars 0 to 700, stopped by 720 to 860, calibrated on 880 to 1000."""
    agent = new_agent(name, **params)
    agent.fit(data.panel, samples_between(data, agent, 0, 700), samples_between(data, agent, 720, 860), seed)
    agent.calibrate(data.panel, samples_between(data, agent, 880, 1000))
    return agent


def rows_ready(agent: BaseAgent, panel: Panel, first: int = 1000, last: int = 10**9) -> Rows:
    """Rows of bars ``[first, last)`` on which the agent can speak."""
    ready = agent.ready(panel).copy()
    ready[:first], ready[last:] = False, False
    return Rows(*np.nonzero(ready))
