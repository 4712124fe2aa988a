"""Ctrl-C in a real process: exit code 130, nothing half-written."""

import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.cli.conftest import SMALL, write_config
from tests.data.build import files_under

ROOT = Path(__file__).resolve().parents[2]
# The page is slowed down, so that the signal surely comes while the folder is being written.
SLOW_WRITE = """
import sys, time, qt
import research.report.page as page
def slow(*_):
    print("WRITING", file=sys.stderr, flush=True)
    time.sleep(60)
page.report_page = slow
sys.exit(qt.main(sys.argv[1:]))
"""
SLOW_RUN = """
import sys, time, qt
import research.cli.execute as execute
def slow(*_, **__):
    print("RUNNING", file=sys.stderr, flush=True)
    time.sleep(60)
execute.backtest = slow
sys.exit(qt.main(sys.argv[1:]))
"""


def interrupt(program: str, word: str, out: Path, config: Path) -> tuple[int, str, list[str]]:
    """Exit code, rest of stderr, and what lay beside ``out`` when the signal was sent."""
    command = [sys.executable, "-c", program, "backtest", str(config), "--out", str(out)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for text in process.stderr:
            if text.strip() == word:
                break
        present = [p.name for p in out.parent.iterdir()]
        time.sleep(0.1)  # into the sleep, past the print
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
        return process.wait(timeout=60), rest, present


def test_during_the_run(tmp_path):
    config = write_config(tmp_path / "c.yaml", SMALL)
    code, err, _ = interrupt(SLOW_RUN, "RUNNING", tmp_path / "run", config)
    assert code == 130
    assert err == "interrupted; nothing was written\n"
    assert files_under(tmp_path) == ["c.yaml"]


def test_during_the_write(tmp_path):
    config = write_config(tmp_path / "c.yaml", SMALL)
    (tmp_path / "runs").mkdir()
    code, err, present = interrupt(SLOW_WRITE, "WRITING", tmp_path / "runs" / "run", config)
    assert any(name.endswith(".tmp") for name in present)  # it was really at work
    assert code == 130
    assert err == "interrupted; nothing was written\n"
    assert files_under(tmp_path) == ["c.yaml"]
    assert list((tmp_path / "runs").iterdir()) == []
