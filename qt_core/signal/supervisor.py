"""Module 12, model supervisor: is each model still worth its weight? Rules over outcomes; SPEC section 3.

Every actionable prediction of each model is resolved by its own triple barrier when its label ends, traded or not. Every
30 minutes each model is judged over 30 days, and over the recent 7. OBSERVE (default): the factor is computed and
journalled, the factor used is 1. ENFORCED: factors multiply the base weights, 0 disables a model. OFF: nothing is
computed, every factor is 1.

The statistics are the caller's: per model and UTC day, in a ring of ``N_DAYS`` slots (``slot(day)``): number of outcomes,
wins, hits and the sum of R by the day of resolution, predictions by side by the day of prediction, and a histogram of
outcomes over ``N_CELLS`` equal cells of confidence (number, hits, sum of confidence); beside them their totals over the days
of ``in_window``, to which outcomes are added as they come and from which a day is taken off when it leaves. For the
histogram that leaves no residue: counts are integers, and sums of float32 confidences from about 1/3 up (the largest of
three) are exact in float64. The sum of R is not, and is added up anew once a day.

Numbers SPEC does not give, and why: ``penalty`` 0.75 each (three failures leave 0.42, less than half a say);
``disable_win_rate`` 0.35, just above the 1/3 at which a 2:1 barrier breaks even, and only while the mean R is negative too;
30 recent outcomes (normal approximation of a share); bias when nine in ten calls are on one side (imbalance 0.8), or when a
model hardly ever speaks (0.5 %); 12 bars of horizon, the label's default.

NaN policy: an unknown calibration is not held against a model; a label without a price or distance is void, not counted.
"""

from typing import Any, NamedTuple

import numpy as np

from qt_core._jit import kernel
from qt_core.codes import ENFORCED
from qt_core.numerics import clip, is_finite

VERSION = 1


class Params(NamedTuple):
    """Constants of this module."""

    mode: int = 1  # codes.OBSERVE
    interval_ms: int = 1_800_000  # between two judgements, ms
    window_days: int = 30  # UTC days judged, today included
    recent_days: int = 7  # UTC days of the recent record, today included
    horizon_bars: int = 12  # decision bars until a label expires
    reward: float = 2.0  # win barrier in stop distances, R
    min_outcomes: int = 100  # outcomes below which nothing is held against a model
    min_win_rate: float = 0.50  # share of outcomes with R > 0
    min_mean_r: float = 0.0  # R
    min_calibration: float = 0.70  # 0..1
    penalty: float = 0.75  # factor for each of the three that fails
    recent_min_outcomes: int = 30  # recent outcomes below which no model is disabled
    disable_win_rate: float = 0.35  # recent share below which a model is disabled ...
    disable_mean_r: float = 0.0  # ... if its recent mean R is below this too, R
    ece_scale: float = 0.25  # calibration error at which calibration is 0, probability
    ece_bins: int = 10  # bins of equal mass
    bias_min_count: int = 100  # predictions below which no bias is stated
    max_imbalance: float = 0.8  # |long - short| / (long + short)
    max_hold_share: float = 0.995  # of all predictions


BOUNDS = {
    "interval_ms": (1, 86_400_000),
    "window_days": (1, 30),
    "recent_days": (1, 30),
    "horizon_bars": (1, 10_000),
    "reward": (0.01, 100.0),
    "min_outcomes": (1, 1_000_000),
    "min_win_rate": (0.0, 1.0),
    "min_mean_r": (-10.0, 10.0),
    "min_calibration": (0.0, 1.0),
    "penalty": (0.0, 1.0),
    "recent_min_outcomes": (1, 1_000_000),
    "disable_win_rate": (0.0, 1.0),
    "disable_mean_r": (-10.0, 10.0),
    "ece_scale": (0.01, 1.0),
    "ece_bins": (1, 64),
    "bias_min_count": (1, 1_000_000),
    "max_imbalance": (0.0, 1.0),
    "max_hold_share": (0.0, 1.0),
}
CHOICES: dict[str, tuple[str, ...]] = {}

NAN = np.nan
N_DAYS = 31  # slots of the ring: the longest window and one more
N_CELLS = 64  # cells of the confidence histogram
PENDING, RESOLVED, VOID = 0, 1, 2  # Outcome.done


class Barriers(NamedTuple):
    """The two prices that end a label early."""

    win_price: float
    stop_price: float


class Outcome(NamedTuple):
    """What became of a prediction after one more bar."""

    done: int  # PENDING, RESOLVED, or VOID: dropped without being counted
    win: int  # 1 = R above 0
    hit: int  # 1 = the label is the predicted side: win barrier touched first
    r: float  # R, -1 .. reward


class Verdict(NamedTuple):
    """The judgement on one model."""

    factor: float  # 0..1 on its base weight
    reliable: int  # 1 = nothing failed
    biased: int  # 1 = nearly all calls on one side, or hardly a call
    disable: int  # 1 = factor 0


class Weights(NamedTuple):
    """Weights of the four models, sum 1."""

    xgb: float
    lgbm: float
    nhits: float
    patchtst: float


@kernel
def due(p: Params, now_ms: int, last_ms: int) -> bool:
    """True where the models are to be judged again."""
    return now_ms - last_ms >= p.interval_ms


@kernel
def slot(day: int) -> int:
    """Place of a UTC day in the ring of N_DAYS."""
    return day % N_DAYS


@kernel
def in_window(p: Params, day: int, today: int, recent: bool) -> bool:
    """True where the numbers of ``day`` count at ``today``, both UTC days: 30 days, or 7 for the ``recent`` record."""
    return 0 <= today - day < (p.recent_days if recent else p.window_days)


@kernel
def expiry_ms(p: Params, time_ms: int, bar_ms: int) -> int:
    """Time at which a label made at ``time_ms`` ends; ``bar_ms``: length of a decision bar."""
    return time_ms + p.horizon_bars * bar_ms


@kernel
def cell(confidence: float) -> int:
    """Histogram cell of a confidence, 0 .. N_CELLS - 1; an actionable confidence is finite (NaN would give 0)."""
    if not confidence > 0.0:
        return 0
    return min(int(min(confidence, 1.0) * N_CELLS), N_CELLS - 1)


@kernel
def label_barriers(p: Params, side: int, close: float, stop_fraction: float) -> Barriers:
    """Prices at which a prediction made at ``close`` is right or wrong; ``stop_fraction``: module 14's SL distance d."""
    return Barriers(close * (1.0 + side * p.reward * stop_fraction), close * (1.0 - side * stop_fraction))


@kernel
def resolve(
    p: Params, side: int, entry_close: float, stop_fraction: float, high: float, low: float, close: float, expired: bool
) -> Outcome:
    """One more bar for a label: the stop first where the bar touches both (pessimistic), else win, else expiry.

    entry_close : close of the prediction's bar. stop_fraction : SL distance d, > 0. high, low, close : of this bar; NaN
    where missing: nothing is touched, and on expiry the label is void. expired : the close decides, as far as it went.
    """
    b = label_barriers(p, side, entry_close, stop_fraction)
    width = b.win_price - b.stop_price
    if (
        not (entry_close > 0.0 and stop_fraction > 0.0 and is_finite(width)) or width == 0.0
    ):  # no price, distance or side
        return Outcome(VOID, 0, 0, NAN)
    if (low <= b.stop_price) if side > 0 else (high >= b.stop_price):
        return Outcome(RESOLVED, 0, 0, -1.0)
    if (high >= b.win_price) if side > 0 else (low <= b.win_price):
        return Outcome(RESOLVED, 1, 1, p.reward)
    if not expired:
        return Outcome(PENDING, 0, 0, 0.0)
    if not is_finite(close):
        return Outcome(VOID, 0, 0, NAN)
    r = clip(side * (close - entry_close) / (entry_close * stop_fraction), -1.0, p.reward)
    return Outcome(RESOLVED, 1 if r > 0.0 else 0, 0, r)


@kernel
def ece(p: Params, hist_n: Any, hist_hits: Any, hist_conf: Any, m: int) -> float:
    """Expected calibration error of model ``m``: sum over equal-mass bins of |mean confidence - hit share| x mass share.

    ``hist_*`` : ``[4, N_CELLS]`` totals of the window; a cell across a bin's edge is split in proportion. A bin's gap times
    its mass is |sum of confidence - hits|. NaN below ``min_outcomes``.
    """
    total = 0.0
    for k in range(N_CELLS):
        total += hist_n[m, k]
    if not total >= p.min_outcomes:
        return NAN
    mass = total / p.ece_bins
    room = mass  # left in the bin being filled
    gap = 0.0
    error = 0.0
    for k in range(N_CELLS):
        n = hist_n[m, k]
        if n <= 0.0:
            continue
        excess = hist_conf[m, k] - hist_hits[m, k]
        left = n * 1.0
        while left > room:
            part = excess * (room / left)
            error += abs(gap + part)
            excess -= part
            left -= room
            gap = 0.0
            room = mass
        gap += excess
        room -= left
    return (error + abs(gap)) / total


@kernel
def calibration(p: Params, error: float) -> float:
    """1 for no calibration error, 0 from ``ece_scale`` on; NaN where unknown."""
    score = 1.0 - error / p.ece_scale
    return 0.0 if score < 0.0 else score


@kernel
def is_biased(p: Params, n_long: int, n_short: int, n_hold: int) -> bool:
    """True where nearly all calls are on one side, or hardly any is made."""
    calls = n_long + n_short
    if calls >= p.bias_min_count and abs(n_long - n_short) > p.max_imbalance * calls:
        return True
    every = calls + n_hold
    return every >= p.bias_min_count and n_hold > p.max_hold_share * every


@kernel
def judge(
    p: Params,
    n: int,
    wins: int,
    sum_r: float,
    calibrated: float,
    n_long: int,
    n_short: int,
    n_hold: int,
    recent_n: int,
    recent_wins: int,
    recent_sum_r: float,
) -> Verdict:
    """Factor and flags of one model from its window's counts and its recent ones.

    ``calibrated``: 0..1 or NaN. The factor is 1 until ``min_outcomes``; each of win rate, mean R and calibration that is
    too low multiplies it by ``penalty``.
    """
    biased = 1 if is_biased(p, n_long, n_short, n_hold) else 0
    if (
        recent_n >= p.recent_min_outcomes
        and recent_wins < p.disable_win_rate * recent_n
        and recent_sum_r < p.disable_mean_r * recent_n
    ):
        return Verdict(0.0, 0, biased, 1)
    failed = 0
    if n >= p.min_outcomes:
        failed += 1 if wins < p.min_win_rate * n else 0
        failed += 1 if sum_r < p.min_mean_r * n else 0
        failed += 1 if calibrated < p.min_calibration else 0
    factor = 1.0
    for _ in range(failed):
        factor *= p.penalty
    return Verdict(factor, 1 if failed == 0 else 0, biased, 0)


@kernel
def weights(p: Params, base: Any, factor: Any) -> Weights:
    """Base weights ``[4]`` (sum 1) times factors ``[4]``, renormalised to 1; an unknown factor counts as 1.

    The base weights stand unless ENFORCED, and where every model is disabled.
    """
    if p.mode != ENFORCED:
        return Weights(base[0], base[1], base[2], base[3])
    w0 = base[0] * (factor[0] if is_finite(factor[0]) else 1.0)
    w1 = base[1] * (factor[1] if is_finite(factor[1]) else 1.0)
    w2 = base[2] * (factor[2] if is_finite(factor[2]) else 1.0)
    w3 = base[3] * (factor[3] if is_finite(factor[3]) else 1.0)
    total = w0 + w1 + w2 + w3
    if not total > 0.0:
        return Weights(base[0], base[1], base[2], base[3])
    scale = 1.0 / total
    return Weights(w0 * scale, w1 * scale, w2 * scale, w3 * scale)
