"""The orders we know of: what each asked for, which of one number rest, and why one ended that we ended ourselves."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from live.adapters.binance.requests import CONDITIONAL
from live.ids import read_id
from live.ports import Intent, OrderView
from qt_core.codes import CANCELLED, OP_NEW

NEVER_MS = 2**63 - 1


@dataclass
class Known:
    """One order of ours, by its client id. An amended conditional order is several with the same number."""

    client_id: str
    symbol: int
    seq: int
    kind: int
    side: int
    tag: int
    reduce_only: int
    qty: float
    price: float = 0.0
    trigger: float = 0.0
    leverage: float = 1.0
    expire_ms: int = NEVER_MS
    reference: float = float("nan")  # price known when it was sent
    filled: float = 0.0
    over: bool = False
    placed: bool = False  # the exchange has taken it
    silent: bool = False  # its end is told to nobody: a successor rests, or it never came to be
    orphan: bool = False  # the chain has given it up; it rests until the position is flat, then it is cancelled
    cause: int = CANCELLED  # reason of its end where we cancel it
    again_ms: int = 0  # a cancel failed: when it is tried again; 0 = none did
    triggered_ms: int = 0  # when the exchange said it was triggered; 0 = it was not

    @property
    def conditional(self) -> bool:
        return self.kind in CONDITIONAL


def known_of(intent: Intent, reference: float = float("nan")) -> Known:
    """What an intent asks for."""
    i = intent
    return Known(
        client_id=i.client_id,
        symbol=i.symbol,
        seq=i.seq,
        kind=i.kind,
        side=i.side,
        tag=i.tag,
        reduce_only=i.reduce_only,
        qty=i.qty,
        price=i.price,
        trigger=i.trigger,
        leverage=i.leverage,
        expire_ms=i.expire_ms,
        reference=reference,
    )


def known_of_view(view: OrderView) -> Known:
    """What an order that rests at the exchange asks for; its number and tag are in its client id."""
    return Known(
        client_id=view.client_id,
        symbol=view.symbol,
        seq=view.seq,
        kind=view.kind,
        side=view.side,
        tag=view.tag,
        reduce_only=view.reduce_only,
        qty=view.qty,
        price=view.price,
        trigger=view.trigger,
        filled=view.filled,
        placed=True,
    )


def view_of_known(k: Known) -> OrderView:
    """An order that is being sent, as if it rested."""
    return OrderView(
        k.client_id, "", k.symbol, k.seq, k.kind, k.side, k.tag, k.qty, k.filled, k.price, k.trigger, k.reduce_only
    )


@dataclass
class Orders:
    """All orders of a session, by client id and by number."""

    run_id: str
    by_id: dict[str, Known] = field(default_factory=dict)
    _of_seq: dict[tuple[int, int], list[str]] = field(default_factory=dict)
    _open: dict[str, Known] = field(default_factory=dict)  # and some that are over: looked for ten times a second

    def ours(self, client_id: str) -> bool:
        """True where this run made the id."""
        said = read_id(client_id)
        return said is not None and said.run_id == self.run_id

    def add(self, known: Known) -> Known:
        """Take up an order; one that is known already stays as it is."""
        if known.client_id in self.by_id:
            return self.by_id[known.client_id]
        self.by_id[known.client_id] = self._open[known.client_id] = known
        self._of_seq.setdefault((known.symbol, known.seq), []).append(known.client_id)
        return known

    def find(self, client_id: str, symbol: int) -> "Known | None":
        """An order by its client id; one of this run that is not known (a restart) is read back from the id."""
        known = self.by_id.get(client_id)
        if known is None and self.ours(client_id):
            said = read_id(client_id)
            assert said is not None
            known = self.add(Known(client_id, symbol, said.seq, 0, 0, said.tag, int(said.op != OP_NEW), 0.0))
        return known

    def resting(self, symbol: int, seq: int) -> list[Known]:
        """Orders of a number that are not over, the newest last."""
        known = [self.by_id[c] for c in self._of_seq.get((symbol, seq), ())]
        return [k for k in known if not k.over and not k.silent]

    def before(self, symbol: int, seq: int, client_id: str) -> list[Known]:
        """Those of a number that an amend replaces: made before it. After a restart later ones may rest already."""
        ids = self._of_seq.get((symbol, seq), [])
        earlier = ids[: ids.index(client_id)] if client_id in ids else ids
        return [k for k in self.resting(symbol, seq) if k.client_id in earlier]

    def of_symbol(self, symbol: int) -> Iterator[Known]:
        """Orders of a symbol that are not over."""
        return (k for k in self.open() if k.symbol == symbol)

    def open(self) -> Iterator[Known]:
        """Orders that are not over."""
        self._open = {c: k for c, k in self._open.items() if not k.over}
        return (k for k in list(self._open.values()) if not k.over)

    def reopened(self, known: Known) -> None:
        """A trade came after its end was told, and more may come."""
        self._open[known.client_id] = known

    def forget(self, keep: int) -> None:
        """Drop the oldest orders that are over, down to ``keep`` in all."""
        surplus = len(self.by_id) - keep
        if surplus <= 0:
            return
        for known in [k for k in self.by_id.values() if k.over][:surplus]:
            del self.by_id[known.client_id]
            ids = self._of_seq[known.symbol, known.seq]
            ids.remove(known.client_id)
            if not ids:
                del self._of_seq[known.symbol, known.seq]

    def supersede(self, resting: Iterable[OrderView]) -> list[Known]:
        """After a restart: of an amended conditional order the newest that rests is the one; those before it were replaced,
        and nobody is told of their end. Returns those of them that still rest, to be cancelled.

        A crash between placing the new one and cancelling the old leaves both.
        """
        here = {v.client_id for v in resting}
        left = []
        for ids in self._of_seq.values():
            chain = [self.by_id[c] for c in sorted(ids, key=_made_ms) if self.by_id[c].conditional]
            newest = max((k for k, known in enumerate(chain) if known.client_id in here), default=0)
            for known in chain[:newest]:
                known.silent = True
                known.over = known.client_id not in here
                left += [] if known.over else [known]
        return left

    def take_views(self, views: Iterable[OrderView]) -> None:
        """Take up what rests at the exchange and is of this run."""
        for view in views:
            if view.seq:
                known = self.add(known_of_view(view))
                known.qty, known.filled, known.placed = view.qty, max(known.filled, view.filled), True


def _made_ms(client_id: str) -> int:
    """When the request of an id was made."""
    said = read_id(client_id)
    return 0 if said is None else said.time_ms
