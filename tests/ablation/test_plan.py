"""Which arms an ablation has, and that an arm switches what it says and nothing else."""

import pytest

from qt_core.codes import OFF
from qt_core.config import load_config
from qt_core.errors import ConfigError
from qt_core.sections import GROUPS, SWITCHES
from research.ablation.plan import BUNDLES, FOUNDATION, MODULES, NAMES, choose, make_arms
from tests.foundation import FOUR


def modes(config):
    return {name: getattr(config.params(), name).mode for name in SWITCHES}


def test_every_module_but_the_engine_and_every_group_has_an_arm():
    assert set(MODULES) == set(SWITCHES) - {"engine"}
    assert set(BUNDLES) == {g for g, members in GROUPS.items() if g != "all" and len(members) > 1} | {FOUNDATION}
    assert [a.name for a in make_arms(load_config())] == list(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_an_arm_switches_its_members_off_and_nothing_else(name):
    config = load_config({"tpsl": {"sl_anchor": 0.02}})
    (arm,) = make_arms(config, [name])
    expected = modes(config) | dict.fromkeys(arm.members, OFF)
    assert modes(arm.config) == expected != modes(config)
    assert arm.config.params().tpsl.sl_anchor == 0.02
    assert not arm.off_already
    assert bool(arm.unsafe) == bool({"risk", "governor", "ess"} & set(arm.members))


def test_foundation_is_what_the_engine_was_tested_with():
    (arm,) = make_arms(load_config(), [FOUNDATION])
    on = {name for name, mode in modes(arm.config).items() if mode != OFF}
    assert on == {*FOUR, "engine"} - {"all"}


def test_what_is_off_already_is_said_so():
    off = load_config({"modules": {"monitor": "off", "learned": "off"}})
    arms = {a.name: a for a in make_arms(off)}
    assert [n for n, a in arms.items() if a.off_already] == ["sizer", "strategy", "monitor", "learned"]
    assert arms["monitor"].config is off
    assert arms["selection"].config.digest() == arms["ranker"].config.digest()  # the other half of the group was off


def test_names_are_taken_in_the_order_of_the_table():
    assert choose(["msc", "tpsl", "context"]) == ("tpsl", "msc", "context")


@pytest.mark.parametrize(
    ("name", "expected"), [("tspl", "did you mean 'tpsl'"), ("engine", "expected some of"), ("all", "--modules: 'all'")]
)
def test_an_unknown_name_is_refused(name, expected):
    with pytest.raises(ConfigError, match=expected):
        make_arms(load_config(), ["tpsl", name])
