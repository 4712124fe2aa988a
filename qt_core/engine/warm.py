"""A tiny made-up session that compiles the run loop before the first real one."""

import numpy as np

from qt_core.codes import CMD_RELEASE, CTX_COLUMNS
from qt_core.config import load_config
from qt_core.engine.script import Command, Script
from qt_core.engine.session import Session, open_session
from qt_core.features.context import ChainContext
from qt_core.market import make_market
from qt_core.signal.tape import SignalTape

HOUR_MS = 3_600_000


def scripted_session() -> Session:
    """The same with a command inside its second bar: that one is made step by step."""
    s = tiny_session()
    s.script = Script((Command(HOUR_MS + 1, CMD_RELEASE),))
    return s


def tiny_session(n_bars: int = 3) -> Session:
    """Two symbols, a few flat bars, no signal."""
    ones = np.ones((n_bars, 2))
    columns = {"open": ones, "high": ones, "low": ones, "close": ones, "volume": ones}
    market = make_market(["A", "B"], np.arange(n_bars, dtype=np.int64) * HOUR_MS, columns, timeframe_ms=HOUR_MS)
    tape = SignalTape(
        np.zeros((n_bars, 2, 4, 3), np.float32),
        np.zeros((n_bars, 2, 4), np.bool_),
        np.zeros((n_bars, 4), np.int64),
    )
    context = ChainContext(np.zeros((n_bars, 2, CTX_COLUMNS)), np.ones((n_bars, 2), np.bool_))
    return open_session(market, tape, load_config({}), context=context)
