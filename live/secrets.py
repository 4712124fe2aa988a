"""Keys of an exchange: where they may come from, and how they are kept out of everything that is written down.

They come from the environment, or from a file that only its owner can read; never from a configuration or a command
line, which end up in journals and process lists. A ``Secret`` shows nothing by itself, and ``live.logs`` knows it.
Libraries are less careful (ccxt logs whole requests, its errors carry signed addresses), so ``scrub`` takes signatures
and listen keys out of a text as well, and ``guard_logging`` applies it to every log record of the process.
"""

import logging
import os
import re
import stat
import traceback
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from live import logs
from live.errors import LiveError
from live.logs import HIDDEN, MIN_SECRET, register_secret

KEY_VARIABLE, SECRET_VARIABLE = "QT_BINANCE_KEY", "QT_BINANCE_SECRET"  # names of variables, not secrets
TEST_KEY_VARIABLE, TEST_SECRET_VARIABLE = "QT_BINANCE_TESTNET_KEY", "QT_BINANCE_TESTNET_SECRET"
# What a signed address or header shows even where the key itself is not known here.
PATTERNS = (
    re.compile(r"(?i)(signature=)[0-9a-f]+"),
    re.compile(r"(?i)(listenKey['\"]?\s*[=:]\s*['\"]?)[0-9a-z]+"),
    re.compile(r"(?i)(x-mbx-apikey['\"]?\s*[=:]\s*['\"]?)[0-9a-z]+"),
)


class Secret:
    """A text that no ``repr``, ``str``, format or pickle shows; ``reveal`` hands it to the one place that needs it."""

    __slots__ = ("__text",)

    def __init__(self, text: str) -> None:
        self.__text = text
        if len(text) >= MIN_SECRET:
            register_secret(text)

    def reveal(self) -> str:
        """The text itself."""
        return self.__text

    def __repr__(self) -> str:
        return "Secret(***)"

    def __str__(self) -> str:
        return HIDDEN

    def __format__(self, spec: str) -> str:
        return HIDDEN

    def __bool__(self) -> bool:
        return bool(self.__text)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not written to a file")

    def __getstate__(self) -> NoReturn:
        raise TypeError("a secret is not written to a file")


class Keys(NamedTuple):
    """A key and its secret."""

    key: Secret
    secret: Secret


def load_keys(testnet: bool, path: "Path | None" = None) -> Keys:
    """Keys from the environment, or from ``path``: a file of ``NAME=value`` lines with the same names.

    Parameters
    ----------
    testnet : read the testnet's variables, never the others: a test cannot reach real money by a forgotten flag.

    Raises
    ------
    LiveError
        Where a name is missing or empty, or others than the owner may read the file.
    """
    names = (TEST_KEY_VARIABLE, TEST_SECRET_VARIABLE) if testnet else (KEY_VARIABLE, SECRET_VARIABLE)
    values = os.environ if path is None else _read(path)
    where = "the environment" if path is None else str(path)
    found = [values.get(name, "").strip() for name in names]
    for name, value in zip(names, found, strict=True):
        if not value:
            raise LiveError(f"keys: {name} is not set in {where}")
    return Keys(Secret(found[0]), Secret(found[1]))


def _read(path: Path) -> dict[str, str]:
    """The lines of a key file whose mode and owner are right."""
    try:
        info = path.stat()
    except OSError as error:
        raise LiveError(f"keys: cannot read {path}: {error.strerror}") from None
    mode = stat.S_IMODE(info.st_mode)
    if not stat.S_ISREG(info.st_mode) or mode & 0o177:
        raise LiveError(f"keys: {path} has mode {mode:04o}; expected a plain file with 0600 or less")
    if info.st_uid != os.getuid():
        raise LiveError(f"keys: {path} belongs to user {info.st_uid}; expected {os.getuid()}")
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    pairs = (line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    return {name.strip(): value.strip() for name, value in pairs}


def scrub(text: str) -> str:
    """``text`` without any secret this process knows, and without signatures and listen keys."""
    text = logs.scrub(text)
    for pattern in PATTERNS:
        text = pattern.sub(rf"\g<1>{HIDDEN}", text)
    return text


NOT_SHOWN = "(a message that could not be searched for secrets)"


def scrub_record(record: logging.LogRecord) -> logging.LogRecord:
    """Replace a record's message and traceback by scrubbed text, so that no later formatter sees the arguments."""
    try:
        text = record.getMessage()
    except (TypeError, ValueError, KeyError):
        text = f"{record.msg} {record.args}"
    record.msg, record.args = scrub(text), None
    if record.exc_info and record.exc_info[1] is not None:
        record.exc_text = scrub("".join(traceback.format_exception(record.exc_info[1])).rstrip("\n"))
        record.exc_info = None
    return record


def guard_logging() -> None:
    """Scrub every log record of the process where it is made, whatever handler writes it; calling it twice is
    harmless.
    """
    inner = logging.getLogRecordFactory()
    if getattr(inner, "scrubs", False):
        return

    def factory(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = inner(*args, **kwargs)
        try:
            return scrub_record(record)
        except Exception:  # an object that dies with the interpreter logs when nothing can be imported any more
            record.msg, record.args, record.exc_info, record.exc_text = NOT_SHOWN, None, None, None
            return record

    factory.scrubs = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(factory)
