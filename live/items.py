"""What may lie in the runner's inbox beside bars, events and quotes: commands of people and of the shell, and work."""

from collections.abc import Awaitable, Callable
from typing import Any

from live.ports import ClosedBar, Quote, VenueEvent


class Person:
    """A command somebody left: its number in the store, name, arguments, and who."""

    def __init__(self, number: int, name: str, args: dict[str, Any], who: str) -> None:
        self.number, self.name, self.args, self.who = number, name, args, who


class Machine:
    """A command of the shell itself (health, errors, spreads) for the chain."""

    def __init__(self, command: int, fields: "dict[str, Any] | None" = None, key: str = "") -> None:
        self.command, self.fields, self.key = command, fields or {}, key


class Job:
    """Work that must not meet a call half-way: the loop awaits it in its turn."""

    def __init__(self, work: Callable[[], Awaitable[None]]) -> None:
        self.work = work


Item = ClosedBar | VenueEvent | Quote | Person | Machine | Job
