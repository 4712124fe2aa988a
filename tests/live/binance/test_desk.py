"""The desk: messages of several orders in any order and number leave the same books and tell each trade once."""

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from live.adapters.binance.desk import Desk
from live.adapters.binance.orders import Known, Orders
from live.adapters.binance.settings import BrokerSettings
from live.adapters.binance.telling import Teller
from live.adapters.binance.user_stream import UserStream
from live.ids import make_id
from live.ports import VenueEvent
from qt_core.codes import EV_FILL, EV_FUNDING, EV_LIQUIDATION, LIQUIDATED, MARKET, OP_NEW, TAG_ENTRY, TAG_EXIT

NAME, RUN, NOW = "AAAUSDT", "run001", 1_700_000_000_000


def desk() -> tuple[Desk, list[Known]]:
    """An empty desk at leverage 5 with 1,000 USD, and the orders it asks to cancel."""
    orders, swept = Orders(RUN), list[Known]()
    teller = Teller(BrokerSettings(), orders, {NAME: 0}, lambda i: 100.0, lambda i: float("nan"))
    teller.ledger.wallet_usd, teller.leverage = 1_000.0, {0: 5.0}
    made = Desk(orders, teller, UserStream(orders.ours), lambda: NOW, swept.append)
    made.go_live()
    return made, swept


def trade(
    seq: int, number: int, side: int, part: int, done: int, asked: int, reduces: bool, **more: Any
) -> dict[str, Any]:
    """One trade of an order, in lots of 0.001."""
    tag = TAG_EXIT if reduces else TAG_ENTRY
    o = {"s": NAME, "c": make_id(RUN, NOW, NAME, OP_NEW, tag, seq), "S": "BUY" if side > 0 else "SELL", "o": "MARKET",
         "f": "GTC", "q": str(asked / 1000), "x": "TRADE", "X": "FILLED" if done == asked else "PARTIALLY_FILLED",
         "i": seq, "l": str(part / 1000), "z": str(done / 1000), "L": "100", "N": "USDT", "n": "0.01", "T": NOW + number,
         "t": number, "m": False, "R": reduces, "rp": "0.5" if reduces else "0"}  # fmt: skip
    return {"e": "ORDER_TRADE_UPDATE", "E": NOW, "T": NOW + number, "o": o | more}


def messages(entries: list[int], exits: list[int]) -> list[dict[str, Any]]:
    """A long built by one order in parts, and closed in parts by one that only reduces."""
    out, number = [], 0
    total = sum(entries)
    closed = [min(x, total - sum(exits[:k])) for k, x in enumerate(exits) if sum(exits[:k]) < total]
    for seq, parts, side in ((1, entries, 1), (2, closed, -1)):
        done = 0
        for part in parts:
            done, number = done + part, number + 1
            out.append(trade(seq, number, side, part, done, sum(parts), side < 0))
    return out


def told(d: Desk) -> list[VenueEvent]:
    d.collect()
    return d.collected()


parts = st.lists(st.integers(1, 500), min_size=1, max_size=4)


@given(parts, parts, st.randoms(use_true_random=False), st.integers(0, 5))
def test_any_order_of_messages_leaves_the_same_books(
    entries: list[int], exits: list[int], rng: random.Random, extra: int
):
    straight = messages(entries, exits)
    first, _ = desk()
    for message in straight:
        first.hear(message)
    mixed = straight + [rng.choice(straight) for _ in range(extra)]
    rng.shuffle(mixed)
    second, _ = desk()
    for message in mixed:
        second.hear(message)
    a, b = told(first), told(second)
    assert sorted(e.key for e in a) == sorted(e.key for e in b)
    assert len({e.key for e in b}) == len(b) == len(straight)
    assert second.teller.ledger.wallet_usd == pytest.approx(first.teller.ledger.wallet_usd)
    one, other = first.teller.ledger.at(0), second.teller.ledger.at(0)
    assert other.qty == pytest.approx(one.qty, abs=1e-12)
    assert other.margin_usd == pytest.approx(one.margin_usd, abs=1e-9)
    assert b[-1].row["wallet_usd"] == pytest.approx(a[-1].row["wallet_usd"])
    held = np.cumsum([float(e.row["side"] * e.row["qty"]) for e in b])
    assert (held > -1e-9).all()  # never closed before it was opened


def test_a_reduction_of_what_is_not_held_waits_and_is_let_go_in_the_end():
    d, _ = desk()
    early = trade(2, 2, -1, 100, 100, 100, True)
    d.hear(early)
    assert told(d) == []
    assert d.missing
    d.hear(trade(1, 1, 1, 100, 100, 100, False))
    assert [int(e.row["seq"]) for e in told(d)] == [1, 2]
    alone, _ = desk()
    alone.hear(early)
    alone.let_go()
    assert [int(e.row["seq"]) for e in told(alone)] == [2]
    assert not alone.missing


def test_what_the_chain_gave_up_and_twins_go_with_the_position():
    d, swept = desk()
    d.hear(trade(1, 1, 1, 100, 100, 100, False))
    twin = Known("a", 0, 2, MARKET, -1, TAG_EXIT, 1, 0.1)
    given_up = Known("b", 0, 3, MARKET, -1, TAG_EXIT, 1, 0.1, orphan=True)
    other = Known("c", 0, 4, MARKET, -1, TAG_EXIT, 1, 0.1)
    for known in (twin, given_up, other):
        d.orders.add(known)
    d.hear(trade(2, 2, -1, 100, 100, 100, True))
    assert {k.client_id for k in swept} == {"a", "b"}
    assert all(k.silent for k in swept)


def test_a_reversal_is_told_as_a_close_and_an_opening():
    d, _ = desk()
    d.hear(trade(1, 1, 1, 100, 100, 100, False))
    d.hear(trade(2, 2, -1, 300, 300, 300, False, rp="1.0"))
    _, closes, opens = told(d)
    assert (closes.row["qty"], opens.row["qty"]) == (pytest.approx(0.1), pytest.approx(0.2))
    assert closes.row["realised_usd"] == pytest.approx(1.0)
    assert closes.row["fee_usd"] + opens.row["fee_usd"] == pytest.approx(0.01)
    assert opens.key == closes.key + ":opens"
    assert d.teller.ledger.at(0).qty == pytest.approx(-0.2)


@pytest.mark.parametrize(("name", "kind"), [("autoclose-1", EV_LIQUIDATION), ("adl_autoclose", EV_LIQUIDATION),
                                            ("settlement_autoclose-1", EV_FILL)])  # fmt: skip
def test_what_the_exchange_closes_by_itself(name: str, kind: int):
    d, _ = desk()
    d.hear(trade(1, 1, 1, 100, 100, 100, False))
    d.hear(trade(9, 2, -1, 100, 100, 100, False, c=name, rp="-3"))
    row = told(d)[1].row
    assert (row["kind"], row["seq"], row["done"], row["realised_usd"]) == (kind, 0, 1, -3.0)
    assert (row["reason"] == LIQUIDATED) == (kind == EV_LIQUIDATION)
    assert d.teller.foreign == 0


def funding(change: str, positions: int = 1, time_ms: int = NOW) -> dict[str, Any]:
    held = [{"s": NAME, "pa": "0.1", "ep": "100", "iw": "2", "ps": "BOTH"}] * positions
    balance = {"a": "USDT", "wb": "998.99", "cw": "0", "bc": change}
    return {"e": "ACCOUNT_UPDATE", "E": NOW, "T": time_ms, "a": {"m": "FUNDING_FEE", "B": [balance], "P": held}}


def test_funding_from_the_message_once_and_by_the_wallet_where_it_states_no_change():
    d, _ = desk()
    d.hear(trade(1, 1, 1, 100, 100, 100, False))
    d.hear(funding("-0.5"))
    d.hear(funding("-0.5", time_ms=NOW + 7))
    d.fund(NAME, NOW + 3, -0.5)
    d.hear(funding("0", time_ms=NOW + 8 * 3_600_000))
    d.hear(funding("-1", positions=0, time_ms=NOW + 16 * 3_600_000))
    _, first, second = told(d)
    assert (first.row["kind"], first.row["funding_usd"]) == (EV_FUNDING, -0.5)
    assert first.row["value"] == pytest.approx(0.5 / 10.0)  # of 0.1 at the mark of 100
    assert second.row["funding_usd"] == pytest.approx(998.99 - (1_000.0 - 0.01 - 0.5))
    assert d.funding_unknown


def test_a_fee_in_another_coin_leaves_this_wallet_alone():
    d, _ = desk()
    d.hear(trade(1, 1, 1, 100, 100, 100, False, N="BNB", n="0.0001"))
    (fill,) = told(d)
    assert fill.row["fee_usd"] == 0.0
    assert d.teller.ledger.wallet_usd == 1_000.0
    assert d.teller.other_fees == 1
