"""A session's journal as people look at it: status, positions, trades, and the explanation of one of them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from live.about import setup_from
from live.adapters.broker_paper import PaperBroker
from live.adapters.store_sqlite import SqliteStore
from live.chain import Chain, Setup
from live.entries import DECIDE, unpack
from live.errors import LiveError
from live.inputs import Inputs, SilentSpeaker
from live.journal import newest_snapshot
from live.replay import Replay, drive
from live.session import Session
from qt_core import records as rec
from qt_core.engine.result import open_positions
from qt_core.explain.journal import Journal as Explained
from qt_core.signal.tape import SLOT_NAMES
from qt_core.state import State

Rows = npt.NDArray[Any]
PAPER_KINDS = ("paper",)  # kinds whose venue is simulated in the session


def rows_of(store: SqliteStore, kind: str, dtype: "np.dtype[Any]") -> Rows:
    """All rows of a kind that the session's calls brought."""
    return np.frombuffer(b"".join(data for _, data in store.effects(kind)), dtype=dtype)


@dataclass(frozen=True)
class Status:
    """What a session is at, as its newest snapshot and journal say."""

    name: str
    run_id: str
    kind: str
    time_ms: int  # of the newest entry
    as_of_ms: int
    n_entries: int
    state: State
    setup: Setup
    trades: Rows
    notes: list[tuple[int, str, str]]
    waiting: int  # orders planned and not known to be sent

    @property
    def fund(self) -> Any:
        """The account's record."""
        return np.asarray(self.state.fund).view(rec.FUND_DT)[0]

    @property
    def symbol(self) -> Rows:
        """The symbols' records."""
        return np.asarray(self.state.symbol).view(rec.SYMBOL_DT)

    def held(self) -> list[int]:
        """Symbols with an open position."""
        return [int(i) for i in np.flatnonzero(self.symbol["qty"] != 0.0)]


def status(store: SqliteStore, name: str) -> Status:
    """The session of a store.

    Raises
    ------
    LiveError
        If it has not started, or no snapshot is whole.
    """
    setup = setup_from(store)
    last = store.last_entry()
    state = state_now(store, setup)
    fund = np.asarray(state.fund).view(rec.FUND_DT)[0]
    return Status(
        name=name,
        run_id=str(store.meta("run_id")),
        kind=str(store.meta("kind")),
        time_ms=0 if last is None else last.time_ms,
        as_of_ms=int(fund["now_ms"]),
        n_entries=0 if last is None else last.seq,
        state=state,
        setup=setup,
        trades=rows_of(store, "trades", rec.TRADE_DT),
        notes=store.notes(),
        waiting=sum(1 for _ in store.orders("planned")),
    )


def state_now(store: SqliteStore, setup: Setup) -> State:
    """State as the journal ends: the newest snapshot and what was done since, done again; nothing is compared."""
    found = newest_snapshot(store)
    if found is None:
        raise LiveError(f"{store.path}: no whole snapshot; a session that has started expected")
    after, parts = found
    chain = Chain(setup)
    paper = PaperBroker(chain) if str(store.meta("kind")) in PAPER_KINDS else None
    speaker = SilentSpeaker(setup.symbols, setup.decision_ms)
    replay = Replay(store, setup.symbols, lambda difference: None, after, recompute=False)
    session = Session(
        chain, Inputs(setup.symbols, setup.decision_ms, speaker), replay, str(store.meta("run_id")), paper
    )
    session.resume(parts)
    drive(session, replay)
    return chain.state


def explained(store: SqliteStore) -> Explained:
    """The journal in the form in which a backtest's is explained."""
    setup = setup_from(store)
    decisions = rows_of(store, "decisions", rec.DECISION_DT)
    held = open_positions(state_now(store, setup))
    trades = np.concatenate([rows_of(store, "trades", rec.TRADE_DT), held])
    return Explained(
        symbols=setup.symbols,
        config=setup.config,
        simulated=bool(setup.config.data.get("simulated")),
        trades=np.sort(trades, order="trade_id"),
        decisions=decisions,
        events=rows_of(store, "events", rec.JOURNAL_EVENT_DT),
        curve=np.frombuffer(store.curve(), dtype=rec.CURVE_DT),
        votes=_votes(store, decisions),
        models=SLOT_NAMES,
    )


def _votes(store: SqliteStore, decisions: Rows) -> npt.NDArray[np.float32]:
    """What each model said of each decision's symbol and bar; NaN where one abstained."""
    said: npt.NDArray[np.float32] = np.full((len(decisions), 4, 3), np.nan, dtype=np.float32)
    by_time: dict[int, list[int]] = {}
    for k, time_ms in enumerate(decisions["time_ms"]):
        by_time.setdefault(int(time_ms), []).append(k)
    for entry in store.entries_of(DECIDE):
        rows = by_time.get(entry.time_ms)
        if rows is None:
            continue
        arrays = unpack(entry.payload)
        at = decisions["symbol"][rows]
        proba = arrays["proba"][0, at].copy()
        proba[~arrays["available"][0, at]] = np.nan
        said[rows] = proba
    return said
