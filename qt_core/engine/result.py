"""Result of a run: trades, curve, decisions, figures, and the digest that says whether two runs decided alike."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from qt_core import records as rec
from qt_core.codes import EXIT_NAMES
from qt_core.config import Config
from qt_core.enums import TALLIES
from qt_core.explain.journal import Journal
from qt_core.explain.text import explain
from qt_core.explain.vetoes import Veto, vetoes
from qt_core.market import Market
from qt_core.metrics import run_figures, trade_figures
from qt_core.signal.tape import SLOT_NAMES
from qt_core.stages.trades import write_trade
from qt_core.state import State, Venue, records

if TYPE_CHECKING:
    from qt_core.engine.session import Session

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Result:
    """What a run produced. Arrays are structured numpy arrays with the fields of ``qt_core.records``.

    ``trades`` are closed positions, ``open_positions`` those still held at the end (valued at the last mark, exit costs
    not yet paid). ``symbol`` fields index ``symbols``. ``votes`` are what the four ``models`` said of each decision
    ``[decisions, 4, 3]`` (SELL, HOLD, BUY), NaN where one abstained.
    """

    symbols: tuple[str, ...]
    timeframe_ms: int
    config: Config
    seed: int
    trades: Array
    open_positions: Array
    curve: Array
    decisions: Array
    events: Array
    counters: Array
    tally: Array
    votes: npt.NDArray[np.float32]
    models: tuple[str, ...]
    state: State
    venue: Venue
    metrics: dict[str, float]
    simulated: bool
    source: str
    notes: tuple[str, ...]

    @classmethod
    def of(
        cls, s: "Session", market: Market, config: Config, seed: int, models: tuple[str, ...] = SLOT_NAMES
    ) -> "Result":
        """Collect the result of a finished session; ``models`` are the names of its four."""
        trades = np.asarray(s.out.trades[: int(s.out.n[1])]).view(rec.TRADE_DT).copy()
        open_rows = open_positions(s.state)
        curve = np.asarray(s.curve).view(rec.CURVE_DT)
        fund = np.asarray(s.venue.fund).view(rec.VENUE_FUND_DT)[0]
        metrics = trade_figures(trades) | {"open_trades": len(open_rows)}
        metrics |= run_figures(curve, s.params.chain.initial_equity_usd, fund)
        decisions = np.asarray(s.out.decisions[: int(s.out.n[2])]).view(rec.DECISION_DT).copy()
        return cls(
            symbols=market.symbols,
            timeframe_ms=market.timeframe_ms,
            config=config,
            seed=seed,
            trades=trades,
            open_positions=open_rows,
            curve=curve,
            decisions=decisions,
            events=np.asarray(s.out.events[: int(s.out.n[3])]).view(rec.JOURNAL_EVENT_DT).copy(),
            counters=s.out.counters.copy(),
            tally=s.out.tally.copy(),
            votes=votes_of(s, decisions),
            models=models,
            state=s.state,
            venue=s.venue,
            metrics=metrics,
            simulated=market.simulated,
            source=market.source,
            notes=market.notes,
        )

    @property
    def equity(self) -> npt.NDArray[np.float64]:
        """Equity in USD after each decision bar."""
        return np.ascontiguousarray(self.curve["equity_usd"])

    @property
    def unsafe(self) -> tuple[str, ...]:
        """Safety modules that did not bind; non-empty means the result is stamped UNSAFE."""
        return self.config.unsafe

    def digest(self) -> str:
        """Rolling 64-bit digest of every decision, order and closed trade; equal whether or not a journal was kept."""
        return f"{int(self.state.fund['digest'][0]):016x}"

    def vetoes(self) -> list[Veto]:
        """Who refused what and how often, and what was only noted; most frequent first."""
        return vetoes(self.counters, self.config.params())

    def tallies(self) -> dict[str, dict[str, int]]:
        """How often each value of each enum was said: ``{"monitor.verdict": {"keep": 812, ...}, ...}``."""
        return {
            f"{module}.{what}": {name: int(self.tally[row, k]) for k, name in enumerate(names)}
            for row, (module, what, names) in enumerate(TALLIES)
        }

    def journal(self) -> Journal:
        """What the run wrote down, for explanations."""
        return Journal(
            symbols=self.symbols,
            config=self.config,
            simulated=self.simulated,
            trades=np.sort(np.concatenate([self.trades, self.open_positions]), order="trade_id"),
            decisions=self.decisions,
            events=self.events,
            curve=self.curve,
            votes=self.votes,
            models=self.models,
            kept=len(self.events) > 0 or len(self.trades) + len(self.open_positions) == 0,
        )

    def explain(self, trade_id: int) -> str:
        """Why a trade happened and what became of it, module by module.

        Raises
        ------
        DataError
            If there is no such trade (naming the range there is), or the run kept no journal.
        """
        return explain(self.journal(), trade_id)

    def trade(self, trade_id: int) -> Any:
        """The closed trade with this id.

        Raises
        ------
        KeyError
            If no closed trade has it.
        """
        hit = np.flatnonzero(self.trades["trade_id"] == trade_id)
        if len(hit) == 0:
            raise KeyError(f"no closed trade {trade_id}; ids run from 1 to {int(self.state.fund['trade_seq'][0])}")
        return self.trades[hit[0]]

    def exits(self) -> dict[str, int]:
        """Closed trades by exit reason."""
        return {n: int(np.sum(self.trades["exit_reason"] == c)) for c, n in enumerate(EXIT_NAMES) if c}


def votes_of(s: "Session", decisions: Array) -> npt.NDArray[np.float32]:
    """What each model said of each decision's symbol and bar, from the tape the run read; NaN where one abstained."""
    close = s.bars.time + s.bars.bar_ms
    at = np.searchsorted(close[s.bars.decision >= 0], decisions["time_ms"])
    said: npt.NDArray[np.float32] = s.rows.proba[at, decisions["symbol"]].astype(np.float32)
    said[~s.rows.available[at, decisions["symbol"]]] = np.nan
    return said


def open_positions(state: State) -> Array:
    """Positions still held, as trade rows with exit reason 0 and the last mark as exit price."""
    n = int(state.fund["n_open"][0])
    rows = records(np.zeros(n, dtype=rec.TRADE_DT)).view(np.recarray)
    symbol = np.asarray(state.symbol).view(rec.SYMBOL_DT).view(np.recarray)
    write = getattr(write_trade, "py_func", write_trade)
    for k in range(n):
        i = int(state.open_list[k])
        s = symbol[i]
        write(rows[k], s, i, int(state.fund["now_ms"][0]), 0, float(s.mark))
        rows[k].pnl_gross_usd = s.realised_usd + s.qty * (s.mark - s.avg_price)
        rows[k].pnl_usd = rows[k].pnl_gross_usd - s.fee_usd + s.funding_usd + s.insurance_usd
        if s.initial_risk_usd > 0.0:
            rows[k].r_multiple = rows[k].pnl_usd / s.initial_risk_usd
    return np.asarray(rows).view(rec.TRADE_DT)
