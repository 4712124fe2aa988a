"""The four rule signals: against their descriptions, alone and together, and on real candles."""

import math

import numpy as np
import pytest

from qt_core.codes import CTX_COLUMNS, CTX_NAMES
from qt_core.errors import ConfigError, DataError
from qt_core.features.context import ChainContext, chain_context
from qt_core.market import Market
from qt_core.signal.rules import (
    BREAKOUT,
    MEAN_REVERSION,
    RANGE,
    RULE_NAMES,
    TREND,
    Params,
    check_params,
    class_probabilities,
    rule_rows,
    rule_tape,
)
from qt_core.signal.tape import BUY, HOLD, N_MODELS, SELL, check_tape
from tests.features.build import walk
from tests.reference.rules_naive import rules_naive

P = Params()
WEIGHTS = np.array([0.33, 0.30, 0.20, 0.17])
THRESHOLD = 0.45

# A row on which every rule has an opinion; each test changes what it is about.
QUIET = {
    "atr_pct": 0.01, "atr_pctile": 0.5, "adx": 15.0, "plus_di": 20.0, "minus_di": 20.0, "donchian_high": 105.0,
    "donchian_low": 95.0, "donchian_width_pctile": 0.5, "liquidity_ratio": 1.0, "quote_volume_24h": 1e6, "rsi": 50.0,
    "ema_ratio": 0.0, "bollinger_position": 0.5, "range_position": 0.5, "volume_ratio": 1.0, "momentum": 0.0,
    "close": 100.0,
}  # fmt: skip
UP_TREND = {"adx": 40.0, "ema_ratio": 0.02, "plus_di": 35.0, "minus_di": 10.0}
UP_BREAK = {"close": 106.0, "volume_ratio": 2.0}
LOW = {"bollinger_position": -0.1, "rsi": 25.0}
BOTTOM = {"range_position": 0.02}


def opinions(row: "dict[str, float]", eligible: bool = True, params: Params = P) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities ``[4, 3]`` and availability ``[4]`` of one row."""
    context = np.array([[[row[name] for name in CTX_NAMES]]])
    proba, available = np.empty((1, 1, N_MODELS, 3), np.float32), np.empty((1, 1, N_MODELS), np.bool_)
    rule_rows(params, context, np.array([[eligible]]), np.array([[row["close"]]]), proba, available)
    return proba[0, 0], available[0, 0]


def scores(row: "dict[str, float]") -> np.ndarray:
    """Ensemble scores by hand: an abstaining rule votes HOLD."""
    proba, available = opinions(row)
    votes = np.where(available[:, None], proba, np.array([0.0, 1.0, 0.0]))
    return np.asarray(WEIGHTS @ votes)


def random_row(rng: np.random.Generator) -> dict[str, float]:
    row = {
        "atr_pct": rng.random() * 0.03, "atr_pctile": rng.random(), "adx": rng.random() * 60, "plus_di": rng.random() * 50,
        "minus_di": rng.random() * 50, "donchian_high": 101.0 + rng.random(), "donchian_low": 99.0 - rng.random(),
        "donchian_width_pctile": rng.random(), "liquidity_ratio": rng.random() * 3, "quote_volume_24h": rng.random() * 1e7,
        "rsi": rng.random() * 100, "ema_ratio": rng.normal(0, 0.01), "bollinger_position": rng.normal(0.5, 0.4),
        "range_position": rng.random(), "volume_ratio": rng.random() * 3, "momentum": rng.normal(0, 0.02),
        "close": 100.0 + rng.normal(0, 2),
    }  # fmt: skip
    if rng.random() < 0.2:
        row[CTX_NAMES[int(rng.integers(CTX_COLUMNS))]] = math.nan
    return row


@pytest.mark.interpreted
@pytest.mark.boundscheck
def test_the_rules_are_their_descriptions():
    rng = np.random.default_rng(0)
    spoke = np.zeros(N_MODELS, dtype=int)
    for _ in range(600):
        row = random_row(rng)
        proba, available = opinions(row)
        for m, expected in enumerate(rules_naive(P, row)):
            assert available[m] == (expected is not None), (RULE_NAMES[m], row)
            if expected is not None:
                assert np.allclose(proba[m], expected, atol=1e-6), (RULE_NAMES[m], row)
                spoke[m] += abs(expected[BUY] - expected[SELL]) > 0.05
    assert (spoke > 15).all(), f"opinions per rule: {spoke}"


@pytest.mark.interpreted
def test_nothing_going_on_is_the_neutral_row():
    proba, available = opinions(QUIET)
    assert available.all()
    assert np.allclose(proba, [0.2, 0.6, 0.2])


@pytest.mark.parametrize("strength", [-1.0, -0.4, 0.0, 0.25, 1.0])
def test_probabilities_sum_to_one(strength):
    p = class_probabilities(P, strength)
    assert sum(p) == pytest.approx(1.0, abs=1e-15)
    assert min(p) >= 0.0
    side = p[BUY] if strength >= 0.0 else p[SELL]
    assert side == pytest.approx(0.2 + 0.7 * abs(strength))
    assert p[HOLD] == pytest.approx(3.0 * (p[SELL] if strength >= 0.0 else p[BUY]))


ALONE = {TREND: UP_TREND, MEAN_REVERSION: LOW, BREAKOUT: UP_BREAK, RANGE: BOTTOM}


@pytest.mark.parametrize("rule", ALONE, ids=lambda m: RULE_NAMES[m])
def test_a_rule_at_its_peak_does_not_act_alone(rule):
    row = {**QUIET, **ALONE[rule]}
    proba, _ = opinions(row)
    assert proba[rule, BUY] == pytest.approx(0.9)
    others = [m for m in range(N_MODELS) if m != rule]
    assert np.allclose(proba[others], [0.2, 0.6, 0.2])
    assert scores(row)[BUY] < THRESHOLD


@pytest.mark.parametrize(
    "changes", [(UP_TREND, UP_BREAK), (LOW, BOTTOM)], ids=["trend and breakout", "mean reversion and range"]
)
def test_two_rules_that_agree_act(changes):
    row = {**QUIET, **changes[0], **changes[1]}
    assert scores(row)[BUY] >= THRESHOLD > scores(row)[SELL]


def mirrored(row: "dict[str, float]") -> dict[str, float]:
    """The same market upside down around a price of 100."""
    return {
        **row,
        "plus_di": row["minus_di"], "minus_di": row["plus_di"], "ema_ratio": -row["ema_ratio"], "rsi": 100.0 - row["rsi"],
        "donchian_high": 200.0 - row["donchian_low"], "donchian_low": 200.0 - row["donchian_high"],
        "bollinger_position": 1.0 - row["bollinger_position"], "range_position": 1.0 - row["range_position"],
        "close": 200.0 - row["close"],
    }  # fmt: skip


def test_upside_down_swaps_buy_and_sell():
    rng = np.random.default_rng(1)
    for _ in range(200):
        row = random_row(rng)
        (up, known), (down, known_too) = opinions(row), opinions(mirrored(row))
        assert np.array_equal(known, known_too)
        assert np.allclose(up[:, ::-1], down, atol=1e-6), row


INPUTS = {
    TREND: ("adx", "plus_di", "minus_di", "ema_ratio", "atr_pct"),
    MEAN_REVERSION: ("bollinger_position", "rsi", "adx"),
    BREAKOUT: ("donchian_high", "donchian_low", "donchian_width_pctile", "volume_ratio"),
    RANGE: ("range_position", "adx"),
}


@pytest.mark.interpreted
@pytest.mark.parametrize("loud", [False, True], ids=["quiet", "every rule at its peak"])
@pytest.mark.parametrize("name", CTX_NAMES)
def test_an_unknown_number_silences_the_rules_that_read_it_and_no_other(name, loud):
    row = {**QUIET, **(UP_TREND | UP_BREAK | LOW | BOTTOM if loud else {}), name: math.nan}
    _, available = opinions(row)
    assert [not available[m] for m in range(N_MODELS)] == [name in INPUTS[m] for m in range(N_MODELS)]


def test_an_ineligible_bar_silences_all():
    proba, available = opinions({**QUIET, **UP_TREND}, eligible=False)
    assert not available.any()
    assert np.allclose(proba, [0.2, 0.6, 0.2]), "an absent row still holds probabilities"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"side_neutral": 0.6}, "signals.rules.side_neutral: 0.6; a probability of at most 0.5 expected"),
        ({"side_peak": 1.5}, "signals.rules.side_peak: 1.5; side_neutral to 1 expected"),
        ({"side_peak": 0.1}, "signals.rules.side_peak: 0.1; side_neutral to 1 expected"),
        ({"trend_adx_from": 32.0}, "signals.rules.trend_adx_full: 32.0; another value than trend_adx_from expected"),
        ({"trend_gap_full": 0.0}, "signals.rules.trend_gap_full: 0.0; above 0 expected"),
        ({"range_adx_max": math.nan}, "signals.rules.range_adx_max: nan; a finite number expected"),
    ],
)
def test_thresholds_that_give_no_probabilities_are_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        check_params(P._replace(**change))


def shares(market: Market, context: ChainContext) -> tuple[float, float]:
    """Share of eligible rows that an ensemble of the four rules would call BUY, and SELL."""
    tape = rule_tape(market, context)
    check_tape(tape, market.n_bars, market.n_symbols)
    votes = np.where(tape.available[..., None], tape.proba, np.array([0.0, 1.0, 0.0], np.float32))
    score = np.einsum("tnmc,m->tnc", votes, WEIGHTS)
    n = context.eligible.sum()
    return tuple(float(((score[..., side] >= THRESHOLD) & context.eligible).sum() / n) for side in (BUY, SELL))


def test_the_tape_names_its_rules_and_is_cut_like_the_market():
    market = walk(400, 2, seed=41)
    context = chain_context(market)
    tape = rule_tape(market, context)
    assert [m["name"] for m in tape.models] == [f"rule_{name}" for name in RULE_NAMES]
    assert all(m["kind"] == "rule" for m in tape.models)
    assert (tape.model_id == np.arange(N_MODELS)).all()
    cut = rule_tape(market.head(333), chain_context(market.head(333)))
    assert cut.proba.tobytes() == tape.head(333).proba.tobytes()
    assert np.array_equal(cut.available, tape.head(333).available)
    with pytest.raises(DataError, match="context of"):
        rule_tape(market, context.head(300))


def test_real_candles_give_three_to_ten_percent_on_both_sides(shared_data):
    from research.data import load_market

    names = ["ADAUSDT", "BTCUSDT", "DOGEUSDT", "ETHUSDT", "LINKUSDT", "XRPUSDT"]
    market = load_market(names, "1h", "2021-01-01", "2023-01-01", root=shared_data)
    buy, sell = shares(market, chain_context(market))
    assert 0.03 <= buy + sell <= 0.10
    assert min(buy, sell) >= 0.01
