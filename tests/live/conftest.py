"""What every test of sessions needs: locks of its own. One account trades once per machine, and tests run side by side."""

from pathlib import Path

import pytest

from qt_core._jit import CACHE_DIR


@pytest.fixture(autouse=True)
def own_locks(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Accounts are held in a folder of this run; machine code stays where it is, a process started here must not compile."""
    folder: Path = tmp_path_factory.getbasetemp()
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    monkeypatch.setenv("QT_CACHE_DIR", str(CACHE_DIR.parent))
