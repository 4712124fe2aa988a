"""What a soak is asked to do, and what it found."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from live.testing.level import Broken

KEPT = 200  # broken things kept in the report


class Plan(NamedTuple):
    """What to run."""

    bars: int
    symbols: int = 3
    seed: int = 1
    share: float = 0.3  # of bars before which a fault is ordered
    warmup: int = 200
    keep_days: float = 20.0  # of the journal


@dataclass
class Report:
    """What was done and found."""

    plan: Plan
    bars: int = 0
    seconds: float = 0.0
    latched: int = 0
    compared: int = 0  # bars after which both sides were compared
    counts: dict[str, Any] = field(default_factory=dict)
    broken: list[tuple[int, Broken]] = field(default_factory=list)
    by_kind: Counter[str] = field(default_factory=Counter)
    audit: str = "not done"
    ended: str = ""

    @property
    def clean(self) -> bool:
        return not self.by_kind and self.audit == "clean" and not self.ended

    def note(self, found: list[Broken]) -> None:
        """Count what does not hold."""
        for b in found:
            self.by_kind[b.what] += 1
            if len(self.broken) < KEPT:
                self.broken.append((self.bars, b))

    def as_dict(self) -> dict[str, Any]:
        """For a file."""
        return {
            "clean": self.clean, "plan": self.plan._asdict(), "bars": self.bars, "seconds": round(self.seconds, 1),
            "bars_compared": self.compared, "emergency_stops": self.latched, **self.counts, "audit": self.audit,
            "ended": self.ended, "broken": dict(self.by_kind),
            "broken_first": [f"bar {bar}: {b.what}: {b.text}" for bar, b in self.broken],
        }  # fmt: skip
