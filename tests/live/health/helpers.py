"""What these tests share: a bounded loop run without leaks, waiting for a condition, real children, recorders."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from live.ports import Alert
from live.tasks import no_leaks, within

PATIENCE_S = 25.0  # how long a condition may take on a busy machine; no test waits for it to pass
ROOT = Path(__file__).resolve().parents[3]


def run(main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """``main()`` in a loop of its own; fails where it hangs or leaves a task behind."""

    async def guarded() -> Any:
        async with no_leaks():
            return await within(2 * PATIENCE_S, main(), "the test")

    return asyncio.run(guarded())


async def eventually(condition: Callable[[], Any], what: str = "the condition") -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, f"never: {what}"
        await asyncio.sleep(0.01)


def soon(condition: Callable[[], Any], what: str = "the condition") -> None:
    """The same without a loop."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.01)


def child(code: str, *args: str) -> "subprocess.Popen[str]":
    """A real Python process; its first line on stdout says that it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    return process


def end(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.communicate()


class Heard:
    """The port Alerts for tests: keeps what was sent."""

    def __init__(self) -> None:
        self.alerts: list[Alert] = []

    def send(self, alert: Alert) -> None:
        self.alerts.append(alert)

    def keys(self) -> list[str]:
        return [a.key for a in self.alerts]


HTTP_SERVER = """
import http.server, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/slow":
            time.sleep(0.3)
        self.send_response(200); self.send_header("Content-Length", "2"); self.end_headers(); self.wfile.write(b"ok")
    def log_message(self, *a): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
"""


async def get(port: int, path: str = "/") -> bytes:
    """One HTTP request over a real socket."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        answer = await reader.read()
        if not answer.startswith(b"HTTP/1.0 200"):
            raise ConnectionError(answer[:80])
        return answer
    finally:
        writer.close()
