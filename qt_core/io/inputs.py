"""From a configuration file and ``--set`` to what a run needs; every mistake is one line naming file and key."""

import dataclasses
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qt_core.errors import ConfigError

if TYPE_CHECKING:
    from qt_core.config import Config
    from qt_core.io.qtables import TableFile
    from qt_core.market import Market
    from qt_core.signal.rules import Params as RuleParams

_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}|\$(\w+)")


def read_config(path: "str | Path", changes: Sequence[str] = (), seed: "int | None" = None) -> "Config":
    """The checked configuration of a file, with ``SECTION.KEY=VALUE`` changes and a seed put over it.

    Raises
    ------
    ConfigError
        Naming the file, the key and what was expected.
    """
    from qt_core.config import load_config

    config = load_config(path)
    if not changes and seed is None:
        return config
    raw = config.as_dict()
    for change in changes:
        _put(raw, change)
    if seed is not None:
        raw["seed"] = seed
    label = f"{config.source} with --set" if changes else config.source
    try:
        changed = load_config(raw)
    except ConfigError as error:
        raise ConfigError(str(error).replace("<dict>", label, 1)) from error
    return dataclasses.replace(changed, source=config.source)


def _put(raw: dict[str, Any], change: str) -> None:
    """Set one dotted key; the value is read as YAML, so numbers, lists and words mean what they mean in a file."""
    import yaml

    dotted, equals, text = change.partition("=")
    keys = dotted.strip().split(".")
    if not equals or not all(keys):
        raise ConfigError(f"--set {change}: expected SECTION.KEY=VALUE, such as tpsl.sl_anchor=0.01")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {change}: the value is not valid YAML") from error
    level = raw
    for key in keys[:-1]:
        below = level.get(key)
        if below is not None and not isinstance(below, Mapping):
            raise ConfigError(f"--set {change}: {key} is a value, not a section")
        level[key] = dict(below or {})
        level = level[key]
    level[keys[-1]] = value


def load_config_market(config: "Config") -> "Market":
    """The Market that the ``data:`` section asks for.

    Raises
    ------
    ConfigError, DataError
        A value of the wrong type; whatever ``research.data.load_market`` refuses.
    """
    from qt_core.io.load import load_market

    data, where = config.data, config.source
    simulated = data.get("simulated")
    folders = {k: _folder(data[k], k, where) for k in ("root", "folder") if data.get(k) is not None}
    detail = _text(data.get("detail"), "detail", where)
    if simulated is not None:
        simulated, folders = _simulated(simulated, where, detail), {}
    return load_market(
        _symbols(data.get("symbols"), where),
        _text(data.get("timeframe"), "timeframe", where) or "1h",
        data.get("start"),
        data.get("end"),
        root=folders.get("root"),
        folder=folders.get("folder"),
        detail_timeframe=detail,
        simulated=simulated,
        missing_bracket=_missing_bracket(data.get("missing_bracket", "error"), where),
    )


def brackets_at_hand(config: "Config") -> dict[str, Any]:
    """Leverage brackets by symbol of the folder or store that the ``data:`` section names; empty where there are none."""
    from qt_core.io.source import open_source
    from qt_core.io.store import default_root

    given = [_folder(config.data[k], k, config.source) for k in ("root", "folder") if config.data.get(k) is not None]
    root = given[0] if given else default_root()
    table = open_source(root).brackets() if root.is_dir() else None
    return {} if table is None else dict(table.contracts)


def load_config_tables(config: "Config") -> "TableFile | None":
    """The Q-tables that ``learning.tables`` names, for modules 19 and 21 to begin with; None where it names none.

    Raises
    ------
    ConfigError, DataError, TableError
        A variable that is not set; whatever ``read_tables`` refuses, tables of other edges among it.
    """
    from qt_core.io.qtables import read_tables

    given = config.learning.get("tables")
    if given is None:
        return None
    return read_tables(path_beside(given, "learning.tables", config.source), config.params())


def path_beside(given: str, key: str, where: str) -> Path:
    """A file named in a configuration, variables filled in: beside the configuration, else from where ``qt`` is called."""
    path = Path(_expand(given, key, where)).expanduser()
    beside = Path(where).parent / path
    return beside if not path.is_absolute() and beside.is_file() else path


def _symbols(value: Any, where: str) -> "list[str] | None":
    if value is None or value == "all":
        return None
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ConfigError(f"{where}: data.symbols: {value!r}; expected 'all' or a list of names such as [BTCUSDT]")
    return names


def _text(value: Any, key: str, where: str) -> "str | None":
    if value is not None and not isinstance(value, str):
        raise ConfigError(f"{where}: data.{key}: {value!r}; expected a timeframe such as 1h")
    return value


def _missing_bracket(value: Any, where: str) -> str:
    if value not in ("error", "conservative"):
        raise ConfigError(f"{where}: data.missing_bracket: {value!r}; expected error or conservative")
    return str(value)


def _simulated(value: Any, where: str, detail: "str | None") -> dict[str, int]:
    from qt_core.io.timeframes import timeframe_to_ms

    if not isinstance(value, Mapping):
        raise ConfigError(f"{where}: data.simulated: {value!r}; expected keys such as n_symbols, n_bars, seed")
    for key, number in value.items():
        if not isinstance(number, int) or isinstance(number, bool) or number < 0:
            raise ConfigError(f"{where}: data.simulated.{key}: {number!r}; expected a whole number >= 0")
    fine = {} if detail is None else {"detail_timeframe_ms": timeframe_to_ms(detail)}
    return {**value, **fine}


def _folder(value: Any, key: str, where: str) -> Path:
    """A folder as written, with variables filled in; a relative one starts at the file's folder, else here."""
    if not isinstance(value, str):
        raise ConfigError(f"{where}: data.{key}: {value!r}; expected the path of a folder")
    path = Path(_expand(value, f"data.{key}", where)).expanduser()
    beside = Path(where).parent / path
    return beside if not path.is_absolute() and beside.is_dir() else path


def _expand(text: str, key: str, where: str) -> str:
    """``$NAME``, ``${NAME}`` and ``${NAME:-default}`` as a shell would."""

    def fill(hit: "re.Match[str]") -> str:
        name = hit.group(1) or hit.group(3)
        found = os.environ.get(name) or hit.group(2)
        if found is None:
            raise ConfigError(f"{where}: {key}: environment variable {name} is not set")
        return found

    return _VARIABLE.sub(fill, text)


def given_keys(config: "Config", section: str, known: Sequence[str]) -> Mapping[str, Any]:
    """Keys and values of ``signals.SECTION``; what is not a mapping, or has another key, is refused."""
    where, given = config.source, config.signals.get(section) or {}
    if not isinstance(given, Mapping):
        raise ConfigError(f"{where}: signals.{section}: {given!r}; expected keys and values")
    for key in given:
        if key not in known:
            raise ConfigError(f"{where}: unknown key 'signals.{section}.{key}'; expected one of {', '.join(known)}")
    return given


def rule_params(config: "Config") -> "RuleParams":
    """Thresholds of the four rules: the defaults with ``signals.rules`` put over them (see ``qt_core.io.signals``)."""
    from qt_core.signal.rules import Params

    given = given_keys(config, "rules", Params._fields)
    for key, value in given.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e6 or value != value:
            raise ConfigError(f"{config.source}: signals.rules.{key}: {value!r}; expected a finite number")
    return Params(**{k: float(v) for k, v in given.items()})
