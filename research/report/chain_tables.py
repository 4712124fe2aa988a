"""What the chain did, for a terminal: refusals, safety, modules, strategies, ladder, learning."""

from collections.abc import Iterable
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from qt_core.codes import MODE_NAMES
from research.report.chain import ALWAYS, NOT_USED, USED

MODES = (USED, *reversed(MODE_NAMES), ALWAYS, NOT_USED)  # what binds most first
TOP = 8  # rows of a table of refusals or notes


def grid(title: str, rows: Iterable[tuple[str, str]]) -> Table:
    """Names on the left, numbers on the right."""
    table = Table(
        box=box.SIMPLE_HEAD, show_header=False, title=title, title_justify="left", title_style="bold", pad_edge=False
    )
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table


def side_by_side(*tables: Table) -> Table:
    """Tables beside each other."""
    out = Table.grid(padding=(0, 4))
    out.add_row(*tables)
    return out


def veto_table(vetoes: Iterable[Any], top: int = 20) -> Table:
    """``Result.vetoes()``, or the summary's, as a table: who, why, how often, and whether it bound."""
    rows = [v._asdict() | {"count": v.times} if hasattr(v, "_asdict") else v for v in vetoes]
    table = Table(
        box=box.SIMPLE_HEAD, title="Refusals and notes", title_justify="left", title_style="bold", pad_edge=False
    )
    for name in ("module", "reason", "times", ""):
        table.add_column(name, justify="right" if name == "times" else "left", no_wrap=True)
    for v in rows[:top]:
        table.add_row(v["module"], v["reason"], f"{v['count']:,}", v["what"])
    if len(rows) > top:
        table.caption = f"and {len(rows) - top} more"
    return table


def vetoes(s: dict[str, Any]) -> "RenderableType | None":
    """The most frequent refusals beside the most frequent notes."""
    parts = []
    for title, kinds in (("Refusals", ("refused", "observed")), ("Notes of the modules", ("noted",))):
        rows = [v for v in s["vetoes"] if v["what"] in kinds]
        seen = [
            (f"{v['module']}: {v['reason']}", f"{v['count']:,}{' *' * (v['what'] == 'observed')}") for v in rows[:TOP]
        ]
        if len(rows) > TOP:
            seen.append((f"{len(rows) - TOP} more kinds", f"{sum(v['count'] for v in rows[TOP:]):,}"))
        if seen:
            parts.append(grid(title, seen))
    if not parts:
        return None
    observed = any(v["what"] == "observed" for v in s["vetoes"])
    note = Text("* by a module that observes: it bound nothing", style="dim")
    return Group(side_by_side(*parts), note) if observed else side_by_side(*parts)


def safety(s: dict[str, Any]) -> RenderableType:
    """Emergency stop, ladder and learning beside each other, then the modes."""
    return Group(
        side_by_side(grid("Emergency stop", _stop(s)), grid("Positions", _ladder(s)), grid("Learning", _learning(s))),
        _modes(s),
    )


def _stop(s: dict[str, Any]) -> list[tuple[str, str]]:
    e = s["emergency_stop"]
    rows = [
        ("latches", str(e["latches"])),
        ("hours latched", f"{e['hours_latched']:,.1f}"),
        ("share of the time", f"{e['share_of_time']:.2%}"),
    ]
    rows += [(by_whom(name, e), f"{n:,}") for name, n in e["by"].items()]
    return [*rows, ("at the end", "LATCHED")] if e["latched_at_the_end"] else rows


def by_whom(name: str, stop: dict[str, Any]) -> str:
    """What the number of an evaluator counts."""
    return f"by {name}" if stop["binds"] else f"bars beyond: {name}"


def count_or_dash(n: "int | None") -> str:
    """A dash for what is not known."""
    return "-" if n is None else f"{n:,}"


def _ladder(s: dict[str, Any]) -> list[tuple[str, str]]:
    x = s["ladder"]
    return [
        ("rung 1 fired", count_or_dash(x["rung_1"])),
        ("rung 2 fired", count_or_dash(x["rung_2"])),
        ("rungs dropped", f"{x['rungs_dropped']:,}"),
        ("scale-in fills", f"{x['scale_in_fills']:,}"),
        ("let run", f"{x['let_run']:,}"),
    ]


def learned(x: dict[str, Any]) -> list[tuple[str, str]]:
    """One table's numbers: what 19 or 21 did with it."""
    return [
        ("learning", x["learning"]),
        ("explored", f"{x['explored']:,}"),
        ("updates of Q", f"{x['updates']:,}"),
        ("cells visited", f"{x['cells_visited']:,} of {x['cells']:,}"),
    ]


def _learning(s: dict[str, Any]) -> list[tuple[str, str]]:
    rows = []
    for name, key in (("sizer", "sizer"), ("strategy", "strategy")):
        rows += [(f"{name}: {what}", value) for what, value in learned(s["learning"][key])]
    return rows


def modes_text(modules: list[dict[str, Any]]) -> list[str]:
    """One line per mode: which modules ran in it."""
    named: dict[str, list[str]] = {mode: [] for mode in MODES}
    for m in modules:
        named.setdefault(m["mode"], []).append(f"{m['name']} ({m['number']})" if m["number"] else m["name"])
    return [f"{mode}: {', '.join(names)}" for mode, names in named.items() if names]


def _modes(s: dict[str, Any]) -> RenderableType:
    return Group(Text("Modules by mode", style="bold"), *[Text(f"- {text}") for text in modes_text(s["modules"])])


def strategies(s: dict[str, Any]) -> "RenderableType | None":
    """Of each strategy: how often it was chosen, how often it blocked, what its trades brought."""
    if not s["strategies"]:
        return None
    table = Table(box=box.SIMPLE_HEAD, title="Strategies", title_justify="left", title_style="bold", pad_edge=False)
    for name in ("strategy", "candidates", "blocked", "of them", "of bars", "trades", "win rate", "mean R", "PnL USD"):
        table.add_column(name, justify="left" if name == "strategy" else "right")
    for r in s["strategies"]:
        table.add_row(*strategy_cells(r))
    return table


def strategy_cells(r: dict[str, Any]) -> list[str]:
    """One strategy's numbers as text."""
    return [
        r["strategy"],
        f"{r['candidates']:,}",
        f"{r['blocked']:,}",
        _share(r["blocked_share"]),
        _share(r["blocked_bars"]),
        f"{r['trades']:,}",
        _share(r["win_rate"]),
        "-" if r["mean_r"] is None else f"{r['mean_r']:.3f}",
        f"{r['pnl_usd']:,.2f}",
    ]


def _share(x: "float | None") -> str:
    return "-" if x is None else f"{x:.1%}"
