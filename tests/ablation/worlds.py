"""Made-up outcomes and small studies for the ablation's tests."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from qt_core.config import Config, load_config
from qt_core.features.context import chain_context
from qt_core.io.signals import signal_source
from qt_core.market import Market
from research.ablation.outcome import Outcome
from research.ablation.plan import MODULE, Arm
from research.ablation.runs import Runs, Study
from research.data import simulate_market
from tests.foundation import FOUR

SEEDS = (0, 1, 2)
# Strong random sides and only four modules on, so that much is traded in little time; the stop of 14 is absurd.
PLANTED: Mapping[str, Any] = {
    "modules": {**FOUR, "ess": "enforced"},
    "signals": {"source": "random", "random": {"rate": 0.2}},
    "tpsl": {"atr_multiple": 0.1, "atr_multiple_high": 0.1, "clip_low": 0.02},
}


@cache
def small_market() -> Market:
    return simulate_market(3, 1500, seed=5)


def study_of(raw: Mapping[str, Any], seeds: Sequence[int] = SEEDS) -> Study:
    config = load_config(raw)
    market = small_market()
    context = chain_context(market)
    return Study(
        config, market, context, lambda seed: signal_source(config, seed - config.seed)(market, context), tuple(seeds)
    )


def outcome(returns: Any, digest: int, turnover: Any = None, trades: Any = None) -> Outcome:
    """An outcome with these daily returns."""
    r = np.asarray(returns, dtype=np.float64)
    ones = np.ones(len(r))
    return Outcome(
        digest=digest,
        returns=r,
        turnover=0.1 * ones if turnover is None else np.asarray(turnover, dtype=np.float64),
        trades=ones if trades is None else np.asarray(trades, dtype=np.float64),
        bar_drawdown=0.0,
        fees_usd=0.0,
        funding_usd=0.0,
        slippage_usd=0.0,
        liquidations=0,
    )


def arm(name: str = "tpsl", off_already: bool = False, config: "Config | None" = None) -> Arm:
    return Arm(name, MODULE, (name,), config or load_config(), off_already)


def runs_of(full: Sequence[Outcome], **off: Sequence[Outcome]) -> Runs:
    return Runs(tuple(range(len(full))), tuple(full), {k: tuple(v) for k, v in off.items()}, 0, 0)
