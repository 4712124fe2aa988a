"""Parity 1, 2 and 3 on two real years of 21 symbols: every module on, exploring and learning, ladders, trails and funding.

Parity 5 over the same span takes minutes interpreted; ``python -m tests.parity.two_years_interpreted`` runs it.
"""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from qt_core.engine.session import Session, advance
from qt_core.records import (
    JE_LADDER,
    JE_LET_RUN,
    JE_Q_SIZE,
    JE_Q_STRATEGY,
    JE_SCALE_IN,
    JE_STOP_MOVED,
    JOURNAL_EVENT_DT,
)
from qt_core.state import State, Venue, restore, snapshot
from research.data import load_market
from tests.conftest import ROOT
from tests.parity.cases import Case, assert_same, case_of, config_of, outcome
from tests.parity.stepping import live_all

pytestmark = pytest.mark.needs_shared
SPAN = ("2021-01-01", "2023-01-01")
LIVED = {JE_STOP_MOVED, JE_LADDER, JE_LET_RUN, JE_SCALE_IN, JE_Q_SIZE, JE_Q_STRATEGY}
JOURNALS = ("trades", "decisions", "events")


def symbols() -> list[str]:
    """The symbols of the real configuration."""
    return list(yaml.safe_load((ROOT / "configs" / "majors_1h.yaml").read_text())["data"]["symbols"])


@cache
def two_years(root: Path) -> Case:
    return case_of(load_market(symbols(), "1h", *SPAN, root=root, missing_bracket="conservative"))


@cache
def whole(root: Path) -> dict[str, Any]:
    """The run that never stops."""
    s = session(two_years(root))
    advance(s)
    return outcome(s)


def session(case: Case, seed: int = 11) -> Session:
    return case.session(config_of("full"), seed=seed)


def test_the_run_lives_through_everything(shared_data: Path):
    case, run = two_years(shared_data), whole(shared_data)
    assert case.market.n_symbols >= 20
    p = config_of("full").params()
    assert (p.sizer.epsilon, p.strategy.epsilon) == (0.1, 0.1)
    assert len(run["trades"]) > 1_000
    kinds = set(np.asarray(run["events"]).view(JOURNAL_EVENT_DT)["kind"].tolist())
    assert kinds >= LIVED
    assert np.abs(run["trades"]["funding_usd"]).sum() > 0.0


def test_rows_that_arrive_one_by_one_give_the_run(shared_data: Path):
    case = two_years(shared_data)
    assert_same(whole(shared_data), outcome(live_all(session(case), case.market, room=500_000)))


def test_what_ends_earlier_decides_alike(shared_data: Path):
    case, run = two_years(shared_data), whole(shared_data)
    for cut in (3_000, 9_017, 17_001):
        s = case_of(case.market.head(cut)).session(config_of("full"), seed=11)
        advance(s)
        head = outcome(s)
        for name in JOURNALS:
            n = len(head[name])
            assert n > 0
            assert head[name].tobytes() == run[name][:n].tobytes(), f"{name} before bar {cut}"
        last = int(case.market.time[cut - 1]) + case.market.timeframe_ms
        assert int((run["decisions"]["time_ms"] <= last).sum()) == len(head["decisions"])


def test_killed_and_restored_equals_never_stopped(shared_data: Path):
    case, run = two_years(shared_data), whole(shared_data)
    for stop in (2_500, 10_003):
        first = session(case)
        advance(first, stop)
        blobs = snapshot(first.state, case.market.symbols), snapshot(first.venue, case.market.symbols)
        second = session(case, seed=1)  # the seed comes back with the snapshot
        second.state = restore(State, blobs[0], case.market.symbols)
        second.venue = restore(Venue, blobs[1], case.market.symbols)
        second.next_bar = stop
        advance(second)
        assert_same(run, outcome(second), ("state", "venue", "digest"))
