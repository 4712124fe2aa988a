"""``qt live audit``: did a session decide as the backtester does? All is done again from its journal and compared."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from live.about import setup_from
from live.adapters.broker_paper import PaperBroker
from live.adapters.store_sqlite import SqliteStore
from live.chain import Chain
from live.differences import Difference
from live.entries import KIND_NAMES
from live.errors import LiveError
from live.inputs import Inputs, RuleSpeaker, SilentSpeaker, Speaker
from live.journal import snapshot_parts
from live.replay import OutOfStepError, Replay, drive
from live.session import Session
from qt_core.io.inputs import rule_params
from qt_core.market import utc_text
from qt_core.state import STATE_LAYOUT, State, restore

MOST = 1000  # differences kept; a broken journal has one for every row after


@dataclass
class Audit:
    """What an audit found."""

    entries: int = 0
    snapshots: int = 0
    by_kind: dict[str, int] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not self.differences

    def add(self, d: Difference) -> None:
        """Keep one difference."""
        if len(self.differences) < MOST:
            self.differences.append(d)


def audit(store: SqliteStore, speaker: "Speaker | None" = None) -> Audit:
    """Do a session again from its oldest snapshot.

    Parameters
    ----------
    speaker : makes features and model rows anew; None = the rules where they spoke, else features alone.

    Raises
    ------
    LiveError
        If there is no journal that can be read.
    """
    store.check()
    setup = setup_from(store)
    found = Audit()
    chain = Chain(setup)
    spoke = speaker or _speaker(store, setup, found)
    paper = PaperBroker(chain) if store.meta("kind") == "paper" else None
    replay = Watched(store, setup.symbols, found)
    session = Session(chain, Inputs(setup.symbols, setup.decision_ms, spoke), replay, str(store.meta("run_id")), paper)
    replay.session = session
    replay.models = spoke.label == store.meta("speaker")
    replay.begin()
    try:
        drive(session, replay)
        replay.at_end()
    except (OutOfStepError, LiveError, ValueError) as error:
        entry = replay.peek()
        at = (0, 0) if entry is None else (entry.seq, entry.time_ms)
        found.add(Difference(at[0], at[1], "entry", "the session", f"cannot be followed further: {error}"))
    found.entries = replay.n_entries
    return found


def _speaker(store: SqliteStore, setup: Any, found: Audit) -> Speaker:
    label = str(store.meta("speaker"))
    if label == RuleSpeaker.label:
        return RuleSpeaker(setup.symbols, setup.decision_ms, rule_params(setup.config))
    found.notes.append(f"model rows are those of the journal, not made again: {label}; features are")
    return SilentSpeaker(setup.symbols, setup.decision_ms)


class Watched(Replay):
    """A replay that also holds every snapshot against what is made again at its entry."""

    session: Session

    def __init__(self, store: SqliteStore, symbols: tuple[str, ...], found: Audit) -> None:
        rows = sorted(store.snapshots())
        if not rows:
            raise LiveError(f"{store.path}: no snapshot; a session that has started expected")
        super().__init__(store, symbols, found.add, rows[0][0])
        self._audit = found
        self._snapshots = {seq: (time_ms, blob, check) for seq, time_ms, blob, check in rows}
        self._first = rows[0][0]

    def begin(self) -> None:
        """Take over the oldest snapshot that is whole; later ones are compared."""
        for seq in sorted(self._snapshots):
            parts = self._parts(seq)
            if parts is not None:
                self.session.resume(parts)
                if seq != self._first:
                    self.skip_to(seq)
                    self._audit.notes.append(f"entries up to {seq} could not be done again: their snapshot is damaged")
                self._audit.snapshots += 1
                del self._snapshots[seq]
                return
        raise LiveError(f"{self.store.path}: every snapshot is damaged; one whole expected")

    def _parts(self, seq: int) -> "dict[str, bytes] | None":
        time_ms, blob, check = self._snapshots[seq]
        try:
            return snapshot_parts(blob, check, f"snapshot of {utc_text(time_ms)}")
        except LiveError as error:
            self._audit.add(Difference(seq, time_ms, "state", "the session", str(error)))
            return None

    def entry(self, kind: int, time_ms: int, arrays: Any, key: str = "") -> int:
        self._audit.by_kind[KIND_NAMES[kind]] = self._audit.by_kind.get(KIND_NAMES[kind], 0) + 1
        self._compare_snapshot(self.seq)
        return super().entry(kind, time_ms, arrays, key)

    def at_end(self) -> None:
        """The newest snapshot, which a recovery begins with, and what stands in the file without an entry."""
        self._compare_snapshot(self.seq)
        for seq, (time_ms, _, _) in self._snapshots.items():
            text = f"a snapshot is of entry {seq}, the journal ends with {self.seq}: entries are gone"
            self._audit.add(Difference(seq, time_ms, "entry", "the session", text))
        for kind, seq in self.store.orphans():
            text = f"{kind} stand there that no entry brought"
            self._audit.add(Difference(seq, 0, kind, "the session", text))

    def _compare_snapshot(self, seq: int) -> None:
        if seq not in self._snapshots:
            return
        time_ms = self._snapshots[seq][0]
        parts = self._parts(seq)
        del self._snapshots[seq]
        self._audit.snapshots += 1
        if parts is None:
            return
        now = self.session.parts()
        for name in sorted((set(parts) | set(now)) - (set() if self.models else {"speaker"})):
            if parts.get(name) != now.get(name):
                where, text = self._where(name, parts.get(name, b""))
                self._audit.add(Difference(seq, time_ms, "state", where, text))

    def _where(self, name: str, blob: bytes) -> tuple[str, str]:
        if name != "state":
            return "the session", f"{name} of the snapshot is not what is made again"
        then = restore(State, blob, self.symbols)
        for field_name, dtype, _ in STATE_LAYOUT:
            a, b = (np.asarray(getattr(s, field_name)).view(dtype) for s in (then, self.session.chain.state))
            if a.tobytes() != b.tobytes():
                return first_difference(field_name, a, b, self.symbols)
        return "the session", "state differs"


def first_difference(name: str, then: Any, again: Any, symbols: tuple[str, ...]) -> tuple[str, str]:
    """(symbol or session, what differs) of two arrays of State."""
    k = next(i for i in range(len(then)) if then[i].tobytes() != again[i].tobytes())
    where = symbols[k] if len(then) == len(symbols) and name != "fund" else "the session"
    a, b = then[k], again[k]
    if then.dtype.names:
        column = next((n for n in then.dtype.names if a[n].tobytes() != b[n].tobytes()), "padding")
        if column == "padding" or a.ndim:
            return where, f"{name} differs"
        if a[column].size > 1:
            return where, f"{name}.{column} differs"
        return where, f"{name}.{column} was {a[column]!r}, is {b[column]!r}"
    return where, f"{name} was {a!r}, is {b!r}"
