"""Sections of a configuration: which Params each fills, profiles, groups of modules, and the keys beside them."""

from typing import Any

from qt_core import pipeline
from qt_core.context import health, hedgefund_os, msc_policy, orchestrator_policy, regime, retraining, universe
from qt_core.engine import params as venue_params
from qt_core.execution import aelm
from qt_core.position import amplification, dynamic_tpsl, intelligence, monitor
from qt_core.risk import emergency_stop, portfolio_balancer, risk_os, safety_governor
from qt_core.selection import meta_strategy, opportunity_ranker
from qt_core.signal import ensemble, supervisor, trading_engine
from qt_core.sizing import mathematician, rl_sizer

_MODULES = {
    "engine": trading_engine,
    "ensemble": ensemble,
    "hfos": hedgefund_os,
    "balancer": portfolio_balancer,
    "amplify": amplification,
    "intelligence": intelligence,
    "universe": universe,
    "supervisor": supervisor,
    "retraining": retraining,
    "tpsl": dynamic_tpsl,
    "health": health,
    "aelm": aelm,
    "risk": risk_os,
    "orchestrator": orchestrator_policy,
    "sizer": rl_sizer,
    "mathematician": mathematician,
    "strategy": meta_strategy,
    "ranker": opportunity_ranker,
    "monitor": monitor,
    "governor": safety_governor,
    "regime": regime,
    "ess": emergency_stop,
    "msc": msc_policy,
}
# section -> (Params class, bounds, choices)
SECTIONS: dict[str, tuple[Any, dict[str, tuple[float, float]], Any]] = {
    "chain": (pipeline.ChainParams, pipeline.CHAIN_BOUNDS, {}),
    **{name: (m.Params, m.BOUNDS, m.CHOICES) for name, m in _MODULES.items()},
    "venue": (venue_params.VenueParams, venue_params.BOUNDS, venue_params.CHOICES),
}
DERIVED = {"chain": ("taker_fee", "slippage")}  # copied from the venue, not set by hand

PROFILES: dict[str, dict[str, dict[str, Any]]] = {
    "balanced": {},
    "aggressive": {"tpsl": {"tp_anchor": 0.04, "sl_anchor": 0.02}},
    "expanded": {
        "chain": {"base_margin_usd": 666.67},
        "risk": {"max_margin_usd": 1000.0, "min_leverage": 3.0, "max_leverage": 10.0},
        "governor": {"max_margin_usd": 1000.0, "max_leverage": 10.0},
    },
}

# Sections with a mode, and groups of them that can be switched together.
SWITCHES = tuple(name for name, (cls, _, _) in SECTIONS.items() if "mode" in cls._fields)
SAFETY = ("risk", "governor", "ess")  # a run in which one of them does not bind is stamped UNSAFE
GROUPS: dict[str, tuple[str, ...]] = {
    "all": SWITCHES,
    "context": ("hfos", "orchestrator", "msc", "universe"),
    "learned": ("sizer", "strategy"),
    "selection": ("strategy", "ranker"),
    "sizing": ("sizer", "mathematician"),
    "position": ("amplify", "intelligence", "monitor", "tpsl"),
    "portfolio": ("hfos", "balancer"),
    "execution": ("aelm",),
    "safety": SAFETY,
}

DATA_KEYS = ("folder", "root", "symbols", "timeframe", "start", "end", "detail", "missing_bracket", "simulated")
SIMULATED_KEYS = ("n_symbols", "n_bars", "seed")
SIGNAL_KEYS = ("source", "rules", "random", "tape")
SYMBOL_KEYS = ("main", "deny", "sectors")
LEARNING_KEYS = ("tables",)
# beside numbers: tables and lists that go into State
SPECIAL = {"orchestrator": ("table",)}
BESIDE = ("data", "signals", "symbols", "learning", "models", "live")  # models, live are checked by who uses them
TOP_KEYS = ("profile", "seed", *BESIDE, "modules", *SECTIONS, "faults")
DEFAULT_MAIN = ("BTCUSDT", "ETHUSDT")
