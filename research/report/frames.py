"""A Result as pandas DataFrames: symbol names, UTC datetimes, words for codes. The Result's own arrays stay numpy.

Columns keep the names of ``qt_core.records`` with two changes: ``x_ms`` becomes ``x_time`` (datetime64[ms, UTC]), and
codes become words. Times of fills are the open times of the (finest) bar they happened in. ``research.report.rows`` goes
the other way.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from qt_core.config import Config
from qt_core.engine.result import Result
from qt_core.explain.words import of_account, reason_words
from qt_core.signal.tape import SLOT_NAMES
from research.report.names import ACCOUNT, KINDS, REASONS, WORDS, Words

_FIRST = (
    *("trade_id", "symbol", "side", "entry_time", "exit_time", "exit_reason", "pnl_usd", "r_multiple"),
    *("entry_price", "exit_price", "quantity", "leverage", "margin_usd", "pnl_gross_usd"),
    *("fee_usd", "funding_usd", "slippage_usd", "insurance_usd", "initial_risk_usd"),
)
# what each model said of a decision, columns beside those of DECISION_DT: NaN where it abstained
VOTES = tuple(
    f"{slot}_{said}" for slot in ("xgboost", "lightgbm", "nhits", "patchtst") for said in ("sell", "hold", "buy")
)


@dataclass(frozen=True)
class RunFrames:
    """The tables of one run; ``decisions`` and ``events`` are empty where no journal was kept.

    ``trades`` ends with the positions still open, exit reason "open", valued at the last mark before exit costs. Events of
    the whole account have no symbol.
    """

    trades: pd.DataFrame
    equity: pd.DataFrame
    decisions: pd.DataFrame
    events: pd.DataFrame
    config: Config
    symbols: tuple[str, ...]
    simulated: bool
    journal: bool = True
    models: tuple[str, ...] = SLOT_NAMES


def run_frames(result: Result, journal: bool = True) -> RunFrames:
    """Every table of a result."""
    trades = np.concatenate([result.trades, result.open_positions])
    return RunFrames(
        trades=trades_frame(trades, result.symbols),
        equity=equity_frame(result.curve),
        decisions=decisions_frame(result.decisions, result.symbols, result.votes),
        events=events_frame(result.events, result.symbols),
        config=result.config,
        symbols=result.symbols,
        simulated=result.simulated,
        journal=journal,
        models=result.models,
    )


def trades_frame(trades: npt.NDArray[Any], symbols: Sequence[str]) -> pd.DataFrame:
    """Rows of TRADE_DT; one per position, by trade id."""
    table = _table(trades, symbols)
    order = [*_FIRST, *(name for name in table if name not in _FIRST)]
    return table[order].sort_values("trade_id", ignore_index=True)


def equity_frame(curve: npt.NDArray[Any]) -> pd.DataFrame:
    """Rows of CURVE_DT plus ``drawdown`` (fraction of the running peak); one per decision bar."""
    table = _table(curve, ())
    peak = np.maximum.accumulate(table["equity_usd"].to_numpy()) if len(table) else np.zeros(0)
    table["drawdown"] = 1.0 - table["equity_usd"] / peak
    return table[["time", *(name for name in table if name != "time")]]


def decisions_frame(
    decisions: npt.NDArray[Any], symbols: Sequence[str], votes: "npt.NDArray[np.float32] | None" = None
) -> pd.DataFrame:
    """Rows of DECISION_DT; one per entry candidate, in order of decision, with what each model said of it."""
    table = _table(decisions, symbols)
    table["reason"] = REASONS.say(decisions["reason"])
    if votes is not None:
        said = pd.DataFrame(votes.reshape(len(votes), len(VOTES)), columns=list(VOTES))
        table = pd.concat([table, said], axis=1)
    first = ["time", "symbol", "side", "rank", "reason", "module", "confidence"]
    return table[[*first, *(name for name in table if name not in first)]]


def events_frame(events: npt.NDArray[Any], symbols: Sequence[str]) -> pd.DataFrame:
    """Rows of JOURNAL_EVENT_DT, what happened after the decisions, in order."""
    table = _table(events, symbols)
    reasons = np.zeros(len(events), dtype=object)
    for kind in np.unique(events["kind"]):
        mine = events["kind"] == kind
        reasons[mine] = Words(reason_words(int(kind))).say(events["reason"][mine])
    table["kind"] = KINDS.say(events["kind"])
    table["reason"] = reasons
    table.loc[of_account(events["kind"], events["seq"]), "symbol"] = ACCOUNT
    first = ["time", "symbol", "kind", "tag", "trade_id"]
    return table[[*first, *(name for name in table if name not in first)]]


def _table(rows: npt.NDArray[Any], symbols: Sequence[str]) -> pd.DataFrame:
    """One column per field, times and the common codes translated."""
    out: dict[str, Any] = {}
    for name in rows.dtype.names or ():
        values = rows[name]
        if name.endswith("_ms"):
            out[time_column(name)] = utc(values)
        elif name == "symbol":
            out[name] = np.array(symbols, dtype=object)[values] if len(values) else np.zeros(0, dtype=object)
        elif name in WORDS:
            out[name] = WORDS[name].say(values)
        else:
            out[name] = values
    return pd.DataFrame(out)


def time_column(name: str) -> str:
    """``entry_ms`` -> ``entry_time``, ``time_ms`` -> ``time``."""
    return "time" if name == "time_ms" else name[:-3] + "_time"


def utc(time_ms: npt.NDArray[np.int64]) -> Any:
    """int64 ms UTC as timezone-aware datetimes."""
    return pd.DatetimeIndex(np.ascontiguousarray(time_ms).astype("datetime64[ms]")).tz_localize("UTC")
