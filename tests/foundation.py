"""The chain of the foundation: ensemble, TP/SL, risk OS and governor bind, every other module is off.

For tests of the engine and of those four modules, whose bar tables would be blurred by modules that veto, shrink or exit.
"""

from collections.abc import Mapping
from typing import Any

BARE = {"all": "off"}
FOUR = {"all": "off", "ensemble": "enforced", "tpsl": "enforced", "risk": "enforced", "governor": "enforced"}


def foundation(raw: Mapping[str, Any] | None = None, modules: Mapping[str, str] = FOUR) -> dict[str, Any]:
    """``raw`` with the other modules off; a section's own mode still wins."""
    return {"modules": dict(modules), **(raw or {})}
