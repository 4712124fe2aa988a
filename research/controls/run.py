"""One control: a world, the whole walk-forward pipeline on it, and what its tape says. Nothing is written to disk."""

import zlib
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from qt_core.agents.base import Samples
from qt_core.config import Config, load_config
from qt_core.io.timeframes import DAY_MS
from qt_core.market import Market
from qt_core.signal.tape import N_CLASSES, N_MODELS
from research.controls.worlds import WorldParams, make_world
from research.splits import walk_forward
from research.training.dataset import Dataset, make_dataset
from research.training.fit import fit_window
from research.training.settings import Settings, settings_of
from research.training.verdict import Verdict, leaning, look, looks
from research.training.walk_forward import costs_of

KINDS = ("planted", "shuffled", "random_walk")
MODELS: dict[str, Any] = {
    "windows": {
        "first_predict": "2016-01-01", "train_days": 4380, "stop_days": 365, "calibrate_days": 365, "predict_days": 4800,
    },
    "xgb": {"rounds": 200, "patience": 20, "min_child_weight": 200.0},
    "lgbm": {"rounds": 200, "patience": 20},
    "nhits": {"steps": 600, "check_steps": 50},
    "patchtst": {"steps": 600, "check_steps": 50},
}  # fmt: skip


class Outcome(NamedTuple):
    """What the pipeline made of one control."""

    kind: str
    seed: int
    oracle_sharpe: float
    skill: dict[str, float]  # model -> log loss saved against the class shares of training, share of it
    direction: dict[str, float]  # model -> the same of BUY against SELL alone: what a random walk cannot teach
    looks: dict[str, dict[str, Verdict]]  # "all" -> every look at its leaning; a model -> the raw one
    actionable: dict[str, float]  # model -> actionable predictions

    @property
    def edge(self) -> bool:
        """The verdict on all models together."""
        return any(v.edge for v in self.looks["all"].values())


def control_config(models: "dict[str, Any] | None" = None) -> Config:
    """The configuration all controls share; ``models`` replaces keys of its section."""
    return load_config({"supervisor": {"horizon_bars": 24}, "models": {**MODELS, **(models or {})}})


def run_control(
    kind: str,
    seed: int,
    config: "Config | None" = None,
    params: WorldParams = WorldParams(),  # noqa: B008  immutable
) -> Outcome:
    """Train on the world of a seed as on any market, and judge the tape.

    ``shuffled`` is the planted world with the training labels of each span permuted among its rows, judged on the same noise
    without the planted drift: a function of the features that was learned from noise leans with or against the drift by
    chance, and what it earns there is no error of whoever reports it.
    """
    config = control_config() if config is None else config
    p = params._replace(sharpe=0.0) if kind == "random_walk" else params
    world = make_world(p, zlib.crc32(f"{'random_walk' if kind == 'random_walk' else 'planted'}|{seed}".encode()))
    settings = settings_of(config)._replace(seed=seed)
    data: Dataset = make_dataset(world.market, config, settings.samples.breadth)
    if kind == "shuffled":
        data = Shuffled(data.market, data.panel, data.labels, data.close_ms, data.breadth, seed)
    judged = replace(world.market, close=world.fair_close) if kind == "shuffled" else world.market
    return _walk(kind, seed, world.oracle_sharpe, data, judged, config, settings)


def _walk(
    kind: str, seed: int, oracle: float, data: Dataset, judged: Market, config: Config, settings: Settings
) -> Outcome:
    """Train and predict window by window on ``data``; the looks are at the closes of ``judged``."""
    market, slots = data.market, settings.slots
    last_ms = int(data.close_ms[-1])
    windows = walk_forward(settings.plan, int(market.time[0]), last_ms)
    windows = tuple(w for w in windows if w.end_ms - w.predict_ms > 100 * DAY_MS)
    proba = np.zeros((market.n_bars, market.n_symbols, N_MODELS, N_CLASSES), dtype=np.float32)
    available = np.zeros(proba.shape[:3], dtype=np.bool_)
    figures: dict[str, list[dict[str, Any]]] = {name: [] for name in slots}
    for window in windows:
        for slot, name in enumerate(slots):
            _, report, predicted = fit_window(data, window, name, settings, costs_of(config), "control")
            if predicted is None:
                continue
            proba[predicted.t, predicted.i, slot] = predicted.proba
            available[predicted.t, predicted.i, slot] = True
            figures[name].append(report.metrics)
    horizon = data.labels.horizon_bars
    found = {"all": looks(leaning(proba, available), np.asarray(available.any(axis=2)), judged, horizon)}
    for slot, name in enumerate(slots):
        one = slice(slot, slot + 1)
        found[name] = {"raw": look(leaning(proba[:, :, one], available[:, :, one]), judged)}
    skill = {name: _skill(rows) for name, rows in figures.items()}
    direction = {name: _mean(rows, "direction_skill") for name, rows in figures.items()}
    acts = {name: float(sum(row["actionable"] for row in rows)) for name, rows in figures.items()}
    return Outcome(kind, seed, oracle, skill, direction, found, acts)


def _mean(rows: list[dict[str, Any]], key: str) -> float:
    """Mean over all windows' rows."""
    known = [(row[key], row["rows"]) for row in rows if row[key] is not None]
    n = sum(weight for _, weight in known)
    return float(sum(x * weight for x, weight in known) / n) if n else float("nan")


def _skill(rows: list[dict[str, Any]]) -> float:
    """1 - log loss / log loss of the class shares in training, over all windows' rows."""
    n = sum(row["rows"] for row in rows)
    if not n:
        return float("nan")
    loss, prior = (sum(row[key] * row["rows"] for row in rows) / n for key in ("log_loss", "log_loss_prior"))
    return float(1.0 - loss / prior)


class Shuffled(Dataset):
    """A dataset whose samples have their labels permuted; what is judged keeps the true ones."""

    def __init__(self, market: Any, panel: Any, labels: Any, close_ms: Any, breadth: float, seed: int) -> None:
        super().__init__(market, panel, labels, close_ms, breadth)
        object.__setattr__(self, "seed", seed)

    def samples(self, window: Any, span: str, ready: Any, embargo_ms: int) -> Samples:
        found = super().samples(window, span, ready, embargo_ms)
        rng = np.random.Generator(np.random.PCG64(zlib.crc32(f"{self.__dict__['seed']}|{window.name}|{span}".encode())))
        order = rng.permutation(len(found.label))
        return found._replace(label=found.label[order], forward=found.forward[order])
