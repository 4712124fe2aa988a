"""SPEC section 8, S1 and S2: tick, lot, minimum sizes, fees, margin. The comments work out the expected numbers."""

import pytest

from qt_core.codes import BELOW_MIN_NOTIONAL, BRACKET_LEVERAGE, FLAT, INSUFFICIENT_MARGIN, MAX_QTY
from tests.engine.asks import limit, market, stop, target
from tests.engine.tables import QUIET, Table, cancelled, check, fill, rejected

UP = (101.0, 101.5, 100.5, 101.0)

TABLES = (
    Table(
        "tick: a buy's slipped price is rounded up",
        (QUIET, QUIET),
        [market(0, 1, 2.0)],
        # 100 x 1.0002 = 100.02 -> 100.1; fee 2 x 100.1 x 0.0005
        [fill(1, 1, 2.0, 100.1, fee=0.1001, reference=100.0, maker=0)],
        venue={"slippage": 0.0002},
        held=2.0,
        end={"slippage_usd": 0.2, "free_usd": 10_000.0 - 20.02 - 0.1001, "margin_usd": 20.02},
    ),
    Table(
        "tick: a sell's slipped price is rounded down",
        (QUIET, QUIET),
        [market(0, 1, -2.0)],
        # 100 x 0.9998 = 99.98 -> 99.9; fee 2 x 99.9 x 0.0005
        [fill(1, 1, -2.0, 99.9, fee=0.0999)],
        venue={"slippage": 0.0002},
        held=-2.0,
        end={"slippage_usd": 0.2},
    ),
    Table(
        "tick: a slipped price that lies on the grid stays",
        (QUIET, QUIET),
        [market(0, 1, 2.0)],
        [fill(1, 1, 2.0, 100.1, fee=0.1001)],  # 100 x 1.001 = 100.1 (binary: 100.09999999999999)
        venue={"slippage": 0.001},
        held=2.0,
    ),
    Table(
        "lot: participation is rounded down to the lot",
        ((*QUIET, 1e9), (*QUIET, 3.0456), (*QUIET, 1e9)),
        [market(0, 1, 1.0)],
        # 0.1 x 3.0456 = 0.30456 -> 0.304, the remaining 0.696 a bar later
        [fill(1, 1, 0.304, 100.0, done=0), fill(2, 1, 0.696, 100.0, done=1)],
        venue={"participation": 0.1},
        held=1.0,
    ),
    Table(
        "minimum notional refuses an opening order, reduce-only is exempt",
        (QUIET, QUIET, QUIET, QUIET),
        [market(0, 1, 0.04), market(0, 2, 1.0), market(1, 3, -0.04, reduce=True)],
        # 0.04 x 100 = 4 < 5; the same quantity may be closed
        [rejected(1, 1, BELOW_MIN_NOTIONAL), fill(1, 2, 1.0, 100.0), fill(2, 3, -0.04, 100.0, realised=0.0)],
        market={"min_notional": 5.0},
        held=0.96,
        end={"n_rejected": 1.0},
    ),
    Table(
        "minimum notional of a limit order is taken at its own price",
        (QUIET, QUIET),
        [limit(0, 1, 0.06, 80.0), limit(0, 2, 0.0625, 80.0)],
        [rejected(1, 1, BELOW_MIN_NOTIONAL)],  # 0.06 x 80 = 4.8 < 5; 0.0625 x 80 = 5 rests
        market={"min_notional": 5.0},
    ),
    Table(
        "minimum and maximum quantity",
        (QUIET, QUIET),
        [market(0, 1, 0.009), market(0, 2, 10.001), market(0, 3, 10.0)],
        [rejected(1, 1, BELOW_MIN_NOTIONAL), rejected(1, 2, MAX_QTY), fill(1, 3, 10.0, 100.0)],
        market={"min_qty": 0.01, "max_qty": 10.0},
        held=10.0,
    ),
    Table(
        "taker fee on both sides of a market round trip",
        (QUIET, QUIET, UP),
        [market(0, 1, 2.0), market(1, 2, -2.0, reduce=True)],
        # 200 x 0.0005 and 202 x 0.0005; profit 2 x (101 - 100)
        [fill(1, 1, 2.0, 100.0, fee=0.1), fill(2, 2, -2.0, 101.0, fee=0.101, realised=2.0)],
        end={"fee_usd": 0.201, "taker_fee_usd": 0.201, "maker_fee_usd": 0.0, "free_usd": 10_001.799, "margin_usd": 0.0},
    ),
    Table(
        "maker fee on a limit that rested",
        (QUIET, QUIET, (100.0, 100.5, 98.9, 99.5)),
        [limit(0, 1, 2.0, 99.0)],
        [fill(2, 1, 2.0, 99.0, fee=0.0396, maker=1)],  # 198 x 0.0002
        held=2.0,
        end={"maker_fee_usd": 0.0396, "taker_fee_usd": 0.0, "slippage_usd": 0.0},
    ),
    Table(
        "fees are parameters, a maker rebate among them",
        (QUIET, QUIET, (100.0, 101.2, 98.9, 101.0)),
        [limit(0, 1, 2.0, 99.0), limit(0, 2, -2.0, 101.0, reduce=True)],
        # both in bar 2: buy 198 x -0.0001, then sell 202 x -0.0001
        [fill(2, 1, 2.0, 99.0, fee=-0.0198), fill(2, 2, -2.0, 101.0, fee=-0.0202, realised=4.0)],
        venue={"maker_fee": -0.0001},
        end={"free_usd": 10_004.04},
    ),
    Table(
        "margin and entry fee must be free",
        (QUIET, QUIET),
        [market(0, 1, 995.1), market(0, 2, 995.0)],
        # 995.1: 9951 + 49.755 = 10,000.755 > 10,000; 995.0: 9950 + 49.75 = 9999.75
        [rejected(1, 1, INSUFFICIENT_MARGIN), fill(1, 2, 995.0, 100.0, fee=49.75, margin=9950.0)],
        held=995.0,
        end={"free_usd": 0.25},
    ),
    Table(
        "leverage above the bracket of the position after the order is refused",
        (QUIET, QUIET, QUIET),
        [market(0, 1, 5.0, leverage=50.0), market(0, 2, 6.0, leverage=50.0), market(1, 3, 6.0, leverage=20.0)],
        # 500 is in the 50x bracket; 500 + 600 = 1100 is in the 20x bracket
        [fill(1, 1, 5.0, 100.0, margin=10.0), rejected(1, 2, BRACKET_LEVERAGE), fill(2, 3, 6.0, 100.0, margin=40.0)],
        market={"brackets": [(0.0, 0.01, 0.0, 50.0), (1000.0, 0.02, 10.0, 20.0)]},
        held=11.0,
    ),
    Table(
        "average entry, margin released in proportion, profit on the part closed",
        (QUIET, QUIET, UP, (104.0, 104.0, 104.0, 104.0)),
        [market(0, 1, 3.0), market(1, 2, 1.0), market(2, 3, -1.0, reduce=True)],
        # average (3 x 100 + 101) / 4 = 100.25; margin 30 + 10.1 = 40.1; a quarter of it is released
        [
            fill(1, 1, 3.0, 100.0, margin=30.0),
            fill(2, 2, 1.0, 101.0, margin=40.1),
            fill(3, 3, -1.0, 104.0, realised=3.75, margin=30.075),
        ],
        held=3.0,
    ),
    Table(
        "tick: a target at 57 ticks of 0.01 is met by a high of 0.57",
        ((0.5, 0.5, 0.5, 0.5), (0.5, 0.5, 0.5, 0.5), (0.5, 0.57, 0.5, 0.55)),
        [market(0, 1, 1000.0), target(1, 2, -1000.0, 0.57), stop(1, 3, -1000.0, 0.48)],
        [fill(1, 1, 1000.0, 0.5), fill(2, 2, -1000.0, 0.57, realised=70.0)],
        market={"tick": 0.01},
    ),
    Table(
        "very small quantities leave no dust",
        (QUIET, QUIET, QUIET, QUIET),
        [
            market(0, 1, 0.1),
            market(0, 2, 0.2),
            market(1, 3, -0.3, reduce=True),  # 0.1 + 0.2 = 0.30000000000000004
            market(2, 4, 1e-9),
            market(2, 5, -1e-9, reduce=True),
        ],
        [
            fill(1, 1, 0.1, 100.0),
            fill(1, 2, 0.2, 100.0),
            fill(2, 3, -0.3, 100.0, margin=0.0),
            cancelled(3, 5, FLAT),  # an exit of a position that does not exist yet
            fill(3, 4, 1e-9, 100.0),
        ],
        held=1e-9,
    ),
)


@pytest.mark.parametrize("table", TABLES, ids=lambda t: t.name)
def test_costs(table):
    check(table)
