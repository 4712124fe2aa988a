"""Results for people: data frames, figures, the HTML page, the folder of a run, and why a trade happened.

Everything is imported when first used, so that a command's ``--help`` stays instant.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from research.report.chain_tables import veto_table
    from research.report.explaining import explain, explain_bar
    from research.report.folder import read_run, write_run
    from research.report.frames import RunFrames, run_frames
    from research.report.page import report_page
    from research.report.summary import summarise

__all__ = [
    "RunFrames",
    "explain",
    "explain_bar",
    "read_run",
    "report_page",
    "run_frames",
    "summarise",
    "veto_table",
    "write_run",
]

_HOMES = {
    "RunFrames": "frames",
    "run_frames": "frames",
    "explain": "explaining",
    "explain_bar": "explaining",
    "read_run": "folder",
    "write_run": "folder",
    "report_page": "page",
    "summarise": "summary",
    "veto_table": "chain_tables",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'research.report' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"research.report.{_HOMES[name]}"), name)
