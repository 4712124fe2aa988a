"""Random inputs of the context modules, and each module run through the kernels and through the plain reference."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from qt_core.context import health, hedgefund_os, msc_policy, orchestrator_policy, retraining
from qt_core.risk import emergency_stop
from tests.reference import context_naive as naive

Draw = np.random.Generator
NAN, INF = float("nan"), float("inf")
NOW_MS = 1_600_000_000_000
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
P = Mapping[str, Any]


class Subject(NamedTuple):
    """One module twice."""

    module: Any
    draw: Callable[[Draw], dict[str, Any]]
    kernels: Callable[[Any, dict[str, Any]], tuple]  # (Params, case) -> numbers
    plain: Callable[[P, dict[str, Any]], tuple]  # (dict, case) -> the same numbers


def pick(g: Draw, *choices: Any) -> Any:
    return choices[int(g.integers(len(choices)))]


def near(g: Draw, *limits: float) -> float:
    """A limit, a hair to either side of it, between zero and twice the limit, or unknown."""
    limit = pick(g, *limits)
    return float(pick(g, limit, limit, limit * (1 - 1e-9), limit * (1 + 1e-9), 2 * limit * g.random(), NAN))


def ago(g: Draw, *spans: int) -> int:
    """A time about one of the spans before now."""
    return NOW_MS - pick(g, *spans) + pick(g, -1, 0, 1, 0, int(g.integers(-HOUR_MS, HOUR_MS)))


def flat(*parts: Any) -> tuple:
    """Numbers of nested tuples, as floats."""
    out: list[float] = []
    for part in parts:
        out += flat(*part) if isinstance(part, tuple) else [float(part)]
    return tuple(out)


def _mode(g: Draw) -> int:
    return pick(g, 0, 1, 2, 3, 3, 3, 3, 3)


# --- 7 --------------------------------------------------------------------------------------------------------------


def _draw_hfos(g: Draw) -> dict[str, Any]:
    quiet = bool(g.random() < 0.3)  # else hardly ever does nothing at all speak
    inputs = hedgefund_os.Inputs(
        0.0 if quiet else near(g, 0.02, 0.035, 0.05, 1e-3),
        0.0 if quiet or g.random() < 0.5 else near(g, 0.02, 0.035, 0.05),
        0 if quiet else pick(g, 0, 0, 2, 3, 5, 6, 9),
        0 if quiet else pick(g, 0, 0, 0, 1, 2, 7),
        0 if quiet else pick(g, 0, 0, 0, 1),
        0 if quiet else pick(g, 0, 0, 1, 2, 3, 4),
        0.3 if quiet else pick(g, 0.1, near(g, 0.6, 0.8), near(g, 0.6, 0.8)),
        int(g.integers(3)),
    )
    since = pick(g, -1, ago(g, HOUR_MS), ago(g, 2 * HOUR_MS, 3 * HOUR_MS), ago(g, 0, 66 * 60_000))
    last = ago(g, 60_000, 66_000)
    return {"mode": _mode(g), "x": inputs, "previous": (int(g.integers(4)), int(g.integers(7)), since), "last": last}


def _hfos(p: Any, case: dict[str, Any]) -> tuple:
    p = p._replace(mode=case["mode"])
    out = hedgefund_os.step(p, *case["previous"], NOW_MS, case["x"])
    return flat(out, hedgefund_os.binding(p, out), hedgefund_os.due(p, case["last"], NOW_MS))


def _plain_hfos(p: P, case: dict[str, Any]) -> tuple:
    p = {**p, "mode": case["mode"]}
    out = naive.hedgefund_os(p, case["previous"], NOW_MS, case["x"]._asdict())
    return flat(out, out if case["mode"] == 3 else naive.NEUTRAL, naive.due(p, case["last"], NOW_MS))


# --- 18 -------------------------------------------------------------------------------------------------------------


def _draw_orchestrator(g: Draw) -> dict[str, Any]:
    table = np.array(orchestrator_policy.DEFAULT_TABLE)
    if g.random() < 0.2:
        table[int(g.integers(27)), int(g.integers(6))] = pick(g, NAN, INF, -INF)
    classes = [int(g.integers(3)) if g.random() < 0.95 else pick(g, -1, 3) for _ in range(3)]
    return {"mode": _mode(g), "table": table, "classes": classes, "last": ago(g, 60_000, 66_000)}


def _orchestrator(p: Any, case: dict[str, Any]) -> tuple:
    p = p._replace(mode=case["mode"])
    row = orchestrator_policy.policy(p, case["table"], *case["classes"])
    due = orchestrator_policy.due(p, case["last"], NOW_MS)
    return flat(row, orchestrator_policy.binding(p, row), due)


def _plain_orchestrator(p: P, case: dict[str, Any]) -> tuple:
    p = {**p, "mode": case["mode"]}
    names = [f"{v}/{t}/{q}" for v in naive.VOLATILITY for t in naive.TREND for q in naive.LIQUIDITY]
    rows = dict(zip(names, case["table"].tolist(), strict=True))
    row = naive.orchestrator(p, rows, *case["classes"])
    return flat(row, row if case["mode"] == 3 else naive.unrestricted_market(p), naive.due(p, case["last"], NOW_MS))


# --- MSC ------------------------------------------------------------------------------------------------------------


def _draw_msc(g: Draw) -> dict[str, Any]:
    record = (pick(g, 0, 19, 20, 21, 40), near(g, -0.3, -0.3, 0.2))
    falls = near(g, 0.04, 0.02, 0.02)
    fund = (falls, pick(g, 0, 9, 10, 11, 20), near(g, -0.3, 0.2, 0.2), pick(g, 0, 1, 2, 2, 3))
    row = [
        pick(g, 0.0, 1.0, 2.0), pick(g, 0.0, 0.01, 1.0), pick(g, 0.0, 50.0, 1000.0), pick(g, 0.0, 0.45, 1.0),
        float(g.integers(16)),
    ]  # fmt: skip
    if g.random() < 0.5:
        row[int(g.integers(5))] = pick(g, NAN, INF, -1.0, 0.5, 1001.0, 1.0 + 1e-9, 16.0, 1.04)
    until = pick(g, 0, NOW_MS - 1, NOW_MS, NOW_MS + 1)
    return {"mode": _mode(g), "record": record, "until": until, "fund": fund, "row": row, "last": ago(g, 1_800_000)}


def _msc(p: Any, case: dict[str, Any]) -> tuple:
    p = p._replace(mode=case["mode"])
    policy = msc_policy.decide(p, *case["fund"])
    allowed = msc_policy.strategy_allowed(p, *case["record"], NOW_MS, case["until"])
    row = msc_policy.check_row(p, *case["row"])
    return flat(policy, msc_policy.binding(p, policy), allowed, row, msc_policy.due(p, case["last"], NOW_MS))


def _plain_msc(p: P, case: dict[str, Any]) -> tuple:
    p = {**p, "mode": case["mode"]}
    policy = naive.fund_policy(p, *case["fund"])
    bound = policy if case["mode"] == 3 else naive.unrestricted_fund(p)
    allowed = naive.permission(p, *case["record"], NOW_MS, case["until"])
    return flat(policy, bound, allowed, naive.row_from_outside(p, *case["row"]), naive.due(p, case["last"], NOW_MS))


# --- 13, 15 ---------------------------------------------------------------------------------------------------------


def _draw_retraining(g: Draw) -> dict[str, Any]:
    regimes = [0 if g.random() < 0.1 else int(pick(g, 1, 5, 9)) for _ in range(3)]
    inputs = retraining.Inputs(
        NOW_MS, pick(g, 0, ago(g, 7 * DAY_MS), ago(g, DAY_MS), ago(g, DAY_MS)), pick(g, 0, ago(g, DAY_MS)),
        pick(g, near(g, 0.45), 0.5, -INF), pick(g, 0, 99, 100, 101, 500), pick(g, near(g, 0.6), 0.7, -INF),
        regimes[0], regimes[1], pick(g, 0, ago(g, DAY_MS), ago(g, HOUR_MS)), regimes[2],
    )  # fmt: skip
    return {"mode": _mode(g), "x": inputs, "classes": (int(g.integers(-1, 4)), int(g.integers(-1, 4)))}


def _retraining(p: Any, case: dict[str, Any]) -> tuple:
    return flat(retraining.step(p._replace(mode=case["mode"]), case["x"]), retraining.regime_code(*case["classes"]))


def _plain_retraining(p: P, case: dict[str, Any]) -> tuple:
    out = naive.retraining({**p, "mode": case["mode"]}, case["x"]._asdict())
    return flat(out, naive.regime_number(*case["classes"]))


def _draw_health(g: Draw) -> dict[str, Any]:
    up = [int(g.random() < 0.9) if g.random() < 0.98 else -1 for _ in range(4)]
    sound = (100.0, 0.4, 0.3, 0.0)
    measured = [
        near(g, limit) if g.random() < 0.25 else good for limit, good in zip((5e3, 0.9, 0.95), sound, strict=False)
    ]
    errors = near(g, 0.05, 0.1, 0.1) if g.random() < 0.4 else sound[3]
    return {"mode": _mode(g), "x": health.Checks(measured[0], *up, *measured[1:], errors), "last": ago(g, 120_000)}


def _health(p: Any, case: dict[str, Any]) -> tuple:
    p = p._replace(mode=case["mode"])
    out = health.verdict(p, case["x"])
    return flat(out, health.binding(p, out), health.due(p, case["last"], NOW_MS))


def _plain_health(p: P, case: dict[str, Any]) -> tuple:
    p = {**p, "mode": case["mode"]}
    out = naive.health(p, case["x"]._asdict())
    return flat(out, out if case["mode"] == 3 else (0, 0, 0), naive.due(p, case["last"], NOW_MS))


# --- emergency stop -------------------------------------------------------------------------------------------------


def _draw_ess(g: Draw) -> dict[str, Any]:
    inputs = emergency_stop.Inputs(
        near(g, 0.05) if g.random() < 0.4 else 0.01, pick(g, 0, 0, 0, 1, 2, 9), pick(g, 0, 0, 0, 10, 11),
        pick(g, 0, 0, 0, 1, 2), pick(g, 0, 0, 0, 0, 1), pick(g, 0, 0, 0, 0, 1),
    )  # fmt: skip
    n = int(g.integers(0, 21))
    bar = pick(g, 0, 0, 60_000, HOUR_MS)
    return {
        "mode": _mode(g), "x": inputs, "held": pick(g, (0, 0), (0, 0), (1, NOW_MS - 5)), "n": (int(g.integers(n + 1)), n),
        "age": (near(g, 120_000, bar + 120_000), bar), "since": ago(g, DAY_MS),
    }  # fmt: skip


def _ess(p: Any, case: dict[str, Any]) -> tuple:
    p = p._replace(mode=case["mode"])
    by = emergency_stop.evaluate(p, case["x"])
    held = emergency_stop.latch(p, emergency_stop.Latch(*case["held"]), by, NOW_MS)
    feed = emergency_stop.feed_missing(p, *case["n"]), emergency_stop.feed_stale(p, *case["age"])
    return flat(by, held, feed, emergency_stop.auto_reset_due(p, case["since"], NOW_MS), emergency_stop.closes(p))


def _plain_ess(p: P, case: dict[str, Any]) -> tuple:
    p = {**p, "mode": case["mode"]}
    by = naive.tripped(p, case["x"]._asdict())
    closes = p["mode"] == 3 and p["close_on_latch"] == 1
    feed = naive.feed(p, *case["n"], *case["age"])
    return flat(by, naive.latched(p, case["held"], by, NOW_MS), feed, naive.reset_due(p, case["since"], NOW_MS), closes)


SUBJECTS = {
    "hedgefund_os": Subject(hedgefund_os, _draw_hfos, _hfos, _plain_hfos),
    "orchestrator_policy": Subject(orchestrator_policy, _draw_orchestrator, _orchestrator, _plain_orchestrator),
    "msc_policy": Subject(msc_policy, _draw_msc, _msc, _plain_msc),
    "retraining": Subject(retraining, _draw_retraining, _retraining, _plain_retraining),
    "health": Subject(health, _draw_health, _health, _plain_health),
    "emergency_stop": Subject(emergency_stop, _draw_ess, _ess, _plain_ess),
}
