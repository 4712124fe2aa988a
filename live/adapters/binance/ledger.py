"""Our own books of the account: what wallet and margin are after each event, by the simulated venue's arithmetic.

The exchange states balances beside its trades, not with them, so the row of an event cannot quote them. The formulas
are those of ``qt_core.engine.ledger`` (isolated margin = notional / leverage, released in proportion; a loss beyond it
is the insurance fund's), in plain Python on one record per symbol: a few events a minute do not need a kernel.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from live.ports import PositionView

EDGE = 1e-12  # as qt_core.engine.ledger: a position reduced to less is closed


@dataclass
class Position:
    """One symbol's position."""

    qty: float = 0.0  # signed
    avg_price: float = 0.0
    margin_usd: float = 0.0
    leverage: float = 1.0


class Booked(NamedTuple):
    """What a fill did."""

    realised_usd: float
    fee_usd: float
    insurance_usd: float


class Ledger:
    """Wallet and positions by symbol index. ``wallet_usd`` includes the margin in use."""

    def __init__(self, wallet_usd: float = 0.0, positions: Iterable[PositionView] = ()) -> None:
        self.wallet_usd = wallet_usd
        self.positions: dict[int, Position] = {}
        self.hold(positions)

    def hold(self, positions: Iterable[PositionView]) -> None:
        """Take these positions for all there are."""
        self.positions = {p.symbol: Position(p.qty, p.avg_price, p.margin_usd, p.leverage) for p in positions}

    def at(self, symbol: int) -> Position:
        """The position of a symbol, an empty one where there is none."""
        return self.positions.setdefault(symbol, Position())

    def margin_total(self) -> float:
        """Margin in use, USD."""
        return sum(p.margin_usd for p in self.positions.values())

    def opens(self, symbol: int, side: int) -> bool:
        """True where a trade of that side opens or enlarges."""
        return self.at(symbol).qty * side >= 0.0

    def open(self, symbol: int, side: int, qty: float, price: float, fee: float, leverage: float) -> Booked:
        """Open or enlarge: average price, margin, fee."""
        p = self.at(symbol)
        size = abs(p.qty)
        p.avg_price = price if size == 0.0 else (p.avg_price * size + price * qty) / (size + qty)
        p.qty += side * qty
        p.margin_usd += qty * price / leverage
        p.leverage = leverage
        self.wallet_usd -= fee
        return Booked(0.0, fee, 0.0)

    def reduce(self, symbol: int, qty: float, price: float, fee: float, realised: "float | None" = None) -> Booked:
        """Reduce by ``qty <= |position|``. ``realised`` as the exchange states it, USD; None: computed."""
        p = self.at(symbol)
        size = abs(p.qty)
        side = 1.0 if p.qty > 0.0 else -1.0
        closed = qty >= size * (1.0 - EDGE)
        released = p.margin_usd if closed else p.margin_usd * (qty / size)
        if realised is None:
            realised = side * qty * (price - p.avg_price)
        insurance = max(0.0, -(released + realised - fee))
        self.wallet_usd += realised - fee + insurance
        p.margin_usd -= released
        p.qty -= side * qty
        if closed:
            p.qty, p.margin_usd, p.avg_price = 0.0, 0.0, 0.0
        return Booked(realised, fee, insurance)

    def fund(self, symbol: int, amount: float) -> float:
        """Settle funding: from the free balance first, then from the position's margin. Returns what was booked, USD."""
        p = self.at(symbol)
        free = self.wallet_usd - self.margin_total() + amount
        self.wallet_usd += amount
        if free < 0.0:
            taken = min(-free, p.margin_usd)
            p.margin_usd -= taken
            if free + taken < 0.0:
                self.wallet_usd -= free + taken
                amount -= free + taken
        return amount

    def adjust(self, wallet_usd: float) -> float:
        """Take the exchange's word for the wallet; returns the difference, USD."""
        difference = wallet_usd - self.wallet_usd
        self.wallet_usd = wallet_usd
        return difference
