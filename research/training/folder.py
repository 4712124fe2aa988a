"""The folder of trained windows: ``WINDOW/AGENT/`` with report, model and predictions, each written whole; resumable."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from qt_core.agents.base import BaseAgent
from qt_core.agents.files import file_digest, read_manifest
from qt_core.agents.registry import agent_class
from qt_core.errors import DataError
from qt_core.io.files import read_parquet, write_parquet
from qt_core.market import IntArray
from research.report.folder import uninterrupted
from research.splits import Window
from research.training.dataset import Dataset
from research.training.fit import Costs, Predictions
from research.training.report import FILE as REPORT
from research.training.report import FitReport, read_report, write_report
from research.training.settings import Settings

MARKER = ".qt-models"
FORMAT = "qt-models/1"
PREDICTIONS, MODEL = "predictions.parquet", "model"


def fit_key(data: Dataset, window: Window, name: str, settings: Settings, costs: Costs) -> str:
    """Digest of everything a fit and its judgement depend on, 16 hex digits: data, spans, hyperparameters, versions."""
    plan = (settings.plan.embargo_bars, *settings.samples, *vars(costs).values())
    model = (name, agent_class(name).VERSION, *settings.params[name], settings.seed)
    parts = [*model, *plan, *window, data.digest(window.train_ms, window.end_ms)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


class ModelsFolder:
    """Where fitted windows lie."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def check(self) -> None:
        """Refuse a place that is not ours or not writable; nothing is written.

        Raises
        ------
        DataError
            Naming the folder and what was expected.
        """
        if self.root.exists() and not self.root.is_dir():
            raise DataError(f"{self.root}: is a file; a new folder, an empty one or one of trained models expected")
        found = {p.name for p in self.root.iterdir()} if self.root.is_dir() else set()
        if found and MARKER not in found:
            raise DataError(
                f"{self.root}: holds {sorted(found)[0]}, which no training wrote; a new folder, an empty one or one of "
                "trained models expected"
            )
        parent = next(p for p in (self.root.absolute(), *self.root.absolute().parents) if p.exists())
        if not os.access(parent, os.W_OK | os.X_OK):
            raise DataError(f"{parent}: may not be written; a folder that may be expected")

    def place(self, window: Window, name: str) -> Path:
        """The folder of one fit."""
        return self.root / window.name / name

    def finished(self, window: Window, name: str, key: str) -> "FitReport | None":
        """The report of a fit that is there whole under the same key; None where it must be done (again)."""
        folder = self.place(window, name)
        if not (folder / REPORT).is_file():
            return None
        try:
            report = read_report(folder)
        except DataError:  # damaged or of an earlier format: asking for another training would lead here again
            return None
        return report if report.key == key and (report.abstains or self._whole(folder, report)) else None

    def _whole(self, folder: Path, report: FitReport) -> bool:
        """True where model and predictions are there as they were written."""
        try:
            read_manifest(folder / MODEL)
        except DataError:
            return False
        path = folder / PREDICTIONS
        return path.is_file() and file_digest(path) == report.predictions_digest

    def others(self, jobs: "Iterable[tuple[Window, str, str]]") -> list[str]:
        """Names of fits that are there under other keys, but for the last window's, which grows with the data."""
        jobs = list(jobs)
        last = max((window.name for window, _, _ in jobs), default="")
        found = []
        for window, name, key in jobs:
            if window.name == last or not (self.place(window, name) / REPORT).is_file():
                continue
            try:
                report = read_report(self.place(window, name))
            except DataError:  # damaged: there is nothing to lose
                continue
            if report.key != key and not report.abstains:
                found.append(f"{window.name} {name}")
        return found

    def keep(
        self, agent: "BaseAgent | None", report: FitReport, predictions: "Predictions | None", data: Dataset
    ) -> None:
        """Write one fit beside its place and move it there in one step; an earlier fit stays until then."""
        self.root.mkdir(parents=True, exist_ok=True)
        (self.root / MARKER).write_text(FORMAT + "\n", encoding="utf-8")
        place = self.place(report.window, report.agent)
        temporary = place.with_name(f".{place.name}.{os.getpid()}.tmp")
        shutil.rmtree(temporary, ignore_errors=True)
        try:
            temporary.mkdir(parents=True)
            if agent is not None and predictions is not None:
                about = {"model_id": report.model_id, "cutoff_ms": report.cutoff_ms, "window": report.window.name}
                agent.save(temporary / MODEL, about)
                _write_predictions(temporary / PREDICTIONS, predictions, data)
                report.predictions_digest = file_digest(temporary / PREDICTIONS)
            write_report(temporary, report)
            with uninterrupted():
                shutil.rmtree(place, ignore_errors=True)
                os.replace(temporary, place)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def reports(self, windows: tuple[Window, ...], slots: tuple[str, ...]) -> list[FitReport]:
        """Reports of the fits that are there, in order of window and slot."""
        places = [self.place(w, name) for w in windows for name in slots]
        return [read_report(place) for place in places if (place / REPORT).is_file()]

    def predictions(self, report: FitReport, close_ms: IntArray, symbols: tuple[str, ...]) -> Predictions:
        """What a fit predicted, as rows of a market with these closes and symbols."""
        path = self.place(report.window, report.agent) / PREDICTIONS
        if path.is_file() and file_digest(path) != report.predictions_digest:
            raise DataError(f"{path}: changed since it was written (SHA-256 differs); train again")
        columns = read_parquet(path, ("close_time", "symbol", "p_sell", "p_hold", "p_buy", "forecast"))
        t = np.searchsorted(close_ms, columns["close_time"])
        names = np.array(symbols)
        i = np.searchsorted(names, columns["symbol"].astype(str))
        inside = (t < len(close_ms)) & (i < len(names))
        if not inside.all() or (close_ms[t] != columns["close_time"]).any() or (names[i] != columns["symbol"]).any():
            raise DataError(f"{path}: rows of bars or symbols that the market does not have; train again")
        proba = np.stack([columns["p_sell"], columns["p_hold"], columns["p_buy"]], axis=1)
        return Predictions(t, i, proba, columns["forecast"])


def _write_predictions(path: Path, p: Predictions, data: Dataset) -> None:
    columns = {
        "close_time": data.close_ms[p.t],
        "symbol": np.array(data.market.symbols)[p.i],
        "p_sell": p.proba[:, 0],
        "p_hold": p.proba[:, 1],
        "p_buy": p.proba[:, 2],
        "forecast": p.forecast,
    }
    write_parquet(path, columns)
