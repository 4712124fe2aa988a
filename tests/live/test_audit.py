"""An audit of an untouched session is clean; one flipped bit is named where it stands."""

import json
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from live.adapters.store_sqlite import SqliteStore
from live.audit import Audit, audit
from live.bootstrap import JOURNAL
from live.entries import BAR, DECIDE, EVENT, pack, unpack
from qt_core import records as rec
from qt_core.codes import CTX_ADX
from qt_core.config import load_config
from tests.live.paper import run_paper
from tests.parity.cases import FULL, simulated_case


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The journal of a session over a short simulated market."""
    case = simulated_case()
    config = load_config(dict(FULL) | {"live": {"name": "short", "snapshot_bars": 200}})
    return run_paper(config, case.market, tmp_path_factory.mktemp("audit")).folder / JOURNAL


@pytest.fixture
def copy(played: Path, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A copy of it that may be damaged."""
    store = SqliteStore(played)
    store.begin()
    store.commit()
    store.close()
    with sqlite3.connect(played) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copy(played, tmp_path / JOURNAL)
    db = sqlite3.connect(tmp_path / JOURNAL)
    yield db
    db.close()


def audited(db: sqlite3.Connection) -> Audit:
    db.commit()
    path = Path(db.execute("PRAGMA database_list").fetchone()[2])
    store = SqliteStore(path, read_only=True)
    try:
        return audit(store)
    finally:
        store.close()


def flip(db: sqlite3.Connection, kind: int, name: str, at: tuple[int, ...], row: int = 300) -> tuple[int, int]:
    """Turn one bit of one number of the ``row``-th entry of a kind; returns (entry, time)."""
    seq, time_ms, payload = db.execute(
        "SELECT seq, time_ms, payload FROM entries WHERE kind = ? ORDER BY seq LIMIT 1 OFFSET ?", (kind, row)
    ).fetchone()
    arrays = unpack(payload)
    numbers = arrays[name]
    bits = numbers.view(np.uint8).reshape((*numbers.shape, -1)) if numbers.ndim else numbers.view(np.uint8)
    bits[at][0] ^= 1
    db.execute("UPDATE entries SET payload = ? WHERE seq = ?", (pack(arrays), seq))
    return int(seq), int(time_ms)


def test_an_untouched_session_is_clean(copy: sqlite3.Connection) -> None:
    found = audited(copy)
    assert found.clean, found.differences[:3]
    assert found.entries > 1400
    assert found.snapshots >= 4
    assert set(found.by_kind) == {"bar", "event", "decide"}


def test_a_price_is_named_by_symbol(copy: sqlite3.Connection) -> None:
    seq, time_ms = flip(copy, BAR, "px", (2, 3))
    first = audited(copy).differences[0]
    assert (first.seq, first.time_ms, first.what) == (seq, time_ms, "input")
    assert first.where == simulated_case().market.symbols[2]


def test_a_feature_is_named_by_column_and_symbol(copy: sqlite3.Connection) -> None:
    seq, _ = flip(copy, DECIDE, "ctx", (0, 4, CTX_ADX))
    found = [d for d in audited(copy).differences if d.seq == seq]
    assert {d.where for d in found} == {simulated_case().market.symbols[4]}
    assert any(d.what == "feature" and "adx" in d.text for d in found)


def test_a_model_row_is_named_by_model_and_symbol(copy: sqlite3.Connection) -> None:
    seq, _ = flip(copy, DECIDE, "proba", (0, 1, 2, 0))
    found = [d for d in audited(copy).differences if d.seq == seq]
    assert any(d.what == "model row" and "N-HiTS" in d.text for d in found)
    assert {d.where for d in found} == {simulated_case().market.symbols[1]}


def test_a_fill_is_named(copy: sqlite3.Connection) -> None:
    seq, _ = flip(copy, EVENT, "event", (0, list(rec.EVENT_DT.names or ()).index("price") * 8), row=20)
    found = [d for d in audited(copy).differences if d.seq == seq]
    assert any(d.what == "event" for d in found)


def test_a_state_is_named(copy: sqlite3.Connection) -> None:
    seq, state = copy.execute(
        "SELECT seq, state FROM entries WHERE kind = ? ORDER BY seq LIMIT 1 OFFSET 99", (DECIDE,)
    ).fetchone()
    copy.execute("UPDATE entries SET state = ? WHERE seq = ?", (bytes([state[0] ^ 1]) + state[1:], seq))
    (only,) = audited(copy).differences
    assert (only.seq, only.what) == (seq, "state")


def test_a_snapshot_is_named(copy: sqlite3.Connection) -> None:
    seq, parts = copy.execute("SELECT seq, parts FROM snapshots ORDER BY seq LIMIT 1 OFFSET 1").fetchone()
    copy.execute(
        "UPDATE snapshots SET parts = ? WHERE seq = ?", (parts[:100] + bytes([parts[100] ^ 1]) + parts[101:], seq)
    )
    (only,) = audited(copy).differences
    assert (only.seq, only.what) == (seq, "state")
    assert "altered" in only.text


@pytest.mark.parametrize(
    ("kind", "column", "what"),
    [
        ("decisions", "sl_fraction", "decision"),
        ("requests", "qty", "order"),
        ("trades", "pnl_usd", "trade"),
    ],
)
def test_a_row_is_named_with_its_module(copy: sqlite3.Connection, kind: str, column: str, what: str) -> None:
    dtype = {"decisions": rec.DECISION_DT, "requests": rec.REQUEST_DT, "trades": rec.TRADE_DT}[kind]
    seq, data = copy.execute(
        "SELECT seq, data FROM effects WHERE kind = ? ORDER BY seq LIMIT 1 OFFSET 9", (kind,)
    ).fetchone()
    rows = np.frombuffer(data, dtype=dtype).copy()
    rows[column].view(np.uint64)[0] ^= np.uint64(1)
    copy.execute("UPDATE effects SET data = ? WHERE seq = ? AND kind = ?", (rows.tobytes(), seq, kind))
    (only,) = audited(copy).differences
    assert (only.seq, only.what) == (seq, what)
    assert column in only.text
    assert only.where == simulated_case().market.symbols[int(rows["symbol"][0])]
    assert only.module == ("14 dynamic TP/SL" if kind == "decisions" else "")


def test_an_order_is_named(copy: sqlite3.Connection) -> None:
    client_id, seq, intent = copy.execute(
        "SELECT client_id, seq, intent FROM orders ORDER BY seq LIMIT 1 OFFSET 5"
    ).fetchone()
    values = json.loads(intent)
    values[8] *= 2.0  # its quantity
    copy.execute("UPDATE orders SET intent = ? WHERE client_id = ?", (json.dumps(values), client_id))
    (only,) = audited(copy).differences
    assert (only.seq, only.what) == (seq, "order")
    assert "qty" in only.text


def test_a_missing_entry_is_named(copy: sqlite3.Connection) -> None:
    copy.execute(
        "DELETE FROM entries WHERE seq = (SELECT seq FROM entries WHERE kind = ? ORDER BY seq LIMIT 1 OFFSET 50)",
        (DECIDE,),
    )
    assert any("cannot be followed" in d.text for d in audited(copy).differences)
