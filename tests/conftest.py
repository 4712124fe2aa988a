"""Shared fixtures: the folder of real market data, hypothesis profiles, one thread per worker."""

import os
from collections.abc import Callable
from pathlib import Path

# Before numpy, torch or a tree library is imported: two thread pools on two cores slow each other down tenfold.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import pytest
from hypothesis import HealthCheck, Phase, settings

ROOT = Path(__file__).resolve().parents[1]

# The same examples on every run, so that a red build is red for everyone. No deadline and no "too slow" check: the
# first example of a property pays for numba's compilation, which is neither its fault nor repeatable.
_COMMON = settings(
    derandomize=True, database=None, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("default", _COMMON, max_examples=30)
settings.register_profile("thorough", _COMMON, max_examples=500)
# For tests/mutations: that a property fails is enough, the smallest example is not asked for.
settings.register_profile("mutation", _COMMON, phases=(Phase.explicit, Phase.generate), report_multiple_bugs=False)
settings.load_profile(os.environ.get("QT_HYPOTHESIS_PROFILE", "default"))


def shared_root() -> Path:
    """Folder of real market data: QT_SHARED_DATA, or ``../shared/data`` beside the repository."""
    return Path(os.environ.get("QT_SHARED_DATA") or ROOT.parent / "shared" / "data")


def require(path: Path) -> Path:
    """``path`` if it exists; else skip the test, or fail it where QT_REQUIRE_SHARED=1 promises the data."""
    if path.exists():
        return path
    reason = f"real market data not found: {path} (QT_SHARED_DATA names the folder)"
    if os.environ.get("QT_REQUIRE_SHARED") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real market data; skips or fails without it."""
    return require(shared_root())


@pytest.fixture(scope="session")
def require_shared() -> Callable[[str], Path]:
    """Return a function from a path inside that folder to the full path; skips or fails where it is missing."""
    return lambda relative: require(shared_root() / relative)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Honour ``@pytest.mark.needs_shared`` for tests that find the data by themselves."""
    if item.get_closest_marker("needs_shared") is not None:
        require(shared_root())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how often the limit of each property was binding (tests/properties)."""
    rows = [
        (r.nodeid.rsplit("::", 1)[1], v)
        for r in terminalreporter.getreports("passed")
        for k, v in r.user_properties
        if k == "binding"
    ]
    if rows:
        terminalreporter.section("properties: how often their limits were binding")
        for name, text in sorted(rows):
            terminalreporter.write_line(f"{name.removeprefix('test_')}: {text}")
