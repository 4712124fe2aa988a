"""The progress bar, drawn on a real (pseudo) terminal; a pipe gets none."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import sys, time
from research.cli.progress import progress_bar
with progress_bar("runs", left={left}) as progress:
    if progress is None:
        print("NONE")
        sys.exit()
    for k in range({steps}):
        progress(k + 1, 3)
        time.sleep(0.12)
print("OVER")
"""


def on_terminal(program: str) -> tuple[int, str]:
    """Exit code and everything the program wrote to its terminal."""
    master, slave = pty.openpty()
    size = {**os.environ, "COLUMNS": "120", "TERM": "xterm"}
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=slave, stderr=slave, env=size) as process:
        os.close(slave)
        text = b""
        while True:
            try:
                part = os.read(master, 4096)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            text += part
        code = process.wait(timeout=60)
    os.close(master)
    return code, re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text.decode())


@pytest.mark.parametrize("left", [False, True])
def test_bar_counts_and_is_gone_afterwards(left):
    code, text = on_terminal(PROGRAM.format(left=left, steps=3))
    assert code == 0, text
    assert "runs" in text
    assert "1 of 3" in text
    assert ("left" in text) == left
    assert text.rstrip().endswith("OVER")


def test_work_that_ends_before_its_first_step_draws_nothing():
    code, text = on_terminal(PROGRAM.format(left=True, steps=0))
    assert (code, text.strip()) == (0, "OVER")


def test_a_pipe_gets_no_bar():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(left=True, steps=3)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("NONE\n", "")
