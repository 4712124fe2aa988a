"""The compiled chain as a live session holds it: one row of bars, one row of inputs, State, and what every call brought.

Nothing here knows a clock, a file or a socket. The calls are those of ``qt_core.engine.run``, the same machine code that a
backtest runs; arrays of one row are filled anew for every bar, so a session compiles nothing of its own.
"""

from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from live.ports import ClosedBar, FloatArray, Quote, Settlement
from qt_core import records as rec
from qt_core.codes import PX_CLOSE, PX_MARK_CLOSE
from qt_core.config import Config
from qt_core.engine import session
from qt_core.engine.run import Bars, step_bar, step_event, step_guard
from qt_core.params_record import params_record
from qt_core.pipeline import Rows
from qt_core.state import (
    N_DECISIONS,
    N_EVENTS,
    N_REQUESTS,
    N_TRADES,
    Out,
    State,
    make_out,
    raw_bytes,
    records,
    set_equity,
)
from qt_core.tables import QTables

Records = npt.NDArray[Any]
EVENT_ROWS, DECISION_ROWS, TRADE_ROWS = 64, 64, 8  # journal rows of one call, beside what grows with the symbols
EVENTS_PER_SYMBOL, TRADES_PER_SYMBOL = 48, 4
NO_ROW = -1
STALE_QUOTE_MS = 60_000  # a guard does not act on a price older than this


class Setup(NamedTuple):
    """What a session is made of and what an audit needs of it."""

    symbols: tuple[str, ...]  # sorted
    specs: Records  # SPEC_DT [N]
    brackets: Records  # BRACKET_DT [N, 16]
    config: Config
    bar_ms: int  # the finest bars
    decision_ms: int
    seed: int = 0
    tables: "QTables | None" = None

    @property
    def n_symbols(self) -> int:
        return len(self.symbols)

    def decides(self, open_ms: int) -> bool:
        """True where a decision bar closes with the bar that opened at ``open_ms``."""
        return (open_ms + self.bar_ms) % self.decision_ms == 0


class DecisionRow(NamedTuple):
    """Inputs of one decision, each with a leading axis of one row."""

    proba: npt.NDArray[np.float32]  # [1, N, 4, 3]
    available: npt.NDArray[np.bool_]  # [1, N, 4]
    ctx: FloatArray  # [1, N, CTX_COLUMNS]
    eligible: npt.NDArray[np.bool_]  # [1, N]
    correlation: npt.NDArray[np.float32]  # [0 or 1.., P]
    correlation_row: npt.NDArray[np.int64]  # [1]


class Effects(NamedTuple):
    """What one call brought: requests to the venue and journal rows, copied out of the caller-owned memory."""

    requests: Records  # REQUEST_DT
    decisions: Records  # DECISION_DT
    events: Records  # JOURNAL_EVENT_DT
    trades: Records  # TRADE_DT


def first_state(setup: Setup, equity_usd: "float | None" = None) -> State:
    """State before the first bar: as a backtest's, with the account's own equity where there is one."""
    state = session.first_state(cast(Any, setup), setup.config, setup.seed, setup.tables)  # reads symbols and specs
    if equity_usd is not None:
        set_equity(state, equity_usd)
    return state


def room_for(n_symbols: int) -> Out:
    """Scratch and journal with room for what one call may write; emptied after every call."""
    return make_out(
        n_symbols,
        trades=TRADES_PER_SYMBOL * n_symbols + TRADE_ROWS,
        decisions=DECISION_ROWS,
        events=EVENTS_PER_SYMBOL * n_symbols + EVENT_ROWS,
        keep=(True, True, True),
    )


class Chain:
    """State and the calls that change it.

    Parameters
    ----------
    setup : the session. state : to go on from; None = the first.
    """

    def __init__(self, setup: Setup, state: "State | None" = None) -> None:
        self.setup = setup
        self.params = params_record(setup.config.params())
        self.state = first_state(setup) if state is None else state
        self.out = room_for(setup.n_symbols)
        self.bars = self._empty_bars()
        self._n_brackets = np.ascontiguousarray(setup.specs["n_brackets"])
        self._no_row = self._rows(self.nothing())

    def _empty_bars(self) -> Bars:
        n = self.setup.n_symbols
        none = np.array([NO_ROW], dtype=np.int64)
        return Bars(
            time=np.zeros(1, dtype=np.int64),
            px=np.full((1, n, 8), np.nan),
            volume=np.full((1, n), np.nan),
            valid=np.zeros((1, n), dtype=np.bool_),
            funding_start=np.zeros(2, dtype=np.int64),
            funding_symbol=np.zeros(0, dtype=np.int64),
            funding_rate=np.zeros(0),
            specs=records(self.setup.specs),
            brackets=records(self.setup.brackets),
            decision=none,
            curve_row=none,
            busy=np.zeros(0, dtype=np.bool_),
            bar_ms=self.setup.bar_ms,
            decision_ms=self.setup.decision_ms,
        )

    def nothing(self) -> DecisionRow:
        """Inputs that say nothing."""
        n = self.setup.n_symbols
        return DecisionRow(
            np.zeros((1, n, 4, 3), dtype=np.float32),
            np.zeros((1, n, 4), dtype=np.bool_),
            np.full((1, n, 16), np.nan),
            np.zeros((1, n), dtype=np.bool_),
            np.empty((0, n * (n - 1) // 2), dtype=np.float32),
            np.array([NO_ROW], dtype=np.int64),
        )

    def _rows(self, row: DecisionRow) -> Rows:
        return Rows(
            proba=row.proba,
            available=row.available,
            ctx=row.ctx,
            eligible=row.eligible,
            brackets=records(self.setup.brackets),
            n_brackets=self._n_brackets,
            correlation=row.correlation,
            correlation_row=row.correlation_row,
        )

    # --- inputs --------------------------------------------------------------------------------------------------------
    def load(self, bar: ClosedBar) -> None:
        """Put a closed bar into the one row; the venue and the next call read it."""
        due = bar.settled if bar.due is None else bar.due
        b = self.bars
        b.time[0] = bar.open_ms
        b.px[0], b.volume[0], b.valid[0] = bar.px, bar.volume, bar.valid
        b.funding_start[1] = len(due)
        decision = np.array([0 if self.setup.decides(bar.open_ms) else NO_ROW], dtype=np.int64)
        self.bars = b._replace(
            funding_symbol=np.array([s.symbol for s in due], dtype=np.int64),
            funding_rate=np.array([s.rate for s in due], dtype=np.float64),
            decision=decision,
            curve_row=decision,
        )

    def load_quote(self, quote: Quote) -> None:
        """Put the newest prices into the row as a bar without length, for a guard between bars."""
        known = np.isfinite(quote.last) & ~(quote.age_ms > STALE_QUOTE_MS)
        b = self.bars
        b.time[0] = quote.time_ms - self.setup.bar_ms  # its close is now
        b.px[0, :, : PX_CLOSE + 1] = quote.last[:, None]
        b.px[0, :, PX_CLOSE + 1 : PX_MARK_CLOSE + 1] = np.where(np.isfinite(quote.mark), quote.mark, quote.last)[
            :, None
        ]
        b.volume[0] = np.where(known, 0.0, np.nan)
        b.valid[0] = known
        b.funding_start[1] = 0

    def last_quote(self, time_ms: int) -> Quote:
        """The closes of the newest bar, for a guard where there is no newer price."""
        px, valid = self.bars.px[0], self.bars.valid[0]
        last, mark = (np.where(valid, px[:, k], np.nan) for k in (PX_CLOSE, PX_MARK_CLOSE))
        return Quote(time_ms, last, mark, np.zeros(len(valid)))

    # --- calls ---------------------------------------------------------------------------------------------------------
    def hear(self, row: Any) -> Effects:
        """One event of the venue, or a command."""
        np.asarray(self.out.event).view(rec.EVENT_DT)[0] = row
        step_event(self.params, self.state, self.out)
        return self.take()

    def decide(self, row: DecisionRow) -> Effects:
        """The close of a decision bar."""
        step_bar(self.params, self.state, self.bars, 0, self._rows(row), 0, self.out)
        return self.take()

    def guard(self) -> Effects:
        """The close of a finer bar, or a quote between bars: nothing may open."""
        step_guard(self.params, self.state, self.bars, 0, self._no_row, self.out)
        return self.take()

    def take(self) -> Effects:
        """Copy what the last call left and empty the journal; requests stay until a venue takes them or they are cleared."""
        out, n = self.out, self.out.n
        effects = Effects(
            _copy(out.requests, n[N_REQUESTS], rec.REQUEST_DT),
            _copy(out.decisions, n[N_DECISIONS], rec.DECISION_DT),
            _copy(out.events, n[N_EVENTS], rec.JOURNAL_EVENT_DT),
            _copy(out.trades, n[N_TRADES], rec.TRADE_DT),
        )
        n[N_DECISIONS] = n[N_EVENTS] = n[N_TRADES] = 0
        return effects

    def clear_requests(self) -> None:
        """The requests were taken by a venue that is not simulated here."""
        self.out.n[N_REQUESTS] = 0

    # --- what it is ----------------------------------------------------------------------------------------------------
    @property
    def fund(self) -> Any:
        """The account's record."""
        return np.asarray(self.state.fund).view(rec.FUND_DT)[0]

    @property
    def symbol(self) -> Records:
        """The symbols' records."""
        return np.asarray(self.state.symbol).view(rec.SYMBOL_DT)

    def state_bytes(self) -> bytes:
        """State as bytes."""
        return raw_bytes(self.state)


def _copy(rows: Any, count: Any, dtype: "np.dtype[Any]") -> Records:
    return np.asarray(rows[: int(count)]).view(dtype).copy()


def settlements(times: Any, symbols: Any, rates: Any) -> tuple[Settlement, ...]:
    """Settlements of three arrays side by side."""
    return tuple(Settlement(int(t), int(s), float(r)) for t, s, r in zip(times, symbols, rates, strict=True))
