"""Step 6 of a bar: the best candidates one by one, each seeing what those before it have taken."""

import numpy as np
import pytest

from qt_core.codes import HELD, M_SELECTION, MARGIN_USE, MAX_POSITIONS, NOT_SELECTED, OK
from tests.modules.scene import FREE, HOUR_MS, START_MS, Played, Scene, flat

pytestmark = pytest.mark.interpreted


def quiet(n: int, config: dict, confidence: dict[int, float] | None = None, bars: int = 4, **more) -> Played:
    """``n`` symbols that all call BUY at the first close, with the confidence given or 0.8."""
    scene = Scene(bars=[flat(100.0, bars)] * n, calls={(0, i): 1 for i in range(n)}, config=config, **more)
    s = scene.session()
    for i, c in (confidence or {}).items():
        s.rows.proba[0, i] = ((1.0 - c) / 2.0, (1.0 - c) / 2.0, c)
    from tests.modules.scene import play

    return play(s)


def test_ties_go_by_name():
    d = quiet(4, {"chain": {"max_candidates": 2, "journal_top": 1}}).decisions
    assert d["symbol"].tolist() == [0, 1, 2]
    assert d["rank"].tolist() == [0, 1, 2]
    assert d["reason"].tolist() == [OK, OK, NOT_SELECTED]


def test_the_most_confident_come_first_whatever_their_name():
    confidence = {0: 0.6, 1: 0.9, 2: 0.7, 3: 0.8, 4: 0.65}
    d = quiet(5, {"chain": {"max_candidates": 3, "journal_top": 2}}, confidence).decisions
    assert d["symbol"].tolist() == [1, 3, 2, 4, 0]
    assert np.allclose(d["confidence"], [0.9, 0.8, 0.7, 0.65, 0.6])
    assert d["reason"].tolist() == [OK, OK, OK, NOT_SELECTED, NOT_SELECTED]


def test_each_accepted_order_takes_its_margin_before_the_next_is_looked_at():
    played = quiet(5, {"chain": {"initial_equity_usd": 700.0}, "venue": FREE})
    d = played.decisions
    assert np.allclose(d["reserved_margin_usd"], [0.0, 200.0, 400.0, 560.0, 560.0])
    assert np.allclose(d["margin_usd"][:3], [200.0, 200.0, 160.0]), "the third gets what is left of 80 %"
    assert d["n_positions"].tolist() == [0, 1, 2, 3, 3]
    assert d["reason"].tolist() == [OK, OK, OK, MARGIN_USE, MARGIN_USE]
    assert played.fund["margin_usd"] == pytest.approx(560.0)
    assert played.fund["reserved_margin_usd"] == 0.0
    assert played.fund["n_pending"] == 0


def test_each_accepted_order_takes_its_slot_before_the_next_is_looked_at():
    d = quiet(4, {"risk": {"max_positions": 2}}).decisions
    assert d["reason"].tolist() == [OK, OK, MAX_POSITIONS, MAX_POSITIONS]


def test_a_refused_entry_gives_back_what_it_had_reserved():
    unsafe = {"risk": {"mode": "off"}, "governor": {"mode": "off"}}
    played = quiet(2, {**unsafe, "chain": {"initial_equity_usd": 250.0}, "venue": FREE})
    assert played.fund["n_open"] == 1
    assert played.fund["n_pending"] == 0
    assert played.fund["reserved_margin_usd"] == 0.0
    assert played.symbol(1)["pending_seq"] == 0
    assert played.symbol(1)["pending_margin_usd"] == 0.0


def test_an_entry_that_waits_for_volume_counts_as_held():
    played = Scene(
        bars=[flat(100.0, 3)], calls={(0, 0): 1, (1, 0): 1}, config={"chain": {"entry_work_bars": 5}}, volume=0.0
    ).play()
    assert played.decisions["reason"].tolist() == [OK]
    assert played.s.out.counters[M_SELECTION, HELD] == 1
    assert (played.fund["n_open"], played.fund["n_pending"]) == (0, 1)
    assert played.fund["reserved_margin_usd"] == pytest.approx(200.0, rel=1e-3)


def test_a_filled_entry_gives_back_its_reservation_while_another_waits():
    config = {"chain": {"entry_work_bars": 5}, "venue": {"slippage": 0.0, "taker_fee": 0.0}}
    played = quiet(2, config, bars=2, volume=[1e9, 0.0])
    assert (played.fund["n_open"], played.fund["n_pending"]) == (1, 1)
    assert played.fund["reserved_margin_usd"] == pytest.approx(200.0)
    assert played.fund["margin_usd"] == pytest.approx(200.0)


def test_an_entry_filled_in_parts_keeps_the_rest_reserved():
    config = {"chain": {"entry_work_bars": 3}, "venue": {"slippage": 0.0, "taker_fee": 0.0}}
    played = quiet(1, config, bars=2, volume=20.0)  # a tenth of the volume: 2 of 6
    s = played.symbol()
    assert s["qty"] == pytest.approx(2.0)
    assert s["pending_qty"] == pytest.approx(4.0)
    assert s["pending_margin_usd"] == pytest.approx(400.0 / 3.0)
    assert played.fund["reserved_margin_usd"] == pytest.approx(400.0 / 3.0)
    assert played.fund["margin_usd"] == pytest.approx(200.0 / 3.0)
    assert played.fund["n_pending"] == 1
    done = quiet(1, config, bars=5, volume=20.0)
    assert done.symbol()["qty"] == pytest.approx(6.0)
    assert done.fund["reserved_margin_usd"] == 0.0


def test_what_is_left_of_an_entry_ends_after_its_working_bars():
    config = {"chain": {"entry_work_bars": 2}, "venue": {"slippage": 0.0, "taker_fee": 0.0}}
    played = quiet(1, config, bars=6, volume=20.0)
    assert played.symbol()["qty"] == pytest.approx(4.0)
    assert played.symbol()["first_qty"] == pytest.approx(4.0)
    assert played.fund["n_pending"] == 0


def test_a_decision_is_known_at_the_close_and_filled_at_the_next_open():
    bars = [[(100.0, 101.0, 99.0, 100.0), (103.0, 104.0, 102.9, 103.5), *flat(103.5, 2)]]
    played = Scene(
        bars=bars, calls={(0, 0): 1}, config={"tpsl": {"trailing": "off"}, "venue": {**FREE, "slippage": 0.001}}
    ).play()
    d, e = played.decisions[0], played.events[0]
    assert d["time_ms"] == START_MS + HOUR_MS
    assert d["price"] == 100.0
    assert e["time_ms"] == START_MS + HOUR_MS
    assert e["price"] == pytest.approx(103.0 * 1.001)
    s = played.symbol()
    assert s["sl_price"] == pytest.approx(103.0 * 1.001 * (1.0 - 0.015)), "set from the fill, not from the decision"
    assert s["slippage_usd"] == pytest.approx(d["qty"] * 0.103)


@pytest.mark.parametrize("side", [1, -1])
def test_a_close_through_the_trail_activation_moves_the_stop_to_the_best_price_less_the_distance(side: int):
    def price(move: float) -> float:
        return 100.0 + side * move

    lift = sorted([price(0.3), price(1.2)])
    bars = [[*flat(100.0, 2), (price(0.5), lift[1], lift[0], price(1.0)), *flat(price(1.0), 1)]]
    played = Scene(bars=bars, calls={(0, 0): side}, config={"venue": FREE}).play()
    s = played.symbol()
    assert s["side"] == side
    assert s["best_price"] == pytest.approx(price(1.2))
    assert s["trail_active"] == 1
    assert s["sl_price"] == pytest.approx(price(1.2) - side * 1.5)
