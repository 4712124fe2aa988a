"""``qt ui``: its one-line errors, and a real server that starts, answers and leaves no process behind."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

import qt
from tests.experiments.conftest import store_in

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_without_runs(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert qt.main(["ui", "--no-open"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        f"error: {tmp_path}/mlruns/mlflow.db: no runs are logged yet; qt train configs/models_demo.yaml logs some\n"
    )
    assert not list(tmp_path.iterdir())


def test_a_port_that_is_taken(tmp_path: Path, database: Path, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store_in(tmp_path, database).uri)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert qt.main(["ui", "--no-open", "--port", str(port)]) == 2
    err = capsys.readouterr().err
    assert err == f"error: 127.0.0.1:{port}: Address already in use; a free port expected, see --port\n"


def test_a_server_elsewhere_is_only_named(monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@mlflow.example")
    assert qt.main(["ui", "--no-open"]) == 0
    assert capsys.readouterr().out == "MLflow runs at https://mlflow.example\n"


def processes_of_group(group: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if os.getpgid(int(entry.name)) == group:
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def children(pid: int) -> list[int]:
    return [int(k) for k in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("number", [signal.SIGINT])
def test_it_starts_answers_and_ends(tmp_path: Path, database: Path, number: int):
    port = free_port()
    environment = {**os.environ, "MLFLOW_TRACKING_URI": store_in(tmp_path, database).uri}
    command = [sys.executable, "-u", "-m", "qt", "ui", "--no-open", "--port", str(port)]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert f"http://127.0.0.1:{port}" in line
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
            f"http://127.0.0.1:{port}/version", timeout=10
        ) as answer:
            assert answer.read() == b"3.17.2"
        (server,) = children(process.pid)
        assert len(processes_of_group(server)) >= 1
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
        assert process.returncode == 0
        assert err.strip() == "stopped"
        assert processes_of_group(server) == []
