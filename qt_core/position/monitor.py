"""Module 23, position monitor: keep, protect or leave an open position. A rule; SPEC section 5.

Runs at every bar (10 s live, through the guards). Time limit, sentiment, module 10's advice, and protection that should
rest at the venue but does not. OFF: no time, sentiment or advice exit; protection stays, whatever the mode. OBSERVE and
ADVISORY: ``verdict`` is journalled, the caller acts on ``protection`` alone.

NaN policy: the inputs are integers; a signal that is not known (``signal_known`` 0) keeps, as HOLD does.
"""

from typing import NamedTuple

from qt_core._jit import kernel
from qt_core.codes import (
    ADVICE_EXIT,
    EXIT_ON_ADVICE,
    EXIT_ON_SENTIMENT,
    EXIT_ON_TIME,
    KEEP,
    OFF,
    PROTECT,
    QUICK_EXIT,
)

VERSION = 1


class Params(NamedTuple):
    """Constants of this module; the time limit is SPEC's."""

    mode: int = 3  # codes.ENFORCED
    max_hold_ms: int = 86_400_000  # 24 h since the first fill, ms
    quick_hold_factor: float = 0.5  # of max_hold_ms where the exit mode is QUICK (ours), fraction
    exit_on_advice: int = 1  # module 10's EXIT closes the position, off/on


BOUNDS = {
    "max_hold_ms": (0, 31_536_000_000),
    "quick_hold_factor": (0.0, 1.0),
}
CHOICES = {"exit_on_advice": ("off", "on")}


class Inputs(NamedTuple):
    """One open position at a close."""

    side: int  # 1 long, -1 short
    age_ms: int  # since the first fill
    signal_side: int  # the ensemble's action now: 1 BUY, -1 SELL, 0 HOLD
    signal_known: int  # 0 = no signal for this symbol and bar
    advice: int  # codes.ADVICE_*, from module 10
    sl_missing: int  # 1 = a stop should rest at the venue and does not
    tp_missing: int  # 1 = a target should rest and does not (none is due while a winner runs)
    exit_mode: int  # codes.QUICK_EXIT, NORMAL_EXIT, TREND_EXIT


@kernel
def protection(x: Inputs) -> int:
    """PROTECT where stop or target should rest and does not, else KEEP; binds in every mode."""
    return PROTECT if x.sl_missing != 0 or x.tp_missing != 0 else KEEP


@kernel
def verdict(p: Params, x: Inputs) -> int:
    """The first that holds of EXIT_ON_TIME, EXIT_ON_SENTIMENT, EXIT_ON_ADVICE, PROTECT, else KEEP.

    An exit stands before PROTECT: it takes the position to the market at the next open, before any stop could act.
    """
    if p.mode == OFF:
        return protection(x)
    limit = p.max_hold_ms * p.quick_hold_factor if x.exit_mode == QUICK_EXIT else p.max_hold_ms * 1.0
    if x.age_ms >= limit:
        return EXIT_ON_TIME
    if x.signal_known != 0 and x.signal_side * x.side < 0:
        return EXIT_ON_SENTIMENT
    if p.exit_on_advice != 0 and x.advice == ADVICE_EXIT:
        return EXIT_ON_ADVICE
    return protection(x)
