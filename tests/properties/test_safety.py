"""Safety over whole runs of the whole chain: worlds from calm to wild, and two real crashes (test_crashes)."""

from typing import Any

import numpy as np
from hypothesis import given, settings

from qt_core.codes import EXIT_TIME
from qt_core.engine.session import Session
from tests.properties.binding import Met
from tests.properties.guards import AfterLatch, Bounds, Positions, Unstamped, age_at_exit
from tests.properties.test_accounts import Books
from tests.properties.twins import Twins
from tests.properties.walk import walk
from tests.properties.worlds import EARLY, HOUR_MS, UNDAMPED, Case, World, chain, trades_of, worlds

DAY_H = 24

# Accounts in which one limit after the other is the one that binds.
PRESSED: dict[str, dict[str, Any]] = {
    "as it is": chain(),
    "small": chain(chain={"initial_equity_usd": 700.0}),
    "rich": chain(chain={"initial_equity_usd": 20_000.0}, sizer={"epsilon": 0.5}),
    "calm stop": chain(ess={"mode": "off"}, hfos={"mode": "off"}, risk={"max_day_drawdown": 1.0}),
}


def in_two_sectors(case: Case) -> Case:
    specs = case.market.specs.copy()
    specs["sector"] = np.arange(len(specs)) % 2
    return case.with_market(specs=specs)


# One ask for both: without 17 other caps would hold in 19 and 20, and they would ask for something else.
SAME_ASK = chain(
    sizer={"mode": "off"}, mathematician={"mode": "advisory"}, ess={"mode": "off"}, governor={"max_margin_usd": 150.0}
)
# Each part without those after it, which refuse what a part before them would have shrunk.
ALONE = {"balancer.mode": "off", "governor.mode": "off"}
PARTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "scale of 7": (ALONE, {**ALONE, "hfos.scale_cautious": 1.0, "hfos.scale_defensive": 1.0}),
    "scale of the policy": (ALONE, {**ALONE, "msc.scale_defensive": 1.0}),
    "risk OS": (ALONE, {**ALONE, "risk.mode": "off"}),
    "balancer": ({"governor.mode": "off"}, ALONE),
    "governor": ({}, {"governor.mode": "off"}),
}


def test_each_part_of_the_risk_chain_only_reduces(met: Met, record_property):
    @settings(max_examples=15)
    @given(worlds(n_symbols=6, act=0.5))
    def check(world: World) -> None:
        case = in_two_sectors(world.build())
        for equity in (700.0, 3_000.0):
            config = {**SAME_ASK, "chain": {"initial_equity_usd": equity}}
            s = case.session(config)
            walk(s, Twins(s, met, config, PARTS))

    check()
    met.need(record_property, *(f"{name} bound" for name in PARTS))


def test_nothing_opens_after_a_latch_until_the_reset(met: Met, record_property):
    small = chain(ess={"auto_reset_h": 6.0}, chain={"initial_equity_usd": 700.0})

    @settings(max_examples=20)
    @given(worlds(n_symbols=4, act=0.4))
    def check(world: World) -> None:
        case = world.build()
        for config in (small, UNDAMPED):
            s = case.session(config)
            walk(s, AfterLatch(s, met))

    check()
    names = ("bars latched", "closing orders while latched", "candidates refused while latched", "opened after a reset")
    met.need(record_property, *names)


def test_nothing_opens_without_the_governors_stamp(met: Met, record_property):
    @given(worlds(n_symbols=5, act=0.4, jumps=0.0))
    def check(world: World) -> None:
        s = world.build().session(EARLY)
        walk(s, Unstamped(s, met, world.seed))

    check()
    met.need(record_property, "stamps taken from entry", "stamps taken from scale_in", "refused without a stamp")


def test_every_limit_holds_after_the_decisions_of_every_bar(met: Met, record_property):
    @settings(max_examples=12)
    @given(worlds(n_symbols=8, act=0.5))
    def check(world: World) -> None:
        case = in_two_sectors(world.build())
        for config in PRESSED.values():
            s = case.session(config)
            walk(s, Bounds(s, met))

    check()
    met.need(
        record_property,
        "accepted",
        "loss within a lot of its limit",
        "leverage at its cap",
        "two or more in one bar",
        "two correlated already",
        "shrunk to the book",
        "accepted below full scale",
        "scale-ins sent",
    )


def test_positions_stay_protected_within_their_first_risk(met: Met, record_property):
    @given(worlds(n_symbols=5, volume=1e8))
    def check(world: World) -> None:
        case = world.build()
        for config in (PRESSED["as it is"], PRESSED["calm stop"], EARLY):
            s = case.session(config)
            walk(s, Positions(s, met))
            met["trades"] += len(trades_of(s))

    check()
    names = ("stops that rest", "long stops moved", "short stops moved", "scale-ins filled")
    met.need(record_property, *names, "scale-ins with a loss at the stop")


def test_no_position_outlives_a_day_and_a_bar(met: Met, record_property):
    """In a market that hardly moves and seldom calls only the clock ends a position."""
    patient = chain(
        monitor={"exit_on_advice": "off", "quick_hold_factor": 1.0}, tpsl={"sl_anchor": 0.05, "tp_anchor": 0.2}
    )

    @settings(max_examples=15)
    @given(worlds(n_symbols=4, volume=1e8, volatility=0.001, gap=0.002, jumps=0.0, act=0.05))
    def check(world: World) -> None:
        s = world.build().session(patient)
        walk(s, Positions(s, met))
        trades = trades_of(s)
        late = age_at_exit(trades) > DAY_H
        for t in trades[late]:
            assert slept(s, t) or float(t["exit_ms"] - t["entry_ms"]) <= (DAY_H + 1) * HOUR_MS
        met["closed by age"] += int((trades["exit_reason"] == EXIT_TIME).sum())
        met["trades"] += len(trades)

    check()
    met.need(record_property, "a day old", "closed by age")


def slept(s: Session, trade: np.void) -> bool:
    """True where the symbol had no bar at the hour at which the position should have gone."""
    due = int(trade["entry_ms"]) + DAY_H * HOUR_MS
    at = (s.bars.time >= due - HOUR_MS) & (s.bars.time < int(trade["exit_ms"]))
    return bool(not s.bars.valid[at, int(trade["symbol"])].all())


def test_the_books_add_up_at_every_bar_of_the_whole_chain(met: Met, record_property):
    @settings(max_examples=15)
    @given(worlds(n_symbols=5))
    def check(world: World) -> None:
        case = world.build()
        for config in PRESSED.values():
            s = case.session(config)
            walk(s, Books(s, met))
            assert np.isfinite(np.asarray(s.curve["equity_usd"])).all()

    check()
    met.need(record_property, "bars with positions", "settlements", "partial fills")
