"""Faults on command: what is planned, what is switched on, and how often each has actually happened."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

# Planned: the next ``count`` requests (of a method and a path, where given) or user events meet it.
HTTP_ERROR = "http_error"  # answered with a 5xx page; nothing is executed
RATE_LIMIT = "rate_limit"  # 429, code -1003
BAN = "ban"  # 418, code -1003
BUSY = "busy"  # 503, code -1008; nothing is executed
REJECT = "reject"  # code and text of the command's choice, for example -2010
UNKNOWN = "unknown"  # 503, code -1; executed unless ``execute`` is 0
TIMEOUT = "timeout"  # executed, 408 with code -1007
SLOW = "slow"  # executed, answered after ``seconds``
HANG = "hang"  # executed, never answered
CUT = "cut"  # executed, the connection closed without an answer
TRUNCATE = "truncate"  # executed, status 200, half of the body
DROP_EVENT = "drop_event"
DUPLICATE_EVENT = "duplicate_event"
REORDER_EVENT = "reorder_event"  # sent after the user event that follows it
REQUEST_FAULTS = (HTTP_ERROR, RATE_LIMIT, BAN, BUSY, REJECT, UNKNOWN, TIMEOUT, SLOW, HANG, CUT, TRUNCATE)
EVENT_FAULTS = (DROP_EVENT, DUPLICATE_EVENT, REORDER_EVENT)
PLANNED = REQUEST_FAULTS + EVENT_FAULTS
# Done at once or switched, by the control object; counted under these names.
DISCONNECT, EXPIRE_KEY, MAINTENANCE, SKEW = "disconnect", "expire_listen_key", "maintenance", "clock_skew"
LATE_CANDLE, MISSED_CANDLE, NO_PERMISSION, MUTED = "late_candle", "missed_candle", "no_permission", "muted"


@dataclass
class Planned:
    """One planned fault."""

    kind: str
    count: int = 1
    method: str = ""
    path: str = ""  # end of the path: "order", "algoOrder"; of user events their type
    values: dict[str, Any] = field(default_factory=dict)

    def meets(self, method: str, path: str) -> bool:
        where = path.rsplit("/fapi/", 1)[-1].partition("/")[2] or path
        return self.method in ("", method) and self.path in ("", where)


class Faults:
    """Plans and switches of one exchange."""

    def __init__(self) -> None:
        self.planned: list[Planned] = []
        self.happened: Counter[str] = Counter()
        self.maintenance = False
        self.futures_permission = True
        self.missing: Counter[int] = Counter()  # symbol: closed candles that are not pushed any more

    def plan(self, kind: str, count: int = 1, method: str = "", path: str = "", **values: Any) -> None:
        """Let the next ``count`` requests or user events meet ``kind``.

        Raises
        ------
        ValueError
            An unknown kind.
        """
        if kind not in PLANNED:
            raise ValueError(f"fault {kind!r}; expected one of {', '.join(PLANNED)}")
        self.planned.append(Planned(kind, count, method, path, values))

    def take(self, kinds: tuple[str, ...], method: str, path: str) -> Planned | None:
        """The first planned fault that meets this request or event; counted as happened."""
        for p in self.planned:
            if p.kind in kinds and p.count > 0 and p.meets(method, path):
                p.count -= 1
                self.planned = [q for q in self.planned if q.count > 0]
                self.happened[p.kind] += 1
                return p
        return None

    def note(self, kind: str) -> None:
        """Count a fault that happened without a plan."""
        self.happened[kind] += 1
