"""Module 19, RL position sizing: margin multiplier and leverage from a table of outcomes. Learned; SPEC section 3 and 4.

Tabular Q-learning, one update when a position is flat: 300 states (regime 5 x confidence 5 x portfolio 4 x performance 3,
row-major in that order) by 25 actions (multiplier 5 x leverage 5, ``action = 5 * multiplier + leverage - 1``).
OFF gives (1.0, 3x). It proposes; the risk OS (17) clamps or refuses afterwards, explored choices included.

NaN policy: a Q that is not finite counts 0, an unknown confidence is very_low, unknown limits leave no valid action and
give the smallest one, a reward that is not finite teaches nothing.
"""

from math import inf
from typing import Any, NamedTuple

from qt_core._jit import kernel
from qt_core.codes import OFF, PERFORMANCE_BAD, PERFORMANCE_GOOD, PERFORMANCE_NEUTRAL
from qt_core.learning import explores, known, place
from qt_core.learning import learns as teaches

VERSION = 1

N_REGIMES, N_CONFIDENCES, N_PORTFOLIOS, N_PERFORMANCES = 5, 5, 4, 3
N_STATES = N_REGIMES * N_CONFIDENCES * N_PORTFOLIOS * N_PERFORMANCES
N_MULTIPLIERS, N_LEVERAGES = 5, 5
N_ACTIONS = N_MULTIPLIERS * N_LEVERAGES


class Params(NamedTuple):
    """Constants of this module; defaults are SPEC's."""

    mode: int = 3  # codes.ENFORCED
    epsilon: float = 0.10  # share of decisions that explore
    alpha: float = 0.15  # step of an update
    epsilon_min: float = 0.0  # floor of the schedule epsilon / (1 + epsilon_decay * updates)
    alpha_min: float = 0.0  # floor of the schedule alpha / (1 + alpha_decay * visits)
    epsilon_decay: float = 0.0  # per update; 0 = constant
    alpha_decay: float = 0.0  # per visit of the (state, action); 0 = constant
    learning: int = 2  # 0 frozen; 1 shadow: a copy learns, this table acts; 2 on
    pnl_base: int = 0  # 0 percent of base_margin, so that the multiplier matters; 1 percent of the position's margin
    multiplier_1: float = 0.3  # of base_margin, ascending
    multiplier_2: float = 0.5
    multiplier_3: float = 0.7
    multiplier_4: float = 1.0
    multiplier_5: float = 1.5
    neutral_multiplier: float = 1.0  # OFF, and ties among untried actions
    neutral_leverage: float = 3.0
    confidence_low: float = 0.25  # lower edges of the confidence classes, probability
    confidence_medium: float = 0.35
    confidence_high: float = 0.50
    confidence_very_high: float = 0.70
    performance_min_trades: int = 10  # neutral before
    performance_good: float = 0.1  # mean R of the recent trades, strictly above
    performance_bad: float = -0.1  # strictly below
    holding_cost: float = 0.01  # reward points per day held
    drawdown_weight: float = 0.5  # reward points per percent point of the worst ROI
    win_bonus: float = 0.1  # reward points of a position closed with a profit


BOUNDS = {
    "epsilon": (0.0, 1.0),
    "alpha": (0.0, 1.0),
    "epsilon_min": (0.0, 1.0),
    "alpha_min": (0.0, 1.0),
    "epsilon_decay": (0.0, 1e3),
    "alpha_decay": (0.0, 1e3),
    "multiplier_1": (0.01, 10.0),
    "multiplier_2": (0.01, 10.0),
    "multiplier_3": (0.01, 10.0),
    "multiplier_4": (0.01, 10.0),
    "multiplier_5": (0.01, 10.0),
    "neutral_multiplier": (0.01, 10.0),
    "neutral_leverage": (1.0, 5.0),
    "confidence_low": (0.0, 1.0),
    "confidence_medium": (0.0, 1.0),
    "confidence_high": (0.0, 1.0),
    "confidence_very_high": (0.0, 1.0),
    "performance_min_trades": (1, 1000),
    "performance_good": (-10.0, 10.0),
    "performance_bad": (-10.0, 10.0),
    "holding_cost": (0.0, 100.0),
    "drawdown_weight": (0.0, 100.0),
    "win_bonus": (0.0, 100.0),
}
CHOICES = {"learning": ("frozen", "shadow", "on"), "pnl_base": ("base_margin", "margin")}

# relative, on margin limits: the expanded profile's base 666.67 is a rounded 2000/3, so 1.5 x base is 1000.005 beside a
# limit of 1000; the risk OS clamps to the limit itself
MARGIN_TOLERANCE = 1e-4
PERCENT = 100.0
HOURS_PER_DAY = 24.0


class Parts(NamedTuple):
    """One cell of the action grid."""

    multiplier: float  # of base_margin
    leverage: float


class Choice(NamedTuple):
    """What the sizer asks for."""

    action: int  # 0..24
    multiplier: float
    leverage: float
    q: float  # its value in the table, reward points
    explored: int  # 1 = drawn, not the best known


class Limits(NamedTuple):
    """What an action must respect."""

    base_margin_usd: float
    min_margin_usd: float
    max_margin_usd: float
    min_leverage: float  # of the profile
    leverage_cap: float  # the smallest of those who speak


@kernel
def confidence_class(p: Params, confidence: float) -> int:
    """very_low < 0.25 <= low < 0.35 <= medium < 0.50 <= high < 0.70 <= very_high (0..4); NaN is very_low."""
    low = int(confidence >= p.confidence_low) + int(confidence >= p.confidence_medium)
    return low + int(confidence >= p.confidence_high) + int(confidence >= p.confidence_very_high)


@kernel
def performance_class(p: Params, n_trades: int, n_recent: int, sum_r_recent: float) -> int:
    """Class of the mean R of the recent trades (SPEC: 20 of them); neutral before 10 trades and where unknown."""
    if n_trades < p.performance_min_trades or n_recent <= 0:
        return PERFORMANCE_NEUTRAL
    if sum_r_recent > p.performance_good * n_recent:
        return PERFORMANCE_GOOD
    if sum_r_recent < p.performance_bad * n_recent:
        return PERFORMANCE_BAD
    return PERFORMANCE_NEUTRAL


@kernel
def state_index(regime: int, confidence: int, portfolio: int, performance: int) -> int:
    """Row of the table, 0..299: regime 5 x confidence 5 x portfolio 4 x performance 3, row-major."""
    return ((regime * N_CONFIDENCES + confidence) * N_PORTFOLIOS + portfolio) * N_PERFORMANCES + performance


@kernel
def multiplier_at(p: Params, k: int) -> float:
    """The ``k``-th multiplier, 0..4."""
    if k == 0:
        return p.multiplier_1
    if k == 1:
        return p.multiplier_2
    if k == 2:
        return p.multiplier_3
    if k == 3:
        return p.multiplier_4
    return p.multiplier_5


@kernel
def action_parts(p: Params, action: int) -> Parts:
    """Multiplier and leverage of an action, 0..24."""
    k = action // N_LEVERAGES
    return Parts(multiplier_at(p, k), action - k * N_LEVERAGES + 1.0)


@kernel
def nearest_action(p: Params, margin_ratio: float, leverage: float) -> int:
    """The grid cell nearest to margin / base_margin and leverage, each for itself; halfway and NaN give the smaller."""
    best_k = 0
    best_l = 0
    for k in range(1, N_MULTIPLIERS):
        if abs(margin_ratio - multiplier_at(p, k)) < abs(margin_ratio - multiplier_at(p, best_k)):
            best_k = k
    for l0 in range(1, N_LEVERAGES):
        if abs(leverage - (l0 + 1.0)) < abs(leverage - (best_l + 1.0)):
            best_l = l0
    return best_k * N_LEVERAGES + best_l


@kernel
def neutral(p: Params) -> Choice:
    """The output while OFF, and what binds while only observed: (1.0, 3x)."""
    action = nearest_action(p, p.neutral_multiplier, p.neutral_leverage)
    return Choice(action, p.neutral_multiplier, p.neutral_leverage, 0.0, 0)


@kernel
def valid(p: Params, action: int, limits: Limits) -> bool:
    """True where margin and leverage of the action lie within the limits.

    Where the profile's least leverage lies above all that the cap leaves on the grid, the highest that is left is valid:
    the lowest cap wins (SPEC section 9).
    """
    a = action_parts(p, action)
    if not a.leverage <= limits.leverage_cap:
        return False
    top = a.leverage + 1.0 > limits.leverage_cap or a.leverage >= N_LEVERAGES
    if not (a.leverage >= limits.min_leverage or top):
        return False
    margin = limits.base_margin_usd * a.multiplier
    if not margin >= limits.min_margin_usd * (1.0 - MARGIN_TOLERANCE):
        return False
    return margin <= limits.max_margin_usd * (1.0 + MARGIN_TOLERANCE)


@kernel
def greedy(p: Params, q: Any, state: int, limits: Limits) -> int:
    """The valid action with the largest Q, -1 where none is valid; ties go to (1.0, 3x), else to the lowest index.

    What ``valid`` says of all 25 at once: the multipliers whose margin fits, times one range of leverages.
    """
    top = min(N_LEVERAGES, int(limits.leverage_cap)) if limits.leverage_cap >= 1.0 else 0
    low = 1
    while low < top and low < limits.min_leverage:
        low += 1
    least = limits.min_margin_usd * (1.0 - MARGIN_TOLERANCE)
    most = limits.max_margin_usd * (1.0 + MARGIN_TOLERANCE)
    best = -1
    best_q = -inf
    for k in range(N_MULTIPLIERS):
        margin = limits.base_margin_usd * multiplier_at(p, k)
        if margin >= least and margin <= most and limits.min_leverage == limits.min_leverage:
            row, row_q = -1, -inf  # row by row: five short chains side by side instead of a long one
            for leverage in range(low, top + 1):
                action = k * N_LEVERAGES + leverage - 1
                value = known(q[state, action])
                better = value > row_q
                row = action if better else row
                row_q = value if better else row_q
            better = row_q > best_q
            best = row if better else best
            best_q = row_q if better else best_q
    middle = nearest_action(p, p.neutral_multiplier, p.neutral_leverage)
    if best >= 0 and middle != best and known(q[state, middle]) == best_q and valid(p, middle, limits):
        return middle
    return best


@kernel
def drawn(p: Params, limits: Limits, u: float) -> int:
    """A valid action, each equally likely, -1 where none is valid."""
    n = 0
    for action in range(N_ACTIONS):
        if valid(p, action, limits):
            n += 1
    left = place(u, n)
    for action in range(N_ACTIONS):
        if valid(p, action, limits):
            if left == 0:
                return action
            left -= 1
    return -1


@kernel
def choose(p: Params, q: Any, state: int, limits: Limits, epsilon: float, u1: float, u2: float) -> Choice:
    """Epsilon-greedy choice in ``state`` of ``q[300, 25]``; ``u1`` says whether, ``u2`` where to explore.

    Where no action is valid the smallest is asked for (first multiplier, 1x): the risk OS refuses what is below its minimum
    and clamps what is above its limit, so this never enlarges.
    """
    if p.mode == OFF:
        return neutral(p)
    explored = 1 if explores(epsilon, u1, u2) else 0
    action = drawn(p, limits, u2) if explored != 0 else greedy(p, q, state, limits)
    if action < 0:
        action = 0
        explored = 0
    a = action_parts(p, action)
    return Choice(action, a.multiplier, a.leverage, known(q[state, action]), explored)


@kernel
def pnl_percent(p: Params, pnl_usd: float, base_margin_usd: float, margin_usd: float) -> float:
    """Result of a position (all parts - fees - funding) in percent of base_margin, or of its margin (``pnl_base``)."""
    return PERCENT * pnl_usd / (base_margin_usd if p.pnl_base == 0 else margin_usd)


@kernel
def reward(p: Params, pnl_pct: float, hours: float, drawdown_pct: float) -> float:
    """Reward of a closed position, percent points: ``pnl - hours/24*0.01 - drawdown*0.5 + (0.1 if win)``.

    ``hours`` from the first fill; ``drawdown_pct`` the position's worst ROI as a positive percentage (0 if never under).
    """
    bonus = p.win_bonus if pnl_pct > 0.0 else 0.0
    return pnl_pct - hours / HOURS_PER_DAY * p.holding_cost - drawdown_pct * p.drawdown_weight + bonus


@kernel
def learns(p: Params, exit_reason: int) -> int:
    """LEARN_FROZEN, LEARN_SHADOW or LEARN_ON for a position that closed for ``exit_reason`` (codes.EXIT_*)."""
    return teaches(p.mode, p.learning, exit_reason)
