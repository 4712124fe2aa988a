"""Words for the integer codes of the journal."""

from qt_core.codes import M_AELM, M_ENSEMBLE, M_ESS, M_GOVERNOR, M_RISK_OS, M_SELECTION, M_TPSL, M_VENUE
from qt_core.records import JE_STOP_MOVED

MODULE_NAMES = {
    M_ENSEMBLE: "ensemble",
    M_TPSL: "dynamic TP/SL",
    M_AELM: "execution",
    M_RISK_OS: "risk OS",
    M_GOVERNOR: "safety governor",
    M_ESS: "emergency stop",
    M_VENUE: "venue",
    M_SELECTION: "selection",
}
_SUPPORT_FROM = 25  # codes of SPEC's modules end below; supports have no number of their own

VOLATILITY_NAMES = ("low", "normal", "high")
TREND_NAMES = ("weak", "moderate", "strong")
TPSL_NAMES = ("none", "trending", "ranging", "breakout")
JOURNAL_NAMES = {JE_STOP_MOVED: "stop_moved"}


def module_name(number: int) -> str:
    """``risk OS (17)``; supports without a number by name alone."""
    name = MODULE_NAMES.get(number, "module")
    return name if number >= _SUPPORT_FROM or number == 0 else f"{name} ({number})"


def side_name(side: int) -> str:
    """``long``, ``short``, or ``flat`` for 0."""
    return "long" if side > 0 else "short" if side < 0 else "flat"
