"""SPEC section 8, S11, S12, S14, S15: limits, IOC, post-only, expiry, trade-through, participation."""

import pytest

from qt_core.codes import EXPIRED, INSUFFICIENT_MARGIN, IOC_UNFILLED, POST_ONLY_CROSS
from tests.engine.asks import cancel, ioc, limit, market, post_only, stop, target
from tests.engine.tables import QUIET, Table, cancelled, check, fill, liquidated, rejected

DIP = (100.0, 100.5, 98.9, 99.5)  # one tick through 99
THIN = (100.0, 100.5, 99.5, 100.0, 4.0)  # a tenth of the volume is 0.4
DEEP = (100.0, 100.5, 99.5, 100.0, 1e9)
PART = {"participation": 0.1}

LIMITS = (
    Table("a touch does not fill a limit", (QUIET, QUIET, (100.0, 100.5, 99.0, 99.5)), [limit(0, 1, 1.0, 99.0)], []),
    Table(
        "one tick through fills at the limit, as maker, without slippage",
        (QUIET, QUIET, DIP),
        [limit(0, 1, 1.0, 99.0)],
        [fill(2, 1, 1.0, 99.0, maker=1, inside=1, reference=99.0)],
        venue={"slippage": 0.001},
        held=1.0,
    ),
    Table(
        "of two limits reached in one bar the nearer to the open fills first",
        (QUIET, QUIET, DIP),
        [limit(0, 1, 1.0, 99.0), limit(0, 2, 2.0, 99.5)],
        [fill(2, 2, 2.0, 99.5), fill(2, 1, 1.0, 99.0)],
        held=3.0,
    ),
    Table(
        "a sell limit needs a tick above",
        (QUIET, (100.0, 101.0, 99.5, 100.0), (100.0, 101.1, 99.5, 100.0)),
        [limit(0, 1, -1.0, 101.0)],
        [fill(2, 1, -1.0, 101.0, maker=1)],
        held=-1.0,
    ),
    Table(
        "trade-through of three ticks",
        (QUIET, (100.0, 100.5, 98.8, 99.5), (100.0, 100.5, 98.7, 99.5)),
        [limit(0, 1, 1.0, 99.0)],
        [fill(2, 1, 1.0, 99.0)],
        venue={"through_ticks": 3.0},
        held=1.0,
    ),
    Table(
        "trade-through of no tick: a touch fills",
        (QUIET, QUIET, (100.0, 100.5, 99.0, 99.5)),
        [limit(0, 1, 1.0, 99.0)],
        [fill(2, 1, 1.0, 99.0)],
        venue={"through_ticks": 0.0},
        held=1.0,
    ),
    Table(
        "one tick through 0.3 is 0.2, whatever 0.3 - 0.1 is in binary",
        ((0.4, 0.4, 0.4, 0.4), (0.4, 0.4, 0.2, 0.3)),
        [limit(0, 1, 1.0, 0.3, leverage=1.0)],
        [fill(1, 1, 1.0, 0.3)],
        held=1.0,
    ),
    Table(
        "a limit that crosses its first open takes it, at the open",
        (QUIET, (100.0, 100.5, 99.5, 100.0)),
        [limit(0, 1, 1.0, 101.0)],
        [fill(1, 1, 1.0, 100.0, maker=0, fee=0.05, inside=0)],
        held=1.0,
    ),
    Table(
        "slippage of a crossing limit stops at its price",
        (QUIET, QUIET),
        [limit(0, 1, 1.0, 100.1)],
        [fill(1, 1, 1.0, 100.1)],  # 100 x 1.005 = 100.5, the limit allows 100.1
        venue={"slippage": 0.005},
        held=1.0,
    ),
    Table(
        "a resting limit that a later bar opens beyond fills at its own price",
        (QUIET, QUIET, (97.0, 97.5, 96.5, 97.0)),
        [limit(0, 1, 1.0, 99.0)],
        [fill(2, 1, 1.0, 99.0, maker=1)],
        held=1.0,
    ),
    Table(
        "a limit filled inside a bar may be stopped in that bar",
        (QUIET, QUIET, (100.0, 100.5, 96.0, 97.0)),
        [limit(0, 1, 1.0, 99.0), stop(0, 2, -1.0, 97.0, after=1), target(0, 3, -1.0, 100.4, after=1)],
        [fill(2, 1, 1.0, 99.0), fill(2, 2, -1.0, 97.0, realised=-2.0, inside=1, ambiguous=0)],
    ),
    Table(
        "a limit filled inside a bar takes no profit in that bar",
        (QUIET, QUIET, (100.0, 102.0, 98.0, 101.0), (100.8, 101.0, 100.0, 100.5)),
        [limit(0, 1, 1.0, 99.0), stop(0, 2, -1.0, 97.0, after=1), target(0, 3, -1.0, 101.0, after=1)],
        [fill(2, 1, 1.0, 99.0), fill(3, 3, -1.0, 101.0, realised=2.0)],
    ),
    Table(
        "a limit filled inside a bar may be liquidated in that bar",
        (QUIET, QUIET, (100.0, 100.5, 89.0, 91.0)),
        [limit(0, 1, 1.0, 99.0)],
        [fill(2, 1, 1.0, 99.0), liquidated(2, -1.0, 90.0)],  # (99 - 9.9) / 0.99
    ),
    Table(
        "a limit that crossed at the open may take profit in that bar",
        (QUIET, (100.0, 102.0, 99.5, 101.0)),
        [limit(0, 1, 1.0, 101.0), target(0, 2, -1.0, 101.5, after=1)],
        [fill(1, 1, 1.0, 100.0), fill(1, 2, -1.0, 101.5)],
    ),
    Table(
        "an entry limit for one bar dies unfilled at the next open",
        (QUIET, QUIET, DIP),
        [limit(0, 1, 1.0, 99.0, life=1)],
        [cancelled(2, 1, EXPIRED, qty=1.0)],
    ),
    Table(
        "an entry limit for one bar may fill in it",
        (QUIET, DIP, QUIET),
        [limit(0, 1, 1.0, 99.0, life=1)],
        [fill(1, 1, 1.0, 99.0)],
        held=1.0,
    ),
    Table(
        "post-only: refused where the open would cross it, the touch included",
        (QUIET, QUIET),
        [post_only(0, 1, 1.0, 100.0), post_only(0, 2, -1.0, 100.0), post_only(0, 3, 1.0, 99.9)],
        [rejected(1, 1, POST_ONLY_CROSS), rejected(1, 2, POST_ONLY_CROSS), fill(1, 3, 1.0, 99.9, maker=1)],
        held=1.0,
    ),
    Table(
        "IOC: the open within its price fills, as taker",
        (QUIET, QUIET),
        [ioc(0, 1, 1.0, 100.0)],
        [fill(1, 1, 1.0, 100.0, maker=0, fee=0.05)],
        held=1.0,
    ),
    Table(
        "IOC: cancelled at once where the open lies beyond its price",
        (QUIET, DIP),
        [ioc(0, 1, 1.0, 99.9)],
        [cancelled(1, 1, IOC_UNFILLED, qty=1.0)],
    ),
    Table(
        "IOC: what participation leaves is cancelled",
        (DEEP, THIN, DEEP),
        [ioc(0, 1, 1.0, 100.0)],
        [fill(1, 1, 0.4, 100.0, done=0), cancelled(1, 1, IOC_UNFILLED, qty=0.6)],
        venue=PART,
        held=0.4,
    ),
    Table(
        "margin of a limit is asked for when it fills",
        (QUIET, QUIET, DIP),
        [limit(0, 1, 600.0, 99.0), market(1, 2, 500.0)],
        # 500 x 100 / 10 = 5000 are taken at the open; 600 x 99 / 10 = 5940 are then no longer free
        [fill(2, 2, 500.0, 100.0), rejected(2, 1, INSUFFICIENT_MARGIN)],
        held=500.0,
    ),
)

PARTICIPATION = (
    Table(
        "a market order works over bars",
        (DEEP, THIN, THIN, THIN),
        [market(0, 1, 1.0)],
        [fill(1, 1, 0.4, 100.0), fill(2, 1, 0.4, 100.0), fill(3, 1, 0.2, 100.0, done=1)],
        venue=PART,
        held=1.0,
        end={"n_partial": 2.0},
    ),
    Table(
        "participation is one volume for all orders of a bar",
        (DEEP, THIN, THIN),
        [market(0, 1, 0.3), market(0, 2, 0.3)],
        [fill(1, 1, 0.3, 100.0), fill(1, 2, 0.1, 100.0), fill(2, 2, 0.2, 100.0)],
        venue=PART,
        held=0.6,
    ),
    Table(
        "a bar without volume fills nothing",
        (DEEP, (*QUIET, 0.0), DEEP),
        [market(0, 1, 1.0)],
        [fill(2, 1, 1.0, 100.0)],
        venue=PART,
        held=1.0,
    ),
    Table(
        "zero participation means no limit",
        (DEEP, (*QUIET, 0.0)),
        [market(0, 1, 1.0)],
        [fill(1, 1, 1.0, 100.0)],
        held=1.0,
    ),
    Table(
        "a limit fills in parts, each as maker at its price",
        (DEEP, (*DIP, 4.0), (*DIP, 4.0), (*DIP, 4.0)),
        [limit(0, 1, 1.0, 99.0)],
        [fill(1, 1, 0.4, 99.0, maker=1), fill(2, 1, 0.4, 99.0), fill(3, 1, 0.2, 99.0, done=1)],
        venue=PART,
        held=1.0,
    ),
    Table(
        "the rest of a triggered stop is a market order at the next opens",
        (DEEP, DEEP, (100.0, 100.0, 94.0, 94.5, 4.0), (94.2, 96.0, 94.0, 96.0, 4.0), (97.0, 97.0, 97.0, 97.0, 9e9)),
        [market(0, 1, 1.0), stop(0, 2, -1.0, 95.0)],
        [
            fill(1, 1, 1.0, 100.0),
            fill(2, 2, -0.4, 95.0, done=0),
            fill(3, 2, -0.4, 94.2, done=0),
            fill(4, 2, -0.2, 97.0, done=1),
        ],
        venue=PART,
    ),
    Table(
        "a stop without volume stays triggered though the price comes back",
        (DEEP, DEEP, (100.0, 100.0, 94.0, 99.0, 0.0), (99.0, 101.0, 98.0, 100.0, 9e9)),
        [market(0, 1, 1.0), stop(0, 2, -1.0, 95.0)],
        [fill(1, 1, 1.0, 100.0), fill(3, 2, -1.0, 99.0)],
        venue=PART,
    ),
    Table(
        "a stop without volume does not keep the liquidation away",
        (DEEP, DEEP, (100.0, 100.0, 90.0, 90.5, 0.0), DEEP),
        [market(0, 1, 1.0), stop(0, 2, -1.0, 95.0), cancel(2, 2)],
        [fill(1, 1, 1.0, 100.0), liquidated(2, -1.0, 90 / 0.99), cancelled(3, 2, 22)],
        venue=PART,
    ),
    Table(
        "an exit has the bar's volume before an entry",
        (DEEP, THIN, THIN, THIN),
        [market(0, 1, 0.4), market(1, 2, 0.8), market(1, 3, -0.4, reduce=True)],
        [fill(1, 1, 0.4, 100.0), fill(2, 3, -0.4, 100.0), fill(3, 2, 0.4, 100.0)],
        venue=PART,
        held=0.4,
    ),
)


@pytest.mark.parametrize("table", LIMITS, ids=lambda t: t.name)
def test_limits(table):
    check(table)


@pytest.mark.parametrize("table", PARTICIPATION, ids=lambda t: t.name)
def test_participation(table):
    check(table)


@pytest.mark.interpreted
@pytest.mark.boundscheck
@pytest.mark.parametrize("table", [*LIMITS[::5], *PARTICIPATION[::3]], ids=lambda t: t.name)
def test_limits_in_other_modes(table):
    check(table)
