"""What the faults of a script did: each with the modules that acted on it, read from the journal."""

from typing import Any, NamedTuple

import numpy as np

from qt_core.codes import (
    CMD_DEPTH,
    CMD_FEED,
    CMD_GAP,
    CMD_HEALTH,
    CMD_SPREAD,
    COMMAND_NAMES,
    EV_COMMAND,
    EV_REJECT,
    EXCHANGE_BUSY,
    EXIT_NAMES,
    HALTED,
    HEALTH,
    HFOS_BLOCK,
    M_AELM,
    M_ESS,
    M_GOVERNOR,
    M_HEALTH,
    M_HFOS,
    M_MSC,
    M_RISK_OS,
    M_VENUE,
    OK,
    PAUSED,
    REASON_NAMES,
)
from qt_core.codes import ESS_LATCHED as LATCHED
from qt_core.engine.result import Result
from qt_core.enums import T_ESS, T_HEALTH, T_POLICY, T_RISK_MODE, TALLIES
from qt_core.market import utc_text
from qt_core.records import JE_ESS_LATCH, JE_ESS_RESET, JE_EXIT, JE_HEALTH, JE_HFOS, JE_POLICY, JE_RETRY
from qt_core.registry import module_name

WINDOW_MS = 24 * 3_600_000  # what happens later is put down to a fault only until the next one
_REFUSALS = (HEALTH, HALTED, PAUSED, LATCHED, HFOS_BLOCK)
# journal row -> (module, tally that names its new value)
_CHANGES = {
    JE_HEALTH: (M_HEALTH, T_HEALTH),
    JE_ESS_LATCH: (M_ESS, T_ESS),
    JE_HFOS: (M_HFOS, T_RISK_MODE),
    JE_POLICY: (M_MSC, T_POLICY),
}


class Reaction(NamedTuple):
    """One fault and who acted before the next one, within a day."""

    time: str
    fault: str
    acted: tuple[str, ...]  # "module: what", first action of each


def reactions(result: Result) -> list[Reaction]:
    """Faults in order of time; equal ones of one moment are one row. Empty where no journal was kept."""
    rows = result.events[result.events["kind"] == EV_COMMAND]
    groups: list[list[Any]] = []
    for row in rows:
        if groups and _together(groups[-1][-1], row):
            groups[-1].append(row)
        else:
            groups.append([row])
    starts = [int(g[0]["time_ms"]) for g in groups]
    out = []
    for k, group in enumerate(groups):
        after = [t for t in starts[k + 1 :] if t > starts[k]]
        end = min([starts[k] + WINDOW_MS, *after[:1]])
        out.append(Reaction(utc_text(starts[k]), _what(group, result), _acted(result, group, starts[k], end)))
    return out


def _together(a: Any, b: Any) -> bool:
    same = a["seq"] == b["seq"] and a["old_value"] == b["old_value"] and a["reason"] == b["reason"]
    return bool(same and b["time_ms"] - a["time_ms"] < 60_000)


def _what(group: list[Any], result: Result) -> str:
    row, n = group[0], len(group)
    command = int(row["seq"])
    text = COMMAND_NAMES[command]
    if command == CMD_HEALTH:
        names = TALLIES[T_HEALTH][2]
        code = int(row["old_value"])
        text += f" {names[code]}" if 0 <= code < len(names) else f" code {code}"
    elif command in (CMD_FEED, CMD_GAP):
        lost, back = ("lost", "back") if command == CMD_FEED else ("begins", "ends")
        text += f" {lost if row['old_value'] else back}"
    elif command in (CMD_SPREAD, CMD_DEPTH):
        text += " known no more" if np.isnan(row["value"]) else f" {row['value']:g}"
    who = sorted({int(r["symbol"]) for r in group})
    if command in _OF_SYMBOL:
        text += f" of {result.symbols[who[0]]}" if len(who) == 1 else f" of {len(who)} symbols"
    elif n > 1:
        text += f" x {n}"
    return text if int(row["reason"]) == OK else f"{text} (refused: {REASON_NAMES[int(row['reason'])]})"


_OF_SYMBOL = tuple(COMMAND_NAMES.index(name) for name in ("spread", "depth", "gap", "busy", "exit", "override"))


def _acted(result: Result, group: list[Any], start: int, end: int) -> tuple[str, ...]:
    """First action of each module from the fault to ``end``."""
    found: dict[tuple[int, str], int] = {}
    e = result.events[(result.events["time_ms"] >= start) & (result.events["time_ms"] <= end)]
    for row in e:
        kind = int(row["kind"])
        if kind in _CHANGES and row["time_ms"] < end:
            module, tally = _CHANGES[kind]
            names, new = TALLIES[tally][2], int(row["value"])
            found.setdefault((module, names[new] if 0 <= new < len(names) else str(new)), int(row["time_ms"]))
        elif kind == JE_ESS_RESET and row["time_ms"] < end:
            found.setdefault((M_ESS, "reset"), int(row["time_ms"]))
        elif kind == JE_RETRY and row["time_ms"] < end:
            found.setdefault((M_AELM, "retries"), int(row["time_ms"]))
        elif kind == EV_REJECT and int(row["reason"]) == EXCHANGE_BUSY and row["time_ms"] < end:
            found.setdefault((M_VENUE, REASON_NAMES[EXCHANGE_BUSY]), int(row["time_ms"]))
        elif kind == JE_EXIT and row["time_ms"] < end and EXIT_NAMES[int(row["value"])] in ("emergency", "order"):
            found.setdefault((M_ESS, f"closes ({EXIT_NAMES[int(row['value'])]})"), int(row["time_ms"]))
    refused = _refusals(result, start, end)
    if int(group[0]["reason"]) != OK:
        module = M_MSC if COMMAND_NAMES[int(group[0]["seq"])] == "policy" else M_HEALTH
        refused.insert(0, f"{module_name(module)}: {REASON_NAMES[int(group[0]['reason'])]}")
    return tuple(f"{module_name(m)}: {what}" for (m, what), _ in sorted(found.items(), key=lambda x: x[1])) + tuple(
        refused
    )


def _refusals(result: Result, start: int, end: int) -> list[str]:
    d = result.decisions[(result.decisions["time_ms"] >= start) & (result.decisions["time_ms"] < end)]
    out = []
    for module in (M_ESS, M_RISK_OS, M_HFOS, M_GOVERNOR):
        for reason in _REFUSALS:
            n = int(((d["module"] == module) & (d["reason"] == reason)).sum())
            if n:
                out.append(f"{module_name(module)}: {REASON_NAMES[reason]} x {n}")
    return out
