"""A stage for the chain: literal bars, calls at chosen bars, and commands spoken between bars."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from qt_core import records as rec
from qt_core.codes import CTX_ADX, CTX_ATR_PCT, CTX_ATR_PCTILE, CTX_COLUMNS, EV_COMMAND
from qt_core.config import load_config
from qt_core.engine.run import step_bar, step_begin, step_end, step_event, step_match, step_submit
from qt_core.engine.session import Session, open_session
from qt_core.features.context import ChainContext
from qt_core.market import default_brackets, default_specs, make_market
from qt_core.signal.tape import SignalTape
from qt_core.state import N_DECISIONS, N_EVENTS, N_TRADES
from tests.foundation import FOUR, foundation

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
START_MS = 1_609_459_200_000  # 2021-01-01T00:00Z
Bar = tuple[float, float, float, float]  # open, high, low, close
FREE = {"maker_fee": 0.0, "taker_fee": 0.0, "slippage": 0.0, "participation": 0.0}


@dataclass
class Scene:
    """Bars ``[symbol][t]``, calls ``{(bar, symbol): +1 | -1}`` heard at the bar's close, commands before a bar opens."""

    bars: list[list[Bar]]
    calls: dict[tuple[int, int], int] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    commands: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    confidence: float = 0.8
    atr: float = float("nan")
    adx: float = 22.0  # MODERATE
    atr_percentile: float = 0.5  # NORMAL
    ineligible: tuple[tuple[int, int], ...] = ()
    specs: dict[str, float] = field(default_factory=dict)
    brackets: dict[str, float] = field(default_factory=dict)
    funding: tuple[Any, Any, Any] | None = None
    volume: float | list[float] = 1e9  # of every bar, or by symbol
    ctx: dict[int, Any] = field(default_factory=dict)  # further context columns, broadcast to [T, N]
    correlation: Any = None  # of every pair, one number or one per bar; None = unknown

    def session(self) -> Session:
        table = np.array(self.bars, dtype=np.float64).transpose(2, 1, 0)  # column, bar, symbol
        n_bars, n = table.shape[1:]
        specs, brackets = default_specs(n), default_brackets(n)
        for target, values in ((specs, self.specs), (brackets, self.brackets)):
            for name, value in values.items():
                target[name] = value
        columns = dict(zip(("open", "high", "low", "close"), table, strict=True))
        market = make_market(
            [f"S{k}" for k in range(n)],
            START_MS + HOUR_MS * np.arange(n_bars, dtype=np.int64),
            {**columns, "volume": np.full((n_bars, n), self.volume)},
            timeframe_ms=HOUR_MS,
            funding=self.funding,
            specs=specs,
            brackets=brackets,
        )
        context = np.full((n_bars, n, CTX_COLUMNS), np.nan)
        context[..., CTX_ATR_PCT], context[..., CTX_ADX] = self.atr, self.adx
        context[..., CTX_ATR_PCTILE] = self.atr_percentile
        for column, values in self.ctx.items():
            context[..., column] = values
        eligible = np.ones((n_bars, n), dtype=np.bool_)
        for where in self.ineligible:
            eligible[where] = False
        return open_session(
            market,
            self._tape(n_bars, n),
            load_config(foundation(self.config)),
            context=ChainContext(context, eligible, *self._correlation(n_bars, n)),
        )

    def _correlation(self, n_bars: int, n: int) -> tuple[Any, ...]:
        if self.correlation is None:
            return ()
        by_bar = np.broadcast_to(np.asarray(self.correlation, dtype=np.float32), n_bars)
        return np.repeat(by_bar[:, None], n * (n - 1) // 2, axis=1), np.arange(n_bars, dtype=np.int64)

    def _tape(self, n_bars: int, n: int) -> SignalTape:
        proba = np.zeros((n_bars, n, 4, 3), dtype=np.float32)
        proba[..., 1] = 1.0
        for (t, i), side in self.calls.items():
            proba[t, i] = (1.0 - self.confidence) / 2.0
            proba[t, i, :, 1 + side] = self.confidence
        return SignalTape(proba, np.ones((n_bars, n, 4), np.bool_), np.zeros((n_bars, 4), np.int64))

    def play(self) -> "Played":
        """Run it, speaking the commands."""
        return play(self.session(), self.commands)


@dataclass
class Played:
    """A finished session, with its journals as plain arrays."""

    s: Session

    @property
    def trades(self) -> np.ndarray:
        return np.asarray(self.s.out.trades).view(rec.TRADE_DT)[: int(self.s.out.n[N_TRADES])]

    @property
    def decisions(self) -> np.ndarray:
        return np.asarray(self.s.out.decisions).view(rec.DECISION_DT)[: int(self.s.out.n[N_DECISIONS])]

    @property
    def events(self) -> np.ndarray:
        return np.asarray(self.s.out.events).view(rec.JOURNAL_EVENT_DT)[: int(self.s.out.n[N_EVENTS])]

    @property
    def fund(self) -> np.void:
        return np.asarray(self.s.state.fund).view(rec.FUND_DT)[0]

    def symbol(self, i: int = 0) -> np.void:
        return np.asarray(self.s.state.symbol).view(rec.SYMBOL_DT)[i]

    def reasons(self) -> set[int]:
        """Reason codes counted, or carried by an event."""
        return set(np.flatnonzero(self.s.out.counters.sum(axis=0)).tolist()) | set(self.events["reason"].tolist())


def speak(s: Session, f: int, command: dict[str, Any]) -> None:
    """One command event, answered and its requests submitted after the close of bar ``f``."""
    event = np.asarray(s.out.event).view(rec.EVENT_DT)
    event[0] = np.zeros(1, rec.EVENT_DT)[0]
    event[0]["kind"], event[0]["time_ms"] = EV_COMMAND, int(s.bars.time[f]) + s.bars.bar_ms
    for name, value in command.items():
        event[0][name] = value
    step_event(s.params, s.state, s.out)
    step_submit(s.params, s.venue, s.bars, f, s.out)


def play(s: Session, commands: dict[int, list[dict[str, Any]]] | None = None) -> Played:
    """Bar by bar; the commands of bar ``f`` are spoken after the close of the bar before it."""
    for f in range(s.n_bars):
        for command in (commands or {}).get(f, []):
            speak(s, f - 1, command)
        step_begin(s.params, s.venue, s.bars, f)
        while step_match(s.params, s.venue, s.bars, f, s.out):
            step_event(s.params, s.state, s.out)
            step_submit(s.params, s.venue, s.bars, f, s.out)
        step_end(s.venue, s.bars, f)
        step_bar(s.params, s.state, s.bars, f, s.rows, int(s.bars.decision[f]), s.out)
        step_submit(s.params, s.venue, s.bars, f, s.out)
    return Played(s)


def on(*names: str, **sections: Any) -> dict[str, Any]:
    """A configuration with the foundation's four modules and those named ENFORCED, and ``sections`` beside."""
    return {"modules": {**FOUR, **dict.fromkeys(names, "enforced")}, **sections}


def flat(price: float, n: int) -> list[Bar]:
    """``n`` bars in which nothing happens."""
    return [(price, price, price, price)] * n
