"""Start-up and recovery are one path: newest whole snapshot, then all the journal tells since, done and compared again."""

from typing import NamedTuple

from live.adapters.store_sqlite import SqliteStore
from live.differences import Difference
from live.errors import LiveError
from live.journal import Journal, newest_snapshot
from live.replay import OutOfStepError, Replay, drive
from live.session import Session


class Recovered(NamedTuple):
    """How a session came back."""

    from_entry: int  # of the snapshot; 0 = from the beginning
    entries: int  # done again
    fresh: bool  # nothing had happened before


def recover(session: Session, journal: Journal) -> Recovered:
    """Bring a session to where its journal ends, and hand it the journal to go on with.

    Raises
    ------
    LiveError
        If what is done again differs from the journal: the first difference is named, nothing is changed.
    """
    store = journal.store
    store.refuse_waiting("the session was not running")
    found = newest_snapshot(store)
    if found is None and store.last_entry() is not None:
        raise LiveError(f"{store.path}: no whole snapshot among its entries; the one written at the start expected")
    if found is None:
        session.keeper = journal
        journal.snapshot(0, session.parts())  # where every audit begins
        journal.commit()
        return Recovered(0, 0, True)
    after, parts = found
    session.resume(parts)
    replay = Replay(store, session.setup.symbols, _refuse, after)
    session.keeper = replay
    try:
        drive(session, replay)
    except OutOfStepError as error:
        raise LiveError(f"{store.path}: the journal cannot be followed: {error}") from error
    session.keeper = journal
    return Recovered(after, replay.n_entries, store.last_entry() is None)


def _refuse(d: Difference) -> None:
    raise LiveError(f"recovery differs from the journal: {d.line()}; run qt live audit for all differences")


def is_new(store: SqliteStore) -> bool:
    """True where the file holds no session yet."""
    return store.meta("run_id") is None
