"""``backtest``: a Market, a SignalTape and a Config in; a Result out."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from qt_core import records as rec
from qt_core._jit import INTERPRETED, compile_lock
from qt_core.arrays import aligned
from qt_core.codes import PX_NAMES
from qt_core.config import Config
from qt_core.engine.hearing import check_script, hear_before, next_scripted, play_bar, speaks_inside
from qt_core.engine.journals import give_back, grow, take_journal
from qt_core.engine.result import Result
from qt_core.engine.run import Bars, run
from qt_core.engine.script import EMPTY, Script, script_of, with_gaps
from qt_core.errors import DataError
from qt_core.features.context import ChainContext, chain_context
from qt_core.market import Market, span_text
from qt_core.params_record import params_record
from qt_core.pipeline import Params, Rows
from qt_core.signal.tape import SignalTape, check_tape, model_names
from qt_core.state import Out, State, Venue, make_out, make_state, make_venue, memory_of, records
from qt_core.tables import QTables, put_tables

FUNDING_JITTER_MS = 60_000  # settlement times lie a few ms off the hour; within less than a minute they count as on it
_CHUNK = 20_000  # bars between two progress calls


@dataclass
class Session:
    """Arrays of one run, ready for ``run`` or for a bar-by-bar caller."""

    params: Any  # Params, as a record where compiled
    state: State
    venue: Venue
    bars: Bars
    rows: Rows
    out: Out
    curve: npt.NDArray[Any]
    next_bar: int = 0
    script: Script = EMPTY

    @property
    def n_bars(self) -> int:
        return int(self.bars.time.shape[0])


def _check_grid(market: Market, fine: Market, decision_ms: int) -> None:
    """Refuse finer bars that do not cover the market exactly, and decisions that do not fall on closes."""
    end, fine_end = (int(m.time[-1]) + m.timeframe_ms for m in (market, fine))
    if fine.symbols != market.symbols or fine.time[0] != market.time[0] or fine_end != end:
        raise DataError(f"finer bars cover {span_text(fine)}; the market's symbols and {span_text(market)} expected")
    if decision_ms <= 0 or decision_ms % fine.timeframe_ms != 0:
        raise DataError(f"decisions every {decision_ms} ms; a multiple of the bars' {fine.timeframe_ms} ms expected")


def interleaved(market: Market) -> npt.NDArray[np.float64]:
    """Prices ``[F, N, 8]``: what one bar of one symbol needs lies in one cache line (columns ``codes.PX_*``).

    A trade touches a few scattered bars; with a column per price each would cost a memory access per column. Made
    once per Market and kept with it.
    """
    kept: npt.NDArray[np.float64] | None = market.__dict__.get("_interleaved")
    if kept is None:
        kept = aligned((market.n_bars, market.n_symbols, len(PX_NAMES)))
        for k, name in enumerate(PX_NAMES):
            kept[:, :, k] = getattr(market, name)
        market.__dict__["_interleaved"] = kept  # frozen: not a field, so replace() does not carry it over
    return kept


def prepare_bars(market: Market, decide_every_ms: int | None = None) -> Bars:
    """The finest bars of a market and the rows at which decisions fall.

    ``decide_every_ms`` (default: the market's own timeframe) lets a market of fine bars decide on a coarser grid.
    """
    fine = market.detail if market.detail is not None else market
    decision_ms = decide_every_ms or market.timeframe_ms
    _check_grid(market, fine, decision_ms)
    close_ms = fine.time + fine.timeframe_ms
    decision = np.full(fine.n_bars, -1, dtype=np.int64)
    on_grid = np.flatnonzero((close_ms - market.time[0]) % decision_ms == 0)
    decision[on_grid] = np.arange(len(on_grid))
    due = np.searchsorted(fine.time, market.funding_time_ms - FUNDING_JITTER_MS, side="right")
    keep = due < fine.n_bars
    return Bars(
        time=fine.time,
        px=interleaved(fine),
        volume=fine.volume,
        valid=fine.valid,
        funding_start=np.searchsorted(due[keep], np.arange(fine.n_bars + 1), side="left").astype(np.int64),
        funding_symbol=np.ascontiguousarray(market.funding_symbol[keep]),
        funding_rate=np.ascontiguousarray(market.funding_rate[keep]),
        specs=records(market.specs),
        brackets=records(market.brackets),
        decision=decision,
        curve_row=decision,
        busy=np.zeros(0, dtype=np.bool_),
        bar_ms=fine.timeframe_ms,
        decision_ms=decision_ms,
    )


def prepare_rows(market: Market, tape: SignalTape, context: ChainContext) -> Rows:
    """Decision inputs, checked for shape and dtype (another layout would silently compile a second machine code)."""
    t = context.values.shape[0]
    check_tape(tape, t, market.n_symbols)
    if context.values.dtype != np.float64 or not context.values.flags.c_contiguous:
        raise DataError("chain context must be C-ordered float64")
    return Rows(
        proba=tape.proba,
        available=np.ascontiguousarray(tape.available),
        ctx=context.values,
        eligible=np.ascontiguousarray(context.eligible),
        brackets=records(market.brackets),
        n_brackets=np.ascontiguousarray(market.specs["n_brackets"]),
        correlation=context.correlation,
        correlation_row=context.correlation_row,
    )


def first_state(market: Market, config: Config, seed: int, tables: QTables | None = None) -> State:
    """The State before the first bar, with what the configuration says of symbols, policies and learned tables."""
    p = config.params()
    state = make_state(market.symbols, market.specs, p.chain.initial_equity_usd, ensemble_weights(p), seed)
    memory_of(state)["policy_table"] = config.policy_table()
    for names, field in ((config.main_symbols, "is_main"), (config.denied_symbols, "denied")):
        state.symbol[field] = [int(s in names) for s in market.symbols]
    if tables is not None:
        put_tables(state, tables)
    return state


def ensemble_weights(p: Params) -> tuple[float, ...]:
    """Base weights of the four models, sum 1."""
    e = p.ensemble
    return (e.weight_xgb, e.weight_lgbm, e.weight_nhits, e.weight_patchtst)


def open_session(
    market: Market,
    tape: SignalTape,
    config: Config,
    *,
    seed: int = 0,
    context: ChainContext | None = None,
    journal: bool = True,
    decide_every_ms: int | None = None,
    out: Out | None = None,
    tables: QTables | None = None,
    script: Script = EMPTY,
) -> Session:
    """State, venue and inputs before the first bar.

    Raises
    ------
    DataError
        Tape or context of another shape, or not one row of them per decision bar.
    FaultError
        A script made for another market.
    """
    p = config.params()
    context = chain_context(market) if context is None else context
    bars = prepare_bars(market, decide_every_ms)
    rows = prepare_rows(market, tape, context)
    n_rows = int(bars.decision.max()) + 1
    if rows.ctx.shape[0] != n_rows:
        raise DataError(f"chain context has {rows.ctx.shape[0]} rows, expected {n_rows}, one per decision bar")
    session = Session(
        params=params_record(p),
        state=first_state(market, config, seed, tables),
        venue=make_venue(market.n_symbols, p.chain.initial_equity_usd),
        bars=bars,
        rows=rows,
        out=make_out(market.n_symbols, keep=(True, journal, journal)) if out is None else out,
        curve=records(np.zeros(n_rows, dtype=rec.CURVE_DT)),
        script=script,
    )
    check_script(script, session)
    return session


def advance(s: Session, until: int | None = None, progress: Callable[[int, int], None] | None = None) -> None:
    """Run bars up to ``until`` (default all); may be called again to go on. The script is spoken where its time comes."""
    end = s.n_bars if until is None else min(until, s.n_bars)
    while s.next_bar < end:
        scripted = next_scripted(s, s.next_bar)
        if scripted == s.next_bar:
            hear_before(s)
            if speaks_inside(s):
                play_bar(s)
                continue
            scripted = next_scripted(s, s.next_bar + 1)
        _run_to(s, min(scripted, end if progress is None else min(end, s.next_bar + _CHUNK)))
        if progress is not None:
            progress(s.next_bar, end)


def _run_to(s: Session, stop: int) -> None:
    """The compiled loop up to bar ``stop``, with more room for the journal where it asks for it."""
    while s.next_bar < stop:
        s.next_bar = run(s.params, s.state, s.venue, s.bars, s.rows, s.out, s.curve, s.next_bar, stop)
        if s.next_bar < stop:
            s.out = grow(s.out)


def warm_up() -> bool:
    """Compile (or load from the cache) the run loop, one process at a time; True if the cache was empty."""
    if INTERPRETED or run.signatures:  # type: ignore[attr-defined]
        return False
    from qt_core.engine.warm import tiny_session  # late: avoids a cycle

    with compile_lock():
        s = tiny_session()
        advance(s)
        stats = run.stats  # type: ignore[attr-defined]
    return bool(stats.cache_misses)


def backtest(
    market: Market,
    tape: SignalTape,
    config: Config,
    seed: int = 0,
    *,
    context: ChainContext | None = None,
    journal: bool = True,
    decide_every_ms: int | None = None,
    tables: QTables | None = None,
    script: Script | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Result:
    """Run the whole chain over a market.

    Parameters
    ----------
    tape : signals per decision bar. context : chain columns per decision bar; computed from the market when None.
    journal : keep decision and event rows (digest and counters are always kept). tables : what modules 19 and 21 have
    learned before. script : faults by time, see ``engine.script``; None = those of the configuration. Its gaps are taken
    out of the market here; a context or tape of the caller's should know of them (``with_gaps``). progress : called with
    (bars done, all).

    Returns
    -------
    Result
        ``r.trades r.curve r.decisions r.events r.metrics r.state r.digest()``.
    """
    script = script_of(config.faults, market) if script is None else script
    market = with_gaps(market, script)
    s = open_session(
        market,
        tape,
        config,
        seed=seed,
        context=context,
        decide_every_ms=decide_every_ms,
        tables=tables,
        script=script,
        out=take_journal(market.n_symbols, (True, journal, journal)),
    )
    advance(s, progress=progress)
    result = Result.of(s, market, config, seed, model_names(tape))
    give_back(s.out)
    return result
