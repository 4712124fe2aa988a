"""What the faults of a script did: each with the modules that acted on it, read from the journal."""

from itertools import product
from typing import Any, NamedTuple

import numpy as np

from qt_core.codes import (
    BY_ESS,
    BY_HEALTH,
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
    EXIT_SETTLED,
    HALTED,
    HEALTH,
    HFOS_BLOCK,
    LOW_DEPTH,
    M_AELM,
    M_ESS,
    M_GOVERNOR,
    M_HEALTH,
    M_HFOS,
    M_MSC,
    M_RISK_OS,
    M_UNIVERSE,
    M_VENUE,
    OK,
    PAUSED,
    REASON_NAMES,
    RETRIED,
)
from qt_core.codes import ESS_LATCHED as LATCHED
from qt_core.engine.result import Result
from qt_core.enums import T_ESS, T_HEALTH, T_POLICY, T_RISK_MODE, TALLIES
from qt_core.market import utc_text
from qt_core.records import (
    JE_ESS_LATCH,
    JE_ESS_RESET,
    JE_EXIT,
    JE_HALT,
    JE_HEALTH,
    JE_HFOS,
    JE_KEPT_OUT,
    JE_POLICY,
    JE_RETRY,
)
from qt_core.registry import module_name

WINDOW_MS = 24 * 3_600_000  # what happens later is put down to a fault only until the next one
_WHO = (M_ESS, M_RISK_OS, M_HFOS, M_GOVERNOR)
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
    """Who acted from the fault to ``end``: first changes in order of time, then refusals with their number."""
    e = result.events
    found: dict[tuple[int, str], int] = {}
    for row in e[(e["time_ms"] >= start) & (e["time_ms"] < end)]:
        said = _said(row, group)
        if said is not None:
            found.setdefault(said, int(row["time_ms"]))
    changes = [f"{module_name(m)}: {what}" for (m, what), _ in sorted(found.items(), key=lambda x: x[1])]
    return (*_refused_itself(group), *changes, *_refusals(result, start, end), *_settled(result, group, start))


def _said(row: Any, group: list[Any]) -> "tuple[int, str] | None":
    """Module and what it did, of a journal row that a fault can cause."""
    kind, command = int(row["kind"]), COMMAND_NAMES[int(group[0]["seq"])]
    if kind == JE_HFOS and int(row["reason"]) not in (BY_HEALTH, BY_ESS):
        return None  # the account's own doing
    if kind == JE_POLICY and (command != "policy" or int(group[0]["reason"]) != OK):
        return None
    if kind == JE_HALT:
        return M_RISK_OS, "halts"
    if kind in _CHANGES:
        module, tally = _CHANGES[kind]
        names, new = TALLIES[tally][2], int(row["value"])
        return module, names[new] if 0 <= new < len(names) else str(new)
    if kind == JE_ESS_RESET:
        return M_ESS, "reset"
    if kind == JE_EXIT and EXIT_NAMES[int(row["value"])] in ("emergency", "order"):
        by_hand = EXIT_NAMES[int(row["value"])] == "order"
        return (M_VENUE, "closes by hand") if by_hand else (M_ESS, "closes")
    return None


def _refused_itself(group: list[Any]) -> tuple[str, ...]:
    """A command that the chain did not accept."""
    reason = int(group[0]["reason"])
    if reason == OK:
        return ()
    module = M_MSC if COMMAND_NAMES[int(group[0]["seq"])] == "policy" else M_HEALTH
    return (f"{module_name(module)}: {REASON_NAMES[reason]}",)


def _settled(result: Result, group: list[Any], start: int) -> tuple[str, ...]:
    """Positions of a vanished symbol that the venue settled, however much later."""
    if int(group[0]["seq"]) != CMD_GAP:
        return ()
    t = result.trades
    who = [int(row["symbol"]) for row in group]
    hit = t[
        np.isin(t["symbol"], who)
        & (t["exit_reason"] == EXIT_SETTLED)
        & (t["exit_ms"] > start)
        & (t["entry_ms"] <= start)
    ]
    return tuple(f"{module_name(M_VENUE)}: SETTLED {utc_text(int(row['exit_ms']))[:10]}" for row in hit)


def _refusals(result: Result, start: int, end: int) -> list[str]:
    d, e = result.decisions, result.events
    d = d[(d["time_ms"] >= start) & (d["time_ms"] < end)]
    e = e[(e["time_ms"] >= start) & (e["time_ms"] < end)]
    counts = [
        (m, REASON_NAMES[r], int(((d["module"] == m) & (d["reason"] == r)).sum())) for m, r in product(_WHO, _REFUSALS)
    ]
    counts.append((M_UNIVERSE, REASON_NAMES[LOW_DEPTH], int((e["kind"] == JE_KEPT_OUT).sum())))
    busy = (e["kind"] == EV_REJECT) & (e["reason"] == EXCHANGE_BUSY)
    counts.append((M_VENUE, REASON_NAMES[EXCHANGE_BUSY], int(busy.sum())))
    counts.append((M_AELM, REASON_NAMES[RETRIED], int((e["kind"] == JE_RETRY).sum())))
    return [f"{module_name(m)}: {name}" + (f" x {n}" if n > 1 else "") for m, name, n in counts if n]
