"""Module 14, dynamic TP/SL: volatility-scaled distances at the decision, trailing afterwards. A rule; SPEC section 3.

Unless ENFORCED the profile's anchors hold and nothing trails; OBSERVE and ADVISORY count what
would have been. Distances are price fractions, frozen at the decision; prices are set from the
average fill.
"""

from typing import NamedTuple

from qt_core._jit import kernel
from qt_core.codes import ANCHOR_USED, ENFORCED, OK, TPSL_BREAKOUT, TPSL_RANGING, TPSL_TRENDING, VOL_HIGH
from qt_core.numerics import ceil_step, clip, floor_step, is_finite

VERSION = 1


class Params(NamedTuple):
    """Constants of this module; defaults are SPEC's."""

    mode: int = 3  # codes.ENFORCED
    tp_anchor: float = 0.03  # profile anchors, price fraction (balanced 3 % / 1.5 %, aggressive 4 % / 2 %)
    sl_anchor: float = 0.015
    atr_multiple: float = 1.5  # SL in ATR
    atr_multiple_high: float = 2.0  # SL in ATR where volatility is HIGH
    reward_risk: float = 2.0  # TP / SL before the regime adjustment
    trending_tp: float = 1.5  # factors by TP/SL class
    ranging_tp: float = 0.8
    ranging_sl: float = 0.9
    breakout_tp: float = 2.0
    clip_low: float = 0.5  # SL and TP stay within clip_low..clip_high of their anchor
    clip_high: float = 2.0
    trailing: int = 1  # 0 = fixed stop
    trail_activation_roi: float = 0.005  # leverage x price move that arms the trail, fraction
    trail_r1: float = 1.0  # R from which the distance is multiplied by trail_factor_1
    trail_r2: float = 2.0
    trail_factor_1: float = 0.7
    trail_factor_2: float = 0.5


BOUNDS = {
    "tp_anchor": (0.0005, 1.0),
    "sl_anchor": (0.0005, 0.5),
    "atr_multiple": (0.1, 20.0),
    "atr_multiple_high": (0.1, 20.0),
    "reward_risk": (0.1, 20.0),
    "trending_tp": (0.1, 10.0),
    "ranging_tp": (0.1, 10.0),
    "ranging_sl": (0.1, 10.0),
    "breakout_tp": (0.1, 10.0),
    "clip_low": (0.0, 1.0),
    "clip_high": (1.0, 100.0),
    "trail_activation_roi": (0.0, 1.0),
    "trail_r1": (0.0, 100.0),
    "trail_r2": (0.0, 100.0),
    "trail_factor_1": (0.01, 1.0),
    "trail_factor_2": (0.01, 1.0),
}
CHOICES = {"trailing": ("off", "on")}


class Distances(NamedTuple):
    """Price distances of an entry."""

    sl_fraction: float
    tp_fraction: float
    reason: int  # OK or ANCHOR_USED


@kernel
def measured(p: Params, atr_fraction: float, vol_class: int, tpsl_class: int) -> Distances:
    """SL and TP distance as price fractions; the anchors where ATR is unknown (NaN or <= 0).

    SL is clipped to its anchor before TP is derived from it; RANGING's SL factor stands after that clip, so a ranging
    stop can be 0.45 x the anchor. TP is clipped last.
    """
    if not is_finite(atr_fraction) or atr_fraction <= 0.0:
        return Distances(p.sl_anchor, p.tp_anchor, ANCHOR_USED)
    multiple = p.atr_multiple_high if vol_class == VOL_HIGH else p.atr_multiple
    sl = clip(atr_fraction * multiple, p.clip_low * p.sl_anchor, p.clip_high * p.sl_anchor)
    tp = p.reward_risk * sl
    if tpsl_class == TPSL_TRENDING:
        tp *= p.trending_tp
    elif tpsl_class == TPSL_RANGING:
        tp *= p.ranging_tp
        sl *= p.ranging_sl
    elif tpsl_class == TPSL_BREAKOUT:
        tp *= p.breakout_tp
    return Distances(sl, clip(tp, p.clip_low * p.tp_anchor, p.clip_high * p.tp_anchor), OK)


@kernel
def distances(p: Params, atr_fraction: float, vol_class: int, tpsl_class: int) -> Distances:
    """What binds: the measured distances where ENFORCED, else the anchors."""
    if p.mode != ENFORCED:
        return Distances(p.sl_anchor, p.tp_anchor, OK)
    return measured(p, atr_fraction, vol_class, tpsl_class)


@kernel
def shaped(p: Params, d: Distances, sl_factor: float, tp_factor: float) -> Distances:
    """Distances in the shape of module 21's strategy and of the exit mode. As with RANGING, the SL factor stands after its
    clip; TP is clipped last.
    """
    tp = clip(d.tp_fraction * tp_factor, p.clip_low * p.tp_anchor, p.clip_high * p.tp_anchor)
    return Distances(d.sl_fraction * sl_factor, tp, d.reason)


@kernel
def trails(p: Params) -> bool:
    """True where stops move at all."""
    return p.mode == ENFORCED and p.trailing != 0


@kernel
def stop_price(side: int, entry: float, fraction: float, tick: float) -> float:
    """Stop ``fraction`` from ``entry``, rounded toward the entry (never up in risk), at least one tick away."""
    raw = entry * (1.0 - side * fraction)
    if side > 0:
        px = ceil_step(raw, tick)
        return px if px < entry else floor_step(raw, tick)
    px = floor_step(raw, tick)
    return px if px > entry else ceil_step(raw, tick)


@kernel
def target_price(side: int, entry: float, fraction: float, tick: float) -> float:
    """Target ``fraction`` from ``entry``, rounded toward the entry, at least one tick away."""
    raw = entry * (1.0 + side * fraction)
    if side > 0:
        px = floor_step(raw, tick)
        return px if px > entry else ceil_step(raw, tick)
    px = ceil_step(raw, tick)
    return px if px < entry else floor_step(raw, tick)


@kernel
def tighten(side: int, old: float, new: float) -> float:
    """The stop that protects more; a stop never moves against the position."""
    if side > 0:
        return max(old, new)
    return min(old, new)


class Trail(NamedTuple):
    """Stop price and whether the trail is armed."""

    stop: float
    active: int


@kernel
def trail(
    p: Params,
    side: int,
    entry: float,
    stop: float,
    active: int,
    best: float,
    close: float,
    roi: float,
    r_multiple: float,
    distance: float,
    cost_fraction: float,
    tick: float,
) -> Trail:
    """The stop after this bar.

    Parameters
    ----------
    best : most favourable price known. distance : initial SL distance in price. cost_fraction : round-trip cost as a
    fraction of price, for "never below entry + costs once R >= 1".
    """
    if not trails(p):
        return Trail(stop, 0)
    if active == 0 and not roi >= p.trail_activation_roi:
        return Trail(stop, 0)
    factor = 1.0
    if r_multiple >= p.trail_r2:
        factor = p.trail_factor_2
    elif r_multiple >= p.trail_r1:
        factor = p.trail_factor_1
    want = best - side * distance * factor
    if r_multiple >= p.trail_r1:
        want = tighten(side, want, entry * (1.0 + side * cost_fraction))
    want = ceil_step(want, tick) if side > 0 else floor_step(want, tick)
    return Trail(tighten(side, stop, want), 1)
