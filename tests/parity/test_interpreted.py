"""Parity 5: compiled = interpreted. Runs byte for byte on equal inputs, kernels and features to 1e-12."""

import inspect
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qt_core._jit import INTERPRETED
from qt_core.features.params import default_params
from qt_core.features.registry import feature_names
from tests.parity.cases import CONFIGS, assert_same
from tests.parity.interpreted import JOURNALS, everything, inputs_of, short_market
from tests.parity.kernel_table import MODULES

ROOT = Path(__file__).resolve().parents[2]
KERNEL_TOLERANCE = 1e-12  # relative, per kernel
FEATURE_TOLERANCE = 1e-9  # relative, after 300 bars of recursions on exp and log, which are not bit-equal

pytestmark = pytest.mark.skipif(INTERPRETED, reason="needs the compiled side")
Sides = tuple[dict[str, Any], dict[str, Any]]


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Sides:
    """(compiled, interpreted) results, the latter from a process of its own."""
    folder = tmp_path_factory.mktemp("interpreted")
    inputs = inputs_of(short_market())
    np.savez(folder / "in.npz", **inputs)
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1", "QT_CACHE_DIR": str(folder / "cache")}
    command = [sys.executable, "-m", "tests.parity.interpreted", str(folder / "in.npz"), str(folder / "out.npz")]
    subprocess.run(command, check=True, cwd=ROOT, env=environment, timeout=300)
    with np.load(folder / "out.npz") as stored:
        interpreted = {k: stored[k] for k in stored.files}
    assert interpreted["interpreted"][0]
    return everything(inputs), interpreted


@pytest.mark.parametrize("name", CONFIGS)
def test_a_run_on_equal_inputs_is_equal_byte_for_byte(sides: Sides, name: str):
    keys = tuple(f"given {name} {key}" for key in (*JOURNALS, "state", "venue", "digest"))
    assert len(sides[0][f"given {name} trades"]) >= 5
    assert_same(sides[0], sides[1], keys)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_run_on_inputs_of_its_own_decides_alike(sides: Sides, name: str):
    """Features differ in the last bits, so money may too; which decisions fall, and how, may not."""
    a, b = (side[f"own {name} decisions"] for side in sides)
    assert len(a) == len(b)
    for field in ("time_ms", "symbol", "side", "rank", "vol_class", "trend_class", "tpsl_class", "reason", "module"):
        flips = np.flatnonzero(a[field] != b[field])
        assert not len(flips), f"{field} of decision {flips[0]}: {a[flips[0]]} compiled, {b[flips[0]]} interpreted"
    for field in ("confidence", "atr_fraction", "sl_fraction", "qty", "equity_usd"):
        assert np.allclose(a[field], b[field], rtol=1e-9, atol=0.0, equal_nan=True), field


def _relative(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    scale = np.maximum(np.maximum(np.abs(a), np.abs(b)), 1.0)
    gap = np.abs(a - b) / scale
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    return np.where(same, 0.0, np.where(np.isnan(gap), np.inf, gap))


def test_kernels_agree(sides: Sides):
    names = [k for k in sides[0] if k.startswith("kernel ")]
    assert len(names) >= 200
    for name in names:
        worst = _relative(sides[0][name], sides[1][name]).max()
        assert worst <= KERNEL_TOLERANCE, f"{name}: {worst}"
        assert len(np.unique(sides[0][name], axis=0)) > 1, f"{name} gave one answer to every input"


def test_features_agree(sides: Sides):
    names = feature_names(default_params(short_market().timeframe_ms))
    gap = _relative(sides[0]["input features"], sides[1]["input features"]).max(axis=(0, 1))
    worst = int(np.argmax(gap))
    assert gap[worst] <= FEATURE_TOLERANCE, f"{names[worst]}: {gap[worst]}"
    assert np.array_equal(sides[0]["input eligible"], sides[1]["input eligible"])


def test_no_kernel_of_these_files_is_left_out(sides: Sides):
    compared = {k.removeprefix("kernel ") for k in sides[0] if k.startswith("kernel ")}
    for module in MODULES:
        home = module.__name__.rsplit(".", 1)[1]
        for name, member in vars(module).items():
            is_kernel = hasattr(member, "py_func") and inspect.getmodule(member.py_func) is module
            if is_kernel and name not in ("rule_row", "rule_rows"):  # compared as the tape
                assert f"{home}.{name}" in compared, f"{home}.{name} is not in the table"
