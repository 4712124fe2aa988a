"""Holding the symbols: equity day by day against a plain loop with fees, slippage and funding; late listings and gaps."""

import math

import numpy as np
import pytest

from qt_core.config import load_config
from qt_core.market import make_market
from research.compare.arms import buy_and_hold
from tests.agents.small import DAY, HOUR, START, trending
from tests.features.build import with_holes

CONFIG = load_config({"venue": {"taker_fee": 0.0005, "slippage": 0.0002}})


def naive_hold(market, config):
    """Daily returns, fees, slippage and funding in USD, drawdown: bought at the first close, sold at the last."""
    p = config.params()
    start, fee, slip = p.chain.initial_equity_usd, p.venue.taker_fee, p.venue.slippage
    bought = [i for i in range(market.n_symbols) if math.isfinite(market.close[0, i])]
    spend = start / (1.0 + fee + slip)  # what is left after paying for it
    quantity = {i: spend / len(bought) / market.close[0, i] for i in bought}
    last = {i: market.close[0, i] for i in bought}
    fees, slipped, funding = spend * fee, spend * slip, 0.0
    levels, days = [], []
    events = list(
        zip(market.funding_time_ms.tolist(), market.funding_symbol.tolist(), market.funding_rate.tolist(), strict=True)
    )
    for t in range(market.n_bars):
        opened, closed = int(market.time[t]), int(market.time[t]) + market.timeframe_ms
        if t:
            funding += sum(
                rate * quantity[i] * last[i] for at, i, rate in events if opened <= at < closed and i in quantity
            )
        for i in bought:
            if math.isfinite(market.close[t, i]):
                last[i] = market.close[t, i]
        equity = sum(quantity[i] * last[i] for i in bought) - funding
        if t == market.n_bars - 1:
            worth = sum(quantity[i] * last[i] for i in bought)
            equity -= worth * (fee + slip)
            fees += worth * fee
            slipped += worth * slip
        levels.append(equity)
        days.append(opened // DAY)
    ends = [levels[t] for t in range(market.n_bars) if t == market.n_bars - 1 or days[t + 1] != days[t]]
    returns = [b / a - 1.0 for a, b in zip([start, *ends[:-1]], ends, strict=True)]
    drawdown = max(1.0 - levels[k] / max([start, *levels[: k + 1]]) for k in range(len(levels)))
    return returns, fees, slipped, funding, drawdown


@pytest.mark.parametrize(
    "holes",
    [[], [(0, 100, 130), (2, 200, 201)], [(1, 0, 60)], [(0, 350, 400), (1, 390, 400)]],
    ids=["whole", "gaps", "a late listing", "delisted before the end"],
)
def test_it_is_the_plain_loop(holes):
    market = with_holes(trending(400), holes)
    assert len(market.funding_rate) > 50
    found = buy_and_hold(market, CONFIG)
    returns, fees, slipped, funding, drawdown = naive_hold(market, CONFIG)
    assert found.returns == pytest.approx(returns, abs=1e-12)
    assert found.fees_usd == pytest.approx(fees)
    assert found.slippage_usd == pytest.approx(slipped)
    assert found.funding_usd == pytest.approx(funding)
    assert found.bar_drawdown == pytest.approx(drawdown)
    assert found.trades.sum() == found.trades[-1] == (2 if holes[:1] == [(1, 0, 60)] else 3)
    assert found.turnover[0] == found.turnover[-1] == 1.0
    assert found.turnover[1:-1].sum() == 0.0


def flat(n=48, price=100.0, funding=None):
    close = np.full((n, 1), price)
    columns = {"open": close, "high": close, "low": close, "close": close, "volume": np.ones((n, 1))}
    time = START + HOUR * np.arange(n, dtype=np.int64)
    return make_market(["A"], time, columns, timeframe_ms=HOUR, funding=funding)


def test_where_nothing_moves_only_costs_remain():
    found = buy_and_hold(flat(), CONFIG)
    cost = 0.0007
    end = (1.0 - cost) / (1.0 + cost)
    assert np.prod(1.0 + found.returns) == pytest.approx(end, abs=1e-14)
    assert found.fees_usd + found.slippage_usd == pytest.approx(10_000 * (1.0 - end))
    free = buy_and_hold(flat(), load_config({"venue": {"taker_fee": 0.0, "slippage": 0.0}}))
    assert free.returns.tolist() == [0.0, 0.0]
    assert free.bar_drawdown == 0.0


@pytest.mark.parametrize(("bar", "paid"), [(0, 0), (1, 1), (30, 1), (47, 1), (48, 0)])
def test_funding_is_paid_on_what_is_held_when_it_is_due(bar, paid):
    """Bought at the close of bar 0: what was due in that bar was another's, what is due after the last close too."""
    time = np.array([START + bar * HOUR])
    found = buy_and_hold(flat(funding=(time, np.array([0]), np.array([0.01]))), CONFIG)
    assert found.funding_usd == pytest.approx(paid * 0.01 * 10_000 / 1.0007)


def test_who_holds_pays_positive_rates_and_is_paid_negative_ones():
    time = START + HOUR * np.array([8, 16])
    for rate in (0.001, -0.001):
        market = flat(funding=(time, np.zeros(2, dtype=np.int64), np.full(2, rate)))
        found = buy_and_hold(market, load_config({"venue": {"taker_fee": 0.0, "slippage": 0.0}}))
        assert np.prod(1.0 + found.returns) == pytest.approx(1.0 - 2 * rate)
