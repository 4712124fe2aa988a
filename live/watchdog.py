"""Watches the event loop from outside it: a loop that hangs can neither measure nor tell."""

import logging
import sys
import threading
import time
import traceback
from typing import NamedTuple

from live.machine import LoopLag
from live.ports import Alert, Alerts
from live.repeats import CRITICAL

log = logging.getLogger(__name__)


class WatchSettings(NamedTuple):
    """When a loop counts as hanging; defaults are our choice."""

    limit_s: float = 30.0  # three guards missed
    look_s: float = 1.0  # between looks


DEFAULTS = WatchSettings()


class Watchdog:
    """A daemon thread that tells people where the loop stands when nothing has run there for ``limit_s``.

    To be started on the loop's own thread. It stops nothing: whether a process that hangs may be killed is the decision of
    whoever watches over it, and the resting stops stay on the exchange.
    """

    def __init__(self, lag: LoopLag, alerts: Alerts, settings: WatchSettings = DEFAULTS) -> None:
        self._lag, self._alerts, self._settings = lag, alerts, settings
        self._loop_thread = threading.get_ident()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self.hangs = 0

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """End the thread; waits for one look at most."""
        self._end.set()
        if self._thread.is_alive():
            self._thread.join(self._settings.look_s + 1.0)

    def _watch(self) -> None:
        told = False
        while not self._end.wait(self._settings.look_s):
            silent_s = time.monotonic() - self._lag.seen
            if silent_s < self._settings.limit_s:
                told = False
            elif not told:
                told = True
                self._tell(silent_s)

    def _tell(self, silent_s: float) -> None:
        self.hangs += 1
        frame = sys._current_frames().get(self._loop_thread)
        stack = traceback.format_stack(frame) if frame is not None else ["unknown\n"]
        log.critical("the event loop hangs for %.0f s at\n%s", silent_s, "".join(stack))
        where = stack[-1].strip().splitlines()[0]
        self._alerts.send(Alert(CRITICAL, "loop:hangs", "Event loop hangs", f"for {silent_s:.0f} s: {where}"))
