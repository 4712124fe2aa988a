"""SPEC section 8, S16: trailing stops use the extreme known before the (finest) bar."""

import pytest

from qt_core.codes import TAG_SL
from qt_core.records import JE_STOP_MOVED
from tests.engine.asks import limit, market, trailing
from tests.engine.chain import bar_of, run_chain, same_trades
from tests.engine.tables import QUIET, Table, check, fill, market_of

TABLES = (
    Table(
        "the extreme of a bar works from the next",
        (QUIET, QUIET, (100.0, 110.0, 96.0, 109.0), (106.0, 107.0, 104.0, 105.0)),
        [market(0, 1, 1.0), trailing(1, 2, -1.0, 0.05)],
        # from the close 100: 95, not reached by 96 although 110 x 0.95 = 104.5 lies above it; then 104.5
        [fill(1, 1, 1.0, 100.0), fill(3, 2, -1.0, 104.5)],
    ),
    Table(
        "a short's trail",
        (QUIET, QUIET, (100.0, 104.0, 90.0, 91.0), (92.0, 95.0, 91.0, 94.0)),
        [market(0, 1, -1.0), trailing(1, 2, 1.0, 0.05)],
        [fill(1, 1, -1.0, 100.0), fill(3, 2, 1.0, 94.5)],  # 90 x 1.05
    ),
    Table(
        "a trail never moves back",
        (QUIET, QUIET, (100.0, 110.0, 99.0, 108.0), (107.0, 107.0, 105.0, 106.0), (106.0, 106.0, 104.0, 104.0)),
        [market(0, 1, 1.0), trailing(1, 2, -1.0, 0.05)],
        [fill(1, 1, 1.0, 100.0), fill(4, 2, -1.0, 104.5)],
    ),
    Table(
        "a gap below the trail fills at the open",
        (QUIET, QUIET, (100.0, 110.0, 99.0, 108.0), (101.0, 102.0, 100.0, 101.0)),
        [market(0, 1, 1.0), trailing(1, 2, -1.0, 0.05)],
        [fill(1, 1, 1.0, 100.0), fill(3, 2, -1.0, 101.0)],
    ),
    Table(
        "an activation price arms it, from the next bar",
        (QUIET, QUIET, (100.0, 104.0, 90.5, 103.0), (103.0, 106.0, 99.0, 105.0), (105.0, 105.0, 100.0, 101.0)),
        [market(0, 1, 1.0, leverage=5.0), trailing(1, 2, -1.0, 0.05, activation=105.0)],
        # bar 2 falls to 90.5 unarmed; bar 3 reaches 105 and makes 106 the extreme; bar 4: 106 x 0.95 = 100.7
        [fill(1, 1, 1.0, 100.0), fill(4, 2, -1.0, 100.7)],
    ),
    Table(
        "placed inside a bar it knows the fill, not the bar's close",
        (QUIET, (100.0, 110.0, 99.0, 110.0), (110.0, 110.0, 105.0, 106.0)),
        [market(0, 1, 1.0), trailing(0, 2, -1.0, 0.05, after=1)],
        # in bar 1 the trigger is 95 (not 110 x 0.95 = 104.5); in bar 2 it is 104.5, and 105 does not reach it
        [fill(1, 1, 1.0, 100.0)],
        held=1.0,
    ),
    Table(
        "the high of the bar in which a limit filled may lie before the fill",
        (QUIET, (100.0, 110.0, 95.0, 97.0), (97.0, 97.5, 92.2, 93.0), (93.0, 93.0, 92.0, 92.0)),
        [limit(0, 1, 1.0, 96.0), trailing(0, 2, -1.0, 0.05, after=1)],
        # extremes 96 (fill), 97 (close): trigger 92.15 in bar 2, not 110 x 0.95; 97.5 x 0.95 = 92.625 -> gap in bar 3
        [fill(1, 1, 1.0, 96.0), fill(3, 2, -1.0, 92.625)],
        market={"tick": 0.005},
    ),
)


@pytest.mark.interpreted
@pytest.mark.boundscheck
@pytest.mark.parametrize("table", TABLES, ids=lambda t: t.name)
def test_trailing(table):
    check(table)


TRAIL = {"tpsl": {"mode": "enforced", "sl_anchor": 0.02, "tp_anchor": 0.2, "trail_activation_roi": 0.03}}


def test_the_chain_trails_by_amending_its_stop():
    """Entry 100, stop 98 (distance 2), 3 units, risk 6; ROI = 3 x move; R = (3 x move - 0.15) / 6.

    bar 2: close 101, high 103: ROI 3 % arms it; R 0.475: 103 - 2 = 101, no more than R < 1 allows: moved to 101.
    The same bar's low of 100.2 lies below 101 but the stop moved only at its close.
    bar 3: high 106, close 105.5: R 2.725 -> half the distance: 106 - 1 = 105. bar 4 falls to 104: out at 105.
    """
    rows = (QUIET, QUIET, (101.0, 103.0, 100.2, 101.0), (102.0, 106.0, 101.5, 105.5), (105.4, 105.6, 104.0, 104.5))
    m = market_of(rows)
    r = run_chain(m, {(0, "A"): 1}, **TRAIL)
    moves = r.events[r.events["kind"] == JE_STOP_MOVED]
    assert [(bar_of(m, int(e["time_ms"])) - 1, float(e["value"]), int(e["tag"])) for e in moves] == [
        (2, 101.0, TAG_SL),
        (3, 105.0, TAG_SL),
    ]
    # 3 x 5 - 0.15 - 3 x 105 x 0.0005
    same_trades(r, m, [{"in": 1, "out": 4, "qty": 3.0, "exit": 105.0, "why": "trailing", "pnl": 14.6925}])


def test_the_chain_trails_a_short():
    """The mirror image: entry 100, stop 102; low 97 at a close of 99 -> 97 + 2 = 99; low 94, R > 2 -> 94 + 1 = 95."""
    m = market_of((QUIET, QUIET, (100.0, 100.0, 97.0, 99.0), (98.0, 98.5, 94.0, 94.5), (94.6, 96.0, 94.4, 95.5)))
    r = run_chain(m, {(0, "A"): -1}, **TRAIL)
    moves = r.events[r.events["kind"] == JE_STOP_MOVED]
    assert [float(e["value"]) for e in moves] == [99.0, 95.0]
    # 3 x 5 - 0.15 - 3 x 95 x 0.0005
    same_trades(r, m, [{"in": 1, "out": 4, "qty": -3.0, "exit": 95.0, "why": "trailing", "pnl": 14.7075}])
