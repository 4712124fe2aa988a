"""What every page with charts has around its body: head, style, header, about, data and the plotting library."""

import re
from collections.abc import Mapping
from importlib.resources import files

from research.report.page_data import deflate

_SLOT = re.compile(r"\{\{(\w+)\}\}")


def asset(package: str, name: str) -> str:
    """Text of a file in the package's ``assets``."""
    return (files(package) / "assets" / name).read_text(encoding="utf-8")


def fill(template: str, slots: Mapping[str, str]) -> str:
    """The template with every ``{{name}}`` replaced; what is put in is not looked at again."""
    return _SLOT.sub(lambda hit: slots[hit.group(1)], template)


def plotly_source() -> str:
    """The plotting library as it is installed, deflated; the page unpacks and runs it."""
    return deflate((files("plotly") / "package_data" / "plotly.min.js").read_bytes())


def shell(body: str, slots: Mapping[str, str]) -> str:
    """A self-contained page around ``body``; ``own_css`` and ``footer`` may be left out."""
    ours = {"css": asset("research.report", "page.css"), "plotly": plotly_source(), "own_css": "", "footer": ""}
    return fill(asset("research.report", "shell.html"), {**ours, **slots, "body": body})
