"""The exchange matches as the engine does: orders sent over REST leave the venue's bytes as direct requests leave them."""

from typing import Any

import numpy as np
import pytest

from live.testing.matching import Matching
from live.testing.settings import Settings
from qt_core.codes import (
    EV_FILL,
    EV_FUNDING,
    IOC,
    LIMIT,
    MARKET,
    OP_CANCEL,
    OP_NEW,
    POST_ONLY,
    STOP,
    TAKE_PROFIT,
    TRAILING,
)
from qt_core.io.simulate import simulate_market
from qt_core.numerics import floor_step
from qt_core.state import raw_bytes
from tests.live.exchange.support import play, running, streaming

N_SYMBOLS, N_BARS, FIRST = 3, 60, 20
KINDS = (MARKET, LIMIT, IOC, POST_ONLY, STOP, TAKE_PROFIT, TRAILING)
TIF = {LIMIT: "GTC", IOC: "IOC", POST_ONLY: "GTX"}
ALGO = {STOP: "STOP_MARKET", TAKE_PROFIT: "TAKE_PROFIT_MARKET", TRAILING: "TRAILING_STOP_MARKET"}
LEVERAGE, PERCENT = 10.0, 100.0
SETTINGS: dict[str, Any] = {
    "venue": {"slippage": 0.0003, "participation": 0.02},
    "first_bar": FIRST,
    "check_margin": False,
    "check_trigger": False,
    "orders_per_10s": 10_000,
    "orders_per_minute": 10_000,
    "weight_per_minute": 100_000,
}


class Draws:
    """The same orders for both: what is asked at a moment depends on the venue's state alone."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.Generator(np.random.PCG64(seed))
        self.seq = 0
        self.resting: list[tuple[int, int, int]] = []  # symbol, seq, kind

    def ask(self, m: Matching) -> dict[str, Any]:
        """One request: a new order of any kind, or the cancel of one asked before."""
        draw = self.rng.random(5)
        if self.resting and draw[0] < 0.2:
            i, seq, kind = self.resting.pop(int(draw[1] * len(self.resting)))
            return {"op": OP_CANCEL, "symbol": i, "seq": seq, "kind": kind, "qty": 1.0}
        i, kind = int(draw[1] * N_SYMBOLS), KINDS[int(draw[2] * len(KINDS))]
        spec, last = m.market.specs[i], float(m.last[i])
        held = float(m.symbol(i)["qty"])
        side = 1 if draw[3] < 0.5 else -1
        reduce_only = int(held * side < 0.0 and draw[4] < 0.8)
        qty = floor_step(3_000.0 * (0.5 + draw[4]) / last, spec["lot_step"])
        at = floor_step(last * (1.0 + 0.02 * (draw[0] - 0.5)), spec["tick_size"])
        self.seq += 1
        row = {"op": OP_NEW, "symbol": i, "seq": self.seq, "kind": kind, "side": side, "qty": qty}
        row |= {"reduce_only": reduce_only, "leverage": LEVERAGE}
        if kind in TIF:
            row["price"] = at
        elif kind == TRAILING:
            row["callback"] = 0.5 / PERCENT
        elif kind != MARKET:
            row["trigger"] = at
        self.resting.append((i, self.seq, kind))
        return row


async def send(exchange: Any, client: Any, row: dict[str, Any]) -> None:
    """The same request over REST; a cancel of what is over is not sent."""
    x = exchange.sim
    c = x.contracts[row["symbol"]]
    if row["op"] == OP_CANCEL:
        target = x.orders.by_seq.get(row["seq"])
        if target is None:
            return
        conditional = hasattr(target, "trigger")
        child = target.child if conditional else None
        if child is not None and child.is_open:
            await client.fapiPrivateDeleteOrder({"symbol": c.name, "orderId": child.id})
        elif conditional and target.is_open:
            await client.fapiPrivateDeleteAlgoOrder({"algoId": target.id})
        elif not conditional and target.is_open:
            await client.fapiPrivateDeleteOrder({"symbol": c.name, "orderId": target.id})
        return
    common = {"symbol": c.name, "side": "BUY" if row["side"] > 0 else "SELL", "quantity": c.qty(row["qty"])}
    common["reduceOnly"] = "true" if row["reduce_only"] else "false"
    if row["kind"] in ALGO:
        more = {"algoType": "CONDITIONAL", "type": ALGO[row["kind"]]}
        if row["kind"] == TRAILING:
            more["callbackRate"] = f"{row['callback'] * PERCENT:g}"
        else:
            more["triggerPrice"] = c.price(row["trigger"])
        await client.fapiPrivatePostAlgoOrder({**common, **more})
    elif row["kind"] == MARKET:
        await client.fapiPrivatePostOrder({**common, "type": "MARKET"})
    else:
        limit = {"type": "LIMIT", "timeInForce": TIF[row["kind"]], "price": c.price(row["price"])}
        await client.fapiPrivatePostOrder({**common, **limit})


def room(m: Matching, row: dict[str, Any]) -> bool:
    """False where the engine would refuse at once, so that REST and engine number their orders alike."""
    return row["op"] == OP_CANCEL or int(m.symbol(row["symbol"])["n_orders"]) < 8


@pytest.mark.parametrize("seed", range(3))
def test_rest_and_direct_requests_leave_the_same_venue(seed: int) -> None:
    market = simulate_market(N_SYMBOLS, N_BARS, seed=seed)

    async def scene() -> None:
        async with running(market, **SETTINGS) as (exchange, client):
            settings = exchange.sim.settings
            initial = settings.checked_config().params().chain.initial_equity_usd
            plain = Matching(market, Settings(**SETTINGS).checked_config(), FIRST, initial)
            ours, theirs, kinds = exchange.sim.matching, Draws(seed), set()

            async def both(n: int) -> None:
                for _ in range(n):
                    row = theirs.ask(plain)
                    if not room(plain, row):
                        theirs.seq -= int(row["op"] == OP_NEW)
                        theirs.resting.pop() if row["op"] == OP_NEW else None
                        continue
                    plain.submit(**row)
                    await send(exchange, client, row)

            while exchange.has_next:
                await both(2)
                await exchange.open_bar()
                plain.begin()
                while await exchange.step():
                    event = plain.match()
                    assert event.tobytes() == exchange.sim.engine_events[-1].tobytes()
                    kinds.add((int(event["kind"]), int(event["maker"])))
                    if event["kind"] == EV_FILL:
                        await both(1)
                assert plain.match() is None
                await exchange.close_bar()
                plain.end()
                assert raw_bytes(ours.snapshot()) == raw_bytes(plain.snapshot())
            assert {(EV_FILL, 0), (EV_FILL, 1)} <= kinds
            assert len(exchange.sim.account.trades) > 30

    play(scene)


def test_the_wire_carries_what_the_engine_said() -> None:
    """Fills over the user stream: quantity, price, fee, profit, wallet, margin and time are the engine's, bit by bit."""
    market = simulate_market(N_SYMBOLS, 80, seed=11)

    async def scene() -> None:
        async with streaming(market, **SETTINGS) as (exchange, client, stream):
            draws = Draws(11)
            while exchange.has_next:
                row = draws.ask(exchange.sim.matching)
                if room(exchange.sim.matching, row):
                    await send(exchange, client, row)
                else:
                    draws.seq -= 1
                    draws.resting.pop()
                await exchange.advance(exchange.heard)
            fills = [e for e in exchange.sim.engine_events if e["kind"] == EV_FILL]
            orders = [e["o"] for e in stream.of("ORDER_TRADE_UPDATE") if e["o"]["x"] == "TRADE"]
            accounts = [e["a"] for e in stream.of("ACCOUNT_UPDATE") if e["a"]["m"] == "ORDER"]
            assert len(fills) == len(orders) == len(accounts) > 20
            for e, o, a in zip(fills, orders, accounts, strict=True):
                told = [float(o[k]) for k in ("l", "L", "n", "rp")] + [float(a["B"][0]["wb"]), float(a["P"][0]["iw"])]
                said = [float(e[k]) for k in ("qty", "price", "fee_usd", "realised_usd", "wallet_usd", "margin_usd")]
                assert told == said
                assert (o["T"], o["m"], o["X"] == "FILLED") == (int(e["time_ms"]), bool(e["maker"]), bool(e["done"]))
            funding = [e for e in exchange.sim.engine_events if e["kind"] == EV_FUNDING]
            paid = [float(e["a"]["B"][0]["bc"]) for e in stream.of("ACCOUNT_UPDATE") if e["a"]["m"] == "FUNDING_FEE"]
            assert paid == [float(e["funding_usd"]) for e in funding]

    play(scene)
