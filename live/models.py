"""Fitted agents for a session: the newest window of a training's folder, one agent for each slot of the configuration."""

from pathlib import Path
from typing import Any

from live.errors import LiveError
from live.inputs import AgentSpeaker
from qt_core.agents.base import Agent
from qt_core.agents.inference import Inference
from qt_core.agents.registry import load_agent
from qt_core.config import Config
from qt_core.errors import ConfigError
from qt_core.features.params import default_params
from qt_core.io.files import read_json
from qt_core.market import utc_text

MODEL, REPORT = "model", "report.json"
SLOTS = ("xgb", "lgbm", "nhits", "patchtst")


def agents_speaker(config: Config, symbols: tuple[str, ...], timeframe_ms: int) -> AgentSpeaker:
    """Who speaks where ``signals.source`` is ``tape`` and the bars are new: the models that made the tape's last window.

    Raises
    ------
    ConfigError, LiveError, DataError
        If the folder is none of a training, or a model is of another schema or was altered.
    """
    root = models_folder(config)
    window = newest_window(root)
    names = [str(n) for n in config.models.get("slots", SLOTS)]
    agents = tuple(_agent(window / name) for name in names)
    if not any(agents):
        raise LiveError(f"{window}: none of {', '.join(names)}; a window trained by qt train expected")
    ids = [_id(window / name) for name, agent in zip(names, agents, strict=True) if agent is not None]
    inference = Inference(agents, default_params(timeframe_ms), symbols, config)
    return AgentSpeaker(inference, "agents " + ", ".join(ids))


def models_folder(config: Config) -> Path:
    """The folder of trained windows that ``models.folder`` names."""
    given = config.models.get("folder")
    if not isinstance(given, str) or not given:
        raise ConfigError(f"{config.source}: models.folder: {given!r}; expected the folder of a training (qt train)")
    root = Path(given)
    beside = Path(config.source).parent / root
    root = beside if not root.is_absolute() and beside.is_dir() else root
    if not root.is_dir():
        raise ConfigError(f"{config.source}: models.folder: {given}: no such folder; expected one made by qt train")
    return root


def newest_window(root: Path) -> Path:
    """The window with the latest name (its first day of predictions)."""
    windows = sorted(p for p in root.iterdir() if p.is_dir() and any((p / name / REPORT).is_file() for name in SLOTS))
    if not windows:
        raise LiveError(f"{root}: no trained window; run qt train first")
    return windows[-1]


def _agent(folder: Path) -> "Agent | None":
    return load_agent(folder / MODEL) if (folder / MODEL).is_dir() else None


def _id(folder: Path) -> str:
    report: dict[str, Any] = read_json(folder / REPORT)
    return f"{report.get('model_id', folder.name)} (trained until {utc_text(int(report.get('cutoff_ms', 0)))})"
