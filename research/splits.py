"""Walk-forward windows and combinatorial purged splits: which rows a model may be fitted, stopped, calibrated and judged on.

A row belongs to the span its close lies in, and is used there only if its label was known ``embargo`` before the next span
begins. So no label reaches into a later span, and what two neighbouring rows share does not either. Source: Lopez de Prado
(2018), "Advances in Financial Machine Learning", chapters 7 and 12.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from qt_core.errors import ConfigError
from qt_core.io.timeframes import DAY_MS
from qt_core.market import BoolArray, IntArray, utc_text

SPANS = ("train", "stop", "calibrate", "predict")


class Plan(NamedTuple):
    """How a span of history is cut into windows; lengths in days."""

    kind: str = "rolling"  # or expanding: training then begins with the first row of all
    first_predict_ms: int = 0  # where the first window's predictions begin, int64 ms UTC
    train_days: int = 365
    stop_days: int = 30  # early stopping
    calibrate_days: int = 30
    predict_days: int = 91  # between two trainings
    embargo_bars: int = 24


class Window(NamedTuple):
    """One retraining: five instants, int64 ms UTC; span k reaches from the k-th to the next, its end excluded."""

    name: str  # of its first day of predictions: 2021-01-01
    train_ms: int
    stop_ms: int
    calibrate_ms: int
    predict_ms: int
    end_ms: int

    def span(self, name: str) -> tuple[int, int]:
        """Start and end of ``train``, ``stop``, ``calibrate`` or ``predict``."""
        edges = self[1:]
        k = SPANS.index(name)
        return int(edges[k]), int(edges[k + 1])


def walk_forward(plan: Plan, first_ms: int, last_ms: int) -> tuple[Window, ...]:
    """Windows whose predictions follow one another without a gap from ``plan.first_predict_ms`` to the last bar. None is
    made for the last close alone: no bar comes after it on which its prediction could be traded.

    Parameters
    ----------
    first_ms, last_ms : open of the first bar and close of the last one, int64 ms UTC. Windows depend on ``last_ms`` only in
        how many there are and where the last one ends.

    Raises
    ------
    ConfigError
        If nothing could be predicted, or nothing lies before the first window's early-stopping span.
    """
    if not first_ms < plan.first_predict_ms < last_ms:
        raise ConfigError(
            f"models.windows.first_predict: {utc_text(plan.first_predict_ms)}; expected within the data, "
            f"{utc_text(first_ms)} to {utc_text(last_ms)}"
        )
    windows = []
    start = plan.first_predict_ms
    while start < last_ms:
        calibrate = start - plan.calibrate_days * DAY_MS
        stop = calibrate - plan.stop_days * DAY_MS
        train = first_ms if plan.kind == "expanding" else max(first_ms, stop - plan.train_days * DAY_MS)
        if stop <= train:
            raise ConfigError(
                f"models.windows.first_predict: {utc_text(start)} leaves no row to train on before {utc_text(stop)}; "
                f"expected more than {plan.stop_days + plan.calibrate_days} days after the data begin ({utc_text(first_ms)})"
            )
        end = start + plan.predict_days * DAY_MS
        windows.append(Window(utc_text(start)[:10], train, stop, calibrate, start, min(end, last_ms + 1)))
        start = end
    return tuple(windows)


def rows_of(window: Window, name: str, close_ms: IntArray, known_ms: IntArray, embargo_ms: int) -> BoolArray:
    """Which rows of a span may be used, ``[T, N]``; purged and embargoed by the stored label ends.

    Parameters
    ----------
    close_ms : ``[T]``. known_ms : ``[T, N]``, -1 where there is no label. Predicting needs no label: there every row of the
        span counts.
    """
    start, end = window.span(name)
    inside = ((close_ms >= start) & (close_ms < end))[:, None]
    if name == "predict":
        return np.broadcast_to(inside, known_ms.shape)
    allowed: BoolArray = inside & (known_ms >= 0) & (known_ms + embargo_ms <= end)
    return allowed


class Fold(NamedTuple):
    """One combinatorial split of the bars: what to fit on, and what to judge by (several blocks), row numbers of ``[T]``."""

    train: npt.NDArray[np.int64]
    tests: tuple[npt.NDArray[np.int64], ...]
    paths: tuple[int, ...]  # the path each test block belongs to


def combinatorial(n_bars: int, n_folds: int, n_test: int, horizon_bars: int, embargo_bars: int) -> Iterator[Fold]:
    """Every choice of ``n_test`` of ``n_folds`` blocks as test, the rest purged of ``horizon_bars`` and embargoed.

    The blocks and their recombination into paths are skfolio's ``CombinatorialPurgedCV``. Purging counts bars there; a
    label never lives longer than its horizon, so that covers every label end, which the tests assert.
    """
    from skfolio.model_selection import CombinatorialPurgedCV

    cv = CombinatorialPurgedCV(
        n_folds=n_folds, n_test_folds=n_test, purged_size=horizon_bars, embargo_size=embargo_bars
    )
    paths = cv.get_path_ids()
    for k, (train, tests) in enumerate(cv.split(np.zeros((n_bars, 1)))):
        yield Fold(np.asarray(train), tuple(np.asarray(t) for t in tests), tuple(int(x) for x in paths[k]))
