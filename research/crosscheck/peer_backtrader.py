"""The neutral case through backtrader 1.9.78, one run per symbol.

What its source does (``brokers/bbroker.py``), and what follows here:

- a market order fills at the next bar's open (no cheat flag is set); pending orders are tried in the order they were
  placed;
- **entry bar tested**: entry, stop and limit are placed together, stop and limit cancelling each other (``oco``). The
  entry fills first, so both can fill in its own bar; their prices need the fill, so the adapter hands them the next
  open;
- **entry bar not tested**: the library's bracket, whose children wake up on the bar after the parent's fill;
- the stop stands before the target in the queue, also when the bar opened beyond the target
  (``stop_before_gapped_target``); gaps fill at the open for stops and for limits.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from research.crosscheck.case import Case, Trades, as_trades, check_cases, open_trade, reason_of
from research.crosscheck.reference import Rules

NAME = "backtrader"
CASH_USD = 1e15  # never binds
EPOCH_DAYS = 719_163.0  # 1970-01-01 in the library's day numbers
DAY_MS = 86_400_000.0


def rules(entry_bar_tested: bool = True) -> Rules:
    """The convention of a run."""
    return replace(Rules(), entry_bar_tested=entry_bar_tested, gapped_target_first=False)


def _feed(case: Case) -> Any:
    import backtrader as bt

    columns = [(case.time / DAY_MS + EPOCH_DAYS).tolist()]
    columns += [getattr(case, name).tolist() for name in ("open", "high", "low", "close")]
    rows = list(zip(*columns, strict=True))

    class Bars(bt.feed.DataBase):  # type: ignore[misc]
        def start(self) -> None:
            super().start()
            self._rows = iter(rows)

        def _load(self) -> bool:
            row = next(self._rows, None)
            if row is None:
                return False
            lines = self.lines
            lines.datetime[0], lines.open[0], lines.high[0], lines.low[0], lines.close[0] = row
            lines.volume[0] = lines.openinterest[0] = 0.0
            return True

    return Bars()


def _strategy(case: Case, entry_bar_tested: bool) -> Any:
    import backtrader as bt

    sides, sizes, opens = case.side.tolist(), case.quantity.tolist(), case.open.tolist()
    stop_fraction, target_fraction, last = case.stop_fraction, case.target_fraction, case.n_bars - 1

    class Signals(bt.Strategy):  # type: ignore[misc]
        def __init__(self) -> None:
            self.rows: list[tuple[Any, ...]] = []
            self.entry: tuple[int, float, float, float] | None = None  # bar, price, signed size, fee

        def next(self) -> None:
            bar = len(self.data) - 1
            side = sides[bar]
            if side == 0 or bar == last or self.entry is not None:
                return
            fill, size = opens[bar + 1], sizes[bar]
            stop, target = fill * (1.0 - side * stop_fraction), fill * (1.0 + side * target_fraction)
            place = self._together if entry_bar_tested else self._bracket
            place(*((self.buy, self.sell) if side > 0 else (self.sell, self.buy)), size, stop, target)

        def _together(self, enter: Any, leave: Any, size: float, stop: float, target: float) -> None:
            enter(size=size)
            first = leave(size=size, price=stop, exectype=bt.Order.Stop)
            leave(size=size, price=target, exectype=bt.Order.Limit, oco=first)

        def _bracket(self, enter: Any, leave: Any, size: float, stop: float, target: float) -> None:
            parent = enter(size=size, transmit=False)
            leave(size=size, price=stop, exectype=bt.Order.Stop, parent=parent, transmit=False)
            leave(size=size, price=target, exectype=bt.Order.Limit, parent=parent, transmit=True)

        def notify_order(self, order: Any) -> None:
            if order.status != order.Completed:
                return
            bar, done = len(self.data) - 1, order.executed
            if self.entry is None:
                self.entry = (bar, done.price, done.size, done.comm)
                return
            entry_bar, entry, signed, fee = self.entry
            side = 1 if signed > 0.0 else -1
            pnl = done.pnl - fee - done.comm
            self.rows.append(
                (entry_bar, bar, side, entry, done.price, abs(signed), pnl, reason_of(side, entry, done.price))
            )
            self.entry = None

        def stop(self) -> None:
            if self.entry is not None:
                bar, price, signed, _ = self.entry
                self.rows.append(open_trade(case, bar, 1 if signed > 0.0 else -1, price, abs(signed)))

    return Signals


def prepare(case: Case, entry_bar_tested: bool = True) -> Any:
    """A ready ``Cerebro``."""
    import backtrader as bt

    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(_feed(case))
    cerebro.addstrategy(_strategy(case, entry_bar_tested))
    cerebro.broker.setcash(CASH_USD)
    cerebro.broker.setcommission(commission=case.fee_rate)
    return cerebro


def run(cases: Sequence[Case], entry_bar_tested: bool = True) -> list[Trades]:
    """One array of TRADE_DT per case."""
    check_cases(cases)
    return [as_trades(prepare(case, entry_bar_tested).run()[0].rows) for case in cases]
