"""How good predictions are: as probabilities, as actions, as forecasts, and as trades of a model that trades alone."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from qt_core.market import BoolArray, FloatArray, IntArray

ECE_BINS = 10  # of equal mass, as module 12's
LEAST = 1e-9  # of a probability in a logarithm


class Judged(NamedTuple):
    """Predictions on labelled rows, and what came of them."""

    proba: FloatArray  # [n, 3]
    label: IntArray  # [n]
    forecast: FloatArray  # [n] log return over the horizon
    forward: FloatArray  # [n] the return that came, NaN where unknown
    r: FloatArray  # [n, 2] R of a long and of a short, before costs
    cost_r: FloatArray  # [n] costs of a round trip in R
    prior: FloatArray  # [3] class shares in training


def log_loss(proba: FloatArray, label: IntArray) -> float:
    """Mean negative log probability of what came."""
    return float(-np.mean(np.log(np.maximum(proba[np.arange(len(label)), label], LEAST))))


def brier(proba: FloatArray, label: IntArray) -> float:
    """Mean squared distance to the outcome, summed over the classes: 0 best, 2 worst."""
    return float(np.mean(((proba - np.eye(3)[label]) ** 2).sum(axis=1)))


def calibration_error(confidence: FloatArray, hit: BoolArray, bins: int = ECE_BINS) -> float:
    """Expected calibration error in bins of equal mass; NaN of nothing."""
    if len(confidence) == 0:
        return float("nan")
    gaps = [abs(float(b.confidence - b.share)) * b.n for b in reliability(confidence, hit, bins)]
    return float(sum(gaps) / len(confidence))


class Bin(NamedTuple):
    """One bin of a reliability diagram."""

    confidence: float  # mean probability said
    share: float  # that it came
    n: int


def reliability(confidence: FloatArray, hit: BoolArray, bins: int = ECE_BINS) -> list[Bin]:
    """Bins of equal mass in order of confidence; ties keep the order of rows."""
    order = np.argsort(confidence, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    return [Bin(float(confidence[k].mean()), float(hit[k].mean()), len(k)) for k in parts]


def actions(proba: FloatArray, threshold: float) -> npt.NDArray[np.int64]:
    """Side each row acts on: the largest class if it is BUY or SELL and reaches the threshold, else 0 (module 1's rule)."""
    sell, hold, buy = proba[:, 0], proba[:, 1], proba[:, 2]
    long = (buy > sell) & (buy > hold) & (buy >= threshold)
    short = (sell > buy) & (sell > hold) & (sell >= threshold)
    return long.astype(np.int64) - short.astype(np.int64)


def evaluate(j: Judged, threshold: float) -> dict[str, float]:
    """Every metric by its name in MLflow; NaN where there is nothing to measure."""
    out = {
        "log_loss": log_loss(j.proba, j.label),
        "log_loss_prior": log_loss(np.broadcast_to(j.prior, j.proba.shape), j.label),
        "brier": brier(j.proba, j.label),
        "accuracy": float(np.mean(j.proba.argmax(axis=1) == j.label)),
        "calibration_error": float(
            np.mean([calibration_error(j.proba[:, c], j.label == c) for c in (0, 2)])  # HOLD follows from the two
        ),
        "rows": float(len(j.label)),
    }
    out["log_loss_skill"] = 1.0 - out["log_loss"] / out["log_loss_prior"]
    out["direction_skill"] = direction_skill(j)
    return {**out, **_forecast_metrics(j), **_action_metrics(j, threshold)}


def direction_skill(j: Judged) -> float:
    """Log loss of BUY against SELL saved on the class shares, on rows that were not HOLD; NaN where there are none.

    ``log_loss_skill`` counts knowing how likely HOLD is, which volatility tells and nobody can trade; this does not.
    """
    moved = j.label != 1
    if not moved.any():
        return float("nan")
    buys = (j.label[moved] == 2).astype(np.int64)
    p = j.proba[moved]
    said = p[:, 2] / np.maximum(p[:, 0] + p[:, 2], LEAST)
    share = j.prior[2] / max(j.prior[0] + j.prior[2], LEAST)
    prior = np.full(len(buys), share)
    loss, base = (log_loss(np.stack([1.0 - q, q], axis=1), buys) for q in (said, prior))
    return 1.0 - loss / base if base > 0.0 else float("nan")


def _forecast_metrics(j: Judged) -> dict[str, float]:
    """RMSE, MAE, R2 against a forecast of zero, and how often the sign was right; returns over the horizon, fractions."""
    known = np.isfinite(j.forward) & np.isfinite(j.forecast)
    f, y = j.forecast[known], j.forward[known]
    if len(y) == 0:
        return dict.fromkeys(("rmse", "mae", "r2", "directional_accuracy"), float("nan"))
    moved = (y != 0.0) & (f != 0.0)
    total = float(np.sum(y**2))
    return {
        "rmse": float(np.sqrt(np.mean((f - y) ** 2))),
        "mae": float(np.mean(np.abs(f - y))),
        "r2": 1.0 - float(np.sum((f - y) ** 2)) / total if total > 0.0 else float("nan"),
        "directional_accuracy": float(np.mean(np.sign(f[moved]) == np.sign(y[moved]))) if moved.any() else float("nan"),
    }


def _action_metrics(j: Judged, threshold: float) -> dict[str, float]:
    """The model trading alone: every actionable row held to its barriers, before and after costs."""
    side = actions(j.proba, threshold)
    acts = side != 0
    n = int(acts.sum())
    out = {"actionable": float(n), "actionable_share": n / max(1, len(side))}
    if n == 0:
        return out | dict.fromkeys(
            ("actionable_accuracy", "win_rate", "mean_r", "mean_r_net", "actionable_calibration_error"), float("nan")
        )
    r = np.where(side[acts] > 0, j.r[acts, 0], j.r[acts, 1])
    hit = j.label[acts] == side[acts] + 1
    said = np.where(side[acts] > 0, j.proba[acts, 2], j.proba[acts, 0])
    return out | {
        "actionable_accuracy": float(np.mean(hit)),
        "win_rate": float(np.mean(r > 0.0)),
        "mean_r": float(np.mean(r)),
        "mean_r_net": float(np.mean(r - j.cost_r[acts])),
        "actionable_calibration_error": calibration_error(said, hit),
    }


def to_json(metrics: dict[str, float]) -> dict[str, Any]:
    """NaN as None: JSON knows no NaN."""
    return {k: None if v != v else v for k, v in metrics.items()}
