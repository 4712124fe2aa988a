"""What a run wrote down, as plain numpy rows, and how to find the rows of one trade in it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from qt_core.codes import EV_COMMAND, EXIT_NONE, OK, OVERRIDE, TAG_ENTRY, TAG_NAMES
from qt_core.config import Config
from qt_core.errors import DataError
from qt_core.explain.words import of_account, when
from qt_core.records import JE_RETRY
from qt_core.signal.tape import SLOT_NAMES

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Journal:
    """Rows of one run: closed trades and then those still open, decisions, events, the curve, and the models' words."""

    symbols: tuple[str, ...]
    config: Config
    simulated: bool
    trades: Array  # TRADE_DT, ascending trade_id
    decisions: Array  # DECISION_DT, in the order of decision
    events: Array  # JOURNAL_EVENT_DT, in the order of happening
    curve: Array  # CURVE_DT
    votes: npt.NDArray[np.float32]  # [decisions, 4, 3] probabilities (SELL, HOLD, BUY), NaN = the model abstained
    models: tuple[str, ...] = SLOT_NAMES
    kept: bool = True  # False: the run kept neither decisions nor events

    def trade(self, trade_id: int) -> Any:
        """The trade with this id.

        Raises
        ------
        DataError
            Naming the range there is; or if the run kept no journal.
        """
        ids = self.trades["trade_id"]
        hit = np.flatnonzero(ids == trade_id)
        if len(hit) == 0:
            span = f"trades {ids.min()} to {ids.max()}" if len(ids) else "no trades"
            raise DataError(f"no trade {trade_id}; the run has {span}")
        if not self.kept:
            raise DataError("the run kept no journal (--no-journal); run it again with one to have trades explained")
        return self.trades[hit[0]]

    def decision_of(self, trade: Any) -> int:
        """Row of the decision a trade came from, -1 where it is not in the journal.

        The order number tells, or, where the venue was busy and the order was sent again under a new one, that no other
        entry of the symbol was accepted in between.
        """
        d = self.decisions
        mine = (d["symbol"] == trade["symbol"]) & np.isin(d["reason"], (OK, OVERRIDE))
        rows = np.flatnonzero(mine & (d["seq"] <= trade["entry_seq"]) & (d["time_ms"] <= trade["entry_ms"]))
        return int(rows[-1]) if len(rows) else -1

    def rows_of(self, trade: Any, row: int) -> npt.NDArray[np.int64]:
        """Rows of the trade's events, whose decision is ``row``; attempts at the entry that the venue refused come first.

        A later entry that came to nothing bears the id of the last position and is left out.
        """
        e = self.events
        entry = (e["tag"] == TAG_ENTRY) | (e["kind"] == JE_RETRY)
        mine = (e["trade_id"] == trade["trade_id"]) & ~(entry & (e["seq"] != trade["entry_seq"]))
        if row >= 0:
            first = int(self.decisions["seq"][row])
            tries = entry & (e["symbol"] == trade["symbol"]) & (e["seq"] >= first) & (e["seq"] < trade["entry_seq"])
            mine |= tries
        return np.flatnonzero(mine & ~of_account(e["kind"], e["seq"]))

    def account_rows(self, trade: Any) -> npt.NDArray[np.int64]:
        """Rows of what happened to the whole account, or was said of the trade's symbol, while it was held."""
        e = self.events
        told = of_account(e["kind"], e["seq"]) | ((e["kind"] == EV_COMMAND) & (e["symbol"] == trade["symbol"]))
        return np.flatnonzero(told & (e["time_ms"] > trade["entry_ms"]) & (e["time_ms"] <= trade["exit_ms"]))

    def last_of(self, kind: int, time_ms: int) -> "Any | None":
        """The last event of a kind up to a time."""
        hit = np.flatnonzero((self.events["kind"] == kind) & (self.events["time_ms"] <= time_ms))
        return self.events[hit[-1]] if len(hit) else None

    def curve_at(self, time_ms: int) -> "Any | None":
        """The account at the close at which was decided."""
        k = int(np.searchsorted(self.curve["time_ms"], time_ms))
        return self.curve[k] if k < len(self.curve) and self.curve["time_ms"][k] == time_ms else None

    def decided_at(self, time_ms: int) -> npt.NDArray[np.int64]:
        """Rows of the decisions of one moment.

        Raises
        ------
        DataError
            If nothing was decided then, naming the span.
        """
        if not self.kept:
            raise DataError("the run kept no journal (--no-journal); run it again with one to have bars explained")
        if self.curve_at(time_ms) is None:
            first, last = (int(self.curve["time_ms"][k]) for k in (0, -1))
            raise DataError(
                f"no decision at {when(time_ms)}; the run decides from {when(first)} to {when(last)} UTC, "
                "at the close of every bar"
            )
        return np.flatnonzero(self.decisions["time_ms"] == time_ms)


def still_open(trade: Any) -> bool:
    """True for a position that the run ended with."""
    return int(trade["exit_reason"]) == EXIT_NONE


def tag_name(event: Any, kinds: dict[int, str]) -> str:
    """What an event was about: the order's tag, else its kind."""
    return TAG_NAMES[event["tag"]] if event["tag"] else kinds[int(event["kind"])]
