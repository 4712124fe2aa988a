"""Processes that are killed with SIGKILL at a chosen step: forked from a warm one, so that a death costs little."""

import inspect
import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Any

PLACES = ("before", "after")


class Trap:
    """Kills this process at the ``nth`` passing of a method, before or after it did its work.

    Parameters
    ----------
    when : of the method's arguments; passings for which it says no do not count.
    """

    def __init__(
        self, owner: Any, name: str, nth: int, place: str = "before", when: "Callable[..., bool] | None" = None
    ) -> None:
        self._left = nth
        self._place = place
        self._when = when
        original = getattr(owner, name)

        def passing(*args: Any, **kwargs: Any) -> Any:
            here = self._comes(args)
            result = original(*args, **kwargs)
            if here:
                die()
            return result

        async def waiting(*args: Any, **kwargs: Any) -> Any:
            here = self._comes(args)
            result = await original(*args, **kwargs)
            if here:
                die()
            return result

        setattr(owner, name, waiting if inspect.iscoroutinefunction(original) else passing)

    def _comes(self, args: tuple[Any, ...]) -> bool:
        """True where this passing is the one, and its place is after it."""
        if self._when is not None and not self._when(*args):
            return False
        self._left -= 1
        if self._left == 0 and self._place == "before":
            die()
        return self._left == 0


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
