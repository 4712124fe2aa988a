"""Orders as the exchange knows them, and the book that finds them by id, client id or the engine's number."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from qt_core.io.timeframes import DAY_MS

NEW, PARTIAL, FILLED, CANCELED, EXPIRED = "NEW", "PARTIALLY_FILLED", "FILLED", "CANCELED", "EXPIRED"
TRIGGERED, FINISHED, REJECTED = "TRIGGERED", "FINISHED", "REJECTED"  # of conditional orders
OPEN = (NEW, PARTIAL)
FIRST_ORDER_ID = 8_000_000_001
FIRST_ALGO_ID = 1_000_000_000_001
UNFILLED_KEPT_MS, KEPT_MS = 3 * DAY_MS, 90 * DAY_MS  # how long the exchange answers for orders that are over


@dataclass
class Order:
    """A plain order, or the market order that a conditional one became."""

    id: int
    client_id: str
    symbol: str
    index: int  # of the symbol in the market
    side: int  # +1 buy, -1 sell
    type: str  # LIMIT, MARKET, LIQUIDATION
    tif: str
    qty: float  # base units
    price: float = 0.0
    reduce_only: bool = False
    close_position: bool = False
    working_type: str = "CONTRACT_PRICE"
    good_till_ms: int = 0
    seq: int = 0  # the engine's number
    status: str = NEW
    filled: float = 0.0  # base units
    quote: float = 0.0  # USD filled
    created_ms: int = 0
    updated_ms: int = 0
    ending: bool = False  # dead in the engine, whose event is still to come
    cancelled: bool = False  # a cancel was taken; between bars it acts in the next one
    algo: "Algo | None" = None

    @property
    def average(self) -> float:
        return self.quote / self.filled if self.filled > 0.0 else 0.0

    @property
    def is_open(self) -> bool:
        return self.status in OPEN and not self.ending

    @property
    def is_over(self) -> bool:
        return self.status not in OPEN


@dataclass
class Algo:
    """A conditional order: rests with the algo service until the price triggers it, then is a market order (``child``)."""

    id: int
    client_id: str
    symbol: str
    index: int
    side: int
    type: str  # STOP_MARKET, TAKE_PROFIT_MARKET, TRAILING_STOP_MARKET
    qty: float
    trigger: float = 0.0
    activation: float = 0.0
    callback: float = 0.0  # percent, as sent
    reduce_only: bool = False
    close_position: bool = False
    price_protect: bool = False
    working_type: str = "CONTRACT_PRICE"
    tif: str = "GTC"
    good_till_ms: int = 0
    seq: int = 0
    status: str = NEW
    created_ms: int = 0
    updated_ms: int = 0
    triggered_ms: int = 0
    child: Order | None = None
    ending: bool = False
    cancelled: bool = False
    reason: str = ""

    @property
    def is_open(self) -> bool:
        return self.status == NEW and not self.ending

    @property
    def is_over(self) -> bool:
        return self.status not in (NEW, TRIGGERED)

    @property
    def filled(self) -> float:
        return self.child.filled if self.child is not None else 0.0


@dataclass
class OrderBook:
    """Every order of the session, and the counters that number them."""

    orders: dict[int, Order] = field(default_factory=dict)
    algos: dict[int, Algo] = field(default_factory=dict)
    by_seq: "dict[int, Order | Algo]" = field(default_factory=dict)
    last_seq: int = 0
    made: int = 0  # plain orders
    algos_made: int = 0
    # Those that are not over, and the newest of each client id: a long session has many orders, of which few are open.
    live_orders: dict[int, Order] = field(default_factory=dict)
    live_algos: dict[int, Algo] = field(default_factory=dict)
    named_orders: dict[str, Order] = field(default_factory=dict)
    named_algos: dict[str, Algo] = field(default_factory=dict)

    def next_seq(self) -> int:
        self.last_seq += 1
        return self.last_seq

    def next_order_id(self) -> int:
        return FIRST_ORDER_ID + self.made

    def next_algo_id(self) -> int:
        return FIRST_ALGO_ID + self.algos_made

    def add(self, order: Order) -> None:
        self.made += 1
        self.orders[order.id] = self.live_orders[order.id] = self.named_orders[order.client_id] = order
        if order.seq and order.algo is None:
            self.by_seq[order.seq] = order

    def add_algo(self, algo: Algo) -> None:
        self.algos_made += 1
        self.algos[algo.id] = self.live_algos[algo.id] = self.named_algos[algo.client_id] = algo
        self.by_seq[algo.seq] = algo

    def open_orders(self, symbol: str = "") -> Iterator[Order]:
        self.live_orders = {k: o for k, o in self.live_orders.items() if not o.is_over}
        return (o for o in self.live_orders.values() if o.is_open and symbol in ("", o.symbol))

    def open_algos(self, symbol: str = "") -> Iterator[Algo]:
        self.live_algos = {k: a for k, a in self.live_algos.items() if not a.is_over}
        return (a for a in self.live_algos.values() if a.is_open and symbol in ("", a.symbol))

    def forget(self, before_ms: int) -> None:
        """Let go of orders that were over before a time; their numbers and client ids are answered for no longer."""
        for a in [a for a in self.algos.values() if a.is_over and a.updated_ms < before_ms]:
            del self.algos[a.id]
            _release(self.named_algos, a.client_id, a)
            _release(self.by_seq, a.seq, a)
        for o in [o for o in self.orders.values() if o.is_over and o.updated_ms < before_ms]:
            del self.orders[o.id]
            _release(self.named_orders, o.client_id, o)
            _release(self.by_seq, o.seq, o)

    def find(self, symbol: str, order_id: str, client_id: str) -> Order | None:
        """By id, else by client id (the newest: ids are unique among open orders only)."""
        by_id = self.orders.get(int(order_id)) if order_id.isdigit() else None
        found = by_id if order_id else self.named_orders.get(client_id)
        return found if found is not None and found.symbol == symbol else None

    def find_algo(self, algo_id: str, client_id: str) -> Algo | None:
        if algo_id:
            return self.algos.get(int(algo_id)) if algo_id.isdigit() else None
        return self.named_algos.get(client_id)

    def taken(self, client_id: str) -> bool:
        """True where an open order bears this client id."""
        newest = (self.named_orders.get(client_id), self.named_algos.get(client_id))
        return any(o is not None and o.is_open for o in newest)


def _release(index: "dict[Any, Any]", key: Any, order: "Order | Algo") -> None:
    """Take an order out of an index in which a newer one may have its key."""
    if index.get(key) is order:
        del index[key]


def forgotten(o: "Order | Algo", now_ms: int) -> bool:
    """True where the exchange does not answer for an order any more: three days without a fill, ninety days at most."""
    if not o.is_over:
        return False
    return now_ms - o.created_ms > (KEPT_MS if o.filled else UNFILLED_KEPT_MS)
