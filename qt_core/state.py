"""State (the chain's) and Venue (the exchange's side): array views cut from one aligned byte buffer each.

Types depend neither on the number of symbols nor on any window, so one compiled signature serves every N. A snapshot is
a header (schema, N, symbol names) plus the buffer's bytes; equality is equality of bytes; a snapshot of another schema
is refused, never guessed.
"""

import hashlib
import json
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from qt_core import records as rec
from qt_core._jit import INTERPRETED
from qt_core.codes import MAX_ORDERS, N_MODULES, N_REASONS
from qt_core.enums import N_TALLIES, N_VALUES
from qt_core.errors import QtError
from qt_core.rng import name_hash

Array = npt.NDArray[Any]
T = TypeVar("T", bound=tuple[Any, ...])

CANDIDATE_CAP = 64  # rows of the scratch list of entry candidates
WEIGHTS = 4
LABELS = 32  # open labels per symbol; bounds supervisor.horizon_bars
NEVER_RAN_MS = -(1 << 60)  # as a last time: every interval has passed


class SnapshotError(QtError):
    """A snapshot of another schema, another set of symbols, or cut short."""


class State(NamedTuple):
    """Everything the chain remembers between two calls. Written only through ``pipeline``'s three entries."""

    fund: Array  # FUND_DT [1]
    symbol: Array  # SYMBOL_DT [N]
    open_list: Array  # int64 [N], the first fund.n_open are symbol indices with a position, ascending
    pending_list: Array  # int64 [N], the first fund.n_pending: symbols with an opening order at the venue, ascending
    weights: Array  # float64 [4], ensemble weights in use, sum 1
    memory: Array  # MEMORY_DT [1], Q-tables, statistics, tables
    labels: Array  # LABEL_DT [N, LABELS], predictions that wait for their outcome
    watch: Array  # WATCH_DT [N]


class Venue(NamedTuple):
    """The simulated exchange: ledger, open orders, and the cursor of the bar being matched."""

    fund: Array  # VENUE_FUND_DT [1]
    symbol: Array  # VENUE_SYMBOL_DT [N]
    orders: Array  # ORDER_DT [N, 8]
    active: Array  # int64 [N], the first fund.n_active: symbols with a position or an order, ascending
    hot: Array  # int64 [N], the first fund.n_hot: those of them something may happen to in this bar


class Out(NamedTuple):
    """Caller-owned scratch and journal; never part of State."""

    requests: Array  # REQUEST_DT, the first n[N_REQUESTS] wait to be submitted
    event: Array  # EVENT_DT [1], what match_next found
    candidates: Array  # DECISION_DT [CANDIDATE_CAP], entry candidates of this bar, in no order
    trades: Array  # TRADE_DT [capacity]
    decisions: Array  # DECISION_DT [capacity]
    events: Array  # JOURNAL_EVENT_DT [capacity]
    counters: Array  # int64 [N_MODULES, N_REASONS]
    tally: Array  # int64 [N_TALLIES, N_VALUES], how often each value of qt_core.enums was said
    order: Array  # int64 [CANDIDATE_CAP], rows of ``candidates`` by rank
    scratch: Array  # float64 [N], one number per symbol or position
    picked: Array  # int64 [N], one count or index per symbol or position
    said: Array  # SAID_DT [N], the ensemble's word on the symbols that may become candidates
    n: Array  # int64 [16], see N_* below
    bits_f: Array  # float64 [1], same memory as bits_u: the bits of a float for the digest
    bits_u: Array  # uint64 [1]


N_REQUESTS, N_TRADES, N_DECISIONS, N_EVENTS, KEEP_TRADES, KEEP_DECISIONS, KEEP_EVENTS, N_CANDIDATES, N_CLOSED = range(9)
N_SLOTS = 9  # slots taken when the candidates were collected

STATE_LAYOUT: tuple[tuple[str, np.dtype[Any], Callable[[int], tuple[int, ...]]], ...] = (
    ("fund", rec.FUND_DT, lambda n: (1,)),
    ("symbol", rec.SYMBOL_DT, lambda n: (n,)),
    ("open_list", np.dtype("i8"), lambda n: (n,)),
    ("pending_list", np.dtype("i8"), lambda n: (n,)),
    ("weights", np.dtype("f8"), lambda n: (WEIGHTS,)),
    ("memory", rec.MEMORY_DT, lambda n: (1,)),
    ("labels", rec.LABEL_DT, lambda n: (n, LABELS)),
    ("watch", rec.WATCH_DT, lambda n: (n,)),
)
VENUE_LAYOUT: tuple[tuple[str, np.dtype[Any], Callable[[int], tuple[int, ...]]], ...] = (
    ("fund", rec.VENUE_FUND_DT, lambda n: (1,)),
    ("symbol", rec.VENUE_SYMBOL_DT, lambda n: (n,)),
    ("orders", rec.ORDER_DT, lambda n: (n, MAX_ORDERS)),
    ("active", np.dtype("i8"), lambda n: (n,)),
    ("hot", np.dtype("i8"), lambda n: (n,)),
)
_LAYOUTS: dict[type, Any] = {State: STATE_LAYOUT, Venue: VENUE_LAYOUT}


def records(array: Array) -> Array:
    """A record array as kernels expect it: plain when compiled, attribute access when interpreted."""
    return array.view(np.recarray) if INTERPRETED and array.dtype.names else array


def _size(layout: Any, n: int) -> int:
    return sum(dt.itemsize * int(np.prod(shape(n))) for _, dt, shape in layout)


def _cut(kind: type[T], buffer: npt.NDArray[np.uint8], n: int) -> T:
    views, at = [], 0
    for _, dt, shape in _LAYOUTS[kind]:
        size = dt.itemsize * int(np.prod(shape(n)))
        views.append(records(buffer[at : at + size].view(dt).reshape(shape(n))))
        at += size
    return kind(*views)


def _aligned(size: int) -> npt.NDArray[np.uint8]:
    raw = np.zeros(size + 64, dtype=np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size]


def buffer_of(kind: type[T], n: int) -> T:
    """A zeroed State or Venue for ``n`` symbols."""
    return _cut(kind, _aligned(_size(_LAYOUTS[kind], n)), n)


def raw_bytes(views: State | Venue) -> bytes:
    """The buffer's bytes, field by field (the fields lie back to back)."""
    return b"".join(v.tobytes() for v in views)


def schema_hash(kind: type) -> str:
    """Changes with any field of any record in the layout."""
    text = repr([(name, dt.descr, str(shape(7))) for name, dt, shape in _LAYOUTS[kind]])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def snapshot(views: State | Venue, symbols: tuple[str, ...]) -> bytes:
    """Header line (JSON) plus the buffer."""
    header = {"kind": type(views).__name__, "schema": schema_hash(type(views)), "symbols": list(symbols)}
    return json.dumps(header).encode() + b"\n" + raw_bytes(views)


def restore(kind: type[T], blob: bytes, symbols: tuple[str, ...]) -> T:
    """The State or Venue of a snapshot.

    Raises
    ------
    SnapshotError
        If kind, schema, symbols or length differ from what this code and these symbols need.
    """
    head, _, body = blob.partition(b"\n")
    try:
        header = json.loads(head)
    except ValueError as err:
        raise SnapshotError("snapshot has no readable header; expected one written by qt_core.state.snapshot") from err
    wanted = {"kind": kind.__name__, "schema": schema_hash(kind), "symbols": list(symbols)}
    for key, value in wanted.items():
        if header.get(key) != value:
            raise SnapshotError(f"snapshot {key} is {header.get(key)!r}, expected {value!r}")
    size = _size(_LAYOUTS[kind], len(symbols))
    if len(body) != size:
        raise SnapshotError(f"snapshot has {len(body)} bytes, expected {size}: cut short or corrupt")
    buffer = _aligned(size)
    buffer[:] = np.frombuffer(body, dtype=np.uint8)
    return _cut(kind, buffer, len(symbols))


def copy_of(source: T) -> T:
    """A State or Venue of its own with the same bytes."""
    target = buffer_of(type(source), source.symbol.shape[0])  # type: ignore[attr-defined]
    copy_into(target, source)  # type: ignore[arg-type]
    return target


def copy_into(target: State | Venue, source: State | Venue) -> None:
    """Overwrite ``target`` with ``source``: a sweep's reset."""
    for to, frm in zip(target, source, strict=True):
        to[...] = frm


def make_state(
    symbols: tuple[str, ...], specs: Array, initial_equity_usd: float, weights: tuple[float, ...], seed: int
) -> State:
    """The State before the first bar: flat, peak = initial equity, nothing learned, every interval due."""
    state = buffer_of(State, len(symbols))
    fund, symbol = state.fund, state.symbol
    set_equity(state, initial_equity_usd)
    fund["next_day_ms"][0] = -1  # unknown until the first bar
    fund["last_close_ms"][0] = NEVER_RAN_MS
    for name in fund.dtype.names or ():
        if name.endswith("_last_ms"):
            fund[name][0] = NEVER_RAN_MS
    for name in ("hfos_scale", "policy_scale", "limit_scale", "orch_max_risk", "policy_max_risk", "limit_risk"):
        fund[name][0] = 1.0
    for name in ("market_vol", "market_trend", "market_liquidity", "hfos_allow", "hfos_universe", "orch_allow"):
        fund[name][0] = 1  # the middle class; allowed
    for name in ("orch_profile", "orch_style", "orch_exit", "policy_mode"):
        fund[name][0] = 1
    fund["policy_allowed"][0] = (1 << rec.STRATEGIES) - 1
    fund["policy_max_positions"][0] = fund["limit_positions"][0] = len(symbols) + 1
    for name in ("tick_size", "lot_step", "min_qty", "max_qty", "min_notional", "sector"):
        symbol[name] = specs[name]
    symbol["name_hash"] = [name_hash(s) for s in symbols]
    symbol["active"] = 1
    symbol["spread"] = symbol["depth_usd"] = np.nan
    state.watch["high"], state.watch["low"] = np.inf, -np.inf
    state.watch["expire_ms"] = np.iinfo(np.int64).max
    memory = memory_of(state)
    memory["factors"] = 1.0
    memory["calibration"] = np.nan
    memory["strategy_ban_ms"] = NEVER_RAN_MS
    state.weights[:] = memory["base_weights"] = weights
    fund["seed"][0] = seed
    return state


def memory_of(state: State) -> Any:
    """The State's memory record, by field name."""
    return np.asarray(state.memory).view(rec.MEMORY_DT)[0]


def set_equity(state: State, usd: float) -> None:
    """Put the account to ``usd`` before the first bar."""
    for name in ("wallet_usd", "equity_usd", "peak_equity_usd", "day_start_equity_usd", "ess_peak_usd"):
        state.fund[name][0] = usd


def make_venue(n_symbols: int, initial_equity_usd: float) -> Venue:
    """A venue with ``initial_equity_usd`` in the wallet and no order."""
    venue = buffer_of(Venue, n_symbols)
    venue.fund["free_usd"][0] = initial_equity_usd
    venue.symbol["watch_high"] = np.inf
    venue.symbol["watch_low"] = -np.inf
    venue.symbol["next_expiry_ms"] = np.iinfo(np.int64).max
    return venue


def requests_room(n_symbols: int) -> int:
    """Rows for whatever one call may ask of the venue."""
    return 16 * n_symbols + 64


def make_out(
    n_symbols: int,
    *,
    trades: int = 4096,
    decisions: int = 4096,
    events: int = 4096,
    keep: tuple[bool, bool, bool] = (True, True, True),
) -> Out:
    """Scratch and journal with room for the given numbers of rows; ``keep`` = (trades, decisions, events)."""
    bits = np.zeros(1)
    n = np.zeros(16, dtype=np.int64)
    n[KEEP_TRADES], n[KEEP_DECISIONS], n[KEEP_EVENTS] = keep
    return Out(
        requests=records(np.zeros(requests_room(n_symbols), rec.REQUEST_DT)),
        event=records(np.zeros(1, rec.EVENT_DT)),
        candidates=records(np.zeros(CANDIDATE_CAP, rec.DECISION_DT)),
        trades=records(np.zeros(trades, rec.TRADE_DT)),
        decisions=records(np.zeros(decisions, rec.DECISION_DT)),
        events=records(np.zeros(events, rec.JOURNAL_EVENT_DT)),
        counters=np.zeros((N_MODULES, N_REASONS), np.int64),
        tally=np.zeros((N_TALLIES, N_VALUES), np.int64),
        order=np.zeros(CANDIDATE_CAP, np.int64),
        scratch=np.zeros(n_symbols),
        picked=np.zeros(n_symbols, np.int64),
        said=records(np.zeros(n_symbols, rec.SAID_DT)),
        n=n,
        bits_f=bits,
        bits_u=bits.view(np.uint64),
    )
