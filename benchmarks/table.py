"""The benchmark table: rows with a floor and an aim, a verdict, and the facts behind each number."""

import math
from dataclasses import dataclass, field
from typing import Any

import click

PASS, MISS, AIM, NOTE = "PASS", "miss", "PASS, aim too", "-"


@dataclass(frozen=True)
class Row:
    """One measured number.

    Attributes
    ----------
    group : row of DESIGN section 4. what : the number in words. value, unit : what was measured.
    floor, aim : limits in the same unit, None where there is none. higher : larger is better.
    facts : how it was measured, for people and for JSON.
    """

    group: str
    what: str
    value: float
    unit: str
    floor: float | None = None
    aim: float | None = None
    higher: bool = True
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        if self.floor is None:
            return NOTE
        if not self._meets(self.floor):
            return MISS
        return AIM if self.aim is not None and self._meets(self.aim) else PASS

    def _meets(self, limit: float) -> bool:
        return self.value >= limit if self.higher else self.value <= limit

    def as_dict(self) -> dict[str, Any]:
        value = self.value if math.isfinite(self.value) else None  # JSON knows no NaN
        return {**self.__dict__, "value": value, "verdict": self.verdict}


def number(value: float | None, unit: str = "") -> str:
    """A number in four significant digits with its unit; a dash for None."""
    if value is None:
        return "-"
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return f"{text} {unit}".strip()


def _facts(facts: dict[str, Any]) -> str:
    return ", ".join(f"{k} {number(v) if isinstance(v, float) else v}" for k, v in facts.items())


def show(rows: list[Row], head: dict[str, Any]) -> None:
    """Print the table."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=_facts(head), title_justify="left")
    for name in ("row", "what"):
        table.add_column(name)
    for name in ("measured", "floor", "aim"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("facts", ratio=1)
    last = None
    for row in rows:
        sign = "" if row.floor is None else ">= " if row.higher else "<= "
        limits = [sign + number(x, row.unit) if x is not None else "" for x in (row.floor, row.aim)]
        style = "red" if row.verdict == MISS else None
        group = row.group if row.group != last else ""
        cells = (group, row.what, number(row.value, row.unit), *limits, row.verdict, _facts(row.facts))
        table.add_row(*cells, style=style, end_section=False)
        last = row.group
    console = Console()
    (console if console.is_terminal else Console(width=220)).print(table)


def misses(rows: list[Row]) -> list[Row]:
    """Rows below their floor."""
    return [row for row in rows if row.verdict == MISS]


def say(line: str) -> None:
    """Progress goes to stderr, so that ``--json`` stays one object on stdout."""
    click.echo(f"  {line} ...", err=True)
