"""The compiled chain (modules off, fixed stops) against the plain one over random walks, trade by trade."""

from collections import Counter

import numpy as np
import pytest

from tests.engine.chain import run_chain, same_trades
from tests.engine.tables import HOUR_MS
from tests.engine.test_naive_venue import bars_of, closes_of, rules_of, walk
from tests.reference.chain_naive import NaiveChain, Plan
from tests.reference.venue_naive import NaiveVenue

PLANS = (
    Plan(),
    Plan(sl=0.005, tp=0.03, life=3),
    Plan(margin=400.0, leverage=20.0, sl=0.04, tp=0.02, life=2),  # liquidated at about 4 %
    Plan(margin=2000.0, leverage=5.0, sl=0.08, tp=0.08, life=4),
)
SEEDS = 80


@pytest.fixture(scope="module")
def tally() -> Counter:
    """Exits over all walks."""
    return Counter()


@pytest.mark.parametrize("number", range(len(PLANS)))
def test_chain_and_plain_chain_make_the_same_trades(number: int, tally: Counter):
    plan = PLANS[number]
    for seed in range(number * 1000, number * 1000 + SEEDS):
        m, rules, g = walk(seed), rules_of(seed), np.random.default_rng(seed)
        signals = {(t, s): int(g.choice([-1, 1])) for t in range(m.n_bars) for s in m.symbols if g.random() < 0.3}
        plain, venue = NaiveChain(plan, m.symbols), NaiveVenue(rules, m.symbols)
        for t in range(m.n_bars):
            venue.play(t, *bars_of(m, t), plain.hear)
            closes = closes_of(m, t)
            for ask in plain.decide(t, {s: signals[t, s] for s in m.symbols if (t, s) in signals}, closes):
                venue.request(ask, last=closes[ask.symbol] or 0.0)
        r = run_chain(
            m,
            signals,
            chain={"base_margin_usd": plan.margin, "neutral_leverage": plan.leverage, "entry_work_bars": plan.life},
            tpsl={"sl_anchor": plan.sl, "tp_anchor": plan.tp},
            venue={
                "slippage": rules.slippage,
                "participation": rules.participation,
                "intrabar": "optimistic" if rules.optimistic else "pessimistic",
                "halt_max_ms": int(rules.halt_max_bars) * HOUR_MS,
            },
        )
        same_trades(r, m, plain.trades)
        tally.update(t["why"] for t in plain.trades)
        tally["parts"] += sum(t["fills"] > 2 for t in plain.trades)


def test_the_walks_were_not_idle(tally: Counter):
    """Needs the comparison above to have run in the same session."""
    if not tally:
        pytest.skip("the comparison did not run in this process")
    print(tally)
    assert all(tally[why] > 20 for why in ("stop", "target", "liquidation", "settled", "parts")), tally
    assert sum(tally.values()) > 2000
