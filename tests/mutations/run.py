"""``python -m tests.mutations.run [--only N | --from N] [--fast]``: apply each mutation to a copy, run its killers.

Everything runs interpreted (NUMBA_DISABLE_JIT=1), so that a mutation costs seconds and no compilation. First the killers
are run unmutated: a test that fails anyway kills nothing. ``--fast`` asks the named killer alone; without it a mutation
that survives there is shown to the whole circle of killers. Exit code 1 if any survives.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.mutations.mutant import Mutant
from tests.mutations.mutants import MUTANTS

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("qt_core", "research", "experiments", "live", "tests", "configs", "docs", "qt.py", "pyproject.toml")
TIMEOUT_S = 600


def copy_tree(target: Path) -> None:
    """What the tests need, without caches."""
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, target / part, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
        else:
            shutil.copy2(source, target / part)


def apply(mutant: Mutant, tree: Path) -> str:
    """Write the mutation into ``tree``; returns the sound text, for putting it back."""
    path = tree / mutant.path
    sound = path.read_text()
    if sound.count(mutant.old) != 1:
        raise SystemExit(f"{mutant.file}: {mutant.old!r} occurs {sound.count(mutant.old)} times; exactly once expected")
    path.write_text(sound.replace(mutant.old, mutant.new))
    return sound


def run_tests(tree: Path, paths: Sequence[str]) -> tuple[bool, str]:
    """(passed, last line) of the tests, interpreted, in ``tree``, stopping at the first failure."""
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1", "QT_CACHE_DIR": str(tree / "cache"), "PYTHONPATH": str(tree)}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"  # the next mutation may fall into the same second
    environment["QT_HYPOTHESIS_PROFILE"] = "mutation"
    environment["QT_SHARED_DATA"] = str(tree / "none")  # made-up markets suffice
    environment.pop("QT_REQUIRE_SHARED", None)
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-W", "ignore", "-p", "no:cacheprovider", *paths]
    try:
        done = subprocess.run(
            command, check=False, cwd=tree, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        return False, "did not end"
    if done.returncode not in (
        0,
        1,
    ):  # 1 = tests failed; anything else says nothing about the mutation but its own error
        broken = "error" in done.stdout.lower()
        if not broken:
            raise SystemExit(f"pytest ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    lines = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return done.returncode == 0, (lines or done.stdout.splitlines() or [""])[-1]


def judge(mutant: Mutant, tree: Path, fast: bool) -> tuple[bool, str]:
    """(killed, by what)."""
    sound = apply(mutant, tree)
    try:
        passed, line = run_tests(tree, [mutant.killer])
        if passed and not fast:
            passed, line = run_tests(tree, sorted({m.killer for m in MUTANTS} - {mutant.killer}))
            line = f"not by {mutant.killer}, but {line}"
    finally:
        (tree / mutant.path).write_text(sound)
    return not passed, line


def main() -> int:
    """Run the list; prints one line per mutation and a summary."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutations.run", description=__doc__)
    parser.add_argument("--only", type=int, metavar="N", help=f"number of one mutation, 1 to {len(MUTANTS)}")
    parser.add_argument("--from", type=int, dest="first", default=1, metavar="N", help="begin with this one")
    parser.add_argument("--fast", action="store_true", help="the named killer alone")
    given = parser.parse_args()
    if given.only is not None and not 1 <= given.only <= len(MUTANTS):
        parser.error(f"--only {given.only}: 1 to {len(MUTANTS)} expected")
    chosen = [(k, m) for k, m in enumerate(MUTANTS, 1) if given.only in (None, k) and k >= given.first]
    start, survived = time.monotonic(), []
    with tempfile.TemporaryDirectory(prefix="mutations-") as folder:
        tree = Path(folder)
        copy_tree(tree)
        for killer in sorted({m.killer for _, m in chosen}):
            passed, line = run_tests(tree, [killer])
            if not passed:
                print(f"{killer} fails without any mutation: {line}")
                return 2
        for k, mutant in chosen:
            killed, line = judge(mutant, tree, given.fast)
            print(f"{k:3d} {'killed  ' if killed else 'SURVIVED'} {mutant.file}: {mutant.what}  [{line}]", flush=True)
            if not killed:
                survived.append(k)
    print(f"{len(chosen) - len(survived)} of {len(chosen)} killed in {time.monotonic() - start:.0f} s", end="")
    print(f"; survived: {survived}" if survived else "")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
