"""What goes and what stays when a session forgets old entries of its journal."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from live.adapters.store_sqlite import PLANNED, SENT, SqliteStore
from live.audit import audit
from live.bootstrap import Started, start_paper_replay
from live.entries import EVENT, Entry
from live.runner import Runner
from qt_core.config import load_config
from qt_core.io.timeframes import DAY_MS
from qt_core.market import Market
from tests.live.paper import assert_same, left
from tests.parity.cases import FULL, simulated_case

KINDS = ("requests", "decisions", "events", "trades")
TRADE, END = "AAAUSDT:trade:{}", "AAAUSDT:end:{}"
N = 9  # entries; one a second, the n-th of them a trade where n is odd
KEEP_DAYS, FOR_EVER, SNAPSHOT_BARS = 2.0, 365.0, 10


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    """Nine entries with everything an entry may have, and snapshots at the beginning and after the third and sixth."""
    store = SqliteStore(tmp_path / "j.sqlite", create=True)
    store.begin()
    for seq in range(1, N + 1):
        key = (TRADE if seq % 2 else END).format(seq)
        store.add_entry(Entry(seq, EVENT, at(seq), b"payload", b"", 0, b"", key))
        store.add_effects(seq, dict.fromkeys(KINDS, b"row"))
        store.add_orders(seq, [(f"planned{seq}", seq, 0, at(seq), "[]")], PLANNED)
        store.add_orders(seq, [(f"sent{seq}", seq, 0, at(seq), "[]")], SENT)
    for seq in (0, 3, 6):
        store.add_snapshot(seq, at(seq), b"parts", b"sum")
    store.commit()
    return store


def at(seq: int) -> int:
    return 1_000 * seq


def orders(store: SqliteStore, status: str) -> list[int]:
    return [int(row[1]) for row in store.orders(status)]


def effects(store: SqliteStore, kind: str) -> list[int]:
    return [seq for seq, _ in store.effects(kind)]


def whole(store: SqliteStore) -> list[Any]:
    """All that a prune may touch."""
    return [
        list(store.entries()), sorted(store.recent_keys()), list(store.snapshots()), list(store.orders()),
        *(list(store.effects(kind)) for kind in KINDS),
    ]  # fmt: skip


def test_what_the_newest_old_snapshot_covers_goes(store: SqliteStore) -> None:
    assert store.prune(at(6) + 500) == 5
    assert [e.seq for e in store.entries()] == [6, 7, 8, 9]  # the snapshot's own says what State it left
    assert [seq for seq, *_ in store.snapshots()] == [6]
    assert [effects(store, kind) for kind in KINDS] == [[7, 8, 9]] * 3 + [list(range(1, N + 1))]
    assert orders(store, SENT) == [7, 8, 9]
    assert [store.is_applied(END.format(seq)) for seq in (2, 4, 6, 8)] == [False, False, False, True]
    assert store.orphans() == []


def test_trades_and_what_keeps_them_from_being_booked_again_stay(store: SqliteStore) -> None:
    store.prune(at(6) + 500)
    assert effects(store, "trades") == list(range(1, N + 1))
    assert all(store.is_applied(TRADE.format(seq)) for seq in range(1, N + 1, 2))


def test_orders_that_state_still_knows_stay_and_last_trade_and_funding_are_remembered(store: SqliteStore) -> None:
    store.begin()
    store.add_entry(Entry(N + 1, EVENT, at(N + 1), b"", b"", 0, b"", "funding:AAAUSDT:0"))
    store.add_snapshot(N + 1, at(N + 1), b"parts", b"sum")
    newest = store.last_trade_ms()
    store.prune(at(N + 1), (2, 5))
    assert orders(store, SENT) == [2, 5]
    assert store.is_applied("funding:AAAUSDT:0")
    assert store.last_trade_ms() == newest == at(N)
    store.commit()


def test_an_order_of_which_nobody_knows_whether_it_was_sent_stays(store: SqliteStore) -> None:
    store.prune(at(6) + 500)
    assert orders(store, PLANNED) == list(range(1, N + 1))


@pytest.mark.parametrize(("before_ms", "first"), [(at(6), 6), (at(6) - 1, 3), (at(3), 3), (at(N), 6)])
def test_what_no_old_snapshot_covers_stays(before_ms: int, first: int, store: SqliteStore) -> None:
    assert store.prune(before_ms) == first - 1
    assert [e.seq for e in store.entries()] == list(range(first, N + 1))
    assert [seq for seq, *_ in store.snapshots()] == [seq for seq in (6, 3) if seq >= first]


@pytest.mark.parametrize("before_ms", [-1, 0, at(3) - 1])
def test_without_an_old_snapshot_nothing_goes(before_ms: int, store: SqliteStore) -> None:
    before = whole(store)
    assert store.prune(before_ms) == 0
    assert whole(store) == before


# --- whole sessions ----------------------------------------------------------------------------------------------------


def session(keep_days: float, folder: Path, market: Market, *deaths: int) -> Started:
    """A paper session to the market's end; it dies after so many bars each time, and goes on from what is on the disk."""
    live = {"name": "kept", "snapshot_bars": SNAPSHOT_BARS, "keep_days": keep_days}
    config = load_config(dict(FULL) | {"live": live})
    for bars in (*deaths, market.n_bars):
        started = start_paper_replay(config, folder, market=market, unsafe=True)
        asyncio.run(walk(started.runner, bars))
        started.lock.close()
    return started


async def walk(runner: Runner, bars: int) -> None:
    """Bars one by one, so that the session's clock stands where it stands; nothing is saved at the end."""
    async for bar in runner.feed.bars(runner.session.last_bar_ms):
        await runner.take(bar)
        if runner.bars == bars:
            break


def test_a_session_keeps_what_it_was_told_to_keep_and_forgets_the_rest(tmp_path: Path) -> None:
    market = simulated_case(5, 500).market
    store = session(KEEP_DAYS, tmp_path, market).runner.journal.store
    oldest_ms = next(store.entries()).time_ms
    kept_ms = int(market.time[-1]) + market.timeframe_ms - oldest_ms
    between_ms = SNAPSHOT_BARS * market.timeframe_ms  # it looks when it takes one, and goes back to an older one
    assert KEEP_DAYS * DAY_MS <= kept_ms <= KEEP_DAYS * DAY_MS + 2 * between_ms
    assert min(time_ms for _, time_ms, _, _ in store.snapshots()) <= oldest_ms + between_ms
    assert audit(store).clean


def test_a_session_that_forgets_goes_on_as_one_that_keeps_everything(tmp_path: Path) -> None:
    market = simulated_case(5, 500).market
    everything = left(session(FOR_EVER, tmp_path / "all", market))
    forgetful = left(session(KEEP_DAYS, tmp_path / "some", market, 125, 101, 7))
    lasting = ("trades", "curve", "counters", "tally", "state", "venue")
    assert_same({n: everything[n] for n in lasting}, {n: forgetful[n] for n in lasting})
    for name in ("decisions", "events"):
        rows = forgetful[name]
        assert 0 < len(rows) < len(everything[name])
        assert everything[name][-len(rows) :].tobytes() == rows.tobytes(), name
