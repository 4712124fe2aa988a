"""Who refused what and how often: the counters that are always kept, in words."""

from typing import Any, NamedTuple

from qt_core.codes import (
    ANCHOR_USED,
    BIASED,
    CANCELLED,
    ENFORCED,
    ENTRY_CLOSED,
    EXPIRED,
    EXPLORED,
    LABEL_SLOTS,
    LEARNED,
    LET_RUN,
    LIQUIDATED,
    M_ESS,
    M_MSC,
    MODEL_DISABLED,
    N_MODULES,
    NOT_LEARNED,
    OK,
    OVERRIDE,
    PROTECTION_MISSING,
    REASON_NAMES,
    REDUCE,
    RETRIED,
    RUNG_DROPPED,
    RUNG_FILLED,
    RUNG_MERGED,
    SCALED,
    SCALED_IN,
    SETTLED,
    SHRUNK,
    SLIPPAGE_CAP,
    STREAK_SCALED,
    TRIM,
    UNRELIABLE,
)
from qt_core.explain.words import label
from qt_core.registry import MODULES, SUPPORTS, Module
from qt_core.sections import SECTIONS

# reasons that are no refusal: what a module did, changed or remarked
NOTES = frozenset(
    (
        *(ANCHOR_USED, BIASED, CANCELLED, ENTRY_CLOSED, EXPIRED, EXPLORED, LABEL_SLOTS, LEARNED, LET_RUN, LIQUIDATED),
        *(MODEL_DISABLED, NOT_LEARNED, OVERRIDE, PROTECTION_MISSING, REDUCE, RETRIED, RUNG_DROPPED, RUNG_FILLED),
        *(RUNG_MERGED, SCALED, SCALED_IN, SETTLED, SHRUNK, SLIPPAGE_CAP, STREAK_SCALED, TRIM, UNRELIABLE),
    )
)
REFUSED, OBSERVED, NOTED = "refused", "observed", "noted"


class Veto(NamedTuple):
    """One counter that is not zero."""

    module: str  # ``risk OS (17)``
    reason: str
    times: int
    number: int  # the module's code; 25 and up are supports
    what: str  # refused; observed: by a module that does not bind; noted: no refusal


def vetoes(counters: Any, params: Any) -> list[Veto]:
    """Rows of ``counters[N_MODULES, N_REASONS]`` that are not zero, most frequent first; OK is none of them."""
    rows = [
        Veto(label(m), name, int(counters[m, r]), m, _what(m, r, params))
        for m in range(N_MODULES)
        for r, name in enumerate(REASON_NAMES)
        if r != OK and counters[m, r]
    ]
    return sorted(rows, key=lambda v: (-v.times, v.number, v.reason))


def _what(module: int, reason: int, params: Any) -> str:
    if reason in NOTES:
        return NOTED
    section = section_of_code(module)
    return REFUSED if not section or getattr(params, section).mode == ENFORCED else OBSERVED


def section_of(module: Module) -> str:
    """Section of the configuration that holds a module's parameters; empty where it has none, as the models."""
    home = f"qt_core.{module.file}"
    return next((name for name, (cls, _, _) in SECTIONS.items() if module.file and cls.__module__ == home), "")


def section_of_code(code: int) -> str:
    """The same for a code as it stands in counters; empty for venue and selection, which have no mode."""
    supports = {M_ESS: "emergency_stop", M_MSC: "msc_policy"}
    hit = [m for m in MODULES if m.number == code] + [m for m in SUPPORTS if m.name == supports.get(code)]
    return section_of(hit[0]) if hit else ""
