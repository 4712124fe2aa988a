"""Paper sessions of tests: through the event loop, the inbox and the journal, and what they left as a backtest leaves it."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np

from live.bootstrap import Started, start_paper_replay
from live.session import Session
from qt_core import records as rec
from qt_core.config import Config
from qt_core.engine.result import Result
from qt_core.market import Market
from qt_core.state import raw_bytes

EFFECTS = {"trades": rec.TRADE_DT, "decisions": rec.DECISION_DT, "events": rec.JOURNAL_EVENT_DT}


def run_paper(config: Config, market: Market, folder: Path, stop_after: int = 0) -> Started:
    """A session to the market's end, or stopped after so many bars; the folder keeps it."""
    started = start_paper_replay(config, folder, market=market, unsafe=True)
    try:
        asyncio.run(_run(started, stop_after))
    finally:
        started.lock.close()
    return started


async def _run(started: Started, stop_after: int) -> None:
    runner = started.runner
    if not stop_after:
        await runner.run()
        return
    working = asyncio.create_task(runner.run())
    await runner.idle(stop_after)
    runner.stop("test")
    await working


def left(started: Started) -> dict[str, Any]:
    """What the session left, as comparable as a result."""
    session: Session = started.runner.session
    store = started.runner.journal.store
    rows = {k: np.frombuffer(b"".join(d for _, d in store.effects(k)), dtype=t) for k, t in EFFECTS.items()}
    assert session.paper is not None
    return {
        **rows,
        "curve": np.frombuffer(store.curve(), dtype=rec.CURVE_DT),
        "counters": session.chain.out.counters,
        "tally": session.chain.out.tally,
        "state": session.chain.state_bytes(),
        "venue": session.paper.venue_bytes(),
    }


def of_result(r: Result) -> dict[str, Any]:
    """The same of a backtest."""
    return {
        "trades": r.trades,
        "decisions": r.decisions,
        "events": r.events,
        "curve": r.curve,
        "counters": r.counters,
        "tally": r.tally,
        "state": raw_bytes(r.state),
        "venue": raw_bytes(r.venue),
    }


def assert_same(a: dict[str, Any], b: dict[str, Any]) -> None:
    """Byte for byte, naming the first that differs."""
    for name in a:
        left_bytes, right_bytes = (
            x if isinstance(x, bytes) else np.ascontiguousarray(x).tobytes() for x in (a[name], b[name])
        )
        assert left_bytes == right_bytes, name
