"""Logs: no secret in any part of a record, bounded files, UTC, and nothing left behind after the close."""

import io
import json
import logging
import sys
import threading
import urllib.parse

import pytest

from live import logs
from live.errors import LiveError
from tests.live.health.helpers import soon

SECRET = 'k3y/with "quotes"&more'


@pytest.fixture(autouse=True)
def _registry(monkeypatch):
    monkeypatch.setattr(logs, "_secrets", ())


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_secret_leaves_no_trace_in_any_part(tmp_path):
    logs.register_secret(SECRET)
    path, console = tmp_path / "session.jsonl", io.StringIO()
    handle = logs.setup(path, console=console)
    log = logging.getLogger("live.test")
    log.info("message %s", SECRET)
    log.info("plain " + SECRET)
    log.info("quoted %s", urllib.parse.quote_plus(SECRET))
    log.info("nested %s", {"key": [SECRET]})
    log.info("extra", extra={"account": SECRET, "n": 3})
    try:
        raise ValueError(f"refused {SECRET}")
    except ValueError:
        log.exception("failed", stack_info=True)
    log.warning("stack", stack_info=True)
    handle.close()
    written = path.read_text() + console.getvalue()
    for form in (SECRET, urllib.parse.quote_plus(SECRET), json.dumps(SECRET)[1:-1], "k3y/with", "k3y%2F"):
        assert form not in written
    found = rows(path)
    assert [r["message"] for r in found][:2] == ["message ***", "plain ***"]
    assert found[4]["account"] == "***"
    assert found[4]["n"] == 3
    assert "ValueError: refused ***" in found[5]["exception"]
    assert "test_secret_leaves_no_trace" in found[5]["stack"]
    assert found[0]["time"].endswith("Z")
    assert "Z INFO " in console.getvalue().splitlines()[0].replace("     ", " ")


def test_secret_does_not_reach_handlers_of_others(caplog):
    logs.register_secret("topsecret1")
    handle = logs.setup(None, console=io.StringIO())
    root = logging.getLogger()
    after = logging.StreamHandler(seen := io.StringIO())
    root.addHandler(after)
    try:
        raise ValueError("topsecret1")
    except ValueError:
        logging.getLogger("live.test").exception("x %s", "topsecret1")
    logging.getLogger("live.test").warning("y %s", "topsecret1", stack_info=True)  # its source line holds it as well
    root.removeHandler(after)
    handle.close()
    assert "topsecret1" not in seen.getvalue()
    assert "ValueError: ***" in seen.getvalue()
    assert "Stack (most recent call last)" in seen.getvalue()


def test_short_secret_is_refused_and_longest_goes_first():
    with pytest.raises(LiveError, match="5 characters"):
        logs.register_secret("12345")
    logs.register_secret("abcdef")
    logs.register_secret("abcdefghij")
    assert logs.scrub("x abcdefghij y abcdef z") == "x *** y *** z"


def test_files_are_rotated_bounded_and_private(tmp_path):
    path = tmp_path / "deep" / "session.jsonl"
    handle = logs.setup(path, logs.LogSettings(file_bytes=2_000, files=2), console=io.StringIO())
    for i in range(200):
        logging.getLogger("live.test").info("line %d", i)
    handle.close()
    files = sorted(path.parent.iterdir())
    assert [f.name for f in files] == ["session.jsonl", "session.jsonl.1", "session.jsonl.2"]
    assert sum(f.stat().st_size for f in files) <= 3 * 2_000
    assert all(f.stat().st_mode & 0o077 == 0 for f in files)
    assert rows(path)[-1]["message"] == "line 199"


class Stuck(io.StringIO):
    """A terminal that someone has stopped."""

    def __init__(self):
        super().__init__()
        self.go_on, self.entered = threading.Event(), threading.Event()

    def write(self, text):
        self.entered.set()
        self.go_on.wait(30)
        return super().write(text)


def test_stuck_terminal_costs_records_and_not_the_caller():
    console = Stuck()
    handle = logs.setup(None, logs.LogSettings(queue_records=10), console=console)
    log = logging.getLogger("live.test")
    log.info("first")
    assert console.entered.wait(20)
    for i in range(100):
        log.info("line %d", i)  # returns, though nothing is written
    assert handle.dropped == 90
    console.go_on.set()
    soon(lambda: "line 9" in console.getvalue())
    log.info("last")
    handle.close()
    assert "90 log records were dropped" in console.getvalue()
    assert "last" in console.getvalue()


def test_line_with_wrong_arguments_is_not_lost():
    record = logging.LogRecord("live.test", logging.INFO, "", 0, "%d and %d", (1,), None)
    assert logs.SecretFilter().filter(record)
    assert "%d and %d (arguments do not fit" in record.getMessage()


def test_uncaught_errors_are_logged_and_scrubbed_and_all_is_put_back(tmp_path):
    before = (sys.excepthook, threading.excepthook, logging.getLogger().level, list(logging.getLogger().handlers))
    path = tmp_path / "x.jsonl"
    logs.register_secret("hunter2hunter2")
    with logs.logging_to(path):

        def fail():
            raise ValueError("password hunter2hunter2")

        thread = threading.Thread(target=fail, name="worker")
        thread.start()
        thread.join()
        try:
            fail()
        except ValueError as error:
            sys.excepthook(ValueError, error, error.__traceback__)
    assert [r["message"] for r in rows(path)] == ["uncaught error in thread worker", "uncaught error"]
    assert "hunter2" not in path.read_text()
    after = (sys.excepthook, threading.excepthook, logging.getLogger().level, list(logging.getLogger().handlers))
    assert after == before
