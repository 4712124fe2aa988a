"""What a failure leaves behind is made good: a cancel that was refused, an account that nothing else tells of."""

from typing import Any

from live.ids import IdMaker
from qt_core.codes import CANCELLED, EV_CANCEL, LIMIT, MARKET, OP_AMEND, TAG_EXIT, TAG_SL
from tests.live.binance.world import NAME, QUICK, Scene, amended, cancelled, intent, play, stop, trading

SOON = QUICK._replace(again_ms=20, patience_ms=50, max_retries=1)


def test_a_cancel_that_was_refused_is_tried_again_until_the_order_is_gone():
    async def scene():
        async with trading(settings=SOON) as s:
            await s.enter()
            await s.submit(stop(2, 95.0))
            s.exchange.futures_permission(False)
            await s.submit(cancelled(stop(2, 95.0)))
            assert s.resting() == [stop(2, 95.0).client_id]
            s.exchange.futures_permission(True)
            await s.until(lambda: all(a.cancelled for a in s.exchange.sim.orders.open_algos()), "for the cancel")
            await s.advance()
            assert s.resting() == []
            await s.wait(2)
            assert s.told()[1][:2] == ("cancel", 2)

    play(scene)


def test_books_and_account_are_compared_though_the_stream_says_nothing():
    async def scene():
        async with trading(settings=QUICK._replace(reconcile_ms=30)) as s:
            await s.until(lambda: s.broker.catcher.caught_up >= 3, "for comparisons")
            assert s.broker.health().connections == 1

    play(scene)


def test_a_question_that_failed_is_not_asked_again_at_once():
    async def scene():
        async with trading(settings=QUICK._replace(retry_cap_ms=10_000)) as s:
            s.exchange.maintenance(True)
            s.broker.catcher.doubt()
            await s.until(lambda: s.alerts, "for the alert")
            asked = len(s.exchange.server.requests)
            await pause(s)
            assert len(s.exchange.server.requests) == asked

    play(scene)


async def pause(s: Scene) -> None:
    """Many of the broker's looks around."""
    for _ in range(5):
        await s.settle_turn()


def test_ids_differ_though_an_event_is_told_late():
    ids = IdMaker("run001")
    made = [ids.make(t, NAME, OP_AMEND, TAG_SL, 7) for t in (1_000, 2_000, 1_000)]
    assert len(set(made)) == 3
    again = IdMaker("run001")
    again.resume(ids.snapshot())
    assert again.make(2_000, NAME, OP_AMEND, TAG_SL, 7) not in made


def test_what_was_missed_is_found_though_the_clock_was_wrong_when_books_and_account_agreed():
    async def scene():
        async with trading(settings=QUICK._replace(reconcile_ms=40)) as s:
            ahead = 50_000
            s.exchange.skew_clock(ahead)
            await s.broker.session.set_clock()
            asked = s.broker.catcher.caught_up
            await s.until(lambda: s.broker.catcher.caught_up > asked + 1, "for a comparison by the wrong clock")
            s.exchange.skew_clock(0)
            await s.broker.session.set_clock()
            await s.submit(intent(1))
            s.exchange.plan("drop_event", 9)
            await s.exchange.advance(s.settle)  # its only trade is older than what was believed to be level
            s.exchange.sim.faults.planned.clear()
            await s.exchange.disconnect("private")
            await s.wait(1)
            assert s.told() == [("fill", 1, 1.0)]

    play(scene)


def test_an_amend_behind_one_that_was_refused_leaves_nothing_when_the_position_is_gone():
    async def scene():
        async with trading() as s:
            await s.enter()
            await s.submit(stop(2, 95.0))
            first = amended(stop(2, 96.0))
            s.exchange.plan("reject", 1, "POST", "algoOrder", code=-2010)
            await s.submit(first, first._replace(client_id=f"{first.client_id}.1", trigger=97.0))
            assert s.resting() == [stop(2, 95.0).client_id]  # what protects goes on protecting,
            assert (await s.broker.account()).orders == ()  # and nobody who compares may take it for a stray
            await s.submit(intent(3, MARKET, -1, reduce_only=1, tag=TAG_EXIT))
            await s.advance(2)
            await s.until(lambda: s.resting() == [], "for the orphan's end")
            assert [t[:2] for t in s.told()] == [("fill", 1), ("reject", 2), ("fill", 3)]

    play(scene)


def test_a_limit_whose_amend_is_refused_for_good_does_not_rest_at_its_old_price():
    async def scene():
        async with trading() as s:
            first = intent(1, LIMIT, 1, 1.0, price=95.0)
            await s.submit(first)
            s.exchange.plan("reject", 1, "PUT", "order", code=-4014)
            await s.submit(amended(first, price=96.0))
            await s.advance()
            (end,) = await s.wait(1)
            assert (end.row["kind"], end.row["reason"], end.row["qty"]) == (EV_CANCEL, CANCELLED, 1.0)
            assert s.resting() == []
            assert [a.key for a in s.alerts] == [f"binance:amend:{first.client_id}"]

    play(scene)


def test_a_clock_that_the_exchange_does_not_believe_is_measured_at_once():
    async def scene():
        async with trading() as s:
            session, catcher = s.broker.session, s.broker.catcher
            s.exchange.skew_clock(-60_000)  # ours is a minute ahead
            catcher.doubt()
            await s.until(lambda: s.alerts, "for the refusal")
            assert "-1021" in s.alerts[0].text
            await s.until(lambda: not catcher.behind, "for level books")
            assert abs(session.clock.now_ms() - s.exchange.sim.clock.now_ms()) < 1_000
            assert not session.clock.doubted

    play(scene)


def test_a_doubt_raised_while_what_was_missed_is_asked_for_is_not_forgotten():
    async def scene():
        async with trading() as s:
            catcher, ends = s.broker.catcher, s.broker.catcher._ends

            async def lost_again(*args: Any) -> None:
                catcher.doubt()
                catcher._ends = ends  # type: ignore[method-assign]
                await ends(*args)

            catcher._ends = lost_again  # type: ignore[method-assign]
            asked = catcher.caught_up
            catcher.doubt()
            await s.until(lambda: catcher.caught_up >= asked + 2, "for a second catch-up")
            await s.until(lambda: not catcher.behind, "for its end")

    play(scene)


def test_books_that_differ_from_the_account_are_asked_about_until_they_do_not():
    async def scene():
        async with trading() as s:
            catcher = s.broker.catcher
            await s.submit(intent(1))
            await s.exchange.advance(s.settle)
            await s.wait(1)
            await s.until(lambda: s.broker.level, "for books that the last account message confirms")
            await s.submit(intent(2))
            s.exchange.plan("drop_event", 9)
            await s.exchange.advance(s.settle)
            s.exchange.sim.faults.planned.clear()
            catcher.level_ms = s.broker.session.clock.now_ms() + 100_000  # the trade is older than what is asked for
            catcher.doubt()
            await s.wait(2)
            assert s.told() == [("fill", 1, 1.0), ("fill", 2, 1.0)]
            await s.until(lambda: not catcher.behind, "for level books")

    play(scene)
