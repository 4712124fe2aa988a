"""The bar-by-bar caller: the single steps of ``qt_core.engine.run`` in the order a live runner makes them.

``step_all`` walks the arrays of a prepared session. ``live_all`` is given one row at a time and nothing of the future:
bars, settlements, feature state, context row and rule signals are all made at the bar they belong to.
"""

from typing import Any

import numpy as np

from qt_core import records as rec
from qt_core.engine.run import Bars, step_bar, step_begin, step_end, step_event, step_guard, step_match, step_submit
from qt_core.engine.session import Session
from qt_core.features.correlation import correlation_params
from qt_core.features.correlation_stream import CorrelationStream
from qt_core.features.frame import bars_of
from qt_core.features.params import default_params
from qt_core.features.stream import FeatureStream
from qt_core.market import Market
from qt_core.pipeline import Rows
from qt_core.signal.rules import Params as RuleParams
from qt_core.signal.rules import rule_rows
from qt_core.state import make_out, records

ROW_COLUMNS = ("px", "volume", "valid")
NO_ROW = -1


def with_room(s: Session, rows: int = 60_000) -> Session:
    """A journal that need not grow: growing is the compiled loop's business."""
    keep = tuple(bool(k) for k in s.out.n[4:7])
    s.out = make_out(s.state.symbol.shape[0], trades=rows, decisions=rows, events=rows, keep=keep)
    return s


def venue_bar(s: Session, bars: Bars, f: int) -> None:
    """One bar at the venue: every event is answered before the next is looked for."""
    step_begin(s.params, s.venue, bars, f)
    while step_match(s.params, s.venue, bars, f, s.out):
        step_event(s.params, s.state, s.out)
        step_submit(s.params, s.venue, bars, f, s.out)
    step_end(s.venue, bars, f)


def decide(s: Session, bars: Bars, f: int, rows: Rows, t: int) -> None:
    """The chain at the bar's close: a decision row, or a guard where there is none."""
    if t == NO_ROW:
        step_guard(s.params, s.state, bars, f, rows, s.out)
    else:
        step_bar(s.params, s.state, bars, f, rows, t, s.out)
    step_submit(s.params, s.venue, bars, f, s.out)


def note_curve(s: Session, t: int) -> None:
    """The account after the decision, as ``run`` notes it."""
    fund = np.asarray(s.state.fund).view(rec.FUND_DT)[0]
    row = np.asarray(s.curve).view(rec.CURVE_DT)
    row["time_ms"][t] = fund["now_ms"]
    for name in ("equity_usd", "wallet_usd", "margin_usd", "unrealised_usd", "exposure_usd", "n_open"):
        row[name][t] = fund[name]


def step_all(s: Session) -> Session:
    """Walk the session's own arrays."""
    with_room(s)
    for f in range(s.n_bars):
        venue_bar(s, s.bars, f)
        t = int(s.bars.decision[f])
        decide(s, s.bars, f, s.rows, t)
        if t != NO_ROW:
            note_curve(s, t)
    return s


def one_bar(bars: Bars, f: int, decides: bool) -> Bars:
    """Bar ``f`` alone, as a live runner holds it: one row, its own settlements, row 0 of the decision inputs."""
    a, b = int(bars.funding_start[f]), int(bars.funding_start[f + 1])
    columns = {name: np.ascontiguousarray(getattr(bars, name)[f : f + 1]) for name in ROW_COLUMNS}
    row = np.array([0 if decides else NO_ROW], dtype=np.int64)
    return bars._replace(
        time=bars.time[f : f + 1].copy(),
        **columns,
        funding_start=np.array([0, b - a], dtype=np.int64),
        funding_symbol=bars.funding_symbol[a:b].copy(),
        funding_rate=bars.funding_rate[a:b].copy(),
        decision=row,
        curve_row=row,
    )


class LiveRows:
    """Decision inputs made bar by bar from a market's rows with the streaming feature kernels."""

    def __init__(self, market: Market, rows: Rows) -> None:
        self.params = default_params(market.timeframe_ms)
        self.stream = FeatureStream(self.params, market.symbols)
        self.correlations = CorrelationStream(correlation_params(market.timeframe_ms), market.symbols)
        self.bars = bars_of(market)
        self.rows = rows
        self.rules = RuleParams()

    def _bar(self, t: int) -> Any:
        """Bar ``t`` and the settlements since the close before it, as one row."""
        b = self.bars
        start, end = int(b.time[t]), int(b.time[t]) + self.params.timeframe_ms
        new = (b.funding_time_ms >= start) & (b.funding_time_ms < end)
        one = {n: np.ascontiguousarray(getattr(b, n)[t : t + 1]) for n in b._fields if not n.startswith("funding")}
        cut = {n: getattr(b, n)[new].copy() for n in b._fields if n.startswith("funding")}
        return b._replace(**one, **cut)

    def at(self, t: int) -> Rows:
        """Row ``t`` of the decision inputs; ``t`` must go up by one from call to call."""
        bar = self._bar(t)
        n = bar.close.shape[1]
        _, context, eligible = self.stream.update(bar, features=False)
        proba, available = np.empty((1, n, 4, 3), dtype=np.float32), np.empty((1, n, 4), dtype=np.bool_)
        rule_rows(self.rules, context, eligible, bar.close, proba, available)
        c = self.correlations.update(bar.time, bar.close, bar.valid)
        return self.rows._replace(
            proba=proba,
            available=available,
            ctx=context,
            eligible=eligible,
            correlation=c.rows,
            correlation_row=c.row,
        )


def live_all(s: Session, market: Market, room: int = 60_000) -> Session:
    """Walk bars that know no index but 0; ``room``: rows of each journal."""
    with_room(s, room)
    live = LiveRows(market, s.rows)
    for f in range(s.n_bars):
        t = int(s.bars.decision[f])
        bar = one_bar(s.bars, f, t != NO_ROW)
        bar = bar._replace(specs=records(s.bars.specs), brackets=records(s.bars.brackets))
        venue_bar(s, bar, 0)
        if t == NO_ROW:
            decide(s, bar, 0, s.rows, NO_ROW)
        else:
            decide(s, bar, 0, live.at(t), 0)
            note_curve(s, t)
    return s
