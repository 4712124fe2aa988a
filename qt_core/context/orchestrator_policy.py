"""Module 18, orchestrator policy: what the market's regime allows. A rule, all of it in one table; SPEC section 3.

27 rows (volatility x trend x liquidity of the market, the median of its active symbols) by six columns. OFF: allowed,
minimum confidence 0.45, NORMAL profile, style and exit mode, and a risk limit that binds nothing.

How the default table was made (SPEC gives the ranges and the row NORMAL/STRONG):

* minimum confidence starts at 0.20 / 0.35 / 0.45 for STRONG / MODERATE / WEAK trend (past returns predict the next where a
  trend stands: Moskowitz, Ooi and Pedersen 2012, Time series momentum), + 0.10 when volatility is HIGH, + 0.05 when LOW
  (the same costs against a smaller move), + 0.15 when liquidity is POOR, - 0.05 when GOOD, within 0.20..0.65;
* risk per trade starts at 1.5 / 1.25 / 1 % and is halved by HIGH volatility (Moreira and Muir 2017, Volatility-managed
  portfolios) and by POOR liquidity (Amihud 2002, Illiquidity and stock returns), rounded down to the quarter point; a
  quarter point more when GOOD, and a quarter more for a STRONG trend in LOW volatility or in a GOOD market that is not
  HIGH; within 0.5..2 %;
* nothing opens in a market without trend and without liquidity that is very calm or very wild: there a stop of 1.5 ATR is
  mostly cost, or slippage;
* POOR liquidity is CONSERVATIVE and PATIENT and lets no trend run; the golden row holds for NORMAL and GOOD liquidity.

NaN policy: a class or a cell that is none allows nothing.
"""

from typing import Any, NamedTuple

from qt_core._jit import kernel
from qt_core.codes import (
    ENFORCED,
    NORMAL_EXIT,
    OFF,
    PROFILE_CONSERVATIVE,
    PROFILE_NORMAL,
    QUICK_EXIT,
    STYLE_NORMAL,
    STYLE_PATIENT,
)
from qt_core.numerics import is_finite

VERSION = 1

COL_ALLOW, COL_MIN_CONFIDENCE, COL_PROFILE, COL_MAX_RISK, COL_STYLE, COL_EXIT = range(6)
COLUMN_NAMES = ("allow_trades", "min_confidence", "profile", "max_risk", "style", "exit_mode")
COLUMN_BOUNDS = ((0.0, 1.0), (0.20, 0.65), (0.0, 2.0), (0.005, 0.02), (0.0, 2.0), (0.0, 2.0))
COLUMN_CHOICES = {  # names of the values of the columns that hold codes; the others are numbers
    "allow_trades": ("no", "yes"),
    "profile": ("conservative", "normal", "aggressive"),
    "style": ("patient", "normal", "aggressive"),
    "exit_mode": ("quick", "normal", "trend_follow"),
}
N_CLASSES = 3  # of volatility, of trend and of liquidity
N_ROWS = 27
ROW_NAMES = tuple(
    f"{volatility}/{trend}/{liquidity}"
    for volatility in ("low", "normal", "high")
    for trend in ("weak", "moderate", "strong")
    for liquidity in ("poor", "normal", "good")
)

# allow, minimum confidence, PROFILE_*, risk per trade (fraction of equity), STYLE_*, exit mode
DEFAULT_TABLE: tuple[tuple[float, ...], ...] = (
    (0.0, 0.65, 0.0, 0.0050, 0.0, 0.0),  # low/weak/poor: a dead market
    (1.0, 0.50, 1.0, 0.0100, 0.0, 0.0),  # low/weak/normal: a quiet range, the spread is worth waiting for
    (1.0, 0.45, 1.0, 0.0125, 1.0, 0.0),  # low/weak/good
    (1.0, 0.55, 0.0, 0.0050, 0.0, 0.0),  # low/moderate/poor
    (1.0, 0.40, 1.0, 0.0125, 1.0, 1.0),  # low/moderate/normal
    (1.0, 0.35, 1.0, 0.0150, 1.0, 1.0),  # low/moderate/good
    (1.0, 0.40, 0.0, 0.0075, 0.0, 1.0),  # low/strong/poor
    (1.0, 0.25, 2.0, 0.0175, 2.0, 2.0),  # low/strong/normal: a steady trend, the best odds per unit of risk
    (1.0, 0.20, 2.0, 0.0200, 2.0, 2.0),  # low/strong/good
    (1.0, 0.60, 0.0, 0.0050, 0.0, 0.0),  # normal/weak/poor
    (1.0, 0.45, 1.0, 0.0100, 1.0, 0.0),  # normal/weak/normal
    (1.0, 0.40, 1.0, 0.0125, 1.0, 0.0),  # normal/weak/good
    (1.0, 0.50, 0.0, 0.0050, 0.0, 0.0),  # normal/moderate/poor
    (1.0, 0.35, 1.0, 0.0125, 1.0, 1.0),  # normal/moderate/normal
    (1.0, 0.30, 1.0, 0.0150, 1.0, 1.0),  # normal/moderate/good
    (1.0, 0.35, 0.0, 0.0075, 0.0, 1.0),  # normal/strong/poor
    (1.0, 0.20, 1.0, 0.0150, 2.0, 2.0),  # normal/strong/normal: SPEC's golden
    (1.0, 0.20, 1.0, 0.0200, 2.0, 2.0),  # normal/strong/good: the same
    (0.0, 0.65, 0.0, 0.0050, 0.0, 0.0),  # high/weak/poor: a market that jumps and cannot be left
    (1.0, 0.55, 0.0, 0.0050, 1.0, 0.0),  # high/weak/normal
    (1.0, 0.50, 0.0, 0.0075, 1.0, 0.0),  # high/weak/good
    (1.0, 0.60, 0.0, 0.0050, 0.0, 0.0),  # high/moderate/poor
    (1.0, 0.45, 0.0, 0.0050, 1.0, 0.0),  # high/moderate/normal
    (1.0, 0.40, 0.0, 0.0075, 1.0, 1.0),  # high/moderate/good
    (1.0, 0.45, 0.0, 0.0050, 0.0, 1.0),  # high/strong/poor
    (1.0, 0.30, 1.0, 0.0075, 1.0, 2.0),  # high/strong/normal: do not chase
    (1.0, 0.25, 1.0, 0.0100, 2.0, 2.0),  # high/strong/good
)


class Params(NamedTuple):
    """Constants of this module beside its table; the interval is SPEC's."""

    mode: int = 3  # codes.ENFORCED
    interval_ms: int = 60_000
    off_min_confidence: float = 0.45  # while OFF: probability, SPEC section 1 "Modes"
    off_max_risk: float = 1.0  # while OFF: fraction of equity that binds nothing


BOUNDS = {
    "interval_ms": (1, 86_400_000),
    "off_min_confidence": (0.0, 1.0),
    "off_max_risk": (0.0, 1.0),
}
CHOICES: dict[str, tuple[str, ...]] = {}


class Policy(NamedTuple):
    """One row, for the interval."""

    allow: int  # 1 = positions may be opened
    min_confidence: float  # probability
    profile: int  # PROFILE_*
    max_risk: float  # loss at stop incl. costs / equity
    style: int  # STYLE_*
    exit_mode: int  # QUICK_EXIT, NORMAL_EXIT, TREND_EXIT


@kernel
def due(p: Params, last_ms: int, now_ms: int) -> bool:
    """True where an interval has passed; a ``last_ms`` of 0 (never) is always due."""
    return now_ms - last_ms >= p.interval_ms


@kernel
def median_class(n0: int, n1: int, n2: int) -> int:
    """Median of ``n0 + n1 + n2`` symbols in classes 0, 1, 2: of two middle ones the lower; no symbol is class 1.

    The lower one is the more cautious of trend (WEAK) and liquidity (POOR); volatility takes ``upper_median_class``.
    """
    n = n0 + n1 + n2
    if n <= 0:
        return 1
    if n0 + n0 >= n:
        return 0
    return 1 if n0 + n1 + n0 + n1 >= n else 2


@kernel
def upper_median_class(n0: int, n1: int, n2: int) -> int:
    """As ``median_class``, but the higher of two middle ones: HIGH is the more cautious volatility."""
    return 2 - median_class(n2, n1, n0)


@kernel
def row_of(vol: int, trend: int, liquidity: int) -> int:
    """Row of the table, -1 where a class is none."""
    if vol < 0 or vol >= N_CLASSES or trend < 0 or trend >= N_CLASSES or liquidity < 0 or liquidity >= N_CLASSES:
        return -1
    return (vol * N_CLASSES + trend) * N_CLASSES + liquidity


@kernel
def unrestricted(p: Params) -> Policy:
    """What holds while this module is OFF or only observes."""
    return Policy(1, p.off_min_confidence, PROFILE_NORMAL, p.off_max_risk, STYLE_NORMAL, NORMAL_EXIT)


@kernel
def refused() -> Policy:
    """What holds where the regime or the table is none: nothing opens."""
    return Policy(0, 1.0, PROFILE_CONSERVATIVE, 0.0, STYLE_PATIENT, QUICK_EXIT)


@kernel
def policy(p: Params, table: Any, vol: int, trend: int, liquidity: int) -> Policy:
    """The row of ``table`` (float64 [27, 6]) for the market's regime; computed unless OFF."""
    if p.mode == OFF:
        return unrestricted(p)
    r = row_of(vol, trend, liquidity)
    if r < 0:
        return refused()
    codes = table[r, COL_ALLOW] + table[r, COL_PROFILE] + table[r, COL_STYLE] + table[r, COL_EXIT]
    if not is_finite(codes + table[r, COL_MIN_CONFIDENCE] + table[r, COL_MAX_RISK]):
        return refused()
    return Policy(
        int(table[r, COL_ALLOW]),
        table[r, COL_MIN_CONFIDENCE],
        int(table[r, COL_PROFILE]),
        table[r, COL_MAX_RISK],
        int(table[r, COL_STYLE]),
        int(table[r, COL_EXIT]),
    )


@kernel
def binding(p: Params, row: Policy) -> Policy:
    """What binds the chain: the row where ENFORCED, else no restriction."""
    return row if p.mode == ENFORCED else unrestricted(p)
