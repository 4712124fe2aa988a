"""Record dtypes of the chain, the venue and the journal. Eight-byte fields only, so every record is aligned.

Prices are quote currency per base unit, quantities base units (signed where a position is meant), money USD, times
int64 ms UTC, fractions plain (0.015 = 1.5 %).
"""

import numpy as np


def _record(floats: str = "", ints: str = "", unsigned: str = "") -> np.dtype:
    fields = [(n, "f8") for n in floats.split()] + [(n, "i8") for n in ints.split()]
    return np.dtype(fields + [(n, "u8") for n in unsigned.split()], align=True)


# What the chain asks of the venue. `approved` is the governor's stamp: the venue refuses an opening order without it.
REQUEST_DT = _record(
    "qty price trigger leverage callback activation",
    "op symbol seq kind side tag reduce_only approved time_ms expire_ms",
)

# One resting or pending order at the venue. A free slot has status EMPTY.
ORDER_DT = _record(
    "qty filled price trigger leverage callback activation extreme",
    "status seq kind side tag reduce_only approved expire_ms active_ms cancel fresh reason",
)

# What the venue (or the exchange, or a person) tells the chain.
EVENT_DT = _record(
    "qty price reference_price fee_usd realised_usd insurance_usd funding_usd wallet_usd margin_usd value",
    "kind time_ms symbol seq side tag reason maker ambiguous inside command done",
)

# Venue: per symbol. volume_ms, inside_ms, ambiguous_ms: bar open time + 1 (0 = never). watch_low / watch_high: nothing
# can happen while the bar's range stays between them. top: slots from this one on are free.
VENUE_SYMBOL_DT = _record(
    "qty avg_price margin_usd leverage liquidation_price watch_low watch_high last_close last_mark volume_used",
    "n_orders top pending ending next_expiry_ms last_valid_ms volume_ms inside_ms ambiguous_ms reject_seq reject_reason "
    "reject_tag",
)

# Venue: account and cursor. free_usd + margin_usd = wallet balance.
VENUE_FUND_DT = _record(
    "free_usd margin_usd fee_usd funding_usd realised_usd insurance_usd slippage_usd maker_fee_usd taker_fee_usd",
    "n_active n_hot phase cursor funding_cursor in_bar ambiguous_bars n_fills n_liquidations n_partial n_rejected",
)

# Chain state: account.
FUND_DT = _record(
    "wallet_usd equity_usd peak_equity_usd day_start_equity_usd day_drawdown drawdown max_drawdown margin_usd "
    "reserved_margin_usd unrealised_usd exposure_usd",
    "n_open n_pending n_slots losing_streak next_day_ms paused halted error_count health "
    "now_ms order_seq trade_seq n_bars n_guards n_decisions",
    "digest",
)

# Chain state: per symbol. Static facts first (copied from the contract specs), then the pending entry, then the position.
SYMBOL_DT = _record(
    "tick_size lot_step min_qty max_qty min_notional "
    "pending_qty pending_margin_usd pending_risk_usd pending_leverage pending_sl_fraction pending_tp_fraction "
    "qty avg_price entry_qty exit_qty exit_value first_qty initial_risk_usd sl_distance sl_fraction tp_fraction "
    "sl_price tp_price best_price leverage margin_usd realised_usd fee_usd funding_usd slippage_usd insurance_usd "
    "worst_roi mark confidence",
    "side pending_seq entry_ms pending_slot sl_seq tp_seq entry_seq trail_active inside_ms ambiguous "
    "n_fills override trade_id vol_class trend_class tpsl_class",
    "name_hash",
)

# Journal: one closed (or, at the end of a run, still open) position.
TRADE_DT = _record(
    "entry_price exit_price quantity leverage margin_usd pnl_gross_usd fee_usd funding_usd slippage_usd insurance_usd "
    "pnl_usd initial_risk_usd r_multiple worst_roi sl_price tp_price sl_fraction tp_fraction confidence",
    "trade_id symbol side entry_ms exit_ms exit_reason ambiguous n_fills entry_seq vol_class trend_class tpsl_class",
)

# Journal: one entry candidate with every module's number, its verdict, and the first module that vetoed.
DECISION_DT = _record(
    "confidence p_sell p_buy atr_fraction sl_fraction tp_fraction margin_target_usd leverage_target leverage "
    "margin_usd qty price notional_usd loss_at_stop_usd equity_usd reserved_margin_usd size_scale",
    "time_ms symbol side rank vol_class trend_class tpsl_class reason module seq n_positions",
)

# Journal: what happened after the decision (fills, stop moves, funding ...), one row each.
# `value` / `old_value`: of a fill its slippage (USD, > 0 is worse) and the price without it; of a funding settlement
# the amount received (USD) and the rate; of a moved stop the new and the old trigger.
JOURNAL_EVENT_DT = _record(
    "qty price fee_usd realised_usd value old_value",
    "time_ms symbol kind tag reason seq trade_id",
)
JE_STOP_MOVED = 20  # journal-only kind, beside the EV_ codes

# One row per decision bar.
CURVE_DT = _record("equity_usd wallet_usd margin_usd unrealised_usd exposure_usd", "time_ms n_open")
