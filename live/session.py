"""One thing at a time through the chain: a closed bar, an event, a command, a quote; each journalled with what it brought.

The session is synchronous and knows no clock. The runner calls it, and so do recovery and audit: they give it a journal that
compares instead of writing (``live.replay``), so what is replayed is the very code that traded.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from live.adapters.broker_paper import PaperBroker
from live.chain import Chain, DecisionRow, Effects, Setup
from live.entries import (
    BAR,
    COMMAND,
    DECIDE,
    EVENT,
    GUARD,
    PASSED,
    QUOTE,
    WARM,
    Arrays,
    bar_arrays,
    event_arrays,
    quote_arrays,
    row_arrays,
)
from live.ids import IdMaker
from live.inputs import Inputs
from live.journal import state_digest
from live.ports import ClosedBar, Intent, Quote, VenueEvent
from qt_core import records as rec
from qt_core.codes import EV_COMMAND
from qt_core.state import State, copy_into, restore, snapshot


class Keeper(Protocol):
    """Who keeps (or compares) what the session did."""

    def entry(self, kind: int, time_ms: int, arrays: Arrays, key: str = "") -> int: ...

    def decision_row(self, row: DecisionRow, arrays: Arrays) -> DecisionRow: ...

    def brought(self, seq: int, effects: Effects, intents: Sequence[Intent], digest: int) -> None: ...

    def state(self, seq: int, digest: bytes) -> None: ...

    def curve(self, row: Any) -> None: ...


class Session:
    """Chain, inputs and (on paper) the venue of one session.

    Parameters
    ----------
    chain : State and calls. inputs : rows of decisions. keeper : the journal, or who compares with one. run_id : of
        client ids. paper : the simulated venue; None where an exchange is the venue.
    """

    def __init__(
        self, chain: Chain, inputs: Inputs, keeper: Keeper, run_id: str, paper: "PaperBroker | None" = None
    ) -> None:
        self.chain = chain
        self.inputs = inputs
        self.keeper = keeper
        self.paper = paper
        self.ids = IdMaker(run_id)
        self.listener: Callable[[Effects, Sequence[Intent]], None] | None = None  # hears what every call brought
        self.last_bar_ms = -1  # open time of the last bar taken
        self.correlation: Any = chain.nothing().correlation  # in force, as last journalled

    @property
    def setup(self) -> Setup:
        return self.chain.setup

    # --- what may happen -----------------------------------------------------------------------------------------------
    def warm(self, bar: ClosedBar) -> None:
        """A bar before the session: features and models see it, the chain does not."""
        self.keeper.entry(WARM, bar.open_ms, bar_arrays(bar))
        self.last_bar_ms = bar.open_ms
        if self.setup.decides(bar.open_ms):
            self.inputs.update(bar if bar.coarse is None else bar.coarse)

    def bar(self, bar: ClosedBar) -> list[Intent]:
        """A closed bar: what a simulated venue does in it, then the decision or the guard at its close."""
        self.keeper.entry(BAR, bar.open_ms, bar_arrays(bar))
        self.last_bar_ms = bar.open_ms
        self.chain.load(bar)
        if self.paper is not None:
            for event in self.paper.play():
                self._heard(EVENT, event)
        if not self.setup.decides(bar.open_ms):
            seq = self.keeper.entry(GUARD, bar.open_ms + self.setup.bar_ms, {})
            return self._brought(seq, self.chain.guard(), stated=True)
        return self._decide(bar if bar.coarse is None else bar.coarse, bar.open_ms + self.setup.bar_ms)

    def _decide(self, bar: ClosedBar, close_ms: int) -> list[Intent]:
        made = self.inputs.update(bar)
        fresh = not np.array_equal(made.correlation, self.correlation, equal_nan=True)
        arrays = row_arrays(made, with_correlation=fresh)
        row = self.keeper.decision_row(made, arrays)
        self.correlation = row.correlation
        seq = self.keeper.entry(DECIDE, close_ms, arrays)
        intents = self._brought(seq, self.chain.decide(row), stated=True)
        self.keeper.curve(curve_row(self.chain))
        return intents

    def passed(self, bar: ClosedBar) -> list[Intent]:
        """A bar that closed while nobody was there: features and models see it, the account is valued and guarded,
        but nothing is decided at prices that are gone.
        """
        seq = self.keeper.entry(PASSED, bar.open_ms, bar_arrays(bar))
        self.last_bar_ms = bar.open_ms
        self.chain.load(bar)
        if self.setup.decides(bar.open_ms):
            self.inputs.update(bar if bar.coarse is None else bar.coarse)
        return self._brought(seq, self.chain.guard(), stated=True)

    def event(self, event: VenueEvent) -> list[Intent]:
        """An event of an exchange."""
        return self._heard(EVENT, event, stated=True)

    def command(
        self, time_ms: int, command: int, fields: "dict[str, Any] | None" = None, key: str = ""
    ) -> list[Intent]:
        """What a person, a monitor or the policy store says."""
        row = np.zeros(1, dtype=rec.EVENT_DT)[0]
        row["kind"], row["time_ms"], row["command"] = EV_COMMAND, time_ms, command
        for name, value in (fields or {}).items():
            row[name] = value
        return self._heard(COMMAND, VenueEvent(key, row), stated=True)

    def retell(self, event: VenueEvent) -> list[Intent]:
        """A command as it stands in a journal."""
        return self._heard(COMMAND, event, stated=True)

    def quote(self, quote: Quote) -> list[Intent]:
        """A guard between bars."""
        seq = self.keeper.entry(QUOTE, quote.time_ms, quote_arrays(quote))
        self.chain.load_quote(quote)
        return self._brought(seq, self.chain.guard(), stated=True)

    # --- inside --------------------------------------------------------------------------------------------------------
    def _heard(self, kind: int, event: VenueEvent, stated: bool = False) -> list[Intent]:
        seq = self.keeper.entry(kind, int(event.row["time_ms"]), event_arrays(event.row), event.key)
        return self._brought(seq, self.chain.hear(event.row), stated)

    def _brought(self, seq: int, effects: Effects, stated: bool) -> list[Intent]:
        intents = [self._intent(r) for r in effects.requests]
        if self.paper is not None:
            self.paper.take()
        else:
            self.chain.clear_requests()
        self.keeper.brought(seq, effects, intents, int(self.chain.fund["digest"]))
        if self.listener is not None:
            self.listener(effects, intents)
        if stated:
            self.keeper.state(seq, state_digest(self.chain.state_bytes()))
        return intents

    def _intent(self, r: Any) -> Intent:
        symbol = int(r["symbol"])
        ints: dict[str, Any] = {
            k: int(r[k])
            for k in ("op", "seq", "kind", "side", "tag", "reduce_only", "time_ms", "expire_ms", "approved")
        }
        floats: dict[str, Any] = {
            k: float(r[k]) for k in ("qty", "price", "trigger", "leverage", "callback", "activation")
        }
        name = self.setup.symbols[symbol]
        client_id = self.ids.make(ints["time_ms"], name, ints["op"], ints["tag"], ints["seq"])
        return Intent(client_id=client_id, symbol=symbol, **ints, **floats)

    # --- snapshots -----------------------------------------------------------------------------------------------------
    def parts(self) -> dict[str, bytes]:
        """Everything needed to go on from here, as named blobs."""
        c = self.chain
        parts = {
            "state": snapshot(c.state, self.setup.symbols),
            "counters": c.out.counters.tobytes(),
            "tally": c.out.tally.tobytes(),
            "correlation": np.ascontiguousarray(self.correlation).tobytes(),
            "last_bar": self.last_bar_ms.to_bytes(8, "little", signed=True),
            "ids": self.ids.snapshot(),
            **self.inputs.snapshot(),
        }
        return parts if self.paper is None else {**parts, "venue": self.paper.snapshot()}

    def resume(self, parts: dict[str, bytes]) -> None:
        """Take over what ``parts`` gave.

        Raises
        ------
        SnapshotError, DataError
            If it is of another schema, other symbols or other models.
        """
        c = self.chain
        copy_into(c.state, restore(State, parts["state"], self.setup.symbols))
        c.out.counters[:] = np.frombuffer(parts["counters"], dtype=np.int64).reshape(c.out.counters.shape)
        c.out.tally[:] = np.frombuffer(parts["tally"], dtype=np.int64).reshape(c.out.tally.shape)
        pairs = self.correlation.shape[1]
        self.correlation = np.frombuffer(parts["correlation"], dtype=np.float32).reshape(-1, pairs).copy()
        self.last_bar_ms = int.from_bytes(parts["last_bar"], "little", signed=True)
        self.ids.resume(parts["ids"])
        self.inputs.resume({k: parts[k] for k in self.inputs.snapshot()})
        if self.paper is not None:
            self.paper.resume(parts["venue"])


def curve_row(chain: Chain) -> Any:
    """The account after a decision, as a run's curve notes it."""
    row, fund = np.zeros(1, dtype=rec.CURVE_DT)[0], chain.fund
    row["time_ms"] = fund["now_ms"]
    for name in rec.CURVE_DT.names or ():
        if name != "time_ms":
            row[name] = fund[name]
    return row
