"""How often a property's limit was binding: a property that never met its limit has shown nothing."""

from collections import Counter
from collections.abc import Callable

import pytest


class Met(Counter):
    """Counts by name; ``need`` fails where one of the named is zero, and notes all for the summary."""

    def need(self, record: Callable[[str, object], None], *names: str) -> None:
        text = ", ".join(f"{name} {self[name]:,}" for name in (*names, *(k for k in self if k not in names)))
        record("binding", text)
        print(text)
        missing = [name for name in names if not self[name]]
        assert not missing, f"never met: {', '.join(missing)} (met {text})"


@pytest.fixture
def met() -> Met:
    """Return a fresh counter."""
    return Met()
