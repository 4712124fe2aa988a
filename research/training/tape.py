"""The signal tape of a training: every finished fit's predictions on the market's bars."""

from typing import Any

import numpy as np

from qt_core.io.tape_file import NO_MODEL
from qt_core.signal.tape import N_CLASSES, N_MODELS, SignalTape
from research.training.walk_forward import Training


def tape_of(training: Training) -> SignalTape:
    """The predictions of every fit that is there, on the market's bars; a row without a model's word is an abstention.

    Fits of other data or settings, left in the folder by an earlier training, do not count.
    """
    data, slots = training.data, training.settings.slots
    shape = (data.market.n_bars, data.market.n_symbols, N_MODELS)
    proba = np.zeros((*shape, N_CLASSES), dtype=np.float32)
    available = np.zeros(shape, dtype=np.bool_)
    model_id = np.full((shape[0], N_MODELS), NO_MODEL, dtype=np.int64)
    models: list[dict[str, Any]] = []
    for job in training.jobs():
        report = training.folder.finished(job.window, job.agent, job.key)
        if report is None or report.abstains:
            continue
        slot = slots.index(report.agent)
        p = training.folder.predictions(report, data.close_ms, data.market.symbols)
        proba[p.t, p.i, slot] = p.proba
        available[p.t, p.i, slot] = True
        start, end = report.window.span("predict")
        model_id[(data.close_ms >= start) & (data.close_ms < end), slot] = len(models)
        models.append(
            {"name": report.agent, "kind": "trained", "id": report.model_id, "train_cutoff_ms": report.cutoff_ms}
        )
    return SignalTape(proba, available, model_id, tuple(models))
