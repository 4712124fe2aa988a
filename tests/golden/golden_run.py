"""The pinned run: what it is, and ``python -m tests.golden.golden_run --write``, which pins it anew.

A golden changes only in a commit that says why. Counts and money hold wherever the suite runs; bytes, and with them the
digest, are promised for one set of numpy, numba and llvmlite and one machine type only, so each digest is kept with the
set it was taken on and compared on that set alone.
"""

import json
import platform
import sys
from pathlib import Path
from typing import Any

import llvmlite
import numba
import numpy as np

from qt_core.codes import N_MODULES, REASON_NAMES
from qt_core.engine import backtest
from qt_core.engine.result import Result
from research.data import simulate_market
from tests.parity.cases import CONFIGS, case_of, config_of

FILE = Path(__file__).with_name("golden_run.json")
MONEY = ("end_equity_usd", "fees_usd", "funding_usd", "slippage_usd", "insurance_usd", "max_drawdown", "mean_r")
COUNTS = (
    "trades", "open_trades", "long_trades", "short_trades", "liquidations", "ambiguous_bars", "partial_fills",
    "rejected_orders",
)  # fmt: skip


def wheel_set() -> str:
    """What bytes depend on."""
    versions = (f"python {sys.version_info[0]}.{sys.version_info[1]}", f"numpy {np.__version__}")
    return ", ".join((*versions, f"numba {numba.__version__}", f"llvmlite {llvmlite.__version__}", platform.machine()))


def run_golden() -> dict[str, Result]:
    """The runs, by configuration."""
    case = case_of(simulate_market(8, 1_500, seed=2026, holes=10, late_listings=2))
    return {n: backtest(case.market, case.tape, config_of(n), seed=1, context=case.context) for n in CONFIGS}


def facts(r: Result) -> dict[str, Any]:
    """What is pinned of one run."""
    reasons = {
        f"{m} {REASON_NAMES[k]}": int(r.counters[m, k])
        for m in range(N_MODULES)
        for k in range(len(REASON_NAMES))
        if r.counters[m, k]
    }
    return {
        "counts": {n: int(r.metrics[n]) for n in COUNTS} | {"decisions": len(r.decisions), "events": len(r.events)},
        "exits": r.exits(),
        "reasons": reasons,
        "money": {n: float(r.metrics[n]) for n in MONEY},
        "digest": r.digest(),
    }


def write() -> None:
    """Pin the runs of this wheel set; digests of other sets are dropped where anything else has changed."""
    now = {name: facts(r) for name, r in run_golden().items()}
    digests = {name: body.pop("digest") for name, body in now.items()}
    old = json.loads(FILE.read_text()) if FILE.exists() else {"runs": None, "digests": {}}
    kept = old["digests"] if old["runs"] == now else {}
    FILE.write_text(json.dumps({"runs": now, "digests": {**kept, wheel_set(): digests}}, indent=1) + "\n")


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit("usage: python -m tests.golden.golden_run --write")
    write()
