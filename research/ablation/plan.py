"""Which runs an ablation makes: the full chain, and one arm per module and group with just that switched OFF."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from qt_core.codes import OFF
from qt_core.config import Config
from qt_core.errors import ConfigError
from qt_core.sections import GROUPS, SWITCHES

MODULE, GROUP = "module", "group"
FULL = "full chain"
FOUNDATION = "foundation"  # everything OFF that came after the first four modules
KEPT_IN_FOUNDATION = ("engine", "ensemble", "tpsl", "risk", "governor")
NEVER_OFF = ("engine",)  # without it nothing is signalled: no chain is left to compare

MODULES = tuple(name for name in SWITCHES if name not in NEVER_OFF)
BUNDLES = {
    **{name: members for name, members in GROUPS.items() if name != "all" and len(members) > 1},
    FOUNDATION: tuple(name for name in SWITCHES if name not in KEPT_IN_FOUNDATION),
}
NAMES = (*MODULES, *BUNDLES)


@dataclass(frozen=True)
class Arm:
    """One row of the table: the chain with ``members`` OFF."""

    name: str
    kind: str  # MODULE or GROUP
    members: tuple[str, ...]
    config: Config
    off_already: bool  # nothing to switch: every member is OFF in the configuration itself

    @property
    def unsafe(self) -> tuple[str, ...]:
        """Safety modules that do not bind in this arm."""
        return self.config.unsafe


def choose(names: Sequence[str]) -> tuple[str, ...]:
    """The names asked for in the order of the table; all where none is given.

    Raises
    ------
    ConfigError
        For a name that is neither a module nor a group.
    """
    for name in names:
        if name not in NAMES:
            close = difflib.get_close_matches(name, NAMES, n=1)
            hint = f"did you mean '{close[0]}'?" if close else f"expected some of {', '.join(NAMES)}"
            raise ConfigError(f"--modules: '{name}' is no module or group that can be switched off; {hint}")
    return tuple(name for name in NAMES if name in names) if names else NAMES


def make_arms(config: Config, names: Sequence[str] = ()) -> list[Arm]:
    """One arm per name, modules first."""
    return [_arm(config, name) for name in choose(names)]


def _arm(config: Config, name: str) -> Arm:
    kind, members = (MODULE, (name,)) if name in MODULES else (GROUP, BUNDLES[name])
    params = config.params()
    on = [m for m in members if getattr(params, m).mode != OFF]
    changed = config.with_values({f"modules.{m}": "off" for m in on}) if on else config
    return Arm(name, kind, members, changed, not on)
