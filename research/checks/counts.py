"""``python -m research.checks.counts [--write]``: how often each value was said, each reason given, each module decided.

Two real years under the default configuration, once on the four rules and once on drawn sides, so that enough happens; and
for every module that binds, the same run with that module OFF: how many decisions it changed. ``docs/counts.md`` is what it
wrote last. A zero stands there for what these two years never called for; tests/properties/test_real_years.py asserts that
a scripted scene reaches each of them.
"""

import argparse
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from qt_core.codes import ENFORCED, N_MODULES, REASON_NAMES
from qt_core.config import Config
from qt_core.engine.session import advance, open_session
from qt_core.enums import TALLIES
from qt_core.errors import QtError
from qt_core.features.context import ChainContext, chain_context
from qt_core.io.inputs import load_config_market, read_config
from qt_core.io.signals import signal_source
from qt_core.market import Market, span_text
from qt_core.records import DECISION_DT
from qt_core.registry import module_name
from qt_core.sections import SWITCHES
from qt_core.signal.tape import SignalTape
from qt_core.state import N_DECISIONS, N_TRADES

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "counts.md"
TAPES = {"rules": ROOT / "configs" / "majors_1h.yaml", "drawn": ROOT / "configs" / "control_1h.yaml"}
SPAN = ("2021-01-01", "2023-01-01")  # end exclusive
DECIDED = ("reason", "module", "side", "qty", "leverage", "sl_fraction", "tp_fraction", "order_kind", "order_price")

Array = npt.NDArray[Any]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Counts:
    """One tape's run: ``tally`` [N_TALLIES, N_VALUES], ``counters`` [N_MODULES, N_REASONS], decisions changed by module."""

    tally: Array
    counters: Array
    n_decisions: int
    n_trades: int
    changed: Mapping[str, int]


@dataclass(frozen=True)
class Study:
    """Both tapes over the same market."""

    market: Market
    counts: Mapping[str, Counts]


def bound_modules(config: Config) -> tuple[str, ...]:
    """Sections whose module is ENFORCED."""
    params = config.params()
    return tuple(name for name in SWITCHES if getattr(params, name).mode == ENFORCED)


def run(config: Config, market: Market, context: ChainContext, tape: SignalTape) -> Any:
    """A finished session's ``Out``."""
    s = open_session(market, tape, config, seed=config.seed, context=context)
    advance(s)
    return s.out


def decisions_of(out: Any) -> dict[tuple[int, int], tuple[Any, ...]]:
    """(time, symbol) -> what was decided."""
    rows = np.asarray(out.decisions).view(DECISION_DT)[: int(out.n[N_DECISIONS])]
    columns = [rows[name].tolist() for name in DECIDED]
    keys = zip(rows["time_ms"].tolist(), rows["symbol"].tolist(), strict=True)
    return dict(zip(keys, zip(*columns, strict=True), strict=True))


def changed_decisions(a: Mapping[Any, Any], b: Mapping[Any, Any]) -> int:
    """Decisions that only one of two runs made, or that both made otherwise."""
    return sum(a.get(key) != b.get(key) for key in a.keys() | b.keys())


def count(config: Config, market: Market, context: ChainContext, say: Say) -> Counts:
    """The full chain on the configuration's signals, and once more without each module that binds."""
    tape = signal_source(config)(market, context)
    full = run(config, market, context, tape)
    decided, changed = decisions_of(full), {}
    modules = bound_modules(config)
    for k, name in enumerate(modules, 1):
        say(f"{k} of {len(modules)}: without {name}")
        off = run(config.with_values({f"modules.{name}": "off"}), market, context, tape)
        changed[name] = changed_decisions(decided, decisions_of(off))
    return Counts(full.tally, full.counters, len(decided), int(full.n[N_TRADES]), changed)


def study(folder: "Path | None" = None, say: Say = lambda _text: None) -> Study:
    """Both runs and their ablations.

    Parameters
    ----------
    folder : the folder of real market data; None = what the configurations name.

    Raises
    ------
    QtError
        A configuration or data that cannot be used.
    """
    changes = [f"data.start={SPAN[0]}", f"data.end={SPAN[1]}", *([f"data.folder={folder}"] if folder else [])]
    configs = {name: read_config(path, changes) for name, path in TAPES.items()}
    say("market and features")
    market = load_config_market(configs["rules"])
    context = chain_context(market)
    counts = {}
    for name, config in configs.items():
        counts[name] = count(config, market, context, partial(_say_of, say, name))
    return Study(market, counts)


def _say_of(say: Say, name: str, text: str) -> None:
    say(f"{name}, {text}")


# --- the page -----------------------------------------------------------------------------------------------------------

HEAD = """# What two real years call for

Written by `python -m research.checks.counts --write`; not edited by hand. {symbols} contracts, {span}, hourly
candles, the default configuration (`configs/majors_1h.yaml`: the four rules; `configs/control_1h.yaml`: drawn sides, which
no skill can explain, only so that enough happens). How often a run says a value depends on its signals; the columns are no
measure of worth.

| | rules | drawn |
|---|---:|---:|
| candidates decided | {rules.n_decisions:,} | {drawn.n_decisions:,} |
| trades closed | {rules.n_trades:,} | {drawn.n_trades:,} |
"""
MODULES_HEAD = """
## What each module changes

Decisions (candidate, verdict, size, distances, order) that differ from the same run with that one module OFF; after the
first one the accounts differ too, and most that follow. A zero: signals without a fault, four models that say the same, no
fault of the system, and a governor that reckons again what the risk OS has kept to; a scripted scene shows each of them at
work (`tests/properties/test_real_years.py`). The cycle that module 13 starts is not the chain's: its triggers are below.

| module | rules | drawn |
|---|---:|---:|
"""
VALUES_HEAD = """
## Values said

A zero is reached by a scripted scene (`tests/modules/plays_values.py`), or can never be said in a run
(`tests/modules/test_values.py`, `NEVER`).

| module | what | value | rules | drawn |
|---|---|---|---:|---:|
"""
REASONS_HEAD = """
## Reasons given

| module | reason | rules | drawn |
|---|---|---:|---:|
"""


def page(s: Study) -> str:
    """The study as Markdown."""
    rules, drawn = s.counts["rules"], s.counts["drawn"]
    text = HEAD.format(symbols=s.market.n_symbols, span=span_text(s.market), rules=rules, drawn=drawn)
    text += MODULES_HEAD + "".join(f"| {m} | {n:,} | {drawn.changed[m]:,} |\n" for m, n in rules.changed.items())
    text += VALUES_HEAD
    for row, (module, what, names) in enumerate(TALLIES):
        for k, value in enumerate(names):
            text += f"| {module} | {what} | {value} | {rules.tally[row, k]:,} | {drawn.tally[row, k]:,} |\n"
    text += REASONS_HEAD
    for module_code in range(1, N_MODULES):
        for reason, name in enumerate(REASON_NAMES):
            a, b = rules.counters[module_code, reason], drawn.counters[module_code, reason]
            if a or b:
                text += f"| {module_name(module_code)} | {name} | {a:,} | {b:,} |\n"
    return text


def main() -> int:
    """Print the page, or write it."""
    parser = argparse.ArgumentParser(prog="python -m research.checks.counts", description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)} instead of printing")
    parser.add_argument("--folder", type=Path, help="folder of real market data")
    given = parser.parse_args()
    try:
        text = page(study(given.folder, lambda t: print(t, file=sys.stderr, flush=True)))
    except QtError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; nothing was written", file=sys.stderr)
        return 130
    if not given.write:
        print(text, end="")
        return 0
    beside = PAGE.with_suffix(".tmp")
    beside.write_text(text)
    beside.replace(PAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
