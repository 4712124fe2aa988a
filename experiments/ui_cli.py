"""``qt ui``: MLflow's web page on the runs that are logged. Nothing heavy is imported: the server is another program."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import webbrowser
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any, NoReturn

import click

if TYPE_CHECKING:
    from experiments.tracking.store import Store

PATIENCE_S = 120.0  # for the first answer; a cold start on a busy machine
GRACE_S = 10.0  # for an orderly end
FIRST_PAGE = "/#/experiments?workflowType=machine_learning"  # not the one for language models, MLflow's default
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@click.command(context_settings={"max_content_width": 110})
@click.option("--port", type=click.IntRange(1, 65535), default=5000, show_default=True, help="Port to listen on.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Interface to listen on; there is no password.")
@click.option("--no-open", is_flag=True, help="Do not open a browser.")
def ui(port: int, host: str, no_open: bool) -> None:
    """Open MLflow on the trainings logged by qt train; Ctrl-C ends it.

    Shows the store of MLFLOW_TRACKING_URI, or mlruns/mlflow.db of this folder. Where that is a server already, only its
    address is printed and opened.
    """
    from experiments.tracking.store import store_of

    store = store_of()
    if store.uri.startswith(("http://", "https://")):
        click.echo(f"MLflow runs at {store.shown}")
        _open(store.shown, no_open)
        return
    _check(store, host, port)
    address = f"http://{'127.0.0.1' if host in ('0.0.0.0', '::') else host}:{port}"
    with _ended_by_signals(), tempfile.TemporaryFile("w+", encoding="utf-8") as log:
        server = _start(store, host, port, log)
        try:
            _await_answer(server, address, log)
            click.echo(f"MLflow shows {store.shown} at {address}; Ctrl-C ends it")
            if host not in LOOPBACK:
                click.echo(f"anyone who reaches {host}:{port} can read and change these runs: there is no password")
            _open(f"{address}{FIRST_PAGE}", no_open)
            if server.wait() != 0:
                raise click.ClickException(f"MLflow's server ended: {_last_line(log)}")
        except KeyboardInterrupt:
            click.echo("\nstopped", err=True)
        finally:
            _stop(server)


def _check(store: "Store", host: str, port: int) -> None:
    """Refuse a store without runs and a port that is taken."""
    from qt_core.errors import ConfigError, DataError

    if store.database is not None and not store.database.is_file():
        raise DataError(f"{store.database}: no runs are logged yet; qt train configs/models_demo.yaml logs some")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # as the server will: a closed one's rest is no obstacle
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ConfigError(f"{host}:{port}: {error.strerror or error}; a free port expected, see --port") from error


def _start(store: "Store", host: str, port: int, log: IO[str]) -> "subprocess.Popen[Any]":
    from experiments.tracking.store import ENVIRONMENT

    # by the environment: an address with a password does not belong on a command line
    environment = {
        **os.environ,
        **ENVIRONMENT,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_BACKEND_STORE_URI": store.uri,
    }
    environment.pop("MLFLOW_TRACKING_URI", None)
    command = [sys.executable, "-m", "mlflow", "server", "--host", host, "--port", str(port), "--workers", "1"]
    if store.artifacts is not None:
        command += ["--default-artifact-root", store.artifacts.as_uri()]
    return subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)


def _await_answer(server: "subprocess.Popen[Any]", address: str, log: IO[str]) -> None:
    until = time.monotonic() + PATIENCE_S
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while time.monotonic() < until:
        if server.poll() is not None:
            raise click.ClickException(f"MLflow's server did not start: {_last_line(log)}")
        with (
            contextlib.suppress(urllib.error.URLError, OSError),
            direct.open(f"{address}/health", timeout=2.0) as answer,
        ):
            if answer.status == 200:
                return
        time.sleep(0.2)
    raise click.ClickException(f"MLflow's server did not answer within {PATIENCE_S:.0f} s: {_last_line(log)}")


def _stop(server: "subprocess.Popen[Any]") -> None:
    """End the server and the processes it started, which are its group."""
    for number, grace in ((signal.SIGTERM, GRACE_S), (signal.SIGKILL, GRACE_S)):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(server.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(grace)
            if not _group_lives(server.pid, grace):
                return


def _group_lives(group: int, seconds: float) -> bool:
    """Whether processes of a group are left after at most ``seconds``."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            os.killpg(group, 0)
        except (ProcessLookupError, PermissionError):
            return False
        time.sleep(0.05)
    return True


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """A closed terminal and ``kill`` end the server as Ctrl-C does."""

    def interrupt(_number: int, _frame: Any) -> NoReturn:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _open(address: str, no_open: bool) -> None:
    if not no_open and not webbrowser.open(address):
        click.echo("no browser found; open the address above in one")


def _last_line(log: IO[str]) -> str:
    log.seek(0)
    lines = [line.strip() for line in log.read().splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
