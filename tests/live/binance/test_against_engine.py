"""Random sessions: the broker tells the fills, funding and liquidations that the engine behind the exchange booked."""

import numpy as np
import pytest

from live.adapters.binance.broker import World
from live.testing.faults import DUPLICATE_EVENT, REORDER_EVENT
from qt_core.codes import (
    EV_FILL,
    EV_FUNDING,
    EV_LIQUIDATION,
    IOC,
    LIMIT,
    MARKET,
    POST_ONLY,
    TAG_EXIT,
    TAG_SL,
    TAG_TP,
    TAKE_PROFIT,
)
from tests.engine.tables import market_of
from tests.live.binance.world import Scene, amended, cancelled, intent, play, stop, trading

BOOKED = (EV_FILL, EV_FUNDING, EV_LIQUIDATION)
N_BARS = 40
NAMES = ("AAAUSDT", "BBBUSDT")


def walk(seed: int):
    """Two contracts whose prices walk, with funding every fourth bar."""
    rng = np.random.default_rng(seed)
    rows = {}
    for name in NAMES:
        closes = np.round(100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.02, N_BARS + 1))), 1)
        bars = []
        for t in range(N_BARS):
            o, c = float(closes[t]), float(closes[t + 1])
            high, low = (round(x, 1) for x in (max(o, c) + rng.uniform(0, 2), min(o, c) - rng.uniform(0, 2)))
            bars.append((o, high, low, c, float(rng.integers(20, 4_000))))
        rows[name] = bars
    funding = [(t, name, float(rng.normal(0.0, 5e-4))) for t in range(4, N_BARS, 4) for name in NAMES]
    return market_of(rows, funding=funding, brackets=((0.0, 0.02, 0.0, 20.0),))


class Trader:
    """Asks for whatever may be asked, at random: entries, exits, protection, amends, cancels."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed + 1_000)
        self.seq = 0
        self.open: list = []

    def next(self, symbol: int, price: float, held: float, time_ms: int) -> list:
        kind = int(self.rng.integers(0, 8))
        self.seq += 1
        more = {"symbol": symbol, "name": NAMES[symbol], "time_ms": time_ms}
        side = 1 if self.rng.random() < 0.5 else -1
        qty = round(float(self.rng.uniform(0.1, 5.0)), 3)
        leverage = float(self.rng.integers(2, 11))
        limit = round(price * (1.0 - side * float(self.rng.uniform(0.0, 0.02))), 1)
        if kind <= 1:
            return [intent(self.seq, MARKET, side, qty, leverage=leverage, **more)]
        if kind == 2:
            order = intent(
                self.seq,
                int(self.rng.choice([LIMIT, IOC, POST_ONLY])),
                side,
                qty,
                price=limit,
                leverage=leverage,
                **more,
            )
            self.open.append(order)
            return [order]
        if kind == 3 and held:
            return [
                intent(
                    self.seq,
                    MARKET,
                    -int(np.sign(held)),
                    round(abs(held) / 2 + 0.001, 3),
                    reduce_only=1,
                    tag=TAG_EXIT,
                    **more,
                )
            ]
        if kind in (4, 5) and held:
            way = int(np.sign(held))
            if kind == 4:
                order = stop(self.seq, round(price * (1 - way * 0.02), 1), abs(held), -way, tag=TAG_SL, **more)
            else:
                trigger = round(price * (1 + way * 0.02), 1)
                order = intent(
                    self.seq, TAKE_PROFIT, -way, abs(held), trigger=trigger, reduce_only=1, tag=TAG_TP, **more
                )
            self.open.append(order)
            return [order]
        if self.open:
            old = self.open.pop(int(self.rng.integers(0, len(self.open))))
            if kind == 6 or old.kind in (IOC, POST_ONLY):
                return [cancelled(old, time_ms)._replace(symbol=old.symbol)]
            self.open.append(old)
            moved = round((old.trigger or old.price) * (1.0 + float(self.rng.normal(0.0, 0.003))), 1)
            return [amended(old, time_ms, trigger=moved if old.trigger else 0.0, price=moved if old.price else 0.0)]
        return []


async def session(s: Scene, seed: int) -> None:
    trader, time_ms = Trader(seed), 1_700_000_000_000
    matching = s.exchange.sim.matching
    while s.exchange.has_next:
        for i in range(len(NAMES)):
            time_ms += 1_000
            price = float(matching.market.close[max(matching.f, 0), i])
            held = round(float(matching.symbol(i)["qty"]), 3)
            await s.submit(*trader.next(i, price, held, time_ms))
        await s.advance()


def booked(rows) -> list[tuple]:
    return [
        (int(r["symbol"]), int(r["kind"]), float(r["qty"]), float(r["price"]), float(r["fee_usd"]), float(r["realised_usd"]),
         float(r["funding_usd"]), float(r["wallet_usd"]), float(r["margin_usd"]), int(r["maker"]), int(r["done"]))
        for r in rows if r["kind"] in BOOKED
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("seed", "account_first", "keeps_id", "fault"),
    [(1, False, True, ""), (2, True, False, ""), (3, False, False, DUPLICATE_EVENT), (4, True, True, REORDER_EVENT)],
)
def test_the_broker_tells_what_the_engine_booked(seed: int, account_first: bool, keeps_id: bool, fault: str):
    async def scene():
        settings = {"account_first": account_first, "algo_keeps_id": keeps_id}
        venue = {"slippage": 0.0003, "participation": 0.05}
        marks = []
        world = World(mark=lambda i: float(marks[0].mark[i]))
        async with trading(walk(seed), venue=venue, world=world, **settings) as s:
            marks.append(s.exchange.sim.matching)
            if fault:
                s.exchange.plan(fault, 10**6)
            await session(s, seed)
            theirs = booked(s.exchange.sim.engine_events)
            await s.until(lambda: len(booked(e.row for e in s.events)) >= len(theirs), "for everything booked")
            ours = booked(e.row for e in s.events)
            assert len(ours) == len(theirs) > 20
            for symbol in range(len(NAMES)):
                mine, engine = ([r for r in rows if r[0] == symbol] for rows in (ours, theirs))
                if fault != REORDER_EVENT:
                    np.testing.assert_allclose(
                        [r[:7] + r[8:] for r in mine], [r[:7] + r[8:] for r in engine], atol=2e-6
                    )
                assert sorted(r[2] for r in mine) == pytest.approx(sorted(r[2] for r in engine))
            if fault != REORDER_EVENT:
                np.testing.assert_allclose([r[7] for r in ours], [r[7] for r in theirs], atol=1e-5)
            assert s.broker.teller.ledger.wallet_usd == pytest.approx(s.exchange.sim.account.wallet, abs=1e-4)
            for p in s.exchange.sim.account.positions():
                at = s.broker.teller.ledger.at(p.contract.index)
                assert (at.qty, at.avg_price) == (pytest.approx(p.qty), pytest.approx(p.entry))
            assert len({e.key for e in s.events}) == len(s.events)
            await s.until(lambda: s.broker.desk.changed_ms == 0 and not s.broker.catcher.behind, "for the comparison")
            assert s.broker.health().adjusted == 0
            assert s.broker.health().foreign == 0

    play(scene)
