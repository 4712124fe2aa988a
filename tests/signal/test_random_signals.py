"""Random signals, the control: drawn as documented, unmoved by window and company, refused when asked for nonsense."""

import numpy as np
import pytest

from qt_core.config import load_config
from qt_core.errors import ConfigError
from qt_core.features.context import chain_context
from qt_core.io.signals import PURPOSES, RandomParams, is_random, random_tape, signal_source
from qt_core.rng import draw, name_hash
from qt_core.signal.rules import rule_tape
from qt_core.signal.tape import BUY, HOLD, SELL, check_tape
from research.data import simulate_market

P = RandomParams(seed=7, rate=0.3, low=0.5, high=0.9)


@pytest.fixture(scope="module")
def market():
    return simulate_market(4, 1200, seed=2, holes=5, late_listings=1)


@pytest.fixture(scope="module")
def tape(market):
    return random_tape(market, P)


def test_every_row_is_what_three_documented_draws_make_of_it(market, tape):
    call = getattr(draw, "py_func", draw)
    for t in range(0, market.n_bars, 97):
        for i, name in enumerate(market.symbols):
            with np.errstate(over="ignore"):
                key = np.uint64(P.seed), np.uint64(name_hash(name)), np.int64(market.time[t])
                acts, buys, sure = (call(*key, purpose) for purpose in PURPOSES)
            acting = acts < P.rate and bool(market.valid[t, i])
            assert tape.available[t, i].tolist() == [acting] * 4
            if acting:
                side, other = (BUY, SELL) if buys < 0.5 else (SELL, BUY)
                confidence = 0.5 + 0.4 * sure
                assert tape.proba[t, i, :, side] == pytest.approx(confidence, abs=1e-6)
                assert tape.proba[t, i, :, (HOLD, other)] == pytest.approx((1.0 - confidence) / 2.0, abs=1e-6)


def test_rate_sides_and_confidence_are_those_asked_for(market, tape):
    check_tape(tape, market.n_bars, market.n_symbols)
    acting = tape.available[..., 0]
    assert acting[market.valid].mean() == pytest.approx(0.3, abs=0.02)
    assert not acting[~market.valid].any()
    assert (~market.valid).any()  # there were missing bars
    buys = tape.proba[..., 0, BUY][acting] > tape.proba[..., 0, SELL][acting]
    assert buys.mean() == pytest.approx(0.5, abs=0.04)
    confidence = tape.proba[..., 0, :][acting].max(axis=1)
    assert confidence.min() >= np.float32(0.5)
    assert confidence.max() <= np.float32(0.9)
    assert confidence.mean() == pytest.approx(0.7, abs=0.01)


def test_neither_window_nor_company_changes_a_draw(market, tape):
    assert np.array_equal(random_tape(market.head(500), P).proba, tape.proba[:500])
    names = market.symbols[1:3]
    assert np.array_equal(random_tape(market.select(names), P).proba, tape.proba[:, 1:3])


def test_another_seed_draws_other_sides(market, tape):
    other = random_tape(market, P._replace(seed=8))
    both = other.available[..., 0] & tape.available[..., 0]
    assert both.mean() == pytest.approx(0.09, abs=0.02)  # as independent draws would
    assert tape.models[0]["kind"] == "control"


def test_the_configuration_says_which_signals(market):
    context = chain_context(market)
    rules = load_config({"signals": {"source": "rules"}})
    drawn = load_config({"signals": {"source": "random", "random": {"seed": 7, "rate": 0.3}}})
    assert (is_random(rules), is_random(drawn), is_random(load_config())) == (False, True, False)
    assert np.array_equal(signal_source(rules)(market, context).proba, rule_tape(market, context).proba)
    assert np.array_equal(signal_source(drawn)(market, context).proba, random_tape(market, P).proba)
    shifted = signal_source(drawn, shift=2)(market, context)
    assert np.array_equal(shifted.proba, random_tape(market, P._replace(seed=9)).proba)
    assert rules.digest() != drawn.digest()


BAD = {
    "source": ({"source": "models"}, "signals.source: 'models'; expected rules, random or tape"),
    "not a mapping": ({"source": "random", "random": 3}, "signals.random: 3; expected keys and values"),
    "unknown key": (
        {"source": "random", "random": {"rates": 0.1}},
        "unknown key 'signals.random.rates'; expected one of",
    ),
    "rate": (
        {"source": "random", "random": {"rate": 1.5}},
        "signals.random.rate: 1.5; expected a number from 0.0 to 1.0",
    ),
    "no side": ({"source": "random", "random": {"low": 0.2}}, "signals.random.low: 0.2; expected a number from 0.34"),
    "not a number": ({"source": "random", "random": {"high": "x"}}, "signals.random.high: 'x'; expected a number"),
    "NaN": ({"source": "random", "random": {"high": float("nan")}}, "signals.random.high: nan; expected a number"),
    "half a seed": ({"source": "random", "random": {"seed": 0.5}}, "signals.random.seed: 0.5; expected a whole number"),
    "upside down": (
        {"source": "random", "random": {"low": 0.8, "high": 0.6}},
        "low 0.8 above high 0.6; expected low <=",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_nonsense_is_refused_by_name(name):
    signals, expected = BAD[name]
    with pytest.raises(ConfigError, match="<dict>: ") as caught:
        signal_source(load_config({"signals": signals}))
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)
