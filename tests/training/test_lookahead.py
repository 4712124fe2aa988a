"""No look-ahead: history cut at random bars inside windows gives the same models and the same tape up to the cut.

Planted leaks of one bar, each where it would hide well, are caught by the same comparison.
"""

import dataclasses

import numpy as np
import pytest

from research.labels import make_labels
from research.training.dataset import Dataset
from research.training.tape import tape_of
from research.training.walk_forward import train
from tests.agents.small import FOUR, N_BARS, small_config, small_dataset, small_training, trending
from tests.features.build import with_holes

# five bars inside the three windows (that close on the days 42 to 51, 51 to 60, and 60 to 61), drawn once
CUTS = sorted(int(x) for x in np.random.default_rng(11).integers(42 * 24 + 2, N_BARS - 2, 5))
HOLES = [(0, 900, 903), (1, 0, 200), (2, 1150, 1156)]


@pytest.fixture(scope="module")
def market():
    return with_holes(trending(), HOLES)


def tape_until(market, folder, real, config=None, leak=lambda data: data):
    """The tape that training on these bars alone gives."""
    config = config or small_config()
    training = small_training(folder, config, leak(small_dataset(market, config, real)))
    train(training)
    return tape_of(training)


def differs(part, whole, n):
    """Bars before ``n`` on which two tapes differ."""
    a, b = part.head(n), whole.head(n)
    unlike = (a.available != b.available) | ((a.proba != b.proba).any(axis=-1) & a.available)
    return np.flatnonzero(unlike.any(axis=(1, 2)))


@pytest.fixture(scope="module")
def whole(market, tmp_path_factory):
    return tape_until(market, tmp_path_factory.mktemp("whole"), real=True)


@pytest.mark.parametrize("cut", CUTS)
def test_history_cut_inside_a_window_gives_the_same_tape_up_to_the_cut(cut, market, whole, tmp_path):
    part = tape_until(market.head(cut), tmp_path / "part", real=True)
    assert part.available.shape[0] == cut
    assert len(differs(part, whole, cut)) == 0
    spoken = whole.available[1008:cut]
    assert spoken.any(axis=(0, 1)).all()  # all four models
    said = whole.proba[1008:cut][spoken]
    assert said.std(axis=0).min() > 0.01
    # the same models, too: their names hold the digest of data, spans and settings where the window had ended
    ended = [
        m["id"] for m, n in zip(whole.models, part.models, strict=False) if m["train_cutoff_ms"] == n["train_cutoff_ms"]
    ]
    assert len(ended) == len(part.models)


def test_cuts_lie_in_more_than_one_window():
    assert len(set(CUTS)) == 5
    assert {(cut - 1008) // 216 for cut in CUTS} >= {0, 1}


def test_a_cut_does_not_change_what_came_of_whole_windows(market, tmp_path):
    """Windows that ended before the cut have the same key, so a resumed training keeps them."""
    config = small_config({"slots": ["lgbm"]})
    a = small_training(tmp_path / "a", config, small_dataset(market, config))
    b = small_training(tmp_path / "b", config, small_dataset(market.head(1300), config))
    keys = [[job.key for job in training.jobs()] for training in (a, b)]
    assert keys[0][0] == keys[1][0]
    assert keys[0][1] != keys[1][1]


def leaking_feature(data: Dataset) -> Dataset:
    """One feature of one symbol is the next bar's."""
    features = data.panel.features.copy()
    features[:-1, 1, 0] = features[1:, 1, 0]
    return dataclasses.replace(data, panel=dataclasses.replace(data.panel, features=features))


def leaking_returns(data: Dataset) -> Dataset:
    """Every network's newest return is the next bar's."""
    returns = data.panel.returns.copy()
    returns[:-1] = data.panel.returns[1:]
    return dataclasses.replace(data, panel=dataclasses.replace(data.panel, returns=returns))


def leaking_stop(data: Dataset) -> Dataset:
    """Distances of the next bar, by which networks scale their window."""
    stop = data.panel.stop.copy()
    stop[:-1] = data.panel.stop[1:]
    return dataclasses.replace(data, panel=dataclasses.replace(data.panel, stop=stop))


def leaking_mean(data: Dataset) -> Dataset:
    """Features less their mean over the symbol's whole history."""
    features = data.panel.features - np.nanmean(data.panel.features[..., :4], axis=0).mean(axis=-1)[None, :, None]
    return dataclasses.replace(data, panel=dataclasses.replace(data.panel, features=features))


def leaking_labels(data: Dataset) -> Dataset:
    """Labels that live for up to 300 bars and claim to be known at once, so that nothing is purged."""
    config = small_config().with_values({"supervisor.horizon_bars": 300})
    far = make_labels(data.market, 10.0 * data.labels.stop, config)
    known = np.where(far.known_ms > 0, data.close_ms[:, None], -1)
    return dataclasses.replace(data, labels=dataclasses.replace(far, known_ms=known))


LEAKS = {
    "xgb": (leaking_feature, leaking_mean),
    "lgbm": (leaking_feature, leaking_mean),
    "nhits": (leaking_returns, leaking_stop),
    "patchtst": (leaking_returns, leaking_stop),
}


@pytest.mark.parametrize(
    ("name", "leak"), [(n, leak) for n in FOUR for leak in LEAKS[n]], ids=lambda x: getattr(x, "__name__", x)
)
def test_a_planted_leak_of_one_bar_is_caught(name, leak, market, tmp_path):
    config = small_config({"slots": [name]})
    whole = tape_until(market, tmp_path / "whole", False, config, leak)
    part = tape_until(market.head(1100), tmp_path / "part", False, config, leak)
    found = differs(part, whole, 1100)
    assert len(found) > 0


def test_labels_that_reach_into_later_spans_are_caught(market, tmp_path):
    config = small_config({"slots": ["lgbm"], "samples": {"min_rows": 200, "min_class_rows": 1}})
    whole = tape_until(market, tmp_path / "whole", False, config, leaking_labels)
    part = tape_until(market.head(1100), tmp_path / "part", False, config, leaking_labels)
    assert len(differs(part, whole, 1100)) > 0
