"""Which alerts pass, and how often: de-duplication, escalation and a rate limit as pure functions of time.

A key's first alert passes and opens a window; repeats inside it are counted. A more severe alert of the key passes at once.
At the window's end the repeats are told in one notice ("seen 14 times in 10 min") and the next window opens; a window
without repeats forgets the key. A warning that keeps coming becomes critical once. Seconds are of any clock that only
goes forward.
"""

from typing import NamedTuple

from live.ports import Alert

INFO, WARNING, CRITICAL = 0, 1, 2
SEVERITIES = ("info", "warning", "critical")


class RepeatSettings(NamedTuple):
    """De-duplication; all defaults are our choice."""

    window_s: float = 600.0  # repeats of a key are told once in so long
    escalate_after: int = 10  # alerts of a key, over windows without a pause, that make a warning critical; 0 = never
    max_keys: int = 1_000  # remembered; the oldest gives way


DEFAULTS = RepeatSettings()


class Notice(NamedTuple):
    """One thing a sink delivers."""

    time_ms: int  # UTC
    severity: int
    key: str
    title: str
    text: str
    seen: int = 1  # alerts of the key this notice stands for
    over_s: float = 0.0  # within so many seconds
    escalated: bool = False


class _Key:
    """What is known of one key."""

    def __init__(self, now_s: float, alert: Alert) -> None:
        self.opened_s = now_s  # of the window
        self.suppressed = 0  # in the window
        self.total = 1  # since the key was new
        self.severity = alert.severity  # the highest that passed
        self.last = alert
        self.escalated = False


class Repeats:
    """Decides for each alert whether it passes; ``due`` gives what windows that ended have to say."""

    def __init__(self, settings: RepeatSettings = DEFAULTS) -> None:
        self._settings = settings
        self._keys: dict[str, _Key] = {}  # in the order in which windows were opened
        self.suppressed = 0

    def take(self, alert: Alert, now_s: float, time_ms: int) -> list[Notice]:
        """Notices that an alert asks for now; none where it is a repeat."""
        out = self.due(now_s, time_ms)
        held = self._keys.get(alert.key)
        if held is None:
            out += self._evict(time_ms, now_s)
            self._keys[alert.key] = _Key(now_s, alert)
            return [*out, Notice(time_ms, alert.severity, alert.key, alert.title, alert.text)]
        held.total += 1
        held.last = alert
        if alert.severity > held.severity:
            held.severity = alert.severity
            return [*out, Notice(time_ms, alert.severity, alert.key, alert.title, alert.text)]
        held.suppressed += 1
        self.suppressed += 1
        if self._escalates(held):
            held.escalated, held.severity = True, CRITICAL
            out.append(self._summary(held, now_s, time_ms))
            held.suppressed = 0
        return out

    def due(self, now_s: float, time_ms: int) -> list[Notice]:
        """Summaries of the windows that have ended by now."""
        out = []
        for key, held in list(self._keys.items()):
            if now_s - held.opened_s < self._settings.window_s:
                break  # the rest was opened later
            del self._keys[key]
            if held.suppressed:
                out.append(self._summary(held, now_s, time_ms))
                held.opened_s, held.suppressed = now_s, 0
                self._keys[key] = held
        return out

    def next_due_s(self) -> "float | None":
        """When ``due`` should be called next; None while no key is remembered."""
        first = next(iter(self._keys.values()), None)
        return None if first is None else first.opened_s + self._settings.window_s

    def flush(self, now_s: float, time_ms: int) -> list[Notice]:
        """What every window has to say, ended or not; all keys are forgotten."""
        out = [self._summary(held, now_s, time_ms) for held in self._keys.values() if held.suppressed]
        self._keys.clear()
        return out

    def _escalates(self, held: _Key) -> bool:
        """Only warnings: repeated information is no trouble, and above critical there is nothing."""
        limit = self._settings.escalate_after
        return not held.escalated and held.severity == WARNING and 0 < limit <= held.total

    def _evict(self, time_ms: int, now_s: float) -> list[Notice]:
        if len(self._keys) < self._settings.max_keys:
            return []
        held = self._keys.pop(next(iter(self._keys)))
        return [self._summary(held, now_s, time_ms)] if held.suppressed else []

    def _summary(self, held: _Key, now_s: float, time_ms: int) -> Notice:
        seen, over = held.suppressed, now_s - held.opened_s
        span = f"{over / 60.0:.0f} min" if over >= 60.0 else f"{over:.0f} s"
        text = f"{held.last.text} (seen {seen} times{' more' if held.total > seen else ''} in {span})"
        severity = max(held.severity, held.last.severity)
        return Notice(time_ms, severity, held.last.key, held.last.title, text, seen, over, held.escalated)


class Allowance:
    """A token bucket with a reserve that only critical notices may use.

    Parameters
    ----------
    per_min : float
        Notices a minute; also the size of the bucket.
    reserve : float
        Fraction of the bucket kept for critical notices.
    """

    def __init__(self, per_min: float, reserve: float, now_s: float) -> None:
        self._per_min, self._reserve = per_min, reserve * per_min
        self._tokens, self._at_s = per_min, now_s

    def grant(self, severity: int, now_s: float) -> bool:
        """True where a notice of this severity may go now; takes a token."""
        self._tokens = min(self._per_min, self._tokens + (now_s - self._at_s) * self._per_min / 60.0)
        self._at_s = now_s
        floor = 0.0 if severity >= CRITICAL else self._reserve
        if self._tokens - 1.0 < floor:
            return False
        self._tokens -= 1.0
        return True
