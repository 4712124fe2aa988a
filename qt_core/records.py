"""Record dtypes of the chain, the venue and the journal. Eight-byte fields only, so every record is aligned.

Prices are quote currency per base unit, quantities base units (signed where a position is meant), money USD, times
int64 ms UTC, fractions plain (0.015 = 1.5 %).
"""

import numpy as np

from qt_core.arrays import CACHE_LINE


def _record(floats: str = "", ints: str = "", unsigned: str = "", first: str = "") -> np.dtype:
    """Fields by kind; those of ``first`` lead, and a record that names any fills whole cache lines."""
    kinds = (
        dict.fromkeys(floats.split(), "f8") | dict.fromkeys(ints.split(), "i8") | dict.fromkeys(unsigned.split(), "u8")
    )
    names = [*first.split(), *(n for n in kinds if n not in first.split())]
    size = 8 * len(names)
    return np.dtype(
        {
            "names": names,
            "formats": [kinds[n] for n in names],
            "offsets": list(range(0, size, 8)),
            "itemsize": -(-size // CACHE_LINE) * CACHE_LINE if first else size,
        },
        align=True,
    )


# What the chain asks of the venue. `approved` is the governor's stamp: the venue refuses an opening order without it.
REQUEST_DT = _record(
    "qty price trigger leverage callback activation",
    "op symbol seq kind side tag reduce_only approved time_ms expire_ms",
)

# One resting or pending order at the venue. A free slot has status EMPTY.
ORDER_DT = _record(
    "qty filled price trigger leverage callback activation extreme",
    "status seq kind side tag reduce_only approved expire_ms active_ms cancel fresh reason",
    first="status kind side cancel fresh expire_ms price trigger",
)

# What the venue (or the exchange, or a person) tells the chain.
EVENT_DT = _record(
    "qty price reference_price fee_usd realised_usd insurance_usd funding_usd wallet_usd margin_usd value",
    "kind time_ms symbol seq side tag reason maker ambiguous inside command done",
)

# Venue: per symbol. volume_ms, inside_ms, ambiguous_ms: bar open time + 1 (0 = never). watch_low / watch_high: nothing
# can happen while the bar's range stays between them. top: slots from this one on are free. Faults of a script (engine/
# script.py): busy opening orders are refused next, extra_slippage (a fraction) comes on top of every taker fill.
VENUE_SYMBOL_DT = _record(
    "qty avg_price margin_usd leverage liquidation_price watch_low watch_high last_close last_mark volume_used "
    "extra_slippage",
    "n_orders top pending ending next_expiry_ms last_valid_ms volume_ms inside_ms ambiguous_ms reject_seq reject_reason "
    "reject_tag busy",
    first="qty watch_low watch_high pending next_expiry_ms last_close last_mark last_valid_ms",
)

# Venue: account and cursor. free_usd + margin_usd = wallet balance.
VENUE_FUND_DT = _record(
    "free_usd margin_usd fee_usd funding_usd realised_usd insurance_usd slippage_usd maker_fee_usd taker_fee_usd",
    "n_active n_hot phase cursor funding_cursor in_bar ambiguous_bars n_fills n_liquidations n_partial n_rejected",
    first="n_active n_hot phase cursor funding_cursor in_bar free_usd margin_usd",
)

# Chain state: account. hfos_* 7's directive in force, orch_* 18's, policy_* the policy row (MSC); limit_* what binds of
# them together. *_last_ms: when a module with an interval last ran.
FUND_DT = _record(
    "wallet_usd equity_usd peak_equity_usd day_start_equity_usd day_drawdown drawdown max_drawdown margin_usd "
    "reserved_margin_usd unrealised_usd exposure_usd "
    "hfos_scale hfos_reduce hfos_min_confidence orch_min_confidence orch_max_risk "
    "policy_max_risk policy_min_confidence policy_scale limit_scale limit_confidence limit_risk "
    "ess_peak_usd ess_drawdown sum_win_r sum_loss_r sum_recent_r",
    "n_open n_pending n_slots losing_streak next_day_ms paused halted error_count health "
    "now_ms order_seq trade_seq n_bars n_guards n_decisions "
    "hfos_mode hfos_by hfos_health hfos_allow hfos_universe hfos_urgency hfos_quiet_ms hfos_last_ms "
    "orch_allow orch_profile orch_style orch_exit orch_last_ms "
    "policy_mode policy_max_positions policy_allowed policy_last_ms policy_outside "
    "limit_module limit_positions limit_defensive "
    "market_vol market_trend market_liquidity "
    "ess_latched ess_since_ms ess_trips ess_time_ms ess_missing ess_errors n_expected feed_lost crossed manual_stop "
    "balancer_last_ms rebalance_last_ms correlation_seen correlation_trades universe_last_ms "
    "intelligence_last_ms amplification_last_ms "
    "supervisor_last_ms calibration_last_ms bucket_day bucket_slot unreliable disabled "
    "trained_ms trigger_last_ms regime_since_ms regime_candidate regime_trained "
    "n_trades n_wins n_recent last_close_ms sizer_updates strategy_updates",
    "digest seed",
    first="wallet_usd equity_usd margin_usd reserved_margin_usd n_open n_pending n_slots digest",
)

# Chain state: per symbol. Static facts first (copied from the contract specs and the configuration), then what is known
# of the symbol, then the pending entry, then the position.
SYMBOL_DT = _record(
    "tick_size lot_step min_qty max_qty min_notional "
    "spread depth_usd recent_r score "
    "pending_qty pending_margin_usd pending_risk_usd pending_leverage pending_sl_fraction pending_tp_fraction "
    "pending_price "
    "qty avg_price entry_qty exit_qty exit_value first_qty initial_risk_usd sl_distance sl_fraction tp_fraction "
    "sl_price tp_price best_price leverage margin_usd realised_usd fee_usd funding_usd slippage_usd insurance_usd "
    "worst_roi mark confidence r_multiple best_r worst_r class_confidence signal_confidence rung_1_qty rung_2_qty "
    "trail_qty peak_qty",
    "sector is_main denied tier active rank n_trades n_wins "
    "side pending_seq entry_ms pending_slot sl_seq tp_seq entry_seq trail_active inside_ms ambiguous "
    "n_fills override trade_id vol_class trend_class tpsl_class "
    "pending_side pending_kind pending_expire_ms pending_scale retries "
    "signal_side signal_ms class_code advice n_scaled let_run laddered rung_1_seq rung_2_seq n_rungs "
    "exit_seq exit_why exit_whole scaled_seq "
    "strategy strategy_state sizer_state sizer_action exit_mode explored",
    "name_hash",
    # a cache line each: what is read of every symbol, then what is read of every position at every close
    first="qty side pending_seq active signal_side signal_ms signal_confidence mark "
    "avg_price leverage worst_roi exit_seq initial_risk_usd realised_usd fee_usd funding_usd "
    "r_multiple best_r worst_r sl_seq tp_seq let_run entry_ms advice "
    "rung_1_qty rung_2_qty trail_qty class_code class_confidence trail_active best_price inside_ms "
    "exit_mode sl_price sl_distance tick_size laddered sector margin_usd tier",
)

# Chain state: one model prediction (or several of one bar and side) until its label ends. conf: 0 = the model did not act.
LABEL_DT = _record("close d win_price stop_price conf_0 conf_1 conf_2 conf_3", "side expire_ms time_ms")
# Per symbol: nothing can happen to its labels while the bar stays inside (low, high) and before expire_ms.
WATCH_DT = _record("high low", "expire_ms n")

# Journal: one closed (or, at the end of a run, still open) position.
TRADE_DT = _record(
    "entry_price exit_price quantity leverage margin_usd pnl_gross_usd fee_usd funding_usd slippage_usd insurance_usd "
    "pnl_usd initial_risk_usd r_multiple worst_roi sl_price tp_price sl_fraction tp_fraction confidence",
    "trade_id symbol side entry_ms exit_ms exit_reason ambiguous n_fills entry_seq vol_class trend_class tpsl_class "
    "strategy sizer_state sizer_action exit_mode explored n_scaled n_rungs let_run class_code",
)

# Scratch: the ensemble's word on a symbol.
SAID_DT = _record("confidence p_sell p_buy", "side")

# Journal: one entry candidate with every module's number, its verdict, and the first module that vetoed.
DECISION_DT = _record(
    "confidence p_sell p_buy atr_fraction sl_fraction tp_fraction margin_target_usd leverage_target leverage "
    "margin_usd qty price notional_usd loss_at_stop_usd equity_usd reserved_margin_usd size_scale "
    "min_confidence risk_cap score win_rate slippage max_correlation order_price "
    "strategy_q sizer_q advice_margin_usd advice_leverage kelly breakeven optimal_leverage expected_usd portfolio_scale "
    "advice_sl_fraction advice_tp_fraction advice_confidence liquidity_ratio recent_r",
    "time_ms symbol side rank vol_class trend_class tpsl_class reason module seq n_positions "
    "liquidity_class market_vol market_trend market_liquidity hfos_mode policy_mode "
    "strategy strategy_state strategy_sides priority style exit_mode order_kind sizer_state sizer_action explored "
    "caution agreement n_correlated exposure_class tier limit_module hfos_by",
)

# Journal: what happened after the decision (fills, stop moves, funding ...), one row each. `bar`: bars closed before.
# `value` / `old_value`: of a fill its slippage (USD, > 0 is worse) and the price without it; of a funding settlement
# the amount received (USD) and the rate; of a moved stop the new and the old trigger.
JOURNAL_EVENT_DT = _record(
    "qty price fee_usd realised_usd value old_value",
    "time_ms symbol kind tag reason seq trade_id bar",
)
# Of the kinds below `value` / `old_value` are the new and the old number (mode, class, Q ...), `reason` why.
# `qty` / `price` beside them: of a class R and the class's confidence; of a rung (one row each) its quantity and price; of
# a policy row its positions and least confidence. A scale-in that is asked for (reason OK) has quantity and price cap, the
# loss at the stop it would make and R; an exit (`value`: why) R and the last signal's confidence.
# Journal-only kinds, beside the EV_ codes:
JE_STOP_MOVED, JE_CLASS, JE_LADDER, JE_LET_RUN, JE_SCALE_IN, JE_EXIT, JE_REDUCE = range(20, 27)
JE_Q_SIZE, JE_Q_STRATEGY, JE_NOT_LEARNED = range(27, 30)  # seq: cell of the table; qty: reward; price: alpha
JE_HFOS, JE_ORCHESTRATOR, JE_POLICY, JE_ESS_LATCH, JE_ESS_RESET, JE_RETRAIN, JE_SUPERVISOR, JE_HEALTH = range(30, 38)
JE_PROTECT, JE_RETRY, JE_KEPT_OUT, JE_HALT = range(38, 42)
JE_NAMES = {
    JE_STOP_MOVED: "stop_moved",
    JE_CLASS: "class",
    JE_LADDER: "ladder",
    JE_LET_RUN: "let_run",
    JE_SCALE_IN: "scale_in",
    JE_EXIT: "exit",
    JE_REDUCE: "reduce",
    JE_Q_SIZE: "q_size",
    JE_Q_STRATEGY: "q_strategy",
    JE_NOT_LEARNED: "not_learned",
    JE_HFOS: "risk_mode",
    JE_ORCHESTRATOR: "orchestrator",
    JE_POLICY: "policy",
    JE_ESS_LATCH: "emergency_stop",
    JE_ESS_RESET: "reset",
    JE_RETRAIN: "retrain",
    JE_SUPERVISOR: "supervisor",
    JE_HEALTH: "health",
    JE_PROTECT: "protect",
    JE_RETRY: "retry",
    JE_KEPT_OUT: "kept_out",
    JE_HALT: "halt",
}

# One row per decision bar.
CURVE_DT = _record("equity_usd wallet_usd margin_usd unrealised_usd exposure_usd", "time_ms n_open")

# What both learning modules and the supervisor remember, and what configures them; one record, so that State passes it
# as one array. Sizes are fixed: they depend on no symbol and no window of a configuration.
RECENT = 64  # trades remembered; bounds every window counted in trades
ERROR_RING = 128  # system errors remembered; bounds risk.max_errors_per_min
SIZER_STATES, SIZER_ACTIONS, STRATEGY_STATES, STRATEGIES = 300, 25, 27, 4
POLICY_COLUMNS = 6
DAYS, CELLS = 31, 64  # daily buckets of the supervisor, cells of its confidence histogram
(B_N, B_WINS, B_HITS, B_SUM_R, B_LONG, B_SHORT, B_HOLD), BUCKET = range(7), 8
CELL_N, CELL_HITS, CELL_CONF = range(3)  # the histogram's three sums
MEMORY_DT = np.dtype(
    [
        ("error_ms", "i8", (ERROR_RING,)),  # times of the last system errors, a ring
        ("policy_table", "f8", (STRATEGY_STATES, POLICY_COLUMNS)),  # module 18's table: regime x columns
        ("q_size", "f8", (2, SIZER_STATES, SIZER_ACTIONS)),  # module 19: [0] acts, [1] learns in shadow
        ("q_size_visits", "i8", (2, SIZER_STATES, SIZER_ACTIONS)),
        ("q_strategy", "f8", (2, STRATEGY_STATES, STRATEGIES)),  # module 21
        ("q_strategy_visits", "i8", (2, STRATEGY_STATES, STRATEGIES)),
        ("recent_r", "f8", (RECENT,)),  # R of the last trades, a ring
        ("strategy_r", "f8", (STRATEGIES, RECENT)),  # the same by strategy
        ("strategy_n", "i8", (STRATEGIES,)),  # trades by strategy since its last ban
        ("strategy_mean", "f8", (STRATEGIES,)),  # mean R that the policy judges by, after
        ("strategy_judged", "i8", (STRATEGIES,)),  # so many of those trades
        ("strategy_ban_ms", "i8", (STRATEGIES,)),  # the strategy is not allowed before this time
        ("base_weights", "f8", (4,)),  # ensemble weights before the supervisor's factors
        ("factors", "f8", (4,)),  # the supervisor's factor per model
        ("calibration", "f8", (4,)),  # NaN = unknown
        ("fresh", "i8", (4,)),  # outcomes since the calibration was last computed
        ("buckets", "f8", (DAYS, 4, BUCKET)),  # the supervisor's daily sums per model (columns B_*)
        ("totals", "f8", (2, 4, BUCKET)),  # the same over the long and the recent window, days before today
        ("histogram", "f8", (DAYS, 3, 4, CELLS)),  # daily outcomes, hits, sum of confidence by cell of confidence
        ("cell_n", "f8", (4, CELLS)),  # the same over the long window
        ("cell_hits", "f8", (4, CELLS)),
        ("cell_conf", "f8", (4, CELLS)),
    ],
    align=True,
)
