"""Parity 3: a snapshot of State and Venue at any bar, restored into a fresh session, goes on as if never stopped."""

import json

import numpy as np
import pytest

from qt_core.engine.session import advance
from qt_core.state import SnapshotError, State, Venue, buffer_of, raw_bytes, restore, schema_hash, snapshot
from tests.parity.cases import CONFIGS, Case, assert_same, config_of, outcome, real_case, simulated_case

JOURNALS = ("trades", "decisions", "events")


@pytest.fixture(params=("simulated", "simulated with detail", "real"))
def case(request: pytest.FixtureRequest) -> Case:
    if request.param.startswith("simulated"):
        return simulated_case(
            n_symbols=4 if "detail" in request.param else 6, n_bars=360, detail="detail" in request.param
        )
    return real_case(request.getfixturevalue("shared_data"))


@pytest.mark.parametrize("name", CONFIGS)
def test_killed_and_restored_equals_never_stopped(case: Case, name: str):
    rng = np.random.Generator(np.random.PCG64(5))
    whole = case.session(config_of(name), seed=9)
    advance(whole)
    expected = outcome(whole)
    for stop in np.sort(rng.integers(30, whole.n_bars - 30, 6)).tolist():
        first = case.session(config_of(name), seed=9)
        advance(first, stop)
        blobs = snapshot(first.state, case.market.symbols), snapshot(first.venue, case.market.symbols)
        second = case.session(config_of(name), seed=1)  # the seed comes back with the snapshot
        second.state = restore(State, blobs[0], case.market.symbols)
        second.venue = restore(Venue, blobs[1], case.market.symbols)
        second.next_bar = stop
        advance(second)
        a, b = outcome(first), outcome(second)
        assert_same(expected, b, ("state", "venue", "digest"))
        for key in JOURNALS:
            assert np.concatenate([a[key], b[key]]).tobytes() == expected[key].tobytes(), f"{key} around bar {stop}"
        assert np.array_equal(a["counters"] + b["counters"], expected["counters"])
        done = int((case.session(config_of(name)).bars.decision[:stop] >= 0).sum())
        assert a["curve"][:done].tobytes() + b["curve"][done:].tobytes() == expected["curve"].tobytes()


@pytest.mark.interpreted
def test_a_snapshot_restores_to_the_same_bytes():
    case = simulated_case(n_symbols=3, n_bars=260)
    s = case.session(config_of("stress"))
    advance(s, 200)
    for views, kind in ((s.state, State), (s.venue, Venue)):
        blob = snapshot(views, case.market.symbols)
        again = restore(kind, blob, case.market.symbols)
        assert raw_bytes(again) == raw_bytes(views)
        assert snapshot(again, case.market.symbols) == blob
        again.symbol["qty"][0] += 1.0
        assert raw_bytes(again) != raw_bytes(views), "the restored copy has a buffer of its own"


def _changed_header(blob: bytes, **changes: object) -> bytes:
    head, _, body = blob.partition(b"\n")
    return json.dumps({**json.loads(head), **changes}).encode() + b"\n" + body


SYMBOLS = ("A", "B", "C")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda b: _changed_header(b, schema="0" * 16), "schema is '0000000000000000', expected"),
        (lambda b: _changed_header(b, kind="Venue"), "kind is 'Venue', expected 'State'"),
        (lambda b: _changed_header(b, symbols=["A", "B"]), r"symbols is \['A', 'B'\], expected"),
        (lambda b: _changed_header(b, symbols=["C", "B", "A"]), r"symbols is \['C', 'B', 'A'\], expected"),
        (lambda b: b[:-1], r"bytes, expected \d+: cut short or corrupt"),
        (lambda b: b + b"\0", r"bytes, expected \d+: cut short or corrupt"),
        (lambda b: b[:40], "no readable header"),
        (lambda b: b"", "no readable header"),
    ],
    ids=["schema", "kind", "fewer symbols", "other order", "truncated", "too long", "header cut", "empty"],
)
def test_a_snapshot_of_anything_else_is_refused_in_one_line(spoil, says: str):
    blob = snapshot(buffer_of(State, len(SYMBOLS)), SYMBOLS)
    with pytest.raises(SnapshotError, match=says) as info:
        restore(State, spoil(blob), SYMBOLS)
    assert "\n" not in str(info.value)


def test_a_changed_field_changes_the_schema(monkeypatch: pytest.MonkeyPatch):
    from qt_core import state as module

    before = schema_hash(State)
    name, full, shape = module.STATE_LAYOUT[0]
    fewer = np.dtype([(n, full[n]) for n in full.names[:-1]])
    layout = ((name, fewer, shape), *module.STATE_LAYOUT[1:])
    monkeypatch.setitem(module._LAYOUTS, State, layout)
    assert schema_hash(State) != before
