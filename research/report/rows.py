"""The tables of a run folder back as the rows they were made of, so that a folder is explained by what explains a Result."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from qt_core.explain.journal import Journal
from qt_core.explain.words import reason_words
from qt_core.records import CURVE_DT, DECISION_DT, JOURNAL_EVENT_DT, TRADE_DT
from research.report.frames import VOTES, RunFrames, time_column
from research.report.names import ACCOUNT, KINDS, REASONS, WORDS, Words

Array = npt.NDArray[Any]


def journal_of(frames: RunFrames) -> Journal:
    """The journal that the tables say.

    Raises
    ------
    KeyError
        If a column is missing or a word names no code: the tables are of another version.
    """
    decisions = frames.decisions if frames.journal else pd.DataFrame()
    events = frames.events if frames.journal else pd.DataFrame()
    return Journal(
        symbols=frames.symbols,
        config=frames.config,
        simulated=frames.simulated,
        trades=_rows(frames.trades, TRADE_DT, frames.symbols),
        decisions=decision_rows(decisions, frames.symbols),
        events=event_rows(events, frames.symbols),
        curve=_rows(frames.equity, CURVE_DT, ()),
        votes=_votes(decisions),
        models=frames.models,
        kept=frames.journal,
    )


def decision_rows(table: pd.DataFrame, symbols: Sequence[str]) -> Array:
    """Rows of DECISION_DT."""
    out = _rows(table, DECISION_DT, symbols)
    if len(table):
        out["reason"] = REASONS.read(table["reason"].tolist())
    return out


def event_rows(table: pd.DataFrame, symbols: Sequence[str]) -> Array:
    """Rows of JOURNAL_EVENT_DT."""
    out = _rows(table, JOURNAL_EVENT_DT, symbols)
    if not len(table):
        return out
    out["kind"] = KINDS.read(table["kind"].tolist())
    reasons = table["reason"].to_numpy()
    for kind in np.unique(out["kind"]):
        mine = out["kind"] == kind
        out["reason"][mine] = Words(reason_words(int(kind))).read(reasons[mine].tolist())
    return out


def _rows(table: pd.DataFrame, dtype: "np.dtype[Any]", symbols: Sequence[str]) -> Array:
    """One record per row; fields that need more than their own column are left at 0."""
    out = np.zeros(len(table), dtype=dtype)
    if not len(table):
        return out
    places = {ACCOUNT: 0, **{name: k for k, name in enumerate(symbols)}}
    for name in dtype.names or ():
        if name.endswith("_ms"):
            out[name] = _milliseconds(table[time_column(name)])
        elif name == "symbol":
            out[name] = [places[s] for s in table[name]]
        elif name in WORDS:
            out[name] = WORDS[name].read(table[name].tolist())
        elif name not in ("kind", "reason"):
            out[name] = table[name].to_numpy()
    return out


def _milliseconds(column: "pd.Series[Any]") -> npt.NDArray[np.int64]:
    plain: npt.NDArray[np.int64] = column.dt.tz_convert(None).to_numpy().astype("datetime64[ms]").astype(np.int64)
    return plain


def _votes(table: pd.DataFrame) -> npt.NDArray[np.float32]:
    if not len(table):
        return np.zeros((0, 4, 3), dtype=np.float32)
    return table[list(VOTES)].to_numpy(dtype=np.float32).reshape(len(table), 4, 3)
