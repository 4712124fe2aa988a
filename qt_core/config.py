"""User configuration -> frozen Config -> Params. Checked once, here; every error names the key and what was expected."""

import dataclasses
import difflib
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qt_core import pipeline
from qt_core.codes import ENFORCED, MODE_NAMES
from qt_core.context import regime
from qt_core.engine import params as venue_params
from qt_core.errors import ConfigError
from qt_core.position import dynamic_tpsl
from qt_core.risk import risk_os, safety_governor
from qt_core.signal import ensemble

# section -> (Params class, bounds, choices)
SECTIONS: dict[str, tuple[Any, dict[str, tuple[float, float]], Any]] = {
    "chain": (pipeline.ChainParams, pipeline.CHAIN_BOUNDS, {}),
    "ensemble": (ensemble.Params, ensemble.BOUNDS, ensemble.CHOICES),
    "regime": (regime.Params, regime.BOUNDS, regime.CHOICES),
    "tpsl": (dynamic_tpsl.Params, dynamic_tpsl.BOUNDS, dynamic_tpsl.CHOICES),
    "risk": (risk_os.Params, risk_os.BOUNDS, risk_os.CHOICES),
    "governor": (safety_governor.Params, safety_governor.BOUNDS, safety_governor.CHOICES),
    "venue": (venue_params.VenueParams, venue_params.BOUNDS, venue_params.CHOICES),
}
DERIVED = {"chain": ("taker_fee", "slippage")}  # copied from the venue, not set by hand

PROFILES: dict[str, dict[str, dict[str, Any]]] = {
    "balanced": {},
    "aggressive": {"tpsl": {"tp_anchor": 0.04, "sl_anchor": 0.02}},
    "expanded": {
        "chain": {"base_margin_usd": 666.67},
        "risk": {"max_margin_usd": 1000.0, "min_leverage": 3.0, "max_leverage": 10.0},
        "governor": {"max_margin_usd": 1000.0, "max_leverage": 10.0},
    },
}
DATA_KEYS = ("folder", "root", "symbols", "timeframe", "start", "end", "detail", "missing_bracket", "simulated")
SIMULATED_KEYS = ("n_symbols", "n_bars", "seed")
SIGNAL_KEYS = ("source", "rules")
TOP_KEYS = ("profile", "seed", "data", "signals", *SECTIONS)


@dataclass(frozen=True)
class Config:
    """A checked configuration. Make one with ``load_config``; vary one with ``with_values``."""

    profile: str = "balanced"
    seed: int = 0
    data: Mapping[str, Any] = field(default_factory=dict)
    signals: Mapping[str, Any] = field(default_factory=dict)
    sections: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    source: str = "<dict>"

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
        out.update({k: dict(v) for k, v in (("data", self.data), ("signals", self.signals)) if v})
        out.update({k: dict(v) for k, v in self.sections.items() if v})
        return out

    def digest(self) -> str:
        """Hash of every parameter value and of the signals' (not of data or file names), 16 hex digits."""
        text = json.dumps([[list(part) for part in self.params()], self.signals], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def unsafe(self) -> tuple[str, ...]:
        """Safety modules that do not bind; a result of such a run is stamped UNSAFE."""
        p = self.params()
        return tuple(n for n, m in (("risk", p.risk.mode), ("governor", p.governor.mode)) if m != ENFORCED)


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
        loaded = yaml.load(path.read_text(), _unique_loader(path))
    except OSError as err:
        raise ConfigError(f"{path}: cannot be read ({err.strerror}); expected a YAML configuration") from err
    except (yaml.YAMLError, ValueError) as err:  # ValueError: a date that is none, such as 2021-13-01
        raise ConfigError(f"{path}: not valid YAML ({str(err).splitlines()[0]})") from err
    if loaded is not None and not isinstance(loaded, Mapping):
        raise ConfigError(f"{path}: expected keys and values, got {type(loaded).__name__}")
    return _from_mapping(loaded or {}, str(path))


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


def _from_mapping(raw: Mapping[str, Any], source: str) -> Config:
    _known(raw, TOP_KEYS, source, "")
    for name in ("data", "signals", *SECTIONS):
        if raw.get(name) is not None and not isinstance(raw[name], Mapping):
            raise ConfigError(f"{source}: {name}: expected keys and values, got {raw[name]!r}")
    data = dict(raw.get("data") or {})
    signals = dict(raw.get("signals") or {})
    _known(data, DATA_KEYS, source, "data.")
    if isinstance(data.get("simulated"), Mapping):
        _known(data["simulated"], SIMULATED_KEYS, source, "data.simulated.")
    _known(signals, SIGNAL_KEYS, source, "signals.")
    if data.get("simulated") and (data.get("folder") or data.get("root")):
        raise ConfigError(f"{source}: data: both simulated and folder or root; expected one source")
    for key in ("start", "end"):
        if isinstance(data.get(key), bool):
            raise ConfigError(f"{source}: data.{key}: {data[key]!r}; expected a date such as 2021-01-01")
    profile = raw.get("profile", "balanced")
    if not isinstance(profile, str) or profile not in PROFILES:
        raise ConfigError(f"{source}: profile: {profile!r} is unknown; expected one of {', '.join(PROFILES)}")
    seed = raw.get("seed", 0)
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**63:
        raise ConfigError(f"{source}: seed: {seed!r}; expected a whole number from 0 to 9223372036854775807")
    sections = {name: dict(raw[name]) for name in SECTIONS if raw.get(name)}
    config = Config(profile, seed, data, signals, sections, source)
    _check_sections(config)
    return config


def _known(given: Mapping[str, Any], allowed: tuple[str, ...], source: str, prefix: str) -> None:
    for key in given:
        if key not in allowed:
            near = difflib.get_close_matches(str(key), allowed, n=1)
            hint = f"; did you mean '{prefix}{near[0]}'?" if near else f"; expected one of {', '.join(allowed)}"
            raise ConfigError(f"{source}: unknown key '{prefix}{key}'{hint}")


def _check_sections(config: Config) -> None:
    for name, body in config.sections.items():
        cls = SECTIONS[name][0]
        allowed = tuple(k for k in cls._fields if k not in DERIVED.get(name, ()))
        _known(body, allowed, config.source, f"{name}.")
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
            k: _value(config.source, f"{name}.{k}", k, values.get(k, d), d, bounds, choices)
            for k, d in defaults.items()
        }
    )


def _value(
    source: str,
    dotted: str,
    key: str,
    value: Any,
    default: Any,
    bounds: dict[str, tuple[float, float]],
    choices: dict[str, tuple[str, ...]],
) -> Any:
    names = MODE_NAMES if key == "mode" else choices.get(key)
    if names is not None:
        if isinstance(value, bool):
            value = "on" if value else "off"  # YAML reads off/on as booleans
        if isinstance(value, str) and value.lower() in names:
            return names.index(value.lower())
        if isinstance(value, int) and 0 <= value < len(names):
            return int(value)
        raise ConfigError(f"{source}: {dotted}: {value!r}; expected one of {', '.join(names)}")
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ConfigError(f"{source}: {dotted}: {value!r}; expected a finite number")
    if isinstance(default, int) and value != int(value):
        raise ConfigError(f"{source}: {dotted}: {value!r}; expected a whole number")
    lo, hi = bounds.get(key, (-math.inf, math.inf))
    if not lo <= value <= hi:
        raise ConfigError(f"{source}: {dotted}: {value!r} is out of range; expected {lo:g} to {hi:g}")
    return int(value) if isinstance(default, int) else float(value)
