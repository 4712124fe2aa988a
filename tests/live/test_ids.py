"""Client order ids say what they are of, are accepted by the exchange, and are never the same twice."""

import re

from hypothesis import given
from hypothesis import strategies as st

from live.ids import MAX_LENGTH, IdMaker, make_id, read_id, symbol_hash
from qt_core.codes import OP_AMEND, OP_CANCEL, OP_NEW, TAG_NAMES

ALPHABET = re.compile(r"^[\.A-Z\:/a-z0-9_-]{1,36}$")  # the exchange's own
RUN = "a1b2c3"
OPS = (OP_NEW, OP_CANCEL, OP_AMEND)


@given(
    st.integers(0, 2**43),
    st.sampled_from(["BTCUSDT", "1000PEPEUSDT", "ETHUSDT_250926", "X"]),
    st.sampled_from(OPS),
    st.integers(0, len(TAG_NAMES) - 1),
    st.integers(0, 10**9),
)
def test_an_id_is_read_back(time_ms: int, symbol: str, op: int, tag: int, seq: int) -> None:
    text = make_id(RUN, time_ms, symbol, op, tag, seq)
    assert ALPHABET.match(text)
    assert len(text) + 4 <= MAX_LENGTH  # room for the number of a repeated request
    said = read_id(text)
    assert said is not None
    assert said == (RUN, op, tag, seq, time_ms, symbol_hash(symbol))


def test_foreign_ids_are_none_of_ours() -> None:
    for text in (
        "",
        "web_abc",
        "autoclose-123",
        "a.b.c",
        "a1b2c3.1.1.1",
        "toolong.1.1.1.1",
        "a1b2c3.!.1.1.1",
        "a1b2c3.zz.1.1.1",
    ):
        assert read_id(text) is None, text


def test_a_request_like_another_at_the_same_time_gets_a_number() -> None:
    maker = IdMaker(RUN)
    ids = [maker.make(5, "BTCUSDT", OP_AMEND, 2, 7) for _ in range(3)]
    assert len(set(ids)) == 3
    assert {read_id(i) for i in ids} == {read_id(ids[0])}
    assert maker.make(6, "BTCUSDT", OP_AMEND, 2, 7) == make_id(RUN, 6, "BTCUSDT", OP_AMEND, 2, 7)


def test_a_maker_goes_on_from_its_snapshot() -> None:
    one, other = IdMaker(RUN), IdMaker(RUN)
    one.make(5, "BTCUSDT", OP_NEW, 1, 7)
    other.resume(one.snapshot())
    assert (
        one.make(5, "BTCUSDT", OP_NEW, 1, 7)
        == other.make(5, "BTCUSDT", OP_NEW, 1, 7)
        != make_id(RUN, 5, "BTCUSDT", OP_NEW, 1, 7)
    )
