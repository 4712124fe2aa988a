"""The compiled loop over bars, and the single steps a bar-by-bar caller (tests, paper trading) makes instead of it."""

from typing import Any, NamedTuple

import numpy as np

from qt_core._jit import entry, inner, natural, prefetch
from qt_core._reference import by_reference
from qt_core.codes import EV_FILL, MARKET, PX_CLOSE, PX_NAMES, PX_OPEN
from qt_core.engine.matching import P_INSIDE, begin_bar, end_bar, match_next
from qt_core.engine.orders import refresh_watch, submit
from qt_core.engine.skip import skip_quiet, write_curve
from qt_core.pipeline import on_bar, on_close, on_event, on_guard
from qt_core.state import (
    CANDIDATE_CAP,
    KEEP_DECISIONS,
    KEEP_EVENTS,
    KEEP_TRADES,
    N_DECISIONS,
    N_EVENTS,
    N_REQUESTS,
    N_TRADES,
)

TRADE_ROOM, EVENT_ROOM = 4, 40  # journal rows that one symbol may write in a bar, at most


class Bars(NamedTuple):
    """The finest bars and what else the venue needs. Arrays ``[F, N]``; live passes F = 1."""

    time: Any  # int64 [F], open times
    px: Any  # float64 [F, N, 8], columns codes.PX_*
    volume: Any
    valid: Any  # bool
    funding_start: Any  # int64 [F + 1]: settlements k with start[f] <= k < start[f + 1] are due at the open of bar f
    funding_symbol: Any  # int64 [K]
    funding_rate: Any  # float64 [K]
    specs: Any  # SPEC_DT [N]
    brackets: Any  # BRACKET_DT [N, 16]
    decision: Any  # int64 [F], row of the decision inputs at this bar's close, -1 = none
    curve_row: Any  # int64 [F], row of the curve written at this bar's close, -1 = none
    busy: Any  # bool [F]: a signal acts at this bar's close; empty = unknown, then no bar is skipped
    bar_ms: int  # length of these bars
    decision_ms: int  # length of a decision bar

    def column(self, name: str) -> Any:
        """Prices ``[F, N]`` by name (``open`` .. ``mark_close``), a view; for Python callers."""
        return self.px[:, :, PX_NAMES.index(name)]


@inner
def _last_price(venue: Any, bars: Any, f: int, i: int, out: Any) -> Any:
    """Last price known when a request arrives: between bars the close, inside one the symbol's fill or the open."""
    if not bars.valid[f, i]:
        return venue.symbol[i].last_close
    if venue.fund[0].in_bar == 0:
        return bars.px[f, i, PX_CLOSE]
    e = out.event[0]
    return e.price if e.kind == EV_FILL and e.symbol == i else bars.px[f, i, PX_OPEN]


@inner
def submit_all(p: Any, venue: Any, bars: Any, f: int, out: Any) -> None:
    """Hand the chain's requests to the venue."""
    fund = venue.fund[0]
    inside = fund.in_bar != 0
    active_ms: Any = bars.time[f] + 1 if inside and p.venue.stops_in_entry_bar == 0 else np.int64(0)
    for k in range(out.n[N_REQUESTS]):
        r = out.requests[k]
        i = natural(r.symbol)
        prefetch(bars.px, (f + 1, i))
        prefetch(bars.volume, (f + 1, i))
        fresh = 0 if inside and fund.phase >= P_INSIDE and r.kind != MARKET else 1
        submit(venue, bars.specs, r, _last_price(venue, bars, f, i, out), inside, active_ms, fresh)
        if k + 1 == out.n[N_REQUESTS] or out.requests[k + 1].symbol != i:
            refresh_watch(venue, i)
    out.n[N_REQUESTS] = 0


@inner
def has_room(state: Any, bars: Any, f: int, out: Any) -> bool:
    """True where the journal can take whatever one more bar may write."""
    busy = state.symbol.shape[0]
    n = out.n
    if n[KEEP_TRADES] != 0 and out.trades.shape[0] - n[N_TRADES] < TRADE_ROOM * busy + 8:
        return False
    if (
        n[KEEP_EVENTS] != 0
        and out.events.shape[0] - n[N_EVENTS]
        < EVENT_ROOM * busy + 64 + bars.funding_start[f + 1] - bars.funding_start[f]
    ):
        return False
    return not (n[KEEP_DECISIONS] != 0 and out.decisions.shape[0] - n[N_DECISIONS] < CANDIDATE_CAP)


@inner
def _run(p: Any, state: Any, venue: Any, bars: Any, rows: Any, out: Any, curve: Any, f0: int, f1: int) -> int:
    f = f0
    while f < f1:
        if bars.busy.shape[0] > 0:
            f = skip_quiet(p, state, venue, bars, rows, out, curve, f, f1)
            if f >= f1:
                break
        f = natural(f)
        if not has_room(state, bars, f, out):
            return int(f)
        begin_bar(p.venue, venue, bars, f)
        more = True
        while more:
            more = match_next(p.venue, venue, bars, f, out.event)
            if more:
                on_event(p, state, out.event, out)
            else:
                end_bar(venue, bars, f)
                on_close(p, state, bars, f, rows, bars.decision[f], out)
                write_curve(state, bars, f, curve)
            submit_all(p, venue, bars, f, out)
        f += 1
    return f1


@entry
def run(p: Any, state: Any, venue: Any, bars: Any, rows: Any, out: Any, curve: Any, f0: int, f1: int) -> int:
    """Bars ``f0 .. f1 - 1``; returns the next bar to do (before ``f1`` where the journal needs more room)."""
    return _run(
        p,
        by_reference(state),
        by_reference(venue),
        by_reference(bars),
        by_reference(rows),
        by_reference(out),
        curve,
        f0,
        f1,
    )


# --- the same steps one at a time ---------------------------------------------------------------------------------


@entry
def step_begin(p: Any, venue: Any, bars: Any, f: int) -> None:
    """Open bar ``f`` at the venue."""
    begin_bar(p.venue, by_reference(venue), by_reference(bars), f)


@entry
def step_match(p: Any, venue: Any, bars: Any, f: int, out: Any) -> bool:
    """Next venue event into ``out.event``; False when the bar is over."""
    return match_next(p.venue, by_reference(venue), by_reference(bars), f, out.event)


@entry
def step_event(p: Any, state: Any, out: Any) -> None:
    """The chain answers ``out.event``."""
    on_event(p, by_reference(state), out.event, by_reference(out))


@entry
def step_submit(p: Any, venue: Any, bars: Any, f: int, out: Any) -> None:
    """Requests go to the venue."""
    submit_all(p, by_reference(venue), by_reference(bars), f, by_reference(out))


@entry
def step_end(venue: Any, bars: Any, f: int) -> None:
    """Close bar ``f`` at the venue."""
    end_bar(by_reference(venue), by_reference(bars), f)


@entry
def step_bar(p: Any, state: Any, bars: Any, f: int, rows: Any, t: int, out: Any) -> None:
    """Decide."""
    on_bar(p, by_reference(state), by_reference(bars), f, by_reference(rows), t, by_reference(out))


@entry
def step_guard(p: Any, state: Any, bars: Any, f: int, rows: Any, out: Any) -> None:
    """Guard."""
    on_guard(p, by_reference(state), by_reference(bars), f, by_reference(rows), by_reference(out))
