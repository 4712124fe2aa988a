"""Words for the integer codes of the journal, and how its numbers are written."""

from datetime import UTC, datetime
from typing import Any

import numpy as np

from qt_core.codes import (
    CMD_BUSY,
    CMD_DEPTH,
    CMD_EXIT,
    CMD_GAP,
    CMD_OVERRIDE,
    CMD_SPREAD,
    EV_COMMAND,
    EVENT_NAMES,
    EXIT_NAMES,
    M_AELM,
    M_AMPLIFICATION,
    M_BALANCER,
    M_ENGINE,
    M_ENSEMBLE,
    M_ESS,
    M_GOVERNOR,
    M_HEALTH,
    M_HFOS,
    M_INTELLIGENCE,
    M_MATHEMATICIAN,
    M_MONITOR,
    M_MSC,
    M_ORCHESTRATOR,
    M_RANKER,
    M_RETRAINING,
    M_RISK_OS,
    M_SELECTION,
    M_SIZER,
    M_STRATEGY,
    M_SUPERVISOR,
    M_TPSL,
    M_UNIVERSE,
    M_VENUE,
    MODE_NAMES,
    REASON_NAMES,
)
from qt_core.enums import T_ADVICE, T_DIRECTIVE, T_TRIGGER, TALLIES
from qt_core.records import (
    JE_CLASS,
    JE_ESS_LATCH,
    JE_ESS_RESET,
    JE_HEALTH,
    JE_HFOS,
    JE_NAMES,
    JE_ORCHESTRATOR,
    JE_POLICY,
    JE_REDUCE,
    JE_RETRAIN,
    JE_SUPERVISOR,
)

MODULE_LABELS = {
    M_ENGINE: "trading engine",
    M_ENSEMBLE: "ensemble",
    M_HFOS: "hedge-fund OS",
    M_BALANCER: "portfolio balancer",
    M_AMPLIFICATION: "amplification",
    M_INTELLIGENCE: "intelligence",
    M_UNIVERSE: "universe",
    M_SUPERVISOR: "model supervisor",
    M_RETRAINING: "retraining",
    M_TPSL: "dynamic TP/SL",
    M_HEALTH: "self-healing",
    M_AELM: "execution",
    M_RISK_OS: "risk OS",
    M_ORCHESTRATOR: "orchestrator",
    M_SIZER: "sizer",
    M_MATHEMATICIAN: "mathematician",
    M_STRATEGY: "meta-strategy",
    M_RANKER: "ranker",
    M_MONITOR: "monitor",
    M_GOVERNOR: "safety governor",
    M_ESS: "emergency stop",
    M_VENUE: "venue",
    M_SELECTION: "selection",
    M_MSC: "policy (MSC)",
}
SUPPORTS_FROM = M_ESS  # codes from here on are supports without a number in SPEC

EVENT_WORDS = {**dict(enumerate(EVENT_NAMES)), **JE_NAMES}
OF_ACCOUNT = (  # journal kinds that belong to no symbol
    *(JE_HFOS, JE_ORCHESTRATOR, JE_POLICY, JE_ESS_LATCH, JE_ESS_RESET, JE_RETRAIN, JE_SUPERVISOR, JE_HEALTH),
)
RESET_BY = ("no reason", "scripted", "person")
OF_SYMBOL = (CMD_OVERRIDE, CMD_EXIT, CMD_SPREAD, CMD_DEPTH, CMD_BUSY, CMD_GAP)  # commands that name a symbol
# what `reason` means where it is no reason code
REASON_WORDS = {
    JE_CLASS: TALLIES[T_ADVICE][2],
    JE_REDUCE: EXIT_NAMES,
    JE_HFOS: TALLIES[T_DIRECTIVE][2],
    JE_RETRAIN: TALLIES[T_TRIGGER][2],
    JE_ESS_RESET: RESET_BY,
}


def label(module: int) -> str:
    """``risk OS (17)``; supports, which have no number, by name alone; nothing for 0."""
    if module == 0:
        return ""
    name = MODULE_LABELS.get(module, "module")
    return name if module >= SUPPORTS_FROM else f"{name} ({module})"


def word(row: int, code: int) -> str:
    """Name of the value ``code`` of enum ``row`` (``qt_core.enums``); the code itself where it is none."""
    names = TALLIES[row][2]
    return names[code] if 0 <= code < len(names) else f"code {code}"


def of_account(kind: Any, command: Any) -> Any:
    """True where an event of that kind (a command: of that ``seq``) belongs to no symbol; arrays or numbers."""
    return np.isin(kind, OF_ACCOUNT) | ((np.asarray(kind) == EV_COMMAND) & ~np.isin(command, OF_SYMBOL))


def reason_words(kind: int) -> tuple[str, ...]:
    """Names of what ``reason`` holds in an event of that kind."""
    return REASON_WORDS.get(kind, REASON_NAMES)


def side_name(side: int) -> str:
    """``long``, ``short``, or ``flat`` for 0."""
    return "long" if side > 0 else "short" if side < 0 else "flat"


def mode_note(mode: int) -> str:
    """What is added where a module does not bind; nothing where it is enforced."""
    return "" if mode == len(MODE_NAMES) - 1 else f" [{MODE_NAMES[mode]}: binds nothing]"


def when(time_ms: int) -> str:
    """``2021-05-19 13:00``, with seconds only where they are not zero."""
    time = datetime.fromtimestamp(time_ms / 1000, UTC)
    return time.strftime("%Y-%m-%d %H:%M" + (":%S" if time.second else ""))


def price(x: float) -> str:
    """Up to eight significant digits, no exponent."""
    return f"{x:,.8g}" if abs(x) >= 1e-4 else f"{x:.10f}"


def pct(x: float, digits: int = 2) -> str:
    """Fraction as percent."""
    return f"{x:.{digits}%}"


NAME_WIDTH = 24  # of the left column


def times(n: int, word: str) -> str:
    """``1 position``, ``2 positions``."""
    return f"{n:,} {word}" + ("" if n == 1 else "s")


def line(name: str, text: str) -> str:
    """One row of a section."""
    return f"   {name:<{NAME_WIDTH}}{text}"


def listed(parts: "list[str] | tuple[str, ...]") -> str:
    """Parts of a line, the empty ones left out."""
    return " · ".join(p for p in parts if p)
