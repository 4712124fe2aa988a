"""Facts of the exchange told as events of the chain: which order it was, what the books are after it, whether it is
over.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from live.adapters.binance.frames import (
    FORCED_SETTLEMENT,
    End,
    Fill,
    end_key,
    funding_key,
)
from live.adapters.binance.ledger import Booked, Ledger
from live.adapters.binance.orders import Known, Orders
from live.adapters.binance.settings import BrokerSettings
from live.ports import VenueEvent
from qt_core.codes import (
    CANCELLED,
    EV_ADJUST,
    EV_CANCEL,
    EV_FILL,
    EV_FUNDING,
    EV_LIQUIDATION,
    EV_REJECT,
    EXPIRED,
    IOC,
    IOC_UNFILLED,
    LIQUIDATED,
    MARKET,
    NO_PRICE,
    POST_ONLY,
    POST_ONLY_CROSS,
    SETTLED,
)
from qt_core.records import EVENT_DT

RATE_TOLERANCE = 1e-2  # of a payment: the mark known here is some moments from the one it was settled at
DUST = 1e-9  # remaining quantity below this fraction of the order counts as done: the simulated venue's


class Teller:
    """Books facts and tells them. Not thread-safe and not async: one fact after the other.

    Parameters
    ----------
    index : symbol name to its index in the session; a fact of another symbol is counted and dropped.
    mark : mark price of a symbol now, NaN = unknown. rate : funding rate of a symbol's last settlement, NaN = unknown.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        orders: Orders,
        index: dict[str, int],
        mark: Callable[[int], float],
        rate: Callable[[int], float],
    ) -> None:
        self.settings = settings
        self.orders = orders
        self.index = index
        self.names = {i: name for name, i in index.items()}
        self.ledger = Ledger()
        self.leverage: dict[int, float] = {}  # set at the exchange
        self.foreign = 0  # trades of orders that are not this run's
        self.other_symbols = 0
        self.other_fees = 0  # trades whose fee came in another coin
        self.adjusted = 0
        self._mark, self._rate = mark, rate

    def fill(self, f: Fill) -> list[VenueEvent]:
        """Book one trade; two events where it closes a position and opens the opposite one."""
        i = self.index.get(f.symbol)
        if i is None:
            self.other_symbols += 1
            return []
        known = None if f.forced else self.orders.find(f.client_id, i)
        self.foreign += known is None and not f.forced
        held = self.ledger.at(i).qty
        if held * f.side < 0.0 and f.qty > abs(held) * (1.0 + DUST):
            first = f._replace(qty=abs(held), fee=f.fee * abs(held) / f.qty)
            rest = f._replace(qty=f.qty - abs(held), fee=f.fee - first.fee, realised=0.0)
            return [self._fill(i, first, known, f.key), self._fill(i, rest, known, f.key + ":opens")]
        return [self._fill(i, f, known, f.key)]

    def _fill(self, i: int, f: Fill, known: "Known | None", key: str) -> VenueEvent:
        booked = self._book(i, f, known)
        e = self._row(EV_FILL, f.time_ms, i)
        if f.forced:
            e["kind"] = EV_FILL if f.forced == FORCED_SETTLEMENT else EV_LIQUIDATION
            e["reason"] = SETTLED if f.forced == FORCED_SETTLEMENT else LIQUIDATED
        e["side"], e["qty"], e["price"], e["maker"] = f.side, f.qty, f.price, f.maker
        e["inside"] = f.maker  # what rested filled somewhere inside the bar: of its range only the close came later
        e["fee_usd"], e["realised_usd"], e["insurance_usd"] = booked.fee_usd, booked.realised_usd, booked.insurance_usd
        e["done"], e["reference_price"] = 1, f.price
        if known is not None:
            known.filled = max(known.filled, f.total) if f.total == f.total else known.filled + f.qty
            asked = f.asked if f.asked == f.asked else known.qty
            flat = (f.reduce_only or known.reduce_only) and self.ledger.at(i).qty == 0.0
            known.over = bool(asked > 0.0 and asked - known.filled <= DUST * asked) or bool(flat)
            self.orders.reopened(known)
            e["done"], e["seq"], e["tag"] = int(known.over), known.seq, known.tag
            e["reference_price"] = reference_price(known, f)
        e["wallet_usd"], e["margin_usd"] = self.ledger.wallet_usd, self.ledger.at(i).margin_usd
        return VenueEvent(key, e, f.client_id)

    def _book(self, i: int, f: Fill, known: "Known | None") -> Booked:
        fee = f.fee
        if f.fee_asset != "USDT":  # refused when the session opens; switched on since, it does not touch this wallet
            self.other_fees += 1
            fee = 0.0
        if not self.ledger.opens(i, f.side):
            return self.ledger.reduce(i, f.qty, f.price, fee, f.realised)
        asked = known.leverage if known is not None and known.leverage > 1.0 else 0.0
        return self.ledger.open(i, f.side, f.qty, f.price, fee, self.leverage.get(i) or asked or 1.0)

    def end(self, f: End) -> list[VenueEvent]:
        """An order that is over; nothing where we replaced it, or where its last trade has said so."""
        i = self.index.get(f.symbol)
        known = None if i is None else self.orders.find(f.client_id, i)
        if i is None or known is None or known.over:
            return []
        known.over = True
        if known.silent:
            return []
        reason, kind = end_reason(known, f)
        left = (f.asked or known.qty) - max(f.total, known.filled)
        return [self.refused(known, reason, f.time_ms, kind, left, f.key)]

    def refused(
        self,
        known: Known,
        reason: int,
        time_ms: int,
        kind: int = EV_REJECT,
        left: float = float("nan"),
        key: str = "",
    ) -> VenueEvent:
        """A cancel or a refusal of one order, of what was left of it."""
        known.over = True
        e = self._row(kind, time_ms, known.symbol)
        e["seq"], e["side"], e["tag"], e["reason"], e["done"] = known.seq, known.side, known.tag, reason, 1
        e["qty"] = left if left == left else known.qty - known.filled
        return VenueEvent(key or end_key(self.names[known.symbol], known.client_id), e, known.client_id)

    def funding(self, symbol: str, time_ms: int, amount: float) -> list[VenueEvent]:
        """One settlement as the exchange booked it; ``amount`` USD received."""
        i = self.index.get(symbol)
        if i is None:
            self.other_symbols += 1
            return []
        e = self._row(EV_FUNDING, time_ms, i)
        qty, mark = self.ledger.at(i).qty, self._mark(i)
        e["qty"], e["price"] = qty, mark if mark == mark else self.ledger.at(i).avg_price
        notional = qty * float(e["price"])
        e["value"] = self._settled_rate(i, amount, notional)
        e["funding_usd"] = self.ledger.fund(i, amount)
        e["wallet_usd"], e["margin_usd"] = self.ledger.wallet_usd, self.ledger.at(i).margin_usd
        return [VenueEvent(funding_key(symbol, time_ms), e)]

    def _settled_rate(self, i: int, amount: float, notional: float) -> float:
        """The rate that gives the amount: the last one published where it does, else what follows from the amount. The
        payment may come before its rate is published, and then the last one is that of the settlement before.
        """
        rate = self._rate(i)
        if abs(rate * notional + amount) <= RATE_TOLERANCE * abs(amount):  # false for an unknown one
            return rate
        return -amount / notional if notional else 0.0

    def adjust(self, wallet_usd: float, time_ms: int) -> list[VenueEvent]:
        """The exchange's wallet where it differs from ours by more than rounding: money moved in or out, or a slip."""
        if not abs(wallet_usd - self.ledger.wallet_usd) > self.settings.tolerance_usd:
            return []
        self.adjusted += 1
        e = self._row(EV_ADJUST, time_ms, 0)
        e["value"] = self.ledger.adjust(wallet_usd)
        e["wallet_usd"], e["margin_usd"] = wallet_usd, self.ledger.at(0).margin_usd
        return [VenueEvent(f"adjust:{time_ms}:{self.adjusted}", e)]

    def _row(self, kind: int, time_ms: int, symbol: int) -> Any:
        e = np.zeros(1, EVENT_DT)[0]
        e["kind"], e["time_ms"], e["symbol"] = kind, time_ms, symbol
        e["wallet_usd"], e["margin_usd"] = self.ledger.wallet_usd, self.ledger.at(symbol).margin_usd
        return e


def reference_price(known: Known, f: Fill) -> float:
    """What slippage is measured against: a conditional order's trigger, a maker's own price, else the price when it
    was sent.
    """
    if known.trigger > 0.0:
        return known.trigger
    if f.maker:
        return f.price
    return known.reference if known.reference == known.reference else f.price


def end_reason(known: Known, f: End) -> tuple[int, int]:
    """Reason code and event kind of an end."""
    if f.status == "REJECTED":
        return NO_PRICE, EV_REJECT
    if f.status == "CANCELED":
        return known.cause, EV_CANCEL
    if known.kind == POST_ONLY or f.time_in_force == "GTX":
        return POST_ONLY_CROSS, EV_REJECT
    if known.kind in (IOC, MARKET) or f.time_in_force == "IOC":
        return IOC_UNFILLED, EV_CANCEL
    return (known.cause if known.cause != CANCELLED else EXPIRED), EV_CANCEL
