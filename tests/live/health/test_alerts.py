"""The alert manager with its real sinks: log, file, and apprise against a server on the loopback."""

import http.server
import json
import logging
import os
import threading
from pathlib import Path

import pytest

from live import logs
from live.adapters.alerts import AppriseSink, FileSink, LogSink, default_sinks, read_urls
from live.alerts import LOCAL, AlertManager, SinkSettings
from live.errors import LiveError
from live.event_bus import EventBus
from live.ports import Alert
from live.repeats import CRITICAL, INFO, WARNING, RepeatSettings
from live.tasks import in_thread
from live.topics import ALERT_RAISED
from live.vitals import news_of_alerts
from tests.live.health.helpers import run, soon


@pytest.fixture(autouse=True)
def _registry(monkeypatch):
    monkeypatch.setattr(logs, "_secrets", ())


class Collector:
    """A sink of tests; ``gate`` closed = one that hangs."""

    def __init__(self, name="test"):
        self.name, self.got = name, []
        self.gate, self.entered = threading.Event(), threading.Event()
        self.gate.set()
        self.failures = 0

    def deliver(self, notice):
        self.entered.set()
        self.gate.wait(30)
        if self.failures:
            self.failures -= 1
            raise OSError("away, key s3cret-token")
        self.got.append(notice)


def warn(key="k", severity=WARNING, text="text"):
    return Alert(severity, key, "Title", text)


def test_log_and_file_sinks(tmp_path, caplog):
    logs.register_secret("s3cret-token")
    with caplog.at_level(logging.INFO):
        manager = AlertManager(default_sinks(tmp_path))
        manager.send(warn("a", INFO, "100 % of s3cret-token"))
        manager.send(warn("b", CRITICAL))
        for _ in range(3):
            manager.send(warn("b", CRITICAL, "again"))
        assert manager.close()
    rows = [json.loads(line) for line in (tmp_path / "alerts.jsonl").read_text().splitlines()]
    assert [(r["severity"], r["key"], r["seen"]) for r in rows] == [
        ("info", "a", 1),
        ("critical", "b", 1),
        ("critical", "b", 3),
    ]
    assert rows[0]["text"] == "100 % of ***"
    assert rows[2]["text"].startswith("again (seen 3 times more in ")
    assert (tmp_path / "alerts.jsonl").stat().st_mode & 0o077 == 0
    assert [(r.levelno, r.name) for r in caplog.records][:2] == [
        (logging.INFO, "live.alert"),
        (logging.CRITICAL, "live.alert"),
    ]
    assert manager.status()["suppressed"] == 3


def test_window_ends_by_itself():
    sink = Collector()
    manager = AlertManager([(sink, LOCAL)], RepeatSettings(window_s=0.2))
    for _ in range(5):
        manager.send(warn())
    soon(lambda: sum(n.seen for n in sink.got) == 5)
    assert manager.close()


def test_file_is_rotated(tmp_path):
    sink = FileSink(tmp_path / "a.jsonl", max_bytes=1_000, backups=2)
    manager = AlertManager([(sink, LOCAL)])
    for i in range(100):
        manager.send(warn(f"k{i}"))
    assert manager.close()
    files = sorted(tmp_path.iterdir())
    assert len(files) == 3
    assert sum(f.stat().st_size for f in files) <= 3_000


def test_full_disk_is_counted_and_hurts_nobody(caplog):
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full on this system")
    manager = AlertManager([(FileSink(Path("/dev/full")), LOCAL), (LogSink(), LOCAL)])
    manager.send(warn())
    manager.close()
    file, log = manager.status()["sinks"].values()
    assert (file["failed"], file["delivered"]) == (1, 0)
    assert "No space left" in file["last_error"]
    assert log["delivered"] == 1
    assert "did not reach file" in caplog.text


def test_hanging_sink_blocks_neither_sender_nor_other_sinks_and_drops_the_least_important():
    hangs, fine = Collector("hangs"), Collector("fine")
    hangs.gate.clear()
    manager = AlertManager([(hangs, SinkSettings(queue=3, per_min=1e6)), (fine, LOCAL)])
    manager.send(warn("first"))
    assert hangs.entered.wait(20)
    manager.send(warn("critical", CRITICAL))
    for i in range(20):
        manager.send(warn(f"k{i}"))
    soon(lambda: len(fine.got) == 22)
    assert manager.status()["sinks"]["hangs"]["dropped"] == 18
    assert not manager.close(0.05)  # bounded, though the sink hangs
    hangs.gate.set()
    soon(lambda: len(hangs.got) == 4)
    assert [n.key for n in hangs.got] == ["first", "critical", "k18", "k19"]
    manager.send(warn("late"))  # after the close: no error


def test_failing_sink_is_tried_again_then_counted():
    logs.register_secret("s3cret-token")
    sink = Collector()
    sink.failures = 5
    manager = AlertManager([(sink, SinkSettings(attempts=3, retry_s=0.001))])
    manager.send(warn("a"))
    manager.send(warn("b"))
    soon(lambda: len(sink.got) == 1)
    counts = manager.status()["sinks"]["test"]
    assert (counts["failed"], counts["retried"], counts["delivered"]) == (1, 4, 1)
    assert counts["last_error"] == "OSError: away, key ***"
    assert manager.close()


def test_rate_limit_is_told_with_the_next_alert_that_passes():
    sink = Collector()
    manager = AlertManager([(sink, SinkSettings(per_min=4.0, reserve=0.25))])
    for i in range(10):
        manager.send(warn(f"k{i}"))
    manager.send(warn("c", CRITICAL))
    assert manager.close()
    assert [n.key for n in sink.got] == ["k0", "k1", "k2", "c"]
    assert sink.got[-1].text.endswith("[7 other alerts were held back by the rate limit]")
    assert manager.status()["sinks"]["test"]["held_back"] == 7


def test_less_severe_alerts_stay_local_until_they_escalate():
    person = Collector()
    manager = AlertManager([(person, SinkSettings(min_severity=CRITICAL))], RepeatSettings(escalate_after=3))
    heard = []
    manager._on_notice = heard.append
    for _ in range(3):
        manager.send(warn())
    assert manager.close()
    assert [(n.severity, n.escalated) for n in person.got] == [(CRITICAL, True)]
    assert len(heard) == 2


class _Hook(http.server.BaseHTTPRequestHandler):
    """A web hook that keeps what it is sent."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, json.loads(body)))
        self.send_response(self.server.answer)
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture
def hook():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Hook)
    server.got, server.answer = [], 200
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_apprise_reaches_a_web_hook_and_its_address_is_a_secret(hook, tmp_path, caplog):
    port = hook.server_address[1]
    [url] = read_urls({"QT_ALERT_URLS": f"  json://127.0.0.1:{port}/hooks/t0ken-of-ours  "})
    with caplog.at_level(logging.DEBUG):
        manager = AlertManager(default_sinks(tmp_path, [url]))
        manager.send(warn("a", CRITICAL, "no frame"))
        manager.send(warn("quiet", INFO))  # stays local
        assert manager.close(20)
    [(path, body)] = hook.got
    assert path == "/hooks/t0ken-of-ours"
    assert body["title"] == "Quantum Trader: Title"
    assert body["message"] == "[critical] Title: no frame"
    assert body["type"] == "failure"
    assert "json 1" in manager.status()["sinks"]
    assert "/hooks/" in caplog.text  # the library says where it sends: what the logs are scrubbed of
    assert "t0ken-of-ours" not in logs.scrub(caplog.text)


def test_apprise_refused_and_unreachable_is_counted(hook):
    port = hook.server_address[1]
    hook.answer = 500
    refused = AppriseSink(f"json://127.0.0.1:{port}/")
    manager = AlertManager([(refused, SinkSettings(attempts=2, retry_s=0.001))])
    manager.send(warn())
    soon(lambda: manager.status()["sinks"]["json 1"]["failed"] == 1)
    assert manager.close(20)
    assert len(hook.got) == 2


def test_unknown_address_names_only_its_scheme():
    with pytest.raises(LiveError, match="alert address nonsense 3") as found:
        AppriseSink("nonsense://user:passw0rd@host/t0ken-of-ours", 3)
    assert "t0ken" not in str(found.value)


def test_addresses_from_a_private_file_only(tmp_path):
    path = tmp_path / "urls"
    path.write_text("json://localhost/abcdefgh12345\n# a comment\njson://localhost/second12\n")
    path.chmod(0o640)
    with pytest.raises(LiveError, match="mode 0640; expected a plain file of your own, mode 0600") as found:
        read_urls({}, path)
    assert "abcdefgh" not in str(found.value)
    path.chmod(0o600)
    assert len(read_urls({}, path)) == 2
    assert read_urls({"QT_ALERT_URLS": "json://localhost/other"}, path) == ("json://localhost/other",)
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(LiveError, match="expected a plain file"):
        read_urls({}, tmp_path / "link")
    with pytest.raises(LiveError, match="No such file"):
        read_urls({}, tmp_path / "none")
    assert logs.scrub("https://localhost/abcdefgh12345?") == "https://localhost/***?"
    assert read_urls({}) == ()


def test_alerts_reach_the_bus_from_any_thread():
    async def main():
        async with EventBus() as bus:
            page = bus.listen("page", ALERT_RAISED)
            manager = AlertManager([], on_notice=news_of_alerts(bus))
            await in_thread(lambda: manager.send(warn("from a thread")), "sender")
            assert (await anext(page)).payload.key == "from a thread"
            manager.close()
        return manager

    manager = run(main)
    assert manager.status()["errors"] == 0
