"""Plays that reach the reasons of health, emergency stop, hedge-fund OS, policies and the balance of the book."""

from typing import Any

from qt_core.codes import (
    CMD_ESS_TRIP,
    CMD_HEALTH,
    CMD_POLICY,
    CRITICAL,
    CTX_LIQUIDITY_RATIO,
    DEGRADED,
    M_BALANCER,
    M_ESS,
    M_GOVERNOR,
    M_HEALTH,
    M_HFOS,
    M_MSC,
    M_ORCHESTRATOR,
)
from tests.modules.plays import AFTER, UNSAFE, Plays, many, scene
from tests.modules.scene import FREE, Played, flat, on

WIDE_STOP = {"sl_anchor": 0.5, "tp_anchor": 1.0}
POLICY_ROW = {"command": CMD_POLICY, "reason": 1, "value": 0.01, "qty": 5.0, "price": 0.45, "seq": 15}


def told(config: dict[str, Any], command: dict[str, Any], **more: Any) -> Played:
    """A command before the second bar, a call at its close."""
    return scene(config, calls=AFTER, commands={1: [command]}, **more)


def health(*names: str, verdict: int, **more: Any) -> Played:
    return told(on("health", *names), {"command": CMD_HEALTH, "reason": verdict}, **more)


def policy(confidence: float = 0.8, **row: Any) -> Played:
    return told(on("msc"), POLICY_ROW | row, confidence=confidence)


def dead_market() -> Played:
    """LOW volatility, no trend, POOR liquidity: the policy table allows nothing."""
    return scene(on("orchestrator"), adx=10.0, atr_percentile=0.1, ctx={CTX_LIQUIDITY_RATIO: 0.1})


def fallen(*names: str, to: float, calls: Any = None, commands: Any = None, **sections: Any) -> Played:
    """A position of 600 USD whose price falls to ``to`` within a bar, in an account of 2,000 USD without a risk chain."""
    given = {**UNSAFE, "tpsl": WIDE_STOP, "chain": {"initial_equity_usd": 2000.0}, "venue": FREE, **sections}
    bars = [*flat(100.0, 2), (100.0, 100.0, to, to), *flat(to, 2)]
    return scene(on(*names, **given), bars=[bars, flat(100.0, 5)], calls=calls or {(0, 0): 1}, commands=commands or {})


def one_sector(share: float = 0.4, **specs: float) -> Played:
    """Three symbols of one sector, whose margins of 200 USD together would pass its limit."""
    config = on("balancer", chain={"initial_equity_usd": 1000.0}, balancer={"max_sector_share": share})
    return many(3, config, specs={"sector": 1.0, **specs}, correlation=0.0)


SAFETY: Plays = {
    (M_HEALTH, "BAD_HEALTH_CODE"): lambda: health(verdict=9),
    (M_GOVERNOR, "HEALTH"): lambda: health(verdict=CRITICAL),
    (M_ESS, "ESS_LATCHED"): lambda: told(on("ess"), {"command": CMD_ESS_TRIP}),
    (M_HFOS, "HFOS_BLOCK"): lambda: health("hfos", verdict=CRITICAL),
    (M_HFOS, "SCALED"): lambda: health("hfos", verdict=DEGRADED),
    (M_HFOS, "BELOW_CONFIDENCE"): lambda: health("hfos", verdict=DEGRADED, confidence=0.46),
    (M_HFOS, "REDUCE"): lambda: fallen("hfos", to=80.0),  # 6 % of the account
    (M_ORCHESTRATOR, "ORCHESTRATOR_BLOCK"): dead_market,
    (M_ORCHESTRATOR, "BELOW_CONFIDENCE"): lambda: scene(
        on("orchestrator", orchestrator={"table": {"normal/moderate/normal": {"min_confidence": 0.6}}}), confidence=0.5
    ),
    (M_MSC, "POLICY_INVALID"): lambda: policy(reason=7),
    (M_MSC, "BELOW_CONFIDENCE"): lambda: policy(price=0.6, confidence=0.5),
    (M_MSC, "MAX_POSITIONS"): lambda: policy(qty=0.0),
    (M_MSC, "SCALED"): lambda: fallen("msc", "ess", to=85.0, calls={(0, 0): 1, (3, 1): 1}),  # 4.5 % of the account
    (M_BALANCER, "CORRELATED"): lambda: many(4, on("balancer")),
    (M_BALANCER, "SIDE_BALANCE"): lambda: many(5, on("balancer"), correlation=0.0),
    (M_BALANCER, "SECTOR_LIMIT"): one_sector,
    (M_BALANCER, "SHRUNK"): one_sector,
    (M_BALANCER, "SIZE_BELOW_MIN"): lambda: one_sector(0.265, lot_step=0.25),  # room for 12 USD: 8 USD in whole lots
    (M_BALANCER, "MIN_NOTIONAL"): lambda: one_sector(min_notional=500.0),
    (M_BALANCER, "GROSS_LEVERAGE"): lambda: scene(on("balancer", balancer={"max_gross_leverage": 0.001})),
    (M_BALANCER, "TRIM"): lambda: many(4, on("balancer"), correlation=0.0),
}
