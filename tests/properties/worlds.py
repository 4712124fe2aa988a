"""Made-up markets, signals and configurations for the properties: small, wild, and reproducible from their arguments.

Context and tape are drawn, not computed, so that every class, side and refusal comes up within a hundred bars.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from qt_core.codes import (
    CTX_ADX,
    CTX_ATR_PCT,
    CTX_COLUMNS,
    CTX_DONCHIAN_HIGH,
    CTX_DONCHIAN_LOW,
    CTX_EMA_RATIO,
    CTX_LIQUIDITY_RATIO,
    CTX_MINUS_DI,
    CTX_MOMENTUM,
    CTX_NAMES,
    CTX_PLUS_DI,
    CTX_QUOTE_VOLUME_24H,
    CTX_RSI,
)
from qt_core.config import Config, load_config
from qt_core.engine.session import Session, advance, open_session
from qt_core.features.context import ChainContext
from qt_core.market import BRACKET_DT, MAX_BRACKETS, Market, default_specs, make_market
from qt_core.records import DECISION_DT, TRADE_DT
from qt_core.signal.tape import SignalTape
from qt_core.state import N_DECISIONS, N_TRADES
from tests.foundation import foundation
from tests.parity.cases import FULL
from tests.parity.stepping import with_room

HOUR_MS = 3_600_000
START_MS = 1_609_459_200_000 + 20 * HOUR_MS  # 20:00 UTC, so that a day begins soon
Draw = np.random.Generator
# the order in which columns are drawn: a world does not hang on how they are numbered
DRAWN = (
    *("atr_pct", "atr_pctile", "adx", "plus_di", "minus_di", "donchian_high", "donchian_low", "donchian_width_pctile"),
    *("liquidity_ratio", "quote_volume_24h", "rsi", "ema_ratio", "bollinger_position", "range_position"),
    *("volume_ratio", "momentum"),
)
COLUMN = [DRAWN.index(name) for name in CTX_NAMES]


@dataclass(frozen=True)
class World:
    """Arguments of a market and its signals."""

    seed: int
    n_symbols: int = 3
    n_bars: int = 110
    volatility: float = 0.01  # of a bar's log return
    gap: float = 0.002  # of the open against the close before it
    jumps: float = 0.02  # share of bars with a tenfold move
    holes: float = 0.02  # share of missing bars
    act: float = 0.3  # share of rows that call a side
    volume: float = 1e7  # base units at price 1
    funding_rate: float = 0.001
    tick: float = 2.0**-10  # of the first price; dyadic, so that scaling by powers of two is exact

    def build(self) -> "Case":
        g = np.random.Generator(np.random.PCG64(self.seed))
        market = self._market(g)
        return Case(market, self._context(g, market), self._tape(g, market.n_bars))

    def _market(self, g: Draw) -> Market:
        shape = (self.n_bars, self.n_symbols)
        first = 2.0 ** g.integers(-3, 14, self.n_symbols)
        tick = first * self.tick
        wild = np.where(g.random(shape) < self.jumps, 10.0, 1.0)
        steps = self.volatility * wild * g.standard_t(4, shape)
        close = first * np.exp(np.clip(np.cumsum(steps, axis=0), -3.0, 3.0))
        before = np.vstack([first[None], close[:-1]])
        open_ = before * np.exp(self.gap * wild * g.standard_normal(shape))
        spread = np.exp(self.volatility * np.abs(g.standard_normal((2, *shape))))
        raw = {
            "open": open_,
            "high": np.maximum(open_, close) * spread[0],
            "low": np.minimum(open_, close) / spread[1],
            "close": close,
        }
        table = {k: np.maximum(np.round(v / tick), 2.0) * tick for k, v in raw.items()}
        gone = g.random(shape) < self.holes
        gone[0] = False
        mark = {k: v * (1.0 + 1e-3 * g.standard_normal(shape)) for k, v in table.items()}
        mark["high"] = np.maximum.reduce([mark[k] for k in raw])
        mark["low"] = np.minimum.reduce([mark[k] for k in raw])
        table["volume"] = self.volume / first * g.gamma(2.0, 0.5, shape)
        lots = 2.0 ** np.floor(np.log2(0.5 / first))
        return make_market(
            tuple(f"S{k}" for k in range(self.n_symbols)),
            START_MS + HOUR_MS * np.arange(self.n_bars, dtype=np.int64),
            {k: np.where(gone, np.nan, v) for k, v in table.items()},
            timeframe_ms=HOUR_MS,
            mark={k: np.where(gone, np.nan, v) for k, v in mark.items()},
            funding=self._funding(g),
            specs=_specs(tick, lots),
            brackets=_brackets(self.n_symbols),
        )

    def _funding(self, g: Draw) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        time = START_MS + 4 * HOUR_MS * np.arange(1, self.n_bars // 4, dtype=np.int64)
        who = np.tile(np.arange(self.n_symbols), len(time))
        return np.repeat(time, self.n_symbols), who, self.funding_rate * g.standard_normal(len(who))

    def _context(self, g: Draw, market: Market) -> ChainContext:
        shape = (self.n_bars, self.n_symbols)
        values = np.take(g.random((*shape, CTX_COLUMNS)), COLUMN, axis=2)
        values[..., CTX_ATR_PCT] = g.uniform(0.0, 3.0, shape) * self.volatility
        values[..., CTX_ADX] = g.uniform(10.0, 40.0, shape)
        close = np.nan_to_num(market.close, nan=1.0)
        values[..., CTX_DONCHIAN_HIGH] = close * g.uniform(0.99, 1.05, shape)
        values[..., CTX_DONCHIAN_LOW] = close * g.uniform(0.95, 1.01, shape)
        self._later_columns(values)
        values[np.take(g.random(values.shape), COLUMN, axis=2) < 0.02] = np.nan
        eligible = np.ascontiguousarray(market.valid & (g.random(shape) < 0.97))
        return ChainContext(values, eligible, *self._correlation(shape))

    def _later_columns(self, values: np.ndarray) -> None:
        """Columns that the foundation does not read, on their own scales; from draws of their own."""
        g = np.random.Generator(np.random.PCG64([self.seed, 1]))
        shape = values.shape[:2]
        values[..., CTX_PLUS_DI], values[..., CTX_MINUS_DI] = g.uniform(5.0, 40.0, (2, *shape))
        values[..., CTX_QUOTE_VOLUME_24H] = 10.0 ** g.uniform(5.5, 9.0, shape)
        values[..., CTX_LIQUIDITY_RATIO] = 10.0 ** g.uniform(-0.5, 0.4, shape)
        values[..., CTX_RSI] = g.uniform(10.0, 90.0, shape)
        values[..., CTX_EMA_RATIO] = 0.01 * g.standard_normal(shape)
        values[..., CTX_MOMENTUM] = 0.03 * g.standard_normal(shape)

    def _correlation(self, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """A row a day, from opposite to alike; one pair in ten is unknown."""
        g = np.random.Generator(np.random.PCG64([self.seed, 2]))
        day = np.arange(shape[0], dtype=np.int64) // 24
        rows = g.uniform(-0.3, 1.0, (int(day[-1]) + 1, shape[1] * (shape[1] - 1) // 2)).astype(np.float32)
        rows[g.random(rows.shape) < 0.1] = np.nan
        return rows, day

    def _tape(self, g: Draw, n_bars: int) -> SignalTape:
        return random_tape(g, n_bars, self.n_symbols, self.act)


def random_tape(g: Draw, n_bars: int, n_symbols: int, act: float) -> SignalTape:
    """Calls of either side at random, strong enough to act; in one row of ten a model is missing."""
    shape = (n_bars, n_symbols)
    acts, buys = g.random(shape) < act, g.random(shape) < 0.5
    side = np.where(acts, np.where(buys, 2, 0), 1)
    strength = g.uniform(0.5, 0.95, (*shape, 4))
    proba = np.repeat(((1.0 - strength) / 2.0)[..., None], 3, axis=3)
    np.put_along_axis(proba, np.repeat(side[..., None, None], 4, axis=2), strength[..., None], axis=3)
    available = g.random((*shape, 4)) < 0.9
    return SignalTape(proba.astype(np.float32), available, np.zeros((n_bars, 4), np.int64))


@dataclass(frozen=True)
class Case:
    """A market with context and tape."""

    market: Market
    context: ChainContext
    tape: SignalTape
    room: int = 4_000  # rows of each journal: a walk cannot let one grow

    def session(self, config: Config | dict[str, Any]) -> Session:
        config = config if isinstance(config, Config) else load_config(foundation(config))
        return with_room(open_session(self.market, self.tape, config, context=self.context), self.room)

    def with_market(self, **changes: Any) -> "Case":
        return replace(self, market=replace(self.market, **changes))


def _specs(tick: np.ndarray, lot: np.ndarray) -> np.ndarray:
    specs = default_specs(len(tick))
    specs["tick_size"], specs["lot_step"], specs["min_qty"] = tick, lot, lot
    specs["min_notional"] = 20.0
    return specs


def _brackets(n: int) -> np.ndarray:
    """Four brackets that positions of some hundred USD pass through."""
    edges, rate = np.array([300.0, 900.0, 4_000.0]), np.array([0.01, 0.02, 0.05, 0.1])
    rows = np.zeros((n, MAX_BRACKETS), dtype=BRACKET_DT)
    rows["notional_floor"], rows["notional_cap"] = np.inf, np.inf
    rows["notional_floor"][:, :4], rows["notional_cap"][:, :3] = np.append(0.0, edges), edges
    rows["maintenance_rate"][:, :4] = rate
    rows["cum"][:, :4] = np.cumsum(np.append(0.0, edges * np.diff(rate)))
    rows["max_leverage"][:, :4] = (50.0, 25.0, 10.0, 5.0)
    return rows


seeds = st.integers(0, 2**32 - 1)


@st.composite
def worlds(draw: st.DrawFn, **fixed: Any) -> World:
    """Worlds from calm to wild."""
    given = {
        "seed": draw(seeds),
        "n_symbols": draw(st.integers(1, 5)),
        "volatility": draw(st.sampled_from([0.003, 0.01, 0.04])),
        "gap": draw(st.sampled_from([0.002, 0.05])),
        "jumps": draw(st.sampled_from([0.0, 0.03])),
        "act": draw(st.sampled_from([0.1, 0.4])),
        "volume": draw(st.sampled_from([1e4, 1e6])),
    }
    return World(**{**given, **fixed})


# Configurations under which every kind of bookkeeping happens: the defaults; an unguarded account with partial fills and
# liquidations; the same on cross margin; marks as working price with targets first.
UNGUARDED = {"risk": {"mode": "off"}, "governor": {"mode": "off"}}
ACCOUNTS: dict[str, dict[str, Any]] = {
    "guarded": {"chain": {"initial_equity_usd": 3000.0}},
    "isolated": {
        **UNGUARDED,
        "chain": {"initial_equity_usd": 300.0, "base_margin_usd": 40.0, "neutral_leverage": 20.0, "entry_work_bars": 2},
        "tpsl": {"sl_anchor": 0.05, "tp_anchor": 0.03, "clip_low": 1.0},
    },
    "cross": {
        **UNGUARDED,
        "chain": {"initial_equity_usd": 150.0, "base_margin_usd": 40.0, "neutral_leverage": 22.0},
        "tpsl": {"sl_anchor": 0.2, "tp_anchor": 0.1, "clip_low": 1.0},
        "venue": {"margin_mode": "cross"},
    },
    "marks": {
        "chain": {"initial_equity_usd": 3000.0},
        "venue": {"working_type": "mark", "intrabar": "optimistic", "stops_in_entry_bar": "off"},
    },
}
accounts = st.sampled_from(sorted(ACCOUNTS))

# The whole chain, every module ENFORCED, with thresholds so wide that it trades on these markets.
CHAIN: dict[str, Any] = {**FULL, "modules": {"all": "enforced"}, "chain": {"initial_equity_usd": 3000.0}}


def chain(**sections: dict[str, Any]) -> dict[str, Any]:
    """The whole chain with some keys of some sections changed."""
    return {**CHAIN, **{name: {**CHAIN.get(name, {}), **body} for name, body in sections.items()}}


OFF = {"mode": "off"}
# Without what makes it smaller as it loses: there the emergency stop is what is left.
UNDAMPED = chain(
    hfos=OFF, msc=OFF, sizer=OFF, mathematician=OFF, strategy=OFF,
    chain={"initial_equity_usd": 1_500.0}, ess={"auto_reset_h": 12.0},
    risk={"max_day_drawdown": 1.0, "streak_scale": 1.0}, governor={"max_day_drawdown": 1.0},
)  # fmt: skip
EARLY = chain(amplify={"scale_in_r": 0.7}, tpsl={"trail_r1": 5.0})  # enlarged before the stop has passed the entry


def finished(case: Case, config: dict[str, Any]) -> Session:
    s = case.session(config)
    advance(s)
    return s


def trades_of(s: Session) -> np.ndarray:
    return np.asarray(s.out.trades).view(TRADE_DT)[: int(s.out.n[N_TRADES])].copy()


def decisions_of(s: Session) -> np.ndarray:
    return np.asarray(s.out.decisions).view(DECISION_DT)[: int(s.out.n[N_DECISIONS])].copy()
