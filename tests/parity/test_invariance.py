"""One signature for every number of symbols; the journal, other symbols and their order change nothing."""

from dataclasses import replace

import numpy as np
import pytest

from qt_core._jit import INTERPRETED
from qt_core.config import Config, load_config
from qt_core.engine import backtest
from qt_core.engine.result import Result
from qt_core.engine.run import run
from qt_core.market import ROW_FIELDS, Market, make_market
from research.data import simulate_market
from tests.foundation import foundation
from tests.parity.cases import CONFIGS, Case, assert_same, case_of, config_of, outcome, real_case, simulated_case
from tests.parity.stepping import step_all

# Nothing that symbols share may bind: money without end, no streak, no day's limit, room for every candidate.
UNSHARED = {
    "chain": {"initial_equity_usd": 1e9, "max_candidates": 32},
    "risk": {"streak_limit": 1000, "max_day_drawdown": 1.0, "max_positions": 1000},
    "governor": {"max_day_drawdown": 1.0},
}
OWN_NUMBERS = ("trade_id", "symbol", "entry_seq")  # counted over the account, so they depend on the others


@pytest.mark.skipif(INTERPRETED, reason="nothing is compiled")
@pytest.mark.parametrize("n", [1, 5, 20, 37])
def test_one_compiled_signature_serves_every_number_of_symbols(n: int):
    case = case_of(simulate_market(n, 60, seed=n))
    for name in ("full", "cross"):
        backtest(case.market, case.tape, config_of(name), context=case.context)
    assert len(run.signatures) == 1, run.signatures
    with_detail = simulated_case(n_symbols=2, n_bars=40, detail=True)
    backtest(with_detail.market, with_detail.tape, config_of("foundation"), context=with_detail.context)
    assert len(run.signatures) == 1, run.signatures


@pytest.mark.parametrize("name", CONFIGS)
def test_the_digest_is_the_same_without_a_journal(name: str):
    case = simulated_case()
    kept, dropped = (
        backtest(case.market, case.tape, config_of(name), context=case.context, journal=j) for j in (True, False)
    )
    assert kept.digest() == dropped.digest()
    assert len(kept.decisions) > 0
    assert len(kept.events) > 0
    assert len(dropped.decisions) == len(dropped.events) == 0
    assert kept.trades.tobytes() == dropped.trades.tobytes()
    assert np.array_equal(kept.counters, dropped.counters)


def test_another_configuration_has_another_digest():
    case = simulated_case()
    digests = {backtest(case.market, case.tape, config_of(n), context=case.context).digest() for n in CONFIGS}
    assert len(digests) == len(CONFIGS)


def trades_of(r: Result, symbol: str) -> np.ndarray:
    rows = r.trades[r.trades["symbol"] == r.symbols.index(symbol)].copy()
    for name in OWN_NUMBERS:
        rows[name] = 0
    return rows


def run_of(market: Market, config: Config) -> Result:
    case = case_of(market)
    return backtest(case.market, case.tape, config, context=case.context)


def assert_symbols_do_not_touch(market: Market, subset: tuple[str, ...]) -> None:
    config = load_config(foundation(UNSHARED))
    everything, few = run_of(market, config), run_of(market.select(list(subset)), config)
    for symbol in subset:
        a, b = trades_of(everything, symbol), trades_of(few, symbol)
        assert len(a) > 3, f"{symbol} hardly traded"
        assert_same({symbol: a}, {symbol: b})


def test_adding_symbols_changes_nothing_for_the_others():
    market = simulated_case().market
    assert_symbols_do_not_touch(market, (market.symbols[1], market.symbols[4]))


def test_adding_real_symbols_changes_nothing_for_the_others(shared_data):
    assert_symbols_do_not_touch(real_case(shared_data).market, ("ETHUSDT", "XRPUSDT"))


def renamed(market: Market, names: tuple[str, ...]) -> Market:
    """The same contracts under other names, hence in another order."""
    columns = {k: getattr(market, k) for k in ("open", "high", "low", "close", "volume")}
    other = make_market(
        names,
        market.time,
        columns,
        timeframe_ms=market.timeframe_ms,
        mark={k: getattr(market, "mark_" + k) for k in ("open", "high", "low", "close")},
        quote_volume=market.quote_volume,
        funding=(market.funding_time_ms, market.funding_symbol, market.funding_rate),
        specs=market.specs,
        brackets=market.brackets,
    )
    return replace(other, mark_known=other.valid.copy())


def test_the_order_of_the_symbols_changes_nothing_where_no_shared_limit_binds():
    market = simulated_case().market
    names = tuple(f"R{9 - i}" for i in range(market.n_symbols))
    a = run_of(market, load_config(foundation(UNSHARED)))
    b = run_of(renamed(market, names), load_config(foundation(UNSHARED)))
    for symbol, name in zip(market.symbols, names, strict=True):
        x, y = trades_of(a, symbol), trades_of(b, name)
        assert len(x) > 3
        assert_same({symbol: x}, {symbol: y})


def test_the_order_in_which_a_market_is_given_is_forgotten():
    """Ties break by name, so a permuted market is the same market: everything is equal, shared limits or not."""
    market = simulated_case().market
    order = [3, 0, 5, 1, 4, 2]
    columns = {k: getattr(market, k)[:, order] for k in ("open", "high", "low", "close", "volume")}
    back = np.argsort(order)
    shuffled = make_market(
        tuple(market.symbols[k] for k in order),
        market.time,
        columns,
        timeframe_ms=market.timeframe_ms,
        mark={k: getattr(market, "mark_" + k)[:, order] for k in ("open", "high", "low", "close")},
        quote_volume=market.quote_volume[:, order],
        funding=(market.funding_time_ms, back[market.funding_symbol], market.funding_rate),
        specs=market.specs[order],
        brackets=market.brackets[order],
    )
    for name in ROW_FIELDS:
        if name not in ("mark_known", "quote_volume_estimated"):
            assert np.array_equal(getattr(market, name), getattr(shuffled, name), equal_nan=name != "valid"), name
    results: list[dict] = []
    for m in (market, shuffled):
        case: Case = case_of(m)
        results.append(outcome(step_all(case.session(config_of("stress")))))
    assert_same(*results)
