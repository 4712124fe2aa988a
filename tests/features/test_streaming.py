"""One pass, blocks of any length, bar by bar, cut short or resumed: the same bytes."""

from itertools import pairwise

import numpy as np
import pytest

from qt_core.errors import DataError
from qt_core.features.context import chain_context
from qt_core.features.frame import bars_of, compute_features, run_market
from qt_core.features.params import default_params
from qt_core.features.state import SYMBOL_DT, new_state, view_state
from qt_core.features.step import Bars, update
from qt_core.features.stream import FeatureStream
from qt_core.market import Market
from tests.features.build import HOUR_MS, walk, with_holes

HOLES = [(0, 30, 33), (0, 100, 101), (1, 0, 64), (1, 70, 190), (2, 127, 129), (2, 200, 260)]


@pytest.fixture(scope="module")
def market() -> Market:
    return with_holes(walk(700, 3, seed=11), HOLES)


def block(bars: Bars, start: int, stop: int, timeframe_ms: int) -> Bars:
    """Rows of a stretch of bars, as a live runner would hold them."""
    begin = int(bars.time[start]) if start else -(2**62)
    new = (bars.funding_time_ms >= begin) & (bars.funding_time_ms < bars.time[stop - 1] + timeframe_ms)
    columns = {
        n: np.ascontiguousarray(getattr(bars, n)[start:stop]) for n in bars._fields if not n.startswith("funding")
    }
    return Bars(**columns, **{n: getattr(bars, n)[new] for n in bars._fields if n.startswith("funding")})


def in_blocks(market: Market, cuts: "list[int]") -> tuple[list[np.ndarray], bytes]:
    stream = FeatureStream(default_params(market.timeframe_ms), market.symbols)
    bars = bars_of(market)
    parts = [stream.update(block(bars, a, b, market.timeframe_ms)) for a, b in pairwise(cuts)]
    return [np.concatenate(x) for x in zip(*parts, strict=True)], stream.snapshot()


def same(a: "list[np.ndarray]", b: "list[np.ndarray]") -> bool:
    return all(x.tobytes() == y.tobytes() for x, y in zip(a, b, strict=True))


def test_bar_by_bar_is_the_batch_byte_for_byte(market):
    batch = list(run_market(market, default_params(HOUR_MS), True, True))
    n = market.n_bars
    whole, end = in_blocks(market, [0, n])
    assert same(whole, batch)
    for cuts in (list(range(n + 1)), [0, 1, 64, 65, 300, n], [*range(0, n, 37), n]):
        rows, state = in_blocks(market, cuts)
        assert same(rows, batch)
        assert state == end


def test_samples_of_short_bars_fall_on_the_hour_wherever_a_run_begins():
    quarter = HOUR_MS // 4
    market = with_holes(walk(1500, 2, seed=13, timeframe_ms=quarter), [(0, 31, 34), (0, 70, 75), (1, 40, 41)])
    batch, end = in_blocks(market, [0, market.n_bars])
    assert np.isfinite(batch[0][-1, :, -4:-1]).all(), "the 30-day statistics are known at the end"
    for cuts in (list(range(market.n_bars + 1)), [*range(0, market.n_bars, 29), market.n_bars]):
        rows, state = in_blocks(market, cuts)
        assert same(rows, batch)
        assert state == end


@pytest.mark.interpreted
@pytest.mark.boundscheck
def test_bar_by_bar_is_the_batch_over_a_few_bars():
    market = with_holes(walk(90, 2, seed=12), [(0, 20, 23), (1, 30, 60)])
    batch, end = in_blocks(market, [0, 90])
    rows, state = in_blocks(market, list(range(91)))
    assert same(rows, batch)
    assert state == end


@pytest.mark.parametrize("n_bars", [1, 40, 64, 65, 128, 411])
def test_what_comes_later_changes_nothing(market, n_bars):
    short = market.head(n_bars)
    assert same([compute_features(short).values], [compute_features(market).head(n_bars).values])
    whole = chain_context(market).head(n_bars)
    cut = chain_context(short)
    assert same([cut.values, cut.eligible], [whole.values, whole.eligible])


def test_real_bars_one_by_one(shared_data):
    from research.data import load_market

    market = load_market(["ARBUSDT", "BTCUSDT"], "1h", "2023-03-20", "2023-05-20", root=shared_data)
    assert not market.valid.all(), "the listing of ARB lies inside the window"
    rows, _ = in_blocks(market, list(range(market.n_bars + 1)))
    assert same(rows, list(run_market(market, default_params(HOUR_MS), True, True)))


def test_a_snapshot_resumes(market):
    bars, cut = bars_of(market), 333
    first = FeatureStream(default_params(HOUR_MS), market.symbols)
    first.update(block(bars, 0, cut, HOUR_MS))
    second = FeatureStream(default_params(HOUR_MS), market.symbols)
    second.resume(first.snapshot())
    rest = block(bars, cut, market.n_bars, HOUR_MS)
    assert same(list(first.update(rest)), list(second.update(rest)))
    assert first.snapshot() == second.snapshot()


def test_a_foreign_snapshot_is_refused(market):
    params = default_params(HOUR_MS)
    data = FeatureStream(params, market.symbols).snapshot()
    strangers = [
        FeatureStream(params, ("A", "B", "C")),
        FeatureStream(params, market.symbols[:2]),
        FeatureStream(params._replace(rsi_span=7), market.symbols),
    ]
    for stranger in strangers:
        before = stranger.snapshot()
        with pytest.raises(DataError, match="feature state of other symbols"):
            stranger.resume(data)
        assert stranger.snapshot() == before
    with pytest.raises(DataError, match="bytes"):
        FeatureStream(params, market.symbols).resume(data[:-8])


def test_other_symbols_do_not_matter(market):
    alone = compute_features(market.select([market.symbols[1]])).values
    assert same([alone[:, 0]], [np.ascontiguousarray(compute_features(market).values[:, 1])])


@pytest.mark.parametrize("n_symbols", [1, 5, 20, 37])
def test_one_compiled_signature_serves_every_n(n_symbols):
    compute_features(walk(70, n_symbols, seed=n_symbols))
    chain_context(walk(70, n_symbols, seed=n_symbols, timeframe_ms=4 * HOUR_MS))
    if hasattr(update, "signatures"):  # a plain function where the compiler is off
        assert len(update.signatures) == 1


def test_the_state_is_one_buffer_of_views():
    params = default_params(HOUR_MS)
    buffer, state = new_state(params, 4)
    assert buffer.ctypes.data % 64 == 0
    assert state.symbol.dtype == SYMBOL_DT
    for view in state:
        assert np.shares_memory(view, buffer)
        assert view.ctypes.data % 8 == 0
    assert np.shares_memory(state.day_bits, state.day_month)
    with pytest.raises(DataError, match="bytes"):
        view_state(buffer[:-8], params, 4)
