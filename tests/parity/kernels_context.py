"""Every kernel of the context modules and the emergency stop on random inputs, for compiled = interpreted."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from qt_core.context import health, hedgefund_os, msc_policy, orchestrator_policy, retraining
from qt_core.risk import emergency_stop

Draw = np.random.Generator
MODULES = (hedgefund_os, orchestrator_policy, msc_policy, retraining, health, emergency_stop)
NAN_SHARE = 0.05
NOW_MS, HOUR_MS = 1_600_000_000_000, 3_600_000


def _real(g: Draw, top: float) -> float:
    return float("nan") if g.random() < NAN_SHARE else float(g.uniform(0.0, top))


def _code(g: Draw, n: int) -> int:
    return int(g.integers(n))


def _ago(g: Draw, hours: float) -> int:
    return NOW_MS - int(2.0 * hours * HOUR_MS * g.random())


def _mode(g: Draw) -> int:
    return int(g.choice([0, 1, 3, 3, 3]))


def _hfos(g: Draw) -> Iterator[tuple[str, Any]]:
    p = hedgefund_os.Params(mode=_mode(g))
    x = hedgefund_os.Inputs(
        _real(g, 0.06), _real(g, 0.06), _code(g, 8), _code(g, 4), int(g.random() < 0.1), _code(g, 5), _real(g, 1.0),
        _code(g, 3),
    )  # fmt: skip
    mode, by, health_code = _code(g, 4), _code(g, 7), _code(g, 4)
    since = int(g.choice([-1, _ago(g, 2.0)]))
    want = hedgefund_os.wanted(p, x)
    yield "hedgefund_os.due", (hedgefund_os.due(p, _ago(g, 1 / 60), NOW_MS),)
    yield "hedgefund_os.graded", (hedgefund_os.graded(bool(mode & 1), bool(by & 1), bool(by & 2)),)
    yield "hedgefund_os.drawdown_mode", (hedgefund_os.drawdown_mode(p, x.drawdown, x.day_drawdown),)
    yield "hedgefund_os.stricter", hedgefund_os.stricter(want, mode, by)
    yield "hedgefund_os.wanted", want
    yield "hedgefund_os.in_force", hedgefund_os.in_force(p, mode, by, since, NOW_MS, want)
    yield "hedgefund_os.stance_of", hedgefund_os.stance_of(p, mode)
    yield "hedgefund_os.health_of", (hedgefund_os.health_of(mode, by, health_code),)
    yield "hedgefund_os.universe_of", (hedgefund_os.universe_of(mode, x.performance),)
    yield "hedgefund_os.reduce_of", (hedgefund_os.reduce_of(p, _code(g, 4), _code(g, 7), want.mode, want.by, x),)
    out = hedgefund_os.step(p, mode, by, since, NOW_MS, x)
    yield "hedgefund_os.step", out
    yield "hedgefund_os.neutral", (*hedgefund_os.neutral(), mode)  # one answer; the mode makes rows differ
    yield "hedgefund_os.binding", hedgefund_os.binding(p, out)


def _orchestrator(g: Draw) -> Iterator[tuple[str, Any]]:
    p = orchestrator_policy.Params(mode=_mode(g), off_min_confidence=float(g.uniform(0.4, 0.5)))
    table = np.array(orchestrator_policy.DEFAULT_TABLE)
    if g.random() < NAN_SHARE:
        table[:, _code(g, 6)] = np.nan
    classes = [_code(g, 4) - int(g.random() < 0.3) for _ in range(3)]
    row = orchestrator_policy.policy(p, table, *classes)
    counts = [_code(g, 5) for _ in range(3)]
    yield "orchestrator_policy.due", (orchestrator_policy.due(p, _ago(g, 1 / 60), NOW_MS),)
    yield "orchestrator_policy.median_class", (orchestrator_policy.median_class(*counts),)
    yield "orchestrator_policy.upper_median_class", (orchestrator_policy.upper_median_class(*counts),)
    yield "orchestrator_policy.row_of", (orchestrator_policy.row_of(*classes),)
    yield "orchestrator_policy.unrestricted", orchestrator_policy.unrestricted(p)
    yield "orchestrator_policy.refused", (*orchestrator_policy.refused(), p.mode)
    yield "orchestrator_policy.policy", row
    yield "orchestrator_policy.binding", orchestrator_policy.binding(p, row)


def _msc(g: Draw) -> Iterator[tuple[str, Any]]:
    p = msc_policy.Params(mode=_mode(g), aggressive_when_high=_code(g, 2), off_max_risk=float(g.uniform(0.5, 1.0)))
    fund = (_real(g, 0.05), _code(g, 20), _real(g, 1.0) - 0.5, _code(g, 4))
    row = [float(_code(g, 3)), float(g.random()), float(_code(g, 1000)), float(g.random()), float(_code(g, 16))]
    if g.random() < 0.3:
        row[_code(g, 5)] = float(g.choice([np.nan, np.inf, -1.0, 0.5, 2e3]))
    out = msc_policy.decide(p, *fund)
    until = NOW_MS + int(g.integers(-5, 5))
    yield "msc_policy.due", (msc_policy.due(p, _ago(g, 0.5), NOW_MS),)
    yield "msc_policy.strategy_allowed", msc_policy.strategy_allowed(p, _code(g, 40), fund[2], NOW_MS, until)
    yield "msc_policy.mode_of", (msc_policy.mode_of(p, *fund),)
    yield "msc_policy.limits", msc_policy.limits(p, _code(g, 4))
    yield "msc_policy.unrestricted", msc_policy.unrestricted(p)
    yield "msc_policy.decide", out
    yield "msc_policy.binding", msc_policy.binding(p, out)
    yield "msc_policy.check_row", (msc_policy.check_row(p, *row),)


def _retraining(g: Draw) -> Iterator[tuple[str, Any]]:
    p = retraining.Params(mode=_mode(g))
    x = retraining.Inputs(
        NOW_MS, _ago(g, 120.0), _ago(g, 30.0), _real(g, 1.0), _code(g, 200), _real(g, 1.0), _code(g, 4), _code(g, 4),
        _ago(g, 24.0), _code(g, 4),
    )  # fmt: skip
    yield "retraining.regime_code", (retraining.regime_code(_code(g, 5) - 1, _code(g, 5) - 1),)
    trial = retraining.on_trial(x)
    yield "retraining.on_trial", trial
    yield "retraining.holds", tuple(retraining.holds(p, x, trial, code) for code in range(6))
    yield "retraining.fired", (retraining.fired(p, x, trial),)
    yield "retraining.step", retraining.step(p, x)


def _health(g: Draw) -> Iterator[tuple[str, Any]]:
    p = health.Params(mode=_mode(g), close_if_critical=_code(g, 2))
    up = [int(g.random() < 0.9) for _ in range(4)]
    x = health.Checks(_real(g, 6e3), *up, _real(g, 1.0), _real(g, 1.0), _real(g, 0.12))
    out = health.verdict(p, x)
    yield "health.due", (health.due(p, _ago(g, 1 / 30), NOW_MS),)
    yield "health.first_failing", (health.first_failing(p, x),)
    yield "health.critical", (health.critical(p, x),)
    yield "health.action_of", (health.action_of(_code(g, 9)),)
    yield "health.verdict", out
    yield "health.binding", health.binding(p, out)


def _ess(g: Draw) -> Iterator[tuple[str, Any]]:
    p = emergency_stop.Params(mode=_mode(g), close_on_latch=_code(g, 2))
    few = [int(g.random() < 0.2) for _ in range(3)]
    x = emergency_stop.Inputs(_real(g, 0.06), _code(g, 4) // 2, _code(g, 13), *few)
    by = emergency_stop.evaluate(p, x)
    held = emergency_stop.Latch(_code(g, 2), _ago(g, 24.0))
    n, bar = _code(g, 20), int(g.choice([60_000, HOUR_MS]))
    yield "emergency_stop.evaluate", (by,)
    yield "emergency_stop.latch", emergency_stop.latch(p, held, by, NOW_MS)
    yield "emergency_stop.feed_missing", (emergency_stop.feed_missing(p, _code(g, 20) // 2, n),)
    yield "emergency_stop.feed_stale", (emergency_stop.feed_stale(p, _real(g, 2.0 * (bar + 120_000)), bar),)
    yield "emergency_stop.auto_reset_due", (emergency_stop.auto_reset_due(p, _ago(g, 24.0), NOW_MS),)
    yield "emergency_stop.closes", (emergency_stop.closes(p),)


def entries(g: Draw) -> Iterator[tuple[str, Any]]:
    """(name, numbers) of every kernel of MODULES, once."""
    for part in (_hfos, _orchestrator, _msc, _retraining, _health, _ess):
        yield from part(g)
