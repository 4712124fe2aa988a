"""What is learned when a position is flat: Q-tables (19, 21), statistics of account, symbol, strategy (SPEC 1, 3, 4)."""

from typing import Any

from qt_core._jit import inner
from qt_core.codes import LEARN_FROZEN, LEARN_ON, LEARNED, M_SIZER, M_STRATEGY, NOT_LEARNED
from qt_core.learning import alpha_at, moved
from qt_core.numerics import is_finite
from qt_core.records import JE_NOT_LEARNED, JE_Q_SIZE, JE_Q_STRATEGY, RECENT
from qt_core.selection import meta_strategy
from qt_core.sizing import rl_sizer
from qt_core.stages.journal import count, log_change, log_pair

HOUR_MS = 3_600_000.0
PERCENT = 100.0
SHADOW = 1  # row of the learning copy in the Q-tables


@inner
def _learn_size(p: Any, state: Any, s: Any, t: Any, how: int, out: Any) -> None:
    """Module 19: one terminal update of the cell nearest to what was filled."""
    q = p.sizer
    base = p.chain.base_margin_usd
    hours = (t.exit_ms - t.entry_ms) / HOUR_MS
    pnl_pct = rl_sizer.pnl_percent(q, t.pnl_usd, base, t.margin_usd)
    reward = rl_sizer.reward(q, pnl_pct, hours, PERCENT * t.worst_roi)
    entered = s.first_qty * s.avg_price / s.leverage  # what the sizer chose, not what module 9 added
    action = rl_sizer.nearest_action(q, entered / base, t.leverage)
    cell = s.sizer_state
    row = 0 if how == LEARN_ON else SHADOW
    alpha = alpha_at(q, state.memory[0].q_size_visits[row, cell, action])
    old = state.memory[0].q_size[row, cell, action]
    new = moved(old, reward, alpha)
    state.memory[0].q_size[row, cell, action] = new
    state.memory[0].q_size_visits[row, cell, action] += 1
    if row != SHADOW:  # what a copy learns must not change how the acting table explores
        state.fund[0].sizer_updates += 1
    count(out, M_SIZER, LEARNED)
    k = log_change(out, t.exit_ms, t.symbol, JE_Q_SIZE, LEARNED, t.trade_id, new, old, cell * 25 + action)
    log_pair(out, k, reward, alpha)


@inner
def _learn_strategy(p: Any, state: Any, s: Any, t: Any, how: int, out: Any) -> None:
    """Module 21: R, clipped, for the strategy that let the entry through."""
    q = p.strategy
    cell, strategy = s.strategy_state, s.strategy
    row = 0 if how == LEARN_ON else SHADOW
    alpha = alpha_at(q, state.memory[0].q_strategy_visits[row, cell, strategy])
    reward = meta_strategy.clipped(q, t.r_multiple)
    old = state.memory[0].q_strategy[row, cell, strategy]
    new = moved(old, reward, alpha)
    state.memory[0].q_strategy[row, cell, strategy] = new
    state.memory[0].q_strategy_visits[row, cell, strategy] += 1
    if row != SHADOW:
        state.fund[0].strategy_updates += 1
    count(out, M_STRATEGY, LEARNED)
    k = log_change(out, t.exit_ms, t.symbol, JE_Q_STRATEGY, LEARNED, t.trade_id, new, old, cell * 4 + strategy)
    log_pair(out, k, reward, alpha)


@inner
def _remember(p: Any, state: Any, s: Any, t: Any) -> None:
    """Win rates and recent R of the account, the symbol and the strategy."""
    fund = state.fund[0]
    r = t.r_multiple
    won = 1 if t.pnl_usd > 0.0 else 0
    fund.n_trades += 1
    fund.n_wins += won
    fund.last_close_ms = t.exit_ms
    if r > 0.0:
        fund.sum_win_r += r
    else:
        fund.sum_loss_r -= r
    state.memory[0].recent_r[fund.n_recent % RECENT] = r
    fund.n_recent += 1
    fund.sum_recent_r = sum_last(state, fund.n_recent, p.chain.recent_trades)
    s.n_trades += 1
    s.n_wins += won
    s.recent_r += p.chain.recent_weight * (r - s.recent_r)
    if s.strategy >= 0:
        n = state.memory[0].strategy_n[s.strategy]
        state.memory[0].strategy_r[s.strategy, n % RECENT] = r
        state.memory[0].strategy_n[s.strategy] = n + 1


@inner
def sum_last(state: Any, n: int, window: int) -> float:
    """Sum of R of the last ``window`` (at most) of ``n`` trades."""
    total = 0.0
    for k in range(max(0, n - window), n):
        total += state.memory[0].recent_r[k % RECENT]
    return total


@inner
def learn(p: Any, state: Any, s: Any, t: Any, out: Any) -> None:
    """Statistics of every close; Q-tables of those that teach."""
    if is_finite(t.r_multiple):
        _remember(p, state, s, t)
    if s.sizer_state >= 0:
        how = rl_sizer.learns(p.sizer, t.exit_reason)
        if how != LEARN_FROZEN:
            _learn_size(p, state, s, t, how, out)
        elif p.sizer.learning != LEARN_FROZEN:
            count(out, M_SIZER, NOT_LEARNED)
            log_change(out, t.exit_ms, t.symbol, JE_NOT_LEARNED, NOT_LEARNED, t.trade_id, 0.0, 0.0, 0)
    if s.strategy >= 0:
        how = meta_strategy.learns(p.strategy, t.exit_reason)
        if how != LEARN_FROZEN:
            _learn_strategy(p, state, s, t, how, out)
        elif p.strategy.learning != LEARN_FROZEN:
            count(out, M_STRATEGY, NOT_LEARNED)
