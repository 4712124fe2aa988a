"""Money adds up at every bar, on every account, whatever happens; and stays finite."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from qt_core.codes import EV_FILL, EV_FUNDING, EV_LIQUIDATION, STOP, TAG_SL, TAG_TP, TAKE_PROFIT, TRIGGERED
from qt_core.config import load_config
from qt_core.engine import backtest
from qt_core.engine.session import advance
from qt_core.state import N_TRADES
from tests.foundation import foundation
from tests.properties.binding import Met
from tests.properties.walk import Accountant, Watcher, plain, walk
from tests.properties.worlds import ACCOUNTS, World, accounts, seeds, worlds


class Books(Accountant):
    """Compares venue, chain and its own books after every bar."""

    def __init__(self, s: Any, met: Met) -> None:
        super().__init__(s)
        self.met = met

    def on_event(self, event: Any, f: int) -> None:
        super().on_event(event, f)
        self.met["liquidations"] += int(event["kind"] == EV_LIQUIDATION)
        self.met["settlements"] += int(event["kind"] == EV_FUNDING)
        self.met["insured"] += int(event["insurance_usd"] > 0.0)
        self.met["partial fills"] += int(event["kind"] == EV_FILL and event["done"] == 0)

    def on_bar(self, f: int) -> None:
        v, s = self.venue_fund, self.fund
        wallet = float(v["free_usd"] + v["margin_usd"])
        unrealised = float(np.sum(self.symbol["qty"] * (self.mark - self.symbol["avg_price"])))
        assert self.close_to(wallet + unrealised, float(s["equity_usd"]))
        assert self.close_to(self.equity, float(s["equity_usd"])), f"bar {f}: books and equity part"
        assert self.close_to(wallet, float(s["wallet_usd"]))
        assert self.close_to(float(np.sum(self.venue_symbol["margin_usd"])), float(v["margin_usd"]))
        assert self.close_to(float(np.sum(np.where(self.qty, self.symbol["margin_usd"], 0.0))), float(s["margin_usd"]))
        assert self.close_to(wallet, self.start + self.realised - self.fees + self.funding + self.insurance)
        assert np.allclose(self.symbol["qty"], self.venue_symbol["qty"], rtol=1e-9, atol=0.0)
        assert np.allclose(self.symbol["qty"], self.qty, rtol=1e-9, atol=0.0)
        held = self.qty != 0.0
        assert np.allclose(self.symbol["avg_price"][held], self.venue_symbol["avg_price"][held], rtol=1e-9)
        assert int(s["n_open"]) == int(held.sum())
        assert list(self.s.state.open_list[: int(s["n_open"])]) == list(np.flatnonzero(held))
        exposure = float(np.sum(np.abs(self.qty) * self.mark))
        assert self.close_to(exposure, float(s["exposure_usd"]))
        self.met["bars with positions"] += int(held.any())


def test_wallet_margin_and_unrealised_are_the_equity_at_every_bar(met: Met, record_property):
    @settings(max_examples=12)
    @given(worlds())
    def check(world: World) -> None:
        case = world.build()
        for config in ACCOUNTS.values():
            s = case.session(config)
            walk(s, Books(s, met))

    check()
    met.need(record_property, "bars with positions", "liquidations", "settlements", "insured", "partial fills")


def test_profit_fees_funding_and_insurance_are_the_change_of_the_wallet(met: Met, record_property):
    @given(worlds(), accounts)
    def check(world: World, account: str) -> None:
        case = world.build()
        r = backtest(case.market, case.tape, load_config(foundation(ACCOUNTS[account])), context=case.context)
        start = r.metrics["start_equity_usd"]
        parts = [r.trades[n].sum() for n in ("pnl_gross_usd", "funding_usd", "insurance_usd")]
        net = r.trades["pnl_usd"]
        expected = r.trades["pnl_gross_usd"] - r.trades["fee_usd"] + r.trades["funding_usd"] + r.trades["insurance_usd"]
        assert np.allclose(net, expected, rtol=0.0, atol=1e-9)
        open_rows = plain(r.state.symbol, r.state.symbol.dtype)[list(r.state.open_list[: len(r.open_positions)])]
        held = sum(
            (float(s["realised_usd"] - s["fee_usd"] + s["funding_usd"] + s["insurance_usd"]) for s in open_rows), 0.0
        )
        wallet = float(np.asarray(r.state.fund["wallet_usd"])[0])
        assert abs(start + float(net.sum()) + held - wallet) <= 1e-9 * max(1.0, start)
        equity = wallet + sum(float(s["qty"] * (s["mark"] - s["avg_price"])) for s in open_rows)
        assert abs(equity - float(r.equity[-1])) <= 1e-9 * max(1.0, start)
        assert abs(start + float(net.sum() + r.open_positions["pnl_usd"].sum()) - equity) <= 1e-9 * max(1.0, start)
        met["trades"] += len(r.trades)
        met["funding"] += int(parts[1] != 0.0)
        met["insurance"] += int(parts[2] > 0.0)
        met["open at the end"] += len(open_rows)

    check()
    met.need(record_property, "trades", "funding", "insurance", "open at the end")


class Protection(Watcher):
    """Every position has a stop and a target of its size at the venue, and the stop only ever protects more."""

    def __init__(self, s: Any, met: Met) -> None:
        super().__init__(s)
        self.met = met
        self.last: dict[int, tuple[float, float]] = {}  # trade -> (stop, quantity entered)

    def on_bar(self, f: int) -> None:
        for i in np.flatnonzero(self.symbol["qty"]):
            s = self.symbol[i]
            self._rests(i, s, "sl_seq", "sl_price", STOP, TAG_SL)
            self._rests(i, s, "tp_seq", "tp_price", TAKE_PROFIT, TAG_TP)
            self._only_tightens(s)

    def _rests(self, i: int, s: Any, seq: str, price: str, kind: int, tag: int) -> None:
        at_venue = self.orders[i][(self.orders[i]["seq"] == s[seq]) & (self.orders[i]["status"] != 0)]
        assert len(at_venue) == 1, f"{s[seq]} rests {len(at_venue)} times"
        o = at_venue[0]
        assert (o["kind"], o["tag"], o["side"], o["reduce_only"]) == (kind, tag, -s["side"], 1)
        assert o["trigger"] == s[price] or o["status"] == TRIGGERED  # what has triggered is worked as a market order
        assert o["qty"] - o["filled"] >= abs(s["qty"]) * (1.0 - 1e-9)
        self.met["orders that rest"] += 1

    def _only_tightens(self, s: Any) -> None:
        before = self.last.get(int(s["trade_id"]))
        if before is not None and before[1] == s["entry_qty"]:
            moved = int(s["side"]) * (float(s["sl_price"]) - before[0])
            assert moved >= 0.0, f"stop of trade {s['trade_id']} moved by {moved}"
            self.met["long stops moved" if s["side"] > 0 else "short stops moved"] += int(moved > 0.0)
        self.met["anchored anew by a further entry fill"] += int(before is not None and before[1] != s["entry_qty"])
        self.last[int(s["trade_id"])] = (float(s["sl_price"]), float(s["entry_qty"]))


def test_protection_rests_and_stops_never_move_against_the_position(met: Met, record_property):
    @given(worlds(), accounts)
    def check(world: World, account: str) -> None:
        s = world.build().session(ACCOUNTS[account])
        walk(s, Protection(s, met))

    check()
    met.need(record_property, "orders that rest", "long stops moved", "short stops moved")


EXTREME_PRICES = (1e-9, 1.0, 1e9)


@st.composite
def extremes(draw: st.DrawFn) -> tuple[World, dict[str, Any]]:
    """Prices of any size that leap, and every rate at the end of its range."""
    world = World(
        draw(seeds),
        n_bars=60,
        volatility=draw(st.sampled_from([0.1, 1.0])),
        gap=draw(st.sampled_from([0.0, 1.0])),
        holes=draw(st.sampled_from([0.0, 0.3])),
        volume=draw(st.sampled_from([0.0, 1e-6, 1e12])),
        funding_rate=draw(st.sampled_from([0.0, 5.0])),
        act=0.6,
    )
    config = {
        "chain": {
            "initial_equity_usd": draw(st.sampled_from([1.0, 1e3, 1e12])),
            "base_margin_usd": draw(st.sampled_from([0.01, 100.0, 1e9])),
            "neutral_leverage": draw(st.sampled_from([1.0, 5.0, 50.0])),
        },
        "risk": {"mode": draw(st.sampled_from(["off", "enforced"]))},
        "governor": {"mode": draw(st.sampled_from(["off", "enforced"]))},
        "tpsl": {"sl_anchor": draw(st.sampled_from([0.0005, 0.5])), "tp_anchor": draw(st.sampled_from([0.0005, 1.0]))},
        "venue": {
            "taker_fee": draw(st.sampled_from([0.0, 0.1])),
            "slippage": draw(st.sampled_from([0.0, 0.1])),
            "participation": draw(st.sampled_from([0.0, 1.0])),
            "margin_mode": draw(st.sampled_from(["isolated", "cross"])),
            "liquidation_fee": draw(st.sampled_from([0.0, 0.5])),
        },
    }
    return world, config


def test_equity_is_finite_whatever_comes(met: Met, record_property):
    @settings(max_examples=100)
    @given(extremes(), st.sampled_from(EXTREME_PRICES), st.booleans())
    def check(drawn: tuple[World, dict[str, Any]], scale: float, lots_too: bool) -> None:
        world, config = drawn
        case = world.build()
        columns = {n: getattr(case.market, n) * scale for n in ("open", "high", "low", "close")}
        columns |= {f"mark_{n}": getattr(case.market, f"mark_{n}") * scale for n in ("open", "high", "low", "close")}
        specs = case.market.specs.copy()
        specs["tick_size"] *= scale
        if lots_too:
            columns["volume"] = case.market.volume / scale
            for name in ("lot_step", "min_qty"):
                specs[name] /= scale
        s = case.with_market(**columns, specs=specs).session(config)
        advance(s)
        curve = plain(s.curve, s.curve.dtype)
        for name in ("equity_usd", "wallet_usd", "margin_usd", "unrealised_usd", "exposure_usd"):
            assert np.isfinite(curve[name]).all(), name
        start = config["chain"]["initial_equity_usd"]
        if config["venue"]["margin_mode"] == "isolated":
            assert (curve["wallet_usd"] >= -1e-9 * start).all(), "an isolated account lost more than it had"
        trades = s.out.trades[: int(s.out.n[N_TRADES])]
        assert np.isfinite(trades["pnl_usd"]).all()
        fund = plain(s.venue.fund, s.venue.fund.dtype)[0]
        met["trades"] += len(trades)
        met["liquidations"] += int(fund["n_liquidations"])
        met["insured"] += int(fund["insurance_usd"] > 0.0)
        met["refused"] += int(fund["n_rejected"])

    check()
    met.need(record_property, "trades", "liquidations", "insured", "refused")
