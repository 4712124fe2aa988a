"""What became of a request, read from an exception: one pure function and its table.

The numeric code in the text decides. ccxt's exception class does not: its table for this exchange applies to the
exchange's own addresses only, and calls some outcomes by names that say nothing about whether an order was taken
(-1021 is a network error to it, a 503 of unknown outcome a plain one).
"""

import re
from typing import NamedTuple

import ccxt

from live.secrets import scrub
from qt_core.codes import (
    BELOW_MIN_NOTIONAL,
    BRACKET_LEVERAGE,
    CANCELLED,
    DUPLICATE,
    EXCHANGE_BUSY,
    FLAT,
    HEALTH,
    INSUFFICIENT_MARGIN,
    LEVERAGE,
    MAX_QTY,
    NO_PRICE,
    NON_FINITE,
    NOT_ELIGIBLE,
    OK,
    ORDER_SLOTS,
    POST_ONLY_CROSS,
)

# Kinds of outcome: it was refused and would be again; refused, but may pass soon; nobody knows; the account cannot trade;
# there is no such order; the request changed nothing because it is so already; the trigger lies beyond the price.
REJECTED, RETRY, UNKNOWN, FATAL, NOT_FOUND, ALREADY, TRIGGERS_NOW = range(1, 8)
CLOCK_CODES = (-1021, -5028)  # what the exchange says of a date that it does not believe
KIND_NAMES = ("none", "rejected", "retry", "unknown", "fatal", "not_found", "already", "triggers_now")


class Outcome(NamedTuple):
    """What an exception says of a request."""

    kind: int
    reason: int  # codes.*: what the chain hears where the order is refused
    code: int  # the exchange's number, or the HTTP status where there is none
    text: str  # scrubbed


CODE = re.compile(r"[\"']code[\"']\s*:\s*[\"']?(-?\d+)")
STATUS = re.compile(r"\b(418|429|403|5\d\d)\b")

_TABLE: dict[int, tuple[int, int]] = {}


def _say(kind: int, reason: int, *codes: int) -> None:
    for code in codes:
        _TABLE[code] = (kind, reason)


_say(UNKNOWN, OK, -1000, -1001, -1006, -1007, -1010)  # the exchange itself does not know
_say(REJECTED, NON_FINITE, -1020)  # not supported: as definite as a refusal of a parameter
_say(RETRY, EXCHANGE_BUSY, -1003, -1004, -1008, -1015, -1016, -1021, -1034, -5028)
_say(RETRY, EXCHANGE_BUSY, -2012, -2020, -5041, -4117, -4078)
_say(FATAL, HEALTH, -1002, -1005, -1011, -1022, -1099, -1109, -1125, -2008, -2014, -2015, -2017, -4056, -4057, -4080)
_say(FATAL, HEALTH, -4088, -4192, -4402)
_say(REJECTED, INSUFFICIENT_MARGIN, -2018, -2019, -2024, -4050, -4051, -4118, -2010)
_say(REJECTED, BELOW_MIN_NOTIONAL, -4164, -4004, -4003, -20195, -20204)
_say(REJECTED, MAX_QTY, -4005, -20196)
_say(REJECTED, POST_ONLY_CROSS, -5022)
_say(REJECTED, BRACKET_LEVERAGE, -2027, -4209)
_say(REJECTED, LEVERAGE, -2028, -4028, -4161, -4202, -4203, -4205, -4206, -4208, -4403)
_say(REJECTED, ORDER_SLOTS, -2025, -4045, -20198)
_say(REJECTED, FLAT, -2022, -4054)
_say(REJECTED, NOT_ELIGIBLE, -1121, -1122, -4087, -4140, -4141, -4144, -4400, -4401, -2016, -2023, -5024, -20121)
_say(
    REJECTED,
    NON_FINITE,
    -1013,
    -2026,
    -1111,
    -1130,
    -4014,
    -4023,
    -4029,
    -4030,
    -1102,
    -1106,
    -1116,
    -4015,
    -4135,
    -20130,
)
_say(REJECTED, NO_PRICE, -4001, -4002, -4006, -4007, -4013, -4016, -4024, -4131, -4183, -4184, -4210, -4211, -1112)
_say(REJECTED, EXCHANGE_BUSY, -5026)
_say(NOT_FOUND, CANCELLED, -2011, -2013, -20124)
_say(ALREADY, DUPLICATE, -4046, -4059, -4116, -4115, -4171, -5027, -20132)
_say(TRIGGERS_NOW, OK, -2021, -4142)

# Without a code: ccxt's classes, most special first.
_CLASSES: tuple[tuple[type[Exception], int, int], ...] = (
    (ccxt.AuthenticationError, FATAL, HEALTH),
    (ccxt.RequestTimeout, UNKNOWN, OK),
    (ccxt.ExchangeNotAvailable, UNKNOWN, OK),  # also a connection lost while the answer was awaited
    (ccxt.NetworkError, UNKNOWN, OK),
    (ccxt.ArgumentsRequired, REJECTED, NON_FINITE),
    (ccxt.BadRequest, REJECTED, NON_FINITE),
    (ccxt.InvalidOrder, REJECTED, NON_FINITE),
)


def code_of(text: str) -> int:
    """The exchange's own number in an error text; 0 where there is none."""
    found = CODE.search(text)
    return int(found.group(1)) if found else 0


def classify(error: BaseException) -> Outcome:
    """What ``error`` says of the request that raised it. Whatever is not known to be a refusal is UNKNOWN.

    A plain ``ExchangeError`` without a code (a truncated body) and anything that is no exception of ccxt's are unknown
    too: to believe an order refused that was taken would double it.
    """
    text = scrub(str(error))
    code = code_of(text)
    status = STATUS.search(text.split("{", 1)[0]) if code == 0 or code == -1 or code == -1003 else None
    number = int(status.group(1)) if status else 0
    if number == 418:
        return Outcome(FATAL, HEALTH, number, text)
    if number == 429:
        return Outcome(RETRY, EXCHANGE_BUSY, number, text)
    if code in _TABLE:
        kind, reason = _TABLE[code]
        return Outcome(kind, reason, code, text)
    if code != 0 and code != -1:
        return _by_range(code, text)
    if number == 403:
        return Outcome(RETRY, EXCHANGE_BUSY, number, text)  # the firewall refused it before it was read
    for kind_of_error, kind, reason in _CLASSES:
        if isinstance(error, kind_of_error):
            return Outcome(kind, reason, code or number, text + _why(error))
    return Outcome(UNKNOWN, OK, code or number, text + _why(error))


def _why(error: BaseException) -> str:
    """What the socket said, which the library's own words (method and address) leave out."""
    cause = error.__cause__ or error.__context__
    return f" ({scrub(str(cause))})" if isinstance(cause, OSError) and str(cause) else ""


def _by_range(code: int, text: str) -> Outcome:
    """A code that is not in the table: -11xx and -40xx are refusals of parameters by the exchange's own scheme."""
    if -1199 <= code <= -1100 or -4999 <= code <= -4000 or -5999 <= code <= -5000:
        return Outcome(REJECTED, NON_FINITE, code, text)
    return Outcome(UNKNOWN, OK, code, text)
