"""What a training came to: per agent over all windows, as a document, a table and the metrics of its MLflow run."""

import dataclasses
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from research.training.report import FitReport

if TYPE_CHECKING:
    from rich.console import Console

    from research.training.walk_forward import Training

BY_ROWS = (
    "log_loss", "log_loss_prior", "brier", "accuracy", "calibration_error", "mae", "r2", "directional_accuracy",
)  # fmt: skip
BY_ACTIONS = ("actionable_accuracy", "actionable_calibration_error", "win_rate", "mean_r", "mean_r_net")
SHOWN = 3  # abstentions named in the table; --json and MLflow have all


def by_agent(reports: Iterable[FitReport]) -> dict[str, dict[str, "float | None"]]:
    """Per agent its windows taken together: means weighted by rows, and by actions where only actions count.

    A window no row of which has a label yet counts as trained and adds nothing to the means. None: nothing to measure.
    """
    groups: dict[str, list[FitReport]] = {}
    for report in reports:
        groups.setdefault(report.agent, []).append(report)
    return {agent: _together(group) for agent, group in groups.items()}


def _together(reports: list[FitReport]) -> dict[str, "float | None"]:
    judged = [r.metrics for r in reports if r.metrics]
    rows, acts = "rows", "actionable"
    out: dict[str, float | None] = {
        "windows": float(sum(not r.abstains for r in reports)),
        "abstentions": float(sum(bool(r.abstains) for r in reports)),
        "rows": _sum(judged, rows),
        **{name: _mean(judged, name, rows) for name in BY_ROWS},
        "actionable": _sum(judged, acts),
        **{name: _mean(judged, name, acts) for name in BY_ACTIONS},
        "seconds": sum(sum(r.seconds.values()) for r in reports),
    }
    loss, prior = out["log_loss"], out["log_loss_prior"]
    out["log_loss_skill"] = None if loss is None or not prior else 1.0 - loss / prior
    squares = _mean([{**m, "square": None if m["rmse"] is None else m["rmse"] ** 2} for m in judged], "square", rows)
    out["rmse"] = None if squares is None else math.sqrt(squares)
    return out


def _sum(metrics: list[dict[str, Any]], name: str) -> float:
    return float(sum(m[name] or 0.0 for m in metrics))


def _mean(metrics: list[dict[str, Any]], name: str, weight: str) -> "float | None":
    known = [(m[name], m[weight]) for m in metrics if m[name] is not None and m[weight]]
    total = sum(w for _, w in known)
    return sum(value * w for value, w in known) / total if total else None


def results(training: "Training", reports: list[FitReport]) -> dict[str, Any]:
    """The document of ``qt train --json``; fits as in their ``report.json`` without curves and plots."""
    left_out = ("curve", "reliability", "importance", "symbols")
    fits = []
    for report in reports:
        fit = {k: v for k, v in dataclasses.asdict(report).items() if k not in left_out}
        fits.append({**fit, "window": report.window._asdict()})
    return {
        "format": "qt-training/1",
        "experiment": training.settings.experiment,
        "folder": str(training.settings.folder),
        "windows": [w._asdict() for w in training.windows],
        "agents": by_agent(reports),
        "fits": fits,
        "abstentions": [
            {"agent": r.agent, "window": r.window.name, "reason": r.abstains} for r in reports if r.abstains
        ],
    }


def print_results(console: "Console", training: "Training", reports: list[FitReport]) -> None:
    """One row per agent, abstentions below."""
    from rich.markup import escape
    from rich.table import Table

    first, last = training.windows[0].name, training.windows[-1].name
    table = Table(
        title=f"{len(training.windows)} windows, predictions from {first}, the last from {last}", title_justify="left"
    )
    table.add_column("model")
    for heading in (
        "fitted",
        "rows",
        "log loss",
        "prior",
        "skill",
        "calib. err.",
        "acts",
        "acts right",
        "R net",
        "seconds",
    ):
        table.add_column(heading, justify="right")
    for agent, m in by_agent(reports).items():
        fitted = f"{m['windows']:.0f} of {(m['windows'] or 0) + (m['abstentions'] or 0):.0f}"
        table.add_row(
            agent, fitted, f"{m['rows']:,.0f}", _text(m["log_loss"], ".4f"), _text(m["log_loss_prior"], ".4f"),
            _text(m["log_loss_skill"], "+.2%"), _text(m["calibration_error"], ".4f"), f"{m['actionable']:,.0f}",
            _text(m["actionable_accuracy"], ".1%"), _text(m["mean_r_net"], "+.3f"), _text(m["seconds"], ",.0f"),
        )  # fmt: skip
    console.print(table)
    console.print(
        "Skill is against always saying the class shares of training; 'acts' are rows a model alone would trade."
    )
    abstentions = [r.abstains for r in reports if r.abstains]
    for line in abstentions[:SHOWN]:
        console.print(f"abstains: {escape(line)}", soft_wrap=True)
    if len(abstentions) > SHOWN:
        console.print(f"... and {len(abstentions) - SHOWN} more (--json lists all)")


def _text(value: "float | None", form: str) -> str:
    return "-" if value is None else format(value, form)
