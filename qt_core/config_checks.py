"""Checks of single configuration values: each refusal is one line naming the key and what was expected."""

import difflib
import math
from collections.abc import Mapping
from typing import Any

from qt_core.codes import MODE_NAMES
from qt_core.context import orchestrator_policy as orchestrator
from qt_core.errors import ConfigError


def known(given: Mapping[str, Any], allowed: tuple[str, ...], source: str, prefix: str) -> None:
    """Refuse a key that is not allowed, suggesting the nearest."""
    for key in given:
        if key not in allowed:
            near = difflib.get_close_matches(str(key), allowed, n=1)
            hint = f"; did you mean '{prefix}{near[0]}'?" if near else f"; expected one of {', '.join(allowed)}"
            raise ConfigError(f"{source}: unknown key '{prefix}{key}'{hint}")


def chosen(source: str, dotted: str, value: Any, names: tuple[str, ...]) -> int:
    """Number of a named value."""
    if isinstance(value, bool):
        value = "on" if value else "off"  # YAML reads off/on (and yes/no) as booleans
        value = {"on": "yes", "off": "no"}[value] if names == ("no", "yes") else value
    if isinstance(value, str) and value.lower() in names:
        return names.index(value.lower())
    if isinstance(value, int) and 0 <= value < len(names):
        return int(value)
    raise ConfigError(f"{source}: {dotted}: {value!r}; expected one of {', '.join(names)}")


def number(source: str, dotted: str, value: Any, low: float, high: float) -> float:
    """A finite number within bounds."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ConfigError(f"{source}: {dotted}: {value!r}; expected a finite number")
    if not low <= value <= high:
        raise ConfigError(f"{source}: {dotted}: {value!r} is out of range; expected {low:g} to {high:g}")
    return float(value)


def value_of(
    source: str,
    dotted: str,
    key: str,
    value: Any,
    default: Any,
    bounds: dict[str, tuple[float, float]],
    choices: dict[str, tuple[str, ...]],
) -> Any:
    """One parameter: a mode or choice by name, else a number of its default's type within its bounds."""
    names = MODE_NAMES if key == "mode" else choices.get(key)
    if names is not None:
        return chosen(source, dotted, value, names)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ConfigError(f"{source}: {dotted}: {value!r}; expected a finite number")
    if isinstance(default, int) and value != int(value):
        raise ConfigError(f"{source}: {dotted}: {value!r}; expected a whole number")
    x = number(source, dotted, value, *bounds.get(key, (-math.inf, math.inf)))
    return int(value) if isinstance(default, int) else x


def policy_table(source: str, cells: Any) -> tuple[tuple[float, ...], ...]:
    """Module 18's table with ``{"high/strong/poor": {"allow_trades": no, "max_risk": 0.01}}`` put in."""
    where = "orchestrator.table"
    if not isinstance(cells, Mapping):
        raise ConfigError(f"{source}: {where}: expected rows by regime, got {cells!r}")
    known(cells, orchestrator.ROW_NAMES, source, f"{where}.")
    table = [list(row) for row in orchestrator.DEFAULT_TABLE]
    for name, row in cells.items():
        if not isinstance(row, Mapping):
            raise ConfigError(f"{source}: {where}.{name}: expected columns and values, got {row!r}")
        known(row, orchestrator.COLUMN_NAMES, source, f"{where}.{name}.")
        for column, value in row.items():
            k, dotted = orchestrator.COLUMN_NAMES.index(column), f"{where}.{name}.{column}"
            names = orchestrator.COLUMN_CHOICES.get(column)
            low, high = orchestrator.COLUMN_BOUNDS[k]
            at = orchestrator.ROW_NAMES.index(name)
            table[at][k] = float(
                number(source, dotted, value, low, high) if names is None else chosen(source, dotted, value, names)
            )
    return tuple(tuple(row) for row in table)


def symbol_lists(source: str, symbols: Mapping[str, Any]) -> None:
    """``main`` and ``deny`` are lists of names, ``sectors`` maps names to sectors."""
    for key in ("main", "deny"):
        given = symbols.get(key, [])
        if not isinstance(given, list | tuple) or not all(isinstance(name, str) for name in given):
            raise ConfigError(f"{source}: symbols.{key}: {given!r}; expected a list of symbol names")
    sectors = symbols.get("sectors", {})
    if not isinstance(sectors, Mapping) or not all(isinstance(v, str) for v in sectors.values()):
        raise ConfigError(f"{source}: symbols.sectors: {sectors!r}; expected a sector name by symbol")
