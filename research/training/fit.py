"""One model of one window: fit, early-stop, calibrate, predict, judge; or abstain, saying why."""

import time
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from qt_core.agents.base import BaseAgent, Samples
from qt_core.agents.panel import Rows
from qt_core.agents.registry import agent_class
from qt_core.market import BoolArray, IntArray, utc_text
from research.labels import NAMES, class_balance
from research.splits import SPANS, Window, rows_of
from research.training.dataset import Dataset
from research.training.metrics import Judged, evaluate, reliability, to_json
from research.training.report import FitReport
from research.training.settings import SampleRules, Settings


@dataclass(frozen=True)
class Predictions:
    """Probabilities of the rows of a window a model could speak on."""

    t: IntArray  # [n] bar
    i: IntArray  # [n] symbol
    proba: npt.NDArray[np.float32]  # [n, 3]
    forecast: npt.NDArray[np.float32]  # [n] log return over the horizon


@dataclass(frozen=True)
class Costs:
    """What a round trip costs, and from which confidence on a model acts."""

    round_trip: float  # fraction of notional: fees and slippage both ways
    threshold: float  # ensemble.threshold


def seed_of(seed: int, window: Window, name: str) -> int:
    """The seed of one fit: every window and model draws differently, and does so again."""
    return zlib.crc32(f"{seed}|{window.name}|{name}".encode())


def fit_window(
    data: Dataset, window: Window, name: str, settings: Settings, costs: Costs, key: str
) -> tuple["BaseAgent | None", FitReport, "Predictions | None"]:
    """Fit one agent to one window and predict with it; without a model the report says why."""
    agent = agent_class(name)(settings.params[name])
    seed = seed_of(settings.seed, window, name)
    embargo_ms = settings.plan.embargo_bars * data.market.timeframe_ms
    ready = agent.ready(data.panel)
    train, stop, calibrate = (data.samples(window, span, ready, embargo_ms) for span in SPANS[:3])
    report = FitReport(name, window, key, seed, agent.VERSION, f"{name}-{window.name}-{key[:8]}")
    report.params = dict(agent.params._asdict())
    report.schema, report.symbols = data.panel.schema, list(data.market.symbols)
    report.spans = {span: describe(data, s) for span, s in zip(SPANS, (train, stop, calibrate), strict=False)}
    report.abstains = why_not(name, window, settings.samples, train, stop, calibrate)
    if report.abstains:
        return None, report, None
    report.notes = constant_columns(data, train)
    clock = [time.perf_counter()]
    try:
        report.curve = agent.fit(data.panel, train, stop, seed)
        clock.append(time.perf_counter())
        agent.calibrate(data.panel, calibrate)
    except FloatingPointError as error:
        report.abstains = str(error)
        return None, report, None
    clock.append(time.perf_counter())
    report.cutoff_ms = max(int(report.spans[span]["last_known_ms"]) for span in SPANS[:3])
    report.calibration, report.importance = dict(agent.calibration._asdict()), agent.importance()
    predictions = predict(data, window, agent, ready)
    clock.append(time.perf_counter())
    report.seconds = dict(zip(("fit", "calibrate", "predict"), np.diff(clock).tolist(), strict=True))
    judge(data, window, report, predictions, train, costs)
    return agent, report, predictions


def describe(data: Dataset, samples: Samples) -> dict[str, Any]:
    """Rows, first and last close, last label end and class shares of a span."""
    t, i = samples.rows
    if len(t) == 0:
        return {"rows": 0}
    return {
        "rows": len(t),
        "first_close_ms": int(data.close_ms[t.min()]),
        "last_close_ms": int(data.close_ms[t.max()]),
        "last_known_ms": int(data.labels.known_ms[t, i].max()),
        "independent": round(samples.effective, 1),
        "classes": {k: round(v, 4) for k, v in class_balance(samples.label).items()},
    }


def why_not(name: str, window: Window, rules: SampleRules, train: Samples, stop: Samples, calibrate: Samples) -> str:
    """Why no model can be fitted, or empty."""
    for span, samples, least in (
        ("train", train, rules.min_rows), ("stop", stop, rules.min_rows // 4), ("calibrate", calibrate, rules.min_rows // 4),
    ):  # fmt: skip
        if len(samples.label) < least:
            start, end = window.span(span)
            return (
                f"{name} {window.name}: {len(samples.label)} usable rows in {span} "
                f"({utc_text(start)[:10]} to {utc_text(end)[:10]}); expected at least {least}"
            )
    counts = np.bincount(train.label, minlength=3)
    rare = int(counts.argmin())
    if counts[rare] < rules.min_class_rows:
        return (
            f"{name} {window.name}: {NAMES[rare]} occurs {counts[rare]} times among {len(train.label)} training rows; "
            f"expected at least {rules.min_class_rows}"
        )
    return ""


def constant_columns(data: Dataset, train: Samples) -> list[str]:
    """A note on features that never change in training: nothing can be learned from them, and trees ignore them."""
    values = data.panel.features[train.rows.t, train.rows.i]
    low, high = np.fmin.reduce(values, axis=0), np.fmax.reduce(values, axis=0)
    same = [name for name, a, b in zip(data.panel.names, low, high, strict=True) if not a < b]
    return [f"constant in training: {', '.join(same)}"] if same else []


def predict(data: Dataset, window: Window, agent: BaseAgent, ready: BoolArray) -> Predictions:
    """Every row of the window's prediction span that the agent can speak on, labelled or not."""
    inside = rows_of(window, "predict", data.close_ms, data.labels.known_ms, 0)
    t, i = np.nonzero(inside & ready)
    rows = Rows(t, i)
    return Predictions(t, i, *agent.answer(data.panel, rows))


def judge(
    data: Dataset, window: Window, report: FitReport, predictions: Predictions, train: Samples, costs: Costs
) -> None:
    """Fill the report's metrics from the predicted rows that have labels; a window without any keeps none."""
    labels = data.labels
    # where the market ends inside the horizon only what was decided early has a label: all or none of such rows
    known = labels.label[predictions.t, predictions.i] >= 0
    known &= labels.known_ms[predictions.t, predictions.i] <= data.close_ms[-1]
    t, i = predictions.t[known], predictions.i[known]
    inside = describe(data, data.of(t, i))
    report.spans["predict"] = {**inside, "predicted": len(predictions.t)}
    report.data_digest = data.digest(window.train_ms, window.end_ms)
    if len(t) == 0:
        return
    judged = Judged(
        predictions.proba[known].astype(np.float64),
        labels.label[t, i].astype(np.int64),
        predictions.forecast[known].astype(np.float64),
        labels.forward[t, i],
        labels.r[t, i].astype(np.float64),
        costs.round_trip / labels.stop[t, i],
        np.bincount(train.label, minlength=3) / len(train.label),
    )
    report.metrics = to_json(evaluate(judged, costs.threshold))
    for c in (0, 2):
        bins = reliability(judged.proba[:, c], judged.label == c)
        report.reliability[NAMES[c]] = [(round(b.confidence, 5), round(b.share, 5), b.n) for b in bins]
