"""What is known of one model of one window: written beside it as JSON, shown in tables, logged to MLflow."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qt_core.agents.base import Curve
from qt_core.errors import DataError
from qt_core.io.files import read_json, write_json
from research.splits import Window

FORMAT = "qt-fit/1"
FILE = "report.json"


@dataclass
class FitReport:
    """One model of one window. ``abstains`` says why there is no model, else it is empty.

    Attributes
    ----------
    key : digest of everything the fit depends on; a fit with the same key is not done again.
    model_id : name of the fitted model in tapes, journals and MLflow.
    cutoff_ms : the last instant anything the model knows of was known, int64 ms UTC.
    spans : per span its rows, first and last close, last label end, class shares; predict counts rows predicted.
    metrics : of ``metrics.evaluate`` on the predicted rows that have labels; None where there was nothing to measure.
    reliability : per class (SELL, BUY) bins of [confidence, share, n].
    data_digest : SHA-256 of all inputs and labels up to the end of predictions.
    seconds : fit, calibrate, predict.
    """

    agent: str
    window: Window
    key: str
    seed: int
    version: int
    model_id: str
    cutoff_ms: int = 0
    params: dict[str, Any] = field(default_factory=dict)
    spans: dict[str, dict[str, Any]] = field(default_factory=dict)
    curve: Curve = field(default_factory=Curve)
    calibration: dict[str, float] = field(default_factory=dict)
    metrics: dict[str, "float | None"] = field(default_factory=dict)
    reliability: dict[str, list[tuple[float, float, int]]] = field(default_factory=dict)
    importance: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    data_digest: str = ""
    schema: str = ""
    symbols: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    abstains: str = ""
    predictions_digest: str = ""  # SHA-256 of predictions.parquet


def write_report(folder: Path, report: FitReport) -> None:
    """``report.json`` in ``folder``, atomically."""
    body = {**dataclasses.asdict(report), "window": report.window._asdict(), "format": FORMAT}
    write_json(folder / FILE, body)


def read_report(folder: Path) -> FitReport:
    """The report of a fit.

    Raises
    ------
    DataError
        If it is missing or of another format.
    """
    path = folder / FILE
    raw = read_json(path)
    if not isinstance(raw, dict) or raw.pop("format", None) != FORMAT:
        raise DataError(f"{path}: not a report of {FORMAT}; run qt train again")
    try:
        raw["window"] = Window(**raw["window"])
        raw["curve"] = Curve(**raw["curve"])
        return FitReport(**raw)
    except (KeyError, TypeError) as error:
        raise DataError(f"{path}: {error}; a report of {FORMAT} expected") from error
