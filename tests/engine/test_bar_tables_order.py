"""SPEC section 8, S9 and S10: the order of events in a bar, reduce-only, one-way mode."""

import pytest

from qt_core.codes import CANCELLED, EXPIRED, FLAT, LIQUIDATED
from tests.engine.asks import cancel, limit, market, stop, target
from tests.engine.tables import QUIET, Table, cancelled, check, fill, funded, liquidated, market_of, run_venue, same

DOWN = (94.0, 94.5, 93.0, 94.0)  # opens below 95
UP = (106.0, 106.5, 105.5, 106.0)  # opens above 105

TABLES = (
    Table(
        "1 funding comes before a stop gapped at the same open",
        (QUIET, QUIET, DOWN),
        [market(0, 1, 2.0), stop(0, 2, -2.0, 95.0)],
        # the settlement of bar 2 is on the 2 held before it, at the opening mark: 2 x 94 x 0.001
        [fill(1, 1, 2.0, 100.0), funded(2, -0.188), fill(2, 2, -2.0, 94.0, realised=-12.0, inside=0)],
        market={"funding": [(2, "A", 0.001)]},
    ),
    Table(
        "1 funding comes before a market order at the same open",
        (QUIET, QUIET, QUIET),
        [market(1, 1, 2.0)],
        [fill(2, 1, 2.0, 100.0)],  # nothing was held before the settlement
        market={"funding": [(2, "A", 0.001)]},
        held=2.0,
        end={"funding_usd": 0.0},
    ),
    Table(
        "2 a stop gapped at the open fires before its cancel",
        (QUIET, QUIET, DOWN),
        [market(0, 1, 2.0), stop(0, 2, -2.0, 95.0), cancel(1, 2)],
        [fill(1, 1, 2.0, 100.0), fill(2, 2, -2.0, 94.0)],
    ),
    Table(
        "2 a target gapped at the open fills there, not at its trigger",
        (QUIET, QUIET, UP),
        [market(0, 1, 2.0), target(0, 2, -2.0, 105.0)],
        [fill(1, 1, 2.0, 100.0), fill(2, 2, -2.0, 106.0, realised=12.0, reference=106.0)],
    ),
    Table(
        "2 a gapped stop comes before a market exit of the same open",
        (QUIET, QUIET, DOWN),
        [market(0, 1, 2.0), stop(0, 2, -2.0, 95.0), market(1, 3, -2.0, reduce=True)],
        [fill(1, 1, 2.0, 100.0), fill(2, 2, -2.0, 94.0), cancelled(2, 3, FLAT)],
    ),
    Table(
        "3 cancels come before market orders",
        (QUIET, QUIET, QUIET),
        [limit(0, 1, 1.0, 90.0), cancel(1, 1), market(1, 2, 1.0)],
        [cancelled(2, 1, CANCELLED, qty=1.0), fill(2, 2, 1.0, 100.0)],
        held=1.0,
    ),
    Table(
        "3 a cancelled stop that the open has not passed does not fire inside the bar",
        (QUIET, QUIET, (100.0, 100.0, 94.0, 94.0)),
        [market(0, 1, 1.0), stop(0, 2, -1.0, 95.0), cancel(1, 2)],
        [fill(1, 1, 1.0, 100.0), cancelled(2, 2, CANCELLED)],
        held=1.0,
    ),
    Table(
        "4 market orders fill at the open plus slippage",
        (QUIET, (101.0, 102.0, 100.0, 101.5)),
        [market(0, 1, 1.0)],
        [fill(1, 1, 1.0, 101.2, reference=101.0)],  # 101 x 1.001 = 101.101 -> 101.2
        venue={"slippage": 0.001},
        held=1.0,
    ),
    Table(
        "4 what reduces comes before what may open",
        (QUIET, QUIET, (101.0, 101.0, 101.0, 101.0)),
        [market(0, 1, 1.0), market(1, 2, -3.0), market(1, 3, -1.0, reduce=True)],
        # 3 closes the long, 2 opens a short of three
        [fill(1, 1, 1.0, 100.0), fill(2, 3, -1.0, 101.0, realised=1.0), fill(2, 2, -3.0, 101.0, realised=0.0)],
        held=-3.0,
    ),
    Table(
        "5 inside the bar after the open: protection placed on the fill works in the same bar",
        (QUIET, (100.0, 100.5, 94.0, 96.0)),
        [market(0, 1, 1.0), stop(0, 2, -1.0, 95.0, after=1), target(0, 3, -1.0, 105.0, after=1)],
        [fill(1, 1, 1.0, 100.0, inside=0), fill(1, 2, -1.0, 95.0, inside=1, ambiguous=0)],
    ),
    Table(
        "5 protection placed in a bar may be set to work from the next",
        (QUIET, (100.0, 100.5, 94.0, 96.0), (96.0, 96.5, 94.0, 96.0)),
        [market(0, 1, 1.0), stop(0, 2, -1.0, 95.0, after=1)],
        [fill(1, 1, 1.0, 100.0), fill(2, 2, -1.0, 95.0)],
        venue={"stops_in_entry_bar": "off"},
    ),
    Table(
        "5 stop before liquidation where the stop is nearer",
        (QUIET, QUIET, (100.0, 100.0, 90.0, 90.0)),
        [market(0, 1, 1.0), stop(0, 2, -1.0, 91.0)],
        # liquidation at (100 - 10) / 0.99 = 90.909..., the stop at 91 is met first
        [fill(1, 1, 1.0, 100.0), fill(2, 2, -1.0, 91.0, realised=-9.0)],
    ),
    Table(
        "5 liquidation before a stop that lies beyond it",
        (QUIET, QUIET, (100.0, 100.0, 90.0, 90.0)),
        [market(0, 1, 1.0), stop(0, 2, -1.0, 90.5)],
        [fill(1, 1, 1.0, 100.0), liquidated(2, -1.0, 90 / 0.99, reason=LIQUIDATED)],
    ),
    Table(
        "5 target before limits",
        (QUIET, QUIET, (100.0, 105.0, 98.0, 100.0)),
        [market(0, 1, 1.0), limit(1, 2, 1.0, 98.1), target(1, 3, -1.0, 105.0)],
        [fill(1, 1, 1.0, 100.0), fill(2, 3, -1.0, 105.0), fill(2, 2, 1.0, 98.1, maker=1)],
        held=1.0,
    ),
    Table(
        "6 decisions come last: what is submitted at a close meets the next open",
        (QUIET, (100.0, 100.5, 94.0, 94.5), (95.5, 96.0, 95.0, 95.5)),
        [market(0, 1, 1.0), stop(1, 2, -1.0, 95.4)],
        # bar 1 went through 95.4 before the stop existed; it opens bar 2 above it and is met inside
        [fill(1, 1, 1.0, 100.0), fill(2, 2, -1.0, 95.4, inside=1)],
    ),
    Table(
        "6 a stop submitted below the market triggers at the next open",
        (QUIET, QUIET, (94.0, 94.0, 93.0, 93.0)),
        [market(0, 1, 1.0), stop(1, 2, -1.0, 95.0)],
        [fill(1, 1, 1.0, 100.0), fill(2, 2, -1.0, 94.0, inside=0)],
    ),
    Table(
        "9 reduce-only closes what is held and no more",
        (QUIET, QUIET, QUIET),
        [market(0, 1, 1.0), market(1, 2, -5.0, reduce=True)],
        [fill(1, 1, 1.0, 100.0), fill(2, 2, -1.0, 100.0, done=1)],
        end={"margin_usd": 0.0},
    ),
    Table(
        "9 reduce-only of the position's own side does nothing",
        (QUIET, QUIET, QUIET),
        [market(0, 1, 1.0), market(1, 2, 1.0, reduce=True)],
        [fill(1, 1, 1.0, 100.0), cancelled(2, 2, FLAT)],
        held=1.0,
    ),
    Table(
        "9 a reduce-only order left over never meets the next position",
        (QUIET, QUIET, QUIET, QUIET),
        [market(0, 1, -1.0, reduce=True), market(1, 2, 1.0)],
        [cancelled(1, 1, FLAT), fill(2, 2, 1.0, 100.0)],
        held=1.0,
    ),
    Table(
        "9 a reduce-only limit without a position does not stand before other limits",
        (QUIET, QUIET, (100.0, 100.0, 97.0, 98.0)),
        [limit(0, 1, 1.0, 99.0, reduce=True), limit(0, 2, 1.0, 98.0, life=2)],
        [fill(2, 2, 1.0, 98.0)],
        held=1.0,
    ),
    Table(
        "9 one-way mode: a larger opposite order closes, then reverses",
        (QUIET, QUIET, (102.0, 102.0, 102.0, 102.0)),
        [market(0, 1, 1.0), market(1, 2, -3.0)],
        # closes 1 with a profit of 2, opens 2 short: margin 204 / 10
        [
            fill(1, 1, 1.0, 100.0),
            fill(2, 2, -1.0, 102.0, realised=2.0, done=0, margin=0.0),
            fill(2, 2, -2.0, 102.0, realised=0.0, done=1, margin=20.4),
        ],
        held=-2.0,
    ),
    Table(
        "two orders triggered in one bar: the nearer stop first, then what is left for the other",
        (QUIET, QUIET, (100.0, 100.0, 92.0, 93.0)),
        [market(0, 1, 3.0), stop(1, 2, -3.0, 94.0), stop(1, 3, -1.0, 96.0)],
        [fill(1, 1, 3.0, 100.0), fill(2, 3, -1.0, 96.0), fill(2, 2, -2.0, 94.0, done=1)],
    ),
    Table(
        "an order's life ends at the open of the bar after its last",
        (QUIET, QUIET, QUIET, QUIET),
        [limit(0, 1, 1.0, 90.0, life=2)],
        [cancelled(3, 1, EXPIRED)],
    ),
)


@pytest.mark.parametrize("table", TABLES, ids=lambda t: t.name)
def test_order_of_events(table):
    check(table)


def test_phases_run_over_all_symbols_before_the_next_phase():
    """Funding of both, then the gapped stop of B, then the market order of A."""
    rows = {"A": (QUIET, QUIET, QUIET), "B": (QUIET, QUIET, DOWN)}
    m = market_of(rows, funding=[(2, "B", 0.001), (2, "A", 0.001)])
    script = [
        market(0, 1, 1.0, symbol="A"),
        market(0, 2, 1.0, symbol="B"),
        stop(0, 3, -1.0, 95.0, symbol="B"),
        market(1, 4, 1.0, symbol="A"),
    ]
    same(
        run_venue(m, script).events,
        [
            fill(1, 1, 1.0, 100.0, symbol="A"),
            fill(1, 2, 1.0, 100.0, symbol="B"),
            funded(2, -0.1, symbol="A"),
            funded(2, -0.094, symbol="B"),
            fill(2, 3, -1.0, 94.0, symbol="B"),
            fill(2, 4, 1.0, 100.0, symbol="A"),
        ],
    )


def test_positions_are_valued_at_the_closing_mark():
    """Equity after a bar uses the mark's close, not the last price: 10,000 - 0.05 + (98 - 100)."""
    rows = (QUIET, (100.0, 103.0, 99.0, 102.0, 1e9, 100.0, 101.0, 97.0, 98.0))
    assert run_venue(market_of(rows), [market(0, 1, 1.0)]).equity[-1] == pytest.approx(9997.95)


@pytest.mark.interpreted
@pytest.mark.boundscheck
@pytest.mark.parametrize("table", TABLES[::4], ids=lambda t: t.name)
def test_order_of_events_in_other_modes(table):
    check(table)
