"""The neutral case through backtesting.py 0.6, one run per symbol.

What its source does (``backtesting.py: _Broker._process_orders``), and what follows here:

- stop and target are contingent orders with absolute prices fixed when the entry is *placed*; the fill is the next
  open, so the adapter hands it the prices that fill will give. They are then tested in the entry bar
  (``reprocess_orders``);
- without the entry bar they are set on the trade after its bar has closed;
- an entry is refused when the last close already lies beyond its stop or target: only then protection is set one bar
  later, which the comparison names ``entry_bar_not_tested``;
- the stop order stands before the target in the queue, also when the bar opened beyond the target
  (``stop_before_gapped_target``); gaps fill at the open;
- the first bar it lets a strategy see is the second, so one bar is put in front;
- sizes are whole numbers: quantities are counted in units of a power of two, which leaves every price exact.
"""

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from qt_core.errors import DataError
from research.crosscheck.case import Case, Trades, as_trades, check_cases, open_trade, reason_of
from research.crosscheck.reference import Rules

NAME = "backtesting.py"
CASH_USD = 1e15  # never binds
MAX_UNITS_LOG2 = 51  # the largest quantity becomes just under 2**51 units
MIN_UNITS = 2.0**31  # a rounded quantity is then within 2.4e-10


def rules(entry_bar_tested: bool = True) -> Rules:
    """The convention of a run."""
    return replace(Rules(), entry_bar_tested=entry_bar_tested, gapped_target_first=False)


def unit_of(case: Case) -> float:
    """The power of two (base units) that one whole unit of the run stands for.

    Raises
    ------
    DataError
        If the quantities of the case span more than whole numbers can hold to 1e-9.
    """
    used = case.quantity[case.side != 0]
    if len(used) == 0:
        return 1.0
    unit = 2.0 ** (int(np.ceil(np.log2(used.max()))) - MAX_UNITS_LOG2)
    if used.min() / unit < MIN_UNITS:
        raise DataError(f"{case.symbol}: quantities {used.min()}..{used.max()} span too wide a range for whole units")
    return float(unit)


def _frame(case: Case, unit: float) -> Any:
    import pandas as pd

    columns = {}
    for name in ("open", "high", "low", "close"):
        values = getattr(case, name) * unit
        columns[name.capitalize()] = np.concatenate([values[:1], values])
    step = case.time[1] - case.time[0] if case.n_bars > 1 else 1
    index = pd.to_datetime(np.concatenate([[case.time[0] - step], case.time]), unit="ms")
    return pd.DataFrame(columns, index=index)


def _strategy(case: Case, unit: float, entry_bar_tested: bool) -> Any:
    from backtesting import Strategy

    sides = case.side.tolist()
    units = np.round(case.quantity / unit).tolist()
    opens = (case.open * unit).tolist()
    closes = (case.close * unit).tolist()
    stop_fraction, target_fraction, last = case.stop_fraction, case.target_fraction, case.n_bars - 1

    class Signals(Strategy):  # type: ignore[misc]
        def init(self) -> None:
            self.unprotected = False

        def next(self) -> None:
            bar = len(self.data) - 2
            if self.unprotected:
                self.unprotected = False
                self._protect()
            side = sides[bar]
            if side == 0 or bar == last or self.trades:
                return
            fill = opens[bar + 1]
            stop, target = fill * (1.0 - side * stop_fraction), fill * (1.0 + side * target_fraction)
            place = self.buy if side > 0 else self.sell
            if entry_bar_tested and side * (closes[bar] - stop) > 0.0 and side * (target - closes[bar]) > 0.0:
                place(size=units[bar], sl=stop, tp=target)
            else:
                place(size=units[bar])
                self.unprotected = True

        def _protect(self) -> None:
            trade = self.trades[0]
            side = 1.0 if trade.is_long else -1.0
            stop = trade.entry_price * (1.0 - side * stop_fraction)
            target = trade.entry_price * (1.0 + side * target_fraction)
            trade.sl, trade.tp = stop, target

    return Signals


def prepare(case: Case, entry_bar_tested: bool = True) -> tuple[Any, float]:
    """A ready ``Backtest`` and the unit its sizes and prices are counted in."""
    from backtesting import Backtest

    unit = unit_of(case)
    strategy = _strategy(case, unit, entry_bar_tested)
    return Backtest(_frame(case, unit), strategy, cash=CASH_USD, commission=case.fee_rate), unit


def _rows(strategy: Any, case: Case, unit: float) -> Trades:
    rows = []
    for t in strategy.closed_trades:
        side, size = (1 if t.size > 0 else -1), abs(t.size) * unit
        entry, exit_ = t.entry_price / unit, t.exit_price / unit
        rows.append((t.entry_bar - 1, t.exit_bar - 1, side, entry, exit_, size, t.pl, reason_of(side, entry, exit_)))
    for t in strategy.trades:
        side = 1 if t.size > 0 else -1
        rows.append(open_trade(case, t.entry_bar - 1, side, t.entry_price / unit, abs(t.size) * unit))
    return as_trades(rows)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without its progress bar and its warning that trades remain open, which is handled here."""
    from backtesting import backtesting as module

    shown = module._tqdm
    module._tqdm = lambda sequence, **_: sequence
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        module._tqdm = shown


def run(cases: Sequence[Case], entry_bar_tested: bool = True) -> list[Trades]:
    """One array of TRADE_DT per case."""
    check_cases(cases)
    out = []
    with quiet():
        for case in cases:
            backtest, unit = prepare(case, entry_bar_tested)
            out.append(_rows(backtest.run()["_strategy"], case, unit))
    return out
