"""Module 13, retraining orchestrator: the triggers alone. Rules; SPEC section 3 (the cycle they start is section 6).

One code a step, the first in the order age, win rate, calibration, regime, and none for a day after the last one. The
caller keeps the times and the regime on trial. OFF: never.

NaN policy: an unknown win rate or calibration, and an unknown regime, trigger nothing.
"""

from typing import NamedTuple

from qt_core._jit import kernel
from qt_core.codes import OFF, TRIGGER_AGE, TRIGGER_CALIBRATION, TRIGGER_NONE, TRIGGER_REGIME, TRIGGER_WIN_RATE
from qt_core.numerics import is_finite

VERSION = 1


class Params(NamedTuple):
    """Constants of this module; limits are SPEC's, hold times ours: a day has every session of the market."""

    mode: int = 3  # codes.ENFORCED
    max_age_ms: int = 604_800_000  # 7 days since the last training, from here on
    min_win_rate: float = 0.45  # of resolved predictions, fraction; below
    min_outcomes: int = 100  # resolved predictions before the win rate counts, as for calibration in module 12
    min_calibration: float = 0.60  # 1 - ECE / 0.25; below
    regime_hold_ms: int = 86_400_000  # a changed regime must have held this long
    pause_ms: int = 86_400_000  # none sooner after the last trigger


BOUNDS = {
    "max_age_ms": (0, 31_536_000_000),
    "min_win_rate": (0.0, 1.0),
    "min_outcomes": (1, 1_000_000),
    "min_calibration": (0.0, 1.0),
    "regime_hold_ms": (0, 31_536_000_000),
    "pause_ms": (0, 31_536_000_000),
}
CHOICES: dict[str, tuple[str, ...]] = {}

NO_REGIME = 0  # unknown, or none on trial: what a zeroed state holds
N_CLASSES = 3  # of volatility, and of trend


class Inputs(NamedTuple):
    """The models in use and the market, at one bar."""

    now_ms: int
    last_trained_ms: int  # 0 = never: overdue at once
    last_trigger_ms: int  # 0 = never
    win_rate: float  # fraction, NaN = unknown
    n_outcomes: int
    calibration: float  # NaN = unknown (below 100 outcomes)
    trained_regime: int  # regime_code at the last training
    regime: int  # regime_code of the market now
    regime_since_ms: int  # of the last step's Trigger; 0 before the first
    regime_candidate: int


class Trigger(NamedTuple):
    """What fired, and the changed regime that is on trial."""

    code: int  # TRIGGER_*
    regime_since_ms: int  # since when the candidate has held
    regime_candidate: int  # regime_code, NO_REGIME where the regime is that of the training or unknown


@kernel
def regime_code(vol: int, trend: int) -> int:
    """1..9 for volatility x trend; NO_REGIME where a class is none."""
    if vol < 0 or vol >= N_CLASSES or trend < 0 or trend >= N_CLASSES:
        return NO_REGIME
    return 1 + vol * N_CLASSES + trend


@kernel
def on_trial(x: Inputs) -> Trigger:
    """The regime on trial: the market's where it differs from the training's, timed from its first bar in a row."""
    if x.regime == NO_REGIME or x.trained_regime == NO_REGIME or x.regime == x.trained_regime:
        return Trigger(TRIGGER_NONE, 0, NO_REGIME)
    if x.regime == x.regime_candidate:
        return Trigger(TRIGGER_NONE, x.regime_since_ms, x.regime_candidate)
    return Trigger(TRIGGER_NONE, x.now_ms, x.regime)


@kernel
def holds(p: Params, x: Inputs, trial: Trigger, code: int) -> bool:
    """True where the condition of that trigger holds, regardless of the others and of the pause."""
    if code == TRIGGER_AGE:
        return x.now_ms - x.last_trained_ms >= p.max_age_ms
    if code == TRIGGER_WIN_RATE:
        return x.n_outcomes >= p.min_outcomes and is_finite(x.win_rate) and x.win_rate < p.min_win_rate
    if code == TRIGGER_CALIBRATION:
        return is_finite(x.calibration) and x.calibration < p.min_calibration
    lasted = x.now_ms - trial.regime_since_ms >= p.regime_hold_ms
    return code == TRIGGER_REGIME and trial.regime_candidate != NO_REGIME and lasted


@kernel
def fired(p: Params, x: Inputs, trial: Trigger) -> int:
    """The first trigger in order, regardless of the pause."""
    for code in range(TRIGGER_AGE, TRIGGER_REGIME + 1):
        if holds(p, x, trial, code):
            return code
    return TRIGGER_NONE


@kernel
def step(p: Params, x: Inputs) -> Trigger:
    """One bar: what fires now, and the regime on trial (timed during the pause too)."""
    if p.mode == OFF:
        return Trigger(TRIGGER_NONE, 0, NO_REGIME)
    trial = on_trial(x)
    if x.now_ms - x.last_trigger_ms < p.pause_ms:
        return trial
    return Trigger(fired(p, x, trial), trial.regime_since_ms, trial.regime_candidate)
