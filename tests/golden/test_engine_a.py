"""With every later module off the chain is the foundation's: trade by trade what its engine gave before they were built.

``engine_a.json`` was taken from the foundation's own code (before modules 1, 7 to 12, 16 and 18 to 23 existed): count, sum
of profits and a hash of every trade (symbol, side, times, prices, quantity, profit, fees, funding, exit, fills; floats to
nine significant digits). It never changes.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from qt_core.config import load_config
from qt_core.engine import backtest
from qt_core.engine.result import Result
from research.data import load_market, simulate_market
from tests.foundation import BARE, foundation
from tests.parity.cases import CONFIGS, REAL_SYMBOLS, Case, case_of

PINNED: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("engine_a.json").read_text())
RUNS = {
    "default": foundation(),
    "stress": CONFIGS["stress"],
    "cross": CONFIGS["cross"],
    "off": foundation(modules=BARE),
}
FLOATS = ("entry_price", "exit_price", "quantity", "pnl_usd", "fee_usd", "funding_usd")


def rows(r: Result) -> list[list[Any]]:
    """Every trade as the pinned file hashes it."""
    return [
        [r.symbols[t["symbol"]], int(t["side"]), int(t["entry_ms"]), int(t["exit_ms"])]
        + [f"{t[name]:.9g}" for name in FLOATS]
        + [int(t["exit_reason"]), int(t["n_fills"])]
        for t in r.trades
    ]


def compare(case: Case, kind: str, name: str) -> None:
    got = rows(backtest(case.market, case.tape, load_config(RUNS[name]), seed=1, context=case.context))
    want = PINNED[f"{kind} {name}"]
    assert len(got) == want["trades"]
    assert sum(float(row[7]) for row in got) == pytest.approx(want["pnl_usd"], abs=1e-6)
    assert hashlib.sha256(json.dumps(got).encode()).hexdigest() == want["sha256"]


@pytest.mark.parametrize("name", RUNS)
def test_simulated(name: str):
    compare(case_of(simulate_market(8, 1_500, seed=2026, holes=10, late_listings=2)), "simulated", name)


@pytest.mark.parametrize("name", ["default", "off"])
def test_a_real_year(shared_data: Path, name: str):
    market = load_market(REAL_SYMBOLS, "1h", "2021-01-01", "2022-01-01", root=shared_data)
    compare(case_of(market), "real", name)
