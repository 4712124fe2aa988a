"""The venue under orders of every kind: reduce-only never opens, nothing opens unapproved, books add up."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given

from qt_core.codes import (
    EV_CANCEL,
    EV_FILL,
    EV_LIQUIDATION,
    EV_REJECT,
    M_GOVERNOR,
    MAX_ORDERS,
    NOT_APPROVED,
    OK,
    OP_AMEND,
    OP_NEW,
    TAG_ENTRY,
)
from qt_core.records import DECISION_DT
from qt_core.state import N_DECISIONS
from tests.properties.binding import Met
from tests.properties.scripts import KINDS, VENUES, Script, venues
from tests.properties.walk import Accountant, plain, walk, walk_venue
from tests.properties.worlds import World, worlds


class Clerk(Accountant):
    """Remembers every order as it was asked for, and judges every fill by it."""

    def __init__(self, s: Any, met: Met) -> None:
        super().__init__(s)
        self.met = met
        self.asked: dict[int, np.void] = {}
        self.left: dict[int, float] = {}

    def on_requests(self, requests: np.ndarray, f: int) -> None:
        for r in requests:
            if r["op"] == OP_NEW:
                self.asked[int(r["seq"])] = r.copy()
                self.left[int(r["seq"])] = float(r["qty"])
            elif r["op"] == OP_AMEND:
                self.left[int(r["seq"])] = float(r["qty"])

    def on_event(self, event: Any, f: int) -> None:
        before = float(self.qty[int(event["symbol"])])
        super().on_event(event, f)
        after = float(self.qty[int(event["symbol"])])
        if event["kind"] in (EV_FILL, EV_LIQUIDATION):
            assert event["qty"] > 0.0
            assert before * after >= 0.0, "a fill turned the position over"
        if event["kind"] == EV_FILL and event["seq"] != 0:
            self.judge(event, before, after)
        elif event["kind"] == EV_REJECT:
            self.met["refused unapproved"] += int(event["reason"] == NOT_APPROVED)
            self.met["refused otherwise"] += int(event["reason"] != NOT_APPROVED)
        elif event["kind"] == EV_CANCEL:
            self.met["cancelled or expired"] += 1

    def judge(self, event: Any, before: float, after: float) -> None:
        o = self.asked[int(event["seq"])]
        assert int(o["side"]) == int(event["side"])
        opens = abs(after) > abs(before)
        if o["reduce_only"]:
            assert not opens, "a reduce-only order opened"
            self.met["reduce-only fills"] += 1
            self.met["cut down to the position"] += int(after == 0.0 and self.left[int(event["seq"])] > event["qty"])
        if opens:
            assert o["approved"] == 1, "an order without approval opened"
            self.met["opening fills"] += 1
        self.left[int(event["seq"])] -= float(event["qty"])
        assert self.left[int(event["seq"])] >= -1e-9 * float(o["qty"]), "filled more than asked for"
        self.met[f"kind {int(o['kind'])}"] += 1

    def on_bar(self, f: int) -> None:
        v = self.venue_fund
        wallet = float(v["free_usd"] + v["margin_usd"])
        assert self.close_to(wallet, self.start + self.realised - self.fees + self.funding + self.insurance)
        unrealised = float(np.sum(self.venue_symbol["qty"] * (self.mark - self.venue_symbol["avg_price"])))
        assert self.close_to(self.equity, wallet + unrealised)
        assert self.close_to(float(np.sum(self.venue_symbol["margin_usd"])), float(v["margin_usd"]))
        assert self.close_to(float(v["fee_usd"]), self.fees)
        assert self.close_to(float(v["maker_fee_usd"] + v["taker_fee_usd"]), float(v["fee_usd"]) - self.liquidation_fee)
        assert np.allclose(self.venue_symbol["qty"], self.qty, rtol=1e-9, atol=0.0)
        open_orders = (self.orders["status"] != 0).sum(axis=1)
        assert (open_orders <= MAX_ORDERS).all()
        assert (self.venue_symbol["n_orders"] == open_orders).all()
        idle = np.flatnonzero((self.venue_symbol["qty"] != 0.0) | (open_orders > 0))
        active = set(np.asarray(self.s.venue.active[: int(v["n_active"])]).tolist())
        assert set(idle.tolist()) <= active, "a busy symbol is not looked at"

    liquidation_fee = 0.0


class FeeClerk(Clerk):
    """Liquidation fees are neither maker nor taker fees."""

    def on_event(self, event: Any, f: int) -> None:
        super().on_event(event, f)
        if event["kind"] == EV_LIQUIDATION:
            self.liquidation_fee += float(event["fee_usd"])
            self.met["liquidations"] += 1


@pytest.mark.interpreted
def test_reduce_only_never_opens_and_nothing_opens_unapproved(met: Met, record_property):
    @given(worlds(holes=0.01), venues)
    def check(world: World, venue: str) -> None:
        s = world.build().session({"chain": {"initial_equity_usd": 2000.0}, "venue": VENUES[venue]})
        walk_venue(s, Script(s, world.seed), FeeClerk(s, met))

    check()
    names = ("reduce-only fills", "cut down to the position", "opening fills", "refused unapproved")
    kinds = tuple(f"kind {k}" for k in KINDS)
    met.need(record_property, *names, "refused otherwise", "cancelled or expired", "liquidations", *kinds)


class Stamps(Clerk):
    """In the chain's own orders: every entry carries the governor's stamp, and a vetoed candidate sends none."""

    def on_requests(self, requests: np.ndarray, f: int) -> None:
        super().on_requests(requests, f)
        for r in requests[(requests["op"] == OP_NEW)]:
            if r["tag"] == TAG_ENTRY:
                assert r["approved"] == 1
                assert r["reduce_only"] == 0
                self.met["entries sent"] += 1
            else:
                assert r["reduce_only"] == 1

    def on_bar(self, f: int) -> None:
        """The chain's books are another property's business."""


def test_the_chain_opens_nothing_that_the_governor_has_not_passed(met: Met, record_property):
    """A governor stricter than the risk OS vetoes often; what it vetoes is never sent."""
    config = {"chain": {"initial_equity_usd": 800.0}, "governor": {"max_margin_usd": 150.0}}

    @given(worlds(act=0.4))
    def check(world: World) -> None:
        s = world.build().session(config)
        walk(s, Stamps(s, met))
        rows = plain(s.out.decisions, DECISION_DT)[: int(s.out.n[N_DECISIONS])]
        vetoed = rows["reason"] != OK
        met["vetoed by the governor"] += int((vetoed & (rows["module"] == M_GOVERNOR)).sum())
        met["passed"] += int((~vetoed).sum())
        assert (rows["seq"][vetoed] == 0).all()
        assert (rows["seq"][~vetoed] > 0).all()
        assert (rows["margin_usd"][~vetoed] <= 150.0 * (1.0 + 1e-9)).all()

    check()
    assert met["passed"] == met["entries sent"]
    met.need(record_property, "vetoed by the governor", "passed", "opening fills")
