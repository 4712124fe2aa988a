"""The twenty-four modules of SPEC and their supports: number, file, what they are, default mode, cadence, version.

One list, so that reports, docs and the contract tests name the same things. The four models are no kernels: they speak to
the chain through the tape, in backtests, or through live inference.
"""

from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

from qt_core.codes import ADVISORY, ENFORCED, OBSERVE

EVERY_BAR = 0  # cadence: at every decision bar


@dataclass(frozen=True)
class Module:
    """One row of the registry."""

    number: int
    name: str
    kind: str  # "rule", "learned", or "model" (a fitted predictor)
    mode: int  # default mode in SPEC
    cadence_ms: int
    file: str  # dotted path below qt_core

    def load(self) -> ModuleType:
        """Import the module's file."""
        return import_module(f"qt_core.{self.file}")

    @property
    def version(self) -> int:
        """``VERSION`` of the file."""
        return int(self.load().VERSION)


MODULES: tuple[Module, ...] = (
    Module(1, "trading_engine", "rule", ENFORCED, EVERY_BAR, "signal.trading_engine"),
    Module(2, "xgboost", "model", ENFORCED, EVERY_BAR, "agents.xgb"),
    Module(3, "lightgbm", "model", ENFORCED, EVERY_BAR, "agents.lgbm"),
    Module(4, "nhits", "model", ENFORCED, EVERY_BAR, "agents.nhits"),
    Module(5, "patchtst", "model", ENFORCED, EVERY_BAR, "agents.patchtst"),
    Module(6, "ensemble", "rule", ENFORCED, EVERY_BAR, "signal.ensemble"),
    Module(7, "hedgefund_os", "rule", ENFORCED, 60_000, "context.hedgefund_os"),
    Module(8, "portfolio_balancer", "rule", ENFORCED, 300_000, "risk.portfolio_balancer"),
    Module(9, "amplification", "rule", ENFORCED, 300_000, "position.amplification"),
    Module(10, "intelligence", "rule", ENFORCED, 60_000, "position.intelligence"),
    Module(11, "universe", "rule", ENFORCED, EVERY_BAR, "context.universe"),
    Module(12, "supervisor", "rule", OBSERVE, 1_800_000, "signal.supervisor"),
    Module(13, "retraining", "rule", ENFORCED, EVERY_BAR, "context.retraining"),
    Module(14, "dynamic_tpsl", "rule", ENFORCED, EVERY_BAR, "position.dynamic_tpsl"),
    Module(15, "self_healing", "rule", ENFORCED, 120_000, "context.health"),
    Module(16, "aelm", "rule", ENFORCED, EVERY_BAR, "execution.aelm"),
    Module(17, "risk_os", "rule", ENFORCED, EVERY_BAR, "risk.risk_os"),
    Module(18, "orchestrator_policy", "rule", ENFORCED, 60_000, "context.orchestrator_policy"),
    Module(19, "rl_sizer", "learned", ENFORCED, EVERY_BAR, "sizing.rl_sizer"),
    Module(20, "mathematician", "rule", ADVISORY, EVERY_BAR, "sizing.mathematician"),
    Module(21, "meta_strategy", "learned", ENFORCED, EVERY_BAR, "selection.meta_strategy"),
    Module(22, "opportunity_ranker", "rule", ENFORCED, EVERY_BAR, "selection.opportunity_ranker"),
    Module(23, "monitor", "rule", ENFORCED, EVERY_BAR, "position.monitor"),
    Module(24, "safety_governor", "rule", ENFORCED, EVERY_BAR, "risk.safety_governor"),
)
SUPPORTS: tuple[Module, ...] = (
    Module(0, "regime", "rule", ENFORCED, EVERY_BAR, "context.regime"),
    Module(0, "emergency_stop", "rule", ENFORCED, EVERY_BAR, "risk.emergency_stop"),
    Module(0, "msc_policy", "rule", ENFORCED, 1_800_000, "context.msc_policy"),
)


def by_number(number: int) -> Module:
    """The module with SPEC's number.

    Raises
    ------
    KeyError
        If there is none.
    """
    for module in MODULES:
        if module.number == number:
            return module
    raise KeyError(f"no module {number}; expected 1 to {len(MODULES)}")


def module_name(code: int) -> str:
    """Name of a module code as it stands in counters and decisions (25 and up are supports)."""
    supports = {25: "emergency_stop", 26: "venue", 27: "selection", 28: "msc_policy"}
    return supports[code] if code in supports else by_number(code).name
