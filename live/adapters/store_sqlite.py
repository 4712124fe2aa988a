"""The session's journal in SQLite: write-ahead logging, every commit on the disk before anything is sent.

One writer (the session) and any number of readers (status, explain, audit, commands left for the session). A file of
another schema, or one that is corrupt, is refused in one line.
"""

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from live.adapters.tables_sqlite import TABLES
from live.entries import Entry
from live.errors import LiveError

SCHEMA_VERSION = 2  # of the tables, and of what a snapshot's parts and an id look like
StoreFailure = sqlite3.Error  # whatever a full or vanished disk, or a lock, raises
BUSY_TIMEOUT_S = 5.0
LAST_TRADE = "last_trade_ms"  # of the trades whose entries went
EFFECT_KINDS = ("requests", "decisions", "events", "trades")
PLANNED, SENT = "planned", "sent"


class SqliteStore:
    """One session's file.

    Parameters
    ----------
    path : the file; made where missing (``create``). read_only : for status, explain and audit.
    """

    def __init__(self, path: Path, *, create: bool = False, read_only: bool = False) -> None:
        self.path = path
        if not path.exists() and not create:
            raise LiveError(f"{path}: no such session; one started by qt live run expected")
        try:
            uri = f"file:{path}?mode={'ro' if read_only else 'rwc'}"
            self._db = sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None)
            self._prepare(read_only)
        except sqlite3.DatabaseError as error:
            what = f"cannot be used as a journal ({error}); a file written by qt live run expected"
            raise LiveError(f"{path}: {what}") from error

    def _prepare(self, read_only: bool) -> None:
        db = self._db
        if not read_only:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=FULL")  # a commit is on the disk when it returns
        if db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0 and not read_only:
            db.execute("BEGIN IMMEDIATE")
            for statement in TABLES.split(";"):
                if statement.strip():
                    db.execute(statement)
            self.put_meta("schema", SCHEMA_VERSION)
            db.execute("COMMIT")
        found = self.meta("schema")
        if found != SCHEMA_VERSION:
            raise LiveError(f"{self.path}: journal of schema {found}; {SCHEMA_VERSION} expected")

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def discard(self, unless: str) -> None:
        """Close, and take the file away where the value ``unless`` was never put: nothing has happened yet."""
        never = self.meta(unless) is None
        self.close()
        for end in ("", "-wal", "-shm") if never else ():
            self.path.with_name(self.path.name + end).unlink(missing_ok=True)

    def check(self) -> None:
        """Refuse a corrupt file.

        Raises
        ------
        LiveError
            Naming the file and what SQLite found.
        """
        try:
            found = self._db.execute("PRAGMA quick_check(1)").fetchone()[0]
        except sqlite3.DatabaseError as error:
            found = str(error)
        if found != "ok":
            raise LiveError(f"{self.path}: the journal is corrupt ({found}); a sound file, or its back-up, expected")

    # --- transactions --------------------------------------------------------------------------------------------------
    def begin(self) -> None:
        """Start a transaction unless one is open."""
        if not self._db.in_transaction:
            self._say("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Put everything since ``begin`` on the disk."""
        if self._db.in_transaction:
            self._say("COMMIT")

    def _say(self, statement: str) -> None:
        """Begin or commit.

        Raises
        ------
        LiveError
            If another process holds the file, the disk is full, or it may not be written: nothing may be sent then.
        """
        try:
            self._db.execute(statement)
        except sqlite3.OperationalError as error:
            raise LiveError(
                f"{self.path}: cannot be written ({error}); nothing is sent that is not on the disk"
            ) from error

    def rollback(self) -> None:
        """Forget everything since ``begin``."""
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    # --- what the session is -------------------------------------------------------------------------------------------
    def put_meta(self, name: str, value: Any) -> None:
        """Bytes as they are, anything else as JSON."""
        data = value if isinstance(value, bytes) else json.dumps(value)
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, data))

    def meta(self, name: str) -> Any:
        """A value of ``put_meta``, None where there is none."""
        row = self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        if row is None:
            return None
        return row[0] if isinstance(row[0], bytes) else json.loads(row[0])

    # --- entries -------------------------------------------------------------------------------------------------------
    def add_entry(self, e: Entry) -> None:
        """One call with its inputs; an event's key makes a second one of the same key impossible."""
        self._db.execute("INSERT INTO entries VALUES (?,?,?,?,?,?,?,?)", (*e[:5], f"{e.digest:016x}", e.state, e.key))
        if e.key:
            self._db.execute("INSERT INTO applied VALUES (?, ?)", (e.key, e.seq))

    def note_state(self, seq: int, state: bytes) -> None:
        """The digest of State after entry ``seq``."""
        self._db.execute("UPDATE entries SET state = ? WHERE seq = ?", (state, seq))

    def entries(self, after: int = 0) -> Iterator[Entry]:
        """Entries later than ``after``, in order."""
        for row in self._db.execute("SELECT * FROM entries WHERE seq > ? ORDER BY seq", (after,)):
            yield _entry(row)

    def entries_of(self, kind: int) -> Iterator[Entry]:
        """Entries of a kind, in order."""
        for row in self._db.execute("SELECT * FROM entries WHERE kind = ? ORDER BY seq", (kind,)):
            yield _entry(row)

    def entry(self, seq: int) -> "Entry | None":
        """One entry."""
        row = self._db.execute("SELECT * FROM entries WHERE seq = ?", (seq,)).fetchone()
        return None if row is None else _entry(row)

    def last_entry(self, kind: "int | None" = None) -> "Entry | None":
        """The newest entry, of a kind where given."""
        where, values = ("", ()) if kind is None else ("WHERE kind = ?", (kind,))
        row = self._db.execute(f"SELECT * FROM entries {where} ORDER BY seq DESC LIMIT 1", values).fetchone()
        return None if row is None else _entry(row)

    def last_trade_ms(self) -> int:
        """Time of the newest trade that is in the journal, 0 = there is none; the journal's end may be later by any time."""
        row = self._db.execute(
            "SELECT max(time_ms) FROM entries WHERE seq IN (SELECT seq FROM applied WHERE event_key LIKE '%:trade:%')"
        ).fetchone()
        return int(row[0] or self.meta(LAST_TRADE) or 0)

    def is_applied(self, key: str) -> bool:
        """True where an event of this key is in the journal."""
        return self._db.execute("SELECT 1 FROM applied WHERE event_key = ?", (key,)).fetchone() is not None

    def recent_keys(self, most: int = 20_000) -> list[str]:
        """Keys of the events applied last."""
        rows = self._db.execute("SELECT event_key FROM applied ORDER BY seq DESC LIMIT ?", (most,))
        return [str(r[0]) for r in rows]

    def add_effects(self, seq: int, effects: Mapping[str, bytes]) -> None:
        """Rows that entry ``seq`` brought, by kind; empty ones are not kept."""
        self._db.executemany("INSERT INTO effects VALUES (?,?,?)", [(seq, k, v) for k, v in effects.items() if v])

    def effects(self, kind: str, seq: "int | None" = None) -> Iterator[tuple[int, bytes]]:
        """(entry, rows) of a kind, in order; of one entry where given."""
        where, values = ("", (kind,)) if seq is None else ("AND seq = ?", (kind, seq))
        yield from self._db.execute(f"SELECT seq, data FROM effects WHERE kind = ? {where} ORDER BY seq", values)

    def orphans(self) -> list[tuple[str, int]]:
        """Effects and orders whose entry is not there, although it has not been pruned: kind and entry."""
        first = self._db.execute("SELECT min(seq) FROM entries").fetchone()[0] or 0
        effects = "SELECT kind, seq FROM effects WHERE seq >= ? AND seq NOT IN (SELECT seq FROM entries)"
        orders = "SELECT 'orders', seq FROM orders WHERE seq >= ? AND seq NOT IN (SELECT seq FROM entries)"
        return [(str(k), int(s)) for sql in (effects, orders) for k, s in self._db.execute(sql, (first,))]

    # --- orders --------------------------------------------------------------------------------------------------------
    def add_orders(self, seq: int, rows: Sequence[tuple[str, int, int, int, str]], status: str) -> None:
        """Intents of entry ``seq`` before they are sent: client id, number, symbol, time, the intent as JSON."""
        self._db.executemany(
            "INSERT INTO orders VALUES (?,?,?,?,?,?,?,?,?)",
            [(r[0], seq, r[1], r[2], r[3], r[4], status, "", k) for k, r in enumerate(rows)],
        )

    def mark_orders(self, client_ids: Sequence[str], status: str, note: str = "") -> None:
        """What became of intents."""
        self._db.executemany(
            "UPDATE orders SET status = ?, note = ? WHERE client_id = ?", [(status, note, c) for c in client_ids]
        )

    def orders(self, status: "str | None" = None) -> Iterator[tuple[Any, ...]]:
        """Rows (client_id, seq, number, symbol, time_ms, intent, status, note) in the order they were planned."""
        where, values = ("", ()) if status is None else ("WHERE status = ?", (status,))
        yield from self._db.execute(f"SELECT * FROM orders {where} ORDER BY seq, place", values)

    def order_intents(self, seq: int) -> list[str]:
        """Intents of one entry, as JSON."""
        return [r[0] for r in self._db.execute("SELECT intent FROM orders WHERE seq = ? ORDER BY place", (seq,))]

    # --- snapshots and growth ------------------------------------------------------------------------------------------
    def add_snapshot(self, seq: int, time_ms: int, parts: bytes, check_sum: bytes) -> None:
        """What is needed to go on after entry ``seq``."""
        self._db.execute("INSERT OR REPLACE INTO snapshots VALUES (?,?,?,?)", (seq, time_ms, parts, check_sum))

    def snapshots(self) -> Iterator[tuple[int, int, bytes, bytes]]:
        """Newest first."""
        yield from self._db.execute("SELECT * FROM snapshots ORDER BY seq DESC")

    def prune(self, before_ms: int, open_numbers: Iterable[int] = ()) -> int:
        """Forget entries older than the newest snapshot at or before ``before_ms``; returns how many went.

        Orders of the numbers that State still knows stay: a start must tell the broker what they ask for.
        """
        row = self._db.execute("SELECT max(seq) FROM snapshots WHERE time_ms <= ?", (before_ms,)).fetchone()
        if row[0] is None:
            return 0
        self.put_meta(LAST_TRADE, self.last_trade_ms())  # its entry may go
        gone = self._db.execute(
            "DELETE FROM entries WHERE seq < ?", (row[0],)
        ).rowcount  # the snapshot's own says State
        self._db.execute("DELETE FROM effects WHERE seq <= ? AND kind != 'trades'", (row[0],))
        kept = ",".join(str(int(n)) for n in open_numbers)
        self._db.execute(
            f"DELETE FROM orders WHERE seq <= ? AND status != 'planned' AND number NOT IN ({kept})", (row[0],)
        )
        self._db.execute("DELETE FROM snapshots WHERE seq < ?", (row[0],))
        money = "event_key LIKE '%:trade:%' OR event_key LIKE 'funding:%'"  # never twice, however far back we ask
        self._db.execute(f"DELETE FROM applied WHERE seq <= ? AND NOT ({money})", (row[0],))
        return int(gone)

    # --- people --------------------------------------------------------------------------------------------------------
    def leave_command(self, name: str, args: Mapping[str, Any], who: str) -> int:
        """Leave a command for the running session; returns its number."""
        now = int(time.time() * 1000)
        cursor = self._db.execute(
            "INSERT INTO commands (at_ms, name, args, who, status, answer) VALUES (?,?,?,?,'waiting','')",
            (now, name, json.dumps(dict(args)), who),
        )
        return int(cursor.lastrowid or 0)

    def waiting_commands(self) -> list[tuple[int, str, dict[str, Any], str]]:
        """Commands nobody has taken yet: number, name, arguments, who."""
        rows = self._db.execute(
            "SELECT id, name, args, who FROM commands WHERE status = 'waiting' ORDER BY id"
        ).fetchall()
        return [(r[0], r[1], json.loads(r[2]), r[3]) for r in rows]

    def refuse_waiting(self, why: str) -> None:
        """Answer commands that nobody was there to hear."""
        self._db.execute("UPDATE commands SET status = 'refused', answer = ? WHERE status = 'waiting'", (why,))

    def answer_command(self, number: int, status: str, answer: str) -> None:
        """What became of a command."""
        self._db.execute("UPDATE commands SET status = ?, answer = ? WHERE id = ?", (status, answer, number))

    def command(self, number: int) -> "tuple[str, str] | None":
        """Status and answer of a command."""
        row = self._db.execute("SELECT status, answer FROM commands WHERE id = ?", (number,)).fetchone()
        return None if row is None else (str(row[0]), str(row[1]))

    def note(self, at_ms: int, topic: str, text: str) -> None:
        """Something a person may want to read later."""
        self._db.execute("INSERT INTO notes (at_ms, topic, text) VALUES (?,?,?)", (at_ms, topic, text))

    def notes(self, last: int = 50) -> list[tuple[int, str, str]]:
        """The newest notes, oldest first: time, topic, text."""
        rows = self._db.execute("SELECT at_ms, topic, text FROM notes ORDER BY id DESC LIMIT ?", (last,)).fetchall()
        return [(int(r[0]), str(r[1]), str(r[2])) for r in reversed(rows)]

    def add_curve(self, time_ms: int, row: bytes) -> None:
        """The account after a decision bar."""
        self._db.execute("INSERT OR REPLACE INTO curve VALUES (?, ?)", (time_ms, row))

    def curve(self) -> bytes:
        """All rows of the curve, back to back."""
        return b"".join(r[0] for r in self._db.execute("SELECT row FROM curve ORDER BY time_ms"))


def _entry(row: "tuple[Any, ...]") -> Entry:
    seq, kind, time_ms, payload, sums, digest, state, key = row
    return Entry(seq, kind, time_ms, payload, sums, int(digest, 16), state, key)
