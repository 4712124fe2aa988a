"""Processes that are killed with SIGKILL at a chosen step: forked from a warm one, so that a death costs little."""

import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Any

PLACES = ("before", "after")


class Trap:
    """Kills this process at the ``nth`` passing of a method, before or after it did its work."""

    def __init__(self, owner: type, name: str, nth: int, place: str = "before") -> None:
        self._left = nth
        self._place = place
        original = getattr(owner, name)

        def passing(*args: Any, **kwargs: Any) -> Any:
            self._left -= 1
            if self._left == 0 and place == "before":
                die()
            result = original(*args, **kwargs)
            if self._left == 0:
                die()
            return result

        setattr(owner, name, passing)


def die() -> None:
    """As a power cut would: nothing is flushed, no handler runs."""
    os.kill(os.getpid(), signal.SIGKILL)


def in_child(work: Callable[[], None]) -> bool:
    """Do ``work`` in a process of its own; True where it came to its end, False where it was killed.

    Raises
    ------
    AssertionError
        If it failed otherwise; its traceback is on stderr.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return False
    assert os.waitstatus_to_exitcode(status) == 0, "the child failed; see its traceback"
    return True
