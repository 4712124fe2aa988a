"""Every value that a module can say is said in a scripted play; what is never said is named, with the kernel's answer."""

from typing import Any

import numpy as np
import pytest

from qt_core.codes import (
    ADVICE_NONE,
    CMD_ERROR,
    CMD_ESS_RESET,
    CMD_FEED,
    CMD_SPREAD,
    ESS_FEED,
    ESS_LATCHED,
    ESS_NONE,
    M_ESS,
    PIL_UNKNOWN,
    TRIGGER_AGE,
    TRIGGER_NONE,
    TRIGGER_WIN_RATE,
)
from qt_core.context import retraining
from qt_core.enums import T_ESS, T_TRIGGER, TALLIES
from qt_core.execution import aelm
from qt_core.position import intelligence
from qt_core.risk import emergency_stop
from tests.modules.plays import QUIET, scene
from tests.modules.plays_said import retrained
from tests.modules.plays_values import NEAR, VALUES
from tests.modules.scene import HOUR_MS, START_MS, Played, flat, on

pytestmark = pytest.mark.interpreted

CASES = [(row, value) for row, (_, _, names) in enumerate(TALLIES) for value in range(len(names))]
# Never said by a run: an evaluator or trigger that did not fire is not counted, an order without a price is refused
# before it is one, and a position always has a first risk.
NEVER = {
    ("emergency_stop", "by", "none"): lambda: (
        emergency_stop.evaluate(emergency_stop.Params(), emergency_stop.Inputs(0.0, 0, 0, 0, 0, 0)) == ESS_NONE
    ),
    ("retraining", "trigger", "none"): lambda: (
        retraining.step(retraining.Params(), retraining.Inputs(1, 1, 1, 0.6, 200, 0.9, 5, 5, 0, 0)).code == TRIGGER_NONE
    ),
    ("aelm", "order", "none"): lambda: aelm.order(aelm.Params(), 1, 0.5, 1, np.nan, 0.0, 0.01).kind == aelm.NO_ORDER,
    ("intelligence", "class", "unknown"): lambda: _class_without_risk().code == PIL_UNKNOWN,
    ("intelligence", "advice", "none"): lambda: _class_without_risk().advice == ADVICE_NONE,
}


def _class_without_risk() -> Any:
    return intelligence.classify(intelligence.Params(), intelligence.Inputs(0.0, 0.0, 0, 0.0, 0.0, 0))


def _name(case: tuple[int, int]) -> tuple[str, str, str]:
    module, what, names = TALLIES[case[0]]
    return module, what, names[case[1]]


SAID = [c for c in CASES if _name(c) not in NEVER]


@pytest.mark.parametrize("case", SAID, ids=lambda c: "-".join(_name(c)))
def test_a_play_says(case: tuple[int, int]):
    module, what, value = _name(case)
    assert VALUES[module, what][value]().s.out.tally[case] > 0


@pytest.mark.parametrize("name", NEVER, ids="-".join)
def test_what_a_run_never_says_the_kernel_gives(name: tuple[str, str, str]):
    assert NEVER[name]()


def test_the_table_names_every_value_and_no_other():
    scripted = {(*key, value) for key, values in VALUES.items() for value in values}
    assert scripted | set(NEVER) == {_name(c) for c in CASES}
    assert not scripted & set(NEVER)


def test_a_retraining_counts_every_reason_it_had():
    """Models older than an hour that lose as well: the age does not hide the win rate."""
    tally = retrained(("supervisor",), NEAR, min_outcomes=1, max_age_ms=HOUR_MS).s.out.tally[T_TRIGGER]
    assert tally[TRIGGER_AGE] >= tally[TRIGGER_WIN_RATE] > 0


# --- the emergency stop's feed and errors: several ways to one value -----------------------------------------


def spread(symbol: int, value: float) -> dict[str, Any]:
    return {"command": CMD_SPREAD, "symbol": symbol, "value": value}


def latched(commands: dict[int, Any], symbols: int = 1, **ess: Any) -> Played:
    config = on("ess", risk={"mode": "off"}, ess=ess)
    return scene(config, bars=[flat(100.0, 6)] * symbols, calls={}, commands=commands)


def test_a_stale_feed_that_is_told_latches_and_latches_again_until_it_is_told_sound():
    stale, sound = {"command": CMD_FEED, "reason": 3}, {"command": CMD_FEED, "reason": 0}
    assert latched({1: [stale]}).fund["ess_latched"] == ESS_FEED
    reset = {"command": CMD_ESS_RESET, "reason": 7}
    assert latched({1: [stale], 3: [reset]}).fund["ess_trips"] == 2
    again = latched({1: [stale], 3: [reset, sound]})
    assert (again.fund["ess_trips"], again.fund["ess_latched"]) == (1, ESS_NONE)


def test_crossed_prices_of_one_symbol_are_not_forgotten_over_the_sound_ones_of_another():
    assert latched({1: [spread(0, -0.01), spread(1, 0.001)]}, symbols=2).fund["ess_latched"] == ESS_FEED
    assert latched({1: [spread(0, -0.01), spread(0, 0.001)]}, symbols=2).fund["ess_latched"] == ESS_NONE


@pytest.mark.parametrize(("gap_ms", "trips"), [(5_000, 1), (6_000, 0)])
def test_a_burst_of_errors_latches_wherever_in_the_bar_it_falls(gap_ms: int, trips: int):
    """Eleven errors 5 s apart lie within 50 s; 6 s apart the first is a minute old when the eleventh comes."""
    errors = [{"command": CMD_ERROR, "time_ms": START_MS + HOUR_MS + 30_000 + gap_ms * k} for k in range(11)]
    assert latched({1: errors}).fund["ess_trips"] == trips


def test_a_stop_that_only_observes_names_the_evaluator_and_latches_nothing():
    played = latched({1: [spread(0, -0.01)]}, mode="observe")
    assert played.fund["ess_latched"] == ESS_NONE
    assert played.s.out.tally[T_ESS, ESS_FEED] == played.s.out.counters[M_ESS, ESS_LATCHED] == len(QUIET[0]) + 1
