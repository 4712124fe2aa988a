"""What the exchange holds against what State believes: findings by hand, and the events that mend them."""

import numpy as np
import pytest

from live.adapters.feed_replay import ReplayFeed, setup_of
from live.chain import Chain
from live.ports import AccountView, OrderView, PositionView
from live.reconcile import findings, lines, mending, open_seqs
from qt_core import records as rec
from qt_core.codes import EV_CANCEL, EV_FILL, STOP, TAG_SL
from qt_core.config import load_config
from tests.live.test_adoption import fill
from tests.parity.cases import FULL, simulated_case

QTY, PRICE = 2.0, 100.0


@pytest.fixture
def chain() -> Chain:
    """A chain that holds symbol 0 long, protected."""
    market = simulated_case().market
    made = Chain(setup_of(market, load_config(dict(FULL))))
    made.load(ReplayFeed(market).bar(0))
    fill(made, 1, QTY, PRICE, QTY * PRICE / 5.0)
    return made


def order(chain: Chain, seq: int, symbol: int = 0, client_id: str = "ours") -> OrderView:
    return OrderView(client_id, "1", symbol, seq, STOP, -1, TAG_SL, QTY, 0.0, 0.0, 95.0, 1)


def view(
    chain: Chain, qty: float = QTY, drop: "tuple[int, ...]" = (), extra: "tuple[OrderView, ...]" = ()
) -> AccountView:
    held = (PositionView(0, qty, PRICE, abs(qty) * PRICE / 5.0, 5.0),) if qty else ()
    resting = tuple(order(chain, seq, s) for seq, s in open_seqs(chain).items() if seq not in drop)
    return AccountView(1_700_000_360_000, 50_000.0, held, resting + extra)


def test_nothing_differs(chain: Chain) -> None:
    assert len(open_seqs(chain)) == 2
    assert findings(chain, view(chain)).clean


def test_a_stop_that_does_not_rest_has_ended(chain: Chain) -> None:
    seq = int(chain.symbol["sl_seq"][0])
    found = findings(chain, view(chain, drop=(seq,)))
    assert [(m.symbol, m.seq, m.tag) for m in found.missing] == [(0, seq, TAG_SL)]
    assert findings(chain, view(chain, drop=(seq,)), frozenset({seq})).clean  # it is being sent
    (event,) = mending(chain, found, view(chain))
    assert int(event.row["kind"]) == EV_CANCEL
    asked = chain.hear(event.row).requests
    assert [(int(r["kind"]), int(r["tag"])) for r in asked] == [(STOP, TAG_SL)]  # and is placed again


@pytest.mark.parametrize(("theirs", "steps"), [(0.0, [(-1, QTY)]), (3.0, [(1, 1.0)]), (-1.0, [(-1, QTY), (-1, 1.0)])])
def test_quantities_follow_never_through_zero_in_one(
    chain: Chain, theirs: float, steps: "list[tuple[int, float]]"
) -> None:
    found = findings(chain, view(chain, theirs))
    assert [(g.symbol, g.ours, g.theirs) for g in found.gaps] == [(0, QTY, theirs)]
    events = mending(chain, found, view(chain, theirs))
    assert [(int(e.row["side"]), float(e.row["qty"])) for e in events] == steps
    assert {int(e.row["kind"]) for e in events} == {EV_FILL}
    assert len({e.key for e in events}) == len(events)
    for event in events:
        chain.hear(event.row)
        chain.clear_requests()
    assert float(chain.symbol["qty"][0]) == pytest.approx(theirs)
    assert np.isclose(float(chain.fund["wallet_usd"]), 50_000.0)


def test_a_rounding_is_no_difference(chain: Chain) -> None:
    assert findings(chain, view(chain, QTY * (1.0 + 1e-12))).clean
    assert not findings(chain, view(chain, QTY * (1.0 + 1e-6))).clean


def test_orders_given_up_and_orders_of_others_are_told_apart(chain: Chain) -> None:
    found = findings(chain, view(chain, extra=(order(chain, 999), order(chain, 0, 1, "web_1"))))
    assert [o.seq for o in found.strays] == [999]
    assert [o.client_id for o in found.foreign] == ["web_1"]
    said = lines(found, chain.setup.symbols)
    assert any("given it up" in line for line in said)
    assert any("web_1 is not of this session" in line for line in said)
    assert rec.EVENT_DT.itemsize > 0
