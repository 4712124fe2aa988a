"""Fault scripts over literal bars: prices, refusals and moments worked out by hand. Runs interpreted within seconds."""

from typing import Any

import numpy as np
import pytest

from qt_core import records as rec
from qt_core.codes import (
    CMD_BUSY,
    CMD_ERROR,
    CMD_ESS_RESET,
    CMD_ESS_TRIP,
    CMD_EXIT,
    CMD_FEED,
    CMD_HALT,
    CMD_PAUSE,
    CMD_RELEASE,
    CMD_SPREAD,
    ESS_ERRORS,
    ESS_FEED,
    ESS_MANUAL,
    EV_CANCEL,
    EV_COMMAND,
    EV_FILL,
    EV_REJECT,
    EXCHANGE_BUSY,
    IOC_UNFILLED,
    TAG_ENTRY,
    TAG_SL,
)
from qt_core.engine.script import Command, Script
from qt_core.engine.session import advance
from tests.modules.scene import FREE, HOUR_MS, START_MS, Bar, Played, Scene, flat

pytestmark = pytest.mark.interpreted

QUIET: list[list[Bar]] = [flat(100.0, 8)]
FALL: list[list[Bar]] = [[*flat(100.0, 4), (100.0, 100.0, 90.0, 90.0), *flat(90.0, 3)]]
WIDE = {"tpsl": {"mode": "off", "sl_anchor": 0.05, "tp_anchor": 0.2}}


def hour(k: float) -> int:
    return START_MS + int(k * HOUR_MS)


def said(k: float, command: int, **fields: Any) -> Command:
    return Command(hour(k), command, fields)


def play(*commands: Command, **scene: Any) -> Played:
    given = {"bars": QUIET, "calls": {(0, 0): 1}, "config": {"venue": FREE}, **scene}
    s = Scene(**given).session()
    s.script = Script(commands)
    advance(s)
    return Played(s)


def of(p: Played, kind: int) -> list[dict[str, Any]]:
    e = p.events[p.events["kind"] == kind]
    return [{n: x[n].item() for n in e.dtype.names} for x in e]


def entry(p: Played) -> dict[str, Any]:
    return next(e for e in of(p, EV_FILL) if e["tag"] == TAG_ENTRY)


# --- what a wide spread costs -----------------------------------------------------------------------------------


def test_a_taker_pays_half_the_spread():
    p = play(said(0.5, CMD_SPREAD, value=0.04))
    assert entry(p)["price"] == pytest.approx(102.0)
    assert entry(p)["value"] == pytest.approx(2.0 * entry(p)["qty"])  # booked as slippage
    assert entry(play())["price"] == 100.0


def test_a_spread_within_the_usual_slippage_costs_nothing_more():
    usual = {"venue": {**FREE, "slippage": 0.01}}
    assert entry(play(said(0.5, CMD_SPREAD, value=0.019), config=usual))["price"] == pytest.approx(101.0)
    assert entry(play(said(0.5, CMD_SPREAD, value=0.04), config=usual))["price"] == pytest.approx(102.0)


def test_a_stop_in_a_wide_spread_pays_it_too_and_not_after_it():
    config = {**WIDE, "venue": FREE}
    calm = [e for e in of(play(bars=FALL, config=config), EV_FILL) if e["tag"] == TAG_SL]
    wide = [
        e for e in of(play(said(3, CMD_SPREAD, value=0.02), bars=FALL, config=config), EV_FILL) if e["tag"] == TAG_SL
    ]
    over = play(said(2, CMD_SPREAD, value=0.02), said(3, CMD_SPREAD, value=np.nan), bars=FALL, config=config)
    assert calm[0]["price"] == pytest.approx(95.0)
    assert wide[0]["price"] == pytest.approx(95.0 * 0.99)
    assert next(e for e in of(over, EV_FILL) if e["tag"] == TAG_SL)["price"] == pytest.approx(95.0)


def test_an_order_at_the_cap_does_not_cross_a_spread_beyond_it():
    """Module 16's ordinary entry: immediate, at most 15 bps worse than the close."""
    config = {"venue": FREE, "aelm": {"mode": "enforced"}}
    fine, tight = (play(said(0.5, CMD_SPREAD, value=v), config=config) for v in (0.0029, 0.0031))
    assert entry(fine)["price"] == pytest.approx(100.0 * (1.0 + 0.0029 / 2))
    assert [e["reason"] for e in of(tight, EV_CANCEL)] == [IOC_UNFILLED]
    assert not of(tight, EV_FILL)


def test_crossed_prices_cost_nothing_but_latch():
    p = play(said(1.5, CMD_SPREAD, value=-0.01), config={"venue": FREE, "ess": {"mode": "enforced"}})
    assert entry(p)["price"] == 100.0
    assert p.fund["crossed"] == 1
    assert p.fund["ess_latched"] == ESS_FEED


def test_prices_are_crossed_until_no_symbol_is():
    two = [flat(100.0, 8), flat(50.0, 8)]
    over = (said(1, CMD_SPREAD, symbol=0, value=-0.01), said(2, CMD_SPREAD, symbol=1, value=0.001))
    assert play(*over, bars=two).fund["crossed"] == 1
    assert play(*over, said(3, CMD_SPREAD, symbol=0, value=0.001), bars=two).fund["crossed"] == 0


# --- a busy exchange -----------------------------------------------------------------------------------

ASKS = {"venue": FREE, "aelm": {"mode": "enforced"}, "chain": {"max_candidates": 5}}


@pytest.mark.parametrize(("orders", "fills", "left"), [(0, 1, 0), (1, 1, 0), (3, 1, 0), (4, 0, 0), (6, 0, 2)])
def test_three_times_it_is_asked_again_in_the_same_open(orders: int, fills: int, left: int):
    p = play(*([said(0.5, CMD_BUSY, symbol=0, qty=orders)] if orders else []), config=ASKS)
    refusals = [e for e in of(p, EV_REJECT) if e["reason"] == EXCHANGE_BUSY]
    assert len(refusals) == min(orders, 4)
    assert {e["time_ms"] for e in refusals} <= {hour(1)}
    assert len(of(p, rec.JE_RETRY)) == min(orders, 3)
    entries = [e for e in of(p, EV_FILL) if e["tag"] == TAG_ENTRY]
    assert [e["time_ms"] for e in entries] == [hour(1)] * fills
    assert int(p.s.venue.symbol["busy"][0]) == left
    assert p.fund["n_pending"] == 0
    assert p.fund["reserved_margin_usd"] == 0.0


def test_without_module_16_a_refusal_is_the_end_of_it():
    p = play(said(0.5, CMD_BUSY, symbol=0, qty=1))
    assert not of(p, EV_FILL)
    assert p.fund["n_slots"] == 0


def test_what_reduces_is_never_refused():
    p = play(said(2, CMD_BUSY, symbol=0, qty=9), said(3, CMD_EXIT, symbol=0))
    assert [int(x) for x in p.trades["exit_ms"]] == [hour(3)]
    assert int(p.s.venue.symbol["busy"][0]) == 9


# --- when it is heard -----------------------------------------------------------------------------------


def test_before_the_open_between_the_bars_inside_before_the_decision():
    assert len(of(play(said(0.999, CMD_PAUSE)), EV_FILL)) == 0  # heard at the close of the bar: decided against
    sharp = play(said(1, CMD_PAUSE))
    assert len(of(sharp, EV_FILL)) == 0  # decided for, cancelled before the open
    assert len(sharp.decisions) == 1
    assert sharp.decisions["reason"][0] == 0
    assert len(of(play(said(1.001, CMD_PAUSE)), EV_FILL)) == 1  # its bar has opened


def test_commands_of_one_moment_keep_their_order():
    p = play(said(1, CMD_HALT), said(1, CMD_RELEASE), said(2, CMD_RELEASE), said(2, CMD_HALT))
    assert [e["seq"] for e in of(p, EV_COMMAND)] == [CMD_HALT, CMD_RELEASE, CMD_RELEASE, CMD_HALT]
    assert p.fund["halted"] == 1


def test_a_command_at_the_first_open_is_heard_first():
    p = play(said(0, CMD_HALT))
    assert p.fund["halted"] == 1
    assert not of(p, EV_FILL)


def test_the_journal_row_says_what_was_said():
    p = play(said(2, CMD_SPREAD, symbol=0, value=0.03), said(2.5, CMD_BUSY, symbol=0, qty=2))
    a, b = of(p, EV_COMMAND)
    assert (a["time_ms"], a["seq"], a["value"]) == (hour(2), CMD_SPREAD, 0.03)
    assert (b["time_ms"], b["seq"], b["qty"]) == (hour(2.5), CMD_BUSY, 2.0)


# --- latches -----------------------------------------------------------------------------------

STOP = {"venue": FREE, "ess": {"mode": "enforced"}, "risk": {"mode": "off"}}


def burst(first_s: float, step_s: float, n: int = 11) -> list[Command]:
    return [Command(START_MS + int(1000 * (first_s + k * step_s)), CMD_ERROR) for k in range(n)]


@pytest.mark.parametrize(
    ("commands", "by", "hours"),
    [
        (burst(600, 5), ESS_ERRORS, 1),  # ten past: seen at the next close
        (burst(3590, 1), ESS_ERRORS, 2),  # across a close, eleven within a minute: seen at the second
        (burst(600, 7), 0, 0),  # eleven in seventy seconds: never more than nine in a minute
        (burst(600, 5, n=10), 0, 0),  # ten are not more than ten
        ([said(2.5, CMD_ESS_TRIP)], ESS_MANUAL, 3),
        ([said(2.5, CMD_FEED, reason=1)], ESS_FEED, 3),
        ([said(2.25, CMD_FEED, reason=1), said(2.75, CMD_FEED, reason=0)], 0, 0),  # back before anybody looked
    ],
    ids=["burst", "across a close", "slow", "ten", "by hand", "feed", "a blink"],
)
def test_who_latches_and_when(commands: list[Command], by: int, hours: int):
    p = play(*commands, config=STOP)
    assert p.fund["ess_latched"] == by
    latches = of(p, rec.JE_ESS_LATCH)
    assert [(e["time_ms"], e["value"]) for e in latches] == ([(hour(hours), float(by))] if by else [])


def test_a_reset_forgets_the_burst_and_takes_the_peak_anew():
    reset = said(3.5, CMD_ESS_RESET, reason=2)
    p = play(*burst(600, 5), *burst(2 * 3600 + 600, 5), reset, config=STOP)
    assert p.fund["ess_latched"] == 0  # the second burst came while it was latched
    assert p.fund["ess_time_ms"] == 2.5 * HOUR_MS
    assert p.fund["ess_peak_usd"] == p.fund["equity_usd"]
    assert [e["reason"] for e in of(p, rec.JE_ESS_RESET)] == [2]


def test_the_risk_os_halts_at_the_eleventh_error_and_says_so_once():
    p = play(*burst(5400, 1, n=20), config={"venue": FREE})
    assert p.fund["halted"] == 1
    assert [(e["time_ms"], e["value"]) for e in of(p, rec.JE_HALT)] == [(START_MS + 5_410_000, 11.0)]


# --- shadow: what the copy learns moves nothing ---------------------------------------------------------------


@pytest.mark.parametrize(("learning", "acting", "copy"), [("frozen", 0, 0), ("shadow", 0, 1), ("on", 1, 0)])
def test_visits_and_updates_belong_to_the_table_that_learns(learning: str, acting: int, copy: int):
    both = {"mode": "enforced", "learning": learning, "epsilon": 0.0}
    config = {**WIDE, "venue": FREE, "sizer": both, "strategy": {**both, "mode": "observe"}}
    p = play(bars=FALL, config=config)
    assert len(p.trades) == 1
    m = np.asarray(p.s.state.memory).view(rec.MEMORY_DT)[0]
    for name in ("q_size", "q_strategy"):
        assert [int(v.sum()) for v in m[f"{name}_visits"]] == [acting, copy]
        assert [bool(np.any(q != 0.0)) for q in m[name]] == [acting == 1, copy == 1]
    assert (p.fund["sizer_updates"], p.fund["strategy_updates"]) == (acting, acting)
