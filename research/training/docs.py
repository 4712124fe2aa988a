"""The figures of docs/models.md: ``python -m research.training.docs CONFIG --compare FILE --controls FILE`` writes them.

Reports come from the models' folder of the configuration, the comparison from ``qt compare --out``, the controls from
``qt check models --out``. Every table of the page stands between marks and is made here.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from qt_core.io.files import read_json
from qt_core.io.inputs import read_config
from research.compare.page import GROSS_HEADS, HEADS, cells, finding, gross_cells
from research.controls.run import KINDS
from research.controls.study import promises, read_outcomes
from research.training.report import FILE, FitReport, read_report
from research.training.settings import settings_of

KINDS_SHOWN = tuple(kind.replace("_", " ") for kind in KINDS)
PAGE = Path(__file__).resolve().parents[2] / "docs" / "models.md"
MEANS = (
    ("log_loss", "log loss", 4), ("log_loss_prior", "class shares", 4), ("log_loss_skill", "skill", 4),
    ("brier", "Brier", 4),
    ("calibration_error", "ECE", 4), ("directional_accuracy", "direction", 4), ("rmse", "RMSE", 4), ("mae", "MAE", 4),
    ("r2", "R2", 4),
)  # fmt: skip


def reports_of(folder: Path, slots: Sequence[str]) -> list[FitReport]:
    """Every report of a models' folder, by window and slot."""
    windows = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    return [read_report(w / name) for w in windows for name in slots if (w / name / FILE).is_file()]


def means_table(reports: Sequence[FitReport], slots: Sequence[str]) -> str:
    """One line per model: means over all predicted rows of all windows, and what it would have traded alone."""
    head = ["model", "windows", "better than class shares", *(title for _, title, _ in MEANS)]
    head += ["actionable", "right", "won", "R gross", "R net"]
    lines = [_row(head), _row(["---"] + ["---:"] * (len(head) - 1))]
    for name in slots:
        rows = [r.metrics for r in reports if r.agent == name and r.metrics]
        better = sum((m["log_loss_skill"] or 0.0) > 0.0 for m in rows)
        line = [name, str(len(rows)), str(better)]
        line += [f"{weighted(rows, key, 'rows'):.{digits}f}" for key, _, digits in MEANS]
        line.append(f"{sum(m['actionable'] or 0.0 for m in rows):,.0f}")
        for key, digits in (("actionable_accuracy", 3), ("win_rate", 3), ("mean_r", 3), ("mean_r_net", 3)):
            line.append(f"{weighted(rows, key, 'actionable'):.{digits}f}")
        lines.append(_row(line))
    return "\n".join(lines)


def skill_table(reports: Sequence[FitReport], slots: Sequence[str]) -> str:
    """Skill per window and model, and what each fit cost."""
    windows = sorted({r.window.name for r in reports})
    by = {(r.window.name, r.agent): r for r in reports}
    lines = [
        _row(["predicts from", "trained on rows", *slots, "fit, s"]),
        _row(["---", *(["---:"] * (len(slots) + 2))]),
    ]
    for window in windows:
        found = [by[window, name] for name in slots if (window, name) in by]
        rows = max((r.spans.get("train", {}).get("rows", 0) for r in found), default=0)
        seconds = sum(r.seconds.get("fit", 0.0) for r in found)
        shown = [_skill(by.get((window, name))) for name in slots]
        lines.append(_row([window, f"{rows:,}", *shown, f"{seconds:.0f}"]))
    return "\n".join(lines)


def _skill(report: "FitReport | None") -> str:
    if report is None:
        return ""
    if report.abstains:
        return "abstains"
    return f"{100 * (report.metrics['log_loss_skill'] or 0.0):+.2f} %" if report.metrics else ""


def compare_table(doc: dict[str, Any]) -> str:
    """The lines of a comparison, and its finding."""
    lines = [_row(list(HEADS)), _row(["---"] + ["---:"] * (len(HEADS) - 1))]
    lines += [_row(cells(line)) for line in doc["lines"]]
    gross = [_row(list(GROSS_HEADS)), _row(["---", "---", "---:", "---:", "---"])]
    gross += [_row(row) for row in gross_cells(doc)]
    return "\n".join([finding(doc), "", *lines, "", "Before costs, without the chain:", "", *gross])


def controls_table(path: Path) -> str:
    """What was promised of the controls, and what came."""
    outcomes = read_outcomes(path)
    lines = [_row(["control", "kept", "promised"]), _row(["---", "---:", "---"])]
    for p in promises(outcomes):
        lines.append(_row([p.what, f"{p.kept_by} of {p.of}", p.expected + ("" if p.kept else ": **broken**")]))
    planted = [o for o in outcomes if o.kind == "planted"]
    oracle = [o.oracle_sharpe for o in planted]
    found = np.array([o.looks["all"]["raw"].sharpe for o in planted])
    lines += ["", _row(["mean skill", *KINDS_SHOWN]), _row(["---", *["---:"] * len(KINDS_SHOWN)])]
    for name in planted[0].skill:
        for what, title in (("skill", "all three classes"), ("direction", "BUY against SELL")):
            of = [np.mean([getattr(o, what)[name] for o in outcomes if o.kind == kind]) for kind in KINDS]
            lines.append(_row([f"{name}, {title}", *(f"{100 * x:+.2f} %" for x in of)]))
    lines += [
        "",
        f"Oracle of the planted worlds: gross Sharpe {min(oracle):.2f} to {max(oracle):.2f}; the four models together "
        f"reached {found.mean():.2f} on average ({found.min():.2f} to {found.max():.2f}).",
    ]
    return "\n".join(lines)


def weighted(rows: Sequence[dict[str, Any]], key: str, by: str) -> float:
    """Mean of a metric weighted by another; NaN of nothing."""
    pairs = [(m[key], m[by]) for m in rows if m.get(key) is not None and m.get(by)]
    total = sum(w for _, w in pairs)
    return sum(x * w for x, w in pairs) / total if total else float("nan")


def _row(parts: Sequence[str]) -> str:
    return "| " + " | ".join(parts) + " |"


def put(text: str, name: str, body: str) -> str:
    """``text`` with ``body`` between the marks of ``name``."""
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n{body}\n{end}{after}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("--compare", type=Path)
    parser.add_argument("--controls", type=Path)
    given = parser.parse_args()
    settings = settings_of(read_config(given.config))
    reports = reports_of(settings.folder, settings.slots)
    text = PAGE.read_text(encoding="utf-8")
    text = put(text, "means", means_table(reports, settings.slots))
    text = put(text, "skill", skill_table(reports, settings.slots))
    if given.compare is not None:
        text = put(text, "compare", compare_table(read_json(given.compare)))
    if given.controls is not None:
        text = put(text, "controls", controls_table(given.controls))
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
