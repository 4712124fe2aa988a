"""The page's tables and cards as HTML. Every text that comes from outside is escaped here."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from research.report.monthly import year_return
from research.report.tables import COST_LABELS, labels, num, pct, usd

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def stamps(s: dict[str, Any]) -> str:
    """SIMULATED and UNSAFE, where they apply."""
    kinds = ("unsafe" if text.startswith("UNSAFE") else "simulated" for text in labels(s))
    return "".join(f'<span class="stamp {k}">{escape(t)}</span>' for k, t in zip(kinds, labels(s), strict=True))


def _card(name: str, value: str, detail: str = "", tone: str = "") -> str:
    return (
        f'<div class="card"><div class="name">{escape(name)}</div><div class="value {tone}">{escape(value)}</div>'
        f'<div class="detail">{escape(detail)}</div></div>'
    )


def cards(s: dict[str, Any]) -> str:
    """Key figures."""
    m, i, c = s["metrics"], s["sharpe_interval"], s["costs"]
    spread = "too few days for an interval" if i["low"] is None else f"95 %: {i['low']:.2f} to {i['high']:.2f}"
    paid = 0.0 - (c["slippage"] + c["fees"] + c["funding"])
    return "".join(
        (
            _card("Return", pct(m["total_return"]), f"{pct(m['annual_return'])} a year", tone(m["total_return"])),
            _card("Equity", usd(m["end_equity_usd"]), f"USD, from {usd(m['start_equity_usd'])}"),
            _card("Sharpe ratio", num(m["sharpe"]), spread),
            _card("Largest drawdown", pct(m["max_drawdown"]), f"mean exposure {pct(m['mean_exposure'], 1)}"),
            _card("Trades", f"{m['trades']:,}", f"{m['long_trades']:,} long, {m['short_trades']:,} short"),
            _card("Win rate", pct(m["win_rate"], 1), f"profit factor {num(m['profit_factor'])}"),
            _card("Mean R", num(m["mean_r"], 3), f"held {num(m['mean_hours'], 1)} h on average"),
            _card("Costs", usd(paid), "USD: fees, slippage, funding"),
        )
    )


def tone(value: "float | None") -> str:
    """CSS class of a gain or a loss."""
    return "" if not value else "up" if value > 0.0 else "down"


def cell(text: str, value: "float | str | None" = None, cls: str = "") -> str:
    """One cell; ``value`` is what a click on the head sorts by."""
    attributes = (f' class="{cls}"' if cls else "") + ("" if value is None else f' data-value="{escape(str(value))}"')
    return f"<td{attributes}>{escape(text)}</td>"


def body(lines: Iterable[Sequence[str]]) -> str:
    """Rows of cells."""
    return "".join(f"<tr>{''.join(row)}</tr>" for row in lines)


def head(names: Sequence[str]) -> str:
    """The names of the columns."""
    return "<thead><tr>" + "".join(f"<th>{escape(name)}</th>" for name in names) + "</tr></thead>"


def costs(s: dict[str, Any]) -> str:
    """From price profit to the change of equity."""
    lines = [(cell(COST_LABELS[k]), cell(usd(v), cls=tone(v))) for k, v in s["costs"].items()]
    total = lines.pop()
    return (
        f"<table><tbody>{body(lines)}<tr class='total'>{''.join(total)}</tr></tbody></table>"
        '<p class="quiet">USD. Slippage stands in the fill prices; positions still open are valued at the last mark.</p>'
    )


def bar(share: float) -> str:
    """A bar as long as a share."""
    return f'<td><span class="bar" style="width:{max(2.0, 56.0 * share):.0f}px"></span></td>'


def exits(s: dict[str, Any]) -> str:
    """How positions ended."""
    closed = max(1, s["metrics"]["trades"])
    rows = [(cell(k), cell(f"{n:,}"), cell(f"{n / closed:.1%}"), bar(n / closed)) for k, n in s["exits"].items() if n]
    if s["metrics"]["open_trades"]:
        rows.append((cell("still open"), cell(str(s["metrics"]["open_trades"])), cell(""), cell("")))
    m = s["metrics"]
    return (
        f"<table>{head(('reason', 'trades', 'share', ''))}<tbody>{body(rows)}</tbody></table>"
        f'<p class="quiet">{m["ambiguous_trades"]} trades in {m["ambiguous_bars"]} bars that reached stop and target both; '
        f"{m['partial_fills']} partial fills, {m['rejected_orders']} refused orders, {m['liquidations']} liquidations.</p>"
    )


def months(table: dict[int, dict[int, float]]) -> str:
    """Heat map of monthly returns."""
    largest = max((abs(r) for year in table.values() for r in year.values()), default=0.0) or 1.0
    years = []
    for year, row in table.items():
        cells = "".join(_month(row.get(k), largest) for k in range(1, 13))
        total = year_return(row)
        years.append(f"<tr><th>{year}</th>{cells}<td class='total {tone(total)}'>{total:+.1%}</td></tr>")
    return f"<table class='months'>{head(('', *_MONTHS, 'year'))}<tbody>{''.join(years)}</tbody></table>"


def _month(value: "float | None", largest: float) -> str:
    if value is None:
        return "<td></td>"
    colour = "35,128,90" if value >= 0.0 else "184,69,63"
    strength = 0.06 + 0.49 * min(1.0, abs(value) / largest)
    return f'<td style="background:rgba({colour},{strength:.2f})">{value:+.1%}</td>'


def symbols(s: dict[str, Any]) -> str:
    """Sortable figures per symbol."""
    columns = (
        ("trades", "trades", "{:,}"),
        ("long_trades", "long", "{:,}"),
        ("short_trades", "short", "{:,}"),
        ("win_rate", "win rate", "{:.1%}"),
        ("profit_factor", "profit factor", "{:.2f}"),
        ("mean_r", "mean R", "{:.3f}"),
        ("pnl_usd", "PnL USD", "{:,.2f}"),
        ("fee_usd", "fees", "{:,.2f}"),
        ("funding_usd", "funding", "{:,.2f}"),
        ("slippage_usd", "slippage", "{:,.2f}"),
        ("best_trade_usd", "best", "{:,.2f}"),
        ("worst_trade_usd", "worst", "{:,.2f}"),
        ("mean_hours", "hours", "{:.1f}"),
    )
    rows = [
        (
            cell(r["symbol"]),
            *(
                cell(
                    "-" if r[k] is None else f.format(r[k]),
                    "" if r[k] is None else r[k],
                    tone(r[k]) if k == "pnl_usd" else "",
                )
                for k, _, f in columns
            ),
        )
        for r in s["per_symbol"]
    ]
    return f"<table class='sortable'>{head(('symbol', *(c[1] for c in columns)))}<tbody>{body(rows)}</tbody></table>"


def band(s: dict[str, Any]) -> str:
    """Worst and best order of stop and target inside a bar, where it was run."""
    if not s["band"]:
        return ""
    names = ("stop or target first", "return", "Sharpe", "largest drawdown", "trades", "win rate", "profit factor")
    rows = [
        (
            cell(name),
            cell(pct(b["total_return"]), cls=tone(b["total_return"])),
            cell(num(b["sharpe"])),
            cell(pct(b["max_drawdown"])),
            cell(f"{b['trades']:,}"),
            cell(pct(b["win_rate"], 1)),
            cell(num(b["profit_factor"])),
        )
        for name, b in s["band"].items()
    ]
    table = f"<table>{head(names)}<tbody>{body(rows)}</tbody></table>"
    return f"<section><h2>Stop and target in one bar: worst and best</h2><div class='scroll'>{table}</div></section>"


def notes(lines: Iterable[str]) -> str:
    """List items."""
    return "".join(f"<li>{escape(line)}</li>" for line in lines)


def faults(s: dict[str, Any]) -> str:
    """Faults of a script and who acted; nothing where there was none."""
    if not s.get("faults"):
        return ""
    lines = [
        (
            cell(f["time"].replace("T", " ").rstrip("Z")),
            cell(f["fault"]),
            cell("; ".join(f["acted"]) or "nobody had to"),
        )
        for f in s["faults"]
    ]
    names = ("time UTC", "fault", "acted before the next fault, within a day")
    table = f'<div class="scroll"><table class="faults">{head(names)}<tbody>{body(lines)}</tbody></table></div>'
    return f"<section><h2>Faults, and who acted</h2>{table}</section>"
