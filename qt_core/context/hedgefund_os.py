"""Module 7, AI-HFOS: the account's risk mode, and what follows from it for every module below. Rules; SPEC section 3.

Six sources (drawdown, losing streak, health, emergency stop, model supervisor, exposure) each ask for a risk mode; the
most restrictive holds and its source is named. It rises at once and falls one level per quiet period. Thresholds that
SPEC leaves open follow its own: the modes step up to the 5 % drawdown, the streak of 5 and the exposure classes of module
8. OFF: NORMAL, HEALTHY, trades allowed, scale 1.0.

NaN policy: an account whose drawdown or exposure is unknown gets that source's most restrictive mode, but nothing is
reduced on an unknown number.
"""

from typing import NamedTuple

from qt_core._jit import kernel
from qt_core.codes import (
    BY_DRAWDOWN,
    BY_ESS,
    BY_EXPOSURE,
    BY_HEALTH,
    BY_NONE,
    BY_STREAK,
    BY_SUPERVISOR,
    CRITICAL,
    DEGRADED,
    ENFORCED,
    HEALTHY,
    OFF,
    PERFORMANCE_GOOD,
    RISK_CAUTIOUS,
    RISK_DEFENSIVE,
    RISK_EMERGENCY,
    RISK_NORMAL,
    UNIVERSE_AGGRESSIVE,
    UNIVERSE_CONSERVATIVE,
    UNIVERSE_NORMAL,
    URGENCY_CRITICAL,
    URGENCY_HIGH,
    URGENCY_LOW,
    URGENCY_MEDIUM,
)

VERSION = 1


class Params(NamedTuple):
    """Constants of this module; the interval and the scales are SPEC's, the thresholds steps up to SPEC's limits."""

    mode: int = 3  # codes.ENFORCED
    interval_ms: int = 60_000  # cadence, and the unit of quiet_intervals
    quiet_intervals: int = 60  # intervals below the mode in force, per level of de-escalation
    drawdown_cautious: float = 0.02  # fraction; day's or since the last reset, whichever is larger; from here on
    drawdown_defensive: float = 0.035
    drawdown_emergency: float = 0.05
    streak_cautious: int = 3  # losing trades in a row, from here on
    streak_defensive: int = 5  # beyond, as module 17 halves sizes
    unreliable_cautious: int = 2  # models that module 12 found unreliable, from here on
    unreliable_defensive: int = 4  # all
    exposure_cautious: float = 0.60  # margin in use and reserved / equity, from here on: HEAVY of module 8
    exposure_defensive: float = 0.80  # MAX of module 8
    scale_normal: float = 1.0  # factor on sizes, by risk mode
    scale_cautious: float = 0.75
    scale_defensive: float = 0.5
    scale_emergency: float = 0.0
    min_confidence_cautious: float = 0.47  # conservative predictions: probability; NORMAL asks for none
    min_confidence_defensive: float = 0.50  # DEFENSIVE and EMERGENCY
    reduce_on_drawdown: float = 0.5  # fraction of every position, once, on entering EMERGENCY by drawdown
    reduce_on_exposure: float = 0.25  # fraction of every position while exposure >= exposure_defensive


BOUNDS = {
    "interval_ms": (1, 86_400_000),
    "quiet_intervals": (1, 100_000),
    "drawdown_cautious": (0.0, 1.0),
    "drawdown_defensive": (0.0, 1.0),
    "drawdown_emergency": (0.0, 1.0),
    "streak_cautious": (1, 1000),
    "streak_defensive": (0, 1000),
    "unreliable_cautious": (1, 1000),
    "unreliable_defensive": (1, 1000),
    "exposure_cautious": (0.0, 100.0),
    "exposure_defensive": (0.0, 100.0),
    "scale_normal": (0.0, 1.0),
    "scale_cautious": (0.0, 1.0),
    "scale_defensive": (0.0, 1.0),
    "scale_emergency": (0.0, 1.0),
    "min_confidence_cautious": (0.0, 1.0),
    "min_confidence_defensive": (0.0, 1.0),
    "reduce_on_drawdown": (0.0, 1.0),
    "reduce_on_exposure": (0.0, 1.0),
}
CHOICES: dict[str, tuple[str, ...]] = {}

NOT_QUIET = -1  # quiet_since_ms while the mode in force is still asked for


class Inputs(NamedTuple):
    """The account and the system as they stand at this bar; the supervisor's count is of the previous bar."""

    drawdown: float  # fraction of the peak since start or the last reset of the emergency stop
    day_drawdown: float  # fraction of the equity at 00:00 UTC
    losing_streak: int
    health: int  # HEALTHY, DEGRADED, CRITICAL of module 15
    ess_latched: int
    unreliable_models: int
    exposure: float  # margin in use and reserved / equity
    performance: int  # PERFORMANCE_*


class Directive(NamedTuple):
    """A risk mode and whose it is."""

    mode: int  # RISK_*
    by: int  # BY_*


class Outputs(NamedTuple):
    """What holds until the next interval."""

    risk_mode: int  # RISK_*
    by: int  # BY_*: who asked for the mode in force
    health: int
    allow: int  # 1 = positions may be opened or enlarged
    scale: float  # factor on sizes
    universe_mode: int  # UNIVERSE_*
    urgency: int  # URGENCY_*
    reduce_fraction: float  # of every open position, to be reduced now
    min_confidence: float  # probability
    quiet_since_ms: int  # since when a lower mode would do, NOT_QUIET while it would not


@kernel
def due(p: Params, last_ms: int, now_ms: int) -> bool:
    """True where an interval has passed; a ``last_ms`` of 0 (never) is always due."""
    return now_ms - last_ms >= p.interval_ms


@kernel
def graded(cautious: bool, defensive: bool, emergency: bool) -> int:
    """Mode of one source from the thresholds it has passed."""
    if emergency:
        return RISK_EMERGENCY
    if defensive:
        return RISK_DEFENSIVE
    return RISK_CAUTIOUS if cautious else RISK_NORMAL


@kernel
def drawdown_mode(p: Params, drawdown: float, day_drawdown: float) -> int:
    """Mode asked for by the larger of both drawdowns; unknown is EMERGENCY."""
    worst = max(drawdown, day_drawdown)
    bad = not (drawdown < p.drawdown_emergency and day_drawdown < p.drawdown_emergency)
    return graded(worst >= p.drawdown_cautious, worst >= p.drawdown_defensive, bad)


@kernel
def stricter(d: Directive, mode: int, by: int) -> Directive:
    """``d``, or the directive of the next source where it asks for more."""
    return Directive(mode, by) if mode > d.mode else d


@kernel
def wanted(p: Params, x: Inputs) -> Directive:
    """The most restrictive directive; among equals the first in the order of BY_*. Unknown exposure is DEFENSIVE."""
    d = stricter(Directive(RISK_NORMAL, BY_NONE), drawdown_mode(p, x.drawdown, x.day_drawdown), BY_DRAWDOWN)
    streak = graded(x.losing_streak >= p.streak_cautious, x.losing_streak > p.streak_defensive, False)
    d = stricter(d, streak, BY_STREAK)
    # a health code that is none counts as CRITICAL
    d = stricter(d, graded(x.health == DEGRADED, False, x.health != HEALTHY and x.health != DEGRADED), BY_HEALTH)
    d = stricter(d, graded(False, False, x.ess_latched != 0), BY_ESS)
    models = x.unreliable_models
    d = stricter(d, graded(models >= p.unreliable_cautious, models >= p.unreliable_defensive, False), BY_SUPERVISOR)
    exposure = graded(x.exposure >= p.exposure_cautious, not x.exposure < p.exposure_defensive, False)
    return stricter(d, exposure, BY_EXPOSURE)


class InForce(NamedTuple):
    """The mode after escalation or its delayed opposite."""

    mode: int  # RISK_*
    by: int  # BY_*
    quiet_since_ms: int


@kernel
def in_force(
    p: Params, previous_mode: int, previous_by: int, quiet_since_ms: int, now_ms: int, want: Directive
) -> InForce:
    """Up at once; down one level for each quiet period that has passed since a lower mode was first asked for.

    Several periods between two bars are several levels, so that the size of bars does not change the meaning. While the
    mode stands above what is wanted, ``by`` stays with who raised it.
    """
    if want.mode >= previous_mode:
        return InForce(want.mode, want.by, NOT_QUIET)
    since = now_ms if quiet_since_ms == NOT_QUIET else quiet_since_ms
    period = p.quiet_intervals * p.interval_ms
    mode = previous_mode
    while mode > want.mode and now_ms - since >= period:
        mode -= 1
        since += period
    if mode == want.mode:
        return InForce(mode, want.by, NOT_QUIET)
    return InForce(mode, previous_by, since)


class Stance(NamedTuple):
    """What a risk mode means."""

    scale: float  # factor on sizes
    min_confidence: float  # conservative predictions: probability an entry needs
    urgency: int  # URGENCY_*


@kernel
def stance_of(p: Params, mode: int) -> Stance:
    """One stance per mode."""
    if mode == RISK_NORMAL:
        return Stance(p.scale_normal, 0.0, URGENCY_LOW)
    if mode == RISK_CAUTIOUS:
        return Stance(p.scale_cautious, p.min_confidence_cautious, URGENCY_MEDIUM)
    if mode == RISK_DEFENSIVE:
        return Stance(p.scale_defensive, p.min_confidence_defensive, URGENCY_HIGH)
    return Stance(p.scale_emergency, p.min_confidence_defensive, URGENCY_CRITICAL)


@kernel
def health_of(mode: int, by: int, health: int) -> int:
    """Health of the fund: CRITICAL by module 15, drawdown or emergency stop; DEGRADED in any mode but NORMAL."""
    if health != HEALTHY and health != DEGRADED:
        return CRITICAL
    if mode == RISK_EMERGENCY and by in (BY_DRAWDOWN, BY_ESS):
        return CRITICAL
    return HEALTHY if mode == RISK_NORMAL and health == HEALTHY else DEGRADED


@kernel
def universe_of(mode: int, performance: int) -> int:
    """Wider when NORMAL and doing well, narrower from DEFENSIVE on."""
    if mode > RISK_CAUTIOUS:
        return UNIVERSE_CONSERVATIVE
    if mode == RISK_NORMAL and performance == PERFORMANCE_GOOD:
        return UNIVERSE_AGGRESSIVE
    return UNIVERSE_NORMAL


@kernel
def reduce_of(p: Params, previous_mode: int, previous_by: int, mode: int, by: int, x: Inputs) -> float:
    """Fraction of every position to be reduced now; never on an unknown number.

    Drawdown speaks once an emergency: on entering it, or taking it over from health (halving at every interval would be a
    close in disguise). High exposure speaks as long as it lasts, because reducing ends it.
    """
    entered = previous_mode != RISK_EMERGENCY or previous_by == BY_HEALTH
    if entered and mode == RISK_EMERGENCY and by == BY_DRAWDOWN:
        if x.drawdown >= p.drawdown_emergency or x.day_drawdown >= p.drawdown_emergency:
            return p.reduce_on_drawdown
    return p.reduce_on_exposure if x.exposure >= p.exposure_defensive else 0.0


@kernel
def neutral() -> Outputs:
    """What holds while this module is OFF or only observes."""
    return Outputs(RISK_NORMAL, BY_NONE, HEALTHY, 1, 1.0, UNIVERSE_NORMAL, URGENCY_LOW, 0.0, 0.0, NOT_QUIET)


@kernel
def step(p: Params, previous_mode: int, previous_by: int, quiet_since_ms: int, now_ms: int, inputs: Inputs) -> Outputs:
    """Outputs of one interval, computed unless OFF; they follow the mode in force.

    Parameters
    ----------
    previous_mode, previous_by, quiet_since_ms : of the last step's outputs; zeros before the first.
    now_ms : the bar's close, UTC.
    """
    if p.mode == OFF:
        return neutral()
    stands = in_force(p, previous_mode, previous_by, quiet_since_ms, now_ms, wanted(p, inputs))
    stance = stance_of(p, stands.mode)
    return Outputs(
        stands.mode,
        stands.by,
        health_of(stands.mode, stands.by, inputs.health),
        0 if stands.mode == RISK_EMERGENCY else 1,
        stance.scale,
        universe_of(stands.mode, inputs.performance),
        stance.urgency,
        reduce_of(p, previous_mode, previous_by, stands.mode, stands.by, inputs),
        stance.min_confidence,
        stands.quiet_since_ms,
    )


@kernel
def binding(p: Params, outputs: Outputs) -> Outputs:
    """What binds the chain: the outputs where ENFORCED, else the neutral ones."""
    return outputs if p.mode == ENFORCED else neutral()
