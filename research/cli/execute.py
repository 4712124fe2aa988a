"""One configured run, step by step and timed: market, context, signals, backtest, and the fill-assumption band."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from qt_core.config import Config
from qt_core.engine.result import Result
from qt_core.engine.script import EMPTY, Script, script_of, with_gaps
from qt_core.engine.session import backtest
from qt_core.features.context import ChainContext, chain_context
from qt_core.io.inputs import load_config_market, load_config_tables
from qt_core.io.qtables import TableFile
from qt_core.io.signals import signal_source
from qt_core.market import Market
from qt_core.signal.tape import SignalTape
from research.cli.warm import compile_kernels, compile_steps
from research.report.summary import summarise

Progress = Callable[[int, int], None]
ASSUMPTIONS = ("pessimistic", "optimistic")


@dataclass
class Run:
    """Inputs and result of a configured run; ``seconds`` by step."""

    config: Config
    market: Market
    context: ChainContext
    tape: SignalTape
    seconds: dict[str, float] = field(default_factory=dict)
    result: "Result | None" = None
    band: dict[str, Result] = field(default_factory=dict)
    tables: "TableFile | None" = None
    script: Script = EMPTY

    @property
    def symbol_bars(self) -> int:
        """Bars the engine walks (finer ones where there are any) times symbols."""
        fine = self.market.detail if self.market.detail is not None else self.market
        return fine.n_bars * fine.n_symbols

    def summary(self) -> dict[str, Any]:
        """The document of ``research.report.summarise``."""
        assert self.result is not None
        out = summarise(self.result, seconds=self.seconds, symbol_bars=self.symbol_bars, band=self.band)
        if self.tables is not None:
            out["tables_digest"] = self.tables.digest
        if self.script.commands:
            from research.report.faults import reactions

            out["faults"] = [reaction._asdict() for reaction in reactions(self.result)]
        return out


def prepare(config: Config, say: Callable[[str], None]) -> Run:
    """Everything up to the backtest: bad input ends here, before anything is compiled or written."""
    signals = signal_source(config)
    tables = load_config_tables(config)
    seconds: dict[str, float] = {}
    market = _timed(seconds, "load", lambda: load_config_market(config))
    script = script_of(config.faults, market)
    market = with_gaps(market, script)
    seconds["compile"] = compile_kernels(say) + (compile_steps(say) if script.commands else 0.0)
    context = _timed(seconds, "features", lambda: chain_context(market))
    tape = _timed(seconds, "signals", lambda: signals(market, context))
    return Run(config, market, context, tape, seconds, tables=tables, script=script)


def run_config(
    config: Config,
    *,
    band: bool = False,
    journal: bool = True,
    say: Callable[[str], None] = lambda text: None,
    progress: "Progress | None" = None,
) -> Run:
    """Load, prepare and run; with ``band`` also under the fill assumption the configuration does not choose."""
    run = prepare(config, say)
    run.result = _timed(run.seconds, "run", lambda: _backtest(run, config, journal, progress))
    if band:
        chosen = ASSUMPTIONS[config.params().venue.intrabar]
        for name in ASSUMPTIONS:
            other = config.with_values({"venue.intrabar": name})
            run.band[name] = run.result if name == chosen else _backtest(run, other, False, progress)
    return run


def _backtest(run: Run, config: Config, journal: bool, progress: "Progress | None") -> Result:
    return backtest(
        run.market,
        run.tape,
        config,
        seed=config.seed,
        context=run.context,
        journal=journal,
        tables=None if run.tables is None else run.tables.tables,
        script=run.script,
        progress=progress,
    )


def _timed(seconds: dict[str, float], name: str, step: Callable[[], Any]) -> Any:
    start = time.perf_counter()
    out = step()
    seconds[name] = time.perf_counter() - start
    return out
