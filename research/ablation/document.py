"""An ablation as one JSON-able document, from which table, CSV and page are made."""

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from qt_core import __version__
from qt_core.codes import MODE_NAMES
from qt_core.io.signals import is_random
from qt_core.market import span_text
from qt_core.registry import MODULES, SUPPORTS, Module
from qt_core.sections import SECTIONS
from research.ablation.compare import BOOTSTRAP_SEED, COMPARED, FIGURES, Row, days_of, figures_of
from research.ablation.outcome import Outcome
from research.ablation.plan import MODULE
from research.ablation.runs import Runs, Study
from research.ablation.store import FORMAT
from research.ablation.words import finding, how, seeds_text, tone, verdict
from research.report.summary import to_plain
from research.statistics.bootstrap import LEVEL

_BY_FILE = {f"qt_core.{m.file}": m for m in (*MODULES, *SUPPORTS) if m.file}


def document(study: Study, runs: Runs, rows: Sequence[Row], resamples: int) -> dict[str, Any]:
    """Everything an ablation found, as plain Python values; NaN is None.

    ``difference`` is ON minus OFF; returns and drawdowns are fractions, turnover is notional / equity per day, the edge
    is profit / notional in basis points.
    """
    market, config = study.market, study.config
    out = {
        "format": FORMAT,
        "version": __version__,
        "study": study.key,
        "simulated": market.simulated,
        "control": is_random(config),
        "unsafe": list(config.unsafe),
        "source": market.source,
        "window": span_text(market),
        "days": len(runs.full[0].returns),
        "symbols": list(market.symbols),
        "notes": list(market.notes),
        "config": config.as_dict(),
        "config_digest": config.digest(),
        "seeds": list(runs.seeds),
        "resamples": resamples,
        "bootstrap_seed": BOOTSTRAP_SEED,
        "level": LEVEL,
        "comparisons": len(rows),
        "full": _full(runs.full),
        "rows": [_row(study, row, len(rows)) for row in sorted(rows, key=_order)],
    }
    plain: dict[str, Any] = to_plain(out)
    return plain


def _order(row: Row) -> tuple[bool, bool, float]:
    """Modules before groups, those that did something first, the most earned first."""
    return row.arm.kind != MODULE, row.status != COMPARED, -row.figures["total_return"].difference


def _full(full: Sequence[Outcome]) -> dict[str, Any]:
    """The full chain itself: means over seeds, the same per seed, and costs."""
    days = days_of(full)
    each = figures_of(days, np.arange(len(days.returns))[:, None])
    out: dict[str, Any] = {name: {"mean": each[name][0].mean(), "seeds": list(each[name][0])} for name in FIGURES}
    for name in ("bar_drawdown", "fees_usd", "funding_usd", "slippage_usd"):
        values = [getattr(o, name) for o in full]
        out[name] = {"mean": float(np.mean(values)), "seeds": values}
    out["digests"] = [f"{o.digest:016x}" for o in full]
    return out


def module_of(section: str) -> "Module | None":
    """The registry's row for a section of the configuration; None for a group."""
    return _BY_FILE.get(SECTIONS[section][0].__module__) if section in SECTIONS else None


def _row(study: Study, row: Row, comparisons: int) -> dict[str, Any]:
    arm = row.arm
    module = module_of(arm.name)
    return {
        "name": arm.name,
        "kind": arm.kind,
        "number": module.number if module is not None else None,  # 0 for a support
        "title": arm.name if module is None else module.name,
        "members": list(arm.members),
        "mode": MODE_NAMES[getattr(study.config.params(), arm.name).mode] if arm.kind == MODULE else None,
        "status": row.status,
        "verdict": verdict(row),
        "tone": tone(row),
        "how": how(row),
        "finding": finding(row, comparisons),
        "unsafe": list(arm.unsafe),
        "mean_block_days": row.mean_block_days,
        "carrying_days": row.carrying_days,
        "equal_seeds": row.equal_seeds,
        "seeds_positive": seeds_text(row.figures["total_return"]),
        **{name: {**row.figures[name]._asdict(), "seeds": list(row.figures[name].seeds)} for name in FIGURES},
    }


def as_json(doc: dict[str, Any]) -> str:
    """The document as text."""
    return json.dumps(doc, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def as_csv(doc: dict[str, Any]) -> str:
    """One line per row; every figure with interval, p-values and the spread over seeds."""
    head = ["name", "kind", "number", "mode", "status", "verdict", "how", "unsafe", "mean_block_days", "carrying_days"]
    parts = ("on", "off", "difference", "low", "high", "p", "p_holm")
    columns = [f"{figure}_{part}" for figure in FIGURES for part in (*parts, "seeds_least", "seeds_most")]
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    out.writerow([*head, *columns])
    for row in doc["rows"]:
        values = [row[k] for k in head if k != "unsafe"]
        values.insert(head.index("unsafe"), " ".join(row["unsafe"]))
        for figure in FIGURES:
            seeds = [x for x in row[figure]["seeds"] if x is not None] or [None]
            values += [row[figure][p] for p in parts] + [min(seeds), max(seeds)]
        out.writerow(["" if v is None else v for v in values])
    return text.getvalue()
