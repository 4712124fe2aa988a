"""``sweep``: many configurations over one market and tape. Memory per trial does not grow with the number of bars.

Every trial runs the same compiled ``run`` as ``backtest``; what is shared is computed once: arrays, context, and, per set
of ensemble parameters, the bars at which any signal acts, so that bars without events are passed over.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from qt_core import records as rec
from qt_core._jit import entry
from qt_core.config import Config
from qt_core.engine.session import Session, advance, ensemble_weights, open_session
from qt_core.errors import QtError
from qt_core.features.context import ChainContext, chain_context
from qt_core.market import Market
from qt_core.metrics import DAY_MS, daily_returns, sharpe, sortino
from qt_core.params_record import params_record
from qt_core.signal import trading_engine
from qt_core.signal.tape import SignalTape
from qt_core.state import copy_into, copy_of, make_out, memory_of, records, set_equity

_FIELDS = (
    "total_return",
    "sharpe",
    "sortino",
    "max_drawdown",
    "end_equity_usd",
    "fees_usd",
    "funding_usd",
    "slippage_usd",
)
_COUNTS = ("trades", "liquidations", "ambiguous_bars")


def sweep_dtype(n_days: int) -> np.dtype[Any]:
    """One row per trial; ``daily`` are float32 returns at 00:00 UTC."""
    fields: list[Any] = [(n, "f8") for n in _FIELDS] + [(n, "i8") for n in _COUNTS]
    return np.dtype([*fields, ("digest", "u8"), ("daily", "f4", (n_days,))])


@entry
def _mark_busy(p: Any, pe: Any, weights: Any, proba: Any, available: Any, decision: Any, busy: Any) -> None:
    """Set ``busy[f]`` where any symbol's signal acts at the close of bar f."""
    for f in range(decision.shape[0]):
        t = decision[f]
        if t < 0:
            continue
        for i in range(available.shape[1]):
            if available[t, i, 0] or available[t, i, 1] or available[t, i, 2] or available[t, i, 3]:
                sig = trading_engine.signal(p, pe, weights, proba, available, t, i)
                if sig.side != 0 or sig.bad_number != 0 or sig.bad_sum != 0:
                    busy[f] = True
                    break


def busy_bars(s: Session) -> npt.NDArray[np.bool_]:
    """Bars of a session at whose close some signal acts."""
    busy = np.zeros(s.n_bars, dtype=np.bool_)
    _mark_busy(
        s.params.engine, s.params.ensemble, s.state.weights, s.rows.proba, s.rows.available, s.bars.decision, busy
    )
    return busy


def _daily_rows(s: Session) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Curve row per bar (-1 but at the last decision of each day) and the close time of each such row."""
    close_ms = s.bars.time + s.bars.bar_ms
    at = np.flatnonzero(s.bars.decision >= 0)
    day = (close_ms[at] - 1) // DAY_MS
    last = at[np.append(np.diff(day) != 0, True)]
    rows = np.full(s.n_bars, -1, dtype=np.int64)
    rows[last] = np.arange(len(last))
    return rows, close_ms[last]


class _Worker:
    """Buffers of one thread, reused by every trial it runs."""

    def __init__(self, base: Session, days_ms: npt.NDArray[np.int64]) -> None:
        n = base.state.symbol.shape[0]
        self.fresh = (copy_of(base.state), copy_of(base.venue))
        self.session = replace(
            base,
            state=copy_of(base.state),
            venue=copy_of(base.venue),
            out=make_out(n, trades=1, decisions=1, events=1, keep=(False, False, False)),
            curve=records(np.zeros(len(days_ms), dtype=rec.CURVE_DT)),
        )

    def prepare(self, config: Config) -> Session:
        """The session as before the first bar of a trial of ``config``."""
        s = self.session
        s.params = params_record(config.params())
        params = config.params()
        copy_into(s.state, self.fresh[0])
        copy_into(s.venue, self.fresh[1])
        equity = params.chain.initial_equity_usd
        set_equity(s.state, equity)
        s.venue.fund["free_usd"][0] = equity
        memory = memory_of(s.state)
        s.state.weights[:] = memory["base_weights"] = ensemble_weights(params)
        memory["policy_table"] = config.policy_table()
        s.out.n[:4] = 0
        s.next_bar = 0
        return s


def _fill_row(row: Any, s: Session, start: float) -> None:
    curve = np.asarray(s.curve).view(rec.CURVE_DT)
    equity = np.ascontiguousarray(curve["equity_usd"])
    returns = daily_returns(curve["time_ms"], equity, start)
    venue = np.asarray(s.venue.fund).view(rec.VENUE_FUND_DT)[0]
    row["total_return"] = equity[-1] / start - 1.0
    row["sharpe"] = sharpe(returns)
    row["sortino"] = sortino(returns)
    row["max_drawdown"] = s.state.fund["max_drawdown"][0]
    row["end_equity_usd"] = equity[-1]
    row["trades"] = s.out.n[1]
    row["digest"] = s.state.fund["digest"][0]
    row["daily"] = returns
    for name in ("fees_usd", "funding_usd", "slippage_usd"):
        row[name] = venue[name.replace("fees", "fee")]
    row["liquidations"] = venue["n_liquidations"]
    row["ambiguous_bars"] = venue["ambiguous_bars"]


def sweep(
    market: Market,
    tape: SignalTape,
    configs: Sequence[Config],
    *,
    seed: int = 0,
    threads: int = 2,
    context: ChainContext | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> npt.NDArray[Any]:
    """Run every configuration; one row each, in order.

    Returns
    -------
    ndarray of ``sweep_dtype``
        ``max_drawdown`` is measured at bar closes, ``daily`` are float32 returns per UTC day.

    Raises
    ------
    QtError
        If there is no configuration, or one with faults.
    """
    if not configs:
        raise QtError("sweep: no configuration given; expected at least one")
    if any(c.faults for c in configs):
        raise QtError("sweep: a configuration has faults; expected none, backtest runs them")
    context = chain_context(market) if context is None else context
    base = open_session(market, tape, configs[0], seed=seed, context=context, journal=False)
    rows_of_day, days_ms = _daily_rows(base)
    busy: dict[Any, npt.NDArray[np.bool_]] = {}
    for c in configs:
        key = (c.params().engine, c.params().ensemble)
        if key not in busy:
            base.params = params_record(c.params())
            base.state.weights[:] = ensemble_weights(c.params())
            busy[key] = busy_bars(base)
    out = np.zeros(len(configs), dtype=sweep_dtype(len(days_ms)))

    def work(first: int) -> None:
        worker = _Worker(base, days_ms)
        for k in range(first, len(configs), max(threads, 1)):
            s = worker.prepare(configs[k])
            params = configs[k].params()
            s.bars = base.bars._replace(curve_row=rows_of_day, busy=busy[params.engine, params.ensemble])
            advance(s)
            _fill_row(out[k], s, params.chain.initial_equity_usd)
            if progress is not None:
                progress(k + 1, len(configs))

    if threads <= 1:
        work(0)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, range(min(threads, len(configs)))))
    return out
