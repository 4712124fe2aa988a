"""The ledger's edges in literal numbers: brackets, margin released, the liquidation price touched."""

import numpy as np
import pytest

from qt_core import records as rec
from qt_core.codes import EXIT_LIQUIDATION, OP_AMEND, STOP, TAKE_PROFIT
from qt_core.engine import ledger
from qt_core.market import BRACKET_DT, MAX_BRACKETS
from qt_core.state import records
from tests.modules.scene import FREE, Bar, Played, Scene, flat
from tests.properties.walk import Order, Watcher, walk_venue

pytestmark = pytest.mark.interpreted


def two_brackets() -> np.ndarray:
    """1 % up to 1000 USD at 50x, 5 % above at 10x; cum 40 makes the margin continuous."""
    rows = np.zeros((1, MAX_BRACKETS), dtype=BRACKET_DT)
    rows["notional_floor"][0, :2], rows["notional_cap"][0, :2] = (0.0, 1000.0), (1000.0, np.inf)
    rows["maintenance_rate"][0, :2], rows["cum"][0, :2] = (0.01, 0.05), (0.0, 40.0)
    rows["max_leverage"][0, :2] = (50.0, 10.0)
    return records(rows)


def test_a_brackets_cap_belongs_to_it():
    b = two_brackets()
    assert ledger.bracket_at(b, 2, 0, 1000.0) == (0.01, 0.0, 50.0)
    assert ledger.bracket_at(b, 2, 0, np.nextafter(1000.0, 2000.0)) == (0.05, 40.0, 10.0)
    assert ledger.bracket_at(b, 2, 0, 0.0) == (0.01, 0.0, 50.0)


@pytest.mark.parametrize(("notional", "margin"), [(0.0, 0.0), (500.0, 5.0), (1000.0, 10.0), (2000.0, 60.0)])
def test_maintenance_margin_is_rate_less_cum(notional: float, margin: float):
    assert ledger.maintenance_margin(two_brackets(), 2, 0, notional) == pytest.approx(margin)


@pytest.mark.parametrize("side", [1, -1])
def test_a_part_closed_releases_its_part_of_the_margin(side: int):
    fund, v = records(np.zeros(1, rec.VENUE_FUND_DT)), records(np.zeros(1, rec.VENUE_SYMBOL_DT))
    fund["free_usd"] = 1000.0
    ledger.book_open(fund[0], v[0], side, 10.0, 100.0, 1.0, 5.0)
    assert (fund["free_usd"][0], fund["margin_usd"][0], v["margin_usd"][0]) == (799.0, 200.0, 200.0)
    booked = ledger.book_reduce(fund[0], v[0], 4.0, 100.0 + side, 0.5, False)
    assert booked == (4.0, 0.5, 0.0)
    assert v["margin_usd"][0] == fund["margin_usd"][0] == 120.0
    assert fund["free_usd"][0] == 799.0 + 80.0 + 4.0 - 0.5
    assert (v["qty"][0], v["avg_price"][0]) == (side * 6.0, 100.0)
    ledger.book_reduce(fund[0], v[0], 6.0, 100.0, 0.0, False)
    assert (v["qty"][0], v["margin_usd"][0], fund["margin_usd"][0]) == (0.0, 0.0, 0.0)


def test_an_isolated_position_loses_its_margin_at_most():
    """40 of margin, a loss of 100 and a fee of 1: 61 come from the insurance fund."""
    fund, v = records(np.zeros(1, rec.VENUE_FUND_DT)), records(np.zeros(1, rec.VENUE_SYMBOL_DT))
    fund["free_usd"] = 1000.0
    ledger.book_open(fund[0], v[0], 1, 2.0, 100.0, 0.0, 5.0)
    booked = ledger.book_reduce(fund[0], v[0], 2.0, 50.0, 1.0, False)
    assert booked == (-100.0, 1.0, 61.0)
    assert (fund["free_usd"][0], fund["margin_usd"][0]) == (960.0, 0.0)


def test_a_cross_account_loses_its_wallet_at_most():
    fund, v = records(np.zeros(1, rec.VENUE_FUND_DT)), records(np.zeros(1, rec.VENUE_SYMBOL_DT))
    fund["free_usd"] = 70.0
    ledger.book_open(fund[0], v[0], 1, 2.0, 100.0, 0.0, 5.0)
    assert ledger.book_reduce(fund[0], v[0], 2.0, 50.0, 1.0, True) == (-100.0, 1.0, 31.0)
    assert fund["free_usd"][0] + fund["margin_usd"][0] == 0.0


UNSAFE = {"risk": {"mode": "off"}, "governor": {"mode": "off"}}


def four_times(side: int, bar: Bar) -> Played:
    """A position at 4x and 100 without maintenance margin: liquidated at exactly 75 (long) or 125 (short)."""
    config = {**UNSAFE, "chain": {"neutral_leverage": 4.0}, "tpsl": {"mode": "off", "sl_anchor": 0.5, "tp_anchor": 0.9}}
    return Scene(
        bars=[[*flat(100.0, 2), bar, *flat(100.0, 1)]],
        calls={(0, 0): side},
        config={**config, "venue": FREE},
        brackets={"maintenance_rate": 0.0},
    ).play()


@pytest.mark.parametrize(("side", "extreme"), [(1, 75.0), (-1, 125.0)])
def test_a_mark_that_touches_the_liquidation_price_does_not_liquidate(side: int, extreme: float):
    low, high = min(100.0, extreme), max(100.0, extreme)
    touched = four_times(side, (100.0, high, low, 100.0))
    assert len(touched.trades) == 0
    beyond = extreme - 0.01 * side
    crossed = four_times(side, (100.0, max(high, beyond), min(low, beyond), 100.0))
    assert crossed.trades["exit_reason"].tolist() == [EXIT_LIQUIDATION]
    assert crossed.trades["exit_price"].tolist() == [extreme]
    assert crossed.trades["pnl_usd"][0] == pytest.approx(-200.0), "the whole margin, and no more"


class Said(Watcher):
    """(bar, order, price) of every fill."""

    def __init__(self, s) -> None:
        super().__init__(s)
        self.fills: list[tuple[int, int, float, float]] = []

    def on_event(self, event, f: int) -> None:
        if event["kind"] == 1:
            self.fills.append((f, int(event["seq"]), float(event["qty"]), float(event["price"])))


def said(bars: list[Bar], script: dict[int, list[Order]], volume: float = 1e9, participation: float = 0.0) -> list:
    s = Scene(bars=[bars], config={"venue": {**FREE, "participation": participation}}, volume=volume).session()
    heard = Said(s)
    walk_venue(s, lambda f: script.get(f, []), heard)
    return heard.fills


def test_of_a_stop_and_a_target_that_one_open_has_passed_the_stop_fills():
    """Only an amendment can bring them there: the sell stop above the open, the target below it."""
    stop = Order(0, STOP, -1, 1.0, trigger=90.0, reduce_only=1)
    target = Order(0, TAKE_PROFIT, -1, 1.0, trigger=110.0, reduce_only=1)
    moved = [
        Order(0, TAKE_PROFIT, -1, 1.0, trigger=98.0, reduce_only=1, op=OP_AMEND, seq=2),
        Order(0, STOP, -1, 1.0, trigger=102.0, reduce_only=1, op=OP_AMEND, seq=3),
    ]
    fills = said(flat(100.0, 5), {0: [Order(0, qty=1.0), target, stop], 2: moved})
    assert fills == [(1, 1, 1.0, 100.0), (3, 3, 1.0, 100.0)]


def test_what_has_triggered_takes_a_larger_quantity():
    """The stop triggers in a bar whose volume a purchase has used up; amended to the whole position, it sells it all."""
    bars = [*flat(100.0, 2), (100.0, 100.0, 94.0, 96.0), *flat(96.0, 3)]
    script = {
        0: [Order(0, qty=2.0), Order(0, STOP, -1, 2.0, trigger=95.0, reduce_only=1)],
        1: [Order(0, qty=2.0)],
        2: [Order(0, STOP, -1, 4.0, trigger=95.0, reduce_only=1, op=OP_AMEND, seq=2)],
    }
    fills = said(bars, script, volume=4.0, participation=0.5)
    assert fills == [(1, 1, 2.0, 100.0), (2, 3, 2.0, 100.0), (3, 2, 2.0, 96.0), (4, 2, 2.0, 96.0)]
