"""Sessions on an exchange; see ``live.bootstrap`` for paper."""

from pathlib import Path

from live.bootstrap import Started
from live.errors import LiveError
from qt_core.config import Config


def start_exchange(config: Config, kind: str, root: "str | Path | None" = None) -> Started:
    """A session on the exchange's test net or, confirmed, with real money."""
    raise LiveError(f"--{kind}: {config.source}: sessions on an exchange are being built; use --paper --replay")
