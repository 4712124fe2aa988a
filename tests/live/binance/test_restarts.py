"""What a broker that takes over finds: orders sent by a start that was killed too, halves of amends, partial fills."""

from typing import Any

import numpy as np
import pytest

from live.adapters.binance.budget import CALM, URGENT
from live.adapters.binance.orders import Orders, known_of
from live.adapters.binance.settings import BrokerSettings
from live.adapters.binance.telling import Teller
from live.adapters.binance.views import Resume
from live.adapters.store_sqlite import SqliteStore
from live.chain import Effects
from live.journal import Journal
from live.ports import OrderView, PositionView
from live.startup import in_time, open_intents
from qt_core.codes import LIMIT, MARKET, OP_AMEND, TAG_EXIT
from tests.live.binance.world import NAME, RUN, Scene, amended, broker_on, intent, play, stop, trading

NEWER_MS = 1_700_000_060_000


def view(i: Any, **more: Any) -> OrderView:
    """An order as the exchange lists it."""
    given = OrderView(i.client_id, "1", 0, i.seq, i.kind, i.side, i.tag, i.qty, 0.0, i.price, i.trigger, i.reduce_only)
    return given._replace(**more)


def test_an_amend_found_again_leaves_what_has_followed_it():
    """Two amends, the second rests, the first was cancelled: asked for once more, it takes nothing away."""

    async def scene():
        async with trading() as s:
            await s.enter()
            first = stop(2, 95.0)
            second, third = amended(first, trigger=96.0), amended(first, NEWER_MS + 1, trigger=97.0)
            for one in (first, second, third):
                await s.submit(one)
            await s.advance()
            await s.wait(1)
            assert s.resting() == [third.client_id]
            fill = s.events[0]
            await s.broker.close()
            held = PositionView(0, 1.0, float(fill.row["price"]), float(fill.row["margin_usd"]), 5.0)
            planned = frozenset({second.client_id, third.client_id})
            journal = Resume(
                float(fill.row["wallet_usd"]), (held,), frozenset({fill.key}), (first, second, third), planned
            )
            again = Scene(s.exchange, broker_on(s.exchange, resume=journal))
            await again.broker.open()
            assert again.broker.session.least_urgency == URGENT
            assert await again.broker.missed(int(fill.row["time_ms"]), (2,)) == []
            again.listen()
            await again.submit(second, third, ask_first=True)
            assert again.broker.session.least_urgency == CALM
            assert again.resting() == [third.client_id]
            assert again.events == []
            await again.end()

    play(scene)


def test_only_the_newest_of_a_number_is_asked_for():
    orders = Orders(RUN)
    first = stop(2, 95.0)
    chain = [first, amended(first), amended(first, NEWER_MS + 1)]
    for one in chain:
        orders.add(known_of(one))
    left = orders.supersede([view(chain[0]), view(chain[2])])
    assert [k.client_id for k in left] == [chain[0].client_id]
    assert [k.client_id for k in orders.open()] == [chain[0].client_id, chain[2].client_id]
    assert orders.before(0, 2, chain[1].client_id) == []  # the first is on its way out


def test_what_is_filled_of_a_resting_order_is_known():
    orders = Orders(RUN)
    entry = intent(1, LIMIT, price=90.0, qty=10.0)
    known = orders.add(known_of(entry))
    orders.take_views([view(entry, filled=4.0)])
    assert (known.filled, known.qty, known.placed) == (4.0, 10.0, True)


@pytest.mark.parametrize(("published", "told"), [(0.0004, 0.0004), (0.0009, 0.0004), (float("nan"), 0.0004)])
def test_the_rate_told_is_the_one_that_was_paid(published: float, told: float):
    teller = Teller(BrokerSettings(), Orders(RUN), {NAME: 0}, lambda i: 100.0, lambda i: published)
    teller.ledger.open(0, 1, 2.0, 100.0, 0.0, 5.0)
    (event,) = teller.funding(NAME, NEWER_MS, -0.08)
    assert event.row["value"] == pytest.approx(told)


def test_an_amend_of_a_market_order_is_no_order(tmp_path):
    store = SqliteStore(tmp_path / "journal.sqlite", create=True)
    journal = Journal(store, 1)
    first, out = stop(2, 95.0), intent(3, MARKET, -1, reduce_only=1, tag=TAG_EXIT)
    both = [first, out, amended(first), out._replace(op=OP_AMEND, client_id="another", qty=2.0)]
    none = np.zeros(0)
    journal.brought(1, Effects(none, none, none, none), both, 0)
    journal.commit()
    assert open_intents(journal, {2, 3}) == tuple(both[:3])
    assert store.last_trade_ms() == 0
    store.close()


def test_what_state_has_given_up_is_looked_for_and_not_placed():
    first = stop(2, 95.0)
    assert in_time(first, NEWER_MS) == first
    assert in_time(first, NEWER_MS, wanted=False).expire_ms == NEWER_MS
