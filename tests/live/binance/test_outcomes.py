"""Errors by their number: recorded messages of the exchange, and what ccxt makes of a broken answer."""

import json
from collections.abc import Callable
from pathlib import Path

import ccxt
import ccxt.async_support
import pytest

from live.adapters.binance import outcomes as oc
from qt_core.codes import (
    BELOW_MIN_NOTIONAL,
    EXCHANGE_BUSY,
    FLAT,
    HEALTH,
    INSUFFICIENT_MARGIN,
    MAX_QTY,
    ORDER_SLOTS,
    POST_ONLY_CROSS,
)

BODY = 'binanceusdm {{"code":{code},"msg":"{text}"}}'

CASES = [
    (ccxt.InsufficientFunds, -2019, "Margin is insufficient.", oc.REJECTED, INSUFFICIENT_MARGIN),
    (ccxt.ExchangeError, -4164, "Order's notional must be no smaller than 20", oc.REJECTED, BELOW_MIN_NOTIONAL),
    (ccxt.InvalidOrder, -5022, "could not be executed as maker", oc.REJECTED, POST_ONLY_CROSS),
    (ccxt.BadRequest, -4005, "QTY_GREATER_THAN_MAX_QTY", oc.REJECTED, MAX_QTY),
    (ccxt.ExchangeError, -2022, "ReduceOnly Order is rejected.", oc.REJECTED, FLAT),
    (ccxt.OperationRejected, -4045, "MAX_STOP_ORDER_EXCEEDED", oc.REJECTED, ORDER_SLOTS),
    (ccxt.ExchangeError, -2021, "Order would immediately trigger.", oc.TRIGGERS_NOW, 0),
    (ccxt.OperationFailed, -1008, "Server is currently overloaded", oc.RETRY, EXCHANGE_BUSY),
    (ccxt.RateLimitExceeded, -1015, "Too many new orders", oc.RETRY, EXCHANGE_BUSY),
    (ccxt.InvalidNonce, -1021, "Timestamp for this request is outside of the recvWindow.", oc.RETRY, EXCHANGE_BUSY),
    (ccxt.RequestTimeout, -1007, "Send status unknown; execution status unknown.", oc.UNKNOWN, 0),
    (ccxt.OperationFailed, -1001, "Internal error; unable to process your request.", oc.UNKNOWN, 0),
    (ccxt.OrderNotFound, -2013, "Order does not exist.", oc.NOT_FOUND, 22),
    (ccxt.OrderNotFound, -2011, "Unknown order sent.", oc.NOT_FOUND, 22),
    (ccxt.ExchangeError, -4116, "ClientOrderId is duplicated.", oc.ALREADY, 15),
    (ccxt.AuthenticationError, -2015, "Invalid API-key, IP, or permissions for action.", oc.FATAL, HEALTH),
    (ccxt.ExchangeError, -2017, "API Keys are locked on this account.", oc.FATAL, HEALTH),
]


@pytest.mark.parametrize(("kind", "code", "text", "outcome", "reason"), CASES)
def test_the_number_decides_whatever_the_class(kind: type, code: int, text: str, outcome: int, reason: int):
    body = BODY.format(code=code, text=text)
    for error in (kind(body), ccxt.ExchangeError(body), ccxt.NetworkError(body)):
        got = oc.classify(error)
        assert (got.kind, got.reason, got.code) == (outcome, reason, code)


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (503, '{"code":-1,"msg":"Unknown error, please check your request or try again later."}', oc.UNKNOWN),
        (503, '{"code":-1008,"msg":"Request throttled by system-level protection."}', oc.RETRY),
        (504, "<html>Gateway Time-out</html>", oc.UNKNOWN),
        (418, '{"code":-1003,"msg":"Way too many requests; IP banned until 1600000000000."}', oc.FATAL),
        (429, '{"code":-1003,"msg":"Too many requests."}', oc.RETRY),
        (403, "<html>WAF</html>", oc.RETRY),
        (400, '{"code":-2019,"msg":"Margin is insufficient."}', oc.REJECTED),
        (400, '{"code":-4199,"msg":"A refusal nobody has seen."}', oc.REJECTED),
        (400, '{"code":-9999,"msg":"Anything else."}', oc.UNKNOWN),
    ],
)
def test_what_ccxt_raises_for_an_answer(status: int, body: str, outcome: int):
    """The text is made by ccxt itself, on an address that its table does not know."""
    exchange = ccxt.async_support.binanceusdm()
    url = "http://127.0.0.1:1/fapi/v1/order"
    parsed = json.loads(body) if body.startswith("{") else None

    def answer() -> None:
        exchange.handle_errors(status, "reason", url, "POST", {}, body, parsed, {}, "")
        exchange.handle_http_status_code(status, "reason", url, "POST", body)

    with pytest.raises(ccxt.BaseError) as raised:
        answer()
    assert oc.classify(raised.value).kind == outcome


@pytest.mark.parametrize(
    "error", [TimeoutError(), ConnectionResetError(), ccxt.RequestTimeout("POST"), KeyError("x"),
              ccxt.ExchangeNotAvailable("binanceusdm POST http://127.0.0.1"), ccxt.ExchangeError("binanceusdm POST")]
)  # fmt: skip
def test_what_is_not_known_to_be_a_refusal_is_unknown(error: Exception):
    assert oc.classify(error).kind == oc.UNKNOWN


def test_every_recorded_code_of_the_futures_table_has_an_outcome(require_shared: Callable[[str], Path]):
    table = json.loads(require_shared("fixtures/ccxt/binance_error_codes.json").read_text())["sections"]
    refusals = ("InvalidOrder", "InsufficientFunds", "OrderNotFillable", "BadSymbol", "PermissionDenied")
    for code, row in table["linear.exact"].items():
        got = oc.classify(ccxt.ExchangeError(BODY.format(code=code, text="x")))
        if row["ccxt"] in refusals:
            assert got.kind in (oc.REJECTED, oc.FATAL, oc.ALREADY), (code, row, got)
        if got.kind == oc.REJECTED:
            assert got.reason > 0
