"""The whole compiled chain trades through ccxt and ends where the backtest ends, byte by byte.

Each request of the chain goes out as REST, each event comes back as the exchange tells it; only what no exchange tells
(the price before slippage, whether a bar was ambiguous) is taken from the engine beside it. Trailing is off: it amends
stops, and the exchange amends no conditional order.
"""

from typing import Any

import numpy as np

from qt_core import records as rec
from qt_core.codes import EV_FILL, LIMIT, MARKET, OP_AMEND, OP_CANCEL, STOP, TAKE_PROFIT
from qt_core.config import load_config
from qt_core.engine.run import step_bar, step_event
from qt_core.engine.session import Session, advance
from qt_core.state import N_REQUESTS
from tests.foundation import foundation
from tests.live.exchange.support import play, streaming
from tests.parity.cases import assert_same, outcome, simulated_case
from tests.parity.stepping import note_curve, with_room

CONFIG = load_config(
    foundation({"tpsl": {"trailing": "off"}, "ensemble": {"threshold": 0.36}, "venue": {"participation": 0.0}})
)
ALGO = {STOP: "STOP_MARKET", TAKE_PROFIT: "TAKE_PROFIT_MARKET"}
LIMITS = {"weight_per_minute": 10**9, "orders_per_10s": 10**9, "orders_per_minute": 10**9}


class Wire:
    """Between the chain and the exchange: orders out, events back; the chain's number of an order is its client id."""

    def __init__(self, s: Session, exchange: Any, client: Any) -> None:
        self.s, self.x, self.client = s, exchange.sim, client
        self.tags: dict[int, int] = {}

    async def send(self) -> None:
        """Every request that waits."""
        n = int(self.s.out.n[N_REQUESTS])
        rows = np.asarray(self.s.out.requests).view(rec.REQUEST_DT)[:n].copy()
        self.s.out.n[N_REQUESTS] = 0
        for row in rows:
            await self._send(row)

    async def _send(self, r: Any) -> None:
        c, seq = self.x.contracts[int(r["symbol"])], f"c{int(r['seq'])}"
        assert r["op"] != OP_AMEND
        if r["op"] == OP_CANCEL:
            algo, order = self.x.orders.named_algos.get(seq), self.x.orders.named_orders.get(seq)
            if algo is not None and algo.is_open:
                await self.client.fapiPrivateDeleteAlgoOrder({"clientAlgoId": seq})
            elif order is not None and order.is_open:
                await self.client.fapiPrivateDeleteOrder({"symbol": c.name, "origClientOrderId": seq})
            return
        self.tags[int(r["seq"])] = int(r["tag"])
        leverage = int(r["leverage"])
        if not r["reduce_only"] and leverage != self.x.account.leverage[c.name]:
            assert leverage == r["leverage"]  # the exchange knows whole ones only
            await self.client.fapiPrivatePostLeverage({"symbol": c.name, "leverage": leverage})
        sent = {"symbol": c.name, "side": "BUY" if r["side"] > 0 else "SELL", "quantity": c.qty(float(r["qty"]))}
        sent["reduceOnly"] = "true" if r["reduce_only"] else "false"
        kind = int(r["kind"])
        if kind in ALGO:
            more = {"algoType": "CONDITIONAL", "type": ALGO[kind], "triggerPrice": c.price(float(r["trigger"]))}
            await self.client.fapiPrivatePostAlgoOrder({**sent, **more, "clientAlgoId": seq})
        else:
            assert kind in (MARKET, LIMIT)
            limit = {"timeInForce": "GTD", "goodTillDate": int(r["expire_ms"]), "price": c.price(float(r["price"]))}
            more = {"type": "MARKET"} if kind == MARKET else {"type": "LIMIT", **limit}
            await self.client.fapiPrivatePostOrder({**sent, **more, "newClientOrderId": seq})

    def hear(self, told: list[dict[str, Any]]) -> None:
        """The chain answers one event: the engine's row, its numbers put in from what the stream has told."""
        row = self.x.engine_events[-1].copy()
        target = self.x.orders.by_seq.get(int(row["seq"]))
        if target is not None:
            row["seq"] = int(target.client_id.removeprefix("c"))
            row["tag"] = self.tags[int(row["seq"])]
        if row["kind"] == EV_FILL and row["seq"]:
            o = [e["o"] for e in told if e["e"] == "ORDER_TRADE_UPDATE" and e["o"]["x"] == "TRADE"][-1]
            a = [e["a"] for e in told if e["e"] == "ACCOUNT_UPDATE"][-1]
            row["qty"], row["price"], row["fee_usd"], row["realised_usd"] = (float(o[k]) for k in ("l", "L", "n", "rp"))
            row["wallet_usd"], row["margin_usd"] = float(a["B"][0]["wb"]), float(a["P"][0]["iw"])
            row["done"], row["maker"], row["time_ms"] = o["X"] == "FILLED", o["m"], o["T"]
        np.asarray(self.s.out.event).view(rec.EVENT_DT)[0] = row
        step_event(self.s.params, self.s.state, self.s.out)


def test_the_chain_over_rest_is_the_backtest() -> None:
    case = simulated_case(n_symbols=4, n_bars=400)
    plain = case.session(CONFIG, seed=7)
    advance(plain)
    expected = outcome(plain)
    assert len(expected["trades"]) >= 5
    s = with_room(case.session(CONFIG, seed=7))

    async def scene() -> None:
        more: dict[str, Any] = {"config": CONFIG, "venue": {}, "first_bar": 0, "initial_usd": None, **LIMITS}
        async with streaming(case.market, **more) as (exchange, client, stream):
            wire = Wire(s, exchange, client)
            for f in range(s.n_bars):
                await exchange.open_bar()
                while await exchange.step():
                    await exchange.heard()
                    wire.hear(stream.events)
                    stream.events.clear()
                    await wire.send()
                await exchange.close_bar()
                step_bar(s.params, s.state, s.bars, f, s.rows, int(s.bars.decision[f]), s.out)
                await wire.send()
                note_curve(s, f)
            s.venue = exchange.sim.matching.venue

    play(scene)
    ours = outcome(s)
    assert ours["trades"].tobytes() == expected["trades"].tobytes()
    assert_same({k: v for k, v in expected.items() if k != "venue"}, {k: v for k, v in ours.items() if k != "venue"})
