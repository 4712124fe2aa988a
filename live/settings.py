"""The ``live:`` section of a configuration: every number of the live shell, checked once."""

import re
from dataclasses import dataclass, fields
from typing import Any

from qt_core.config import Config
from qt_core.errors import ConfigError

FOREIGN = ("refuse", "adopt", "close")


@dataclass(frozen=True)
class LiveSettings:
    """Times in seconds unless named otherwise."""

    guard_s: float = 10.0  # between guards on an exchange (SPEC module 23)
    late_s: float = 5.0  # after a close the bar is decided with the symbols that have arrived
    stale_s: float = 120.0  # on an exchange a bar that closed longer ago is not decided any more, only guarded
    warmup_bars: int = (
        0  # decision bars before the session that only features see; an exchange needs at least 720 of 1 h
    )
    snapshot_bars: int = 24  # decision bars between snapshots: what a recovery has to do again, at most
    keep_days: float = 30.0  # of entries in the journal; older ones go when a snapshot covers them
    submit_timeout_s: float = 30.0  # for all orders of one call
    stop_timeout_s: float = 20.0  # for feed and broker to close
    command_poll_s: float = 0.25  # between looks for commands that people left
    inbox: int = 4096  # things that may wait; a feed that runs ahead waits for room
    foreign: str = "refuse"  # positions and orders that are not ours: refuse to start, adopt or close
    name: str = ""  # of the session; empty = the configuration's file name
    reconcile_s: float = 60.0  # between comparisons of positions and orders with the exchange
    doubt_s: float = 5.0  # a difference is looked at again after so long; one that is still there is mended


BOUNDS: dict[str, tuple[float, float]] = {
    "guard_s": (0.1, 3600.0),
    "late_s": (0.0, 600.0),
    "stale_s": (1.0, 86_400.0),
    "warmup_bars": (0, 100_000),
    "snapshot_bars": (1, 100_000),
    "keep_days": (0.01, 36_500.0),
    "submit_timeout_s": (1.0, 600.0),
    "stop_timeout_s": (1.0, 600.0),
    "command_poll_s": (0.01, 60.0),
    "inbox": (1, 1_000_000),
    "reconcile_s": (1.0, 86_400.0),
    "doubt_s": (0.1, 3600.0),
}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,59}")


def live_settings(config: Config) -> LiveSettings:
    """The section over the defaults.

    Raises
    ------
    ConfigError
        Naming file, key and what was expected.
    """
    known = {f.name: f for f in fields(LiveSettings)}
    defaults = LiveSettings()
    values: dict[str, Any] = {}
    for key, value in config.live.items():
        where = f"{config.source}: live.{key}"
        if key not in known:
            raise ConfigError(f"{config.source}: unknown key 'live.{key}'; expected one of {', '.join(known)}")
        values[key] = _value(where, key, value, getattr(defaults, key))
    return LiveSettings(**values)


def _value(where: str, key: str, value: Any, default: Any) -> Any:
    if key == "foreign":
        if value not in FOREIGN:
            raise ConfigError(f"{where}: {value!r}; expected {', '.join(FOREIGN[:-1])} or {FOREIGN[-1]}")
        return value
    if key == "name":
        if not isinstance(value, str) or not _NAME.fullmatch(value):
            raise ConfigError(
                f"{where}: {value!r}; expected up to 60 of letters, digits, '_.-', a letter or digit first"
            )
        return value
    least, most = BOUNDS[key]
    whole = isinstance(default, int)
    kind = int if whole else int | float
    if isinstance(value, bool) or not isinstance(value, kind) or not least <= value <= most:
        raise ConfigError(f"{where}: {value!r}; expected a {'whole ' if whole else ''}number from {least} to {most}")
    return int(value) if whole else float(value)


def session_name(config: Config, settings: LiveSettings, kind: str = "") -> str:
    """What the session is called: its folder, and what people type; by default the file's name and the kind of session."""
    if settings.name:
        return settings.name
    stem = config.source.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    name = stem if _NAME.fullmatch(stem) else "session"
    return f"{name}-{kind}" if kind else name
