"""Random inputs of modules 1 and 12: what the kernels say to each, and what the plain versions say.

``kernel(p)`` and ``plain(p)`` give the same names, so that a case with other Params on either side shows a difference.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from qt_core.codes import ENFORCED, OBSERVE, OFF
from qt_core.signal import ensemble, supervisor, trading_engine
from tests.reference import signal_naive as naive

TIMES = 1_500
Draw = np.random.Generator
ENGINE, VOTE, WATCH = trading_engine.Params(), ensemble.Params(), supervisor.Params()
STATES = {"open": supervisor.PENDING, "done": supervisor.RESOLVED, "void": supervisor.VOID}
NAN, INF = math.nan, math.inf
HOUR_MS = 3_600_000


def draws(seed: int, times: int = TIMES) -> Iterator[Draw]:
    g = np.random.Generator(np.random.PCG64(seed))
    for _ in range(times):
        yield g


def pick(g: Draw, *choices: float) -> float:
    return float(choices[int(g.integers(len(choices)))])


def near(a: float, b: float) -> bool:
    return a == b or math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12) or (math.isnan(a) and math.isnan(b))


def alike(got: Any, want: dict[str, float]) -> bool:
    return all(near(float(getattr(got, name)), float(value)) for name, value in want.items())


class Votes:
    """One random set of rows."""

    def __init__(self, g: Draw) -> None:
        exact = ((0.25, 0.5, 0.5), (0.125, 0.25, 0.375), (0.25, 0.25, 0.5), (0.5, 0.0, 0.5), (0.25, 0.5, 0.25))
        rows = g.dirichlet(np.full(3, 0.5), 4)
        for m in range(4):
            kind = g.random()
            if kind < 0.15:
                rows[m] = exact[int(g.integers(len(exact)))]
            elif kind < 0.25:
                rows[m] *= pick(g, 1.01, 0.99, 1.0005, 0.9995, 1.00001)
            elif kind < 0.3:
                rows[m, int(g.integers(3))] = pick(g, NAN, -0.2, INF, -INF)
        self.proba = rows.astype(np.float32)[None, None]
        self.available = g.random((1, 1, 4)) < 0.8
        self.rows = [[float(x) for x in row] for row in self.proba[0, 0]]
        self.weights = g.dirichlet(np.full(4, 5.0)) * (g.random(4) < 0.95)
        self.pe = VOTE._replace(
            mode=int(pick(g, OFF, OBSERVE, ENFORCED, ENFORCED)),
            vote=int(g.integers(2)),
            threshold=pick(g, 0.3, 0.45, 0.5),
        )

    def kernel(self, p: Any) -> Any:
        return trading_engine.signal(p, self.pe, self.weights, self.proba, self.available, 0, 0)

    def plain(self, p: Any) -> dict[str, float]:
        return naive.signal(p._asdict(), self.pe._asdict(), self.weights, self.rows, self.available[0, 0].tolist())


class Label:
    """One label and one more bar."""

    def __init__(self, g: Draw) -> None:
        self.side, self.d = int(pick(g, -1, 1, 1, -1, 0)), pick(g, 0.0, NAN, INF, *g.uniform(0.003, 0.05, 12))
        self.entry = pick(g, NAN, 0.0, INF, *g.uniform(0.5, 500.0, 20))
        close = self.entry * (1.0 + float(g.normal(0.0, 0.02)))
        span = abs(self.entry * float(g.exponential(0.015)))
        self.bar = {"high": close + span, "low": close - span, "close": close}
        if g.random() < 0.2 and self.side != 0:  # exactly at a barrier
            b = supervisor.label_barriers(WATCH, self.side, self.entry, self.d)
            self.bar["high" if self.side > 0 else "low"] = b.win_price
            if g.random() < 0.5:
                self.bar["low" if self.side > 0 else "high"] = b.stop_price
        if g.random() < 0.05:
            self.bar = dict.fromkeys(self.bar, NAN)
        self.age = int(g.integers(10, 14))

    def kernel(self, p: Any) -> dict[str, float]:
        expired = self.age * HOUR_MS >= supervisor.expiry_ms(p, 0, HOUR_MS)
        high, low, close = (self.bar[k] for k in ("high", "low", "close"))
        return supervisor.resolve(p, self.side, self.entry, self.d, high, low, close, expired)._asdict()

    def plain(self, p: Any) -> dict[str, float]:
        want = naive.resolve(p._asdict(), self.side, self.bar, self.d, self.entry, self.age)
        return {"done": STATES[str(want.pop("state"))], **want}


def same(got: dict[str, float], want: dict[str, float]) -> bool:
    return got.keys() == want.keys() and all(near(float(got[k]), float(want[k])) for k in want)


class Histogram:
    """Totals of four models."""

    def __init__(self, g: Draw) -> None:
        self.m = int(g.integers(4))
        first, most = int(g.integers(0, 63)), pick(g, 2, 5, 40)
        n = g.integers(0, most, (4, supervisor.N_CELLS)).astype(np.float64)
        n[:, :first] = 0.0
        n *= g.random(n.shape) < pick(g, 0.2, 1.0)
        self.hits = np.floor(n * g.random(n.shape))
        self.conf = n * (np.arange(supervisor.N_CELLS) + g.random(n.shape)) / supervisor.N_CELLS
        self.n = n

    def kernel(self, p: Any) -> dict[str, float]:
        error = supervisor.ece(p, self.n, self.hits, self.conf, self.m)
        return {"ece": error, "calibration": supervisor.calibration(p, error)}

    def plain(self, p: Any) -> dict[str, float]:
        error = naive.ece(p._asdict(), self.n[self.m], self.hits[self.m], self.conf[self.m])
        return {"ece": error, "calibration": naive.calibration(p._asdict(), error)}


class Record:
    """What is known of one model."""

    def __init__(self, g: Draw) -> None:
        n, recent = int(pick(g, 0, 99, 100, 400)), int(pick(g, 0, 29, 30, 100))
        calls = int(pick(g, 0, 99, 100, 300))
        longs = int(calls * pick(g, 0.0, 0.1, 0.5, 0.9, 0.905, 0.95, 1.0))
        self.values: dict[str, Any] = {
            "n": n,
            "wins": int(n * pick(g, 0.3, 0.5, 0.49, 0.8)),
            "sum_r": n * pick(g, -0.2, 0.0, 0.3),
            "calibration": pick(g, NAN, 0.70, 0.69, 0.9, 0.2),
            "n_long": longs,
            "n_short": calls - longs,
            "n_hold": int(pick(g, 0, 100, 19_900, 100_000)),
            "recent_n": recent,
            "recent_wins": int(recent * pick(g, 0.2, 0.34, 0.35, 0.6)),
            "recent_sum_r": recent * pick(g, -0.3, -0.01, 0.0, 0.3),
        }

    def kernel(self, p: Any) -> dict[str, float]:
        return supervisor.judge(p, *self.values.values())._asdict()

    def plain(self, p: Any) -> dict[str, float]:
        return naive.judge(p._asdict(), self.values)


class Clock:
    """Cadence and windows of days."""

    def __init__(self, g: Draw) -> None:
        self.last, self.day = int(g.integers(0, 10**12)), int(g.integers(0, 30_000))
        self.now = self.last + int(g.choice([0, 1_799_999, 1_800_000, 1_800_001, 3_600_000, 0]))
        self.today = self.day + int(g.choice([-1, 0, 6, 7, 29, 30, 31]))

    def kernel(self, p: Any) -> dict[str, float]:
        month, week = (bool(supervisor.in_window(p, self.day, self.today, recent)) for recent in (False, True))
        return {"due": bool(supervisor.due(p, self.now, self.last)), "month": month, "week": week}

    def plain(self, p: Any) -> dict[str, float]:
        month, week = (naive.in_window(p._asdict(), self.day, self.today, recent) for recent in (False, True))
        return {"due": naive.due(p._asdict(), self.now, self.last), "month": month, "week": week}


class Factors:
    """Base weights and factors."""

    def __init__(self, g: Draw) -> None:
        self.base = g.dirichlet(np.full(4, 5.0))
        self.factor = np.array([pick(g, 0.0, 0.5625, 0.75, 1.0, NAN) for _ in range(4)]) * pick(g, 1.0, 1.0, 1.0, 0.0)

    def kernel(self, p: Any) -> dict[str, float]:
        return supervisor.weights(p, self.base, self.factor)._asdict()

    def plain(self, p: Any) -> dict[str, float]:
        return dict(zip(supervisor.Weights._fields, naive.weights(p._asdict(), self.base, self.factor), strict=True))
