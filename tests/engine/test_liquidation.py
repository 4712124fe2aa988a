"""SPEC section 8, S5-S7: liquidation price, fill, fee and capped loss, against numbers worked out by hand.

Two brackets: 1 % up to a floor F, then 2 % less cum = F x 1 %. Maintenance margin M(P) = q x P x rate - cum; a long is
liquidated where backing + q x (P - 100) = M(P), that is P = (q x 100 - backing - cum) / (q x (1 - rate)); a short where
P = (q x 100 + backing + cum) / (q x (1 + rate)). What is left at that price is M(P); the fee, 1.25 % of q x P, takes at
most that.
"""

from dataclasses import dataclass

import numpy as np
import pytest

from qt_core.codes import EV_FILL, EV_LIQUIDATION, EV_REJECT, INSUFFICIENT_MARGIN
from tests.engine.asks import market, stop, target
from tests.engine.chain import run_chain, same_trades
from tests.engine.tables import EQUITY, QUIET, Table, check, fill, liquidated, market_of, run_venue, same

NARROW = [(0.0, 0.01, 0.0, 50.0), (10_000.0, 0.02, 100.0, 20.0)]  # isolated
WIDE = [(0.0, 0.01, 0.0, 50.0), (50_000.0, 0.02, 500.0, 20.0)]  # cross


@dataclass(frozen=True)
class Case:
    name: str
    mode: str
    qty: float
    leverage: float
    price: float  # of liquidation
    fee: float  # taken
    wallet: float  # left


CASES = (
    # margin 100; 900 / 9.9; M = 9.0909 < 1.25 % of 909.09 = 11.36: all of it. Wallet 10,000 - 0.5 - 100
    Case("isolated long, first bracket", "isolated", 10.0, 10.0, 900 / 9.9, 100 / 11, 9899.5),
    # margin 2000; 17,900 / 196; notional 18,265.306; M = 365.306 - 100 = 265.306; fee 228.316. 10,000 - 10 - 2000 + 36.990
    Case("isolated long, second bracket", "isolated", 200.0, 10.0, 17_900 / 196, 228.3163265, 8026.9897959),
    # margin 100; 1100 / 10.1; M = 10.891 < 13.61
    Case("isolated short, first bracket", "isolated", -10.0, 10.0, 1100 / 10.1, 10.8910891, 9899.5),
    # margin 2000; 22,100 / 204; notional 21,666.667; M = 333.333; fee 270.833. 10,000 - 10 - 2000 + 62.5
    Case("isolated short, second bracket", "isolated", -200.0, 10.0, 22_100 / 204, 270.8333333, 8052.5),
    # opened at 10,500 in the second, liquidated at 5303.03 in the first: margin 5250; 5250 / 103.95; M = 53.03 < 66.29
    Case("isolated long, into the first bracket", "isolated", 105.0, 2.0, 5250 / 103.95, 53.0303030, 4744.75),
    # opened at 9500 in the first, liquidated at 11,274.5 in the second: (9500 + 1900 + 100) / 96.9; M = 125.490 < 140.9
    Case("isolated short, into the second bracket", "isolated", -95.0, 5.0, 11_500 / 96.9, 125.4901961, 8095.25),
    # wallet 10,000 - 22.5; (45,000 - 9977.5) / 445.5; M = 353.763 < 442.2
    Case("cross long, first bracket", "cross", 450.0, 10.0, 35_022.5 / 445.5, 353.7626263, 0.0),
    # wallet 9955; (90,000 - 9955 - 500) / 882; notional 81,168.367; M = 1123.367; fee 1014.605
    Case("cross long, second bracket", "cross", 900.0, 10.0, 79_545 / 882, 1014.6045918, 108.7627551),
    # wallet 9985; (30,000 + 9985) / 303; M = 395.891 < 494.9
    Case("cross short, first bracket", "cross", -300.0, 10.0, 39_985 / 303, 395.8910891, 0.0),
    # wallet 9955; (90,000 + 9955 + 500) / 918; notional 98,485.294; M = 1469.706; fee 1231.066
    Case("cross short, second bracket", "cross", -900.0, 10.0, 100_455 / 918, 1231.0661765, 238.6397059),
)


def _crash(case: Case, price: float, opening: float = 100.0) -> tuple[float, ...]:
    """A bar whose last price stays near its open while the mark goes to ``price`` and comes back."""
    last = (opening, opening + 0.5, opening - 0.5, opening, 1e9)
    low, high = min(price, opening), max(price, opening)
    return (*last, opening, high, low, opening)


@pytest.mark.interpreted
@pytest.mark.boundscheck
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_price_fee_and_loss(case: Case):
    """Nothing happens a hair before the price; beyond it the position goes at the price, not at the extreme."""
    side = 1.0 if case.qty > 0 else -1.0
    near, beyond = case.price * (1 + side * 1e-7), case.price * (1 - side * 0.05)
    m = market_of(
        (QUIET, QUIET, _crash(case, near), _crash(case, beyond)), brackets=NARROW if case.mode == "isolated" else WIDE
    )
    played = run_venue(m, [market(0, 1, case.qty, leverage=case.leverage)], margin_mode=case.mode)
    realised = case.qty * (case.price - 100.0)
    want = liquidated(3, -case.qty, case.price, realised=realised, insurance=0.0, margin=0.0)
    same(played.events, [fill(1, 1, case.qty, 100.0), want])
    assert played.events[1]["fee"] == pytest.approx(case.fee, rel=1e-7)
    assert played.events[1]["wallet"] == pytest.approx(case.wallet, rel=1e-8, abs=1e-6)
    assert played.fund("n_liquidations") == 1


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_a_gap_beyond_bankruptcy_takes_the_margin_and_no_more(case: Case):
    """The mark opens 70 % away: the loss is the margin (isolated) or the wallet (cross), the rest is insurance."""
    away = 30.0 if case.qty > 0 else 170.0
    m = market_of((QUIET, QUIET, _crash(case, away, away)), brackets=NARROW if case.mode == "isolated" else WIDE)
    played = run_venue(m, [market(0, 1, case.qty, leverage=case.leverage)], margin_mode=case.mode)
    entry_fee = abs(case.qty) * 100 * 0.0005
    margin = abs(case.qty) * 100 / case.leverage
    lost = margin if case.mode == "isolated" else EQUITY - entry_fee
    insurance = abs(case.qty) * 70.0 - lost
    same(
        played.events[1:],
        [liquidated(2, -case.qty, away, fee=0.0, insurance=insurance, wallet=EQUITY - entry_fee - lost)],
    )


TABLES = (
    Table(
        "strictly below: a mark that touches the price does not liquidate",
        (QUIET, QUIET, (100.0, 100.5, 99.5, 100.0, 1e9, 100.0, 100.5, 93.75, 100.0), (100.0, 100.5, 93.7, 94.0)),
        [market(0, 1, 1.0)],
        [fill(1, 1, 1.0, 100.0), liquidated(3, -1.0, 93.75)],  # (100 - 10) / 0.96
        market={"brackets": [(0.0, 0.04, 0.0, 50.0)]},
    ),
    Table(
        "the last price does not liquidate",
        (QUIET, QUIET, (100.0, 100.5, 80.0, 100.0, 1e9, 100.0, 100.5, 99.0, 100.0)),
        [market(0, 1, 1.0)],
        [fill(1, 1, 1.0, 100.0)],
        held=1.0,
    ),
    Table(
        "a mark that opens beyond the price liquidates there",
        (QUIET, QUIET, (92.0, 92.5, 90.0, 92.0, 1e9, 90.5, 92.0, 90.0, 92.0)),
        [market(0, 1, 1.0)],
        [fill(1, 1, 1.0, 100.0), liquidated(2, -1.0, 90.5, realised=-9.5, fee=0.5)],  # 10 - 9.5 is left for the fee
    ),
    Table(
        "a mark that opens beyond the price liquidates before a stop inside that bar",
        (QUIET, QUIET, (92.0, 92.5, 90.0, 92.0, 1e9, 90.5, 92.0, 90.0, 92.0)),
        [market(0, 1, 1.0), stop(0, 2, -1.0, 91.0)],
        [fill(1, 1, 1.0, 100.0), liquidated(2, -1.0, 90.5, realised=-9.5, fee=0.5)],
    ),
    Table(
        "at leverage 1 a long is never liquidated",
        (QUIET, QUIET, (100.0, 100.0, 0.2, 0.2)),
        [market(0, 1, 1.0, leverage=1.0)],
        [fill(1, 1, 1.0, 100.0)],
        held=1.0,
    ),
    Table(
        "liquidation fee is a parameter",
        (QUIET, QUIET, (100.0, 100.0, 90.0, 90.0)),
        [market(0, 1, 1.0)],
        [fill(1, 1, 1.0, 100.0), liquidated(2, -1.0, 90 / 0.99, fee=0.45454545454545453)],  # 90.9090 x 0.005
        venue={"liquidation_fee": 0.005},
    ),
    Table(
        "a part closed releases margin in proportion: the price stays",
        (QUIET, QUIET, QUIET, (100.0, 100.0, 90.0, 90.0)),
        [market(0, 1, 2.0), market(1, 2, -1.0, reduce=True)],
        [fill(1, 1, 2.0, 100.0), fill(2, 2, -1.0, 100.0), liquidated(3, -1.0, 90 / 0.99)],
    ),
    Table(
        "enlarging moves the price with the average and the margin",
        (QUIET, QUIET, (110.0, 110.0, 110.0, 110.0), (110.0, 110.0, 95.0, 96.0)),
        [market(0, 1, 1.0), market(1, 2, 1.0)],
        # average 105, margin 21: (210 - 21) / 1.98 = 95.4545...
        [fill(1, 1, 1.0, 100.0), fill(2, 2, 1.0, 110.0), liquidated(3, -2.0, 189 / 1.98)],
    ),
    Table(
        "cross: profit elsewhere carries the loss",
        {"A": (QUIET, QUIET, (100.0, 100.5, 60.0, 90.0)), "B": (QUIET, QUIET, (130.0, 131.0, 129.0, 130.0))},
        [market(0, 1, 300.0, symbol="A"), market(0, 2, 300.0, symbol="B")],
        # alone A would go at (30,000 - 9970 + ...) / 297 = 67.4; B's opening profit of 9000 puts it at 38.1
        [fill(1, 1, 300.0, 100.0), fill(1, 2, 300.0, 100.0)],
        venue={"margin_mode": "cross"},
        held=300.0,
    ),
)


@pytest.mark.parametrize("table", TABLES, ids=lambda t: t.name)
def test_tables(table):
    check(table)


PAIR = [market(0, 1, 450.0, symbol="A"), market(0, 2, 450.0, symbol="B")]  # wallet afterwards 10,000 - 45


def _pair(a: tuple[float, ...], b: tuple[float, ...]):
    return market_of({"A": (QUIET, QUIET, a), "B": (QUIET, QUIET, b)}, brackets=WIDE)


def test_cross_tests_one_position_with_the_others_at_their_opening_marks():
    """A: 9955 - 450 x 5 - 427.5 = 7277.5 back it, price 37,722.5 / 445.5 = 84.67 < 85. B: 9505, 79.67 < 80. Both stay."""
    m = _pair((100.0, 100.0, 85.0, 95.0), (95.0, 95.0, 80.0, 95.0))
    played = run_venue(m, PAIR, margin_mode="cross")
    assert [e["kind"] for e in played.events].count(EV_LIQUIDATION) == 0
    assert played.equity[-1] == pytest.approx(9955 - 2 * 450 * 5)


def test_cross_counts_unrealised_loss_in_what_is_free():
    """A: 4500 margin and 22.5 fee leave 5477.5; at an opening mark of 95 it lost 2250: 3227.5 < 3800 + 19 for B."""
    bars = (100.0, 100.0, 94.0, 95.0), (95.0, 95.0, 94.0, 95.0)
    m = market_of({"A": (QUIET, *bars), "B": (QUIET, *bars)}, brackets=WIDE)
    asks = [market(0, 1, 450.0, symbol="A"), market(1, 2, 400.0, symbol="B")]
    cross = run_venue(m, asks, margin_mode="cross")
    assert [(e["kind"], e["reason"]) for e in cross.events] == [(EV_FILL, 0), (EV_REJECT, INSUFFICIENT_MARGIN)]
    isolated = run_venue(m, asks)
    assert [e["kind"] for e in isolated.events][:2] == [EV_FILL, EV_FILL]


def test_cross_with_all_at_their_adverse_extremes():
    """The same bar with `cross_all_adverse`.

    A: B at 80 leaves 9955 - 9000 - 360 = 595: price 44,405 / 445.5; fee 1.25 %. B then has the wallet behind it alone.
    """
    m = _pair((100.0, 100.0, 85.0, 95.0), (95.0, 95.0, 80.0, 95.0))
    played = run_venue(m, PAIR, margin_mode="cross", cross_all_adverse="on")
    price = 44_405 / 445.5
    wallet = 9955 + 450 * (price - 100) - 450 * price * 0.0125
    price_b = (45_000 - wallet) / 445.5
    assert 80.0 < price_b < 95.0
    same(
        played.events[2:],
        [liquidated(2, -450.0, price, symbol="A", wallet=wallet), liquidated(2, -450.0, price_b, symbol="B")],
    )
    assert played.equity[-1] >= 0.0


def test_cross_is_tested_once_more_at_the_closing_marks():
    """Each alone would hold, together they do not: 9955 - 6750 - 9000 < 0.

    A goes at 85: 9955 - 6750 = 3205, fee 478.125; B at 80 loses 9000 of the remaining 2726.875: insurance 6273.125.
    """
    m = _pair((100.0, 100.0, 85.0, 85.0), (95.0, 95.0, 80.0, 80.0))
    played = run_venue(m, PAIR, margin_mode="cross")
    same(
        played.events[2:],
        [
            liquidated(2, -450.0, 85.0, symbol="A", fee=478.125, insurance=0.0),
            liquidated(2, -450.0, 80.0, symbol="B", fee=0.0, insurance=6273.125, wallet=0.0),
        ],
    )
    assert played.equity[-1] == 0.0


def test_cross_a_short_under_water_at_every_price_goes_at_the_open():
    """B gaps from 100 to 30 (-31,500): A's share is gone whatever its own price: it is closed at its opening mark."""
    script = [market(0, 1, -300.0, symbol="A"), market(0, 2, 450.0, symbol="B")]
    m = _pair((100.0, 101.0, 99.0, 100.0), (30.0, 30.0, 30.0, 30.0))
    played = run_venue(m, script, margin_mode="cross")
    assert [(e["symbol"], e["price"]) for e in played.events[2:]] == [("A", 100.0), ("B", 30.0)]
    assert played.equity[-1] == 0.0


def test_the_chain_books_a_liquidation():
    """Leverage 50 and a stop 2 % away: margin 6 of 300, gone at (100 - 2) / 0.99 = 98.99, before the stop at 98.

    M = 0.99 x 3 x 0.9899 = 2.97 < fee 3.71, so the fee takes it: 3 x 1.0101 + 2.9697 = 6, and 0.15 at the entry.
    """
    m = market_of((QUIET, QUIET, (100.0, 100.0, 97.0, 97.0)), brackets=[(0.0, 0.01, 0.0, 50.0)])
    r = run_chain(m, {(0, "A"): 1}, chain={"base_margin_usd": 6.0, "neutral_leverage": 50.0})
    same_trades(r, m, [{"in": 1, "out": 2, "qty": 3.0, "exit": 98 / 0.99, "why": "liquidation", "pnl": -6.15}])
    assert r.venue.symbol["n_orders"][0] == 0


# --- equity is never negative -----------------------------------------------------------------------------------------
def _wild(seed: int, n_bars: int = 40, n_symbols: int = 3):
    """Gaps and moves of tens of per cent, marks of their own, holes, dry bars, heavy funding."""
    g = np.random.default_rng(seed)
    rows = {}
    for name in "ABC"[:n_symbols]:
        close, bars = 100.0, []
        for _ in range(n_bars):
            if g.random() < 0.05:
                bars.append(())
                continue
            o = max(1.0, close * np.exp(g.normal(0.0, 0.15)))
            close = max(1.0, o * np.exp(g.normal(0.0, 0.1)))
            ends = np.round([o, close], 1)
            last = (
                ends[0],
                max(ends) + round(abs(g.normal(0, 5)), 1),
                max(0.5, min(ends) - round(abs(g.normal(0, 5)), 1)),
                ends[1],
            )
            mo, mc = (max(0.5, x * np.exp(g.normal(0.0, 0.05))) for x in ends)
            mark = (mo, max(mo, mc) * 1.05, min(mo, mc) * 0.95, mc)
            bars.append((*last, float(g.choice([0.0, 10.0, 1e6])), *mark))
        rows[name] = bars
    funding = [(float(b), s, float(g.normal(0.0, 0.05))) for b in range(0, n_bars, 4) for s in rows]
    return market_of(rows, funding=funding, brackets=NARROW), g


@pytest.mark.parametrize("mode", ["isolated", "cross"])
def test_equity_never_falls_below_zero(mode: str):
    """Sixty wild markets, high leverage, stops and targets at random: the balances hold and equity stays >= 0."""
    liquidations = insured = 0
    for seed in range(60):
        m, g = _wild(seed)
        script, seq = [], 0
        for bar in range(m.n_bars - 1):
            for s in m.symbols:
                if g.random() < 0.3:
                    side, size, leverage = (
                        float(g.choice([-1, 1])),
                        float(g.uniform(1, 60)),
                        float(g.choice([5, 20, 50])),
                    )
                    seq += 1
                    script.append(market(bar, seq, round(side * size, 3), leverage=leverage, symbol=s, life=3))
                if g.random() < 0.2:
                    seq += 1
                    kind = stop if g.random() < 0.5 else target
                    at = round(float(g.uniform(50, 150)), 1)
                    script.append(kind(bar, seq, float(g.choice([-1, 1])) * 20.0, at, symbol=s, life=5))
        played = run_venue(m, script, limit_events=5000, margin_mode=mode, participation=0.1, slippage=0.001)
        assert min(played.equity) >= -1e-6, f"seed {seed}"
        assert np.isfinite(played.equity).all()
        liquidations += int(played.fund("n_liquidations"))
        insured += played.fund("insurance_usd") > 0
    assert liquidations > 50
    assert insured > 10
