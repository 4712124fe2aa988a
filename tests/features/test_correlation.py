"""Daily correlations: their definition, any cut of the bars, holes, and what the chain context makes of them."""

import math
from itertools import pairwise

import numpy as np
import pytest

from qt_core._jit import INTERPRETED
from qt_core.errors import ConfigError, DataError
from qt_core.features.context import ChainContext, chain_context
from qt_core.features.correlation import (
    CorrelationParams,
    correlation_params,
    n_pairs,
    packed_index,
    pair_correlation,
    update_correlation,
)
from qt_core.features.correlation_stream import Correlations, CorrelationStream, correlate, view_correlation
from qt_core.market import Market
from tests.features.build import HOUR_MS, START_MS, walk, with_holes
from tests.reference import correlation_naive as naive

HOLES = [(0, 30, 33), (0, 100, 101), (1, 0, 64), (1, 70, 190), (2, 127, 129), (2, 200, 260), (3, 0, 300)]


def related(n_bars: int, symbols: int, seed: int = 0, timeframe_ms: int = HOUR_MS, start_ms: int = START_MS) -> Market:
    """Walks with a common part, so that correlations differ from 0, and holes."""
    market = walk(n_bars, symbols, seed=seed, timeframe_ms=timeframe_ms, start_ms=start_ms, funding=False)
    return with_holes(market, [h for h in HOLES if h[0] < symbols and h[2] <= n_bars])


@pytest.fixture(scope="module")
def market() -> Market:
    return related(430, 4, seed=3)


def expected(market: Market, got: Correlations, **kinds: float) -> None:
    """Every value of every row against its definition, and each row where it belongs."""
    want = naive.correlations(market.time, market.close, market.valid, market.timeframe_ms, **kinds)
    made = naive.refreshes(market.time, market.timeframe_ms)
    assert got.rows.shape == (len(made), n_pairs(market.n_symbols))
    assert got.row.tolist() == [sum(m <= t for m in made) - 1 for t in range(market.n_bars)]
    for (t, i, j), value in want.items():
        x = float(got.rows[made.index(t), packed_index(i, j)])
        assert math.isclose(x, value, rel_tol=1e-6, abs_tol=1e-7) or (math.isnan(x) and math.isnan(value)), (t, i, j)


@pytest.mark.interpreted
@pytest.mark.boundscheck
def test_they_are_what_the_definition_says(market):
    got = correlate(market)
    expected(market, got)
    known = np.isfinite(got.rows)
    assert known.any(), "known in the end"
    assert not known[0].any(), "unknown at first"
    assert np.abs(got.rows[known]).max() <= 1.0


@pytest.mark.parametrize(("hours", "start"), [(0.25, 0), (4, 0), (24, 0), (5, 3), (1, 7), (8, 4)])
def test_bars_of_any_length_from_any_hour(hours, start):
    bar_ms = int(hours * HOUR_MS)
    market = related(310, 3, seed=5, timeframe_ms=bar_ms, start_ms=START_MS + start * HOUR_MS)
    expected(market, correlate(market))


def test_a_changed_constant_is_noticed(market):
    default = correlation_params(HOUR_MS)
    assert default == (HOUR_MS, 0.5 ** (1.0 / 168.0), 100, 24 * HOUR_MS)
    expected(market, correlate(market, default))
    changes = {
        "decay": default.decay * 0.999,
        "min_common": 120,
        "refresh_ms": 12 * HOUR_MS,
        "timeframe_ms": HOUR_MS - 1,
    }
    assert set(changes) == set(CorrelationParams._fields)
    for name, value in changes.items():
        with pytest.raises(AssertionError):
            expected(market, correlate(market, default._replace(**{name: value})))


def test_other_constants_are_followed(market):
    expected(market, correlate(market, correlation_params(HOUR_MS, 24.0, 20)), half_life_hours=24.0, least=20)


def in_blocks(market: Market, cuts: "list[int]", resume: bool = False) -> tuple[list[bytes], bytes]:
    """The row in force at every bar, as bytes, and the state at the end."""
    params = correlation_params(market.timeframe_ms)
    stream = CorrelationStream(params, market.symbols)
    out = []
    for a, b in pairwise(cuts):
        if resume:
            saved, stream = stream.snapshot(), CorrelationStream(params, market.symbols)
            stream.resume(saved)
        got = stream.update(market.time[a:b], market.close[a:b], market.valid[a:b])
        out += [got.rows[k].tobytes() if k >= 0 else b"" for k in got.row]
    return out, stream.snapshot()


@pytest.mark.interpreted
def test_any_cut_gives_the_same_bytes(market):
    part = market if not INTERPRETED else market.head(150)
    n = part.n_bars
    whole, end = in_blocks(part, [0, n])
    batch = correlate(part)
    assert whole == [batch.rows[k].tobytes() if k >= 0 else b"" for k in batch.row]
    for cuts in ([*range(n + 1)], [0, 1, 64, 65, 120, n], [*range(0, n, 37), n]):
        assert in_blocks(part, cuts) == (whole, end)
    assert in_blocks(part, [*range(0, n, 29), n], resume=True) == (whole, end)


@pytest.mark.parametrize("n_bars", [1, 23, 24, 25, 120, 411])
def test_what_comes_later_changes_nothing(market, n_bars):
    whole, cut = chain_context(market), chain_context(market.head(n_bars))
    head = whole.head(n_bars)
    assert head.correlation.tobytes() == cut.correlation.tobytes()
    assert head.correlation_row.tobytes() == cut.correlation_row.tobytes()
    assert head.correlation.shape == cut.correlation.shape
    assert head.correlation.shape[0] == n_bars // 24, "only the rows needed"


def test_a_row_knows_the_bar_that_closes_at_midnight_and_none_after():
    market = walk(240, 2, seed=8, funding=False)
    made = naive.refreshes(market.time, HOUR_MS)
    assert made[0] == 23, "the bar 23:00 to 00:00"
    plain = correlate(market, correlation_params(HOUR_MS, min_common=10))
    for at, row in ((23, 0), (24, 1)):
        close = market.close.copy()
        close[at] *= (1.1, 0.9)
        times = market.time, close, market.valid
        moved = CorrelationStream(correlation_params(HOUR_MS, min_common=10), market.symbols).update(*times)
        changed = (moved.rows != plain.rows)[:, 0].tolist()
        assert changed[:2] == ([True, True] if row == 0 else [False, True])


def test_a_hole_invents_no_jump():
    """Two symbols move alike but for a jump while one is away; other markets' holes do not count against the pair."""
    base = walk(300, 1, seed=9, funding=False)
    close = np.repeat(base.close, 2, axis=1)
    close[150:, 1] *= 3.0
    valid = np.ones((300, 2), dtype=np.bool_)
    valid[148:150, 1] = False
    got = CorrelationStream(correlation_params(HOUR_MS), ("A", "B")).update(base.time, close, valid)
    assert got.rows[-1, 0] == pytest.approx(1.0)
    apart = CorrelationStream(correlation_params(HOUR_MS), ("A", "B")).update(base.time, close, np.ones_like(valid))
    assert apart.rows[-1, 0] < 0.5


@pytest.mark.parametrize(("first", "known"), [(18, True), (19, False)])
def test_a_hundred_common_returns_are_needed(first, known):
    """The fifth row closes bar 119; a symbol that exists from bar 19 on has 100 returns there: 20 to 119."""
    market = with_holes(walk(120, 2, seed=10, funding=False), [(1, 0, first + 1)])
    assert bool(np.isfinite(correlate(market).rows[4, 0])) is known


def test_a_symbol_that_does_not_move_correlates_with_nothing_known():
    market = walk(240, 2, seed=11, funding=False)
    close = market.close.copy()
    close[:, 1] = 50.0
    got = CorrelationStream(correlation_params(HOUR_MS), market.symbols).update(market.time, close, market.valid)
    assert np.isnan(got.rows).all()


@pytest.mark.interpreted
def test_pairs_fill_a_row():
    n = 7
    seen = [int(packed_index(i, j)) for i in range(n) for j in range(i)]
    assert seen == list(range(n_pairs(n)))
    assert packed_index(2, 5) == packed_index(5, 2)
    row = np.arange(n_pairs(n), dtype=np.float32)[None]
    assert pair_correlation(row, 0, 2, 5) == packed_index(5, 2)
    assert pair_correlation(row, 0, 3, 3) == 1.0
    assert math.isnan(pair_correlation(row, -1, 2, 5))


def test_one_symbol_and_many_share_one_machine_code():
    for n in (1, 2, 5):
        context = chain_context(walk(60, n, seed=n, funding=False))
        assert context.correlation.shape == (2, n_pairs(n))
        assert context.correlation.dtype == np.float32
        for cut in (context, context.head(30), context.head(5)):
            assert cut.correlation.flags.c_contiguous
            assert cut.correlation_row.flags.c_contiguous
            assert cut.correlation_row.dtype == np.int64
            assert pair_correlation(cut.correlation, int(cut.correlation_row[-1]), 0, 0) == 1.0
    if not INTERPRETED:
        assert len(update_correlation.signatures) == 1


def test_a_context_without_correlations_knows_none():
    context = ChainContext(np.zeros((5, 3, 16)), np.ones((5, 3), np.bool_))
    assert context.correlation.shape == (0, 3)
    assert context.correlation_row.tolist() == [-1] * 5
    assert context.head(2).correlation_row.tolist() == [-1, -1]


def test_what_does_not_fit_is_refused(market):
    with pytest.raises(ConfigError, match="half-life"):
        correlation_params(HOUR_MS, 0.0)
    with pytest.raises(DataError, match="correlation state of 64 bytes"):
        view_correlation(np.zeros(64, np.uint8), 4)
    saved = CorrelationStream(correlation_params(HOUR_MS), market.symbols).snapshot()
    other = CorrelationStream(correlation_params(HOUR_MS), ("A", *market.symbols[1:]))
    with pytest.raises(DataError, match="other symbols, params or version"):
        other.resume(saved)
    context = chain_context(market)
    with pytest.raises(DataError, match="row numbers"):
        ChainContext(context.values, context.eligible, context.correlation[:, :2], context.correlation_row)
