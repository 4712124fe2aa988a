"""SPEC section 8, S8, S13, S17, S18: stops and targets, the price that triggers them, both in one bar."""

import pytest

from qt_core.codes import EV_FILL
from tests.engine.asks import amend, market, stop, target
from tests.engine.chain import run_chain, same_trades
from tests.engine.tables import QUIET, Table, check, fill, liquidated, market_of, run_venue

LONG = [market(0, 1, 2.0), stop(0, 2, -2.0, 95.0, after=1), target(0, 3, -2.0, 105.0, after=1)]
SHORT = [market(0, 1, -2.0), stop(0, 2, 2.0, 105.0, after=1), target(0, 3, 2.0, 95.0, after=1)]
IN_LONG, IN_SHORT = fill(1, 1, 2.0, 100.0), fill(1, 1, -2.0, 100.0)
BOTH = (100.0, 105.5, 94.5, 100.0)  # reaches 95 and 105
# last and mark differ: last stays in 96..104, the mark goes to 94 or 106
MARK_LOW = (100.0, 104.0, 96.0, 100.0, 1e9, 100.0, 101.0, 94.0, 100.0)
MARK_HIGH = (100.0, 104.0, 96.0, 100.0, 1e9, 100.0, 106.0, 99.0, 100.0)

TABLES = (
    Table(
        "a stop touched exactly fills at its trigger",
        (QUIET, QUIET, (100.0, 100.5, 95.0, 96.0)),
        LONG,
        [IN_LONG, fill(2, 2, -2.0, 95.0, realised=-10.0, fee=0.095, maker=0)],  # 190 x 0.0005
        held=-0.0,
    ),
    Table(
        "a stop pays slippage, rounded against the order",
        (QUIET, QUIET, (100.0, 100.5, 94.0, 96.0)),
        [market(0, 1, 2.0), stop(0, 2, -2.0, 95.0)],
        # in: 100.1; out: 95 x 0.999 = 94.905 -> 94.9; slippage 2 x 0.1 + 2 x 0.1
        [fill(1, 1, 2.0, 100.1), fill(2, 2, -2.0, 94.9, reference=95.0)],
        venue={"slippage": 0.001},
        end={"slippage_usd": 0.4},
    ),
    Table(
        "a short's stop",
        (QUIET, QUIET, (100.0, 105.0, 99.0, 101.0)),
        SHORT,
        [IN_SHORT, fill(2, 2, 2.0, 105.0, realised=-10.0)],
    ),
    Table(
        "a target touched exactly is a market order at its trigger: taker fee",
        (QUIET, QUIET, (100.0, 105.0, 99.0, 104.0)),
        LONG,
        [IN_LONG, fill(2, 3, -2.0, 105.0, realised=10.0, fee=0.105, maker=0)],  # 210 x 0.0005
    ),
    Table(
        "a target pays slippage",
        (QUIET, QUIET, (100.0, 105.0, 99.0, 104.0)),
        [market(0, 1, 2.0), target(0, 2, -2.0, 105.0)],
        [fill(1, 1, 2.0, 100.1), fill(2, 2, -2.0, 104.8, reference=105.0)],  # 105 x 0.999 = 104.895 -> 104.8
        venue={"slippage": 0.001},
    ),
    Table(
        "a short's target",
        (QUIET, QUIET, (100.0, 101.0, 95.0, 96.0)),
        SHORT,
        [IN_SHORT, fill(2, 3, 2.0, 95.0, realised=10.0)],
    ),
    Table(
        "a short's stop gapped at the open",
        (QUIET, QUIET, (107.0, 108.0, 106.0, 107.0)),
        SHORT,
        [IN_SHORT, fill(2, 2, 2.0, 107.0, realised=-14.0)],
    ),
    Table(
        "a short's target gapped at the open",
        (QUIET, QUIET, (93.0, 94.0, 92.0, 93.0)),
        SHORT,
        [IN_SHORT, fill(2, 3, 2.0, 93.0, realised=14.0)],
    ),
    Table(
        "an open beyond the target fills it, though the bar goes on to the stop",
        (QUIET, QUIET, (106.0, 106.5, 94.0, 95.0)),
        LONG,
        [IN_LONG, fill(2, 3, -2.0, 106.0, ambiguous=0)],
        end={"ambiguous_bars": 0.0},
    ),
    Table(
        "stops do not look at the mark by default",
        (QUIET, QUIET, MARK_LOW, MARK_HIGH),
        LONG,
        [IN_LONG],
        held=2.0,
    ),
    Table(
        "working_type mark: the mark triggers a stop, the fill stays within the bar's last prices",
        (QUIET, QUIET, MARK_LOW),
        LONG,
        [IN_LONG, fill(2, 2, -2.0, 96.0)],  # triggered at 95 by the mark; last was never below 96
        venue={"working_type": "mark"},
    ),
    Table(
        "working_type mark: the mark triggers a target, the fill stays within the bar's last prices",
        (QUIET, QUIET, MARK_HIGH),
        LONG,
        [IN_LONG, fill(2, 3, -2.0, 104.0)],
        venue={"working_type": "mark"},
    ),
    Table(
        "working_type mark: the last price does not trigger",
        (QUIET, QUIET, (100.0, 106.0, 94.0, 100.0, 1e9, 100.0, 101.0, 99.0, 100.0)),
        LONG,
        [IN_LONG],
        venue={"working_type": "mark"},
        held=2.0,
    ),
    Table(
        "working_type mark: a mark that opens beyond the stop fills at the last price's open",
        (QUIET, QUIET, (97.0, 98.0, 96.0, 97.0, 1e9, 94.0, 97.0, 93.0, 97.0)),
        LONG,
        [IN_LONG, fill(2, 2, -2.0, 97.0, inside=0)],
        venue={"working_type": "mark"},
    ),
    Table(
        "stop and target in one bar: the stop, and the bar is counted",
        (QUIET, QUIET, BOTH),
        LONG,
        [IN_LONG, fill(2, 2, -2.0, 95.0, ambiguous=1)],
        end={"ambiguous_bars": 1.0},
    ),
    Table(
        "stop and target in one bar, optimistic: the target, and the bar is counted",
        (QUIET, QUIET, BOTH),
        LONG,
        [IN_LONG, fill(2, 3, -2.0, 105.0, ambiguous=1)],
        venue={"intrabar": "optimistic"},
        end={"ambiguous_bars": 1.0},
    ),
    Table(
        "stop and target of a short in one bar",
        (QUIET, QUIET, BOTH),
        SHORT,
        [IN_SHORT, fill(2, 2, 2.0, 105.0, ambiguous=1)],
        end={"ambiguous_bars": 1.0},
    ),
    Table(
        "stop and target in the entry bar",
        (QUIET, BOTH),
        LONG,
        [IN_LONG, fill(1, 2, -2.0, 95.0, ambiguous=1)],
        end={"ambiguous_bars": 1.0},
    ),
    Table(
        "liquidation and target in one bar are ambiguous too",
        (QUIET, QUIET, (100.0, 105.0, 90.0, 100.0)),
        [market(0, 1, 2.0), target(0, 3, -2.0, 105.0)],
        [IN_LONG, liquidated(2, -2.0, 90 / 0.99, ambiguous=1)],
        end={"ambiguous_bars": 1.0},
    ),
    Table(
        "only the stop reached is not ambiguous",
        (QUIET, QUIET, (100.0, 104.9, 94.5, 100.0)),
        LONG,
        [IN_LONG, fill(2, 2, -2.0, 95.0, ambiguous=0)],
        end={"ambiguous_bars": 0.0},
    ),
    Table(
        "stop and target amended at one close: the new ones hold",
        (QUIET, QUIET, BOTH, (100.0, 107.0, 98.0, 100.0)),
        [*LONG, amend(1, 2, -2.0, 94.0), amend(1, 3, -2.0, 107.0)],
        [IN_LONG, fill(3, 3, -2.0, 107.0)],  # bar 2 reaches neither 94 nor 107
        end={"ambiguous_bars": 0.0},
    ),
    Table(
        "stop and target amended so that one bar holds both",
        (QUIET, QUIET, (100.0, 101.5, 98.5, 100.0)),
        [*LONG, amend(1, 2, -2.0, 99.0), amend(1, 3, -2.0, 101.0)],
        [IN_LONG, fill(2, 2, -2.0, 99.0, ambiguous=1)],
    ),
)


@pytest.mark.parametrize("table", TABLES, ids=lambda t: t.name)
def test_stops_and_targets(table):
    check(table)


@pytest.mark.interpreted
@pytest.mark.boundscheck
@pytest.mark.parametrize("table", TABLES[::5], ids=lambda t: t.name)
def test_stops_and_targets_in_other_modes(table):
    check(table)


def test_pessimistic_and_optimistic_are_a_band_around_the_truth():
    """The same trades but for ambiguous bars, and those only better: -2 % against +4 % of 300."""
    m = market_of((QUIET, QUIET, (100.0, 104.5, 97.5, 100.0), QUIET, QUIET, (100.0, 104.0, 99.0, 104.0)))
    signals = {(0, "A"): 1, (3, "A"): 1}
    worst, best = (run_chain(m, signals, venue={"intrabar": k}) for k in ("pessimistic", "optimistic"))
    # 300 / 100 = 3 units. Stop 98: -6 - 0.15 - 0.147; target 104: +12 - 0.15 - 0.156
    last = {"in": 4, "out": 5, "why": "target", "pnl": 11.694, "ambiguous": 0}
    same_trades(worst, m, [{"in": 1, "out": 2, "why": "stop", "pnl": -6.297, "ambiguous": 1}, last])
    same_trades(best, m, [{"in": 1, "out": 2, "why": "target", "pnl": 11.694, "ambiguous": 1}, last])
    assert worst.metrics["ambiguous_bars"] == best.metrics["ambiguous_bars"] == 1


def test_an_ambiguous_bar_is_counted_once_however_many_orders_it_reaches():
    m = market_of((QUIET, QUIET, BOTH))
    script = [*LONG, stop(1, 4, -1.0, 96.0), target(1, 5, -1.0, 104.0)]
    played = run_venue(m, script)
    assert played.fund("ambiguous_bars") == 1.0
    assert [e["seq"] for e in played.events if e["kind"] == EV_FILL] == [1, 4, 2]
