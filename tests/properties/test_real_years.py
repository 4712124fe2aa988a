"""Two real years under the default configuration: every value is said, every module decides, or a scene shows it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from qt_core.codes import CMD_ESS_TRIP, CMD_HEALTH, CRITICAL
from qt_core.enums import TALLIES
from qt_core.sections import SWITCHES
from research.checks.counts import PAGE, Study, page, study
from research.checks.counts import decisions_of as decided
from tests.modules.plays import ONE, QUIET, changed, put_probabilities, scene
from tests.modules.plays_chain import FIRST_ALONE
from tests.modules.plays_safety import told
from tests.modules.plays_values import VALUES
from tests.modules.scene import Played, Scene, on
from tests.modules.test_values import NEVER

pytestmark = pytest.mark.needs_shared


@pytest.fixture(scope="module")
def years(shared_data: Path) -> Study:
    return study(shared_data)


def silent(s: Study) -> set[tuple[str, str, str]]:
    """Values that neither run said."""
    said = sum(c.tally for c in s.counts.values())
    return {
        (module, what, value)
        for row, (module, what, names) in enumerate(TALLIES)
        for k, value in enumerate(names)
        if not said[row, k]
    }


def test_the_runs_are_of_twenty_symbols_two_years_and_enough_trades(years: Study):
    assert years.market.n_symbols >= 20
    assert years.market.n_bars == 2 * 365 * 24
    assert years.counts["rules"].n_trades > 300
    assert years.counts["drawn"].n_trades > 3_000


def test_every_value_is_said_in_two_years_or_by_a_script(years: Study):
    scripted = {(*key, value) for key, values in VALUES.items() for value in values} | set(NEVER)
    zeros = silent(years)
    print(f"{sum(len(names) for _, _, names in TALLIES) - len(zeros)} values said, {len(zeros)} by scripts alone")
    assert zeros <= scripted
    assert len(zeros) < 40, "most values must be said by the runs themselves"


# --- modules: what two years without a fault do not call for, a scene does ----------------------------------------------


def two_ways(rows: tuple[tuple[float, ...] | None, ...], module: str) -> Callable[[str], Played]:
    """A call whose models do not all say the same, under the module's mode."""

    def play(mode: str) -> Played:
        config = on()
        config["modules"][module] = mode
        return changed(Scene(bars=QUIET, calls=ONE, config=config), put_probabilities(rows))

    return play


def spoken(module: str, **command: int) -> Callable[[str], Played]:
    def play(mode: str) -> Played:
        config = on("governor")
        config["modules"][module] = mode
        return told(config, command)

    return play


SCENES: dict[str, Callable[[str], Played]] = {
    "engine": two_ways(((0.1, 0.5, 1.4), *FIRST_ALONE[1:]), "engine"),
    "ensemble": two_ways(FIRST_ALONE, "ensemble"),
    "governor": lambda mode: scene({"governor": {"mode": mode, "max_margin_usd": 100.0}}),  # stricter than the risk OS
    "health": spoken("health", command=CMD_HEALTH, reason=CRITICAL),
    "ess": spoken("ess", command=CMD_ESS_TRIP),
}
# Its cycle is not the chain's: it journals when to train again, which decides nothing here.
DECIDES_NOTHING = {"retraining"}


@pytest.mark.parametrize("module", SCENES)
def test_a_scene_shows_the_module_decide(module: str):
    on_, off = (decided(SCENES[module](mode).s.out) for mode in ("enforced", "off"))
    assert on_ != off


def test_every_module_that_binds_changes_decisions(years: Study):
    idle = {
        name: modules for name, c in years.counts.items() if (modules := {m for m, n in c.changed.items() if not n})
    }
    never = set.intersection(*(idle.get(name, set()) for name in years.counts))
    assert never <= set(SCENES) | DECIDES_NOTHING
    assert never >= DECIDES_NOTHING, "then it is to be counted among the others"
    assert set(years.counts["rules"].changed) == set(SWITCHES) - {"supervisor", "mathematician"}  # OBSERVE, ADVISORY


def test_the_page_has_a_line_for_every_value_and_module(years: Study):
    """Its numbers are those of the last time it was written; its lines are those of today."""
    written, now = PAGE.read_text(), page(years)
    for text in (written, now):
        for module, what, names in TALLIES:
            assert all(f"| {module} | {what} | {value} |" in text for value in names)
        assert all(f"\n| {name} |" in text for name in years.counts["rules"].changed)
