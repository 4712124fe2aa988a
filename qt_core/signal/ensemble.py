"""Module 6, ensemble: four models' probabilities to one action. A rule (weighted vote); SPEC section 2.

Unless ENFORCED the best available single model (largest weight) speaks alone; OBSERVE and ADVISORY count how often the
vote would have said the same. An abstaining model votes HOLD with its weight.
"""

from typing import Any, NamedTuple

from qt_core._jit import kernel
from qt_core.codes import ENFORCED
from qt_core.numerics import is_finite

VERSION = 1


class Params(NamedTuple):
    """Constants of this module; defaults are SPEC's."""

    mode: int = 3  # codes.ENFORCED
    threshold: float = 0.45  # least probability of BUY or SELL to act, fraction
    vote: int = 0  # 0 soft: w*p for every class; 1 hard: w*p for the model's largest class only
    weight_xgb: float = 0.33  # base weights; config renormalises them to sum 1
    weight_lgbm: float = 0.30
    weight_nhits: float = 0.20
    weight_patchtst: float = 0.17


BOUNDS = {
    "threshold": (0.0, 1.0),
    "weight_xgb": (0.0, 1.0),
    "weight_lgbm": (0.0, 1.0),
    "weight_nhits": (0.0, 1.0),
    "weight_patchtst": (0.0, 1.0),
}
CHOICES = {"vote": ("soft", "hard")}


class Signal(NamedTuple):
    """The ensemble's word on one symbol and bar."""

    side: int  # +1 BUY, -1 SELL, 0 HOLD
    confidence: float  # score of that side; of the larger side when HOLD
    p_sell: float
    p_buy: float
    bad: int  # models refused for a non-finite or negative probability


@kernel
def decide(p: Params, p_sell: float, p_buy: float, threshold: float, bad: int) -> Signal:
    """The larger of BUY and SELL if it reaches ``threshold``, else HOLD; a tie is HOLD."""
    if p_buy > p_sell and p_buy >= threshold:
        return Signal(1, p_buy, p_sell, p_buy, bad)
    if p_sell > p_buy and p_sell >= threshold:
        return Signal(-1, p_sell, p_sell, p_buy, bad)
    return Signal(0, max(p_buy, p_sell), p_sell, p_buy, bad)


@kernel
def vote_among(p: Params, weights: Any, proba: Any, speaks: int, t: int, i: int, alone: bool, bad: int) -> Signal:
    """The vote of the models whose bit is set in ``speaks`` (bit m = model m), one by one; the others abstain.

    ``alone``: the one with the largest weight speaks for all. ``bad`` is handed on.
    """
    buy = 0.0
    sell = 0.0
    best = -1.0
    for m in range(4):
        if (speaks >> m) & 1 == 0:
            continue
        w = weights[m]
        ps = float(proba[t, i, m, 0])
        ph = float(proba[t, i, m, 1])
        pb = float(proba[t, i, m, 2])
        if alone:
            if w > best:
                best = w
                buy = pb
                sell = ps
            continue
        if p.vote == 0 or (pb > ps and pb > ph):
            buy += w * pb
        if p.vote == 0 or (ps > pb and ps > ph):
            sell += w * ps
    return decide(p, sell, buy, p.threshold, bad)


@kernel
def vote_checked(p: Params, weights: Any, proba: Any, available: Any, t: int, i: int, alone: bool) -> Signal:
    """The vote model by model: hard vote, and rows with a probability that is none (an abstention, counted).

    ``alone``: the available model with the largest weight speaks for all.
    """
    bad = 0
    speaks = 0
    for m in range(4):
        if not available[t, i, m]:
            continue
        ps = float(proba[t, i, m, 0])
        ph = float(proba[t, i, m, 1])
        pb = float(proba[t, i, m, 2])
        if not is_finite(ps + ph + pb) or ps < 0.0 or ph < 0.0 or pb < 0.0:
            bad += 1
        else:
            speaks |= 1 << m
    return vote_among(p, weights, proba, speaks, t, i, alone, bad)


@kernel
def vote(p: Params, weights: Any, proba: Any, available: Any, t: int, i: int) -> Signal:
    """Weighted vote of the models available at bar row ``t`` for symbol ``i``.

    Parameters
    ----------
    weights : ``[4]`` float64, sum 1. proba : ``[T, N, 4, 3]`` float32 (SELL, HOLD, BUY). available : ``[T, N, 4]`` bool.

    A probability row that is not finite or has a negative entry counts as an abstention and in ``bad``.
    """
    buy = 0.0
    sell = 0.0
    total = 0.0
    least = 0.0
    for m in range(4):
        if available[t, i, m]:
            ps = float(proba[t, i, m, 0])
            ph = float(proba[t, i, m, 1])
            pb = float(proba[t, i, m, 2])
            buy += weights[m] * pb
            sell += weights[m] * ps
            total += ps + ph + pb
            least = min(least, ps, ph, pb)
    alone = p.mode != ENFORCED
    if alone or p.vote == 1 or least < 0.0 or not is_finite(total):
        return vote_checked(p, weights, proba, available, t, i, alone)
    return decide(p, sell, buy, p.threshold, 0)
