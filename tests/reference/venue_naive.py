"""The venue once more, slowly: plain Python written from SPEC section 8 and docs/venue.md, not from the kernels.

Isolated margin; market, limit, stop and target orders; amend and cancel; funding, holes, participation. Where it can it
takes another route: rounding in decimals, maintenance margin bracket by bracket, liquidation price by bisection, average
entry from the cost of what is held.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from qt_core.codes import (
    BELOW_MIN_NOTIONAL,
    BRACKET_LEVERAGE,
    CANCELLED,
    EV_CANCEL,
    EV_FILL,
    EV_FUNDING,
    EV_LIQUIDATION,
    EV_REJECT,
    EXPIRED,
    FLAT,
    INSUFFICIENT_MARGIN,
    LIMIT,
    LIQUIDATED,
    MARKET,
    OP_AMEND,
    OP_CANCEL,
    SETTLED,
    STOP,
    TAKE_PROFIT,
)
from tests.engine.asks import Ask
from tests.reference.venue_parts import Bar, Order, Position, Rules, beyond, rises, to_step


@dataclass
class NaiveVenue:
    rules: Rules
    symbols: tuple[str, ...]
    free: float = 10_000.0
    positions: dict[str, Position] = field(default_factory=dict)
    orders: dict[str, list[Order]] = field(default_factory=dict)
    ambiguous: set[tuple[int, str]] = field(default_factory=set)
    t: int = -1

    def __post_init__(self) -> None:
        self.positions = {s: Position() for s in self.symbols}
        self.orders = {s: [] for s in self.symbols}

    # --- one bar ---------------------------------------------------------------------------------------------------
    def play(
        self,
        t: int,
        bars: dict[str, Bar | None],
        funding: list[tuple[str, float]],
        answer: Callable[[dict[str, Any]], list[Ask]],
    ) -> list[dict[str, Any]]:
        """All events of bar ``t``; ``answer`` is asked after each, and its requests act at once."""
        self.t, seen = t, []
        for p in self.positions.values():
            p.used = 0.0
        for phase in (self._gapped, self._ended, self._at_open, self._inside):
            if phase == self._gapped:
                for s, rate in funding:
                    seen += [self._tell(e, answer, False) for e in self._funding(s, bars[s], rate)]
            for s in self.symbols:
                while (e := next(phase(s, bars[s]), None)) is not None:
                    seen.append(self._tell(e, answer, phase == self._inside))
        for s, bar in bars.items():
            if bar is not None:
                self.positions[s].last_bar, self.positions[s].last_mark = t, bar.mark_close
        return seen

    def _tell(self, e: dict[str, Any], answer: Callable[[dict[str, Any]], list[Ask]], inside: bool) -> dict[str, Any]:
        for ask in answer(e):
            self.request(ask, inside_bar=True, no_open=inside)
        return e

    def request(self, ask: Ask, *, last: float = 0.0, inside_bar: bool = False, no_open: bool = False) -> None:
        """Take a request at the close of a bar (``last`` = its close) or inside one."""
        mine = [o for o in self.orders[ask.symbol] if o.ask.seq == ask.seq and o.state != "cancelled"]
        if ask.op == OP_CANCEL:
            for o in mine:
                if inside_bar and o.ask.reduce:
                    self.orders[ask.symbol].remove(o)
                elif inside_bar:
                    o.state = "cancelled"  # told in the next bar's cancel step
                else:
                    o.dies = -1.0
        elif ask.op == OP_AMEND:
            for o in mine:
                o.left = abs(ask.qty)
                if o.state != "triggered":
                    o.price = ask.at
        else:
            start = self.t if inside_bar else self.t + 1
            at = ask.at if ask.kind != MARKET else last
            small = not ask.reduce and abs(ask.qty) * at < self.rules.min_notional
            order = Order(ask, ask.at, abs(ask.qty), start + ask.life if ask.life else float("inf"))
            order.state = "refused" if small else "resting" if no_open else "new"
            taken = {o.slot for o in self.orders[ask.symbol]}
            order.slot = min(k for k in range(100) if k not in taken)
            self.orders[ask.symbol].append(order)
            self.orders[ask.symbol].sort(key=lambda o: o.slot)

    # --- phases: each yields the next event only ---------------------------------------------------------------------
    def _funding(self, s: str, bar: Bar | None, rate: float) -> Iterator[dict[str, Any]]:
        p = self.positions[s]
        if p.qty != 0.0:
            mark = bar.mark_open if bar else p.last_mark
            due = -p.qty * mark * rate
            got = max(due, -(self.free + p.margin))
            self.free += got
            if self.free < 0.0:
                p.margin, self.free = p.margin + self.free, 0.0
            yield {"kind": EV_FUNDING, "bar": self.t, "symbol": s, "funding": got}

    def _gapped(self, s: str, bar: Bar | None) -> Iterator[dict[str, Any]]:
        p = self.positions[s]
        if bar is None:
            if p.qty != 0.0 and self.t - p.last_bar > self.rules.halt_max_bars:
                yield self._close_all(s, p.last_mark, 0.0, EV_FILL, SETTLED)
            return
        for kind in (STOP, TAKE_PROFIT):
            for o in list(self.orders[s]):
                if o.ask.kind == kind and o.state == "resting" and self._can_act(o) and beyond(o, bar.open):
                    o.state = "triggered"
                    yield from self._fill(s, bar, o, self._slipped(o, bar.open), taker=True)

    def _ended(self, s: str, bar: Bar | None) -> Iterator[dict[str, Any]]:
        for o in list(self.orders[s]):
            if o.state == "refused":
                yield self._over(s, o, EV_REJECT, BELOW_MIN_NOTIONAL)
            elif o.state == "cancelled" or o.dies == -1.0:
                yield self._over(s, o, EV_CANCEL, CANCELLED)
            elif o.dies <= self.t:
                yield self._over(s, o, EV_CANCEL, EXPIRED)

    def _at_open(self, s: str, bar: Bar | None) -> Iterator[dict[str, Any]]:
        if bar is None:
            return
        live = [o for o in self.orders[s] if o.state != "cancelled"]
        for o in sorted(live, key=lambda o: not o.ask.reduce):  # exits before entries
            if o.ask.kind == LIMIT:
                if o.state == "new":
                    o.state = "resting"
                    if bar.open <= o.price if o.ask.qty > 0 else bar.open >= o.price:
                        worst = min if o.ask.qty > 0 else max
                        yield from self._fill(s, bar, o, worst(self._slipped(o, bar.open), o.price), taker=True)
                continue
            if o.ask.kind in (STOP, TAKE_PROFIT) and o.state == "new":
                o.state = "triggered" if beyond(o, bar.open) and self._can_act(o) else "resting"
            if o.state == "triggered" or o.ask.kind == MARKET:
                if o.ask.reduce and not self._can_act(o):
                    yield self._over(s, o, EV_CANCEL, FLAT)
                yield from self._fill(s, bar, o, self._slipped(o, bar.open), taker=True)

    def _inside(self, s: str, bar: Bar | None) -> Iterator[dict[str, Any]]:
        if bar is None:
            return
        p = self.positions[s]
        waiting = [o for o in self.orders[s] if o.state == "resting" and o.dies != -1.0 and self._can_act(o)]
        met = [o for o in waiting if o.ask.kind != LIMIT and beyond(o, bar.high if rises(o) else bar.low)]
        stops = sorted((o for o in met if o.ask.kind == STOP), key=lambda o: abs(o.price - bar.open))
        targets = sorted((o for o in met if o.ask.kind == TAKE_PROFIT), key=lambda o: abs(o.price - bar.open))
        if p.limit_bar == self.t:
            targets = []
        ruin = self._ruin(s, bar)
        sunk = ruin and (bar.mark_open < ruin if p.qty > 0 else bar.mark_open > ruin)
        if (stops or ruin) and targets:
            self.ambiguous.add((self.t, s))
        if targets and (self.rules.optimistic or not (stops or ruin)):
            o = targets[0]
            o.state = "triggered"
            yield from self._fill(s, bar, o, self._slipped(o, min(max(o.price, bar.low), bar.high)), taker=True)
        elif stops and (not ruin or (not sunk and (stops[0].price >= ruin if p.qty > 0 else stops[0].price <= ruin))):
            o = stops[0]
            o.state = "triggered"
            worse = max(o.price, bar.open) if o.ask.qty > 0 else min(o.price, bar.open)
            yield from self._fill(s, bar, o, self._slipped(o, worse), taker=True)
        if ruin:
            price = min(ruin, bar.mark_open) if p.qty > 0 else max(ruin, bar.mark_open)
            left = max(0.0, p.margin + p.qty * price - p.cost)
            fee = min(abs(p.qty) * price * self.rules.liquidation, left)
            yield self._close_all(s, price, fee, EV_LIQUIDATION, LIQUIDATED)
        if stops or targets:
            return
        for o in sorted(waiting, key=lambda o: abs(o.price - bar.open)):
            if o.ask.kind == LIMIT and self._through(o, bar):
                opens = p.qty * o.ask.qty >= 0.0
                for e in self._fill(s, bar, o, o.price, taker=False):
                    if opens and e["kind"] == EV_FILL:
                        p.limit_bar = self.t
                    yield e

    # --- parts -----------------------------------------------------------------------------------------------------
    def _can_act(self, o: Order) -> bool:
        return not o.ask.reduce or self.positions[o.ask.symbol].qty * o.ask.qty < 0.0

    def _slipped(self, o: Order, price: float) -> float:
        side = 1 if o.ask.qty > 0 else -1
        return to_step(price * (1 + side * self.rules.slippage), self.rules.tick, side > 0)

    def _through(self, o: Order, bar: Bar) -> bool:
        ticks = (o.price - bar.low if o.ask.qty > 0 else bar.high - o.price) / self.rules.tick
        return round(ticks, 6) >= self.rules.through_ticks

    def _maintenance(self, notional: float) -> float:
        total, ends = 0.0, [b[0] for b in self.rules.brackets[1:]] + [float("inf")]
        for (floor, rate, _), end in zip(self.rules.brackets, ends, strict=True):
            total += rate * max(0.0, min(notional, end) - floor)
        return total

    def _ruin(self, s: str, bar: Bar) -> float:
        """Price at which the margin is down to maintenance, if the mark goes beyond it; else 0."""
        p = self.positions[s]

        def above(price: float) -> float:
            return p.margin + p.qty * price - p.cost - self._maintenance(abs(p.qty) * price)

        worst = bar.mark_low if p.qty > 0 else bar.mark_high
        if p.qty == 0.0 or above(worst) >= 0.0:
            return 0.0
        good, bad = (1e9, worst) if p.qty > 0 else (0.0, worst)
        for _ in range(200):
            middle = 0.5 * (good + bad)
            good, bad = (middle, bad) if above(middle) >= 0.0 else (good, middle)
        return good

    def _refusal(self, s: str, o: Order, qty: float, price: float, fee: float) -> int:
        notional = (abs(self.positions[s].qty) + qty) * price
        allowed = [lev for floor, _, lev in self.rules.brackets if notional > floor or floor == 0.0][-1]
        if o.ask.leverage > allowed:
            return BRACKET_LEVERAGE
        return INSUFFICIENT_MARGIN if qty * price / o.ask.leverage + fee > self.free else 0

    def _fill(self, s: str, bar: Bar, o: Order, price: float, *, taker: bool) -> Iterator[dict[str, Any]]:
        p, r = self.positions[s], self.rules
        side = 1.0 if o.ask.qty > 0 else -1.0
        room = to_step(r.participation * bar.volume - p.used, r.lot, False) if r.participation else float("inf")
        closes = p.qty * side < 0.0
        qty = min(o.left, room, abs(p.qty)) if closes else min(o.left, room)
        if qty <= 0.0 or not self._can_act(o):
            return
        fee = qty * price * (r.taker if taker else r.maker)
        realised = insurance = 0.0
        if closes:
            realised, insurance = self._reduce(p, qty, price, fee)
        else:
            refused = self._refusal(s, o, qty, price, fee)
            if refused:
                yield self._over(s, o, EV_REJECT, refused)
                return
            p.margin += qty * price / o.ask.leverage
            self.free -= qty * price / o.ask.leverage + fee
            p.cost += side * qty * price
            p.qty += side * qty
        p.used += qty
        o.left -= qty
        if o.left <= 1e-9 * abs(o.ask.qty) or (o.ask.reduce and p.qty == 0.0):
            self.orders[s].remove(o)
        yield self._event(s, EV_FILL, o.ask.seq, side * qty, price, fee, realised, insurance, 0)

    def _reduce(self, p: Position, qty: float, price: float, fee: float) -> tuple[float, float]:
        """Release margin and cost in proportion; what the margin cannot pay is insurance."""
        part = min(1.0, qty / abs(p.qty))
        side = 1.0 if p.qty > 0 else -1.0
        realised = side * qty * price - p.cost * part
        back = p.margin * part + realised - fee
        insurance = max(0.0, -back)
        self.free += back + insurance
        p.margin, p.cost = p.margin * (1 - part), p.cost * (1 - part)
        p.qty = 0.0 if part > 1 - 1e-12 else p.qty - side * qty
        return realised, insurance

    def _close_all(self, s: str, price: float, fee: float, kind: int, reason: int) -> dict[str, Any]:
        p = self.positions[s]
        qty = p.qty
        realised, insurance = self._reduce(p, abs(qty), price, fee)
        return self._event(s, kind, 0, -qty, price, fee, realised, insurance, reason)

    def _over(self, s: str, o: Order, kind: int, reason: int) -> dict[str, Any]:
        self.orders[s].remove(o)
        left = o.left if o.ask.qty > 0 else -o.left
        return self._event(s, kind, o.ask.seq, left, 0.0, 0.0, 0.0, 0.0, reason)

    def _event(self, s: str, kind: int, seq: int, qty: float, price: float, fee: float, *rest: Any) -> dict[str, Any]:
        e = {"kind": kind, "bar": self.t, "symbol": s, "seq": seq, "qty": qty, "price": price, "fee": fee}
        return e | dict(zip(("realised", "insurance", "reason"), rest, strict=True))
