"""The three ways the suite runs are really three ways: compiled, interpreted, with bounds checks."""

import os

import numba
import numpy as np
import pytest

from qt_core import _jit


@_jit.entry
def item_at(values: np.ndarray, k: int) -> float:
    return values[k]


def test_switches_reach_numba():
    assert os.environ.get("NUMBA_DISABLE_JIT", "0") == str(int(_jit.INTERPRETED))
    assert bool(numba.config.BOUNDSCHECK) == (os.environ.get("NUMBA_BOUNDSCHECK", "0") == "1")


@pytest.mark.interpreted
@pytest.mark.boundscheck
def test_decorated_function_runs_in_every_mode():
    assert item_at(np.array([1.0, 2.0]), 1) == 2.0
    assert hasattr(item_at, "signatures") != _jit.INTERPRETED


@pytest.mark.boundscheck
@pytest.mark.skipif(not numba.config.BOUNDSCHECK, reason="only with NUMBA_BOUNDSCHECK=1 (make test's third step)")
def test_index_beyond_the_end_is_an_error():
    with pytest.raises(IndexError):
        item_at(np.array([1.0, 2.0]), 2)
