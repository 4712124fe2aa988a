"""Every kernel of modules 1 and 12 against its plain second version, over random inputs."""

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from qt_core.codes import ENFORCED, INVALID_SIGNAL, OBSERVE, OFF, OK, PROBABILITY_SUM
from qt_core.signal import supervisor, trading_engine
from tests.modules.signal_cases import (
    ENGINE,
    INF,
    NAN,
    WATCH,
    Clock,
    Draw,
    Factors,
    Histogram,
    Label,
    Record,
    Votes,
    alike,
    draws,
    pick,
    same,
)
from tests.reference import signal_naive as naive

# interpreted, numpy warns of infinity times a weight of 0: such a row is refused
pytestmark = [pytest.mark.interpreted, pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")]


def test_trading_engine_signal():
    seen: Counter[Any] = Counter()
    for g in draws(1, 2_500):
        p = ENGINE._replace(mode=int(pick(g, OFF, OBSERVE, ENFORCED, ENFORCED)), sum_tolerance=pick(g, 1e-3, 0.25))
        x = Votes(g)
        got, want = x.kernel(p), x.plain(p)
        assert alike(got, want), (x.rows, got, want)
        alone = x.pe.mode != ENFORCED
        again = trading_engine.signal_checked(p, x.pe, x.weights, x.proba, x.available, 0, 0, alone)
        assert alike(again, want), (x.rows, again, want)
        seen.update(
            [("side", got.side, x.pe.mode, x.pe.vote), ("number", got.bad_number > 0), ("sum", got.bad_sum > 0)]
        )
    assert len(seen) == 3 * 3 * 2 + 2 + 2
    assert min(seen.values()) > 20


def test_trading_engine_verdict_screen_and_action():
    seen: Counter[Any] = Counter()
    for g in draws(2):
        p = ENGINE._replace(mode=int(pick(g, OFF, OBSERVE, ENFORCED)), sum_tolerance=pick(g, 1e-3, 0.25))
        x = Votes(g)
        told = [naive.verdict(p._asdict(), row) for row in x.rows]
        s = trading_engine.screen(p, x.weights, x.proba, x.available, 0, 0)
        for m, row in enumerate(x.rows):
            assert trading_engine.verdict(p, *row) == told[m], row
            asked = x.available[0, 0, m] and x.weights[m] > 0.0
            assert bool(s.speaks >> m & 1) == (asked and not naive.refused(p._asdict(), told[m]))
            side = trading_engine.actionable(p, x.pe, *row)
            assert side == naive.actionable(p._asdict(), x.pe._asdict(), row)
            seen.update([("reason", told[m]), ("side", side)])
    assert {k for k in seen if k[0] == "reason"} == {("reason", r) for r in (OK, INVALID_SIGNAL, PROBABILITY_SUM)}
    assert len(seen) == 6
    assert min(seen.values()) > 20


def test_labels():
    seen: Counter[Any] = Counter()
    for g in draws(3, 3_000):
        x = Label(g)
        got = x.kernel(WATCH)
        assert same(got, x.plain(WATCH)), (vars(x), got, x.plain(WATCH))
        seen.update([("done", got["done"]), ("end", got["done"], got["win"], got["hit"]), ("side", x.side)])
        seen["both"] += bool(got["r"] == -1.0 and x.bar["high"] > x.entry * (1 + 2 * x.d))
    assert len(seen) == 3 + (1 + 1 + 3) + 3 + 1
    assert min(seen.values()) > 20


def test_calibration_error():
    seen: Counter[str] = Counter()
    for g in draws(4, 1_000):
        x = Histogram(g)
        got, want = x.kernel(WATCH), x.plain(WATCH)
        assert same(got, want), (got, want)
        score = got["calibration"]
        seen["unknown" if math.isnan(score) else "none" if score == 0.0 else "some"] += 1
    assert min(seen[k] for k in ("unknown", "none", "some")) > 20


def test_verdicts():
    seen: Counter[Any] = Counter()
    for g in draws(5, 3_000):
        x = Record(g)
        got = x.kernel(WATCH)
        assert same(got, x.plain(WATCH)), (x.values, got)
        v = x.values
        assert supervisor.is_biased(WATCH, v["n_long"], v["n_short"], v["n_hold"]) == bool(got["biased"])
        seen.update([("factor", round(got["factor"], 9)), *[(k, got[k]) for k in ("reliable", "biased", "disable")]])
    assert len(seen) == 5 + 2 + 2 + 2, "0, and none to three failures"
    assert min(seen.values()) > 20


def test_cadence_and_windows():
    seen: Counter[Any] = Counter()
    for g in draws(6, 1_000):
        x = Clock(g)
        got = x.kernel(WATCH)
        assert got == x.plain(WATCH)
        assert supervisor.slot(x.day) == x.day - x.day // 31 * 31
        seen.update(got.items())
    assert len(seen) == 6
    assert min(seen.values()) > 20
    ring = {int(supervisor.slot(day)) for day in range(20_000, 20_000 + supervisor.N_DAYS)}
    assert ring == set(range(supervisor.N_DAYS)), "the days of the longest window and one more have a slot each"


def test_cells():
    seen: Counter[int] = Counter()
    for g in draws(7, 3_000):
        x = pick(g, 0.0, 1.0, int(g.integers(0, 65)) / 64, *g.random(4))
        assert supervisor.cell(x) == naive.cell(x), x
        seen[int(supervisor.cell(x))] += 1
    assert sorted(seen) == list(range(supervisor.N_CELLS))
    assert [supervisor.cell(x) for x in (NAN, -0.1, 1.5, INF)] == [0, 0, 63, 63]


def test_weights():
    seen: Counter[str] = Counter()
    for g in draws(8):
        x, p = Factors(g), WATCH._replace(mode=int(pick(g, OFF, OBSERVE, ENFORCED, ENFORCED)))
        got = x.kernel(p)
        assert same(got, x.plain(p)), (x.base, x.factor, got)
        assert sum(got.values()) == pytest.approx(1.0)
        seen["base" if tuple(got.values()) == tuple(x.base) else "weighed"] += 1
        seen["all disabled"] += bool((x.factor == 0.0).all())
    assert min(seen[k] for k in ("base", "weighed", "all disabled")) > 20


# --- a constant changed on one side is noticed ----------------------------------------------------------------------

CHANGED_ENGINE: dict[str, tuple[Callable[[Draw], Any], Any]] = {"mode": (Votes, OFF), "sum_tolerance": (Votes, 1e-4)}
CHANGED: dict[str, tuple[Callable[[Draw], Any], Any]] = {
    "mode": (Factors, ENFORCED),
    "interval_ms": (Clock, 1_800_001),
    "window_days": (Clock, 29),
    "recent_days": (Clock, 8),
    "horizon_bars": (Label, 13),
    "reward": (Label, 1.9),
    "min_outcomes": (Record, 101),
    "min_win_rate": (Record, 0.51),
    "min_mean_r": (Record, 0.01),
    "min_calibration": (Record, 0.71),
    "penalty": (Record, 0.76),
    "recent_min_outcomes": (Record, 31),
    "disable_win_rate": (Record, 0.34),
    "disable_mean_r": (Record, -0.02),
    "ece_scale": (Histogram, 0.26),
    "ece_bins": (Histogram, 9),
    "bias_min_count": (Record, 101),
    "max_imbalance": (Record, 0.81),
    "max_hold_share": (Record, 0.99),
}


def noticed(default: Any, changed: Any, case: Callable[[Draw], Any]) -> bool:
    """Whether some random input tells the kernel with ``changed`` from the plain version with ``default``."""
    for g in draws(9, 500):
        x = case(g)
        got = x.kernel(changed)
        if not same(got if isinstance(got, dict) else got._asdict(), x.plain(default)):
            return True
    return False


@pytest.mark.parametrize("name", trading_engine.Params._fields)
def test_a_changed_constant_of_the_trading_engine_is_noticed(name: str):
    case, value = CHANGED_ENGINE[name]
    assert not noticed(ENGINE, ENGINE, case)
    assert noticed(ENGINE, ENGINE._replace(**{name: value}), case)


@pytest.mark.parametrize("name", supervisor.Params._fields)
def test_a_changed_constant_of_the_supervisor_is_noticed(name: str):
    case, value = CHANGED[name]
    assert not noticed(WATCH, WATCH, case)
    assert noticed(WATCH, WATCH._replace(**{name: value}), case)
