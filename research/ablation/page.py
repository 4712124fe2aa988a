"""The ablation as one self-contained HTML page: forest plot, table, how to read it; nothing from the network."""

from html import escape
from importlib.resources import files
from typing import Any

import yaml

from research.ablation.compare import COMPARED, NEVER_ACTED
from research.ablation.figure import forest
from research.ablation.tables import READING, judgement, p_text, points, quiet_rows, signed, span, stamps
from research.report.tables import count, num, pct

_STYLE = """
main { max-width: 1440px; }
table { font-size: 13px; }
td.judged, th.judged { text-align: left; }
tr.group td:first-child { font-style: italic; }
ul.findings { padding-left: 18px; margin: 0; } ul.findings li { margin: 2px 0; }
"""
_HEADS = ("return, points (95 %)", "p", "p adjusted", "seeds +", "Sharpe (95 %)", "edge, bps (95 %)")
_MORE = ("drawdown", "turnover", "trades", "block, days")


def page(doc: dict[str, Any]) -> str:
    """The page as text."""
    css = (files("research.report") / "assets" / "page.css").read_text(encoding="utf-8")
    quiet = "".join(f"<li>{escape(text)}</li>" for text in quiet_rows(doc["rows"]))
    body = "".join(_line(r) for r in doc["rows"] if r["status"] == COMPARED)
    config = escape(yaml.safe_dump(doc["config"], sort_keys=False))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Ablation {escape(doc["window"])}</title>
<style>{css}{_STYLE}</style>
</head>
<body>
<main>
<header>
<div class="stamps">{"".join(f'<span class="stamp">{escape(s)}</span>' for s in stamps(doc))}</div>
<h1>Ablation: what each module earns or costs</h1>
<p class="window">{escape(_window(doc))}</p>
<p class="verdict">{escape(summary(doc))}</p>
</header>
<section class="cards">{_cards(doc)}</section>
{_plot(doc, "module", "Full chain minus the chain with one module OFF")}
{_plot(doc, "group", "Full chain minus the chain with a group of modules OFF")}
<section>
<h2>Nothing to compare</h2>
<ul class="findings">{quiet or "<li>every module acted</li>"}</ul>
</section>
<section>
<h2>All figures</h2>
<div class="scroll"><table>{_head()}<tbody>{body}</tbody></table></div>
</section>
<section>
<h2>Notes</h2>
<ul class="notes">{"".join(f"<li>{escape(n)}</li>" for n in doc["notes"])}</ul>
<details><summary>Configuration</summary><pre>{config}</pre></details>
<p class="quiet">{escape(_footer(doc))}</p>
</section>
</main>
</body>
</html>
"""


def _plot(doc: dict[str, Any], kind: str, title: str) -> str:
    """A forest plot under its title; the first one of the page carries the plotting library."""
    kinds = [r["kind"] for r in doc["rows"] if r["status"] == COMPARED]
    if kind not in kinds:
        return ""
    first = kind == kinds[0]
    config = {"displayModeBar": False, "responsive": True}
    figure = forest(doc, kind).to_html(full_html=False, include_plotlyjs=first, config=config)
    text = (
        f'<p class="quiet">{escape(READING)} Green and red: beyond luck among all rows. Small ticks: single seeds.</p>'
    )
    return f"<section><h2>{escape(title)}</h2>{figure}{text if first else ''}</section>"


def summary(doc: dict[str, Any]) -> str:
    """What was found, in a few words."""
    modules = [r for r in doc["rows"] if r["kind"] == "module"]
    parts = [(word, [_named(r) for r in modules if r["tone"] == tone]) for word, tone in (("Earn", 1), ("Cost", -1))]
    found = [f"{word}: {', '.join(names)}." for word, names in parts if names]
    if not found:
        found = ["No single module's effect on the return is more than luck among so many rows."]
    never = [r["name"] for r in modules if r["status"] == NEVER_ACTED]
    return " ".join([*found, *([f"Never acted: {', '.join(never)}."] if never else [])])


def _named(row: dict[str, Any]) -> str:
    return f"{row['name']} ({row['how']})" if row["how"] else str(row["name"])


def _window(doc: dict[str, Any]) -> str:
    where = f"{count(len(doc['symbols']), 'symbol')} · {doc['source']}"
    return f"{doc['window'].replace('T', ' ').replace('Z', '')} UTC · {doc['days']:,} days · {where}"


def _cards(doc: dict[str, Any]) -> str:
    f = doc["full"]
    seeds = f["total_return"]["seeds"]
    items = (
        ("Return of the full chain", pct(f["total_return"]["mean"]), f"seeds: {pct(min(seeds))} to {pct(max(seeds))}"),
        ("Sharpe ratio", num(f["sharpe"]["mean"]), f"edge {num(f['edge_bps']['mean'], 1)} bps of notional traded"),
        ("Largest drawdown", pct(f["max_drawdown"]["mean"]), "at daily closes"),
        ("Trades", f"{f['trades']['mean']:,.0f}", f"turnover {num(f['turnover']['mean'], 3)} of equity a day"),
    )
    return "".join(
        f'<div class="card"><div class="name">{escape(a)}</div><div class="value">{escape(b)}</div>'
        f'<div class="detail">{escape(c)}</div></div>'
        for a, b, c in items
    )


def _head() -> str:
    cells = "".join(f"<th>{escape(name)}</th>" for name in (*_HEADS, *_MORE))
    return f'<thead><tr><th>OFF</th><th class="judged">the module</th>{cells}</tr></thead>'


def _line(r: dict[str, Any]) -> str:
    cells = (
        span(r, "total_return"),
        p_text(r["total_return"]["p"]),
        p_text(r["total_return"]["p_holm"]),
        r["seeds_positive"],
        span(r, "sharpe", signed),
        span(r, "edge_bps", lambda v: signed(v, 1)),
        points(r["max_drawdown"]["difference"]),
        signed(r["turnover"]["difference"], 3),
        signed(r["trades"]["difference"], 0),
        num(r["mean_block_days"], 1),
    )
    tone = {1: " up", -1: " down"}.get(r["tone"], "")
    name = r["name"] + (" (unsafe)" if r["unsafe"] else "")
    first = f'<td>{escape(name)}</td><td class="judged{tone}">{escape(judgement(r))}</td>'
    rest = "".join(f"<td>{escape(c)}</td>" for c in cells)
    return f'<tr class="{r["kind"]}" title="{escape(r["finding"])}">{first}{rest}</tr>'


def _footer(doc: dict[str, Any]) -> str:
    seeds = ", ".join(map(str, doc["seeds"]))
    made = f"quantum-trader {doc['version']} · configuration {doc['config_digest']}"
    return f"{made} · seeds {seeds} · {doc['resamples']:,} resamples"
