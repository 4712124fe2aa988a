"""Other units of price and money, another order of symbols: what must not change does not, to the last bit."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from qt_core.codes import CTX_DONCHIAN_HIGH, CTX_DONCHIAN_LOW, MIN_NOTIONAL
from qt_core.market import make_market
from qt_core.records import CURVE_DT
from tests.properties.binding import Met
from tests.properties.walk import plain
from tests.properties.worlds import ACCOUNTS, Case, World, accounts, decisions_of, finished, trades_of, worlds

PRICES = ("open", "high", "low", "close", "mark_open", "mark_high", "mark_low", "mark_close")
USD = (
    "margin_usd", "pnl_gross_usd", "fee_usd", "funding_usd", "slippage_usd", "insurance_usd", "pnl_usd",
    "initial_risk_usd",
)  # fmt: skip
FRACTIONS = ("r_multiple", "worst_roi", "sl_fraction", "tp_fraction", "confidence", "leverage")
FACTS = ("symbol", "side", "entry_ms", "exit_ms", "exit_reason", "n_fills", "ambiguous")


def assert_scaled(a: np.ndarray, b: np.ndarray, **factors: float) -> None:
    """Fields named in ``factors`` are multiplied by them, everything else in the three lists is equal."""
    assert len(a) == len(b)
    for name in (*USD, *FRACTIONS, *FACTS, *factors):
        assert np.array_equal(a[name] * factors.get(name, 1), b[name]), name


def in_other_units(case: Case, k: float) -> Case:
    """Every price times ``k``, every quantity through ``k``: the same USD."""
    m = case.market
    specs = m.specs.copy()
    specs["tick_size"] *= k
    for name in ("lot_step", "min_qty", "max_qty"):
        specs[name] /= k
    prices = {n: getattr(m, n) * k for n in PRICES}
    values = case.context.values.copy()
    values[..., [CTX_DONCHIAN_HIGH, CTX_DONCHIAN_LOW]] *= k
    scaled = case.with_market(**prices, volume=m.volume / k, specs=specs)
    return replace(scaled, context=replace(case.context, values=values))


SMALL = {  # sizes around the exchange's minimum
    "chain": {"base_margin_usd": 7.5},
    "risk": {"min_margin_usd": 0.0, "leverage_cap_high": 2.5},
    "governor": {"min_margin_usd": 0.0},
}


def test_the_unit_of_price_leaves_profit_alone(met: Met, record_property):
    """Powers of two, so that not a bit may differ."""

    @given(worlds(), accounts, st.sampled_from([2.0**-7, 0.5, 4.0, 2.0**10]))
    def check(world: World, account: str, k: float) -> None:
        case = world.build()
        for c in (ACCOUNTS[account], SMALL):
            a, b = finished(case, c), finished(in_other_units(case, k), c)
            t = trades_of(a)
            prices = dict.fromkeys(("entry_price", "exit_price", "sl_price", "tp_price"), k)
            assert_scaled(t, trades_of(b), quantity=1.0 / k, **prices)
            assert plain(a.curve, CURVE_DT).tobytes() == plain(b.curve, CURVE_DT).tobytes()
            assert np.array_equal(a.out.counters, b.out.counters)
            met["trades"] += len(t)
            met["minimum notional vetoes"] += int(a.out.counters[:, MIN_NOTIONAL].sum())
            met["liquidations"] += int(plain(a.venue.fund, a.venue.fund.dtype)["n_liquidations"][0])
            met["partial fills"] += int(plain(a.venue.fund, a.venue.fund.dtype)["n_partial"][0])

    check()
    met.need(record_property, "trades", "liquidations", "partial fills", "minimum notional vetoes")


def test_ten_times_the_money_makes_ten_times_the_profit(met: Met, record_property):
    """Equity, margins, minimums, brackets, lots and volume times ``k``: every USD times ``k``, every ratio the same."""

    @given(worlds(), accounts, st.sampled_from([0.125, 8.0]))
    def check(world: World, account: str, k: float) -> None:
        case = world.build()
        config = ACCOUNTS[account]
        chain = {"initial_equity_usd": 1e4, "base_margin_usd": 200.0, **config["chain"]}
        money = {"initial_equity_usd", "base_margin_usd"}
        more = {
            **config,
            "chain": {n: v * (k if n in money else 1) for n, v in chain.items()},
            "risk": {**config.get("risk", {}), "min_margin_usd": 10.0 * k, "max_margin_usd": 300.0 * k},
            "governor": {**config.get("governor", {}), "min_margin_usd": 10.0 * k, "max_margin_usd": 300.0 * k},
        }
        specs, brackets = case.market.specs.copy(), case.market.brackets.copy()
        for name in ("lot_step", "min_qty", "max_qty", "min_notional"):
            specs[name] *= k
        for name in ("notional_floor", "notional_cap", "cum"):
            brackets[name] *= k
        rich = case.with_market(volume=case.market.volume * k, specs=specs, brackets=brackets)
        a, b = finished(case, {**config, "chain": chain}), finished(rich, more)
        t = trades_of(a)
        assert_scaled(t, trades_of(b), quantity=k, **dict.fromkeys(USD, k))
        curve, other = plain(a.curve, CURVE_DT), plain(b.curve, CURVE_DT)
        for name in ("equity_usd", "wallet_usd", "margin_usd", "unrealised_usd", "exposure_usd"):
            assert np.array_equal(curve[name] * k, other[name]), name
        met["trades"] += len(t)
        met["vetoes"] += int((decisions_of(a)["reason"] != 0).sum())

    check()
    met.need(record_property, "trades", "vetoes")


def test_the_order_in_which_symbols_are_given_changes_nothing(met: Met, record_property):
    """Not even where they compete: ties and shared limits go by name."""

    @given(worlds(n_symbols=5, act=0.6), st.permutations(range(5)))
    def check(world: World, order: list[int]) -> None:
        case = world.build()
        m, back = case.market, np.argsort(order)
        shuffled = make_market(
            tuple(m.symbols[k] for k in order),
            m.time,
            {n: getattr(m, n)[:, order] for n in ("open", "high", "low", "close", "volume")},
            timeframe_ms=m.timeframe_ms,
            mark={n: getattr(m, f"mark_{n}")[:, order] for n in ("open", "high", "low", "close")},
            funding=(m.funding_time_ms, back[m.funding_symbol], m.funding_rate),
            specs=m.specs[order],
            brackets=m.brackets[order],
        )
        config = {"chain": {"initial_equity_usd": 900.0, "max_candidates": 2}}
        a, b = finished(case, config), finished(replace(case, market=shuffled), config)
        assert trades_of(a).tobytes() == trades_of(b).tobytes()
        assert decisions_of(a).tobytes() == decisions_of(b).tobytes()
        per_bar = np.unique(decisions_of(a)["time_ms"], return_counts=True)[1]
        met["bars at the cap of candidates"] += int((per_bar == 2).sum())
        met["shuffled"] += int(list(order) != sorted(order))

    check()
    met.need(record_property, "bars at the cap of candidates", "shuffled")
