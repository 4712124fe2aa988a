"""Literal bar tables: a few bars and orders written out, and the events or trades that must come of them.

`run_venue` sends scripted requests to the venue alone (`tests.engine.chain.run_chain` sends signals through the whole
chain). Prices move by ticks of 0.1, quantities by 0.001; slippage and participation are switched off unless a table is
about them, so that the numbers can be worked out by hand.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from qt_core.codes import (
    EV_CANCEL,
    EV_FILL,
    EV_FUNDING,
    EV_LIQUIDATION,
    EV_REJECT,
)
from qt_core.config import load_config
from qt_core.engine.run import step_begin, step_end, step_match, step_submit
from qt_core.engine.session import prepare_bars
from qt_core.market import NEVER_MS, Market, default_brackets, default_specs, make_market
from qt_core.state import make_out, make_venue
from tests.engine.asks import Ask, put_request

HOUR_MS = 3_600_000
MINUTE_MS = 60_000
START_MS = 1_704_067_200_000  # 2024-01-01T00:00Z
EQUITY = 10_000.0
GONE: tuple[float, ...] = ()  # a bar that is missing
QUIET = (100.0, 100.5, 99.5, 100.0)  # a bar near 100 that reaches nothing
PLAIN = {"slippage": 0.0, "participation": 0.0}  # venue values of a table that names no others

Row = tuple[float, ...]  # open, high, low, close[, volume[, mark open, high, low, close]]; () = missing
Rows = Sequence[Row] | Mapping[str, Sequence[Row]]
Event = dict[str, Any]


# --- markets -------------------------------------------------------------------------------------------------------
def _columns(rows: Mapping[str, Sequence[Row]]) -> tuple[dict[str, Any], dict[str, Any]]:
    names = ("open", "high", "low", "close", "volume", "mark_open", "mark_high", "mark_low", "mark_close")
    n_bars = max(len(r) for r in rows.values())
    table = np.full((9, n_bars, len(rows)), np.nan)
    table[4] = 1e9
    for i, bars in enumerate(rows.values()):
        for t, row in enumerate(bars):
            table[: len(row), t, i] = row
    cols = dict(zip(names, table, strict=True))
    marks = {k[5:]: cols[k] for k in names[5:]}
    return {k: cols[k] for k in names[:5]}, marks


def market_of(
    rows: Rows,
    *,
    tick: float = 0.1,
    lot: float = 0.001,
    min_notional: float = 0.0,
    max_qty: float = math.inf,
    min_qty: float = 0.0,
    brackets: Sequence[tuple[float, float, float, float]] = (),
    funding: Sequence[tuple[float, str, float]] = (),
    step_ms: int = HOUR_MS,
    delist_bar: int | None = None,
    detail: Market | None = None,
) -> Market:
    """A market of literal rows.

    ``brackets``: (floor, maintenance rate, cum, leverage) rows for every symbol. ``funding``: (bar, symbol, rate); a
    fraction of a bar is a time inside it.
    """
    named = rows if isinstance(rows, Mapping) else {"A": rows}
    ohlcv, marks = _columns(named)
    n = len(named)
    specs = default_specs(n)
    for key, value in (("tick_size", tick), ("lot_step", lot), ("min_notional", min_notional)):
        specs[key] = value
    specs["max_qty"], specs["min_qty"] = max_qty, min_qty
    specs["delist_ms"] = NEVER_MS if delist_bar is None else START_MS + delist_bar * step_ms
    bracket_rows = default_brackets(n, 0.01, 50.0)
    for k, (floor, rate, cum, leverage) in enumerate(brackets):
        cap = brackets[k + 1][0] if k + 1 < len(brackets) else math.inf
        bracket_rows[:, k] = (floor, cap, rate, cum, leverage)
    names = list(named)
    settlements = (
        np.array([START_MS + round(bar * step_ms) for bar, _, _ in funding], np.int64),
        np.array([names.index(s) for _, s, _ in funding], np.int64),
        np.array([rate for _, _, rate in funding], np.float64),
    )
    time = START_MS + step_ms * np.arange(len(ohlcv["open"]), dtype=np.int64)
    return make_market(
        names,
        time,
        ohlcv,
        timeframe_ms=step_ms,
        mark=marks,
        funding=settlements,
        specs=specs,
        brackets=bracket_rows,
        detail=detail,
    )


# --- the venue alone -------------------------------------------------------------------------------------------------
@dataclass
class Played:
    """What the venue did: its events, equity after every bar, and itself."""

    events: list[Event]
    equity: list[float]
    venue: Any

    def fund(self, name: str) -> float:
        return float(self.venue.fund[name][0])

    def of(self, name: str, symbol: int = 0) -> float:
        return float(self.venue.symbol[name][symbol])


def venue_params(**values: Any) -> Any:
    return load_config({"venue": {**PLAIN, **values}}).params()


def event_dict(e: Any, bars: Any, f: int, symbols: Sequence[str]) -> Event:
    """One venue event with plain names; the quantity is signed (buys > 0), cancels and rejects give what is left."""
    side = int(e["side"]) or 1
    return {
        "bar": f,
        "kind": int(e["kind"]),
        "symbol": symbols[int(e["symbol"])],
        "seq": int(e["seq"]),
        "qty": side * float(e["qty"]),
        "price": float(e["price"]),
        "reference": float(e["reference_price"]),
        "fee": float(e["fee_usd"]),
        "realised": float(e["realised_usd"]),
        "insurance": float(e["insurance_usd"]),
        "funding": float(e["funding_usd"]),
        "wallet": float(e["wallet_usd"]),
        "margin": float(e["margin_usd"]),
        **{k: int(e[k]) for k in ("reason", "maker", "ambiguous", "inside", "done")},
    }


def equity_of(venue: Any, bars: Any, f: int) -> float:
    """Wallet plus unrealised profit at the closing mark; the wallet must be what the balances say."""
    fund = np.asarray(venue.fund)[0]
    wallet = float(fund["free_usd"] + fund["margin_usd"])
    total = wallet
    for i, v in enumerate(np.asarray(venue.symbol)):
        if v["qty"] != 0.0:
            mark = bars.column("mark_close")[f, i] if bars.valid[f, i] else v["last_mark"]
            total += v["qty"] * (mark - v["avg_price"])
    return float(total)


def run_venue(market: Market, script: Sequence[Ask], limit_events: int = 500, **values: Any) -> Played:
    """Send the script to a venue with 10,000 USD; its balances must add up and stay finite after every bar."""
    p = venue_params(**values)
    bars = prepare_bars(market)
    venue, out = make_venue(market.n_symbols, EQUITY), make_out(market.n_symbols)
    answers = {a.after: [b for b in script if b.after == a.after] for a in script if a.after}
    played = Played([], [], venue)
    booked = EQUITY
    for f in range(market.n_bars):
        step_begin(p, venue, bars, f)
        while step_match(p, venue, bars, f, out):
            e = event_dict(np.asarray(out.event)[0], bars, f, market.symbols)
            played.events.append(e)
            assert len(played.events) < limit_events, "the venue does not come to an end"
            booked += e["realised"] - e["fee"] + e["insurance"] + e["funding"]
            assert e["wallet"] == pytest.approx(booked, rel=1e-12, abs=1e-9)
            if e["kind"] == EV_FILL:
                for ask in answers.pop(e["seq"], ()):
                    put_request(out, ask, market.symbols, int(bars.time[f]), market.timeframe_ms)
            step_submit(p, venue, bars, f, out)
        step_end(venue, bars, f)
        for ask in script:
            if ask.bar == f and not ask.after:
                close_ms = int(bars.time[f]) + market.timeframe_ms
                put_request(out, ask, market.symbols, close_ms, market.timeframe_ms)
        step_submit(p, venue, bars, f, out)
        played.equity.append(equity_of(venue, bars, f))
        assert math.isfinite(played.equity[-1])
    return played


# --- what is expected ----------------------------------------------------------------------------------------------
def fill(bar: int, seq: int, qty: float, price: float, **more: Any) -> Event:
    return {"kind": EV_FILL, "bar": bar, "seq": seq, "qty": qty, "price": price, **more}


def cancelled(bar: int, seq: int, reason: int, **more: Any) -> Event:
    return {"kind": EV_CANCEL, "bar": bar, "seq": seq, "reason": reason, **more}


def rejected(bar: int, seq: int, reason: int, **more: Any) -> Event:
    return {"kind": EV_REJECT, "bar": bar, "seq": seq, "reason": reason, **more}


def funded(bar: int, usd: float, **more: Any) -> Event:
    return {"kind": EV_FUNDING, "bar": bar, "funding": usd, **more}


def liquidated(bar: int, qty: float, price: float, **more: Any) -> Event:
    return {"kind": EV_LIQUIDATION, "bar": bar, "qty": qty, "price": price, **more}


def same(got: Sequence[Event], expected: Sequence[Event]) -> None:
    """Every expected field of every expected event, and no event more."""
    text = "\n".join(str(e) for e in got)
    assert len(got) == len(expected), text
    for g, e in zip(got, expected, strict=True):
        for key, value in e.items():
            assert g[key] == (pytest.approx(value, rel=1e-9, abs=1e-9) if isinstance(value, float) else value), (
                f"{key} is {g[key]!r}, expected {value!r} in\n{text}"
            )


@dataclass(frozen=True)
class Table:
    """Bars, requests, venue values, and the events they must lead to. ``market`` holds arguments of `market_of`."""

    name: str
    rows: Rows
    script: Sequence[Ask]
    events: Sequence[Event]
    venue: Mapping[str, Any] = field(default_factory=dict)
    market: Mapping[str, Any] = field(default_factory=dict)
    end: Mapping[str, float] = field(default_factory=dict)  # columns of the venue's account after the last bar
    held: float = 0.0  # quantity of the first symbol after the last bar


def check(t: Table) -> None:
    """Play a table and compare."""
    played = run_venue(market_of(t.rows, **t.market), t.script, **t.venue)
    same(played.events, t.events)
    assert played.of("qty") == pytest.approx(t.held, abs=1e-12)
    for name, value in t.end.items():
        assert played.fund(name) == pytest.approx(value, rel=1e-9, abs=1e-9), name
