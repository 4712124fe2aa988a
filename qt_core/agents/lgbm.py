"""Module 3, LightGBM: gradient-boosted trees grown leaf by leaf over feature rows. Learned; SPEC section 2.

Source: Ke et al. (2017), "LightGBM". ``deterministic`` and ``force_row_wise`` make equal runs equal.
"""

from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from qt_core.agents.base import BaseAgent, Curve, Samples
from qt_core.agents.panel import Panel, Rows
from qt_core.market import FloatArray

VERSION = 1  # of the fitted files: raised when what they hold or mean changes


class Params(NamedTuple):
    """Hyperparameters."""

    rounds: int = 300  # boosting rounds at most
    patience: int = 30  # rounds without a better stop loss before it ends
    learning_rate: float = 0.05
    num_leaves: int = 15
    min_data_in_leaf: int = 500  # rows
    bagging_fraction: float = 0.7  # share of rows per tree
    feature_fraction: float = 0.7  # share of columns per tree
    lambda_l2: float = 10.0
    max_bin: int = 127


BOUNDS = {
    "rounds": (1, 100_000),
    "patience": (1, 100_000),
    "learning_rate": (1e-4, 1.0),
    "num_leaves": (2, 4096),
    "min_data_in_leaf": (1, 10_000_000),
    "bagging_fraction": (0.05, 1.0),
    "feature_fraction": (0.05, 1.0),
    "lambda_l2": (0.0, 1e6),
    "max_bin": (2, 4096),
}
FILE = "model.txt"


class LgbmAgent(BaseAgent):
    """LightGBM's three-class booster, one thread."""

    NAME: ClassVar[str] = "lgbm"
    VERSION: ClassVar[int] = VERSION

    def __init__(self, params: Params = Params()) -> None:  # noqa: B008  immutable
        super().__init__(params)
        self.booster: Any = None

    def _fit(self, panel: Panel, train: Samples, stop: Samples, seed: int) -> Curve:
        import lightgbm as lgb

        p: Params = self.params
        settings = {
            "objective": "multiclass", "num_class": 3, "metric": "multi_logloss", "learning_rate": p.learning_rate,
            "num_leaves": p.num_leaves, "min_data_in_leaf": p.min_data_in_leaf, "bagging_fraction": p.bagging_fraction,
            "bagging_freq": 1, "feature_fraction": p.feature_fraction, "lambda_l2": p.lambda_l2, "max_bin": p.max_bin,
            "seed": seed % 2**31, "deterministic": True, "force_row_wise": True, "num_threads": 1, "verbosity": -1,
        }  # fmt: skip
        names = list(panel.names)
        data = lgb.Dataset(
            _values(panel, train.rows), train.label, weight=train.weight, feature_name=names, params=settings
        )
        watch = lgb.Dataset(_values(panel, stop.rows), stop.label, weight=stop.weight, reference=data, params=settings)
        log: dict[str, Any] = {}
        self.booster = lgb.train(
            settings, data, p.rounds, valid_sets=[data, watch], valid_names=["train", "stop"],
            callbacks=[lgb.record_evaluation(log), lgb.early_stopping(p.patience, verbose=False)],
        )  # fmt: skip
        losses = log["train"]["multi_logloss"], log["stop"]["multi_logloss"]
        best = int(self.booster.best_iteration) or len(losses[0])
        return Curve(step=list(range(1, len(losses[0]) + 1)), train=losses[0], stop=losses[1], best_step=best)

    def _score(self, panel: Panel, rows: Rows) -> FloatArray:
        raw = self.booster.predict(_values(panel, rows), raw_score=True, num_threads=1)
        return np.asarray(raw, dtype=np.float64).reshape(len(rows.t), 3)

    def importance(self) -> dict[str, float]:
        """Share of total gain by feature."""
        gain = self.booster.feature_importance("gain", iteration=self.booster.best_iteration)
        total = float(gain.sum()) or 1.0
        return {name: float(g) / total for name, g in zip(self.booster.feature_name(), gain, strict=True)}

    def _write(self, folder: Path) -> None:
        self.booster.save_model(folder / FILE, num_iteration=self.booster.best_iteration)

    def _read(self, folder: Path) -> None:
        import lightgbm as lgb

        self.booster = lgb.Booster(model_file=folder / FILE)


def _values(panel: Panel, rows: Rows) -> Any:
    return np.ascontiguousarray(panel.features[rows.t, rows.i])
