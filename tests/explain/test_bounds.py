"""The limit that is named is the one that bound the size."""

import pytest

from qt_core.codes import OK
from qt_core.explain.bounds import bound_by, size_bounds
from qt_core.numerics import floor_step
from tests.explain.conftest import run_of
from tests.foundation import foundation
from tests.parity.cases import FULL, simulated_case


def least_of(result, d):
    journal = result.journal()
    return size_bounds(d, result.config.params(), journal.curve_at(int(d["time_ms"])))


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "the size asked for"),
        ({"risk": {"max_margin_usd": 150.0}}, "the largest margin"),
        ({"governor": {"max_loss_at_stop": 0.0005}}, "the risk 0.05% of equity"),
        ({"risk": {"max_risk_per_trade": 0.0004}}, "the risk 0.04% of equity"),
        ({"risk": {"max_margin_use": 0.03}}, "the margin left"),
        ({"risk": {"max_leverage": 2.0}}, "leverage capped at 2x by the profile"),
        ({"risk": {"leverage_cap_high": 1.5}}, "leverage capped at 1.5x by high volatility"),
    ],
)
def test_named_limit_is_the_one_that_bound(changes, name):
    result = run_of(foundation(changes), 700)
    lot, p = simulated_case(6, 700).market.specs["lot_step"], result.config.params()
    named = set()
    for d in result.decisions[result.decisions["reason"] == OK]:
        bounds = least_of(result, d)
        least = min(b.usd for b in bounds)
        assert least - lot[d["symbol"]] * d["price"] * 1.0001 <= d["notional_usd"] <= least * (1.0 + 1e-9)
        named.add(bound_by(d, p, bounds))
    assert any(name in text for text in named)


def test_in_the_whole_chain_too(full):
    """Scales of 7, policy and streak, caps of 18 and policy, and module 8's shrinking are all in the limits."""
    lot = simulated_case(6, 1500).market.specs["lot_step"]
    taken = full.decisions[full.decisions["reason"] == OK]
    for d in taken:
        least = min(b.usd for b in least_of(full, d)) * d["portfolio_scale"]
        step = lot[d["symbol"]] * d["price"]
        assert least - 2.0 * step <= d["notional_usd"] <= least * (1.0 + 1e-9)
    assert (taken["size_scale"] < 1.0).any()


def test_a_shrunk_entry_says_by_whom():
    result = run_of({**FULL, "balancer": {"max_gross_leverage": 0.02}}, 700)
    shrunk = result.decisions[(result.decisions["portfolio_scale"] < 1.0) & (result.decisions["reason"] == OK)]
    assert len(shrunk)
    d = shrunk[0]
    trades = result.journal().trades
    mine = trades[(trades["entry_seq"] == d["seq"]) & (trades["symbol"] == d["symbol"])]
    text = result.explain(int(mine[0]["trade_id"]))
    assert "then shrunk by 8" in text
    assert f"SHRUNK to x {d['portfolio_scale']:.4f}" in text
    lot = simulated_case(6, 700).market.specs["lot_step"][d["symbol"]]
    assert d["qty"] == floor_step(d["qty"], lot)
