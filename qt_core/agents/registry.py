"""The list of agents. A new one is one file with NAME, VERSION, Params and an agent class, and one line here."""

import importlib
from pathlib import Path
from typing import Any

from qt_core.agents.base import Agent, BaseAgent
from qt_core.agents.files import read_manifest
from qt_core.errors import ConfigError, DataError

# name -> where its class lives; the first four are modules 2 to 5 and the default slots of a tape
AGENTS: dict[str, str] = {
    "xgb": "qt_core.agents.xgb:XgbAgent",
    "lgbm": "qt_core.agents.lgbm:LgbmAgent",
    "nhits": "qt_core.agents.nhits:NHitsAgent",
    "patchtst": "qt_core.agents.patchtst:PatchTstAgent",
}
DEFAULT_SLOTS = ("xgb", "lgbm", "nhits", "patchtst")


def agent_class(name: str) -> type[BaseAgent]:
    """The class of a name; only its own file is imported.

    Raises
    ------
    ConfigError
        If no such agent is known.
    """
    if name not in AGENTS:
        raise ConfigError(f"model {name!r} is unknown; expected one of {', '.join(AGENTS)}")
    module, _, attribute = AGENTS[name].partition(":")
    found: type[BaseAgent] = getattr(importlib.import_module(module), attribute)
    return found


def agent_module(name: str) -> Any:
    """The file of a name: Params, BOUNDS, CHOICES."""
    agent_class(name)
    return importlib.import_module(AGENTS[name].partition(":")[0])


def load_agent(folder: Path, schema: str = "") -> Agent:
    """The agent that was saved into ``folder``.

    Parameters
    ----------
    schema : the feature schema it will be asked on; empty = not checked here, but at the first prediction.

    Raises
    ------
    DataError
        If a file is missing or changed, or the model is of another version or feature schema.
    """
    manifest = read_manifest(folder)
    name = str(manifest.get("agent"))
    if name not in AGENTS:
        raise DataError(f"{folder}: model {name!r}; expected one of {', '.join(AGENTS)}")
    cls, module = agent_class(name), agent_module(name)
    if manifest.get("version") != cls.VERSION:
        raise DataError(f"{folder}: {name} of version {manifest.get('version')}; version {cls.VERSION} expected")
    if schema and manifest.get("schema") != schema:
        raise DataError(f"{folder}: feature schema {manifest.get('schema')}; {schema} expected, so train it again")
    try:
        agent = cls(module.Params(**manifest["params"]))
        agent.restore(folder, manifest)
    except DataError:
        raise
    except Exception as error:  # each library has errors of its own for a file it cannot read
        why = (str(error).strip() or type(error).__name__).splitlines()[0][:160]
        raise DataError(
            f"{folder}: cannot be loaded as {name} ({why}); a folder written by qt train expected"
        ) from error
    return agent
