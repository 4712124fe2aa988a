"""A fit's report as tags, params, metrics and a note: the same keys for every agent. Pure; nothing is logged here."""

import math
from typing import Any

from experiments.tracking import names
from qt_core.market import utc_text
from research.splits import SPANS
from research.training.report import FitReport

STEP_LIMITS = ("rounds", "steps")  # the hyperparameter that ends training at the latest, by agent family
SMALL_SPANS = SPANS[:3]


def fit_tags(report: FitReport, training_key: str, data_digest: str) -> dict[str, str]:
    """What a fit is found by."""
    return {
        names.KIND: names.FIT,
        names.FORMAT_TAG: names.FORMAT,
        names.TRAINING_KEY: training_key,
        names.AGENT: report.agent,
        names.WINDOW: report.window.name,
        names.MODEL_ID: report.model_id,
        names.FIT_KEY: report.key,
        names.DATA_DIGEST: report.data_digest or data_digest,
        names.SCHEMA: report.schema,
        names.SYMBOLS: str(len(report.symbols)),
        names.FIT_SEED: str(report.seed),
        names.CURRENT: names.flag(True),
        names.ABSTAINS: names.flag(bool(report.abstains)),
        **({names.REASON: report.abstains[:5000]} if report.abstains else {}),
        **({names.CUTOFF: utc_text(report.cutoff_ms)} if report.cutoff_ms else {}),
    }


def fit_params(report: FitReport) -> dict[str, Any]:
    """What the fit was asked for, and from when to when; hyperparameters as ``hp.*``."""
    spans = {f"span.{span}": _dates(*report.window.span(span)) for span in SPANS}
    return {
        "agent": report.agent,
        "agent_version": report.version,
        "window": report.window.name,
        "symbols": len(report.symbols),
        **spans,
        **{f"hp.{name}": value for name, value in report.params.items()},
    }


def fit_metrics(report: FitReport) -> dict[str, float]:
    """How good it is, under the names of ``research.training.metrics``; what could not be measured is left out."""
    return _numbers(report.metrics)


def fit_numbers(report: FitReport) -> dict[str, float]:
    """What else is known of a fit: sizes, times, the calibration's three numbers. An abstaining fit has its sizes only."""
    found: dict[str, Any] = {names.N_SYMBOLS: len(report.symbols)}
    for span in SMALL_SPANS:
        described = report.spans.get(span, {})
        found[f"rows_{span}"] = described.get("rows")
        found[f"independent_{span}"] = described.get("independent")
    found["rows_predicted"] = report.spans.get("predict", {}).get("predicted")
    found |= {f"seconds_{name}": value for name, value in report.seconds.items()}
    found |= {f"calibration_{name}": value for name, value in report.calibration.items()}
    if report.curve.step:
        found[names.BEST_STEP] = report.curve.best_step
        limit = next((report.params[k] for k in STEP_LIMITS if k in report.params), None)
        found[names.BEST_STEP_SHARE] = None if not limit else report.curve.best_step / limit
    return _numbers(found)


def fit_curve(report: FitReport) -> list[tuple[str, int, float]]:
    """The training curve as (name, step, loss)."""
    curve = report.curve
    rows = []
    for name, values in ((names.CURVE_TRAIN, curve.train), (names.CURVE_STOP, curve.stop)):
        rows += [(name, int(s), float(v)) for s, v in zip(curve.step, values, strict=True) if math.isfinite(v)]
    return rows


def fit_note(report: FitReport) -> str:
    """The description MLflow shows above a run, Markdown."""
    if report.abstains:
        return f"**Abstains**: {report.abstains}"
    m = report.metrics
    lines = [f"`{report.model_id}`: knows nothing after {utc_text(report.cutoff_ms)}."]
    if m:
        lines.append(
            f"Log loss {m['log_loss']:.4f} against {m['log_loss_prior']:.4f} of the training shares "
            f"(skill {m['log_loss_skill']:+.2%}) on {m['rows']:,.0f} rows."
        )
    else:
        lines.append("Nothing to judge by yet: no predicted row has a label.")
    return "\n\n".join([*lines, *(f"Note: {note}" for note in report.notes)])


def _numbers(values: dict[str, Any]) -> dict[str, float]:
    return {k: float(v) for k, v in values.items() if v is not None and math.isfinite(v)}


def _dates(start_ms: int, end_ms: int) -> str:
    return f"{utc_text(start_ms)[:10]} to {utc_text(end_ms)[:10]}"
