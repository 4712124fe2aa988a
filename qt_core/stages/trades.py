"""One position's life as a trade row, and why it ended."""

from typing import Any

from qt_core._jit import inner
from qt_core.codes import (
    EV_LIQUIDATION,
    EXIT_LADDER,
    EXIT_LIQUIDATION,
    EXIT_ORDER,
    EXIT_SETTLED,
    EXIT_STOP,
    EXIT_TARGET,
    EXIT_TRAILING,
    SETTLED,
    TAG_EXIT,
    TAG_RUNG_1,
    TAG_RUNG_2,
    TAG_SL,
    TAG_TP,
)


@inner
def exit_reason(s: Any, e: Any) -> int:
    """Why the position was closed, from the order that closed it."""
    if e.kind == EV_LIQUIDATION:
        return EXIT_LIQUIDATION
    if e.reason == SETTLED:
        return EXIT_SETTLED
    if e.tag == TAG_SL:
        return EXIT_TRAILING if s.trail_active != 0 else EXIT_STOP
    if e.tag == TAG_TP:
        return EXIT_TARGET
    if e.tag == TAG_RUNG_1 or e.tag == TAG_RUNG_2:
        return EXIT_LADDER
    if e.tag == TAG_EXIT and e.seq == s.exit_seq:
        return int(s.exit_why)
    return EXIT_ORDER


@inner
def write_trade(t: Any, s: Any, symbol: int, exit_ms: int, reason: int, exit_price: float) -> None:
    """One position's life as a trade row; ``pnl_usd`` is net of fees, funding and insurance."""
    t.trade_id = s.trade_id
    t.symbol = symbol
    t.side = s.side
    t.entry_ms = s.entry_ms
    t.exit_ms = exit_ms
    t.entry_price = s.avg_price
    t.exit_price = exit_price
    t.quantity = s.entry_qty
    t.leverage = s.leverage
    t.margin_usd = s.peak_qty * s.avg_price / s.leverage
    t.pnl_gross_usd = s.realised_usd
    t.fee_usd = s.fee_usd
    t.funding_usd = s.funding_usd
    t.slippage_usd = s.slippage_usd
    t.insurance_usd = s.insurance_usd
    t.pnl_usd = s.realised_usd - s.fee_usd + s.funding_usd + s.insurance_usd
    t.initial_risk_usd = s.initial_risk_usd
    t.r_multiple = t.pnl_usd / s.initial_risk_usd if s.initial_risk_usd > 0.0 else 0.0
    t.worst_roi = s.worst_roi
    t.sl_price = s.sl_price
    t.tp_price = s.tp_price
    t.sl_fraction = s.sl_fraction
    t.tp_fraction = s.tp_fraction
    t.confidence = s.confidence
    t.exit_reason = reason
    t.ambiguous = s.ambiguous
    t.n_fills = s.n_fills
    t.entry_seq = s.entry_seq
    t.vol_class = s.vol_class
    t.trend_class = s.trend_class
    t.tpsl_class = s.tpsl_class
    t.strategy = s.strategy
    t.sizer_state = s.sizer_state
    t.sizer_action = s.sizer_action
    t.exit_mode = s.exit_mode
    t.explored = s.explored
    t.n_scaled = s.n_scaled
    t.n_rungs = s.n_rungs
    t.let_run = s.let_run
    t.class_code = s.class_code
