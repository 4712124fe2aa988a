"""The user stream: any permutation and repetition of a valid sequence of messages states the same fills, each once."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from live.adapters.binance.frames import (
    FORCED_ADL,
    FORCED_LIQUIDATION,
    FORCED_SETTLEMENT,
    Conditional,
    End,
    Fill,
    KeyExpired,
    Money,
    forced_of,
    funding_key,
    read,
)
from live.adapters.binance.user_stream import Gap, UserStream


def ours(client_id: str) -> bool:
    return client_id.startswith("q")


def order(i: int, state: str, **more: Any) -> dict[str, Any]:
    """One ORDER_TRADE_UPDATE."""
    o = {"s": "BTCUSDT", "c": f"q{i}", "S": "BUY", "o": "MARKET", "f": "GTC", "q": "1", "p": "0", "x": state, "X": state,
         "i": i, "l": "0", "z": "0", "L": "0", "N": "USDT", "n": "0", "T": 1000 + i, "t": 0, "m": False, "R": False,
         "rp": "0"}  # fmt: skip
    return {"e": "ORDER_TRADE_UPDATE", "E": 1, "T": 1000 + i, "o": o | more}


def life(i: int, parts: list[int], cancelled: bool) -> list[dict[str, Any]]:
    """All messages of one order, in order: accepted, its trades, and its end where it was cancelled."""
    asked = sum(parts) + (1 if cancelled else 0)
    messages, done = [order(i, "NEW", q=str(asked / 1000))], 0
    for k, part in enumerate(parts):
        done += part
        state = "FILLED" if done == asked else "PARTIALLY_FILLED"
        messages.append(
            order(i, state, x="TRADE", q=str(asked / 1000), l=str(part / 1000), z=str(done / 1000), L="100",
                  n="0.01", t=i * 100 + k + 1)
        )  # fmt: skip
    if cancelled:
        messages.append(order(i, "CANCELED", q=str(asked / 1000), z=str(done / 1000)))
    return messages


lives = st.lists(st.tuples(st.lists(st.integers(1, 997), max_size=5), st.booleans()), min_size=1, max_size=4)


@given(lives, st.randoms(use_true_random=False), st.integers(0, 6))
def test_any_order_and_number_of_messages_states_each_fill_once(
    cases: list[tuple[list[int], bool]], rng: random.Random, repeats: int
):
    messages = [m for i, (parts, cancelled) in enumerate(cases, 1) for m in life(i, parts, cancelled)]
    straight = UserStream(ours)
    expected = [f for m in messages for f in straight.feed(m, 0)]
    mixed = messages + [rng.choice(messages) for _ in range(repeats)]
    rng.shuffle(mixed)
    stream = UserStream(ours)
    facts = [f for m in mixed for f in stream.feed(m, 0)]
    assert sorted(facts, key=str) == sorted(expected, key=str)
    assert not stream.gaps(10**9, 0)
    for i in range(1, len(cases) + 1):  # of one order: trades by total, its end last
        of_order = [f for f in facts if isinstance(f, Fill | End) and f.order_id == str(i)]
        assert of_order == [f for f in expected if isinstance(f, Fill | End) and f.order_id == str(i)]


@given(st.lists(st.integers(1, 997), min_size=2, max_size=6), st.data())
def test_a_lost_trade_is_a_gap_until_rest_fills_it_in(parts: list[int], data: st.DataObject):
    messages = life(1, parts, True)
    whole = [f for f in (read(m) for m in messages) if f is not None]
    lost = data.draw(st.sets(st.integers(1, len(parts)), min_size=1))
    stream = UserStream(ours)
    facts = [f for k, m in enumerate(messages) if k not in lost for f in stream.feed(m, 10)]
    assert stream.gaps(509, 500) == []
    assert stream.gaps(510, 500) == [Gap("BTCUSDT", "1", "q1")]
    trades = [f._replace(total=float("nan")) for f in whole if isinstance(f, Fill)]
    facts += stream.fill_in(reversed(trades), 510)
    assert [f.key for f in facts] == [f.key for f in whole]  # type: ignore[union-attr]
    assert stream.gaps(10**9, 0) == []


def test_what_was_applied_before_a_restart_only_moves_the_chain_on():
    messages = life(1, [5, 5], False)
    stream = UserStream(ours, known=["BTCUSDT:trade:101"])
    assert stream.feed(messages[2], 0) == []  # the second trade: its predecessor has not been seen here
    first = read(messages[1])
    assert isinstance(first, Fill)
    second = read(messages[2])
    assert isinstance(second, Fill)
    assert [f.key for f in stream.fill_in([first, second], 0)] == ["BTCUSDT:trade:102"]  # type: ignore[union-attr]


def test_a_late_partial_fill_and_a_second_end_carry_nothing():
    messages = life(1, [5, 5], True)
    stream = UserStream(ours)
    facts = [f for m in messages for f in stream.feed(m, 0)]
    assert len(facts) == 3
    assert stream.feed(messages[1], 0) == stream.feed(messages[-1], 0) == []
    assert stream.duplicates == 2


def test_an_order_under_a_strange_id_waits_for_its_conditional_order():
    algo = {"e": "ALGO_UPDATE", "E": 1, "T": 5, "o": {"caid": "q7", "aid": 9, "s": "BTCUSDT", "S": "BUY", "q": "1",
            "X": "TRIGGERED", "ai": "55"}}  # fmt: skip
    fill = order(55, "FILLED", x="TRADE", c="electron", l="1", z="1", L="100", t=3)
    stream = UserStream(ours)
    assert stream.feed(fill, 0) == []
    said, trade = stream.feed(algo, 1)
    assert isinstance(said, Conditional)
    assert isinstance(trade, Fill)
    assert trade.client_id == "q7"
    nobody = UserStream(ours)
    assert nobody.feed(fill, 0) == []
    assert nobody.strangers(499, 500) == []
    assert [f.client_id for f in nobody.strangers(500, 500)] == ["electron"]  # type: ignore[union-attr]


def test_what_conditional_orders_became_is_remembered_up_to_the_limit_the_oldest_forgotten_first():
    stream = UserStream(ours, limit=2)
    for i in (1, 2, 3):
        stream.feed({"e": "ALGO_UPDATE", "E": 1, "T": 5, "o": {"caid": f"q{i}", "aid": i, "s": "BTCUSDT", "S": "BUY",
                     "q": "1", "X": "TRIGGERED", "ai": str(50 + i)}}, 0)  # fmt: skip
    fills = [order(50 + i, "FILLED", x="TRADE", c="electron", l="1", z="1", L="100", t=i) for i in (1, 2, 3)]
    told = [[f.client_id for f in stream.feed(fill, 1)] for fill in fills]  # type: ignore[union-attr]
    assert told == [[], ["q2"], ["q3"]]
    assert stream.strangers_waiting == 1


def test_what_cannot_be_filled_in_is_let_out_in_the_end():
    messages = life(1, [5, 5, 5], True)
    stream = UserStream(ours)
    facts = [f for m in messages[2:] for f in stream.feed(m, 1)]
    assert facts == []
    (gap,) = stream.gaps(1000, 500)
    assert [type(f) for f in stream.give_up(gap, 1000)] == [Fill, Fill, End]
    assert stream.gaps(10**9, 0) == []


def test_forced_orders_and_keys():
    assert forced_of("autoclose-1596107620040000020") == FORCED_LIQUIDATION
    assert forced_of("adl_autoclose") == FORCED_ADL
    assert forced_of("settlement_autoclose-1") == FORCED_SETTLEMENT
    assert forced_of("x", "LIQUIDATION") == FORCED_LIQUIDATION
    assert funding_key("A", 1_700_006_400_003) == funding_key("A", 1_700_006_399_998) == "funding:A:1700006400000"


@pytest.mark.parametrize(
    ("name", "kind"),
    [("AccountUpdate", Money), ("AlgoOrderUpdate", End), ("OrderUpdate", type(None)), ("Leverage", type(None))],
)
def test_the_documented_messages_are_read(name: str, kind: type, require_shared: Callable[[str], Path]):
    text = require_shared(f"fixtures/jkorf_binance_net/Subscriptions/UsdFutures/{name}.txt").read_text()
    fact = read(json.loads(text.split("=", 1)[1]))
    assert isinstance(fact, kind)
    if isinstance(fact, Money):
        assert fact.wallet == 122624.12345678
        assert [p.symbol for p in fact.positions] == ["BTCUSDT"]
    if isinstance(fact, End):
        assert (fact.client_id, fact.status, fact.conditional) == ("Q5xaq5EGKgXXa0fD7fs0Ip", "CANCELED", True)


def test_an_expired_listen_key_is_a_fact():
    assert read({"e": "listenKeyExpired", "E": 7, "listenKey": "x"}) == KeyExpired(7)
