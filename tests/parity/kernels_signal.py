"""Kernels of modules 1 and 12 and of the correlations over random inputs, for the table of ``kernel_table``."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from qt_core.features import correlation as corr
from qt_core.features.correlation_stream import new_correlation
from qt_core.signal import ensemble, supervisor, trading_engine

MODULES = (trading_engine, supervisor, corr)
Draw = np.random.Generator
HOUR_MS = 3_600_000


def _maybe_nan(g: Draw, x: float) -> float:
    return float("nan") if g.random() < 0.05 else x


def _engine(g: Draw) -> Iterator[tuple[str, Any]]:
    p = trading_engine.Params(mode=int(g.choice([0, 1, 3])))
    pe = ensemble.Params(mode=int(g.choice([0, 3, 3])), vote=int(g.integers(2)), threshold=float(g.uniform(0.2, 0.6)))
    proba = g.dirichlet(np.ones(3) * 0.7, (1, 1, 4)).astype(np.float32)
    proba[0, 0, int(g.integers(4))] *= np.float32(g.choice([1.0, 1.0, 1.01]))
    if g.random() < 0.1:
        proba[0, 0, int(g.integers(4)), int(g.integers(3))] = g.choice([np.nan, -0.1, np.inf])
    available = g.random((1, 1, 4)) < 0.8
    weights = g.dirichlet(np.ones(4)) * (g.random(4) < 0.9)
    with np.errstate(invalid="ignore"):  # interpreted: infinity times a weight of 0
        said = trading_engine.signal(p, pe, weights, proba, available, 0, 0)
    yield "trading_engine.signal", said
    alone = bool(g.random() < 0.3)
    yield "trading_engine.signal_checked", trading_engine.signal_checked(p, pe, weights, proba, available, 0, 0, alone)
    seen = trading_engine.screen(p, weights, proba, available, 0, 0)
    yield "trading_engine.screen", seen
    yield "ensemble.vote_among", ensemble.vote_among(pe, weights, proba, seen.speaks, 0, 0, alone, 0)
    row = [float(x) for x in proba[0, 0, 0]]
    yield "trading_engine.verdict", (trading_engine.verdict(p, *row),)
    yield "trading_engine.actionable", (trading_engine.actionable(p, pe, *row),)


def _labels(g: Draw) -> Iterator[tuple[str, Any]]:
    p = supervisor.Params(mode=int(g.choice([1, 3])))
    day, today = int(g.integers(0, 100)), int(g.integers(0, 130))
    yield "supervisor.due", (supervisor.due(p, int(g.integers(0, 4_000_000)), 1_000_000),)
    yield "supervisor.slot", (supervisor.slot(day),)
    yield "supervisor.in_window", (supervisor.in_window(p, day, today, bool(g.random() < 0.5)),)
    yield "supervisor.expiry_ms", (supervisor.expiry_ms(p, int(g.integers(0, 10**12)), HOUR_MS),)
    yield "supervisor.cell", (supervisor.cell(_maybe_nan(g, float(g.choice([0.0, 1.0, 0.5, g.random()])))),)
    side, entry, d = (
        int(g.choice([-1, 1])),
        float(g.uniform(0.5, 500.0)),
        float(g.choice([0.0, *g.uniform(0.003, 0.05, 9)])),
    )
    yield "supervisor.label_barriers", supervisor.label_barriers(p, side, entry, d)
    close = _maybe_nan(g, entry * float(g.uniform(0.97, 1.03)))
    bar = (close * float(g.uniform(1.0, 1.03)), close * float(g.uniform(0.97, 1.0)), close)
    yield "supervisor.resolve", supervisor.resolve(p, side, entry, d, *bar, bool(g.random() < 0.5))


def _judgement(g: Draw) -> Iterator[tuple[str, Any]]:
    p = supervisor.Params(mode=int(g.choice([1, 3])))
    n = np.floor(g.uniform(0.0, 12.0, (4, supervisor.N_CELLS)) * (g.random((4, supervisor.N_CELLS)) < 0.6))
    hits, conf = np.floor(n * g.random(n.shape)), n * g.random(n.shape)
    error = supervisor.ece(p, n, hits, conf, int(g.integers(4)))
    yield "supervisor.ece", (error,)
    yield "supervisor.calibration", (supervisor.calibration(p, error),)
    count = [int(x) for x in g.integers(0, 300, 7)]
    count[5] = min(count[5], count[4])
    yield "supervisor.is_biased", (supervisor.is_biased(p, *count[1:4]),)
    known = _maybe_nan(g, float(g.uniform(0.5, 0.9)))
    wins, r, recent_r = int(count[0] * g.uniform(0.3, 0.7)), float(g.normal()), float(g.normal())
    told = supervisor.judge(p, count[0], wins, r, known, *count[1:6], recent_r)
    yield "supervisor.judge", told
    factor = g.choice([0.0, 0.75, 1.0, np.nan], 4)
    yield "supervisor.weights", supervisor.weights(p, g.dirichlet(np.ones(4)), factor)


def _correlation(g: Draw) -> Iterator[tuple[str, Any]]:
    n, m = 3, 6
    p = corr.correlation_params(HOUR_MS, half_life_hours=4.0, min_common=int(g.choice([1, 3])))
    close = 100.0 * np.cumprod(1.0 + g.normal(0.0, 0.01, (m, n)), axis=0)
    valid = g.random((m, n)) < 0.9
    work = corr.CorrelationWork(np.zeros((corr.TILE, n)), np.zeros((corr.TILE, n)))
    s = new_correlation(n)[1]
    corr.load_returns(s, work, close, valid, 0, m)
    yield "correlation.load_returns", (*work.returns[:m].ravel(), *work.present[:m].ravel(), *s.last_close)
    for i in range(n):
        corr.add_symbol(p, s, work, m, i)
    yield "correlation.add_symbol", (*s.product.ravel(), *s.power.ravel(), *s.common.ravel())
    corr.make_row(p, s)
    yield "correlation.make_row", (*s.latest, s.n_rows[0])
    rows = np.full((1, corr.n_pairs(n)), np.nan, dtype=np.float32)
    time = np.arange(m, dtype=np.int64) * HOUR_MS + 20 * HOUR_MS
    corr.update_correlation(p, new_correlation(n)[1], work, time, close, valid, rows)
    yield "correlation.update_correlation", rows[0]
    i, j = (int(x) for x in g.permutation(n)[:2])
    yield "correlation.packed_index", (corr.packed_index(i, j),)
    pair = (i, i if g.random() < 0.1 else j)
    yield "correlation.pair_correlation", (corr.pair_correlation(rows, int(g.choice([-1, 0, 0])), *pair),)


def entries(g: Draw) -> Iterator[tuple[str, Any]]:
    """Every kernel of these files once, under ``file.kernel``, with what it gave."""
    yield from _engine(g)
    yield from _labels(g)
    yield from _judgement(g)
    yield from _correlation(g)
