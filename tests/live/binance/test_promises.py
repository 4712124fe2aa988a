"""What the broker promises beside its everyday work: triggers, leverage, refusals for good, memory, clock, the end."""

import time
from typing import Any

import pytest

from live.adapters.binance.orders import Orders, known_of
from live.startup import NEVER_SENT_AFTER_MS, in_time
from live.testing.rest.account import set_leverage
from live.testing.rest.routes import ROUTES
from qt_core.codes import EV_CANCEL, EV_REJECT, EXPIRED, HEALTH, LEVERAGE, LIMIT, TAG_TP, TAKE_PROFIT
from tests.engine.tables import QUIET
from tests.live.binance.world import QUICK, RUN, Scene, cancelled, intent, play, stop, trading

ROUNDING_MS = 5  # stamps are whole milliseconds of a clock whose offset follows the exchange's
PER_BAR = 3.0  # what a bar of THIN trades at most
THIN: dict[str, Any] = {"rows": [(*QUIET, 3_000.0)] * 12, "venue": {"slippage": 0.0, "participation": 0.001}}
BY_MARK = {"slippage": 0.0, "participation": 0.0, "working_type": "mark"}
SET_LEVERAGE = ("POST", "/fapi/v1/leverage")


def resting_limit(seq: int, **more: Any) -> Any:
    """A bid that no quiet bar reaches."""
    return intent(seq, LIMIT, 1, 1.0, price=95.0, **more)


def test_stops_and_targets_of_a_session_by_mark_price_are_triggered_by_the_mark_price():
    async def scene():
        async with trading(settings=QUICK._replace(working_type=1), venue=BY_MARK) as s:
            await s.enter()
            target = intent(3, TAKE_PROFIT, -1, 1.0, trigger=105.0, reduce_only=1, tag=TAG_TP)
            await s.submit(stop(2, 95.0), target)
            assert [p["workingType"] for p in s.asked("algoOrder", "POST")] == ["MARK_PRICE", "MARK_PRICE"]
            assert s.resting() == [stop(2, 95.0).client_id, target.client_id]

    play(scene)


def test_an_entry_is_refused_where_the_exchange_sets_another_leverage(monkeypatch: pytest.MonkeyPatch):
    def lower(x: Any, params: Any) -> Any:
        return set_leverage(x, params | {"leverage": "3"})

    monkeypatch.setitem(ROUTES, SET_LEVERAGE, ROUTES[SET_LEVERAGE]._replace(handler=lower))

    async def scene():
        async with trading() as s:
            await s.submit(intent(1, leverage=5.0))
            (end,) = await s.wait(1)
            assert (end.row["kind"], end.row["seq"], end.row["reason"]) == (EV_REJECT, 1, LEVERAGE)
            assert s.asked("order", "POST") == []
            assert s.broker.teller.leverage == {0: 3.0}

    play(scene)


@pytest.mark.parametrize(
    ("fault", "alarm"),
    [({"kind": "ban", "retry_after": "0"}, "fatal:418"), ({"kind": "reject", "code": -2015}, "fatal:-2015")],
)
def test_an_entry_that_meets_a_ban_or_a_key_without_rights_is_not_sent_again(fault: dict[str, Any], alarm: str):
    async def scene():
        async with trading() as s:
            s.exchange.plan(**fault, count=1, method="POST", path="order")
            await s.submit(intent(1))
            (end,) = await s.wait(1)
            assert (end.row["kind"], end.row["seq"], end.row["reason"]) == (EV_REJECT, 1, HEALTH)
            assert len(s.asked("order", "POST")) == 1
            assert s.resting() == []
            assert [(a.severity, a.key) for a in s.alerts] == [(2, f"binance:{alarm}")]

    play(scene)


async def passed_stop(s: Scene, qty: float) -> Any:
    """A position in three bars, and a stop whose trigger the price has passed: a market order at the exchange."""
    await s.submit(intent(1, qty=qty))
    await s.advance(3)
    await s.until(lambda: sum(float(e.row["qty"]) for e in s.events) == pytest.approx(qty), "for the position")
    return stop(2, 101.0, qty)


def test_what_became_a_market_order_is_cancelled_as_one():
    async def scene():
        async with trading(**THIN) as s:
            out = await passed_stop(s, 7.0)
            await s.submit(out)
            await s.advance()
            assert s.told()[-1] == ("fill", 2, PER_BAR)
            await s.submit(cancelled(out))
            assert [p["origClientOrderId"] for p in s.asked("order", "DELETE")] == [out.client_id]
            assert s.asked("algoOrder", "DELETE") == []
            await s.advance()
            await s.until(lambda: s.told()[-1][:2] == ("cancel", 2), "for its end")
            assert s.resting() == []

    play(scene)


def test_what_became_a_market_order_is_sent_again_only_once_no_copy_of_it_can_arrive():
    async def scene():
        async with trading(**THIN) as s:
            out = await passed_stop(s, 3.0)
            s.exchange.plan("unknown", 1, "POST", "order", execute=0)
            await s.submit(out)
            first, second = (p for p in s.asked("order", "POST") if p["newClientOrderId"] == out.client_id)
            window = int(s.broker.session.settings.recv_window_ms)
            assert int(second["timestamp"]) - int(first["timestamp"]) >= window - ROUNDING_MS
            await s.advance()
            assert s.told()[-1] == ("fill", 2, 3.0)

    play(scene)


def test_the_oldest_orders_that_are_over_are_forgotten_and_none_that_rests():
    orders = Orders(RUN)
    known = [orders.add(known_of(intent(seq))) for seq in range(1, 7)]
    for k in known[1:5]:
        k.over = True
    orders.forget(4)
    assert [k.seq for k in orders.by_id.values()] == [1, 4, 5, 6]
    orders.forget(1)
    assert [k.seq for k in orders.open()] == [k.seq for k in orders.by_id.values()] == [1, 6]
    assert orders.before(0, 2, "") == []
    assert orders.resting(0, 6) == [known[5]]


def test_a_broker_does_not_remember_every_order_of_its_life():
    async def scene():
        async with trading(settings=QUICK._replace(remember=4)) as s:
            await s.submit(resting_limit(1), *(intent(seq, approved=0) for seq in range(2, 20)))
            await s.until(lambda: len(s.broker.orders.by_id) <= 4, "for the oldest to be forgotten")
            await s.submit(cancelled(resting_limit(1)))
            await s.advance()
            await s.until(lambda: ("cancel", 1, 1.0) in s.told(), "for what rested all along")

    play(scene)


def test_the_clock_is_measured_again_and_again():
    async def scene():
        async with trading(connection={"clock_ms": 30}) as s:
            session, clock = s.broker.session, s.exchange.sim.clock
            failures = session.failures
            s.exchange.skew_clock(-60_000)  # nobody is told: no date of ours is refused
            await s.until(lambda: session.clock.now_ms() - clock.now_ms() < 10_000, "for another measurement")
            assert session.failures == failures
            asked = len(s.asked("time"))
            await s.until(lambda: len(s.asked("time")) >= asked + 2, "for further ones")

    play(scene)


def test_what_is_being_sent_at_the_end_is_finished():
    async def scene():
        async with trading(settings=QUICK._replace(submit_wait_ms=0, close_ms=10_000)) as s:
            await s.enter()
            s.exchange.plan("busy", 2, "POST", "algoOrder")
            await s.broker.submit([stop(2, 95.0)])
            assert s.resting() == []
            await s.broker.close()
            assert s.resting() == [stop(2, 95.0).client_id]

    play(scene)


def test_an_exchange_that_is_away_does_not_hold_up_the_end():
    async def scene():
        async with trading(settings=QUICK._replace(submit_wait_ms=0, close_ms=50, patience_ms=60_000)) as s:
            await s.enter()
            s.exchange.maintenance(True)
            await s.broker.submit([stop(2, 95.0)])
            began = time.monotonic()
            await s.broker.close()
            assert time.monotonic() - began < 5.0
            assert s.broker.lanes.waiting == 0

    play(scene)


def decided(s: Scene, age_ms: int) -> Any:
    """An entry of so long ago, as a start finds it in its journal."""
    now_ms = s.broker.session.clock.now_ms()
    return resting_limit(1, time_ms=now_ms - age_ms)


def test_an_entry_decided_long_ago_is_not_placed_any_more():
    async def scene():
        async with trading() as s:
            old = decided(s, NEVER_SENT_AFTER_MS + 1_000)
            await s.submit(in_time(old, s.broker.session.clock.now_ms()), ask_first=True)
            (end,) = await s.wait(1)
            assert (end.row["kind"], end.row["seq"], end.row["reason"]) == (EV_CANCEL, 1, EXPIRED)
            assert s.asked("order", "POST") == []

    play(scene)


def test_an_entry_decided_long_ago_that_was_sent_is_found():
    async def scene():
        async with trading() as s:
            old = decided(s, NEVER_SENT_AFTER_MS + 1_000)
            await s.submit(old)
            s.broker.orders.by_id.clear()  # as after a restart
            await s.submit(in_time(old, s.broker.session.clock.now_ms()), ask_first=True)
            assert len(s.asked("order", "POST")) == 1
            assert s.resting() == [old.client_id]
            assert s.told() == []

    play(scene)
