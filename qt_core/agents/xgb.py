"""Module 2, XGBoost: gradient-boosted trees over feature rows. Learned; SPEC section 2.

Source: Chen and Guestrin (2016), "XGBoost". Defaults are shallow and strongly regularised: hourly returns are nearly noise.
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
    eta: float = 0.05  # learning rate
    max_depth: int = 4
    min_child_weight: float = 100.0  # sum of hessians, samples
    subsample: float = 0.7  # share of rows per tree
    colsample: float = 0.7  # share of columns per tree
    reg_lambda: float = 10.0
    max_bin: int = 128


BOUNDS = {
    "rounds": (1, 100_000),
    "patience": (1, 100_000),
    "eta": (1e-4, 1.0),
    "max_depth": (1, 16),
    "min_child_weight": (0.0, 1e6),
    "subsample": (0.05, 1.0),
    "colsample": (0.05, 1.0),
    "reg_lambda": (0.0, 1e6),
    "max_bin": (2, 4096),
}
FILE = "model.ubj"


class XgbAgent(BaseAgent):
    """XGBoost's three-class booster, one thread."""

    NAME: ClassVar[str] = "xgb"
    VERSION: ClassVar[int] = VERSION

    def __init__(self, params: Params = Params()) -> None:  # noqa: B008  immutable
        super().__init__(params)
        self.booster: Any = None
        self.names: tuple[str, ...] = ()

    def _fit(self, panel: Panel, train: Samples, stop: Samples, seed: int) -> Curve:
        import xgboost as xgb

        p: Params = self.params
        self.names = panel.names
        data = xgb.QuantileDMatrix(
            _values(panel, train.rows), train.label, weight=train.weight, max_bin=p.max_bin, nthread=1
        )
        watch = xgb.QuantileDMatrix(
            _values(panel, stop.rows), stop.label, weight=stop.weight, max_bin=p.max_bin, nthread=1, ref=data
        )
        log: dict[str, Any] = {}
        settings = {
            "objective": "multi:softprob", "num_class": 3, "eval_metric": "mlogloss", "tree_method": "hist",
            "eta": p.eta, "max_depth": p.max_depth, "min_child_weight": p.min_child_weight, "subsample": p.subsample,
            "colsample_bytree": p.colsample, "reg_lambda": p.reg_lambda, "max_bin": p.max_bin, "seed": seed % 2**31,
            "nthread": 1, "verbosity": 0,
        }  # fmt: skip
        booster = xgb.train(
            settings, data, p.rounds, evals=[(data, "train"), (watch, "stop")], evals_result=log,
            early_stopping_rounds=p.patience, verbose_eval=False,
        )  # fmt: skip
        best = int(booster.best_iteration)
        self.booster = booster[: best + 1]  # it would predict with all trees
        losses = log["train"]["mlogloss"], log["stop"]["mlogloss"]
        return Curve(step=list(range(1, len(losses[0]) + 1)), train=losses[0], stop=losses[1], best_step=best + 1)

    def _score(self, panel: Panel, rows: Rows) -> FloatArray:
        margin = self.booster.inplace_predict(_values(panel, rows), predict_type="margin")
        return np.asarray(margin, dtype=np.float64).reshape(len(rows.t), 3)

    def importance(self) -> dict[str, float]:
        """Share of total gain by feature."""
        gain = self.booster.get_score(importance_type="total_gain")
        total = sum(gain.values()) or 1.0
        return {name: float(gain.get(f"f{k}", 0.0)) / total for k, name in enumerate(self.names)}

    def _write(self, folder: Path) -> None:
        self.booster.set_attr(qt_names="|".join(self.names))
        self.booster.save_model(folder / FILE)

    def _read(self, folder: Path) -> None:
        import xgboost as xgb

        self.booster = xgb.Booster({"nthread": 1})
        self.booster.load_model(folder / FILE)
        self.names = tuple((self.booster.attr("qt_names") or "").split("|"))


def _values(panel: Panel, rows: Rows) -> Any:
    return np.ascontiguousarray(panel.features[rows.t, rows.i])
