"""A journal that compares: the session does again what it did, and every entry is held against the one on disk.

Recovery goes through it from the newest snapshot, an audit from the oldest. Inputs are taken from the journal, so that one
altered number is found where it stands and not in everything that follows from it.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from live.adapters.store_sqlite import SqliteStore
from live.chain import DecisionRow, Effects
from live.differences import Difference, first_module
from live.entries import (
    BAR,
    COMMAND,
    DECIDE,
    EVENT,
    KIND_NAMES,
    PASSED,
    QUOTE,
    WARM,
    Arrays,
    Entry,
    altered,
    bar_of,
    event_of,
    quote_of,
    row_of,
    unpack,
)
from live.journal import intent_of
from live.ports import Intent, VenueEvent
from live.session import Session
from qt_core.codes import CTX_NAMES, EVENT_NAMES, TAG_NAMES
from qt_core.market import utc_text
from qt_core.signal.tape import SLOT_NAMES


class Replay:
    """A session's keeper that compares with entries on disk (``live.session.Keeper``).

    Parameters
    ----------
    store : the journal. after : entries up to this one are not looked at. found : called with each difference; it may
        raise to stop at the first. recompute : compare the rows of decisions with features and models made anew.
    """

    def __init__(
        self,
        store: SqliteStore,
        symbols: tuple[str, ...],
        found: Callable[[Difference], None],
        after: int = 0,
        recompute: bool = True,
    ) -> None:
        self.store = store
        self.symbols = symbols
        self._found = found
        self._recompute = recompute
        self._entries: Iterator[Entry] = store.entries(after)
        self._next: Entry | None = next(self._entries, None)
        self._now: Entry | None = None
        self._arrays: Arrays = {}
        self.seq = after
        self.n_entries = 0
        self.models = True  # False: model rows cannot be made again, those of the journal stand

    def skip_to(self, seq: int) -> None:
        """Leave out entries up to ``seq``."""
        self._entries = self.store.entries(seq)
        self._next = next(self._entries, None)
        self.seq = seq

    # --- reading -------------------------------------------------------------------------------------------------------
    def peek(self) -> "Entry | None":
        """The next entry nobody has taken."""
        return self._next

    def arrays(self, entry: Entry) -> Arrays:
        """What an entry holds; what was altered since it was written is named."""
        arrays = unpack(entry.payload)
        wrong = altered(arrays, entry.sums, len(self.symbols))
        if wrong is not None:
            self._name_altered(entry, arrays, wrong)
        return arrays

    def _name_altered(self, entry: Entry, arrays: Arrays, wrong: "list[int]") -> None:
        what = {
            BAR: "input",
            WARM: "input",
            PASSED: "input",
            DECIDE: "decision row",
            EVENT: "event",
            COMMAND: "command",
        }
        for where in [self.symbols[i] for i in wrong] or ["the session"]:
            text = f"{', '.join(arrays)} do not give the check sum written with them"
            self.tell(entry, what.get(entry.kind, KIND_NAMES[entry.kind]), where, text)

    def tell(self, entry: Entry, what: str, where: str, text: str, module: str = "") -> None:
        """Report one difference."""
        self._found(Difference(entry.seq, entry.time_ms, what, where, text, module))

    # --- the keeper's part ---------------------------------------------------------------------------------------------
    def entry(self, kind: int, time_ms: int, arrays: Arrays, key: str = "") -> int:
        """Take the next entry; it must be of this kind and time, an event as it was told before."""
        now = self._next
        if now is None or now.kind != kind:
            found = "its end" if now is None else KIND_NAMES[now.kind]
            raise OutOfStepError(f"{utc_text(time_ms)}: the journal has {found} where {KIND_NAMES[kind]} is made again")
        self._now, self._next = now, next(self._entries, None)
        self.seq = now.seq
        self.n_entries += 1
        if kind == EVENT:
            self._compare_event(now, arrays, key)
        elif now.time_ms != time_ms:
            self.tell(now, "entry", "the session", f"stands at {utc_text(now.time_ms)}, is made at {utc_text(time_ms)}")
        return now.seq

    def _compare_event(self, now: Entry, arrays: Arrays, key: str) -> None:
        then, again = event_of(self.arrays(now)), event_of(arrays)
        different = [n for n in then.dtype.names if not _same(then[n], again[n])]
        if different:
            name = self.symbols[int(then["symbol"])] if 0 <= int(then["symbol"]) < len(self.symbols) else "?"
            kind = EVENT_NAMES[int(again["kind"])] if 0 <= int(again["kind"]) < len(EVENT_NAMES) else "event"
            self.tell(now, "event", name, f"{kind}: {_values(then, again, different)}")

    def decision_row(self, row: DecisionRow, arrays: Arrays) -> DecisionRow:
        """The journal's row; what is made anew is compared beside it."""
        entry = self._next
        if entry is None or entry.kind != DECIDE:
            return row
        then = row_of(self.arrays(entry), row.correlation)
        if self._recompute:
            self._compare_rows(entry, then, row)
        return then

    def _compare_rows(self, entry: Entry, then: DecisionRow, again: DecisionRow) -> None:
        for i, name in enumerate(self.symbols):
            for k in np.flatnonzero(~_equal(then.ctx[0, i], again.ctx[0, i])):
                text = f"{CTX_NAMES[k]} was {then.ctx[0, i, k]!r}, is {again.ctx[0, i, k]!r}"
                self.tell(entry, "feature", name, text)
            if then.eligible[0, i] != again.eligible[0, i]:
                self.tell(entry, "feature", name, f"eligible was {then.eligible[0, i]}, is {again.eligible[0, i]}")
            if self.models:
                self._compare_models(entry, i, then, again)
        if not np.array_equal(then.correlation, again.correlation, equal_nan=True):
            self.tell(entry, "feature", "the session", "correlations differ")

    def _compare_models(self, entry: Entry, i: int, then: DecisionRow, again: DecisionRow) -> None:
        same = _equal(then.proba[0, i], again.proba[0, i]).all(axis=1)
        same &= then.available[0, i] == again.available[0, i]
        for m in np.flatnonzero(~same):
            text = f"{SLOT_NAMES[m]} said {then.proba[0, i, m].tolist()}, says {again.proba[0, i, m].tolist()}"
            self.tell(entry, "model row", self.symbols[i], text)

    def brought(self, seq: int, effects: Effects, intents: Sequence[Intent], digest: int) -> None:
        """Hold decisions, journal rows, trades and orders against those on disk."""
        entry = self._now
        assert entry is not None
        for kind in ("decisions", "requests", "events", "trades"):
            rows = getattr(effects, kind)
            blob = next((data for _, data in self.store.effects(kind, seq)), b"")
            if blob != rows.tobytes():
                self._compare_effects(
                    entry, kind, np.frombuffer(blob[: len(blob) // rows.itemsize * rows.itemsize], rows.dtype), rows
                )
        self._compare_orders(entry, seq, intents)
        if entry.digest != digest:
            text = f"digest of decisions was {entry.digest:016x}, is {digest:016x}"
            self.tell(entry, "decision", "the session", text)

    def _compare_effects(self, entry: Entry, kind: str, then: Any, again: Any) -> None:
        what = {"decisions": "decision", "requests": "order", "events": "journal row", "trades": "trade"}[kind]
        if len(then) != len(again):
            self.tell(entry, what, "the session", f"{len(then)} rows were written, {len(again)} are made")
        for a, b in zip(then, again, strict=False):
            different = [n for n in a.dtype.names if not _same(a[n], b[n])]
            if different:
                name = self.symbols[int(b["symbol"])]
                module = first_module(different) if kind == "decisions" else ""
                self.tell(entry, what, name, _values(a, b, different), module)

    def _compare_orders(self, entry: Entry, seq: int, intents: Sequence[Intent]) -> None:
        listed = [intent_of(text) for text in self.store.order_intents(seq)]
        then = {i.client_id: i for i in listed}
        if [i.client_id for i in listed] != [i.client_id for i in intents] and len(then) == len(intents):
            self.tell(entry, "order", "the session", "orders stand in another order than they are asked for")
        for again in intents:
            was = then.pop(again.client_id, None)
            name = self.symbols[again.symbol]
            if was is None:
                self.tell(
                    entry, "order", name, f"{TAG_NAMES[again.tag]} {again.client_id} is asked for, none was journalled"
                )
            elif was != again:
                different = [n for n in again._fields if getattr(was, n) != getattr(again, n)]
                text = ", ".join(f"{n} was {getattr(was, n)!r}, is {getattr(again, n)!r}" for n in different)
                self.tell(entry, "order", name, text)
        for was in then.values():
            self.tell(entry, "order", self.symbols[was.symbol], f"{was.client_id} was journalled, none is asked for")

    def state(self, seq: int, digest: bytes) -> None:
        """State's digest must be what it was."""
        entry = self._now
        assert entry is not None
        if entry.state != digest:
            was = entry.state.hex() or "not there"
            self.tell(entry, "state", "the session", f"digest was {was}, is {digest.hex()}")

    def curve(self, row: Any) -> None:
        """Follows from State."""


class OutOfStepError(Exception):
    """The journal and what is made again tell of different things happening."""


def drive(session: Session, replay: Replay) -> None:
    """Give the session everything the journal says it was given, to the journal's end.

    Raises
    ------
    OutOfStepError
        If what happens again is another kind of thing.
    """
    while (entry := replay.peek()) is not None:
        arrays = replay.arrays(entry) if entry.kind not in (EVENT,) or session.paper is None else {}
        if entry.kind == BAR:
            session.bar(bar_of(arrays))
        elif entry.kind == WARM:
            session.warm(bar_of(arrays))
        elif entry.kind == PASSED:
            session.passed(bar_of(arrays))
        elif entry.kind == QUOTE:
            session.quote(quote_of(arrays))
        elif entry.kind == COMMAND:
            session.retell(VenueEvent(entry.key, event_of(arrays)))
        elif entry.kind == EVENT and session.paper is None:
            session.event(VenueEvent(entry.key, event_of(arrays)))
        else:
            raise OutOfStepError(
                f"{utc_text(entry.time_ms)}: {KIND_NAMES[entry.kind]} follows from no bar (entry {entry.seq})"
            )


def _equal(a: Any, b: Any) -> Any:
    return (a == b) | ((a != a) & (b != b))


def _same(a: Any, b: Any) -> bool:
    return bool(a == b or (a != a and b != b))


def _values(then: Any, again: Any, names: "Sequence[str]") -> str:
    return ", ".join(f"{n} was {then[n]!r}, is {again[n]!r}" for n in names)
