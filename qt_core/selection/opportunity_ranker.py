"""Module 22, opportunity ranker: one score per candidate, by which the best five are looked at. A rule; SPEC section 4.

``0.35 min(1, confidence / 0.60) + 0.25 win rate + 0.20 liquidity and slippage + 0.10 low correlation + 0.10 recent
performance``, in 0..1, shown times 100. OFF: the score is the confidence.

NaN policy: an unknown number earns nothing (confidence, win rate, liquidity, slippage; unknown correlation counts as
correlated); an unknown recent R is neutral. Choices of ours: the 0.20 is half liquidity and half slippage, no slippage earns
all and module 16's cap of 15 bps nothing; recent R runs from -1 (nothing) to +1 (all).
"""

from typing import NamedTuple

from qt_core._jit import kernel
from qt_core.codes import OFF, PRIORITY_HIGH, PRIORITY_LOW, PRIORITY_MEDIUM
from qt_core.numerics import is_finite

VERSION = 1


class Params(NamedTuple):
    """Constants of this module; defaults are SPEC's."""

    mode: int = 3  # codes.ENFORCED
    w_confidence: float = 0.35  # weights; they sum to 1
    w_win_rate: float = 0.25
    w_liquidity: float = 0.20  # liquidity and expected slippage
    w_correlation: float = 0.10
    w_recent: float = 0.10
    full_confidence: float = 0.60  # probability that earns the whole weight
    liquidity_share: float = 0.5  # of w_liquidity; slippage has the rest
    full_liquidity: float = 1.0  # 24 h volume / 30-day median that earns the whole share
    slippage_cap: float = 0.0015  # expected slippage that earns nothing, fraction
    recent_neutral: float = 0.5  # share earned at a recent R of 0, and while it is unknown
    recent_per_r: float = 0.5  # share per R: -1 R earns nothing, +1 R all
    prior_wins: float = 10.0  # symbol win rate (wins + 10) / (trades + 20)
    prior_trades: float = 20.0
    high: float = 0.80  # score from which the priority is HIGH
    medium: float = 0.65


BOUNDS = {
    "w_confidence": (0.0, 1.0),
    "w_win_rate": (0.0, 1.0),
    "w_liquidity": (0.0, 1.0),
    "w_correlation": (0.0, 1.0),
    "w_recent": (0.0, 1.0),
    "full_confidence": (0.01, 1.0),
    "liquidity_share": (0.0, 1.0),
    "full_liquidity": (0.01, 100.0),
    "slippage_cap": (1e-6, 1.0),
    "recent_neutral": (0.0, 1.0),
    "recent_per_r": (0.0, 100.0),
    "prior_wins": (0.0, 1e4),
    "prior_trades": (0.01, 1e4),
    "high": (0.0, 1.0),
    "medium": (0.0, 1.0),
}
CHOICES: dict[str, tuple[str, ...]] = {}


class Inputs(NamedTuple):
    """What is known of a candidate."""

    confidence: float  # probability; 0 for HOLD
    win_rate: float  # of the symbol, see ``win_rate``
    liquidity_ratio: float  # 24 h quote volume / its 30-day median
    slippage: float  # expected, fraction
    max_correlation: float  # largest with an open same-side position; 0 where nothing is open, NaN unknown
    recent_r: float  # mean R of the symbol's recent trades, 0 before the first


@kernel
def share(x: float) -> float:
    """``x`` limited to 0..1; NaN and below earn nothing."""
    if x > 0.0:
        return min(1.0, x)
    return 0.0


@kernel
def win_rate(p: Params, wins: int, trades: int) -> float:
    """Symbol win rate, shrunk to the prior: (w + 10) / (n + 20)."""
    return (wins + p.prior_wins) / (trades + p.prior_trades)


@kernel
def score(p: Params, x: Inputs) -> float:
    """Score of a candidate, 0..1."""
    if p.mode == OFF:
        return share(x.confidence)
    liquidity = p.liquidity_share * share(x.liquidity_ratio / p.full_liquidity)
    slippage = (1.0 - p.liquidity_share) * share(1.0 - x.slippage / p.slippage_cap)
    apart = share(1.0 - x.max_correlation)
    recent = share(p.recent_neutral + p.recent_per_r * (x.recent_r if is_finite(x.recent_r) else 0.0))
    total = p.w_confidence * share(x.confidence / p.full_confidence) + p.w_win_rate * share(x.win_rate)
    total += p.w_liquidity * (liquidity + slippage) + p.w_correlation * apart + p.w_recent * recent
    return share(total)


@kernel
def priority(p: Params, value: float) -> int:
    """HIGH from 0.80, MEDIUM from 0.65."""
    if value >= p.high:
        return PRIORITY_HIGH
    return PRIORITY_MEDIUM if value >= p.medium else PRIORITY_LOW
