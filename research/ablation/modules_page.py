"""The table of docs/modules.md: registry and ablation in one. ``python -m research.ablation.modules_page`` writes it."""

import json
from pathlib import Path
from typing import Any

from qt_core.codes import MODE_NAMES
from qt_core.registry import EVERY_BAR, MODULES, SUPPORTS, Module
from qt_core.sections import SECTIONS

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "modules.md"
FIGURES = ROOT / "docs" / "ablation.json"
BEGIN, END = "<!-- table:begin -->", "<!-- table:end -->"
HEAD = (
    "| # | module | section | file | kind | mode | cadence | rule signals, points a year (95 %) | drawn sides (control) |\n"
    "|---|---|---|---|---|---|---|---:|---:|"
)


def section_of(module: Module) -> str:
    """Name of the configuration section that fills the module's Params; "" for the four models."""
    if module.kind == "model":
        return ""
    params = module.load().Params
    return next(name for name, (cls, _, _) in SECTIONS.items() if cls is params)


def cadence(module: Module) -> str:
    """Event time between two runs, in words."""
    if module.cadence_ms == EVERY_BAR:
        return "every bar"
    seconds = module.cadence_ms // 1000
    return f"{seconds // 60} min" if seconds >= 120 else f"{seconds} s"


def worth(rows: dict[str, Any], section: str) -> str:
    """What switching it off takes away, percentage points of a year's return, with its interval."""
    row = rows.get(section)
    if row is None:
        return "not switched"
    if row["status"] != "compared":
        return str(row["verdict"])
    x = row["annual_return"]
    star = " \\*" if x["p_holm"] <= 0.05 else ""
    return f"{100 * x['difference']:+.1f} ({100 * x['low']:+.1f} to {100 * x['high']:+.1f}){star}"


def table() -> str:
    """The whole table in Markdown."""
    figures = json.loads(FIGURES.read_text())
    columns = [{row["name"]: row for row in figures[part]["rows"]} for part in ("majors", "control")]
    lines = [HEAD]
    for module in (*MODULES, *SUPPORTS):
        section = section_of(module)
        number = str(module.number) if module.number else "-"
        file = f"`{module.file.replace('.', '/')}.py`"
        cells = [number, module.name, f"`{section}`" if section else "", file, module.kind, MODE_NAMES[module.mode]]
        cells.append(cadence(module))
        cells += [worth(rows, section) if section else "" for rows in columns]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n\n\\* adjusted for the number of rows (Holm), p <= 0.05."


def page_with_table(text: str) -> str:
    """The page with the table put between its marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def main() -> None:
    PAGE.write_text(page_with_table(PAGE.read_text()))


if __name__ == "__main__":
    main()
