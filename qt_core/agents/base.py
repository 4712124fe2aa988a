"""The Protocol every model follows, and what all of them share: readiness, calibration, files, abstention."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np

from qt_core.agents import calibration
from qt_core.agents.files import read_manifest, write_agent
from qt_core.agents.panel import Float32Array, Panel, Rows
from qt_core.errors import DataError
from qt_core.market import BoolArray, FloatArray, IntArray

SELL, HOLD, BUY = 0, 1, 2


class Samples(NamedTuple):
    """Labelled rows to fit, stop or calibrate on."""

    rows: Rows
    label: IntArray  # [n] 0 SELL, 1 HOLD, 2 BUY
    weight: FloatArray  # [n] mean 1
    forward: FloatArray  # [n] log return over the horizon / (d of the row): in stop distances; NaN where unknown
    effective: float  # independent outcomes among them: overlapping labels share one, so do the symbols of a bar

    def take(self, keep: Any) -> "Samples":
        """The samples of a mask or of row numbers."""
        rows, label = Rows(self.rows.t[keep], self.rows.i[keep]), self.label[keep]
        share = len(label) / max(1, len(self.label))
        return Samples(rows, label, self.weight[keep], self.forward[keep], self.effective * share)


@dataclass
class Curve:
    """What happened while a model was fitted."""

    metric: str = "log loss"
    step: list[int] = field(default_factory=list)  # boosting rounds or optimiser steps
    train: list[float] = field(default_factory=list)
    stop: list[float] = field(default_factory=list)  # on the early-stopping span
    best_step: int = 0  # the step kept


class Agent(Protocol):
    """A model that turns rows of a panel into (SELL, HOLD, BUY)."""

    NAME: ClassVar[str]
    VERSION: ClassVar[int]

    @property
    def warmup(self) -> int:
        """Consecutive bars a row needs behind it, itself included, beyond what its features need."""
        ...

    def ready(self, panel: Panel) -> BoolArray:
        """Rows on which the model can speak, ``[T, N]``; elsewhere it abstains."""
        ...

    def fit(self, panel: Panel, train: Samples, stop: Samples, seed: int) -> Curve:
        """Learn from ``train``, stop by ``stop``; equal arguments give equal models."""
        ...

    def calibrate(self, panel: Panel, samples: Samples) -> None:
        """Fit the calibration on rows used neither to fit nor to stop."""
        ...

    def predict_proba(self, panel: Panel, rows: Rows) -> Float32Array:
        """``[n, 3]`` of (SELL, HOLD, BUY), sum 1; the same for a row alone and among others."""
        ...

    def forecast(self, panel: Panel, rows: Rows) -> Float32Array:
        """Expected log return over the horizon, ``[n]``."""
        ...

    def importance(self) -> dict[str, float]:
        """Share of each input in what the model learned, sum 1."""
        ...

    def save(self, folder: Path, about: dict[str, Any]) -> None:
        """Write the model without pickle; ``about`` goes into its manifest."""
        ...


class BaseAgent(ABC):
    """What the four agents share. A new one gives NAME, VERSION, ``Params`` and the abstract methods.

    Parameters
    ----------
    params : a NamedTuple of the agent's own ``Params``.
    """

    NAME: ClassVar[str]
    VERSION: ClassVar[int]

    def __init__(self, params: Any) -> None:
        self.params = params
        self.calibration = calibration.Calibration()
        self.class_forward = np.zeros(3)  # mean forward return of each class in training, stop distances
        self.schema = ""

    @property
    def warmup(self) -> int:
        return 1

    def ready(self, panel: Panel) -> BoolArray:
        return panel.complete()

    def fit(self, panel: Panel, train: Samples, stop: Samples, seed: int) -> Curve:
        self.schema = panel.schema
        known = np.isfinite(train.forward)
        for k in range(3):
            of_class = known & (train.label == k)
            self.class_forward[k] = float(np.mean(train.forward[of_class])) if of_class.any() else 0.0
        return self._fit(panel, train, stop, seed)

    def calibrate(self, panel: Panel, samples: Samples) -> None:
        score = self._score(panel, samples.rows)
        # not by uniqueness: probabilities are to hold for bars as they come, calm ones with their long labels among them
        weight = np.full(len(samples.label), samples.effective / max(1, len(samples.label)))
        self.calibration = calibration.fit(score, samples.label, weight)

    def predict_proba(self, panel: Panel, rows: Rows) -> Float32Array:
        self._check_schema(panel)
        return calibration.probabilities(self.calibration, self._score(panel, rows))

    def answer(self, panel: Panel, rows: Rows) -> "tuple[Float32Array, Float32Array]":
        """``predict_proba`` and ``forecast`` of the same rows; a network makes one pass for both."""
        return self.predict_proba(panel, rows), self.forecast(panel, rows)

    def forecast(self, panel: Panel, rows: Rows) -> Float32Array:
        """Unless the model has a forecast of its own: what its classes returned in training, by its probabilities."""
        p = self.predict_proba(panel, rows).astype(np.float64)
        mean = self.class_forward
        implied = p[:, 0] * mean[0] + p[:, 1] * mean[1] + p[:, 2] * mean[2]
        out: Float32Array = (implied * panel.stop[rows.t, rows.i]).astype(np.float32)
        return out

    def importance(self) -> dict[str, float]:
        return {}

    def save(self, folder: Path, about: dict[str, Any]) -> None:
        manifest = {
            "agent": self.NAME,
            "version": self.VERSION,
            "schema": self.schema,
            "params": dict(self.params._asdict()),
            "calibration": dict(self.calibration._asdict()),
            "class_forward": [float(x) for x in self.class_forward],
            "about": about,
        }
        write_agent(folder, self._write, manifest)

    def restore(self, folder: Path, manifest: dict[str, Any]) -> None:
        """Take over what ``save`` wrote; ``manifest`` is already checked."""
        self.schema = str(manifest["schema"])
        self.calibration = calibration.Calibration(**manifest["calibration"])
        self.class_forward = np.array(manifest["class_forward"], dtype=np.float64)
        self._read(folder)

    def _check_schema(self, panel: Panel) -> None:
        if panel.schema != self.schema:
            raise DataError(f"{self.NAME}: feature schema {panel.schema}; the model was fitted on {self.schema}")

    @abstractmethod
    def _fit(self, panel: Panel, train: Samples, stop: Samples, seed: int) -> Curve:
        """Learn; one thread."""

    @abstractmethod
    def _score(self, panel: Panel, rows: Rows) -> FloatArray:
        """Uncalibrated scores ``[n, 3]`` float64: log probabilities up to a constant per row."""

    @abstractmethod
    def _write(self, folder: Path) -> None:
        """Model files into an empty folder."""

    @abstractmethod
    def _read(self, folder: Path) -> None:
        """Model files back."""


def load_about(folder: Path) -> dict[str, Any]:
    """The manifest of a saved agent, checked."""
    return read_manifest(folder)
