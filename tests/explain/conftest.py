"""One run with every module on, exploring, learning, and disturbed, so that every part of an explanation occurs."""

from typing import Any

import pytest

from qt_core.config import load_config
from qt_core.engine import backtest
from qt_core.engine.result import Result
from qt_core.explain.journal import Journal
from tests.parity.cases import FULL, simulated_case

SYMBOLS = [f"SIM0{k}USDT" for k in range(1, 7)]
STOPS = ("01-29", "01-31", "02-02", "02-04", "02-06")  # in one of them a position will be open
FAULTS: list[dict[str, Any]] = [
    {"at": "2021-01-03T00:00", "kind": "busy", "orders": 2},
    {"at": "2021-01-12T00:30", "kind": "health", "verdict": "degraded", "for": "12h"},
    {
        **{"at": "2021-01-16T05:00", "kind": "policy", "mode": "normal", "max_risk": 0.01, "max_positions": 20},
        **{"min_confidence": 0.37, "strategies": ["trend_follow", "breakout", "range_bound"]},
    },
    *({"at": f"2021-01-{day}T12:30", "kind": "exit", "symbols": SYMBOLS} for day in (18, 20, 22, 24, 26)),
    *({"at": f"2021-{day}T01:30", "kind": "stop", "reason": "a drill"} for day in STOPS),
    {"at": "2021-02-10T00:30", "kind": "spread", "spread": 0.001, "for": "24h"},
]


def run_of(config: dict[str, Any], n_bars: int = 1500, **keywords: Any) -> Result:
    """A backtest of the six simulated symbols."""
    case = simulated_case(6, n_bars)
    return backtest(case.market, case.tape, load_config(config), context=case.context, **keywords)


@pytest.fixture(scope="session")
def full() -> Result:
    return run_of({**FULL, "faults": FAULTS})


@pytest.fixture(scope="session")
def journal(full: Result) -> Journal:
    return full.journal()


@pytest.fixture(scope="session")
def texts(full: Result, journal: Journal) -> dict[int, str]:
    """Every trade's explanation, by id."""
    return {int(k): full.explain(int(k)) for k in journal.trades["trade_id"]}
