"""Module 10, position intelligence (PIL): what an open position is by now, and what 9 and 23 should make of it.

A rule; SPEC section 3. Five classes from R, momentum, age, range and z-score, with a class confidence. SPEC gives the names;
the thresholds are ours (docs/modules.md). OFF: UNKNOWN, no advice. OBSERVE and ADVISORY: the class is journalled, the
caller follows the advice only where ENFORCED.

NaN policy: without R there is no class (UNKNOWN, no advice). Unknown momentum and an unknown z-score count as 0, an
unknown range keeps a position from being a ZOMBIE, which is the only class that costs the position.
"""

from typing import NamedTuple

from qt_core._jit import kernel
from qt_core.codes import (
    ADVICE_AMPLIFY,
    ADVICE_EXIT,
    ADVICE_NONE,
    ADVICE_WATCH,
    OFF,
    PIL_LAGGING,
    PIL_LEADING,
    PIL_OUTLIER,
    PIL_STALE,
    PIL_UNKNOWN,
    PIL_ZOMBIE,
)
from qt_core.numerics import is_finite

VERSION = 1


class Params(NamedTuple):
    """Constants of this module; names of the classes are SPEC's, thresholds ours."""

    mode: int = 3  # codes.ENFORCED
    interval_ms: int = 60_000  # between two looks at a position, ms
    outlier_z: float = 3.0  # |last bar's return| in ATR fractions from which a bar is out of the ordinary
    zombie_age_ms: int = 43_200_000  # 12 h: half of the monitor's limit, ms
    zombie_range_r: float = 0.5  # best R - worst R seen, below which nothing has happened
    stale_age_ms: int = 21_600_000  # 6 h, ms
    stale_r: float = 0.25  # |R| below which a position is where it began
    confidence_r: float = 1.0  # R beyond the border at which LEADING and LAGGING are certain
    confidence_z: float = 3.0  # z-score beyond the border at which OUTLIER is certain
    confidence_age_ms: float = 21_600_000.0  # age beyond the border at which STALE and ZOMBIE are certain, ms


BOUNDS = {
    "interval_ms": (0, 604_800_000),
    "outlier_z": (0.0, 100.0),
    "zombie_age_ms": (0, 31_536_000_000),
    "zombie_range_r": (0.0, 100.0),
    "stale_age_ms": (0, 31_536_000_000),
    "stale_r": (0.0, 100.0),
    "confidence_r": (0.001, 100.0),
    "confidence_z": (0.001, 100.0),
    "confidence_age_ms": (1.0, 31_536_000_000.0),
}
CHOICES: dict[str, tuple[str, ...]] = {}

BORDER_CONFIDENCE = 0.5  # at the border of a class either side is as likely


class Inputs(NamedTuple):
    """One open position at a close."""

    r: float  # (realised + unrealised - costs) / initial risk
    momentum_side: float  # side x the symbol's return over 24 h, fraction
    age_ms: int  # since the first fill
    range_r: float  # best R - worst R seen
    z: float  # last bar's return / ATR fraction
    known: int  # 0 = the initial risk is not known, so R means nothing


class Class(NamedTuple):
    """Class, how far inside it (0.5..1, 0 for UNKNOWN), and the advice."""

    code: int
    confidence: float
    advice: int


@kernel
def certainty(distance: float, scale: float) -> float:
    """0.5 at the border of a class, 1 from ``scale`` inside it."""
    return BORDER_CONFIDENCE + (1.0 - BORDER_CONFIDENCE) * min(1.0, distance / scale)


@kernel
def classify(p: Params, x: Inputs) -> Class:
    """The first class that fits: OUTLIER, ZOMBIE, STALE, LEADING, else LAGGING.

    A winner against which the momentum has turned is LAGGING at confidence 0.5: one of two conditions holds.
    """
    if p.mode == OFF or x.known == 0 or not is_finite(x.r):
        return Class(PIL_UNKNOWN, 0.0, ADVICE_NONE)
    z = abs(x.z)
    if is_finite(z) and z >= p.outlier_z:
        return Class(PIL_OUTLIER, certainty(z - p.outlier_z, p.confidence_z), ADVICE_WATCH)
    if abs(x.r) < p.stale_r:
        if x.age_ms >= p.zombie_age_ms and x.range_r < p.zombie_range_r:
            return Class(PIL_ZOMBIE, certainty(x.age_ms - p.zombie_age_ms, p.confidence_age_ms), ADVICE_EXIT)
        if x.age_ms >= p.stale_age_ms:
            return Class(PIL_STALE, certainty(x.age_ms - p.stale_age_ms, p.confidence_age_ms), ADVICE_WATCH)
    if x.r > 0.0 and not x.momentum_side < 0.0:
        return Class(PIL_LEADING, certainty(x.r, p.confidence_r), ADVICE_AMPLIFY)
    return Class(PIL_LAGGING, certainty(max(0.0, -x.r), p.confidence_r), ADVICE_WATCH)
