"""Making the runs: every arm with every seed, on threads, kept as they finish, each arm beside the same full chain."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from qt_core._jit import source_hash
from qt_core.config import Config
from qt_core.engine.script import EMPTY, Script
from qt_core.engine.session import prepare_bars
from qt_core.errors import DataError
from qt_core.features.context import ChainContext
from qt_core.market import Market
from qt_core.signal.tape import SignalTape
from qt_core.tables import QTables
from research.ablation.outcome import Outcome, run_once
from research.ablation.plan import Arm
from research.ablation.store import RunStore, key_of, market_digest, tape_digest

Progress = Callable[[int, int], None]
FEWEST_DAYS = 30  # below it no interval says anything
KEPT_TAPES = 2


class EndedError(Exception):
    """Raised inside a run that is not wanted any more."""


@dataclass
class Study:
    """What all runs share.

    Attributes
    ----------
    tape_of : the signals of a seed; drawn signals differ by seed, others do not. tables : what 19 and 21 begin with.
    script : the configuration's faults, whose gaps are out of the market already.
    """

    config: Config
    market: Market
    context: ChainContext
    tape_of: Callable[[int], SignalTape]
    seeds: tuple[int, ...]
    tables: "QTables | None" = None
    script: Script = EMPTY
    _tapes: dict[int, SignalTape] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.data_digest = market_digest(self.market)
        self.code_digest = source_hash()
        self.tables_digest = key_of(*[t.tobytes() for t in self.tables or ()])

    @property
    def key(self) -> str:
        """The study: configuration, data, signals and learned tables; neither seeds nor modules."""
        tape = tape_digest(self.tape(self.config.seed))
        return key_of(self.config.digest(), self.data_digest, tape, self.tables_digest)

    def tape(self, seed: int) -> SignalTape:
        """Signals of a seed; the last two asked for are kept."""
        with self._lock:
            if seed not in self._tapes:
                while len(self._tapes) >= KEPT_TAPES:
                    del self._tapes[next(iter(self._tapes))]
                self._tapes[seed] = self.tape_of(seed)
            return self._tapes[seed]

    def run_key(self, config: Config, seed: int) -> str:
        """Everything a run's outcome depends on."""
        tape = tape_digest(self.tape(seed))
        return key_of(config.digest(), self.data_digest, tape, self.tables_digest, seed, self.code_digest)


@dataclass(frozen=True)
class Runs:
    """Finished runs: ``full[k]`` and ``off[name][k]`` belong to ``seeds[k]``."""

    seeds: tuple[int, ...]
    full: tuple[Outcome, ...]
    off: dict[str, tuple[Outcome, ...]]
    made: int  # runs made now; the others were found
    all: int


def make_runs(
    study: Study, arms: Sequence[Arm], store: RunStore, *, threads: int = 2, progress: "Progress | None" = None
) -> Runs:
    """Run the full chain and every arm with every seed.

    Ctrl-C ends the runs under way within a moment; finished ones stay in ``store``.

    Raises
    ------
    DataError
        If the full chain never trades, or over fewer than 30 days: nothing could be compared.
    """
    work = _Work(study, store, threads, progress)
    others = {a.config.digest(): a.config for a in arms}  # two rows that switch the same share their runs
    others.pop(study.config.digest(), None)
    work.total = (1 + len(others)) * len(study.seeds)
    prepare_bars(study.market)  # what it keeps with the market is made once, before threads ask for it
    full = tuple(o for _, o in work.run([(study.config, seed) for seed in study.seeds]))
    _check_full(full)
    rest = [(c, seed) for seed in study.seeds for c in others.values()]
    done = {(c.digest(), seed): o for (c, seed), o in work.run(rest)}
    done |= {(study.config.digest(), seed): o for seed, o in zip(study.seeds, full, strict=True)}
    off = {a.name: tuple(done[a.config.digest(), seed] for seed in study.seeds) for a in arms}
    return Runs(study.seeds, full, off, work.made, work.total)


def _check_full(full: Sequence[Outcome]) -> None:
    days = len(full[0].returns)
    if days < FEWEST_DAYS:
        raise DataError(
            f"the market has {days} days; at least {FEWEST_DAYS} expected for intervals from daily differences"
        )
    if not any(o.n_trades for o in full):
        raise DataError(
            "the full chain closed no trade with any seed; expected trades, else there is nothing to compare"
        )


class _Work:
    """A queue of runs on a few threads."""

    def __init__(self, study: Study, store: RunStore, threads: int, progress: "Progress | None") -> None:
        self.study, self.store, self.threads, self.progress = study, store, max(1, threads), progress
        self.total = self.done = self.made = 0
        self.ended = threading.Event()

    def run(self, tasks: Sequence[tuple[Config, int]]) -> list[tuple[tuple[Config, int], Outcome]]:
        """Outcomes in the order of the tasks."""
        waiting, going, found = iter(enumerate(tasks)), set[Future[Any]](), dict[int, Outcome]()
        with self._pool() as pool:
            while True:
                while len(going) < self.threads and (task := next(waiting, None)) is not None:
                    going.add(pool.submit(self._one, *task))
                if not going:
                    break
                ready, going = wait(going, return_when=FIRST_COMPLETED)
                for future in ready:
                    k, found[k], new = future.result()
                    self._tick(new)
        return [(task, found[k]) for k, task in enumerate(tasks)]

    def _one(self, k: int, task: tuple[Config, int]) -> tuple[int, Outcome, bool]:
        """Number, outcome, and whether it had to be made."""
        config, seed = task
        s = self.study
        key = s.run_key(config, seed)
        found = self.store.load(key)
        if found is not None:
            return k, found, False
        outcome = run_once(s.market, s.context, s.tape(seed), config, seed, s.tables, s.script, self._go_on)
        self.store.save(key, outcome)
        return k, outcome, True

    def _go_on(self, _done: int, _all: int) -> None:
        if self.ended.is_set():
            raise EndedError

    def _tick(self, new: bool) -> None:
        self.done += 1
        self.made += new
        if self.progress is not None:
            self.progress(self.done, self.total)

    @contextmanager
    def _pool(self) -> Iterator[ThreadPoolExecutor]:
        """Threads that are told to end whatever ends the wait for them, Ctrl-C included."""
        pool = ThreadPoolExecutor(self.threads)
        try:
            yield pool
        except BaseException:
            self.ended.set()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
