"""A position that no order of ours opened is protected by the profile's anchors, and teaches nothing."""

from typing import Any

import numpy as np
import pytest

from live.adapters.feed_replay import ReplayFeed, setup_of
from live.chain import Chain, Effects
from qt_core import records as rec
from qt_core.codes import EV_FILL, EXIT_STOP, OP_NEW, STOP, TAG_NONE, TAG_SL, TAG_TP, TAKE_PROFIT
from qt_core.config import load_config
from tests.parity.cases import FULL, simulated_case

PRICE, QTY = 100.0, 3.0


def fill(chain: Chain, side: int, qty: float, price: float, margin: float, **more: Any) -> Effects:
    row = np.zeros(1, dtype=rec.EVENT_DT)[0]
    given = {
        "kind": EV_FILL, "time_ms": 1_700_000_000_000, "symbol": 0, "side": side, "qty": qty, "price": price,
        "reference_price": price, "wallet_usd": 50_000.0, "margin_usd": margin, "done": 1, "tag": TAG_NONE,
    } | more  # fmt: skip
    for name, value in given.items():
        row[name] = value
    effects = chain.hear(row)
    chain.clear_requests()
    return effects


@pytest.mark.parametrize("side", [1, -1])
def test_it_is_protected_and_teaches_nothing(side: int) -> None:
    market = simulated_case().market
    config = load_config(dict(FULL))
    chain = Chain(setup_of(market, config))
    chain.load(ReplayFeed(market).bar(0))
    before = np.asarray(chain.state.memory).tobytes()
    asked = fill(chain, side, QTY, PRICE, QTY * PRICE / 4.0).requests
    p, s = config.params().tpsl, chain.symbol[0]
    assert [(int(r["op"]), int(r["kind"]), int(r["tag"])) for r in asked] == [
        (OP_NEW, STOP, TAG_SL),
        (OP_NEW, TAKE_PROFIT, TAG_TP),
    ]
    assert asked["trigger"][0] == pytest.approx(PRICE * (1 - side * p.sl_anchor), abs=float(s["tick_size"]))
    assert asked["trigger"][1] == pytest.approx(PRICE * (1 + side * p.tp_anchor), abs=float(s["tick_size"]))
    assert (asked["qty"] == QTY).all()
    assert (asked["reduce_only"] == 1).all()
    assert float(s["leverage"]) == pytest.approx(4.0)
    assert float(s["initial_risk_usd"]) == pytest.approx(QTY * PRICE * p.sl_anchor, rel=0.01)
    closed = fill(
        chain, -side, QTY, float(asked["trigger"][0]), 0.0, seq=int(asked["seq"][0]), tag=TAG_SL, realised_usd=-4.5
    )
    (trade,) = closed.trades
    assert int(trade["exit_reason"]) == EXIT_STOP
    memory, was = (np.frombuffer(m, dtype=rec.MEMORY_DT)[0] for m in (np.asarray(chain.state.memory).tobytes(), before))
    for table in ("q_size", "q_size_visits", "q_strategy", "q_strategy_visits", "strategy_n"):
        assert (memory[table] == was[table]).all(), table
    assert float(memory["recent_r"][0]) < 0.0  # the account's own record knows it
