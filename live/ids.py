"""Client order ids: a pure function of (run id, event time, symbol, tag, sequence), read back without a database.

``RRRRRR.T.SSSS.MMMMMMMM.NNNNN``: run id, operation and tag as one letter, the order's sequence, the time in ms and a hash of
the symbol's name, all base 36; a request that repeats all of these (two amends of one stop at one time) has a number behind.
At most 36 characters of ``[A-Za-z0-9_.:/-]``, the exchange's alphabet. An amend of an order is a new order there, so its
time makes it another id with the same sequence. The run id is drawn once per session and survives restarts; whoever
sees an id of another run knows it is foreign.
"""

import json
from typing import NamedTuple

from qt_core.codes import OP_NEW, TAG_NAMES
from qt_core.rng import name_hash

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
RUN_LENGTH = 6
MAX_LENGTH = 36
N_TAGS = len(TAG_NAMES)
SYMBOL_SPACE = 36**5
REMEMBERED = 2_000  # requests: an event may be told late, after others of another time


class OrderId(NamedTuple):
    """What an id says."""

    run_id: str
    op: int
    tag: int
    seq: int
    time_ms: int
    symbol_hash: int


def base36(value: int) -> str:
    """A whole number >= 0 in base 36."""
    out = ""
    while value:
        value, digit = divmod(value, 36)
        out = DIGITS[digit] + out
    return out or "0"


def symbol_hash(symbol: str) -> int:
    """Five base-36 digits of a symbol's name."""
    return int(name_hash(symbol)) % SYMBOL_SPACE


def make_id(run_id: str, time_ms: int, symbol: str, op: int, tag: int, seq: int) -> str:
    """The client order id of one request."""
    kind = DIGITS[(op - OP_NEW) * N_TAGS + tag]
    return f"{run_id}.{kind}.{base36(seq)}.{base36(time_ms)}.{base36(symbol_hash(symbol))}"


def read_id(text: str) -> "OrderId | None":
    """What an id says; None where it is not of this form."""
    parts = text.split(".")[:5]
    if len(parts) != 5 or len(parts[0]) != RUN_LENGTH or len(parts[1]) != 1:
        return None
    try:
        code, seq, time_ms, symbol = (int(part, 36) for part in parts[1:])
    except ValueError:
        return None
    op, tag = divmod(code, N_TAGS)
    return OrderId(parts[0], op + OP_NEW, tag, seq, time_ms, symbol) if op < 3 else None  # NEW, CANCEL, AMEND


class IdMaker:
    """Ids of a session, in the order its requests are made; a request like one before it at the same time gets a number."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self._seen: dict[str, int] = {}  # by what an id begins with, oldest first

    def make(self, time_ms: int, symbol: str, op: int, tag: int, seq: int) -> str:
        """The next id."""
        base = make_id(self.run_id, time_ms, symbol, op, tag, seq)
        n = self._seen.get(base, 0)
        self._seen[base] = n + 1
        if len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return base if n == 0 else f"{base}.{base36(n)}"

    def snapshot(self) -> bytes:
        """What ``resume`` needs."""
        return json.dumps(list(self._seen.items())).encode()

    def resume(self, blob: bytes) -> None:
        """Go on from a snapshot."""
        self._seen = dict(json.loads(blob))
