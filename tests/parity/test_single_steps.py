"""Parity 1: a loop over the single steps, and one over single rows, give what ``backtest`` gives, byte for byte."""

from typing import Any

import numpy as np
import pytest

from qt_core.engine import backtest
from qt_core.engine.session import advance
from tests.parity.cases import CONFIGS, Case, assert_same, config_of, outcome, real_case, simulated_case
from tests.parity.stepping import live_all, step_all

MARKETS = ("simulated", "simulated with detail", "real", "real with detail")


@pytest.fixture(params=MARKETS)
def case(request: pytest.FixtureRequest) -> Case:
    detail = request.param.endswith("detail")
    if request.param.startswith("simulated"):
        return simulated_case(n_symbols=4 if detail else 6, n_bars=360 if detail else 700, detail=detail)
    return real_case(request.getfixturevalue("shared_data"), detail)


def whole(case: Case, name: str) -> dict[str, Any]:
    s = case.session(config_of(name), seed=7)
    advance(s)
    return outcome(s)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_loop_over_the_single_steps_is_the_backtest(case: Case, name: str):
    expected = whole(case, name)
    assert len(expected["trades"]) >= 5, "nothing traded: the comparison would prove nothing"
    assert_same(expected, outcome(step_all(case.session(config_of(name), seed=7))))


@pytest.mark.parametrize("name", CONFIGS)
def test_rows_that_arrive_one_by_one_give_the_backtest(case: Case, name: str):
    expected = whole(case, name)
    assert_same(expected, outcome(live_all(case.session(config_of(name), seed=7), case.market)))


def test_backtest_returns_what_the_session_holds():
    case = simulated_case()
    expected = whole(case, "stress")
    r = backtest(case.market, case.tape, config_of("stress"), seed=7, context=case.context)
    assert r.digest() == f"{expected['digest']:016x}"
    for key in ("trades", "decisions", "events", "counters", "curve"):
        assert np.asarray(getattr(r, key)).tobytes() == expected[key].tobytes(), key


def test_the_stress_configuration_reaches_what_it_is_there_for():
    r = backtest(simulated_case().market, simulated_case().tape, config_of("stress"), context=simulated_case().context)
    m = r.metrics
    assert m["partial_fills"] > 0
    assert m["rejected_orders"] + m["ambiguous_bars"] > 0
    assert m["exits_stop"] > 0
    assert m["exits_target"] > 0
    assert m["funding_usd"] != 0.0
    cross = simulated_case().session(config_of("cross"))
    advance(cross)
    assert int(np.asarray(cross.venue.fund["n_liquidations"])[0]) > 0
