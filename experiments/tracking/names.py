"""The names under which everything is logged; compare view, charts and searches rest on their being the same everywhere.

Tags identify, params say what was asked for, metrics are numbers that can be ordered and drawn. MLflow's charts put a metric
with a slash into a section of its own, above those without: a fit has none, a training has one section for each agent.
Raise FORMAT when a name changes its meaning.
"""

from typing import Any

FORMAT = "qt-mlflow/1"

# --- tags of every run
KIND = "qt.kind"  # training or fit
FORMAT_TAG = "qt.format"
TRAINING_KEY = "qt.training_key"  # digest of settings, windows and universe: a resumed training is found by it
SYMBOLS = "qt.symbols"  # how many
TIMEFRAME = "qt.timeframe"
SCHEMA = "qt.schema"  # digest of the feature columns

# --- tags of a fit
AGENT = "qt.agent"
WINDOW = "qt.window"  # first day of predictions, 2021-01-01
MODEL_ID = "qt.model_id"  # as in tapes and journals
FIT_KEY = "qt.fit_key"  # digest of everything the fit depends on: nothing is logged twice by it
DATA_DIGEST = "qt.data_digest"  # SHA-256 of inputs and labels from the first training row to the last prediction
FIT_SEED = "qt.fit_seed"  # drawn from the seed, window and agent; a tag, for as a param it would lead every comparison
CUTOFF = "qt.cutoff"  # last instant anything the model knows of was known, UTC
ABSTAINS = "qt.abstains"  # true or false
REASON = "qt.reason"  # why it abstains
CURRENT = "qt.current"  # false where the same training has a later fit of that window and agent

# --- MLflow's own tags
PARENT = "mlflow.parentRunId"
RUN_NAME = "mlflow.runName"
NOTE = "mlflow.note.content"
COMMIT = "mlflow.source.git.commit"
SOURCE = "mlflow.source.name"
SOURCE_TYPE = "mlflow.source.type"
USER = "mlflow.user"
EXPERIMENT_KIND = "mlflow.experimentKind"

TRAINING, FIT = "training", "fit"

# --- artifacts
REPORT = "report.json"
CONFIG = "config.yaml"
RELIABILITY_PNG, IMPORTANCE_PNG = "plots/reliability.png", "plots/importance.png"

# --- metrics of a fit beside those of research.training.metrics
CURVE_TRAIN, CURVE_STOP = "curve_train", "curve_stop"  # by step: boosting rounds or optimiser steps
BEST_STEP, BEST_STEP_SHARE = "best_step", "best_step_share"  # the step kept, and its share of the steps allowed
N_SYMBOLS = "n_symbols"

# --- metrics of a training
BY_WINDOW = "by_window"  # by_window/xgb: log_loss_skill of the n-th window as step n

LARGEST_DIGEST = 36  # characters of a dataset's digest in MLflow; tags carry the whole


def flag(value: bool) -> str:
    """A truth value as a tag."""
    return "true" if value else "false"


def run_name(agent: str, window: str) -> str:
    """The name of a fit's run, ``xgb 2021-01-01``: sorted by name, runs stand together by agent, then by time."""
    return f"{agent} {window}"


def settings_params(settings: Any, costs: Any) -> dict[str, Any]:
    """What training and fits have in common: how time is cut, which rows count, what trading costs."""
    plan = settings.plan._asdict()
    plan.pop("first_predict_ms")
    return {
        "seed": settings.seed,
        **{f"window.{key}": value for key, value in plan.items()},
        **{f"samples.{key}": value for key, value in settings.samples._asdict().items()},
        **{f"costs.{key}": value for key, value in vars(costs).items()},
    }
