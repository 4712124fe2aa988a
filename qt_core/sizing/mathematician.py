"""Module 20, trading mathematician: what risk arithmetic alone would do. Rules; SPEC section 3.

From the account risk, ATR, volatility, trend and the measured win rate and payoff: a margin, a leverage, TP and SL, what
they win and lose, and whether module 19 agrees. ADVISORY by default: shown beside 19's choice, binding nothing. ENFORCED its
margin and leverage are caps on 19's; it never enlarges. OFF gives no advice: zeros, OK, AGREES.

NaN policy: unknown statistics count as the prior; without equity, caps, or both ATR and stop, the advice is no margin and
CAUTION. Sources beside SPEC: Kelly 1956, "A new interpretation of information rate", for ``w - (1 - w) / b``; a quarter of
it is SPEC's. The floor under Kelly, the leverage by class, the volatility and regime factors (module 14's), the agreement
factor and the confidence are choices of ours.
"""

from typing import NamedTuple

from qt_core._jit import kernel
from qt_core.codes import (
    ADVISE_CAUTION,
    ADVISE_OK,
    AGREES,
    ENFORCED,
    LARGER,
    OFF,
    PERFORMANCE_BAD,
    PERFORMANCE_GOOD,
    SMALLER,
    TREND_STRONG,
    TREND_WEAK,
    VOL_HIGH,
)
from qt_core.numerics import clip, is_finite

VERSION = 1


class Params(NamedTuple):
    """Constants of this module; defaults are SPEC's where it speaks."""

    mode: int = 2  # codes.ADVISORY
    account_risk: float = 0.02  # loss at the stop / equity
    prior_win_rate: float = 0.40  # used before min_trades trades; payoff 2 as 2 R against 1 R
    prior_avg_win: float = 2.0  # R
    prior_avg_loss: float = 1.0  # R, unsigned
    min_trades: int = 20  # trades from which measured statistics and Kelly speak
    kelly_share: float = 0.25  # of the Kelly fraction, as margin / equity
    kelly_floor: float = 0.005  # margin / equity that Kelly leaves at least: caution is no veto
    leverage_bad: float = 3.0  # adaptive leverage by performance class, before the cap
    leverage_neutral: float = 5.0
    leverage_good: float = 10.0
    atr_multiple: float = 1.5  # SL in ATR
    atr_multiple_high: float = 2.0  # SL in ATR where volatility is HIGH
    min_reward_risk: float = 2.0  # TP / SL before the regime adjustment, at least
    max_reward_risk: float = 4.0  # at most, where a low win rate would need more to break even
    trending_tp: float = 1.5  # regime adjustment: STRONG trend
    ranging_tp: float = 0.8  # WEAK trend
    ranging_sl: float = 0.9
    full_profit_factor: float = 2.0  # gross win / gross loss that counts as full confidence
    agree_within: float = 1.5  # factor between the two margins up to which they agree


BOUNDS = {
    "account_risk": (0.0, 1.0),
    "prior_win_rate": (0.0, 1.0),
    "prior_avg_win": (0.01, 100.0),
    "prior_avg_loss": (0.01, 100.0),
    "min_trades": (1, 10_000),
    "kelly_share": (0.0, 1.0),
    "kelly_floor": (0.0, 1.0),
    "leverage_bad": (1.0, 125.0),
    "leverage_neutral": (1.0, 125.0),
    "leverage_good": (1.0, 125.0),
    "atr_multiple": (0.1, 20.0),
    "atr_multiple_high": (0.1, 20.0),
    "min_reward_risk": (0.1, 20.0),
    "max_reward_risk": (0.1, 100.0),
    "trending_tp": (0.1, 10.0),
    "ranging_tp": (0.1, 10.0),
    "ranging_sl": (0.1, 10.0),
    "full_profit_factor": (0.01, 100.0),
    "agree_within": (1.0, 100.0),
}
CHOICES: dict[str, tuple[str, ...]] = {}


class Stats(NamedTuple):
    """What the closed trades showed."""

    n: int
    w: float  # win rate
    avg_win: float  # R
    avg_loss: float  # R, unsigned


class Plan(NamedTuple):
    """What an order wins and loses."""

    profit_usd: float  # at the TP
    loss_usd: float  # at the SL, negative
    reward_risk: float
    breakeven: float  # win rate


class Stop(NamedTuple):
    """Its own stop, and the one it sizes by."""

    sl_fraction: float
    sizing_fraction: float  # the wider of its own and the order's


class Advice(NamedTuple):
    """What it would do. USD before costs."""

    margin_usd: float
    leverage: float
    tp_fraction: float
    sl_fraction: float
    profit_usd: float  # at the TP
    expected_usd: float  # win rate x profit - (1 - win rate) x loss
    max_loss_usd: float  # at the SL, negative
    breakeven: float  # win rate
    kelly: float  # full Kelly fraction
    optimal_leverage: float  # shown, never binding
    position_usd: float  # margin x optimal leverage: shown, never binding
    confidence: float  # 0..1
    caution: int  # ADVISE_OK or ADVISE_CAUTION
    agreement: int  # AGREES, LARGER, SMALLER: 19's margin beside its own


class Capped(NamedTuple):
    """Margin and leverage that go on to the risk OS."""

    margin_usd: float
    leverage: float


@kernel
def believed(p: Params, s: Stats) -> Stats:
    """The statistics that count: measured from 20 trades on, the prior before and for a number that is unknown."""
    measured = s.n >= p.min_trades
    w = s.w if measured and is_finite(s.w) else p.prior_win_rate
    win = s.avg_win if measured and is_finite(s.avg_win) and s.avg_win > 0.0 else p.prior_avg_win
    loss = s.avg_loss if measured and is_finite(s.avg_loss) and s.avg_loss > 0.0 else p.prior_avg_loss
    return Stats(s.n, clip(w, 0.0, 1.0), win, loss)


@kernel
def kelly(w: float, avg_win: float, avg_loss: float) -> float:
    """Kelly fraction ``w - (1 - w) / b`` with ``b = avg_win / avg_loss``."""
    return w - (1.0 - w) * avg_loss / avg_win


@kernel
def optimal_leverage(w: float, avg_win: float, avg_loss: float, cap: float) -> float:
    """Expectancy in R, ``(w avg_win - (1 - w) avg_loss) / avg_loss``, clipped to 1..cap."""
    return max(1.0, min(cap, (w * avg_win - (1.0 - w) * avg_loss) / avg_loss))


@kernel
def adaptive_leverage(p: Params, performance: int, cap: float) -> float:
    """Leverage by performance class under the risk OS cap; 1 where the cap is unknown."""
    want = p.leverage_neutral
    if performance == PERFORMANCE_BAD:
        want = p.leverage_bad
    elif performance == PERFORMANCE_GOOD:
        want = p.leverage_good
    return max(1.0, min(want, cap)) if is_finite(cap) else 1.0


@kernel
def stop(p: Params, atr_fraction: float, vol_class: int, stop_fraction: float) -> Stop:
    """SL from ATR, the order's where ATR is unknown; sized by the wider of both. Zeros where neither is known."""
    own = 0.0
    if is_finite(atr_fraction) and atr_fraction > 0.0:
        own = atr_fraction * (p.atr_multiple_high if vol_class == VOL_HIGH else p.atr_multiple)
    if not is_finite(stop_fraction) or stop_fraction <= 0.0:
        return Stop(own, own)
    return Stop(own if own > 0.0 else stop_fraction, max(own, stop_fraction))


@kernel
def reward_risk(p: Params, w: float) -> float:
    """TP / SL before the regime adjustment: 2, or more where the win rate needs more to break even."""
    if (1.0 - w) >= p.max_reward_risk * w:
        return max(p.min_reward_risk, p.max_reward_risk)
    return max(p.min_reward_risk, (1.0 - w) / w)


@kernel
def margin_for(p: Params, equity_usd: float, stop_fraction: float, leverage: float, edge: float, n: int) -> float:
    """Margin by account risk, and from 20 trades on by a quarter of Kelly where that is less."""
    margin = p.account_risk * equity_usd / (stop_fraction * leverage)
    if n >= p.min_trades:
        margin = min(margin, max(p.kelly_floor, p.kelly_share * edge) * equity_usd)
    return margin


@kernel
def plan(margin_usd: float, leverage: float, tp_fraction: float, sl_fraction: float) -> Plan:
    """Profit at the TP, loss at the SL, their ratio and the win rate that breaks even."""
    notional = margin_usd * leverage
    breakeven = sl_fraction / (tp_fraction + sl_fraction)
    return Plan(notional * tp_fraction, -notional * sl_fraction, tp_fraction / sl_fraction, breakeven)


@kernel
def confidence(p: Params, s: Stats) -> float:
    """How far the advice rests on evidence, 0..1: ``n / (n + 20)`` times profit factor / 2, at most 1."""
    gross_win = s.w * s.avg_win
    full = p.full_profit_factor * (1.0 - s.w) * s.avg_loss
    share = 1.0 if gross_win >= full else gross_win / full
    return share * s.n / (s.n + p.min_trades)


@kernel
def agreement(p: Params, own_usd: float, sizer_usd: float) -> int:
    """AGREES within a factor 1.5; LARGER or SMALLER is 19's margin beside its own. An unknown one is LARGER."""
    if not sizer_usd <= own_usd * p.agree_within:
        return LARGER
    if sizer_usd * p.agree_within < own_usd:
        return SMALLER
    return AGREES


@kernel
def silent(p: Params, sizer_margin_usd: float) -> Advice:
    """No advice: nothing said while OFF, no margin and CAUTION where it cannot say."""
    caution = ADVISE_OK if p.mode == OFF else ADVISE_CAUTION
    word = AGREES if p.mode == OFF else agreement(p, 0.0, sizer_margin_usd)
    return Advice(0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, caution, word)


@kernel
def advise(
    p: Params,
    equity_usd: float,
    stop_fraction: float,
    atr_fraction: float,
    vol_class: int,
    trend_class: int,
    stats: Stats,
    performance: int,
    leverage_cap: float,
    sizer_margin_usd: float,
    max_margin_usd: float,
) -> Advice:
    """The whole advice for one candidate.

    Parameters
    ----------
    stop_fraction : the order's stop (module 14). leverage_cap, max_margin_usd : the risk OS's. sizer_margin_usd : 19's.
    """
    own = stop(p, atr_fraction, vol_class, stop_fraction)
    known = is_finite(equity_usd + leverage_cap + max_margin_usd) and is_finite(own.sizing_fraction)
    if p.mode == OFF or not known or equity_usd <= 0.0 or own.sizing_fraction <= 0.0:
        return silent(p, sizer_margin_usd)
    s = believed(p, stats)
    edge = kelly(s.w, s.avg_win, s.avg_loss)
    leverage = adaptive_leverage(p, performance, leverage_cap)
    margin = min(max_margin_usd, margin_for(p, equity_usd, own.sizing_fraction, leverage, edge, s.n))
    sl = own.sl_fraction
    tp = sl * reward_risk(p, s.w)
    if trend_class == TREND_STRONG:
        tp *= p.trending_tp
    elif trend_class == TREND_WEAK:
        tp *= p.ranging_tp
        sl *= p.ranging_sl
    x = plan(margin, leverage, tp, sl)
    best = optimal_leverage(s.w, s.avg_win, s.avg_loss, leverage_cap)
    return Advice(
        margin,
        leverage,
        tp,
        sl,
        x.profit_usd,
        s.w * x.profit_usd + (1.0 - s.w) * x.loss_usd,
        x.loss_usd,
        x.breakeven,
        edge,
        best,
        margin * best,
        confidence(p, s),
        ADVISE_OK if edge > 0.0 else ADVISE_CAUTION,
        agreement(p, margin, sizer_margin_usd),
    )


@kernel
def capped(p: Params, a: Advice, margin_usd: float, leverage: float) -> Capped:
    """19's margin and leverage, no larger than advised where ENFORCED; untouched otherwise."""
    if p.mode != ENFORCED:
        return Capped(margin_usd, leverage)
    return Capped(min(a.margin_usd, margin_usd), min(a.leverage, leverage))
