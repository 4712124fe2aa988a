"""Arms of a comparison: one model alone, all together, random sides where models could speak, and their rate."""

import numpy as np
import pytest

from qt_core.features.context import chain_context
from qt_core.signal.tape import N_MODELS, SignalTape, check_tape
from research.compare.arms import (
    ENSEMBLE,
    RANDOM,
    WEIGHTS,
    Arm,
    confidence_of,
    model_arms,
    random_arm,
    rules_arm,
    slots_filled,
)
from research.compare.study import LEAST_RATE, RATE_STEPS, find_rate
from research.compare.study import gross_of as verdicts_of
from tests.agents.small import small_config, trending

SURE = (0.5, 0.6)


@pytest.fixture(scope="module")
def market():
    return trending(600)


@pytest.fixture(scope="module")
def tape(market):
    rng = np.random.default_rng(0)
    shape = (market.n_bars, market.n_symbols, N_MODELS)
    available = rng.random(shape) < 0.7
    available[..., 2:] = False
    available[:100] = False
    proba = rng.dirichlet((1.0, 1.0, 1.0), shape).astype(np.float32)
    return SignalTape(proba, available, np.zeros((market.n_bars, N_MODELS), dtype=np.int64), ({"name": "xgb"},))


def test_alone_means_all_the_weight_and_together_means_as_configured(tape):
    config = small_config(ensemble={"weight_xgb": 0.5, "weight_lgbm": 0.2})
    arms = model_arms(config, tape, ("nhits", "xgb"))
    assert [a.name for a in arms] == [ENSEMBLE, "nhits", "xgb"]
    assert arms[0].config is config
    for slot, arm in enumerate(arms[1:]):
        ensemble = arm.config.params().ensemble
        assert [getattr(ensemble, name) for name in WEIGHTS] == [
            float(k == slot) for k in range(4)
        ]  # by slot, not by name
        changed = {k for k, v in ensemble._asdict().items() if v != getattr(config.params().ensemble, k)}
        assert changed <= set(WEIGHTS)
        assert arm.config.params()._replace(ensemble=None) == config.params()._replace(ensemble=None)
        assert arm.tape is tape


def test_random_sides_stand_where_some_model_could_speak(market, tape):
    like = Arm(ENSEMBLE, small_config(), tape)
    arm = random_arm(like, market, 0.5, 3, SURE)
    check_tape(arm.tape, market.n_bars, market.n_symbols)
    assert arm.name == RANDOM
    some = tape.available.any(axis=2)
    assert not arm.tape.available[~some].any()
    assert 0.4 < arm.tape.available[some].mean() < 0.6
    said = arm.tape.proba[..., [0, 2]].max(axis=-1)[arm.tape.available]
    assert 0.5 <= said.min() < said.max() <= 0.6
    assert random_arm(like, market, 0.5, 3, SURE).tape.available.tobytes() == arm.tape.available.tobytes()
    other = random_arm(like, market, 0.5, 4, SURE).tape
    assert not np.array_equal(other.available, arm.tape.available)


def test_a_higher_rate_keeps_the_sides_of_a_lower_one(market, tape):
    few, many = (random_arm(Arm(RANDOM, small_config(), tape), market, rate, 0, SURE).tape for rate in (0.1, 0.4))
    acts = few.available[..., 0]
    assert many.available[..., 0][acts].all()
    assert np.array_equal(few.proba[acts], many.proba[acts])


@pytest.mark.parametrize("wanted", [0.5, 7.0, 90.0])
@pytest.mark.parametrize("slope", [100.0, 1000.0])
def test_the_rate_is_found_by_bisection(wanted, slope):
    asked = []

    def turnover(rate):
        asked.append(rate)
        return slope * rate

    found = find_rate(wanted, turnover)
    assert slope * found == pytest.approx(wanted, rel=0.05)
    assert len(asked) <= RATE_STEPS
    assert all(LEAST_RATE < rate < 1.0 for rate in asked)


def test_the_rate_at_its_ends():
    assert find_rate(0.0, lambda rate: 1 / 0) == 0.0
    assert find_rate(1e9, lambda rate: rate) > 0.9
    assert find_rate(1e-9, lambda rate: rate) < 2 * LEAST_RATE
    assert find_rate(5.0, lambda rate: 5.0 + (rate > 0.3)) <= 0.3  # the nearest that was seen


def test_rules_speak_on_the_same_bars(market):
    arm = rules_arm(small_config(), market, chain_context(market))
    check_tape(arm.tape, market.n_bars, market.n_symbols)


def test_slots_that_speak_are_counted(tape):
    assert slots_filled(tape) == 2


def test_gross_verdicts_are_of_each_slot_and_of_those_that_are_used(market, tape):
    made = verdicts_of(tape, market, ("xgb", "lgbm"), small_config())
    assert list(made) == [ENSEMBLE, "xgb", "lgbm"]
    assert all(list(of) == ["raw", "neutral", "raw over 8 bars", "neutral over 8 bars"] for of in made.values())


def test_the_confidence_of_an_arm_is_what_its_vote_says_when_it_acts(tape):
    alone = model_arms(small_config(), tape, ("xgb", "lgbm"))[1]
    p = alone.config.params().ensemble
    said = tape.proba[..., 0, :][tape.available[..., 0]].astype(float)
    acted = [max(x[0], x[2]) for x in said if max(x[0], x[2]) >= p.threshold]
    low, high = confidence_of(alone)
    assert low == pytest.approx(np.quantile(acted, 0.1), abs=1e-6)
    assert high == pytest.approx(np.quantile(acted, 0.9), abs=1e-6)
    assert confidence_of(alone._replace(config=small_config(ensemble={"threshold": 1.0}))) is None
