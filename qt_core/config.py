"""User configuration -> frozen Config -> Params. Checked once, here; every error names the key and what was expected."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qt_core import pipeline
from qt_core.codes import ENFORCED
from qt_core.config_checks import known, policy_table, symbol_lists, value_of
from qt_core.errors import ConfigError
from qt_core.faults import Fault, read_faults
from qt_core.sections import (
    BESIDE,
    DEFAULT_MAIN,
    GROUPS,
    LEARNING_KEYS,
    SAFETY,
    SIGNAL_KEYS,
    SIMULATED_KEYS,
    SPECIAL,
    SWITCHES,
    SYMBOL_KEYS,
    TOP_KEYS,
)
from qt_core.sections import DATA_KEYS as DATA_KEYS  # noqa: PLC0414  re-exported
from qt_core.sections import DERIVED as DERIVED  # noqa: PLC0414
from qt_core.sections import PROFILES as PROFILES  # noqa: PLC0414
from qt_core.sections import SECTIONS as SECTIONS  # noqa: PLC0414

Table = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Config:
    """A checked configuration. Make one with ``load_config``; vary one with ``with_values``."""

    profile: str = "balanced"
    seed: int = 0
    data: Mapping[str, Any] = field(default_factory=dict)
    signals: Mapping[str, Any] = field(default_factory=dict)
    symbols: Mapping[str, Any] = field(default_factory=dict)
    learning: Mapping[str, Any] = field(default_factory=dict)
    models: Mapping[str, Any] = field(default_factory=dict)
    live: Mapping[str, Any] = field(default_factory=dict)
    sections: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    source: str = "<dict>"
    faults: tuple[Fault, ...] = ()

    def params(self) -> pipeline.Params:
        """Exact floats and ints for the kernels; built once per Config."""
        cached: pipeline.Params | None = self.__dict__.get("_params")
        if cached is None:
            cached = self._make_params()
            self.__dict__["_params"] = cached  # frozen: not a field, so equality and replace do not see it
        return cached

    def _make_params(self) -> pipeline.Params:
        built = {name: _build(self, name) for name in SECTIONS}
        venue = built["venue"]
        built["chain"] = built["chain"]._replace(taker_fee=venue.taker_fee, slippage=venue.slippage)
        e = built["ensemble"]
        total = e.weight_xgb + e.weight_lgbm + e.weight_nhits + e.weight_patchtst
        built["ensemble"] = e._replace(
            weight_xgb=e.weight_xgb / total,
            weight_lgbm=e.weight_lgbm / total,
            weight_nhits=e.weight_nhits / total,
            weight_patchtst=e.weight_patchtst / total,
        )
        return pipeline.Params(**built)

    def with_values(self, values: Mapping[str, Any]) -> "Config":
        """A changed copy: ``config.with_values({"tpsl.sl_anchor": 0.01, "venue.slippage": 0.0})``."""
        sections = {name: dict(body) for name, body in self.sections.items()}
        for dotted, value in values.items():
            name, _, key = dotted.partition(".")
            if name == "modules":
                for section in GROUPS.get(key, (key,)):
                    sections.setdefault(section, {})["mode"] = value
                continue
            if not key or name not in SECTIONS:
                raise ConfigError(
                    f"{self.source}: key '{dotted}': expected SECTION.KEY with one of {', '.join(SECTIONS)}"
                )
            sections.setdefault(name, {})[key] = value
        changed = dataclasses.replace(self, sections=sections)
        _check_sections(changed)
        return changed

    def as_dict(self) -> dict[str, Any]:
        """Plain dict that ``load_config`` takes back."""
        out: dict[str, Any] = {"profile": self.profile, "seed": self.seed}
        out.update({k: dict(getattr(self, k)) for k in BESIDE if getattr(self, k)})
        out.update({k: dict(v) for k, v in self.sections.items() if v})
        if self.faults:
            out["faults"] = [dict(fault.entry) for fault in self.faults]
        return out

    def digest(self) -> str:
        """Hash of every parameter value, signals, symbol lists and faults (not of data or file names), 16 hex digits."""
        parts: list[Any] = [
            [list(part) for part in self.params()],
            self.policy_table(),
            self.signals,
            self.symbols,
        ]
        if self.faults:
            parts.append([dict(fault.entry) for fault in self.faults])
        return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]

    def policy_table(self) -> Table:
        """Module 18's table ``[27, 6]``: the default one with ``orchestrator.table``'s cells in place."""
        return policy_table(self.source, self.sections.get("orchestrator", {}).get("table") or {})

    @property
    def main_symbols(self) -> tuple[str, ...]:
        """Symbols of the MAIN tier."""
        return tuple(self.symbols.get("main", DEFAULT_MAIN))

    @property
    def denied_symbols(self) -> tuple[str, ...]:
        """Symbols that are never traded."""
        return tuple(self.symbols.get("deny", ()))

    @property
    def unsafe(self) -> tuple[str, ...]:
        """Safety modules that do not bind; a result of such a run is stamped UNSAFE."""
        p = self.params()
        return tuple(name for name in SAFETY if getattr(p, name).mode != ENFORCED)


def load_config(source: "str | Path | Mapping[str, Any] | None" = None) -> Config:
    """Read a YAML file or a dict.

    Raises
    ------
    ConfigError
        Unknown key, wrong type, value out of range, unreadable file: one line naming the key and what was expected.
    """
    if source is None:
        source = {}
    if isinstance(source, Mapping):
        return _from_mapping(source, "<dict>")
    import yaml  # late: only files need it

    path = Path(source)
    try:
        text = path.read_text()
        loaded = yaml.load(text, _unique_loader(path))
    except OSError as err:
        raise ConfigError(f"{path}: cannot be read ({err.strerror}); expected a YAML configuration") from err
    except (yaml.YAMLError, ValueError) as err:  # ValueError: a date that is none, such as 2021-13-01
        raise ConfigError(f"{path}: not valid YAML ({str(err).splitlines()[0]})") from err
    if loaded is not None and not isinstance(loaded, Mapping):
        raise ConfigError(f"{path}: expected keys and values, got {type(loaded).__name__}")
    return _from_mapping(loaded or {}, str(path), fault_lines(text))


def load_faults(path: "str | Path") -> tuple[Fault, ...]:
    """The faults of a YAML file of their own: a list, or a mapping with the one key ``faults``.

    Raises
    ------
    ConfigError, FaultError
        Naming file, line, entry and what was expected.
    """
    import yaml

    path = Path(path)
    try:
        text = path.read_text()
        loaded = yaml.load(text, _unique_loader(path))
    except OSError as err:
        raise ConfigError(f"{path}: cannot be read ({err.strerror}); expected a YAML list of faults") from err
    except (yaml.YAMLError, ValueError) as err:
        raise ConfigError(f"{path}: not valid YAML ({str(err).splitlines()[0]})") from err
    if isinstance(loaded, Mapping):
        known(loaded, ("faults",), str(path), "")
        loaded = loaded["faults"]
    return read_faults(loaded, str(path), fault_lines(text))


def fault_lines(text: str) -> list[int]:
    """Line of each entry of a document's list of faults, from 1; empty where there is none."""
    import yaml

    node = yaml.compose(text, yaml.SafeLoader)
    if isinstance(node, yaml.MappingNode):
        node = next((value for key, value in node.value if key.value == "faults"), None)
    return [item.start_mark.line + 1 for item in node.value] if isinstance(node, yaml.SequenceNode) else []


def _unique_loader(path: Path) -> Any:
    """A safe YAML loader that refuses a key given twice, where the plain one lets the last win."""
    import yaml

    class Loader(yaml.SafeLoader):
        """Safe loader with unique keys."""

    def mapping(loader: Any, node: Any) -> dict[Any, Any]:
        keys = [str(k.value) for k, _ in node.value]
        twice = sorted({k for k in keys if keys.count(k) > 1})
        if twice:
            raise ConfigError(f"{path}: key '{twice[0]}' is given twice; expected once")
        return dict(loader.construct_mapping(node, deep=True))

    Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)
    return Loader


def _from_mapping(raw: Mapping[str, Any], source: str, lines: Sequence[int] = ()) -> Config:
    known(raw, TOP_KEYS, source, "")
    for name in TOP_KEYS[2:]:
        if name != "faults" and raw.get(name) is not None and not isinstance(raw[name], Mapping):
            raise ConfigError(f"{source}: {name}: expected keys and values, got {raw[name]!r}")
    data, signals, symbols, learning, models, live = (dict(raw.get(name) or {}) for name in BESIDE)
    _check_data(data, source)
    known(signals, SIGNAL_KEYS, source, "signals.")
    known(symbols, SYMBOL_KEYS, source, "symbols.")
    known(learning, LEARNING_KEYS, source, "learning.")
    if not isinstance(learning.get("tables", ""), str):
        raise ConfigError(f"{source}: learning.tables: {learning['tables']!r}; expected the path of a file")
    symbol_lists(source, symbols)
    profile = raw.get("profile", "balanced")
    if not isinstance(profile, str) or profile not in PROFILES:
        raise ConfigError(f"{source}: profile: {profile!r} is unknown; expected one of {', '.join(PROFILES)}")
    seed = raw.get("seed", 0)
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**63:
        raise ConfigError(f"{source}: seed: {seed!r}; expected a whole number from 0 to 9223372036854775807")
    sections = _switched(raw, source)
    faults = read_faults(raw.get("faults"), source, lines)
    config = Config(profile, seed, data, signals, symbols, learning, models, live, sections, source, faults)
    _check_sections(config)
    return config


def _check_data(data: Mapping[str, Any], source: str) -> None:
    known(data, DATA_KEYS, source, "data.")
    if isinstance(data.get("simulated"), Mapping):
        known(data["simulated"], SIMULATED_KEYS, source, "data.simulated.")
    if data.get("simulated") and (data.get("folder") or data.get("root")):
        raise ConfigError(f"{source}: data: both simulated and folder or root; expected one source")
    for key in ("start", "end"):
        if isinstance(data.get(key), bool):
            raise ConfigError(f"{source}: data.{key}: {data[key]!r}; expected a date such as 2021-01-01")


def _switched(raw: Mapping[str, Any], source: str) -> dict[str, dict[str, Any]]:
    """Sections with the modes that ``modules`` gives groups and modules; a section's own ``mode`` wins."""
    modules = dict(raw.get("modules") or {})
    known(modules, (*GROUPS, *SWITCHES), source, "modules.")
    sections: dict[str, dict[str, Any]] = {}
    for name in sorted(modules, key=lambda n: -len(GROUPS.get(n, (n,)))):  # the narrower one has the last word
        for section in GROUPS.get(name, (name,)):
            sections.setdefault(section, {})["mode"] = modules[name]
    for name in SECTIONS:
        if raw.get(name):
            sections.setdefault(name, {}).update(raw[name])
    return sections


def _check_sections(config: Config) -> None:
    for name, body in config.sections.items():
        cls = SECTIONS[name][0]
        allowed = tuple(k for k in cls._fields if k not in DERIVED.get(name, ()))
        known(body, (*allowed, *SPECIAL.get(name, ())), config.source, f"{name}.")
    config.policy_table()
    p = {name: _build(config, name) for name in SECTIONS}
    e = p["ensemble"]
    if e.weight_xgb + e.weight_lgbm + e.weight_nhits + e.weight_patchtst <= 0.0:
        raise ConfigError(f"{config.source}: ensemble weights: all zero; expected at least one above 0")
    if p["regime"].vol_low > p["regime"].vol_high or p["regime"].adx_weak > p["regime"].adx_strong:
        raise ConfigError(f"{config.source}: regime: lower threshold above the upper one; expected low <= high")
    for name in ("risk", "governor"):
        if p[name].min_margin_usd > p[name].max_margin_usd:
            raise ConfigError(f"{config.source}: {name}.min_margin_usd above max_margin_usd; expected min <= max")


def _build(config: Config, name: str) -> Any:
    cls, bounds, choices = SECTIONS[name]
    values = dict(PROFILES[config.profile].get(name, {}))
    values.update(config.sections.get(name, {}))
    defaults = cls._field_defaults
    return cls(
        **{
            k: value_of(config.source, f"{name}.{k}", k, values.get(k, d), d, bounds, choices)
            for k, d in defaults.items()
        }
    )
