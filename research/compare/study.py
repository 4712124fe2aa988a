"""The runs of a comparison and what can be said of them: figures with bootstrap intervals, and each against random sides."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from qt_core.config import Config
from qt_core.features.context import ChainContext
from qt_core.market import Market
from qt_core.signal.tape import SignalTape
from research.ablation.compare import FIGURES, Days, FloatArray, Index, block_length, days_of, figures_of
from research.ablation.outcome import Outcome, run_once
from research.compare.arms import (
    ENSEMBLE,
    HOLD,
    RANDOM,
    WEIGHTS,
    Arm,
    buy_and_hold,
    confidence_of,
    model_arms,
    random_arm,
    rules_arm,
)
from research.statistics.bootstrap import percentile_interval, sign_p_value, stationary_index
from research.training.verdict import Verdict, found_half_the_time, leaning, looks

RESAMPLES = 2000
SEEDS = 5
RATE_STEPS, RATE_SEEDS = 8, 3  # of the search for the rate at which random sides turn over as much as an arm
CHANCE_SEEDS = 10  # tapes of random sides beside every arm
LEAST_RATE = 1e-4


class Figure(NamedTuple):
    """A figure and its 95 % interval over resampled days, None where it cannot be given."""

    value: float
    low: float
    high: float


class Against(NamedTuple):
    """Annual return above random sides of equal turnover and confidence, a fraction, with its 95 % interval."""

    value: float
    low: float
    high: float
    p: float  # two-sided
    turnover: float  # of the random sides, of equity a day


class Line(NamedTuple):
    """One maker of signals; figures are means over seeds."""

    name: str
    figures: dict[str, Figure]
    against_random: "Against | None"  # None where the arm never acts, or is no arm of the chain
    fees_usd: float
    slippage_usd: float
    funding_usd: float
    curve: list[float]  # equity at the end of each day, from 1, mean over seeds
    seeds: int


class Comparison(NamedTuple):
    """All lines over the same days."""

    lines: list[Line]
    gross: dict[str, dict[str, Verdict]]  # what each maker's leaning knew before any cost; see training.verdict
    first_day: int  # UTC day number
    days: int
    market: str


def compare(
    market: Market,
    context: ChainContext,
    tape: SignalTape,
    config: Config,
    slots: tuple[str, ...],
    *,
    seeds: int = SEEDS,
    progress: "Callable[[int, int], None] | None" = None,
) -> Comparison:
    """Run every arm through the full chain with every seed of its exploration, and hold the symbols once."""
    arms = [*model_arms(config, tape, slots), rules_arm(config, market, context)]
    outcomes: dict[str, list[Outcome]] = {}
    total = len(arms) * (seeds + RATE_STEPS * RATE_SEEDS + CHANCE_SEEDS)
    done = 0

    def run(arm: Arm, seed: int) -> Outcome:
        nonlocal done
        done += 1
        if progress is not None:
            progress(min(done, total), total)
        return run_once(market, context, arm.tape, arm.config, seed)

    chance: dict[str, list[Outcome]] = {}
    for arm in arms:
        outcomes[arm.name] = [run(arm, seed) for seed in range(seeds)]
        chance[arm.name] = _chance(arm, market, outcomes[arm.name], run)
    if chance[ENSEMBLE]:
        outcomes[RANDOM] = chance[ENSEMBLE]
    outcomes[HOLD] = [buy_and_hold(market, config)]
    lines = [_line(name, of, chance.get(name, [])) for name, of in outcomes.items()]
    return Comparison(
        lines,
        gross_of(tape, market, slots, config),
        int(market.time[0] // 86_400_000),
        len(outcomes[HOLD][0].returns),
        market.source,
    )


def _chance(arm: Arm, market: Market, own: list[Outcome], run: Callable[[Arm, int], Outcome]) -> list[Outcome]:
    """Random sides that turn over as much as an arm, with the confidence it has; none where it never acts."""
    wanted, confidence = float(np.mean([o.turnover.sum() for o in own])), confidence_of(arm)
    if wanted <= 0.0 or confidence is None:
        return []

    def turnover(rate: float) -> float:
        made = [run(random_arm(arm, market, rate, seed, confidence), seed) for seed in range(RATE_SEEDS)]
        return float(np.mean([o.turnover.sum() for o in made]))

    rate = find_rate(wanted, turnover)
    return [run(random_arm(arm, market, rate, seed, confidence), seed) for seed in range(CHANCE_SEEDS)]


def gross_of(tape: SignalTape, market: Market, slots: tuple[str, ...], config: Config) -> dict[str, dict[str, Verdict]]:
    """The four looks at all models together, weighed as configured, and at each alone."""
    p = config.params()
    weights = np.array([getattr(p.ensemble, key) for key in WEIGHTS])
    horizon = p.supervisor.horizon_bars
    out = {
        ENSEMBLE: looks(
            leaning(tape.proba, tape.available, weights), np.asarray(tape.available.any(axis=2)), market, horizon
        )
    }
    for k, name in enumerate(slots):
        one = leaning(tape.proba[:, :, k : k + 1], tape.available[:, :, k : k + 1])
        out[name] = looks(one, tape.available[:, :, k], market, horizon)
    return out


def find_rate(wanted: float, turnover_of: Callable[[float], float]) -> float:
    """The rate of random signals whose turnover is nearest to ``wanted``, by bisection; 0 for no turnover at all."""
    if wanted <= 0.0:
        return 0.0
    low, high = LEAST_RATE, 1.0
    best, gap = high, np.inf
    for _ in range(RATE_STEPS):
        rate = float(np.sqrt(low * high))
        found = turnover_of(rate)
        if abs(found - wanted) < gap:
            best, gap = rate, abs(found - wanted)
        low, high = (rate, high) if found < wanted else (low, rate)
    return best


def _line(name: str, outcomes: list[Outcome], chance: list[Outcome]) -> Line:
    """Figures of one arm; days are resampled, the same ones for every seed and for the random sides beside it."""
    days = days_of(outcomes)
    mean = days.returns.mean(axis=1)
    n = len(mean)
    index = stationary_index(n, block_length(mean), RESAMPLES, np.random.default_rng(0))
    point, drawn = figures_of(days, np.arange(n)[:, None]), figures_of(days, index)
    figures = {k: Figure(float(point[k].mean()), *percentile_interval(drawn[k].mean(axis=1))) for k in FIGURES}
    against = _against(point["annual_return"][0], drawn["annual_return"], days_of(chance), index) if chance else None
    fees, slippage, funding = (
        float(np.mean([getattr(o, k) for o in outcomes])) for k in ("fees_usd", "slippage_usd", "funding_usd")
    )
    curve = np.concatenate([[1.0], np.cumprod(1.0 + days.returns, axis=0).mean(axis=1)])
    levels = [round(float(x), 6) for x in curve]
    return Line(name, figures, against, fees, slippage, funding, levels, len(outcomes))


def _against(own: FloatArray, own_drawn: FloatArray, chance: Days, index: Index) -> Against:
    """Annual return above random sides; their seeds are resampled with the days, for they are as much chance."""
    n = len(chance.returns)
    beside = figures_of(chance, np.arange(n)[:, None])
    drawn = figures_of(chance, index)["annual_return"]
    rng = np.random.default_rng(1)
    seeds = rng.integers(0, drawn.shape[1], drawn.shape)
    gap = own_drawn.mean(axis=1) - np.take_along_axis(drawn, seeds, axis=1).mean(axis=1)
    value = float(own.mean() - beside["annual_return"].mean())
    return Against(value, *percentile_interval(gap), sign_p_value(gap), float(beside["turnover"].mean()))


def document(c: Comparison, config: Config, models: list[dict[str, Any]]) -> dict[str, Any]:
    """The comparison as plain JSON; unknown figures are null."""
    rows = [
        {
            "name": x.name,
            "seeds": x.seeds,
            **{k: _plain(f) for k, f in x.figures.items()},
            "against_random": None if x.against_random is None else _plain(x.against_random),
            "fees_usd": x.fees_usd,
            "slippage_usd": x.slippage_usd,
            "funding_usd": x.funding_usd,
            "curve": x.curve,
            "gross": {name: _plain(v) for name, v in c.gross.get(x.name, {}).items()},
        }
        for x in c.lines
    ]
    return {
        "format": "qt-compare/2",
        "market": c.market,
        "first_day": c.first_day,
        "days": c.days,
        "config_digest": config.digest(),
        "config": json.loads(json.dumps(config.as_dict(), default=str)),  # dates as text
        "models": models,
        "found_half_the_time": found_half_the_time(c.days),
        "lines": rows,
    }


def _plain(f: "Figure | Against | Verdict") -> dict[str, Any]:
    return {k: None if v != v else v for k, v in f._asdict().items()}
