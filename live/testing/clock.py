"""Exchange time: a replay's clock stands at the bar it has reached, a wall clock runs; a fault may skew what it says."""

import time

MS_PER_S = 1000


class ExchangeClock:
    """What the server answers in ``/time`` and checks timestamps against, ms UTC."""

    def __init__(self, mode: str, start_ms: int) -> None:
        if mode not in ("replay", "wall"):
            raise ValueError(f"clock {mode!r}; expected 'replay' or 'wall'")
        self.mode = mode
        self.replay_ms = start_ms
        self.skew_ms = 0

    def now_ms(self) -> int:
        base = self.replay_ms if self.mode == "replay" else wall_ms()
        return base + self.skew_ms


def wall_ms() -> int:
    """This computer's time, ms UTC."""
    return int(time.time() * MS_PER_S)
