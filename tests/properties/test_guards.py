"""The watchers of safety can fail: each promise is broken on purpose once, and its watcher says so."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from qt_core.codes import OP_NEW, TAG_SCALE_IN
from qt_core.engine.session import Session
from qt_core.records import DECISION_DT
from qt_core.state import N_DECISIONS
from tests.properties.binding import Met
from tests.properties.guards import AfterLatch, Bounds, Positions, Unstamped
from tests.properties.test_safety import PARTS, SAME_ASK, in_two_sectors
from tests.properties.twins import Twins
from tests.properties.walk import Watcher, plain, walk
from tests.properties.worlds import EARLY, World, chain

WORLD = World(11, n_symbols=6, act=0.5, volume=1e8)
GROWING = World(37, n_symbols=6, act=0.3, volume=1e8, jumps=0.0)  # scales in three times
CALM = World(5, n_symbols=5, act=0.05, volume=1e8, volatility=0.001, jumps=0.0)
Break = Callable[[Any], None]


class Vandal(Watcher):
    """Breaks something after the decisions of every bar, before the watcher behind it looks."""

    def __init__(self, s: Session, harm: Break) -> None:
        super().__init__(s)
        self.harm = harm

    @property
    def decisions(self) -> np.ndarray:
        return plain(self.s.out.decisions, DECISION_DT)[: int(self.s.out.n[N_DECISIONS])]

    def on_bar(self, f: int) -> None:
        self.harm(self)


class Pen(Watcher):
    """Changes requests on their way to the venue."""

    def __init__(self, s: Session, harm: Callable[[np.ndarray], None]) -> None:
        super().__init__(s)
        self.harm = harm

    def on_requests(self, requests: np.ndarray, f: int) -> None:
        self.harm(requests)


def latch_without_cancels(v: Vandal) -> None:
    v.fund["ess_latched"] = 5 if v.fund["n_pending"] > 0 else 0


def larger(v: Vandal) -> None:
    v.decisions["qty"] *= 3.0
    v.decisions["margin_usd"] *= 3.0


def reserved(v: Vandal) -> None:
    v.fund["reserved_margin_usd"] += v.fund["equity_usd"]


def alike(v: Vandal) -> None:
    v.s.rows.correlation[:] = 1.0
    v.symbol["pending_side"][:], v.symbol["pending_seq"][:] = 1, 1
    v.decisions["side"] = 1


def one_sector(v: Vandal) -> None:
    v.symbol["pending_margin_usd"] *= 4.0
    v.fund["reserved_margin_usd"] = v.symbol["pending_margin_usd"].sum()


def loosened(v: Vandal) -> None:
    v.symbol["sl_price"] *= 1.0 - 0.001 * v.symbol["side"]


def uncovered(v: Vandal) -> None:
    v.symbol["sl_seq"] = 0


def older(v: Vandal) -> None:
    v.symbol["entry_ms"] -= 48 * 3_600_000
    v.symbol["exit_seq"] = 0


def less_first_risk(v: Vandal) -> None:
    v.symbol["initial_risk_usd"] *= 0.01


def broken(config: Any, guard: Any, *vandals: Callable[[Session], Watcher], world: World = WORLD) -> str:
    """What the watcher says."""
    s = in_two_sectors(world.build()).session(config)
    with pytest.raises(AssertionError) as said:
        walk(s, *(v(s) for v in vandals), guard(s))
    return str(said.value) + str(said.traceback[-1].name)


def vandal(harm: Break) -> Callable[[Session], Watcher]:
    return lambda s: Vandal(s, harm)


def pen(harm: Callable[[np.ndarray], None]) -> Callable[[Session], Watcher]:
    return lambda s: Pen(s, harm)


def unstamp(requests: np.ndarray) -> None:
    requests["approved"] = 0


def grown(requests: np.ndarray) -> None:
    hit = (requests["op"] == OP_NEW) & (requests["tag"] == TAG_SCALE_IN)
    requests["qty"][hit] *= 4.0


def test_an_order_accepted_while_latched_is_seen(met: Met):
    config = chain(ess={"mode": "off"})
    assert "on_bar" in broken(config, lambda s: AfterLatch(s, met), vandal(latch_without_cancels))


def test_a_fill_after_a_latch_is_seen(met: Met):
    """The latch is set behind the watcher's back, so that the entry on its way is the next it sees."""
    s = WORLD.build().session(chain(ess={"mode": "off"}))
    with pytest.raises(AssertionError, match="a fill opened while latched"):
        walk(s, AfterLatch(s, met), Vandal(s, latch_without_cancels))


def test_a_missing_stamp_is_seen(met: Met):
    assert "on_requests" in broken(chain(), lambda s: Unstamped(s, met, 1), pen(unstamp))


@pytest.mark.parametrize(
    ("harm", "where"), [(larger, "order"), (reserved, "account"), (alike, "book"), (one_sector, "book")]
)
def test_a_limit_that_is_passed_is_seen(met: Met, harm: Break, where: str):
    assert where in broken(chain(), lambda s: Bounds(s, met), vandal(harm))


def test_a_scale_in_that_is_too_large_is_seen(met: Met):
    assert "scale_in" in broken(EARLY, lambda s: Bounds(s, met), pen(grown), world=GROWING)


@pytest.mark.parametrize(("harm", "where"), [(loosened, "tightened"), (uncovered, "rests")])
def test_a_stop_that_loosens_or_is_gone_is_seen(met: Met, harm: Break, where: str):
    assert where in broken(chain(), lambda s: Positions(s, met), vandal(harm))


def test_more_than_the_first_risk_is_seen(met: Met):
    assert "risk_after" in broken(EARLY, lambda s: Positions(s, met), vandal(less_first_risk), world=GROWING)


def test_a_position_that_stays_is_seen(met: Met):
    assert "stays" in broken(chain(), lambda s: Positions(s, met), vandal(older), world=CALM)


def test_a_part_that_enlarges_is_seen(met: Met):
    turned = {name: (free, bound) for name, (bound, free) in PARTS.items()}
    assert "lets" in broken(SAME_ASK, lambda s: Twins(s, met, SAME_ASK, turned))
