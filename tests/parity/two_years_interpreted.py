"""Parity 5 over two real years: ``python -m tests.parity.two_years_interpreted`` (several minutes).

Runs the full chain compiled and, in a process of its own with NUMBA_DISABLE_JIT=1, interpreted on equal inputs, and compares
trades, decisions, events, State, Venue and digest byte for byte.
"""

import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np

from qt_core._jit import INTERPRETED
from qt_core.engine.session import advance
from qt_core.features.context import ChainContext
from qt_core.market import Market
from qt_core.signal.tape import SignalTape
from research.data import load_market
from tests.conftest import shared_root
from tests.parity.cases import Case, assert_same, case_of, config_of, outcome
from tests.parity.test_two_years import SPAN, symbols


def market() -> Market:
    return load_market(symbols(), "1h", *SPAN, root=shared_root(), missing_bracket="conservative")


def results(case: Case) -> dict[str, np.ndarray]:
    """What a run left behind, as arrays."""
    s = case.session(config_of("full"), seed=11)
    advance(s)
    out = outcome(s)
    for name in ("state", "venue"):
        out[name] = np.frombuffer(out[name], np.uint8)
    return {**out, "digest": np.array([out["digest"]], np.uint64)}


def interpret(source: Path, target: Path) -> None:
    """The interpreted side."""
    warnings.simplefilter("ignore", RuntimeWarning)
    with np.load(source) as x:
        context = ChainContext(x["context"], x["eligible"], x["correlation"], x["correlation_row"])
        case = Case(market(), context, SignalTape(x["proba"], x["available"], x["model_id"]))
    np.savez(target, **results(case))


def main() -> None:
    if len(sys.argv) == 3:
        assert INTERPRETED
        interpret(Path(sys.argv[1]), Path(sys.argv[2]))
        return
    case = case_of(market())
    compiled = results(case)
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.npz", Path(folder) / "out.npz"
        c, t = case.context, case.tape
        np.savez(
            source,
            context=c.values,
            eligible=c.eligible,
            correlation=c.correlation,
            correlation_row=c.correlation_row,
            proba=t.proba,
            available=t.available,
            model_id=t.model_id,
        )
        command = [sys.executable, "-m", "tests.parity.two_years_interpreted", str(source), str(target)]
        environment = {**os.environ, "NUMBA_DISABLE_JIT": "1", "QT_CACHE_DIR": str(Path(folder) / "cache")}
        subprocess.run(command, check=True, env=environment)
        with np.load(target) as x:
            interpreted = {name: x[name] for name in x.files}
    assert_same(compiled, interpreted)
    print(f"equal byte for byte: {len(compiled['trades'])} trades, {len(compiled['decisions'])} decisions")


if __name__ == "__main__":
    main()
