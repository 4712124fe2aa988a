"""Watchers of the whole chain's safety: what may open, how large, where the stop stands, how long a position lives.

Each counts what it met; a promise that was never put to the test has shown nothing.
"""

from typing import Any

import numpy as np

from qt_core.codes import (
    ENFORCED,
    ESS_NONE,
    EV_CANCEL,
    EV_FILL,
    EV_REJECT,
    NOT_APPROVED,
    OK,
    OP_NEW,
    OVERRIDE,
    REASON_NAMES,
    STOP,
    TAG_ENTRY,
    TAG_NAMES,
    TAG_SCALE_IN,
    TRIGGERED,
    VOL_HIGH,
)
from qt_core.engine.session import Session
from qt_core.features.correlation import pair_correlation
from qt_core.records import DECISION_DT
from qt_core.state import N_DECISIONS
from tests.properties.binding import Met
from tests.properties.walk import Watcher, plain

EDGE = 1e-9  # relative: rounding, not room
OPENING = (TAG_ENTRY, TAG_SCALE_IN)
_correlation = getattr(pair_correlation, "py_func", pair_correlation)


class Guard(Watcher):
    """A watcher that counts, and knows which fills open or enlarge."""

    def __init__(self, s: Session, met: Met) -> None:
        super().__init__(s)
        self.met, self.p, self.seen = met, s.params, 0

    def enlarges(self, event: Any) -> bool:
        """True for a fill that makes the position larger; the chain has not seen it yet."""
        held = float(self.symbol["qty"][int(event["symbol"])])
        return bool(event["kind"] == EV_FILL and int(event["side"]) * held >= 0.0)

    def new_decisions(self) -> np.ndarray:
        rows = plain(self.s.out.decisions, DECISION_DT)[self.seen : int(self.s.out.n[N_DECISIONS])]
        self.seen += len(rows)
        return rows

    def round_trip(self) -> float:
        return float(2.0 * self.p.venue.taker_fee + self.p.venue.slippage)


class AfterLatch(Guard):
    """Nothing opens while the emergency stop is latched; what works is cancelled, and closed where configured."""

    def on_requests(self, requests: np.ndarray, f: int) -> None:
        if int(self.fund["ess_latched"]) == ESS_NONE:
            return
        for r in requests[requests["op"] == OP_NEW]:
            assert r["reduce_only"] == 1, f"bar {f}: asked to open while latched"
            self.met["closing orders while latched"] += 1

    def on_event(self, event: Any, f: int) -> None:
        if int(self.fund["ess_latched"]) != ESS_NONE:
            assert not self.enlarges(event), f"bar {f}: a fill opened while latched"

    def on_bar(self, f: int) -> None:
        latched = int(self.fund["ess_latched"])
        rows = self.new_decisions()
        if latched != ESS_NONE:
            assert (rows["seq"] == 0).all()
            self.met["candidates refused while latched"] += len(rows)
            self.met["bars latched"] += 1
        else:
            self.met["opened after a reset"] += int(bool(self.fund["ess_trips"]) and (rows["seq"] > 0).any())


class Unstamped(Guard):
    """Some opening orders lose the governor's stamp on the way: the venue refuses each, and nothing opens from it."""

    def __init__(self, s: Session, met: Met, seed: int) -> None:
        super().__init__(s, met)
        self.g = np.random.Generator(np.random.PCG64(seed))
        self.forged: set[int] = set()

    def on_requests(self, requests: np.ndarray, f: int) -> None:
        for r in requests[(requests["op"] == OP_NEW)]:
            opens = int(r["tag"]) in OPENING
            assert int(r["reduce_only"]) == int(not opens)
            assert int(r["approved"]) == int(opens)
        for k in np.flatnonzero((requests["op"] == OP_NEW) & (requests["reduce_only"] == 0)):
            if self.g.random() < 0.3:
                requests["approved"][k] = 0
                self.forged.add(int(requests["seq"][k]))
                self.met[f"stamps taken from {TAG_NAMES[requests['tag'][k]]}"] += 1

    def on_event(self, event: Any, f: int) -> None:
        if int(event["seq"]) in self.forged:
            assert event["kind"] in (EV_REJECT, EV_CANCEL)  # cancelled: a latch came before the refusal was told
            assert event["kind"] == EV_CANCEL or event["reason"] == NOT_APPROVED
            self.met["refused without a stamp"] += int(event["kind"] == EV_REJECT)
        elif self.enlarges(event):
            self.met["opened with a stamp"] += 1


class Bounds(Guard):
    """Every limit of modules 8, 17, 24 and of the policies holds after the decisions of a bar, reservations included."""

    def on_requests(self, requests: np.ndarray, f: int) -> None:
        for r in requests[(requests["op"] == OP_NEW) & (requests["tag"] == TAG_SCALE_IN)]:
            self.scale_in(r)

    def on_bar(self, f: int) -> None:
        rows = self.new_decisions()
        for reason in np.unique(rows["reason"]):
            self.met[REASON_NAMES[reason]] += int((rows["reason"] == reason).sum())
        taken = rows[(rows["reason"] == OK) | (rows["reason"] == OVERRIDE)]
        if len(taken):
            self.account(len(taken))
        for row in taken:
            self.order(row)
            self.book(row, int(self.s.bars.decision[f]))

    def account(self, n: int) -> None:
        fund, risk = self.fund, self.p.risk
        used = float(fund["margin_usd"] + fund["reserved_margin_usd"])
        assert used <= risk.max_margin_use * float(fund["equity_usd"]) * (1.0 + EDGE)
        slots = int(fund["n_open"] + fund["n_slots"])
        assert slots <= min(risk.max_positions, int(fund["limit_positions"]))
        assert int(fund["ess_latched"]) == ESS_NONE
        assert int(fund["hfos_allow"]) == 1
        assert int(fund["paused"]) == int(fund["halted"]) == 0
        assert float(fund["day_drawdown"]) <= risk.max_day_drawdown
        assert np.isclose(float(fund["reserved_margin_usd"]), float(self.symbol["pending_margin_usd"].sum()))
        self.met["two or more in one bar"] += int(n > 1)
        self.met["margin use above half its limit"] += int(used > 0.5 * risk.max_margin_use * float(fund["equity_usd"]))

    def order(self, row: np.void) -> None:
        """Size, leverage and loss of one accepted order at the decision's price."""
        risk, governor, equity = self.p.risk, self.p.governor, float(row["equity_usd"])
        notional = float(row["qty"] * row["price"])
        loss = notional * (float(row["sl_fraction"]) + self.round_trip())
        cap = min(governor.max_loss_at_stop, risk.max_risk_per_trade, float(self.fund["limit_risk"]))
        assert loss < cap * equity
        assert loss < governor.max_loss_at_stop * equity
        assert risk.min_margin_usd * (1.0 - EDGE) <= float(row["margin_usd"]) <= risk.max_margin_usd * (1.0 + EDGE)
        assert np.isclose(notional / float(row["leverage"]), float(row["margin_usd"]))
        self.leverage(float(row["leverage"]), int(row["vol_class"]))
        lot_loss = float(self.symbol["lot_step"][int(row["symbol"])]) * loss / max(float(row["qty"]), 1e-300)
        self.met["accepted"] += 1
        self.met["loss within a lot of its limit"] += int(loss + 1.01 * lot_loss >= cap * equity)
        self.met["accepted below full scale"] += int(row["size_scale"] < 1.0)

    def leverage(self, leverage: float, vol_class: int) -> None:
        risk, defensive = self.p.risk, int(self.fund["limit_defensive"]) != 0
        cap = min(risk.max_leverage, risk.leverage_cap_high if vol_class == VOL_HIGH else risk.leverage_cap_calm)
        cap = min(cap, risk.leverage_cap_defensive) if defensive else cap
        assert 1.0 <= leverage <= cap
        self.met["leverage at its cap"] += int(leverage == cap)

    def book(self, row: np.void, t: int) -> None:
        """Sector, gross leverage and correlation with every earlier order of the bar in the book."""
        balancer, equity = self.p.balancer, float(row["equity_usd"])
        i = int(row["symbol"])
        same = self.symbol["sector"] == self.symbol["sector"][i]
        held = np.where(self.symbol["qty"] != 0.0, self.symbol["margin_usd"], 0.0) + self.symbol["pending_margin_usd"]
        limit = balancer.max_sector_share * balancer.usable_margin * equity
        assert held[same].sum() <= limit * (1.0 + EDGE)
        pending = self.symbol["pending_margin_usd"] * self.symbol["pending_leverage"]
        gross = float((np.abs(self.symbol["qty"]) * self.symbol["mark"] + pending).sum())
        assert gross <= balancer.max_gross_leverage * equity * (1.0 + EDGE)
        near = self.correlated(i, int(row["side"]), t, int(row["rank"]))
        assert near < balancer.max_correlated
        self.met["two correlated already"] += int(near == balancer.max_correlated - 1)
        self.met["shrunk to the book"] += int(row["portfolio_scale"] < 1.0)

    def correlated(self, i: int, side: int, t: int, rank: int) -> int:
        """Same-side positions, open or reserved by an earlier candidate, that are correlated with symbol ``i``."""
        n = 0
        rows = plain(self.s.out.decisions, DECISION_DT)[: self.seen]
        later = {int(r["symbol"]) for r in rows if r["time_ms"] == rows[-1]["time_ms"] and r["rank"] >= rank}
        for j, s in enumerate(self.symbol):
            theirs = int(s["side"]) if s["qty"] != 0.0 else int(s["pending_side"]) if s["pending_seq"] else 0
            if j != i and j not in later and theirs == side:
                c = _correlation(self.s.rows.correlation, int(self.s.rows.correlation_row[t]), i, j)
                n += int(not c <= self.p.balancer.correlation_limit)
        return n

    def scale_in(self, r: np.void) -> None:
        """Limits of the whole position after an order that enlarges it, at the order's worst price."""
        s, risk, governor = self.symbol[int(r["symbol"])], self.p.risk, self.p.governor
        price, equity = float(r["price"]), float(self.fund["equity_usd"])
        total = (abs(float(s["qty"])) + float(r["qty"])) * price
        stop = int(s["side"]) * (price - float(s["sl_price"])) / price
        assert total * (max(stop, 0.0) + self.round_trip()) < governor.max_loss_at_stop * equity
        assert total / float(r["leverage"]) <= risk.max_margin_usd * (1.0 + EDGE)
        used = float(self.fund["margin_usd"] + self.fund["reserved_margin_usd"])
        assert used <= risk.max_margin_use * equity * (1.0 + EDGE)
        assert int(r["side"]) == int(s["side"])
        assert float(s["r_multiple"]) >= self.p.amplify.scale_in_r
        assert int(s["n_scaled"]) <= self.p.amplify.max_scale_ins
        assert float(r["qty"]) <= self.p.amplify.scale_fraction * float(s["first_qty"]) * (1.0 + EDGE)
        self.met["scale-ins sent"] += 1


class Positions(Guard):
    """Stops rest and only protect more; a scale-in leaves the first risk; nothing outlives a day and a bar."""

    def __init__(self, s: Session, met: Met) -> None:
        super().__init__(s, met)
        self.stop: dict[int, float] = {}  # trade -> stop
        self.scaled: set[int] = set()

    def on_answer(self, event: Any, f: int) -> None:
        s = self.symbol[int(event["symbol"])]
        if event["kind"] == EV_FILL and s["qty"] != 0.0:
            self.tightened(s)
            if event["tag"] == TAG_SCALE_IN and int(event["side"]) == int(s["side"]):
                self.risk_after(s)

    def risk_after(self, s: np.void) -> None:
        """Sum of losses at the stop in force against the first risk, at the prices really paid."""
        at_stop = float(s["qty"]) * (float(s["avg_price"]) - float(s["sl_price"]))
        assert at_stop <= float(s["initial_risk_usd"]) * (1.0 + EDGE)
        self.scaled.add(int(s["trade_id"]))
        self.met["scale-ins filled"] += 1
        self.met["scale-ins with a loss at the stop"] += int(at_stop > 0.0)

    def tightened(self, s: np.void) -> None:
        before, now = self.stop.get(int(s["trade_id"])), float(s["sl_price"])
        if before is not None:
            moved = int(s["side"]) * (now - before)
            assert moved >= 0.0, f"stop of trade {s['trade_id']} moved by {moved}"
            self.met["long stops moved" if s["side"] > 0 else "short stops moved"] += int(moved > 0.0)
        self.stop[int(s["trade_id"])] = now

    def on_bar(self, f: int) -> None:
        for i in np.flatnonzero(self.symbol["qty"]):
            s = self.symbol[i]
            self.tightened(s)
            self.rests(int(i), s)
            self.young(int(i), s, f)

    def rests(self, i: int, s: np.void) -> None:
        """A stop over the whole position, at its price, or a market order that closes it."""
        at_venue = self.orders[i][(self.orders[i]["seq"] == s["sl_seq"]) & (self.orders[i]["status"] != 0)]
        assert len(at_venue) == 1
        o = at_venue[0]
        assert (o["kind"], o["side"], o["reduce_only"]) == (STOP, -s["side"], 1)
        assert o["trigger"] == s["sl_price"] or o["status"] == TRIGGERED
        assert o["qty"] - o["filled"] >= abs(s["qty"]) * (1.0 - EDGE)
        self.met["stops that rest"] += 1

    def young(self, i: int, s: np.void, f: int) -> None:
        """A day after the first fill the way out is asked for; with bars and volume it is gone a bar later."""
        age = int(self.fund["now_ms"]) - int(s["entry_ms"])
        limit = int(self.p.monitor.max_hold_ms)
        if self.p.monitor.mode == ENFORCED and age >= limit and self.s.bars.valid[f, i]:
            assert s["exit_seq"] != 0 or s["sl_seq"] == 0, f"symbol {i} is {age / 3.6e6:.0f} h old and stays"
            self.met["a day old"] += 1


def age_at_exit(trades: np.ndarray) -> np.ndarray:
    """Hours from the first fill to the last."""
    return (trades["exit_ms"] - trades["entry_ms"]) / 3_600_000.0
