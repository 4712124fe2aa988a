"""The book as a candidate sees it (open and reserved positions), correlations, and module 8's trims."""

from typing import Any, NamedTuple

import numpy as np

from qt_core._jit import inner, natural, rare, stay_apart
from qt_core.codes import (
    CORRELATED,
    ENFORCED,
    EXIT_CORRELATED,
    EXIT_TRIM,
    M_BALANCER,
    OFF,
    TRIM,
    TRIM_CORRELATED,
    TRIM_NONE,
    TRIM_REBALANCE,
    TRIM_SECTOR,
)
from qt_core.enums import T_EXPOSURE, T_TRIM
from qt_core.features.correlation import pair_correlation
from qt_core.numerics import is_finite
from qt_core.risk import portfolio_balancer
from qt_core.stages.exits import request_exit, request_reduction
from qt_core.stages.journal import count, tally
from qt_core.stages.safety import due, exposure_of

DAY_MS = 86_400_000


@inner
def correlation_of(rows: Any, t: int, i: int, j: int) -> float:
    """Correlation of two symbols in force at row ``t``; NaN unknown. Packed strictly lower triangle."""
    return pair_correlation(rows.correlation, rows.correlation_row[t], i, j)


class Neighbours(NamedTuple):
    """How a candidate stands to the positions of its side."""

    n_correlated: int
    max_correlation: float  # NaN where one is unknown; 0 where there is none


@inner
def neighbours(p: Any, state: Any, rows: Any, t: int, i: int, side: int) -> Neighbours:
    """Same-side positions, open or reserved, correlated with symbol ``i``."""
    fund = state.fund[0]
    n = 0
    most = 0.0
    row = rows.correlation_row[t]
    for k in range(fund.n_open + fund.n_pending):
        opened = k < fund.n_open
        j = natural(state.open_list[k] if opened else state.pending_list[k - fund.n_open])
        s = state.symbol[j]
        theirs = s.side if opened else s.pending_side
        if j == i or theirs != side or (not opened and s.qty != 0.0):
            continue
        c = pair_correlation(rows.correlation, row, i, j)
        if portfolio_balancer.correlated(p.balancer, c):
            n += 1
        if not c <= most:
            most = c
    return Neighbours(n, most)


@inner
def book(state: Any, sector: int, n_correlated: int) -> portfolio_balancer.Book:
    """Sums over open and reserved positions; ``sector``: whose margin is summed beside."""
    fund = state.fund[0]
    n_long, n_short, gross, sector_margin = 0, 0, 0.0, 0.0
    for k in range(fund.n_open):
        s = state.symbol[natural(state.open_list[k])]
        n_long += s.side > 0
        n_short += s.side < 0
        gross += abs(s.qty) * s.mark
        if s.sector == sector:
            sector_margin += s.margin_usd
    for k in range(fund.n_pending):
        s = state.symbol[natural(state.pending_list[k])]
        if s.qty == 0.0:
            n_long += s.pending_side > 0
            n_short += s.pending_side < 0
        gross += s.pending_margin_usd * s.pending_leverage
        if s.sector == sector:
            sector_margin += s.pending_margin_usd
    used = fund.margin_usd + fund.reserved_margin_usd
    return portfolio_balancer.Book(fund.equity_usd, used, gross, n_long, n_short, sector_margin, n_correlated)


@rare
def _trim_correlated(p: Any, state: Any, rows: Any, t: int, now_ms: int, out: Any) -> int:
    """Close the weakest position of a same-side group that has grown too correlated."""
    stay_apart()
    fund = state.fund[0]
    for a in range(fund.n_open):
        i = state.open_list[a]
        group = 1
        for b in range(fund.n_open):
            j = state.open_list[b]
            if j != i and state.symbol[j].side == state.symbol[i].side:
                group += portfolio_balancer.correlated(p.balancer, correlation_of(rows, t, i, j))
        out.picked[a] = group
        out.scratch[a] = state.symbol[i].r_multiple if state.symbol[i].exit_seq == 0 else np.nan  # leaving already
    worst = portfolio_balancer.trim_correlated(p.balancer, out.scratch, out.picked, fund.n_open)
    if worst < 0:
        return TRIM_NONE
    at = state.open_list[worst]
    count(out, M_BALANCER, CORRELATED)
    if p.balancer.mode == ENFORCED:
        request_exit(state, at, EXIT_CORRELATED, now_ms, out)
    return TRIM_CORRELATED


@inner
def _trim_sectors(p: Any, state: Any, now_ms: int, out: Any) -> int:
    """Cut every position of a sector whose margin has outgrown its limit."""
    fund = state.fund[0]
    every = 0.0
    for a in range(fund.n_open):
        every += state.symbol[state.open_list[a]].margin_usd
    said = TRIM_NONE
    if is_finite(every) and portfolio_balancer.trim_sector(p.balancer, every, fund.equity_usd) == 0.0:
        return said  # no sector has more margin than all of them
    for a in range(fund.n_open):
        s = state.symbol[state.open_list[a]]
        margin = 0.0
        for b in range(fund.n_open):
            o = state.symbol[state.open_list[b]]
            margin += o.margin_usd if o.sector == s.sector else 0.0
        cut = portfolio_balancer.trim_sector(p.balancer, margin, fund.equity_usd)
        if cut > 0.0:
            said = TRIM_SECTOR
            count(out, M_BALANCER, TRIM)
            if p.balancer.mode == ENFORCED:
                request_reduction(state, state.open_list[a], cut, EXIT_TRIM, now_ms, out)
    return said


@rare
def _rebalance(p: Any, state: Any, now_ms: int, out: Any) -> int:
    """Cut the largest position of a side that outweighs the other too far."""
    stay_apart()
    fund = state.fund[0]
    longs, shorts = 0.0, 0.0
    for k in range(fund.n_open):
        s = state.symbol[state.open_list[k]]
        if s.side > 0:
            longs += abs(s.qty) * s.mark
        else:
            shorts += abs(s.qty) * s.mark
    since = now_ms - fund.rebalance_last_ms
    d = portfolio_balancer.rebalance(p.balancer, longs, shorts, fund.n_open, since)
    if d.side == 0:
        return TRIM_NONE
    fund.rebalance_last_ms = now_ms
    largest, at = 0.0, -1
    for k in range(fund.n_open):
        s = state.symbol[state.open_list[k]]
        if s.side == d.side and abs(s.qty) * s.mark > largest:
            largest, at = abs(s.qty) * s.mark, state.open_list[k]
    if at >= 0:
        count(out, M_BALANCER, TRIM)
        if p.balancer.mode == ENFORCED:
            request_reduction(state, at, d.fraction, EXIT_TRIM, now_ms, out)
    return TRIM_REBALANCE


@inner
def balance_step(p: Any, state: Any, rows: Any, t: int, now_ms: int, out: Any) -> None:
    """Module 8 on its cadence: one action per look, the first that is called for."""
    fund = state.fund[0]
    q = p.balancer
    if q.mode == OFF or not due(now_ms, fund.balancer_last_ms, q.interval_ms):
        return
    fund.balancer_last_ms = now_ms
    tally(out, T_EXPOSURE, portfolio_balancer.exposure_class(q, exposure_of(p, fund)))
    if fund.n_open == 0:
        return
    said = TRIM_NONE
    today = now_ms // DAY_MS
    if today != fund.correlation_seen or fund.correlation_trades != fund.trade_seq:  # one of the two has changed
        fund.correlation_seen = today
        fund.correlation_trades = fund.trade_seq
        said = _trim_correlated(p, state, rows, t, now_ms, out)
    if said == TRIM_NONE:
        said = _trim_sectors(p, state, now_ms, out)
    if said == TRIM_NONE and portfolio_balancer.may_rebalance(q, fund.n_open, now_ms - fund.rebalance_last_ms):
        said = _rebalance(p, state, now_ms, out)
    tally(out, T_TRIM, said)
