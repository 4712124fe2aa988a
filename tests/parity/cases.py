"""Markets and configurations the parity tests run on, and the comparison of two runs byte for byte."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from live.testing.eager import EAGER
from qt_core.config import Config, load_config
from qt_core.engine.session import Session, open_session
from qt_core.features.context import ChainContext, chain_context
from qt_core.market import Market
from qt_core.signal.rules import rule_tape
from qt_core.signal.tape import SignalTape
from qt_core.state import N_DECISIONS, N_EVENTS, N_TRADES, raw_bytes
from research.data import load_market, simulate_market
from tests.foundation import FOUR, foundation

QUARTER_MS = 900_000
REAL_SYMBOLS = ("ADAUSDT", "BTCUSDT", "DOGEUSDT", "ETHUSDT", "LINKUSDT", "LTCUSDT", "SOLUSDT", "XRPUSDT")

# `stress` has partial fills over bars, refusals, liquidations and both exits in one bar; `cross` the cross-margin account.
# `full` has every module on, exploring and learning, with thresholds that trade on short markets.
FULL: Mapping[str, Any] = {**EAGER, "ess": {"close_on_latch": "on"}}
CONFIGS: Mapping[str, Mapping[str, Any]] = {
    "full": FULL,
    "foundation": foundation(),
    "stress": {
        "modules": FOUR,
        "chain": {"initial_equity_usd": 2000.0, "neutral_leverage": 25.0, "entry_work_bars": 3},
        "ensemble": {"threshold": 0.36},
        "risk": {"mode": "off"},
        "governor": {"mode": "off"},
        "tpsl": {"sl_anchor": 0.04, "tp_anchor": 0.02, "trail_activation_roi": 0.2},
        "venue": {"participation": 2e-5, "intrabar": "optimistic", "working_type": "mark"},
    },
    "cross": {
        "modules": FOUR,
        "chain": {"initial_equity_usd": 2500.0, "neutral_leverage": 30.0},
        "ensemble": {"threshold": 0.36},
        "risk": {"mode": "off"},
        "governor": {"mode": "off"},
        "tpsl": {"mode": "off", "sl_anchor": 0.1, "tp_anchor": 0.015},
        "venue": {"margin_mode": "cross"},
    },
}


@dataclass(frozen=True)
class Case:
    """A market with everything a run needs beside the configuration."""

    market: Market
    context: ChainContext
    tape: SignalTape

    def session(self, config: Config, **keywords: Any) -> Session:
        return open_session(self.market, self.tape, config, context=self.context, **keywords)


def case_of(market: Market) -> Case:
    context = chain_context(market)
    return Case(market, context, rule_tape(market, context))


@cache
def simulated_case(n_symbols: int = 6, n_bars: int = 700, detail: bool = False, seed: int = 3) -> Case:
    """Holes and a late listing included; with finer bars of 15 minutes where asked."""
    return case_of(
        simulate_market(
            n_symbols,
            n_bars,
            seed=seed,
            holes=0 if detail else 6,
            late_listings=0 if detail else 1,
            detail_timeframe_ms=QUARTER_MS if detail else None,
        )
    )


@cache
def real_case(root: Path, detail: bool = False) -> Case:
    """Hourly candles over the crash of 2021-05-19, or six days with one-minute candles inside the hours."""
    if detail:
        symbols, start, end, finer = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT"), *ONE_MINUTE_SPAN, "1m"
    else:
        symbols, start, end, finer = REAL_SYMBOLS, "2021-04-25", "2021-05-28", None
    return case_of(load_market(symbols, "1h", start, end, root=root, detail_timeframe=finer))


ONE_MINUTE_SPAN = ("2025-05-05", "2025-05-11")


def config_of(name: str) -> Config:
    return load_config(CONFIGS[name])


def outcome(s: Session) -> dict[str, Any]:
    """What a finished session left behind: records as bytes would hide which field differs, so arrays stay arrays."""
    n = s.out.n
    return {
        "trades": np.asarray(s.out.trades[: n[N_TRADES]]).copy(),
        "decisions": np.asarray(s.out.decisions[: n[N_DECISIONS]]).copy(),
        "events": np.asarray(s.out.events[: n[N_EVENTS]]).copy(),
        "counters": s.out.counters.copy(),
        "curve": np.asarray(s.curve).copy(),
        "state": raw_bytes(s.state),
        "venue": raw_bytes(s.venue),
        "digest": int(np.asarray(s.state.fund["digest"])[0]),
    }


def assert_same(a: dict[str, Any], b: dict[str, Any], only: tuple[str, ...] = ()) -> None:
    """Byte equality, key by key; the message names the first row and field that differ."""
    for key in only or a:
        x, y = a[key], b[key]
        if isinstance(x, np.ndarray):
            assert x.shape == y.shape, f"{key}: {x.shape} against {y.shape} rows"
            assert x.tobytes() == y.tobytes(), f"{key}: {first_difference(x, y)}"
        else:
            assert x == y, f"{key} differs"


def first_difference(x: np.ndarray, y: np.ndarray) -> str:
    """First row whose bytes differ, with its fields."""
    for k, (p, q) in enumerate(zip(x, y, strict=True)):
        if p.tobytes() != q.tobytes():
            names = [n for n in x.dtype.names or () if p[n].tobytes() != q[n].tobytes()]
            return f"row {k}: " + (", ".join(f"{n} {p[n]!r} != {q[n]!r}" for n in names) or f"{p!r} != {q!r}")
    return "equal"
