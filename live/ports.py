"""What the runner asks of the world: Feed, Broker, Clock, Models, Alerts. An adapter fills one; nothing else is async.

The runner is the only caller and takes one thing at a time, in the order it arrives: a closed bar, an event of the venue, a
command, a guard's turn. Ports speak in the core's terms: symbols by index into the session's sorted names, times int64 ms
UTC, money USD, codes of ``qt_core.codes``. An adapter never touches State.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
NEVER_SENT_AFTER_MS = 60_000  # an entry that has waited longer is not sent any more: its price is another one


class Settlement(NamedTuple):
    """One funding settlement of a symbol."""

    time_ms: int
    symbol: int
    rate: float


class ClosedBar(NamedTuple):
    """One closed bar of every symbol, of the finest timeframe the session runs on."""

    open_ms: int
    px: FloatArray  # [N, 8], columns codes.PX_* (last price and mark); NaN where missing
    volume: FloatArray  # [N], base units
    quote_volume: FloatArray  # [N], USD
    valid: BoolArray  # [N]; False: missing, or late beyond the deadline
    settled: tuple[Settlement, ...] = ()  # funding settled within the bar (open <= time < close)
    late: tuple[int, ...] = ()  # symbols that had not arrived by the deadline
    due: "tuple[Settlement, ...] | None" = None  # what a simulated venue charges at this open; None = settled
    coarse: "ClosedBar | None" = None  # the decision bar that closes with this one, where a session runs on finer bars


class Quote(NamedTuple):
    """The newest prices, for guards between bars."""

    time_ms: int
    last: FloatArray  # [N], NaN = unknown
    mark: FloatArray  # [N]
    age_ms: FloatArray  # [N], of the older of the two


class Depth(NamedTuple):
    """What module 16 and the ranker may know of a symbol's book."""

    symbol: int
    time_ms: int
    bid: float
    ask: float
    bids: FloatArray  # [L, 2] price, quantity, best first
    asks: FloatArray


class Feed(Protocol):
    """Market data. Bars come in order and without holes: what was missed is filled from REST before the next is given."""

    def bars(self, after_ms: int) -> AsyncIterator[ClosedBar]:
        """Closed bars whose open time is later than ``after_ms``, oldest first; ends when the feed is at its end."""
        ...

    def quote(self) -> "Quote | None": ...

    def depth(self, symbol: int) -> "Depth | None": ...

    async def close(self) -> None: ...


class Intent(NamedTuple):
    """One request of the chain, as it is journalled before it is sent."""

    client_id: str  # see live.ids; of OP_CANCEL and OP_AMEND: of this request, not of the order it means
    op: int  # codes.OP_NEW, OP_CANCEL, OP_AMEND
    symbol: int
    seq: int  # the order's number in the chain; a cancel or an amend carries that of the order it means
    kind: int  # codes.MARKET ..
    side: int  # +1 buy, -1 sell
    tag: int  # codes.TAG_*
    reduce_only: int
    qty: float  # base units; of an amend the quantity still to be done
    price: float
    trigger: float
    leverage: float
    callback: float
    activation: float
    time_ms: int  # of the decision or event that asked for it
    expire_ms: int  # the broker cancels what has not filled by then (EV_CANCEL, EXPIRED)
    approved: int  # the governor's stamp; a broker refuses an opening order without it


class VenueEvent(NamedTuple):
    """One thing the venue says. ``key`` is what makes it unique: the same key is never applied twice."""

    key: str  # for example "BTCUSDT:trade:123", "BTCUSDT:end:CLIENTID", "funding:BTCUSDT:1700000000000"
    row: Any  # records.EVENT_DT scalar; time_ms is the venue's
    client_id: str = ""


class OrderView(NamedTuple):
    """One order resting at the venue."""

    client_id: str
    venue_id: str
    symbol: int
    seq: int  # 0: not one of ours
    kind: int
    side: int
    tag: int
    qty: float
    filled: float
    price: float
    trigger: float
    reduce_only: int


class PositionView(NamedTuple):
    """One open position at the venue."""

    symbol: int
    qty: float  # signed
    avg_price: float
    margin_usd: float
    leverage: float


class AccountView(NamedTuple):
    """What the venue holds for us."""

    time_ms: int
    wallet_usd: float
    positions: tuple[PositionView, ...]
    orders: tuple[OrderView, ...]


class Broker(Protocol):
    """The venue's side of the account. What becomes of an order is told by events, also that it was refused.

    ``submit`` is called after the intents are on disk, in order, and may be called again with the same intents after a crash
    (``ask_first``): the broker asks the venue for the client id before it sends such an order once more.
    """

    label: str

    async def open(self) -> AccountView:
        """Connect, check and set modes; raises LiveError with one line where the account cannot be traded."""
        ...

    async def submit(self, intents: Sequence[Intent], ask_first: bool = False) -> None: ...

    def events(self) -> AsyncIterator[VenueEvent]:
        """Events in the order in which they are to be applied; de-duplicated by key as far as the broker knows."""
        ...

    async def account(self) -> AccountView: ...

    def suspect(self) -> None:
        """Somebody has found the venue to hold something else than was told: it asks for what may have been missed."""
        ...

    def accept(self, view: AccountView) -> None:
        """State has been brought to what the venue holds without events that show how: so must what the broker keeps."""
        ...

    @property
    def level(self) -> bool:
        """True where nothing is known to be missing."""
        ...

    async def missed(self, since_ms: int, open_seqs: Sequence[int]) -> Sequence[VenueEvent]:
        """Events since a time, asked by REST: fills, ends of the orders that were open, funding; oldest first."""
        ...

    async def close(self) -> None: ...


class Clock(Protocol):
    """Exchange time. A replay's clock stands at the bar it has reached."""

    def now_ms(self) -> int: ...

    async def sleep_until(self, time_ms: int) -> None: ...


class Models(Protocol):
    """Who fills the four slots of a tape: rules, fitted agents, or a tape in a replay (``live.inputs``).

    It keeps the features as well, because agents read them: one streaming state serves both.
    """

    label: str

    def update(self, bars: Any) -> Any:
        """The next decision bar (``qt_core.features.step.Bars``, one row) -> ``qt_core.agents.inference.TapeRow``."""
        ...

    def snapshot(self) -> bytes: ...

    def resume(self, blob: bytes) -> None: ...


class Alert(NamedTuple):
    """Something a person should know."""

    severity: int  # 0 info, 1 warning, 2 critical
    key: str  # de-duplicated by it
    title: str
    text: str


class Alerts(Protocol):
    """Where alerts go; must not block and must not raise."""

    def send(self, alert: Alert) -> None: ...
