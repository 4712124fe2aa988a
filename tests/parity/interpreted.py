"""``python -m tests.parity.interpreted IN.npz OUT.npz``: the same runs and kernels, in a process of its own.

Started with NUMBA_DISABLE_JIT=1 it is the interpreted side of parity 5. IN holds context and tape as the compiled side
computed them, so that a run's decisions are compared on equal inputs; features made here are compared apart.
"""

import sys
import warnings
from typing import Any

import numpy as np

from qt_core._jit import INTERPRETED
from qt_core.engine.session import advance
from qt_core.features.context import ChainContext, chain_context
from qt_core.features.frame import compute_features
from qt_core.market import Market
from qt_core.signal.rules import rule_tape
from qt_core.signal.tape import SignalTape
from research.data import simulate_market
from tests.parity.cases import CONFIGS, Case, config_of, outcome
from tests.parity.kernel_table import kernel_table

JOURNALS = ("trades", "decisions", "events", "curve", "counters")


def short_market() -> Market:
    return simulate_market(3, 300, seed=21, holes=2)


def inputs_of(market: Market) -> dict[str, np.ndarray]:
    context = chain_context(market)
    tape = rule_tape(market, context)
    return {
        "context": context.values,
        "eligible": context.eligible,
        "correlation": context.correlation,
        "correlation_row": context.correlation_row,
        "proba": tape.proba,
        "available": tape.available,
        "model_id": tape.model_id,
        "features": compute_features(market).values,
    }


def runs_on(market: Market, inputs: Any) -> dict[str, np.ndarray]:
    """Journals, digest and buffers of every configuration on given inputs."""
    context = ChainContext(inputs["context"], inputs["eligible"], inputs["correlation"], inputs["correlation_row"])
    case = Case(market, context, SignalTape(inputs["proba"], inputs["available"], inputs["model_id"]))
    out: dict[str, np.ndarray] = {}
    for name in CONFIGS:
        s = case.session(config_of(name), seed=4)
        advance(s)
        result = outcome(s)
        out.update({f"{name} {key}": result[key] for key in JOURNALS})
        out[f"{name} state"] = np.frombuffer(result["state"], np.uint8)
        out[f"{name} venue"] = np.frombuffer(result["venue"], np.uint8)
        out[f"{name} digest"] = np.array([result["digest"]], np.uint64)
    return out


def everything(inputs: Any) -> dict[str, np.ndarray]:
    """Runs on the given inputs, runs on inputs made here, those inputs, and the kernels."""
    market = short_market()
    own = inputs_of(market)
    out = {f"given {k}": v for k, v in runs_on(market, inputs).items()}
    out.update({f"own {k}": v for k, v in runs_on(market, own).items()})
    out.update({f"input {k}": v for k, v in own.items()})
    out.update({f"kernel {k}": v for k, v in kernel_table().items()})
    out["interpreted"] = np.array([INTERPRETED])
    return out


def main() -> None:
    warnings.simplefilter("ignore", RuntimeWarning)  # uint64 products overflow by design, and say so when interpreted
    with np.load(sys.argv[1]) as given:
        results = everything({k: given[k] for k in given.files})
    np.savez(sys.argv[2], **results)


if __name__ == "__main__":
    main()
