"""Compiling before the first run: said beforehand, timed, and on both cores."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ENTRIES = ("run", "update", "rule_rows")  # the compiled entry points a backtest calls
STEPS = ("step_event", "step_submit", "step_bar")  # what a fault script needs besides
EXPECTED_S = 45  # on two cores of 2023; a busy machine takes longer


def is_cold() -> bool:
    """Whether an entry point is missing from the compile cache."""
    from qt_core._jit import CACHE_DIR, INTERPRETED

    return not INTERPRETED and not all(any(CACHE_DIR.rglob(f"*.{name}-*.nbi")) for name in ENTRIES)


def compile_kernels(say: Callable[[str], None]) -> float:
    """Make sure that everything a backtest calls is compiled; returns the seconds it took.

    A cold cache is announced through ``say``. The indicator kernels are compiled by a second process meanwhile, which
    leaves them in the cache; should it fail, they are compiled here when first used.
    """
    from qt_core.engine.session import warm_up

    start = time.perf_counter()
    if not is_cold():
        warm_up()
        return time.perf_counter() - start
    say(f"compiling (once, about {EXPECTED_S} s) ...")
    with _helper() as helper:
        try:
            warm_up()
            helper.wait()
        except BaseException:
            helper.kill()
            raise
    compile_features()
    taken = time.perf_counter() - start
    say(f"compiled in {taken:.0f} s")
    return taken


def compile_steps(say: Callable[[str], None]) -> float:
    """Make sure that the single steps are compiled, which a backtest with a fault script makes at its scripted bars."""
    from qt_core._jit import CACHE_DIR, INTERPRETED, compile_lock
    from qt_core.engine.session import advance
    from qt_core.engine.warm import scripted_session

    start = time.perf_counter()
    if INTERPRETED:
        return 0.0
    if not all(any(CACHE_DIR.rglob(f"*.{name}-*.nbi")) for name in STEPS):
        say(f"compiling what a fault script needs (once, about {EXPECTED_S} s) ...")
    with compile_lock():
        advance(scripted_session())
    return time.perf_counter() - start


def _helper() -> "subprocess.Popen[bytes]":
    """Start a process that compiles the indicator and rule kernels of these very sources.

    It has a session of its own, so that Ctrl-C reaches this process alone, which then ends it.
    """
    root = str(Path(__file__).resolve().parents[2])
    code = f"import sys; sys.path.insert(0, {root!r}); from {__name__} import compile_features as c; c()"
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def compile_features() -> None:
    """Load or compile the indicator and rule kernels by running them over a few made-up bars."""
    from qt_core.features.context import chain_context
    from qt_core.signal.rules import rule_tape
    from research.data import load_market

    market = load_market(None, simulated={"n_symbols": 2, "n_bars": 3})
    rule_tape(market, chain_context(market))
