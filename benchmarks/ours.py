"""Our engine as timed callables on a bench tape: market, tape, context and configuration given, one run per call."""

from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.tape import SWEEP_CASH_USD, Bench
from qt_core.config import load_config
from qt_core.context.orchestrator_policy import ROW_NAMES
from qt_core.engine import backtest
from qt_core.engine.session import Session, advance, open_session
from research.crosscheck import engine
from research.crosscheck.case import Trades
from research.crosscheck.harness import Setup


class Ours:
    """``backtest`` with every module OFF but TP/SL: opening the session and making the result are part of the time."""

    def __init__(self, bench: Bench, entry_bar_tested: bool, journal: bool = False) -> None:
        self.bench, self.journal = bench, journal
        self.tape = engine.make_tape(bench.cases)
        self.context = engine.open_context(bench.market)
        self.config = load_config(engine.config_dict(bench.setup, entry_bar_tested))

    def run(self) -> Any:
        return backtest(self.bench.market, self.tape, self.config, seed=0, context=self.context, journal=self.journal)

    def opened(self) -> Session:
        """A session before its first bar."""
        return open_session(self.bench.market, self.tape, self.config, context=self.context, journal=self.journal)

    @staticmethod
    def loop(session: Session) -> None:
        """The loop over bars alone, of an opened session."""
        advance(session)

    def trades(self) -> list[Trades]:
        return engine.neutral(self.bench.market, self.bench.cases, self.run())


# Large equity: a kill switch that latched on this unprofitable tape would leave nothing to time.
DEFAULT: dict[str, Any] = {"chain": {"initial_equity_usd": 1e6}}
# Every module on, with filters and stops so wide that random sides keep at least five positions open.
BUSY: dict[str, Any] = {
    **DEFAULT,
    "hfos": {"streak_cautious": 1000, "streak_defensive": 1000},
    "msc": {"defensive_mean_r": -10.0, "ban_mean_r": -10.0},
    "orchestrator": {"table": {row: {"min_confidence": 0.2, "allow_trades": "yes"} for row in ROW_NAMES}},
    "strategy": {"revert_band": 1.0, "revert_rsi": 100.0, "breakout_slack": 1.0, "range_edge": 1.0, "trend_gap": 0.0},
    "balancer": {"max_correlated": 1000, "max_side_share": 1.0},
    "aelm": {"market_score": 0.0},
    "tpsl": {"sl_anchor": 0.04, "tp_anchor": 0.08, "trail_activation_roi": 0.02},
}


class Chain(Ours):
    """``backtest`` with every module on, on the bench tape's sides."""

    def __init__(
        self, bench: Bench, journal: bool = False, context: Any = None, config: "dict[str, Any] | None" = None
    ) -> None:
        from qt_core.features.context import chain_context

        self.bench, self.journal = bench, journal
        self.tape = engine.make_tape(bench.cases)
        self.context = chain_context(bench.market) if context is None else context
        self.config = load_config(BUSY if config is None else config)


class OursSweep:
    """``sweep`` over stop and target in vectorbt's convention."""

    def __init__(self, bench: Bench, setups: list[Setup], threads: int) -> None:
        self.bench, self.threads = bench, threads
        self.tape = engine.make_tape(bench.cases)
        self.context = engine.open_context(bench.market)
        base = load_config(engine.config_dict(bench.setup, False)).with_values(
            {"chain.initial_equity_usd": SWEEP_CASH_USD}  # as vectorbt's; a larger one would drown cents in rounding
        )
        self.configs = [
            base.with_values({"tpsl.sl_anchor": s.stop_fraction, "tpsl.tp_anchor": s.target_fraction}) for s in setups
        ]

    def run(self) -> Any:
        from qt_core.engine import sweep

        return sweep(self.bench.market, self.tape, self.configs, threads=self.threads, context=self.context)

    def profits(self) -> npt.NDArray[np.float64]:
        """Final profit in USD of every configuration."""
        return np.asarray(self.run()["end_equity_usd"]) - SWEEP_CASH_USD


def signatures() -> dict[str, int]:
    """Compiled signatures per entry point of the run loop."""
    from qt_core.engine import run as loop

    return {"run": len(loop.run.signatures)}  # type: ignore[attr-defined]
