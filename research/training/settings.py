"""The ``models:`` section of a configuration: models, how time is cut, hyperparameters. Checked before any work."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from qt_core.agents.registry import AGENTS, DEFAULT_SLOTS, agent_class, agent_module
from qt_core.config import Config
from qt_core.config_checks import known
from qt_core.errors import ConfigError, DataError
from qt_core.signal.tape import N_MODELS
from research.splits import Plan

KEYS = ("folder", "slots", "windows", "samples", "experiment")  # and one for every agent
WINDOW_KEYS = ("kind", "first_predict", "train_days", "stop_days", "calibrate_days", "predict_days", "embargo_bars")
DAYS = (1, 10_000)


class SampleRules(NamedTuple):
    """What a window needs before a model is fitted to it."""

    min_rows: int = 2000  # training rows; a quarter of it for stopping and for calibrating each
    min_class_rows: int = 50  # of each class among the training rows
    breadth: float = 1.5  # independent bets among the symbols of one bar: N / (1 + (N - 1) 0.65), what correlates so


SAMPLE_BOUNDS = {"min_rows": (100, 100_000_000), "min_class_rows": (1, 1_000_000), "breadth": (1.0, 1000.0)}


class Settings(NamedTuple):
    """The checked section."""

    folder: Path  # fitted models and the tape
    slots: tuple[str, ...]  # agents in the tape's slots, modules 2 to 5
    plan: Plan
    samples: SampleRules
    params: dict[str, Any]  # agent -> its Params
    experiment: str  # in MLflow
    seed: int


def settings_of(config: Config) -> Settings:
    """Read ``models:``; the file's folder and the seed come from the configuration.

    Raises
    ------
    ConfigError
        Naming the key and what was expected.
    """
    raw, where = dict(config.models), config.source
    if not raw:
        raise ConfigError(f"{where}: no section models; expected one with windows.first_predict at least")
    known(raw, (*KEYS, *AGENTS), where, "models.")
    slots = _slots(raw.get("slots", list(DEFAULT_SLOTS)), where)
    extra = sorted((set(raw) & set(AGENTS)) - set(slots))
    if extra:
        raise ConfigError(
            f"{where}: models.{extra[0]}: not among models.slots ({', '.join(slots)}); expected one of them"
        )
    params = {name: agent_params(name, raw.get(name) or {}, where) for name in slots}
    return Settings(
        Path(_text(raw.get("folder", f"runs/models/{_stem(where)}"), "folder", where)),
        slots,
        _plan(raw.get("windows") or {}, where),
        SampleRules(**_numbers(raw.get("samples") or {}, SampleRules(), SAMPLE_BOUNDS, where, "models.samples.")),
        params,
        _text(raw.get("experiment", _stem(where)), "experiment", where),
        config.seed,
    )


def agent_params(name: str, given: Mapping[str, Any], where: str) -> Any:
    """Hyperparameters of one agent over its defaults.

    Raises
    ------
    ConfigError
        Naming the key and what was expected.
    """
    agent_class(name)
    module = agent_module(name)
    prefix = f"models.{name}."
    if not isinstance(given, Mapping):
        raise ConfigError(f"{where}: models.{name}: {given!r}; expected keys and values")
    known(given, module.Params._fields, where, prefix)
    choices = getattr(module, "CHOICES", {})
    words = {k: given[k] for k in choices if k in given}
    for key, value in words.items():
        if value not in choices[key]:
            raise ConfigError(f"{where}: {prefix}{key}: {value!r}; expected {' or '.join(choices[key])}")
    rest = {k: v for k, v in given.items() if k not in choices}
    p = module.Params(**_numbers(rest, module.Params(), module.BOUNDS, where, prefix), **words)
    check = getattr(module, "check", None)
    if check is not None and check(p):
        raise ConfigError(f"{where}: {prefix}{check(p)}")
    return p


def _numbers(
    given: Any, defaults: Any, bounds: Mapping[str, tuple[float, float]], where: str, prefix: str
) -> dict[str, Any]:
    """Values of the type of their defaults and within bounds."""
    if not isinstance(given, Mapping):
        raise ConfigError(f"{where}: {prefix.rstrip('.')}: {given!r}; expected keys and values")
    known(given, tuple(bounds), where, prefix)
    out: dict[str, Any] = {}
    for key, value in given.items():
        whole = isinstance(getattr(defaults, key), int)
        low, high = bounds[key]
        fits = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
        if not fits or not low <= value <= high:
            what = "a whole number" if whole else "a number"
            raise ConfigError(f"{where}: {prefix}{key}: {value!r}; expected {what} from {low} to {high}")
        out[key] = value if whole else float(value)
    return out


def _plan(given: Any, where: str) -> Plan:
    from qt_core.io.load import parse_time

    prefix = "models.windows."
    if not isinstance(given, Mapping):
        raise ConfigError(f"{where}: models.windows: {given!r}; expected keys and values")
    known(given, WINDOW_KEYS, where, prefix)
    if given.get("first_predict") is None:
        raise ConfigError(f"{where}: {prefix}first_predict is missing; expected a date such as 2021-01-01")
    kind = given.get("kind", "rolling")
    if kind not in ("rolling", "expanding"):
        raise ConfigError(f"{where}: {prefix}kind: {kind!r}; expected rolling or expanding")
    bounds = {key: (0 if key == "embargo_bars" else 1, DAYS[1]) for key in WINDOW_KEYS[2:]}
    days = {k: v for k, v in given.items() if k in bounds}
    first = given["first_predict"]
    try:
        first_ms = int(
            parse_time(first if isinstance(first, int | str | date) and not isinstance(first, bool) else str(first))
        )
    except DataError as error:
        raise ConfigError(f"{where}: {prefix}first_predict: {first!r}; expected a date such as 2021-01-01") from error
    return Plan(kind, first_ms, **_numbers(days, Plan(), bounds, where, prefix))


def _slots(given: Any, where: str) -> tuple[str, ...]:
    if not isinstance(given, list) or not given or len(given) > N_MODELS or len(set(map(str, given))) != len(given):
        raise ConfigError(f"{where}: models.slots: {given!r}; expected a list of one to four different models")
    for name in given:
        if not isinstance(name, str) or name not in AGENTS:
            raise ConfigError(f"{where}: models.slots: {name!r} is unknown; expected one of {', '.join(AGENTS)}")
    return tuple(given)


def _text(value: Any, key: str, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ConfigError(f"{where}: models.{key}: {value!r}; expected text")
    return value


def _stem(where: str) -> str:
    return Path(where).stem if where.endswith((".yaml", ".yml")) else "models"
