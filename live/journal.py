"""The journal that writes: entries, what they brought, orders before they are sent, State's digest, snapshots.

One commit holds a call, its inputs and the orders it asks for, and precedes sending them. Whatever an exchange said that is
not in a commit will be said again when the session asks for what it missed; so nothing is lost, and an event's key lets
nothing in twice.
"""

import hashlib
import json
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from live.adapters.store_sqlite import PLANNED, SENT, SqliteStore
from live.chain import DecisionRow, Effects
from live.entries import COMMAND, EVENT, Arrays, Entry, pack, sums_of, unpack
from live.errors import LiveError
from live.ports import Intent
from qt_core.market import utc_text

SUM_BYTES = 16


class Journal:
    """A session's keeper on disk (``live.session.Keeper``).

    Parameters
    ----------
    store : the file. n_symbols : for check sums. first_status : of orders as they are journalled; a venue that is simulated
        takes them in the same step.
    """

    def __init__(self, store: SqliteStore, n_symbols: int, first_status: str = PLANNED) -> None:
        self.store = store
        self._status = first_status
        self._n = n_symbols
        last = store.last_entry()
        self.seq = 0 if last is None else last.seq
        self._open: tuple[int, int, Arrays, str] | None = None

    # --- the keeper's part ---------------------------------------------------------------------------------------------
    def entry(self, kind: int, time_ms: int, arrays: Arrays, key: str = "") -> int:
        """The next entry; it is written when it is known what it brought, within the same transaction."""
        self.store.begin()
        self._flush(0)
        self.seq += 1
        unique = key if kind in (EVENT, COMMAND) else ""
        self._open = (kind, time_ms, arrays, unique)
        return self.seq

    def decision_row(self, row: DecisionRow, arrays: Arrays) -> DecisionRow:
        """The row as it was made."""
        return row

    def brought(self, seq: int, effects: Effects, intents: Sequence[Intent], digest: int) -> None:
        """Requests, decisions, journal rows and trades of entry ``seq``, and the orders to be sent."""
        self._flush(digest)
        self.store.add_effects(seq, {k: v.tobytes() for k, v in effects._asdict().items()})
        self.store.add_orders(seq, [order_row(i) for i in intents], self._status)

    def _flush(self, digest: int) -> None:
        if self._open is None:
            return
        kind, time_ms, arrays, key = self._open
        self._open = None
        payload = pack(arrays)
        self.store.add_entry(Entry(self.seq, kind, time_ms, payload, sums_of(arrays, self._n), digest, b"", key))

    def state(self, seq: int, digest: bytes) -> None:
        """State's digest after entry ``seq``."""
        self.store.note_state(seq, digest)

    def curve(self, row: Any) -> None:
        """The account after a decision."""
        self.store.add_curve(int(row["time_ms"]), row.tobytes())

    # --- the runner's part ---------------------------------------------------------------------------------------------
    def commit(self) -> None:
        """Everything so far is on the disk when this returns."""
        self._flush(0)
        self.store.commit()

    def forget(self) -> None:
        """Drop what was not committed: a call that failed half-way never was."""
        self._open = None
        self.store.rollback()

    def sent(self, intents: Sequence[Intent]) -> None:
        """The broker has taken these intents."""
        self.store.begin()
        self.store.mark_orders([i.client_id for i in intents], SENT)

    def snapshot(self, time_ms: int, parts: dict[str, bytes]) -> None:
        """What is needed to go on after the last entry."""
        self._flush(0)
        blob = zlib.compress(pack({k: np.frombuffer(v, dtype=np.uint8) for k, v in parts.items()}), 1)
        self.store.begin()
        self.store.add_snapshot(self.seq, time_ms, blob, sum_of(blob))

    def note(self, at_ms: int, topic: str, text: str) -> None:
        """A line for people, in the same transaction as what it is about."""
        self.store.begin()
        self.store.note(at_ms, topic, text)


def sum_of(blob: bytes) -> bytes:
    """Check sum of a snapshot."""
    return hashlib.blake2b(blob, digest_size=SUM_BYTES).digest()


def snapshot_parts(blob: bytes, check_sum: bytes, what: str) -> dict[str, bytes]:
    """The parts of a stored snapshot.

    Raises
    ------
    LiveError
        If it was altered after it was written.
    """
    if sum_of(blob) != check_sum:
        raise LiveError(f"{what}: altered after it was written; a snapshot with its own check sum expected")
    return {k: v.tobytes() for k, v in unpack(zlib.decompress(blob)).items()}


def order_row(i: Intent) -> tuple[str, int, int, int, str]:
    """An intent as a row of the orders table."""
    return (i.client_id, i.seq, i.symbol, i.time_ms, json.dumps(list(i)))


def intent_of(text: str) -> Intent:
    """The intent of such a row."""
    return Intent(*json.loads(text))


def newest_snapshot(store: SqliteStore) -> "tuple[int, dict[str, bytes]] | None":
    """Entry and parts of the newest snapshot that is whole and holds the State its entry left; others are passed over."""
    for seq, time_ms, blob, check_sum in store.snapshots():
        try:
            parts = snapshot_parts(blob, check_sum, f"snapshot of {utc_text(time_ms)}")
        except LiveError:
            continue
        if belongs(store, seq, parts):
            return seq, parts
    return None


def belongs(store: SqliteStore, seq: int, parts: dict[str, bytes]) -> bool:
    """True where the snapshot's State is the one that entry ``seq`` left; the first snapshot comes before every entry."""
    entry = store.entry(seq)
    if entry is None:
        return seq == 0
    return not entry.state or state_digest(parts["state"].partition(b"\n")[2]) == entry.state


def state_digest(state: bytes) -> bytes:
    """Digest of State's bytes."""
    return hashlib.blake2b(state, digest_size=SUM_BYTES).digest()
