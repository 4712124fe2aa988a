"""The neutral case through vectorbt 1.2's ``Portfolio.from_signals``, one column per symbol.

What its source does (``portfolio/nb.py: simulate_from_signals_nb``), and what follows here:

- one order per column and bar, a stop coming before a signal, so **the entry bar is never tested** for stops;
- the stop is looked at before the target even when the bar *opened* beyond the target (``stop_before_gapped_target``);
- a bar opening beyond a stop or target fills at that open (``get_stop_price_nb``);
- a same-side entry in a position gives size 0, an opposite one is dropped by ``upon_opposite_entry="ignore"``;
- an entry at ``price=open`` of bar ``t + 1`` needs the signals moved down by one row.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from research.crosscheck.case import Case, Trades, as_trades, check_cases, open_trade, reason_of
from research.crosscheck.reference import Rules

NAME = "vectorbt"
INIT_CASH_USD = 1e12  # cash is a limit only; huge, so that it never binds


def rules(entry_bar_tested: bool = False) -> Rules:
    """The convention vectorbt can be run in; it cannot test the entry bar."""
    if entry_bar_tested:
        raise ValueError("vectorbt executes one order per bar and cannot test stops in the entry bar")
    return replace(Rules(), entry_bar_tested=False, gapped_target_first=False)


def _stack(cases: Sequence[Case], name: str) -> npt.NDArray[Any]:
    return np.ascontiguousarray(np.column_stack([getattr(case, name) for case in cases]))


def _down_one(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    out = np.zeros_like(values)
    out[1:] = values[:-1]
    return out


def arguments(cases: Sequence[Case]) -> dict[str, Any]:
    """Keyword arguments of ``from_signals`` for cases on one time axis."""
    side = _down_one(_stack(cases, "side"))
    return dict(
        close=_stack(cases, "close"),
        open=_stack(cases, "open"),
        high=_stack(cases, "high"),
        low=_stack(cases, "low"),
        price=_stack(cases, "open"),
        entries=side > 0,
        exits=False,
        short_entries=side < 0,
        short_exits=False,
        size=_down_one(_stack(cases, "quantity")),
        fees=np.array([[case.fee_rate for case in cases]]),
        sl_stop=np.array([[case.stop_fraction for case in cases]]),
        tp_stop=np.array([[case.target_fraction for case in cases]]),
        stop_entry_price="fillprice",
        stop_exit_price="stoplimit",
        upon_stop_exit="close",
        upon_opposite_entry="ignore",
        init_cash=INIT_CASH_USD,
    )


def _rows(records: Any, case: Case) -> Trades:
    rows = []
    for r in records:
        side = 1 if r["direction"] == 0 else -1
        entry, exit_, size = float(r["entry_price"]), float(r["exit_price"]), float(r["size"])
        if r["status"] == 0:
            rows.append(open_trade(case, int(r["entry_idx"]), side, entry, size))
            continue
        pnl, reason = float(r["pnl"]), reason_of(side, entry, exit_)
        rows.append((int(r["entry_idx"]), int(r["exit_idx"]), side, entry, exit_, size, pnl, reason))
    return as_trades(rows)


def run(cases: Sequence[Case], entry_bar_tested: bool = False) -> list[Trades]:
    """One array of TRADE_DT per case; all cases must share one time axis.

    Raises
    ------
    ValueError
        If ``entry_bar_tested``, which vectorbt cannot do.
    """
    import vectorbt as vbt

    check_cases(cases)
    rules(entry_bar_tested)
    portfolio = vbt.Portfolio.from_signals(**arguments(cases))
    records = portfolio.trades.records_arr
    return [_rows(records[records["col"] == k], case) for k, case in enumerate(cases)]
