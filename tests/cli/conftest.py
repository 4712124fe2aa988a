"""Fixtures of the command tests: small configurations, one finished run, and `qt` called in this process."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

import qt
from qt_core.config import load_config
from research.cli.execute import Run, run_config
from research.report.folder import write_run
from tests.foundation import FOUR

SMALL = {
    "modules": FOUR,
    "ess": {"mode": "enforced"},
    "data": {"simulated": {"n_symbols": 3, "n_bars": 1500, "seed": 5}},
}


class Done(NamedTuple):
    """What a call of `qt` left."""

    code: int
    out: str
    err: str


def write_config(path: Path, content: "dict[str, Any]") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """`qt` with arguments, through the same function the command calls."""

    def run(*args: object) -> Done:
        capsys.readouterr()
        code = qt.main([str(a) for a in args])
        return Done(code, *capsys.readouterr())

    return run


@pytest.fixture
def small_config(tmp_path: Path) -> Path:
    """A configuration file of a small simulated market."""
    return write_config(tmp_path / "small.yaml", SMALL)


@pytest.fixture(scope="session")
def small_run() -> Run:
    """That configuration, run."""
    return run_config(load_config(SMALL))


@pytest.fixture(scope="session")
def small_folder(small_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That run, written."""
    out = tmp_path_factory.mktemp("runs") / "small"
    assert small_run.result is not None
    write_run(out, small_run.result, small_run.market, small_run.summary())
    return out
