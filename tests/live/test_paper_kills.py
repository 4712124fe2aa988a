"""Killed at every step, a paper session ends as the one nobody disturbed: nothing lost, nothing twice, the same bytes."""

from pathlib import Path

import numpy as np
import pytest

from live import recovery, replay
from live.adapters.store_sqlite import SqliteStore
from live.audit import audit
from live.bootstrap import JOURNAL
from live.chain import Chain
from live.journal import Journal
from live.runner import Runner
from qt_core.config import load_config
from qt_core.engine.session import backtest
from tests.live.killing import Trap, in_child
from tests.live.paper import assert_same, left, of_result, run_paper
from tests.parity.cases import FULL, simulated_case

KILLS = 20
CONFIG = dict(FULL) | {"live": {"name": "killed", "snapshot_bars": 10}}
# where it dies: (owner, method, at most so many passings later, before or after)
STEPS = {
    "decide, before": (Chain, "decide", 60, "before"),
    "decide, after": (Chain, "decide", 60, "after"),
    "event heard": (Chain, "hear", 40, "after"),
    "journal entry": (Journal, "brought", 60, "after"),
    "before the commit": (SqliteStore, "commit", 60, "before"),
    "after the commit": (SqliteStore, "commit", 60, "after"),
    "snapshot": (Runner, "snapshot", 2, "after"),
}


@pytest.mark.parametrize("step", STEPS)
def test_killed_again_and_again_it_ends_as_undisturbed(step: str, tmp_path: Path) -> None:
    case, config = simulated_case(5, 500), load_config(CONFIG)
    run_paper(config, case.market, tmp_path / "warm", stop_after=30)  # what a child needs compiled, it inherits
    owner, name, most, place = STEPS[step]
    draw = np.random.default_rng(sorted(STEPS).index(step))
    killed = 0
    for _ in range(KILLS):
        nth = int(draw.integers(1, most + 1))

        def session(nth: int = nth) -> None:
            Trap(owner, name, nth, place)
            run_paper(config, case.market, tmp_path / "killed")

        killed += not in_child(session)
    assert killed >= KILLS * 3 // 4  # the last ones may find nothing left to do
    found = left(run_paper(config, case.market, tmp_path / "killed"))
    expected = of_result(backtest(case.market, case.tape, config, context=case.context))
    assert_same(expected, found)
    store = SqliteStore(tmp_path / "killed" / "killed" / JOURNAL, read_only=True)
    assert audit(store).clean
    store.close()


def test_killed_during_recovery_itself(tmp_path: Path) -> None:
    case, config = simulated_case(5, 500), load_config(CONFIG)
    run_paper(config, case.market, tmp_path / "killed", stop_after=200)
    run_paper(config, case.market, tmp_path / "warm", stop_after=30)
    store = SqliteStore(tmp_path / "killed" / "killed" / JOURNAL)
    store.begin()
    store._db.execute("DELETE FROM snapshots WHERE seq > 0")  # the recovery has 200 bars to do again
    store.commit()
    store.close()
    draw = np.random.default_rng(9)
    places = ((replay.Replay, "entry"), (Chain, "decide"), (recovery.Session, "resume"))
    killed = 0
    for k in range(KILLS):
        owner, name = places[k % len(places)]
        nth = 1 if name == "resume" else int(draw.integers(1, 150))

        def session(owner: type = owner, name: str = name, nth: int = nth) -> None:
            Trap(owner, name, nth)
            run_paper(config, case.market, tmp_path / "killed", stop_after=1)

        killed += not in_child(session)
    assert killed == KILLS
    found = left(run_paper(config, case.market, tmp_path / "killed"))
    assert_same(of_result(backtest(case.market, case.tape, config, context=case.context)), found)
