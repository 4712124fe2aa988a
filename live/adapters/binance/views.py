"""What a broker is given and what it says of itself."""

from collections.abc import Callable
from typing import NamedTuple

from live.ports import Depth, Intent, PositionView


def _no_depth(symbol: int) -> "Depth | None":
    return None


def _unknown(symbol: int) -> float:
    return float("nan")


class World(NamedTuple):
    """What the broker may know of the market, from the feed."""

    depth: Callable[[int], "Depth | None"] = _no_depth
    mark: Callable[[int], float] = _unknown  # mark price now
    rate: Callable[[int], float] = _unknown  # rate of the last funding settlement


class Resume(NamedTuple):
    """What a journal knows, for a session that goes on: the books as they stood after its last event."""

    wallet_usd: float
    positions: tuple[PositionView, ...]
    keys: frozenset[str]  # of the events applied lately: from the time that ``missed`` is asked from
    intents: tuple[Intent, ...] = ()  # OP_NEW and OP_AMEND whose orders were not over
    planned: frozenset[str] = frozenset()  # client ids of those not known to be sent: they are submitted again


class BrokerHealth(NamedTuple):
    """What a monitor may ask at any time."""

    connected: bool
    connections: int  # of the user stream
    behind: bool  # something may have been missed and is being asked for
    paused_ms: int  # nothing is asked for so long: 429, 418
    banned: bool
    used_share: float  # of the fullest rate limit
    calls: int
    failures: int
    last_call_ms: float  # milliseconds the last call took
    last_frame_ms: int
    skew_ms: float  # the exchange's clock less ours
    retried: int
    resolved: int  # unknown outcomes found out
    gaps_filled: int
    duplicates: int
    adjusted: int
    foreign: int
    margin_drift_usd: float
    lanes: int
