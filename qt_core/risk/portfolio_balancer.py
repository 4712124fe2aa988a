"""Module 8, portfolio balancer (PBA): exposure, sectors, correlation, long/short balance. A rule; SPEC section 3.

It vetoes or shrinks an entry, and on its cadence trims what has grown beyond its limits. It never enlarges. OFF: every
entry passes, nothing is trimmed; the exposure class is a measurement and stays. OBSERVE and ADVISORY: verdicts are
journalled, the caller acts only where ENFORCED.

NaN policy: an unknown correlation counts as correlated and an unknown exposure as MAX; a candidate or a book with an
unknown number is vetoed; nothing is trimmed on an unknown number.
"""

from math import inf
from typing import Any, NamedTuple

from qt_core._jit import kernel
from qt_core.codes import (
    CORRELATED,
    EXPOSURE_HEAVY,
    EXPOSURE_LIGHT,
    EXPOSURE_MAX,
    EXPOSURE_MODERATE,
    GROSS_LEVERAGE,
    NON_FINITE,
    OFF,
    OK,
    SECTOR_LIMIT,
    SHRUNK,
    SIDE_BALANCE,
)
from qt_core.numerics import is_finite

VERSION = 1


class Params(NamedTuple):
    """Constants of this module; defaults are SPEC's where it gives a number, else ours."""

    mode: int = 3  # codes.ENFORCED
    interval_ms: int = 300_000  # between two looks at the open positions, ms
    light: float = 0.40  # margin in use / equity below which the book is LIGHT, fraction
    moderate: float = 0.60  # ... MODERATE
    heavy: float = 0.80  # ... HEAVY; from here on MAX
    max_sector_share: float = 0.40  # of usable_margin x equity that one sector's margin may take, fraction
    usable_margin: float = 0.80  # of equity, the risk OS's margin use, fraction
    min_margin_usd: float = 10.0  # an entry is not shrunk below this, USD
    max_correlated: int = 3  # same-side positions correlated with a candidate from which it is refused
    correlation_limit: float = 0.7  # above: correlated
    balance_positions: int = 4  # open and reserved positions from which long/short balance counts
    max_side_share: float = 0.75  # of positions on one side after an order (ours), fraction
    max_gross_leverage: float = 3.0  # gross notional / equity after an order (ours), ratio
    trim_above: float = 1.1  # a sector is trimmed from this multiple of its limit on (ours), ratio
    max_net_share: float = 0.95  # |long - short| / gross notional beyond which the heavy side is cut (ours), fraction
    rebalance_fraction: float = 0.25  # of the heavy side's largest position (ours), fraction
    rebalance_interval_ms: int = 86_400_000  # between two cuts, ms


BOUNDS = {
    "interval_ms": (0, 604_800_000),
    "light": (0.0, 10.0),
    "moderate": (0.0, 10.0),
    "heavy": (0.0, 10.0),
    "max_sector_share": (0.0, 10.0),
    "usable_margin": (0.0, 1.0),
    "min_margin_usd": (0.0, 1e9),
    "max_correlated": (1, 1000),
    "correlation_limit": (-1.0, 1.0),
    "balance_positions": (0, 1000),
    "max_side_share": (0.0, 1.0),
    "max_gross_leverage": (0.0, 125.0),
    "trim_above": (1.0, 100.0),
    "max_net_share": (0.0, 1.0),
    "rebalance_fraction": (0.0, 1.0),
    "rebalance_interval_ms": (0, 31_536_000_000),
}
CHOICES: dict[str, tuple[str, ...]] = {}

HEADROOM = 1e-10  # a size shrunk to a limit stays this fraction below it: more than rounding, less than TOLERANCE
TOLERANCE = 1e-9  # relative: an order that fills a limit exactly is not shrunk


class Candidate(NamedTuple):
    """An entry as the risk OS granted it."""

    side: int
    margin_usd: float
    notional_usd: float
    leverage: float


class Book(NamedTuple):
    """Open and reserved positions as the candidate sees them."""

    equity_usd: float
    margin_usd: float
    gross_notional_usd: float
    n_long: int
    n_short: int
    sector_margin_usd: float  # of the candidate's sector
    n_correlated_same_side: int  # positions of the candidate's side correlated with it


class Verdict(NamedTuple):
    """Factor on the candidate's margin (and notional), 0..1; OK, SHRUNK, or the reason of a veto (factor 0)."""

    margin_scale: float
    reason: int


@kernel
def exposure(margin_usd: float, equity_usd: float) -> float:
    """Margin in use / equity; infinite where there is no equity."""
    return margin_usd / equity_usd if equity_usd > 0.0 else inf


@kernel
def exposure_class(p: Params, exposure_fraction: float) -> int:
    """LIGHT < 0.40, MODERATE < 0.60, HEAVY < 0.80, else MAX; also the RL sizer's portfolio class."""
    if exposure_fraction < p.light:
        return EXPOSURE_LIGHT
    if exposure_fraction < p.moderate:
        return EXPOSURE_MODERATE
    return EXPOSURE_HEAVY if exposure_fraction < p.heavy else EXPOSURE_MAX


@kernel
def correlated(p: Params, correlation: float) -> bool:
    """True above the limit and where the correlation is not known."""
    return not correlation <= p.correlation_limit


@kernel
def mean_leverage(gross_notional_usd: float, margin_usd: float) -> float:
    """Gross notional / margin in use, for the report; 0 without positions."""
    return gross_notional_usd / margin_usd if margin_usd > 0.0 else 0.0


@kernel
def sector_limit_usd(p: Params, equity_usd: float) -> float:
    """Largest margin of one sector."""
    return p.max_sector_share * p.usable_margin * equity_usd


@kernel
def one_sided(p: Params, side: int, b: Book) -> bool:
    """True where the candidate would leave too large a share of the positions on its side."""
    n = b.n_long + b.n_short
    if n < p.balance_positions:
        return False
    with_it = (b.n_long if side > 0 else b.n_short) + 1
    return with_it > p.max_side_share * (n + 1)


@kernel
def fitting(asked: float, room: float) -> float:
    """Factor that fits ``asked`` into ``room``: 1 where it does, 0 where there is none."""
    if asked <= room * (1.0 + TOLERANCE):
        return 1.0
    return room / asked * (1.0 - HEADROOM) if room > 0.0 else 0.0


@kernel
def review(p: Params, c: Candidate, b: Book) -> Verdict:
    """Veto, shrink or pass an entry: correlation, long/short balance, sector, gross leverage; the stricter shrink wins."""
    if p.mode == OFF:
        return Verdict(1.0, OK)
    total = c.margin_usd + c.notional_usd + c.leverage + b.equity_usd + b.margin_usd
    total += b.gross_notional_usd + b.sector_margin_usd
    if not is_finite(total) or c.margin_usd <= 0.0 or c.notional_usd <= 0.0 or b.equity_usd <= 0.0:
        return Verdict(0.0, NON_FINITE)
    if b.n_correlated_same_side >= p.max_correlated:
        return Verdict(0.0, CORRELATED)
    if one_sided(p, c.side, b):
        return Verdict(0.0, SIDE_BALANCE)
    least = p.min_margin_usd * (1.0 - TOLERANCE)
    sector = fitting(c.margin_usd, sector_limit_usd(p, b.equity_usd) - b.sector_margin_usd)
    if sector < 1.0 and c.margin_usd * sector < least:
        return Verdict(0.0, SECTOR_LIMIT)
    gross = fitting(c.notional_usd, p.max_gross_leverage * b.equity_usd - b.gross_notional_usd)
    if gross < 1.0 and c.margin_usd * gross < least:
        return Verdict(0.0, GROSS_LEVERAGE)
    scale = min(sector, gross)
    return Verdict(scale, SHRUNK if scale < 1.0 else OK)


@kernel
def trim_correlated(p: Params, r: Any, group_size: Any, n: int) -> int:
    """Index of the position to close, -1 = none: the lowest R of those whose group has grown too large.

    A group is a position with the same-side positions correlated with it. A candidate is refused at ``max_correlated``,
    so a group is too large beyond ``max_correlated + 1``: correlations move, and one step of slack avoids churn.

    Parameters
    ----------
    r : R by position [n]; NaN is never the weakest. group_size : same-side positions of its group, itself included [n].
    """
    worst = -1
    if p.mode == OFF:
        return worst
    for k in range(n):
        if group_size[k] > p.max_correlated + 1 and is_finite(r[k]) and (worst < 0 or r[k] < r[worst]):
            worst = k
    return worst


@kernel
def trim_sector(p: Params, sector_margin_usd: float, equity_usd: float) -> float:
    """Fraction of a sector's positions to cut so that its margin is back at the limit; 0 up to ``trim_above`` x limit."""
    limit = sector_limit_usd(p, equity_usd)
    if p.mode == OFF or not is_finite(sector_margin_usd) or not limit > 0.0:
        return 0.0
    if sector_margin_usd <= limit * p.trim_above:
        return 0.0
    return 1.0 - limit / sector_margin_usd


class Rebalance(NamedTuple):
    """Side whose largest position is cut (0 = none) and the fraction of it."""

    side: int
    fraction: float


@kernel
def may_rebalance(p: Params, n: int, since_ms: int) -> bool:
    """True with enough open positions (``n``), long enough after the last cut."""
    return p.mode != OFF and n >= p.balance_positions and since_ms >= p.rebalance_interval_ms


@kernel
def rebalance(p: Params, long_notional_usd: float, short_notional_usd: float, n: int, since_ms: int) -> Rebalance:
    """Cut the heavy side where the book leans too far; ``n`` open positions, ``since_ms`` since the last cut."""
    if not may_rebalance(p, n, since_ms):
        return Rebalance(0, 0.0)
    net = long_notional_usd - short_notional_usd
    if not abs(net) > p.max_net_share * (long_notional_usd + short_notional_usd):
        return Rebalance(0, 0.0)
    return Rebalance(1 if net > 0.0 else -1, p.rebalance_fraction)
