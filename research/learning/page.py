"""One self-contained HTML page of a learning run: epochs, judgement, tables as heat maps; nothing from the network."""

import json
from html import escape
from typing import Any

import numpy as np
import yaml

from qt_core.tables import KINDS, QTables, action_names, greedy_actions, state_names
from research.learning.results import SPREAD_LABELS, figure_text
from research.learning.train import Learned
from research.report.shell import asset, fill, shell

_PREAMBLE = (
    "Learned are two tables alone: sizes (module 19) and strategies (module 21). Signals and every other module are rules.\n"
    "The spread over seeds is that of the draws of exploration in this one market; what another market would have given is "
    "unknown."
)
_SHOWN = ("total_return", "sharpe", "max_drawdown", "trades", "mean_r", "win_rate", "fees_usd")


def learning_page(learned: Learned, document: dict[str, Any]) -> str:
    """The page as text.

    Parameters
    ----------
    document : of ``research.learning.results.results``.
    """
    stamp = '<span class="stamp simulated">SIMULATED MARKET</span>' if learned.simulated else ""
    slots = {
        "title": "What the tables learned" + (" (SIMULATED)" if learned.simulated else ""),
        "own_css": asset("research.learning", "learning.css"),
        "js": asset("research.learning", "learning.js"),
        "heading": "What the tables learned",
        "preamble": _PREAMBLE,
        "data": json.dumps(_data(learned, document), separators=(",", ":"), allow_nan=False).replace("<", "\\u003c"),
        "stamps": stamp,
        "window": escape(f"learned on {learned.learn_span} · judged by {learned.judge_span}"),
        "verdict": escape(document["verdict"]),
        "seeds": _seeds(document),
        "spread": _spread(document),
        "notes": "".join(f"<li>{escape(note)}</li>" for note in learned.notes),
        "config": escape(yaml.safe_dump(learned.config.as_dict(), sort_keys=False)),
    }
    return shell(fill(asset("research.learning", "learning.html"), slots), slots)


def _data(learned: Learned, document: dict[str, Any]) -> dict[str, Any]:
    p = learned.config.params()
    prior, cap = p.strategy.prior, int(p.risk.leverage_cap_high)
    named = [("all seeds, merged", learned.merged), *((f"seed {s.seed}", s.tables) for s in learned.seeds)]
    return {
        "seeds": document["seeds"],
        "spread": document["spread"],
        "blank": document["blank"],
        "actions": {kind: list(action_names(kind)) for kind in KINDS},
        "tables": [
            {"name": name, "note": _note(t), **{kind: _table(t, kind, prior, cap) for kind in KINDS}}
            for name, t in named
        ],
    }


def _note(tables: QTables) -> str:
    parts = []
    for kind, module in (("size", "19"), ("strategy", "21")):
        _, visits = tables.of(kind)
        parts.append(f"{module}: {int(visits.sum()):,} updates in {int((visits > 0).sum()):,} of {visits.size:,} cells")
    return " · ".join(parts)


def _table(tables: QTables, kind: str, prior: float, cap: int) -> dict[str, Any]:
    """Visited states, most visited first; cells that were never tried are null."""
    q, visits = tables.of(kind)
    names = state_names(kind)
    rows = np.argsort(-visits.sum(axis=1), kind="stable")[: int((visits.sum(axis=1) > 0).sum())]
    greedy = greedy_actions(tables, kind, prior, cap)
    return {
        "states": [names[i] for i in rows],
        "q": [[round(float(x), 6) if n else None for x, n in zip(q[i], visits[i], strict=True)] for i in rows],
        "visits": [[int(n) or None for n in visits[i]] for i in rows],
        "greedy": [int(greedy[i]) for i in rows],
    }


def _html_table(head: list[str], rows: list[list[str]]) -> str:
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _seeds(document: dict[str, Any]) -> str:
    runs = [(f"seed {s['seed']}", s["learned"]) for s in document["seeds"]]
    runs += [("merged tables", document["merged"]), ("blank tables", document["blank"])]
    runs += [(f"fixed size, seed {s['seed']}", s["fixed"]) for s in document["seeds"]]
    rows = [[name, *(figure_text(f, figures[f]) for f in _SHOWN)] for name, figures in runs]
    return _html_table(["run", *(SPREAD_LABELS[f] for f in _SHOWN)], rows)


def _spread(document: dict[str, Any]) -> str:
    rows = []
    for figure, by_name in document["spread"].items():
        for name, s in by_name.items():
            sign = "-" in name
            mean, low, high, least, most = (
                figure_text(figure, s[k], sign) for k in ("mean", "low", "high", "least", "most")
            )
            rows.append([SPREAD_LABELS[figure], name, mean, f"{low} to {high}", least, most])
    return _html_table(["figure", "of", "mean", "90 % of the mean", "least", "most"], rows)
