"""Module 21, meta-strategy: which of four strategies plays a candidate. Learned (a Q-table) over rules; SPEC section 4.

27 regime states (volatility 3 x trend 3 x liquidity 3, row-major) by 4 strategies. The one that fits the regime starts with
a prior of +0.05 and wins ties. What each strategy does is a pure rule: the sides it allows now, how it shapes TP and SL, how
it exits and enters. One update when the position is flat, with R clipped to -3..5.
OFF gives no strategy: all sides allowed, factors 1, exit and entry NORMAL.

NaN policy: a feature that is unknown allows no side by it; a Q that is not finite counts 0; an R that is not finite teaches
nothing. Thresholds and shapes are choices of ours where SPEC is silent; the rules go back to Wilder 1978, "New concepts in
technical trading systems" (DI, RSI), Donchian's channel, Bollinger 2001, "Bollinger on Bollinger bands".
"""

from typing import Any, NamedTuple

from qt_core._jit import kernel
from qt_core.codes import (
    ALLOW_LONG,
    ALLOW_SHORT,
    BREAKOUT,
    CTX_BOLLINGER_POSITION,
    CTX_DONCHIAN_HIGH,
    CTX_DONCHIAN_LOW,
    CTX_EMA_RATIO,
    CTX_MINUS_DI,
    CTX_PLUS_DI,
    CTX_RANGE_POSITION,
    CTX_RSI,
    MEAN_REVERSION,
    NORMAL_EXIT,
    OFF,
    RANGE_BOUND,
    STYLE_NORMAL,
    TREND_FOLLOW,
    TREND_STRONG,
    TREND_WEAK,
    VOL_HIGH,
    VOL_LOW,
)
from qt_core.learning import explores, known, place
from qt_core.learning import learns as teaches
from qt_core.numerics import clip

VERSION = 1

N_TRENDS, N_LIQUIDITIES = 3, 3
N_STATES, N_STRATEGIES = 27, 4
NO_STRATEGY = -1
BOTH_SIDES = ALLOW_LONG | ALLOW_SHORT
RSI_SPAN = 100.0  # RSI runs 0..100; a SELL mirrors a BUY there, and at 1 - x for positions in a band


class Params(NamedTuple):
    """Constants of this module; defaults are SPEC's where it speaks."""

    mode: int = 3  # codes.ENFORCED
    epsilon: float = 0.10  # share of decisions that explore
    alpha: float = 0.20  # step of an update
    epsilon_min: float = 0.0  # floor of the schedule epsilon / (1 + epsilon_decay * updates)
    alpha_min: float = 0.0  # floor of the schedule alpha / (1 + alpha_decay * visits)
    epsilon_decay: float = 0.0  # per update; 0 = constant
    alpha_decay: float = 0.0  # per visit of the (state, strategy); 0 = constant
    learning: int = 2  # 0 frozen; 1 shadow: a copy learns, this table acts; 2 on
    prior: float = 0.05  # R, added to the Q of the strategy that fits the regime
    r_low: float = -3.0  # R of a closed position is clipped to r_low..r_high
    r_high: float = 5.0
    trend_gap: float = 0.0005  # |EMA fast / EMA slow - 1| beyond which there is a direction, fraction
    trend_di_gap: float = 0.0  # DI points by which the direction's side leads
    revert_band: float = 0.35  # Bollinger position up to which a BUY reverts; a SELL mirrors at 1 - x
    revert_rsi: float = 48.0  # RSI up to which a BUY reverts; a SELL mirrors at 100 - x
    breakout_slack: float = 0.10  # of the Donchian band: how far inside its edge the close may stand
    range_edge: float = 0.35  # range position up to which a BUY is at the low end; a SELL mirrors at 1 - x
    trend_tp: float = 1.25  # factors on module 14's TP and SL
    trend_sl: float = 1.0
    trend_exit: int = 2  # 0 quick, 1 normal, 2 trend_follow
    trend_style: int = 2  # 0 patient, 1 normal, 2 aggressive
    revert_tp: float = 0.75
    revert_sl: float = 1.0
    revert_exit: int = 0  # 0 quick, 1 normal, 2 trend_follow
    revert_style: int = 0  # 0 patient, 1 normal, 2 aggressive
    breakout_tp: float = 1.25
    breakout_sl: float = 0.9
    breakout_exit: int = 2  # 0 quick, 1 normal, 2 trend_follow
    breakout_style: int = 2  # 0 patient, 1 normal, 2 aggressive
    range_tp: float = 0.75
    range_sl: float = 0.9
    range_exit: int = 0  # 0 quick, 1 normal, 2 trend_follow
    range_style: int = 1  # 0 patient, 1 normal, 2 aggressive


BOUNDS = {
    "epsilon": (0.0, 1.0),
    "alpha": (0.0, 1.0),
    "epsilon_min": (0.0, 1.0),
    "alpha_min": (0.0, 1.0),
    "epsilon_decay": (0.0, 1e3),
    "alpha_decay": (0.0, 1e3),
    "prior": (0.0, 10.0),
    "r_low": (-100.0, 0.0),
    "r_high": (0.0, 100.0),
    "trend_gap": (0.0, 1.0),
    "trend_di_gap": (0.0, 100.0),
    "revert_band": (-1.0, 1.0),
    "revert_rsi": (0.0, 100.0),
    "breakout_slack": (0.0, 1.0),
    "range_edge": (0.0, 1.0),
    **dict.fromkeys(("trend_tp", "revert_tp", "breakout_tp", "range_tp"), (0.1, 10.0)),
    **dict.fromkeys(("trend_sl", "revert_sl", "breakout_sl", "range_sl"), (0.1, 10.0)),
}
_EXITS, _STYLES = ("quick", "normal", "trend_follow"), ("patient", "normal", "aggressive")
CHOICES = {
    "learning": ("frozen", "shadow", "on"),
    **dict.fromkeys(("trend_exit", "revert_exit", "breakout_exit", "range_exit"), _EXITS),
    **dict.fromkeys(("trend_style", "revert_style", "breakout_style", "range_style"), _STYLES),
}


class Choice(NamedTuple):
    """The strategy that plays a candidate."""

    strategy: int  # codes.TREND_FOLLOW..RANGE_BOUND; NO_STRATEGY = none is allowed
    q: float  # its value in the table without the prior, R
    explored: int  # 1 = drawn, not the best known


class Shape(NamedTuple):
    """How a strategy trades."""

    tp_factor: float  # on module 14's TP
    sl_factor: float
    exit_mode: int  # codes.QUICK_EXIT..TREND_EXIT
    style: int  # codes.STYLE_PATIENT..STYLE_AGGRESSIVE


@kernel
def state_index(volatility: int, trend: int, liquidity: int) -> int:
    """Row of the table, 0..26: volatility 3 x trend 3 x liquidity 3, row-major."""
    return (volatility * N_TRENDS + trend) * N_LIQUIDITIES + liquidity


@kernel
def fit(volatility: int, trend: int) -> int:
    """The strategy the regime suggests: trending, consolidation, choppy, else ranging."""
    if trend == TREND_STRONG:
        return TREND_FOLLOW
    if volatility == VOL_LOW:
        return BREAKOUT
    if volatility == VOL_HIGH and trend == TREND_WEAK:
        return RANGE_BOUND
    return MEAN_REVERSION


@kernel
def side_bits(long: bool, short: bool) -> int:
    """ALLOW_LONG | ALLOW_SHORT as they hold."""
    return (ALLOW_LONG if long else 0) | (ALLOW_SHORT if short else 0)


@kernel
def trend_sides(p: Params, ema_ratio: float, plus_di: float, minus_di: float) -> int:
    """With the direction on which averages and directional movement agree."""
    up = ema_ratio > p.trend_gap and plus_di - minus_di > p.trend_di_gap
    return side_bits(up, ema_ratio < -p.trend_gap and minus_di - plus_di > p.trend_di_gap)


@kernel
def revert_sides(p: Params, band_position: float, rsi: float) -> int:
    """Against a stretch on which Bollinger position and RSI agree."""
    low = band_position <= p.revert_band and rsi <= p.revert_rsi
    return side_bits(low, band_position >= 1.0 - p.revert_band and rsi >= RSI_SPAN - p.revert_rsi)


@kernel
def breakout_sides(p: Params, close: float, band_high: float, band_low: float) -> int:
    """Out of the Donchian band, from a tenth of its width inside its edge on."""
    width = band_high - band_low
    if not width > 0.0:
        return 0
    slack = p.breakout_slack * width
    return side_bits(close >= band_high - slack, close <= band_low + slack)


@kernel
def range_sides(p: Params, position: float) -> int:
    """Buy the low end of the range, sell the high end."""
    return side_bits(position <= p.range_edge, position >= 1.0 - p.range_edge)


@kernel
def sides(p: Params, strategy: int, ctx: Any, t: int, i: int, close: float) -> int:
    """Sides the strategy allows symbol ``i`` at row ``t`` of ``ctx[T, N, CTX_COLUMNS]``: bits ALLOW_LONG, ALLOW_SHORT."""
    if p.mode == OFF:
        return BOTH_SIDES
    if strategy == TREND_FOLLOW:
        return trend_sides(p, ctx[t, i, CTX_EMA_RATIO], ctx[t, i, CTX_PLUS_DI], ctx[t, i, CTX_MINUS_DI])
    if strategy == MEAN_REVERSION:
        return revert_sides(p, ctx[t, i, CTX_BOLLINGER_POSITION], ctx[t, i, CTX_RSI])
    if strategy == BREAKOUT:
        return breakout_sides(p, close, ctx[t, i, CTX_DONCHIAN_HIGH], ctx[t, i, CTX_DONCHIAN_LOW])
    if strategy == RANGE_BOUND:
        return range_sides(p, ctx[t, i, CTX_RANGE_POSITION])
    return 0


@kernel
def shape(p: Params, strategy: int) -> Shape:
    """TP and SL factors, exit mode and entry style; neutral while OFF and for NO_STRATEGY."""
    if p.mode != OFF:
        if strategy == TREND_FOLLOW:
            return Shape(p.trend_tp, p.trend_sl, p.trend_exit, p.trend_style)
        if strategy == MEAN_REVERSION:
            return Shape(p.revert_tp, p.revert_sl, p.revert_exit, p.revert_style)
        if strategy == BREAKOUT:
            return Shape(p.breakout_tp, p.breakout_sl, p.breakout_exit, p.breakout_style)
        if strategy == RANGE_BOUND:
            return Shape(p.range_tp, p.range_sl, p.range_exit, p.range_style)
    return Shape(1.0, 1.0, NORMAL_EXIT, STYLE_NORMAL)


@kernel
def greedy(p: Params, q: Any, state: int, fitting: int, allowed: int) -> int:
    """The allowed strategy of largest Q, prior included; ties go to the fitting one, then to the lowest index."""
    best = NO_STRATEGY
    best_value = 0.0
    for s in range(N_STRATEGIES):
        if (allowed >> s) & 1:
            value = known(q[state, s]) + (p.prior if s == fitting else 0.0)
            if best < 0 or value > best_value or (value == best_value and s == fitting):
                best = s
                best_value = value
    return best


@kernel
def drawn(allowed: int, u: float) -> int:
    """An allowed strategy, each equally likely; NO_STRATEGY where none is allowed."""
    n = 0
    for s in range(N_STRATEGIES):
        n += (allowed >> s) & 1
    left = place(u, n)
    for s in range(N_STRATEGIES):
        if (allowed >> s) & 1:
            if left == 0:
                return s
            left -= 1
    return NO_STRATEGY


@kernel
def choose(p: Params, q: Any, state: int, fitting: int, allowed: int, epsilon: float, u1: float, u2: float) -> Choice:
    """Epsilon-greedy choice in ``state`` of ``q[27, 4]``.

    Parameters
    ----------
    fitting : ``fit`` of the regime. allowed : bit ``1 << strategy`` for each one the policy (MSC) allows.
    """
    if p.mode == OFF:
        return Choice(NO_STRATEGY, 0.0, 0)
    explored = 1 if explores(epsilon, u1, u2) else 0
    s = drawn(allowed, u2) if explored != 0 else greedy(p, q, state, fitting, allowed)
    if s < 0:
        return Choice(NO_STRATEGY, 0.0, 0)
    return Choice(s, known(q[state, s]), explored)


@kernel
def clipped(p: Params, r_multiple: float) -> float:
    """R of a closed position as the table sees it; NaN passes through and teaches nothing."""
    return clip(r_multiple, p.r_low, p.r_high)


@kernel
def learns(p: Params, exit_reason: int) -> int:
    """LEARN_FROZEN, LEARN_SHADOW or LEARN_ON for a position that closed for ``exit_reason`` (codes.EXIT_*)."""
    return teaches(p.mode, p.learning, exit_reason)
