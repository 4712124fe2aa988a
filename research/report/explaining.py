"""Why a trade happened and what became of it, in plain text, from the journal alone."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from qt_core.errors import DataError
from research.report import explain_parts as parts
from research.report.frames import RunFrames, run_frames
from research.report.tables import count

if TYPE_CHECKING:
    from qt_core.engine.result import Result


def explain(run: "RunFrames | Result | Path | str", trade_id: int) -> str:
    """Decision, order, fills, stop moves, funding, exit and the arithmetic of the profit of one trade.

    Parameters
    ----------
    run : a folder written by ``qt backtest --out``, a Result that kept its journal, or tables read before.

    Raises
    ------
    DataError
        If there is no such trade (naming the range there is), or the run kept no journal.
    """
    frames = _frames(run)
    trade = _trade(frames, trade_id)
    if not frames.journal:
        raise DataError("the run kept no journal (--no-journal); run it again with one to have trades explained")
    decision = _decision(frames, trade)
    events = _events(frames, trade)
    params = frames.config.params()
    sections = (
        parts.title(trade, frames.simulated),
        parts.decision_text(decision, params, frames),
        parts.orders_text(trade, events),
        parts.stops_text(trade, events),
        parts.funding_text(events),
        parts.exit_text(trade),
        parts.result_text(trade, events),
    )
    return "\n\n".join(text for text in sections if text)


def explain_bar(run: "RunFrames | Result | Path | str", time: str, symbol: "str | None" = None) -> str:
    """What was decided at the close of a bar: every candidate, or why the named symbol was none.

    Parameters
    ----------
    time : ISO text, UTC; the moment of the decision, which is the close of one bar and the open of the next.

    Raises
    ------
    DataError
        If the run has no decision at that time or no such symbol.
    """
    frames = _frames(run)
    if not frames.journal:
        raise DataError("the run kept no journal (--no-journal); run it again with one to have bars explained")
    moment = _moment(frames, time)
    if symbol is not None and symbol not in frames.symbols:
        raise DataError(f"unknown symbol {symbol}; the run has {', '.join(frames.symbols)}")
    d = frames.decisions
    rows = d[d["time"] == moment]
    if symbol is not None:
        rows = rows[rows["symbol"] == symbol]
    params = frames.config.params()
    head = f"{parts.when(moment)} UTC: {count(len(rows), 'candidate')}" + (f" of {symbol}" if symbol else "")
    texts = [parts.decision_text(row, params, frames) for _, row in rows.iterrows()]
    if not texts and symbol is not None:
        texts = [parts.no_candidate_text(frames, moment, symbol, params)]
    return "\n\n".join([head + (" · SIMULATED" if frames.simulated else ""), *texts])


def _frames(run: "RunFrames | Result | Path | str") -> RunFrames:
    if isinstance(run, RunFrames):
        return run
    if isinstance(run, (str, Path)):
        from research.report.folder import read_run

        return read_run(Path(run))
    return run_frames(run, journal=len(run.events) > 0 or len(run.trades) == 0)


def _trade(frames: RunFrames, trade_id: int) -> Any:
    ids = frames.trades["trade_id"]
    hit = frames.trades[ids == trade_id]
    if len(hit) == 0:
        span = f"trades {ids.min()} to {ids.max()}" if len(ids) else "no trades"
        raise DataError(f"no trade {trade_id}; the run has {span}")
    return hit.iloc[0]


def _decision(frames: RunFrames, trade: Any) -> "Any | None":
    d = frames.decisions
    hit = d[(d["seq"] == trade["entry_seq"]) & (d["symbol"] == trade["symbol"])]
    return hit.iloc[0] if len(hit) else None


def _events(frames: RunFrames, trade: Any) -> pd.DataFrame:
    """Journal rows of the trade; a later entry that was refused carries the same id and is left out."""
    e = frames.events
    mine = e[e["trade_id"] == trade["trade_id"]]
    other_entry = (mine["tag"] == "entry") & (mine["seq"] != trade["entry_seq"])
    return mine[~other_entry]


def _moment(frames: RunFrames, time: str) -> pd.Timestamp:
    try:
        moment = pd.Timestamp(time)
    except ValueError as error:
        raise DataError(f"time {time!r} not understood; ISO such as 2021-05-19T13:00 expected") from error
    moment = moment.tz_localize("UTC") if moment.tzinfo is None else moment.tz_convert("UTC")
    known = frames.equity["time"]
    if not (known == moment).any():
        raise DataError(
            f"no decision at {parts.when(moment)}; the run decides from {parts.when(known.iloc[0])} to "
            f"{parts.when(known.iloc[-1])} UTC, at the close of every bar"
        )
    return moment
