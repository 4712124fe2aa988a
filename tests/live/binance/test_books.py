"""Nobody relies on the books before the account has confirmed them, and they do not stay wrong for good."""

import asyncio
from typing import Any

import pytest

from live.adapters.binance.broker import Resume
from live.ports import PositionView
from qt_core.codes import EV_ADJUST, MARKET, TAG_EXIT
from tests.engine.tables import QUIET
from tests.live.binance.world import QUICK, Scene, broker_on, intent, play, stop, trading

STOPPED = (100.0, 101.0, 90.0, 99.0)  # a bar that fires a stop at 95
DAY_BARS = 24


def test_books_are_not_level_while_the_account_is_being_asked():
    async def scene():
        async with trading() as s:
            catcher, check = s.broker.catcher, s.broker.catcher._check_wallet
            seen: list[bool] = []

            async def slowly(*args: Any) -> None:
                for _ in range(5):
                    seen.append(s.broker.level)
                    await asyncio.sleep(0)
                await check(*args)

            catcher._check_wallet = slowly  # type: ignore[method-assign]
            catcher.doubt()
            await s.until(lambda: seen and not catcher.behind, "for level books")
            assert not any(seen)

    play(scene)


def test_a_comparison_that_failed_is_made_again():
    async def scene():
        async with trading() as s:
            await s.enter()
            await s.until(lambda: s.broker.level, "for level books")
            s.broker.teller.ledger.wallet_usd -= 50.0
            s.exchange.plan("http_error", 1, "GET", "account")  # the first question of a catch-up
            catcher, check, tries = s.broker.catcher, s.broker.catcher._check_wallet, []

            async def failing(*args: Any) -> None:
                tries.append(1)
                if len(tries) == 1:
                    s.exchange.plan("http_error", 1, "GET", "account")
                await check(*args)

            catcher._check_wallet = failing  # type: ignore[method-assign]
            s.broker.suspect()
            await s.wait(2)
            assert len(tries) == 2
            assert int(s.events[1].row["kind"]) == EV_ADJUST
            assert float(s.events[1].row["value"]) == pytest.approx(50.0)

    play(scene)


@pytest.mark.parametrize("days", [1, 9, 30])
def test_a_stop_that_fired_while_nobody_looked_is_told_however_long_ago(days: int):
    async def scene():
        rows = [QUIET] * 3 + [STOPPED] + [QUIET] * (days * DAY_BARS + 3)
        async with trading(rows) as s:
            await s.enter()
            await s.submit(stop(2, 95.0))
            (fill,) = s.events
            await s.broker.close()
            for _ in range(days * DAY_BARS):
                await s.exchange.advance()
            again = restarted(s, PositionView(0, 1.0, 100.0, 20.0, 5.0), fill, intents=(stop(2, 95.0),))
            try:
                await again.broker.open()
                missed = await again.broker.missed(int(fill.row["time_ms"]) - 3_600_000, (2,))
                assert [(int(e.row["seq"]), float(e.row["qty"])) for e in missed] == [(2, 1.0)]
                assert again.broker.teller.ledger.at(0).qty == 0.0
                assert again.broker.teller.ledger.wallet_usd == pytest.approx(s.exchange.sim.account.wallet)
            finally:
                await again.end()

    play(scene)


def test_where_no_trade_shows_why_the_account_is_believed():
    async def scene():
        async with trading(settings=QUICK._replace(retry_cap_ms=5), weight_per_minute=10**9) as s:
            await s.enter()
            (fill,) = s.events
            await s.broker.close()
            again = restarted(s, PositionView(0, 2.0, 100.0, 40.0, 5.0), fill)
            try:
                await again.broker.open()
                assert await again.broker.missed(int(fill.row["time_ms"]) - 10_000, ()) == []
                again.listen()
                await again.until(lambda: again.broker.level, "for level books")
                assert again.broker.teller.ledger.at(0).qty == 1.0
                assert again.broker.catcher.believed == 1
                assert [a.key for a in again.alerts] == ["binance:books"]
                await again.submit(intent(3, MARKET, -1, 1.0, reduce_only=1, tag=TAG_EXIT))
                await s.exchange.advance(again.settle)
                await again.wait(1)
                assert again.told() == [("fill", 3, 1.0)]
                assert again.broker.teller.ledger.at(0).qty == 0.0
            finally:
                await again.end()

    play(scene)


def restarted(s: Scene, held: PositionView, fill: Any, **resume: Any) -> Scene:
    """Another broker on the same account, with the books as a journal knew them."""
    books = Resume(float(fill.row["wallet_usd"]), (held,), frozenset({fill.key}), **resume)
    again = Scene(s.exchange, broker_on(s.exchange, s.broker.settings, books))
    again.broker._alerts = again
    return again
