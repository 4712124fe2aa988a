"""The peers as timed callables on a bench tape: inputs prepared beforehand, one full run per call."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.tape import SWEEP_CASH_USD, Bench
from research.crosscheck import peer_backtesting, peer_backtrader, peer_vectorbt

HOURS_PER_YEAR = 8_760.0


def vectorbt_run(bench: Bench) -> Callable[[], Any]:
    """``Portfolio.from_signals`` on all columns; orders only, no trades or statistics asked for."""
    import vectorbt as vbt

    arguments = peer_vectorbt.arguments(bench.cases)
    return lambda: vbt.Portfolio.from_signals(**arguments)


def backtesting_run(bench: Bench) -> Callable[[], Any]:
    """``Backtest.run`` symbol by symbol, statistics included (it offers no run without them)."""
    ready = [peer_backtesting.prepare(case)[0] for case in bench.cases]

    def run() -> None:
        with peer_backtesting.quiet():
            for backtest in ready:
                backtest.run()

    return run


def backtrader_run(bench: Bench) -> Callable[[], Any]:
    """``Cerebro.run`` symbol by symbol without observers; a Cerebro is used up by a run, so building it is included."""

    def run() -> None:
        for case in bench.cases:
            peer_backtrader.prepare(case).run()

    return run


def vectorbt_sweep(
    bench: Bench, stops: npt.NDArray[np.float64], targets: npt.NDArray[np.float64]
) -> Callable[[], tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]]:
    """Broadcast sweep of one symbol: every (stop, target) a column; final profit in USD and annual Sharpe ratio."""
    import vectorbt as vbt

    case = replace(bench.cases[0])
    arguments = peer_vectorbt.arguments([case])
    arguments["sl_stop"], arguments["tp_stop"] = stops[None, :], targets[None, :]
    arguments["init_cash"] = SWEEP_CASH_USD
    shape = (case.n_bars, len(stops))
    arguments["close"] = np.broadcast_to(arguments["close"], shape)

    def run() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        portfolio = vbt.Portfolio.from_signals(**arguments, freq="1h")
        profit = np.asarray(portfolio.total_return()) * SWEEP_CASH_USD
        return profit, np.asarray(portfolio.sharpe_ratio())

    return run
