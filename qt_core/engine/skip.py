"""Passing over bars in which nothing can happen. State, Venue and curve are left as the full bars would leave them.

Used by ``sweep``, where the bars at which a signal acts are known beforehand and shared by many trials. Only for fixed
stops: a trailing stop moves at every close. ``tests/engine`` compares runs with and without it byte for byte.
"""

from typing import Any

from qt_core._jit import inner
from qt_core.codes import OFF, PX_HIGH, PX_LOW, PX_MARK_CLOSE, PX_MARK_HIGH, PX_MARK_LOW
from qt_core.engine.matching import is_hot, remember_last
from qt_core.position import dynamic_tpsl
from qt_core.stages.account import account_step, roll_day
from qt_core.stages.signals import collect

NEAR = 1e-9  # relative width around a running extreme within which the exact step is made


@inner
def write_curve(state: Any, bars: Any, f: int, curve: Any) -> None:
    """Account after bar ``f``, where the curve has a row for it."""
    row = bars.curve_row[f]
    if row < 0:
        return
    fund = state.fund[0]
    c = curve[row]
    c.time_ms = fund.now_ms
    c.equity_usd = fund.equity_usd
    c.wallet_usd = fund.wallet_usd
    c.margin_usd = fund.margin_usd
    c.unrealised_usd = fund.unrealised_usd
    c.exposure_usd = fund.exposure_usd
    c.n_open = fund.n_open


@inner
def is_quiet(p: Any, venue: Any, bars: Any, f: int) -> bool:
    """True where nothing can happen in bar ``f`` and no signal acts at its close."""
    if bars.busy[f] or bars.funding_start[f] != bars.funding_start[f + 1]:
        return False
    time_ms = bars.time[f]
    quiet = True
    for k in range(venue.fund[0].n_active):
        quiet = quiet and not is_hot(p.venue, venue, bars, f, venue.active[k], time_ms)
    return quiet


@inner
def count_bar(fund: Any, bars: Any, f: int) -> None:
    """A decision bar or a guard bar has passed."""
    if bars.decision[f] >= 0:
        fund.n_bars += 1
    else:
        fund.n_guards += 1


@inner
def skip_flat(state: Any, bars: Any, curve: Any, f: int, f1: int) -> int:
    """While nothing is held, ordered or signalled: only days roll, equity stands still."""
    fund = state.fund[0]
    while f < f1 and not bars.busy[f]:
        now_ms = bars.time[f] + bars.bar_ms
        if now_ms >= fund.next_day_ms:
            roll_day(fund, now_ms)
            fund.day_drawdown = max(0.0, 1.0 - fund.equity_usd / fund.day_start_equity_usd)
        fund.now_ms = now_ms
        count_bar(fund, bars, f)
        write_curve(state, bars, f, curve)
        f += 1
    return f


@inner
def mark_bar(p: Any, state: Any, venue: Any, bars: Any, f: int) -> None:
    """The exact step of a quiet bar."""
    remember_last(venue, bars, f)
    account_step(p, state, bars, f, bars.time[f] + bars.bar_ms)


@inner
def skip_held(p: Any, state: Any, venue: Any, bars: Any, rows: Any, out: Any, curve: Any, f: int, f1: int) -> int:
    """While one position is held and nothing else is going on: a few compares a bar.

    The exact step is made only where a running extreme (peak, drawdowns, worst ROI), a new day or a curve row needs
    it, and for the last bar passed.
    """
    fund = state.fund[0]
    i = state.open_list[0]
    s = state.symbol[i]
    v = venue.symbol[i]
    qty, avg, wallet, low_edge, high_edge = s.qty, s.avg_price, fund.wallet_usd, v.watch_low, v.watch_high
    exact = True
    first = f
    alone = state.symbol.shape[0] == 1
    while f < f1 and bars.funding_start[f] == bars.funding_start[f + 1] and bars.valid[f, i]:
        if bars.busy[f] and not alone:
            break
        if (
            min(bars.px[f, i, PX_LOW], bars.px[f, i, PX_MARK_LOW]) <= low_edge
            or max(bars.px[f, i, PX_HIGH], bars.px[f, i, PX_MARK_HIGH]) >= high_edge
        ):
            break
        if bars.time[f] >= v.next_expiry_ms:
            break
        move = bars.px[f, i, PX_MARK_CLOSE] - avg
        equity = wallet + qty * move
        exact = (
            equity > fund.peak_equity_usd * (1.0 - NEAR)
            or equity < fund.peak_equity_usd * (1.0 - fund.max_drawdown) * (1.0 + NEAR)
            or equity < fund.day_start_equity_usd * (1.0 - p.risk.max_day_drawdown) * (1.0 + NEAR)
            or -s.side * move * s.leverage > s.worst_roi * avg * (1.0 - NEAR)
            or bars.time[f] + bars.bar_ms >= fund.next_day_ms
            or bars.curve_row[f] >= 0
        )
        if exact:
            mark_bar(p, state, venue, bars, f)
            write_curve(state, bars, f, curve)
        if bars.busy[f]:  # the held symbol's own signal: counted, nothing else
            collect(p, state, bars, f, rows, bars.decision[f], bars.time[f] + bars.bar_ms, out)
        count_bar(fund, bars, f)
        f += 1
    if f > first and not exact:
        mark_bar(p, state, venue, bars, f - 1)
    return f


@inner
def skippable(p: Any) -> bool:
    """True where no module does anything at a bar without event: fixed stops, no interval, no statistics."""
    if dynamic_tpsl.trails(p.tpsl):
        return False
    every = p.hfos.mode | p.balancer.mode | p.amplify.mode | p.intelligence.mode | p.universe.mode | p.supervisor.mode
    every |= p.retraining.mode | p.orchestrator.mode | p.monitor.mode | p.ess.mode | p.msc.mode
    return bool(every == OFF)


@inner
def skip_quiet(p: Any, state: Any, venue: Any, bars: Any, rows: Any, out: Any, curve: Any, f: int, f1: int) -> int:
    """Pass over quiet bars from ``f``; returns the next bar that needs a full look."""
    if not skippable(p):
        return f
    fund = state.fund[0]
    while f < f1 and is_quiet(p, venue, bars, f):
        mark_bar(p, state, venue, bars, f)
        count_bar(fund, bars, f)
        write_curve(state, bars, f, curve)
        f += 1
        if fund.paused != 0 or p.venue.margin_mode == 1:
            continue
        if fund.n_open == 0 and venue.fund[0].n_active == 0:
            f = skip_flat(state, bars, curve, f, f1)
        elif fund.n_open == 1 and venue.fund[0].n_active == 1 and venue.symbol[state.open_list[0]].pending == 0:
            f = skip_held(p, state, venue, bars, rows, out, curve, f, f1)
    return f
