"""What goes wrong on the way: unknown outcomes, lost, doubled and reordered messages, limits, bans, maintenance,
restarts.
"""

import asyncio

import pytest

from live.adapters.binance.broker import Resume
from live.adapters.binance.orders import known_of
from live.adapters.binance.session import CANCEL_ALGO, CallFailed
from live.errors import LiveError
from live.ports import PositionView
from live.testing.account_rows import account_event
from live.testing.exchange import Exchange
from live.testing.order_rows import algo_event
from live.testing.settings import Settings
from qt_core.codes import (
    CANCELLED,
    EV_ADJUST,
    EV_CANCEL,
    EV_FILL,
    EV_FUNDING,
    EV_LIQUIDATION,
    EV_REJECT,
    EXCHANGE_BUSY,
    EXPIRED,
    LIMIT,
    LIQUIDATED,
    MARKET,
    TAG_EXIT,
)
from tests.engine.tables import QUIET, market_of
from tests.live.binance.world import (
    NAME,
    QUICK,
    Scene,
    amended,
    broker_on,
    cancelled,
    intent,
    play,
    stop,
    trading,
)

ROUNDING_MS = 5  # stamps are whole milliseconds of a clock whose offset follows the exchange's
UNKNOWN = ("hang", "cut", "truncate", "unknown")


def exit_of(seq: int, qty: float = 1.0):
    return intent(seq, MARKET, -1, qty, reduce_only=1, tag=TAG_EXIT)


@pytest.mark.parametrize("fault", UNKNOWN)
def test_an_order_that_was_taken_though_nobody_said_so_is_not_sent_twice(fault: str):
    async def scene():
        async with trading(connection={"timeout_ms": 150}) as s:
            s.exchange.plan(fault, 1, "POST", "order")
            await s.submit(intent(1, qty=2.0))
            s.exchange.plan(fault, 1, "POST", "algoOrder")
            await s.advance()
            await s.submit(stop(2, 95.0, 2.0))
            assert s.exchange.happened == {fault: 2}
            assert len(s.asked("order", "POST")) == len(s.asked("algoOrder", "POST")) == 1
            assert s.resting() == [stop(2, 95.0).client_id]
            assert s.told() == [("fill", 1, 2.0)]
            assert s.broker.health().resolved == 2

    play(scene)


@pytest.mark.parametrize("fault", ["http_error", "unknown"])
def test_an_order_that_was_not_taken_is_sent_again_once_no_copy_of_it_can_arrive(fault: str):
    async def scene():
        async with trading() as s:
            s.exchange.plan(fault, 1, "POST", "order", execute=0)
            await s.submit(intent(1))
            first, second = s.asked("order", "POST")
            assert first["newClientOrderId"] == second["newClientOrderId"]
            window = int(s.broker.session.settings.recv_window_ms)
            assert int(second["timestamp"]) - int(first["timestamp"]) >= window - ROUNDING_MS
            await s.advance()
            assert s.told() == [("fill", 1, 1.0)]

    play(scene)


def test_a_busy_exchange_refuses_an_entry_to_the_chain_but_an_exit_is_tried_again():
    async def scene():
        async with trading() as s:
            s.exchange.plan("busy", 1, "POST", "order")
            await s.submit(intent(1))
            await s.submit(intent(2))
            await s.advance()
            s.exchange.plan("busy", 2, "POST", "order")
            await s.submit(exit_of(3))
            s.exchange.plan("rate_limit", 1, "POST", "algoOrder")
            await s.advance()
            await s.wait(3)
            assert [(e.row["kind"], e.row["seq"]) for e in s.events] == [(EV_REJECT, 1), (EV_FILL, 2), (EV_FILL, 3)]
            assert s.events[0].row["reason"] == EXCHANGE_BUSY
            assert len(s.asked("order", "POST")) == 2 + 3

    play(scene)


def test_after_429_and_418_nobody_asks_before_the_pause_is_over():
    async def scene():
        async with trading() as s:
            budget = s.broker.session.budget
            await s.enter()
            s.exchange.plan("rate_limit", 1, "POST", "algoOrder")
            await s.submit(stop(2, 95.0))
            assert len(s.resting()) == 1
            first, second = s.asked("algoOrder", "POST")
            assert int(second["timestamp"]) - int(first["timestamp"]) >= 1_000 - ROUNDING_MS  # Retry-After
            s.exchange.plan("ban", 1, "DELETE", "algoOrder")
            with pytest.raises(CallFailed):
                await s.broker.session.call(CANCEL_ALGO, {"symbol": NAME, "clientAlgoId": stop(2, 95.0).client_id})
            assert s.broker.health().banned
            assert budget.wait_ms(2, 1.0, 0.0) > 0

    play(scene)


def test_the_stream_is_told_once_whatever_is_dropped_doubled_or_reordered():
    async def scene():
        async with trading([(*QUIET, 3_000.0)] * 12, venue={"slippage": 0.0, "participation": 0.001}) as s:
            s.exchange.plan("duplicate_event", 2, "", "ORDER_TRADE_UPDATE")
            await s.submit(intent(1, qty=7.0))
            await s.advance(1)
            s.exchange.plan("drop_event", 1, "", "ORDER_TRADE_UPDATE")
            await s.advance(1)
            s.exchange.plan("reorder_event", 1, "", "ORDER_TRADE_UPDATE")
            await s.advance(2)
            await s.until(lambda: sum(float(e.row["qty"]) for e in s.events) >= 7.0 - 1e-9, "for all parts")
            assert s.told() == [("fill", 1, 3.0), ("fill", 1, 3.0), ("fill", 1, 1.0)]
            assert [int(e.row["done"]) for e in s.events] == [0, 0, 1]
            assert len({e.key for e in s.events}) == 3
            await s.until(lambda: s.broker.desk.changed_ms == 0, "for the comparison")
            health = s.broker.health()
            assert health.gaps_filled + s.broker.catcher.caught_up > 0  # whichever looks first
            assert health.adjusted == 0

    play(scene)


def test_an_entry_whose_only_message_was_lost_is_found_by_the_account_message():
    async def scene():
        rows = [QUIET, QUIET, QUIET, (100.0, 100.5, 94.0, 95.0), *[QUIET] * 4]
        async with trading(rows) as s:
            await s.submit(intent(1))
            s.exchange.plan("drop_event", 1, "", "ORDER_TRADE_UPDATE")
            await s.advance()
            assert s.exchange.happened == {"drop_event": 1}
            await s.wait(1)
            assert s.told() == [("fill", 1, 1.0)]
            await s.until(lambda: not s.broker.health().behind and s.broker.desk.changed_ms == 0, "to be level")
            assert s.broker.health().adjusted == 0

    play(scene)


def test_a_ban_is_waited_out_by_what_protects():
    async def scene():
        async with trading() as s:
            await s.enter()
            s.exchange.plan("ban", 1, "POST", "algoOrder")
            await s.submit(stop(2, 95.0))
            assert s.resting() == [stop(2, 95.0).client_id]
            assert s.told() == [("fill", 1, 1.0)]

    play(scene)


def test_a_cancel_of_what_the_exchange_does_not_know_ends_the_order():
    async def scene():
        async with trading() as s:
            lost = intent(7, LIMIT, 1, 1.0, price=95.0)
            s.broker.orders.add(known_of(lost)).placed = True
            await s.submit(cancelled(lost))
            (end,) = await s.wait(1)
            assert (end.row["kind"], end.row["seq"], end.row["reason"]) == (EV_CANCEL, 7, CANCELLED)

    play(scene)


def test_what_happens_while_the_stream_is_cut_is_told_after_it():
    async def scene():
        rows = [QUIET, QUIET, QUIET, (100.0, 100.5, 94.0, 95.0), *[QUIET] * 4]
        async with trading(rows) as s:
            await s.enter()
            await s.submit(stop(2, 95.5))
            assert await s.exchange.disconnect("private") == 1
            s.exchange.plan("drop_event", 9)  # nothing of this bar is heard, even if the stream is back early
            await s.advance(2)
            s.exchange.sim.faults.planned.clear()
            await s.until(lambda: s.broker.health().connections == 2, "for the stream")
            await s.wait(2)
            assert s.told() == [("fill", 1, 1.0), ("fill", 2, 1.0)]
            row = s.events[1].row
            assert (row["done"], row["realised_usd"]) == (1, pytest.approx(-4.5))
            assert row["wallet_usd"] == pytest.approx(s.exchange.sim.account.wallet)
            await s.until(lambda: not s.broker.health().behind, "to catch up")
            assert s.broker.health().adjusted == 0

    play(scene)


def test_an_expired_listen_key_is_renewed():
    async def scene():
        async with trading() as s:
            await s.exchange.expire_listen_key()
            await s.until(lambda: s.broker.health().connections == 2 and s.broker.health().connected, "for a new key")
            await s.enter()
            await s.wait(1)
            assert s.told() == [("fill", 1, 1.0)]

    play(scene)


def test_the_listen_key_is_kept_alive_by_our_own_timer():
    async def scene():
        async with trading(settings=QUICK._replace(keep_alive_ms=30)) as s:
            await s.until(lambda: len(s.asked("listenKey", "PUT")) >= 3, "for the key's extension")
            assert s.broker.health().connections == 1

    play(scene)


def test_maintenance_is_waited_out():
    async def scene():
        async with trading() as s:
            await s.enter()
            s.exchange.maintenance(True)
            await s.broker.submit([stop(2, 95.0)])
            for _ in range(3):
                await s.settle_turn()
            s.exchange.maintenance(False)
            await s.broker.lanes.drain(20.0)
            assert s.resting() == [stop(2, 95.0).client_id]

    play(scene)


def test_funding_is_booked_once_from_stream_and_rest():
    async def scene():
        market = market_of({NAME: [QUIET] * 8}, funding=[(3, NAME, 0.001)])
        async with trading(market) as s:
            await s.submit(intent(1, qty=10.0))
            await s.advance(4)
            _, paid = await s.wait(2)
            row = paid.row
            assert (row["kind"], row["qty"]) == (EV_FUNDING, 10.0)
            assert row["funding_usd"] == pytest.approx(-1.0)
            assert row["value"] == pytest.approx(0.001, rel=0.01)
            assert row["wallet_usd"] == pytest.approx(s.exchange.sim.account.wallet)
            assert await s.broker.missed(0, ()) == []

    play(scene)


def test_a_liquidation_is_told_as_one():
    async def scene():
        rows = [QUIET, QUIET, QUIET, (100.0, 100.0, 70.0, 75.0), *[QUIET] * 3]
        async with trading(rows) as s:
            await s.submit(intent(1))
            await s.advance(3)
            _, gone = await s.wait(2)
            row = gone.row
            assert (row["kind"], row["reason"], row["seq"], row["done"]) == (EV_LIQUIDATION, LIQUIDATED, 0, 1)
            assert row["margin_usd"] == 0.0
            assert row["wallet_usd"] == pytest.approx(s.exchange.sim.account.wallet, abs=0.01)

    play(scene)


def test_money_that_comes_from_outside_is_an_adjustment():
    async def scene():
        async with trading() as s:
            x = s.exchange.sim
            x.matching.fund["free_usd"] += 500.0
            x.tell(account_event(x.account, "DEPOSIT", [], 500.0, x.now_ms()))
            await s.exchange.sockets.flush()
            (event,) = await s.wait(1)
            assert (event.row["kind"], event.row["wallet_usd"]) == (EV_ADJUST, 10_500.0)
            assert event.row["value"] == pytest.approx(500.0)
            assert s.broker.health().adjusted == 1

    play(scene)


def test_a_session_goes_on_after_a_kill_without_doubling_anything():
    """The first broker dies with an entry filled and told, a stop sent, and a second entry journalled but not sent."""

    async def scene():
        market = market_of({NAME: [QUIET, QUIET, QUIET, (100.0, 100.5, 94.0, 95.0), *[QUIET] * 4]})
        exchange = Exchange(market, Settings(venue={"slippage": 0.0, "participation": 0.0}))
        await exchange.start()
        first = Scene(exchange, broker_on(exchange))
        await first.broker.open()
        first.listen()
        await first.submit(intent(1))
        await first.advance()
        (fill,) = await first.wait(1)
        await first.submit(stop(2, 95.5))
        await first.end()
        assert first.resting() == [stop(2, 95.5).client_id]  # protection goes on resting
        while exchange.has_next and len(exchange.sim.account.trades) < 2:
            await exchange.advance()
        held = PositionView(0, 1.0, 100.0, float(fill.row["margin_usd"]), 5.0)
        late = intent(3, LIMIT, 1, 1.0, price=95.0)
        never = intent(4, LIMIT, 1, 1.0, price=94.0)  # sent, by its journal, but it did not arrive
        old = intent(5, LIMIT, 1, 1.0, price=93.0, expire_ms=1)  # planned, and its life is over
        planned = frozenset({late.client_id, old.client_id})
        intents = (stop(2, 95.5), late, never, old)
        journal = Resume(float(fill.row["wallet_usd"]), (held,), frozenset({fill.key}), intents, planned)
        second = Scene(exchange, broker_on(exchange, resume=journal))
        view = await second.broker.open()
        assert view.positions == ()
        missed, gone = await second.broker.missed(int(fill.row["time_ms"]), (2, 3, 4, 5))
        assert (gone.row["kind"], gone.row["seq"], gone.row["reason"]) == (EV_CANCEL, 4, CANCELLED)
        assert (missed.row["seq"], missed.row["realised_usd"], missed.row["done"]) == (2, pytest.approx(-4.5), 1)
        assert missed.row["wallet_usd"] == pytest.approx(view.wallet_usd)
        assert await second.broker.missed(int(fill.row["time_ms"]), (3,)) == []
        second.listen()
        await second.submit(late, never, old, ask_first=True)
        await second.submit(late, ask_first=True)
        assert len(second.asked("order", "POST")) == 2  # of the first broker one, of this one one
        assert second.resting() == [late.client_id]
        (end,) = await second.wait(1)
        assert (end.row["kind"], end.row["seq"], end.row["reason"]) == (EV_CANCEL, 5, EXPIRED)
        await second.end()
        await exchange.stop()

    play(scene)


def test_an_amend_that_was_cut_off_goes_on_where_it_stood():
    async def scene():
        async with trading(settings=QUICK._replace(patience_ms=0)) as s:
            await s.enter()
            first = stop(2, 95.0)
            await s.submit(first)
            s.exchange.plan("busy", 9, "DELETE", "algoOrder")
            change = amended(first, trigger=97.0)
            await s.submit(change)  # the new one rests, the old one could not be cancelled
            assert len(s.resting()) == 2
            s.exchange.sim.faults.planned.clear()
            s.broker.orders.by_id[first.client_id].silent = False  # as a restart finds them
            await s.submit(change, ask_first=True)
            await s.advance()
            assert s.resting() == [change.client_id]
            assert len(s.asked("algoOrder", "POST")) == 2

    play(scene)


@pytest.mark.parametrize(
    ("break_it", "text"),
    [
        (lambda x: x.futures_permission(False), "key refused"),
        (lambda x: x.set_status(NAME, "BREAK"), r"not trading: AAAUSDT \(BREAK\)"),
        (lambda x: setattr(x.sim.account, "multi_assets", True), "multi-assets mode is on"),
        (lambda x: x.maintenance(True), "no answer to the first question"),
        (lambda x: setattr(x.sim.contracts[0], "tick", 0.01), "tick 0.01 against 0.1"),
    ],
)
def test_an_account_that_cannot_be_traded_is_refused_in_one_line(break_it, text: str):
    async def scene():
        exchange = Exchange(market_of({NAME: [QUIET] * 3}), Settings())
        await exchange.start()
        broker = broker_on(exchange)
        if text.startswith("tick"):
            exchange.sim.contracts[0].step, broker.specs = 0.001, broker.specs.copy()
        break_it(exchange)
        with pytest.raises(LiveError, match=text) as raised:
            await broker.open()
        assert "\n" not in str(raised.value)
        await broker.close()
        await exchange.stop()

    play(scene)


def test_orders_of_others_can_be_taken_away():
    async def scene():
        async with trading() as s:
            mine = intent(1, LIMIT, 1, 1.0, price=95.0)
            other = mine._replace(client_id="by-hand", seq=9)
            await s.submit(mine, other)
            view = await s.broker.account()
            foreign = [o for o in view.orders if o.seq == 0]
            assert [o.client_id for o in foreign] == ["by-hand"]
            await s.broker.cancel_foreign(foreign)
            await s.advance()
            assert s.resting() == [mine.client_id]

    play(scene)


def test_hedge_mode_is_switched_off_or_refused_with_positions():
    async def scene():
        exchange = Exchange(market_of({NAME: [QUIET] * 4}), Settings())
        await exchange.start()
        exchange.hedge_mode(True)
        broker = broker_on(exchange)
        await broker.open()
        assert not exchange.sim.account.hedge
        await broker.submit([intent(1)])
        await broker.lanes.drain(5.0)
        await exchange.advance(lambda: asyncio.sleep(0.01))
        await broker.close()
        exchange.hedge_mode(True)
        broker = broker_on(exchange)
        with pytest.raises(LiveError, match="hedge mode with positions in AAAUSDT"):
            await broker.open()
        await broker.close()
        await exchange.stop()

    play(scene)


def test_a_conditional_order_that_triggered_and_made_no_order_is_told_as_gone():
    """Seen on the exchange: an order stays in TRIGGERING for ever, and the position without its stop."""

    async def scene():
        async with trading() as s:
            await s.enter()
            protection = stop(2, 95.0)
            await s.submit(protection)
            x = s.exchange.sim
            (algo,) = x.orders.open_algos()
            algo.status = "TRIGGERING"
            x.tell(algo_event(algo, x.contracts[0], x.now_ms()))
            await s.exchange.sockets.flush()
            _, gone = await s.wait(2)
            assert (gone.row["kind"], gone.row["seq"], gone.row["reason"]) == (EV_CANCEL, 2, CANCELLED)
            assert any(a.key == "binance:stuck" and a.severity == 2 for a in s.alerts)

    play(scene)


def test_funding_that_nobody_heard_is_found_by_the_wallet():
    async def scene():
        market = market_of({NAME: [QUIET] * 8}, funding=[(3, NAME, 0.001)])
        async with trading(market) as s:
            await s.submit(intent(1, qty=10.0))
            await s.advance(2)
            s.exchange.plan("drop_event", 1, "", "ACCOUNT_UPDATE")
            await s.advance(2)
            assert s.exchange.happened == {"drop_event": 1}
            await s.submit(exit_of(2, 10.0))
            await s.advance()
            await s.until(lambda: [k for k, _, _ in s.told()].count("funding") == 1, "for the settlement")
            await s.until(lambda: s.broker.desk.changed_ms == 0 and not s.broker.catcher.behind, "to be level")
            assert s.broker.health().adjusted == 0
            assert s.broker.teller.ledger.wallet_usd == pytest.approx(s.exchange.sim.account.wallet)

    play(scene)


def test_an_order_whose_fate_is_still_asked_for_counts_as_resting():
    """Who compares the account with what was asked must not think it gone, and ask for it once more."""

    async def scene():
        async with trading(connection={"timeout_ms": 1_000}, settings=QUICK._replace(submit_wait_ms=50)) as s:
            await s.enter()
            s.exchange.plan("hang", 1, "POST", "algoOrder")
            await s.broker.submit([stop(2, 95.0)])  # comes back before the answer does
            assert s.broker.lanes.waiting == 1
            view = await s.broker.account()
            assert [o.seq for o in view.orders] == [2]
            assert await s.broker.lanes.drain(20.0)
            assert [o.seq for o in (await s.broker.account()).orders] == [2]

    play(scene)


def test_an_order_asked_for_first_is_not_sent_while_nobody_answers():
    async def scene():
        async with trading() as s:
            await s.submit(intent(1, LIMIT, 1, 1.0, price=95.0))
            again = intent(1, LIMIT, 1, 1.0, price=95.0)
            s.broker.orders.by_id.clear()  # as after a restart
            s.exchange.plan("http_error", 3, "GET", "order")
            await s.submit(again, ask_first=True)
            assert s.exchange.happened == {"http_error": 3}
            assert len(s.asked("order", "POST")) == 1
            assert s.resting() == [again.client_id]

    play(scene)
