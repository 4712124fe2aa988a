"""Why a trade happened and what became of it, in plain text, from a Result or the folder of a run.

The words are made by ``qt_core.explain``, so that ``Result.explain`` and ``qt explain`` cannot differ.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from qt_core.explain import text
from qt_core.explain.journal import Journal
from research.report.frames import RunFrames

if TYPE_CHECKING:
    from qt_core.engine.result import Result


def explain(run: "Journal | RunFrames | Result | Path | str", trade_id: int) -> str:
    """Market, signal, plan, orders, life, exit, profit and learning of one trade.

    Parameters
    ----------
    run : a folder written by ``qt backtest --out``, a Result that kept its journal, or tables or journal read before.

    Raises
    ------
    DataError
        If there is no such trade (naming the range there is), or the run kept no journal.
    """
    return text.explain(_journal(run), trade_id)


def explain_bar(run: "Journal | RunFrames | Result | Path | str", time: str, symbol: "str | None" = None) -> str:
    """What was decided at the close of a bar: every candidate, or why the named symbol was none.

    Parameters
    ----------
    time : ISO text, UTC; the moment of the decision, which is the close of one bar and the open of the next.

    Raises
    ------
    DataError
        If the run has no decision at that time, no such symbol, or kept no journal.
    """
    return text.explain_bar(_journal(run), time, symbol)


def _journal(run: "Journal | RunFrames | Result | Path | str") -> Journal:
    from research.report.rows import journal_of

    if isinstance(run, Journal):
        return run
    if isinstance(run, RunFrames):
        return journal_of(run)
    if isinstance(run, (str, Path)):
        from research.report.folder import read_journal

        return read_journal(Path(run))
    return run.journal()
