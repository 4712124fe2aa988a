"""Module 15, self-healing: the verdict on the system's health and the action it asks for. Rules; SPEC sections 3 and 5.

A live session fills ``Checks`` every two minutes and acts on the verdict; a backtest injects verdicts, because the verdict
is an input to the chain. The first failing check in the order of CHECK_* names the action. OFF: HEALTHY, no action.

NaN policy: a measurement that is unknown fails its check and degrades; it is never critical, because a critical verdict may
close positions.
"""

from typing import NamedTuple

from qt_core._jit import kernel
from qt_core.codes import (
    CRITICAL,
    DEGRADED,
    ENFORCED,
    HEAL_CLEAR_CACHE,
    HEAL_CLOSE_POSITIONS,
    HEAL_NONE,
    HEAL_RECONNECT,
    HEAL_RELOAD_MODELS,
    HEAL_RESTART,
    HEALTHY,
    OFF,
)

VERSION = 1

# order in which checks name the action: first what is needed to hold positions at all, then what is needed to decide
(
    CHECK_NONE,
    CHECK_DATABASE,
    CHECK_EXCHANGE_REST,
    CHECK_MEMORY,
    CHECK_ERRORS,
    CHECK_EXCHANGE_WS,
    CHECK_MODELS,
    CHECK_API,
    CHECK_CPU,
) = range(9)
CHECK_NAMES = ("none", "database", "exchange_rest", "memory", "errors", "exchange_ws", "models", "api", "cpu")


class Params(NamedTuple):
    """Constants of this module; memory, errors and the interval are SPEC's."""

    mode: int = 3  # codes.ENFORCED
    interval_ms: int = 120_000
    max_api_ms: float = 5_000.0  # response time, ms, below; Binance's default recvWindow: slower requests are refused
    max_memory_fraction: float = 0.90  # below
    max_cpu_fraction: float = 0.95  # below; our choice: beyond it a bar's work queues behind the next
    max_error_share: float = 0.05  # of the requests of a minute, below
    critical_error_multiple: float = 2.0  # of max_error_share, from here on critical (our choice)
    close_if_critical: int = 0  # 1 = a critical verdict closes positions, else their protection stays


BOUNDS = {
    "interval_ms": (1, 86_400_000),
    "max_api_ms": (1.0, 3_600_000.0),
    "max_memory_fraction": (0.0, 1.0),
    "max_cpu_fraction": (0.0, 1.0),
    "max_error_share": (0.0, 1.0),
    "critical_error_multiple": (1.0, 100.0),
}
CHOICES = {"close_if_critical": ("off", "on")}


class Checks(NamedTuple):
    """What was measured; flags are 1 = up."""

    api_ms: float  # response time, ms
    exchange_rest: int
    exchange_ws: int
    database: int
    models_loaded: int
    memory_fraction: float
    cpu_fraction: float
    error_share: float  # failed / all requests of the last minute


class Verdict(NamedTuple):
    """Health, what to do, and the check that asked for it."""

    health: int  # HEALTHY, DEGRADED, CRITICAL
    action: int  # HEAL_*
    worst: int  # CHECK_*: the first that fails


@kernel
def due(p: Params, last_ms: int, now_ms: int) -> bool:
    """True where an interval has passed; a ``last_ms`` of 0 (never) is always due."""
    return now_ms - last_ms >= p.interval_ms


@kernel
def first_failing(p: Params, c: Checks) -> int:
    """The first check that fails, CHECK_NONE where all hold; an unknown measurement fails."""
    if c.database != 1:
        return CHECK_DATABASE
    if c.exchange_rest != 1:
        return CHECK_EXCHANGE_REST
    if not c.memory_fraction < p.max_memory_fraction:
        return CHECK_MEMORY
    if not c.error_share < p.max_error_share:
        return CHECK_ERRORS
    if c.exchange_ws != 1:
        return CHECK_EXCHANGE_WS
    if c.models_loaded != 1:
        return CHECK_MODELS
    if not c.api_ms < p.max_api_ms:
        return CHECK_API
    return CHECK_NONE if c.cpu_fraction < p.max_cpu_fraction else CHECK_CPU


@kernel
def critical(p: Params, c: Checks) -> bool:
    """True where orders or records cannot be trusted: exchange (REST) or database down, memory full, errors doubled.

    A WebSocket that is down degrades only: REST still serves, and prices that grow old are the emergency stop's matter.
    """
    if c.database != 1 or c.exchange_rest != 1:
        return True
    return c.memory_fraction >= p.max_memory_fraction or c.error_share >= p.critical_error_multiple * p.max_error_share


@kernel
def action_of(check: int) -> int:
    """The healing action of a failing check."""
    if check == CHECK_NONE:
        return HEAL_NONE
    if check in (CHECK_DATABASE, CHECK_ERRORS):
        return HEAL_RESTART
    if check in (CHECK_MEMORY, CHECK_CPU):
        return HEAL_CLEAR_CACHE
    return HEAL_RELOAD_MODELS if check == CHECK_MODELS else HEAL_RECONNECT


@kernel
def verdict(p: Params, checks: Checks) -> Verdict:
    """Health and action; computed unless OFF."""
    if p.mode == OFF:
        return Verdict(HEALTHY, HEAL_NONE, CHECK_NONE)
    worst = first_failing(p, checks)
    if worst == CHECK_NONE:
        return Verdict(HEALTHY, HEAL_NONE, worst)
    if not critical(p, checks):
        return Verdict(DEGRADED, action_of(worst), worst)
    return Verdict(CRITICAL, HEAL_CLOSE_POSITIONS if p.close_if_critical != 0 else action_of(worst), worst)


@kernel
def binding(p: Params, found: Verdict) -> Verdict:
    """What binds: the verdict where ENFORCED, else HEALTHY."""
    return found if p.mode == ENFORCED else Verdict(HEALTHY, HEAL_NONE, CHECK_NONE)
