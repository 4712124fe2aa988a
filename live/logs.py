"""Logging of a session: people read the console, machines a JSON-lines file; both bounded, in UTC and free of secrets.

Records go through a bounded queue to a thread of their own: a slow disk or terminal costs the trading path nothing. What
does not fit is dropped and counted, and the count is logged once there is room. Secrets are taken out twice: of the record
before it leaves the caller (message, arguments, exception, stack), and of the finished line.
"""

import contextlib
import copy
import io
import json
import logging
import logging.handlers
import os
import queue
import sys
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from live.errors import LiveError

HIDDEN = "***"
MIN_SECRET = 6  # characters; replacing a shorter text would garble every line without hiding anything
STANDARD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class LogSettings(NamedTuple):
    """How a session logs; all defaults are our choice."""

    console_level: int = logging.INFO
    file_level: int = logging.DEBUG
    file_bytes: int = 20_000_000  # of one file before it is rotated
    files: int = 5  # kept beside the one written: at most 120 MB
    queue_records: int = 10_000  # waiting for the disk; beyond, the newest is dropped and counted
    quiet: tuple[str, ...] = ("asyncio", "urllib3", "ccxt", "numba")  # loggers held to WARNING


DEFAULTS = LogSettings()

_secrets: tuple[str, ...] = ()
_secrets_lock = threading.Lock()


def register_secret(text: str) -> None:
    """Hide ``text`` from now on, also as it stands in a URL, in JSON and in a ``repr``.

    Parameters
    ----------
    text : str
        A key, password, token or address; an empty one is ignored.

    Raises
    ------
    LiveError
        Shorter than ``MIN_SECRET`` characters.
    """
    global _secrets  # noqa: PLW0603 (one registry per process: a secret is one for every logger)
    if not text:
        return
    if len(text) < MIN_SECRET:
        raise LiveError(f"a secret of {len(text)} characters cannot be kept out of logs; expected {MIN_SECRET} or more")
    quoted = (urllib.parse.quote(text), urllib.parse.quote(text, safe=""), urllib.parse.quote_plus(text))
    with _secrets_lock:
        forms = {*_secrets, text, *quoted, json.dumps(text)[1:-1], repr(text)[1:-1]}
        _secrets = tuple(sorted(forms, key=len, reverse=True))  # a secret inside another must not cut it in half


def scrub(text: str) -> str:
    """``text`` with every registered secret replaced by ``HIDDEN``."""
    for secret in _secrets:
        if secret in text:
            text = text.replace(secret, HIDDEN)
    return text


class SecretFilter(logging.Filter):
    """Takes secrets out of a record; one that cannot be formatted says so instead of losing the line."""

    def filter(self, record: logging.LogRecord) -> bool:
        try:
            message = record.getMessage()
        except Exception as error:  # arguments that do not fit the format: the caller's defect, not the reader's
            message = f"{record.msg} (arguments do not fit: {error})"
            record.msg, record.args = message, ()
        clean = scrub(message)
        if clean != message:
            record.msg, record.args = clean, ()
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            text = scrub(record.exc_text)
            if text != record.exc_text:  # the exception itself still holds the secret: no later handler may print it
                record.exc_text, record.exc_info = text, None
        if record.stack_info:
            record.stack_info = scrub(record.stack_info)
        return True


class _UtcFormatter(logging.Formatter):
    """A line for people: UTC with milliseconds."""

    converter = staticmethod(time.gmtime)
    default_msec_format = "%s.%03dZ"

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-8s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        return scrub(super().format(record))


class JsonFormatter(logging.Formatter):
    """One JSON object per record: time, level, logger, message, exception, stack and what was passed as ``extra``."""

    def format(self, record: logging.LogRecord) -> str:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        row: dict[str, Any] = {
            "time": f"{stamp}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_text:
            row["exception"] = record.exc_text
        if record.stack_info:
            row["stack"] = record.stack_info
        row |= {k: v for k, v in vars(record).items() if k not in STANDARD_FIELDS and k not in row}
        return scrub(json.dumps(row, default=str, ensure_ascii=False))


class PrivateRotatingFile(logging.handlers.RotatingFileHandler):
    """A rotating file that only its owner may read."""

    def __init__(self, path: Path, max_bytes: int, backups: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        super().__init__(path, maxBytes=max_bytes, backupCount=backups, encoding="utf-8", delay=True)

    def _open(self) -> io.TextIOWrapper:
        handle = os.open(self.baseFilename, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        return io.TextIOWrapper(os.fdopen(handle, "ab"), encoding="utf-8")


class _BoundedQueueHandler(logging.handlers.QueueHandler):
    """Never blocks: a record that finds the queue full is counted."""

    def __init__(self, records: "queue.Queue[Any]") -> None:
        super().__init__(records)
        self.records = records
        self.dropped = 0

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """Fix the text now, before a mutable argument changes; the parent would also fold the exception into it."""
        record = copy.copy(record)  # other handlers get the original
        record.msg, record.args = record.getMessage(), ()
        record.exc_info = None  # its text was taken by the filter; a traceback would keep frames alive in the queue
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            super().enqueue(record)
        except queue.Full:
            self.dropped += 1


class _Listener(logging.handlers.QueueListener):
    """Writes records, and says how many were lost."""

    def __init__(self, source: _BoundedQueueHandler, *handlers: logging.Handler) -> None:
        super().__init__(source.records, *handlers, respect_handler_level=True)
        self._source = source
        self._told = 0

    def handle(self, record: logging.LogRecord) -> None:
        lost = self._source.dropped - self._told
        if lost:
            self._told += lost
            super().handle(_note(f"{lost} log records were dropped: the disk or terminal is too slow"))
        super().handle(record)

    def enqueue_sentinel(self) -> None:
        """Wait for room: the parent raises where the queue is full, and the thread would never be told to end."""
        self._source.records.put(None)


def _note(text: str) -> logging.LogRecord:
    return logging.LogRecord(__name__, logging.WARNING, __file__, 0, text, (), None)


class Logs:
    """What ``setup`` installed; ``close`` writes what waits and puts everything back."""

    def __init__(self, source: _BoundedQueueHandler, listener: _Listener, undo: list[Callable[[], None]]) -> None:
        self._source, self._listener, self._undo = source, listener, undo

    @property
    def dropped(self) -> int:
        return self._source.dropped

    def close(self) -> None:
        while self._undo:
            self._undo.pop()()
        self._listener.stop()
        for handler in self._listener.handlers:
            handler.close()


def setup(path: "Path | None", settings: LogSettings = DEFAULTS, console: Any = None) -> Logs:
    """Log everything of this process to the console and, where a path is given, to a rotating JSON-lines file.

    Parameters
    ----------
    path : Path, optional
        The JSON-lines file; its folder is made.
    settings : LogSettings, optional
        Levels and bounds.
    console : text stream, optional
        Where people read; default ``sys.stderr``.

    Returns
    -------
    Logs
        To be closed at the end of the session.
    """
    handlers: list[logging.Handler] = [_with(logging.StreamHandler(console), settings.console_level, _UtcFormatter())]
    if path is not None:
        file = PrivateRotatingFile(path, settings.file_bytes, settings.files)
        handlers.append(_with(file, settings.file_level, JsonFormatter()))
    source = _BoundedQueueHandler(queue.Queue(settings.queue_records))
    source.addFilter(SecretFilter())
    listener = _Listener(source, *handlers)
    undo = [*_root(source, min(h.level for h in handlers)), *_quieten(settings.quiet), *_hooks()]
    listener.start()
    return Logs(source, listener, undo)


def _with(handler: logging.Handler, level: int, formatter: logging.Formatter) -> logging.Handler:
    handler.setLevel(level)
    handler.setFormatter(formatter)
    return handler


def _root(handler: logging.Handler, level: int) -> Iterator[Callable[[], None]]:
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(level)
    yield lambda: root.setLevel(before)
    yield lambda: root.removeHandler(handler)
    logging.captureWarnings(True)
    yield lambda: logging.captureWarnings(False)


def _quieten(names: tuple[str, ...]) -> Iterator[Callable[[], None]]:
    for name in names:
        logger = logging.getLogger(name)
        before = logger.level
        logger.setLevel(max(before, logging.WARNING))
        yield lambda logger=logger, before=before: logger.setLevel(before)  # type: ignore[misc]


def _hooks() -> Iterator[Callable[[], None]]:
    """Uncaught errors are logged, hence scrubbed, instead of printed as they are."""
    main, thread = sys.excepthook, threading.excepthook

    def on_main(kind: Any, error: BaseException, trace: Any) -> None:
        if issubclass(kind, KeyboardInterrupt):
            main(kind, error, trace)
        else:
            logging.getLogger(__name__).critical("uncaught error", exc_info=(kind, error, trace))

    def on_thread(args: threading.ExceptHookArgs) -> None:
        name = args.thread.name if args.thread else "?"
        if args.exc_value is not None:
            info = (args.exc_type, args.exc_value, args.exc_traceback)
            logging.getLogger(__name__).error("uncaught error in thread %s", name, exc_info=info)

    sys.excepthook, threading.excepthook = on_main, on_thread
    yield lambda: setattr(sys, "excepthook", main)
    yield lambda: setattr(threading, "excepthook", thread)


@contextlib.contextmanager
def logging_to(path: "Path | None", settings: LogSettings = DEFAULTS) -> Iterator[Logs]:
    """``setup`` for the length of a ``with``."""
    logs = setup(path, settings)
    try:
        yield logs
    finally:
        logs.close()
