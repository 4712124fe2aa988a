"""Where runs are kept: ``MLFLOW_TRACKING_URI``, else SQLite in ``mlruns``. Nothing here needs a network, or reports home."""

import logging
import os
import re
import sqlite3
from pathlib import Path
from typing import Any, NamedTuple

from qt_core.errors import DataError

DEFAULT_URI = "sqlite:///mlruns/mlflow.db"
VARIABLE = "MLFLOW_TRACKING_URI"
SQLITE = "sqlite:///"
# Before mlflow is imported. A server that does not answer is given up after seconds, not after MLflow's many minutes: what
# was not logged is logged by the next run.
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_RECORD_ENV_VARS_IN_MODEL_LOGGING": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20"}  # the user's own values win
SECRETS = ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_USERNAME")
QUIET = (
    "alembic",
    "alembic.runtime.migration",
    "mlflow.store.db.utils",
    "mlflow.tracking",
    "mlflow.models.model",
    "mlflow.pyfunc",
)
_CREDENTIALS = re.compile(r"//[^/@\s]+@")


class Store(NamedTuple):
    """A tracking store."""

    uri: str
    database: "Path | None"  # of SQLite
    artifacts: "Path | None"  # beside it; None: the server's own

    @property
    def shown(self) -> str:
        """The address as it may be printed."""
        return _CREDENTIALS.sub("//", self.uri)


def store_of(uri: str = "") -> Store:
    """The store of an address; empty = that of the environment, else the default.

    Raises
    ------
    DataError
        For a plain folder, which MLflow no longer writes to.
    """
    uri = uri or os.environ.get(VARIABLE, "").strip() or DEFAULT_URI
    if "://" not in uri and not uri.startswith(("databricks", "sqlite:")):
        raise DataError(f"{VARIABLE}={uri}: a folder; sqlite:///PATH/mlflow.db or http://HOST:PORT expected")
    if not uri.startswith(SQLITE):
        return Store(uri, None, None)
    database = Path(uri.removeprefix(SQLITE)).absolute()
    return Store(f"{SQLITE}{database}", database, database.parent / "artifacts")


def prepare(store: Store) -> None:
    """Environment and folder, before mlflow is imported."""
    for name, value in {**PATIENCE, **ENVIRONMENT}.items():
        os.environ.setdefault(name, value)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    if store.database is not None:
        store.database.parent.mkdir(parents=True, exist_ok=True)


def client_of(store: Store) -> Any:
    """MLflow's client of a store, its database made where it is missing."""
    prepare(store)
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=store.uri)
    client.search_experiments(max_results=1)
    if store.database is not None:
        _write_ahead(store.database)
    return client


def experiment_of(client: Any, store: Store, name: str, tags: dict[str, str]) -> str:
    """The id of an experiment, made where it is missing; one that was deleted comes back."""
    found = client.get_experiment_by_name(name)
    if found is None:
        place = None if store.artifacts is None else store.artifacts.absolute().as_uri()
        return str(client.create_experiment(name, artifact_location=place, tags=tags))
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def one_line(error: BaseException) -> str:
    """What went wrong, in one line without credentials."""
    text = " ".join(str(error).split()) or type(error).__name__
    for name in SECRETS:
        value = os.environ.get(name)
        if value:
            text = text.replace(value, "***")
    text = _CREDENTIALS.sub("//", text)
    return text if len(text) <= 200 else text[:197] + "..."


def _write_ahead(database: Path) -> None:
    """Let the web page read while a training writes. Kept in the file, so it is said once."""
    with sqlite3.connect(database, timeout=20.0) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    connection.close()
