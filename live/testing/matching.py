"""The engine's venue inside the exchange: bars opened, matched one event at a time, closed; requests handed over.

Nothing is matched here. What fills, when and at which price is decided by the kernels of ``qt_core.engine`` that a
backtest runs, through the single steps a bar-by-bar caller makes.
"""

from typing import Any

import numpy as np

from live.testing.errors import BUSY, ApiError
from qt_core import records as rec
from qt_core.codes import EMPTY, EV_FILL, OP_AMEND, OP_CANCEL, PX_CLOSE, PX_MARK_CLOSE, PX_MARK_OPEN, PX_OPEN, REJECTED
from qt_core.config import Config
from qt_core.engine.run import step_begin, step_end, step_match, step_submit
from qt_core.engine.session import prepare_bars
from qt_core.market import Market
from qt_core.params_record import params_record
from qt_core.state import N_REQUESTS, copy_of, make_out, make_venue

NEVER_MS = int(np.iinfo(np.int64).max)
CLOSE_ALL_QTY = 1e12  # base units: an order that closes whatever is held; the engine takes the position's quantity


class Matching:
    """One venue and the cursor of its bars. ``f`` is the bar that is open, or the last one that was closed."""

    def __init__(self, market: Market, config: Config, first_bar: int, initial_usd: float) -> None:
        self.market = market
        self.config = config
        self.params = params_record(config.params())
        self.bars = prepare_bars(market)
        self.venue = make_venue(market.n_symbols, initial_usd)
        self.out = make_out(market.n_symbols, trades=1, decisions=1, events=1, keep=(False, False, False))
        self.n_bars = int(self.bars.time.shape[0])
        self.f = first_bar - 1
        self.first_bar = first_bar
        self.in_bar = False
        self.matched: Any = None  # the event being answered, a record of EVENT_DT
        # The last price of a missing bar is that of the last one there was; the engine knows it of busy symbols only.
        self.last = np.full(market.n_symbols, np.nan)
        self.mark = np.full(market.n_symbols, np.nan)
        self._rates = np.zeros(market.n_symbols)
        self._rates_known = 0  # rows of the market's settlements that have happened
        for f in range(first_bar):
            self._remember(f, PX_CLOSE, PX_MARK_CLOSE)
        if first_bar == 0:
            self._remember(0, PX_OPEN, PX_MARK_OPEN)  # the clock stands at the first open

    @property
    def venue_params(self) -> Any:
        return self.config.params().venue

    def set_params(self, config: Config) -> None:
        """Other venue parameters from now on: participation, slippage."""
        self.config = config
        self.params = params_record(config.params())

    @property
    def has_next(self) -> bool:
        return self.f + 1 < self.n_bars

    def bar_open_ms(self) -> int:
        """Open time of the bar that is open, or of the next one; at the end of the market the last bar's close."""
        if self.in_bar:
            return int(self.bars.time[self.f])
        return int(self.bars.time[0]) + (self.f + 1) * self.bars.bar_ms

    def begin(self) -> None:
        """Open the next bar."""
        self.f += 1
        self.in_bar = True
        self._remember(self.f, PX_OPEN, PX_MARK_OPEN)
        step_begin(self.params, self.venue, self.bars, self.f)

    def match(self) -> Any:
        """The next event of the open bar (a copy), or None when there is no more."""
        if not step_match(self.params, self.venue, self.bars, self.f, self.out):
            self.matched = None
            return None
        self.matched = np.asarray(self.out.event).view(rec.EVENT_DT)[0].copy()
        return self.matched

    def end(self) -> None:
        """Close the bar; what was left to match is matched by the caller before."""
        step_end(self.venue, self.bars, self.f)
        self.in_bar = False
        self.matched = None
        self._remember(self.f, PX_CLOSE, PX_MARK_CLOSE)

    def _remember(self, f: int, last: int, mark: int) -> None:
        valid = self.bars.valid[f]
        self.last[valid] = self.bars.px[f, valid, last]
        self.mark[valid] = self.bars.px[f, valid, mark]

    def last_rate(self, i: int) -> float:
        """The last funding rate settled by now, a fraction; 0 before the first."""
        market = self.market
        stop = int(np.searchsorted(market.funding_time_ms, self.bar_open_ms(), side="right"))
        for k in range(self._rates_known, stop):
            self._rates[market.funding_symbol[k]] = market.funding_rate[k]
        self._rates_known = stop
        return float(self._rates[i])

    def price_now(self, i: int) -> float:
        """The last price as the engine takes it when a request arrives; NaN before the first bar."""
        e = self.matched
        if self.in_bar and e is not None and e["kind"] == EV_FILL and e["symbol"] == i:
            return float(e["price"])
        return float(self.last[i])

    def submit(self, **fields: Any) -> int:
        """Hand one request over; returns the engine's reason where it refused a new order at once, else 0."""
        if self.f < 0:
            raise ApiError(BUSY)  # before the first bar of the market nothing trades
        row = np.zeros(1, rec.REQUEST_DT)
        row["approved"], row["expire_ms"], row["leverage"] = 1, NEVER_MS, 1.0
        for name, value in fields.items():
            row[name] = value
        np.asarray(self.out.requests).view(rec.REQUEST_DT)[0] = row[0]
        self.out.n[N_REQUESTS] = 1
        step_submit(self.params, self.venue, self.bars, self.f, self.out)
        return 0 if fields["op"] == OP_CANCEL else self._refused(int(fields["symbol"]), int(fields["seq"]))

    def drop(self, i: int, seq: int) -> None:
        """Take an order away at once, as if it had never rested."""
        for row in np.asarray(self.venue.orders).view(rec.ORDER_DT)[i]:
            if row["status"] != EMPTY and row["seq"] == seq:
                row["status"], row["cancel"] = EMPTY, 0
        nothing = np.zeros(1, rec.REQUEST_DT)
        nothing["op"], nothing["symbol"], nothing["seq"] = (
            OP_AMEND,
            i,
            -1,
        )  # of no order: the engine looks at the symbol anew
        np.asarray(self.out.requests).view(rec.REQUEST_DT)[0] = nothing[0]
        self.out.n[N_REQUESTS] = 1
        step_submit(self.params, self.venue, self.bars, self.f, self.out)

    def _refused(self, i: int, seq: int) -> int:
        slot = self.slot(i, seq)
        if slot is not None:
            return int(slot["reason"]) if slot["status"] == REJECTED else 0
        v = self.symbol(i)
        return int(v["reject_reason"]) if v["reject_seq"] == seq else 0

    def slot(self, i: int, seq: int) -> Any:
        """The engine's order ``seq`` (a copy), or None where it has none."""
        for row in np.asarray(self.venue.orders).view(rec.ORDER_DT)[i]:
            if row["status"] != EMPTY and row["seq"] == seq:
                return row.copy()
        return None

    def symbol(self, i: int) -> Any:
        """The engine's record of symbol ``i``."""
        return np.asarray(self.venue.symbol).view(rec.VENUE_SYMBOL_DT)[i]

    @property
    def fund(self) -> Any:
        return np.asarray(self.venue.fund).view(rec.VENUE_FUND_DT)[0]

    def snapshot(self) -> Any:
        """A copy of the venue, for tests that compare two runs."""
        return copy_of(self.venue)
