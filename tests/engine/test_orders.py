"""Orders as the venue takes them: refusals, slots, cancel, amend; and what the chain does about partial fills."""

import math

import numpy as np
import pytest

from qt_core.codes import (
    CANCELLED,
    ENTRY_CLOSED,
    EV_CANCEL,
    EV_REJECT,
    EXPIRED,
    FLAT,
    INSUFFICIENT_MARGIN,
    M_VENUE,
    MIN_NOTIONAL,
    NON_FINITE,
    NOT_APPROVED,
    ORDER_SLOTS,
    POST_ONLY_CROSS,
)
from tests.engine.asks import Ask, amend, cancel, ioc, limit, market, post_only, stop, target, trailing
from tests.engine.chain import run_chain, same_trades, trade_rows
from tests.engine.tables import QUIET, Table, cancelled, check, fill, market_of, rejected, run_venue

NAN, INF = math.nan, math.inf
DIP = (100.0, 100.5, 98.9, 99.5)
PART = {"participation": 0.1}
THIN = (100.0, 100.5, 99.5, 100.0, 10.0)  # a tenth of the volume is 1
DEEP = (100.0, 100.5, 99.5, 100.0, 1e9)

TABLES = (
    Table(
        "an opening order without the governor's approval is refused",
        (QUIET, QUIET, QUIET),
        [market(0, 1, 1.0, approved=False), market(0, 2, 1.0), market(1, 3, -1.0, reduce=True, approved=False)],
        [rejected(1, 1, NOT_APPROVED), fill(1, 2, 1.0, 100.0), fill(2, 3, -1.0, 100.0)],
    ),
    Table(
        "eight orders may rest, the ninth is refused",
        (QUIET, QUIET),
        [limit(0, k, 1.0, 90.0) for k in range(1, 10)],
        [rejected(1, 9, ORDER_SLOTS)],
        end={"n_rejected": 1.0},
    ),
    Table(
        "a slot given up at a close is free from the next bar on",
        (QUIET, QUIET, QUIET),
        [*[limit(0, k, 1.0, 90.0) for k in range(1, 9)], cancel(1, 3), limit(1, 9, 1.0, 90.0), limit(2, 10, 1.0, 90.0)],
        [rejected(2, 9, ORDER_SLOTS), cancelled(2, 3, CANCELLED)],
    ),
    Table("a cancel of an order that is over does nothing", (QUIET, QUIET), [cancel(0, 7), amend(0, 8, 1.0, 1.0)], []),
    Table(
        "amend: price and quantity of a limit",
        (QUIET, QUIET, DIP, (98.0, 98.5, 97.8, 98.0)),
        [limit(0, 1, 1.0, 99.0), amend(1, 1, 0.5, 98.0)],
        [fill(3, 1, 0.5, 98.0, maker=1)],  # bar 2 would have filled 99; bar 3 trades through 98
        held=0.5,
    ),
    Table(
        "amend: a limit moved through the market takes the open, not its own price",
        (QUIET, QUIET, (100.0, 105.5, 99.5, 100.0)),
        [limit(0, 1, 1.0, 90.0), amend(1, 1, 1.0, 105.0)],
        [fill(2, 1, 1.0, 100.0, maker=0)],
        held=1.0,
    ),
    Table(
        "amend: a post-only limit moved through the market is refused",
        (QUIET, QUIET, QUIET),
        [post_only(0, 1, 1.0, 90.0), amend(1, 1, 1.0, 105.0)],
        [rejected(2, 1, POST_ONLY_CROSS)],
    ),
    Table(
        "amend: an entry does not grow without approval",
        (QUIET, QUIET, DIP),
        [limit(0, 1, 1.0, 90.0), amend(1, 1, 50.0, 99.0, approved=False)],
        [fill(2, 1, 1.0, 99.0)],
        held=1.0,
    ),
    Table(
        "amend: the quantity is what is still to be done",
        (DEEP, (*DIP, 4.0), (*DIP, 1e9)),
        [limit(0, 1, 1.0, 99.0), amend(1, 1, 0.2, 99.0)],
        [fill(1, 1, 0.4, 99.0), fill(2, 1, 0.2, 99.0, done=1)],
        venue=PART,
        held=0.6,
    ),
    Table(
        "amend: a triggered stop keeps its trigger and takes the quantity",
        (DEEP, DEEP, (100.0, 100.0, 94.0, 94.5, 0.0), (94.0, 94.0, 93.0, 93.0, 1e9)),
        [market(0, 1, 2.0), stop(0, 2, -1.0, 95.0), amend(2, 2, -2.0, 50.0)],
        [fill(1, 1, 2.0, 100.0), fill(3, 2, -2.0, 94.0)],
        venue=PART,
    ),
    Table(
        "an amend that makes no sense is ignored",
        (QUIET, QUIET, (100.0, 100.0, 94.0, 94.5)),
        [market(0, 1, 1.0), stop(0, 2, -1.0, 95.0), amend(1, 2, -1.0, NAN)],
        [fill(1, 1, 1.0, 100.0), fill(2, 2, -1.0, 95.0)],
    ),
    Table(
        "a partly filled entry is refused the rest when its margin is gone",
        (DEEP, (*QUIET, 9600.0), (*QUIET, 1e9)),
        [market(0, 1, 1900.0)],
        # 960 x 100 / 10 = 9600 + 48; what is left, 352, does not carry the remaining 940
        [fill(1, 1, 960.0, 100.0, done=0), rejected(2, 1, INSUFFICIENT_MARGIN, qty=940.0)],
        venue=PART,
        held=960.0,
    ),
)


@pytest.mark.parametrize("table", TABLES, ids=lambda t: t.name)
def test_orders(table):
    check(table)


@pytest.mark.interpreted
@pytest.mark.boundscheck
@pytest.mark.parametrize("table", TABLES[1:10:2], ids=lambda t: t.name)
def test_orders_in_other_modes(table):
    check(table)


BAD = {
    "quantity NaN": market(0, 1, NAN),
    "quantity infinite": market(0, 1, INF),
    "quantity zero": market(0, 1, 0.0),
    "leverage NaN": market(0, 1, 1.0, leverage=NAN),
    "leverage zero": market(0, 1, 1.0, leverage=0.0),
    "leverage negative": market(0, 1, 1.0, leverage=-10.0),
    "price NaN": limit(0, 1, 1.0, NAN),
    "price zero": limit(0, 1, 1.0, 0.0),
    "IOC price infinite": ioc(0, 1, 1.0, INF),
    "post-only price negative": post_only(0, 1, 1.0, -5.0),
    "stop NaN": stop(0, 1, -1.0, NAN),
    "target zero": target(0, 1, -1.0, 0.0),
    "callback NaN": trailing(0, 1, -1.0, NAN),
    "activation NaN": trailing(0, 1, -1.0, 0.05, activation=NAN),
}


@pytest.mark.interpreted
@pytest.mark.boundscheck
@pytest.mark.parametrize("ask", BAD.values(), ids=BAD)
def test_numbers_that_are_none_are_refused(ask: Ask):
    """Neither an order nor a balance comes of them."""
    played = run_venue(market_of((QUIET, QUIET, DIP)), [ask])
    assert [(e["kind"], e["reason"]) for e in played.events] == [(EV_REJECT, NON_FINITE)]
    assert played.equity == [10_000.0] * 3
    assert played.of("n_orders") == 0


# --- the chain -------------------------------------------------------------------------------------------------------
WORK = {"chain": {"entry_work_bars": 4}, "venue": PART}


def test_a_partial_entry_is_protected_part_by_part_from_its_average():
    """3 units in parts of 1 at 100, 101 and 102: average 101, stop 2 % below = 98.98 -> 99.0, target 105.04 -> 105.0."""
    rows = (
        DEEP,
        THIN,
        (101.0, 101.5, 100.5, 101.0, 10.0),
        (102.0, 102.0, 101.0, 102.0, 10.0),
        DEEP,
        (100.0, 100.0, 99.0, 99.0, 1e9),
    )
    m = market_of(rows)
    r = run_chain(m, {(0, "A"): 1}, **WORK)
    # fees 0.0005 x (303 + 297)
    want = {
        "in": 1,
        "out": 5,
        "qty": 3.0,
        "entry": 101.0,
        "exit": 99.0,
        "why": "stop",
        "fee": 0.3,
        "pnl": -6.3,
        "fills": 4,
    }
    same_trades(r, m, [want])
    assert r.trades["initial_risk_usd"][0] == pytest.approx(3 * 2.0)
    assert r.trades["tp_price"][0] == 105.0


def test_an_entry_in_parts_dies_after_its_time_and_its_position_stays_protected():
    """Two bars, 1 unit each; the third unit expires. Stop 98 and target 104 hold for two."""
    m = market_of((DEEP, THIN, THIN, DEEP, (100.0, 104.5, 99.5, 104.0, 1e9)))
    r = run_chain(m, {(0, "A"): 1}, chain={"entry_work_bars": 2}, venue=PART)
    assert r.counters[M_VENUE, EXPIRED] == 1
    same_trades(
        r, m, [{"in": 1, "out": 4, "qty": 2.0, "exit": 104.0, "why": "target", "pnl": 7.796}]
    )  # 8 - 0.1 - 0.104
    fund = np.asarray(r.state.fund)[0]
    assert fund["n_pending"] == 0
    assert fund["reserved_margin_usd"] == 0.0


def test_a_stop_ends_the_rest_of_its_entry_and_frees_the_symbol():
    """1 of 3 filled; bar 2 opens below the stop: out at 97, the rest is cancelled, and the symbol trades again."""
    m = market_of((DEEP, THIN, (97.0, 97.5, 96.5, 97.0, 1e9), DEEP, DEEP, DEEP))
    r = run_chain(m, {(0, "A"): 1, (3, "A"): 1}, **WORK)
    same_trades(r, m, [{"in": 1, "out": 2, "qty": 1.0, "exit": 97.0, "why": "stop"}])
    assert r.counters[M_VENUE, CANCELLED] == 1
    assert len(r.open_positions) == 1
    assert r.open_positions["quantity"][0] == 3.0


def test_a_stop_without_volume_is_never_left_behind_by_its_entry():
    """1 of 3 filled and the stop at 98 triggers in the same bar, whose volume is used up.

    Next bar: the exit has the volume (1) before the entry: out at 97.5. Nothing is bought again, nothing is left.
    """
    row = (97.5, 98.0, 97.0, 97.5, 10.0)
    m = market_of((DEEP, (100.0, 100.5, 97.0, 97.5, 10.0), row, row, row))
    r = run_chain(m, {(0, "A"): 1}, **WORK)
    same_trades(r, m, [{"in": 1, "out": 2, "qty": 1.0, "exit": 97.5, "why": "stop"}])
    assert r.venue.symbol["qty"][0] == 0.0
    assert r.venue.symbol["n_orders"][0] == 0


def test_a_part_exit_cancels_the_rest_of_the_entry_and_keeps_the_stop():
    """2 of 3 filled when the target takes 1 (volume): the entry is cancelled, the rest leaves at the next open."""
    rows = (DEEP, (*QUIET, 20.0), (104.0, 104.5, 103.0, 103.0, 10.0), (103.0, 103.0, 102.0, 102.0, 1e9), DEEP)
    m = market_of(rows)
    r = run_chain(m, {(0, "A"): 1}, **WORK)
    assert r.counters[M_VENUE, ENTRY_CLOSED] == 1
    # bar 2 opens on the target: 1 at 104; bar 3: 1 at 103
    same_trades(r, m, [{"in": 1, "out": 3, "qty": 2.0, "exit": 103.5, "why": "target", "gross": 7.0, "fills": 3}])
    assert r.venue.symbol["qty"][0] == 0.0


def test_minimum_notional_is_a_veto_of_the_decision():
    """300 USD at three times 100: below a minimum of 301 the risk OS says MIN_NOTIONAL, and no order is made."""
    on = {"risk": {"mode": "enforced"}, "governor": {"mode": "enforced"}}
    for minimum, trades in ((300.0, 1), (301.0, 0)):
        m = market_of((QUIET, QUIET, (100.0, 104.5, 99.5, 104.0)), min_notional=minimum)
        r = run_chain(m, {(0, "A"): 1}, **on)
        assert len(r.trades) == trades
        assert (r.decisions["reason"][0] == MIN_NOTIONAL) == (trades == 0)


def test_a_size_is_never_rounded_up_in_risk():
    """Lot 0.7: 300 / 100 = 3 -> 2.8. Stop 2 % below 101.3 = 99.274 -> 99.3: nearer, not farther."""
    row = (101.3, 101.5, 101.0, 101.3)
    m = market_of((QUIET, row, (101.3, 101.3, 99.0, 99.0)), lot=0.7)
    same_trades(run_chain(m, {(0, "A"): 1}), m, [{"qty": 2.8, "entry": 101.3, "exit": 99.3, "gross": -5.6}])
    # a short: stop 103.326 -> 103.3
    m = market_of((QUIET, row, (101.3, 104.0, 101.0, 103.0)), lot=0.7)
    same_trades(run_chain(m, {(0, "A"): -1}), m, [{"qty": -2.8, "exit": 103.3, "gross": -5.6}])


def test_a_tick_larger_than_the_stop_distance_counts_in_the_size():
    """Tick 5 at a price of 100: the nearest stop is 95, 5 % away; risk 1.5 % of 10,000 / (0.05 + 0.001) = 2941 USD.

    With a base margin of 5000 at 1x the governor's limit binds: 29.411 units lose 147.06 + 2.87 at the stop < 150.
    """
    m = market_of((QUIET, QUIET, (100.0, 100.0, 94.0, 95.0)), tick=5.0)
    sections = {
        "chain": {"base_margin_usd": 5000.0, "neutral_leverage": 1.0},
        "risk": {"mode": "enforced", "max_margin_usd": 1e6},
        "governor": {"mode": "enforced", "max_margin_usd": 1e6},
    }
    r = run_chain(m, {(0, "A"): 1}, **sections)
    same_trades(r, m, [{"qty": 29.411, "exit": 95.0, "why": "stop", "gross": -147.055}])
    assert -trade_rows(r, m)[0]["pnl"] < 150.0


def test_cancels_and_expiries_say_what_was_left():
    m = market_of((DEEP, THIN, DEEP))
    events = run_venue(m, [market(0, 1, 3.0, life=1), market(0, 2, -1.0, reduce=True)], **PART).events
    assert [(e["bar"], e["kind"], e["qty"], e["reason"]) for e in events if e["kind"] == EV_CANCEL] == [
        (1, EV_CANCEL, -1.0, FLAT),
        (2, EV_CANCEL, 2.0, EXPIRED),
    ]
