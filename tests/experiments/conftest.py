"""A small real training, logged to a real MLflow on SQLite: trees of a few rounds, one small network, one that abstains."""

import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from experiments.tracking.store import Store, client_of, prepare, store_of
from experiments.tracking.tracker import Tracker
from qt_core.io.inputs import load_config_market, read_config
from research.training.report import FitReport
from research.training.walk_forward import Training, open_training, train

N_BARS = 3096
RAW: dict[str, Any] = {
    "seed": 0,
    "data": {"simulated": {"n_symbols": 4, "n_bars": N_BARS, "seed": 7}, "timeframe": "1h"},
    "supervisor": {"horizon_bars": 24},
    "ensemble": {"threshold": 0.3},  # so that small models act
    "models": {
        "experiment": "small",
        "windows": {
            "first_predict": "2021-04-10", "train_days": 60, "stop_days": 10, "calibrate_days": 10, "predict_days": 15,
        },
        "samples": {"min_rows": 2000, "min_class_rows": 20},
        "xgb": {"rounds": 12, "max_depth": 3, "min_child_weight": 5.0},
        "lgbm": {"rounds": 12, "num_leaves": 7, "min_data_in_leaf": 50},
        "nhits": {"window": 24, "units": 16, "steps": 40, "check_steps": 10, "patience": 3},
        "patchtst": {"window": 2000, "steps": 20},  # more bars than training has: it abstains
    },
}  # fmt: skip
AGENTS, FITTED = ("xgb", "lgbm", "nhits", "patchtst"), ("xgb", "lgbm", "nhits")


class Logged(NamedTuple):
    """A training that is done and logged."""

    training: Training
    reports: list[FitReport]
    tracker: Tracker
    store: Store
    client: Any
    experiment_id: str

    def run(self, agent: str, window: int = 0) -> Any:
        """The run of a fit."""
        name = f"{agent} {self.training.windows[window].name}"
        (found,) = self.client.search_runs([self.experiment_id], f"attributes.run_name = '{name}'")
        return found

    def report(self, agent: str, window: int = 0) -> FitReport:
        name = self.training.windows[window].name
        return next(r for r in self.reports if r.agent == agent and r.window.name == name)


def write_config(folder: Path, changes: "dict[str, Any] | None" = None) -> Path:
    """The small configuration as a file; ``changes`` go into its models section, None takes a key out."""
    models = {**RAW["models"], "folder": str(folder / "models"), **(changes or {})}
    raw = {**RAW, "models": {k: v for k, v in models.items() if v is not None}}
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(raw, sort_keys=False))
    return path


def open_small(folder: Path, changes: "dict[str, Any] | None" = None, n_bars: int = N_BARS) -> Training:
    """The small training on the first bars of its market."""
    config = read_config(write_config(folder, changes))
    return open_training(config, load_config_market(config).head(n_bars))


@pytest.fixture(autouse=True)
def _no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database; making one takes MLflow seconds, copying it nothing."""
    path = tmp_path_factory.mktemp("database") / "mlflow.db"
    client_of(store_of(f"sqlite:///{path}"))
    return path


def store_in(folder: Path, database: Path) -> Store:
    """A new store in ``folder``, without runs."""
    store = store_of(f"sqlite:///{folder / 'mlruns' / 'mlflow.db'}")
    prepare(store)
    for name in ("mlflow.db", "mlflow.db-wal"):
        if database.with_name(name).exists():
            shutil.copy(database.with_name(name), store.database.with_name(name))
    return store


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Training:
    """Every fit on disk, nothing logged."""
    training = open_small(tmp_path_factory.mktemp("trained"))
    train(training)
    return training


@pytest.fixture(scope="session")
def brief(trained: Training) -> Training:
    """Two of its agents, one of which abstains; its fits are those on disk. For tests that log often."""
    only = {"slots": ["xgb", "patchtst"], "lgbm": None, "nhits": None, "folder": str(trained.settings.folder)}
    return open_small(trained.settings.folder.parent, only)


@pytest.fixture(scope="session")
def logged(trained: Training, tmp_path_factory: pytest.TempPathFactory, database: Path) -> Logged:
    """The same training, logged. Tests read it; who writes takes ``store`` instead."""
    store = store_in(tmp_path_factory.mktemp("logged"), database)
    return log(trained, store)


@pytest.fixture
def store(tmp_path: Path, database: Path) -> Store:
    return store_in(tmp_path, database)


def log(training: Training, store: Store) -> Logged:
    """Log a training as ``qt train`` does; what is on disk is not fitted again."""
    lines: list[str] = []
    tracker = Tracker(lines.append, store)
    tracker.begin(training)
    reports = train(training, (tracker,))
    tracker.finish(reports)
    assert not tracker.failed, tracker.failed
    client = client_of(store)
    experiment = client.get_experiment_by_name(training.settings.experiment)
    return Logged(training, reports, tracker, store, client, experiment.experiment_id)
