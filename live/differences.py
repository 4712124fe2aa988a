"""How a difference between a journal and what is made again is told: where, what, and the first module it shows in."""

from collections.abc import Sequence
from typing import NamedTuple

from qt_core.market import utc_text


class Difference(NamedTuple):
    """One thing that is not as it was."""

    seq: int  # entry of the journal
    time_ms: int
    what: str  # input, feature, model row, event, state, decision, order, trade, entry
    where: str  # symbol, or the session
    text: str
    module: str = ""  # of a decision: the first module whose number differs

    def line(self) -> str:
        """For people."""
        module = f", first differing module: {self.module}" if self.module else ""
        return f"{utc_text(self.time_ms)} {self.where}: {self.what}: {self.text} (entry {self.seq}{module})"


# Columns of a decision in the order in which modules write them: the first that differs names the module.
MODULES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("6 ensemble", ("confidence", "p_sell", "p_buy", "side")),
    ("regime", ("vol_class", "trend_class", "tpsl_class", "liquidity_class", "atr_fraction", "liquidity_ratio")),
    ("market regime", ("market_vol", "market_trend", "market_liquidity")),
    ("11 universe", ("tier",)),
    ("7 AI-HFOS", ("hfos_mode", "hfos_by")),
    ("MSC", ("policy_mode",)),
    ("limits", ("limit_module", "min_confidence", "size_scale", "risk_cap")),
    ("21 meta-strategy", ("strategy", "strategy_state", "strategy_sides", "strategy_q")),
    ("18 orchestrator", ("style", "exit_mode")),
    ("14 dynamic TP/SL", ("sl_fraction", "tp_fraction")),
    ("22 ranker", ("score", "rank", "priority", "win_rate", "recent_r", "max_correlation", "slippage")),
    ("19 RL sizing", ("sizer_state", "sizer_action", "sizer_q", "explored", "margin_target_usd", "leverage_target")),
    (
        "20 mathematician",
        (
            "advice_margin_usd",
            "advice_leverage",
            "advice_sl_fraction",
            "advice_tp_fraction",
            "advice_confidence",
            "kelly",
            "breakeven",
            "optimal_leverage",
            "expected_usd",
            "caution",
            "agreement",
        ),
    ),
    (
        "17 risk OS",
        ("leverage", "margin_usd", "qty", "notional_usd", "equity_usd", "reserved_margin_usd", "n_positions"),
    ),
    ("8 portfolio balancer", ("portfolio_scale", "n_correlated", "exposure_class")),
    ("24 safety governor", ("loss_at_stop_usd",)),
    ("16 AELM", ("order_kind", "order_price", "price")),
)


def first_module(different: "Sequence[str]") -> str:
    """The first module, in the order of the chain, that writes one of these columns."""
    for module, columns in MODULES:
        if any(name in columns for name in different):
            return module
    return "verdict" if "reason" in different or "module" in different else different[0]
