"""Who asks: API key, signature over the exact bytes that were sent, timestamp within the receive window."""

import hashlib
import hmac

from live.testing import errors as e
from live.testing.errors import ApiError
from live.testing.filters import Params, whole
from live.testing.settings import KEY_LENGTH, Settings

AHEAD_MS = 1000  # a timestamp may lie this much in the exchange's future
DEFAULT_WINDOW_MS, MAX_WINDOW_MS = 5000, 60_000
MARK = "signature="


def signature(secret: str, text: str) -> str:
    """HMAC-SHA256 in hex of the parameters as they were sent."""
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def split_signature(text: str) -> tuple[str, str]:
    """Parameters without their signature, and it; the signature comes last."""
    head, found, tail = text.rpartition(MARK)
    return (head.rstrip("&"), tail) if found else (text, "")


def check_key(settings: Settings, key: str, permitted: bool) -> None:
    """The key of the header."""
    if len(key) != KEY_LENGTH or not key.isalnum():
        raise ApiError(e.BAD_KEY_FORMAT)
    if key != settings.api_key or not permitted:
        raise ApiError(e.REJECTED_KEY)


def check_signature(settings: Settings, query: str, body: str) -> None:
    """The signature over query and body, whichever of them carries it."""
    if MARK in body:
        text, given = split_signature(body)
        text = query + text
    else:
        text, given = split_signature(query)
        text += body
    if not given:
        raise ApiError(e.MISSING, "signature")
    if not hmac.compare_digest(signature(settings.secret, text), given):
        raise ApiError(e.BAD_SIGNATURE)


def check_time(params: Params, now_ms: int, strict: bool) -> None:
    """The timestamp must be there; where time is strict it must lie within the window."""
    sent = whole(params, "timestamp")
    window = min(whole(params, "recvWindow", DEFAULT_WINDOW_MS), MAX_WINDOW_MS)
    if not strict:
        return
    if sent > now_ms + AHEAD_MS:
        raise ApiError(e.AHEAD_OF_TIME)
    if now_ms - sent > window:
        raise ApiError(e.OUT_OF_TIME)
