"""The chain with every module off but fixed stops, once more in plain Python: a market order on a signal, stop and target
at fixed distances from the average fill, the rest of an entry given up when an exit begins."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from qt_core.codes import EV_CANCEL, EV_FILL, EV_FUNDING, EV_LIQUIDATION, EV_REJECT, SETTLED
from tests.engine.asks import Ask, amend, cancel, market, stop, target
from tests.reference.venue_parts import to_step


@dataclass(frozen=True)
class Plan:
    margin: float = 100.0
    leverage: float = 3.0
    sl: float = 0.02
    tp: float = 0.04
    life: int = 1
    tick: float = 0.1
    lot: float = 0.001


@dataclass
class Held:
    """One symbol: its entry order and its position."""

    pending: int = 0
    left: float = 0.0  # of the entry order
    sl: float = 0.0  # stop distance, fraction
    side: float = 0.0
    qty: float = 0.0
    bought: list[tuple[float, float]] = field(default_factory=list)  # (quantity, price) of entries, then of exits
    sold: list[tuple[float, float]] = field(default_factory=list)
    fee: float = 0.0
    funding: float = 0.0
    insurance: float = 0.0
    since: int = -1
    stop: int = 0
    stop_at: float = 0.0  # never moves against the position, not even for a later part of the entry
    target: int = 0


def average(parts: list[tuple[float, float]]) -> float:
    return sum(q * p for q, p in parts) / sum(q for q, _ in parts)


class NaiveChain:
    def __init__(self, plan: Plan, symbols: tuple[str, ...]) -> None:
        self.plan, self.seq = plan, 0
        self.held = {s: Held() for s in symbols}
        self.trades: list[dict[str, Any]] = []

    def _next(self) -> int:
        self.seq += 1
        return self.seq

    def decide(self, t: int, signals: dict[str, int], closes: dict[str, float | None]) -> Iterator[Ask]:
        """Entries at the close of bar ``t``: one per symbol that is flat and has no order working."""
        for s, side in signals.items():
            h, close = self.held[s], closes[s]
            if close is None or h.qty or h.pending:
                continue
            qty = to_step(self.plan.margin * self.plan.leverage / close, self.plan.lot, False)
            self.held[s] = Held(pending=self._next(), left=qty, sl=max(self.plan.sl, self.plan.tick / close))
            yield market(t, self.seq, side * qty, leverage=self.plan.leverage, life=self.plan.life, symbol=s)

    def hear(self, e: dict[str, Any]) -> list[Ask]:
        s, h = e["symbol"], self.held[e["symbol"]]
        if e["kind"] in (EV_CANCEL, EV_REJECT) and e["seq"] == h.pending:
            h.pending = 0
        if e["kind"] == EV_FUNDING:
            h.funding += e["funding"]
        if e["kind"] not in (EV_FILL, EV_LIQUIDATION):
            return []
        h.fee += e["fee"]
        h.insurance += e["insurance"]
        if e["seq"] == h.pending and e["seq"]:
            return self._entered(s, h, e)
        return self._left(s, h, e)

    def _entered(self, s: str, h: Held, e: dict[str, Any]) -> list[Ask]:
        if not h.bought:
            h.since, h.side = e["bar"], 1.0 if e["qty"] > 0 else -1.0
        h.bought.append((abs(e["qty"]), e["price"]))
        h.qty = sum(q for q, _ in h.bought)
        h.left -= abs(e["qty"])
        if h.left <= 1e-9:
            h.pending = 0
        price, up = average(h.bought), h.side > 0
        at = to_step(price * (1 - h.side * h.sl), self.plan.tick, up)
        if (at - price) * h.side >= 0.0:
            at = to_step(price * (1 - h.side * h.sl), self.plan.tick, not up)
        aim = to_step(price * (1 + h.side * self.plan.tp), self.plan.tick, not up)
        if (aim - price) * h.side <= 0.0:
            aim = to_step(price * (1 + h.side * self.plan.tp), self.plan.tick, up)
        size = -h.side * h.qty
        at = h.side * max(h.side * at, h.side * h.stop_at) if h.stop else at
        h.stop_at = at
        if h.stop:
            return [amend(0, h.stop, size, at, symbol=s), amend(0, h.target, size, aim, symbol=s)]
        h.stop, h.target = self._next(), self._next()
        return [stop(0, h.stop, size, at, symbol=s), target(0, h.target, size, aim, symbol=s)]

    def _left(self, s: str, h: Held, e: dict[str, Any]) -> list[Ask]:
        first = not h.sold
        h.sold.append((abs(e["qty"]), e["price"]))
        h.qty = sum(q for q, _ in h.bought) - sum(q for q, _ in h.sold)
        asks = [cancel(0, h.pending, symbol=s)] if h.pending and first else []
        if h.qty > 1e-9:
            return asks
        why = {h.stop: "stop", h.target: "target"}.get(e["seq"], "order")
        why = "liquidation" if e["kind"] == EV_LIQUIDATION else "settled" if e["reason"] == SETTLED else why
        gross = h.side * sum(q for q, _ in h.bought) * (average(h.sold) - average(h.bought))
        self.trades.append(
            {
                "symbol": s,
                "in": h.since,
                "out": e["bar"],
                "qty": h.side * sum(q for q, _ in h.bought),
                "entry": average(h.bought),
                "exit": average(h.sold),
                "why": why,
                "fee": h.fee,
                "funding": h.funding,
                "gross": gross,
                "pnl": gross - h.fee + h.funding + h.insurance,
                "fills": len(h.bought) + len(h.sold),
            }
        )
        asks += [cancel(0, k, symbol=s) for k in (h.stop, h.target) if k != e["seq"]]
        self.held[s] = Held(pending=h.pending)
        return asks
