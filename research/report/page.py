"""One self-contained HTML page of a run: charts, tables and the plotting library inside, nothing from the network."""

import json
from html import escape
from typing import Any

import yaml

from qt_core.engine.result import Result
from qt_core.market import Market
from research.report import page_chain
from research.report import page_parts as parts
from research.report.monthly import monthly_returns
from research.report.page_data import page_data, thinning_notes
from research.report.shell import asset, fill, shell
from research.report.summary import unused
from research.report.tables import count


def report_page(result: Result, market: Market, summary: dict[str, Any]) -> str:
    """The page as text.

    Parameters
    ----------
    market : of the run. summary : of ``research.report.summarise``.
    """
    s = summary
    thinned = [f"drawn coarser than computed: {note}" for note in thinning_notes(market.n_bars, market.n_symbols)]
    w = s["window"]
    slots = {
        "title": escape(
            f"{'SIMULATED ' if s['simulated'] else ''}backtest {w['first_bar'][:10]} to {w['last_bar'][:10]}"
        ),
        "heading": "Backtest",
        "js": asset("research.report", "page.js"),
        "data": _json(page_data(result, market)),
        "stamps": parts.stamps(s),
        "window": escape(_window(s)),
        "verdict": escape(s["verdict"]),
        "preamble": escape(s["signals_note"]),
        "cards": parts.cards(s),
        "months": parts.months(monthly_returns(result.curve, s["metrics"]["start_equity_usd"])),
        "costs": parts.costs(s),
        "exits": parts.exits(s),
        "vetoes": page_chain.vetoes(s),
        "remarks": page_chain.remarks(s),
        "stop": page_chain.stop(s),
        "ladder": page_chain.ladder(s),
        "learning": page_chain.learning(s),
        "strategies": page_chain.strategies(s),
        "modules": page_chain.modules(s),
        "band": parts.band(s) + parts.faults(s),
        "symbols": parts.symbols(s),
        "notes": parts.notes([*s["notes"], *thinned, *unused(s)]),
        "config": escape(yaml.safe_dump(s["config"], sort_keys=False)),
        "footer": f'<p class="quiet">{escape(_footer(s))}</p>\n',
    }
    return shell(fill(asset("research.report", "page.html"), slots), slots)


def _json(value: Any) -> str:
    """JSON that cannot end the script element it stands in."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _window(s: dict[str, Any]) -> str:
    w = s["window"]
    hours = w["timeframe_ms"] / 3.6e6
    bar = f"{hours:g} h" if hours >= 1.0 else f"{hours * 60.0:g} min"
    first, last = (w[k].replace("T", " ").rstrip("Z") for k in ("first_bar", "last_bar"))
    return f"{first} to {last} UTC · {w['bars']:,} bars of {bar} · {count(len(s['symbols']), 'symbol')} · {s['source']}"


def _footer(s: dict[str, Any]) -> str:
    speed = s["symbol_bars_per_s"]
    text = f"quantum-trader {s['version']} · seed {s['seed']} · configuration {s['config_digest']} · run {s['digest']}"
    return text + (f" · {speed / 1e6:.1f} M symbol-bars/s" if speed else "")
