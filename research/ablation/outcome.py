"""One run of an ablation, reduced to what is compared: day by day, no journal kept."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from qt_core import records as rec
from qt_core.codes import EV_FILL, EV_LIQUIDATION
from qt_core.config import Config
from qt_core.engine.script import EMPTY, Script
from qt_core.engine.session import Session, advance, open_session
from qt_core.features.context import ChainContext
from qt_core.market import Market
from qt_core.metrics import DAY_MS, daily_equity, daily_returns
from qt_core.signal.tape import SignalTape
from qt_core.state import N_EVENTS, N_TRADES, make_out
from qt_core.tables import QTables

FloatArray = npt.NDArray[np.float64]
DAILY = ("returns", "turnover", "trades")


@dataclass(frozen=True)
class Outcome:
    """What one run did on each of its ``n`` UTC days.

    Attributes
    ----------
    digest : of every decision, order and trade; equal runs decided alike throughout.
    returns : ``[n]`` simple returns. turnover : ``[n]`` notional of all fills / equity at the day's start.
    trades : ``[n]`` positions closed. bar_drawdown : largest drawdown at bar closes (``returns`` know only days).
    fees_usd, funding_usd, slippage_usd : totals of the run. liquidations : how many.
    """

    digest: int
    returns: FloatArray
    turnover: FloatArray
    trades: FloatArray
    bar_drawdown: float
    fees_usd: float
    funding_usd: float
    slippage_usd: float
    liquidations: int

    @property
    def n_trades(self) -> int:
        """Closed trades of the whole run."""
        return int(self.trades.sum())


def run_once(
    market: Market,
    context: ChainContext,
    tape: SignalTape,
    config: Config,
    seed: int,
    tables: "QTables | None" = None,
    script: Script = EMPTY,
    progress: "Callable[[int, int], None] | None" = None,
) -> Outcome:
    """Backtest one arm under the faults of ``script``; ``progress`` may raise to end it early."""
    out = make_out(market.n_symbols, keep=(True, False, True))  # fills for the turnover, no decisions
    s = open_session(market, tape, config, seed=seed, context=context, out=out, tables=tables, script=script)
    advance(s, progress=progress)
    return outcome_of(s, config.params().chain.initial_equity_usd)


def outcome_of(s: Session, start_equity_usd: float) -> Outcome:
    """Reduce a finished session."""
    curve = np.asarray(s.curve).view(rec.CURVE_DT)
    time, equity = curve["time_ms"], np.ascontiguousarray(curve["equity_usd"])
    returns = daily_returns(time, equity, start_equity_usd)
    at_start = daily_equity(time, equity, start_equity_usd)[:-1]
    first_day = (int(time[0]) - 1) // DAY_MS
    n = int((int(time[-1]) - 1) // DAY_MS - first_day + 1)
    fills, notional = _fills(s)
    traded = _by_day(fills, notional, first_day, n)
    closed = np.asarray(s.out.trades[: int(s.out.n[N_TRADES])]).view(rec.TRADE_DT)
    ledger = np.asarray(s.venue.fund).view(rec.VENUE_FUND_DT)[0]
    return Outcome(
        digest=int(s.state.fund["digest"][0]),
        returns=returns,
        turnover=np.where(at_start > 0.0, traded / np.where(at_start > 0.0, at_start, 1.0), 0.0),
        trades=_by_day(closed["exit_ms"], np.ones(len(closed)), first_day, n),
        bar_drawdown=float(s.state.fund["max_drawdown"][0]),
        fees_usd=float(ledger["fee_usd"]),
        funding_usd=float(ledger["funding_usd"]),
        slippage_usd=float(ledger["slippage_usd"]),
        liquidations=int(ledger["n_liquidations"]),
    )


def _fills(s: Session) -> tuple[npt.NDArray[np.int64], FloatArray]:
    """Times and notionals (USD) of everything bought or sold."""
    events: npt.NDArray[Any] = np.asarray(s.out.events[: int(s.out.n[N_EVENTS])]).view(rec.JOURNAL_EVENT_DT)
    filled = events[(events["kind"] == EV_FILL) | (events["kind"] == EV_LIQUIDATION)]
    return filled["time_ms"], np.abs(filled["qty"] * filled["price"])


def _by_day(time_ms: npt.NDArray[np.int64], amount: FloatArray, first_day: int, n_days: int) -> FloatArray:
    """Sums per UTC day."""
    day = np.clip(time_ms // DAY_MS - first_day, 0, n_days - 1)
    return np.bincount(day, weights=amount, minlength=n_days).astype(np.float64)
