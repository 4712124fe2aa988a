"""``check_lookahead``: does anything decided up to a bar depend on what came after it? (DESIGN section 3, parity 2.)

The whole run is compared with runs over heads of the market, as if the data had ended there: inputs, decisions, fills and
account up to the cut must be equal bit for bit. A look-ahead of h bars shows only where the cut falls within h bars after
the row that looked ahead, so look-ahead that happens now and then needs many cuts: ``cuts="all"`` makes every one, on a
window of some hundred bars in seconds.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from qt_core.config import Config
from qt_core.engine import backtest
from qt_core.engine.result import Result
from qt_core.errors import DataError
from qt_core.features.context import chain_context
from qt_core.features.frame import compute_features
from qt_core.market import Market, span_text
from qt_core.signal.rules import rule_tape
from research.checks.prefixes import STAGES, Difference, Inputs, input_differences, result_differences

__all__ = ["Difference", "Inputs", "LookaheadReport", "build_inputs", "check_lookahead", "run_inputs"]

Build = Callable[[Market], Inputs]
Run = Callable[[Inputs, Config, int], Result]
Progress = Callable[[int, int], None]

DEFAULT_CUTS = 24


@dataclass(frozen=True)
class LookaheadReport:
    """What the check compared, and where the future showed.

    Attributes
    ----------
    cuts : how many bars each head had. rows : decisions, events and trades of the whole run, so that an empty
    comparison is seen. first : the earliest difference of every stage that has one, in the order of time and chain.
    found_in : stage -> number of cuts in which it differed.
    """

    span: str
    cuts: tuple[int, ...]
    rows: dict[str, int]
    first: tuple[Difference, ...]
    found_in: dict[str, int]

    @property
    def ok(self) -> bool:
        """True where no number depended on the future."""
        return not self.first

    @property
    def cause(self) -> Difference | None:
        """The earliest difference: what looked ahead; the others may follow from it."""
        return self.first[0] if self.first else None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        first = [dict(d.__dict__) for d in self.first]
        return {"ok": self.ok, "span": self.span, "cuts": list(self.cuts), "rows": self.rows, "first": first}

    def text(self) -> str:
        """For people: verdict, what was compared, one line per stage that differs."""
        rows = ", ".join(f"{n} {what}" for what, n in self.rows.items())
        head = f"{len(self.cuts)} cuts over {self.span}; whole run: {rows}"
        if self.ok:
            return f"no look-ahead found\n{head}"
        lines = [f"{d.text()} (in {self.found_in[d.stage]} of {len(self.cuts)} cuts)" for d in self.first]
        return "\n".join(["LOOK-AHEAD", f"  {lines[0]}", *(f"  then {line}" for line in lines[1:]), head])


def build_inputs(market: Market) -> Inputs:
    """Features, chain context and rule signals of a market: what ``build`` does unless told otherwise."""
    context = chain_context(market)
    return Inputs(market, context, rule_tape(market, context), compute_features(market))


def run_inputs(inputs: Inputs, config: Config, seed: int) -> Result:
    """``backtest`` with the journal on: what ``run`` does unless told otherwise."""
    return backtest(inputs.market, inputs.tape, config, seed, context=inputs.context)


def check_lookahead(
    market: Market,
    config: Config,
    cuts: "int | Sequence[int] | str" = DEFAULT_CUTS,
    *,
    seed: int = 0,
    build: Build = build_inputs,
    run: Run = run_inputs,
    progress: Progress | None = None,
) -> LookaheadReport:
    """Compare the run over ``market`` with runs over its heads.

    Parameters
    ----------
    cuts : lengths of the heads in bars; a number of them to choose (half after bars that decide or fill, half anywhere); or
        "all".
    build : from a market, whole or head, to everything computed from it, the market included: the place for other
        features, models or universes.
    run : from inputs to a result. progress : called with (cuts done, all).

    Raises
    ------
    DataError
        If the market is too short or a cut lies outside it.
    """
    full = build(market)
    whole = run(full, config, seed)
    chosen = _choose(cuts, market, whole, seed)
    first: dict[str, Difference] = {}
    found_in = dict.fromkeys(STAGES, 0)
    for done, cut in enumerate(chosen):
        met = set()
        for d in _differences(full, whole, market.head(cut), config, seed, build, run):
            met.add(d.stage)
            if d.stage not in first or d.rank() < first[d.stage].rank():
                first[d.stage] = d
        for stage in met:
            found_in[stage] += 1
        if progress is not None:
            progress(done + 1, len(chosen))
    rows = {"decisions": len(whole.decisions), "events": len(whole.events), "trades": len(whole.trades)}
    ordered = tuple(sorted(first.values(), key=Difference.rank))
    return LookaheadReport(span_text(market), chosen, rows, ordered, {k: n for k, n in found_in.items() if n})


def _differences(
    full: Inputs, whole: Result, market: Market, config: Config, seed: int, build: Build, run: Run
) -> Iterator[Difference]:
    head = build(market)
    yield from input_differences(full, head, market.n_bars)
    yield from result_differences(whole, run(head, config, seed), full.market, market.n_bars)


def _choose(cuts: "int | Sequence[int] | str", market: Market, whole: Result, seed: int) -> tuple[int, ...]:
    """Lengths of the heads, ascending."""
    last = market.n_bars - 1
    if last < 1:
        raise DataError(f"market of {market.n_bars} bars: at least two expected to cut one off")
    if cuts == "all":
        return tuple(range(1, last + 1))
    if isinstance(cuts, str):
        raise DataError(f"cuts {cuts!r}: a number, a list of bar counts or 'all' expected")
    if isinstance(cuts, int):
        return _sample(cuts, market, whole, seed)
    outside = [c for c in cuts if not 1 <= c <= last]
    if outside or not cuts:
        raise DataError(f"cuts {outside or 'none'}: bar counts from 1 to {last} expected")
    return tuple(sorted({int(c) for c in cuts}))


def _sample(n: int, market: Market, whole: Result, seed: int) -> tuple[int, ...]:
    """``n`` cuts: half right after bars that decide or fill, where a difference would matter, the rest anywhere."""
    last = market.n_bars - 1
    if n < 1:
        raise DataError(f"cuts {n}: at least one expected")
    rng = np.random.Generator(np.random.PCG64(seed))
    decided = (whole.decisions["time_ms"] - int(market.time[0])) // market.timeframe_ms
    pool = np.union1d(decided, decided + 1)  # the bar that decides is the last, or the one that fills is
    pool = pool[(pool >= 1) & (pool <= last)]
    chosen = set(rng.choice(pool, min(len(pool), n // 2), replace=False).tolist())
    rest = np.setdiff1d(np.arange(1, last + 1), np.array(sorted(chosen), dtype=np.int64))
    chosen |= set(rng.choice(rest, min(len(rest), n - len(chosen)), replace=False).tolist())
    return tuple(sorted(int(c) for c in chosen))
