"""Faults a backtest is to suffer: entries of a configuration or a file -> checked ``Fault`` rows (docs/faults.md).

What the names mean for chain, venue and market stands in ``engine/script.py``; here it is only made sure that every entry
can be meant. Every refusal is one line that names file, line, entry and what was expected.
"""

import difflib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from qt_core.context import msc_policy
from qt_core.errors import QtError


class FaultError(QtError):
    """An entry of a fault script that cannot be meant."""


@dataclass(frozen=True)
class Fault:
    """One checked entry. Times are int64 ms UTC; ``until_ms`` is None where it lasts; no symbols = all of the market."""

    kind: str
    at_ms: int
    until_ms: "int | None" = None
    symbols: tuple[str, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    where: str = "<list>"
    entry: Mapping[str, Any] = field(default_factory=dict)  # as it was written


class Kind(NamedTuple):
    """What an entry of a kind may say."""

    values: Mapping[str, "Callable[[Any], Any]"]  # name -> check, which returns the value or raises ValueError
    needed: tuple[str, ...] = ()  # of values, `symbol` and `for`
    symbols: bool = False  # takes `symbol` or `symbols`
    lasts: bool = False  # takes `for`


_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_UNIT_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
HEALTH = ("healthy", "degraded", "critical")
MODES = ("defensive", "normal", "aggressive")
STRATEGY_NAMES = ("trend_follow", "mean_reversion", "breakout", "range_bound")
MAX_ERRORS = 10_000
POLICY = msc_policy.Params()  # a configuration that allows less of a row from outside is the chain's to apply


def _number(low: float, high: float) -> Callable[[Any], float]:
    def check(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError("a finite number")
        if not low <= value <= high:
            raise ValueError(f"{low:g} to {high:g}")
        return float(value)

    return check


def _whole(low: int, high: int) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return value

    return check


def _code(names: tuple[str, ...], strict: bool = True) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        if isinstance(value, str) and value in names:
            return names.index(value)
        if not strict and isinstance(value, int) and not isinstance(value, bool):
            return value  # a code that is none, as a broken sender might give it: the chain must refuse it
        raise ValueError(f"one of {', '.join(names)}" + ("" if strict else ", or a code"))

    return check


def duration_ms(value: Any) -> int:
    """Milliseconds of ``30s``, ``90m``, ``6h``, ``2d``; ValueError with what was expected."""
    hit = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if hit is None or float(hit.group(1)) <= 0.0:
        raise ValueError("a duration above zero such as 30s, 90m, 6h or 2d")
    return round(float(hit.group(1)) * _UNIT_MS[hit.group(2)])


def _strategies(value: Any) -> int:
    """Bits of a list of strategy names."""
    if not isinstance(value, list | tuple) or not all(name in STRATEGY_NAMES for name in value):
        raise ValueError(f"a list of {', '.join(STRATEGY_NAMES)}")
    return sum(1 << STRATEGY_NAMES.index(name) for name in set(value))


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("a few words")
    return value


KINDS: dict[str, Kind] = {
    "health": Kind({"verdict": _code(HEALTH, strict=False)}, ("verdict",), lasts=True),
    "errors": Kind({"count": _whole(1, MAX_ERRORS), "within": duration_ms}, ("count",)),
    "spread": Kind({"spread": _number(-0.5, 0.5)}, ("spread",), symbols=True, lasts=True),
    "depth": Kind({"depth_usd": _number(0.0, 1e15)}, ("depth_usd",), symbols=True, lasts=True),
    "feed": Kind({}, lasts=True),
    "gap": Kind({}, ("for",), symbols=True, lasts=True),
    "vanish": Kind({}, ("symbol",), symbols=True),
    "busy": Kind({"orders": _whole(1, MAX_ERRORS)}, ("orders",), symbols=True),
    "stop": Kind({"reason": _text}),
    "reset": Kind({"reason": _text}, ("reason",)),
    "pause": Kind({}),
    "halt": Kind({}),
    "release": Kind({}),
    "exit": Kind({}, ("symbol",), symbols=True),
    "override": Kind({}, ("symbol",), symbols=True),
    "policy": Kind(
        {
            "mode": _code(MODES),
            "max_risk": _number(0.0, POLICY.off_max_risk),
            "max_positions": _whole(0, POLICY.off_max_positions),
            "min_confidence": _number(0.0, 1.0),
            "strategies": _strategies,
        },
        ("mode", "max_risk", "max_positions", "min_confidence"),
    ),
}
DEFAULTS: dict[str, dict[str, Any]] = {"errors": {"within": 30_000}, "policy": {"strategies": 15}}


def read_faults(entries: Any, source: str, lines: Sequence[int] = ()) -> tuple[Fault, ...]:
    """Checked faults in order of time.

    Parameters
    ----------
    entries : a list of mappings as YAML gives it. source : file, for messages. lines : line of each entry, where known.

    Raises
    ------
    FaultError
        Naming file, line, entry, key and what was expected.
    """
    if entries is None:
        return ()
    if not isinstance(entries, list | tuple):
        raise FaultError(f"{source}: faults: {entries!r}; expected a list of entries with at and kind")
    faults = [
        _read(entry, f"{source}{f':{lines[k]}' if k < len(lines) else ''}: faults[{k}]")
        for k, entry in enumerate(entries)
    ]
    return tuple(sorted(faults, key=lambda fault: fault.at_ms))


def _read(entry: Any, where: str) -> Fault:
    if not isinstance(entry, Mapping):
        raise FaultError(f"{where}: {entry!r}; expected keys such as at and kind")
    kind = entry.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        near = difflib.get_close_matches(str(kind), KINDS, n=1)
        raise FaultError(
            f"{where}: kind: {kind!r} is unknown; "
            + (f"did you mean {near[0]}?" if near else f"expected one of {', '.join(KINDS)}")
        )
    where = f"{where} ({kind})"
    rules = KINDS[kind]
    _check_keys(entry, rules, where)
    at_ms = _time_ms(entry.get("at"), where)
    until = None
    if "for" in entry:
        until = at_ms + _checked(where, "for", duration_ms, entry["for"])
    given = {name: _checked(where, name, check, entry[name]) for name, check in rules.values.items() if name in entry}
    return Fault(kind, at_ms, until, _symbols(entry, where), {**DEFAULTS.get(kind, {}), **given}, where, dict(entry))


def _check_keys(entry: Mapping[str, Any], rules: Kind, where: str) -> None:
    allowed = ["at", "kind", *rules.values, *(["symbol", "symbols"] if rules.symbols else [])]
    allowed += ["for"] if rules.lasts else []
    for key in entry:
        if key not in allowed:
            near = difflib.get_close_matches(str(key), allowed, n=1)
            hint = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(allowed)}"
            raise FaultError(f"{where}: unknown key '{key}'; {hint}")
    for key in ("at", *rules.needed):
        if key not in entry and not (key == "symbol" and "symbols" in entry):
            raise FaultError(f"{where}: {key} is missing; expected it beside {', '.join(str(k) for k in entry)}")


def _checked(where: str, key: str, check: Callable[[Any], Any], value: Any) -> Any:
    try:
        return check(value)
    except ValueError as expected:
        raise FaultError(f"{where}: {key}: {value!r}; expected {expected}") from None


def _symbols(entry: Mapping[str, Any], where: str) -> tuple[str, ...]:
    if "symbol" in entry and "symbols" in entry:
        raise FaultError(f"{where}: both symbol and symbols; expected one of them")
    given = entry.get("symbols", entry.get("symbol"))
    if given is None or given == "all":
        return ()
    names = [given] if isinstance(given, str) else given
    if not isinstance(names, list | tuple) or not names or not all(isinstance(n, str) for n in names):
        raise FaultError(f"{where}: symbols: {given!r}; expected a name or a list of names")
    return tuple(names)


def _time_ms(value: Any, where: str) -> int:
    """ISO text, date or datetime; without a zone it is UTC."""
    moment = value
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            moment = None
    if isinstance(moment, date) and not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day)
    if not isinstance(moment, datetime):
        raise FaultError(f"{where}: at: {value!r}; expected a time (UTC) such as 2021-05-19T13:00")
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)
