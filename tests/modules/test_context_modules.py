"""The context modules and the emergency stop against their plain second version, over random inputs."""

from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest

from qt_core import codes as c
from qt_core.context import health, orchestrator_policy
from tests.modules.context_cases import SUBJECTS, flat
from tests.reference import context_naive as naive

pytestmark = [
    pytest.mark.interpreted,
    pytest.mark.filterwarnings(
        "ignore:invalid value:RuntimeWarning"
    ),  # interpreted, an infinite cell of an array warns
]

TIMES = 2_000


@cache
def cases(name: str) -> tuple[dict[str, Any], ...]:
    g = np.random.Generator(np.random.PCG64(list(SUBJECTS).index(name)))
    return tuple(SUBJECTS[name].draw(g) for _ in range(TIMES))


@cache
def answers(name: str) -> tuple[tuple, ...]:
    """The kernels' answers with default parameters."""
    subject = SUBJECTS[name]
    return tuple(subject.kernels(subject.module.Params(), case) for case in cases(name))


@pytest.mark.parametrize("name", SUBJECTS)
def test_kernels_and_plain_reference_agree(name: str):
    subject = SUBJECTS[name]
    p = subject.module.Params()._asdict()
    for case, got in zip(cases(name), answers(name), strict=True):
        assert got == subject.plain(p, case), case


def other(module: Any, field: str) -> float:
    """Another value of a parameter, within its bounds and near enough to keep thresholds in order."""
    value = getattr(module.Params(), field)
    if field in module.CHOICES:
        return 1 - value
    step = max(1, value // 10) if isinstance(value, int) else 0.1 * abs(value) or 0.1
    return value + step if value + step <= module.BOUNDS[field][1] else value - step


CONSTANTS = [(n, f) for n, s in SUBJECTS.items() for f in s.module.Params._fields if f != "mode"]


@pytest.mark.parametrize(("name", "field"), CONSTANTS)
def test_a_changed_constant_on_either_side_is_noticed(name: str, field: str):
    subject = SUBJECTS[name]
    default = subject.module.Params()
    changed = default._replace(**{field: other(subject.module, field)})
    rows = list(zip(cases(name), answers(name), strict=True))
    assert any(subject.plain(changed._asdict(), case) != got for case, got in rows)
    plain = default._asdict()
    assert any(subject.kernels(changed, case) != subject.plain(plain, case) for case in cases(name))
    for case in cases(name)[:200]:  # and changed on both sides they agree again
        assert subject.kernels(changed, case) == subject.plain(changed._asdict(), case), case


# --- every value occurs --------------------------------------------------------------------------------------------


# place in the flat answer -> values that must occur in it
VALUES: dict[str, dict[int, Sequence[int]]] = {
    "hedgefund_os": {0: range(4), 1: range(7), 2: range(3), 3: range(2), 5: range(3), 6: range(4)},
    "orchestrator_policy": {0: range(2), 2: range(3), 4: range(3), 5: range(3), 12: range(2)},
    "msc_policy": {0: range(3), 10: range(2), 12: range(2)},
    "retraining": {0: range(5), 2: (0, 1, 5, 9), 3: range(10)},
    "health": {0: range(3), 1: range(5), 2: range(9)},
    "emergency_stop": {0: range(6), 1: range(6), 3: range(2), 4: range(2), 5: range(2)},
}


@pytest.mark.parametrize("name", SUBJECTS)
def test_every_value_of_every_answer_occurs(name: str):
    for place, values in VALUES[name].items():
        seen = Counter(row[place] for row in answers(name))
        assert {v: seen[v] for v in values if seen[v] < 5} == {}, (place, seen)


def test_branches_that_depend_on_numbers_occur():
    hfos = Counter((row[4], row[7], row[8]) for row in answers("hedgefund_os"))
    assert {scale for scale, _, _ in hfos} == {1.0, 0.75, 0.5, 0.0}
    assert {reduce for _, reduce, _ in hfos} == {0.0, 0.25, 0.5}
    assert {confidence for _, _, confidence in hfos} == {0.0, 0.47, 0.5}
    verdicts = Counter(row[13] for row in answers("msc_policy"))
    assert min(verdicts[c.OK], verdicts[c.POLICY_INVALID]) > 100
    refused = [row for row in answers("orchestrator_policy") if row[1] == 1.0]
    assert len(refused) > 50


def test_close_positions_occurs_where_it_is_configured():
    p = health.Params(close_if_critical=1)
    seen = Counter(health.verdict(p, case["x"]).action for case in cases("health"))
    plain = Counter(naive.health(p._asdict(), case["x"]._asdict())[1] for case in cases("health"))
    assert seen == plain
    assert min(seen[c.HEAL_CLOSE_POSITIONS], seen[c.HEAL_RELOAD_MODELS], seen[c.HEAL_NONE]) > 5


# --- the orchestrator's table ---------------------------------------------------------------------------------------

NAMES = [f"{v}/{t}/{q}" for v in naive.VOLATILITY for t in naive.TREND for q in naive.LIQUIDITY]
CELLS = [(r, k) for r in range(27) for k in range(6)]


def row(table: Any, r: int) -> tuple:
    return flat(orchestrator_policy.policy(orchestrator_policy.Params(), table, r // 9, r // 3 % 3, r % 3))


def test_the_default_table_follows_the_stated_rules():
    assert list(orchestrator_policy.ROW_NAMES) == NAMES
    for name, cells in zip(NAMES, orchestrator_policy.DEFAULT_TABLE, strict=True):
        kind = name.split("/")
        assert cells[orchestrator_policy.COL_MIN_CONFIDENCE] == pytest.approx(naive.confidence_rule(*kind)), name
        assert cells[orchestrator_policy.COL_MAX_RISK] == pytest.approx(naive.risk_rule(*kind)), name
        assert cells[orchestrator_policy.COL_ALLOW] == (name not in ("low/weak/poor", "high/weak/poor")), name
        if kind[2] == "poor":
            assert cells[orchestrator_policy.COL_PROFILE] == c.PROFILE_CONSERVATIVE
            assert cells[orchestrator_policy.COL_STYLE] == c.STYLE_PATIENT
            assert cells[orchestrator_policy.COL_EXIT] != c.TREND_EXIT


def test_every_cell_lies_in_its_bounds_and_every_value_occurs():
    table = np.array(orchestrator_policy.DEFAULT_TABLE)
    assert table.shape == (orchestrator_policy.N_ROWS, len(orchestrator_policy.COLUMN_NAMES))
    for k, (low, high) in enumerate(orchestrator_policy.COLUMN_BOUNDS):
        assert (table[:, k].min(), table[:, k].max()) == (low, high), "the whole range is used"
        names = orchestrator_policy.COLUMN_CHOICES.get(orchestrator_policy.COLUMN_NAMES[k])
        if names:
            assert set(table[:, k]) == set(range(len(names)))


@pytest.mark.parametrize("column", range(6))
def test_a_changed_cell_is_noticed_and_only_in_its_row(column: int):
    table = np.array(orchestrator_policy.DEFAULT_TABLE)
    before = [row(table, r) for r in range(27)]
    for r in range(27):
        changed = table.copy()
        changed[r, column] += 1.0
        after = [row(changed, k) for k in range(27)]
        assert [k for k in range(27) if after[k] != before[k]] == [r]


def test_median_classes_are_those_of_the_list_written_out():
    seen: Counter[Any] = Counter()
    for code in range(6**3):
        counts = [code // 36, code // 6 % 6, code % 6]
        got = orchestrator_policy.median_class(*counts), orchestrator_policy.upper_median_class(*counts)
        assert got == (naive.median_of(counts, False), naive.median_of(counts, True)), counts
        seen.update([("lower", got[0]), ("upper", got[1]), got[0] == got[1]])
    assert len(seen) == 3 + 3 + 2
