"""The ablation's table for a terminal, from the document of ``research.ablation.document``."""

from functools import partial
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from research.ablation.compare import COMPARED, TOO_RARE
from research.report.tables import count, num, pct

COLOURS = {1: "green", -1: "red", 0: ""}
MIDDLE, WIDE = 100, 160  # columns from which the table says more
READING = (
    "A difference is the full chain minus the chain with that module OFF: + means the module earned (return, Sharpe, edge) "
    "or added (drawdown, turnover, trades). Edge: profit per notional traded; where a chain loses, a module that merely "
    "trades less earns too, and the edge tells the two apart. Intervals: 95 %, stationary bootstrap of paired days. "
    "p is adjusted (Holm) for all rows: only what 'earns' or 'costs' is more than luck. Seeds +: in how many the return "
    "difference was positive."
)


def stamps(doc: dict[str, Any]) -> list[str]:
    """What must stand on everything made from this ablation."""
    out = ["SIMULATED MARKET"] if doc["simulated"] else []
    out += ["CONTROL: RANDOM SIGNALS"] if doc["control"] else []
    return out + ([f"UNSAFE: {', '.join(doc['unsafe'])} not enforced"] if doc["unsafe"] else [])


def points(value: "float | None", digits: int = 2) -> str:
    """A difference of fractions in percentage points, signed."""
    return "-" if value is None else f"{value * 100.0:+.{digits}f}"


def signed(value: "float | None", digits: int = 2) -> str:
    """A difference, signed."""
    return "-" if value is None else f"{value:+,.{digits}f}"


def span(row: dict[str, Any], figure: str, show: Any = points) -> str:
    """``+1.20 (-0.30 to +2.70)``."""
    d = row[figure]
    return f"{show(d['difference'])} ({show(d['low'])} to {show(d['high'])})"


def p_text(value: "float | None") -> str:
    """A p-value as it is read: never 0."""
    return "-" if value is None else "<0.001" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def print_table(console: Console, doc: dict[str, Any]) -> None:
    """Print everything, the full chain first."""
    console.print(_header(doc))
    for kind, title in (("module", "Each module OFF"), ("group", "Each group OFF")):
        rows = [r for r in doc["rows"] if r["kind"] == kind]
        if any(r["status"] == COMPARED for r in rows):
            console.print(_table(title, [r for r in rows if r["status"] == COMPARED], console.width))
        for text in quiet_rows(rows):
            console.print(Text(text))
    console.print()
    console.print(Text(READING, style="dim"))


def quiet_rows(rows: list[dict[str, Any]]) -> list[str]:
    """Rows that have no difference to show, gathered by the reason."""
    out = []
    for status in sorted({r["status"] for r in rows} - {COMPARED}):
        names = [_quiet(r) for r in rows if r["status"] == status]
        out.append(f"{status}: {', '.join(names)}")
    return out


def _quiet(row: dict[str, Any]) -> str:
    if row["status"] != TOO_RARE:
        return str(row["name"])
    return f"{row['name']} ({points(row['total_return']['difference'], 4)} points, {row['carrying_days']:.0f} days)"


def _header(doc: dict[str, Any]) -> RenderableType:
    lines: list[RenderableType] = [Text(f"  {s}  ", style="bold black on yellow") for s in stamps(doc)]
    f, n = doc["full"], len(doc["seeds"])
    lines.append(Text.assemble(("Ablation  ", "bold"), f"{doc['window']}, {count(len(doc['symbols']), 'symbol')}"))
    lines.append(Text(f"{doc['source']} · config {doc['config_digest']} · {count(n, 'seed')}", style="dim"))
    edge, drawdown = num(f["edge_bps"]["mean"], 1), pct(f["max_drawdown"]["mean"])
    spread = f" ({pct(min(f['total_return']['seeds']))} to {pct(max(f['total_return']['seeds']))})" if n > 1 else ""
    lines.append(
        Text(
            f"full chain, mean of seeds: return {pct(f['total_return']['mean'])}{spread}, "
            f"Sharpe {num(f['sharpe']['mean'])}, edge {edge} bps, drawdown {drawdown}, "
            f"turnover {num(f['turnover']['mean'], 3)} a day, {f['trades']['mean']:,.0f} trades"
        )
    )
    return Group(*lines)


def judgement(row: dict[str, Any]) -> str:
    """``earns: trades less``."""
    return f"{row['verdict']}: {row['how']}" if row["how"] else str(row["verdict"])


def _cells(r: dict[str, Any], width: int) -> dict[str, str]:
    """The cells that fit, by column; what matters most stays on a narrow terminal."""
    cells = {"return, points": span(r, "total_return"), "p adj.": p_text(r["total_return"]["p_holm"])}
    if width >= MIDDLE:
        cells["seeds +"] = r["seeds_positive"]
        cells["Sharpe"] = span(r, "sharpe", signed) if width >= WIDE else signed(r["sharpe"]["difference"])
        bps = partial(signed, digits=1)
        cells["edge, bps"] = span(r, "edge_bps", bps) if width >= WIDE else bps(r["edge_bps"]["difference"])
    if width >= WIDE:
        cells["drawdown"] = points(r["max_drawdown"]["difference"])
        cells["turnover"] = signed(r["turnover"]["difference"], 3)
        cells["trades"] = signed(r["trades"]["difference"], 0)
    return cells


def _table(title: str, rows: list[dict[str, Any]], width: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", pad_edge=False)
    table.add_column("OFF", no_wrap=True)
    for name in _cells(rows[0], width):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("the module")
    for r in rows:
        name = r["name"] + (" UNSAFE" if r["unsafe"] else "")
        table.add_row(name, *_cells(r, width).values(), Text(judgement(r), style=COLOURS[r["tone"]]))
    return table
