"""The summary of a run for a terminal, from the document of ``research.report.summary``."""

from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from research.report import chain_tables
from research.report.chain_tables import grid, side_by_side
from research.report.summary import unused

COST_LABELS = {
    "price_pnl": "price profit",
    "slippage": "slippage",
    "fees": "fees",
    "funding": "funding",
    "insurance": "insurance",
    "change_of_equity": "change of equity",
}


def usd(value: "float | None") -> str:
    """``-1,234.50``; a dash for what is not known."""
    return "-" if value is None else f"{value:,.2f}"


def pct(value: "float | None", digits: int = 2) -> str:
    """Fraction as percent."""
    return "-" if value is None else f"{value:.{digits}%}"


def num(value: "float | None", digits: int = 2) -> str:
    """Plain number."""
    return "-" if value is None else f"{value:,.{digits}f}"


def count(n: int, word: str) -> str:
    """``1 symbol``, ``2 symbols``."""
    return f"{n:,} {word}" + ("" if n == 1 else "s")


def print_summary(console: Console, s: dict[str, Any]) -> None:
    """Print the whole summary, most important first."""
    parts = (
        *(_header(s), _figures(s), _verdict(s), _costs_and_exits(s), _band(s), _faults(s)),
        *(chain_tables.vetoes(s), chain_tables.strategies(s), chain_tables.safety(s), _symbols(s), _footer(s)),
    )
    for part in parts:
        if part is not None:
            console.print(part)
            console.print()


def labels(s: dict[str, Any]) -> list[str]:
    """Stamps that must stand on everything made from this run."""
    out = ["SIMULATED MARKET"] if s["simulated"] else []
    return out + ([f"UNSAFE: {', '.join(s['unsafe'])} not enforced"] if s["unsafe"] else [])


def _header(s: dict[str, Any]) -> RenderableType:
    w = s["window"]
    lines: list[RenderableType] = []
    for label in labels(s):
        colour = "red" if label.startswith("UNSAFE") else "yellow"
        lines.append(Text(f"  {label}  ", style=f"bold black on {colour}"))
    lines.append(
        Text.assemble(
            ("Backtest  ", "bold"),
            f"{_minute(w['first_bar'])} to {_minute(w['last_bar'])} UTC, {w['bars']:,} bars of "
            f"{_timeframe(w['timeframe_ms'])}, {count(len(s['symbols']), 'symbol')}",
        )
    )
    lines.append(
        Text(f"{s['source']} · seed {s['seed']} · config {s['config_digest']} · run {s['digest']}", style="dim")
    )
    return Group(*lines)


def _minute(text: str) -> str:
    return text.replace("T", " ").rstrip("Z")


def _timeframe(ms: int) -> str:
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000)):
        if ms % size == 0:
            return f"{ms // size}{unit}"
    return f"{ms} ms"


def sharpe_text(s: dict[str, Any]) -> str:
    """The ratio with its interval."""
    i = s["sharpe_interval"]
    spread = "" if i["low"] is None else f"  ({i['low']:.2f} to {i['high']:.2f})"
    return num(s["metrics"]["sharpe"]) + spread


def _figures(s: dict[str, Any]) -> RenderableType:
    m = s["metrics"]
    left = [
        ("equity, USD", f"{usd(m['start_equity_usd'])} -> {usd(m['end_equity_usd'])}"),
        ("return", pct(m["total_return"])),
        ("annual return", pct(m["annual_return"])),
        ("Sharpe (95 % bootstrap)", sharpe_text(s)),
        ("Sortino", num(m["sortino"])),
        ("max drawdown", pct(m["max_drawdown"])),
        ("mean exposure / equity", pct(m["mean_exposure"])),
        ("mean open positions", num(m["mean_open_positions"])),
    ]
    right = [
        ("trades", f"{m['trades']:,}"),
        ("long / short", f"{m['long_trades']:,} / {m['short_trades']:,}"),
        ("win rate", pct(m["win_rate"], 1)),
        ("profit factor", num(m["profit_factor"])),
        ("mean R", num(m["mean_r"], 3)),
        ("mean holding, hours", num(m["mean_hours"], 1)),
        ("leverage: notional / margin", num(m["mean_leverage"])),
        ("least, median, most", ", ".join(num(m[f"{k}_leverage"], 1) for k in ("least", "median", "most"))),
        ("still open at the end", str(m["open_trades"])),
        ("ambiguous trades / bars", f"{m['ambiguous_trades']} / {m['ambiguous_bars']}"),
    ]
    return side_by_side(grid("Result after costs", left), grid("Trades", right))


def _verdict(s: dict[str, Any]) -> RenderableType:
    return Group(Text(s["verdict"], style="bold"), Text(s["signals_note"]))


def _costs_and_exits(s: dict[str, Any]) -> RenderableType:
    money = [(COST_LABELS[k], usd(v)) for k, v in s["costs"].items()]
    closed = s["metrics"]["trades"]
    exits = [(k, f"{n:,}  {n / closed:>6.1%}") for k, n in s["exits"].items() if n]
    tables = [grid("From prices to money, USD", money)]
    if exits:
        tables.append(grid("Exits", exits))
    return side_by_side(*tables)


def _band(s: dict[str, Any]) -> "RenderableType | None":
    if not s["band"]:
        return None
    table = Table(
        box=box.SIMPLE_HEAD,
        title="Stop and target in one bar: worst and best",
        title_justify="left",
        title_style="bold",
        pad_edge=False,
    )
    for name in (
        "stop first or target first",
        "return",
        "Sharpe",
        "max drawdown",
        "trades",
        "win rate",
        "profit factor",
    ):
        table.add_column(name, justify="left" if name.startswith("stop") else "right")
    for name, b in s["band"].items():
        table.add_row(
            name,
            pct(b["total_return"]),
            num(b["sharpe"]),
            pct(b["max_drawdown"]),
            f"{b['trades']:,}",
            pct(b["win_rate"], 1),
            num(b["profit_factor"]),
        )
    return table


def _faults(s: dict[str, Any]) -> "RenderableType | None":
    if not s.get("faults"):
        return None
    table = Table(
        box=box.SIMPLE_HEAD, title="Faults, and who acted", title_justify="left", title_style="bold", pad_edge=False
    )
    for name in ("time UTC", "fault", "acted before the next fault, within a day"):
        table.add_column(name)
    for f in s["faults"]:
        table.add_row(_minute(f["time"]), f["fault"], "; ".join(f["acted"]) or "nobody had to")
    return table


def _symbols(s: dict[str, Any]) -> RenderableType:
    rows = s["per_symbol"]
    fewest = min(rows, key=lambda r: r["trades"])
    table = Table(
        box=box.SIMPLE_HEAD,
        title="Symbols",
        title_justify="left",
        title_style="bold",
        pad_edge=False,
        caption=f"fewest trades: {fewest['symbol']} with {fewest['trades']}",
        caption_justify="left",
    )
    for name in ("symbol", "trades", "long", "short", "win rate", "PnL USD", "fees USD", "funding USD", "mean R", "PF"):
        table.add_column(name, justify="left" if name == "symbol" else "right")
    for r in rows:
        table.add_row(
            r["symbol"],
            str(r["trades"]),
            str(r["long_trades"]),
            str(r["short_trades"]),
            pct(r["win_rate"], 1),
            usd(r["pnl_usd"]),
            usd(r["fee_usd"]),
            usd(r["funding_usd"]),
            num(r["mean_r"], 3),
            num(r["profit_factor"]),
        )
    return table


def _footer(s: dict[str, Any]) -> RenderableType:
    lines = [Text("Notes", style="bold")]
    lines += [Text(f"- {note}") for note in s["notes"]]
    lines += [Text(f"- {note}") for note in unused(s)]
    took = " · ".join(f"{k} {v:.2f} s" for k, v in s["seconds"].items())
    speed = f" · {s['symbol_bars_per_s'] / 1e6:.1f} M symbol-bars/s" if s["symbol_bars_per_s"] else ""
    return Group(*[Padding(line, 0) for line in lines], Text(took + speed, style="dim"))
