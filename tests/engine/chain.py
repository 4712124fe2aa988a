"""The whole chain over a literal bar table: certain signals in, trades out."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from qt_core.codes import CTX_COLUMNS, EXIT_NAMES
from qt_core.config import load_config
from qt_core.engine import backtest
from qt_core.engine.result import Result
from qt_core.features.context import ChainContext
from qt_core.market import Market
from qt_core.signal.tape import BUY, HOLD, SELL, SignalTape
from tests.engine.tables import PLAIN

CHAIN_OFF: dict[str, Any] = {
    "modules": {"all": "off"},
    "ensemble": {"mode": "enforced"},
    "chain": {"base_margin_usd": 100.0, "neutral_leverage": 3.0, "entry_work_bars": 1},
    "tpsl": {"mode": "off", "sl_anchor": 0.02, "tp_anchor": 0.04},
    "risk": {"mode": "off"},
    "governor": {"mode": "off"},
    "venue": PLAIN,
}


def tape_of(market: Market, signals: Mapping[tuple[int, str], int], n_rows: int | None = None) -> SignalTape:
    """Certainty: all four models say BUY (1) or SELL (-1) at the given (decision bar, symbol), nothing elsewhere."""
    shape = (n_rows or market.n_bars, market.n_symbols, 4)
    proba = np.zeros((*shape, 3), np.float32)
    available = np.zeros(shape, np.bool_)
    for (bar, symbol), side in signals.items():
        i = market.symbols.index(symbol)
        proba[bar, i, :, {1: BUY, 0: HOLD, -1: SELL}[side]] = 1.0
        available[bar, i] = True
    return SignalTape(proba, available, np.zeros((shape[0], 4), np.int64))


def context_of(market: Market, columns: Mapping[int, float] | None = None, n_rows: int | None = None) -> ChainContext:
    """A context that knows nothing but the given columns; every symbol is eligible."""
    shape = (n_rows or market.n_bars, market.n_symbols)
    values = np.full((*shape, CTX_COLUMNS), np.nan)
    for column, value in (columns or {}).items():
        values[:, :, column] = value
    return ChainContext(values, np.ones(shape, np.bool_))


def config_of(**sections: Mapping[str, Any]) -> Any:
    """Every module off but fixed stops, changed by the given sections."""
    merged = {k: dict(v) for k, v in CHAIN_OFF.items()}
    for name, body in sections.items():
        merged.setdefault(name, {}).update(body)
    return load_config(merged)


def run_chain(market: Market, signals: Mapping[tuple[int, str], int], **sections: Mapping[str, Any]) -> Result:
    """The whole chain over a table: certain signals, modules off unless a section says otherwise."""
    return backtest(market, tape_of(market, signals), config_of(**sections), context=context_of(market))


def bar_of(market: Market, time_ms: int) -> int:
    return int((time_ms - int(market.time[0])) // market.timeframe_ms)


def trade_rows(result: Result, market: Market) -> list[dict[str, Any]]:
    """Closed trades with bars for times, names for symbols and reasons, and a signed quantity."""
    return [
        {
            "symbol": market.symbols[int(t["symbol"])],
            "in": bar_of(market, int(t["entry_ms"])),
            "out": bar_of(market, int(t["exit_ms"])),
            "qty": float(t["side"] * t["quantity"]),
            "entry": float(t["entry_price"]),
            "exit": float(t["exit_price"]),
            "why": EXIT_NAMES[int(t["exit_reason"])],
            "fee": float(t["fee_usd"]),
            "funding": float(t["funding_usd"]),
            "gross": float(t["pnl_gross_usd"]),
            "pnl": float(t["pnl_usd"]),
            "slippage": float(t["slippage_usd"]),
            "ambiguous": int(t["ambiguous"]),
            "fills": int(t["n_fills"]),
        }
        for t in result.trades
    ]


def same_trades(result: Result, market: Market, expected: list[dict[str, Any]]) -> None:
    """Every expected field of every expected trade, and no trade more."""
    got = trade_rows(result, market)
    text = "\n".join(str(t) for t in got)
    assert len(got) == len(expected), text
    for g, e in zip(got, expected, strict=True):
        for key, value in e.items():
            assert g[key] == (pytest.approx(value, rel=1e-9, abs=1e-9) if isinstance(value, float) else value), (
                f"{key} is {g[key]!r}, expected {value!r} in\n{text}"
            )
