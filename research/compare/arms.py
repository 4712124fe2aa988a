"""What is compared: signals of several makers through the same chain, and holding the symbols without any."""

from typing import NamedTuple

import numpy as np

from qt_core.config import Config
from qt_core.features.context import ChainContext
from qt_core.io.inputs import rule_params
from qt_core.io.signals import LEAST_CONFIDENCE, RandomParams, random_tape
from qt_core.market import BoolArray, FloatArray, Market
from qt_core.metrics import DAY_MS
from qt_core.rng import name_hash
from qt_core.signal.rules import rule_tape
from qt_core.signal.tape import N_MODELS, SignalTape
from research.ablation.outcome import Outcome

WEIGHTS = ("weight_xgb", "weight_lgbm", "weight_nhits", "weight_patchtst")  # of the four slots, whoever sits in them
ENSEMBLE, RULES, RANDOM, HOLD = "ensemble", "rules", "random", "buy and hold"


class Arm(NamedTuple):
    """One maker of signals."""

    name: str
    config: Config
    tape: SignalTape


def model_arms(config: Config, tape: SignalTape, slots: tuple[str, ...]) -> list[Arm]:
    """Every model alone, and all together as the configuration weighs them.

    Alone means that the ensemble gives all its weight to one slot; thresholds and the rest of the chain stay.
    """
    arms = [Arm(ENSEMBLE, config, tape)]
    for slot, name in enumerate(slots):
        only = {f"ensemble.{key}": float(k == slot) for k, key in enumerate(WEIGHTS)}
        arms.append(Arm(name, config.with_values(only), tape))
    return arms


def rules_arm(config: Config, market: Market, context: ChainContext) -> Arm:
    """The four rules on the same bars."""
    return Arm(RULES, config, rule_tape(market, context, rule_params(config)))


def random_arm(arm: Arm, market: Market, rate: float, seed: int, confidence: tuple[float, float]) -> Arm:
    """Random sides through the chain of ``arm``, on a share of the rows on which its models could speak.

    Parameters
    ----------
    confidence : the drawn sides' is uniform between these two: ``confidence_of`` the arm, so that sizes are alike.
    """
    given = RandomParams(name_hash(f"compare {seed}") % 2**62, rate, *confidence)
    drawn = random_tape(market, given)
    someone: BoolArray = np.asarray(arm.tape.available.any(axis=2, keepdims=True))
    speaks = np.ascontiguousarray(drawn.available & someone)
    return Arm(RANDOM, arm.config, SignalTape(drawn.proba, speaks, drawn.model_id, drawn.models))


def confidence_of(arm: Arm) -> "tuple[float, float] | None":
    """The first and last decile of what an arm's vote says when it acts; None where it never does."""
    p = arm.config.params().ensemble
    weights = np.array([getattr(p, key) for key in WEIGHTS])
    votes = [
        (np.where(arm.tape.available, arm.tape.proba[..., c], 0.0).astype(np.float64) * weights).sum(axis=2)
        for c in (0, 2)
    ]
    score = np.maximum(*votes)
    acted = score[(score >= p.threshold) & (votes[0] != votes[1])]
    if len(acted) == 0:
        return None
    low, high = np.quantile(acted, [0.1, 0.9])
    return float(max(low, LEAST_CONFIDENCE)), float(max(high, LEAST_CONFIDENCE))


def buy_and_hold(market: Market, config: Config) -> Outcome:
    """Equal money into every symbol that trades at the first close, unlevered, held to the last; fees, slippage, funding.

    A symbol that goes missing stays at its last price. Nothing is rebalanced.
    """
    p = config.params()
    cost = p.venue.taker_fee + p.venue.slippage
    bought: BoolArray = market.valid[0].copy()
    bought &= market.close[0] > 0.0
    share = bought / max(1, bought.sum())
    price = _last_known(market.close)
    base = np.where(bought, price[0], 1.0)
    growth = np.where(bought, price / base, 0.0) @ share
    paid, funding = _funding_paid(market, share, price / base)
    held = 1.0 / (1.0 + cost)  # what is left to buy with when buying is paid for
    equity = held * (growth - paid)
    equity[-1] -= held * cost * growth[-1]
    day = market.time // DAY_MS
    last = np.flatnonzero(np.append(day[1:] != day[:-1], True))
    levels = np.concatenate([[1.0], equity[last]])
    returns = levels[1:] / levels[:-1] - 1.0
    start = float(p.chain.initial_equity_usd)
    traded = start * held * (1.0 + float(growth[-1]))  # bought and sold, USD
    turnover = np.zeros(len(returns))
    turnover[0], turnover[-1] = 1.0, turnover[-1] + 1.0
    trades = np.zeros(len(returns))
    trades[-1] = float(bought.sum())
    peak = np.maximum(np.maximum.accumulate(equity), 1.0)
    drawdown = float(np.max(1.0 - equity / peak))
    fees, slipped = traded * p.venue.taker_fee, traded * p.venue.slippage
    return Outcome(0, returns, turnover, trades, drawdown, fees, start * held * funding, slipped, 0)


def _last_known(close: FloatArray) -> FloatArray:
    """Closes with each missing one replaced by the one before."""
    row = np.where(np.isfinite(close), np.arange(len(close))[:, None], 0)
    out: FloatArray = np.take_along_axis(close, np.maximum.accumulate(row, axis=0), axis=0)
    return np.where(np.isfinite(out), out, 0.0)


def _funding_paid(market: Market, share: FloatArray, growth: FloatArray) -> tuple[FloatArray, float]:
    """Funding paid up to each bar by a long of one dollar in all, and in total."""
    at = np.searchsorted(market.time + market.timeframe_ms, market.funding_time_ms, side="right")
    inside = (at > 0) & (at < market.n_bars)
    at, symbol = at[inside], market.funding_symbol[inside]
    amount = market.funding_rate[inside] * share[symbol] * growth[at - 1, symbol]
    paid: FloatArray = np.cumsum(np.bincount(at, weights=amount, minlength=market.n_bars))
    return paid, float(paid[-1])


def slots_filled(tape: SignalTape) -> int:
    """How many of the four slots ever speak."""
    return int(sum(tape.available[..., k].any() for k in range(N_MODELS)))
