"""What the chain did in a run, beside profit: modules and modes, emergency stop, strategies, ladder, learning."""

from typing import Any

import numpy as np

from qt_core.codes import (
    ENFORCED,
    ESS_NONE,
    EV_FILL,
    EXPLORED,
    LEARN_FROZEN,
    LEARN_SHADOW,
    LEARNED,
    LET_RUN,
    M_AMPLIFICATION,
    M_ESS,
    M_MSC,
    M_SIZER,
    M_STRATEGY,
    MODE_NAMES,
    NOT_LEARNED,
    OFF,
    RUNG_DROPPED,
    RUNG_FILLED,
    SCALED_IN,
    STRATEGY_SIDE,
    TAG_RUNG_1,
    TAG_RUNG_2,
)
from qt_core.engine.result import Result
from qt_core.enums import T_BLOCKED, T_ESS, T_STRATEGY, TALLIES
from qt_core.explain.vetoes import section_of
from qt_core.explain.words import MODULE_LABELS
from qt_core.registry import MODULES, SUPPORTS, Module
from qt_core.signal.tape import SLOT_NAMES
from qt_core.state import memory_of

CODES = {"emergency_stop": M_ESS, "msc_policy": M_MSC}  # as counters name the supports
FIRST_MODEL = 2  # number of the first of the four
HOUR_MS = 3_600_000.0
NOT_USED, USED = "not used", "in the tape"  # a model, by the source of the signals
ALWAYS = "always"  # a part without a mode


def modules(result: Result) -> list[dict[str, Any]]:
    """Every module and support of the registry: number, name, what it is, and the mode it ran in."""
    return [
        {
            "number": m.number,
            "code": code_of(m),
            "name": _name(m),
            "kind": m.kind,
            "mode": _mode(result, m),
        }
        for m in (*MODULES, *SUPPORTS)
    ]


def code_of(module: Module) -> int:
    """The code under which counters name a module; 0 for a part they do not name."""
    return module.number or CODES.get(module.name, 0)


def _name(module: Module) -> str:
    if module.kind == "model":
        return SLOT_NAMES[module.number - FIRST_MODEL]
    return MODULE_LABELS.get(code_of(module), module.name)


def _mode(result: Result, module: Module) -> str:
    if module.kind == "model":
        return USED if result.config.signals.get("source") == "tape" else NOT_USED
    section = section_of(module)
    mode = getattr(getattr(result.config.params(), section), "mode", None)
    return ALWAYS if mode is None else MODE_NAMES[mode]


def emergency_stop(result: Result) -> dict[str, Any]:
    """Latches, hours latched (the last one up to the end), by whom, and whether it is latched at the end.

    Where it does not bind nothing latches, and ``by`` counts the closes at which an evaluator would have.
    """
    fund = result.state.fund
    latched = int(fund["ess_latched"][0]) != ESS_NONE
    time_ms = int(fund["ess_time_ms"][0])
    if latched:
        time_ms += int(fund["now_ms"][0]) - int(fund["ess_since_ms"][0])
    names = TALLIES[T_ESS][2]
    by = {name: int(result.tally[T_ESS, k]) for k, name in enumerate(names) if k != ESS_NONE and result.tally[T_ESS, k]}
    return {
        "latches": int(fund["ess_trips"][0]),
        "hours_latched": time_ms / HOUR_MS,
        "share_of_time": time_ms / HOUR_MS / (24.0 * result.metrics["days"]) if result.metrics["days"] > 0.0 else 0.0,
        "by": by,
        "binds": result.config.params().ess.mode == ENFORCED,
        "latched_at_the_end": latched,
    }


def strategies(result: Result) -> list[dict[str, Any]]:
    """Of each strategy of module 21: candidates it was chosen for, those it blocked, bars in which it did, its trades.

    ``blocked_bars`` is None where no journal was kept; it knows of the candidates that the journal knows.
    """
    if result.config.params().strategy.mode == OFF:
        return []
    n_bars = max(1, len(result.curve))
    rows = []
    for k, name in enumerate(TALLIES[T_STRATEGY][2]):
        chosen, blocked = int(result.tally[T_STRATEGY, k]), int(result.tally[T_BLOCKED, k])
        mine = result.trades[result.trades["strategy"] == k]
        rows.append(
            {
                "strategy": name,
                "candidates": chosen,
                "blocked": blocked,
                "blocked_share": blocked / chosen if chosen else None,
                "blocked_bars": _blocked_bars(result, k) / n_bars if len(result.decisions) else None,
                "trades": len(mine),
                "win_rate": float(np.mean(mine["pnl_usd"] > 0.0)) if len(mine) else None,
                "mean_r": float(np.mean(mine["r_multiple"])) if len(mine) else None,
                "pnl_usd": float(mine["pnl_usd"].sum()),
            }
        )
    return rows


def _blocked_bars(result: Result, strategy: int) -> int:
    d = result.decisions
    return len(np.unique(d["time_ms"][(d["strategy"] == strategy) & (d["reason"] == STRATEGY_SIDE)]))


def ladder(result: Result) -> dict[str, Any]:
    """How often each rung fired, and what else amplification did. By rung only where a journal was kept."""
    c = result.counters[M_AMPLIFICATION]
    e = result.events
    by_rung = {
        name: len(np.unique(e["trade_id"][(e["kind"] == EV_FILL) & (e["tag"] == tag)])) if len(e) else None
        for name, tag in (("rung_1", TAG_RUNG_1), ("rung_2", TAG_RUNG_2))
    }
    return {
        **by_rung,
        "rungs_filled": int(c[RUNG_FILLED]),
        "rungs_dropped": int(c[RUNG_DROPPED]),
        "trades_with_a_rung": int(np.sum(result.trades["n_rungs"] > 0)),
        "scale_in_fills": int(c[SCALED_IN]),
        "let_run": int(c[LET_RUN]),
    }


def learning(result: Result) -> dict[str, Any]:
    """Explored decisions, updates of both tables, and how much of each table has been visited."""
    p, memory, c = result.config.params(), memory_of(result.state), result.counters
    out: dict[str, Any] = {}
    for name, module, q, visits in (
        ("sizer", M_SIZER, p.sizer, memory["q_size_visits"]),
        ("strategy", M_STRATEGY, p.strategy, memory["q_strategy_visits"]),
    ):
        table = visits[1 if q.learning == LEARN_SHADOW else 0]
        out[name] = {
            "learning": "off" if q.mode == OFF else ("frozen", "shadow", "on")[q.learning],
            "explored": int(c[module, EXPLORED]),
            "updates": int(c[module, LEARNED]),
            "not_learned": int(c[module, NOT_LEARNED]),
            "cells": int(table.size),
            "cells_visited": int(np.count_nonzero(table)),
            "most_visits": int(table.max()),
        }
    out["trades_explored"] = int(np.sum(result.trades["explored"] != 0))
    return out


def learns(result: Result) -> list[str]:
    """Names of what learns while it runs."""
    p = result.config.params()
    named = (("sizer (19)", p.sizer), ("meta-strategy (21)", p.strategy))
    return [name for name, q in named if q.mode != OFF and q.learning != LEARN_FROZEN]
