"""Parity 2: nothing decided up to a bar depends on what came after it."""

import numpy as np
import pytest

from qt_core.engine.session import advance
from qt_core.state import raw_bytes
from research.checks.lookahead import check_lookahead
from tests.parity.cases import (
    CONFIGS,
    Case,
    assert_same,
    case_of,
    config_of,
    outcome,
    real_case,
    simulated_case,
)

MARKETS = ("simulated", "simulated with detail", "real", "real with detail")
PREFIX_KEYS = ("trades", "decisions", "events", "counters", "curve", "state", "venue", "digest")


@pytest.fixture(params=MARKETS)
def case(request: pytest.FixtureRequest) -> Case:
    detail = request.param.endswith("detail")
    if request.param.startswith("simulated"):
        return simulated_case(n_symbols=4 if detail else 6, n_bars=360 if detail else 700, detail=detail)
    return real_case(request.getfixturevalue("shared_data"), detail)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_head_gives_what_the_whole_had_given_by_then(case: Case, name: str):
    """Stronger than the journal: State and Venue of the whole run, stopped at the cut, are those of the head's run."""
    rng = np.random.Generator(np.random.PCG64(11))
    per_bar = 1 if case.market.detail is None else case.market.detail.n_bars // case.market.n_bars
    whole = case.session(config_of(name))
    for cut in sorted(rng.integers(40, case.market.n_bars, 5).tolist()):
        advance(whole, int(cut) * per_bar)
        head = case_of(case.market.head(int(cut))).session(config_of(name))
        advance(head)
        expected = outcome(whole)
        expected["curve"] = expected["curve"][:cut]
        assert_same(expected, outcome(head), PREFIX_KEYS)


@pytest.mark.parametrize("name", CONFIGS)
def test_the_check_finds_nothing_in_an_honest_run(case: Case, name: str):
    report = check_lookahead(case.market, config_of(name), cuts=8)
    assert report.ok, report.text()
    assert len(report.cuts) == 8
    assert report.rows["trades"] >= 5
    assert report.rows["decisions"] >= report.rows["trades"]


def test_snapshots_of_the_whole_run_differ_from_bar_to_bar():
    """The comparison can fail: two cuts of the same run do not give equal bytes."""
    s = simulated_case(n_symbols=3, n_bars=260).session(config_of("foundation"))
    advance(s, 200)
    before = raw_bytes(s.state)
    advance(s, 201)
    assert raw_bytes(s.state) != before
