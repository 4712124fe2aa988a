"""Our engine as one more engine of the cross-check: signals in through a SignalTape, trades out in the neutral shape.

Every module that could refuse, resize or move anything is OFF (module 14 OFF = fixed anchors), and the venue charges
the taker fee only: no slippage, no participation limit. What is left is the engine's own matching and ledger.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from qt_core.codes import CTX_COLUMNS, EXIT_NONE, EXIT_STOP, EXIT_TARGET
from qt_core.errors import QtError
from qt_core.market import Market
from qt_core.signal.tape import BUY, HOLD, N_CLASSES, N_MODELS, SELL, SignalTape
from research.crosscheck.case import STOP, TARGET, TRADE_DT, Case, Trades, open_trade

EQUITY_USD = 1e9  # never binds
LEVERAGE = 1.0  # liquidation is then out of reach even in a crash bar without protection (2021-05-19 took 3x)


def config_dict(setup: Any, entry_bar_tested: bool) -> dict[str, Any]:
    """A user configuration for ``load_config``: everything OFF but fixed stops and targets.

    Parameters
    ----------
    setup : the ``Setup`` of the harness (fractions, fee rate, notional).
    """
    return {
        "chain": {
            "initial_equity_usd": EQUITY_USD,
            "base_margin_usd": setup.notional_usd / LEVERAGE,
            "neutral_leverage": LEVERAGE,
            "max_candidates": 32,
        },
        "modules": {"all": "off"},
        "tpsl": {"sl_anchor": setup.stop_fraction, "tp_anchor": setup.target_fraction},
        "venue": {
            "taker_fee": setup.fee_rate,
            "slippage": 0.0,
            "participation": 0.0,
            "stops_in_entry_bar": "on" if entry_bar_tested else "off",
        },
    }


def make_tape(cases: Sequence[Case]) -> SignalTape:
    """All four models, available on every bar, say the case's side with certainty; HOLD where there is none."""
    side = np.column_stack([case.side for case in cases])
    proba = np.zeros((*side.shape, N_MODELS, N_CLASSES), dtype=np.float32)
    for value, column in ((-1, SELL), (0, HOLD), (1, BUY)):
        proba[side == value, :, column] = 1.0
    available = np.ones((*side.shape, N_MODELS), dtype=np.bool_)
    return SignalTape(proba, available, np.zeros((len(side), N_MODELS), dtype=np.int64))


def neutral(market: Market, cases: Sequence[Case], result: Any) -> list[Trades]:
    """Closed trades and open positions of a Result as one TRADE_DT array per case.

    Raises
    ------
    QtError
        If a trade ended in a way no peer knows (liquidation, settlement ...): the set-up would not be comparable.
    """
    trades = np.concatenate([result.trades, result.open_positions])
    reasons = {EXIT_STOP: STOP, EXIT_TARGET: TARGET}
    other = set(np.unique(trades["exit_reason"]).tolist()) - reasons.keys() - {EXIT_NONE}
    if other:
        raise QtError(f"exit reasons {sorted(other)} in a run with fixed stops only; stop and target expected")
    return [_of_symbol(market, case, trades[trades["symbol"] == i]) for i, case in enumerate(cases)]


def _of_symbol(market: Market, case: Case, rows: Any) -> Trades:
    rows = rows[np.argsort(rows["entry_ms"], kind="stable")]
    out = np.zeros(len(rows), dtype=TRADE_DT)
    out["entry_bar"] = (rows["entry_ms"] - market.time[0]) // market.timeframe_ms
    out["exit_bar"] = (rows["exit_ms"] - market.time[0]) // market.timeframe_ms
    for ours, theirs in (("side", "side"), ("entry_price", "entry_price"), ("exit_price", "exit_price")):
        out[theirs] = rows[ours]
    out["size"], out["pnl"] = rows["quantity"], rows["pnl_usd"]
    out["reason"] = np.where(rows["exit_reason"] == EXIT_STOP, STOP, TARGET)
    for k in np.flatnonzero(rows["exit_reason"] == EXIT_NONE):
        row = out[k]
        out[k] = open_trade(
            case, int(row["entry_bar"]), int(row["side"]), float(row["entry_price"]), float(row["size"])
        )
    return out


def open_context(market: Market) -> Any:
    """A chain context that knows nothing and makes every symbol eligible on every bar."""
    from qt_core.features.context import ChainContext

    shape = (market.n_bars, market.n_symbols)
    return ChainContext(np.full((*shape, CTX_COLUMNS), np.nan), np.ones(shape, dtype=np.bool_))


def run(market: Market, cases: Sequence[Case], setup: Any, entry_bar_tested: bool = True) -> list[Trades]:
    """One array of TRADE_DT per case; the market's symbols in the order of the cases."""
    from qt_core.config import load_config
    from qt_core.engine import backtest

    config = load_config(config_dict(setup, entry_bar_tested))
    result = backtest(market, make_tape(cases), config, seed=0, context=open_context(market), journal=False)
    return neutral(market, cases, result)
