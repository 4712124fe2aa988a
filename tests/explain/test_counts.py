"""Vetoes and tallies: the counters that are always kept, in words."""

import numpy as np
import pytest

from qt_core.codes import (
    M_ESS,
    M_GOVERNOR,
    M_RISK_OS,
    N_MODULES,
    N_REASONS,
    OK,
    REASON_NAMES,
    SIZE_BELOW_MIN,
    STREAK_SCALED,
)
from qt_core.config import load_config
from qt_core.enums import TALLIES
from qt_core.explain.vetoes import NOTED, OBSERVED, REFUSED, section_of, section_of_code, vetoes
from qt_core.registry import MODULES, SUPPORTS
from tests.explain.conftest import STOPS, run_of
from tests.foundation import foundation
from tests.parity.cases import FULL


def test_vetoes_are_the_counters(full):
    rows = full.vetoes()
    assert {(v.number, v.reason): v.times for v in rows} == {
        (m, REASON_NAMES[r]): int(full.counters[m, r])
        for m, r in zip(*np.nonzero(full.counters), strict=True)
        if r != OK
    }
    assert [v.times for v in rows] == sorted((v.times for v in rows), reverse=True)
    assert all(v.module for v in rows)
    assert {v.what for v in rows} == {REFUSED, NOTED}


def test_a_journalled_refusal_is_counted(full):
    counted = {(v.number, v.reason): v for v in full.vetoes()}
    d = full.decisions[full.decisions["reason"] != OK]
    for module, reason in {(int(m), REASON_NAMES[r]) for m, r in zip(d["module"], d["reason"], strict=True)}:
        n = int(np.sum((d["module"] == module) & (d["reason"] == REASON_NAMES.index(reason))))
        assert counted[module, reason].times >= n
        assert counted[module, reason].what == REFUSED


def test_what_a_module_that_observes_counts_is_observed():
    result = run_of(foundation({"risk": {"mode": "observe", "max_day_drawdown": 0.0001}}), 700)
    mine = [v for v in result.vetoes() if v.number == M_RISK_OS]
    assert mine
    assert {v.what for v in mine} == {OBSERVED}


def test_refused_observed_noted():
    counters = np.zeros((N_MODULES, N_REASONS), np.int64)
    counters[M_RISK_OS, [OK, SIZE_BELOW_MIN, STREAK_SCALED]] = 9, 5, 3
    counters[M_GOVERNOR, SIZE_BELOW_MIN] = 5
    p = load_config({"governor": {"mode": "observe"}}).params()
    assert [tuple(v) for v in vetoes(counters, p)] == [
        ("risk OS (17)", "SIZE_BELOW_MIN", 5, 17, REFUSED),
        ("safety governor (24)", "SIZE_BELOW_MIN", 5, 24, OBSERVED),
        ("risk OS (17)", "STREAK_SCALED", 3, 17, NOTED),
    ]


def test_every_built_module_has_its_section():
    p = load_config({}).params()
    for m in (*MODULES, *SUPPORTS):
        assert bool(section_of(m)) == (m.kind != "model")
        assert m.kind == "model" or hasattr(p, section_of(m))
    assert section_of_code(M_RISK_OS) == "risk"
    assert section_of_code(M_ESS) == "ess"


def test_tallies_name_every_value(full):
    tallies = full.tallies()
    assert len(tallies) == len(TALLIES)
    for (module, what, names), row in zip(TALLIES, full.tally, strict=True):
        said = tallies[f"{module}.{what}"]
        assert list(said) == list(names)
        assert list(said.values()) == row[: len(names)].tolist()
        assert row[len(names) :].sum() == 0, f"{module}.{what}: a value beyond its names"
    assert tallies["emergency_stop.by"]["manual"] == len(STOPS)
    assert sum(tallies["meta_strategy.strategy"].values()) > len(full.decisions) / 2


@pytest.mark.parametrize("journal", [True, False])
def test_counts_need_no_journal(journal):
    result = run_of(FULL, 400, journal=journal)
    assert result.vetoes()
    assert sum(result.tallies()["ensemble.action"].values()) > 0
    assert result.votes.shape == (len(result.decisions), 4, 3)


def test_votes_are_the_tapes(full):
    from tests.parity.cases import simulated_case

    case = simulated_case(6, 1500)
    for d, votes in list(zip(full.decisions, full.votes, strict=True))[::97]:
        t = int((d["time_ms"] - case.market.time[0]) // case.market.timeframe_ms) - 1  # decided at the close of bar t
        available = case.tape.available[t, d["symbol"]]
        assert np.array_equal(votes[available], case.tape.proba[t, d["symbol"]][available])
        assert np.isnan(votes[~available]).all()
    assert full.models == ("rule_trend", "rule_mean_reversion", "rule_breakout", "rule_range")
