"""Limits bind at every decision, and tightening one never lets more through."""

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from qt_core.codes import (
    DAY_DRAWDOWN,
    LOSS_AT_STOP,
    MARGIN_USE,
    MAX_POSITIONS,
    OK,
    PAUSED,
    SIZE_BELOW_MIN,
    VOL_HIGH,
    VOL_NORMAL,
)
from qt_core.records import DECISION_DT
from qt_core.risk import risk_os, safety_governor
from qt_core.state import N_DECISIONS
from tests.properties.binding import Met
from tests.properties.walk import Watcher, plain, walk
from tests.properties.worlds import World, worlds

COST = 2.0 * 0.0005 + 0.0002  # round trip at the default fees and slippage

# Accounts in which one limit after the other is the one that binds.
PRESSED: dict[str, dict[str, Any]] = {
    "margin use": {"chain": {"initial_equity_usd": 500.0}, "tpsl": {"sl_anchor": 0.002}},
    "positions": {"chain": {"initial_equity_usd": 20_000.0}, "risk": {"max_positions": 2}},
    "loss at stop": {"chain": {"initial_equity_usd": 700.0}, "tpsl": {"sl_anchor": 0.02}},
    "day": {"chain": {"initial_equity_usd": 400.0}, "risk": {"max_day_drawdown": 0.01}},
}


class Limits(Watcher):
    """Checks the account right after the decisions of a bar, and every accepted row against its own numbers."""

    def __init__(self, s: Any, met: Met) -> None:
        super().__init__(s)
        self.met, self.seen = met, 0
        self.p = s.params

    def on_bar(self, f: int) -> None:
        rows = plain(self.s.out.decisions, DECISION_DT)[self.seen : int(self.s.out.n[N_DECISIONS])]
        self.seen += len(rows)
        accepted = rows[rows["reason"] == OK]
        for reason, name in (
            (MARGIN_USE, "margin use vetoes"),
            (MAX_POSITIONS, "position vetoes"),
            (PAUSED, "paused vetoes"),
            (SIZE_BELOW_MIN, "size vetoes"),
        ):
            self.met[name] += int((rows["reason"] == reason).sum())
        assert not (rows["reason"] == LOSS_AT_STOP).any(), "sized beyond what the governor lets through"
        if not len(accepted):
            return
        fund, risk = self.fund, self.p.risk
        used = float(fund["margin_usd"] + fund["reserved_margin_usd"])
        assert used <= risk.max_margin_use * float(fund["equity_usd"]) * (1.0 + 1e-12)
        assert int(fund["n_open"] + fund["n_slots"]) <= risk.max_positions
        assert int(fund["n_pending"]) == int((self.symbol["pending_seq"] != 0).sum())
        assert np.isclose(float(fund["reserved_margin_usd"]), float(self.symbol["pending_margin_usd"].sum()))
        assert float(fund["day_drawdown"]) <= risk.max_day_drawdown
        for row in accepted:
            self.judge(row)

    def judge(self, row: np.void) -> None:
        risk, equity = self.p.risk, float(row["equity_usd"])
        loss = float(row["qty"] * row["price"]) * (float(row["sl_fraction"]) + COST)
        assert loss < self.p.governor.max_loss_at_stop * equity
        assert np.isclose(loss, float(row["loss_at_stop_usd"]), rtol=1e-12)
        assert risk.min_margin_usd <= float(row["margin_usd"]) * (1.0 + 1e-9)
        assert float(row["margin_usd"]) <= risk.max_margin_usd * (1.0 + 1e-9)
        cap = risk.leverage_cap_high if row["vol_class"] == VOL_HIGH else risk.leverage_cap_calm
        assert 1.0 <= float(row["leverage"]) <= min(cap, risk.max_leverage)
        s = self.symbol[int(row["symbol"])]
        assert float(row["qty"] / s["lot_step"]) == np.floor(float(row["qty"] / s["lot_step"]))
        assert float(row["notional_usd"]) >= float(s["min_notional"])
        self.met["accepted"] += 1
        lot_loss = float(s["lot_step"] * row["price"]) * (float(row["sl_fraction"]) + COST)
        limit = min(self.p.governor.max_loss_at_stop, risk.max_risk_per_trade) * equity
        self.met["loss within one lot of its limit"] += int(loss + 1.001 * lot_loss >= limit)
        self.met["two or more in one bar"] += int(row["rank"] > 0)


def test_margin_use_positions_and_loss_stay_within_limits_at_every_decision(met: Met, record_property):
    @settings(max_examples=15)
    @given(worlds(act=0.6, n_symbols=5))
    def check(world: World) -> None:
        case = world.build()
        for config in PRESSED.values():
            s = case.session(config)
            walk(s, Limits(s, met))

    check()
    names = ("accepted", "loss within one lot of its limit", "two or more in one bar")
    met.need(record_property, *names, "margin use vetoes", "position vetoes", "paused vetoes", "size vetoes")


# --- tightening -----------------------------------------------------------------------------------------------------

accounts = st.builds(
    risk_os.Account,
    equity_usd=st.floats(50.0, 50_000.0),
    free_usd=st.floats(0.0, 50_000.0),
    margin_usd=st.floats(0.0, 40_000.0),
    n_positions=st.integers(0, 60),
    day_drawdown=st.floats(0.0, 0.1),
    losing_streak=st.integers(0, 10),
    paused=st.sampled_from([0, 0, 0, 1]),
    halted=st.sampled_from([0, 0, 0, 1]),
)
asks = st.builds(
    risk_os.Ask,
    price=st.floats(0.01, 1e5),
    stop_fraction=st.floats(0.0005, 0.2),
    margin_usd=st.floats(5.0, 1e4),
    leverage=st.floats(1.0, 20.0),
    size_scale=st.sampled_from([1.0, 0.75, 0.5]),
    risk_cap=st.floats(0.001, 0.05),
    round_trip_cost=st.floats(0.0, 0.01),
    bracket_leverage=st.floats(1.0, 50.0),
    vol_class=st.integers(0, 2),
    defensive=st.integers(0, 1),
)
LOOSE = risk_os.Params(
    max_margin_usd=5_000.0,
    max_margin_fraction=1.0,
    max_risk_per_trade=0.1,
    max_leverage=20.0,
    leverage_cap_calm=20.0,
    leverage_cap_high=15.0,
    leverage_cap_defensive=10.0,
    max_day_drawdown=0.08,
    streak_scale=0.5,
    streak_limit=5,
)
ROOMY = risk_os.Account(10_000.0, 10_000.0, 0.0, 0, 0.0, 0, 0, 0)
PLAIN = risk_os.Ask(100.0, 0.01, 100.0, 20.0, 1.0, 0.05, 0.001, 50.0, VOL_NORMAL, 0)
# Parameter -> values, each tighter than the one before it.
TIGHTER: dict[str, tuple[float, ...]] = {
    "max_margin_usd": (5_000.0, 300.0, 60.0),
    "max_margin_fraction": (1.0, 0.1, 0.01),
    "max_risk_per_trade": (0.1, 0.01, 0.001),
    "max_margin_use": (0.8, 0.4, 0.05),
    "max_positions": (50, 20, 2),
    "max_day_drawdown": (0.08, 0.03, 0.0),
    "streak_scale": (1.0, 0.5, 0.1),
    "streak_limit": (9, 5, 0),
}
LEVERAGE_CAPS = {
    "max_leverage": (20.0, 5.0, 1.0),
    "leverage_cap_calm": (20.0, 5.0, 1.0),
    "leverage_cap_high": (15.0, 3.0, 1.0),
    "leverage_cap_defensive": (10.0, 2.0, 1.0),
}


def allowed(p: risk_os.Params, a: risk_os.Account, q: risk_os.Ask, lot: float) -> risk_os.Size:
    """What the risk OS lets through: gate, then size."""
    if risk_os.gate(p, a) != OK:
        return risk_os.Size(0.0, 0.0, 0.0, risk_os.gate(p, a))
    return risk_os.size(p, a, q, lot, 1e9, 5.0)


def exposure(z: risk_os.Size, q: risk_os.Ask) -> float:
    return z.qty * q.price if z.reason == OK else 0.0


@pytest.mark.interpreted
@pytest.mark.parametrize("name", TIGHTER)
def test_a_tighter_limit_never_lets_more_through(met: Met, record_property, name: str):
    @settings(max_examples=150)
    @given(accounts, asks, st.sampled_from([0.0, 0.001, 1.0]))
    def check(a: risk_os.Account, q: risk_os.Ask, lot: float) -> None:
        before = None
        for value in TIGHTER[name]:
            z = allowed(LOOSE._replace(**{name: value}), a, q, lot)
            now = exposure(z, q)
            if before is not None:
                assert now <= before * (1.0 + 1e-12), f"{name} = {value} lets {now} through after {before}"
                met["bound"] += int(now < before)
                met["vetoed"] += int(now == 0.0 < before)
            before = now
            met["accepted"] += int(now > 0.0)

    check()
    met.need(record_property, "accepted", "bound")


@pytest.mark.interpreted
@pytest.mark.parametrize("name", LEVERAGE_CAPS)
def test_a_tighter_leverage_cap_never_enlarges_what_was_let_through(met: Met, record_property, name: str):
    """Less leverage means more margin for the same notional, so a size that was below the minimum *margin* may pass with
    less leverage: then it stays within what the caps on risk allow at any leverage."""

    @settings(max_examples=300)
    @given(accounts, asks)
    @example(ROOMY, PLAIN)  # each cap binds at least once, whatever is drawn
    @example(ROOMY, PLAIN._replace(vol_class=VOL_HIGH))
    @example(ROOMY, PLAIN._replace(defensive=1))
    def check(a: risk_os.Account, q: risk_os.Ask) -> None:
        before = None
        for value in LEVERAGE_CAPS[name]:
            z = allowed(LOOSE._replace(**{name: value}), a, q, 0.0)
            now = exposure(z, q)
            if before is not None and before > 0.0:
                assert now <= before * (1.0 + 1e-12)
                met["bound"] += int(now < before)
            met["passed only with less leverage"] += int(before == 0.0 and now > 0.0)
            loss = now * (q.stop_fraction + q.round_trip_cost)
            assert loss < min(LOOSE.max_risk_per_trade, q.risk_cap) * a.equity_usd or now == 0.0
            before = now

    check()
    met.need(record_property, "bound")


@pytest.mark.interpreted
def test_a_tighter_governor_never_lets_more_through(met: Met, record_property):
    loose = safety_governor.Params(max_margin_usd=1e4, min_margin_usd=0.0, max_leverage=50.0, max_loss_at_stop=0.5)
    orders = st.builds(
        safety_governor.Order,
        side=st.sampled_from([-1, 1]),
        qty=st.floats(0.001, 100.0),
        price=st.floats(0.1, 1e3),
        leverage=st.floats(1.0, 20.0),
        stop_fraction=st.floats(0.001, 0.2),
        tp_fraction=st.just(0.03),
        margin_after_usd=st.floats(1.0, 1e4),
        notional_after_usd=st.floats(1.0, 1e4),
        scale_in=st.integers(0, 1),
        held=st.integers(0, 1),
        override=st.just(0),
    )

    @settings(max_examples=300)
    @given(orders, st.floats(10.0, 1e5), st.floats(0.0, 0.1), st.integers(0, 2), st.data())
    def check(o: safety_governor.Order, equity: float, drawdown: float, health: int, data: st.DataObject) -> None:
        name, value = data.draw(
            st.sampled_from(
                [
                    ("max_margin_usd", 100.0),
                    ("max_leverage", 3.0),
                    ("max_loss_at_stop", 0.01),
                    ("max_day_drawdown", 0.0),
                ]
            )
        )
        before = safety_governor.review(loose, o, equity, drawdown, health, 0.001)
        after = safety_governor.review(loose._replace(**{name: value}), o, equity, drawdown, health, 0.001)
        assert before.reason == OK or after.reason != OK, f"{name} = {value} lets through what was vetoed"
        assert before.loss_at_stop_usd == after.loss_at_stop_usd
        met["bound"] += int(before.reason == OK and after.reason != OK)
        met["both pass"] += int(after.reason == OK)
        met["day"] += int(after.reason == DAY_DRAWDOWN)

    check()
    met.need(record_property, "bound", "both pass")
