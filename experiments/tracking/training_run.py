"""A training as a run: its key, tags, params, and what its agents came to together."""

import contextlib
import getpass
import hashlib
import json
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.results import by_agent
from experiments.tracking import names
from qt_core.agents.registry import agent_class
from qt_core.io.timeframes import ms_to_timeframe
from qt_core.market import utc_text
from research.training.report import FitReport

if TYPE_CHECKING:
    from research.training.walk_forward import Training


def training_key(training: "Training") -> str:
    """Digest of what makes it this training and no other, 16 hex digits: settings, versions, universe, first bar.

    Not of its last bar: a training that goes on with newer data stays one run, and gains fits.
    """
    settings, market = training.settings, training.data.market
    agents = {name: [agent_class(name).VERSION, *settings.params[name]] for name in settings.slots}
    parts = [
        settings.experiment, settings.seed, *settings.plan, *settings.samples, *vars(training.costs).values(), agents,
        *market.symbols, market.timeframe_ms, int(market.time[0]), training.data.panel.schema,
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def training_tags(training: "Training", key: str) -> dict[str, str]:
    """What a training is found by."""
    return {
        names.KIND: names.TRAINING,
        names.FORMAT_TAG: names.FORMAT,
        names.TRAINING_KEY: key,
        names.SCHEMA: training.data.panel.schema,
        **common_tags(training),
    }


def common_tags(training: "Training") -> dict[str, str]:
    """Tags a training shares with its fits: universe, program, commit."""
    market = training.data.market
    found = {
        names.SYMBOLS: str(market.n_symbols),
        names.TIMEFRAME: ms_to_timeframe(market.timeframe_ms),
        names.SOURCE: "qt train",
        names.SOURCE_TYPE: "LOCAL",
    }
    with contextlib.suppress(OSError, KeyError):  # no such user in this container
        found[names.USER] = getpass.getuser()
    commit = git_commit()
    return {**found, names.COMMIT: commit} if commit else found


def git_commit() -> str:
    """The commit this package is checked out at, empty where it is installed; never the remote's address."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return ""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        command = ["git", "-C", str(root), "rev-parse", "HEAD"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""
    return ""


def training_params(training: "Training") -> dict[str, Any]:
    """What was asked for."""
    market = training.data.market
    return {
        **names.settings_params(training.settings, training.costs),
        "slots": ", ".join(training.settings.slots),
        "symbols": market.n_symbols,
        "timeframe": ms_to_timeframe(market.timeframe_ms),
        "first_bar": utc_text(int(market.time[0])),
        "first_predict": utc_text(training.settings.plan.first_predict_ms),
    }


def training_metrics(reports: Iterable[FitReport]) -> dict[str, float]:
    """Per agent its windows together, ``xgb/log_loss_skill``: a section of charts for each agent."""
    together = by_agent(reports)
    found = {f"{agent}/{k}": float(v) for agent, m in together.items() for k, v in m.items() if v is not None}
    counts = {"fits": "windows", "abstentions": "abstentions", "seconds": "seconds"}
    return {**found, **{name: float(sum(m[k] or 0.0 for m in together.values())) for name, k in counts.items()}}


def window_skills(training: "Training", reports: Iterable[FitReport]) -> dict[str, dict[int, float]]:
    """``by_window/xgb`` -> number of the window -> its log_loss_skill: a line over time for each agent."""
    number = {window.name: k for k, window in enumerate(training.windows, 1)}
    found: dict[str, dict[int, float]] = {}
    for report in reports:
        skill = report.metrics.get("log_loss_skill")
        if skill is not None:
            found.setdefault(f"{names.BY_WINDOW}/{report.agent}", {})[number[report.window.name]] = skill
    return found


def training_note(training: "Training", reports: Iterable[FitReport]) -> str:
    """The table MLflow shows above the run, Markdown."""
    columns = {
        "windows": ("windows", ".0f"), "rows": ("rows", ",.0f"), "log loss": ("log_loss", ".4f"),
        "prior": ("log_loss_prior", ".4f"), "skill": ("log_loss_skill", "+.2%"),
        "calib. err.": ("calibration_error", ".4f"), "acts": ("actionable", ",.0f"),
        "acts right": ("actionable_accuracy", ".1%"), "R net": ("mean_r_net", "+.3f"),
    }  # fmt: skip
    lines = [f"| agent | {' | '.join(columns)} |", f"|---|{'---:|' * len(columns)}"]
    for agent, m in by_agent(reports).items():
        values = [(m[k], form) for k, form in columns.values()]
        lines.append(f"| {agent} | {' | '.join('-' if v is None else format(v, form) for v, form in values)} |")
    abstentions = [f"- {r.abstains}" for r in reports if r.abstains]
    if abstentions:
        lines += ["", "Abstentions:", "", *abstentions[:50]]
    return "\n".join(lines)
