"""The compiled venue against the plain one of tests/reference over random walks, event by event.

Both are driven by the same trader, who answers fills with a stop and a target, trails the stop, amends, cancels, exits and
gives up at random; what it does depends on what the venue tells it, so that one different event makes all that follow
different.
"""

from collections import Counter
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

from qt_core.codes import (
    BRACKET_LEVERAGE,
    EV_CANCEL,
    EV_FILL,
    EV_FUNDING,
    EV_LIQUIDATION,
    EV_REJECT,
    EXPIRED,
    FLAT,
    INSUFFICIENT_MARGIN,
    SETTLED,
)
from qt_core.engine.run import step_begin, step_end, step_match, step_submit
from qt_core.engine.session import prepare_bars
from qt_core.market import Market
from qt_core.state import make_out, make_venue
from tests.engine.asks import Ask, amend, cancel, limit, market, put_request, stop, target
from tests.engine.tables import EQUITY, GONE, HOUR_MS, event_dict, market_of, venue_params
from tests.reference.venue_naive import NaiveVenue
from tests.reference.venue_parts import Bar, Rules

BRACKETS = ((0.0, 0.01, 50.0), (4000.0, 0.02, 20.0), (12_000.0, 0.05, 5.0))
CUM = (0.0, 40.0, 400.0)  # 4000 x 0.01; 40 + 12,000 x 0.03
N_BARS = 60


class Trader:
    """Random, but a function of its seed and of what it is told."""

    def __init__(self, seed: int, symbols: tuple[str, ...], tick: float) -> None:
        self.g = np.random.default_rng(seed)
        self.tick, self.seq = tick, 0
        self.qty = dict.fromkeys(symbols, 0.0)
        self.cost = dict.fromkeys(symbols, 0.0)
        self.entry = dict.fromkeys(symbols, 0)  # number of the entry order that works, 0 = none
        self.left = dict.fromkeys(symbols, 0.0)  # what it still has to do
        self.guards: dict[str, dict[int, float]] = {s: {} for s in symbols}  # stop and target by number: price

    def _next(self) -> int:
        self.seq += 1
        return self.seq

    def _price(self, x: float) -> float:
        return max(self.tick, round(round(x / self.tick) * self.tick, 9))

    def hear(self, e: dict[str, Any]) -> list[Ask]:
        """The answer to one event, inside the bar."""
        s = e["symbol"]
        if e["kind"] in (EV_CANCEL, EV_REJECT):
            if e["seq"] == self.entry[s]:
                self.entry[s] = 0
            self.guards[s].pop(e["seq"], None)
        if e["kind"] not in (EV_FILL, EV_LIQUIDATION):
            return []
        before = self.qty[s]
        self.qty[s] = round(before + e["qty"], 9)
        if e["seq"] == self.entry[s] and e["seq"]:
            self.left[s] -= abs(e["qty"])
            self.entry[s] = self.entry[s] if self.left[s] > 1e-9 else 0
        if abs(self.qty[s]) < 1e-9:
            return self._flat(s, e["seq"])
        if abs(self.qty[s]) > abs(before):
            self.cost[s] += e["qty"] * e["price"]
            return self._protect(s)
        self.cost[s] *= self.qty[s] / before
        return []

    def _flat(self, s: str, done: int) -> list[Ask]:
        ends = [k for k in self.guards[s] if k != done] + ([self.entry[s]] if self.entry[s] else [])
        self.qty[s] = self.cost[s] = 0.0
        self.guards[s] = {}
        return [cancel(0, k, symbol=s) for k in ends]

    def _protect(self, s: str) -> list[Ask]:
        side = 1.0 if self.qty[s] > 0 else -1.0
        average = self.cost[s] / self.qty[s]
        if self.guards[s]:
            return [amend(0, k, -self.qty[s], at, symbol=s) for k, at in self.guards[s].items()]
        asks = []
        for kind, way in ((stop, -1.0), (target, 1.0)):
            if self.g.random() < 0.9:
                at = self._price(average * (1 + way * side * float(self.g.uniform(0.003, 0.05))))
                self.guards[s][self._next()] = at
                asks.append(kind(0, self.seq, -self.qty[s], at, symbol=s))
        return asks

    def decide(self, t: int, closes: dict[str, float | None]) -> list[Ask]:
        """Requests at the close of bar ``t``."""
        asks = []
        for s, close in closes.items():
            draw = self.g.random(4)
            if self.qty[s] == 0.0 and not self.entry[s]:
                if draw[0] < 0.6 and close is not None:
                    asks.append(self._open(t, s, close))
            elif self.qty[s] == 0.0:
                if draw[1] < 0.1:
                    asks.append(cancel(t, self.entry[s], symbol=s))
            elif draw[2] < 0.1:
                asks.append(market(t, self._next(), -self.qty[s], symbol=s, reduce=True))
            elif self.guards[s] and draw[3] < 0.3 and close is not None:
                k = sorted(self.guards[s])[0]
                self.guards[s][k] = self._price(close * (1 - np.sign(self.qty[s]) * 0.02))
                asks.append(amend(t, k, -self.qty[s], self.guards[s][k], symbol=s))
        return asks

    def _open(self, t: int, s: str, close: float) -> Ask:
        side, size = (
            float(self.g.choice([-1, 1])),
            float(self.g.choice([3.0, 300.0, 3000.0, 15_000.0, 40_000.0], p=[0.05, 0.3, 0.3, 0.2, 0.15])),
        )
        more = {
            "leverage": float(self.g.choice([2.0, 5.0, 20.0, 50.0])),
            "life": int(self.g.integers(1, 4)),
            "symbol": s,
        }
        qty = round(side * size / close, 3)
        self.entry[s], self.left[s] = self._next(), abs(qty)
        if self.g.random() < 0.5:
            return market(t, self.seq, qty, **more)
        return limit(t, self.seq, qty, self._price(close * (1 - side * float(self.g.uniform(-0.01, 0.03)))), **more)


def walk(seed: int, n_symbols: int = 2) -> Market:
    """A random walk with gaps, wicks, marks of their own, dry bars, holes and funding."""
    g = np.random.default_rng(seed)
    wild = float(g.choice([0.005, 0.02, 0.08]))
    rows: dict[str, list[tuple[float, ...]]] = {}
    for name in "AB"[:n_symbols]:
        close, bars = float(g.uniform(20, 200)), []
        for _ in range(N_BARS):
            o = max(2.0, round(close * float(np.exp(g.normal(0, wild))), 1))
            close = max(2.0, round(o * float(np.exp(g.normal(0, wild))), 1))
            high = round(max(o, close) * (1 + abs(g.normal(0, wild))), 1)
            low = max(1.0, round(min(o, close) * (1 - abs(g.normal(0, wild)) / 2), 1))
            mark = np.array([o, max(high, o, close), min(low, o, close), close]) * np.exp(g.normal(0, wild / 4))
            row = (
                o,
                max(high, o, close),
                min(low, o, close),
                close,
                float(g.choice([0.0, 30.0, 300.0, 1e6], p=[0.1, 0.2, 0.3, 0.4])),
                *mark,
            )
            bars.append(GONE if g.random() < 0.04 else row)
        hole = int(g.integers(0, 2 * N_BARS))
        rows[name] = [GONE if hole <= t < hole + 7 else b for t, b in enumerate(bars)]
    funding = [(float(t), s, float(g.normal(0, 0.003))) for t in range(0, N_BARS, 8) for s in rows]
    brackets = [(floor, rate, cum, lev) for (floor, rate, lev), cum in zip(BRACKETS, CUM, strict=True)]
    return market_of(rows, min_notional=5.0, brackets=brackets, funding=funding)


def by_engine(m: Market, trader: Trader, rules: Rules) -> tuple[list[dict[str, Any]], float, int]:
    """Events, free balance at the end, ambiguous bars."""
    p = venue_params(
        participation=rules.participation,
        slippage=rules.slippage,
        intrabar="optimistic" if rules.optimistic else "pessimistic",
        halt_max_ms=int(rules.halt_max_bars) * HOUR_MS,
    )
    bars, out, venue = prepare_bars(m), make_out(m.n_symbols), make_venue(m.n_symbols, EQUITY)
    seen = []
    for f in range(m.n_bars):
        step_begin(p, venue, bars, f)
        while step_match(p, venue, bars, f, out):
            seen.append(event_dict(np.asarray(out.event)[0], bars, f, m.symbols))
            for ask in trader.hear(seen[-1]):
                put_request(out, ask, m.symbols, int(bars.time[f]), HOUR_MS)
            step_submit(p, venue, bars, f, out)
        step_end(venue, bars, f)
        for ask in trader.decide(f, closes_of(m, f)):
            put_request(out, ask, m.symbols, int(bars.time[f]) + HOUR_MS, HOUR_MS)
        step_submit(p, venue, bars, f, out)
    return seen, float(venue.fund["free_usd"][0]), int(venue.fund["ambiguous_bars"][0])


def closes_of(m: Market, t: int) -> dict[str, float | None]:
    return {s: float(m.close[t, i]) if m.valid[t, i] else None for i, s in enumerate(m.symbols)}


def bars_of(m: Market, t: int) -> tuple[dict[str, Bar | None], list[tuple[str, float]]]:
    """Bars of row ``t`` by name (None = missing), and the settlements due at its open."""
    names = ("open", "high", "low", "close", "volume", "mark_open", "mark_high", "mark_low", "mark_close")
    bars = {
        s: Bar(*(float(getattr(m, k)[t, i]) for k in names)) if m.valid[t, i] else None for i, s in enumerate(m.symbols)
    }
    due = np.flatnonzero(m.funding_time_ms == m.time[t])
    return bars, [(m.symbols[m.funding_symbol[k]], float(m.funding_rate[k])) for k in due]


def by_hand(m: Market, trader: Trader, rules: Rules) -> tuple[list[dict[str, Any]], float, int]:
    """The same by the plain venue."""
    venue = NaiveVenue(rules, m.symbols)
    seen = []
    for t in range(m.n_bars):
        seen += venue.play(t, *bars_of(m, t), trader.hear)
        closes = closes_of(m, t)
        for ask in trader.decide(t, closes):
            venue.request(ask, last=closes[ask.symbol] or 0.0)
    return seen, venue.free, len(venue.ambiguous)


def rules_of(seed: int) -> Rules:
    return Rules(
        min_notional=5.0,
        slippage=(0.0002, 0.003)[seed % 2],
        participation=(0.1, 0.0)[seed % 3 == 0],
        optimistic=seed % 4 == 1,
        halt_max_bars=4,
        brackets=BRACKETS,
    )


SEEDS = 240


@pytest.fixture(scope="module")
def tally() -> Counter:
    """What happened over all walks, so that the comparison is known not to be idle."""
    return Counter()


@pytest.mark.parametrize("block", range(10))
def test_engine_and_plain_venue_tell_the_same(block: int, tally: Counter):
    for seed in range(block * SEEDS // 10, (block + 1) * SEEDS // 10):
        m, rules = walk(seed), rules_of(seed)
        got, free, ambiguous = by_engine(m, Trader(seed, m.symbols, 0.1), rules)
        want, free_plain, ambiguous_plain = by_hand(m, Trader(seed, m.symbols, 0.1), rules)
        for n, (g, w) in enumerate(zip(got, want, strict=False)):
            for key, value in w.items():
                where = f"seed {seed} {asdict(rules)} event {n} {key}\nengine {g}\nplain  {w}"
                assert g[key] == (pytest.approx(value, rel=1e-9, abs=1e-8) if isinstance(value, float) else value), (
                    where
                )
        assert len(got) == len(want), f"seed {seed}: {len(got)} events, {len(want)} expected; then {(got + want)[-1]}"
        assert free == pytest.approx(free_plain, rel=1e-9, abs=1e-7)
        assert ambiguous == ambiguous_plain
        tally.update((e["kind"], e.get("reason", 0)) for e in want)
        tally["ambiguous"] += ambiguous
        tally["maker"] += sum(e["maker"] for e in got)
        tally["partial"] += sum(e["kind"] == EV_FILL and not e["done"] for e in got)
        tally["insured"] += sum(e["insurance"] > 0.0 for e in got)


def test_the_walks_were_not_idle(tally: Counter):
    """Needs the comparison above to have run in the same session."""
    if not tally:
        pytest.skip("the comparison did not run in this process")
    assert tally[EV_FILL, 0] > 8000
    for what in (
        (EV_FUNDING, 0),
        (EV_CANCEL, EXPIRED),
        (EV_CANCEL, FLAT),
        (EV_REJECT, INSUFFICIENT_MARGIN),
        (EV_REJECT, BRACKET_LEVERAGE),
        (EV_FILL, SETTLED),
        "ambiguous",
        "maker",
        "partial",
        "insured",
    ):
        assert tally[what] > 10, (what, tally)
