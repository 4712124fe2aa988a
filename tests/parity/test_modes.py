"""A module that only observes binds nothing: the run's digest is the one with the module OFF, all others ENFORCED."""

import numpy as np
import pytest

from qt_core.config import load_config
from qt_core.engine.session import Session, advance
from qt_core.sections import SWITCHES
from qt_core.state import N_TRADES
from tests.parity.cases import FULL, simulated_case

NARROW = {"universe.active_normal": 3, "universe.active_conservative": 2}  # of six symbols


def run(name: str, mode: str) -> Session:
    config = load_config(FULL).with_values({**NARROW, f"modules.{name}": mode})
    s = simulated_case().session(config, seed=4)
    advance(s)
    return s


def digest(s: Session) -> int:
    return int(np.asarray(s.state.fund["digest"])[0])


@pytest.fixture(scope="module")
def enforced() -> int:
    s = run("all", "enforced")
    assert int(s.out.n[N_TRADES]) > 50
    return digest(s)


# ADVISORY offers a number to a module by name: 12's count of unreliable models to 7. Every other reader asks for ENFORCED.
OFFERED = {("supervisor", "advisory")}
WATCHING = [(n, m) for n in SWITCHES for m in ("observe", "advisory") if (n, m) not in OFFERED]


@pytest.mark.parametrize(("name", "mode"), WATCHING)
def test_a_module_that_observes_decides_as_if_it_were_off(name: str, mode: str):
    assert digest(run(name, mode)) == digest(run(name, "off"))


# Faultless signals, no fault, no person's word; and behind the risk OS the governor is the second to say no. What makes
# each of them act is a play of tests/modules/test_reasons.py; the retraining cycle is not the chain's.
IDLE = {"engine", "health", "retraining", "ess", "governor"}


@pytest.mark.parametrize("name", [n for n in SWITCHES if n not in IDLE])
def test_a_module_that_is_off_decides_otherwise(name: str, enforced: int):
    assert digest(run(name, "off")) != enforced
