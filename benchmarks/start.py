"""How long it takes to begin: cold compile, warm start, ``qt --help``; each in a process of its own."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.table import Row, say

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("numba", "pandas", "numpy", "pyarrow", "torch")
GROUP = "start"


def worker(task: str, env: "dict[str, str] | None" = None, **arguments: Any) -> tuple[dict[str, Any], float]:
    """Run ``benchmarks.worker`` in a fresh process; its JSON answer and the wall seconds of the whole process.

    Raises
    ------
    RuntimeError
        If the process fails, with the end of its stderr.
    """
    command = [sys.executable, "-m", "benchmarks.worker", task, json.dumps(arguments)]
    start = time.perf_counter()
    done = subprocess.run(
        command, check=False, cwd=ROOT, env={**os.environ, **(env or {})}, capture_output=True, text=True
    )
    seconds = time.perf_counter() - start
    if done.returncode != 0:
        raise RuntimeError(f"benchmark worker {task} failed: {done.stderr.strip()[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1]), seconds


def help_seconds(runs: int) -> tuple[float, list[str]]:
    """Median wall seconds of ``qt --help``, and the heavy modules it imported (none expected)."""
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "qt", "--help"], cwd=ROOT, check=True, capture_output=True)
        seconds.append(time.perf_counter() - start)
    code = f"import sys, qt; qt.main(['--help']); print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    loaded: list[str] = json.loads(done.stderr.strip().splitlines()[-1].replace("'", '"'))
    return statistics.median(seconds), loaded


def start_rows(runs: int) -> list[Row]:
    """Rows of the group ``start``."""
    with tempfile.TemporaryDirectory(prefix="qt-bench-cache-") as folder:
        env = {"QT_CACHE_DIR": folder}
        say("cold compile in an empty cache (about half a minute)")
        cold, cold_s = worker("start", env)
        say(f"warm start, {runs} processes")
        warm = [worker("start", env) for _ in range(runs)]
    warm_s = statistics.median(seconds for _, seconds in warm)
    parts: dict[str, Any] = {
        k: statistics.median(w[k] for w, _ in warm) for k in ("import_s", "first_run_s", "second_run_s")
    }
    say("qt --help")
    help_s, loaded = help_seconds(runs)
    process = {"whole process": "import, config, 3 symbols x 500 bars"}
    if len({cold.pop("sources"), *(w["sources"] for w, _ in warm)}) > 1:
        parts["note"] = "kernel sources changed while measuring: a warm start compiled again"
    return [
        Row(GROUP, "cold compile", cold_s, "s", 60.0, 20.0, False, {**process, **cold}),
        Row(GROUP, "warm start", warm_s, "s", 2.0, 1.0, False, {**process, **parts, "runs": runs}),
        Row(GROUP, "qt --help", help_s, "s", 0.3, None, False, {"runs": runs}),
        Row(
            GROUP,
            "heavy imports of qt --help",
            float(len(loaded)),
            "",
            0.0,
            None,
            False,
            {"imported": loaded or "none"},
        ),
    ]
