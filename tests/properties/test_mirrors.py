"""The other side: prices reflected, orders and calls turned over. What must not change does not.

A chain's distances are fractions of the price, and fees, margin and slippage are too, so no reflection of the
prices leaves a whole run alone. What must hold exactly, and is tested:

* the venue with orders at absolute prices, without fees and slippage, on an account that is not liquidated: reflecting
  the prices at c (p -> c - p) and turning every order over gives the same fills at the reflected prices and the same
  profits. Trailing stops are left out (their callback is a fraction of the price);
* trailing in module 14 with a given distance in price: the reflected stop, before costs are locked in;
* the chain's decisions with the calls of every model turned over: the same bars, sizes, distances and verdicts with the
  other side, as long as the accounts are equal, that is up to and with the first bar that decides.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qt_core.codes import EV_FILL, EV_FUNDING, EV_LIQUIDATION, STOP, TAKE_PROFIT, TRAILING
from qt_core.engine.session import Session
from qt_core.position import dynamic_tpsl
from qt_core.records import DECISION_DT, ORDER_DT
from qt_core.signal.tape import SignalTape
from tests.properties.binding import Met
from tests.properties.scripts import Script
from tests.properties.walk import Order, Watcher, plain, walk_venue
from tests.properties.worlds import ACCOUNTS, Case, World, accounts, decisions_of, finished, seeds, worlds

PRICES = ("open", "high", "low", "close", "mark_open", "mark_high", "mark_low", "mark_close")

FREE = {"taker_fee": 0.0, "maker_fee": 0.0, "slippage": 0.0, "liquidation_fee": 0.0}
TWICE = {"open": "open", "high": "low", "low": "high", "close": "close"}


class Fills(Watcher):
    """Time, symbol, side, quantity, price, order and profit of every fill."""

    def __init__(self, s: Session) -> None:
        super().__init__(s)
        self.rows: list[tuple[Any, ...]] = []

    def on_event(self, event: Any, f: int) -> None:
        assert event["kind"] != EV_LIQUIDATION
        if event["kind"] == EV_FUNDING:
            return
        row = [int(event[n]) for n in ("kind", "time_ms", "symbol", "seq", "reason", "maker", "done", "side")]
        self.rows.append((*row, float(event["qty"]), float(event["price"]), float(event["realised_usd"])))


def reflected(case: Case, c: np.ndarray) -> Case:
    """Prices of symbol ``i`` reflected at ``c[i]``."""
    columns = {a: c - getattr(case.market, b) for a, b in TWICE.items()}
    columns |= {f"mark_{a}": c - getattr(case.market, f"mark_{b}") for a, b in TWICE.items()}
    return case.with_market(**columns)


class Recorded(Script):
    """A script that remembers its orders, without trailing stops."""

    def __init__(self, s: Session, seed: int) -> None:
        super().__init__(s, seed, unapproved=0.0, reduce_only=0.6, away=0.01)
        self.made: list[list[Order]] = []

    def __call__(self, f: int) -> list[Order]:
        orders = [replace(o, leverage=1.0) for o in super().__call__(f) if o.kind != TRAILING]
        for i in np.flatnonzero(self.s.venue.symbol["qty"]):
            if self.s.bars.valid[f, i] and self.g.random() < 0.3:
                orders += self._near_bracket(f, int(i))
        self.made.append(orders)
        return orders

    def _near_bracket(self, f: int, i: int) -> list[Order]:
        """A stop and a target that one bar may both reach."""
        qty, close = float(self.s.venue.symbol["qty"][i]), float(self.s.bars.column("close")[f, i])
        tick = float(self.s.bars.specs[i]["tick_size"])
        away = max(1, round(0.003 * close / tick)) * tick
        side = -1 if qty > 0.0 else 1
        return [
            Order(i, kind, side, abs(qty), trigger=close + sign * side * away, reduce_only=1, expire_bars=2)
            for kind, sign in ((STOP, 1), (TAKE_PROFIT, -1))
        ]


def turned_over(o: Order, c: np.ndarray) -> Order:
    return replace(o, side=-o.side, price=c[o.symbol] - o.price, trigger=c[o.symbol] - o.trigger)


@pytest.mark.interpreted
def test_the_venue_mirrors_prices_and_sides(met: Met, record_property):
    @given(seeds, st.sampled_from(["pessimistic", "optimistic"]), st.sampled_from(["last", "mark"]))
    def check(seed: int, intrabar: str, working: str) -> None:
        world = World(seed, n_symbols=2, volatility=0.008, jumps=0.0, funding_rate=0.0, volume=1e5, tick=2.0**-12)
        case = world.build()
        tick = 2.0**-8 * case.market.specs["tick_size"]  # a grid on which sums of prices are exact
        marks = {n: np.round(getattr(case.market, n) / tick) * tick for n in PRICES}
        brackets = case.market.brackets.copy()
        brackets["maintenance_rate"] = brackets["cum"] = 0.0
        case = case.with_market(**marks, brackets=brackets)
        c = 4.0 * 2.0 ** np.ceil(np.log2(np.nanmax(case.market.high, axis=0)))
        config = {
            "chain": {"initial_equity_usd": 1e9},
            "venue": {**FREE, "intrabar": intrabar, "working_type": working},
        }
        s, m = case.session(config), reflected(case, c).session(config)
        script, fills = Recorded(s, seed), Fills(s)
        walk_venue(s, script, fills)
        mirrored = Fills(m)
        walk_venue(m, lambda f: [turned_over(o, c) for o in script.made[f]], mirrored)
        assert len(fills.rows) == len(mirrored.rows)
        for a, b in zip(fills.rows, mirrored.rows, strict=True):
            assert a[:7] == b[:7], (a, b)
            assert a[7] == -b[7]
            assert a[8] == b[8]
            if a[0] == EV_FILL:
                assert a[9] == c[a[2]] - b[9]
            assert a[10] == pytest.approx(b[10], rel=1e-9, abs=1e-9)
        met["fills"] += sum(r[0] == EV_FILL for r in fills.rows)
        met["realised"] += sum(r[10] != 0.0 for r in fills.rows)
        met["maker fills"] += sum(r[5] for r in fills.rows)
        met["ambiguous bars"] += int(plain(s.venue.fund, s.venue.fund.dtype)["ambiguous_bars"][0])
        assert plain(s.venue.orders, ORDER_DT)["status"].tolist() == plain(m.venue.orders, ORDER_DT)["status"].tolist()

    check()
    met.need(record_property, "fills", "realised", "maker fills", "ambiguous bars")


@pytest.mark.interpreted
def test_trailing_mirrors_with_the_price(met: Met, record_property):
    p = dynamic_tpsl.Params()
    eighths = st.integers(0, 800).map(lambda k: k / 8.0)

    @settings(max_examples=200)
    @given(eighths, eighths, eighths, st.integers(1, 80), st.floats(-0.01, 0.05), st.floats(-1.0, 3.0), st.booleans())
    def check(up: float, below: float, ahead: float, distance: int, roi: float, r: float, active: bool) -> None:
        entry, tick, c = 1000.0 + up, 0.125, 4000.0
        stop, best = entry - below, entry + ahead
        args = (roi, r, distance / 8.0, 0.0, tick)
        long = dynamic_tpsl.trail(p, 1, entry, stop, int(active), best, best, *args)
        short = dynamic_tpsl.trail(p, -1, c - entry, c - stop, int(active), c - best, c - best, *args)
        assert short.stop == c - long.stop
        assert short.active == long.active
        assert long.stop >= stop
        met["moved"] += int(long.stop > stop)
        met["not armed"] += int(long.active == 0)
        met["locked in"] += int(long.stop == entry)

    check()
    met.need(record_property, "moved", "not armed", "locked in")


def test_calls_turned_over_give_the_same_decisions_on_the_other_side(met: Met, record_property):
    @given(worlds(act=0.1, n_symbols=4), accounts)
    def check(world: World, account: str) -> None:
        case = world.build()
        tape = SignalTape(np.ascontiguousarray(case.tape.proba[..., ::-1]), case.tape.available, case.tape.model_id)
        a = decisions_of(finished(case, ACCOUNTS[account]))
        b = decisions_of(finished(replace(case, tape=tape), ACCOUNTS[account]))
        if not len(a):
            return
        first = a[a["time_ms"] == a["time_ms"][0]]
        turned = b[b["time_ms"] == b["time_ms"][0]]
        assert len(first) == len(turned)
        for name in DECISION_DT.names:
            x, y = first[name], turned[name]
            if name == "side":
                assert (x == -y).all()
            elif name in ("p_sell", "p_buy"):
                assert np.array_equal(x, turned["p_buy" if name == "p_sell" else "p_sell"])
            else:
                assert np.array_equal(x, y, equal_nan=x.dtype.kind == "f"), name
        met["decisions"] += len(first)
        met["accepted"] += int((first["reason"] == 0).sum())

    check()
    met.need(record_property, "decisions", "accepted")
