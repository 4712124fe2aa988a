"""Where alerts go: the log, a JSON-lines file, and whatever apprise knows (mail, chats, pagers, a web hook)."""

import json
import logging
import os
import stat
import sys
import time
import urllib.parse
from collections.abc import Mapping, Sequence
from pathlib import Path

from live.alerts import LOCAL, OUTSIDE, Sink, SinkSettings, describe
from live.errors import LiveError
from live.logs import MIN_SECRET, PrivateRotatingFile, register_secret, scrub
from live.repeats import CRITICAL, INFO, SEVERITIES, WARNING, Notice

URLS_VARIABLE = "QT_ALERT_URLS"
FILE_BYTES = 5_000_000  # of one alert file before it is rotated (our choice)
FILES = 3  # kept beside the one written (our choice)
PART_LENGTH = 8  # a part of a URL from this length on may be a token (our choice); hosts have a dot
WORD_LENGTH = 16  # letters of one case alone are a token from here on (our choice)
_LEVELS = {INFO: logging.INFO, WARNING: logging.WARNING, CRITICAL: logging.CRITICAL}
_TYPES = {INFO: "info", WARNING: "warning", CRITICAL: "failure"}  # apprise's names


class LogSink:
    """Into the session's log."""

    name = "log"

    def __init__(self, logger: str = "live.alert") -> None:
        self._log = logging.getLogger(logger)

    def deliver(self, notice: Notice) -> None:
        self._log.log(_LEVELS.get(notice.severity, logging.CRITICAL), "%s", describe(notice))


class FileSink:
    """One JSON object per line into a rotating file that only its owner may read; raises OSError where it cannot."""

    name = "file"

    def __init__(self, path: Path, max_bytes: int = FILE_BYTES, backups: int = FILES) -> None:
        self._handler = _Strict(path, max_bytes, backups)

    def deliver(self, notice: Notice) -> None:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(notice.time_ms / 1000.0))
        row = {"time": f"{stamp}.{notice.time_ms % 1000:03d}Z", **notice._asdict()}
        row["severity"] = SEVERITIES[min(max(notice.severity, INFO), CRITICAL)]
        line = scrub(json.dumps(row, ensure_ascii=False))
        self._handler.emit(logging.LogRecord("", 0, "", 0, line, (), None))


class _Strict(PrivateRotatingFile):
    """Raises instead of printing, so that a line that was not written is counted."""

    def format(self, record: logging.LogRecord) -> str:
        return str(record.msg)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's name)
        error = sys.exc_info()[1]
        if error is not None:
            raise error


class AppriseSink:
    """One address of apprise; one sink each, so that a retry does not tell those again that were reached.

    Raises
    ------
    LiveError
        The address is none apprise knows; the message names its scheme only.
    """

    def __init__(self, url: str, number: int = 1) -> None:
        import apprise  # late: 0.2 s, and only where an address is set

        register_secret_url(url)
        self.name = f"{url.split(':', 1)[0]} {number}"
        self._types = {k: apprise.NotifyType(v) for k, v in _TYPES.items()}
        self._apprise = apprise.Apprise()
        if not self._apprise.add(url):
            raise LiveError(f"alert address {self.name}: apprise does not know it; expected one of its URL schemes")

    def deliver(self, notice: Notice) -> None:
        kind = self._types.get(notice.severity, self._types[CRITICAL])
        title = f"Quantum Trader: {notice.title}"
        if not self._apprise.notify(body=describe(notice), title=title, notify_type=kind):
            raise LiveError(f"{self.name} refused or did not answer")


def register_secret_url(url: str) -> None:
    """Hide an address and the parts of it that may be tokens: libraries log addresses rewritten."""
    register_secret(url)
    parts = urllib.parse.urlsplit(url)
    query = [value for _, value in urllib.parse.parse_qsl(parts.query)]
    pieces = [*parts.netloc.replace("@", " ").replace(":", " ").split(), *parts.path.split("/"), *query]
    for piece in pieces:
        if _may_be_token(piece):
            register_secret(urllib.parse.unquote(piece))
    if parts.password and len(parts.password) >= MIN_SECRET:
        register_secret(urllib.parse.unquote(parts.password))


def _may_be_token(piece: str) -> bool:
    """Long enough, no host name, and no plain word: hiding "notifications" would garble every log."""
    word = piece.isalpha() and piece.islower() and len(piece) < WORD_LENGTH
    return len(piece) >= PART_LENGTH and "." not in piece and not word


def read_urls(environment: "Mapping[str, str]", path: "Path | None" = None) -> tuple[str, ...]:
    """Alert addresses: from ``QT_ALERT_URLS`` (separated by blanks), else from a file that only its owner may read.

    Raises
    ------
    LiveError
        The file is missing, no plain file, not ours, or open to others; its content is never shown.
    """
    text = environment.get(URLS_VARIABLE, "")
    if not text.strip() and path is not None:
        text = _read_private(path)
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    urls = tuple(url for line in lines for url in line.split())
    for url in urls:
        register_secret_url(url)
    return urls


def _read_private(path: Path) -> str:
    """Text of a secret file; checked on the open file, so that nobody swaps it in between."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise LiveError(f"alert addresses: {path}: {error.strerror}; expected a plain file of mode 0600") from None
    with os.fdopen(handle, encoding="utf-8") as file:
        found = os.fstat(file.fileno())
        mode = stat.S_IMODE(found.st_mode)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or mode & 0o077:
            raise LiveError(f"alert addresses: {path}: mode {mode:04o}; expected a plain file of your own, mode 0600")
        return file.read()


def default_sinks(
    folder: Path, urls: Sequence[str] = (), outside: SinkSettings = OUTSIDE
) -> list[tuple[Sink, SinkSettings]]:
    """Log and ``alerts.jsonl`` in a session's folder, and one sink an address (``outside``: their settings)."""
    sinks: list[tuple[Sink, SinkSettings]] = [(LogSink(), LOCAL), (FileSink(folder / "alerts.jsonl"), LOCAL)]
    return [*sinks, *((AppriseSink(url, i + 1), outside) for i, url in enumerate(urls))]
