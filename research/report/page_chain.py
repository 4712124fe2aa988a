"""What the chain did, as HTML: refusals, emergency stop, ladder, learning, strategies, modules."""

from collections.abc import Sequence
from typing import Any

from research.report.chain_tables import by_whom, count_or_dash, learned, strategy_cells
from research.report.page_parts import bar, body, cell, head, tone

TOP = 12


def vetoes(s: dict[str, Any]) -> str:
    """What was refused, most frequent first; what observed only is said so."""
    return _veto_table([v for v in s["vetoes"] if v["what"] != "noted"])


def remarks(s: dict[str, Any]) -> str:
    """What the modules noted that refused nothing."""
    return _veto_table([v for v in s["vetoes"] if v["what"] == "noted"])


def _veto_table(rows: Sequence[dict[str, Any]]) -> str:
    if not rows:
        return '<p class="quiet">None.</p>'
    most = max(v["count"] for v in rows)
    lines = [
        (
            cell(v["module"]),
            cell(v["reason"] + (" (observed)" if v["what"] == "observed" else "")),
            cell(f"{v['count']:,}"),
            bar(v["count"] / most),
        )
        for v in rows[:TOP]
    ]
    rest = rows[TOP:]
    more = f'<p class="quiet">{len(rest)} more kinds, {sum(v["count"] for v in rest):,} times.</p>' if rest else ""
    return f"<table>{head(('module', 'reason', 'times', ''))}<tbody>{body(lines)}</tbody></table>{more}"


def _pairs(rows: Sequence[tuple[str, str]]) -> str:
    return f"<table><tbody>{body([(cell(a), cell(b)) for a, b in rows])}</tbody></table>"


def stop(s: dict[str, Any]) -> str:
    """Latches of the emergency stop and the time latched."""
    e = s["emergency_stop"]
    rows = [
        ("latches", f"{e['latches']:,}"),
        ("hours latched", f"{e['hours_latched']:,.1f}"),
        ("share of the time", f"{e['share_of_time']:.2%}"),
        *((by_whom(name, e), f"{n:,}") for name, n in e["by"].items()),
    ]
    if e["latched_at_the_end"]:
        rows.append(("at the end", "LATCHED"))
    return _pairs(rows)


def ladder(s: dict[str, Any]) -> str:
    """What module 9 did with winners."""
    x = s["ladder"]
    rows = [
        ("rung 1 fired", count_or_dash(x["rung_1"])),
        ("rung 2 fired", count_or_dash(x["rung_2"])),
        ("rungs dropped, beyond the target", f"{x['rungs_dropped']:,}"),
        ("trades with a rung", f"{x['trades_with_a_rung']:,}"),
        ("scale-in fills", f"{x['scale_in_fills']:,}"),
        ("let run without a target", f"{x['let_run']:,}"),
    ]
    return _pairs(rows)


def learning(s: dict[str, Any]) -> str:
    """Both tables beside each other."""
    sizer, strategy = (learned(s["learning"][k]) for k in ("sizer", "strategy"))
    rows = [(cell(name), cell(a), cell(b)) for (name, a), (_, b) in zip(sizer, strategy, strict=True)]
    return (
        f"<table>{head(('', 'sizer (19)', 'meta-strategy (21)'))}<tbody>{body(rows)}</tbody></table>"
        f'<p class="quiet">{s["learning"]["trades_explored"]:,} trades came from an explored choice.</p>'
    )


def strategies(s: dict[str, Any]) -> str:
    """A section of its own, where module 21 was on."""
    if not s["strategies"]:
        return ""
    names = ("strategy", "candidates", "blocked", "share of them", "of bars", "trades", "win rate", "mean R", "PnL USD")
    rows = []
    for r in s["strategies"]:
        *cells, pnl = strategy_cells(r)
        rows.append([*(cell(text) for text in cells), cell(pnl, cls=tone(r["pnl_usd"]))])
    table = f"<table>{head(names)}<tbody>{body(rows)}</tbody></table>"
    note = (
        '<p class="quiet">Blocked: the chosen strategy did not allow the side that the ensemble took. Bars are those in '
        "which it blocked at least one journalled candidate.</p>"
    )
    return f"<section><h2>Strategies</h2><div class='scroll'>{table}</div>{note}</section>"


def modules(s: dict[str, Any]) -> str:
    """Every module with its mode, how often it refused, and how often it noted something."""
    refused, noted = _counts(s, ("refused", "observed")), _counts(s, ("noted",))
    rows = []
    for m in s["modules"]:
        key = m["code"]
        rows.append(
            (
                cell(str(m["number"] or "")),
                cell(m["name"]),
                cell(m["kind"]),
                cell(m["mode"], cls="" if m["mode"] in ("enforced", "always") else "quiet-cell"),
                cell(_refused(m, refused.get(key, 0)), refused.get(key, 0)),
                cell(f"{noted[key]:,}" if key in noted else "", noted.get(key, 0)),
            )
        )
    names = head(("", "module", "kind", "mode", "refused", "noted"))
    return f"<table class='sortable modules'>{names}<tbody>{body(rows)}</tbody></table>"


def _refused(module: dict[str, Any], n: int) -> str:
    """How often a module refused, or would have."""
    return "" if not n else f"{n:,}" if module["mode"] == "enforced" else f"would have {n:,}"


def _counts(s: dict[str, Any], kinds: tuple[str, ...]) -> dict[int, int]:
    """Times by the code of the module."""
    out: dict[int, int] = {}
    for v in s["vetoes"]:
        if v["what"] in kinds:
            out[v["code"]] = out.get(v["code"], 0) + v["count"]
    return out
