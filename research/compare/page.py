"""A comparison for people: the table of the terminal and a self-contained page with the curves."""

import json
from datetime import UTC, datetime
from html import escape
from importlib.resources import files
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots
from rich.console import Console
from rich.table import Table

from research.compare.arms import ENSEMBLE, HOLD, RANDOM, RULES

HEADS = (
    "signals", "return a year (95 %)", "Sharpe (95 %)", "drawdown", "trades", "turnover a day", "edge, bps", "fees, USD",
    "random's", "above random (95 %)", "p",
)  # fmt: skip
COLOURS = {
    ENSEMBLE: "#2458a6", RULES: "#b07d1a", RANDOM: "#8794a1", HOLD: "#1d2733",
    "xgb": "#23805a", "lgbm": "#7fb069", "nhits": "#b8453f", "patchtst": "#8e5ea2",
}  # fmt: skip
READING = (
    "After fees, slippage and funding, all through the same chain. Beside every arm stand random sides with its "
    "confidence and as near its turnover as a search came (random's); the line random is the ensemble's."
)
GROSS_READING = (
    "P(BUY) - P(SELL) held from close to close, before costs and without the chain; neutral: less its mean over the "
    "symbols. Four looks, each at a quarter of 1 %: an edge is claimed where the whole interval lies above 0. What is "
    "earned per notional traded must exceed the costs of a side, 7 bps by default, before it is money."
)


def cells(line: dict[str, Any]) -> list[str]:
    """One row of the table as text."""
    return [
        line["name"],
        _span(line["annual_return"], _pct),
        _span(line["sharpe"], _two),
        _one(line["max_drawdown"], lambda x: f"{100 * x:.1f} %"),
        _one(line["trades"], lambda x: f"{x:,.0f}"),
        _one(line["turnover"], _two),
        "" if line["name"] == HOLD else _one(line["edge_bps"], lambda x: f"{x:+.1f}"),  # it trades but once
        f"{line['fees_usd']:,.0f}",
        *_against(line["against_random"]),
    ]


GROSS_HEADS = ("leaning of", "look", "gross Sharpe (99.75 %)", "bps per notional traded", "")


def gross_cells(doc: dict[str, Any]) -> list[list[str]]:
    """What each maker's leaning earned before costs, look by look."""
    rows = []
    for line in doc["lines"]:
        for name, v in line["gross"].items():
            bps = "" if v["bps"] is None else f"{v['bps']:+.1f}"
            rows.append([line["name"], name, _gross(v), bps, "edge" if v["edge"] else ""])
    return rows


def finding(doc: dict[str, Any]) -> str:
    """What was found, in a sentence or two."""
    better = [
        x["name"] for x in doc["lines"]
        if x["against_random"] is not None and x["name"] not in (HOLD, RULES) and x["against_random"]["low"] is not None
        and x["against_random"]["low"] > 0.0
    ]  # fmt: skip
    earning = [
        x["name"] for x in doc["lines"] if x["annual_return"]["low"] is not None and x["annual_return"]["low"] > 0.0
    ]
    known = [x["name"] for x in doc["lines"] if any(v["edge"] for v in x["gross"].values())]
    parts = [
        f"Earned after costs beyond chance: {', '.join(earning)}."
        if earning
        else "Nothing earned after costs beyond chance.",
        f"Better than random sides: {', '.join(better)}." if better else "No model beat random sides beyond chance.",
        f"Before costs something was known by {', '.join(known)}." if known else "Before costs no look showed an edge.",
        f"In {doc['days']:,} days a true gross Sharpe ratio of {doc['found_half_the_time']:.1f} is found half the time.",
    ]
    return " ".join(parts)


def print_table(console: Console, doc: dict[str, Any]) -> None:
    """The comparison in a terminal."""
    table = Table(title=f"{_window(doc)}", title_justify="left", caption=finding(doc), caption_justify="left")
    for k, head in enumerate(HEADS):
        table.add_column(head, justify="left" if k == 0 else "right")
    for line in doc["lines"]:
        table.add_row(*cells(line))
    console.print(table)
    console.print(READING, style="dim")
    before = Table(title="Before costs", title_justify="left")
    for k, head in enumerate(GROSS_HEADS):
        before.add_column(head, justify="left" if k in (0, 1, 4) else "right")
    for row in gross_cells(doc):
        before.add_row(*row)
    console.print(before)
    console.print(GROSS_READING, style="dim")


def page(doc: dict[str, Any]) -> str:
    """The comparison as one HTML page; nothing from the network."""
    css = (files("research.report") / "assets" / "page.css").read_text(encoding="utf-8")
    head = "".join(f"<th>{escape(name)}</th>" for name in HEADS)
    body = "".join(f"<tr>{''.join(f'<td>{escape(c)}</td>' for c in cells(line))}</tr>" for line in doc["lines"])
    gross_head = "".join(f"<th>{escape(name)}</th>" for name in GROSS_HEADS)
    gross = "".join(f"<tr>{''.join(f'<td>{escape(c)}</td>' for c in row)}</tr>" for row in gross_cells(doc))
    plot = _curves(doc).to_html(
        full_html=False, include_plotlyjs=True, config={"displayModeBar": False, "responsive": True}
    )
    models = "".join(
        f"<li>{escape(str(m['id']))}, trained until {_date(m['train_cutoff_ms'])}</li>" for m in doc["models"]
    )
    config = escape(json.dumps(doc["config"], indent=1))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Models against controls</title>
<style>{css} main {{ max-width: 1440px; }} table {{ font-size: 13px; }}</style>
</head>
<body>
<main>
<header>
<h1>Models against controls</h1>
<p class="window">{escape(_window(doc))}</p>
<p class="verdict">{escape(finding(doc))}</p>
</header>
<section><h2>Equity, from 1</h2>{plot}</section>
<section><h2>Figures</h2>
<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>
<p class="quiet">{escape(READING)}</p></section>
<section><h2>Before costs</h2>
<div class="scroll"><table><thead><tr>{gross_head}</tr></thead><tbody>{gross}</tbody></table></div>
<p class="quiet">{escape(GROSS_READING)}</p></section>
<section><h2>Models</h2><details><summary>{len(doc["models"])} fits</summary><ul>{models}</ul></details>
<details><summary>Configuration</summary><pre>{config}</pre></details></section>
</main>
</body>
</html>
"""


def _curves(doc: dict[str, Any]) -> go.Figure:
    start = doc["first_day"]
    days = [datetime.fromtimestamp((start + k) * 86_400, UTC) for k in range(doc["days"] + 1)]
    figure = make_subplots(2, 1, shared_xaxes=True, row_heights=[0.68, 0.32], vertical_spacing=0.05)
    for line in doc["lines"]:
        name = line["name"]  # holding has a panel of its own: beside it every chain would be a flat line
        style = {"color": COLOURS.get(name, "#555"), "width": 2.6 if name == ENSEMBLE else 1.5}
        style["dash"] = "dot" if name in (RANDOM, RULES) else "solid"
        figure.add_scatter(
            x=days, y=line["curve"], name=name, mode="lines", line=style, row=2 if name == HOLD else 1, col=1
        )
    figure.update_yaxes(gridcolor="#e4e8ec", tickformat=".3~f", title_text="through the chain", row=1, col=1)
    ticks = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100]
    figure.update_yaxes(gridcolor="#e4e8ec", tickvals=ticks, type="log", title_text=HOLD, row=2, col=1)
    figure.update_xaxes(gridcolor="#e4e8ec")
    figure.update_layout(
        height=560, margin={"l": 60, "r": 12, "t": 10, "b": 30}, paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)", hovermode="x unified", legend={"orientation": "h", "y": 1.06},
    )  # fmt: skip
    return figure


def _window(doc: dict[str, Any]) -> str:
    last = doc["first_day"] + doc["days"] - 1
    return f"{_day(doc['first_day'])} to {_day(last)} · {doc['days']:,} days · {doc['market']}"


def _day(number: int) -> str:
    return datetime.fromtimestamp(number * 86_400, UTC).strftime("%Y-%m-%d")


def _date(ms: "int | None") -> str:
    return "unknown" if not ms else datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d")


def _pct(x: float) -> str:
    return f"{100 * x:+.1f} %"


def _two(x: float) -> str:
    return f"{x:.2f}"


def _one(f: dict[str, Any], text: Any) -> str:
    return "" if f["value"] is None else str(text(f["value"]))


def _span(f: dict[str, Any], text: Any) -> str:
    if f["value"] is None:
        return ""
    return text(f["value"]) + ("" if f["low"] is None else f" ({text(f['low'])} to {text(f['high'])})")


def _gross(v: dict[str, Any]) -> str:
    return "" if v["sharpe"] is None else f"{v['sharpe']:.2f} ({v['low']:.2f} to {v['high']:.2f})"


def _against(a: "dict[str, Any] | None") -> list[str]:
    """Turnover of the random sides, the difference to them, and its p; empty where nothing can be compared."""
    return ["", "", ""] if a is None else [_two(a["turnover"]), _span(a, _pct), f"{a['p']:.3f}"]
