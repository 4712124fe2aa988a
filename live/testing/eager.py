"""A configuration that trades often on short made-up markets: for soaks, parity and demonstrations of the machinery."""

from collections.abc import Mapping
from typing import Any

from qt_core.context.orchestrator_policy import ROW_NAMES

# Thresholds so wide that rule signals trade; every module on, learning and exploring as by default.
EAGER: Mapping[str, Any] = {
    "chain": {"initial_equity_usd": 50_000.0},
    "ensemble": {"threshold": 0.36},
    "hfos": {"min_confidence_cautious": 0.36, "min_confidence_defensive": 0.36},
    "msc": {f"min_confidence_{mode}": 0.36 for mode in ("defensive", "normal", "aggressive")},
    "orchestrator": {"table": {row: {"min_confidence": 0.2, "allow_trades": "yes"} for row in ROW_NAMES}},
    "strategy": {"revert_band": 0.7, "revert_rsi": 65.0, "breakout_slack": 0.6, "range_edge": 0.7, "trend_gap": 0.0},
    "supervisor": {"mode": "enforced"},
    "mathematician": {"mode": "enforced"},
}
