"""A fitted agent as MLflow's model: script and data files, signature, input example, fixed requirements."""

import importlib.metadata
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from experiments.tracking import names
from qt_core.agents.registry import agent_class
from qt_core.io.files import read_parquet
from research.training.dataset import Dataset
from research.training.folder import MODEL, PREDICTIONS
from research.training.report import FitReport

SCRIPT = Path(__file__).with_name("pyfunc_model.py")
EXAMPLE_ROWS = 5
LIBRARIES = {"xgb": "xgboost", "lgbm": "lightgbm"}  # the others: torch and safetensors
OUTPUTS = ("p_sell", "p_hold", "p_buy", "forecast")


def log_model(client: Any, run: Any, report: FitReport, place: Path, data: Dataset, tags: dict[str, str]) -> str:
    """Log the agent saved in ``place`` and return MLflow's id of it.

    By the client and step by step: MLflow's own ``log_model`` would add the address of the git remote, credentials and all,
    and open runs behind our back.
    """
    import mlflow
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model, ModelSignature
    from mlflow.types import ColSpec, Schema

    example = input_example(report, place, data)
    inputs = Schema([ColSpec("double", name) for name in example.columns])
    outputs = Schema([ColSpec("float", name) for name in OUTPUTS])
    params = {key: str(value) for key, value in run.data.params.items()}
    logged = client.create_logged_model(
        run.info.experiment_id, report.model_id, run.info.run_id, tags, params, report.agent
    )
    client.log_outputs(run.info.run_id, [LoggedModelOutput(logged.model_id, step=0)])
    about = Model(
        artifact_path=logged.artifact_location,
        model_uuid=logged.model_id,
        run_id=run.info.run_id,
        model_id=logged.model_id,
        metadata={names.MODEL_ID: report.model_id, names.CUTOFF: tags.get(names.CUTOFF, "")},
    )
    with tempfile.TemporaryDirectory(prefix="qt-model-") as folder:
        target = Path(folder) / "model"
        mlflow.pyfunc.save_model(
            str(target),
            python_model=str(SCRIPT),
            artifacts={"agent": str(place / MODEL)},
            signature=ModelSignature(inputs, outputs),
            input_example=example,
            pip_requirements=requirements(report.agent),
            mlflow_model=about,
        )
        client.log_model_artifacts(logged.model_id, str(target))
    client.finalize_logged_model(logged.model_id, "READY")
    return str(logged.model_id)


def requirements(agent: str) -> list[str]:
    """What loading needs from a package index; quantum-trader itself comes from its repository."""
    packages = ["mlflow", "numpy", "pandas", *([LIBRARIES[agent]] if agent in LIBRARIES else ["torch", "safetensors"])]
    return [f"{name}=={importlib.metadata.version(name).partition('+')[0]}" for name in packages]


def input_example(report: FitReport, place: Path, data: Dataset) -> Any:
    """Some rows the model predicted, evenly spaced, as the table its MLflow model takes."""
    import pandas as pd

    said = read_parquet(place / PREDICTIONS)
    pick = np.unique(np.linspace(0, len(said["close_time"]) - 1, EXAMPLE_ROWS).astype(np.int64))
    t = np.searchsorted(data.close_ms, np.asarray(said["close_time"])[pick])
    place_of = {name: k for k, name in enumerate(data.market.symbols)}
    i = np.array([place_of[str(name)] for name in np.asarray(said["symbol"])[pick]])
    return pd.DataFrame(table_columns(report, data, t, i))


def table_columns(report: FitReport, data: Dataset, t: Any, i: Any) -> dict[str, Any]:
    """Columns of the model's table for bars ``t`` and symbols ``i``, float64 holding the panel's float32 values."""
    from qt_core.agents.net_agent import NetAgent
    from qt_core.agents.panel import Rows

    panel = data.panel
    if issubclass(agent_class(report.agent), NetAgent):
        length = int(report.params["window"])
        window = panel.window(Rows(t, i), length)
        columns = {f"lag_{length - 1 - k}": window[:, k].astype(np.float64) for k in range(length)}
    else:
        columns = {name: panel.features[t, i, k].astype(np.float64) for k, name in enumerate(panel.names)}
    return {**columns, "stop": panel.stop[t, i].astype(np.float64)}
