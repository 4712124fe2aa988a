"""The runs of a comparison and what can be said of them: figures with bootstrap intervals, and each against random sides."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from qt_core.config import Config
from qt_core.features.context import ChainContext
from qt_core.market import Market
from qt_core.signal.tape import SignalTape
from research.ablation.compare import FIGURES, block_length, days_of, figures_of
from research.ablation.outcome import Outcome, run_once
from research.compare.arms import (
    ENSEMBLE,
    HOLD,
    RANDOM,
    Arm,
    buy_and_hold,
    model_arms,
    random_arm,
    rules_arm,
)
from research.statistics.bootstrap import percentile_interval, sign_p_value, stationary_index
from research.training.verdict import Verdict, daily_gross, judge, leaning

RESAMPLES = 2000
SEEDS = 5
RATE_STEPS = 12  # of the search for the rate at which random sides turn over as much as the ensemble
LEAST_RATE = 1e-4


class Figure(NamedTuple):
    """A figure and its 95 % interval over resampled days, None where it cannot be given."""

    value: float
    low: float
    high: float


class Line(NamedTuple):
    """One maker of signals; figures are means over seeds."""

    name: str
    figures: dict[str, Figure]
    against_random: "Figure | None"  # annual return above random sides of equal turnover, fraction
    p: "float | None"  # of that difference, two-sided
    fees_usd: float
    slippage_usd: float
    funding_usd: float
    curve: list[float]  # equity at the end of each day, from 1, mean over seeds
    seeds: int


class Comparison(NamedTuple):
    """All lines over the same days."""

    lines: list[Line]
    gross: dict[str, Verdict]  # what each model's leaning knew of the next bars, before any cost; see training.verdict
    first_day: int  # UTC day number
    days: int
    random_rate: float
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
    total = len(arms) * seeds + RATE_STEPS + seeds
    done = 0

    def run(arm: Arm, seed: int) -> Outcome:
        nonlocal done
        done += 1
        if progress is not None:
            progress(min(done, total), total)
        return run_once(market, context, arm.tape, arm.config, seed)

    for arm in arms:
        outcomes[arm.name] = [run(arm, seed) for seed in range(seeds)]
    wanted = float(np.mean([o.turnover.sum() for o in outcomes[ENSEMBLE]]))
    rate = find_rate(wanted, lambda r: float(run(random_arm(config, market, r, 0, tape), 0).turnover.sum()))
    outcomes[RANDOM] = [run(random_arm(config, market, rate, seed, tape), seed) for seed in range(seeds)]
    outcomes[HOLD] = [buy_and_hold(market, config)]
    lines = [_line(name, of, outcomes[RANDOM]) for name, of in outcomes.items()]
    return Comparison(
        lines,
        gross_of(tape, market, slots),
        int(market.time[0] // 86_400_000),
        len(outcomes[HOLD][0].returns),
        rate,
        market.source,
    )


def gross_of(tape: SignalTape, market: Market, slots: tuple[str, ...]) -> dict[str, Verdict]:
    """Verdicts on all models together and on each alone."""
    shown = slice(0, len(slots))
    out = {ENSEMBLE: judge(daily_gross(leaning(tape.proba[:, :, shown], tape.available[:, :, shown]), market))}
    for k, name in enumerate(slots):
        one = leaning(tape.proba[:, :, k : k + 1], tape.available[:, :, k : k + 1])
        out[name] = judge(daily_gross(one, market))
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


def _line(name: str, outcomes: list[Outcome], random: list[Outcome]) -> Line:
    """Figures of one arm; days are resampled, the same ones for every seed and for the random arm beside it."""
    days, other = days_of(outcomes), days_of(random)
    mean = days.returns.mean(axis=1)
    n = len(mean)
    index = stationary_index(n, block_length(mean), RESAMPLES, np.random.default_rng(0))
    once = np.arange(n)[:, None]
    point, drawn = figures_of(days, once), figures_of(days, index)
    figures = {k: Figure(float(point[k].mean()), *percentile_interval(drawn[k].mean(axis=1))) for k in FIGURES}
    difference, p = None, None
    if name != RANDOM:
        beside, beside_drawn = figures_of(other, once)["annual_return"], figures_of(other, index)["annual_return"]
        gap = drawn["annual_return"].mean(axis=1) - beside_drawn.mean(axis=1)
        value = float(point["annual_return"].mean() - beside.mean())
        difference, p = Figure(value, *percentile_interval(gap)), sign_p_value(gap)
    fees, slippage, funding = (
        float(np.mean([getattr(o, k) for o in outcomes])) for k in ("fees_usd", "slippage_usd", "funding_usd")
    )
    curve = np.concatenate([[1.0], np.cumprod(1.0 + days.returns, axis=0).mean(axis=1)])
    levels = [round(float(x), 6) for x in curve]
    return Line(name, figures, difference, p, fees, slippage, funding, levels, len(outcomes))


def document(c: Comparison, config: Config, models: list[dict[str, Any]]) -> dict[str, Any]:
    """The comparison as plain JSON; unknown figures are null."""
    rows = [
        {
            "name": x.name,
            "seeds": x.seeds,
            **{k: _plain(f) for k, f in x.figures.items()},
            "against_random": None if x.against_random is None else {**_plain(x.against_random), "p": x.p},
            "fees_usd": x.fees_usd,
            "slippage_usd": x.slippage_usd,
            "funding_usd": x.funding_usd,
            "curve": x.curve,
            "gross": None if x.name not in c.gross else _plain(c.gross[x.name]),
        }
        for x in c.lines
    ]
    return {
        "format": "qt-compare/1",
        "market": c.market,
        "first_day": c.first_day,
        "days": c.days,
        "random_rate": c.random_rate,
        "config_digest": config.digest(),
        "config": json.loads(json.dumps(config.as_dict(), default=str)),  # dates as text
        "models": models,
        "lines": rows,
    }


def _plain(f: "Figure | Verdict") -> dict[str, Any]:
    return {k: None if v != v else v for k, v in f._asdict().items()}
