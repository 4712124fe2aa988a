"""The simulated market: the statistical habits it promises, over twenty seeds, and what its bars must satisfy."""

import numpy as np
import pytest

from qt_core.errors import DataError
from qt_core.market import Market
from research.data import load_market, simulate_market

SEEDS = range(20)
HOUR = 3_600_000


def autocorrelation(x: np.ndarray, lag: int) -> np.ndarray:
    """Of each column."""
    x = x - x.mean(axis=0)
    return (x[lag:] * x[:-lag]).mean(axis=0) / (x * x).mean(axis=0)


@pytest.mark.parametrize("seed", SEEDS)
def test_hourly_returns_have_the_habits_of_crypto(seed: int) -> None:
    market = simulate_market(n_symbols=6, n_bars=26_280, seed=seed)
    returns = np.diff(np.log(market.close), axis=0)
    scaled = (returns - returns.mean(axis=0)) / returns.std(axis=0)
    correlation = np.corrcoef(returns.T)[np.triu_indices(6, 1)].mean()
    assert ((scaled**4).mean(axis=0) - 3.0).min() > 3.0  # of every symbol, not only on average
    assert autocorrelation(np.abs(returns), 24).min() > 0.05
    assert np.abs(autocorrelation(returns, 1)).max() < 0.05
    assert 0.4 < correlation < 0.8
    assert 0.3 < returns.std() * np.sqrt(8_766) < 1.5  # annual volatility


@pytest.fixture(scope="module")
def market() -> Market:
    """Four symbols with late listings, holes and finer bars."""
    return simulate_market(4, 600, seed=7, detail_timeframe_ms=HOUR // 12, late_listings=1, holes=4)


def test_it_says_that_it_is_simulated(market: Market) -> None:
    assert market.simulated
    assert market.detail is not None
    assert market.detail.simulated
    assert market.symbols == ("SIM01USDT", "SIM02USDT", "SIM03USDT", "SIM04USDT")
    assert "simulated" in market.source
    assert any("SIMULATED" in note for note in market.notes)


def test_equal_arguments_give_equal_bytes_and_seeds_differ() -> None:
    a, b, c = (simulate_market(3, 200, seed=s) for s in (1, 1, 2))
    assert a.close.tobytes() == b.close.tobytes()
    assert a.funding_rate.tobytes() == b.funding_rate.tobytes()
    assert a.close.tobytes() != c.close.tobytes()


def test_prices_lie_on_the_tick_and_quantities_on_the_lot(market: Market) -> None:
    for name, step in (("open", "tick_size"), ("high", "tick_size"), ("close", "tick_size"), ("volume", "lot_step")):
        steps = getattr(market, name) / market.specs[step]
        assert np.nanmax(np.abs(steps - np.round(steps)) / np.maximum(1.0, steps)) < 1e-9, name


def test_bars_open_at_the_previous_close_and_quote_volume_lies_in_the_range(market: Market) -> None:
    both = market.valid[1:] & market.valid[:-1]
    assert np.array_equal(market.open[1:][both], market.close[:-1][both])
    mean_price = market.quote_volume / market.volume
    v = market.valid
    assert np.all((mean_price[v] >= market.low[v]) & (mean_price[v] <= market.high[v]))
    assert not market.quote_volume_estimated.any()


def test_volume_grows_with_volatility() -> None:
    market = simulate_market(5, 5_000, seed=3)
    size = np.log(market.high / market.low)
    for i in range(5):
        assert np.corrcoef(np.log(market.volume[:, i]), np.log(size[:, i] + 1e-4))[0, 1] > 0.3


def test_finer_bars_add_up_to_the_bars(market: Market) -> None:
    detail = market.detail
    assert detail is not None
    assert detail.timeframe_ms == HOUR // 12
    blocks = {k: getattr(detail, k).reshape(600, 12, 4) for k in ("open", "high", "low", "close", "volume")}
    v = market.valid
    assert np.array_equal(detail.valid.reshape(600, 12, 4).all(axis=1), v)
    assert np.array_equal(blocks["open"][:, 0][v], market.open[v])
    assert np.array_equal(blocks["high"].max(axis=1)[v], market.high[v])
    assert np.array_equal(blocks["low"].min(axis=1)[v], market.low[v])
    assert np.array_equal(blocks["close"][:, -1][v], market.close[v])
    assert np.allclose(blocks["volume"].sum(axis=1)[v], market.volume[v], rtol=1e-12)


def test_late_listings_and_holes_are_missing_bars(market: Market) -> None:
    first = market.valid.argmax(axis=0)
    assert first[:3].max() <= 12  # at most a hole
    assert 30 < first[3] <= 301
    assert not market.valid[first[3] :].all()  # the holes
    assert market.valid[-1].all()


def test_funding_settles_every_eight_hours_of_listed_symbols(market: Market) -> None:
    assert np.all(market.funding_time_ms % (8 * HOUR) == 0)
    row = (market.funding_time_ms - market.time[0]) // HOUR
    assert market.valid[row, market.funding_symbol].all()
    assert 0.0 < np.abs(market.funding_rate).mean() < 0.002
    assert np.abs(market.funding_rate).max() <= 0.0075


def test_marks_are_near_the_last_price_and_consistent(market: Market) -> None:
    v = market.valid
    assert market.mark_known[v].all()
    assert np.abs(market.mark_close[v] / market.close[v] - 1.0).max() < 0.005
    assert np.all(market.mark_high[v] >= np.maximum(market.mark_open, market.mark_close)[v])
    assert np.all(market.mark_low[v] <= np.minimum(market.mark_open, market.mark_close)[v])


def test_brackets_make_maintenance_margin_continuous(market: Market) -> None:
    for i, rows in enumerate(market.brackets):
        used = rows[: market.specs["n_brackets"][i]]
        at_floor = used["notional_floor"][1:]
        below = at_floor * used["maintenance_rate"][:-1] - used["cum"][:-1]
        above = at_floor * used["maintenance_rate"][1:] - used["cum"][1:]
        assert np.allclose(below, above)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_symbols": 0}, "n_symbols=0; 1..99 expected"),
        ({"n_bars": 1}, "n_bars=1"),
        ({"substeps": 2}, "substeps=2"),
        ({"n_symbols": 3, "late_listings": 3}, "late_listings=3; 0..2 expected"),
        ({"detail_timeframe_ms": 7}, "detail_timeframe_ms=7; a divisor of 3600000 expected"),
    ],
)
def test_sizes_out_of_range_are_named(arguments: dict[str, int], message: str) -> None:
    with pytest.raises(DataError, match=message.replace(".", r"\.")):
        simulate_market(**{"n_symbols": 2, "n_bars": 100, **arguments})


def test_load_market_gives_the_simulation() -> None:
    market = load_market(["SIM02USDT"], "15m", "2021-01-01T12:00", simulated={"n_symbols": 3, "n_bars": 300, "seed": 5})
    assert (market.symbols, market.timeframe_ms, market.n_bars) == (("SIM02USDT",), 900_000, 300 - 48)
    assert market.simulated
    with pytest.raises(DataError, match="unknown or repeated symbol"):
        load_market(["BTCUSDT"], simulated={"n_symbols": 3, "n_bars": 300})
