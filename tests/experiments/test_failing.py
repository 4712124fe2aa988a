"""MLflow fails, the training does not; and what must not be logged is not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.tracking import training_run
from experiments.tracking.store import Store, one_line, store_of
from experiments.tracking.tracker import Tracker
from qt_core.errors import DataError
from research.training.walk_forward import Training, train
from tests.experiments.conftest import log

FITS = 4  # of the brief training
ROOT = Path(__file__).resolve().parents[2]


def attempt(training: Training, store: Store) -> tuple[Tracker, list[str]]:
    lines: list[str] = []
    tracker = Tracker(lines.append, store)
    tracker.begin(training)
    reports = train(training, (tracker,))
    tracker.finish(reports)
    assert len(reports) == FITS
    return tracker, lines


def test_a_server_that_does_not_answer(brief: Training, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    tracker, lines = attempt(brief, store_of("http://user:hunter2@127.0.0.1:9"))
    assert tracker.failed
    (line,) = lines
    assert line.startswith("MLflow (http://127.0.0.1:9): ")
    assert line.endswith("the training goes on unlogged, the next qt train logs it")
    assert "hunter2" not in line
    assert "\n" not in line


def test_a_database_that_cannot_be_written(brief: Training, tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    tracker, lines = attempt(brief, store_of(f"sqlite:///{tmp_path}/file/mlflow.db"))
    assert tracker.failed
    assert len(lines) == 1


def test_a_store_that_fails_half_way_is_completed_by_the_next_run(brief: Training, store: Store, monkeypatch):
    lines: list[str] = []
    tracker = Tracker(lines.append, store)
    tracker.begin(brief)
    report = train(brief)[0]
    with monkeypatch.context() as patch:
        patch.setattr(tracker._client, "log_inputs", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
        tracker.fitted(report, brief.folder, brief.data)
    assert "disk full" in tracker.failed
    tracker.fitted(report, brief.folder, brief.data)  # not tried again
    assert len(lines) == 1
    done = log(brief, store)
    assert (done.tracker.new, done.tracker.old) == (FITS, 0)
    runs = done.client.search_runs([done.experiment_id], "", max_results=100)
    assert {r.info.status for r in runs} == {"FINISHED"}
    assert len(runs) == 1 + FITS


def test_with_debugging_the_error_itself_comes(brief: Training, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("QT_DEBUG", "1")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match="file"):
        Tracker(store=store_of(f"sqlite:///{tmp_path}/file/mlflow.db")).begin(brief)


@pytest.mark.parametrize("uri", ["mlruns", "/tmp/mlruns"])
def test_a_plain_folder_is_no_address(uri: str, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(DataError, match="sqlite:///PATH"):
        store_of()


def test_addresses(monkeypatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    default = store_of()
    assert default.database == tmp_path / "mlruns" / "mlflow.db"
    assert default.artifacts == tmp_path / "mlruns" / "artifacts"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@mlflow.example:5000")
    assert store_of() == ("https://me:secret@mlflow.example:5000", None, None)
    assert store_of().shown == "https://mlflow.example:5000"


def test_an_error_is_one_line_without_credentials(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "tok-123")
    error = RuntimeError("GET http://me:pw@host/api failed\n  with tok-123")
    assert one_line(error) == "GET http://host/api failed with ***"


CANARIES = {
    "MLFLOW_TRACKING_USERNAME": "canary-user-7c1",
    "MLFLOW_TRACKING_PASSWORD": "canary-password-7c1",
    "MLFLOW_TRACKING_TOKEN": "canary-token-7c1",
    "AWS_SECRET_ACCESS_KEY": "canary-aws-7c1",
    "BINANCE_API_SECRET": "canary-binance-7c1",
    "MLFLOW_RUN_CONTEXT": '{"leak": "canary-context-7c1"}',
    "OPENAI_API_KEY": "canary-openai-7c1",
}


def test_nothing_logged_holds_a_secret(brief: Training, store: Store, monkeypatch):
    for name, value in CANARIES.items():
        monkeypatch.setenv(name, value)
    log(brief, store)
    searched = 0
    for path in (p for p in store.database.parent.rglob("*") if p.is_file()):
        body = path.read_bytes()
        searched += len(body)
        assert b"canary" not in body, path
    assert searched > 300_000
    assert b"qt.fit_key" in b"".join(p.read_bytes() for p in store.database.parent.glob("mlflow.db*"))


def test_the_remote_of_the_repository_is_not_logged(brief: Training, tmp_path: Path, monkeypatch):
    commands = []

    def run(command, **given):
        commands.append(command)
        return subprocess.CompletedProcess(command, 0, stdout="0" * 40 + "\n")

    monkeypatch.setattr(training_run.subprocess, "run", run)
    tags = training_run.common_tags(brief)
    assert tags["mlflow.source.git.commit"] == "0" * 40
    assert all(command[3:] == ["rev-parse", "HEAD"] for command in commands)
    assert not any("repo" in name.lower() for name in tags)


def test_telemetry_is_off_before_mlflow_is_imported():
    program = (
        "import os, sys; from experiments.tracking.store import prepare, store_of; assert 'mlflow' not in sys.modules; "
        "prepare(store_of('http://127.0.0.1:9')); assert 'mlflow' not in sys.modules; "
        "print(os.environ['MLFLOW_DISABLE_TELEMETRY'], os.environ['DO_NOT_TRACK'])"
    )
    environment = {k: v for k, v in os.environ.items() if k not in ("MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK")}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True, env=environment
    )
    assert done.stdout.split() == ["true", "true"]
