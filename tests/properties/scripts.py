"""Orders of every kind at random, for the venue alone."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

from qt_core import records as rec
from qt_core.codes import (
    IOC,
    LIMIT,
    MARKET,
    OP_AMEND,
    OP_CANCEL,
    POST_ONLY,
    STOP,
    TAKE_PROFIT,
    TRAILING,
)
from qt_core.engine.session import Session
from tests.properties.walk import Order, plain

KINDS = (MARKET, LIMIT, IOC, POST_ONLY, STOP, TAKE_PROFIT, TRAILING)

# Venues under which a script runs; None of the chain's limits applies to it.
VENUES: dict[str, dict[str, Any]] = {
    "plain": {},
    "cross, marks": {"margin_mode": "cross", "working_type": "mark", "cross_all_adverse": "on"},
    "optimistic, no cap": {"intrabar": "optimistic", "participation": 0.0, "through_ticks": 0.0},
    "next bar": {"stops_in_entry_bar": "off", "slippage": 0.002},
}
venues = st.sampled_from(sorted(VENUES))


class Script:
    """Draws orders at each close from the prices of that close and the orders that rest."""

    def __init__(
        self, s: Session, seed: int, unapproved: float = 0.1, reduce_only: float = 0.5, away: float = 0.02
    ) -> None:
        self.s, self.g = s, np.random.Generator(np.random.PCG64(seed))
        self.unapproved, self.reduce_only, self.away = unapproved, reduce_only, away
        self.orders = plain(s.venue.orders, rec.ORDER_DT)

    def __call__(self, f: int) -> list[Order]:
        made = []
        for i in range(self.orders.shape[0]):
            if self.s.bars.valid[f, i] and self.g.random() < 0.5:
                made.append(self._change(i) if self.g.random() < 0.15 else self._new(f, i))
        return [o for o in made if o is not None]

    def _new(self, f: int, i: int) -> Order:
        g, spec = self.g, self.s.bars.specs[i]
        close, tick, lot = float(self.s.bars.column("close")[f, i]), float(spec["tick_size"]), float(spec["lot_step"])
        side = 1 if g.random() < 0.5 else -1
        away = close * float(g.normal(0.0, self.away))
        level = max(tick, round((close + away) / tick) * tick)
        return Order(
            symbol=i,
            kind=int(g.choice(KINDS)),
            side=side,
            qty=max(1, round(float(g.uniform(30.0, 600.0)) / close / lot)) * lot,
            price=level,
            trigger=level,
            callback=float(g.choice([0.005, 0.02])),
            activation=float(g.choice([0.0, level])),
            reduce_only=int(g.random() < self.reduce_only),
            approved=int(g.random() >= self.unapproved),
            leverage=float(g.choice([1.0, 5.0, 20.0, 60.0])),
            expire_bars=int(g.choice([1, 3, 1000])),
        )

    def _change(self, i: int) -> Order | None:
        """Cancel, or move, one of the orders that rest."""
        resting = self.orders[i][self.orders[i]["status"] != 0]
        if not len(resting):
            return None
        o = resting[int(self.g.integers(len(resting)))]
        cancel = self.g.random() < 0.5
        tick = float(self.s.bars.specs[i]["tick_size"])
        return Order(
            symbol=i,
            kind=int(o["kind"]),
            side=int(o["side"]),
            seq=int(o["seq"]),
            op=OP_CANCEL if cancel else OP_AMEND,
            qty=max(0.0, float(o["qty"] - o["filled"])),
            price=float(o["price"]) + tick,
            trigger=float(o["trigger"]) + tick if np.isfinite(o["trigger"]) else float(o["trigger"]),
            reduce_only=int(o["reduce_only"]),
            approved=int(o["approved"]),
        )
