"""Module 1, trading engine: which models speak, and one signal per symbol and bar. Rules; SPEC section 2.

Nothing here is learned. A model that is missing, warming up, stale or disabled (weight 0) abstains, and so does one whose
row holds a number that is no probability or does not sum to 1; nothing stops. The vote itself is module 6.

Unless ENFORCED a row that does not sum to 1 is passed on as given (OFF) or counted and passed on (OBSERVE, ADVISORY); a
row with a number that is none always abstains, because no vote can be taken with it.
"""

from typing import Any, NamedTuple

from qt_core._jit import kernel
from qt_core.codes import ENFORCED, INVALID_SIGNAL, OFF, OK, PROBABILITY_SUM
from qt_core.numerics import is_finite
from qt_core.signal import ensemble

VERSION = 1


class Params(NamedTuple):
    """Constants of this module."""

    mode: int = 3  # codes.ENFORCED
    sum_tolerance: float = 1e-3  # largest distance of a row's sum from 1, probability; float32 rounding gives 2e-7


BOUNDS = {"sum_tolerance": (1e-6, 1.0)}
CHOICES: dict[str, tuple[str, ...]] = {}


class Signal(NamedTuple):
    """The word on one symbol and bar, and how many models were refused."""

    side: int  # +1 BUY, -1 SELL, 0 HOLD
    confidence: float  # score of that side; of the larger side when HOLD
    p_sell: float
    p_buy: float
    bad_number: int  # available models with a non-finite or negative probability
    bad_sum: int  # available models whose row does not sum to 1; not counted when OFF


class Screen(NamedTuple):
    """Who speaks."""

    speaks: int  # bit m = model m
    bad_number: int
    bad_sum: int


@kernel
def verdict(p: Params, p_sell: float, p_hold: float, p_buy: float) -> int:
    """OK, INVALID_SIGNAL (a number that is no probability) or PROBABILITY_SUM; a row at the tolerance is OK."""
    total = p_sell + p_hold + p_buy
    if not is_finite(total) or p_sell < 0.0 or p_hold < 0.0 or p_buy < 0.0:
        return INVALID_SIGNAL
    if abs(total - 1.0) > p.sum_tolerance:
        return PROBABILITY_SUM
    return OK


@kernel
def actionable(p: Params, pe: ensemble.Params, p_sell: float, p_hold: float, p_buy: float) -> int:
    """A single model's own action: +1 or -1 where that class is the largest of the three and reaches the threshold.

    A tie for the first place is no action, nor is a row whose model would abstain. The confidence is that probability.
    """
    if p_buy < pe.threshold and p_sell < pe.threshold:
        return 0
    judged = verdict(p, p_sell, p_hold, p_buy)
    if judged == INVALID_SIGNAL or (judged == PROBABILITY_SUM and p.mode == ENFORCED):
        return 0
    if p_buy > p_sell and p_buy > p_hold and p_buy >= pe.threshold:
        return 1
    if p_sell > p_buy and p_sell > p_hold and p_sell >= pe.threshold:
        return -1
    return 0


@kernel
def screen(p: Params, weights: Any, proba: Any, available: Any, t: int, i: int) -> Screen:
    """Model by model: who speaks, and how many are refused for which reason. A disabled model is neither."""
    speaks = 0
    bad_number = 0
    bad_sum = 0
    for m in range(4):
        if not available[t, i, m] or not weights[m] > 0.0:
            continue
        judged = verdict(p, float(proba[t, i, m, 0]), float(proba[t, i, m, 1]), float(proba[t, i, m, 2]))
        if judged == INVALID_SIGNAL:
            bad_number += 1
            continue
        if judged == PROBABILITY_SUM and p.mode != OFF:
            bad_sum += 1
            if p.mode == ENFORCED:
                continue
        speaks |= 1 << m
    return Screen(speaks, bad_number, bad_sum)


@kernel
def signal_checked(
    p: Params, pe: ensemble.Params, weights: Any, proba: Any, available: Any, t: int, i: int, alone: bool
) -> Signal:
    """``signal`` model by model: for rows that need it, a hard vote, and a single model that speaks ``alone``."""
    s = screen(p, weights, proba, available, t, i)
    v = ensemble.vote_among(pe, weights, proba, s.speaks, t, i, alone, 0)
    return Signal(v.side, v.confidence, v.p_sell, v.p_buy, s.bad_number, s.bad_sum)


@kernel
def signal(p: Params, pe: ensemble.Params, weights: Any, proba: Any, available: Any, t: int, i: int) -> Signal:
    """The signal of symbol ``i`` at bar row ``t``: the ensemble's vote of the models that speak.

    Parameters
    ----------
    pe : the ensemble's Params. weights : ``[4]`` float64, sum 1; 0 = disabled. proba : ``[T, N, 4, 3]`` float32 (SELL,
    HOLD, BUY). available : ``[T, N, 4]`` bool.

    Rows that are in order, the usual case, are weighed while they are checked. Each row's sum is checked by itself, so
    that the errors of two rows cannot cancel.
    """
    if pe.mode != ENFORCED or pe.vote != 0:
        return signal_checked(p, pe, weights, proba, available, t, i, pe.mode != ENFORCED)
    buy = 0.0
    sell = 0.0
    refused = False  # no branches: all four are looked at side by side
    for m in range(4):
        if available[t, i, m]:
            ps = float(proba[t, i, m, 0])
            ph = float(proba[t, i, m, 1])
            pb = float(proba[t, i, m, 2])
            buy += weights[m] * pb
            sell += weights[m] * ps
            sums = abs(ps + ph + pb - 1.0) <= p.sum_tolerance  # False for a sum that is not finite
            refused = refused | (ps < 0.0) | (ph < 0.0) | (pb < 0.0) | (not sums)
    if refused:
        return signal_checked(p, pe, weights, proba, available, t, i, False)
    v = ensemble.decide(pe, sell, buy, pe.threshold, 0)
    return Signal(v.side, v.confidence, v.p_sell, v.p_buy, 0, 0)
