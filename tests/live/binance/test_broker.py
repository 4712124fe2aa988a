"""The broker trades on a real socket: what the chain asks is sent, what happens is told once, with the books after it."""

import numpy as np
import pytest

from live.adapters.binance.broker import World
from live.adapters.binance.session import SET_LEVERAGE
from live.ports import Depth
from qt_core.codes import (
    BELOW_MIN_NOTIONAL,
    CANCELLED,
    EV_CANCEL,
    EV_FILL,
    EV_REJECT,
    EXPIRED,
    INSUFFICIENT_MARGIN,
    IOC,
    IOC_UNFILLED,
    LIMIT,
    MARKET,
    NON_FINITE,
    NOT_APPROVED,
    POST_ONLY,
    POST_ONLY_CROSS,
    TAG_TP,
    TAKE_PROFIT,
    TRAILING,
)
from tests.engine.tables import QUIET, market_of
from tests.live.binance.world import NAME, QUICK, amended, broker_on, cancelled, intent, play, stop, trading

FEE = 0.0005


def test_an_entry_its_protection_and_a_stop_that_closes_it():
    async def scene():
        rows = [QUIET, QUIET, QUIET, (100.0, 100.5, 97.0, 98.0), QUIET, QUIET]
        async with trading(rows) as s:
            await s.submit(intent(1, qty=2.0))
            await s.advance()
            (fill,) = await s.wait(1)
            assert fill.key.startswith(f"{NAME}:trade:")
            row = fill.row
            assert (row["kind"], row["seq"], row["done"], row["qty"], row["price"]) == (EV_FILL, 1, 1, 2.0, 100.0)
            assert row["fee_usd"] == pytest.approx(200.0 * FEE)
            assert row["wallet_usd"] == pytest.approx(10_000.0 - 200.0 * FEE)
            assert row["margin_usd"] == pytest.approx(40.0)
            await s.submit(
                stop(2, 98.5, 2.0), intent(3, TAKE_PROFIT, -1, 2.0, trigger=105.0, reduce_only=1, tag=TAG_TP)
            )
            assert len(s.resting()) == 2
            (leverage,) = s.asked("leverage", "POST")
            assert leverage["leverage"] == "5"
            sl, tp = s.asked("algoOrder", "POST")
            assert (sl["type"], sl["triggerPrice"], sl["quantity"], sl["reduceOnly"], sl["workingType"]) == (
                "STOP_MARKET", "98.5", "2.000", "true", "CONTRACT_PRICE",
            )  # fmt: skip
            assert tp["type"] == "TAKE_PROFIT_MARKET"
            await s.advance(2)
            _, closed = await s.wait(2)
            row = closed.row
            assert (row["seq"], row["side"], row["done"], row["reference_price"]) == (2, -1, 1, 98.5)
            assert row["realised_usd"] == pytest.approx(-3.0)
            assert row["margin_usd"] == 0.0
            assert row["wallet_usd"] == pytest.approx(s.exchange.sim.account.wallet)
            await s.submit(cancelled(intent(3, TAKE_PROFIT, -1, 2.0, tag=TAG_TP)))
            await s.advance()  # a cancel between two bars takes effect in the next
            assert s.resting() == []
            _, _, end = await s.wait(3)
            assert (end.row["kind"], end.row["reason"], end.row["seq"]) == (EV_CANCEL, CANCELLED, 3)
            assert s.broker.health().adjusted == 0

    play(scene)


def test_a_stop_is_amended_without_a_naked_moment():
    async def scene():
        async with trading() as s:
            await s.enter()
            first = stop(2, 95.0)
            await s.submit(first)
            await s.submit(amended(first, trigger=97.0))
            await s.advance()
            assert s.resting() == [amended(first).client_id]
            methods = [m for m, path, _ in s.exchange.server.requests if path.endswith("algoOrder")]
            assert methods == ["POST", "POST", "DELETE"]  # the new one rests before the old one goes
            await s.submit(amended(first, 1_700_000_120_000, trigger=98.0, qty=0.5))
            await s.advance()
            assert len(s.resting()) == 1
            assert s.told() == [("fill", 1, 1.0)]  # the ends of those replaced are told to nobody
            await s.submit(cancelled(first, 1_700_000_180_000))
            await s.advance()
            await s.wait(2)
            assert s.told()[1] == ("cancel", 2, 0.5)
            assert s.resting() == []

    play(scene)


def test_a_stop_that_its_price_has_passed_becomes_a_market_order():
    async def scene():
        async with trading() as s:
            await s.enter()
            first = stop(2, 95.0)
            await s.submit(first)
            await s.submit(amended(first, trigger=101.0))
            await s.advance()
            await s.wait(2)
            assert s.told() == [("fill", 1, 1.0), ("fill", 2, 1.0)]
            assert s.events[1].row["reference_price"] == 101.0
            await s.until(lambda: s.resting() == [], "for the old stop to go")

    play(scene)


def test_limits_are_amended_in_place_expire_and_are_cancelled():
    async def scene():
        async with trading([QUIET] * 10) as s:
            first = intent(1, LIMIT, 1, 1.0, price=95.0)
            await s.submit(first)
            await s.submit(amended(first, price=96.0))
            (put,) = s.asked("order", "PUT")
            assert (put["origClientOrderId"], put["price"], put["quantity"]) == (first.client_id, "96.0", "1.000")
            assert s.resting() == [first.client_id]
            await s.submit(cancelled(first))
            await s.advance()
            (end,) = await s.wait(1)
            assert (end.row["kind"], end.row["reason"], end.row["qty"]) == (EV_CANCEL, CANCELLED, 1.0)
            due = s.broker.session.clock.now_ms() + 150
            await s.submit(intent(2, LIMIT, 1, 1.0, price=95.0, expire_ms=due))
            await s.until(lambda: s.asked("order", "DELETE")[1:], "for the broker's timer")
            await s.advance()
            _, end = await s.wait(2)
            assert (end.row["seq"], end.row["reason"]) == (2, EXPIRED)

    play(scene)


def test_ioc_and_post_only_end_as_the_chain_knows_them():
    async def scene():
        async with trading() as s:
            await s.submit(intent(1, IOC, 1, 1.0, price=95.0), intent(2, POST_ONLY, 1, 1.0, price=104.0))
            await s.advance(2)
            await s.wait(2)
            ends = {int(e.row["seq"]): (e.row["kind"], e.row["reason"]) for e in s.events}
            assert ends == {1: (EV_CANCEL, IOC_UNFILLED), 2: (EV_REJECT, POST_ONLY_CROSS)}
            assert [p["timeInForce"] for p in s.asked("order", "POST")] == ["IOC", "GTX"]

    play(scene)


def test_what_may_not_be_sent_is_refused_here_and_what_the_exchange_refuses_is_told():
    async def scene():
        async with trading(market_of({NAME: [QUIET] * 4}, min_notional=5.0)) as s:
            await s.submit(
                intent(1, approved=0),
                intent(2, qty=float("nan")),
                intent(3, LIMIT, price=float("inf")),
                intent(4, qty=1.0005),  # between two lots
                intent(5, qty=900.0),
                intent(6, LIMIT, 1, 0.001, price=100.0),
            )
            await s.wait(6)
            assert [(int(e.row["seq"]), int(e.row["reason"])) for e in s.events] == [
                (1, NOT_APPROVED), (2, NON_FINITE), (3, NON_FINITE), (4, NON_FINITE), (5, INSUFFICIENT_MARGIN),
                (6, BELOW_MIN_NOTIONAL),
            ]  # fmt: skip
            assert all(e.row["kind"] == EV_REJECT and e.row["done"] == 1 for e in s.events)
            assert [a.key for a in s.alerts] == ["binance:grid"]

    play(scene)


def test_a_market_entry_beyond_the_cap_becomes_ioc_at_the_cap():
    thin = Depth(0, 0, 99.9, 100.0, np.array([[99.9, 1.0]]), np.array([[100.0, 0.5], [101.0, 5.0]]))

    async def scene():
        async with trading(world=World(depth=lambda i: thin)) as s:
            await s.submit(intent(1, qty=0.5), intent(2, qty=1.0), intent(3, qty=50.0, side=-1, reduce_only=1))
            sent = [(p["type"], p.get("timeInForce"), p.get("price")) for p in s.asked("order", "POST")]
            assert sent[:2] == [("MARKET", None, None), ("LIMIT", "IOC", "100.1")]
            assert sent[2][0] == "MARKET"  # exits are never capped
            assert s.broker.orders.by_id[intent(1).client_id].reference == 100.0

    play(scene)


def test_a_trailing_stop_is_sent_with_a_distance_the_exchange_takes():
    async def scene():
        async with trading() as s:
            await s.enter()
            await s.submit(intent(2, TRAILING, -1, 1.0, reduce_only=1, callback=0.0123, activation=102.0))
            (asked,) = s.asked("algoOrder", "POST")
            assert (asked["type"], asked["callbackRate"], asked["activatePrice"]) == (
                "TRAILING_STOP_MARKET",
                "1.3",
                "102.0",
            )
            assert "triggerPrice" not in asked
            assert len(s.resting()) == 1

    play(scene)


def test_partial_fills_are_told_part_by_part_and_done_once():
    async def scene():
        async with trading([(*QUIET, 600.0)] * 6, venue={"slippage": 0.0, "participation": 0.001}) as s:
            await s.submit(intent(1, MARKET, qty=2.0))
            await s.advance(4)
            await s.until(lambda: s.events and s.events[-1].row["done"], "for the last part")
            parts = [float(e.row["qty"]) for e in s.events]
            assert len(parts) > 1
            assert sum(parts) == pytest.approx(2.0)
            assert [int(e.row["done"]) for e in s.events] == [0] * (len(parts) - 1) + [1]

    play(scene)


def test_leverage_that_a_person_set_is_set_back_before_an_entry():
    async def scene():
        async with trading() as s:
            await s.submit(intent(1, leverage=4.0))
            await s.advance()
            await s.wait(1)
            person = broker_on(s.exchange).session
            await person.call(SET_LEVERAGE, {"symbol": NAME, "leverage": 20})
            await person.close()
            await s.until(lambda: s.broker.teller.leverage[0] == 20.0, "for the message")
            await s.submit(intent(2, leverage=4.0))
            asked = [p["leverage"] for p in s.asked("leverage", "POST")]
            assert asked == ["4", "20", "4"]

    play(scene)


def test_orders_in_a_lane_and_orders_placed_while_the_account_is_read_are_in_the_account():
    async def scene():
        async with trading(settings=QUICK._replace(submit_wait_ms=10)) as s:
            await s.enter()
            s.exchange.plan("slow", 1, "POST", "algoOrder", seconds=0.3)
            sl, tp = stop(2, 95.0), intent(3, TAKE_PROFIT, -1, 1.0, trigger=105.0, reduce_only=1, tag=TAG_TP)
            await s.broker.submit([sl, tp])  # the target waits behind a stop that takes its time
            assert {o.seq for o in (await s.broker.account()).orders} == {2, 3}
            ask = s.broker.asker.account

            async def while_placing(leverage):
                view = await ask(leverage)
                await s.broker.lanes.drain(20.0)
                return view

            s.broker.asker.account = while_placing
            assert {o.seq for o in (await s.broker.account()).orders} == {2, 3}
            s.broker.asker.account = ask
            assert {o.client_id for o in (await s.broker.account()).orders} == {sl.client_id, tp.client_id}

    play(scene)
