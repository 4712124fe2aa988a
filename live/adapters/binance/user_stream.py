"""The user stream as a state machine: messages in whatever order and number, facts out, each once, in an order that
holds.

An order's trades are chained by its cumulative quantity: one that says ``z`` after filling ``l`` comes after the one
that said ``z - l``. So a trade waits for its predecessor, and the end of an order for all its trades; a state that
says less than is known already (a late PARTIALLY_FILLED) carries nothing. What waits too long is a gap: the caller
asks REST for the order's trades and gives them to ``fill_in``.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from live.adapters.binance.frames import Conditional, End, Fact, Fill, read

TOLERANCE = 1e-9  # of a quantity: cumulative sums are decimal texts, their differences are not exact in binary


class Gap(NamedTuple):
    """An order whose trades are not all here."""

    symbol: str
    order_id: str
    client_id: str


class _Order:
    """What is known of one order."""

    __slots__ = ("applied", "end", "since_ms", "waiting")

    def __init__(self) -> None:
        self.applied = 0.0
        self.waiting: dict[float, Fill] = {}  # by what was filled before it
        self.end: End | None = None
        self.since_ms = 0  # since when something waits; 0 = nothing

    def ready(self, end: End) -> bool:
        return self.applied >= end.total - TOLERANCE * max(1.0, end.total)


class Keys:
    """Keys seen, the oldest forgotten first."""

    def __init__(self, limit: int, known: Iterable[str] = ()) -> None:
        self._keys: OrderedDict[str, None] = OrderedDict.fromkeys(known)
        self._limit = limit

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def add(self, key: str) -> None:
        self._keys[key] = None
        if len(self._keys) > self._limit:
            self._keys.popitem(last=False)


class UserStream:
    """Feed messages in, take facts out.

    Parameters
    ----------
    ours : says of a client id whether we made it; an order of another id may be what one of our conditional orders became,
        and waits until the exchange says so.
    known : keys of what has been applied already, for example before a restart.
    """

    def __init__(self, ours: Callable[[str], bool], known: Iterable[str] = (), limit: int = 100_000) -> None:
        self.keys = Keys(limit, known)
        self.duplicates = 0
        self.last_ms = 0  # newest time of anything said
        self._ours = ours
        self._orders: OrderedDict[tuple[str, str], _Order] = OrderedDict()
        self._limit = limit
        self._client_of: OrderedDict[tuple[str, str], str] = OrderedDict()  # order made by a conditional one -> our id
        self._strangers: dict[tuple[str, str], tuple[int, list[Fill | End]]] = {}

    def feed(self, message: Mapping[str, Any], now_ms: int) -> list[Fact]:
        """Facts that follow from one raw message, in the order in which they are to be applied."""
        fact = read(message)
        return [] if fact is None else self.take(fact, now_ms)

    def take(self, fact: Fact, now_ms: int) -> list[Fact]:
        """The same for a fact that is read already."""
        self.last_ms = max(self.last_ms, fact.time_ms)
        if isinstance(fact, Conditional):
            return [fact, *self._recognise(fact, now_ms)]
        if not isinstance(fact, Fill | End):
            return [fact]
        place = (fact.symbol, fact.order_id)
        if fact.order_id and not self._ours(fact.client_id) and not getattr(fact, "forced", 0):
            if place not in self._client_of:
                self._strangers.setdefault(place, (now_ms, []))[1].append(fact)
                return []
            fact = fact._replace(client_id=self._client_of[place])
        return self._chain(fact, now_ms)

    def fill_in(self, trades: Iterable[Fill], now_ms: int) -> list[Fact]:
        """All trades of one order as REST gives them, from its first on; their totals are summed here."""
        out: list[Fact] = []
        total = 0.0
        for trade in sorted(trades, key=lambda t: t.trade_id):
            total += trade.qty
            out += self.take(trade._replace(total=total), now_ms)
        return out

    def gaps(self, now_ms: int, wait_ms: int) -> list[Gap]:
        """Orders that wait for a trade, or for their conditional order's word, for longer than ``wait_ms``."""
        out = []
        for (symbol, order_id), order in self._orders.items():
            if order.since_ms and now_ms - order.since_ms >= wait_ms:
                some = order.end or next(iter(order.waiting.values()))
                out.append(Gap(symbol, order_id, some.client_id))
        return out

    def strangers(self, now_ms: int, wait_ms: int) -> list[Fact]:
        """Facts of orders that nobody claimed within ``wait_ms``: a person's, or another program's."""
        out: list[Fact] = []
        for place, (since_ms, facts) in list(self._strangers.items()):
            if now_ms - since_ms >= wait_ms:
                del self._strangers[place]
                self._claim(place, facts[0].client_id)
                for fact in facts:
                    out += self._chain(fact, now_ms)
        return out

    @property
    def strangers_waiting(self) -> int:
        """Orders that nobody has claimed yet."""
        return len(self._strangers)

    def give_up(self, gap: Gap, now_ms: int) -> list[Fact]:
        """Let out what waits though something is missing; the ledger's comparison with the exchange shows the
        difference.
        """
        order = self._orders[gap.symbol, gap.order_id]
        out: list[Fact] = []
        while order.waiting:
            order.applied = min(order.waiting)
            out += self._release(order, now_ms)
        if order.end is not None:
            order.applied = max(order.applied, order.end.total)
        return out + self._release(order, now_ms)

    def _recognise(self, said: Conditional, now_ms: int) -> list[Fact]:
        """A conditional order names the order it has become: what waited under a strange id is ours."""
        place = (said.symbol, said.order_id)
        if not said.order_id or place in self._client_of:
            return []
        self._claim(place, said.client_id)
        out: list[Fact] = []
        for fact in self._strangers.pop(place, (0, []))[1]:
            out += self._chain(fact._replace(client_id=said.client_id), now_ms)
        return out

    def _claim(self, place: tuple[str, str], client_id: str) -> None:
        self._client_of[place] = client_id
        if len(self._client_of) > self._limit:
            self._client_of.popitem(last=False)

    def _chain(self, fact: "Fill | End", now_ms: int) -> list[Fact]:
        """Put a fact into its order's chain and take out what may go."""
        order = self._order(fact.symbol, fact.order_id or fact.client_id)
        if isinstance(fact, End):
            if fact.key in self.keys:
                self.duplicates += 1
                return []
            order.end = fact
        else:
            before = fact.total - fact.qty
            if before < order.applied - TOLERANCE * max(1.0, order.applied):
                self.duplicates += 1
                return []
            order.waiting[before] = fact
        return self._release(order, now_ms)

    def _release(self, order: _Order, now_ms: int) -> list[Fact]:
        out: list[Fact] = []
        while order.waiting:
            before = min(order.waiting)
            if before > order.applied + TOLERANCE * max(1.0, before):
                break
            fill = order.waiting.pop(before)
            order.applied = max(order.applied, fill.total)
            if fill.key not in self.keys:
                self.keys.add(fill.key)
                out.append(fill)
        if order.end is not None and not order.waiting and order.ready(order.end):
            self.keys.add(order.end.key)
            out.append(order.end)
            order.end = None
        waits = bool(order.waiting) or order.end is not None
        order.since_ms = (order.since_ms or now_ms) if waits else 0
        return out

    def _order(self, symbol: str, order_id: str) -> _Order:
        place = (symbol, order_id)
        if place not in self._orders:
            self._orders[place] = _Order()
            if len(self._orders) > self._limit:
                self._orders.popitem(last=False)
        return self._orders[place]
