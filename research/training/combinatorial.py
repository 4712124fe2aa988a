"""One model under combinatorial purged cross-validation: not one walk through history but several, and how they differ.

Walk-forward gives a model one path and so one figure, which may be luck. Here every choice of test blocks is predicted by a
model fitted on the other blocks, and the blocks are put together to whole paths. Models of later blocks know the future of
earlier ones, so this tells how much a figure varies, not what would have been earned. Source: Lopez de Prado (2018), ch. 12.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from qt_core.agents.base import BaseAgent, Samples
from qt_core.agents.panel import Rows
from qt_core.agents.registry import agent_class
from qt_core.errors import DataError
from qt_core.market import BoolArray, IntArray
from research.splits import Fold, combinatorial
from research.training.dataset import Dataset
from research.training.fit import Costs, seed_of
from research.training.metrics import Judged, evaluate
from research.training.settings import Settings
from research.training.verdict import Verdict, leaning, look
from research.training.walk_forward import Training

STOP_SHARE, CALIBRATE_SHARE = 0.10, 0.10  # of the training bars, its last ones


class Path(NamedTuple):
    """One walk through all bars."""

    metrics: dict[str, float]
    verdict: Verdict


def cross_validate(
    training: Training,
    name: str,
    n_folds: int,
    n_test: int,
    progress: "Callable[[int, int], None] | None" = None,
) -> list[Path]:
    """Fit a model once per choice of test blocks and judge every path.

    Raises
    ------
    DataError
        If a fold leaves too few rows to fit on.
    """
    data, settings, costs = training.data, training.settings, training.costs
    ready = agent_class(name)(settings.params[name]).ready(data.panel)
    labelled = ready & (data.labels.label >= 0)
    bars = np.flatnonzero(labelled.any(axis=1))
    first, n_bars = int(bars[0]), int(bars[-1] - bars[0] + 1)
    folds = list(combinatorial(n_bars, n_folds, n_test, data.labels.horizon_bars, settings.plan.embargo_bars))
    n_paths = 1 + max(p for fold in folds for p in fold.paths)
    proba = np.zeros((n_paths, *labelled.shape, 3), dtype=np.float32)
    forecast = np.zeros((n_paths, *labelled.shape), dtype=np.float32)
    prior = np.zeros((n_paths, len(folds), 3))
    for k, fold in enumerate(folds):
        if progress is not None:
            progress(k, len(folds))
        agent, share = _fit(training, name, fold, first, labelled, k)
        for block, path in zip(fold.tests, fold.paths, strict=True):
            t, i = np.nonzero(labelled & _among(block + first, len(labelled))[:, None])
            proba[path, t, i], forecast[path, t, i] = agent.answer(data.panel, Rows(t, i))
            prior[path, k] = share
    return [_judge(data, labelled, proba[p], forecast[p], _mean_prior(prior[p]), costs) for p in range(n_paths)]


def _fit(
    training: Training, name: str, fold: Fold, first: int, labelled: BoolArray, k: int
) -> tuple[BaseAgent, npt.NDArray[np.float64]]:
    """The model of a fold and the class shares it was fitted on; stop and calibration rows are its last training bars."""
    data, settings = training.data, training.settings
    train = np.sort(fold.train + first)
    a = int(len(train) * (1.0 - STOP_SHARE - CALIBRATE_SHARE))
    b = int(len(train) * (1.0 - CALIBRATE_SHARE))
    embargo_ms = settings.plan.embargo_bars * data.market.timeframe_ms
    parts = []
    for bars, until in ((train[:a], train[a]), (train[a:b], train[b]), (train[b:], None)):
        rows = labelled & _among(bars, len(labelled))[:, None]
        if until is not None:
            rows &= data.labels.known_ms + embargo_ms <= data.close_ms[until]
        parts.append(data.of(*np.nonzero(rows)))
    _check(name, k, parts, settings)
    agent = agent_class(name)(settings.params[name])
    window = training.windows[0]._replace(name=f"fold {k}")
    agent.fit(data.panel, parts[0], parts[1], seed_of(settings.seed, window, name))
    agent.calibrate(data.panel, parts[2])
    return agent, np.bincount(parts[0].label, minlength=3) / len(parts[0].label)


def _check(name: str, k: int, parts: list[Samples], settings: Settings) -> None:
    rules = settings.samples
    for what, part, least in zip(
        ("train", "stop", "calibrate"), parts, (rules.min_rows, rules.min_rows // 4, rules.min_rows // 4), strict=True
    ):
        if len(part.label) < least:
            raise DataError(f"{name} fold {k}: {len(part.label)} usable rows in {what}; expected at least {least}")


def _among(bars: IntArray, n_bars: int) -> BoolArray:
    mask = np.zeros(n_bars, dtype=np.bool_)
    mask[bars] = True
    return mask


def _mean_prior(prior: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    used = prior[prior.sum(axis=1) > 0.0]
    out: npt.NDArray[np.float64] = used.mean(axis=0)
    return out


def _judge(
    data: Dataset,
    labelled: BoolArray,
    proba: npt.NDArray[np.float32],
    forecast: npt.NDArray[np.float32],
    prior: npt.NDArray[np.float64],
    costs: Costs,
) -> Path:
    t, i = np.nonzero(labelled)
    labels = data.labels
    judged = Judged(
        proba[t, i].astype(np.float64),
        labels.label[t, i].astype(np.int64),
        forecast[t, i].astype(np.float64),
        labels.forward[t, i],
        labels.r[t, i].astype(np.float64),
        costs.round_trip / labels.stop[t, i],
        prior,
    )
    lean = leaning(proba[:, :, None, :], labelled[:, :, None])
    return Path(evaluate(judged, costs.threshold), look(lean, data.market))
