"""One mutation."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """``old`` in ``file`` (below qt_core) becomes ``new``; ``killer`` is the test file that should fail."""

    what: str
    file: str
    old: str
    new: str
    killer: str
